"""The assembly: settings, logging, and every service built in order and stopped in reverse. Decides nothing itself."""
