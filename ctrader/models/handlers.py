"""Describe how the consumers of events are doing."""

from __future__ import annotations

__all__ = ["HandlerReport"]

import msgspec

from ctrader.errors import SlowConsumerError


class HandlerReport(msgspec.Struct, frozen=True):
    """What one registered handler was given, and what it was spared.

    Of the events that it wanted, `delivered`, `merged`, `dropped` and `waiting` are the whole.
    """

    name: str
    """How the log calls it."""
    event_type: type
    """The type of event that it was registered for."""
    account_id: int | None
    """The only account whose events it gets; None for every account."""
    symbol_id: int | None
    """The only symbol whose events it gets; None for every symbol."""
    delivered: int
    """Events that it was called with, the one that it is busy with included."""
    waiting: int
    """Events that wait for it."""
    merged: int
    """Quotes that were merged into newer ones of their symbol because it was behind."""
    dropped: int
    """Events that it never gets, because it had ended for being too slow."""
    failed: int
    """Events for which it raised."""
    error: SlowConsumerError | None
    """Why it gets nothing any more; None while it does."""
