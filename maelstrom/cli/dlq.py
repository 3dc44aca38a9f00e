"""`maelctl es dlq …`: dead letter queues of SQS sources."""

from __future__ import annotations

from operator import itemgetter

import click

from maelstrom.api.client import Json
from maelstrom.cli.commands import Command, Group
from maelstrom.cli.output import Column, ago, say, show, show_list
from maelstrom.cli.server import client
from maelstrom.cli.target import Options
from maelstrom.model.errors import NotFound

BODY_CHARACTERS = 60  # in a table

_project = click.option("--project", metavar="NAME", help="Which project's, where several have the name.")


@click.group("dlq", cls=Group)
def dlq() -> None:
    """Dead letter queues of an SQS source."""


@dlq.command("ls", cls=Command)
@click.argument("name")
@_project
@click.pass_obj
def ls(options: Options, name: str, project: str | None) -> None:
    """List a source's queues with their dead letter queues and how many messages these hold."""
    titles = {
        "queue": "QUEUE", "dead_letters": "DEAD LETTERS", "max_receives": "AFTER",
        "messages": "MESSAGES", "in_flight": "IN FLIGHT",
    }  # fmt: skip
    columns: list[Column] = [(title, itemgetter(key)) for key, title in titles.items()]
    show_list(options, client(options).dead_letter_queues(name, project=project), columns, "No queues.")


@dlq.command("show", cls=Command)
@click.argument("name")
@click.argument("id", required=False)
@_project
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N", help="So many messages."
)
@click.pass_obj
def show_messages(options: Options, name: str, id: str | None, project: str | None, limit: int) -> None:
    """Show dead letters, or the whole of one.

    SQS cannot be looked into: the messages are received, which counts as a receive of each and hides it for a moment,
    and given back at once. It has no cursor either: who wants to see more asks for more at once.
    """
    rows = client(options).dead_letters(name, project=project, id=id, limit=limit)
    if id is None:
        show_list(options, rows, _COLUMNS, "No messages.")
        if len(rows) == limit:
            say(f"There may be more: these are the {limit} that --limit allows, of 1000 at most.")
    else:
        show(options, rows[0], lambda: _whole(rows[0]))


@dlq.command("redrive", cls=Command)
@click.argument("name")
@_project
@click.option("--max", "most", type=click.IntRange(min=1), metavar="N", help="So many messages at most.")
@click.option("--to", metavar="QUEUE", help="Where to, else each to the queue that it came from.")
@click.pass_obj
def redrive(options: Options, name: str, project: str | None, most: int | None, to: str | None) -> None:
    """Move dead letters back to the queues that they came from.

    By SQS itself where it can, else one by one, sent first and then deleted: a message may come twice, none is lost.
    Ctrl-C stops it; what was moved stays moved.
    """
    done: dict[str, Json] = {}
    with client(options).redrive(name, project=project, most=most, to=to) as rows:
        for row in rows:
            before = done.get(row["queue"], {}).get("moved")
            done[row["queue"]] = row
            if row["state"] == "running" and row["moved"] != before:
                say(f"{row['queue']}: {row['moved']} of about {row['total']} moved")
    if not done:
        raise NotFound(f"{name} has no dead letter queue")
    columns: list[Column] = [(key.upper(), itemgetter(key)) for key in ("queue", "to", "moved")]
    show_list(options, list(done.values()), columns, "Nothing moved.")


def _whole(row: Json) -> str:
    lines = [
        f"{row['id']} in {row['queue']}" + (f", from {row['origin']}" if row["origin"] else ""),
        f"sent {ago(row['sent_at'])} ago, received {row['receives']} times"
        + (f", group {row['group']}" if row["group"] else ""),
        *(f"{key}: {value}" for key, value in row["attributes"].items()),
        "",
        row["body"] + (f" … ({row['size']} characters)" if row["truncated"] else ""),
    ]
    return "\n".join(lines)


def _beginning(row: object) -> str:
    assert isinstance(row, dict)
    text = str(row["body"])
    return text if len(text) <= BODY_CHARACTERS else text[: BODY_CHARACTERS - 1] + "…"


_COLUMNS: list[Column] = [
    ("ID", itemgetter("id")),
    ("QUEUE", itemgetter("queue")),
    ("SENT", lambda row: ago(row["sent_at"])),
    ("RECEIVES", itemgetter("receives")),
    ("GROUP", itemgetter("group")),
    ("BODY", _beginning),
]
