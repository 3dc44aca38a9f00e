"""`crontab` lines → cron sources, with names that stay with their lines when others come and go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from pydantic import ValidationError

from maelstrom.model.manifest.faults import Fault, faults_of
from maelstrom.model.manifest.shape import shape_of
from maelstrom.model.project import SourceEntry
from maelstrom.model.rules import MAX_ITEMS
from maelstrom.model.source import CronRequest, CronSource


@dataclass(frozen=True, slots=True)
class CronLine:
    """One line that is neither blank nor a comment: a source, or what is wrong with it."""

    number: int  # from 0, in the text
    name: str = ""
    source: SourceEntry | None = None
    fault: Fault | None = None


def expand(component: str, text: str) -> Iterator[CronLine]:
    """`component` in its normal form. The name of a source is made of the line's content; equal lines are numbered."""
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n")):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if number >= MAX_ITEMS:
            yield CronLine(number, fault=Fault((), f"crontab has over {MAX_ITEMS} lines"))
            return
        if len(words) < 2 or not words[-1].startswith("/"):
            reason = "a line of crontab is a schedule and a path that begins with `/`"
            yield CronLine(number, fault=Fault((), reason, "such as `15 3 * * * /cleanup`"))
            continue
        schedule, path = " ".join(words[:-1]), words[-1]
        base = f"{component}-cron-{sha256(f'{schedule} {path}'.encode()).hexdigest()[:8]}"
        seen[base] = seen.get(base, 0) + 1
        name = base if seen[base] == 1 else f"{base}-{seen[base]}"
        try:
            source = CronSource(schedule=schedule, http=CronRequest(method="GET", path=path))
            yield CronLine(number, name, SourceEntry(cron=source))
        except ValidationError as error:
            for fault in faults_of(error, shape_of(CronSource)):
                yield CronLine(number, fault=fault)
