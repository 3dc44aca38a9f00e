"""References as the engine reads them (F59: a colon is not always a tag)."""

from __future__ import annotations

import pytest

from maelstrom.model.image import ImageReference, normalise, same_image

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("written", "one_form"),
    [
        ("app", "docker.io/library/app:latest"),
        ("app:1", "docker.io/library/app:1"),
        ("org/app", "docker.io/org/app:latest"),
        ("docker.io/app", "docker.io/library/app:latest"),
        ("index.docker.io/library/app", "docker.io/library/app:latest"),
        ("registry:5000/app", "registry:5000/app:latest"),
        ("registry:5000/team/app:1.2", "registry:5000/team/app:1.2"),
        ("registry.example/app", "registry.example/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("[2001:db8::1]:5000/app:x", "[2001:db8::1]:5000/app:x"),
        ("127.0.0.1:5000/app__b/c--d", "127.0.0.1:5000/app__b/c--d:latest"),
        (f"app@{DIGEST}", f"docker.io/library/app@{DIGEST}"),
        (f"registry:5000/app:1@{DIGEST}", f"registry:5000/app@{DIGEST}"),
        (DIGEST, DIGEST),
    ],
)
def test_every_way_to_write_a_reference_has_one_form(written: str, one_form: str) -> None:
    assert ImageReference.parse(written).normalised == one_form
    assert normalise(one_form) == one_form


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "empty"),
        ("Org/app:1:2", "tag"),
        ("app:", "tag"),
        ("app: 1", "tag"),
        ("registry:5000/App", "lower case"),
        ("App", "lower case"),
        ("/app", "image name"),
        ("app/", "image name"),
        ("a//b", "image name"),
        ("app@sha256:12", "digest"),
        ("ab" * 32, "sha256:"),
        ("a" * 300, "255"),
        ("reg_istry.example:5000/app", "registry host"),
    ],
)
def test_what_the_engine_would_refuse_is_refused_with_the_reason(written: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ImageReference.parse(written)


def test_a_tag_event_is_recognised_however_the_component_writes_its_image() -> None:
    assert same_image("app", "docker.io/library/app:latest")
    assert same_image("registry:5000/app", "registry:5000/app:latest")
    assert not same_image("registry:5000/app", "registry/app:5000")
    assert not same_image("app:1", "app:2")
    assert same_image("no reference!", "no reference!")


def test_a_digest_alone_decides_and_an_id_cannot_be_pulled() -> None:
    assert ImageReference.parse(f"app:1@{DIGEST}").tag == "1"
    assert ImageReference.parse(DIGEST).is_id
    assert not ImageReference.parse("app").is_id
