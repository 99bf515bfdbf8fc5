"""An inspector who holds every order against what was asked for and what the market offered.

The ledger reckons money from the prices and volumes that frames name; here those prices and
volumes are doubted. The inspector is given the requests as they were sent and the ticks, and takes
the frames that came back: each fill must have the price of its moment, each order the volume and
levels that were asked for, and nothing may wait that the market has reached.

It shares no code with the exchange that it audits. Prices are in 1/100000, times are milliseconds
UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from ctrader.enums import OrderType
from ctrader.models import NewOrderRequest, Order, Position
from ctrader.proto import (
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradeSide,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.units import millis_from_datetime

__all__ = ["OrderAudit", "OrderAuditError", "Rules"]

QuoteAt: TypeAlias = Callable[[int, int], tuple[int, int]]
"""Returns bid and ask of a symbol at a time."""
TickBefore: TypeAlias = Callable[[int, int], int]
"""Returns when the price of a symbol had changed before the change that holds at a time."""
DepthAt: TypeAlias = Callable[[int, bool, int], list[tuple[int, int]]]
"""Returns prices and volumes that a symbol's market had at a time, the best first: of the asks for
True, of the bids for False."""


class Rules(NamedTuple):
    """What of a symbol's terms concerns its orders."""

    grid: int
    """Smallest price step."""
    step_volume: int
    guaranteed_distance: int
    """Smallest distance of a guaranteed stop loss, in 1/100000."""


_FILLS: Final = (ProtoOAExecutionType.ORDER_FILLED, ProtoOAExecutionType.ORDER_PARTIAL_FILL)
_ENDS: Final = (
    ProtoOAExecutionType.ORDER_CANCELLED,
    ProtoOAExecutionType.ORDER_EXPIRED,
    ProtoOAExecutionType.ORDER_REJECTED,
)
_STATUSES: Final = {
    ProtoOAExecutionType.ORDER_ACCEPTED: ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED,
    ProtoOAExecutionType.ORDER_REPLACED: ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED,
    ProtoOAExecutionType.ORDER_PARTIAL_FILL: ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED,
    ProtoOAExecutionType.ORDER_FILLED: ProtoOAOrderStatus.ORDER_STATUS_FILLED,
    ProtoOAExecutionType.ORDER_CANCELLED: ProtoOAOrderStatus.ORDER_STATUS_CANCELLED,
    ProtoOAExecutionType.ORDER_EXPIRED: ProtoOAOrderStatus.ORDER_STATUS_EXPIRED,
    ProtoOAExecutionType.ORDER_REJECTED: ProtoOAOrderStatus.ORDER_STATUS_REJECTED,
}
_AT_MARKET: Final = (ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE)
_PENDING: Final = (ProtoOAOrderType.LIMIT, ProtoOAOrderType.STOP, ProtoOAOrderType.STOP_LIMIT)
_PROTECTIVE: Final = ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
_IMMEDIATE: Final = (ProtoOATimeInForce.IMMEDIATE_OR_CANCEL, ProtoOATimeInForce.FILL_OR_KILL)
_OPPOSITE: Final = (
    ProtoOAOrderTriggerMethod.OPPOSITE,
    ProtoOAOrderTriggerMethod.DOUBLE_OPPOSITE,
)
_DOUBLE: Final = (
    ProtoOAOrderTriggerMethod.DOUBLE_TRADE,
    ProtoOAOrderTriggerMethod.DOUBLE_OPPOSITE,
)
_ENDLESS: Final = 2**63
_UNDER_WAY: Final = 300_000  # milliseconds of the market in which what happened is told


class OrderAuditError(AssertionError):
    """An order is something else than what was asked for, or than the market allowed."""


