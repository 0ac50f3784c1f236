"""The formats of linguists: CHAT, ELAN's tables, and what has times but no words."""
