"""Operations on cron: the runs that were, and one by hand."""

from __future__ import annotations

from maelstrom.api import answers
from maelstrom.api.ports import Ports
from maelstrom.api.requests import CronRunsQuery, NamePath, RunPath
from maelstrom.api.wire import sendable
from maelstrom.model.cron import CronRun
from maelstrom.model.errors import BadRequest, NotFound
from maelstrom.model.source import EventSource
from maelstrom.model.stored import SourceFilter


async def list_runs(ports: Ports, params: CronRunsQuery, _: None) -> list[answers.CronRun]:
    """The newest first. A source that was removed still has its runs."""
    if params.name is None:
        return [_row(run) for run in await ports.registry.cron_runs(SourceFilter(params.project), params.limit)]
    try:
        source = await _cron_source(ports, params.name, params.project)
    except NotFound:
        runs = await ports.registry.cron_runs(SourceFilter(params.project, names=(params.name,)), params.limit)
        if not runs:
            raise
    else:
        wanted = SourceFilter(source.key.project, names=(source.key.name,))
        runs = await ports.registry.cron_runs(wanted, params.limit)
    return [_row(run) for run in runs]


async def get_run(ports: Ports, params: RunPath, _: None) -> answers.CronRun:
    return _row(await ports.registry.cron_run(params.run))


async def run_now(ports: Ports, params: NamePath, _: None) -> answers.CronRun:
    """The node that is asked works it; a source that is disabled can be run, too."""
    source = await _cron_source(ports, params.name, params.project)
    return _row(await ports.registry.cron_run(await ports.node.run_cron(source)))


async def _cron_source(ports: Ports, name: str, project: str | None) -> EventSource:
    source = await ports.registry.find_source(name, project)
    if source.type != "cron":
        raise BadRequest(f"{source.key.full_name} is no cron source but {source.type}", hint="see `maelctl es ls`")
    return source


def _row(run: CronRun) -> answers.CronRun:
    return answers.CronRun.model_validate(
        sendable(
            {
                "project": run.source.project,
                "name": run.source.name,
                "id": run.id,
                "kind": run.kind,
                "state": run.state,
                "node": run.node,
                "attempts": run.attempts,
                "scheduled_at": run.scheduled_at,
                "started_at": run.started_at,
                "ended_at": run.ended_at,
                "status": run.status,
                "reason": run.reason,
            }
        )
    )
