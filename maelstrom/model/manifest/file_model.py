"""The project file's own form: what differs from the definitions that are stored. Everything else is inherited."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from maelstrom.model.component import ComponentDefinition, Variables
from maelstrom.model.definition import Definition
from maelstrom.model.project import SourceEntry
from maelstrom.model.project_answers import ContentType, ResponseHeaders, check_statuses
from maelstrom.model.rules import Text, fault


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


class FilePage(Definition):
    """One entry below `errorpages`."""

    file: Text = Field(
        "", description="File with the page, in UTF-8, relative to the working directory; read when the file is put."
    )
    body: Text = Field("", description="The page itself, in place of a file.")
    contenttype: ContentType | None = Field(
        None, description="What the page is. Unset: by the file's name (`.html`, `.txt`, `.json`), else by its content."
    )

    @model_validator(mode="after")
    def _has_one_page(self) -> FilePage:
        if bool(self.file) == bool(self.body):
            raise fault("needs a `file` or a `body`, and not both")
        return self


def _check_pages(pages: dict[str, FilePage]) -> dict[str, FilePage]:
    check_statuses(pages)
    return pages


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
    responseheaders: ResponseHeaders = Field(
        (),
        description="Headers of every answer to a request that came by one of the project's http sources, the"
        " component's and the gateway's own: at most 32.",
    )
    errorpages: Annotated[dict[Text, FilePage], AfterValidator(_check_pages)] = Field(
        default_factory=dict,
        description="Pages for the gateway's own answers to such requests, by status: 400, 408, 413, 502, 503, 504; at"
        " most 64 KiB each. A component's answers stay as they are, and who accepts only JSON gets JSON.",
    )
    components: dict[Text, FileComponent] = Field(
        min_length=1,
        description="Components by name: letters, digits, `_` and `-`, at most 60 together with the project's prefix"
        " `<name>_`.",
    )
