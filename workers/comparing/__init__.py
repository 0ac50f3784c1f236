"""The summary of a comparison: its groups fetched, the statistics run, the result and its report stored."""
