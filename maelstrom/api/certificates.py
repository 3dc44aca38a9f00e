"""Operations on certificates."""

from __future__ import annotations

from dataclasses import asdict

from maelstrom.api import answers
from maelstrom.api.ports import Ports
from maelstrom.api.requests import Nothing


async def list_certificates(ports: Ports, _: Nothing, __: None) -> list[answers.Certificate]:
    return [answers.Certificate.model_validate(asdict(row)) for row in ports.node.certificates()]
