"""Files that are no journals: of other programs, of later versions, and damaged in any way."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from ctrader.errors import JournalError
from ctrader.journal import Entry, Settlement, SqliteJournal
from tests.journal.intents import cancel, order

ORDERS: Final = 60
PAGE: Final = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make a journal of several pages, with requests in each state."""
    path = tmp_path_factory.mktemp("private", numbered=True) / "orders.journal"
    journal = SqliteJournal(path, lock_timeout=0)
    journal.open()
    for number in range(ORDERS):
        journal.begin(order(number) if number % 4 else cancel(number))
        if number % 5:
            journal.settle(f"intent-{number}", list(Settlement)[number % 4], number)
    journal.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, whole: bytes) -> Path:
    """Copy that journal."""
    path = tmp_path / "private" / "orders.journal"
    path.parent.mkdir(mode=0o700)
    path.write_bytes(whole)
    path.chmod(0o600)
    return path


def opened(path: Path) -> tuple[Entry, ...]:
    """Return what is in a journal."""
    journal = SqliteJournal(path, lock_timeout=0)
    try:
        unsettled = journal.open()
        entries = journal.entries()
        assert unsettled == tuple(entry.intent for entry in entries if entry.settlement is None)
        for entry in entries:
            client_order_id = entry.intent.client_order_id
            if client_order_id is not None:
                is_used = entry.settlement is not Settlement.NOT_SENT
                assert journal.has_used(client_order_id) is is_used
        return entries
    finally:
        journal.close()


def change(path: Path, statement: str) -> None:
    """Let another program write to the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def refused(path: Path) -> str:
    """Fail to open a file, which stays as it is, and return the error's text."""
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        opened(path)
    assert path.read_bytes() == before
    return str(caught.value)


# Other programs


def test_file_of_another_program_is_refused(path: Path):
    path.unlink()
    change(path, "CREATE TABLE notes (text)")
    path.chmod(0o600)
    assert "the file of another program" in refused(path)
    path.write_text("A text that is much longer than nothing. " * 100)
    assert "written by another program" in refused(path)


def test_file_of_a_later_version_is_refused(path: Path):
    change(path, "PRAGMA user_version = 2")
    assert "update the library" in refused(path)


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA user_version = 0",
        "PRAGMA user_version = -1",
        "DROP TABLE used_ids",
        "CREATE TABLE more (text)",
        "CREATE INDEX accounts ON entries (account_id)",
        "DELETE FROM used_ids",
        "UPDATE used_ids SET client_order_id = client_order_id || 'x'",
        "UPDATE entries SET settlement = 'done', resulting_order_id = 1 WHERE settlement IS NULL",
        "UPDATE used_ids SET checksum = checksum + 1",
        "UPDATE entries SET settlement = NULL",
        "UPDATE entries SET account_id = 'seven'",
        "UPDATE entries SET request = x'00'",
        "UPDATE entries SET checksum = 1.5",
    ],
)
def test_what_others_wrote_into_the_file_is_damage(path: Path, statement: str):
    change(path, statement)
    assert "move the file away" in refused(path)


# Damage


def test_file_that_was_emptied_is_not_taken_for_a_new_one(path: Path):
    path.write_bytes(b"")
    assert "it is empty" in refused(path)


def test_file_that_is_gone_in_the_middle_of_a_write_is_not_made_anew(path: Path):
    path.with_name("orders.journal-journal").write_bytes(b"x" * 512)
    path.unlink()
    with pytest.raises(JournalError, match="it is gone"):
        opened(path)
    assert not path.exists()


def flipped(data: bytes, dice: Random) -> bytes:
    """Change one bit."""
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]


def overwritten(data: bytes, dice: Random) -> bytes:
    """Write noise over a stretch."""
    at, length = dice.randrange(len(data)), dice.choice((1, 2, 4, 16, 512))
    return (data[:at] + dice.randbytes(length) + data[at + length :])[: len(data)]


def emptied(data: bytes, dice: Random) -> bytes:
    """Write zeros over a block of the disk."""
    at = dice.randrange(len(data) // 512) * 512
    return data[:at] + bytes(512) + data[at + 512 :]


def swapped(data: bytes, dice: Random) -> bytes:
    """Let two pages change places."""
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    one, other = dice.sample(range(len(pages)), 2)
    pages[one], pages[other] = pages[other], pages[one]
    return b"".join(pages)


def cut_off(data: bytes, dice: Random) -> bytes:
    """Lose the end."""
    return data[
        : dice.choice((dice.randrange(len(data)), dice.randrange(len(data) // PAGE) * PAGE))
    ]


def drawn_out(data: bytes, dice: Random) -> bytes:
    """Gain an end."""
    return data + dice.randbytes(dice.choice((1, 512, PAGE)))


def withstand(path: Path, expected: tuple[Entry, ...], damaged: bytes) -> bool:
    """Open a damaged file; tell whether it was refused, else it must hold what it held."""
    path.write_bytes(damaged)
    path.with_name("orders.journal-journal").unlink(missing_ok=True)
    try:
        found = opened(path)
    except JournalError:
        return True
    assert found == expected
    return False


@pytest.mark.parametrize(
    ("way", "least"),
    [(flipped, 10), (overwritten, 10), (emptied, 10), (swapped, 40), (cut_off, 40), (drawn_out, 0)],
)
def test_damage_is_refused_or_does_no_harm(
    path: Path, whole: bytes, way: Callable[[bytes, Random], bytes], least: int
):
    expected, dice = opened(path), Random(11)
    assert len(whole) > 5 * PAGE
    refusals = sum(withstand(path, expected, way(whole, dice)) for _ in range(40))
    assert refusals >= least


def test_damage_to_any_byte_of_the_header_is_refused_or_does_no_harm(path: Path, whole: bytes):
    expected, dice = opened(path), Random(12)
    for at in range(100):
        byte = dice.choice([value for value in range(256) if value != whole[at]])
        withstand(path, expected, whole[:at] + bytes([byte]) + whole[at + 1 :])


def cut_off_in_a_write(path: Path) -> tuple[bytes, bytes]:
    """Return a file in the middle of a write, with the one that undoes it."""
    undo = path.with_name("orders.journal-journal")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA cache_size = 1")  # so that it writes before the commit
        connection.execute("BEGIN")
        connection.execute("UPDATE entries SET request = x'00', client_order_id = NULL")
        connection.execute("DELETE FROM used_ids")
        return path.read_bytes(), undo.read_bytes()


def test_write_that_was_cut_off_is_undone(path: Path, whole: bytes):
    expected = opened(path)
    half, undo = cut_off_in_a_write(path)
    assert half != whole
    path.write_bytes(half)
    path.with_name("orders.journal-journal").write_bytes(undo)
    assert opened(path) == expected
    assert path.read_bytes() == whole


@pytest.mark.parametrize("way", [flipped, overwritten, emptied, cut_off])
def test_damage_to_what_undoes_a_write_is_refused_or_does_no_harm(
    path: Path, way: Callable[[bytes, Random], bytes]
):
    expected, dice = opened(path), Random(13)
    half, undo = cut_off_in_a_write(path)
    for _ in range(30):
        path.write_bytes(half)
        path.with_name("orders.journal-journal").write_bytes(way(undo, dice))
        with contextlib.suppress(JournalError):
            assert opened(path) == expected
