"""Routes of the pages for people: the front page and problems, signing in, the contract."""
