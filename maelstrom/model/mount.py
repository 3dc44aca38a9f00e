"""What a container has mounted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from maelstrom.model.definition import Definition
from maelstrom.model.engine_fields import Target, check_mount_source
from maelstrom.model.rules import ListedMaps, Text, faults, shown


class Mount(Definition):
    """One mount of a container."""

    type: Literal["bind", "volume", "tmpfs"] = Field("bind", description="Kind of the mount.")
    source: Text = Field(
        "",
        validate_default=True,
        description="`bind`: absolute path on the host; `volume`: the volume's name, empty for one of its own;"
        " `tmpfs`: none.",
    )
    target: Target = Field(description="Absolute path in the container.")
    readonly: bool = Field(False, description="Whether the container may only read.")

    @field_validator("source")
    @classmethod
    def _source_fits_the_type(cls, source: str, info: ValidationInfo) -> str:
        return check_mount_source(info.data.get("type", ""), source)


def _check_volumes(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    targets: dict[str, int] = {}
    found: list[tuple[int | str, str, str]] = []
    for index, mount in enumerate(mounts):
        if targets.setdefault(mount.target.rstrip("/"), index) != index:
            found.append((index, f"{shown(mount.target)} is mounted twice", ""))
    if found:
        raise faults(found)
    return mounts


Mounts = Annotated[tuple[Mount, ...], ListedMaps, AfterValidator(_check_volumes)]
