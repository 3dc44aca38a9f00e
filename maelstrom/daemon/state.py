"""The state directory: held by one process, closed to everybody else, and what lies in it.

`lock` is flocked for the life of the process, so a successor knows that its predecessor is gone. It must not know of
services.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import uuid
from pathlib import Path
from typing import Any

from maelstrom.model.errors import InvalidSettings, MaelstromError, Problem, StateInUse

TOKEN_BYTES = 32


class StateDirectory:
    """Opened and locked by `open`; `close` gives it back."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def open(cls, path: Path) -> StateDirectory:
        """Makes and locks the directory. Raises StateInUse, or InvalidSettings where it cannot be written."""
        make_directory(path)
        try:
            lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(lock, 32).decode("ascii", "replace").strip()
            os.close(lock)
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise _unusable(path, error) from error
            by = f" by process {holder}" if holder else ""
            raise StateInUse(f"the state directory {path} is in use{by}") from error
        try:
            _name_holder(lock)
        except OSError as error:
            os.close(lock)
            raise _unusable(path, error) from error
        state = cls(path, lock)
        state.remove_ready()  # a former process that was killed may have left it
        return state

    @classmethod
    def inherit(cls, path: Path, lock: int) -> StateDirectory:
        """The directory of the process before this one, which has handed its lock on; `take_over` makes it ours."""
        return cls(path, lock)

    def take_over(self) -> None:
        """The process before this one holds it no more."""
        _name_holder(self._lock)

    @property
    def lock(self) -> int:
        """The descriptor to hand on: whoever has it open holds the directory."""
        return self._lock

    def close(self, *, handed_on: bool = False) -> None:
        if not handed_on:
            self.remove_ready()
        os.close(self._lock)

    def identity(self) -> str:
        """A random id of this directory, made once: sessions of the same directory succeed one another."""
        return self._once("id", lambda: uuid.uuid4().hex)

    def admin_token(self, given: str) -> str:
        """The token of the settings, else the one of this directory, made at the first start. It lies there 0600."""
        if given:
            self._write("admin-token", given)
            return given
        return self._once("admin-token", lambda: secrets.token_urlsafe(TOKEN_BYTES))

    def last_port(self) -> int:
        """The internal listener's port of the former process, which its containers still call; 0: none."""
        try:
            return int((self.path / "internal-port").read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def remember_port(self, port: int) -> None:
        self._write("internal-port", str(port))

    def recall(self) -> str:
        """What leases know of the database's history; nothing if it cannot be read."""
        try:
            return (self.path / "database.json").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def keep(self, text: str) -> None:
        self._write("database.json", text)

    def write_upgrade(self, facts: dict[str, Any]) -> None:
        """How the last upgrade went, for whoever has asked for it."""
        self._write("upgrade.json", json.dumps(facts) + "\n")

    def write_ready(self, facts: dict[str, Any]) -> None:
        self._write("ready.json", json.dumps(facts, indent=2) + "\n")

    def remove_ready(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.path / "ready.json").unlink()

    def _once(self, name: str, make: Any) -> str:
        try:
            text = (self.path / name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            raise MaelstromError(
                f"{self.path / name} cannot be read: {error}", hint="give it back its owner, or remove it"
            ) from error
        if text:
            (self.path / name).chmod(0o600)
            return text
        made: str = make()
        self._write(name, made)
        return made

    def _write(self, name: str, text: str) -> None:
        """Whole or not at all: a reader never sees half a file."""
        temporary = self.path / f".{name}.{os.getpid()}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)
        except OSError as error:
            raise _unusable(self.path, error) from error


def _name_holder(lock: int) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)


def make_directory(path: Path) -> None:
    """0700, and whatever this process makes from now on is its own. Raises InvalidSettings where it cannot be."""
    os.umask(0o077)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> InvalidSettings:
    hint = {
        errno.ENOSPC: "the disk is full: free some space",
        errno.EROFS: "the file system is read-only: choose another MAEL_STATE_DIR",
        errno.EACCES: "give the directory to the user that maelstromd runs as, or choose another MAEL_STATE_DIR",
        errno.EPERM: "give the directory to the user that maelstromd runs as, or choose another MAEL_STATE_DIR",
        errno.ENOTDIR: "something on the way is a file: choose another MAEL_STATE_DIR",
        errno.EEXIST: "there is a file of that name: choose another MAEL_STATE_DIR",
    }.get(error.errno or 0, "choose another MAEL_STATE_DIR")
    problem = Problem("MAEL_STATE_DIR", f"{path} cannot be used: {error.strerror or error}", hint)
    return InvalidSettings((problem,))
