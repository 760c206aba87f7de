"""Whose number, and where it is at home."""
