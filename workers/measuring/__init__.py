"""One claim of documents under one model: opened models, rendered documents, passes, stored results."""
