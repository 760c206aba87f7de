"""What a second costs: pure, exact, explained."""
