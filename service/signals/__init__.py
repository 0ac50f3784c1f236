"""What tells this process that something happened: jobs that changed, wake-ups to send, the wish to stop."""
