"""Tasks of activities: how they are worked, told, and answered later."""
