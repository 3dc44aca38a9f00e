"""`maelctl logs`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

import click

from maelstrom.cli.commands import Command
from maelstrom.cli.output import say, show_line, show_text
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
    with client(options).logs(component, project=project, since=since, follow=follow) as stream:
        if stream.missing_nodes:
            say(f"not shown: containers on {', '.join(stream.missing_nodes)}; ask there for their lines")
        for line in stream:
            if options.json:
                show_line(line)
            else:
                show_text(f"[{line['component']}]\t{line['text']}\n")