@dataclass
class _Watched:
    """One order."""

    order_id: int
    position_id: int
    symbol_id: int
    is_buy: bool
    kind: int
    volume: int
    limit: int | None = None
    stop: int | None = None
    base: int | None = None
    slippage: int | None = None
    expiration: int | None = None
    stop_distance: int | None = None
    target_distance: int | None = None
    trails: bool = False
    guaranteed: bool = False
    time_in_force: int = 0
    method: int = 0
    """Which prices trigger its stop."""
    begins: list[int] = field(default_factory=list[int])
    """When it began anew to count the prices that reach its stop, of which it may want two."""
    executed: int = 0
    spent: int = 0
    last_fill: int = 0
    is_over: bool = False
    levels: list[tuple[int, int | None, int | None]] = field(
        default_factory=list[tuple[int, int | None, int | None]]
    )
    """Stop and limit from a time on."""
    begun: dict[int, list[list[int]]] = field(default_factory=dict[int, "list[list[int]]"])
    """What each sequence of fills still has to bring, by the time of what released it: prices,
    each with a volume."""
    trailing_distance: int | None = None

    @property
    def sign(self) -> int:
        return 1 if self.is_buy else -1

    @property
    def is_immediate(self) -> bool:
        """Whether it waits for a price, but for nothing more when that has come."""
        return self.kind in _PENDING and self.time_in_force in _IMMEDIATE

    @property
    def is_whole(self) -> bool:
        """Whether it has all that it wants or nothing."""
        return self.is_immediate and self.time_in_force == ProtoOATimeInForce.FILL_OR_KILL

    def levels_at(self, at: int) -> tuple[int | None, int | None]:
        known = [level[1:] for level in self.levels if level[0] <= at]
        return known[-1] if known else (None, None)


@dataclass
class _Owed:
    """Levels that must appear a moment after a fill."""

    due: int
    position_id: int
    stop: int | None
    target: int | None
    trailing_distance: int | None
    guaranteed: bool


