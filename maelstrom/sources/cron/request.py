"""What a cron run sends, and what the answer means. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from maelstrom.activation.work import WorkAnswer, WorkRequest
from maelstrom.model.cron import Outcome
from maelstrom.model.source import CronSource, EventSource
from maelstrom.sources.outcome import default_cause

REASON_CHARACTERS = 1000  # of an answer, kept in the ledger
BODILESS = ("GET", "HEAD")

# Said by the daemon: configured ones would contradict it.
OURS = frozenset(
    ["host", "x-request-id", "maelstrom-component", "maelstrom-deadline", "maelstrom-event-source",
     "maelstrom-scheduled-at", "maelstrom-run-id", "maelstrom-attempt",
     "connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]
)  # fmt: skip


def request(source: EventSource, run: str, planned: int, attempt: int) -> WorkRequest:
    """`planned`: seconds since 1970."""
    http = definition(source).http
    headers = [(one.name, one.value) for one in http.headers if one.name.lower() not in OURS]
    headers += [
        ("Maelstrom-Event-Source", source.key.full_name),
        ("Maelstrom-Scheduled-At", datetime.fromtimestamp(planned, UTC).isoformat().replace("+00:00", "Z")),
        ("Maelstrom-Run-Id", run),
        ("Maelstrom-Attempt", str(attempt)),
    ]
    body = b"" if http.method in BODILESS else http.data.encode()
    return WorkRequest(http.method, http.path, tuple(headers), body)


def outcome(answer: WorkAnswer) -> Outcome:
    """Any 2xx is a success."""
    if 200 <= answer.status < 300:
        return Outcome("succeeded", answer.status)
    return Outcome("failed", answer.status, default_cause(answer)[:REASON_CHARACTERS])


def schedule(source: EventSource) -> str:
    """What makes a source begin anew when it changes."""
    return f"{definition(source).timezone} {definition(source).schedule}".strip()


def definition(source: EventSource) -> CronSource:
    assert isinstance(source.definition, CronSource)
    return source.definition
