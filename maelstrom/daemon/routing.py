"""From the node's view to what the gateways look up: routes by host and path.

Made anew at each change and swapped in one step, so a request sees the old or the new, never a mixture.
"""

from __future__ import annotations

from collections.abc import Iterator

from maelstrom.activation.pool import Pool
from maelstrom.activation.service import Activation
from maelstrom.model.source import HttpSource
from maelstrom.model.stored import Snapshot
from maelstrom.plan.routes import RouteEntry, RouteTable


def route_table(snapshot: Snapshot, activation: Activation) -> RouteTable[Pool]:
    """Enabled http sources of components that this node knows; a disabled one does not exist."""
    return RouteTable.build(_entries(snapshot, activation))


def _entries(snapshot: Snapshot, activation: Activation) -> Iterator[RouteEntry[Pool]]:
    for source in snapshot.sources.values():
        rule = source.definition
        if not source.enabled or not isinstance(rule, HttpSource):
            continue
        pool = activation.pool(source.component)
        if pool is not None:
            yield RouteEntry(
                hostname=rule.hostname, pathprefix=rule.pathprefix, stripprefix=rule.stripprefix, target=pool
            )
