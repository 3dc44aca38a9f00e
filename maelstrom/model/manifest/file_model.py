"""The project file's own form: what differs from the definitions that are stored. Everything else is inherited."""

from __future__ import annotations

from pydantic import Field

from maelstrom.model.component import ComponentDefinition, Variables
from maelstrom.model.definition import Definition
from maelstrom.model.project import SourceEntry
from maelstrom.model.rules import Text


class FileComponent(ComponentDefinition):
    """One entry below `components`."""

    eventsources: dict[Text, SourceEntry] = Field(
        default_factory=dict, description="Event sources by name; names are unique in the project."
    )
    crontab: Text = Field(
        "",
        description="Cron sources in short, one per line: a schedule, then the path of a GET. Lines that begin with `#`"
        " are skipped.",
    )


class FileProject(Definition):
    """The whole file."""

    name: Text = Field(
        description="Name of the project: at most 20 letters, digits, `_` and `-`; capital letters become small ones."
    )
    envfile: Text = Field(
        "",
        description="File of environment variables for all components, `NAME=value` per line, relative to the working"
        " directory.",
    )
    environment: Variables = Field(
        (), description="Environment variables of all components, `NAME=value` each; they win over `envfile`."
    )
    components: dict[Text, FileComponent] = Field(
        min_length=1,
        description="Components by name: letters, digits, `_` and `-`, at most 60 together with the project's prefix"
        " `<name>_`.",
    )
