"""Commands and groups that take the common options at every place, and groups that load a command when it is called.

`maelctl ps -o json`, `maelctl -o json ps` and `maelctl project ls --url …` all work; the last one said wins.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from maelstrom.cli.target import Options

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is None or value is False:
        return
    options = context.ensure_object(Options)
    if parameter.name == "as_json":
        options.output = "json"
    elif parameter.name is not None:
        setattr(options, parameter.name, value)


def common_options() -> list[click.Option]:
    """Fresh ones: a parameter belongs to one command."""
    common: dict[str, Any] = {"callback": _remember, "expose_value": False, "is_eager": True}
    return [
        click.Option(
            ["-o", "--output"], type=click.Choice(["table", "json"]), help="A table for people, or JSON.", **common
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="The same as -o json.", **common),
        click.Option(["--url"], metavar="URL", help="The daemon's admin address [env: MAELSTROM_URL].", **common),
        click.Option(["--token"], help="The admin token [env: MAELSTROM_TOKEN].", **common),
        click.Option(
            ["--state-dir"],
            metavar="DIR",
            help="Where the daemon's address and token are found [env: MAEL_STATE_DIR].",
            **common,
        ),
        click.Option(
            ["--request-timeout"],
            type=click.FloatRange(min=0, min_open=True),
            metavar="S",
            help="Seconds for one request to the daemon (30).",
            **common,
        ),
    ]


class Command(click.Command):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": CONTEXT, **kwargs})
        self.params += common_options()


class Group(click.Group):
    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"context_settings": CONTEXT, **kwargs})
        self.params += common_options()


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that is imported when it is called. `help` is its first line: listing must not import everything."""

    module: str
    name: str
    help: str


class LazyGroup(Group):
    """Starting `maelctl` costs only the command that is meant."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self._lazy and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(args[0], self._lazy, n=1)
            ctx.fail(f"No such command '{args[0]}'." + (f" Did you mean '{near[0]}'?" if near else ""))
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._lazy.get(cmd_name)
        if entry is None:
            return None
        found = getattr(importlib.import_module(entry.module), entry.name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self._lazy.items()])
