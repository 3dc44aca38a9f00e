"""Which hosts get an automatic certificate, and when one is ordered or ordered anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from maelstrom.model.certificate import IssuedState, dns_name
from maelstrom.plan.backoff import Backoff

RENEW_SHARE = 2 / 3  # of a certificate's life, when the next one is ordered
RENEW_JITTER = 0.05  # of its life, earlier, so that what was ordered together is not renewed together
# After a failed try. Authorities allow few failed validations an hour and host.
BACKOFF = Backoff(first=900.0, cap=86400.0)
# After one that says nothing of the host: the authority is away, or in trouble itself.
BACKOFF_OF_AUTHORITY = Backoff(first=60.0, cap=3600.0)
KEPT_SECONDS = 7 * 86400.0  # a host that is not wanted any more is remembered so long, its failures too


def orderable(hosts: Iterable[str]) -> list[str]:
    """Names that an authority can be asked for: no wildcards, no addresses, no names of one label."""
    names = {name for host in hosts if (name := dns_name(host))}
    return sorted(name for name in names if "." in name and not name.startswith("*") and not _is_address(name))


def renewal(not_before: float, not_after: float, chance: float) -> float:
    """When the next one is ordered; `chance`: a random number in [0, 1)."""
    life = not_after - not_before
    return not_before + life * (RENEW_SHARE - RENEW_JITTER * chance)


def due_at(state: IssuedState | None) -> float:
    """When to order (next); seconds since 1970."""
    return 0.0 if state is None else max(state.renew_at, state.retry_at)


def in_order(hosts: Iterable[str], states: Mapping[str, IssuedState]) -> list[tuple[float, str]]:
    """Hosts with the time when each is due: of those that are, who has none comes first, then who ends first."""

    def urgency(host: str) -> tuple[float, str]:
        state = states.get(host)
        return (0.0 if state is None else state.not_after, host)

    return [(due_at(states.get(host)), host) for host in sorted(hosts, key=urgency)]


def forgettable(wanted: Iterable[str], states: Mapping[str, IssuedState], now: float) -> list[str]:
    """Hosts that nobody wants any more, and that have been of no use for long."""
    unwanted = set(states) - set(wanted)
    return [h for h in sorted(unwanted) if now - max(states[h].not_after, states[h].changed_at) > KEPT_SECONDS]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
