"""How much may be held."""
