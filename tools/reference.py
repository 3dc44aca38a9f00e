"""`make docs`: the references that are generated from the code, so that they cannot drift from it.

`--check` writes nothing and says which file is not what the code says; a test does the same.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from maelstrom.api import openapi, wire
from maelstrom.api.counters import NodeNow
from maelstrom.api.metrics import families
from maelstrom.cli import exits
from maelstrom.cli import reference as maelctl
from maelstrom.daemon import ancestor
from maelstrom.daemon.environment import NO_FLAG
from maelstrom.daemon.setting_values import masked, variable
from maelstrom.gateway import answers as gateway_answers
from maelstrom.gateway.stats import BOUNDS, GatewayStats
from maelstrom.model import errors
from maelstrom.model.manifest.reference import reference_text
from maelstrom.model.manifest.schema import schema_text
from maelstrom.model.settings import Settings
from tools.machine import ROOT

_SETTINGS = """# Settings of `maelstromd`

<!-- Written by `make docs` from the code. Do not edit. -->

Every setting is read from the environment, from a flag, or from the file that `--config FILE` (`-f`) names. A flag wins
over the environment, the environment over the file. An empty value means unset, except for
`MAEL_PUBLIC_HEALTH_PATH`. `maelstromd check-config` shows what is in force, or every problem with its setting's name,
and exits with 2 if there is one. A name that begins with `MAEL_` and is none of these is pointed out in the log.

{settings}

## The file

`NAME=value` lines: blanks around names and values are cut, blank lines and lines that begin with `#` are skipped. Or
YAML: one flat map, its keys either the names above or the same in small letters without `MAEL_`; lists are YAML lists.

```yaml
public_listen: 0.0.0.0:8080
trusted_proxies: [10.0.0.0/8]
AWS_REGION: eu-central-1
```

Other names (`AWS_REGION`, `DOCKER_HOST`) are handed to the libraries that read them from the environment; what the
environment says wins there, too.

## The engine and AWS

`DOCKER_HOST` and the other `DOCKER_*` variables mean what they mean to the Docker command line; `AWS_*`, including
`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_SQS` and `AWS_ENDPOINT_URL_SFN`, what they mean to boto3.

## Names of the ancestor

Some names of the original Maelstrom are still understood, with a notice in the log:

{aliases}

Others no longer mean anything; each that is set is named in the log:

{gone}
"""
MADE = "<!-- Written by `make docs` from the code. Do not edit. -->"


def settings() -> str:
    """docs/settings.md"""
    rows = [("Setting", "Flag", "Default", "Meaning")]
    for name, info in Settings.model_fields.items():
        flag = "none, it would be seen by everybody on the host" if name in NO_FLAG else f"`--{name.replace('_', '-')}`"
        meaning, _, said = str(info.description).partition(" Default: ")
        default = said.removesuffix(".") or _default(name, info.default)
        rows.append((f"`{variable(name)}`", flag, default, meaning))
    old = [("Old name", "Read as"), *((_code(o), f"`{n}`") for o, n in ancestor.aliases().items())]
    gone = [("Old name", "Why it is ignored"), *((f"`{n}`", why) for n, why in ancestor.GONE.items())]
    return _SETTINGS.format(settings=_table(rows), aliases=_table(old), gone=_table(gone))


def error_codes() -> str:
    """docs/errors.md"""
    rows = [("Code", "Gateway", "Admin API", "maelctl", "Meaning", "What to try")]
    classes = sorted(_subclasses(errors.MaelstromError), key=lambda c: c.code)
    rows += [(f"`{cls.code}`", *_statuses(cls.code), _meaning(cls), cls.default_hint) for cls in classes]
    return f"""# Error codes

{MADE}

Every error has a code for programs, a message for people, and a hint. The gateway sends the code in the header
`Maelstrom-Error`; the admin API in the field `code`. The columns tell the status of an answer, and the exit code of
`maelctl`.

{_table(rows)}
"""


def metrics() -> str:
    """docs/metrics.md"""
    nothing = NodeNow("", "", ready=False, revision=0, gateway=GatewayStats(), bounds=BOUNDS)
    rows = [("Metric", "Kind", "Labels", "Meaning")]
    for family in families(nothing):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append((f"`{name}`", family.type, ", ".join(vars(family)["_labelnames"]), family.documentation))
    return f"""# Metrics

{MADE}

`GET /metrics` on the admin listener, in Prometheus' text format; `MAEL_METRICS_TOKEN` makes it ask for the token.
Counters begin anew with the process. `component` and `source` are full names, `<project>_<name>`. Beside these there
are the `process_…` metrics that are usual for Prometheus. What belongs to the whole cluster, such as all requests that
are open for a source, is the sum over its nodes.

A loop that waits until something happens (events of the engine, sandboxes, leases) has no passes; of leases
`maelstrom_lease_session_confirmed` tells whether they work.

{_table(rows)}
"""


REFERENCES: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings,
    "docs/errors.md": error_codes,
    "docs/metrics.md": metrics,
    "docs/project-file.md": reference_text,
    "docs/project.schema.json": schema_text,
    "docs/openapi.json": openapi.text,
    "docs/maelctl.md": maelctl.text,
}


def drifted() -> list[str]:
    """The generated files that are not what the code says."""
    found = {name: ROOT / name for name in REFERENCES}
    return [name for name, path in found.items() if not path.exists() or path.read_text() != REFERENCES[name]()]


def main() -> int:
    if "--check" in sys.argv:
        for name in drifted():
            print(f"{name} is not what the code says; run `make docs`")
        return 1 if drifted() else 0
    texts = {name: make() for name, make in REFERENCES.items()}
    for name, text in texts.items():
        (ROOT / name).write_text(text)
        print(name)
    return 0


def _default(name: str, value: Any) -> str:
    return f"`{masked(name, value)}`" if masked(name, value) else "none"


def _statuses(code: str) -> tuple[str, str, str]:
    """The status of the gateway's answer, of the admin API's, and the exit code of maelctl."""
    gateway = {**gateway_answers.STATUSES, **gateway_answers.INSIDE_STATUSES}.get(code)
    return str(gateway or "–"), str(wire.STATUS.get(code, 500)), str(exits.EXITS.get(code, exits.FAILED))


def _meaning(cls: type[errors.MaelstromError]) -> str:
    """The first paragraph of the class's docstring."""
    if cls is errors.MaelstromError:
        return "Something that must not happen; the details are in the log only."
    return re.sub(r"\s+", " ", (cls.__doc__ or "").split("\n\n")[0]).strip()


def _code(names: str) -> str:
    return " + ".join(f"`{name}`" for name in names.split(" + "))


def _subclasses(cls: type[errors.MaelstromError]) -> Iterator[type[errors.MaelstromError]]:
    yield cls
    for sub in cls.__subclasses__():
        yield from _subclasses(sub)


def _cell(text: str) -> str:
    """Text as a table's cell shows it, outside code spans."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
