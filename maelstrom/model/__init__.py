"""The words that everyone uses: definitions, identities, errors. Imports nothing of ours, does no I/O."""
