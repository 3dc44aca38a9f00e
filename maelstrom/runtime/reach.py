"""How the daemon and the engine's containers find each other: found out once, never asked of the user.

Containers have addresses on a bridge of the engine's host. The daemon reaches them only where it shares that host's
network; with Docker Desktop, a rootless or a remote engine, or in a container itself, another way is needed. It must
not know of components.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker.errors

from maelstrom.model.errors import EngineUnavailable, MaelstromError
from maelstrom.runtime.client import DEFAULT_HOST, EngineClient
from maelstrom.runtime.engine import Engine
from maelstrom.runtime.spec import LABEL_OURS, Identity, Publication

log = logging.getLogger("maelstrom.runtime")

LOOPBACK = "127.0.0.1"
DESKTOP_CALLBACK = "host.docker.internal"
SOMEWHERE = "192.0.2.1"  # documentation address: asks the system which of our addresses leads out, sends nothing

_CONTAINER_ID = re.compile(r"[0-9a-f]{12}(?:[0-9a-f]{52})?")
_OWN_MOUNT = re.compile(r"\S+ \S+ \S+ \S*/containers/([0-9a-f]{64})/\S+ /etc/(?:hostname|hosts|resolv\.conf) ")


@dataclass(frozen=True, slots=True)
class Reach:
    """What was found. `listen`: where the listener for containers belongs; `callback`: how they name that address."""

    publication: Publication
    host: str  # where published ports answer
    listen: str
    callback: str
    reason: str  # for the log


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """A network of the engine that the daemon itself is on, being in a container."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the choice depends on."""

    engine_host: str = ""  # address of a remote engine; empty: on this machine, or behind a socket
    rootless: bool = False
    desktop: bool = False
    gateway: str = ""  # the engine's end of its default bridge
    gateway_is_ours: bool = False
    certain: bool = False  # that the gateway's address is that engine's, not another one's that uses the same
    own_network: OwnNetwork | None = None
    outbound: str = LOOPBACK  # our address towards the engine, or towards anywhere


def choose(facts: Facts) -> Reach:
    """Pure: the way for these facts."""
    own = facts.own_network
    if own is not None:
        network = "" if own.name == "bridge" else own.name
        return Reach(Publication(network=network), "", own.address, own.address, f"in a container on {own.name}")
    if facts.engine_host:
        published = Publication(publish=True)
        return Reach(published, facts.engine_host, facts.outbound, facts.outbound, "the engine is on another host")
    on_loopback = Publication(publish=True, bind=LOOPBACK)
    if facts.desktop:
        return Reach(on_loopback, LOOPBACK, LOOPBACK, DESKTOP_CALLBACK, "the engine is in a virtual machine")
    if facts.rootless:
        return Reach(on_loopback, LOOPBACK, facts.outbound, facts.outbound, "the engine is rootless")
    if facts.gateway_is_ours:
        return Reach(Publication(), "", facts.gateway, facts.gateway, "the engine's bridge is on this host")
    return Reach(on_loopback, LOOPBACK, facts.outbound, facts.outbound, "the engine's bridge is not on this host")


async def find_reach(engine: Engine, identity: Identity) -> Reach:
    """Raises EngineUnavailable."""
    endpoint = engine.endpoint
    facts = await engine.call("look", lambda client: _facts(client, endpoint))
    if facts.gateway_is_ours and not facts.certain and not await _shares_network(engine, identity):
        facts = replace(facts, gateway_is_ours=False)
    return choose(facts)


def _facts(client: EngineClient, endpoint: str) -> Facts:
    info: dict[str, Any] = client.info()
    remote = _remote_address(endpoint)
    gateway = _gateway(client)
    return Facts(
        engine_host=remote,
        rootless=any("rootless" in option for option in info.get("SecurityOptions") or ()),
        desktop="Docker Desktop" in (info.get("OperatingSystem") or ""),
        gateway=gateway,
        gateway_is_ours=bool(gateway) and is_ours(gateway),
        certain=endpoint == DEFAULT_HOST and info.get("Name") == socket.gethostname(),
        own_network=_own_network(client),
        outbound=_outbound(remote or SOMEWHERE),
    )


def _remote_address(endpoint: str) -> str:
    """The engine's host where that is another machine; a name is looked up once, here."""
    host = urlsplit(endpoint).hostname if endpoint.startswith(("tcp://", "http://", "https://", "ssh://")) else None
    if not host:
        return ""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [str(item[4][0]) for item in sorted(found, key=lambda item: item[0] != socket.AF_INET)]
    return "" if any(is_ours(address) for address in addresses) else addresses[0]


def _gateway(client: EngineClient) -> str:
    try:
        network: dict[str, Any] = client.inspect_network("bridge")
    except docker.errors.NotFound:
        return ""  # an engine without a default bridge
    for item in (network.get("IPAM") or {}).get("Config") or []:
        subnet = ipaddress.ip_network(item["Subnet"], strict=False)
        if subnet.version == 4:
            # an engine that has just made its bridge does not name the gateway, which is the first address then
            return str(item.get("Gateway") or subnet[1])
    return ""


def _own_network(client: EngineClient) -> OwnNetwork | None:
    """Of several networks that it is on, the one labelled `maelstrom=true` is meant for components."""
    for container in _own_container_ids():
        try:
            body = client.container(container)
        except docker.errors.APIError:
            continue  # the name of a host may look like an id
        joined = (body.get("NetworkSettings") or {}).get("Networks") or {}
        found = [
            OwnNetwork(name, end["IPAddress"])
            for name, end in joined.items()
            if end.get("IPAddress") and is_ours(end["IPAddress"])
        ]
        if len(found) > 1:
            found.sort(key=lambda network: not _meant_for_components(client, network.name))
        if found:
            return found[0]
    return None


def _meant_for_components(client: EngineClient, network: str) -> bool:
    body: dict[str, Any] = client.inspect_network(network)
    return (body.get("Labels") or {}).get(LABEL_OURS) == "true"


def _own_container_ids() -> list[str]:
    """Ids of the container that this process may be in, as the engine set it up."""
    ids = [found[1] for found in _OWN_MOUNT.finditer(_read(Path("/proc/self/mountinfo")))]
    name = socket.gethostname()
    return [*dict.fromkeys(ids), *([name] if _CONTAINER_ID.fullmatch(name) else [])]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # not a Linux system


async def _shares_network(engine: Engine, identity: Identity) -> bool:
    """The exact proof, where the gateway's address might be another engine's: a bridge made there appears here."""
    name = f"maelstrom-reach-{uuid.uuid4().hex[:12]}"

    def appears(client: EngineClient) -> bool:
        network = str(client.create_network(name, driver="bridge", labels=identity.labels)["Id"])
        try:
            return f"br-{network[:12]}" in [interface for _, interface in socket.if_nameindex()]
        finally:
            client.remove_network(network)

    try:
        return await engine.call("make", appears)
    except EngineUnavailable:
        raise
    except MaelstromError as error:
        log.info("cannot tell for sure whether the engine's bridge is on this host: %s", error.message)
        return True


def _outbound(towards: str) -> str:
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 9))
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK  # no route leads out


def is_ours(address: str) -> bool:
    """Whether an address is one of this network namespace's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
