"""Hold everything that is known of an account at one moment, unchangeable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ctrader.enums import OrderStatus, OrderType, TimeInForce
from ctrader.live.valuation import Chain, used_margin_of
from ctrader.models.accounts import Account
from ctrader.models.changes import (
    AccountChange,
    AccountTermsChanged,
    BalanceChanged,
    OrderChanged,
    OrderGone,
    OrderPlaced,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    UsedMarginChanged,
)
from ctrader.models.deals import Deal
from ctrader.models.orders import Order
from ctrader.models.positions import Position
from ctrader.models.symbols import Asset

__all__ = ["Conversions", "Holdings", "differences", "is_working"]

_AT_MARKET: Final = (OrderType.MARKET, OrderType.MARKET_RANGE)


def is_working(order: Order) -> bool:
    """Tell whether an order waits for a price or for a time.

    Orders at market do not, also in the moment between their acceptance and their fill.
    """
    if order.status is not OrderStatus.ACCEPTED:
        return False
    return order.order_type not in _AT_MARKET or order.time_in_force is TimeInForce.MARKET_ON_OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversions:
    """What leads from the price of a symbol to the account's currency."""

    quote_assets: Mapping[int, int | None] = field(
        default_factory=lambda: MappingProxyType(dict[int, int | None]())
    )
    """The asset that each symbol is priced in; None where the server does not say."""
    assets: Mapping[int, Asset] | None = None
    """The assets by id; None until they were read."""
    chains: Mapping[int, Chain | None] = field(
        default_factory=lambda: MappingProxyType(dict[int, Chain | None]())
    )
    """From each asset to the account's; None where the server knows no chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """An account with its positions and orders at one moment."""

    account: Account | None = None
    """The account; None until it was read."""
    positions: Mapping[int, Position] = field(
        default_factory=lambda: MappingProxyType(dict[int, Position]())
    )
    """The open positions by id."""
    orders: Mapping[int, Order] = field(
        default_factory=lambda: MappingProxyType(dict[int, Order]())
    )
    """The orders that wait to open a position, by id."""
    protection_orders: Mapping[int, Order] = field(
        default_factory=lambda: MappingProxyType(dict[int, Order]())
    )
    """The orders that hold stop losses and take profits, by id."""
    is_stale: bool = True
    """Whether nothing is heard of the account any more."""
    as_of: datetime | None = None
    """When this was last known to be right."""


def differences(
    before: Holdings, after: Holdings, deal: Deal | None = None, ended: Order | None = None
) -> Iterator[AccountChange]:
    """Give what is different between two moments.

    Args:
        before: What was held.
        after: What is held.
        deal: The fill that lies between them, where it is known.
        ended: An order with the end that it came to between them, where it is known.
    """
    yield from _of_orders(before.orders, after.orders, ended)
    yield from _of_positions(before.positions, after.positions, deal)
    yield from _of_orders(before.protection_orders, after.protection_orders, ended)
    yield from _of_account(before, after, deal)


# Private


def _of_positions(
    before: Mapping[int, Position], after: Mapping[int, Position], deal: Deal | None
) -> Iterator[AccountChange]:
    if before is after:
        return
    for position_id, old in before.items():
        own = deal if deal is not None and deal.position_id == position_id else None
        new = after.get(position_id)
        if new is None:
            yield PositionClosed(old, own)
        elif new is not old and new != old:
            yield PositionChanged(new, old, own)
    for position_id, new in after.items():
        if position_id not in before:
            own = deal if deal is not None and deal.position_id == position_id else None
            yield PositionOpened(new, own)


def _of_orders(
    before: Mapping[int, Order], after: Mapping[int, Order], ended: Order | None
) -> Iterator[AccountChange]:
    if before is after:
        return
    for order_id, old in before.items():
        new = after.get(order_id)
        if new is None:
            yield OrderGone(ended if ended is not None and ended.order_id == order_id else old)
        elif new is not old and new != old:
            yield OrderChanged(new, old)
    for order_id, new in after.items():
        if order_id not in before:
            yield OrderPlaced(new)


def _of_account(before: Holdings, after: Holdings, deal: Deal | None) -> Iterator[AccountChange]:
    old, new = before.account, after.account
    if old is None or new is None:
        return
    if new.balance != old.balance:
        is_closing = deal is not None and deal.close_detail is not None
        yield BalanceChanged(new.balance, old.balance, deal if is_closing else None)
    was, now = (
        used_margin_of(tuple(held.positions.values()), account.total_margin_calculation_type)
        for held, account in ((before, old), (after, new))
    )
    if now != was:
        yield UsedMarginChanged(now, was)
    if new is not old:
        same = {"balance": new.balance, "balance_version": new.balance_version}
        if new != old.model_copy(update=same):
            yield AccountTermsChanged(new, old)
