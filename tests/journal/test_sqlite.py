"""A journal in an SQLite file: what it keeps, what it refuses, and what disks do to it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ctrader.errors import DuplicateClientOrderIdError, JournalError
from ctrader.file_lock import locked_file
from ctrader.journal import Entry, OrderJournal, Settlement, SqliteJournal
from ctrader.journal import sqlite as module
from tests.journal.intents import cancel, order

posix = pytest.mark.skipif(os.name != "posix", reason="needs file modes")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "private" / "orders.journal"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(path, lock_timeout=0)
    journal.open()
    yield journal
    journal.close()


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[sqlite3.Connection]:
    """Collect the connections that journals open to their files."""
    opened: list[sqlite3.Connection] = []

    class Collected(sqlite3.Connection):
        def __init__(self, database: str, **options: bool | float | None) -> None:
            super().__init__(database, **options)  # type: ignore[arg-type]  # handed on as it is
            if database != ":memory:":
                opened.append(self)

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *of, **options: connect(*of, factory=Collected, **options)
    )
    return opened


def refused(action: Callable[[], object]) -> str:
    """Do what must fail, and return the error's text."""
    with pytest.raises(JournalError) as caught:
        action()
    return str(caught.value)


def found_in(path: Path) -> tuple[Entry, ...]:
    """Return what the next process finds."""
    journal = SqliteJournal(path, lock_timeout=0)
    journal.open()
    try:
        return journal.entries()
    finally:
        journal.close()


# What is kept


def test_it_is_a_journal(journal: SqliteJournal):
    kept: OrderJournal = journal
    assert kept is journal


def test_unsettled_requests_are_found_again_as_they_were_oldest_first(
    journal: SqliteJournal, path: Path
):
    intents = (order(5), cancel(4), replace(order(3), request=bytes(range(256)), account_id=-1))
    for intent in intents:
        journal.begin(intent)
    journal.close()
    assert journal.open() == intents
    assert journal.entries() == tuple(Entry(intent) for intent in intents)
    journal.close()
    assert found_in(path) == tuple(Entry(intent) for intent in intents)


@pytest.mark.parametrize("settlement", Settlement)
def test_settled_request_is_kept_with_its_end_and_not_found_as_unsettled(
    journal: SqliteJournal, settlement: Settlement
):
    journal.begin(order(1))
    journal.begin(cancel(2))
    journal.settle("intent-1", settlement, 99)
    journal.close()
    assert journal.open() == (cancel(2),)
    assert journal.entries() == (Entry(order(1), settlement, 99), Entry(cancel(2)))


def test_late_answer_corrects_a_settlement(journal: SqliteJournal):
    journal.begin(order(1))
    journal.settle("intent-1", Settlement.NO_EFFECT)
    journal.settle("intent-1", Settlement.DONE, 5)
    assert journal.entries() == (Entry(order(1), Settlement.DONE, 5),)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Settlement.DONE, Settlement.NOT_SENT),
        (Settlement.NO_EFFECT, Settlement.NOT_SENT),
        (Settlement.NOT_SENT, Settlement.DONE),
    ],
)
def test_settlement_that_contradicts_another_changes_nothing(
    journal: SqliteJournal, first: Settlement, second: Settlement
):
    journal.begin(order(1))
    journal.settle("intent-1", first)
    used = journal.has_used("ct-000000000000000000000001")
    text = refused(lambda: journal.settle("intent-1", second))
    assert f"cannot end as '{second.value}'" in text
    assert journal.entries() == (Entry(order(1), first),)
    assert journal.has_used("ct-000000000000000000000001") is used


def test_settlement_of_what_was_never_begun_is_refused(journal: SqliteJournal):
    assert "no intent 'intent-1'" in refused(lambda: journal.settle("intent-1", Settlement.DONE))


def test_intent_with_an_id_of_another_is_refused(journal: SqliteJournal):
    journal.begin(order(1))
    other = replace(order(2), intent_id="intent-1")
    assert "Give each its own id" in refused(lambda: journal.begin(other))
    assert journal.entries() == (Entry(order(1)),)
    assert not journal.has_used(str(other.client_order_id))


# The client order ids


