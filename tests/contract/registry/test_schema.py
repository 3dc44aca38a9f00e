"""The schema: made, brought up to date, refused, and the same as in the code."""

from __future__ import annotations

import asyncio
import importlib
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from maelstrom.model.errors import InvalidSettings, SchemaMismatch, Unavailable
from maelstrom.registry import migrate as migration
from maelstrom.registry.engine import make_engine, transaction
from maelstrom.registry.migrate import check_schema, migrate, migrations_folder
from maelstrom.registry.registry import Registry
from maelstrom.registry.tables import metadata
from tests.contract.registry.definitions import project
from tests.support.postgres import PostgresServer


def add_step(folder: Path, name: str, after: str, body: str) -> None:
    lines = ["import sqlalchemy as sa", "from alembic import op", f"revision = {name!r}", f"down_revision = {after!r}"]
    lines += ["def upgrade():", *(f"    {line}" for line in body.splitlines())]
    (folder / "versions" / f"{name}.py").write_text("\n".join(lines))


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a later version: a copy, to which the test adds steps."""
    folder = tmp_path / "50% newer"
    shutil.copytree(migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migration, "migrations_folder", lambda: folder)
    return folder


def head() -> str:
    found = ScriptDirectory(str(migrations_folder())).get_current_head()
    assert found is not None
    return found


def test_files_of_migrations_are_called_after_their_revisions_and_sort_in_their_order() -> None:
    script = ScriptDirectory(str(migrations_folder()))
    revisions = [step.revision for step in script.walk_revisions()][::-1]
    files = sorted(path.stem.partition("_")[0] for path in (migrations_folder() / "versions").glob("*.py"))
    assert files == revisions


async def versions(url: str) -> list[str]:
    engine = make_engine(url)
    async with transaction(engine, write=False) as connection:
        rows = (await connection.execute(text("select version_num from schema_version"))).scalars().all()
    await engine.dispose()
    return [str(row) for row in rows]


async def tables(url: str) -> set[str]:
    engine = make_engine(url)
    async with transaction(engine, write=False) as connection:
        found = await connection.run_sync(lambda sync: set(inspect(sync).get_table_names()))
    await engine.dispose()
    return found


async def test_an_empty_database_is_refused_until_it_is_migrated(empty_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="no schema yet"):
        await Registry.open(empty_url, migrate=False)
    assert await migrate(empty_url)
    assert not await migrate(empty_url)
    registry = await Registry.open(empty_url, migrate=False)
    await registry.put_project(project("shop", web={}))
    await registry.close()
    reopened = await Registry.open(empty_url)
    assert (await reopened.get_project("shop")).revision == 1
    await reopened.close()


async def test_a_start_brings_an_old_schema_up_to_date_and_keeps_what_is_stored(empty_url: str, newer: Path) -> None:
    last = head()
    registry = await Registry.open(empty_url)
    await registry.put_project(project("shop", web={}))
    await registry.close()
    add_step(newer, "9001", last, 'op.add_column("components", sa.Column("note", sa.String, server_default="none"))')
    with pytest.raises(SchemaMismatch, match=f"schema is {last}, this version needs 9001"):
        await Registry.open(empty_url, migrate=False)
    reopened = await Registry.open(empty_url)
    assert await versions(empty_url) == ["9001"]
    assert len((await reopened.snapshot()).components) == 1
    await reopened.close()


async def test_a_schema_from_a_newer_version_is_refused_with_both_named(empty_url: str, newer: Path) -> None:
    last = head()
    add_step(newer, "9001", last, 'op.add_column("components", sa.Column("note", sa.String))')
    await migrate(empty_url)
    (newer / "versions" / "9001.py").unlink()
    for start in (Registry.open(empty_url), Registry.open(empty_url, migrate=False)):
        with pytest.raises(SchemaMismatch, match=f"schema is 9001, made by a newer version.* up to {last}"):
            await start
    with pytest.raises(SchemaMismatch):
        await migrate(empty_url)


async def test_a_step_that_fails_midway_leaves_the_database_as_it_was(empty_url: str, newer: Path) -> None:
    last = head()
    await migrate(empty_url)
    before = await tables(empty_url)
    add_step(newer, "9001", last, 'op.create_table("one", sa.Column("id", sa.Integer))')
    broken = 'op.create_table("two", sa.Column("id", sa.Integer))\nop.execute("insert into two values (1)")\n1 / 0'
    add_step(newer, "9002", "9001", broken)
    with pytest.raises(ZeroDivisionError):
        await migrate(empty_url)
    assert await tables(empty_url) == before
    assert await versions(empty_url) == [last]


async def test_a_first_migration_that_fails_leaves_nothing(empty_url: str, newer: Path) -> None:
    add_step(newer, "9001", head(), "1 / 0")
    with pytest.raises(ZeroDivisionError):
        await migrate(empty_url)
    assert await tables(empty_url) == set()


async def test_a_table_made_anew_keeps_what_points_to_it(empty_url: str, newer: Path) -> None:
    """What SQLite does for most changes; its foreign keys would take the components with it."""
    last = head()
    registry = await Registry.open(empty_url)
    await registry.put_project(project("shop", web={}))
    await registry.close()
    change = '    batch.alter_column("author", server_default="x")'
    add_step(newer, "9001", last, f'with op.batch_alter_table("projects") as batch:\n{change}')
    reopened = await Registry.open(empty_url)
    assert len((await reopened.snapshot()).components) == 1
    await reopened.close()


async def test_a_file_that_is_just_being_written_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself does not wait when the way of journalling changes: of several first starts some would fail."""
    path = tmp_path / "maelstrom.db"

    class OtherStart:
        monotonic = time.monotonic

        def __init__(self) -> None:
            self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self.connection.execute("create table theirs (a)")
            self.connection.execute("begin immediate")

        def sleep(self, _: float) -> None:
            self.connection.execute("commit")

    other = OtherStart()
    monkeypatch.setattr(migration, "time", other)
    assert await migrate(f"sqlite:///{path}")
    other.connection.close()


