"""What components may ask of the node itself, on the internal listener: so far to answer the tasks that they work on.

    POST /_maelstrom/tasks/<token>/success     body: the output, JSON
    POST /_maelstrom/tasks/<token>/failure     body: {"error": …, "cause": …}, or step-func-error and -cause as headers
    POST /_maelstrom/tasks/<token>/heartbeat

The token is percent-encoded. It is the secret that allows this, so nothing of such a path is ever logged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import unquote_to_bytes

from maelstrom.gateway import InsideRequest
from maelstrom.model.errors import BadRequest, InvalidTaskToken, MethodNotAllowed, NoRoute
from maelstrom.sources.outcome import beginning, failure, header_text
from maelstrom.sources.ports import TaskFailure

TASKS = b"/_maelstrom/tasks/"
FAILED = "Maelstrom.Failed"  # the error's name where the component gave none
_FIELD = re.compile(rb"^(step-func-error|step-func-cause):[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


class Answers(Protocol):
    """`sources.later.LaterAnswers`."""

    async def succeed(self, token: str, body: bytes) -> None: ...

    async def fail(self, token: str, report: TaskFailure) -> None: ...

    async def heartbeat(self, token: str) -> None: ...


class TaskDoor:
    """Implements `gateway.Inside`."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def __call__(self, request: InsideRequest) -> None:
        token, verb = _parsed(request.path)
        if request.method != "POST":
            raise MethodNotAllowed("tasks are answered with POST", hint="")
        match verb:
            case "success":
                await self._answers.succeed(token, request.body)
            case "failure":
                await self._answers.fail(token, failure_of(request.lines, request.body))
            case _:
                await self._answers.heartbeat(token)


def _parsed(path: bytes) -> tuple[str, str]:
    """A token that was not percent-encoded may have slashes; what stands at the end is clear all the same."""
    quoted, _, verb = path.removeprefix(TASKS).rpartition(b"/")
    if not path.startswith(TASKS) or verb not in (b"success", b"failure", b"heartbeat"):
        raise NoRoute(
            "the node has nothing at this path", hint="/_maelstrom/tasks/<token>/ and success, failure or heartbeat"
        )
    try:
        return unquote_to_bytes(quoted).decode("ascii"), verb.decode()
    except UnicodeDecodeError as error:
        raise InvalidTaskToken("this is no task token") from error


def failure_of(lines: bytes, body: bytes) -> TaskFailure:
    """From the headers if there are any, else from the body. Raises BadRequest."""
    fields = {name.lower(): header_text(value.decode("latin-1")).strip() for name, value in _FIELD.findall(lines)}
    if fields:
        error, cause = fields.get(b"step-func-error", ""), fields.get(b"step-func-cause", "") or beginning(body)
    else:
        said = _object(body) if body.strip() else {}
        error, cause = _text(said.get("error")), _text(said.get("cause"))
    return failure(error or FAILED, cause or "the component reported a failure without a cause")


def _object(body: bytes) -> Mapping[str, object]:
    hint = 'send {"error": "…", "cause": "…"}, or step-func-error and step-func-cause as headers'
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body of a failure is not JSON", hint=hint) from error
    if not isinstance(said, dict):
        raise BadRequest("the body of a failure is no JSON object", hint=hint)
    return said


def _text(value: object) -> str:
    """Whatever stands there, in words; half a surrogate pair cannot be sent."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode(errors="replace").decode()
