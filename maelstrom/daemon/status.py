"""What this node tells of itself: the port that the admin API asks, the metrics, and the report that other nodes read.

Only reads.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import maelstrom
from maelstrom.api import counters
from maelstrom.api.metrics import render
from maelstrom.api.ports import LeaseStatus, NodeStatus, SourceAudit, SourceStatus
from maelstrom.certificates.statuses import statuses
from maelstrom.daemon.tail import tail
from maelstrom.gateway.stats import BOUNDS
from maelstrom.model.certificate import CertificateStatus
from maelstrom.model.component import ComponentKey
from maelstrom.model.instance import InstanceStatus
from maelstrom.model.source import EventSource, SourceKey
from maelstrom.runtime.port import LogLine
from maelstrom.sources.record import SourceStatus as RecordStatus
from maelstrom.sources.sqs.dead_letters import DeadLetters

if TYPE_CHECKING:
    from maelstrom.daemon.parts import Parts

STALE_SECONDS = 60.0  # a node that has written no report for so long is told of by its session alone


class Status:
    """Implements `api.ports.NodePort`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.started_at = time.time()
        self.addresses: dict[str, str] = {}  # of the listeners; all of them once the node serves
        self.public_all: list[str] = []
        self.reported_at = 0.0  # monotonic: when other nodes were last told, or there was nothing new to tell
        self.serving = False
        self.stopping = False

    # the port

    @property
    def name(self) -> str:
        return self._parts.settings.node_name

    @property
    def revision(self) -> int:
        return self._parts.view.snapshot.revision

    def instances(self) -> Sequence[InstanceStatus]:
        return self._parts.activation.statuses()

    def source_status(self, key: SourceKey) -> SourceStatus:
        return self.sources().get(key, SourceStatus())

    def sources(self) -> dict[SourceKey, SourceStatus]:
        """All sources of the view, as this node sees them."""
        rows = {}
        for key, status in self._statuses().items():
            counts = asdict(status.counts)
            in_flight = counts.pop("in_flight") + self._parts.routing.in_flight(key)
            polls = counts.pop("polls_open")
            seconds = counts.pop("seconds")
            counts.pop("most_in_flight")
            rows[key] = SourceStatus(
                status.state,
                status.reason,
                in_flight,
                polls,
                {**counts, "milliseconds": round(seconds * 1000)},
                since=status.since or None,
            )
        return rows

    async def audit(self, source: EventSource) -> SourceAudit:
        found = await self._parts.keeper.audit(source.id)
        leases = tuple(
            LeaseStatus(row.node, row.capacity, row.inflight, row.epoch, row.age_seconds) for row in found.leases
        )
        return SourceAudit(found.limit, found.inflight, found.max_inflight, leases)

    @property
    def dead_letters(self) -> DeadLetters:
        return self._parts.dead_letters

    async def run_cron(self, source: EventSource) -> str:
        view = self._parts.view
        if view.snapshot.sources.get(source.key) != source:
            await view.refresh()  # it was put a moment ago
        return await self._parts.cron.run_now(source)

    async def nodes(self) -> Sequence[NodeStatus]:
        """Live sessions with what their nodes last wrote."""
        reports = {report.node: report for report in await self._parts.registry.reports()}
        rows = []
        for session in await self._parts.keeper.sessions():
            if session.state == "dead":
                continue
            report = reports.get(session.node)
            told: Mapping[str, Any] = report.report.get("node", {}) if report is not None else {}
            state = "draining" if session.state == "leaving" else str(told.get("state", "starting"))
            rows.append(
                NodeStatus(
                    name=session.node,
                    state=state,
                    version=session.version,
                    started_at=told.get("started_at"),
                    public=str(told.get("public", "")),
                    admin=str(told.get("admin", "")),
                    reason=str(told.get("reason", "")),
                )
            )
        return rows

    def certificates(self) -> Sequence[CertificateStatus]:
        secure = self._parts.secure
        return statuses(secure.certificates, secure.issuer)

    def logs(self, components: Sequence[ComponentKey], *, since: float, follow: bool) -> AsyncIterator[LogLine]:
        return tail(self._parts.activation, self._parts.runtime, components, since=since, follow=follow)

    def ready(self) -> list[str]:
        parts = self._parts
        reasons = []
        if self.stopping:
            reasons.append("the node stops")
        elif not self.serving:
            reasons.append("the node starts")
        elif parts.crew is not None and not parts.crew.serving:
            reasons.append("no worker of the gateway serves")
        if parts.activation.watch.lost:
            reasons.append(f"the container engine cannot be reached: {parts.activation.watch.lost}")
        return reasons

    def health(self) -> Mapping[str, Any]:
        parts = self._parts
        error = parts.view.last_error
        return {
            "loops": {name: asdict(loop) for name, loop in parts.supervisor.loops.items()},
            "registry": "ok" if error is None else error.message,
            "engine": parts.activation.watch.lost or "ok",
            "lease_session": "ok" if parts.keeper.trusted else "not confirmed by the database",
        }

    def refresh(self) -> None:
        self._parts.registry.changes.hint()

    # for metrics and other nodes

    def told(self) -> dict[str, Any]:
        """This node's own line in `maelctl nodes`, as the others read it."""
        reasons = self.ready()
        state = "draining" if self.stopping else "ready" if not reasons else "starting"
        return {"state": state, "reason": "; ".join(reasons), "started_at": self.started_at, **self.addresses}

    def metrics(self) -> str:
        parts = self._parts
        now = time.monotonic()
        passes = {
            "view": parts.view.last_pass,
            "converge": parts.activation.converger.last_pass,
            "health": parts.activation.health.last_pass,
            "cron": parts.cron.last_pass,
            "report": self.reported_at,
        }
        sandboxes = parts.runtime.sandboxes
        components = {
            key.full_name: counters.ComponentNow(
                starts=deployment.stats,
                in_flight=deployment.pool.busy,
                waiting=len(deployment.pool.queue),
                instances=Counter(i.state for i in deployment.pool.instances),
                wanted=deployment.target,
            )
            for key, deployment in parts.activation.deployments.items()
        }
        return render(
            counters.NodeNow(
                node=self.name,
                version=maelstrom.__version__,
                ready=not self.ready(),
                revision=self.revision,
                gateway=parts.gateway.stats,
                bounds=BOUNDS,
                components=components,
                sources=self._source_metrics(),
                sandboxes=counters.SandboxesNow(sandboxes.most, sandboxes.ready, sandboxes.lent, sandboxes.making),
                lease_session=parts.keeper.trusted,
                certificates=self._certificate_metrics(),
                loops={
                    name: counters.LoopNow(loop.running, loop.restarts, _ago(passes.get(name), now))
                    for name, loop in parts.supervisor.loops.items()
                },
            )
        )

    def _statuses(self) -> dict[SourceKey, RecordStatus]:
        found = self._parts.owner.statuses() | self._parts.cron.statuses()
        for key, winner in self._parts.routing.hidden.items():
            if key in found:
                reason = f"gets no requests: {winner.full_name} has the same host and path"
                found[key] = replace(found[key], state="degraded", reason=reason)
        return found

    def _certificate_metrics(self) -> list[counters.CertificateNow]:
        known = self._parts.secure.certificates.all
        return [counters.CertificateNow(one.names[0], one.origin, one.not_after) for one in known]

    def _source_metrics(self) -> dict[str, counters.SourceNow]:
        sources = self._parts.view.snapshot.sources
        rows = {}
        for key, status in self._statuses().items():
            source = sources.get(key)
            if source is None:
                continue
            counts = status.counts
            rows[key.full_name] = counters.SourceNow(
                component=source.component.full_name,
                type=source.type,
                state=status.state,
                in_flight=counts.in_flight + self._parts.routing.in_flight(key),
                polls_open=counts.polls_open,
                limit=source.maxconcurrency,
                totals={
                    "received": counts.received,
                    "succeeded": counts.succeeded,
                    "failed": counts.failed,
                    "gone": counts.gone,
                    "skipped": counts.skipped,
                    "throttled": counts.throttled,
                },
                seconds=counts.seconds,
                oldest_seconds=_ago(status.oldest_sent_at, time.time()),
                lease_capacity=status.capacity,
                most_in_flight=None if source.type == "http" else counts.most_in_flight,
            )
        return rows


def _ago(at: float | None, now: float) -> float | None:
    return None if not at else now - at
