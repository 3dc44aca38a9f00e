"""One worker of the gateway: `python -m maelstrom.daemon.worker CONTROL COUNTERS:COLUMN plain|tls=LISTENING …`, where
CONTROL, COUNTERS and LISTENING are file descriptors.

Started by the main process only, and gone when that is gone, however it ended. It must not load what only the main
process needs: a worker is to be small, and soon there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Sequence

from maelstrom.daemon import logs
from maelstrom.daemon.loop import loop_runner
from maelstrom.daemon.supervisor import Supervisor
from maelstrom.model.settings import Settings
from maelstrom.workers.headcount import Headcount
from maelstrom.workers.line import Door
from maelstrom.workers.worker import Worker

COMMAND = ("-P", "-m", "maelstrom.daemon.worker")
PR_SET_PDEATHSIG = 1  # Linux's prctl.h


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # sent to the whole process group: the main process says what to do
    with contextlib.suppress(OSError, AttributeError):  # not Linux: then the end of the line tells
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    control, counters, *doors = sys.argv[1:]
    descriptor, _, column = counters.partition(":")
    headcount = Headcount(int(descriptor), int(column))
    with loop_runner() as runner:
        runner.run(_run(socket.socket(fileno=int(control)), [_door(one) for one in doors], headcount))


async def _run(control: socket.socket, doors: Sequence[Door], headcount: Headcount) -> None:
    supervisor = Supervisor()
    try:
        await Worker(doors, headcount, supervisor.spawn, _begin).run(control)
    finally:
        await supervisor.end()


def _door(given: str) -> Door:
    kind, _, descriptor = given.partition("=")
    return Door(socket.socket(fileno=int(descriptor)), tls=kind == "tls")


def _begin(settings: Settings) -> None:
    logs.set_up(settings.log_format, settings.log_level, os.environ)


if __name__ == "__main__":
    main()
