"""What `maelctl` ends with: one table from error codes to exit codes."""

from __future__ import annotations

from maelstrom.model.errors import MaelstromError

DONE = 0
FAILED = 1  # on the server
USAGE = 2
INVALID = 3
NOT_FOUND = 4
CONFLICT = 5
UNREACHABLE = 6  # or not allowed
IN_VAIN = 7
INTERRUPTED = 130

EXITS: dict[str, int] = {
    "bad_request": USAGE,
    "ambiguous_name": USAGE,
    "invalid_settings": USAGE,
    "invalid_input": INVALID,
    "body_too_large": INVALID,
    "not_found": NOT_FOUND,
    "queue_missing": NOT_FOUND,
    "conflict": CONFLICT,
    "state_in_use": CONFLICT,
    "unauthorized": UNREACHABLE,
    "forbidden": UNREACHABLE,
    "unavailable": UNREACHABLE,
    "engine_unavailable": UNREACHABLE,
    "aws_unavailable": UNREACHABLE,
    "aws_throttled": UNREACHABLE,
    "draining": UNREACHABLE,
    "request_timeout": UNREACHABLE,
    "wait_timeout": IN_VAIN,
}


def exit_code(error: MaelstromError) -> int:
    return EXITS.get(error.code, FAILED)
