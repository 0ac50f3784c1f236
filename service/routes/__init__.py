"""The routes, one file a resource. Each reads the request, calls the named queries, and presents what they found."""
