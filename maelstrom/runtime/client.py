"""The Docker SDK's client with the few streamed calls that it does not offer with time-outs, and where to connect.

It blocks: only `engine.py` calls it, in threads. It must not know of components.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

import docker
import requests
from docker import auth
from docker.context import ContextAPI
from docker.context.config import get_current_context_name
from docker.errors import DockerException, create_api_error_from_http_exception
from docker.utils import kwargs_from_env, version_lt

CONNECT_SECONDS = 10.0
KEPT_CONNECTIONS = 64
API_NEWEST = "1.45"  # what this code was written against; an engine that knows more is asked for this
API_OLDEST = "1.24"
DEFAULT_HOST = "unix:///var/run/docker.sock"


class EngineClient(docker.APIClient):
    """A client for one version of the API; its connections are kept open and may be used by several threads."""

    def __init__(self, endpoint: Mapping[str, Any], *, version: str, read_seconds: int) -> None:
        super().__init__(**endpoint, version=version, timeout=read_seconds, max_pool_size=KEPT_CONNECTIONS)
        # reads .netrc and proxy variables for every single request otherwise
        self.trust_env = False

    def seconds_since_1970(self) -> float:
        """The engine's clock, to the second."""
        with self._open("GET", "/_ping", {}) as answer:
            return parsedate_to_datetime(answer.headers["Date"]).timestamp()

    def make(self, body: dict[str, Any], name: str = "") -> str:
        return str(self.create_container_from_config(body, name or None)["Id"])  # type: ignore[no-untyped-call]

    def remove(self, container: str) -> None:
        """Kills and removes it with its anonymous volumes; nothing where there is none."""
        try:
            self.remove_container(container, v=True, force=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as error:
            if "already in progress" not in str(error.explanation):
                raise
            # somebody else removes it just now
            with suppress(docker.errors.NotFound):
                self.wait(container, condition="removed")

    def freeze(self, container: str) -> None:
        try:
            self.pause(container)
        except docker.errors.APIError:
            if not self.container(container)["State"].get("Paused"):
                raise

    def thaw(self, container: str) -> bool:
        try:
            self.unpause(container)
        except docker.errors.APIError:
            # an engine calls it a fault of its own where the container was not frozen
            state = (self.container_if_any(container) or {}).get("State") or {}
            if state.get("Paused"):
                raise
            return bool(state.get("Running"))
        return True

    def container_if_any(self, container: str) -> dict[str, Any] | None:
        try:
            return self.container(container)
        except docker.errors.NotFound:
            return None

    def container(self, container: str) -> dict[str, Any]:
        body: dict[str, Any] = self.inspect_container(container)
        return body

    def image(self, reference: str) -> dict[str, Any]:
        body: dict[str, Any] = self.inspect_image(reference)  # type: ignore[no-untyped-call]
        return body

    def open_events(self, since: float) -> requests.Response:
        filters = '{"type":["container","image"],"event":["die","unpause","tag","load"]}'
        return _patient(self._open("GET", "/events", {"since": f"{since:.0f}", "filters": filters}))

    def open_logs(self, container: str, *, since: float, follow: bool, tail: str = "all") -> requests.Response:
        params = {"stdout": 1, "stderr": 1, "timestamps": 1, "follow": int(follow), "tail": tail}
        if since > 0:
            params["since"] = f"{since:.9f}"
        answer = self._open("GET", f"/containers/{container}/logs", params)
        return _patient(answer) if follow else answer

    def open_pull(
        self, name: str, tag: str, registry: str, credentials: dict[str, str] | None, seconds: float
    ) -> requests.Response:
        """`seconds`: until the answer begins, which may be when the registry has answered, and between its parts."""
        header = auth.encode_header(credentials) if credentials else auth.get_config_header(self, registry)
        headers = {"X-Registry-Auth": header} if header else {}
        return self._open("POST", "/images/create", {"fromImage": name, "tag": tag}, headers, seconds)

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Every call has both time-outs: a host that drops packets is not waited for as long as a slow start."""
        seconds = kwargs.get("timeout", self.timeout)
        if not isinstance(seconds, tuple):
            kwargs["timeout"] = (CONNECT_SECONDS, seconds)
        return kwargs

    def _open(
        self,
        method: str,
        path: str,
        params: dict[str, Any],
        headers: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> requests.Response:
        url = f"{self.base_url}/v{self.api_version}{path}"
        timeout = (CONNECT_SECONDS, seconds or self.timeout)
        answer = self.request(method, url, params=params, headers=headers, stream=True, timeout=timeout)
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            create_api_error_from_http_exception(error)
        return answer


def negotiate(endpoint: Mapping[str, Any], *, read_seconds: int) -> str:
    """The version of the API to speak. Raises DockerException where there is none that both sides know."""
    client = EngineClient(endpoint, version=API_OLDEST, read_seconds=read_seconds)
    try:
        said: dict[str, Any] = client.version(api_version=False)
    finally:
        client.close()
    newest, oldest = str(said["ApiVersion"]), str(said.get("MinAPIVersion") or API_OLDEST)
    if version_lt(newest, API_OLDEST):
        raise DockerException(f"the engine's API {newest} is too old, {API_OLDEST} is needed")
    wanted = newest if version_lt(newest, API_NEWEST) else API_NEWEST
    return oldest if version_lt(wanted, oldest) else wanted


def find_endpoint(environ: Mapping[str, str]) -> dict[str, Any]:
    """`base_url` and `tls` as the Docker CLI finds them: DOCKER_HOST, DOCKER_CONTEXT, the current context, the default.

    Raises DockerException where a context or a certificate cannot be read.
    """
    # an empty mapping would make the library read the process's own environment
    endpoint: dict[str, Any] = {**kwargs_from_env(environment=dict(environ) or {"DOCKER_HOST": ""})}
    if "base_url" not in endpoint:
        name = environ.get("DOCKER_CONTEXT") or get_current_context_name()
        if name and name != "default":
            context = ContextAPI.get_context(name)
            if context is None:
                raise DockerException(f"there is no Docker context `{name}`")
            endpoint["base_url"] = context.Host
            if context.TLSConfig is not None:
                endpoint["tls"] = context.TLSConfig
    endpoint.setdefault("base_url", DEFAULT_HOST)
    return endpoint


def _patient(answer: requests.Response) -> requests.Response:
    """The answer has begun: from now on silence is no failure, but a host that is gone is noticed within a minute."""
    connection = answer.raw.connection
    sock = None if connection is None else connection.sock
    if sock is not None:
        sock.settimeout(None)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
                if hasattr(socket, option):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return answer
