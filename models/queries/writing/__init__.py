"""What is accepted, measured and deleted: submissions, the results of a claim, repeated requests."""
