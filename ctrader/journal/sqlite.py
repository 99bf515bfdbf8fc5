"""Keep trading requests in an SQLite file, through kills and losses of power."""

from __future__ import annotations

__all__ = ["KEPT_SETTLED", "SqliteJournal"]

import contextlib
import functools
import os
import sqlite3
import stat
import sys
import threading
import weakref
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Final

from ctrader.errors import DuplicateClientOrderIdError, JournalError
from ctrader.file_lock import locked_file
from ctrader.journal import layout
from ctrader.journal.record import Entry, Intent, Settlement

KEPT_SETTLED: Final = 10_000
"""Settled entries that are kept, for whoever wants to know later what was sent."""
LOCK_TIMEOUT: Final = 2.0
"""Seconds to wait for the writer's place: a writer that is just closing needs less."""


class SqliteJournal:
    """Keep trading requests in a file, committed to the disk before they are sent.

    A request that was begun is found again after a crash of the process, of the computer, or of
    its power supply. One client at a time writes to a file; each needs a file of its own. The
    folder is made for its owner alone (0700), so is the file (0600); a folder or a file that
    others may write to is refused. It must not lie on a network drive, where locks and disks
    cannot be trusted.

    Unsettled requests are kept until they are settled, and the last 10,000 settled ones for
    whoever wants to look. The client order ids of orders are kept for ever, about 50 bytes each:
    the server would not notice a repeated one, and would place the order twice.

    What others than this class wrote into the file is found by checksums at the next `open()`,
    which refuses it. Moving the file away is the way to begin anew; whatever it held unsettled has
    to be looked up by hand then.

    All calls may come from any thread. In a forked child the journal is closed, and the parent's
    goes on.
    """

    # A rollback journal and not a write-ahead log: in a damaged log SQLite takes what lies before
    # the damage for the truth and drops the rest in silence, a file of its own that is lost takes
    # requests with it, and closing the connection in a forked child would empty the parent's log.
    # It costs three writes to the disk more than a log for each request.

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        lock_timeout: float = LOCK_TIMEOUT,
        has_modes: bool = sys.platform != "win32",
    ) -> None:
        """Choose the file; nothing is made before it is opened.

        Args:
            path: The file; beside it are one that is locked (`.lock`) and one with what undoes a
                write that was cut off (`-journal`). Move or copy all of them together, while no
                client is open.
            lock_timeout: Seconds to wait for another writer to close.
            has_modes: Whether files say who may use them; in Windows the user's profile is the
                user's own.
        """
        self._path = Path(path).absolute()
        self._lock_timeout = lock_timeout
        self._has_modes = has_modes
        self._guard = threading.RLock()
        self._held = contextlib.ExitStack()
        self._connection: sqlite3.Connection | None = None
        self._left_to: int | None = None
        if hasattr(os, "register_at_fork"):
            reference: weakref.ref[SqliteJournal] = weakref.ref(self)
            os.register_at_fork(
                before=functools.partial(self._before_fork, reference),
                after_in_parent=functools.partial(self._after_fork, reference),
                after_in_child=functools.partial(self._after_fork_in_child, reference),
            )

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def open(self) -> tuple[Intent, ...]:
        """Become the one writer, and return what is unsettled, oldest first.

        The whole file is checked: half a second for 200,000 orders.

        Raises:
            JournalError: another client has it open, here or in another process; others may write
                to it; it is damaged, or no journal, or one of a later version; it cannot be made.
        """
        with self._guard, self._explained("open"):
            if self._connection is not None:
                raise self._in_use()
            with contextlib.ExitStack() as held:
                path = Path(os.path.realpath(self._path))  # one file, one lock
                self._lock(path, held)
                connection = self._opened(path, held)
                unsettled = tuple(
                    entry.intent
                    for entry in layout.kept_entries(connection)
                    if entry.settlement is None
                )
                self._held = held.pop_all()
            self._connection, self._left_to = connection, None
            return unsettled

    def has_used(self, client_order_id: str) -> bool:
        """Tell whether a client order id was ever begun, unless that was proved not sent.

        Raises:
            JournalError: the journal is not open, or cannot be read.
        """
        with self._guard, self._explained("read"):
            return layout.is_used(self._writer(), client_order_id)

    def entries(self) -> tuple[Entry, ...]:
        """Return all that is kept, oldest first: unsettled, and the last of the settled.

        Raises:
            JournalError: the journal is not open, or cannot be read.
        """
        with self._guard, self._explained("read"):
            return tuple(layout.kept_entries(self._writer()))

    def begin(self, intent: Intent) -> None:
        """Keep a request before it is sent; it is on the disk when the call returns.

        Raises:
            DuplicateClientOrderIdError: its client order id was used before. Nothing is kept.
            JournalError: the journal is not open, the intent's id was used before, or the disk is
                full or failed. Then it must not be sent; a disk that failed while it wrote may
                have kept it all the same, as unsettled.
        """
        with self._transaction("record a trading request") as connection:
            client_order_id = intent.client_order_id
            if client_order_id is not None:
                if layout.is_used(connection, client_order_id):
                    raise DuplicateClientOrderIdError(client_order_id)
                layout.use(connection, client_order_id)
            if layout.kept_entry(connection, intent.intent_id) is not None:
                raise JournalError(
                    f"Intent {intent.intent_id!r} is in {self._path} already. Give each its own id"
                )
            layout.put_entry(connection, Entry(intent))

    def settle(self, intent_id: str, settlement: Settlement, order_id: int | None = None) -> None:
        """Keep how a request ended; it is on the disk when the call returns.

        What is proved not sent frees its client order id in the same step, and ends for good. Of
        other settlements the last one counts: a late answer may show that there was an effect.

        Args:
            intent_id: The request.
            settlement: How it ended.
            order_id: The order that came of it, where there is one.

        Raises:
            JournalError: there is no such request, it ended in a way that this contradicts, the
                journal is not open, or the disk is full or failed.
        """
        with self._transaction("settle a trading request") as connection:
            row = layout.kept_entry(connection, intent_id)
            if row is None:
                raise JournalError(
                    f"There is no intent {intent_id!r} in {self._path}. Begin it first"
                )
            before, client_order_id = row.entry.settlement, row.entry.intent.client_order_id
            if before not in (None, settlement) and Settlement.NOT_SENT in (before, settlement):
                raise JournalError(
                    f"Intent {intent_id!r} ended as {before!r} and cannot end as "
                    f"{settlement.value!r}. Look up in the account what became of it"
                )
            if before is None and settlement is Settlement.NOT_SENT and client_order_id is not None:
                layout.release(connection, client_order_id)
            entry = replace(row.entry, settlement=settlement, order_id=order_id)
            layout.update_entry(connection, row._replace(entry=entry))
            layout.remove_settled_before(connection, KEPT_SETTLED)

    def close(self) -> None:
        """Let somebody else be the writer. A second call does nothing."""
        with self._guard, self._explained("close"):
            self._connection = None
            self._held.close()

    # Private: the file

    def _lock(self, path: Path, held: contextlib.ExitStack) -> None:
        """Make the folder, and keep other writers out."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._require_private(path.parent, "700")
        try:
            held.enter_context(locked_file(path.with_name(f"{path.name}.lock"), self._lock_timeout))
        except TimeoutError as error:
            raise self._in_use() from error

    def _opened(self, path: Path, held: contextlib.ExitStack) -> sqlite3.Connection:
        """Open the file, make it if there is none, and trust it only after it was checked."""
        if not path.exists():
            self._make(path)
        self._require_private(path, "600")
        if path.stat().st_size == 0:
            raise layout.DamagedError("it is empty, which a journal never is")
        connection = held.enter_context(contextlib.closing(_connected(path, self._lock_timeout)))
        layout.check_origin(connection)
        _set_up(connection, "TRUNCATE")
        layout.require_whole(connection)
        return connection

    def _make(self, path: Path) -> None:
        """Make the file at once or not at all, so that an empty one is known as damaged."""
        undo = path.with_name(f"{path.name}-journal")
        if undo.exists() and undo.stat().st_size:
            raise layout.DamagedError(f"it is gone, and has left {undo} behind")
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)  # of a process that was killed here; nothing counts on it
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with contextlib.closing(_connected(new, self._lock_timeout)) as connection:
            _set_up(connection, "MEMORY")  # what is cut off is not undone but made again
            layout.create_tables(connection)
        new.replace(path)
        if self._has_modes:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the new name is on the disk, too
            finally:
                os.close(folder)

    def _require_private(self, path: Path, remedy: str) -> None:
        """Refuse what others may change."""
        mode = stat.S_IMODE(path.stat().st_mode)
        if self._has_modes and mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise JournalError(
                f"Others may change {path} (mode {mode:04o}). Take that right away: "
                f"chmod {remedy} {path}"
            )

    # Private: the calls

    def _writer(self) -> sqlite3.Connection:
        if self._left_to is not None:
            raise JournalError(
                f"The journal {self._path} was left to process {self._left_to} by a fork. Open one "
                "with a file of its own in this process"
            )
        if self._connection is None:
            raise JournalError(f"The journal {self._path} is not open. Call open() first")
        return self._connection

    @contextlib.contextmanager
    def _transaction(self, what: str) -> Generator[sqlite3.Connection, None, None]:
        """Commit what the context writes, or nothing of it."""
        with self._guard, self._explained(what):
            connection = self._writer()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _explained(self, what: str) -> Generator[None, None, None]:
        """Let no error out but the journal's own."""
        try:
            yield
        except layout.ForeignFileError as error:
            raise JournalError(
                f"{self._path} is no journal that can be used here: {error}. Give SqliteJournal "
                "another file, or update the library"
            ) from error
        except layout.DamagedError as error:
            raise self._damaged(str(error)) from error
        except sqlite3.Error as error:
            raise self._failed(what, error) from error
        except (OSError, OverflowError, UnicodeError) as error:
            raise JournalError(
                f"Could not {what} in the journal {self._path}: {error}. See that the folder is "
                "there and can be written to",
            ) from error

    def _failed(self, what: str, error: sqlite3.Error) -> JournalError:
        """Tell what an error of SQLite means for the user."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            return self._in_use()
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._damaged(str(error))
        return JournalError(
            f"Could not {what} in the journal {self._path}: {error}. See that the disk is not "
            "full, and that the file and its folder can be written to",
        )

    def _damaged(self, how: str) -> JournalError:
        return JournalError(
            f"The journal {self._path} is damaged or was written by another program: {how}. Look "
            "up in the account what became of the last orders, then move the file away"
        )

    def _in_use(self) -> JournalError:
        return JournalError(
            f"The journal {self._path} is open in another client, here or in another process. "
            "Close that one, or give each client a file of its own"
        )

    # Private: at a fork

    @staticmethod
    def _before_fork(reference: weakref.ref[SqliteJournal]) -> None:
        """Wait for the end of a transaction, which the child would roll back in the file."""
        journal = reference()
        if journal is not None:
            journal._guard.acquire()

    @staticmethod
    def _after_fork(reference: weakref.ref[SqliteJournal]) -> None:
        journal = reference()
        if journal is not None:
            journal._guard.release()

    @staticmethod
    def _after_fork_in_child(reference: weakref.ref[SqliteJournal]) -> None:
        """Close the child's copies: as long as it lived, its lock would outlive the parent."""
        journal = reference()
        if journal is not None:
            if journal._connection is not None:
                journal._connection, journal._left_to = None, os.getppid()
                journal._held.close()
            journal._guard.release()


# Private


def _connected(path: Path, timeout: float) -> sqlite3.Connection:
    """Open a file that is there; calls come from several threads, one at a time."""
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        check_same_thread=False,
    )


def _set_up(connection: sqlite3.Connection, undo: str) -> None:
    """Let a commit return when it is on the disk, and no other program in between."""
    for setting in (
        "locking_mode = EXCLUSIVE",
        "synchronous = FULL",
        "fullfsync = ON",  # macOS: through the cache of the disk itself
        "cell_size_check = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {setting}")
    (mode,) = connection.execute(f"PRAGMA journal_mode = {undo}").fetchone()
    if mode != undo.lower():
        raise layout.DamagedError(f"it does not take the journal mode {undo}")
    connection.execute("BEGIN EXCLUSIVE")  # from now on no other program has a lock on the file
    connection.execute("COMMIT")
