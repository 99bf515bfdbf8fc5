"""A journal in memory that fails when a test wants it to, and tells what it was asked for."""

from __future__ import annotations

from ctrader.errors import DuplicateClientOrderIdError, JournalError
from ctrader.journal import Intent, Settlement

__all__ = ["MemoryJournal"]


class MemoryJournal:
    """An `OrderJournal` whose entries survive its closing."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        """Every call, in order."""
        self.failing: set[str] = set()
        """Names of calls that fail."""
        self.intents: dict[str, Intent] = {}
        self.settled: dict[str, tuple[Settlement, int | None]] = {}
        self.is_open = False
        self.keeps_what_it_fails = False
        """Whether a `begin` that fails has kept the intent all the same."""

    def open(self) -> tuple[Intent, ...]:
        """Become the writer."""
        self._called("open")
        if self.is_open:
            raise JournalError("it is open in another client")
        self.is_open = True
        return tuple(i for name, i in self.intents.items() if name not in self.settled)

    def has_used(self, client_order_id: str) -> bool:
        """Tell whether an id was begun and not proved unsent."""
        return any(
            intent.client_order_id == client_order_id
            and self.settled.get(name, (None, None))[0] is not Settlement.NOT_SENT
            for name, intent in self.intents.items()
        )

    def begin(self, intent: Intent) -> None:
        """Keep a request."""
        if "begin" in self.failing and self.keeps_what_it_fails:
            self.intents[intent.intent_id] = intent
        self._called("begin")
        if intent.client_order_id is not None and self.has_used(intent.client_order_id):
            raise DuplicateClientOrderIdError(intent.client_order_id)
        self.intents[intent.intent_id] = intent

    def settle(self, intent_id: str, settlement: Settlement, order_id: int | None = None) -> None:
        """Keep an end."""
        self._called("settle")
        if intent_id not in self.intents:
            raise JournalError("there is no such intent")
        self.settled[intent_id] = settlement, order_id

    def close(self) -> None:
        """Let somebody else be the writer."""
        self._called("close")
        self.is_open = False

    @property
    def ends(self) -> list[Settlement | None]:
        """How each request ended, in the order in which they were begun; None where unsettled."""
        return [self.settled.get(name, (None, None))[0] for name in self.intents]

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise OSError(f"the disk fails to {name}")
        if name in ("begin", "settle") and not self.is_open:
            raise JournalError("it is not open")
