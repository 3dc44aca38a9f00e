"""Images: what a reference names here, and pulls, by the engine or by a command of the component.

A pull that fails fails loudly (F58): the engine answers 200 and reports the error inside the stream, so all of it is
read. It must not know when a pull is wanted.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from maelstrom.model.component import ComponentDefinition
from maelstrom.model.errors import EngineUnavailable, ImageMissing, MaelstromError, PullFailed
from maelstrom.model.image import ImageReference
from maelstrom.runtime.engine import Engine
from maelstrom.runtime.pull_command import pull_by_command


async def image_id(engine: Engine, image: str) -> str | None:
    """Id of the local image, None if there is none."""
    try:
        body = await engine.call("look", lambda client: client.image(image))
    except ImageMissing:
        return None
    return str(body["Id"])


async def pull(engine: Engine, definition: ComponentDefinition, seconds: float, environ: Mapping[str, str]) -> str:
    """Returns the id of the image that is there now. Raises PullFailed or EngineUnavailable."""
    try:
        async with asyncio.timeout(seconds):
            if definition.pullcommand:
                await pull_by_command(definition, environ)
            else:
                await _by_engine(engine, definition, seconds)
            found = await image_id(engine, definition.image)
    except TimeoutError:
        raise PullFailed(
            f"the pull of {definition.image} did not end within {seconds:g} s",
            hint="check the registry and the network, or pull the image beforehand",
        ) from None
    if found is None:
        raise PullFailed(f"{definition.image} was pulled, but the engine has no such image", hint="check pullcommand")
    return found


async def _by_engine(engine: Engine, definition: ComponentDefinition, seconds: float) -> None:
    try:
        reference = ImageReference.parse(definition.image)
    except ValueError as error:
        raise PullFailed(f"{definition.image}: {error}") from error
    if reference.is_id:
        raise PullFailed(
            f"the image {definition.image[:19]}… is not on this host", hint="an id cannot be pulled: name a repository"
        )
    credentials = _credentials(definition, reference)
    tag = reference.digest or reference.tag
    try:
        stream = await engine.stream(
            "docker-pull",
            lambda client: client.open_pull(reference.name, tag, reference.domain, credentials, seconds),
            patient=True,
        )
        try:
            buffer = b""
            async for piece in stream:
                *lines, buffer = (buffer + piece).split(b"\n")
                for line in (*lines, b""):
                    _check(line, definition)
            _check(buffer, definition)
        finally:
            stream.close()
    except (PullFailed, EngineUnavailable):
        raise
    except MaelstromError as error:
        raise _failed(definition, error.message) from error


def _credentials(definition: ComponentDefinition, reference: ImageReference) -> dict[str, str] | None:
    """None: those that `docker login` left for the registry, if any."""
    if not definition.pullusername and not definition.pullpassword:
        return None
    server = "https://index.docker.io/v1/" if reference.domain == "docker.io" else reference.domain
    return {"username": definition.pullusername, "password": definition.pullpassword, "serveraddress": server}


def _check(line: bytes, definition: ComponentDefinition) -> None:
    """One message of the pull's progress; raises if it is the one that says why it failed."""
    if not line.strip():
        return
    try:
        said = json.loads(line)
    except ValueError:
        raise _failed(definition, "the engine's answer cannot be read") from None
    detail = said.get("errorDetail") or {}
    if "error" in said or detail:
        raise _failed(definition, str(detail.get("message") or said.get("error")))


def _failed(definition: ComponentDefinition, why: str) -> PullFailed:
    if definition.pullpassword:
        why = why.replace(definition.pullpassword, "***")
    hint = None
    if any(words in why.lower() for words in ("no such host", "connection refused", "i/o timeout", "no route")):
        hint = "the registry cannot be reached from the engine: check its name, the network and proxies"
    return PullFailed(f"the pull of {definition.image} failed: {' '.join(why.split())[:1000]}", hint=hint)
