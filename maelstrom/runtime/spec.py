"""What the engine is asked to make: a component's definition and this node's identity as the body of one create call.

Pure: values in, values out. It must not know of connections, of what exists already, or of the clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.makeup import makeup
from maelstrom.model.mount import Mount
from maelstrom.model.ports import PortBinding, parse_ports, parse_ulimit
from maelstrom.runtime.sandbox_image import PROGRAM

MIB = 1 << 20
PRODUCT_PREFIX = "MAELSTROM_"
COPIED_LOGS = "maelstrom"  # `logdriver` that keeps the engine's default and copies the lines to the daemon's output

LABEL_OURS = "maelstrom"
LABEL_CLUSTER = "maelstrom_cluster"
LABEL_NODE = "maelstrom_node"
LABEL_PROJECT = "maelstrom_project"
LABEL_COMPONENT = "maelstrom_component"
LABEL_VERSION = "maelstrom_version"
LABEL_GENERATION = "maelstrom_generation"
LABEL_FINGERPRINT = "maelstrom_fingerprint"
LABEL_INSTANCE = "maelstrom_instance"
LABEL_HTTP_PORT = "maelstrom_httpport"  # an image may expose more ports: this is the one that is asked
LABEL_HTTP_VERSION = "maelstrom_httpversion"  # only where it is 2
LABEL_SANDBOX = "maelstrom_sandbox"  # on network sandboxes: what they were made as

# A container in another's network can have none of these of its own: the engine refuses them, or they would be lost.
NETWORK_FIELDS = ("hostname", "domainname", "ports", "networkname", "dns", "dnsoptions", "dnssearch")
NETWORK_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
_JOINS = "container:"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose containers these are on an engine that others may use too."""

    cluster: str
    node: str

    @property
    def labels(self) -> dict[str, str]:
        """What every container of this node has, helpers too."""
        return {LABEL_OURS: "true", LABEL_CLUSTER: self.cluster, LABEL_NODE: self.node}

    @property
    def label_filter(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.labels.items()]

    def owns(self, labels: dict[str, str]) -> bool:
        return all(labels.get(name) == value for name, value in self.labels.items())


@dataclass(frozen=True, slots=True)
class Publication:
    """How the daemon reaches a container: directly, or by its HTTP port published at `bind` of the engine's host."""

    publish: bool = False
    bind: str = ""  # empty: all addresses of the engine's host
    network: str = ""  # the network for components that name none; empty: the engine's default


def fingerprint(component: Component) -> str:
    """What a container was made from: equal if and only if one that runs already may be kept.

    The version is none of it: it counts changes, too, that make no other container.
    """
    made_from = [*component.key, component.generation, makeup(component.definition)]
    text = json.dumps(made_from, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def container_labels(identity: Identity, component: Component, instance_id: str) -> dict[str, str]:
    return {
        **identity.labels,
        LABEL_PROJECT: component.project,
        LABEL_COMPONENT: component.key.full_name,
        LABEL_VERSION: str(component.version),
        LABEL_GENERATION: str(component.generation),
        LABEL_FINGERPRINT: fingerprint(component),
        LABEL_INSTANCE: instance_id,
        LABEL_HTTP_PORT: str(component.definition.httpport),
        **({LABEL_HTTP_VERSION: "2"} if component.definition.httpversion == 2 else {}),
    }


def labelled_component(labels: dict[str, str]) -> ComponentKey | None:
    """The component that a container's labels name, None for a helper."""
    project, full_name = labels.get(LABEL_PROJECT, ""), labels.get(LABEL_COMPONENT, "")
    prefix = f"{project}_"
    if not project or not full_name.startswith(prefix):
        return None
    return ComponentKey(project, full_name.removeprefix(prefix))


def container_env(component: Component, instance_id: str, private_url: str) -> list[str]:
    """The component's own variables, then ours: names that begin with MAELSTROM_ belong to the product."""
    own = [item for item in component.definition.environment if not item.startswith(PRODUCT_PREFIX)]
    ours = {
        "MAELSTROM_PRIVATE_URL": private_url,
        "MAELSTROM_COMPONENT_NAME": component.key.full_name,
        "MAELSTROM_COMPONENT_VERSION": str(component.version),
        "MAELSTROM_PROJECT_NAME": component.project,
        "MAELSTROM_INSTANCE_ID": instance_id,
    }
    return own + [f"{name}={value}" for name, value in ours.items()]


def may_join(definition: ComponentDefinition) -> bool:
    """Whether a container of it is the same in a sandbox's network as in one of its own."""
    if any(getattr(definition, name) for name in NETWORK_FIELDS):
        return False
    # the engine bind-mounts the sandbox's own over these
    return not any(mount.target.rstrip("/") in NETWORK_FILES for mount in definition.volumes)


def lender(body: Mapping[str, Any]) -> str:
    """The container whose network this one joins, if any; `body`: as the engine lists or inspects it."""
    mode = str((body.get("HostConfig") or {}).get("NetworkMode") or "")
    return mode.removeprefix(_JOINS) if mode.startswith(_JOINS) else ""


def sandbox_body(identity: Identity, image: str, network: str, name: str) -> dict[str, Any]:
    """The body for a network sandbox, which may do nothing at all. Its label says all that it was made as."""
    body: dict[str, Any] = {
        "Image": image,
        "Entrypoint": [f"/{PROGRAM}"],
        "User": "65534:65534",
        "StopSignal": "SIGKILL",  # a first process hears no other: an engine that stops would wait for it
        "HostConfig": {
            "NetworkMode": network or "default",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
            "LogConfig": {"Type": "none"},
        },
    }
    made_as = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12]
    return body | {"Labels": {**identity.labels, LABEL_SANDBOX: made_as, LABEL_INSTANCE: name}}


