"""Real daemons, real containers: each test has a cluster of its own and leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.aws import StandIn, stand_in
from tests.support.daemon import Daemon
from tests.support.engine import own_cluster
from tests.support.images import component_image
from tests.support.postgres import postgres

__all__ = ["postgres"]

StartDaemon = Callable[..., Daemon]


@pytest.fixture(scope="session")
def image() -> str:
    return component_image()


@pytest.fixture
def cluster() -> Iterator[str]:
    with own_cluster() as name:
        yield name


@pytest.fixture
def make_daemon(tmp_path: Path, cluster: str) -> Iterator[StartDaemon]:
    """Makes daemons, not started; whatever still runs at the end is killed."""
    made: list[Daemon] = []

    def make(node: str = "one", environ: Mapping[str, str] | None = None) -> Daemon:
        settings = {"MAEL_CLUSTER_NAME": cluster, **(environ or {})}
        daemon = Daemon(tmp_path / f"{node}-{len(made)}", node, settings)
        made.append(daemon)
        return daemon

    try:
        yield make
    finally:
        for daemon in made:
            daemon.kill()


@pytest.fixture
def daemon(make_daemon: StartDaemon) -> Daemon:
    return make_daemon().start()


@pytest.fixture(scope="session")
def aws() -> Iterator[StandIn]:
    with stand_in(poll_seconds=5, wait_seconds=5) as service:  # each stop waits for the polls that are open
        yield service
