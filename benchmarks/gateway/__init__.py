"""The gateway beside nginx and a direct call, in one interleaved run on this machine. See __main__.py."""
