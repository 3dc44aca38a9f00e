"""What a component's answer means for a Step Functions task: pure.

Rules and defaults: spec of event sources, 6.1. Limits are AWS's and count Unicode characters; none is ever split.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from maelstrom.activation.work import WorkAnswer
from maelstrom.sources.ports import TaskFailure

OUTPUT_BYTES = 262_144
ERROR_CHARACTERS = 256
CAUSE_CHARACTERS = 32_768
BEGINNING_CHARACTERS = 4_096  # of a body, in a cause that is made of it
INVALID_OUTPUT = "Maelstrom.InvalidOutput"


@dataclass(frozen=True, slots=True)
class TaskSuccess:
    output: str  # JSON text


def verdict(answer: WorkAnswer) -> TaskSuccess | TaskFailure:
    """Exactly 200 is a success, and only with JSON that Step Functions can take: an empty body is none."""
    if answer.status == 200:
        fault = output_fault(answer)
        return TaskSuccess(answer.body.decode()) if fault is None else failure(INVALID_OUTPUT, fault)
    error = header_text(answer.headers.get("step-func-error", "")).strip()
    cause = header_text(answer.headers.get("step-func-cause", "")).strip()
    return failure(error or f"maelstrom_{answer.status}", cause or default_cause(answer))


def failure(error: str, cause: str) -> TaskFailure:
    """Cut to what AWS accepts."""
    return TaskFailure(error[:ERROR_CHARACTERS], cause[:CAUSE_CHARACTERS])


def output_fault(answer: WorkAnswer) -> str | None:
    """Why the body cannot be a task's output; None if it can."""
    if answer.truncated or len(answer.body) > OUTPUT_BYTES:
        size = f"over {len(answer.body)}" if answer.truncated else str(len(answer.body))
        return f"the component's output is {size} bytes, Step Functions takes at most {OUTPUT_BYTES}"
    if not answer.body:
        return "the component answered 200 with an empty body, which is no JSON; `null` and `{}` are"
    try:
        text = answer.body.decode()
    except UnicodeDecodeError as error:
        return f"the component's output is not UTF-8: byte {error.start} of {len(answer.body)}"
    try:
        json.loads(text, parse_int=_seen, parse_float=_seen, parse_constant=_no_json)
    except ValueError as error:
        return f"the component's output is not JSON: {error}; it begins {beginning(answer.body[:200])!r}"
    except RecursionError:
        return "the component's output is JSON nested too deeply"
    return None


def default_cause(answer: WorkAnswer) -> str:
    """The status and what is known: the gateway's own words, or the beginning of the component's."""
    if answer.code:
        return f"{answer.status} {answer.code}: {answer.message}"
    text = beginning(answer.body)
    return f"the component answered {answer.status}: {text}" if text else f"the component answered {answer.status}"


def beginning(body: bytes) -> str:
    """The first characters of a body of whatever kind, without a half one at a cut."""
    head = body[: BEGINNING_CHARACTERS * 4]
    text = head.decode(errors="replace")
    if len(head) < len(body):
        text = text.rstrip("\ufffd")
    return text[:BEGINNING_CHARACTERS].strip()


def header_text(value: str) -> str:
    """Header values are bytes. Whatever decoded them: they are read as UTF-8, or as Latin-1 where they are none."""
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        try:
            raw = value.encode(errors="surrogateescape")
        except UnicodeEncodeError:
            return value.encode(errors="replace").decode()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _seen(number: str) -> None:
    """Numbers are not converted: a million digits are valid JSON and would take minutes."""


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
