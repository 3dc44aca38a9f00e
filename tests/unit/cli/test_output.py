"""What is printed, and where."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest

from maelstrom.cli.definition import as_file, as_yaml
from maelstrom.cli.logs import since_time
from maelstrom.cli.output import ago, black_box, duration, say_error, show, show_list
from maelstrom.cli.target import Options
from maelstrom.model.errors import InvalidInput, NotFound, Problem
from maelstrom.model.manifest import check_project, read_project

ROWS: Sequence[dict[str, Any]] = [{"name": "a" * 200, "n": 1}, {"name": "bad\x1b[31m\nname", "n": None}]
COLUMNS = (("NAME", lambda row: row["name"]), ("N", lambda row: row["n"]))


def test_json_is_one_document_in_utf8(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    show(Options(output="json"), {"text": "é€😀", "half": "\ud800"}, lambda: "never")
    out, err = capfdbinary.readouterr()
    assert json.loads(out) == {"text": "é€😀", "half": "?"}
    assert "é€😀".encode() in out
    assert err == b""


def test_empty_list_is_a_document_for_programs_and_a_message_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    show_list(Options(output="json"), [], COLUMNS, "Nothing.")
    assert capfd.readouterr() == ("[]\n", "")
    show_list(Options(), [], COLUMNS, "Nothing.")
    assert capfd.readouterr() == ("", "Nothing.\n")


def test_tables_are_not_cut_and_cannot_be_forged(capfd: pytest.CaptureFixture[str]) -> None:
    """F109."""
    show_list(Options(), ROWS, COLUMNS, "Nothing.")
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "a" * 200 in lines[1]
    assert "\x1b" not in lines[2]
    assert lines[2].endswith("-")


def test_errors_name_file_line_path_and_hint(capfd: pytest.CaptureFixture[str]) -> None:
    problem = Problem("components.web.image", "is missing", "name one", "p.yml", 3)
    say_error(InvalidInput("p.yml is not valid", problems=(problem, Problem("", "cannot be read", file="e.env"))))
    out, err = capfd.readouterr()
    assert out == ""
    assert "  p.yml:3: components.web.image: is missing\n    hint: name one\n" in err
    assert err.endswith("  e.env: cannot be read\n")  # what is to be done was said with each
    say_error(NotFound("there is no project x", hint="look"))
    assert capfd.readouterr().err == "maelctl: there is no project x\n  hint: look\n"


def test_durations_are_short() -> None:
    assert [duration(seconds) for seconds in (0, 59, 119, 120, 7199, 7200, 172_800)] == [
        "0s",
        "59s",
        "119s",
        "2m",
        "119m",
        "2h",
        "2d",
    ]
    assert (ago(None), ago(time.time() + 100), ago(time.time() - 300.5)) == ("-", "0s", "5m")


def test_black_box_says_all_that_is_known() -> None:
    box = {
        "reason": "it exited",
        "exit_code": 137,
        "oom_killed": True,
        "log_tail": ["one", "two"],
        "last_probe": "refused",
    }
    text = black_box({"component": "web", "version": 3, "node": "n1", "black_box": box})
    assert text.splitlines() == [
        "web (version 3) on n1: it exited",
        "  exit code 137, out of memory",
        "  last probe: refused",
        "  | one",
        "  | two",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1m", 60), ("1h30m", 5400), ("2d", 172_800), ("15", 15), ("1.5m", 90), ("500ms", 0.5)],
)
def test_since_is_a_duration(text: str, seconds: float) -> None:
    assert since_time(None, None, text) == pytest.approx(time.time() - seconds, abs=5)


def test_since_is_a_time() -> None:
    assert since_time(None, None, "1970-01-01T00:01:00Z") == 60
    assert since_time(None, None, "1970-01-01T01:01:00+01:00") == 60
    assert since_time(None, None, "1970-01-01T00:01:00") == 60
    assert since_time(None, None, None) == 0


@pytest.mark.parametrize("text", ["", "x", "1y", "-5s", "5 s s", "1e5", "99999999999d", "2026-13-01"])
def test_other_since_is_wrong_usage(text: str) -> None:
    import click

    if text == "99999999999d":
        assert since_time(None, None, text) == 0
        return
    with pytest.raises(click.BadParameter):
        since_time(None, None, text)


EVERYTHING = {
    "name": "shop",
    "components": {
        "web": {
            "component": {
                "image": "app:1",
                "command": ["sh", "-c", "echo ${HOME} $${X} $Y"],
                "entrypoint": [],
                "environment": ["A=${B}", "C=€ \"quoted\" 'x' # no comment", "D=", "E=yes"],
                "pullpassword": "********",
                "volumes": [{"source": "/srv", "target": "/data", "readonly": True}],
                "ports": ["2222:22"],
                "mininstances": 1,
                "httpstarthealthcheckseconds": -1,
                "logdriver": "json-file",
                "logdriveroptions": {"max-size": "10m"},
                "scaleupconcurrencypct": 0.9,
            },
            "eventsources": {
                "site": {"http": {"hostname": "a.example", "stripprefix": False}},
                "tick": {
                    "cron": {
                        "schedule": "CRON_TZ=UTC 5 4 * * *",
                        "http": {
                            "method": "POST",
                            "path": "/t?a=b",
                            "data": "{}",
                            "headers": [{"name": "A", "value": "b"}],
                        },
                    }
                },
                "split": {"awsstepfunc": {"activityname": "split", "path": "/s"}},
                "orders": {"sqs": {"queuename": "o", "path": "/o", "nameasprefix": True}},
            },
        },
        "jobs": {"component": {"image": "jobs:1"}, "eventsources": {}},
    },
}


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_what_project_get_prints_can_be_put_again(form: str) -> None:
    stored = check_project(EVERYTHING)
    definition = stored.model_dump(mode="json")
    if form == "yaml":
        again = read_project(
            as_yaml(definition), file="-", environ={"HOME": "/root", "B": "pasted"}, read_file=lambda _: b""
        )
        assert again == stored
    else:
        text = json.dumps(as_file(definition)).replace("${", "$${")
        assert read_project(text, file="-", environ={}, read_file=lambda _: b"") == stored
