"""What is kept of one trading request."""

from __future__ import annotations

__all__ = ["Entry", "Intent", "Settlement"]

from dataclasses import dataclass
from enum import StrEnum


class Settlement(StrEnum):
    """How a trading request ended."""

    DONE = "done"
    """The server did what was asked."""
    REJECTED = "rejected"
    """The server definitely refused it."""
    NOT_SENT = "not sent"
    """It was proved that nothing was sent. Its client order id may be used again."""
    NO_EFFECT = "no effect"
    """It may have been sent, and was proved to have changed nothing."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A trading request as it is before it is sent."""

    intent_id: str
    """Tells it from all others; made by whoever sends it."""
    account_id: int
    """The account that it is for."""
    request_type: str
    """Name of the message, such as `ProtoOANewOrderReq`."""
    request: bytes
    """The message itself, serialised. Trading requests hold no secrets."""
    unix_ms: int
    """Wall time of this computer, in Unix milliseconds."""
    server_time_ms: int | None = None
    """Last time of the server seen before, in Unix milliseconds; None where none was."""
    client_order_id: str | None = None
    """Client order id of a new order; None where the message has none."""
    order_id: int | None = None
    """The order that is to be changed or cancelled."""
    position_id: int | None = None
    """The position that is to be changed or closed."""
    open_volume: int | None = None
    """What is open of the position that is to be closed, in hundredths of a unit, as far as known.

    If as much is open afterwards and nothing was added to it, the close had no effect."""
    position_updated_ms: int | None = None
    """When that position was last updated, in Unix milliseconds of the server; None if unknown."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A trading request, and what is known of its end."""

    intent: Intent
    """What was to be sent."""
    settlement: Settlement | None = None
    """How it ended; None as long as that is not known."""
    order_id: int | None = None
    """The order that came of it, where there is one."""
