"""Describe what changed on an account from one moment to the next."""

from __future__ import annotations

__all__ = [
    "AccountChange",
    "AccountTermsChanged",
    "BalanceChanged",
    "FreshnessChanged",
    "OrderChanged",
    "OrderGone",
    "OrderPlaced",
    "PositionChanged",
    "PositionClosed",
    "PositionOpened",
    "UsedMarginChanged",
]

from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

import msgspec

from ctrader.enums import OrderStatus
from ctrader.models.accounts import Account
from ctrader.models.deals import Deal
from ctrader.models.orders import Order
from ctrader.models.positions import Position


class PositionOpened(msgspec.Struct, frozen=True):
    """A position is open that was not."""

    position: Position
    """The position as it now is."""
    deal: Deal | None = None
    """The fill that opened it; None where that is not known, such as after a loss."""


class PositionChanged(msgspec.Struct, frozen=True):
    """A position is not what it was: volume, protection, swap, margin or anything."""

    position: Position
    """The position as it now is."""
    before: Position
    """The position as it was."""
    deal: Deal | None = None
    """The fill that changed it; None where none did, or where that is not known."""


class PositionClosed(msgspec.Struct, frozen=True):
    """A position is open no more."""

    position: Position
    """The position as it last was while it was open."""
    deal: Deal | None = None
    """The fill that closed it; None where that is not known, such as after a loss."""


class OrderPlaced(msgspec.Struct, frozen=True):
    """An order works that did not: a pending one, or one that protects a position."""

    order: Order
    """The order as it now is."""


class OrderChanged(msgspec.Struct, frozen=True):
    """A working order is not what it was."""

    order: Order
    """The order as it now is."""
    before: Order
    """The order as it was."""


class OrderGone(msgspec.Struct, frozen=True):
    """An order works no more."""

    order: Order
    """The order as last told: with its end, or as it worked where that is unknown."""

    @property
    def status(self) -> OrderStatus | None:
        """How it ended; None where that is not known, such as after a loss."""
        return None if self.order.status is OrderStatus.ACCEPTED else self.order.status


class BalanceChanged(msgspec.Struct, frozen=True):
    """The balance is not what it was."""

    balance: Decimal
    """The balance as it now is, in the account's currency."""
    before: Decimal
    """The balance as it was."""
    deal: Deal | None = None
    """The closing fill that changed it; None where none did, or where it is unknown."""


class UsedMarginChanged(msgspec.Struct, frozen=True):
    """The margin that all positions use together is not what it was."""

    used_margin: Decimal
    """The margin as it now is, in the account's currency."""
    before: Decimal
    """The margin as it was."""


class AccountTermsChanged(msgspec.Struct, frozen=True):
    """Leverage, rights, bonus or another property of the account is not what it was.

    A change of nothing but the balance is a `BalanceChanged`.
    """

    account: Account
    """The account as it now is."""
    before: Account
    """The account as it was."""


class FreshnessChanged(msgspec.Struct, frozen=True):
    """What is known of the account became stale, or is right again."""

    is_stale: bool
    """True if nothing is heard of the account any more."""
    at: datetime
    """When that was."""


AccountChange: TypeAlias = (
    PositionOpened
    | PositionChanged
    | PositionClosed
    | OrderPlaced
    | OrderChanged
    | OrderGone
    | BalanceChanged
    | UsedMarginChanged
    | AccountTermsChanged
    | FreshnessChanged
)
"""One change of an account."""
