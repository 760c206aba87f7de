"""The daemon as a process: its parts wired together, its post at the switches, its errands."""
