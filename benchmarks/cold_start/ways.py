"""The ways to start that are measured: each from nothing to the first byte, then everything is removed again."""

from __future__ import annotations

import asyncio
import time

import docker

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.instance import Address
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.runtime.ready import wait_ready


async def docker_run(client: docker.APIClient, image: str, port: int) -> dict[str, float]:
    """The command line, then the address, then connecting every millisecond."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec("docker", "run", "-d", image, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    container = said.decode().strip()
    if process.returncode:
        raise RuntimeError(f"docker run -d {image} fails")
    returned = time.perf_counter()
    try:
        network = client.inspect_container(container)["NetworkSettings"]["Networks"]["bridge"]
        await _first_byte(Address(network["IPAddress"], port))
        ended = time.perf_counter()
    finally:
        await asyncio.to_thread(client.remove_container, container, v=True, force=True)
    return {"total": _ms(ended - began), "command": _ms(returned - began)}


class Frozen:
    """One container of the image that is frozen and unfrozen by the engine's own calls."""

    def __init__(self, client: docker.APIClient, image: str) -> None:
        self._client = client
        self.container = str(client.create_container(image)["Id"])
        client.start(self.container)

    async def unpause(self) -> dict[str, float]:
        """What the engine needs for it, over a connection that is open already."""
        await asyncio.to_thread(self._client.pause, self.container)
        began = time.perf_counter()
        await asyncio.to_thread(self._client.unpause, self.container)
        return {"total": _ms(time.perf_counter() - began)}

    def remove(self) -> None:
        self._client.remove_container(self.container, v=True, force=True)


async def runtime_start(runtime: DockerRuntime, image: str, port: int) -> dict[str, float]:
    """The product's runtime: create and start over one kept-open connection, then the readiness probe.

    A runtime with a pool of network sandboxes has filled it before: that is done between two starts.
    """
    await runtime.fill_sandboxes()
    definition = ComponentDefinition(image=image, httpport=port)
    component = Component(ComponentKey("bench", "cold"), 1, 0, definition)
    began = time.perf_counter()
    container = await runtime.create(component, "bench")
    created = time.perf_counter()
    try:
        observed = await runtime.start(container)
        started = time.perf_counter()
        assert observed.address is not None
        await wait_ready(observed.address, "/", seconds=30)
        ended = time.perf_counter()
    finally:
        await runtime.remove(container)
    return {
        "total": _ms(ended - began),
        "create": _ms(created - began),
        "start": _ms(started - created),
        "answer": _ms(ended - started),
    }


async def _first_byte(address: Address) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection(address.host, address.port)
        except OSError:
            await asyncio.sleep(0.001)
            continue
        writer.write(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        await reader.readexactly(1)
        writer.close()
        return


def _ms(seconds: float) -> float:
    return seconds * 1000
