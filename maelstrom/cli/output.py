"""What commands print: one JSON document or a table for people on standard output, all else on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from maelstrom.cli.target import Options
from maelstrom.model.errors import InvalidInput, MaelstromError

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Row], object]]


def show(options: Options, value: Any, text: Callable[[], str]) -> None:
    """`value` as JSON, or what `text` makes for people."""
    if options.json:
        show_json(value)
    else:
        _write(text().rstrip("\n") + "\n")


def show_list(options: Options, rows: Sequence[Row], columns: Iterable[Column], nothing: str) -> None:
    """`nothing` is what people read where there are no rows."""
    if options.json:
        show_json(rows)
    elif rows:
        _write(table(rows, columns) + "\n")
    else:
        say(nothing)


def show_json(value: Any) -> None:
    _write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def show_line(value: Any) -> None:
    """One object of a stream, at once."""
    _write(json.dumps(value, ensure_ascii=False) + "\n")


def show_text(text: str) -> None:
    _write(text)


def table(rows: Iterable[Row], columns: Iterable[Column]) -> str:
    from tabulate import tabulate  # costs more than a whole `--json`

    columns = tuple(columns)
    cells = [[_cell(value(row)) for _, value in columns] for row in rows]
    return tabulate(cells, [name for name, _ in columns], tablefmt="plain", disable_numparse=True)


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def say_error(error: MaelstromError) -> None:
    say(f"maelctl: {error.message}")
    if isinstance(error, InvalidInput):
        for problem in error.problems:
            where = ":".join(str(part) for part in (problem.file, problem.line or "") if part)
            say("  " + ": ".join(part for part in (where, problem.path, problem.message) if part))
            if problem.hint:
                say(f"    hint: {problem.hint}")
    if error.hint and not (isinstance(error, InvalidInput) and error.problems):  # each of which has its own
        say(f"  hint: {error.hint}")


def ago(seconds_since_1970: object) -> str:
    """`5m`, for a table; `-` for never."""
    if not isinstance(seconds_since_1970, (int, float)):
        return "-"
    return duration(max(0.0, time.time() - seconds_since_1970))


def duration(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def black_box(instance: Row) -> str:
    """What is known of a container that failed, for people."""
    box = instance.get("black_box") or {}
    lines = [
        f"{instance['component']} (version {instance['version']}) on {instance['node']}: {box.get('reason', 'failed')}"
    ]
    if box.get("exit_code") is not None:
        lines.append(f"  exit code {box['exit_code']}" + (", out of memory" if box.get("oom_killed") else ""))
    if box.get("last_probe"):
        lines.append(f"  last probe: {box['last_probe']}")
    lines += [f"  | {line}" for line in box.get("log_tail") or ()]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(c if c.isprintable() else " " for c in str(value))


def _write(text: str) -> None:
    # Always UTF-8, whatever the terminal's locale; half a surrogate pair must not be a traceback.
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()
