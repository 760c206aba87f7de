"""What may be posted."""
