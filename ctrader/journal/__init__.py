"""What was about to be sent when a process died: the journal of trading requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.journal.record import Entry, Intent, Settlement
from ctrader.journal.store import OrderJournal

if TYPE_CHECKING:
    from ctrader.journal.sqlite import SqliteJournal

__all__ = ["Entry", "Intent", "OrderJournal", "Settlement", "SqliteJournal"]

if not TYPE_CHECKING:
    # The core needs the words of a journal, not SQLite, which is loaded by whoever uses it.
    def __getattr__(name):
        if name == "SqliteJournal":
            from ctrader.journal.sqlite import SqliteJournal

            return SqliteJournal
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
