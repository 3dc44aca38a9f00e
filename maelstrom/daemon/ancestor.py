"""The ancestor's settings: those whose meaning survives become today's, the others are named with what replaces them.

Pure: one mapping in, one out. It must not decide about precedence or validity, `environment` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

# Names whose value only needs another spelling.
_ALIASES: dict[str, tuple[str, Callable[[str], str]]] = {
    "MAEL_PUBLIC_PORT": ("MAEL_PUBLIC_LISTEN", lambda port: f"0.0.0.0:{port}"),
    "MAEL_PRIVATE_PORT": ("MAEL_ADMIN_LISTEN", lambda port: f"127.0.0.1:{port}"),
    "MAEL_HTTP_IDLE_TIMEOUT": ("MAEL_KEEPALIVE_SECONDS", str),
    "LOGXI": ("MAEL_LOG_LEVEL", lambda text: _log_level(text)),
    "LOGXI_FORMAT": ("MAEL_LOG_FORMAT", lambda text: "json" if text.lower() == "json" else "text"),
}
_SQL = ("MAEL_SQL_DRIVER", "MAEL_SQL_DSN")

_PRUNING = "images are not pruned by this version; `docker image prune` by a timer does it"
_GO = "it belonged to the runtime of the ancestor's language; see GET /metrics"
_CLOUD = "life cycle notices of AWS are not read by this version; stop a node with SIGTERM"
_TLS = "TLS has settings of its own now, see docs/tls.md"
GONE: dict[str, str] = {
    "MAEL_PUBLIC_HTTPS_PORT": _TLS,
    "LETSENCRYPT_EMAIL": _TLS,
    "MAEL_HTTP_READ_TIMEOUT": "use MAEL_HEAD_TIMEOUT_SECONDS and MAEL_BODY_TIMEOUT_SECONDS",
    "MAEL_HTTP_WRITE_TIMEOUT": "answers are limited by the component's maxdurationseconds",
    "MAEL_NODE_LIVENESS_SECONDS": "use MAEL_BEAT_SECONDS and MAEL_SESSION_TTL_SECONDS, which are much shorter",
    "MAEL_CRON_REFRESH_SECONDS": "changes take effect at once",
    "MAEL_SHUTDOWN_PAUSE_SECONDS": "use MAEL_SHUTDOWN_GRACE_SECONDS, one budget for the whole stop",
    "MAEL_INSTANCE_ID": _CLOUD,
    "MAEL_TERMINATE_COMMAND": _CLOUD,
    "MAEL_AWS_TERMINATE_QUEUE_URL": _CLOUD,
    "MAEL_AWS_TERMINATE_MAX_AGE_SECONDS": _CLOUD,
    "MAEL_AWS_SPOT_TERMINATE_POLL_SECONDS": _CLOUD,
    "MAEL_DOCKER_PRUNE_MINUTES": _PRUNING,
    "MAEL_DOCKER_PRUNE_UNREG_IMAGES": _PRUNING,
    "MAEL_DOCKER_PRUNE_UNREG_KEEP": _PRUNING,
    "MAEL_LOG_GC_SECONDS": _GO,
    "MAEL_CPU_PROFILE_FILENAME": _GO,
    "MAEL_PPROF": _GO,
    "DIND_HOST": "where containers cannot be reached directly is found out by itself",
    "LOGXI_COLORS": "log lines have no colours",
}
_GONE_PREFIXES = {"MAEL_CLUSTER_": "it provisioned cloud machines", "MAEL_DO_": "it provisioned cloud machines"}


@dataclass(slots=True)
class Translation:
    """`names`: what is left, in today's words. `origin`: today's name → the ancestor's that it came from."""

    names: dict[str, str]
    origin: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def translate(names: Mapping[str, str], known: frozenset[str]) -> Translation:
    """Replaces the ancestor's names. One that stands beside today's own name gives way to it."""
    result = Translation({name: text for name, text in names.items() if not _is_old(name, known)})
    for old, (new, spell) in _ALIASES.items():
        if names.get(old, "").strip():
            _adopt(result, old, new, spell(names[old].strip()))
    if any(names.get(name, "").strip() for name in _SQL):
        driver, dsn = (names.get(name, "").strip() for name in _SQL)
        _adopt(result, "MAEL_SQL_DRIVER + MAEL_SQL_DSN", "MAEL_DATABASE_URL", _database(driver, dsn))
    for name in sorted(names):
        reason = None if name in known else GONE.get(name) or _gone_prefix(name)
        if reason:
            result.notices.append(f"{name} no longer means anything and is ignored: {reason}")
    return result


def aliases() -> dict[str, str]:
    """The ancestor's name → today's, for the reference."""
    return {old: new for old, (new, _) in _ALIASES.items()} | {" + ".join(_SQL): "MAEL_DATABASE_URL"}


def _is_old(name: str, known: frozenset[str]) -> bool:
    return name not in known and (name in _ALIASES or name in _SQL or name in GONE or _gone_prefix(name) is not None)


def _gone_prefix(name: str) -> str | None:
    return next((reason for prefix, reason in _GONE_PREFIXES.items() if name.startswith(prefix)), None)


def _adopt(result: Translation, old: str, new: str, text: str) -> None:
    if result.names.get(new, "").strip():
        result.notices.append(f"{old} is ignored, because {new} is set too")
        return
    result.names[new] = text
    result.origin[new] = old
    result.notices.append(f"{old} is an old name, it is read as {new}; please rename it")


def _database(driver: str, dsn: str) -> str:
    """Today's address from a driver and its connection string; what makes none is left to the validation."""
    if driver.startswith("sqlite"):
        path = dsn.removeprefix("file:").partition("?")[0]
        return f"sqlite:///{path}"
    if driver.startswith("postgres") and "://" not in dsn:
        return "postgresql:///?" + "&".join(
            f"{name}={quote(value.strip(chr(39)), safe='')}"
            for name, value in re.findall(r"(\w+)\s*=\s*('[^']*'|\S+)", dsn)
        )
    return dsn if "://" in dsn else f"{driver}://"


def _log_level(text: str) -> str:
    """`*=DBG` or `DBG`, perhaps with names of loggers before and after; only the first level counts."""
    level = text.split(",")[0].rpartition("=")[2].upper()
    names = {"TRC": "debug", "DBG": "debug", "INF": "info", "WRN": "warning", "ERR": "error", "FTL": "error"}
    return names.get(level, "info")
