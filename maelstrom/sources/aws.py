"""AWS, by boto3: the only file that knows it. Calls run in threads; errors come out as those of `model.errors`.

Clients are made when first needed, from the usual environment and files (AWS_*, ~/.aws, an instance's role), and made
anew after an error of configuration, so that credentials that come later are found. No call is retried in here: who
waits between tries must be able to stop waiting, and counts what is throttled.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from maelstrom.model.errors import (
    ActivityMissing,
    AwsNotConfigured,
    AwsRefused,
    AwsThrottled,
    AwsUnavailable,
    InvalidTaskToken,
    MaelstromError,
    OutputRefused,
    TaskGone,
)
from maelstrom.runtime.threads import Workers
from maelstrom.sources.ports import ActivityTask, TaskFailure

log = logging.getLogger("maelstrom.sources")

T = TypeVar("T")

CONNECT_SECONDS = 5.0
CALL_SECONDS = 10.0  # without an answer
POLL_SECONDS = 70.0  # without an answer: AWS holds a poll for 60 s and asks for at least 65 here
POLL_THREADS = 4096  # an open poll is a thread that sleeps in the kernel, some 60 KB
CALL_THREADS = 32
PAGE_SIZE = 1000

# As in boto3, and then what all other SDKs of AWS, and its own containers, use: (in files, environment, default, cast).
REGION = ("region", ["AWS_DEFAULT_REGION", "AWS_REGION"], None, None)

THROTTLED = frozenset(
    ["Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
     "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "KmsThrottlingException",
     "ActivityWorkerLimitExceeded"]
)  # fmt: skip
NOT_CONFIGURED = frozenset(
    ["UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException",
     "IncompleteSignature", "InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationToken",
     "MissingAuthenticationTokenException", "OptInRequired"]
)  # fmt: skip
BY_CODE: dict[str, type[MaelstromError]] = {
    "TaskTimedOut": TaskGone,
    "TaskDoesNotExist": TaskGone,
    "InvalidToken": InvalidTaskToken,
    "InvalidOutput": OutputRefused,
    "ActivityDoesNotExist": ActivityMissing,
    **dict.fromkeys(THROTTLED, AwsThrottled),
    **dict.fromkeys(NOT_CONFIGURED, AwsNotConfigured),
}


class AwsStepFunctions:
    """Implements `ports.StepFunctions`."""

    def __init__(
        self, account: Account | None = None, *, poll_threads: int = POLL_THREADS, call_threads: int = CALL_THREADS
    ) -> None:
        # Polls that stay open must never keep a report waiting for a thread.
        self._poll_lane = Workers("aws-poll", poll_threads)
        self._call_lane = Workers("aws-call", call_threads)
        account = account or Account()
        self._poll_client = Client(account, "stepfunctions", POLL_SECONDS, connections=poll_threads)
        self._call_client = Client(account, "stepfunctions", CALL_SECONDS, connections=call_threads)
        self._arns: dict[str, str] = {}
        self._lookup = asyncio.Lock()

    def close(self) -> None:
        """Threads end after what they are doing; open polls do not keep the process from ending."""
        self._poll_lane.close(AwsUnavailable("the node is stopping"))
        self._call_lane.close(AwsUnavailable("the node is stopping"))

    async def activity(self, name: str) -> str:
        if name not in self._arns:
            async with self._lookup:  # many sources ask at the start: one look answers them all
                if name not in self._arns:
                    self._arns |= await self._call(self._list)
                if name not in self._arns:
                    answer = await self._call(lambda: self._call_client.call("create_activity", name=name))
                    self._arns[name] = answer["activityArn"]
        return self._arns[name]

    def forget(self, name: str) -> None:
        self._arns.pop(name, None)

    async def poll(self, arn: str, worker: str, *, unclaimed: TaskFailure) -> ActivityTask | None:
        future = _submit(self._poll_lane, lambda: self._poll(arn, worker))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel():  # it runs, or has just returned
                future.add_done_callback(lambda late: self._too_late(late, unclaimed))
            raise

    async def succeed(self, token: str, output: str) -> None:
        await self._call(lambda: self._call_client.call("send_task_success", taskToken=token, output=output))

    async def fail(self, token: str, failure: TaskFailure) -> None:
        await self._call(lambda: self._fail(token, failure))

    async def heartbeat(self, token: str) -> None:
        await self._call(lambda: self._call_client.call("send_task_heartbeat", taskToken=token))

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.wrap_future(_submit(self._call_lane, work))

    # in threads

    def _poll(self, arn: str, worker: str) -> ActivityTask | None:
        answer = self._poll_client.call("get_activity_task", activityArn=arn, workerName=worker)
        token = answer.get("taskToken")
        return ActivityTask(token, answer.get("input") or "", arn) if token else None

    def _fail(self, token: str, failure: TaskFailure) -> None:
        self._call_client.call("send_task_failure", taskToken=token, error=failure.error, cause=failure.cause)

    def _too_late(self, late: Future[ActivityTask | None], unclaimed: TaskFailure) -> None:
        """A thread of its own: the loop must not block, if this is the loop, and lanes and loop may be closed."""
        if late.exception() is None and (task := late.result()) is not None:
            threading.Thread(target=self._refuse, args=(task, unclaimed), name="aws-late", daemon=True).start()

    def _refuse(self, task: ActivityTask, unclaimed: TaskFailure) -> None:
        try:
            self._fail(task.token, unclaimed)
        except MaelstromError as error:
            log.warning("a task that came too late is left to its time-out", extra={"reason": error.message})

    def _list(self) -> dict[str, str]:
        arns: dict[str, str] = {}
        more: dict[str, Any] = {}
        while True:
            page = self._call_client.call("list_activities", maxResults=PAGE_SIZE, **more)
            arns |= {activity["name"]: activity["activityArn"] for activity in page["activities"]}
            if not page.get("nextToken"):
                return arns
            more = {"nextToken": page["nextToken"]}


class Account:
    """The credentials and the region of this process, and the clients made with them. For use in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[Client, Any] = {}

    def ready(self, client: Client) -> Any:
        """The boto3 client, made by the thread that needs it first."""
        with self._lock:
            if client not in self._clients:
                self._clients[client] = self._make(client)
            return self._clients[client]

    def forget(self, used: Any) -> None:
        """Environment and files are read again for the next call, unless another thread has seen to that already."""
        with self._lock:
            if used is None or used in self._clients.values():
                self._session = None
                self._clients.clear()

    def _make(self, client: Client) -> Any:
        import boto3  # here: a third of a second and 20 MB that nodes without AWS sources need not spend
        from botocore.config import Config
        from botocore.session import Session

        if self._session is None:
            self._session = boto3.session.Session(botocore_session=Session(session_vars={"region": REGION}))
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=client.read_seconds,
            max_pool_connections=client.connections,
            retries={"mode": "standard", "total_max_attempts": 1},
            tcp_keepalive=True,
        )
        return self._session.client(client.service, config=config)


