"""Every error that the product shows to somebody.

An error has a `code` for machines (stable, listed in the reference), a message for people, and a `hint` that says what
to try next. Nothing here knows of HTTP statuses or exit codes: each door has one table of its own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input. `line` counts from 1, 0 where no line can be named."""

    path: str
    message: str
    hint: str = ""
    file: str = ""
    line: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class MaelstromError(Exception):
    """Base of all: `fields` are safe to show and go into the JSON form."""

    code: ClassVar[str] = "internal"
    default_hint: ClassVar[str] = "see the daemon's log"

    def __init__(self, message: str, *, hint: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.fields = fields

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "hint": self.hint, **self.fields}


class InvalidInput(MaelstromError):
    """An input that cannot be accepted, with all its problems at once (at most 100)."""

    code = "invalid_input"
    default_hint = "correct the input and try again"

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = (), hint: str | None = None) -> None:
        self.problems = problems[:100]
        super().__init__(message, hint=hint, errors=[p.as_json() for p in self.problems])


class NotFound(MaelstromError):
    """A name that nothing has."""

    code = "not_found"
    default_hint = "check the name, names are listed by the ls commands"


class AmbiguousName(MaelstromError):
    """A name without project that several projects have."""

    code = "ambiguous_name"
    default_hint = "say which one with --project, or write the name as <project>_<name>"


class Conflict(MaelstromError):
    """Changed meanwhile, or taken by something else."""

    code = "conflict"
    default_hint = "read the current state and try again"


class Unauthorized(MaelstromError):
    """No admin token, or a wrong one."""

    code = "unauthorized"
    default_hint = "give the admin token: --token, MAELSTROM_TOKEN, or the state directory with --state-dir"


class Forbidden(MaelstromError):
    """A `Host` or `Origin` that the admin listener does not answer to; a component that the caller may not call."""

    code = "forbidden"
    default_hint = "use the daemon's own address, or allow the name with MAEL_ADMIN_HOSTS"


class Unavailable(MaelstromError):
    """Something that is needed cannot be reached now (database, engine, daemon); worth trying again."""

    code = "unavailable"
    default_hint = "check that it runs and can be reached, then try again"


class WaitTimeout(MaelstromError):
    """Waited in vain; what was waited for may still happen."""

    code = "wait_timeout"
    default_hint = "see `maelctl ps` and `maelctl logs`, or wait longer with --timeout"


class SchemaMismatch(MaelstromError):
    """The database's schema and this version of the code do not fit."""

    code = "schema_mismatch"
    default_hint = "run the version of maelstromd that made it, or `maelstromd migrate` of a newer one"


class InvalidSettings(MaelstromError):
    """Settings that cannot be used; every problem is listed, its path is the setting's name."""

    code = "invalid_settings"
    default_hint = "correct the settings named above"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        text = "; ".join(f"{p.path}: {p.message}" for p in problems)
        super().__init__(text, errors=[p.as_json() for p in problems])


class StateInUse(MaelstromError):
    """Another daemon holds the state directory, or the node's name in the cluster."""

    code = "state_in_use"
    default_hint = "stop the other maelstromd, or give this one another MAEL_STATE_DIR, MAEL_NODE_NAME and ports"


class UpgradeFailed(MaelstromError):
    """The new process could not take over from the old one, which goes on."""

    code = "upgrade_failed"
    default_hint = "see the daemon's log: the new process says there what keeps it from starting"


class LeaseLost(MaelstromError):
    """This node may not work on the source any more: others have its lease, or the database confirms it no longer."""

    code = "lease_lost"
    default_hint = "check that the database can be reached; the work is given back to its source"


class EngineUnavailable(Unavailable):
    """The container engine cannot be reached now."""

    code = "engine_unavailable"
    default_hint = "start Docker and check DOCKER_HOST; it is tried again by itself"


class RuntimeFailed(MaelstromError):
    """The engine refused to do something, or could not."""

    code = "runtime_failed"
    default_hint = "see the engine's message"


class ImageMissing(RuntimeFailed):
    """The engine has no such image; it can be pulled."""

    code = "image_missing"
    default_hint = "pull or build the image on this host"


class PullFailed(RuntimeFailed):
    """An image could not be pulled."""

    code = "pull_failed"
    default_hint = "check the image's name, the registry and the credentials (pullusername, pullpassword)"


# What the AWS side of a source answers. They are seen as a source's reason, and decide what its poller does next.


class AwsUnavailable(Unavailable):
    """AWS cannot be reached now, or is in trouble itself."""

    code = "aws_unavailable"
    default_hint = "check the network and AWS_ENDPOINT_URL; it is tried again by itself"


