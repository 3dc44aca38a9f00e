"""`maelctl`: finds the command, and turns every outcome into an exit code and, if need be, a message."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

import click

import maelstrom
from maelstrom.cli import exits
from maelstrom.cli.commands import Lazy, LazyGroup
from maelstrom.cli.output import say, say_error, show_text
from maelstrom.cli.target import Options
from maelstrom.model.errors import MaelstromError

PROGRAM = "maelctl"
COMPLETE = "_MAELCTL_COMPLETE"

COMMANDS = {
    "put": Lazy("maelstrom.cli.put", "put", "Make a project what its file says."),
    "validate": Lazy("maelstrom.cli.validate", "validate", "Check a project file, without a server."),
    "project": Lazy("maelstrom.cli.project", "project", "Projects: list, get, put, remove, history, roll back."),
    "comp": Lazy("maelstrom.cli.comp", "comp", "Components: list, restart."),
    "es": Lazy("maelstrom.cli.es", "es", "Event sources: list, enable, disable, audit, dead letters."),
    "cron": Lazy("maelstrom.cli.cron", "cron", "Schedules: runs that were, and one by hand."),
    "ps": Lazy("maelstrom.cli.cluster", "ps", "Containers of all nodes."),
    "nodes": Lazy("maelstrom.cli.cluster", "nodes", "Nodes of the cluster."),
    "certs": Lazy("maelstrom.cli.certs", "certs", "Certificates of hosts: list."),
    "logs": Lazy("maelstrom.cli.logs", "logs", "What components write."),
    "version": Lazy("maelstrom.cli.version", "version", "Versions of client and server."),
    "completion": Lazy("maelstrom.cli.completion", "completion", "A script that completes commands in your shell."),
}


def _print_version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        show_text(f"{maelstrom.__version__}\n")
        context.exit()


root = LazyGroup(
    PROGRAM,
    lazy=COMMANDS,
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_print_version,
            help="Show the client's version and exit.",
        )
    ],
    help="Talks to maelstromd.\n\nThe daemon is found by --url and --token, else by MAELSTROM_URL and MAELSTROM_TOKEN,"
    " else in the state directory.\n\nExit codes: 0 done, 1 failed on the server, 2 wrong usage, 3 invalid input,"
    " 4 not found, 5 conflict, 6 cannot reach or not allowed, 7 waited in vain.",
)


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code; whatever happens, no traceback for what a person can do something about."""
    if COMPLETE in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(root, {"obj": Options()}, PROGRAM, COMPLETE, os.environ[COMPLETE])
    _open_missing_streams()
    try:
        code = _invoke(list(arguments))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has what it wanted
        _discard_output()
        return exits.DONE
    except KeyboardInterrupt:
        say("")
        return exits.INTERRUPTED
    except OSError as error:
        say(f"{PROGRAM}: {error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        _discard_output()
        return exits.FAILED
    return code


def _discard_output() -> None:
    """The interpreter flushes once more at its end: that must find somewhere to go, else the exit code is another."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_missing_streams() -> None:
    """A shell may close them (`<&-`): what is read then is empty, what is written goes nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the rest of the process


def _invoke(arguments: list[str]) -> int:
    try:
        with root.make_context(PROGRAM, arguments, obj=Options()) as context:
            root.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        say("maelctl: not confirmed, nothing done")
        return exits.USAGE
    except MaelstromError as error:
        say_error(error)
        return exits.exit_code(error)
    return exits.DONE
