"""What is wrong with the headers and error pages of a project, each at its line; and what the daemon checks again."""

from __future__ import annotations

import json

import pytest

from maelstrom.model.errors import InvalidInput
from maelstrom.model.manifest import check_project
from maelstrom.model.project_answers import MAX_PAGE
from tests.support.project_file import problems, read

REST = "\ncomponents: {c: {image: a}}\n"

HEADER_RULES = [
    ("{value: x}", "0.name", "is required"),
    ("{name: '', value: x}", "0.name", "no name that HTTP allows"),
    ("{name: 'X Y', value: x}", "0.name", "no name that HTTP allows"),
    ('{name: "X\\r\\nY", value: x}', "0.name", "no name that HTTP allows"),
    ("{name: 'X:', value: x}", "0.name", "no name that HTTP allows"),
    ("{name: Connection, value: x}", "0.name", "belongs to a connection"),
    ("{name: keep_alive, value: x}", "0.name", "belongs to a connection"),
    ("{name: Transfer-Encoding, value: x}", "0.name", "belongs to a connection"),
    ("{name: content_length, value: '1'}", "0.name", "belongs to a connection"),
    ("{name: Trailer, value: x}", "0.name", "belongs to a connection"),
    ("{name: Content-Type, value: x}", "0.name", "describes one answer"),
    ("{name: Set-Cookie, value: x}", "0.name", "describes one answer"),
    ("{name: MAELSTROM_Error, value: x}", "0.name", "Maelstrom's own"),
    ("{name: X, value: ' x'}", "0.value", "one line of ASCII"),
    ('{name: X, value: "a\\r\\nSet-Cookie: b"}', "0.value", "one line of ASCII"),
    ("{name: X, value: Größe}", "0.value", "one line of ASCII"),
    ("{name: X, value: " + "x" * 5000 + "}", "0.value", "4096 are allowed"),
    ("{name: X, value: 1}", "0.value", "must be text"),
    ("{name: X, ifmissing: true}", "0", "no value to add"),
    ("{name: X, values: x}", "0.values", "no known key"),
    ("{name: X-A, value: x}, {name: x_a, value: y}", "1", "given twice"),
    (", ".join(f"{{name: X-{n}, value: y}}" for n in range(33)), "", "32 are allowed"),
    (", ".join(f"{{name: X-{n}, value: {'y' * 3000}}}" for n in range(3)), "", "8192 are allowed"),
]

PAGE_RULES = [
    ("{200: {body: x}}", "200", "no status that a page can be for"),
    ("{404: {body: x}}", "404", "no status that a page can be for"),
    ("{busy: {body: x}}", "busy", "no status that a page can be for"),
    ("{503: x}", "503", "must be a map, not text"),
    ("{503: {}}", "503", "needs a `file` or a `body`"),
    ("{503: {file: a.html, body: b}}", "503", "needs a `file` or a `body`"),
    ("{503: {body: b, contenttype: image/png}}", "503.contenttype", "must be one of"),
    ("{503: {body: b, contenttype: application/json}}", "503", "is no JSON"),
    ("{503: {body: " + "x" * (MAX_PAGE + 1) + "}}", "503.body", "65536 are allowed"),
    ("{503: {file: missing.html}}", "503.file", "cannot be read"),
    ("{503: {file: large.html}}", "503.body", "65536 are allowed"),
    ("{503: {file: latin.html}}", "503.file", "is not UTF-8"),
    ("{503: {file: broken.json}}", "503", "is no JSON"),
]

FILES = {"large.html": b"x" * (MAX_PAGE + 1), "latin.html": b"\xe4", "broken.json": b"{", "good.html": b"x"}


@pytest.mark.parametrize(("headers", "path", "words"), HEADER_RULES)
def test_rules_of_headers(headers: str, path: str, words: str) -> None:
    (problem,) = problems(f"name: a\nresponseheaders: [{headers}]{REST}")
    assert problem.path == f"responseheaders.{path}".rstrip(".")
    assert words in problem.message
    assert problem.line == 2


@pytest.mark.parametrize(("pages", "path", "words"), PAGE_RULES)
def test_rules_of_pages(pages: str, path: str, words: str) -> None:
    (problem,) = problems(f"name: a\nerrorpages: {pages}{REST}", files=FILES)
    assert problem.path == f"errorpages.{path}"
    assert words in problem.message
    assert problem.line == 2


def test_the_largest_page_is_accepted_and_every_wrong_one_is_told() -> None:
    assert read(f"name: a\nerrorpages: {{503: {{body: {'x' * MAX_PAGE}}}}}{REST}").errorpages["503"]
    found = problems("name: a\nerrorpages:\n  502: {file: x}\n  503: {file: y}\n  504: {}" + REST)
    assert [problem.line for problem in found] == [5], "what the file itself says is wrong comes first"
    found = problems("name: a\nerrorpages:\n  502: {file: x}\n  503: {file: y}" + REST)
    assert [problem.line for problem in found] == [3, 4]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"responseheaders": [{"name": "Connection", "value": "x"}]}, "responseheaders.0.name"),
        ({"responseheaders": [{"name": "X", "value": "a\nb"}]}, "responseheaders.0.value"),
        ({"errorpages": {"503": {"body": "x" * (MAX_PAGE + 1), "contenttype": "text/html"}}}, "errorpages.503.body"),
        ({"errorpages": {"503": {"file": "/etc/passwd"}}}, "errorpages.503.file"),
        ({"errorpages": {"200": {"body": "x", "contenttype": "text/html"}}}, "errorpages.200"),
    ],
)
def test_the_daemon_checks_the_same_and_reads_no_files(fields: dict[str, object], path: str) -> None:
    data = json.loads(read(f"name: a{REST}").model_dump_json()) | fields
    with pytest.raises(InvalidInput) as refused:
        check_project(data)
    assert path in [problem.path for problem in refused.value.problems]
