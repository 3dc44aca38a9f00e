"""The daemon as a command sees it."""

from __future__ import annotations

import getpass
import os

from maelstrom.api.client import Client
from maelstrom.cli.target import Options, find_target


def client(options: Options) -> Client:
    return Client(find_target(options, os.environ))


def author() -> str:
    """Who is at the keyboard, for the history."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user that no passwd knows
        name = str(os.geteuid())
    text = f"{name}@{os.uname().nodename}"
    return "".join(c for c in text if " " <= c <= "~")[:100]
