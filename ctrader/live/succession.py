"""Say what is held after an event, whatever came before it.

An answer of the server and an event about the same thing may tell two different moments, and an
event may come twice or late. What settles which of them counts:

- A position or an order is replaced by what was last updated later. Of the same millisecond the one
  that came later counts, except that an answer outweighs the events before it.
- What ended does not come back: an order never, a position only with an update that is no older.
- A balance is replaced by one of a higher version.
- What has neither time nor version, such as a margin, is in the answer if it came before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final, TypeVar

from ctrader.enums import OrderStatus, OrderType
from ctrader.events import (
    ExecutionEvent,
    MarginChangeEvent,
    TraderUpdateEvent,
    TrailingStopChangedEvent,
)
from ctrader.live.holdings import Holdings, is_working
from ctrader.live.reading import Telling
from ctrader.models.accounts import Account
from ctrader.models.orders import Order
from ctrader.models.positions import Position

__all__ = ["Succession", "remember"]

K = TypeVar("K")
T = TypeVar("T")

_ENDED: Final = 4096  # of the positions, and of the orders, that are known to have ended


def remember(table: dict[K, T], key: K, value: T, most: int) -> None:
    """Keep the newest entries of a table, and no more than so many."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]


class Succession:
    """What follows from events, and what has ended for good."""

    __slots__ = ("_orders", "_positions", "doubt")

    def __init__(self) -> None:
        """Begin with nothing ended."""
        self.doubt: str | None = None
        """Why what is held may not be right; None where nothing speaks against it."""
        self._positions: dict[int, datetime | None] = {}
        self._orders: dict[int, None] = {}

    def note(self, event: Telling) -> None:
        """Remember what an event ends."""
        if not isinstance(event, ExecutionEvent):
            return
        order, position, deal = event.order, event.position, event.deal
        if order is not None and order.status.is_known and order.status is not OrderStatus.ACCEPTED:
            remember(self._orders, order.order_id, None, _ENDED)
        if position is None or position.is_open or not position.status.is_known:
            return
        is_closing = deal is not None and deal.close_detail is not None
        if is_closing or position.open_timestamp is not None:
            ended = position.last_update_timestamp
            remember(self._positions, position.position_id, ended, _ENDED)

    def listed(
        self, account: Account, positions: Iterable[Position], orders: Iterable[Order], at: datetime
    ) -> Holdings:
        """Return what is held by the server's answers, without what has ended since."""
        working = [
            order for order in orders if is_working(order) and order.order_id not in self._orders
        ]
        return Holdings(
            account=account,
            positions=_table(
                (each.position_id, each) for each in positions if not self._has_ended(each)
            ),
            orders=_table((each.order_id, each) for each in working if not _protects(each)),
            protection_orders=_table((each.order_id, each) for each in working if _protects(each)),
            is_stale=False,
            as_of=at,
        )

    def after(
        self,
        holdings: Holdings,
        event: Telling,
        *,
        knows_account: bool = True,
        knows_holdings: bool = True,
    ) -> Holdings:
        """Return what is held after an event; the same object where nothing changes.

        Args:
            holdings: What was held.
            event: The event.
            knows_account: Whether it came after the account was told.
            knows_holdings: Whether it came after positions and orders were told.
        """
        match event:
            case ExecutionEvent():
                if event.position is not None:
                    holdings = self._with_position(holdings, event.position, late=knows_holdings)
                if event.order is not None:
                    holdings = self._with_order(holdings, event.order, late=knows_holdings)
                return self._with_money(holdings, event, late=knows_account)
            case MarginChangeEvent():
                position = holdings.positions.get(event.position_id)
                if position is None or not knows_holdings:
                    return holdings
                return _moved(holdings, position, used_margin=event.amount)
            case TrailingStopChangedEvent():
                return _trailed(holdings, event) if knows_holdings else holdings
            case TraderUpdateEvent():
                return _with_account(holdings, event.account) if knows_account else holdings

    # Private

    def _has_ended(self, position: Position) -> bool:
        """Tell whether a position is known to have ended after what is told of it."""
        ended = self._positions.get(position.position_id)
        updated = position.last_update_timestamp
        return ended is not None and updated is not None and updated < ended

    def _with_position(self, holdings: Holdings, position: Position, *, late: bool) -> Holdings:
        position_id = position.position_id
        known = holdings.positions.get(position_id)
        if not position.status.is_known:
            self.doubt = f"position {position_id} has the status {position.status}"
            return holdings
        if not position.is_open:
            if known is None or _is_older(position, known):
                return holdings
            return replace(holdings, positions=_without(holdings.positions, position_id))
        if known is None:
            if self._has_ended(position):
                return holdings
        elif known == position or _is_older(position, known, or_same=not late):
            return holdings
        return replace(holdings, positions=_with(holdings.positions, position_id, position))

    def _with_order(self, holdings: Holdings, order: Order, *, late: bool) -> Holdings:
        if not order.status.is_known:
            self.doubt = f"order {order.order_id} has the status {order.status}"
            return holdings
        table = holdings.protection_orders if _protects(order) else holdings.orders
        known = table.get(order.order_id)
        if not is_working(order):
            if known is None:
                return holdings
            return _with_orders(holdings, order, _without(table, order.order_id))
        if known is None:
            if order.order_id in self._orders:
                return holdings
        elif known == order or _is_older(order, known, or_same=not late):
            return holdings
        return _with_orders(holdings, order, _with(table, order.order_id, order))

    def _with_money(self, holdings: Holdings, event: ExecutionEvent, *, late: bool) -> Holdings:
        account = holdings.account
        if account is None:
            return holdings
        detail = None if event.deal is None else event.deal.close_detail
        for told in (detail, event.deposit_withdraw):
            if told is not None:
                account = self._with_balance(account, told.balance, told.balance_version, late=late)
        bonus = event.bonus_deposit_withdraw
        if bonus is not None and late:
            account = _changed(account, manager_bonus=bonus.manager_bonus, ib_bonus=bonus.ib_bonus)
        return holdings if account is holdings.account else replace(holdings, account=account)

    def _with_balance(
        self, account: Account, balance: Decimal, version: int | None, *, late: bool
    ) -> Account:
        known = account.balance_version
        if version is None or known is None:
            if not late:
                return account
            return _changed(account, balance=balance, balance_version=version or known)
        if version <= known:
            return account
        if version > known + 1:
            self.doubt = f"version {version} of the balance came after version {known}"
        return _changed(account, balance=balance, balance_version=version)


