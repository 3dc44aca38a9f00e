"""Which fields of a component a container is made of, and which only say how it is treated.

A change of the first kind replaces containers. One of the second kind is in force at once, for those that run as well.
The component's version counts both.
"""

from __future__ import annotations

import json
from typing import Any, Final

from maelstrom.model.component import ComponentDefinition

MADE_OF: Final = frozenset({
    "image", "command", "entrypoint", "environment", "user", "hostname", "domainname", "containerinit", "capadd",
    "capdrop", "ulimits", "volumes", "ports", "networkname", "dns", "dnsoptions", "dnssearch", "limitmemory",
    "reservememory", "cpushares", "logdriver", "logdriveroptions",
    # no part of the container itself, but what it was found ready by
    "httpport", "httpversion", "httphealthcheckpath",
})  # fmt: skip
TREATED_BY: Final = frozenset({
    # how many there are, and how much each gets
    "mininstances", "maxinstances", "maxinstancespernode", "maxconcurrency", "softconcurrencylimit",
    "scaleupconcurrencypct", "scaledownconcurrencypct",
    # requests
    "maxdurationseconds", "firstbyteseconds", "idlebytesseconds", "maxqueue", "fairness", "allow",
    # its end
    "idletimeoutseconds", "idlebehavior", "stopafterseconds", "stopgraceseconds", "httphealthcheckseconds",
    "httphealthcheckmaxfailures", "healthcheckfailedcommand",
    # the next start. Credentials are no part of a container, and must not leave a hash behind
    "httpstarthealthcheckseconds", "restartorder", "startparallelism", "pullimageonstart", "pullimageonput",
    "pullusername", "pullpassword", "pullcommand",
})  # fmt: skip
_DEFAULTS_DEPEND_ON: Final = ("image", "limitmemory")


def makeup(definition: ComponentDefinition) -> dict[str, Any]:
    """What a container of it is made of: two definitions make the same one if and only if this is equal.

    Defaults are left out, so that it stays the same where a version of the product knows more fields.
    """
    values = definition.model_dump(mode="json", include=set(MADE_OF))
    base = {name: values[name] for name in _DEFAULTS_DEPEND_ON if values[name]}
    defaults = ComponentDefinition.model_validate_json(json.dumps(base)).model_dump(mode="json", include=set(MADE_OF))
    return base | {name: value for name, value in values.items() if value != defaults[name]}
