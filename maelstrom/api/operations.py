"""The one table of operations: routes, checks and the OpenAPI document are made from it, so they cannot drift apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from maelstrom.api import answers, certificates, cluster, cron, dead_letters, eventsources, logs, projects
from maelstrom.api.ports import Ports
from maelstrom.api.requests import (
    Body,
    ComponentsQuery,
    CronRunsQuery,
    DeadLettersQuery,
    DrainedQuery,
    InstancesQuery,
    LogsQuery,
    NamePath,
    Nothing,
    Parameters,
    ProjectPath,
    ProjectsQuery,
    PutProject,
    RedriveBody,
    RemoveProject,
    RevisionPath,
    RollBack,
    RunPath,
    SourceFilters,
    SourcesQuery,
)
from maelstrom.api.wire import JSON, LINES

Method = Literal["GET", "PUT", "POST", "DELETE"]
Handler = Callable[[Ports, Any, Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. A parameter that stands in `path` is one of the path, all others are the query's."""

    id: str
    method: Method
    path: str
    summary: str
    handler: Handler
    answer: Any  # the type of what a success carries
    parameters: type[Parameters] = Nothing
    body: type[Body] | None = None
    content_type: str = JSON
    open: bool = False  # no token needed
    errors: tuple[str, ...] = ()  # codes beyond those that every operation has


NAMED = ("not_found", "ambiguous_name")
AWS = (*NAMED, "queue_missing", "aws_unavailable", "aws_throttled", "aws_refused", "aws_not_configured")

