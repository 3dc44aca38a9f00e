"""Which time zone this machine is in, by its name: the schedules of cron that name none go by it."""

from __future__ import annotations

import logging
from pathlib import Path
from zoneinfo import ZoneInfo

log = logging.getLogger("maelstrom.daemon")

LOCALTIME = Path("/etc/localtime")


def local_zone(tz: str | None, localtime: Path = LOCALTIME) -> ZoneInfo:
    """`tz`: the environment's TZ, which goes first; then what the system's link points to; then UTC."""
    if tz is not None:
        name = tz.removeprefix(":")
        try:
            return ZoneInfo(name.partition("zoneinfo/")[2] or name) if name else ZoneInfo("UTC")
        except (ValueError, OSError, LookupError):
            log.warning("TZ names no time zone, UTC is used", extra={"TZ": tz})
            return ZoneInfo("UTC")
    return _linked(localtime) or _copied(localtime) or ZoneInfo("UTC")


def _linked(localtime: Path) -> ZoneInfo | None:
    """By the name that the link leads to; None where it is no link, or leads elsewhere."""
    try:
        return ZoneInfo(str(localtime.resolve(strict=True)).partition("zoneinfo/")[2])
    except (ValueError, OSError, LookupError):
        return None


def _copied(localtime: Path) -> ZoneInfo | None:
    """By the file's content, which has no name."""
    try:
        with localtime.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (ValueError, OSError):
        return None
