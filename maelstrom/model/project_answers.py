"""What a project says of its answers: headers that are added to all of them, and pages in place of the gateway's own.

A page is stored as the text it is: files were read by whoever read the project file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from maelstrom.model.answer_fields import AnswerHeaderName, AnswerHeaderValue
from maelstrom.model.definition import Definition
from maelstrom.model.rules import ListedMaps, Text, fault, faults, shown

MAX_PAGE: Final = 65_536  # bytes
MAX_HEADERS: Final = 32
MAX_HEADER_BYTES: Final = 8192  # of all of them together

ContentType = Literal["text/html", "text/plain", "application/json"]

# What the gateway may answer where it knows whose request it is.
STATUSES: Final = ("400", "408", "413", "502", "503", "504")
_BY_NAME: Final[Mapping[str, ContentType]] = {
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
    ".json": "application/json",
}


class ResponseHeader(Definition):
    """One header that every answer of a project has."""

    name: AnswerHeaderName = Field(
        description="Name of the header. Not those of a connection or of a body, `Set-Cookie`, or `Maelstrom-…`."
    )
    value: AnswerHeaderValue = Field(
        "",
        description="Its value, in ASCII; it takes the place of what the component sends. Empty: it is removed.",
    )
    ifmissing: bool = Field(False, description="Whether it is only added where the component sends none of that name.")

    @model_validator(mode="after")
    def _adds_something(self) -> ResponseHeader:
        if self.ifmissing and not self.value:
            raise fault("has no value to add where the header is missing", "give a value, or leave `ifmissing` out")
        return self


class ErrorPage(Definition):
    """The body of the gateway's own answers with one status."""

    body: Text = Field(description="The page itself.")
    contenttype: ContentType = Field(description="What it is.")

    @field_validator("body")
    @classmethod
    def _is_not_too_long(cls, body: str) -> str:
        if (size := len(body.encode())) > MAX_PAGE:
            raise fault(f"the page has {size} bytes, {MAX_PAGE} are allowed")
        return body

    @model_validator(mode="after")
    def _is_what_it_says(self) -> ErrorPage:
        if self.contenttype == "application/json" and not _is_json(self.body):
            raise fault("is no JSON", "correct it, or give another contenttype")
        return self


def _check_headers(headers: tuple[ResponseHeader, ...]) -> tuple[ResponseHeader, ...]:
    if len(headers) > MAX_HEADERS:
        raise fault(f"has {len(headers)} headers, {MAX_HEADERS} are allowed")
    if (size := sum(len(header.name) + len(header.value) + 4 for header in headers)) > MAX_HEADER_BYTES:
        raise fault(f"the headers have {size} bytes, {MAX_HEADER_BYTES} are allowed")
    seen: set[str] = set()
    found: list[tuple[int | str, str, str]] = []
    for index, header in enumerate(headers):
        plain = header.name.lower().replace("_", "-")
        if plain in seen:
            found.append((index, f"the header {shown(header.name)} is given twice", "keep one of them"))
        seen.add(plain)
    if found:
        raise faults(found)
    return headers


def check_statuses(pages: Mapping[str, object]) -> None:
    """Raises what a rule raises, for every key that is no status of a page."""
    hint = f"the gateway itself answers {', '.join(STATUSES)}; other statuses are the component's"
    found: list[tuple[int | str, str, str]] = [
        (key, f"{shown(key)} is no status that a page can be for", hint) for key in pages if key not in STATUSES
    ]
    if found:
        raise faults(found)


def _check_pages(pages: dict[str, ErrorPage]) -> dict[str, ErrorPage]:
    check_statuses(pages)
    return pages


ResponseHeaders = Annotated[tuple[ResponseHeader, ...], ListedMaps, AfterValidator(_check_headers)]
ErrorPages = Annotated[dict[Text, ErrorPage], AfterValidator(_check_pages)]


class ProjectAnswers(Definition):
    """All of it, as it is stored beside a project for the gateways of all nodes."""

    responseheaders: ResponseHeaders = ()
    errorpages: ErrorPages = Field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.responseheaders or self.errorpages)

    def fields(self) -> dict[str, object]:
        """Those that say something, by name."""
        return {name: value for name, value in self if value}


def content_type_of(name: str, body: str) -> ContentType:
    """By the file's name, else by what the text looks like."""
    known = _BY_NAME.get(PurePath(name).suffix.lower())
    if known is not None:
        return known
    if body.lstrip().startswith("<"):
        return "text/html"
    return "application/json" if body.lstrip().startswith(("{", "[")) and _is_json(body) else "text/plain"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
