"""What is logged, as people, machines and systemd's journal read it."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import pytest

from maelstrom.daemon.logs import formatter, is_journal


def record(level: int = logging.WARNING, *, broken: bool = False) -> logging.LogRecord:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        error = sys.exc_info() if broken else None
    return logging.makeLogRecord(
        {"name": "maelstrom.x", "levelno": level, "levelname": logging.getLevelName(level), "msg": "it is so"}
        | {"exc_info": error, "node": "n1", "created": 0.0}
    )


def test_text_has_time_level_and_fields() -> None:
    text = formatter("text", journal=False).format(record())
    assert text == "1970-01-01T00:00:00.000Z warning maelstrom.x it is so [node=n1]"


def test_the_journal_knows_the_time_and_is_told_the_level_of_every_line() -> None:
    assert formatter("text", journal=True).format(record()) == "<4>warning maelstrom.x it is so [node=n1]"
    lines = formatter("text", journal=True).format(record(logging.ERROR, broken=True)).split("\n")
    assert len(lines) > 4
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize(("level", "mark"), [(logging.DEBUG, "<7>"), (logging.INFO, "<6>"), (logging.CRITICAL, "<2>")])
def test_json_for_the_journal_is_json_once_the_level_is_taken_off(level: int, mark: str) -> None:
    text = formatter("json", journal=True).format(record(level))
    assert text.startswith(mark)
    assert json.loads(text.removeprefix(mark))["message"] == "it is so"


def test_the_journal_is_found_only_where_standard_error_goes_there(tmp_path: Path) -> None:
    with (tmp_path / "err").open("w") as stream, (tmp_path / "else").open("w") as other:
        at = os.fstat(stream.fileno())
        environ = {"JOURNAL_STREAM": f"{at.st_dev}:{at.st_ino}"}
        assert is_journal(stream, environ)
        assert not is_journal(other, environ), "sent to a file by somebody in between"
        assert not is_journal(stream, {})
