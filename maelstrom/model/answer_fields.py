"""The kinds of texts in fields about who waits and what is answered, and what is wrong with those that are none."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from maelstrom.model.rules import Text, check_token, fault, shown

FAIR_TO_CLIENTS = "client"
FAIR_BY_HEADER = "header:"

MAX_HEADER_NAME = 100  # characters
MAX_HEADER_VALUE = 4096  # characters

_OF_CONNECTIONS = frozenset(
    [
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
        *("transfer-encoding", "upgrade", "http2-settings", "content-length", "host"),
    ]
)
_OF_BODIES = frozenset(["content-type", "content-encoding", "content-range", "date", "set-cookie"])
_VALUE = re.compile(r"[!-~]+(?:[ \t]+[!-~]+)*")
_FORWARDED = ("x-forwarded-", "forwarded", "x-real-ip")


def _check_name(name: str) -> str:
    """The name in lower case as servers read it: an underscore is a hyphen to many."""
    check_token(name)
    if len(name) > MAX_HEADER_NAME:
        raise fault(f"the header's name has {len(name)} characters, {MAX_HEADER_NAME} are allowed")
    plain = name.lower().replace("_", "-")
    if plain in _OF_CONNECTIONS:
        raise fault(f"the header {shown(name)} belongs to a connection or frames a message", "choose another header")
    if plain.startswith("maelstrom-"):
        raise fault(f"the header {shown(name)} is Maelstrom's own", "choose another header")
    return plain


def _check_fairness(text: str) -> str:
    if text in ("", FAIR_TO_CLIENTS):
        return text
    if not text.startswith(FAIR_BY_HEADER):
        raise fault(f"{shown(text)} says not by what to be fair", "`client`, or `header:` and a header's name")
    name = text.removeprefix(FAIR_BY_HEADER)
    if _check_name(name).startswith(_FORWARDED):
        raise fault(f"the header {shown(name)} is the gateway's", "`fairness: client` goes by the forwarded address")
    return FAIR_BY_HEADER + name


def _check_answer_header(name: str) -> str:
    if _check_name(name) in _OF_BODIES:
        raise fault(f"the header {shown(name)} describes one answer and is the component's", "choose another header")
    return name


def _check_answer_value(value: str) -> str:
    if value and not _VALUE.fullmatch(value):
        raise fault("a header's value is one line of ASCII without blanks around it")
    if len(value) > MAX_HEADER_VALUE:
        raise fault(f"a header's value has {len(value)} characters, {MAX_HEADER_VALUE} are allowed")
    return value


AnswerHeaderName = Annotated[Text, AfterValidator(_check_answer_header)]
AnswerHeaderValue = Annotated[Text, AfterValidator(_check_answer_value)]
Fairness = Annotated[
    Text,
    AfterValidator(_check_fairness),
    Field(json_schema_extra={"pattern": r"^(client|header:[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$"}),
]
