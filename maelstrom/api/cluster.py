"""Operations on what runs: this node's own state, what the others have reported, components and nodes."""

from __future__ import annotations

import maelstrom
from maelstrom.api import answers
from maelstrom.api.ports import Ports
from maelstrom.api.replies import Reply, Text
from maelstrom.api.reports import Report, read_report
from maelstrom.api.requests import ComponentsQuery, InstancesQuery, NamePath, Nothing
from maelstrom.api.wire import sendable
from maelstrom.model.errors import Unavailable

PARTIAL = "Maelstrom-Partial"  # names what an answer lacks
METRICS = "text/plain; version=0.0.4; charset=utf-8"


async def health(ports: Ports, _: Nothing, __: None) -> answers.Health:
    return answers.Health.model_validate({**ports.node.health(), "status": "ok"})


async def ready(ports: Ports, _: Nothing, __: None) -> Reply:
    reasons = ports.node.ready()
    answer = answers.Readiness(ready=not reasons, reasons=reasons)
    return Reply(answer, 503 if reasons else 200)


async def metrics(ports: Ports, _: Nothing, __: None) -> Text:
    return Text(ports.node.metrics(), METRICS)


async def version(ports: Ports, _: Nothing, __: None) -> answers.Version:
    return answers.Version(version=maelstrom.__version__, node=ports.node.name)


async def list_components(ports: Ports, params: ComponentsQuery, _: None) -> list[answers.Component]:
    return [
        answers.Component(
            project=component.project,
            component=component.name,
            version=component.version,
            generation=component.generation,
            image=component.definition.image,
            mininstances=component.definition.mininstances,
            maxinstances=component.definition.maxinstances,
            maxconcurrency=component.definition.maxconcurrency,
            modified_at=component.modified_at,
        )
        for component in await ports.registry.list_components(project=params.project, prefix=params.prefix or "")
    ]


async def restart_component(ports: Ports, params: NamePath, _: None) -> answers.Restarted:
    component = await ports.registry.find_component(params.name, params.project)
    restarted = await ports.registry.restart_component(component.key)
    ports.node.refresh()
    return answers.Restarted(project=restarted.project, component=restarted.name, generation=restarted.generation)


async def list_instances(ports: Ports, params: InstancesQuery, _: None) -> Reply:
    """While the database is away it shows what this node knows by itself, and says that there may be more."""
    headers = {}
    try:
        rows = await all_instances(ports)
    except Unavailable as error:
        rows = own_instances(ports)
        headers = {PARTIAL: f"the other nodes' containers ({error.code})"}
    return Reply([row for row in rows if _is_meant(row, params)], headers=headers)


async def list_nodes(ports: Ports, _: Nothing, __: None) -> list[answers.Node]:
    return [
        answers.Node.model_validate(
            {
                **node.more,
                "name": node.name,
                "state": node.state,
                "version": node.version,
                "started_at": node.started_at,
                "seen_seconds_ago": node.seen_seconds_ago,
                "public": node.public,
                "admin": node.admin,
                "reason": node.reason,
            }
        )
        for node in sorted(await ports.node.nodes(), key=lambda node: node.name)
    ]


def own_instances(ports: Ports) -> list[answers.Instance]:
    return [answers.Instance.model_validate(sendable(status.as_json())) for status in ports.node.instances()]


async def all_instances(ports: Ports) -> list[answers.Instance]:
    """Of this node as they are now, of the other live nodes as they last said."""
    rows = own_instances(ports)
    for report in await other_reports(ports):
        rows += report.instances
    return sorted(rows, key=lambda row: (row.project, row.component, row.node, row.started_at or 0.0, row.container))


async def other_reports(ports: Ports) -> list[Report]:
    live = {node.name for node in await ports.node.nodes()} - {ports.node.name}
    if not live:
        return []
    return [read_report(row.node, row.report) for row in await ports.registry.reports() if row.node in live]


def _is_meant(row: answers.Instance, params: InstancesQuery) -> bool:
    """The component's name may have the project's prefix; one that nobody has is no error."""
    named = params.component in (None, row.component, f"{row.project}_{row.component}")
    return named and params.project in (None, row.project)
