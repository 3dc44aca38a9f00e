"""The line between two processes of a node, and the one that holds their place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from maelstrom.daemon import foreground
from maelstrom.daemon.sockets import Listening
from maelstrom.daemon.upgrade import Inheritance, Successor
from maelstrom.model.errors import InvalidSettings, UpgradeFailed
from maelstrom.model.settings import Settings
from maelstrom.workers.line import Line
from maelstrom.workers.messages import Message

SETTINGS = Settings(state_dir=Path("/nowhere"), node_name="one")
# What a node becomes the parent of: it says what it heard, and ends as it was told.
HOLDER = """
import os, signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
node = subprocess.Popen([sys.executable, "-c", sys.argv[3]])
with open(sys.argv[2], "w") as lock:
    lock.write(str(node.pid))
os.execv(sys.executable, [sys.executable, "-I", "-S", sys.argv[1], str(node.pid), sys.argv[2]])
"""
NODE = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
signal.signal(signal.SIGHUP, lambda *_: os.write(1, b"hung up\\n"))
signal.pthread_sigmask(signal.SIG_SETMASK, ())
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


async def handed_over(*messages: Message) -> tuple[Inheritance, Line]:
    """What a process inherits by these messages, and the other end of its line."""
    ours, theirs = socket.socketpair()
    line = await Line.connect(ours, lambda message: None, lambda: None)
    for message in messages:
        line.send(message)
    return await Inheritance.receive(str(theirs.detach())), line


async def test_sockets_are_inherited_with_their_names(tmp_path: Path) -> None:
    lock, lifeline = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as one:
        handed = [["public", "127.0.0.1:0", os.dup(one.fileno())]]
        inheritance, line = await handed_over(["begin", lock, lifeline, handed, {}, "of a later version"])
        (got,) = inheritance.sockets
        assert isinstance(got, Listening)
        assert (got.name, got.wanted, got.bound.port) == ("public", "127.0.0.1:0", one.getsockname()[1])
        assert not got.socket.get_inheritable()
        got.socket.close()
    line.close()
    os.close(lock)
    os.close(lifeline)


async def test_settings_that_make_another_node_are_refused() -> None:
    lock, lifeline = os.pipe()
    identity = {"MAEL_STATE_DIR": "/nowhere", "MAEL_CLUSTER_NAME": "default", "MAEL_NODE_NAME": "two"}
    inheritance, line = await handed_over(["begin", lock, lifeline, [], identity])
    with pytest.raises(InvalidSettings, match="MAEL_NODE_NAME: is another one than two"):
        inheritance.check(SETTINGS)
    line.close()
    os.close(lock)
    os.close(lifeline)


async def test_a_process_that_is_not_wanted_any_more_ends() -> None:
    lock, lifeline = os.pipe()
    inheritance, line = await handed_over(["begin", lock, lifeline, [], {}])
    line.close()
    with pytest.raises(UpgradeFailed, match="changed its mind"):
        await inheritance.switched()
    os.close(lock)
    os.close(lifeline)


@pytest.mark.parametrize("text", ["x", "-1", "987654"])
async def test_what_is_no_inheritance_is_said(text: str) -> None:
    with pytest.raises(UpgradeFailed, match="MAELSTROM_INHERITANCE"):
        await Inheritance.receive(text)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ([sys.executable, "-c", "raise SystemExit(2)"], "ended with 2"),
        (["/nowhere/maelstromd"], "cannot be started: No such file"),
    ],
)
async def test_a_new_process_that_cannot_follow_is_said(command: list[str], why: str) -> None:
    lock, lifeline = os.pipe()
    successor = Successor(command, os.environ)
    with pytest.raises(UpgradeFailed, match=why):
        await successor.start(SETTINGS, [], lock, lifeline)
    os.close(lock)
    os.close(lifeline)


def holder(lock: Path, node: str = NODE) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, foreground.__file__, str(lock), node]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_signals_are_passed_on_and_the_end_is_the_nodes(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == "hung up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 7


def test_a_node_that_is_killed_is_told_as_a_shell_tells_it(tmp_path: Path) -> None:
    with holder(tmp_path / "lock") as process:
        os.kill(int((tmp_path / "lock").read_text()), signal.SIGKILL)
        assert process.wait(20) == 128 + signal.SIGKILL
