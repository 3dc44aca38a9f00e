"""Operations on the dead letter queues of SQS sources: which there are, what is in them, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from maelstrom.api import answers
from maelstrom.api.ports import Ports
from maelstrom.api.replies import Lines
from maelstrom.api.requests import DeadLettersQuery, NamePath, RedriveBody
from maelstrom.api.wire import sendable
from maelstrom.model.errors import BadRequest
from maelstrom.model.source import EventSource


async def list_queues(ports: Ports, params: NamePath, _: None) -> list[answers.DeadLetterQueue]:
    source = await _sqs(ports, params.name, params.project)
    rows = await ports.node.dead_letters.queues(source)
    return [answers.DeadLetterQueue.model_validate(asdict(row)) for row in rows]


async def list_messages(ports: Ports, params: DeadLettersQuery, _: None) -> list[answers.DeadLetter]:
    source = await _sqs(ports, params.name, params.project)
    rows = await ports.node.dead_letters.messages(source, id=params.id or "", limit=params.limit)
    return [answers.DeadLetter.model_validate(sendable(asdict(row))) for row in rows]


async def redrive(ports: Ports, params: NamePath, body: RedriveBody) -> Lines:
    """Rows of progress; who closes the stream stops the move."""
    source = await _sqs(ports, params.name, params.project)
    rows = ports.node.dead_letters.redrive(source, most=body.max, to=body.to or "")
    return Lines(_rows(rows))


async def _rows(rows: AsyncIterator[Any]) -> AsyncIterator[Mapping[str, Any]]:
    async with aclosing(rows):  # type: ignore[type-var]
        async for row in rows:
            yield asdict(row)


async def _sqs(ports: Ports, name: str, project: str | None) -> EventSource:
    source = await ports.registry.find_source(name, project)
    if source.type != "sqs":
        raise BadRequest(f"{source.key.full_name} is no sqs source but {source.type}", hint="see `maelctl es ls`")
    return source
