"""The decisions, pure: state in, actions with their reasons out. No clock, no dice, no I/O: all of it is handed in."""
