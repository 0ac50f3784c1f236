"""Transcripts to turns: the formats in folders by who writes them, and who speaks where a format does not say."""
