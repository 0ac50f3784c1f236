"""Work handed to workers and waited for: jobs, inquiries, and what is measured anew for an answer."""
