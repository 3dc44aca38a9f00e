"""A copy of the database that was put back: noticed by whoever saw more of it, or said by command."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from maelstrom.leases.clock import SteadyClock
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.leases.restore import begin_era
from maelstrom.leases.term import longest_busy_milliseconds
from maelstrom.registry.engine import make_engine
from tests.contract.leases.cluster import AnyCluster, Cluster
from tests.unit.leases.test_history import Kept


async def run_once(cluster: Cluster, kept: Kept) -> None:
    """A node that starts and stops."""
    keeper = LeaseKeeper(
        cluster.engine,
        node="a",
        state_dir_id="a",
        beat_seconds=1,
        ttl_seconds=10,
        clock=SteadyClock(),
        memory=kept,
    )
    await keeper.start()
    await keeper.stop()


async def test_a_node_that_starts_notices_an_older_copy(sqlite_url: str) -> None:
    path, kept = Path(sqlite_url.removeprefix("sqlite:///")), Kept()
    before = Cluster(make_engine(sqlite_url))
    await before.prepare()
    source = await before.source(1)
    await run_once(before, kept)
    await before.engine.dispose()
    shutil.copy(path, path.with_suffix(".copy"))
    before = Cluster(make_engine(sqlite_url))
    worker = await before.session("b")
    await worker.granted(source, 1)
    await run_once(before, kept)
    await before.engine.dispose()
    assert not list(path.parent.glob(f"{path.name}-*")), "all is in the file"
    shutil.copy(path.with_suffix(".copy"), path)

    after = Cluster(make_engine(sqlite_url))
    era = (await after.statements.ground()).era
    await run_once(after, kept)
    assert (await after.statements.ground()).era != era
    late = await after.session("c")
    assert await late.grant(source, 1) is None, "what the copy does not know of may still be open"
    await run_once(after, kept)
    assert (await after.statements.ground()).era == late.me.era, "once is enough"
    await after.engine.dispose()


async def test_a_restart_notices_nothing_where_nothing_was_lost(stored_cluster: Cluster) -> None:
    kept = Kept()
    await run_once(stored_cluster, kept)
    ground = await stored_cluster.statements.ground()
    await run_once(stored_cluster, kept)
    after = await stored_cluster.statements.ground()
    assert (after.era, after.flushed >= ground.flushed) == (ground.era, True)


async def test_a_log_that_is_shorter_than_what_was_told_begins_a_new_era(postgres_cluster: Cluster) -> None:
    kept = Kept()
    await run_once(postgres_cluster, kept)
    ground = await postgres_cluster.statements.ground()
    kept.text = kept.text.replace('"flushed": ', '"flushed": 9')  # more than the server has
    await run_once(postgres_cluster, kept)
    assert (await postgres_cluster.statements.ground()).era != ground.era


async def test_an_era_by_command_ends_all_sessions_and_says_how_long_it_waits(stored_cluster: Cluster) -> None:
    cluster: AnyCluster = stored_cluster
    source = await cluster.source(1, high_ms=900_000)
    a = await cluster.session("a")
    seconds = await begin_era(stored_cluster.engine, ttl_seconds=10)
    assert seconds == (10_000 + longest_busy_milliseconds(900_000)) / 1000
    assert await cluster.statements.beat(a.me) is None
    b = await cluster.session("b")
    assert await b.grant(source, 1) is None


async def test_the_command_says_what_it_has_done(stored_cluster: Cluster, url: str, tmp_path: Path) -> None:
    a = await stored_cluster.session("a")
    source = await stored_cluster.source(1)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from maelstrom.daemon.main import main; main()", "new-era"),
        *("--database-url", url, "--state-dir", str(tmp_path / "state")),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert b"a new era has begun" in said
    assert await stored_cluster.statements.beat(a.me) is None
    b = await stored_cluster.session("b")
    assert await b.grant(source, 1) is None
