"""Short ways to say what is put."""

from __future__ import annotations

from typing import Any

from maelstrom.model.project import ProjectDefinition


def project(name: str, **components: dict[str, Any]) -> ProjectDefinition:
    """Each component: fields of its definition, and `eventsources`. The image is `app:1` unless given."""
    return named(name, components)


def named(name: str, components: dict[str, dict[str, Any]]) -> ProjectDefinition:
    entries: dict[str, Any] = {}
    for component, fields in components.items():
        definition = {"image": "app:1", **fields}
        sources = definition.pop("eventsources", {})
        entries[component] = {"component": definition, "eventsources": sources}
    return ProjectDefinition.model_validate({"name": name, "components": entries})


def with_answers(definition: ProjectDefinition, **fields: Any) -> ProjectDefinition:
    """The same with `responseheaders` or `errorpages`."""
    return ProjectDefinition.model_validate({**definition.model_dump(), **fields})


def http(hostname: str = "shop.example", **fields: Any) -> dict[str, Any]:
    return {"http": {"hostname": hostname, **fields}}


def sqs(queuename: str = "orders", **fields: Any) -> dict[str, Any]:
    return {"sqs": {"queuename": queuename, "path": "/jobs", **fields}}


def activity(activityname: str = "split", **fields: Any) -> dict[str, Any]:
    return {"awsstepfunc": {"activityname": activityname, "path": "/step", **fields}}


def cron(schedule: str = "15 3 * * *", **fields: Any) -> dict[str, Any]:
    return {"cron": {"schedule": schedule, "http": {"method": "GET", "path": "/tick"}, **fields}}
