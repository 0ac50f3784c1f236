"""HTTP itself: bodies, headers, cursors, filters, problems, the OpenAPI document, counts. Knows no resource."""
