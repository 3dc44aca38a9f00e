"""A runtime on the real engine under a cluster name of its own, and a registry to pull from."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Generator

import docker.errors
import pytest

from maelstrom.runtime.docker import DockerRuntime
from tests.support.engine import engine, own_cluster
from tests.support.registry import Registry


@pytest.fixture
def cluster() -> Generator[str, None, None]:
    with own_cluster() as name:
        yield name


@pytest.fixture
async def runtime(cluster: str) -> AsyncGenerator[DockerRuntime, None]:
    made = DockerRuntime(cluster=cluster, node="node1", private_url="http://192.0.2.7:1", environ=os.environ)
    yield made
    await made.close()


@pytest.fixture
def registry() -> Generator[Registry, None, None]:
    """A registry for this test alone; what was pulled from it is removed."""
    found = Registry()
    yield found
    found.close()
    for image in engine().images(filters={"reference": f"{found.address}/*"}):
        for tag in image["RepoTags"] or [image["Id"]]:
            try:
                engine().remove_image(tag, force=True)
            except docker.errors.NotFound:
                continue  # the last tag took it along
