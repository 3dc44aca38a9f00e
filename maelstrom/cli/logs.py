"""`maelctl logs`."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import click

from maelstrom.api.client import Client
from maelstrom.cli.commands import Command
from maelstrom.cli.output import Row, black_box, say, show_line, show_text
from maelstrom.cli.server import client
from maelstrom.cli.target import Options

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhd]))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")


def since_time(context: click.Context | None, parameter: click.Parameter | None, value: str | None) -> float:
    """Seconds since 1970 for a duration before now (`90s`, `1h30m`) or a time (RFC 3339); 0: from the beginning."""
    if value is None:
        return 0.0
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        text += "s"
    if _DURATION.fullmatch(text):
        return max(0.0, time.time() - sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    try:
        at = datetime.fromisoformat(text)
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is neither a duration (90s, 1h30m) nor a time (2026-01-31T12:00:00Z)", context, parameter
        ) from None


@click.command(cls=Command)
@click.argument("component", nargs=-1, required=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("--since", callback=since_time, metavar="T", help="Lines of the last 90s, 1h30m, …, or since a time.")
@click.option("--project", metavar="NAME", help="Which project's, where several have the name.")
@click.pass_obj
def logs(options: Options, component: tuple[str, ...], follow: bool, since: float, project: str | None) -> None:
    """Show what components write. COMPONENT may be a pattern such as 'web-*'."""
    server = client(options)
    shown: set[tuple[str, str]] = set()
    with server.logs(component, project=project, since=since, follow=follow) as stream:
        if stream.missing_nodes:
            say(f"not shown: containers on {', '.join(stream.missing_nodes)}; ask there for their lines")
        for line in stream:
            shown.add((line["project"], line["component"]))
            if options.json:
                show_line(line)
            else:
                show_text(f"[{line['component']}]\t{line['text']}\n")
    if not since:
        _explain_silence(server, component, project, shown)


def _explain_silence(
    server: Client, names: Sequence[str], project: str | None, shown: Collection[tuple[str, str]]
) -> None:
    """A container that could not start is gone with its log: its last lines are in the black box."""
    silent = [row for row in server.instances(project=project) if _named(row, names) and _key(row) not in shown]
    failed = [row for row in silent if row.get("black_box")]
    for row in failed:
        say(black_box(row))
    if not shown and not failed:
        say("No lines: " + ("nothing was written yet." if silent else "no container runs."))


def _named(row: Row, names: Sequence[str]) -> bool:
    return any(fnmatchcase(known, name) for name in names for known in (row["component"], "_".join(_key(row))))


def _key(row: Row) -> tuple[str, str]:
    return row["project"], row["component"]
