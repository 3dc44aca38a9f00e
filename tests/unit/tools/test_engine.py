"""Where the engine cannot be reached, one message says what to do."""

from __future__ import annotations

from tools.engine import DENIED, refusal


def said(reason: str = "no such file", **facts: object) -> str:
    usual = {"docker_host": "", "may_start": False, "platform": "linux", "installed": False}
    return refusal(reason, **{**usual, **facts})  # type: ignore[arg-type]


def test_who_may_start_it_is_not_asked_to() -> None:
    assert said(may_start=True) == ""


def test_who_may_not_talk_to_it_is_told_about_the_group() -> None:
    assert "usermod -aG docker" in said(DENIED)
    assert "usermod -aG docker" in said(DENIED, docker_host="unix:///run/docker.sock")


def test_an_address_of_the_users_own_is_never_replaced_by_another_engine() -> None:
    assert "DOCKER_HOST=tcp://elsewhere" in said(docker_host="tcp://elsewhere", may_start=True)


def test_advice_fits_the_system() -> None:
    assert "Docker Desktop" in said(platform="darwin")
    assert "apt install docker.io" in said()
    assert "systemctl start docker" in said(installed=True)
