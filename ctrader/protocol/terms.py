"""Remember what the server last said of symbols, positions and orders.

Requests are checked against it before they are sent. Nothing here is asked for: it is what passes
by in answers and events, and it holds for as long as the server would tell of a change, which is
until the link or the account's session ends, or a new session of the account begins.

An answer may be older than an event that overtook it: what was last updated later counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

from ctrader.errors import ProtocolError
from ctrader.models.orders import OrderTerms
from ctrader.models.positions import Protection
from ctrader.models.symbols import TradingRules
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAPositionStatus,
    ProtoOAReconcileRes,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
    ProtoOATradeSide,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.protocol.commands import Subject, Thing
from ctrader.protocol.context import END_OF_TIME
from ctrader.units import PRICE_DIGITS, SECOND, price_from_wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from google.protobuf.message import Message

    from ctrader.protocol.context import Context
    from ctrader.protocol.unsettled import Unsettled

__all__ = ["OpenPosition", "Promise", "Sides", "Terms", "is_open"]

CAPACITY: Final = 50_000
"""Symbols, positions and orders that are remembered; the oldest give way. Brokers have a few
thousand."""
PROTECTION_PATIENCE: Final = 1 * SECOND
"""How long the order that protects a fresh position is awaited; 18 to 200 ms were seen."""

_FILLS: Final = frozenset(
    {ProtoOAExecutionType.ORDER_FILLED, ProtoOAExecutionType.ORDER_PARTIAL_FILL}
)

V = TypeVar("V")
_Key = tuple[int, int]

Sides: TypeAlias = tuple[int | None, int | None]
"""The last bid and ask of a symbol, in 1/100000; None where it is not known."""


class Promise(NamedTuple):
    """Levels that a filled order asked for, and that its position does not have yet."""

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop_loss: bool = False
    guaranteed_stop_loss: bool = False


class OpenPosition(NamedTuple):
    """What closing and protecting a position depend on."""

    symbol_id: int
    volume: int
    """What is open, in hundredths of a unit."""
    protection: Protection | None = None
    """Its levels; None where they make no sense."""
    promise: Promise | None = None
    """What it is about to get; None for nothing."""
    updated_ms: int = 0
    """When it was last updated, in Unix ms; 0 where that was not told."""


class _WorkingOrder(NamedTuple):
    """A pending order, and when it was last updated, in Unix ms."""

    terms: OrderTerms | None
    updated_ms: int


def is_open(position: ProtoOAPosition) -> bool:
    """Whether a position holds a volume; an empty one belongs to a pending order."""
    status = position.positionStatus
    return status == ProtoOAPositionStatus.POSITION_STATUS_OPEN and position.tradeData.volume > 0


class Terms:
    """Symbols, positions and orders of every account, as last heard on this link."""

    __slots__ = (
        "_context",
        "_ended_orders",
        "_ended_positions",
        "_links",
        "_orders",
        "_positions",
        "_sessions",
        "_symbols",
        "_unsettled",
        "quote",
    )

    def __init__(self, context: Context, unsettled: Unsettled) -> None:
        self._context = context
        self._unsettled = unsettled
        self._symbols: dict[_Key, TradingRules] = {}
        self._positions: dict[_Key, OpenPosition] = {}
        self._orders: dict[_Key, _WorkingOrder] = {}
        self._ended_positions: dict[_Key, int] = {}
        self._ended_orders: dict[_Key, int] = {}
        self._links = 0
        self._sessions: dict[int, int] = {}
        self.quote: Callable[[int, int], Sides] = _no_quote
        """Returns the last quote of a symbol on an account, while the server sends its prices."""

    @property
    def now(self) -> datetime:
        """The present."""
        return self._context.wall()

    def session(self, account_id: int) -> tuple[int, int]:
        """Return what stands for the account's session on this link: another one differs."""
        return self._links, self._sessions.get(account_id, 0)

    def symbol(self, account_id: int, symbol_id: int) -> TradingRules | None:
        """Return the rules of a symbol, None if they must be asked for."""
        return self._symbols.get((account_id, symbol_id))

    def position(self, account_id: int, position_id: int) -> OpenPosition | None:
        """Return an open position, None if it must be asked for."""
        return self._positions.get((account_id, position_id))

    def closed_by(self, request: Message) -> OpenPosition | None:
        """Return the position that a request closes; None if unknown, or for others."""
        if not isinstance(request, ProtoOAClosePositionReq):
            return None
        return self.position(request.ctidTraderAccountId, request.positionId)

    def order(self, account_id: int, order_id: int) -> OrderTerms | None:
        """Return a pending order, None if it must be asked for."""
        order = self._orders.get((account_id, order_id))
        return None if order is None else order.terms

    def is_unsettled(self, subject: Subject) -> bool:
        """Whether something is under way that changes a subject, or asks for it."""
        return subject in self._unsettled

    def learn(self, message: Message) -> None:
        """Take from a message what it says of symbols, positions and orders."""
        if isinstance(message, ProtoOAExecutionEvent):
            self._learn_execution(message)
        elif isinstance(message, ProtoOATrailingSLChangedEvent):
            self._learn_trailing(message)
        elif isinstance(message, ProtoOAReconcileRes):
            self._learn_state(message)
        elif isinstance(message, ProtoOASymbolByIdRes):
            for symbol in message.symbol:
                key = message.ctidTraderAccountId, symbol.symbolId
                _put(self._symbols, key, TradingRules.from_proto(symbol))
        elif isinstance(message, ProtoOASymbolChangedEvent):
            for symbol_id in message.symbolId:
                self._symbols.pop((message.ctidTraderAccountId, symbol_id), None)
        elif isinstance(message, ProtoOAAccountAuthRes):
            # Since a logout, or since its token was made invalid, nothing was heard of it.
            self.lost(message.ctidTraderAccountId)

    def lost(self, account_id: int | None = None) -> None:
        """Forget what may have changed unheard: of one account, or of all with the link."""
        if account_id is None:
            self._links += 1
        else:
            self._sessions[account_id] = self._sessions.get(account_id, 0) + 1
            if len(self._sessions) > CAPACITY:
                # Without their numbers, all sessions must count as other ones.
                self._sessions.clear()
                self._links += 1
        _drop(self._symbols, account_id)
        _drop(self._positions, account_id)
        _drop(self._orders, account_id)
        _drop(self._ended_positions, account_id)
        _drop(self._ended_orders, account_id)
        self._unsettled.lost(account_id)

    # Private

    def _learn_execution(self, message: ProtoOAExecutionEvent) -> None:
        account_id, order = message.ctidTraderAccountId, message.order
        if message.HasField("order"):
            self._learn_order(account_id, order)
            self._unsettled.heard(Subject(account_id, Thing.ORDER, order.orderId))
        if not message.HasField("position"):
            return
        position = message.position
        subject = Subject(account_id, Thing.POSITION, position.positionId)
        known = self._positions.get((account_id, position.positionId))
        promise = None if known is None else known.promise
        if order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT:
            # The order that holds the levels: whatever was to come has come with it.
            promise = None
            self._unsettled.heard(subject)
        elif promise is None and message.executionType in _FILLS:
            promise = self._promise(message)
        self._learn_position(account_id, position, promise)
        held = self._positions.get((account_id, position.positionId))
        is_promised = held is not None and held.promise is not None
        if is_promised and promise is not None and (known is None or known.promise is None):
            self._unsettled.expect(subject, PROTECTION_PATIENCE)
        elif not is_promised:
            self._unsettled.heard(subject)

    def _learn_state(self, message: ProtoOAReconcileRes) -> None:
        account_id = message.ctidTraderAccountId
        known = dict(self._positions), dict(self._orders)
        _drop(self._positions, account_id)
        _drop(self._orders, account_id)
        for position in message.position:
            key = account_id, position.positionId
            if (held := known[0].get(key)) is not None:
                self._positions[key] = held
            self._learn_position(account_id, position, None if held is None else held.promise)
        for order in message.order:
            key = account_id, order.orderId
            if (working := known[1].get(key)) is not None:
                self._orders[key] = working
            self._learn_order(account_id, order)

    def _learn_position(
        self, account_id: int, position: ProtoOAPosition, promise: Promise | None
    ) -> None:
        key = account_id, position.positionId
        updated_ms = _sensible(position.utcLastUpdateTimestamp)
        known = self._positions.get(key)
        told_ms = self._ended_positions.get(key, 0) if known is None else known.updated_ms
        if 0 < updated_ms < told_ms:
            return
        if not is_open(position):
            self._positions.pop(key, None)
            if updated_ms:
                _put(self._ended_positions, key, updated_ms)
            return
        trade = position.tradeData
        try:
            protection = Protection.from_proto(position)
        except ProtocolError:
            protection = None  # who needs it will find out when it is read
        if promise is not None:
            promise = _left_of(promise, protection)
        _put(
            self._positions,
            key,
            OpenPosition(trade.symbolId, trade.volume, protection, promise, updated_ms),
        )

    def _learn_order(self, account_id: int, order: ProtoOAOrder) -> None:
        key, updated_ms = (account_id, order.orderId), _sensible(order.utcLastUpdateTimestamp)
        known = self._orders.get(key)
        told_ms = self._ended_orders.get(key, 0) if known is None else known.updated_ms
        if 0 < updated_ms < told_ms:
            return
        if order.orderStatus != ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED:
            self._orders.pop(key, None)
            if updated_ms:
                _put(self._ended_orders, key, updated_ms)
            return
        try:
            terms = OrderTerms.from_proto(order)
        except ProtocolError:
            terms = None  # who needs it will find out when it is read
        _put(self._orders, key, _WorkingOrder(terms, updated_ms))

    def _learn_trailing(self, message: ProtoOATrailingSLChangedEvent) -> None:
        key = message.ctidTraderAccountId, message.positionId
        known = self._positions.get(key)
        if known is None or known.protection is None:
            return
        updated_ms = _sensible(message.utcLastUpdateTimestamp)
        if 0 < updated_ms < known.updated_ms:
            return
        protection = known.protection._replace(stop_loss=message.stopPrice)
        updated_ms = max(updated_ms, known.updated_ms)
        self._positions[key] = known._replace(protection=protection, updated_ms=updated_ms)

    def _promise(self, message: ProtoOAExecutionEvent) -> Promise | None:
        """Compute the levels that a filled order will give its position, None for none."""
        order, position = message.order, message.position
        if order.closingOrder or not is_open(position):
            return None
        price = message.deal.executionPrice or position.price
        if not math.isfinite(price):
            return None
        rules = self._symbols.get((message.ctidTraderAccountId, position.tradeData.symbolId))
        digits = PRICE_DIGITS if rules is None or rules.digits is None else rules.digits
        sign = 1 if order.tradeData.tradeSide == ProtoOATradeSide.BUY else -1

        def level(absolute: float, distance: int, towards: int) -> float | None:
            if distance:
                return round(price + towards * price_from_wire(distance), digits)
            return absolute if math.isfinite(absolute) and absolute else None

        promise = Promise(
            level(order.stopLoss, order.relativeStopLoss, -sign),
            level(order.takeProfit, order.relativeTakeProfit, sign),
            order.trailingStopLoss,
            order.tradeData.guaranteedStopLoss,
        )
        return None if promise.stop_loss is None and promise.take_profit is None else promise


def _sensible(unix_ms: int) -> int:
    """Return a time that the server told, 0 for one that nothing later could follow."""
    return unix_ms if 0 < unix_ms < END_OF_TIME else 0


def _left_of(promise: Promise, protection: Protection | None) -> Promise | None:
    """Return what a position has not got yet of what it was promised, None for nothing."""
    if protection is not None:
        if protection.stop_loss is not None:
            promise = promise._replace(stop_loss=None)
        if protection.take_profit is not None:
            promise = promise._replace(take_profit=None)
    return None if promise.stop_loss is None and promise.take_profit is None else promise


def _put(known: dict[_Key, V], key: _Key, value: V) -> None:
    known[key] = value
    if len(known) > CAPACITY:
        del known[next(iter(known))]


def _drop(known: dict[_Key, V], account_id: int | None) -> None:
    if account_id is None:
        known.clear()
        return
    for key in [key for key in known if key[0] == account_id]:
        del known[key]


def _no_quote(_account_id: int, _symbol_id: int) -> Sides:
    """Stand in until somebody knows quotes."""
    return None, None
