"""Collect what is read of an account, and what its events tell meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from ctrader.events import (
    ExecutionEvent,
    MarginChangeEvent,
    TraderUpdateEvent,
    TrailingStopChangedEvent,
)
from ctrader.models.accounts import Account
from ctrader.models.orders import Order
from ctrader.models.positions import Position

__all__ = ["MOST_HEARD", "Heard", "Reading", "Telling"]

Telling: TypeAlias = (
    ExecutionEvent | MarginChangeEvent | TraderUpdateEvent | TrailingStopChangedEvent
)
"""An event that says what is held."""

MOST_HEARD: Final = 10_000
"""Events of one reading; a reading that lasts so long is given up."""


class Heard(NamedTuple):
    """An event that came while an account was read."""

    event: Telling
    knows_account: bool
    """Whether the account had been told before it."""
    knows_holdings: bool
    """Whether positions and orders had been told before it."""


class Reading:
    """One reading of an account: two answers, and the events around them.

    Hand in `account_told` and `holdings_told` at the moment at which each answer came, between the
    events before and after it; then hand it to `LiveAccount.rebuilt`.
    """

    __slots__ = ("account", "heard", "orders", "positions")

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.account: Account | None = None
        self.positions: tuple[Position, ...] | None = None
        self.orders: tuple[Order, ...] = ()
        self.heard: list[Heard] = []

    @property
    def is_complete(self) -> bool:
        """Whether both answers have come."""
        return self.account is not None and self.positions is not None

    def account_told(self, account: Account) -> None:
        """Take the account."""
        self.account = account

    def holdings_told(self, positions: Iterable[Position], orders: Iterable[Order]) -> None:
        """Take open positions and working orders, those that protect positions among them."""
        self.positions, self.orders = tuple(positions), tuple(orders)

    def hear(self, event: Telling) -> bool:
        """Keep an event; False if there are too many by now."""
        self.heard.append(Heard(event, self.account is not None, self.positions is not None))
        return len(self.heard) <= MOST_HEARD
