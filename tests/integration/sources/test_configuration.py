"""What is missing on the AWS side is said per source, and mended while the node runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.sources import SOURCE, answer, source
from tests.integration.sources.node import node, run
from tests.support.aws import REGION, Machine, StandIn, one_task
from tests.support.wait import eventually


async def test_missing_credentials_degrade_the_source_until_there_are_some(
    aws: StandIn, sfn: Any, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(sfn, name, one_task(sfn.create_activity(name=name)["activityArn"]))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(variable)
    async with node(source(activityname=name), handle=lambda r: answer(b"1")) as n:
        await eventually(lambda: "AWS_DEFAULT_REGION" in n.owner.statuses()[SOURCE].reason)
        assert n.owner.statuses()[SOURCE].state == "degraded"
        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws" / "config").write_text(f"[default]\nregion = {REGION}\n")
        await eventually(lambda: "AWS_ACCESS_KEY_ID" in n.owner.statuses()[SOURCE].reason, within=10)
        keys = "[default]\naws_access_key_id = test\naws_secret_access_key = test\n"
        (tmp_path / ".aws" / "credentials").write_text(keys)
        assert await run(machine, {}) == 1
        await eventually(lambda: n.owner.statuses()[SOURCE].state == "ok")
