"""The tables of a journal's file, with the proof that nothing in them is damaged.

SQLite finds damage to the structure of a file. Damage to what is written there it would read as if
it were the truth, so each row has a checksum of its own.
"""

from __future__ import annotations

__all__ = [
    "DamagedError",
    "ForeignFileError",
    "check_origin",
    "create_tables",
    "is_used",
    "kept_entries",
    "kept_entry",
    "put_entry",
    "release",
    "remove_settled_before",
    "require_whole",
    "update_entry",
    "use",
]

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from ctrader.journal.record import Entry, Intent, Settlement

APPLICATION: Final = 0x63544F4A
"""Tells a journal from other SQLite files: `cTOJ`."""
VERSION: Final = 1
"""Of the tables; a file of a later one is refused."""

_TABLES: Final = (
    """CREATE TABLE entries (
        number INTEGER PRIMARY KEY,
        intent_id TEXT NOT NULL UNIQUE,
        account_id INTEGER NOT NULL,
        request_type TEXT NOT NULL,
        request BLOB NOT NULL,
        unix_ms INTEGER NOT NULL,
        server_time_ms INTEGER,
        client_order_id TEXT,
        order_id INTEGER,
        position_id INTEGER,
        open_volume INTEGER,
        position_updated_ms INTEGER,
        settlement TEXT,
        resulting_order_id INTEGER,
        checksum INTEGER NOT NULL
    )""",
    """CREATE TABLE used_ids (
        client_order_id TEXT PRIMARY KEY,
        checksum INTEGER NOT NULL
    ) WITHOUT ROWID""",
)
_FIELDS: Final = (
    "number, intent_id, account_id, request_type, request, unix_ms, server_time_ms, "
    "client_order_id, order_id, position_id, open_volume, position_updated_ms, settlement, "
    "resulting_order_id"
)


class ForeignFileError(Exception):
    """The file was written by another program, or by a later version of this one."""


class DamagedError(Exception):
    """The file holds what was never written there."""


class Row(NamedTuple):
    """An entry with its place in the order of all."""

    number: int
    entry: Entry


# The file


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty file a journal."""
    connection.execute("BEGIN")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def check_origin(connection: sqlite3.Connection) -> None:
    """Refuse the file of another program before anything in it is changed.

    Raises:
        ForeignFileError: it is one, or one of a later version.
        DamagedError: no program wrote such a version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise ForeignFileError("it is the file of another program, or damaged")
    if version > VERSION:
        raise ForeignFileError(
            f"it has the layout {version} of a later version of this library, which knows up to "
            f"{VERSION}; or it is damaged"
        )
    if version < VERSION:
        raise DamagedError(f"there is no layout {version}")


def require_whole(connection: sqlite3.Connection) -> None:
    """Make sure that structure, tables and every row are as they were written.

    Raises:
        DamagedError: they are not.
    """
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedError(str(verdict))
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as pattern:
        create_tables(pattern)
        if _schema_of(connection) != _schema_of(pattern):
            raise DamagedError("its tables are not those of a journal")
    for _ in kept_entries(connection):
        pass  # each has proved its checksum
    for client_order_id, checksum in connection.execute(
        "SELECT client_order_id, checksum FROM used_ids"
    ):
        if checksum != _checksum(client_order_id):
            raise DamagedError("a client order id is not what was written")
    (lost,) = connection.execute(
        "SELECT count(*) FROM entries WHERE client_order_id IS NOT NULL AND settlement IS NOT ? "
        "AND client_order_id NOT IN (SELECT client_order_id FROM used_ids)",
        (Settlement.NOT_SENT.value,),
    ).fetchone()
    if lost:
        raise DamagedError(f"{lost} client order ids are missing")


# The entries


def kept_entries(connection: sqlite3.Connection) -> Iterator[Entry]:
    """Give all entries, oldest first.

    Raises:
        DamagedError: one is not what was written.
    """
    for row in connection.execute(f"SELECT {_FIELDS}, checksum FROM entries ORDER BY number"):
        yield _row_of(row).entry


