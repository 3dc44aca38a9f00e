"""Everything that the gateway passes on is read by h11 and by llhttp alike, and as the gateway itself has read it.

Bounded here, and always the same rounds; `make fuzz` plays as many others as wanted.
"""

from __future__ import annotations

import pytest

from tests.fuzz.checks import CHECKS


@pytest.mark.parametrize("check", CHECKS)
async def test_other_parsers_read_alike_what_goes_on(check: str) -> None:
    play, wires = CHECKS[check].play, CHECKS[check].wires()
    assert sum(play(wires, n) for n in range(CHECKS[check].rounds))
