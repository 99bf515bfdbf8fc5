"""What a journal of trading requests must do."""

from __future__ import annotations

__all__ = ["OrderJournal"]

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ctrader.journal.record import Intent, Settlement


class OrderJournal(Protocol):
    """Keeps trading requests through a crash of their process.

    It is the same for both clients. `open()` comes first, then requests are begun and settled,
    then `close()`; after it `open()` is legal again. Every call blocks and comes on a thread of
    the client's own, never on an event loop and never two at once, but not always on the same
    thread. Errors are `JournalError`; any other is taken for one.
    """

    def open(self) -> tuple[Intent, ...]:
        """Become the one writer, and return what is unsettled, oldest first.

        Each of these may or may not have been sent.

        Raises:
            JournalError: somebody else is the writer, or what is kept cannot be read or trusted.
        """
        ...

    def has_used(self, client_order_id: str) -> bool:
        """Tell whether a client order id was ever begun, unless that was proved not sent.

        Raises:
            JournalError: it cannot be read.
        """
        ...

    def begin(self, intent: Intent) -> None:
        """Keep a request before it is sent; it must be safe when the call returns.

        Raises:
            DuplicateClientOrderIdError: its client order id was used before. Nothing is kept.
            JournalError: it may not last, so it must not be sent. It may be among the unsettled
                ones of a later `open()` all the same.
        """
        ...

    def settle(self, intent_id: str, settlement: Settlement, order_id: int | None = None) -> None:
        """Keep how a request ended.

        What is proved not sent frees its client order id in the same step, for ever after nothing
        else can be said of it. Of other settlements the last one counts.

        Raises:
            JournalError: there is no such request, it ended in a way that this contradicts, or
                this may not last; then it is unsettled still.
        """
        ...

    def close(self) -> None:
        """Let somebody else be the writer. A second call does nothing."""
        ...