def test_client_order_id_is_used_once_in_the_life_of_the_file(journal: SqliteJournal):
    first, second = order(1), replace(order(2), client_order_id=order(1).client_order_id)
    assert not journal.has_used(str(first.client_order_id))
    journal.begin(first)
    journal.settle("intent-1", Settlement.REJECTED)
    journal.close()
    journal.open()
    assert journal.has_used(str(first.client_order_id))
    with pytest.raises(DuplicateClientOrderIdError) as caught:
        journal.begin(second)
    assert caught.value.client_order_id == first.client_order_id
    assert journal.entries() == (Entry(first, Settlement.REJECTED),)


def test_order_that_was_not_sent_frees_its_client_order_id_once(journal: SqliteJournal):
    journal.begin(order(1))
    journal.settle("intent-1", Settlement.NOT_SENT)
    assert not journal.has_used(str(order(1).client_order_id))
    again = replace(order(1), intent_id="intent-2")
    journal.begin(again)
    journal.settle("intent-1", Settlement.NOT_SENT)  # told twice, when the id has another owner
    assert journal.has_used(str(order(1).client_order_id))
    journal.close()
    assert journal.open() == (again,)


def test_old_settled_entries_go_and_their_client_order_ids_stay(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "KEPT_SETTLED", 3)
    journal.begin(order(0))
    for number in range(1, 8):
        journal.begin(order(number))
        journal.settle(f"intent-{number}", Settlement.DONE)
    kept = [entry.intent for entry in journal.entries()]
    assert kept == [order(0), order(5), order(6), order(7)]
    assert all(journal.has_used(str(order(number).client_order_id)) for number in range(8))
    journal.close()
    assert journal.open() == (order(0),)


# One writer


def test_journal_that_another_client_has_open_is_refused(journal: SqliteJournal, path: Path):
    journal.begin(order(1))
    other = SqliteJournal(path, lock_timeout=0)
    assert "Close that one" in refused(other.open)
    assert "Close that one" in refused(journal.open)  # another client with the same object
    journal.begin(order(2))
    journal.close()
    assert other.open() == (order(1), order(2))
    assert "Close that one" in refused(journal.open)
    other.close()


