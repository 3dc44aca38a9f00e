"""Socket activation and readiness, as systemd speaks them, with a real process at the other end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from maelstrom.daemon.service_manager import handed_sockets, notify

# What systemd does between fork and exec: descriptors from 3 on, and the pid of this very process.
ACTIVATE = """
import os, sys
for n, fd in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(fd, 3 + n)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])
os.execv(sys.executable, [sys.executable, "-c", sys.argv[3]])
"""
TOLD = """
import json, os
from maelstrom.daemon.service_manager import handed_sockets
from maelstrom.model.errors import InvalidSettings
try:
    found = [[one.name, one.bound.port, one.socket.get_inheritable()] for one in handed_sockets(os.environ)]
except InvalidSettings as error:
    found = error.message
print(json.dumps([found, [name for name in os.environ if name.startswith("LISTEN_")]]))
"""


def activated(sockets: list[socket.socket], names: str | None, count: int | None = None) -> object:
    fds = [one.fileno() for one in sockets]
    high = [os.dup2(fd, 100 + n) for n, fd in enumerate(fds)]  # out of the way of those that they become
    environ = {**os.environ, **({"LISTEN_FDNAMES": names} if names is not None else {})}
    try:
        done = subprocess.run(
            [sys.executable, "-c", ACTIVATE, ",".join(map(str, high)), str(count or len(fds)), TOLD],
            env=environ,
            pass_fds=high,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    finally:
        for fd in high:
            os.close(fd)
    found, left = json.loads(done.stdout)
    assert left == [], "children must not take them for theirs"
    return found


def port(one: socket.socket) -> int:
    number: int = one.getsockname()[1]
    return number


def test_each_socket_is_for_the_listener_of_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        assert activated([one, two], "admin:public") == [["admin", port(one), False], ["public", port(two), False]]


def test_a_socket_without_a_name_is_the_public_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        assert activated([one, two], "unknown:maelstromd.socket") == [
            ["public", port(one), False],
            ["public", port(two), False],
        ]
        assert activated([one], None) == [["public", port(one), False]]


def test_a_name_that_is_no_listeners_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        assert "FileDescriptorName=web is none of public, public-tls" in str(activated([one], "web"))


def test_what_does_not_listen_for_tcp_is_said(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        assert "does not listen for TCP" in str(activated([udp], "public"))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "door"))
        unix.listen()
        assert "does not listen for TCP" in str(activated([unix], "public"))


def test_sockets_of_another_process_are_left_alone() -> None:
    environ = {"LISTEN_PID": str(os.getppid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "public", "PATH": "/bin"}
    assert handed_sockets(environ) == []
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_is_told(tmp_path: Path, abstract: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"maelstrom-test-{os.getpid()}"
        manager.bind("\0" + name if abstract else str(tmp_path / "notify"))
        manager.settimeout(5)
        notify("@" + name if abstract else str(tmp_path / "notify"), "READY=1", "STATUS=serves")
        assert manager.recv(100) == b"READY=1\nSTATUS=serves"


def test_without_a_manager_nobody_is_told(tmp_path: Path) -> None:
    notify("", "READY=1")
    notify(str(tmp_path / "nobody"), "READY=1")