class AwsThrottled(AwsUnavailable):
    """AWS wants fewer calls from this account."""

    code = "aws_throttled"
    default_hint = "it is tried again, slower; ask AWS for a higher quota if this is usual"


class AwsNotConfigured(MaelstromError):
    """Credentials or the region are missing or unusable."""

    code = "aws_not_configured"
    default_hint = (
        "give the daemon credentials as for any AWS program (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE,"
        " an instance's role) and AWS_DEFAULT_REGION; files are read again by themselves"
    )


class AwsRefused(MaelstromError):
    """AWS refuses a call for good: a permission, a name, a limit of the account."""

    code = "aws_refused"
    default_hint = "allow what it says to the daemon's credentials or the source's role; it is tried again by itself"


class AcmeFailed(MaelstromError):
    """An authority did not issue a certificate. `retry_after`: seconds that it wants to be left alone; 0: not said."""

    code = "acme_failed"
    default_hint = "see docs/tls.md; it is tried again by itself"


class ActivityMissing(NotFound):
    """The Step Functions activity was deleted."""

    code = "activity_missing"
    default_hint = "it is created again by itself"


class TaskGone(MaelstromError):
    """A task that nobody waits for any more: it timed out, was answered, or its execution was stopped."""

    code = "task_gone"
    default_hint = "see the execution's history; raise the state's TimeoutSeconds or HeartbeatSeconds if it timed out"


class InvalidTaskToken(MaelstromError):
    """A task token that AWS does not know."""

    code = "invalid_task_token"
    default_hint = "check that the daemon's credentials and region are those of the state machine"


class OutputRefused(MaelstromError):
    """AWS does not take the output of a task."""

    code = "output_refused"
    default_hint = "answer with JSON text of at most 262,144 bytes"


class QueueMissing(NotFound):
    """There is no SQS queue of the name, or none that begins so."""

    code = "queue_missing"
    default_hint = "make the queue, or correct queuename, region and account; it is looked for again by itself"


class MessageGone(MaelstromError):
    """A message that this receipt does not hold any more: deleted, given to others, or its time is up."""

    code = "message_gone"
    default_hint = "raise the source's visibilitytimeout if this is usual"


# What only the admin API answers.


class MethodNotAllowed(MaelstromError):
    """The path has operations, but not this one."""

    code = "method_not_allowed"
    default_hint = "see /openapi.json for the operations there are"


class UnsupportedMedia(MaelstromError):
    """A body that is not declared as JSON."""

    code = "unsupported_media_type"
    default_hint = "send the body as `Content-Type: application/json`, in UTF-8 and not compressed"


# What the gateway itself answers. The codes and their statuses are part of the interface.


class BadRequest(MaelstromError):
    """Not one unambiguous HTTP request."""

    code = "bad_request"
    default_hint = "send an unambiguous HTTP/1.1 request (RFC 9112)"


class NoRoute(MaelstromError):
    """No component is behind this host and path."""

    code = "no_route"
    default_hint = "see `maelctl es ls --type http`; a prefix is whole segments of the path"


class BodyTooLarge(MaelstromError):
    """A body over the limit."""

    code = "body_too_large"
    default_hint = "send a smaller body"


class HeadTooLarge(MaelstromError):
    """A head over the limit."""

    code = "head_too_large"
    default_hint = "send fewer or shorter header fields"


class QueueFull(MaelstromError):
    """Too many requests wait for the component already."""

    code = "queue_full"
    default_hint = "try again later; raise maxqueue, maxconcurrency or maxinstances if this is usual"


class StartFailed(MaelstromError):
    """A container could not be started; the message says why."""

    code = "start_failed"
    default_hint = "see `maelctl logs` and `maelctl ps`"


class NoCapacity(MaelstromError):
    """No memory is left for another container."""

    code = "no_capacity"
    default_hint = "free memory on the host, lower reservememory, or add a node"


class Disabled(MaelstromError):
    """The source of this request is disabled."""

    code = "disabled"
    default_hint = "enable the source with `maelctl es enable`"


class Deadline(MaelstromError):
    """The component did not answer in the time it has."""

    code = "deadline"
    default_hint = "raise maxdurationseconds if the work needs longer"


class UpstreamBroken(MaelstromError):
    """The component went away before its answer was complete, or its answer is no HTTP."""

    code = "upstream_broken"
    default_hint = "the component broke the connection or sent no valid answer; see `maelctl logs`"


class Draining(MaelstromError):
    """The node is stopping."""

    code = "draining"
    default_hint = "this node is stopping; try another one"


class RequestTimeout(MaelstromError):
    """The client stopped sending in the middle of a request."""

    code = "request_timeout"
    default_hint = "send the whole request without pauses"
