"""The rules of settings that one value alone cannot break. Pure: knows neither files nor the environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from maelstrom.daemon.setting_values import variable
from maelstrom.model.errors import Problem
from maelstrom.model.settings import Listen

LISTENERS: Final = ("public_listen", "public_tls_listen", "admin_listen", "internal_listen")


def conflicts(values: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with several values together; fields that are missing or wrong themselves are left out."""
    beat, ttl = values.get("beat_seconds"), values.get("session_ttl_seconds")
    if beat and ttl and ttl < 3 * beat:
        yield Problem(
            "MAEL_SESSION_TTL_SECONDS",
            f"{ttl:g} s is less than three beats of {beat:g} s: one late beat would end the session",
            f"set it to {3 * beat:g} or more, or lower MAEL_BEAT_SECONDS",
        )
    if values.get("database_listen_url") and values.get("database_url", "").startswith("sqlite"):
        yield Problem(
            "MAEL_DATABASE_LISTEN_URL",
            "has a meaning only with PostgreSQL, but MAEL_DATABASE_URL is SQLite",
            "remove it",
        )
    if values.get("public_tls_listen") and not values.get("tls_certificates") and not values.get("acme"):
        yield Problem(
            "MAEL_PUBLIC_TLS_LISTEN",
            "there is no certificate to show",
            "name files in MAEL_TLS_CERTIFICATES, or an authority in MAEL_ACME",
        )
    if values.get("acme") and not values.get("acme_terms_agreed"):
        yield Problem(
            "MAEL_ACME_TERMS_AGREED",
            "certificates are only ordered from an authority whose terms you agree to",
            "read them at the authority, then set it to true; or remove MAEL_ACME",
        )
    external = {variable(name): values[name] for name in ("acme_eab_kid", "acme_eab_hmac_key") if name in values}
    if sorted(map(bool, external.values())) == [False, True]:
        missing = next(name for name, value in external.items() if not value)
        yield Problem(missing, "is unset, but the other half of the external account is set", "set both, or none")
    yield from _addresses_taken_twice(values)


def _addresses_taken_twice(values: dict[str, Any]) -> Iterator[Problem]:
    taken: dict[Listen, str] = {}
    listens = [(field, listen) for field in LISTENERS for listen in _several(values.get(field)) if listen.port]
    for field, listen in listens:
        if listen in taken:
            yield Problem(
                variable(field),
                f"{listen} is the address of {variable(taken[listen])} too"
                if taken[listen] != field
                else f"{listen} stands there twice",
                "give each listener a port of its own; port 0 takes any free one",
            )
        taken.setdefault(listen, field)


def _several(value: Any) -> tuple[Listen, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)