# Private


def _protects(order: Order) -> bool:
    return order.order_type is OrderType.STOP_LOSS_TAKE_PROFIT


def _is_older(new: Position | Order, known: Position | Order, *, or_same: bool = False) -> bool:
    """Tell whether something was updated before what is known of it.

    Args:
        new: What came.
        known: What is known.
        or_same: Whether the same millisecond, and an unknown one, count as older.
    """
    update, last = new.last_update_timestamp, known.last_update_timestamp
    if update is None or last is None:
        return or_same
    return update < last or (or_same and update == last)


def _with_account(holdings: Holdings, account: Account) -> Holdings:
    known = holdings.account
    if known is None or known == account:
        return holdings
    version, last = account.balance_version, known.balance_version
    if version is not None and last is not None and version < last:
        return holdings
    return replace(holdings, account=account)


def _trailed(holdings: Holdings, event: TrailingStopChangedEvent) -> Holdings:
    position = holdings.positions.get(event.position_id)
    if position is not None:
        updated = position.last_update_timestamp
        if updated is not None and event.timestamp < updated:
            return holdings
        holdings = _moved(holdings, position, stop_loss=event.stop_price)
    order = holdings.protection_orders.get(event.order_id)
    if order is not None and order.stop_price != event.stop_price:
        moved = order.model_copy(update={"stop_price": event.stop_price})
        table = _with(holdings.protection_orders, event.order_id, moved)
        holdings = replace(holdings, protection_orders=table)
    return holdings


def _moved(holdings: Holdings, position: Position, **terms: object) -> Holdings:
    moved = position.model_copy(update=terms)
    if moved == position:
        return holdings
    return replace(holdings, positions=_with(holdings.positions, position.position_id, moved))


def _changed(account: Account, **terms: object) -> Account:
    changed = account.model_copy(update=terms)
    return account if changed == account else changed


def _with_orders(holdings: Holdings, order: Order, table: Mapping[int, Order]) -> Holdings:
    if _protects(order):
        return replace(holdings, protection_orders=table)
    return replace(holdings, orders=table)


def _table(items: Iterable[tuple[int, T]]) -> Mapping[int, T]:
    return MappingProxyType(dict(items))


def _with(table: Mapping[int, T], key: int, value: T) -> Mapping[int, T]:
    return MappingProxyType({**table, key: value})


def _without(table: Mapping[int, T], key: int) -> Mapping[int, T]:
    return MappingProxyType({each: value for each, value in table.items() if each != key})
