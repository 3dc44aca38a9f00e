"""The real Docker engine for tests: found, or started and stopped again by the run that started it.

Every test works under a cluster name of its own and removes all that carries it: tests may run beside each other, and
beside anything else on the engine.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import docker.errors

from tools import engine as engine_tool
from tools import engine_api

LABEL_CLUSTER = "maelstrom_cluster"
LABEL_SANDBOX = "maelstrom_sandbox"
_numbers = itertools.count(1)


@functools.cache
def ensure_engine() -> None:
    """Makes sure that an engine answers; one that had to be started ends with this process."""
    before = engine_tool.started_here()
    engine_tool.ensure()
    if not before:
        atexit.register(engine_tool.stop_started)  # does nothing to an engine that was there
    _remove_leftovers()


def _remove_leftovers() -> None:
    """What a test run that was killed has left behind."""
    for container in engine_api.containers("maelstrom=true"):
        cluster = str(container["Labels"].get(LABEL_CLUSTER, ""))
        owner = cluster.removeprefix("test-").partition("-")[0]
        if cluster.startswith("test-") and owner.isdigit() and not Path("/proc", owner).exists():
            engine_api.remove_containers(f"{LABEL_CLUSTER}={cluster}")


@functools.cache
def engine() -> docker.APIClient:
    """A client of the engine, for what a test does behind the product's back."""
    ensure_engine()
    return docker.APIClient(version="auto", timeout=60)


@contextmanager
def own_cluster() -> Iterator[str]:
    """A cluster name that nobody else has; what is labelled with it is removed at the end."""
    cluster = f"test-{os.getpid()}-{next(_numbers)}"
    try:
        yield cluster
    finally:
        remove_cluster(cluster)


def own_network(cluster: str) -> str:
    """A network for the containers of one test, removed with its cluster.

    On the default one the address of a container that has crashed goes to the next that anybody starts.
    """
    engine().create_network(cluster, labels={LABEL_CLUSTER: cluster})
    return cluster


def remove_cluster(cluster: str) -> None:
    """Kills and removes every container and network of a cluster."""
    client = engine()
    for container in [*containers(cluster), *sandboxes(cluster)]:
        try:
            client.remove_container(container["Id"], v=True, force=True)
        except docker.errors.APIError as error:
            if error.status_code not in (404, 409):  # gone, or being removed by somebody else
                raise
    for network in client.networks(filters={"label": f"{LABEL_CLUSTER}={cluster}"}):
        client.remove_network(network["Id"])


def containers(cluster: str) -> list[dict[str, Any]]:
    """What the engine has of a cluster but network sandboxes, running or not, as it lists it."""
    return [container for container in _listed(cluster) if LABEL_SANDBOX not in container["Labels"]]


def sandboxes(cluster: str) -> list[dict[str, Any]]:
    """The network sandboxes of a cluster, running or not."""
    return [container for container in _listed(cluster) if LABEL_SANDBOX in container["Labels"]]


def _listed(cluster: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine().containers(all=True, filters={"label": f"{LABEL_CLUSTER}={cluster}"})
    return found
