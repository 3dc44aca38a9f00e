"""The base of everything that is stored as a definition: a project, its components and their event sources."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from maelstrom.model.rules import fault

MAX_UNKNOWN_KEYS = 50  # of one map; more of them are counted, not listed


class Definition(BaseModel):
    """Base of all stored definitions: immutable, strict, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _has_no_more_keys_than_it_could(cls, data: Any) -> Any:
        known = len(cls.model_fields)
        if isinstance(data, dict) and len(data) > known + MAX_UNKNOWN_KEYS:
            raise fault(f"has {len(data)} keys, only {known} are known")
        return data
