"""Which changes of a component make other containers, and which are only other rules for those that run."""

from __future__ import annotations

from typing import Any

import pytest

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.makeup import MADE_OF, TREATED_BY, makeup


def definition(**fields: Any) -> ComponentDefinition:
    return ComponentDefinition.model_validate({"image": "app:1", **fields})


def test_every_field_is_either_what_a_container_is_made_of_or_how_it_is_treated() -> None:
    assert set(ComponentDefinition.model_fields) == MADE_OF | TREATED_BY
    assert not MADE_OF & TREATED_BY


@pytest.mark.parametrize(
    "fields",
    [
        {"image": "app:2"},
        {"command": ["x"]},
        {"environment": ["A=1"]},
        {"limitmemory": 64},
        {"ports": ["8443:443"]},
        {"volumes": [{"type": "tmpfs", "target": "/x"}]},
        {"httpport": 9000},
        {"httphealthcheckpath": "/ok"},
    ],
)
def test_what_a_container_is_made_of_makes_another_one(fields: dict[str, Any]) -> None:
    assert makeup(definition(**fields)) != makeup(definition())


def test_rules_make_no_other_container() -> None:
    rules = {
        "maxconcurrency": 9, "softconcurrencylimit": True, "mininstances": 2, "maxinstances": 5, "maxqueue": 7,
        "allow": ["billing"], "fairness": "client", "maxdurationseconds": 7, "idlebehavior": "pause",
        "httphealthcheckseconds": 3, "stopgraceseconds": 1, "restartorder": "stopstart", "pullpassword": "secret",
    }  # fmt: skip
    assert makeup(definition(**rules)) == makeup(definition())


def test_it_is_not_made_of_defaults() -> None:
    assert makeup(definition(reservememory=128)) == {"image": "app:1"}
    assert makeup(definition(limitmemory=64, reservememory=64)) == makeup(definition(limitmemory=64))
    assert makeup(definition(ports=["80:80"], restartorder="startstop")) == {"image": "app:1", "ports": ["80:80"]}
