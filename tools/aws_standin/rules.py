"""AWS's documented rules for Step Functions: limits, legal names, which error a Retry or Catch matches. Pure.

Source: Step Functions API reference (common shapes Name, TaskToken, SensitiveData, SensitiveError, SensitiveCause),
and the developer guide's pages on quotas and on error handling.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PAYLOAD_BYTES = 262_144  # input and output, in UTF-8
NAME_CHARACTERS = 80  # of activities, state machines, executions and workers
TOKEN_CHARACTERS = 2_048
ERROR_CHARACTERS = 256
CAUSE_CHARACTERS = 32_768
PAGE_SIZE, LARGEST_PAGE = 100, 1_000
POLLERS = 1_000  # of one activity
RETRY_SECONDS, BACKOFF_RATE = 1.0, 2.0  # defaults of a Retry

_ILLEGAL_IN_NAMES = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\U0010ffff]")
_ACTIVITY_ARN = re.compile(r"arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:activity:.+", re.DOTALL)
_TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")
_UNCATCHABLE = ("States.Runtime", "States.DataLimitExceeded")  # not even by States.ALL


@dataclass
class ApiError(Exception):
    """A call refused, with AWS's own error code."""

    code: str
    message: str


def check_name(name: object) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_CHARACTERS or _ILLEGAL_IN_NAMES.search(name):
        raise ApiError("InvalidName", f"Invalid Name: '{name}'")
    return name


def check_activity_arn(arn: object) -> str:
    if not isinstance(arn, str) or not _ACTIVITY_ARN.fullmatch(arn):
        raise ApiError("InvalidArn", f"Invalid Arn: '{arn}'")
    return arn


def check_length(member: str, value: object, most: int, *, least: int = 0) -> None:
    """`value` may be missing where `least` is 0. Characters are Unicode's, not bytes."""
    if value is None and least == 0:
        return
    if not isinstance(value, str):
        raise ApiError("ValidationException", f"1 validation error detected: Value at '{member}' must be a string")
    if not least <= len(value) <= most:
        rule = f"greater than or equal to {least}" if len(value) < least else f"less than or equal to {most}"
        raise ApiError(
            "ValidationException",
            f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
            f"Member must have length {rule}",
        )


def check_output(output: object) -> str:
    """JSON text of at most 262,144 bytes."""
    if not isinstance(output, str):
        raise ApiError("ValidationException", "1 validation error detected: Value at 'output' must be a string")
    if len(output.encode("utf-8", "surrogatepass")) > PAYLOAD_BYTES:
        check_length("output", "x" * (PAYLOAD_BYTES + 1), PAYLOAD_BYTES)
    try:
        json.loads(output, parse_constant=_no_json)
    except ValueError as error:
        raise ApiError("InvalidOutput", f"Invalid Output: '{error}'") from error
    return output


def check_definition(text: object) -> None:
    """What the engine does not check by itself: every name that a state machine points to exists."""
    try:
        _check_states(json.loads(text if isinstance(text, str) else ""), "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ApiError("InvalidDefinition", f"Invalid State Machine Definition: '{error}'") from error


def _check_states(machine: Mapping[str, Any], where: str) -> None:
    states = machine["States"]
    if machine["StartAt"] not in states:
        raise ValueError(f"{where}/StartAt names no state: {machine['StartAt']}")
    for name, state in states.items():
        targets = [state.get("Next"), state.get("Default")]
        targets += [rule.get("Next") for rule in (*state.get("Choices", ()), *state.get("Catch", ()))]
        for target in targets:
            if target is not None and target not in states:
                raise ValueError(f"{where}/States/{name} names no state: {target}")
        for inner in (*state.get("Branches", ()), state.get("Iterator"), state.get("ItemProcessor")):
            if inner is not None:
                _check_states(inner, f"{where}/States/{name}")


def matches(error_equals: Sequence[str], error: str) -> bool:
    """Whether a Retry's or Catch's ErrorEquals selects this error name."""
    if error in error_equals or (error in _TIMEOUTS and "States.Timeout" in error_equals):
        return True
    if error in _UNCATCHABLE:
        return False
    return "States.ALL" in error_equals or ("States.TaskFailed" in error_equals and error not in _TIMEOUTS)


def retry_delay(retrier: Mapping[str, Any], retries: int) -> float:
    """Seconds before the next attempt, after so many retries of this retrier."""
    delay = (
        float(retrier.get("IntervalSeconds", RETRY_SECONDS))
        * float(retrier.get("BackoffRate", BACKOFF_RATE)) ** retries
    )
    return min(delay, float(retrier.get("MaxDelaySeconds", delay)))


def _no_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
