"""An answer that is an error, read back as the error that it was on the server: the inverse of `wire`'s table. Pure."""

from __future__ import annotations

from typing import Any

from maelstrom.model import errors
from maelstrom.model.errors import InvalidInput, MaelstromError, Problem, Unavailable


def error_from(status: int, data: Any) -> MaelstromError:
    """What the server said, as the error that it was there."""
    if not isinstance(data, dict) or not isinstance(data.get("code"), str):
        return strange(f"the answer is {status} and does not say why")
    code, message, hint = data["code"], str(data.get("message", "")), str(data.get("hint", ""))
    if code == InvalidInput.code:
        return InvalidInput(message, hint=hint, problems=tuple(map(_problem, data.get("errors") or ())))
    fields = {key: value for key, value in data.items() if key not in ("code", "message", "hint")}
    error = _by_code(MaelstromError).get(code, MaelstromError)(message, hint=hint)
    error.fields.update(fields)
    return error


def _by_code(base: type[MaelstromError]) -> dict[str, type[MaelstromError]]:
    found = {base.code: base}
    for cls in base.__subclasses__():
        # InvalidSettings is made of problems and never sent.
        found.update(_by_code(cls) if cls is not errors.InvalidSettings else {})
    return found


def _problem(item: Any) -> Problem:
    item = item if isinstance(item, dict) else {}
    line = item.get("line")
    texts = {key: str(item.get(key, "")) for key in ("path", "message", "hint", "file")}
    return Problem(line=line if isinstance(line, int) else 0, **texts)


def strange(message: str) -> Unavailable:
    """Something answered, but not as this version expects."""
    return Unavailable(
        f"what answered is no maelstromd that this maelctl understands: {message}",
        hint="check the address, and compare `maelctl version` with `maelstromd version`",
    )