@dataclass(frozen=True, slots=True)
class Client:
    """One service with its own patience and connections."""

    account: Account
    service: str
    read_seconds: float
    connections: int

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Raises the AWS errors of `model.errors`."""
        used = None
        try:
            used = self.account.ready(self)
            answer: dict[str, Any] = getattr(used, method)(**arguments)
        except Exception as error:
            translation = translated(method, error)
            if isinstance(translation, AwsNotConfigured):
                self.account.forget(used)
            raise translation from error
        return answer


def translated(method: str, error: Exception) -> MaelstromError:
    """The error in our words; what does not come from boto3 is raised again as it is."""
    from botocore import exceptions as aws

    match error:
        case aws.ClientError():
            return _refusal(method, error)
        case aws.NoRegionError():
            return AwsNotConfigured("no AWS region is set", hint="set AWS_DEFAULT_REGION, or a region in ~/.aws/config")
        case (
            aws.NoCredentialsError()
            | aws.PartialCredentialsError()
            | aws.CredentialRetrievalError()
            | aws.TokenRetrievalError()
            | aws.SSOError()
            | aws.ProfileNotFound()
            | aws.ConfigParseError()
            | aws.ConfigNotFound()
            | aws.InvalidConfigError()
        ):
            return AwsNotConfigured(f"AWS credentials: {error}")
        case aws.ParamValidationError():
            return AwsRefused(f"{method}: {error}", hint="this is an error of maelstrom: please report it")
        case aws.BotoCoreError() | OSError():
            return AwsUnavailable(f"AWS cannot be reached: {error}")
        case ValueError() if "endpoint" in str(error).lower():
            return AwsNotConfigured(str(error), hint="correct AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_SFN")
    raise error


def _refusal(method: str, error: Any) -> MaelstromError:
    answer = error.response.get("Error", {})
    code, message = answer.get("Code", ""), answer.get("Message") or str(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in BY_CODE:
        kind = BY_CODE[code]
    elif code == "ValidationException" and method == "send_task_success":
        kind = OutputRefused
    else:
        kind = AwsThrottled if status == 429 else AwsUnavailable if status >= 500 else AwsRefused
    return kind(f"{method}: {code}: {message}")


def _submit(lane: Workers, work: Callable[[], T]) -> Future[T]:
    try:
        return lane.submit(work)
    except RuntimeError as error:  # closed, or the system has no more threads
        raise AwsUnavailable(f"no thread for a call to AWS: {error}") from error
