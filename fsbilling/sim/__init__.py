"""A simulated switch that speaks real ESL."""
