"""Operations on event sources: list, enable and disable, whether the disabled ones are at rest, audit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from maelstrom.api import answers
from maelstrom.api.cluster import other_reports
from maelstrom.api.hidden import warnings_of_enabled
from maelstrom.api.ports import Ports, SourceStatus
from maelstrom.api.reports import Report, combined
from maelstrom.api.requests import DrainedQuery, NamePath, SourceFilters, SourcesQuery
from maelstrom.model.source import (
    CronSource,
    EventSource,
    HttpSource,
    SourceDefinition,
    SqsSource,
    StepFunctionsSource,
)
from maelstrom.model.stored import SourceFilter


async def list_sources(ports: Ports, params: SourcesQuery, _: None) -> list[answers.EventSource]:
    filters = SourceFilters.model_validate({**params.model_dump(exclude={"name"}), "names": list(params.name) or None})
    reports = await other_reports(ports)
    return [_row(source, _status(ports, source, reports)) for source in await _matching(ports, filters)]


async def enable(ports: Ports, _: object, body: SourceFilters) -> answers.Toggled:
    return await _toggle(ports, body, enabled=True)


async def disable(ports: Ports, _: object, body: SourceFilters) -> answers.Toggled:
    return await _toggle(ports, body, enabled=False)


async def drained(ports: Ports, params: DrainedQuery, _: None) -> answers.Drained:
    """Of the disabled sources that match. A node counts as at rest only once it says that it acts by `revision`."""
    filters = SourceFilters.model_validate(
        {**params.model_dump(exclude={"name", "revision"}), "names": list(params.name) or None}
    )
    reports = await other_reports(ports)
    waiting_for = await _behind(ports, reports, params.revision)
    still_open = []
    for source in await _matching(ports, filters):
        status = _status(ports, source, reports)
        if not source.enabled and (status.inflight or status.polls_open):
            still_open.append(
                answers.OpenSource(
                    project=source.key.project,
                    name=source.key.name,
                    inflight=status.inflight,
                    polls_open=status.polls_open,
                )
            )
    return answers.Drained(drained=not (still_open or waiting_for), open=still_open, waiting_for=waiting_for)


async def audit(ports: Ports, params: NamePath, _: None) -> answers.Audit:
    source = await ports.registry.find_source(params.name, params.project)
    found = await ports.node.audit(source)
    return answers.Audit(
        project=source.key.project,
        name=source.key.name,
        limit=found.limit,
        inflight=found.inflight,
        max_inflight=found.max_inflight,
        leases=[
            answers.Lease(
                node=lease.node,
                capacity=lease.capacity,
                inflight=lease.inflight,
                epoch=lease.epoch,
                age_seconds=lease.age_seconds,
            )
            for lease in found.leases
        ],
    )


def describe(definition: SourceDefinition) -> str:
    """Where its work comes from, in a few words."""
    match definition:
        case HttpSource():
            return f"{definition.hostname}{definition.pathprefix}"
        case CronSource():
            zone = f"CRON_TZ={definition.timezone} " if definition.timezone else ""
            return f"{zone}{definition.schedule} {definition.http.path}"
        case SqsSource():
            return definition.queuename + ("*" if definition.nameasprefix else "")
        case StepFunctionsSource():
            return definition.activityname


async def _toggle(ports: Ports, filters: SourceFilters, *, enabled: bool) -> answers.Toggled:
    changed: list[EventSource] = []
    for wanted in await _filters(ports, filters):
        changed += await ports.registry.set_enabled(wanted, enabled)
    ports.node.refresh()
    return answers.Toggled(
        changed=[answers.SourceName(project=key.project, name=key.name) for key in sorted(one.key for one in changed)],
        revision=await ports.registry.revision(),
        warnings=await warnings_of_enabled(ports, changed) if enabled else [],
    )


async def _matching(ports: Ports, filters: SourceFilters) -> list[EventSource]:
    found: list[EventSource] = []
    for wanted in await _filters(ports, filters):
        found += await ports.registry.list_sources(wanted)
    return sorted(found, key=lambda source: source.key)


async def _filters(ports: Ports, filters: SourceFilters) -> list[SourceFilter]:
    """One, or one per project of the names; names are looked up first, so that a wrong one changes nothing."""
    wanted = SourceFilter(filters.project, filters.component, filters.type, filters.prefix)
    if filters.names is None:
        return [wanted]
    names: defaultdict[str, set[str]] = defaultdict(set)
    for name in filters.names:
        key = (await ports.registry.find_source(name, filters.project)).key
        names[key.project].add(key.name)
    return [replace(wanted, project=project, names=tuple(sorted(own))) for project, own in sorted(names.items())]


def _status(ports: Ports, source: EventSource, reports: Sequence[Report]) -> SourceStatus:
    others = [(report.node, report.sources[source.key]) for report in reports if source.key in report.sources]
    return combined(source.enabled, ports.node.source_status(source.key), others)


async def _behind(ports: Ports, reports: Sequence[Report], revision: int) -> list[str]:
    known = {report.node: report.revision for report in reports}
    known[ports.node.name] = ports.node.revision
    live = {node.name for node in await ports.node.nodes()} | {ports.node.name}
    return sorted(node for node in live if known.get(node, -1) < revision)


def _row(source: EventSource, status: SourceStatus) -> answers.EventSource:
    return answers.EventSource(
        project=source.key.project,
        component=source.component.name,
        name=source.key.name,
        type=source.type,
        enabled=source.enabled,
        state=status.state,
        reason=status.reason,
        since=status.since,
        maxconcurrency=source.maxconcurrency,
        inflight=status.inflight,
        polls_open=status.polls_open,
        version=source.version,
        description=describe(source.definition),
    )
