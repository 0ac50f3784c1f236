"""Chats as their programs export them: every message is a turn."""
