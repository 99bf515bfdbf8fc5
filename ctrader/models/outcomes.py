"""What became of a trading request whose answer was lost."""

from __future__ import annotations

__all__ = ["Evidence", "NoEffect", "OrderOutcome", "TookEffect", "UnresolvedOrder"]

from datetime import datetime
from enum import Enum
from typing import TypeAlias

import msgspec

from ctrader.errors import APIError
from ctrader.models.deals import Deal
from ctrader.models.orders import Order
from ctrader.models.positions import Position


class Evidence(Enum):
    """What settled an outcome."""

    ANSWER = "answer"
    """The server's own answer, which came late."""
    EVENT = "event"
    """An event that names the order's own id."""
    STATE = "state"
    """What is open: the pending orders and the positions."""
    HISTORY = "history"
    """The orders of the past, with their deals."""
    ABSENCE = "absence"
    """Three whole looks, long enough after it was sent, that found nothing."""


class UnresolvedOrder(msgspec.Struct, frozen=True):
    """A trading request that was sent, and of which nobody knows yet what became."""

    client_msg_id: str
    """The id of its frame, which names it among all requests of all clients."""
    account_id: int
    """The account."""
    request_type: str
    """Name of the request, such as `ProtoOANewOrderReq`."""
    sent_at: datetime
    """When it was handed to the network, by this computer's clock."""
    client_order_id: str | None = None
    """The order's own id; None for requests that have none."""
    order_id: int | None = None
    """Order that it changes or cancels, or that is known to have come of it."""
    position_id: int | None = None
    """Position that it changes or closes, or that is known to have come of it."""
    cause: str | None = None
    """What kept the answer away; None where its caller went away."""
    is_from_journal: bool = False
    """Whether an earlier process has left it in the journal.

    It may or may not have been sent. `sent_at` is when it was about to be, and `client_msg_id` the
    name of its entry."""


class TookEffect(msgspec.Struct, frozen=True):
    """The server carried the request out."""

    request: UnresolvedOrder
    """What was asked."""
    evidence: Evidence
    """What shows it."""
    order: Order | None = None
    """The order as it was found; None for a change of a position's levels."""
    position: Position | None = None
    """The position, where it was found open or an event told it."""
    deals: tuple[Deal, ...] = ()
    """What was filled, oldest first."""

    @property
    def took_effect(self) -> bool:
        """True: it is the other outcome that had none."""
        return True


class NoEffect(msgspec.Struct, frozen=True):
    """The server did not carry the request out, and will not: it is safe to ask anew."""

    request: UnresolvedOrder
    """What was asked."""
    evidence: Evidence
    """What shows it."""
    error: APIError | None = None
    """The server's refusal; None where it is the absence that proves it."""
    order: Order | None = None
    """The order that was to be changed or cancelled, as it stands."""
    position: Position | None = None
    """The position that was to be changed or closed, as it stands."""

    @property
    def took_effect(self) -> bool:
        """False: nothing came of it."""
        return False


OrderOutcome: TypeAlias = TookEffect | NoEffect
"""How a request whose outcome was unknown turned out."""
