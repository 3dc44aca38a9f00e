"""The tables of automatic certificates. Keys stand in them as they are: who reads the database has them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Integer, String, Table, Text, text

from maelstrom.registry.tables import metadata

acme_accounts = Table(
    "acme_accounts",
    metadata,
    Column("directory", String, primary_key=True),  # the authority, by its URL
    Column("email", String, nullable=False),
    Column("key", Text, nullable=False),  # private, PEM
    Column("uri", String, nullable=False),
    Column("created_at", Double, nullable=False),  # s since 1970, as all times here
)

# One row per host that a certificate was ever wanted for: also what came of the last try, so that none comes too early.
certificates = Table(
    "certificates",
    metadata,
    Column("host", String, primary_key=True),
    Column("version", BigInteger, nullable=False),  # rises with each change of the row
    Column("chain", Text, nullable=False, server_default=""),  # PEM; empty: none yet
    Column("key", Text, nullable=False, server_default=""),  # private, PEM
    Column("not_after", Double, nullable=False, server_default=text("0")),
    Column("renew_at", Double, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0")),  # in a row
    Column("retry_at", Double, nullable=False, server_default=text("0")),  # no try before
    Column("error", Text, nullable=False, server_default=""),  # of the last try
    Column("changed_at", Double, nullable=False),
)

# What an authority asks any node for while it validates; gone when it has.
acme_challenges = Table(
    "acme_challenges",
    metadata,
    Column("token", String, primary_key=True),
    Column("host", String, nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)
