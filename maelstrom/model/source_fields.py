"""The kinds of texts that event sources' fields hold, and what is wrong with those that are none."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from maelstrom.model.rules import Text, Token, check_path, fault, shown
from maelstrom.model.schedule import parse_schedule

MAX_HOST = 253  # characters of a name in DNS
MAX_AWS_NAME = 80  # characters of a queue's or an activity's name

# Fields that frame a message or belong to one connection: configured ones would contradict what is really sent.
_FRAMING = frozenset(
    [
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_QUEUE = re.compile(r"[A-Za-z0-9_-]+(\.fifo)?")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_ENDPOINT = re.compile(r"https?://[!-\"$-.0->@-~]+(:[0-9]{1,5})?/?")
_ROLE = re.compile(r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/[!-~]{1,512}")
_POINTER = re.compile(r"(/([^~/]|~[01])*)+")
_ACTIVITY_REFUSED = re.compile(r"""[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]""")


def _check_host(text: str) -> str:
    host = text.lower().removesuffix(".")
    address = host.removeprefix("[").removesuffix("]")
    if ":" in address:
        try:
            return IPv6Address(address).compressed
        except ValueError:
            raise fault(f"{shown(text)} is no host name", "leave the port out") from None
    if text and (len(host) > MAX_HOST or not _HOST.fullmatch(host)):
        raise fault(
            f"{shown(text)} is no host name", "a whole name without scheme, port and wildcards; other letters as xn--…"
        )
    return host


def _check_prefix(text: str) -> str:
    if "?" in text:
        raise fault("has a `?`: the query is no part of the path that is compared", "leave the query out")
    return check_path(text) if text else text


def _check_header_name(name: str) -> str:
    if name.lower() in _FRAMING:
        raise fault(f"the header {shown(name)} is set by what sends the request", "leave it out")
    return name


def _check_header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise fault("a header's value is one line without control characters")
    return value


def _check_method(method: str) -> str:
    return method.upper() if method.upper() in _METHODS else method


def _check_schedule(text: str) -> str:
    try:
        parse_schedule(text)
    except ValueError as error:
        raise fault(
            f"{shown(text)} is no schedule: {error}", "such as `15 3 * * *`, `@daily` or `@every 90s`"
        ) from error
    return text


def _check_queue(name: str) -> str:
    if not name:
        raise fault("is empty")
    if len(name) > MAX_AWS_NAME or not _QUEUE.fullmatch(name):
        raise fault(
            f"{shown(name)} is no name of a queue",
            f"its name, not its URL: at most {MAX_AWS_NAME} letters, digits, `-` and `_`, then `.fifo` if it is one",
        )
    return name


def _check_activity(name: str) -> str:
    if not name:
        raise fault("is empty")
    if len(name) > MAX_AWS_NAME or _ACTIVITY_REFUSED.search(name):
        raise fault(
            f"{shown(name)} is no name of an activity",
            f"its name, not its ARN: at most {MAX_AWS_NAME} characters, no blanks, brackets or wildcards",
        )
    return name


def _check_zone(name: str) -> str:
    try:
        if name:
            ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise fault(f"{shown(name)} is no time zone", "a name such as Europe/Berlin or UTC") from None
    return name


def _check_region(name: str) -> str:
    if name and not _REGION.fullmatch(name):
        raise fault(f"{shown(name)} is no AWS region", "such as eu-west-1")
    return name


def _check_endpoint(url: str) -> str:
    if url and not _ENDPOINT.fullmatch(url):
        raise fault(f"{shown(url)} is no address of a service", "such as https://sqs.eu-west-1.amazonaws.com")
    return url.rstrip("/")


def _check_role(arn: str) -> str:
    if arn and not _ROLE.fullmatch(arn):
        raise fault(f"{shown(arn)} is no ARN of a role", "such as arn:aws:iam::123456789012:role/queue-reader")
    return arn


def _check_token_place(where: bool | str) -> bool | str:
    if isinstance(where, str) and not _POINTER.fullmatch(where):
        raise fault(
            f"{shown(where)} is no JSON pointer", "such as `/TaskToken`; `true` where the body's TaskToken is the token"
        )
    return where


Hostname = Annotated[Text, AfterValidator(_check_host)]
Prefix = Annotated[Text, AfterValidator(_check_prefix)]
HeaderName = Annotated[Token, AfterValidator(_check_header_name)]
HeaderValue = Annotated[Text, AfterValidator(_check_header_value)]
Method = Annotated[Token, AfterValidator(_check_method)]
ScheduleLine = Annotated[Text, AfterValidator(_check_schedule)]
Queue = Annotated[Text, AfterValidator(_check_queue)]
Activity = Annotated[Text, AfterValidator(_check_activity)]
Zone = Annotated[Text, AfterValidator(_check_zone)]
Region = Annotated[Text, AfterValidator(_check_region)]
Endpoint = Annotated[Text, AfterValidator(_check_endpoint)]
Role = Annotated[Text, AfterValidator(_check_role)]
TokenPlace = Annotated[bool | Text, AfterValidator(_check_token_place)]