OPERATIONS: tuple[Operation, ...] = (
    Operation("health", "GET", "/healthz", "Whether the process is alive", cluster.health, answers.Health, open=True),
    Operation(
        "ready", "GET", "/readyz", "Whether this node serves, and if not (503) why", cluster.ready, answers.Readiness,
        open=True,
    ),
    Operation(
        "metrics", "GET", "/metrics", "Metrics in Prometheus' text format; by setting only with the token",
        cluster.metrics, str, content_type=cluster.METRICS, open=True,
    ),
    Operation("version", "GET", "/v1/version", "Version and name of this node", cluster.version, answers.Version),
    Operation(
        "list_projects", "GET", "/v1/projects", "All projects, by name", projects.list_projects, list[answers.Project],
        ProjectsQuery,
    ),
    Operation(
        "put_project", "PUT", "/v1/projects/{project}",
        "Make the project what the definition says: all of it or nothing",
        projects.put_project, answers.Put, ProjectPath, PutProject, errors=("conflict",),
    ),
    Operation(
        "get_project", "GET", "/v1/projects/{project}", "The definition as stored, secrets masked",
        projects.get_project, answers.Definition, ProjectPath, errors=("not_found",),
    ),
    Operation(
        "remove_project", "DELETE", "/v1/projects/{project}", "Remove the project with its components and sources",
        projects.remove_project, answers.Removed, RemoveProject, errors=("not_found",),
    ),
    Operation(
        "project_readiness", "GET", "/v1/projects/{project}/readiness",
        "Whether what must run (mininstances) is ready at the version stored",
        projects.readiness, answers.ProjectReadiness, ProjectPath, errors=("not_found",),
    ),
    Operation(
        "project_history", "GET", "/v1/projects/{project}/revisions", "Revisions, the newest first",
        projects.history, list[answers.Revision], ProjectPath, errors=("not_found",),
    ),
    Operation(
        "get_revision", "GET", "/v1/projects/{project}/revisions/{revision}",
        "The definition as it was, secrets masked",
        projects.get_revision, answers.Definition, RevisionPath, errors=("not_found",),
    ),
    Operation(
        "roll_back", "POST", "/v1/projects/{project}/rollback", "Put the definition of an old revision again",
        projects.roll_back, answers.Put, ProjectPath, RollBack, errors=("not_found", "conflict"),
    ),
    Operation(
        "list_components", "GET", "/v1/components", "Components of all projects or of one",
        cluster.list_components, list[answers.Component], ComponentsQuery,
    ),
    Operation(
        "restart_component", "POST", "/v1/components/{name}/restart",
        "Replace its instances one after another, also where the definition did not change",
        cluster.restart_component, answers.Restarted, NamePath, errors=NAMED,
    ),
    Operation(
        "list_eventsources", "GET", "/v1/eventsources", "Event sources with their state over all nodes",
        eventsources.list_sources, list[answers.EventSource], SourcesQuery, errors=NAMED,
    ),
    Operation(
        "enable_eventsources", "POST", "/v1/eventsources/enable", "Enable those that match; none given: all",
        eventsources.enable, answers.Toggled, body=SourceFilters, errors=NAMED,
    ),
    Operation(
        "disable_eventsources", "POST", "/v1/eventsources/disable", "Disable those that match; none given: all",
        eventsources.disable, answers.Toggled, body=SourceFilters, errors=NAMED,
    ),
    Operation(
        "drained_eventsources", "GET", "/v1/eventsources/drained",
        "Whether the disabled ones that match are at rest on all nodes: nothing in flight, no poll open",
        eventsources.drained, answers.Drained, DrainedQuery, errors=NAMED,
    ),
    Operation(
        "audit_eventsource", "GET", "/v1/eventsources/{name}/audit", "Who works a source, and its high-water mark",
        eventsources.audit, answers.Audit, NamePath, errors=NAMED,
    ),
    Operation(
        "run_eventsource", "POST", "/v1/eventsources/{name}/run",
        "Run a cron source now, on the node that is asked, whatever its schedule and whether it is enabled",
        cron.run_now, answers.CronRun, NamePath, errors=(*NAMED, "conflict", "draining"),
    ),
    Operation(
        "list_cron_runs", "GET", "/v1/cron/runs", "Runs of cron sources, the newest first",
        cron.list_runs, list[answers.CronRun], CronRunsQuery, errors=NAMED,
    ),
    Operation(
        "get_cron_run", "GET", "/v1/cron/runs/{run}", "One run", cron.get_run, answers.CronRun, RunPath,
        errors=("not_found",),
    ),
    Operation(
        "list_dead_letter_queues", "GET", "/v1/eventsources/{name}/dlq",
        "Queues of an SQS source with their dead letter queues",
        dead_letters.list_queues, list[answers.DeadLetterQueue], NamePath, errors=AWS,
    ),
    Operation(
        "list_dead_letters", "GET", "/v1/eventsources/{name}/dlq/messages",
        "Messages of its dead letter queues: received, and given back at once",
        dead_letters.list_messages, list[answers.DeadLetter], DeadLettersQuery, errors=AWS,
    ),
    Operation(
        "redrive_dead_letters", "POST", "/v1/eventsources/{name}/dlq/redrive",
        "Move its dead letters back; one row of progress a line, who closes the stream stops the move",
        dead_letters.redrive, answers.Redrive, NamePath, RedriveBody, content_type=LINES, errors=AWS,
    ),
    Operation(
        "list_instances", "GET", "/v1/instances", "Containers of all nodes (other nodes' at most a beat old)",
        cluster.list_instances, list[answers.Instance], InstancesQuery,
    ),
    Operation(
        "list_certificates", "GET", "/v1/certificates", "Certificates of this node's files, and automatic ones",
        certificates.list_certificates, list[answers.Certificate],
    ),
    Operation("list_nodes", "GET", "/v1/nodes", "Live nodes of the cluster", cluster.list_nodes, list[answers.Node]),
    Operation(
        "logs", "GET", "/v1/logs",
        "Log lines of components (names or globs), one object a line; blank lines keep the connection alive",
        logs.logs, answers.LogLine, LogsQuery, content_type=LINES, errors=NAMED,
    ),
)  # fmt: skip
