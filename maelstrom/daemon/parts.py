"""All services of a node, made but not started, and what each is given of the settings. No I/O."""

from __future__ import annotations

import os
import random
import time
import uuid
from dataclasses import dataclass
from typing import Any

from maelstrom.activation.service import Activation
from maelstrom.activation.transport import Transport
from maelstrom.daemon.inside import TaskDoor
from maelstrom.daemon.routing import Routing
from maelstrom.daemon.secure import Secure, secure
from maelstrom.daemon.state import StateDirectory
from maelstrom.daemon.supervisor import Supervisor
from maelstrom.daemon.worker import COMMAND
from maelstrom.daemon.zone import local_zone
from maelstrom.gateway import AccessLog, Gateway, Limits
from maelstrom.gateway.wire.answer_reader import AnswerReader
from maelstrom.leases.clock import SteadyClock
from maelstrom.leases.keeper import LeaseKeeper
from maelstrom.model.settings import Settings
from maelstrom.model.source import SourceType
from maelstrom.registry.cron import CronLedger
from maelstrom.registry.cron_opening import Writer
from maelstrom.registry.registry import Registry
from maelstrom.registry.view import View
from maelstrom.runtime.docker import DockerRuntime
from maelstrom.sources.aws.sqs import AwsSqs
from maelstrom.sources.aws.step_functions import AwsStepFunctions
from maelstrom.sources.cron.cron import Cron
from maelstrom.sources.delivery import Means
from maelstrom.sources.kind import Kind
from maelstrom.sources.owner import SourceOwner
from maelstrom.sources.ports import Spawn
from maelstrom.sources.sqs.dead_letters import DeadLetters
from maelstrom.sources.sqs.kind import SqsKind
from maelstrom.sources.sqs.task_tokens import MessageTasks
from maelstrom.sources.step_functions.kind import StepFunctionsKind
from maelstrom.sources.step_functions.later import LaterAnswers, places
from maelstrom.workers.crew import Crew

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Parts:
    """One node's services, in the order in which they need one another."""

    settings: Settings
    supervisor: Supervisor
    registry: Registry
    view: View
    keeper: LeaseKeeper
    runtime: DockerRuntime
    activation: Activation
    transport: Transport
    gateway: Gateway
    routing: Routing
    crew: Crew | None  # None: this process serves the public listeners itself
    aws: AwsStepFunctions
    sqs: AwsSqs
    dead_letters: DeadLetters
    owner: SourceOwner
    cron: Cron
    secure: Secure


def build(settings: Settings, supervisor: Supervisor, registry: Registry, state: StateDirectory) -> Parts:
    spawn = supervisor.spawn
    clock = SteadyClock()
    view = View(registry)
    state_id = state.identity()
    keeper = _keeper(settings, registry, state, clock)
    runtime = _runtime(settings)
    activation = Activation(runtime, spawn, node=settings.node_name, memory_mib=memory_mib(settings.total_memory))
    transport = Transport(activation.pool, AnswerReader)
    aws = AwsStepFunctions()
    later = LaterAnswers(
        keeper,
        lambda: [aws.at(place) for place in places(view.snapshot.sources.values())],
        clock=clock,
        spawn=spawn,
        random=random.random,
    )
    gateway = _gateway(settings, activation, spawn, TaskDoor(later))
    crew = _crew(settings, activation, gateway, supervisor)
    routing = Routing(activation, None if crew is None else crew.in_flight)
    sqs = AwsSqs(aws.accounts)
    tokens = MessageTasks(aws, clock=clock, random=random.random)
    kinds: dict[SourceType, Kind[Any]] = {
        "awsstepfunc": StepFunctionsKind(aws, later, node=settings.node_name, clock=clock, random=random.random),
        "sqs": SqsKind(sqs, clock=clock, random=random.random, spawn=spawn, tokens=tokens),
    }
    means = Means(transport, lambda key: view.snapshot.components.get(key), clock, spawn)
    owner = SourceOwner(kinds, view=view, leases=keeper, means=means, random=random.random)
    cron = _cron(settings, registry, state_id, keeper, view, means, activation)
    return Parts(
        *(settings, supervisor, registry, view, keeper, runtime, activation, transport, gateway, routing, crew),
        *(aws, sqs, DeadLetters(sqs), owner, cron, secure(settings, gateway, crew, registry, view, keeper)),
    )


def _runtime(settings: Settings) -> DockerRuntime:
    return DockerRuntime(
        cluster=settings.cluster_name,
        node=settings.node_name,
        environ=os.environ,
        sandboxes=settings.sandbox_pool,
    )


def _gateway(settings: Settings, activation: Activation, spawn: Spawn, inside: TaskDoor) -> Gateway:
    return Gateway(
        find=activation.find,
        spawn=spawn,
        limits=Limits.of(settings),
        access=AccessLog.of(settings.access_log),
        monotonic=time.monotonic,
        inside=inside,
        callers=activation.callers,
    )


def _crew(settings: Settings, activation: Activation, gateway: Gateway, supervisor: Supervisor) -> Crew | None:
    if settings.gateway_workers == 1:
        return None
    return Crew(
        settings,
        find=activation.find,
        stats=gateway.stats,
        spawn=supervisor.spawn,
        command=COMMAND,
    )


def _keeper(settings: Settings, registry: Registry, state: StateDirectory, clock: SteadyClock) -> LeaseKeeper:
    return LeaseKeeper(
        registry.engine,
        node=settings.node_name,
        state_dir_id=state.identity(),
        beat_seconds=settings.beat_seconds,
        ttl_seconds=settings.session_ttl_seconds,
        clock=clock,
        listen_url=settings.listen_url,
        lost_commits_seconds=settings.lost_commits_seconds,
        memory=state,
    )


def _cron(
    settings: Settings,
    registry: Registry,
    state_id: str,
    keeper: LeaseKeeper,
    view: View,
    means: Means,
    activation: Activation,
) -> Cron:
    ledger = CronLedger(registry.engine, Writer(settings.node_name, state_id, uuid.uuid4().hex))
    role = keeper.role("cron")
    role.rest()  # until this node can do what it is for
    return Cron(
        ledger,
        role,
        view=view,
        means=means,
        random=random.random,
        zone=local_zone(os.environ.get("TZ")),
        able=lambda: not activation.watch.lost,
    )


def memory_mib(setting: int) -> int:
    """MiB that containers may reserve: the setting, else the machine's memory."""
    if setting >= 0:
        return setting
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
