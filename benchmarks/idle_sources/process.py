"""What a process uses, by Linux's /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """`cpu`: seconds since its start, or the share of one core within a time."""

    mib: float
    cpu: float
    threads: int
    files: int

    def since(self, before: Usage, seconds: float) -> Usage:
        return replace(self, cpu=(self.cpu - before.cpu) / seconds)


def usage(pid: int) -> Usage:
    own = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (own / "status").read_text().splitlines())
    times = (own / "stat").read_text().rpartition(")")[2].split()
    ticks = int(times[11]) + int(times[12])
    return Usage(
        int(status["VmRSS"].split()[0]) / 1024,
        ticks / os.sysconf("SC_CLK_TCK"),
        int(status["Threads"]),
        len(os.listdir(own / "fd")),
    )
