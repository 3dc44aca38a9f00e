"""A container as the engine describes it, turned into our words. Pure."""

from __future__ import annotations

from typing import Any

from maelstrom.model.instance import Address
from maelstrom.runtime.port import Observed
from maelstrom.runtime.spec import (
    LABEL_FINGERPRINT,
    LABEL_HTTP_PORT,
    LABEL_HTTP_VERSION,
    LABEL_INSTANCE,
    LABEL_VERSION,
    Publication,
    labelled_component,
    lender,
)

NEVER = "0001-01-01T00:00:00Z"  # the engine's way to say that it has not happened
CUT_OFF = "its network sandbox has ended"
ANY_ADDRESS = ("", "0.0.0.0", "::")


def observe(
    body: dict[str, Any], publication: Publication, host: str, sandbox: dict[str, Any] | None = None
) -> Observed:
    """`body`: the answer of inspect, `sandbox`: that for the container whose network it joined, if it did.

    `host`: where published ports answer.
    """
    state = body.get("State") or {}
    labels = (body.get("Config") or {}).get("Labels") or {}
    runs = bool(state.get("Running")) and not state.get("Dead")
    cut_off = runs and bool(lender(body)) and not _lends(sandbox, state)
    running = runs and not cut_off
    started_at = state.get("StartedAt") or ""
    network = sandbox or body
    return Observed(
        container=body["Id"],
        component=labelled_component(labels),
        version=_number(labels.get(LABEL_VERSION)),
        fingerprint=labels.get(LABEL_FINGERPRINT, ""),
        running=running,
        paused=bool(state.get("Paused")),
        started_at="" if started_at == NEVER else started_at,
        address=_address(network, labels, publication, host) if running else None,
        image_id=body.get("Image") or "",
        exit_code=None if runs else state.get("ExitCode"),
        oom_killed=bool(state.get("OOMKilled")),
        error=CUT_OFF if cut_off else " ".join((state.get("Error") or "").split()),
        instance=labels.get(LABEL_INSTANCE, ""),
        pid=state.get("Pid") or 0,
        sandbox=lender(body),
        sandbox_pid=_pid(sandbox),
    )


def _lends(sandbox: dict[str, Any] | None, state: dict[str, Any]) -> bool:
    """Whether the container joined this very run of the sandbox: one started again has another network."""
    lent = (sandbox or {}).get("State") or {}
    return bool(lent.get("Running")) and _moment(lent.get("StartedAt")) <= _moment(state.get("StartedAt"))


def _moment(text: str | None) -> tuple[str, str]:
    """The engine's text for a time in UTC, which leaves out zeros at its end, in a form that can be compared."""
    seconds, _, fraction = (text or "").rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


def _pid(body: dict[str, Any] | None) -> int:
    return int(((body or {}).get("State") or {}).get("Pid") or 0)


def _address(body: dict[str, Any], labels: dict[str, str], publication: Publication, host: str) -> Address | None:
    port = _number(labels.get(LABEL_HTTP_PORT))
    http2 = labels.get(LABEL_HTTP_VERSION) == "2"
    settings = body.get("NetworkSettings") or {}
    if not port:
        return None
    if publication.publish:
        return _published(settings, port, publication.bind, host, http2=http2)
    networks = settings.get("Networks") or {}
    preferred = networks.get(publication.network) if publication.network else None
    for network in (preferred, *networks.values()):
        if network and (ip := network.get("IPAddress") or network.get("GlobalIPv6Address")):
            return Address(ip, port, http2)
    return None


def _published(settings: dict[str, Any], port: int, bind: str, host: str, *, http2: bool) -> Address | None:
    """Where the port is published as we asked for it; the component may have published it elsewhere, too."""
    bindings = (settings.get("Ports") or {}).get(f"{port}/tcp") or []
    wanted = ANY_ADDRESS if bind in ANY_ADDRESS else (bind,)
    for binding in bindings:
        if binding.get("HostIp", "") in wanted and (host_port := _number(binding.get("HostPort"))):
            return Address(host, host_port, http2)
    return None


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
