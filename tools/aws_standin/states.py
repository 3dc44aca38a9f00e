"""How MiniStack's state machine engine is made to obey AWS's rules where it waits for workers.

The engine has no hooks: its functions are replaced by name, in `install`, the one place that knows them. MiniStack's
version is pinned for that reason. An execution runs in a thread, each branch of Parallel and Map in one more; which
scope a thread belongs to travels in context variables, which the engine copies into its threads.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

from ministack.services import stepfunctions as engine

from tools.aws_standin import rules
from tools.aws_standin.tasks import Failed, ScopeEnded, Succeeded, Task, TaskBook, TimedOut

Json = dict[str, Any]
TASK_EVENTS = ("TaskScheduled", "TaskSucceeded", "TaskFailed")


class Branch:
    """An execution, or the branches of one attempt at a Parallel or Map state of it, which end together."""

    def __init__(self, execution: Json, parent: Branch | None = None) -> None:
        self.execution = execution
        self._parent = parent
        self._over = False

    @property
    def ended(self) -> bool:
        parent_ended = self._parent is not None and self._parent.ended
        return self._over or parent_ended or self.execution["status"] != "RUNNING"

    def end(self) -> None:
        self._over = True


@dataclass(frozen=True)
class TaskState:
    """The Task state that a thread executes, for the parts of the engine that are not told."""

    definition: Json
    input: Any
    execution: Json
    context: Json

    def seconds(self, field: str) -> float | None:
        """TimeoutSeconds or HeartbeatSeconds: a number, a path, or a JSONata expression."""
        if path := self.definition.get(f"{field}Path"):
            return float(engine._resolve_path_or_ctx(path, self.input, self.context))
        value = self.definition.get(field)
        if isinstance(value, str):
            value = engine._jsonata_state_field(self.definition, field, "number", self.input, self.context)
        return None if value is None else float(value)


_scope: ContextVar[Branch | None] = ContextVar("scope", default=None)
_state: ContextVar[TaskState] = ContextVar("state")


@contextmanager
def _within(scope: Branch) -> Iterator[Branch]:
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


class States:
    """The replacements; each keeps the signature of what it replaces."""

    def __init__(self, book: TaskBook) -> None:
        self._book = book
        self._event_lock = threading.Lock()
        self._run_execution = engine._run_execution
        self._run_sub_machine = engine._run_sub_machine
        self._with_retry_and_catch = engine._with_retry_and_catch
        self._execute_task = engine._execute_task
        self._invoke_resource = engine._invoke_resource
        self._add_event = engine._add_event
        self._find_matching_retrier = engine._find_matching_retrier

    def install(self) -> None:
        engine._run_execution = self.run_execution
        engine._run_sub_machine = self.run_sub_machine
        engine._with_retry_and_catch = self.with_retry_and_catch
        engine._execute_task = self.execute_task
        engine._invoke_activity = self.invoke_activity
        engine._invoke_with_callback = self.invoke_with_callback
        engine._add_event = self.add_event
        engine._find_matching_retrier = self.find_matching_retrier
        engine._error_matches = rules.matches
        engine._scaled_sleep = self.sleep

    # executions and their branches

    def run_execution(self, arn: str) -> None:
        execution = engine._executions[arn]
        machine = engine._state_machines.get(execution["stateMachineArn"]) or {}
        seconds = json.loads(machine.get("definition", "{}")).get("TimeoutSeconds")
        timer = threading.Timer(float(seconds or 0), self._time_out, (execution,))
        timer.daemon = True
        if seconds:
            timer.start()
        try:
            with _within(Branch(execution)):
                self._run_execution(arn)
        finally:
            timer.cancel()

    def _time_out(self, execution: Json) -> None:
        if execution["status"] == "RUNNING":
            execution.update(status="TIMED_OUT", stopDate=engine.now_iso(), error="States.Timeout", cause="")
            self.add_event(
                execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
            )
            self._book.look_again()

    def with_retry_and_catch(self, state: Json, data: Any, context: Json, attempt: Callable[[], Any]) -> Any:
        """An attempt at a Parallel or Map state: its branches end together, and nothing follows a stopped execution."""
        outer = self._here()

        def attempt_as_one() -> Any:
            with _within(Branch(outer.execution, outer)):
                result = attempt()
            if outer.ended:
                raise ScopeEnded
            return result

        return self._with_retry_and_catch(state, data, context, attempt_as_one)

    def run_sub_machine(self, states: Json, start_at: str, data: Any, execution: Json, context: Json) -> Any:
        """One branch or item. The first that fails ends its siblings, unless it is a child of a distributed Map."""
        group = self._here()
        if group.ended:
            raise ScopeEnded
        if execution is not group.execution:
            with _within(Branch(execution, group)):
                return self._run_sub_machine(states, start_at, data, execution, context)
        try:
            return self._run_sub_machine(states, start_at, data, execution, context)
        except engine._ExecutionError:
            group.end()
            self._book.look_again()
            raise

    def sleep(self, seconds: float) -> None:
        """Wait states and the pauses of Retry: cut short by StopExecution."""
        if scope := _scope.get():
            self._book.sleep(seconds, scope)
        else:
            time.sleep(seconds)

    def find_matching_retrier(
        self, retriers: list[Json], error: str, retries: dict[int, int]
    ) -> tuple[Json | None, int]:
        """The engine multiplies interval and rate itself and knows no MaxDelaySeconds: it is given the product."""
        retrier, index = self._find_matching_retrier(retriers, error, retries)
        if retrier is None:
            return None, index
        delay = rules.retry_delay(retrier, retries.get(index, 0))
        return {**retrier, "IntervalSeconds": delay, "BackoffRate": 1}, index

    # Task states

    def execute_task(self, definition: Json, data: Any, execution: Json, context: Json) -> Any:
        token = _state.set(TaskState(definition, data, execution, context))
        try:
            return self._execute_task(definition, data, execution, context)
        finally:
            _state.reset(token)

    def invoke_activity(self, arn: str, data: Any) -> Any:
        if arn not in engine._activities:
            raise engine._ExecutionError("States.Runtime", f"The activity {arn} does not exist.")
        state = _state.get()
        task = self._new_task(state, arn=arn, input=json.dumps(data, ensure_ascii=False, separators=(",", ":")))
        details: Json = {"resource": arn, "input": task.input}
        details |= {"timeoutInSeconds": int(task.timeout)} if task.timeout else {}
        details |= {"heartbeatInSeconds": int(task.heartbeat)} if task.heartbeat else {}
        self._record(state.execution, "ActivityScheduled", details)
        task.on_start = lambda worker: self._record(
            state.execution, "ActivityStarted", {"workerName": worker} if worker else {}
        )
        self._book.schedule(task)
        return self._outcome(task, state.execution, "Activity")

    def invoke_with_callback(self, resource: str, data: Any, token: str, definition: Json) -> Any:
        """`.waitForTaskToken`: delivered by the engine's own integration, then awaited by our rules."""
        state = _state.get()
        task = self._new_task(state, token=token)
        self._book.expect(task)
        self._invoke_resource(resource.replace(".waitForTaskToken", ""), data)
        return self._outcome(task, state.execution, "")

    def _new_task(self, state: TaskState, **fields: str) -> Task:
        scope = _scope.get() or Branch({"status": "RUNNING"})
        if scope.ended:
            raise ScopeEnded
        timeout, heartbeat = state.seconds("TimeoutSeconds"), state.seconds("HeartbeatSeconds")
        return Task(scope, timeout=timeout, heartbeat=heartbeat, **cast(Any, fields))

    def _outcome(self, task: Task, execution: Json, events: str) -> Any:
        """Block until the task ends. `events`: the history's name of its kind; empty where the engine writes it."""
        match self._book.wait(task):
            case Succeeded(output):
                self._record(execution, f"{events}Succeeded", {"output": output})
                return json.loads(output)
            case Failed(error, cause):
                self._record(execution, f"{events}Failed", {"error": error, "cause": cause})
                raise engine._ExecutionError(error or "States.TaskFailed", cause)
            case TimedOut(error):
                self._record(execution, f"{events}TimedOut", {"error": error})
                raise engine._ExecutionError(error, "")
        raise ScopeEnded

    # history

    def _record(self, execution: Json, kind: str, details: Json) -> None:
        if kind.startswith("Activity"):
            self.add_event(execution, kind, {f"{kind[0].lower()}{kind[1:]}EventDetails": details})

    def add_event(self, execution: Json, kind: str, details: Json | None = None) -> Json | None:
        """Branches write at the same time; an activity has events of its own, not those of an integration."""
        inner: Json = next(iter((details or {}).values()), {})
        if kind in TASK_EVENTS and ":activity:" in str(inner.get("resource")):
            return None
        if kind == "TaskFailed" and inner.get("error") in ("States.Timeout", "States.HeartbeatTimeout"):
            kind, details = "TaskTimedOut", {"taskTimedOutEventDetails": inner}
        with self._event_lock:
            return cast(Json, self._add_event(execution, kind, details))

    def _here(self) -> Branch:
        return _scope.get() or Branch({"status": "RUNNING"})
