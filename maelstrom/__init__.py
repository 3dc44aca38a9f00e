"""Maelstrom: scale-to-zero containers, hard concurrency limits and event sources on plain Docker hosts."""

__version__ = "0.1.0"