@posix
def test_journal_under_another_name_is_the_same(journal: SqliteJournal, path: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(path)
    path.with_name("twin").hardlink_to(path)
    for other in (tmp_path / "link", path.with_name("twin")):
        assert "Close that one" in refused(SqliteJournal(other, lock_timeout=0).open)


def test_file_that_another_program_writes_to_is_refused(journal: SqliteJournal, path: Path):
    journal.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "Close that one" in refused(journal.open)
    journal.open()
    with (
        contextlib.closing(sqlite3.connect(path, timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("SELECT * FROM entries")


def test_place_of_the_writer_is_waited_for(path: Path):
    path.parent.mkdir(parents=True, mode=0o700)
    journal = SqliteJournal(path, lock_timeout=10)
    found: list[object] = []
    with locked_file(path.with_name("orders.journal.lock"), 0):
        waiting = threading.Thread(target=lambda: found.append(journal.open()))
        waiting.start()
        assert not found
    waiting.join()
    assert found == [()]
    journal.close()


def test_open_that_failed_leaves_the_place_to_others(path: Path):
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_bytes(b"")
    journal = SqliteJournal(path, lock_timeout=0)
    refused(journal.open)
    refused(journal.open)
    path.unlink()
    assert journal.open() == ()
    journal.close()


def test_closed_journal_is_refused_and_closes_again(journal: SqliteJournal):
    journal.close()
    journal.close()
    for call in (
        lambda: journal.begin(order(1)),
        lambda: journal.settle("intent-1", Settlement.DONE),
        lambda: journal.has_used("ct-1"),
        journal.entries,
    ):
        assert "Call open() first" in refused(call)


def test_calls_may_come_from_any_thread(journal: SqliteJournal):
    def call(number: int) -> None:
        journal.begin(order(number))
        journal.settle(f"intent-{number}", Settlement.DONE)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.intent for entry in journal.entries()} == {order(n) for n in range(8)}
    closing = threading.Thread(target=journal.close)
    closing.start()
    closing.join()
    assert journal.open() == ()


# Files and folders


@posix
def test_folder_and_files_are_their_owners_alone(path: Path):
    before = os.umask(0)
    try:
        journal = SqliteJournal(path)
        journal.open()
        journal.begin(order(1))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    journal.close()
    names = ("orders.journal", "orders.journal-journal", "orders.journal.lock")
    assert modes == dict.fromkeys(names, 0o600)


@posix
def test_folder_and_file_that_others_may_write_to_are_refused(journal: SqliteJournal, path: Path):
    journal.close()
    path.chmod(0o620)
    assert f"chmod 600 {path}" in refused(journal.open)
    path.chmod(0o644)
    path.parent.chmod(0o702)
    assert f"chmod 700 {path.parent}" in refused(journal.open)
    path.parent.chmod(0o755)
    assert journal.open() == ()


@posix
def test_modes_mean_nothing_in_windows(path: Path):
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o777)
    journal = SqliteJournal(path, has_modes=False)
    journal.open()
    path.chmod(0o666)
    journal.close()
    assert journal.open() == ()
    journal.close()


@pytest.mark.parametrize("name", ["a?mode=ro#b", "%41 ä", ":memory:"])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str):
    path = tmp_path / "private" / name
    journal = SqliteJournal(path)
    journal.open()
    journal.begin(order(1))
    journal.close()
    assert path.exists()
    assert found_in(path) == (Entry(order(1)),)


def test_path_is_that_of_the_folder_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    journal = SqliteJournal("private/orders.journal")
    monkeypatch.chdir("/")
    assert journal.path == tmp_path / "private" / "orders.journal"


def test_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    text = refused(SqliteJournal(tmp_path / "file" / "orders.journal").open)
    assert "Could not open" in text


def test_file_is_there_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = SqliteJournal(path, lock_timeout=0)

    def fail(source: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        assert "Input/output error" in refused(journal.open)
    assert not path.exists()
    path.with_name("orders.journal.new").write_bytes(b"cut off")
    assert journal.open() == ()
    journal.close()
    assert not path.with_name("orders.journal.new").exists()


# Disks


def test_commit_returns_when_it_is_on_the_disk(
    connections: list[sqlite3.Connection], journal: SqliteJournal
):
    settings = {
        name: connections[-1].execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "fullfsync", "journal_mode", "locking_mode")
    }
    assert settings == {
        "synchronous": 2,
        "fullfsync": 1,
        "journal_mode": "truncate",
        "locking_mode": "exclusive",
    }


def fill(journal: SqliteJournal, first: int) -> int:
    """Begin until the disk is full, and return the number of the one that found no place."""
    numbers = iter(range(first, first + 1000))

    def begin_all() -> None:
        for number in numbers:
            journal.begin(order(number))

    text = refused(begin_all)
    assert "See that the disk is not full" in text
    return next(numbers) - 1


def test_full_disk_is_told_before_anything_counts_as_begun(
    connections: list[sqlite3.Connection], journal: SqliteJournal, path: Path
):
    (pages,) = connections[-1].execute("PRAGMA page_count").fetchone()
    connections[-1].execute(f"PRAGMA max_page_count = {pages + 3}")
    lost = fill(journal, 0)
    assert not journal.has_used(str(order(lost).client_order_id))
    refused(lambda: journal.begin(order(lost)))
    connections[-1].execute("PRAGMA max_page_count = 1000000")
    journal.begin(order(lost))
    journal.close()
    assert found_in(path) == tuple(Entry(order(number)) for number in range(lost + 1))


@posix
def test_disk_that_fails_while_it_writes_is_told_and_the_file_stays_whole(
    journal: SqliteJournal, path: Path
):
    import resource

    journal.begin(order(0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python ignores the signal; the system refuses to make any file larger than this.
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 8192, before[1]))
    try:
        lost = fill(journal, 1)
        refused(lambda: journal.begin(order(lost)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.begin(order(lost))
    journal.close()
    assert found_in(path) == tuple(Entry(order(number)) for number in range(lost + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder where not even root may write")
def test_folder_that_cannot_be_written_to_is_told():
    assert "can be written to" in refused(SqliteJournal("/proc/orders.journal").open)


def test_what_sqlite_cannot_hold_is_told(journal: SqliteJournal):
    for odd in (
        replace(order(1), order_id=2**63),
        replace(order(1), client_order_id="\ud800"),
    ):
        assert "Could not record" in refused(partial(journal.begin, odd))
    assert journal.entries() == ()
    assert not journal.has_used(str(order(1).client_order_id))
