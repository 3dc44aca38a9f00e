"""docs/maelctl.md, made from the commands themselves. `make docs` writes it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from maelstrom.cli.commands import common_options
from maelstrom.cli.main import PROGRAM, root

_PAGE = """# `maelctl`

<!-- Written by `make docs` from the code. Do not edit. -->

`maelctl` talks to the admin API of any node. The daemon is found by `--url` and `--token`, else by `MAELSTROM_URL` and
`MAELSTROM_TOKEN`, else in the state directory (`--state-dir`, `MAEL_STATE_DIR`, else the daemon's default): there lie
`ready.json` and `admin-token`. The token of a state directory that nobody named is only sent to this host.

With `-o json` every command prints one JSON document on standard output (`logs`: one object a line) and nothing else
there; messages go to standard error. Names in JSON are without their project's prefix. A NAME on the command line may
have the prefix, `shop_web`; it needs it, or `--project`, only where two projects have that name.

## JSON

What `-o json` prints has the fields of the API's answer, which [openapi.json](openapi.json) describes under these names
in `components.schemas`. Fields may be added to them; none is taken away or renamed. Times are seconds since 1970;
those of `logs` are as the engine wrote them, `2026-01-31T12:00:00.123456789Z`.

| Command | Prints |
|---|---|
| `put`, `project put`, `project rollback` | `Put`, without `warnings`, `projectfields` only where some change |
| `validate` | `{{"ok", "errors"}}`; each error has `file`, `line`, `path`, `message`, `hint`; if `ok`, there are none |
| `project ls`, `project history` | list of `Project`, of `Revision` |
| `project get` | the project in the form of [its file](project.schema.json) |
| `project rm` | `Removed` |
| `comp ls`, `comp restart` | list of `Component`, `Restarted` |
| `es ls`, `es audit` | list of `EventSource`, `Audit` |
| `es enable`, `es disable` | list of the names that were changed |
| `es dlq ls`, `es dlq show` | list of `DeadLetterQueue`, of `DeadLetter` |
| `es dlq redrive` | list of `Redrive` |
| `cron run`, `cron runs` | `CronRun`, list of `CronRun` |
| `ps`, `nodes`, `certs ls` | list of `Instance`, of `Node`, of `Certificate` |
| `logs` | a `LogLine` per line |
| `version` | `{{"client", "server", "node"}}`; where no server answers, `server` is null and `node` not there |

## Exit codes

| Code | Meaning |
|---|---|
| 0 | done |
| 1 | failed on the server |
| 2 | wrong usage |
| 3 | invalid input: the project file or an env file is wrong or cannot be read |
| 4 | not found |
| 5 | conflict: changed meanwhile, or taken by another project |
| 6 | cannot reach the daemon, or not allowed |
| 7 | waited in vain |
| 130 | interrupted |

## Options of every command

They may stand at any place of the command line; of two the last one counts.

{common}

## Commands

{commands}

## Completion

`source <(maelctl completion bash)` (or `zsh`), and `maelctl completion fish | source`.

## Passwords

`pullpassword` is shown as `********` everywhere. Who puts a definition with this mask back keeps the stored password of
that component; where none is stored, the put is refused.
"""


def text() -> str:
    return _PAGE.format(common=_table(common_options()), commands="\n\n".join(_commands(root, PROGRAM)))


def _commands(group: click.Group, path: str) -> Iterator[str]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        here = f"{path} {name}"
        if isinstance(command, click.Group):
            yield from _commands(command, here)
        else:
            yield _command(command, here)


def _command(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path)
    common = {option.name for option in common_options()}
    own = [parameter for parameter in command.params if parameter.name not in common]
    arguments = " ".join(part for parameter in own for part in parameter.get_usage_pieces(context))
    lines = [f"### `{path}{' ' + arguments if arguments else ''}`", _prose(command.help or "")]
    options = [parameter for parameter in own if isinstance(parameter, click.Option)]
    if options:
        lines.append(_table(options))
    return "\n\n".join(lines)


def _table(options: list[click.Option]) -> str:
    rows = ["| Option | Meaning |", "|---|---|"]
    for option in options:
        context = click.Context(click.Command(""))
        record = option.get_help_record(context)
        assert record is not None
        names, meaning = (text.replace("|", "\\|") for text in record)
        rows.append(f"| `{names}` | {' '.join(meaning.split())} |")
    return "\n".join(rows)


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
