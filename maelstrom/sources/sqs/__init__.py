"""Messages: which queue is asked next, hidden and deleted, what a component gets and says; dead letters."""
