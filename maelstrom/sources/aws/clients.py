"""AWS, by boto3, which only the files `aws…` of this folder know: credentials, places, clients.

Clients are made when first needed, from the usual environment and files (AWS_*, ~/.aws, an instance's role) and from
what a source says of its own, and made anew after an error of configuration, so that credentials that come later are
found. No call is retried in here: who waits between tries must be able to stop waiting, and counts what is throttled.
Calls block: they run in threads, and errors come out as those of `model.errors`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from maelstrom.model.errors import AwsNotConfigured, AwsUnavailable
from maelstrom.runtime.threads import Workers
from maelstrom.sources.aws.errors import translated
from maelstrom.sources.ports import Place

T = TypeVar("T")

CONNECT_SECONDS = 5.0
CALL_SECONDS = 10.0  # without an answer
ANEW_SECONDS = 1.0  # files are not read more often, however many sources miss them

# As in boto3, and then what all other SDKs of AWS, and its own containers, use: (in files, environment, default, cast).
REGION = ("region", ["AWS_DEFAULT_REGION", "AWS_REGION"], None, None)


@dataclass(frozen=True, slots=True)
class Client:
    """One service at one place, with its own patience and connections."""

    accounts: Accounts
    service: str
    place: Place
    read_seconds: float
    connections: int

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Raises the AWS errors of `model.errors`."""
        used = None
        try:
            used = self.accounts.ready(self)
            answer: dict[str, Any] = getattr(used, method)(**arguments)
        except Exception as error:
            translation = translated(self.service, method, error)
            if isinstance(translation, AwsNotConfigured):
                self.accounts.forget(self, used)
            raise translation from error
        return answer


class Accounts:
    """The credentials and regions of this process, and the clients made with them. For use in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], Any] = {}  # by role and region; ("", "") is the daemon's own
        self._clients: dict[Client, tuple[Any, float]] = {}

    def ready(self, client: Client) -> Any:
        """The boto3 client, made by the thread that needs it first."""
        with self._lock:
            if client not in self._clients:
                self._clients[client] = self._make(client), time.monotonic()
            return self._clients[client][0]

    def forget(self, client: Client, used: Any) -> None:
        """Environment and files are read again for the next call, unless that was done just before."""
        with self._lock:
            known, made = self._clients.get(client, (None, 0.0))
            if used is not known or time.monotonic() - made < ANEW_SECONDS:
                return
            role = client.place.rolearn
            self._sessions = {key: s for key, s in self._sessions.items() if key[0] not in ("", role)}
            self._clients = {c: kept for c, kept in self._clients.items() if c.place.rolearn != role}

    def _make(self, client: Client) -> Any:
        from botocore.config import Config  # here: a third of a second and 20 MB that nodes without AWS need not spend

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=client.read_seconds,
            max_pool_connections=client.connections,
            retries={"mode": "standard", "total_max_attempts": 1},
            tcp_keepalive=True,
        )
        place = client.place
        return self._session(place.rolearn, place.region if place.rolearn else "").client(
            client.service, config=config, region_name=place.region or None, endpoint_url=place.endpoint or None
        )

    def _session(self, role: str, region: str) -> Any:
        if (role, region) not in self._sessions:
            import boto3
            from botocore.session import Session

            core = Session(session_vars={"region": REGION})
            if role:
                core._credentials = self._assumed(core, role, region)
            self._sessions[role, region] = boto3.session.Session(botocore_session=core)
        return self._sessions[role, region]

    def _assumed(self, core: Any, role: str, region: str) -> Any:
        """The role's own credentials, asked for when first used and again before they end."""
        from botocore.config import Config
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
        from botocore.exceptions import NoCredentialsError

        daemons = core.get_credentials()
        if daemons is None:
            raise NoCredentialsError

        def sts(service: str, **credentials: Any) -> Any:
            patience = Config(
                connect_timeout=CONNECT_SECONDS, read_timeout=CALL_SECONDS, retries={"total_max_attempts": 1}
            )
            return core.create_client(service, config=patience, region_name=region or None, **credentials)

        fetcher = AssumeRoleCredentialFetcher(sts, daemons, role, extra_args={"RoleSessionName": "maelstrom"})
        return DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)


class Lanes:
    """The threads of one service: polls that stay open never keep another call waiting for one."""

    def __init__(self, name: str, *, polls: int, calls: int) -> None:
        self.most_polls, self.most_calls = polls, calls
        self._polls = Workers(f"{name}-poll", polls)
        self._calls = Workers(f"{name}-call", calls)

    def poll(self, work: Callable[[], T]) -> Future[T]:
        """For callers who need the result even if they are cancelled."""
        return _submit(self._polls, work)

    async def call(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(_submit(self._calls, work))

    def close(self) -> None:
        """Threads end after what they are doing; open polls do not keep the process from ending."""
        self._polls.close(AwsUnavailable("the node is stopping"))
        self._calls.close(AwsUnavailable("the node is stopping"))


def _submit(lane: Workers, work: Callable[[], T]) -> Future[T]:
    try:
        return lane.submit(work)
    except RuntimeError as error:  # closed, or the system has no more threads
        raise AwsUnavailable(f"no thread for a call to AWS: {error}") from error
