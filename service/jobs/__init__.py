"""Work that workers do for a request: jobs, inquiries, and details that are measured again."""
