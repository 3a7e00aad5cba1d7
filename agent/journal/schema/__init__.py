"""The journal's schemas: numbered SQL files, applied in order, each once, in a transaction; only ever added to.

A migration may add tables, and columns that have a default; it never changes the meaning of old ones: software that
went back a version finds everything it needs and goes on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from importlib.resources import files


@cache
def versions(name: str) -> tuple[str, ...]:
    """The SQL texts of schema `name` ("critical", "telemetry"), oldest first. Version n is n of them applied."""
    found = [entry for entry in files(__name__).iterdir() if entry.name.startswith(f"{name}-")]
    return tuple(entry.read_text(encoding="ascii") for entry in sorted(found, key=lambda entry: entry.name))


@cache
def columns(name: str) -> frozenset[tuple[str, str]]:
    """(table, column) of everything the newest version of a schema has."""
    memory = sqlite3.connect(":memory:")
    try:
        memory.executescript("".join(versions(name)))
        return present_columns(memory)
    finally:
        memory.close()


def present_columns(connection: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """(table, column) of everything a file has. Raises sqlite3.Error."""
    rows = connection.execute(
        "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
    )
    return frozenset((table, column) for table, column in rows)


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring a file to the newest version; `PRAGMA user_version` counts. Raises sqlite3.Error; nothing is half done.

    sqlite-utils keeps the record of what was applied when. It is imported here, only when there is something to
    apply: the import takes 0.1 s and up to 24 MiB.
    """
    from sqlite_utils import Database, Migrations  # noqa: PLC0415 - see above

    migrations = Migrations(f"tocsin-{name}")
    for number, text in enumerate(versions(name), start=1):

        def apply(database: Database, *, number: int = number, text: str = text) -> None:
            for statement in _statements(text):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {number:d}")

        migrations(name=f"{name}-{number:03d}")(apply)
    migrations.apply(Database(connection, execute_plugins=False))


def _statements(text: str) -> Iterator[str]:
    """Single statements: `executescript` would commit the migration's transaction."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