async def test_migrations_in_one_process_do_not_mix(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(4)]
    assert await asyncio.gather(*(migrate(url) for url in urls)) == [True] * 4


def test_the_steps_are_one_line() -> None:
    script = ScriptDirectory(str(migrations_folder()))
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


async def test_the_tables_in_the_code_are_those_that_the_steps_make(
    empty_url: str, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    importlib.import_module("maelstrom.leases.tables")
    await migrate(empty_url)
    if kind == "sqlite":
        direct_url = f"sqlite:///{tmp_path / 'direct.db'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        direct_url = server.url(server.new_database())
    by_steps, direct = make_engine(empty_url), make_engine(direct_url)
    async with transaction(direct) as connection:
        await connection.run_sync(metadata.create_all)
    async with transaction(by_steps, write=False) as connection:
        differences = await connection.run_sync(_differences)
        made = await connection.run_sync(_described)
    async with transaction(direct, write=False) as connection:
        wanted = await connection.run_sync(_described)
    await by_steps.dispose()
    await direct.dispose()
    assert differences == []
    assert made == wanted


def _differences(connection: Connection) -> list[Any]:
    options = {"version_table": "schema_version", "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _described(connection: Connection) -> dict[str, Any]:
    """Also what the comparison above does not look at: defaults, checks, conditions of indexes, keys by name."""
    inspector = inspect(connection)
    found: dict[str, Any] = {}
    for table in set(inspector.get_table_names()) - {"schema_version"}:
        columns = {column["name"]: {**column, "type": repr(column["type"])} for column in inspector.get_columns(table)}
        found[table] = {
            "columns": columns,
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": _by_name(inspector.get_foreign_keys(table)),
            "unique": _by_name(inspector.get_unique_constraints(table)),
            "checks": _by_name(inspector.get_check_constraints(table)),
            "indexes": {
                str(name): {
                    **index,
                    "dialect_options": {k: str(v) for k, v in index.get("dialect_options", {}).items()},
                }
                for name, index in _by_name(inspector.get_indexes(table)).items()
            },
            "options": inspector.get_table_options(table),
        }
    return found


def _by_name(items: Any) -> dict[str, Any]:
    return {str(item["name"]): item for item in items}


async def test_a_database_in_another_encoding_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("create database latin encoding 'LATIN1' locale 'C' template template0")
    with pytest.raises(InvalidSettings, match="encoding is LATIN1"):
        await Registry.open(postgres.url("latin"))


async def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "maelstrom.db"
    path.write_bytes(b"this is no database, it is a letter to my grandmother" * 100)
    with pytest.raises(Exception, match="the database's file is damaged") as caught:
        await Registry.open(f"sqlite:///{path}")
    assert "put a copy back" in getattr(caught.value, "hint", "")


async def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the database's file cannot be opened"):
        await Registry.open(f"sqlite:///{tmp_path / 'nowhere' / 'maelstrom.db'}")


async def test_tables_of_somebody_else_are_not_touched(empty_url: str) -> None:
    engine = make_engine(empty_url)
    async with transaction(engine) as connection:
        await connection.execute(text("create table projects (theirs integer)"))
    with pytest.raises(SchemaMismatch, match="projects"):
        await Registry.open(empty_url)
    assert await tables(empty_url) == {"projects"}
    await engine.dispose()


async def test_what_the_code_needs_is_checked_not_assumed(url: str) -> None:
    engine = make_engine(url)
    await check_schema(engine)
    await engine.dispose()