def kept_entry(connection: sqlite3.Connection, intent_id: str) -> Row | None:
    """Find an entry, None where it was never begun, or is no longer kept.

    Raises:
        DamagedError: it is not what was written.
    """
    row = connection.execute(
        f"SELECT {_FIELDS}, checksum FROM entries WHERE intent_id = ?", (intent_id,)
    ).fetchone()
    return None if row is None else _row_of(row)


def put_entry(connection: sqlite3.Connection, entry: Entry) -> None:
    """Add an entry behind all others."""
    (number,) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM entries").fetchone()
    fields = _fields_of(Row(number, entry))
    places = ", ".join("?" * (len(fields) + 1))
    connection.execute(
        f"INSERT INTO entries ({_FIELDS}, checksum) VALUES ({places})",
        (*fields, _checksum(*fields)),
    )


def update_entry(connection: sqlite3.Connection, row: Row) -> None:
    """Write anew how an entry ended."""
    connection.execute(
        "UPDATE entries SET settlement = ?, resulting_order_id = ?, checksum = ? WHERE number = ?",
        (
            *_fields_of(row)[-2:],
            _checksum(*_fields_of(row)),
            row.number,
        ),
    )


def remove_settled_before(connection: sqlite3.Connection, newest: int) -> None:
    """Remove what is settled, but for so many numbers at the end."""
    connection.execute(
        "DELETE FROM entries WHERE number <= (SELECT max(number) FROM entries) - ? "
        "AND settlement IS NOT NULL",
        (newest,),
    )


# The client order ids


def is_used(connection: sqlite3.Connection, client_order_id: str) -> bool:
    """Tell whether an id was used."""
    return (
        connection.execute(
            "SELECT 1 FROM used_ids WHERE client_order_id = ?", (client_order_id,)
        ).fetchone()
        is not None
    )


def use(connection: sqlite3.Connection, client_order_id: str) -> None:
    """Keep an id as used."""
    connection.execute(
        "INSERT INTO used_ids (client_order_id, checksum) VALUES (?, ?)",
        (client_order_id, _checksum(client_order_id)),
    )


def release(connection: sqlite3.Connection, client_order_id: str) -> None:
    """Let an id be used again."""
    connection.execute("DELETE FROM used_ids WHERE client_order_id = ?", (client_order_id,))


# Private


def _schema_of(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Return what SQLite keeps of tables and indexes, but for their places in the file."""
    return connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    ).fetchall()


def _fields_of(row: Row) -> tuple[object, ...]:
    """Return an entry in the order of the columns."""
    intent, settlement = row.entry.intent, row.entry.settlement
    return (
        row.number,
        intent.intent_id,
        intent.account_id,
        intent.request_type,
        intent.request,
        intent.unix_ms,
        intent.server_time_ms,
        intent.client_order_id,
        intent.order_id,
        intent.position_id,
        intent.open_volume,
        intent.position_updated_ms,
        None if settlement is None else settlement.value,
        row.entry.order_id,
    )


def _row_of(found: tuple[Any, ...]) -> Row:
    """Read a row of the file, its checksum last."""
    *fields, checksum = found
    if checksum != _checksum(*fields):
        raise DamagedError(f"entry {fields[0]} is not what was written")
    number, intent_id, account_id, request_type, request, unix_ms, *rest = fields
    server_time_ms, client_order_id, order_id, position_id, *rest = rest
    open_volume, position_updated_ms, settlement, resulting = rest
    intent = Intent(
        intent_id=intent_id,
        account_id=account_id,
        request_type=request_type,
        request=request,
        unix_ms=unix_ms,
        server_time_ms=server_time_ms,
        client_order_id=client_order_id,
        order_id=order_id,
        position_id=position_id,
        open_volume=open_volume,
        position_updated_ms=position_updated_ms,
    )
    try:
        ending = None if settlement is None else Settlement(settlement)
    except ValueError:
        raise DamagedError(f"entry {number} ended in a way that there is not") from None
    return Row(number, Entry(intent, ending, resulting))


def _checksum(*fields: object) -> int:
    return zlib.crc32(msgspec.msgpack.encode(fields))
