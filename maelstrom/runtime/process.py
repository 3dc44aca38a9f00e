"""The first process of a container, seen past the engine: what still tells of its end while the engine is away.

Only where it can be seen from here; for a remote engine, or in a process namespace of our own, nothing is known. It
must not know what is done about an end.
"""

from __future__ import annotations

import os
from pathlib import Path

_EXITING = 0x4  # PF_EXITING among the flags of proc(5)'s stat


def own_process(pid: int, container: str) -> int:
    """`pid` as the engine gave it, if that is a process of this very container here; else 0."""
    try:
        return pid if pid > 0 and container and container in Path(f"/proc/{pid}/cgroup").read_text() else 0
    except OSError:
        return 0


def has_ended(process: int) -> bool:
    """Whether it is known to have ended; `process` as `own_process` gave it.

    One that has ended and that nobody has taken notice of yet still counts: until then the engine frees nothing of it.
    """
    if not process:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it runs, under another user
    return False


def is_over(process: int) -> bool:
    """Whether it is known to have begun to end, although nobody may have taken notice yet.

    Its sockets are closed early on that way: who was connected may know before the engine does.
    """
    if not process:
        return False
    try:
        stat = Path(f"/proc/{process}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False
    state, *others = stat.rpartition(b")")[2].split()
    return state in (b"Z", b"X") or bool(int(others[5]) & _EXITING)
