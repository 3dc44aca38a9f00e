"""What the first process becomes once it has been upgraded: it holds the place that its starter knows, and no more.

It waits for the node, which is its child or, after another upgrade, its adopted grandchild, passes signals on to it and
ends as it ends. Run as a script of its own by a bare interpreter, so that it costs next to nothing: standard library
only, and nothing of this package.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

PASSED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2}


def main(first: int, lock: str) -> int:
    """`first`: the node that was started by this process; `lock`: the file that names the present one."""
    awaited = {*PASSED_ON, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    node, code = first, 0
    while True:
        node = _named(lock) or node
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == node:
                    code = os.waitstatus_to_exitcode(ended[1])
        except ChildProcessError:
            return code if code >= 0 else 128 - code
        number = signal.sigwait(awaited)
        if number != signal.SIGCHLD:
            with contextlib.suppress(ProcessLookupError):
                os.kill(_named(lock) or node, number)


def _named(lock: str) -> int:
    try:
        with open(lock, encoding="ascii") as file:
            return int(file.read() or 0)
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
