"""What holds for all tests."""

from __future__ import annotations

import gc
import signal

from hypothesis import HealthCheck, settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("maelstrom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("maelstrom")

# A run in the background of a shell ignores SIGINT, and so would every process that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: garbage is not looked for in it."""
    gc.collect()
    gc.freeze()
