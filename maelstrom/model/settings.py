"""The daemon's settings: one typed tree, read once by `daemon/environment`, each service gets only what it needs.

Each field's description says what it does, its unit and why the default is what it is; the reference in
docs/settings.md is generated from here. The environment's name of a field is `MAEL_` and its name in capitals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

NO_NOTICES = "off"  # as MAEL_DATABASE_LISTEN_URL


class Listen(BaseModel):
    """`host:port`; port 0 takes any free one. An IPv6 host stands in brackets when written."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Settings(BaseModel):
    """All settings of `maelstromd`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path = Field(
        description="SQLite file, admin token, ready.json and locks; made 0700. Default: /var/lib/maelstrom for root,"
        " else $XDG_STATE_HOME/maelstrom."
    )
    database_url: str = Field(
        default="",
        description="`sqlite:///path` or `postgresql://…` (several hosts: the writable one is used)."
        " Default: maelstrom.db in the state directory.",
    )
    database_listen_url: str = Field(
        default="",
        description="Another address for LISTEN, where the database is behind PgBouncer in transaction mode; `off`:"
        " none, changes are seen by polling. Default: the same.",
    )
    beat_seconds: float = Field(default=3, gt=0, description="Seconds between two beats of this node's session.")
    session_ttl_seconds: float = Field(
        default=10, gt=0, description="A session unseen for so many seconds is dead; at least three beats."
    )
    lost_commits_seconds: float = Field(
        default=60,
        ge=0,
        description="How old, in seconds, commits of PostgreSQL can be at most when a failover loses them. A longer"
        " `maxdurationseconds` of sources is used that much later. 0: none can be lost, as with a synchronous replica.",
    )
    public_listen: tuple[Listen, ...] = Field(
        default=(Listen(host="0.0.0.0", port=80),),
        min_length=1,
        description="Public gateway, `host:port`, or several of them, comma separated. `[::]:80` takes IPv4 too, unless"
        " an IPv4 address with that port stands beside it.",
    )
    public_tls_listen: tuple[Listen, ...] = Field(
        default=(),
        description="Public gateway with TLS, `host:port`, or several of them, such as 0.0.0.0:443 (docs/tls.md)."
        " Default: none.",
    )
    http2: bool = Field(
        default=True, description="Whether the TLS listeners offer HTTP/2 beside HTTP/1.1 (docs/http2.md)."
    )
    tls_certificates: tuple[str, ...] = Field(
        default=(),
        description="Certificates for the TLS listeners: directories with NAME.crt or NAME.pem beside NAME.key, or of"
        " certbot's form, and pairs `chain.pem:key.pem`, comma separated. Read again when they change.",
    )
    tls_default_host: str = Field(
        default="",
        description="Whose certificate is shown to who asks for a host without one, or for none. Default: nobody's;"
        " such a connection is refused.",
    )
    acme: str = Field(
        default="",
        description="Automatic certificates for the host names of enabled http sources: the directory URL of an ACME"
        " authority, such as https://acme-v02.api.letsencrypt.org/directory. It must reach these hosts at port 80."
        " Default: none.",
    )
    acme_email: str = Field(default="", description="Whom the ACME authority may write to.")
    acme_terms_agreed: bool = Field(
        default=False, description="Whether you agree to the terms of the ACME authority; else nothing is ordered."
    )
    acme_eab_kid: str = Field(
        default="",
        description="External account binding: the key id that the ACME authority has given to you. Needed by those"
        " that know their customers, such as ZeroSSL and Google.",
    )
    acme_eab_hmac_key: str = Field(
        default="", repr=False, description="External account binding: the HMAC key that belongs to that id, base64url."
    )
    acme_ca_file: str = Field(
        default="",
        description="PEM file of those who vouch for the ACME authority itself, where it is one of your own."
        " Default: the usual ones.",
    )
    https_redirect_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Plain requests for hosts with a certificate are sent on to https:// with this port, most often"
        " 443. 0: they are served as they are.",
    )
    public_health_path: str = Field(
        default="/_mael_health_check",
        description="Answered by the public gateway itself: 200, 503 while it stops. Empty: no path is reserved.",
    )
    admin_listen: Listen = Field(
        default=Listen(host="127.0.0.1", port=8374), description="Admin API, health and metrics, `host:port`."
    )
    admin_hosts: tuple[str, ...] = Field(
        default=(),
        description="Further Host names that the admin listener answers to, comma separated; addresses and localhost"
        " always.",
    )
    admin_token: str = Field(
        default="",
        repr=False,
        description="The admin token. Default: made at the first start, in <state dir>/admin-token.",
    )
    internal_listen: Listen | None = Field(
        default=None,
        description="Gateway for containers (MAELSTROM_PRIVATE_URL). Default: the engine's bridge address, port 8375.",
    )
    node_name: str = Field(
        description="Name of this node, unique per live node of the cluster. Default: the host's name."
    )
    cluster_name: str = Field(
        default="default",
        description="With the node's name it says whose container is whose on a shared engine.",
    )
    gateway_workers: int = Field(
        default=1,
        ge=1,
        le=256,
        description="Processes of the public gateway, for more than one core; each takes about 30 MiB. 1: the node's"
        " own process serves it. Limits of containers and of clients' connections hold over all of them.",
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description="Addresses and networks whose X-Forwarded-* and Forwarded are kept, comma separated.",
    )
    proxy_protocol: tuple[str, ...] = Field(
        default=(),
        description="Addresses and networks of balancers that speak the PROXY protocol (v1 or v2), comma separated:"
        " each of their connections to the public gateway must begin with its header, and no other may.",
    )
    max_connections_per_client: int = Field(
        default=10_000,
        ge=0,
        description="Open connections of one client address (IPv6: one /64) to the public gateway; more are answered"
        " 503. At most half of what a listener takes, so that one client never shuts out all others, and whole offices"
        " behind one address are let in. Trusted proxies are not counted. 0: any number.",
    )
    access_log: str = Field(default="off", description="`off`, `all`, or a share of the requests such as `0.01`.")
    show_reasons: bool = Field(
        default=False,
        description="Whether clients of the public gateway see the reason of an error, not only its code.",
    )
    metrics_token: bool = Field(default=False, description="Whether GET /metrics needs the admin token.")
    head_timeout_seconds: float = Field(
        default=30, gt=0, description="Seconds in which a request's head must be there; else 408."
    )
    body_timeout_seconds: float = Field(
        default=60, gt=0, description="Seconds that a request's body may stand still; else 408."
    )
    keepalive_seconds: float = Field(
        default=75, gt=0, description="Seconds that an idle client connection is kept open."
    )
    max_body_bytes: int = Field(
        default=0, ge=0, description="Largest request body in bytes; 0: any size. More is answered 413."
    )
    shutdown_grace_seconds: float = Field(
        default=60,
        ge=0,
        description="One budget, in seconds, for the whole stop; as long as a long poll of Step Functions.",
    )
    stop_containers: bool = Field(
        default=False, description="Stop own containers at exit, or leave them to be adopted by the next start."
    )
    total_memory: int = Field(
        default=-1, description="MiB that containers may reserve on this node; negative: the machine's memory; 0: none."
    )
    sandbox_pool: int = Field(
        default=2,
        ge=0,
        le=64,
        description="Network sandboxes kept ready, so that a first request waits half as long (docs/cold-start.md);"
        " each costs an idle container of a few MiB, also while a component's container uses it. 0: none.",
    )
    log_format: Literal["text", "json"] = Field(default="text", description="`json` gives one object a line.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )

    @property
    def listen_url(self) -> str | None:
        """Where notices of changes come from; None: there are none."""
        if self.sqlite or self.database_listen_url == NO_NOTICES:
            return None
        return self.database_listen_url or self.database_url

    @property
    def sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")
