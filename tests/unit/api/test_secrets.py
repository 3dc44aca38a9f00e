"""Masks of secrets: out in every answer, back as what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from maelstrom.api.secrets import has_mask, masked, unmasked
from maelstrom.model.errors import InvalidInput
from maelstrom.model.project import ProjectDefinition


def project(**passwords: str) -> ProjectDefinition:
    components: dict[str, Any] = {
        name: {"component": {"image": "a:1", "pullpassword": password}, "eventsources": {}}
        for name, password in passwords.items()
    }
    return ProjectDefinition.model_validate({"name": "shop", "components": components})


def test_passwords_are_masked_and_absent_ones_stay_absent() -> None:
    shown = masked(project(web="one", jobs=""))
    assert shown == project(web="********", jobs="")
    assert has_mask(shown)
    assert not has_mask(project(web="one", jobs=""))


def test_what_was_shown_comes_back_as_it_was() -> None:
    stored = project(web="one", jobs="", cron="two")
    assert unmasked(masked(stored), stored) == stored


def test_new_password_wins_and_removed_one_is_removed() -> None:
    assert unmasked(project(web="new", jobs=""), project(web="old", jobs="old")) == project(web="new", jobs="")


@pytest.mark.parametrize("stored", [None, project(other="one"), project(web="")])
def test_mask_of_nothing_is_refused_with_its_place(stored: ProjectDefinition | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        unmasked(project(web="********", fine="x"), stored)
    assert [problem.path for problem in caught.value.problems] == ["components.web.pullpassword"]