class OrderAudit:
    """What was asked for on one account, and what became of it."""

    def __init__(
        self,
        quote_at: QuoteAt,
        rules: dict[int, Rules],
        delay: int,
        *,
        tick_before: TickBefore,
        depth_at: DepthAt | None = None,
        is_limited_risk: bool = False,
    ) -> None:
        """Begin without orders.

        Args:
            quote_at: The market.
            rules: The terms of the symbols by their ids.
            delay: From the release of an order to its fill, and from there to its levels.
            tick_before: The changes of its prices.
            depth_at: The depth through which orders are filled; None fills them at the best price.
            is_limited_risk: Whether nothing may be open without a guaranteed stop loss.
        """
        self.triggers = 0
        self.trailed = 0
        self.parts = 0
        self.levels_taken = 0
        self.guaranteed_hits = 0
        self.stops_hit = 0
        self.targets_hit = 0
        self.expired = 0
        self.unprotected = 0
        self.immediate_fills = 0
        self.immediate_ends = 0
        self.absolute_levels = 0
        self.other_triggers = 0
        self._tick_before = tick_before
        self._quote_at = quote_at
        self._rules = rules
        self._delay = delay
        self._depth_at = depth_at
        self._is_limited_risk = is_limited_risk
        self._asked: dict[str, NewOrderRequest] = {}
        self._closings: list[tuple[int, int]] = []
        self._amended: dict[int, int] = {}
        self._orders: dict[int, _Watched] = {}
        self._owed: list[_Owed] = []
        self._open: dict[int, tuple[bool, int]] = {}
        """Whether each position that holds anything is long, and how much it holds."""
        self._fills: dict[int, int] = {}
        """When each position was last filled."""
        self._texts: dict[int, tuple[str, str]] = {}
        """Label and comment of what made each position."""

    # What is asked for

    def ask(self, request: NewOrderRequest) -> NewOrderRequest:
        """Note an order that is about to be sent, and return it with texts of its own."""
        number = len(self._asked) + 1
        name = f"asked-{number}"
        texts = {"client_order_id": name}
        if number % 3:
            texts["label"] = f"label {number}"
        if number % 2:
            texts["comment"] = f"comment {number}"
        named = request.model_copy(update=texts)
        self._asked[name] = named
        return named

    def ask_to_close(self, position_id: int, volume: int) -> None:
        """Note that a volume of a position is about to be closed."""
        self._closings.append((position_id, volume))

    def refused_to_close(self) -> None:
        """Forget the last closing that was asked for."""
        if self._closings:
            self._closings.pop()

    # What came of it

    def take(self, frames: Iterable[object]) -> None:
        """Hold the frames that the client received against what was asked, in their order."""
        for frame in frames:
            if isinstance(frame, ProtoOAExecutionEvent):
                self._take(frame)
            elif isinstance(frame, ProtoOATrailingSLChangedEvent):
                self._trail(frame)

    def check_waiting(self, now: int, last_tick: Callable[[int], int]) -> None:
        """Make sure that the market has passed nothing by.

        Args:
            now: When; long enough after the last tick for all its fills.
            last_tick: Returns when a symbol's price changed last.
        """
        _same("levels that never appeared", [each for each in self._owed if self._is_due(each)], [])
        for order in self._orders.values():
            if order.is_over:
                continue
            if order.kind in _AT_MARKET:
                raise OrderAuditError(f"order {order.order_id} was never filled nor ended")
            if order.expiration is not None and order.expiration < now - _UNDER_WAY:
                raise OrderAuditError(f"order {order.order_id} outlived its expiration")
            if order.last_fill <= last_tick(order.symbol_id) or not order.last_fill:
                self._check_not_reached(order, now)
            if order.kind == _PROTECTIVE:
                _, held = self._open[order.position_id]
                _same("what a protective order closes", order.volume - order.executed, held)
        if self._is_limited_risk:
            guarded = {
                order.position_id
                for order in self._orders.values()
                if order.guaranteed and order.stop is not None and not order.is_over
            }
            _same("positions without a guaranteed stop loss", self._open.keys() - guarded, set())

    def check_orders(self, waiting: Iterable[Order]) -> None:
        """Compare the pending orders that the client was told of."""
        own = {
            each.order_id: each
            for each in self._orders.values()
            if not each.is_over and each.kind != _PROTECTIVE
        }
        told = {each.order_id: each for each in waiting}
        _same("waiting orders", set(told), set(own))
        for order_id, order in told.items():
            known = own[order_id]
            _same("volume of a waiting order", order.volume, known.volume)
            _same("what is filled of it", order.executed_volume, known.executed)
            _same("its limit", _units(order.limit_price), known.limit)
            _same("its stop", _units(order.stop_price), known.stop)
            expiration = order.expiration_timestamp
            told_end = None if expiration is None else millis_from_datetime(expiration)
            _same("its expiration", told_end, known.expiration)

    def ended(self) -> set[int]:
        """Return the orders that were told of and do not wait any more."""
        return {each.order_id for each in self._orders.values() if each.is_over}

    def check_position(self, position: Position) -> None:
        """Compare the levels of an open position that the client was told of."""
        stop, target = self._levels_of(position.position_id)
        _same("stop loss of a position", _units(position.stop_loss), stop)
        _same("take profit of a position", _units(position.take_profit), target)

    def _levels_of(self, position_id: int) -> tuple[int | None, int | None]:
        for order in self._orders.values():
            is_its = order.kind == _PROTECTIVE and order.position_id == position_id
            if is_its and not order.is_over:
                return order.stop, order.limit
        return None, None

    # Private, frames

    def _take(self, event: ProtoOAExecutionEvent) -> None:
        if not event.HasField("order"):
            return
        order, kind = event.order, event.executionType
        if kind in _STATUSES:
            _same("status of an order", order.orderStatus, _STATUSES[kind])
        if kind == ProtoOAExecutionType.ORDER_ACCEPTED:
            self._accept(order, is_asked=not event.isServerEvent)
        elif kind == ProtoOAExecutionType.ORDER_REPLACED:
            self._replace(order, is_asked=not event.isServerEvent)
        elif kind in _FILLS:
            self._fill(event)
        elif kind in _ENDS and order.orderId in self._orders:
            self._end(self._orders[order.orderId], event)
        watched = self._orders.get(order.orderId)
        if watched is not None:
            self._agree(watched, order)
        if event.HasField("position"):
            texts = order.tradeData.label, order.tradeData.comment
            made = self._texts.setdefault(event.position.positionId, texts)
            data = event.position.tradeData
            _same("texts of a position", (data.label, data.comment), made)
        if event.HasField("position") and event.position.positionId in self._open:
            stop, target = self._levels_of(event.position.positionId)
            position = event.position
            if position.tradeData.volume:
                told = position.stopLoss if position.HasField("stopLoss") else None
                _same("stop loss in a position", _units(told), stop)
                told = position.takeProfit if position.HasField("takeProfit") else None
                _same("take profit in a position", _units(told), target)

    def _accept(self, order: ProtoOAOrder, *, is_asked: bool) -> None:
        data = order.tradeData
        watched = _Watched(
            order.orderId,
            order.positionId,
            data.symbolId,
            data.tradeSide == ProtoOATradeSide.BUY,
            int(order.orderType),
            data.volume,
            limit=_units(order.limitPrice) if order.HasField("limitPrice") else None,
            stop=_units(order.stopPrice) if order.HasField("stopPrice") else None,
            time_in_force=int(order.timeInForce),
            method=int(order.stopTriggerMethod),
        )
        self._orders[order.orderId] = watched
        at = order.utcLastUpdateTimestamp
        watched.begins.append(at)
        if watched.kind == _PROTECTIVE:
            self._protect(watched, order, at, is_asked=is_asked)
        elif order.clientOrderId in self._asked:
            self._compare_asked(watched, order, self._asked[order.clientOrderId])
            if watched.guaranteed and not order.closingOrder:
                least = self._rules[watched.symbol_id].guaranteed_distance
                is_far = (watched.stop_distance or 0) >= least
                _same("a guaranteed stop is far enough", is_far, True)
        elif not order.isStopOut:
            asked = (order.positionId, data.volume)
            _same("a closing was asked for", asked in self._closings, True)
            self._closings.remove(asked)
        watched.levels.append((at, watched.stop, watched.limit))

    def _compare_asked(
        self, watched: _Watched, order: ProtoOAOrder, request: NewOrderRequest
    ) -> None:
        _same("symbol asked for", watched.symbol_id, request.symbol_id)
        _same("side asked for", watched.is_buy, request.side.name == "BUY")
        _same("type asked for", watched.kind, int(request.order_type))
        _same("volume asked for", watched.volume, request.volume)
        _same("stop asked for", watched.stop, _units(request.stop_price))
        if request.order_type is not OrderType.STOP_LIMIT:
            _same("limit asked for", watched.limit, _units(request.limit_price))
        watched.base = _units(request.base_slippage_price)
        watched.slippage = request.slippage_in_points
        if request.expiration_timestamp is not None:
            watched.expiration = millis_from_datetime(request.expiration_timestamp)
        if watched.kind in _PENDING:
            _same("time in force asked for", watched.time_in_force, int(request.time_in_force))
        if watched.kind in (ProtoOAOrderType.STOP, ProtoOAOrderType.STOP_LIMIT):
            method = request.stop_trigger_method
            method_due = ProtoOAOrderTriggerMethod.TRADE if method is None else method
            _same("trigger asked for", watched.method, int(method_due))
        # What closes has the texts of its position where it was sent without.
        for told, asked in (
            (order.tradeData.label, request.label),
            (order.tradeData.comment, request.comment),
        ):
            if asked or not order.closingOrder:
                _same("text asked for", told, asked)
        watched.stop_distance = self._distance(
            watched, request.relative_stop_loss, request.stop_loss
        )
        watched.target_distance = self._distance(
            watched, request.relative_take_profit, request.take_profit
        )
        watched.trails = bool(request.trailing_stop_loss)
        watched.guaranteed = bool(request.guaranteed_stop_loss)

    def _distance(
        self, watched: _Watched, relative: float | None, level: float | None
    ) -> int | None:
        """Return the distance of a level that was asked for, in whichever form."""
        if level is None:
            return _units(relative)
        own = watched.stop if watched.limit is None else watched.limit
        assert own is not None
        self.absolute_levels += 1
        return abs(own - round(level * 100_000))

    def _replace(self, order: ProtoOAOrder, *, is_asked: bool) -> None:
        watched = self._orders[order.orderId]
        at = order.utcLastUpdateTimestamp
        if order.HasField("stopPrice"):
            stop: int | None = _units(order.stopPrice)
        else:
            stop = None
        method = int(order.stopTriggerMethod)
        if watched.kind == _PROTECTIVE or (watched.stop, watched.method) != (stop, method):
            watched.begins.append(at)
        watched.stop, watched.method = stop, method
        watched.limit = _units(order.limitPrice) if order.HasField("limitPrice") else None
        watched.volume = order.tradeData.volume
        watched.expiration = (
            order.expirationTimestamp if order.HasField("expirationTimestamp") else None
        )
        if watched.kind == _PROTECTIVE:
            self._protect(watched, order, at, is_asked=is_asked)
        elif not watched.executed:
            # The levels of what is filled count from its first fill, whatever comes later.
            relative = order.relativeStopLoss if order.HasField("relativeStopLoss") else None
            watched.stop_distance = relative
            relative = order.relativeTakeProfit if order.HasField("relativeTakeProfit") else None
            watched.target_distance = relative
            watched.trails = order.trailingStopLoss
            watched.guaranteed = order.tradeData.guaranteedStopLoss
        watched.levels.append((at, watched.stop, watched.limit))

    def _end(self, watched: _Watched, event: ProtoOAExecutionEvent) -> None:
        watched.is_over = True
        kind = event.executionType
        self.expired += kind == ProtoOAExecutionType.ORDER_EXPIRED
        if kind != ProtoOAExecutionType.ORDER_CANCELLED:
            return
        if watched.kind == _PROTECTIVE:
            self.unprotected += not event.isServerEvent
            return
        _same("what an ended order could still have", self._left_of(watched), [])
        if watched.executed:
            return
        at = event.order.utcLastUpdateTimestamp
        worst = watched.limit
        if watched.kind == ProtoOAOrderType.MARKET_RANGE:
            worst = self._slipped(watched, watched.base)
        elif not watched.is_immediate:
            return
        elif watched.kind != ProtoOAOrderType.LIMIT:
            if not event.isServerEvent:
                return  # a request ended it before its price came
            worst = None
            if watched.kind == ProtoOAOrderType.STOP_LIMIT:
                worst = self._slipped(watched, watched.stop)
        self.immediate_ends += watched.is_immediate
        had = self._on_offer(watched, at, worst)
        _same("what an order could have had that found nothing", had, [])

    def _protect(self, watched: _Watched, order: ProtoOAOrder, at: int, *, is_asked: bool) -> None:
        """Look whether new levels of a position are those that were owed to it."""
        was_guaranteed, watched.guaranteed = (
            watched.guaranteed,
            order.tradeData.guaranteedStopLoss,
        )
        if was_guaranteed and watched.levels:
            _same("a guarantee stays", watched.guaranteed, True)
            before = watched.levels[-1][1]
            assert before is not None
            stop_now = watched.sign * 10**12 if watched.stop is None else watched.stop
            _same("a guaranteed stop never gets worse", _gap(watched, stop_now, before) <= 0, True)
        owed = next(
            (
                each
                for each in self._owed
                if each.position_id == watched.position_id and abs(each.due - at) <= 1
            ),
            None,
        )
        if owed is not None:
            self._owed.remove(owed)
            if owed.guaranteed:
                _same("the guarantee that was asked for", watched.guaranteed, True)
            if owed.stop is not None:
                due = owed.stop
                if was_guaranteed and watched.levels and watched.levels[-1][1] is not None:
                    kept = watched.levels[-1][1]
                    due = kept if _gap(watched, due, kept) > 0 else due
                _same("stop loss from a distance", watched.stop, due)
            if owed.target is not None:
                _same("take profit from a distance", watched.limit, owed.target)
        if not order.trailingStopLoss or watched.stop is None:
            watched.trailing_distance = None
        elif owed is not None and owed.trailing_distance is not None:
            watched.trailing_distance = owed.trailing_distance
        elif is_asked or watched.trailing_distance is None:
            # With every amendment the distance is that of the moment.
            bid, ask = self._quote_at(watched.symbol_id, at)
            watched.trailing_distance = abs((ask if watched.is_buy else bid) - watched.stop)

    def _trail(self, event: ProtoOATrailingSLChangedEvent) -> None:
        watched = self._orders[event.orderId]
        at = event.utcLastUpdateTimestamp
        bid, ask = self._quote_at(watched.symbol_id, at)
        stop = _units(event.stopPrice)
        assert stop is not None
        _same("a stop trails", watched.trailing_distance is not None, True)
        distance = watched.trailing_distance or 0
        _same("where a stop trails to", stop, ask + distance if watched.is_buy else bid - distance)
        _same("a stop trails forward", (stop - (watched.stop or 0)) * watched.sign < 0, True)
        watched.stop = stop
        watched.begins.append(at)
        watched.levels.append((at, stop, watched.limit))
        self.trailed += 1

    def _agree(self, watched: _Watched, order: ProtoOAOrder) -> None:
        _same("executed volume", order.executedVolume, watched.executed)
        average = Fraction(watched.spent, watched.executed * 100_000) if watched.executed else 0
        told = order.executionPrice if order.HasField("executionPrice") else 0.0
        _same("average price of an order", told, float(round(Fraction(average), 15)))
        if not watched.is_over or watched.executed:
            _same("volume of an order", order.tradeData.volume, watched.volume)

    # Private, fills

    def _fill(self, event: ProtoOAExecutionEvent) -> None:
        order, deal = event.order, event.deal
        watched = self._orders[order.orderId]
        price = _units(deal.executionPrice)
        assert price is not None
        if watched.kind == _PROTECTIVE:
            # It closes what there is, and that may have changed while it was on its way.
            watched.volume = watched.executed + self._open[deal.positionId][1]
        self._check_price(watched, deal, price)
        watched.position_id = deal.positionId
        watched.executed += deal.filledVolume
        watched.spent += deal.filledVolume * price
        watched.last_fill = self._fills[deal.positionId] = deal.executionTimestamp
        self.immediate_fills += watched.is_immediate
        _same("more is filled than was asked", watched.executed > watched.volume, False)
        is_whole = event.executionType == ProtoOAExecutionType.ORDER_FILLED
        _same("filled means whole", is_whole, watched.executed == watched.volume)
        watched.is_over = is_whole
        self.parts += not is_whole
        if event.position.tradeData.volume:
            data = event.position.tradeData
            self._open[deal.positionId] = data.tradeSide == ProtoOATradeSide.BUY, data.volume
        else:
            self._open.pop(deal.positionId, None)
            for each in self._orders.values():
                # With its position a protective order is over; its end is told a moment later.
                if each.kind == _PROTECTIVE and each.position_id == deal.positionId:
                    each.is_over = True
        if not deal.HasField("closePositionDetail"):
            self._owe(watched, deal, price)

    def _owe(self, watched: _Watched, deal: ProtoOADeal, price: int) -> None:
        stop, target = watched.stop_distance, watched.target_distance
        if stop is None and target is None:
            return
        watched.stop_distance = watched.target_distance = None  # they count from the first fill
        self._owed.append(
            _Owed(
                deal.executionTimestamp + self._delay,
                deal.positionId,
                None if stop is None else price - watched.sign * stop,
                None if target is None else price + watched.sign * target,
                stop if watched.trails else None,
                watched.guaranteed,
            )
        )

    def _is_due(self, owed: _Owed) -> bool:
        return owed.position_id in self._open

    def _check_price(self, watched: _Watched, deal: ProtoOADeal, price: int) -> None:
        released, at = deal.createTimestamp, deal.executionTimestamp
        if released not in watched.begun:
            _same("what a sequence of fills left", self._left_of(watched), [])
            _same("delay of a fill", abs(at - released - self._delay) <= 1, True)
            self._check_untouched(watched, released, at)
            watched.begun[released] = self._due(watched, released, at)
        due = watched.begun[released]
        _same(f"something is left for a fill of order {watched.order_id}", bool(due), True)
        _same(f"price of a fill of order {watched.order_id}", price, due[0][0])
        # One part may be two deals: what closes a netted position, and what opens another.
        due[0][1] -= deal.filledVolume
        _same("volume at this price", due[0][1] >= 0, True)
        if not due[0][1]:
            due.pop(0)
            self.levels_taken += self._depth_at is not None

    def _check_untouched(self, watched: _Watched, released: int, at: int) -> None:
        """Make sure that an order stayed as it was while it was on its way to its fill."""
        if watched.kind in _AT_MARKET:
            return
        before = watched.levels_at(released)
        for changed, *levels in watched.levels:
            if released < changed < at:
                _same("levels of an order under way", tuple(levels), before)

    def _left_of(self, watched: _Watched) -> list[list[int]]:
        """Return what the last sequence of fills of an order did not bring that it should have."""
        last = list(watched.begun.values())[-1:]
        if self._depth_at is None or not last:
            return []  # without depth a script may have less than all of it
        return last[0]

    def _due(self, watched: _Watched, released: int, at: int) -> list[list[int]]:
        """Return what a sequence of fills that begins now must bring."""
        worst = None
        if watched.kind == ProtoOAOrderType.MARKET_RANGE:
            worst = self._slipped(watched, watched.base)
        elif watched.kind != ProtoOAOrderType.MARKET:
            worst, is_guaranteed = self._released_by(watched, released)
            if is_guaranteed:
                self.guaranteed_hits += 1
                assert worst is not None
                return [[worst, _ENDLESS]]
        if self._depth_at is None and worst is not None:
            bid, ask = self._quote_at(watched.symbol_id, at)
            market = ask if watched.is_buy else bid
            if (market - worst) * watched.sign > 0:
                waits = watched.kind != ProtoOAOrderType.MARKET_RANGE and not watched.is_immediate
                _same("slippage is kept", waits, True)
                return [[worst, _ENDLESS]]
        return self._on_offer(watched, at, worst)

    def _on_offer(self, watched: _Watched, at: int, worst: int | None) -> list[list[int]]:
        """Return what the market has for the rest of an order, up to its worst price."""
        if self._depth_at is None:
            bid, ask = self._quote_at(watched.symbol_id, at)
            market = ask if watched.is_buy else bid
            is_worse = worst is not None and (market - worst) * watched.sign > 0
            return [] if is_worse else [[market, _ENDLESS]]
        left = watched.volume - watched.executed
        step = self._rules[watched.symbol_id].step_volume
        found: list[list[int]] = []
        for price, size in self._depth_at(watched.symbol_id, watched.is_buy, at):
            if worst is not None and (price - worst) * watched.sign > 0:
                break
            part = min(left, size - size % step)
            if part:
                found.append([price, part])
                left -= part
            if not left:
                break
        return [] if watched.is_whole and left else found

    def _released_by(self, watched: _Watched, at: int) -> tuple[int | None, bool]:
        """Return the worst price of a waiting order that was released, None if any will do.

        Returns:
            That price, and whether it is guaranteed.
        """
        self.triggers += 1
        bid, ask = self._quote_at(watched.symbol_id, at)
        market = ask if watched.is_buy else bid
        stop, limit = watched.levels_at(at)
        if watched.kind == ProtoOAOrderType.STOP_LIMIT:
            return self._slipped(watched, stop), False
        if watched.kind == ProtoOAOrderType.LIMIT and watched.is_immediate:
            return limit, False  # it does not wait for anything
        if limit is not None and (market - limit) * watched.sign <= 0:
            self.targets_hit += watched.kind == _PROTECTIVE
            return limit, False
        _same("the market reached the order", stop is not None, True)
        assert stop is not None
        _same("the market reached the stop", self._is_reached(watched, stop, at), True)
        self.stops_hit += watched.kind == _PROTECTIVE
        self.other_triggers += watched.method != ProtoOAOrderTriggerMethod.TRADE
        if watched.kind == _PROTECTIVE and watched.guaranteed:
            return stop, True
        return None, False

    def _is_reached(self, watched: _Watched, stop: int, at: int, *, since: int = 0) -> bool:
        """Tell whether the prices that trigger a stop have reached it.

        Args:
            watched: Its order.
            stop: Where it is.
            at: When.
            since: What came before does not count for an order that wants two prices.
        """
        times = [at]
        if watched.method in _DOUBLE:
            before = self._tick_before(watched.symbol_id, at)
            # What changed in the millisecond of a price may have come before it or after.
            begun = max(each for each in watched.begins if each <= at)
            if before < max(begun - 1, since):
                return False
            times.append(before)
        looks_at_ask = watched.is_buy != (watched.method in _OPPOSITE)
        prices = [self._quote_at(watched.symbol_id, time)[looks_at_ask] for time in times]
        return all((price - stop) * watched.sign >= 0 for price in prices)

    def _slipped(self, watched: _Watched, base: int | None) -> int:
        points = (watched.slippage or 0) * self._rules[watched.symbol_id].grid
        return (base or 0) + watched.sign * points

    def _check_not_reached(self, order: _Watched, now: int) -> None:
        bid, ask = self._quote_at(order.symbol_id, now)
        market = ask if order.is_buy else bid
        # A price that came while something was filled was not counted, or without effect.
        since = max(order.begins[-1] + 2, order.last_fill, self._fills.get(order.position_id, 0))
        stopped = order.stop is not None and self._is_reached(order, order.stop, now, since=since)
        if order.kind == ProtoOAOrderType.STOP_LIMIT and not order.is_immediate:
            worst = self._slipped(order, order.stop)
            stopped = stopped and (market - worst) * order.sign <= 0
        if order.kind == ProtoOAOrderType.STOP_LIMIT:
            limited = False
        elif order.kind == ProtoOAOrderType.LIMIT and order.is_immediate:
            limited = True
        else:
            limited = order.limit is not None and (market - order.limit) * order.sign <= 0
        if stopped or limited:
            raise OrderAuditError(f"the market at {market} has reached {order}, but it waits")
        if order.trailing_distance is not None and order.stop is not None:
            behind = (order.stop - market) * order.sign - order.trailing_distance
            if behind > 0:
                raise OrderAuditError(f"the stop of {order} is {behind} behind the market {market}")


# Private


def _gap(watched: _Watched, stop: int, other: int) -> int:
    """Return by how much a stop loss is worse than another: the further away, the worse."""
    return (stop - other) * watched.sign


def _same(what: str, told: object, own: object) -> None:
    if told != own:
        raise OrderAuditError(f"{what}: the client was told {told}, but it must be {own}")


def _units(price: float | None) -> int | None:
    return None if price is None else round(price * 100_000)
