"""What is stored and deleted: submissions, data sets, the results of a claim, profiles, repeated requests."""