def create_body(
    component: Component,
    instance_id: str,
    identity: Identity,
    *,
    private_url: str = "",
    publication: Publication | None = None,
    sandbox: str = "",
) -> dict[str, Any]:
    """The body of `POST /containers/create`; `sandbox`: the container whose network it joins, where `may_join`.

    Raises ValueError where a port or ulimit cannot be read.
    """
    definition = component.definition
    publication = publication or Publication()
    bindings = [binding for text in definition.ports for binding in parse_ports(text)]
    http_port = PortBinding(definition.httpport, "tcp", publication.bind)
    published = [*bindings, http_port] if publication.publish else bindings
    network = f"{_JOINS}{sandbox}" if sandbox else definition.networkname or publication.network
    body: dict[str, Any] = {
        "Image": definition.image,
        "Env": container_env(component, instance_id, private_url),
        "Labels": container_labels(identity, component, instance_id),
        "HostConfig": _host_config(definition, published, network),
    }
    optional: dict[str, Any] = {
        # an exposed port is the sandbox's matter, says the engine
        "ExposedPorts": None if sandbox else {binding.key: {} for binding in [*bindings, http_port]},
        "Cmd": None if definition.command is None else list(definition.command),
        "Entrypoint": None if definition.entrypoint is None else list(definition.entrypoint),
        "User": definition.user or None,
        "Hostname": definition.hostname or None,
        "Domainname": definition.domainname or None,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    return body


def _host_config(definition: ComponentDefinition, ports: list[PortBinding], network: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "MemoryReservation": definition.reservememory * MIB,
        "Memory": (definition.limitmemory or 0) * MIB,
        "CpuShares": definition.cpushares or 0,
        "NetworkMode": network,
        "CapAdd": list(definition.capadd),
        "CapDrop": list(definition.capdrop),
        "Ulimits": [_ulimit(text) for text in definition.ulimits],
        "Mounts": [_mount(mount) for mount in definition.volumes],
        "PortBindings": _port_bindings(ports),
        "Dns": list(definition.dns),
        "DnsOptions": list(definition.dnsoptions),
        "DnsSearch": list(definition.dnssearch),
        "LogConfig": _log_config(definition),
        "Init": True if definition.containerinit else None,
    }
    return {name: value for name, value in config.items() if value}


def _ulimit(text: str) -> dict[str, Any]:
    limit = parse_ulimit(text)
    return {"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard}


def _mount(mount: Mount) -> dict[str, Any]:
    body: dict[str, Any] = {"Type": mount.type, "Target": mount.target, "ReadOnly": mount.readonly}
    if mount.type != "tmpfs" and mount.source:
        body["Source"] = mount.source
    return body


def _port_bindings(ports: list[PortBinding]) -> dict[str, list[dict[str, str]]]:
    result: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        result.setdefault(port.key, []).append({"HostIp": port.host_ip, "HostPort": port.host_port})
    return result


def _log_config(definition: ComponentDefinition) -> dict[str, Any] | None:
    """Options without a driver mean nothing; `maelstrom` keeps the engine's default driver."""
    if definition.logdriver in ("", COPIED_LOGS):
        return None
    return {"Type": definition.logdriver, "Config": dict(definition.logdriveroptions)}
