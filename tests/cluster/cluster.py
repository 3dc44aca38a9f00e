"""Three real daemons on one real PostgreSQL, each behind a gate of its own, and the faults that can befall them.

Everything lies in one temporary folder and ends with `close`: processes by their pid, containers by their cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster.ledger import Ledger
from tests.support import postgres
from tests.support.daemon import Daemon
from tests.support.engine import containers, own_cluster
from tests.support.gate import Gate

T = TypeVar("T")

BEAT, TTL = 1.0, 4.0
LOG_CHARACTERS = 20_000  # of each node, where something went wrong
NODES = ("one", "two", "three")
START_SECONDS = 90.0  # of a node, while others keep the machine busy
CLOCK_SECONDS = 10.0  # between a clock that was set and what is read of it
LONG_FREEZE = "freeze for longer than a ttl"
LOST_COMMITS = "commits lost"


class Background:
    """An event loop in a thread of its own, for what has to go on while a test waits."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="background", daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def do(self, step: Callable[[], object]) -> None:
        """One synchronous step, in the loop."""

        async def run() -> None:
            step()

        self.call(run())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


class Node:
    """A daemon, its way to the database, and its wall clock. What befalls it is counted when it is seen to."""

    def __init__(
        self, daemon: Daemon, gate: Gate, background: Background, clock: Path, ledger: Ledger, happened: Counter[str]
    ) -> None:
        self.daemon = daemon
        self.gate = gate
        self.happened = happened
        self._frozen_at: float | None = None
        self._before = (0, 0)  # what the gate had held and slowed before the last harm
        self._background = background
        self._clock = clock
        self._ledger = ledger

    @property
    def name(self) -> str:
        return self.daemon.node

    # the process

    def kill(self) -> None:
        """SIGKILL: its containers and what they work on go on."""
        labels = [found["Labels"] for found in containers(self.daemon.environ["MAEL_CLUSTER_NAME"])]
        ours = (found for found in labels if found.get("maelstrom_node") == self.name)
        self._ledger.killed |= {found.get("maelstrom_instance", "") for found in ours}
        assert self.daemon.process is not None
        self.daemon.kill()
        self.happened["kill"] += self.daemon.process.returncode == -signal.SIGKILL
        self._frozen_at = None

    def start(self) -> None:
        self._ledger.killed.clear()
        self.daemon.start(START_SECONDS)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
        until(lambda: self._process_state() == "T", f"{self.name} stopped", within=5)
        self._frozen_at = time.monotonic()
        self.happened["freeze"] += 1

    def thaw(self) -> None:
        assert self._frozen_at is not None
        self.happened[LONG_FREEZE] += self._process_state() == "T" and time.monotonic() - self._frozen_at > TTL
        self._signal(signal.SIGCONT)
        self._frozen_at = None

    @property
    def stopped(self) -> bool:
        return self._frozen_at is not None

    def _process_state(self) -> str:
        assert self.daemon.process is not None
        return Path(f"/proc/{self.daemon.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def _signal(self, number: signal.Signals) -> None:
        assert self.daemon.process is not None
        self.daemon.process.send_signal(number)

    # its way to the database

    def cut(self) -> None:
        """Connections are reset and refused."""
        before = self.gate.cuts
        self._background.call(self.gate.close())
        self.happened["cut"] += self.gate.cuts > before

    def reset(self) -> None:
        """Connections are reset; new ones may come at once."""
        before = self.gate.cuts
        self._background.do(self.gate.cut)
        self.happened["reset"] += self.gate.cuts > before

    def clog(self) -> None:
        """Nothing passes, and nobody is told; what was sent meanwhile arrives when it is over."""
        self._before = self.gate.held, self.gate.slowed
        self._background.do(self.gate.freeze)

    def delay(self, seconds: float) -> None:
        self._before = self.gate.held, self.gate.slowed
        self.gate.delay = seconds

    def mend(self) -> None:
        """The way is as it should be."""
        self.happened["clog"] += self.gate.held > self._before[0]
        self.happened["delay"] += self.gate.slowed > self._before[1]
        self._before = self.gate.held, self.gate.slowed
        self.gate.delay = 0.0
        self._background.do(self.gate.thaw)
        if not self.gate.is_open:
            self._background.call(self.gate.open())

    # its wall clock

    def skew(self, hours: float) -> None:
        """The wall clock jumps, at once; durations go on as they are."""
        half = self._clock.with_suffix(".new")
        half.write_text(f"{hours * 3600:+.0f}")
        half.replace(self._clock)
        until(
            lambda: abs(self._clock_error() - hours * 3600) < CLOCK_SECONDS,
            f"{self.name} to tell another time",
            within=10,
        )
        self.happened["skew"] += 1

    def _clock_error(self) -> float:
        """Seconds that its wall clock is off, as its own answers say."""
        with urllib.request.urlopen(f"{self.daemon.admin}/healthz", timeout=10) as answer:
            return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()


class Cluster:
    """`put` tells all nodes what to work on."""

    def __init__(self, folder: Path, name: str, environ: Mapping[str, str]) -> None:
        self.name = name
        self.folder = folder
        self.background = Background()
        self.ledger = Ledger(folder / "ledger.sock")
        self.background.call(self.ledger.start())
        self._folders: list[Path] = []
        self._environ = dict(environ)
        self._server_folder = self._postgres_folder()
        self.server = postgres.PostgresServer(self._server_folder, postgres.binaries(self._server_folder))
        self.replica: postgres.PostgresServer | None = None
        self.nodes: list[Node] = []
        self.happened: Counter[str] = Counter()
        self._wal: Gate | None = None

    def start(self) -> None:
        self.server.create()
        database = self.server.new_database()
        for name in NODES:
            gate = Gate(self.server.port)
            self.background.call(gate.open())
            clock = self.folder / f"{name}.clock"
            clock.write_text("+0")
            settings = {
                **self._environ,
                **_false_clock(clock),
                "MAEL_CLUSTER_NAME": self.name,
                "MAEL_DATABASE_URL": self.server.url(database, port=gate.port),
                "MAEL_BEAT_SECONDS": str(BEAT),
                "MAEL_SESSION_TTL_SECONDS": str(TTL),
            }
            daemon = Daemon(self.folder / name, name, settings)
            self.nodes.append(Node(daemon, gate, self.background, clock, self.ledger, self.happened))
        for node in self.nodes:
            node.daemon.launch()
        for node in self.nodes:
            node.daemon.wait_ready(START_SECONDS)

    @property
    def admin(self) -> Daemon:
        """A daemon that can be asked."""
        return next(n.daemon for n in self.nodes if n.daemon.running and not n.stopped and n.gate.is_open)

    # the database

    def crash(self) -> None:
        self.server.crash()
        self.happened["crash"] += 1

    def replicate(self) -> None:
        """A replica that follows the server through a gate of its own."""
        self._wal = Gate(self.server.port)
        self.background.call(self._wal.open())
        self.replica = self.server.standby(self._postgres_folder(), port=self._wal.port)

    def fall_behind(self) -> None:
        """From now on the replica hears nothing: the server's commits will be lost."""
        assert self._wal is not None
        self.background.do(self._wal.freeze)

    def promote(self) -> None:
        """The server dies, the replica takes its place with what it had."""
        assert self._wal is not None
        assert self.replica is not None
        last = self.server.value("select pg_current_wal_lsn()")
        self.server.crash()
        self.background.call(self._wal.__aexit__())
        self.replica.promote()
        self.happened["promote"] += 1
        self.happened[LOST_COMMITS] += self.replica.value(f"select pg_last_wal_replay_lsn() < '{last}'::pg_lsn")
        self.server, self.replica = self.replica, None
        for node in self.nodes:
            node.gate.target = self.server.port
            self.background.do(node.gate.cut)

    # the end

    def close(self) -> None:
        for node in self.nodes:
            node.daemon.kill()
            self.background.call(node.gate.__aexit__())
        for server in (self.replica, self.server):
            if server is not None:
                server.stop(signal.SIGQUIT)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        if self._wal is not None:
            self.background.call(self._wal.__aexit__())
        self.background.call(self.ledger.stop())
        self.background.stop()

    def logs(self) -> str:
        return "\n".join(f"--- {node.name}\n{node.daemon.log()[-LOG_CHARACTERS:]}" for node in self.nodes)

    def _postgres_folder(self) -> Path:
        folder = postgres.new_folder()
        self._folders.append(folder)
        return folder


@contextlib.contextmanager
def running_cluster(environ: Mapping[str, str]) -> Iterator[Cluster]:
    """Three nodes that run, with nothing to do yet; gone at the end, whatever happens."""
    with own_cluster() as name, tempfile.TemporaryDirectory(prefix="maelstrom-") as folder:
        cluster = Cluster(Path(folder), name, environ)
        try:
            cluster.start()
            yield cluster
        except BaseException as error:
            error.add_note(cluster.logs())
            raise
        finally:
            cluster.close()


def until(check: Callable[[], object], what: str, *, within: float) -> float:
    """Waits until the check holds; how many seconds that took."""
    begun = time.monotonic()
    while not check():
        assert time.monotonic() < begun + within, f"not within {within:g} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - begun


def _false_clock(file: Path) -> dict[str, str]:
    """A wall clock that the file sets, in a process whose durations stay true."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DISABLE_SHM": "1",  # it would stay behind after a SIGKILL
    }
