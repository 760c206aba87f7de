"""The door to SQL."""
