"""Which hosts get an automatic certificate, and when one is ordered or ordered anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from maelstrom.model.certificate import IssuedState, RenewalWindow, dns_name
from maelstrom.plan.backoff import Backoff

RENEW_SHARE = 2 / 3  # of a certificate's life, when the next one is ordered
RENEW_JITTER = 0.05  # of its life, earlier, so that what was ordered together is not renewed together
# After a failed try. Authorities allow few failed validations an hour and host.
BACKOFF = Backoff(first=900.0, cap=86400.0)
# After one that says nothing of the host: the authority is away, or in trouble itself.
BACKOFF_OF_AUTHORITY = Backoff(first=60.0, cap=3600.0)
# Until an authority is asked again when it wants a certificate to be renewed; within what may be asked for.
ASK_SECONDS, ASK_LEAST, ASK_MOST = 6 * 3600.0, 60.0, 86400.0
KEPT_SECONDS = 7 * 86400.0  # a host that is not wanted any more is remembered so long, its failures too


def orderable(hosts: Iterable[str]) -> list[str]:
    """Names that an authority can be asked for: no wildcards, no addresses, no names of one label."""
    names = {name for host in hosts if (name := dns_name(host))}
    return sorted(name for name in names if "." in name and not name.startswith("*") and not _is_address(name))


def renewal(not_before: float, not_after: float, chance: float) -> float:
    """When the next one is ordered; `chance`: a random number in [0, 1)."""
    life = not_after - not_before
    return not_before + life * (RENEW_SHARE - RENEW_JITTER * chance)


def suggested(window: RenewalWindow, state: IssuedState, chance: float) -> float:
    """When the next one is ordered where the authority has said when it likes that (RFC 9773, section 4.2).

    A time within its window stays: drawn at each asking, it would come out early. After its end it is of no use.
    """
    end = min(window.end, state.not_after)
    if window.start <= state.renew_at <= end or end <= window.start:
        return state.renew_at
    return window.start + (end - window.start) * chance


def ask_again(window: RenewalWindow | None) -> float:
    """Seconds until the authority is asked for it again; None: it could not say."""
    seconds = window.ask_again_seconds if window is not None else 0.0
    return min(max(seconds, ASK_LEAST), ASK_MOST) if seconds else ASK_SECONDS


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
