"""Which zone this machine is in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from maelstrom.daemon.zone import local_zone


@pytest.mark.parametrize(
    ("tz", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"),
        ("", "UTC"),
        ("Nowhere/Else", "UTC"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "UTC"),
    ],
)
def test_the_environment_goes_first(tz: str, name: str, tmp_path: Path) -> None:
    assert local_zone(tz, tmp_path / "absent") == ZoneInfo(name)


def test_then_what_the_system_points_to(tmp_path: Path) -> None:
    target = tmp_path / "zoneinfo" / "Europe" / "Berlin"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"")
    link = tmp_path / "localtime"
    link.symlink_to(target)
    assert local_zone(None, link) == ZoneInfo("Europe/Berlin")


def test_then_what_the_system_holds(tmp_path: Path) -> None:
    seconds = b"TZif" + b"\0" * 16 + b"".join(n.to_bytes(4, "big") for n in (0, 0, 0, 0, 1, 4))
    copy = tmp_path / "localtime"
    copy.write_bytes(seconds + (3600).to_bytes(4, "big") + b"\0\0" + b"ONE\0")
    zone = local_zone(None, copy)
    offset = datetime(2024, 1, 1, tzinfo=zone).utcoffset()
    assert offset is not None
    assert offset.total_seconds() == 3600


def test_else_it_is_utc(tmp_path: Path) -> None:
    assert local_zone(None, tmp_path / "absent") == ZoneInfo("UTC")
    (tmp_path / "broken").write_bytes(b"no zone")
    assert local_zone(None, tmp_path / "broken") == ZoneInfo("UTC")
