"""What nodes tell each other of themselves: written with each beat, read here for `ps`, `es ls`, `es disable --wait`.

The API owns the form because it is the only reader. Another version may have written a report: what cannot be read is
left out, and never makes the rest unreadable (F107).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from maelstrom.api.answers import Instance
from maelstrom.api.ports import SourceState, SourceStatus
from maelstrom.api.wire import sendable
from maelstrom.model.instance import InstanceStatus
from maelstrom.model.source import SourceKey

T = TypeVar("T", bound=BaseModel)


def make_report(
    *, revision: int, instances: Iterable[InstanceStatus], sources: Mapping[SourceKey, SourceStatus]
) -> dict[str, Any]:
    """The report of this node. `revision`: of the registry, as this node acts by it now."""
    report: dict[str, Any] = sendable(
        {
            "revision": revision,
            "instances": [status.as_json() for status in instances],
            "sources": [{"project": key.project, "name": key.name, **asdict(sources[key])} for key in sorted(sources)],
        }
    )
    return report


@dataclass(frozen=True, slots=True)
class Report:
    """What one node has said."""

    node: str
    revision: int
    instances: Sequence[Instance]
    sources: Mapping[SourceKey, SourceStatus]


def read_report(node: str, data: Mapping[str, Any]) -> Report:
    revision = data.get("revision")
    return Report(
        node=node,
        revision=revision if isinstance(revision, int) else 0,
        instances=[row for item in _list(data, "instances") if (row := _read(Instance, item)) is not None],
        sources={
            SourceKey(source.project, source.name): source.status
            for item in _list(data, "sources")
            if (source := _read(_Source, item)) is not None
        },
    )


def combined(enabled: bool, own: SourceStatus, others: Iterable[tuple[str, SourceStatus]]) -> SourceStatus:
    """One status over all nodes: the worst state with its reason, everything in flight added up."""
    state: SourceState = own.state
    reason, inflight, polls, since = own.reason, own.inflight, own.polls_open, own.since
    for node, status in others:
        inflight += status.inflight
        polls += status.polls_open
        if status.state == "degraded" and state != "degraded":
            state, reason, since = "degraded", f"{node}: {status.reason}", status.since
    if not enabled:
        state, reason = "disabled", ""
    elif state == "disabled":  # a node that has not yet heard of the change
        state = "ok"
    return SourceStatus(state, reason, inflight, polls, since=since)


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    project: str
    name: str
    state: SourceState
    reason: str
    inflight: int
    polls_open: int
    since: float | None = None

    @property
    def status(self) -> SourceStatus:
        return SourceStatus(self.state, self.reason, self.inflight, self.polls_open, since=self.since)


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else []


def _read(cls: type[T], item: Any) -> T | None:
    try:
        return cls.model_validate(item)
    except ValidationError:
        return None
