"""What a worker is told of components, routes and settings, as messages and back. Pure.

A worker gets what requests need: keys of certificates, but no environments of components and no secret of the settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final

from maelstrom.model.certificate import Certificate
from maelstrom.model.component import Component, ComponentDefinition, ComponentKey
from maelstrom.model.project_answers import ProjectAnswers
from maelstrom.model.settings import Settings
from maelstrom.workers.messages import Message

SECRETS: Final = {"admin_token": "", "acme_eab_hmac_key": "", "database_url": "sqlite://", "database_listen_url": ""}
_NOT_FOR_WORKERS: Final = {"environment", "pullusername", "pullpassword", "pullcommand", "logdriveroptions"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One way in: host and path as `plan.routes.RouteEntry` has them. `tag` names it in what workers tell."""

    tag: str
    hostname: str
    pathprefix: str
    stripprefix: bool
    component: str  # its full name
    enabled: bool = True


def settings_message(settings: Settings) -> Message:
    return ["settings", {**settings.model_dump(mode="json"), **SECRETS, "state_dir": "/"}]


def settings_of(given: dict[str, Any]) -> Settings:
    return Settings.model_validate({**given, "state_dir": Path(given["state_dir"])})


def components_message(changed: Iterable[Component], removed: Iterable[str]) -> Message:
    rows = [[*c.key, c.version, c.generation, c.definition.model_dump_json(exclude=_NOT_FOR_WORKERS)] for c in changed]
    return ["components", rows, list(removed)]


def components_of(rows: Iterable[list[Any]]) -> list[Component]:
    return [
        Component(ComponentKey(project, name), version, generation, ComponentDefinition.model_validate_json(definition))
        for project, name, version, generation, definition in rows
    ]


def routes_message(rules: Iterable[Rule], answers: Mapping[str, ProjectAnswers]) -> Message:
    rows = [[r.tag, r.hostname, r.pathprefix, r.stripprefix, r.component, r.enabled] for r in rules]
    return ["routes", rows, {project: said.model_dump_json() for project, said in answers.items()}]


def answers_of(given: Mapping[str, str]) -> dict[str, ProjectAnswers]:
    return {project: ProjectAnswers.model_validate_json(said) for project, said in given.items()}


def rules_of(rows: Iterable[list[Any]]) -> list[Rule]:
    return [Rule(*row) for row in rows]


def certificates_message(certificates: Iterable[Certificate]) -> Message:
    return [
        "certificates",
        [[list(c.names), c.chain.decode(), c.key.decode(), *astuple(c)[3:]] for c in certificates],
    ]


def certificates_of(rows: Iterable[list[Any]]) -> list[Certificate]:
    return [Certificate(tuple(names), chain.encode(), key.encode(), *rest) for names, chain, key, *rest in rows]


class Briefing:
    """What the workers have been told last, so that only changes are told."""

    def __init__(self) -> None:
        self._components: dict[str, Component] = {}
        self._rules: tuple[Rule, ...] = ()
        self._answers: Mapping[str, ProjectAnswers] = {}
        self._certificates: Message | None = None
        self._challenges: Message | None = None

    def all(self) -> list[Message]:
        """For one that has just begun."""
        shown = [message for message in (self._certificates, self._challenges) if message is not None]
        return [*shown, components_message(self._components.values(), ()), routes_message(self._rules, self._answers)]

    def show(self, certificates: Iterable[Certificate]) -> Message:
        self._certificates = certificates_message(certificates)
        return self._certificates

    def challenge(self, answers: Mapping[str, str]) -> Message:
        self._challenges = ["challenges", dict(answers)]
        return self._challenges

    def changes(
        self,
        components: Mapping[ComponentKey, Component],
        rules: Iterable[Rule],
        answers: Mapping[str, ProjectAnswers],
    ) -> list[Message]:
        """What is new: components first, as routes lead to them. `answers`: what projects say of theirs."""
        known, wanted = self._components, {key.full_name: component for key, component in components.items()}
        changed = [component for name, component in wanted.items() if known.get(name) != component]
        removed = [name for name in known if name not in wanted]
        self._components = wanted
        messages = [components_message(changed, removed)] if changed or removed else []
        told, self._rules, self._answers = (self._rules, self._answers), tuple(rules), answers
        if told == (self._rules, self._answers):
            return messages
        return [*messages, routes_message(self._rules, self._answers)]
