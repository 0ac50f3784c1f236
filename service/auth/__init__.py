"""Authentication: which tenant a request belongs to, by its key, a browser's sign-in, or as this machine's own."""
