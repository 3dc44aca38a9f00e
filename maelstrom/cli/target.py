"""Which daemon a command talks to, and with which token: flags, then the environment, then the state directory."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from maelstrom.api.client import Target
from maelstrom.model.errors import Forbidden, Unavailable

DEFAULT_URL = "http://127.0.0.1:8374"


@dataclass(slots=True)
class Options:
    """What was said on the command line, at whatever place."""

    output: str = "table"
    url: str = ""
    token: str = ""
    state_dir: str = ""
    request_timeout: float = 30.0

    @property
    def json(self) -> bool:
        return self.output == "json"


def find_target(options: Options, environ: Mapping[str, str]) -> Target:
    """Raises Unavailable where a state directory was named and no daemon runs with it, Forbidden where it is closed."""
    named = options.state_dir or environ.get("MAEL_STATE_DIR", "")
    directory = Path(named) if named else default_state_dir(environ)
    given = options.url or environ.get("MAELSTROM_URL", "")
    found = "" if given and not named else _ready_url(directory, bool(named))
    if named and not (given or found):
        raise Unavailable(
            f"no maelstromd is ready with the state directory {directory}: it has no ready.json",
            hint="start maelstromd, or say where it is with --url",
        )
    url = given or found or DEFAULT_URL
    token = options.token or environ.get("MAELSTROM_TOKEN", "")
    # A token that was not asked for goes to this host only: a mistyped address must not get it.
    if not token and (named or url == found or _is_here(url)):
        token = _read(directory / "admin-token", required=False).strip()
    return Target(url, token, options.request_timeout)


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """As the daemon's own default."""
    if os.geteuid() == 0:
        return Path("/var/lib/maelstrom")
    base = environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "maelstrom"


def _ready_url(directory: Path, required: bool) -> str:
    text = _read(directory / "ready.json", required)
    try:
        ready = json.loads(text) if text else {}
    except ValueError:
        ready = {}  # being written just now, or not ours
    url = ready.get("admin") if isinstance(ready, dict) else None
    return url if isinstance(url, str) else ""


def _read(path: Path, required: bool) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except PermissionError as error:
        if not required:
            return ""
        raise Forbidden(
            f"{path} may not be read by this user",
            hint="run maelctl as the user who runs maelstromd, or give --url and --token",
        ) from error
    except OSError:
        return ""


def _is_here(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
