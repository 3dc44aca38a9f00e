"""A stored definition in the form of a project file, so that what `project get` prints can be put again. Pure."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]

_EMPTY_IS_MEANT = {"command", "entrypoint", "healthcheckfailedcommand", "pullcommand"}  # unlike unset


def as_file(definition: Json) -> Json:
    """The keys of a project file; what is unset is left out."""
    return {
        "name": definition["name"],
        **_set({name: definition.get(name) for name in ("responseheaders", "errorpages")}),
        "components": {name: _component(entry) for name, entry in definition["components"].items()},
    }


def as_yaml(definition: Json) -> str:
    """Text that reads as that definition: what looks like a variable is quoted as the file's rules want it."""
    import yaml

    text = yaml.safe_dump(as_file(definition), sort_keys=False, allow_unicode=True, width=120)
    return re.sub(r"\$\{(?=[^}]+\})", "$${", text)


def _component(entry: Json) -> Json:
    found = _set(entry["component"])
    if entry["eventsources"]:
        found["eventsources"] = {name: _source(source) for name, source in entry["eventsources"].items()}
    return found


def _source(entry: Json) -> Json:
    return {kind: _set(source) for kind, source in entry.items() if source is not None}


def _set(fields: Json) -> Json:
    return {
        key: value
        for key, value in fields.items()
        if value not in (None, "", [], {}) or (value == [] and key in _EMPTY_IS_MEANT)
    }
