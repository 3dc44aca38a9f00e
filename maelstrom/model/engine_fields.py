"""Rules of the fields that go to the engine as they are: what it would refuse, said before anything is stored."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from maelstrom.model.image import ImageReference
from maelstrom.model.ports import PortSpan, clashes, parse_port_span, parse_ulimit
from maelstrom.model.rules import MAX_FAULTS, AsWritten, Listed, Text, Word, fault, faults, shown

MAX_IMAGE = 1000  # characters; the engine allows 255 for the name, 128 for the tag, and a digest

_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_NO_ADDRESS = re.compile(r"host|none|container:.*", re.DOTALL)


def check_mount_source(kind: str, source: str) -> str:
    if kind == "bind" and not source.startswith("/"):
        raise fault(
            f"{shown(source)} is no absolute path on the host" if source else "is required for a bind mount",
            "`type: volume` mounts a named volume",
        )
    if kind == "tmpfs" and source:
        raise fault("a tmpfs mount has no source", "leave it out")
    if kind == "volume" and source and not _VOLUME_NAME.fullmatch(source):
        raise fault(f"{shown(source)} is no name of a volume", "`type: bind` mounts a path of the host")
    return source


def check_mount_target(target: str) -> str:
    if not target.startswith("/"):
        raise fault(f"{shown(target)} is no absolute path in the container")
    if not target.strip("/."):
        raise fault("the container's root cannot be mounted over")
    return target


def _check_image(text: str) -> str:
    try:
        if len(text) > MAX_IMAGE:
            raise ValueError(f"has over {MAX_IMAGE} characters")
        ImageReference.parse(text)
    except ValueError as error:
        raise fault(
            f"{shown(text)} is no image reference: {error}", "[registry[:port]/]name[:tag][@digest], name in lower case"
        ) from error
    return text


def _check_ports(entries: tuple[str, ...]) -> tuple[str, ...]:
    spans: list[tuple[int, PortSpan]] = []
    found: list[tuple[int | str, str, str]] = []
    for index, entry in enumerate(entries):
        if len(found) == MAX_FAULTS:
            break
        try:
            spans.append((index, parse_port_span(entry)))
        except ValueError as error:
            found.append(
                (index, f"{shown(entry)} is no port: {error}", "[ip:][host:]container[/protocol], such as 8443:443")
            )
    for index, other, port in clashes(spans):
        found.append((index, f"{shown(entries[index])} binds {port}, as {shown(entries[other])} does", ""))
    if found:
        raise faults(found)
    return entries


def _check_ulimits(entries: tuple[str, ...]) -> tuple[str, ...]:
    names: dict[str, int] = {}
    found: list[tuple[int | str, str, str]] = []
    for index, entry in enumerate(entries):
        if len(found) == MAX_FAULTS:
            break
        try:
            name = parse_ulimit(entry).name
        except ValueError as error:
            found.append((index, f"{shown(entry)} is no limit: {error}", "name=soft[:hard], such as nofile=1024:4096"))
            continue
        if names.setdefault(name, index) != index:
            found.append((index, f"the limit {name} is given twice", ""))
    if found:
        raise faults(found)
    return entries


def _check_network(name: str) -> str:
    if _NO_ADDRESS.fullmatch(name):
        raise fault(
            f"the network mode {shown(name)} gives the container no address of its own",
            "leave it out for the engine's default network, or name a network",
        )
    return name


Image = Annotated[Text, AfterValidator(_check_image)]
Port = Annotated[Text, AsWritten()]
Ports = Annotated[tuple[Port, ...], Listed, AfterValidator(_check_ports)]
Ulimits = Annotated[tuple[Word, ...], Listed, AfterValidator(_check_ulimits)]
Network = Annotated[Text, AfterValidator(_check_network)]
Target = Annotated[Text, AfterValidator(check_mount_target)]
