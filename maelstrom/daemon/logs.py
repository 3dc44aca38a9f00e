"""How the daemon logs: one line per event, text for people or JSON for machines, to standard error.

Fields given as `extra` are appended (text) or become members (JSON). Secrets are never handed to a logger.
systemd's journal is told the level of each line, and knows the time by itself.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

PRIORITIES: Final = {"CRITICAL": 2, "ERROR": 3, "WARNING": 4, "INFO": 6, "DEBUG": 7}  # of syslog, see sd-daemon(3)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(format: str, level: str, environ: Mapping[str, str]) -> None:
    """Configures the root logger; libraries are heard from warning on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(format, journal=is_journal(sys.stderr, environ)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("maelstrom").setLevel(level.upper())


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether systemd reads there, and nobody else: a shell's redirection inherits the variable as well."""
    try:
        at = os.fstat(stream.fileno())
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{at.st_dev}:{at.st_ino}"


def formatter(format: str, *, journal: bool) -> logging.Formatter:
    written = JsonFormatter() if format == "json" else TextFormatter(timed=not journal)
    return JournalFormatter(written) if journal else written


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in vars(record).items() if k not in _STANDARD}


class TextFormatter(logging.Formatter):
    def __init__(self, *, timed: bool = True) -> None:
        super().__init__()
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.levelname.lower():7} {record.name} {record.getMessage()}"
        if self._timed:
            at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            text = f"{at}Z {text}"
        fields = " ".join(f"{k}={v}" for k, v in _fields(record).items())
        if fields:
            text = f"{text} [{fields}]"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return text


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


class JournalFormatter(logging.Formatter):
    """Another one's lines, each with its level in front, which the journal takes off."""

    def __init__(self, written: logging.Formatter) -> None:
        super().__init__()
        self._written = written

    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{PRIORITIES.get(record.levelname, PRIORITIES['INFO'])}>"
        return "\n".join(mark + line for line in self._written.format(record).split("\n"))
