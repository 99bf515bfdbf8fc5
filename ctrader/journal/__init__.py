"""What was about to be sent when a process died: the journal of trading requests."""

from ctrader.journal.record import Entry, Intent, Settlement
from ctrader.journal.sqlite import SqliteJournal
from ctrader.journal.store import OrderJournal

__all__ = ["Entry", "Intent", "OrderJournal", "Settlement", "SqliteJournal"]
