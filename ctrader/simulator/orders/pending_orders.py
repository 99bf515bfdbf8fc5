"""Takes, changes or cancels the orders that wait for a price to open a position."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOAAmendOrderReq,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradeSide,
)
from ctrader.simulator.book import AccountBook, Order, Position
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.messages.wire import price
from ctrader.simulator.orders.admission import Admission, check_volume, pending_order
from ctrader.simulator.orders.blotter import Blotter
from ctrader.simulator.orders.execution_events import ExecutionEvents
from ctrader.simulator.orders.guarantees import Guarantees
from ctrader.simulator.orders.levels import (
    check_closeness,
    check_distances,
    check_stop_side,
    distances,
    order_price,
    slippage_points,
)
from ctrader.simulator.orders.surroundings import Surroundings, need_quote
from ctrader.simulator.orders.working_orders import WorkingOrders
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.switches import Switches

__all__ = ["PendingOrders"]


class PendingOrders:
    """The pending orders of all accounts, as requests see them."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        *,
        admission: Admission,
        blotter: Blotter,
        events: ExecutionEvents,
        guarantees: Guarantees,
        working: WorkingOrders,
    ) -> None:
        """Take the parts of the floor that pending orders go through."""
        self._outside = surroundings
        self._switches = switches
        self._admission = admission
        self._blotter = blotter
        self._events = events
        self._guarantees = guarantees
        self._working = working

    def place(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        origin: str | None,
    ) -> None:
        """Take a pending order, and an empty position for it.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        self._check_fields(request)
        check_volume(symbol, request.volume)
        side = int(request.tradeSide)
        reduced = _reduced(book, symbol, side)
        opened = request.volume - (0 if reduced is None else reduced.volume)
        self._admission.check_tradeable(book, symbol, opening=opened > 0)
        quote = need_quote(self._outside, symbol)
        own_price = self._own_price(symbol, request, quote)
        time_in_force, expiration = self._time_in_force(request)
        is_buy = request.tradeSide == ProtoOATradeSide.BUY
        both = self._switches.absolute_and_relative
        given = distances(symbol, request, is_buy=is_buy, own_price=own_price, both=both)
        if request.trailingStopLoss and given[0] is None:
            raise OrderRefusal("INVALID_REQUEST", "Trailing stop loss needs a stop loss")
        is_guaranteed = bool(request.guaranteedStopLoss)
        self._guarantees.check(
            book, symbol, is_guaranteed=is_guaranteed, has_stop=given[0] is not None
        )
        check_closeness(symbol, own_price, *given, is_guaranteed=is_guaranteed)
        slippage = None
        if request.orderType == ProtoOAOrderType.STOP_LIMIT:
            slippage = slippage_points(request)
        self._admission.check_room(book)
        self._check_opened(
            book,
            symbol,
            side,
            opened,
            quote,
            reduced,
            stop_distance=given[0] if is_guaranteed else None,
        )
        # Only now, that nothing can be refused any more, are ids used up.
        position = self._blotter.position_for(request, symbol)
        order = self._blotter.order_for(request, position, origin, time_in_force=time_in_force)
        if order.order_type == ProtoOAOrderType.LIMIT:
            order.limit_price = own_price
        else:
            order.stop_price = own_price
            order.slippage_points = slippage
            order.trigger_method = int(request.stopTriggerMethod)
        order.expiration = expiration
        order.relative_stop_loss, order.relative_take_profit = given
        order.guaranteed = is_guaranteed
        if given != (None, None):
            order.trailing = position.trailing = bool(request.trailingStopLoss)
        book.orders[order.order_id] = order
        book.positions[position.position_id] = position
        self._working.add(book, order)
        self._working.await_expiration(book, order)
        self._events.publish(book, ProtoOAExecutionType.ORDER_ACCEPTED, order, position)
        if order.is_immediate and order.order_type == ProtoOAOrderType.LIMIT:
            self._working.release(book, order, "limit")  # now or never
            return
        order.origin = None  # what happens to it later answers no request
        self._working.check(book, order, quote)

    def amend(self, book: AccountBook, request: ProtoOAAmendOrderReq, origin: str | None) -> None:
        """Change a pending order.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        try:
            self._amend(book, request, origin)
        except OrderRefusal as refusal:
            refusal.order_id = request.orderId  # whatever rule it was, the order is known
            raise

    def cancel(self, book: AccountBook, order_id: int, origin: str | None) -> None:
        """Cancel a pending order; one that is being filled gets a refusal as an event.

        Raises:
            Refusal: there is no such pending order, or the account may not trade.
        """
        order = pending_order(book, order_id, self._switches.protective_cancel_code)
        self._admission.check_rights(book, opening=False)
        if not self._switches.cancel_while_closed:
            self._admission.check_hours(order.symbol)
        if order.executing:
            self._refuse_cancelling(book, order, origin)
            return
        order.origin = origin
        self._working.end(
            book,
            order,
            ProtoOAOrderStatus.ORDER_STATUS_CANCELLED,
            ProtoOAExecutionType.ORDER_CANCELLED,
        )

    # Private

    def _amend(self, book: AccountBook, request: ProtoOAAmendOrderReq, origin: str | None) -> None:
        order = self._amendable(book, request.orderId)
        symbol = order.symbol
        volume = request.volume if request.HasField("volume") else order.volume
        reduced = book.reduced_by(order)
        opened = volume - order.executed_volume - (0 if reduced is None else reduced.volume)
        self._admission.check_tradeable(book, symbol, opening=opened > 0)
        self._check_amended_fields(order, request)
        check_volume(symbol, volume)
        if volume <= order.executed_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Order volume = {volume} must be more than the {order.executed_volume} that "
                "are filled",
                order_id=order.order_id,
            )
        method = order.trigger_method
        if request.HasField("stopTriggerMethod") and method is not None:
            method = int(request.stopTriggerMethod)
        limit, stop = self._amended_prices(order, request, method)
        own_price = (limit if limit is not None else stop) or 0
        both = self._switches.absolute_and_relative
        given = distances(symbol, request, is_buy=order.is_buy, own_price=own_price, both=both)
        kept = self._kept_distances(order, given)
        check_distances(order.is_buy, own_price, *kept)
        expiration = self._amended_expiration(order, request)
        trailing = self._amended_trailing(order, request, kept)
        is_guaranteed = self._amended_guarantee(book, order, request, kept)
        check_closeness(symbol, own_price, *kept, is_guaranteed=is_guaranteed)
        quote = need_quote(self._outside, symbol)
        self._check_opened(
            book,
            symbol,
            order.side,
            opened,
            quote,
            reduced,
            stop_distance=kept[0] if is_guaranteed else None,
        )
        if request.HasField("slippageInPoints") and order.order_type == ProtoOAOrderType.STOP_LIMIT:
            order.slippage_points = slippage_points(request)
        if stop != order.stop_price or method != order.trigger_method:
            order.activated, order.touches = False, 0
        order.volume, order.limit_price, order.stop_price = volume, limit, stop
        order.trigger_method = method
        levels = (order.relative_stop_loss, order.relative_take_profit)
        if (kept, trailing, is_guaranteed) != (levels, order.trailing, order.guaranteed):
            order.protected = False  # what is new counts from the next fill
        order.relative_stop_loss, order.relative_take_profit = kept
        order.trailing, order.guaranteed = trailing, is_guaranteed
        order.updated = self._outside.market_now()
        if not order.is_immediate:
            order.time_in_force = int(_waiting(expiration))
        if expiration != order.expiration:
            order.expiration = expiration
            self._working.await_expiration(book, order)
        position = book.positions.get(order.position_id)
        if position is not None and not position.is_open:
            position.trailing = trailing
        order.origin = origin
        self._events.publish(book, ProtoOAExecutionType.ORDER_REPLACED, order, position)
        order.origin = None
        self._working.check(book, order, quote)

    def _check_opened(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        side: int,
        opened: int,
        quote: Quote,
        reduced: Position | None,
        *,
        stop_distance: int | None,
    ) -> None:
        """Refuse what an order would open by now that its account may not, or cannot, hold.

        Raises:
            Refusal: it may not; an order that only reduces a position is not looked at.
        """
        if opened <= 0:
            return
        self._admission.check_opening(book, symbol, side, opened)
        if self._switches.pending_orders_check_money:
            self._admission.check_money(
                book, symbol, side, opened, quote, closed=reduced, stop_distance=stop_distance
            )

    def _amendable(self, book: AccountBook, order_id: int) -> Order:
        """Return the pending order that a request is to change.

        Raises:
            Refusal: there is none that can be changed.
        """
        order = pending_order(book, order_id, self._switches.protective_amend_code)
        if not order.is_pending:
            raise OrderRefusal(
                "UNABLE_TO_AMEND_ORDER",
                f"Order {order_id} waits for the opening",
                order_id=order_id,
            )
        if order.executing:
            raise OrderRefusal(
                self._switches.amend_race_code,
                f"Order {order.order_id} is being executed",
                order_id=order.order_id,
            )
        return order

    def _refuse_cancelling(self, book: AccountBook, order: Order, origin: str | None) -> None:
        """Refuse to cancel an order that is being filled.

        Raises:
            Refusal: always, unless an event says it.
        """
        race = self._switches.cancel_race
        if race == "event":
            placed_by, order.origin = order.origin, origin
            self._events.publish(
                book,
                ProtoOAExecutionType.ORDER_CANCEL_REJECTED,
                order,
                book.positions.get(order.position_id),
                error_code="PENDING_EXECUTION",
            )
            order.origin = placed_by
            return
        code = {
            "pending_execution": "PENDING_EXECUTION",
            "unable": "UNABLE_TO_CANCEL_ORDER",
            "not_found": "ORDER_NOT_FOUND",
        }[race]
        raise OrderRefusal(
            code, f"Order {order.order_id} is being executed", order_id=order.order_id
        )

    def _check_fields(self, request: ProtoOANewOrderReq) -> None:
        """Refuse what only an order at the market may ask for."""
        is_given = request.HasField("positionId") and request.positionId
        if is_given and self._switches.pending_position_id == "refused":
            raise OrderRefusal(
                "INVALID_REQUEST",
                "positionId is allowed only for order types: [MARKET, MARKET_RANGE]",
                position_id=request.positionId,
            )

    def _check_amended_fields(self, order: Order, request: ProtoOAAmendOrderReq) -> None:
        """Refuse to change an order by a request that leaves out what the order always has.

        Raises:
            Refusal: it does, and that is not to mean what it was.
        """
        if not self._switches.amend_needs_all_fields:
            return
        needed = ["volume", "limitPrice" if order.stop_price is None else "stopPrice"]
        if order.order_type == ProtoOAOrderType.STOP_LIMIT:
            needed.append("slippageInPoints")
        missing = [name for name in needed if not request.HasField(name)]
        if missing:
            raise OrderRefusal(
                "INVALID_REQUEST", f"Message missing required fields: {', '.join(missing)}"
            )

    def _check_limit(self, is_buy: bool, limit: int, quote: Quote) -> None:
        """Refuse a limit that the market has passed, if such orders are not filled at once."""
        passed = limit >= quote.ask if is_buy else limit <= quote.bid
        if passed and self._switches.limit_beyond_market == "refused":
            raise OrderRefusal(
                "TRADING_BAD_PRICES",
                f"Limit price {price(limit)} must be {'below' if is_buy else 'above'} the market. "
                f"BID: {price(quote.bid)}, ASK: {price(quote.ask)}",
            )

    def _own_price(self, symbol: SymbolSpec, request: ProtoOANewOrderReq, quote: Quote) -> int:
        """Return the price for which a requested order is to wait.

        Raises:
            Refusal: it names none, or one that cannot be.
        """
        is_limit = request.orderType == ProtoOAOrderType.LIMIT
        name = "limitPrice" if is_limit else "stopPrice"
        if not request.HasField(name):
            raise OrderRefusal("INVALID_REQUEST", f"Message missing required fields: {name}")
        is_buy = request.tradeSide == ProtoOATradeSide.BUY
        if is_limit:
            limit = order_price(symbol, request.limitPrice, "Limit price")
            self._check_limit(is_buy, limit, quote)
            return limit
        stop = order_price(symbol, request.stopPrice, "Stop price")
        method = int(request.stopTriggerMethod)
        check_stop_side(is_buy, stop, quote, method, self._switches.wrong_stop_code)
        return stop

    def _time_in_force(self, request: ProtoOANewOrderReq) -> tuple[int, int | None]:
        """Return how long an order waits: as the protocol numbers it, and until when.

        Raises:
            Refusal: it shall wait for a date that it does not name, or that has passed; or for
                the opening.
        """
        asked = request.timeInForce
        if asked == ProtoOATimeInForce.MARKET_ON_OPEN:
            raise OrderRefusal(
                "INVALID_REQUEST", "Time in force MARKET_ON_OPEN is for market orders only"
            )
        immediate = (ProtoOATimeInForce.IMMEDIATE_OR_CANCEL, ProtoOATimeInForce.FILL_OR_KILL)
        if asked in immediate and self._switches.limits_honour_time_in_force:
            return int(asked), None
        if request.HasField("expirationTimestamp"):
            self._admission.check_expiration(request.expirationTimestamp)
            return int(ProtoOATimeInForce.GOOD_TILL_DATE), request.expirationTimestamp
        if asked == ProtoOATimeInForce.GOOD_TILL_DATE:
            raise OrderRefusal("TRADING_BAD_EXPIRATION_DATE", "GOOD_TILL_DATE needs an expiration")
        return int(ProtoOATimeInForce.GOOD_TILL_CANCEL), None

    def _amended_prices(
        self, order: Order, request: ProtoOAAmendOrderReq, method: int | None
    ) -> tuple[int | None, int | None]:
        """Return limit and stop of an order as a request leaves them."""
        limit, stop = order.limit_price, order.stop_price
        if request.HasField("limitPrice") and limit is not None:
            limit = order_price(order.symbol, request.limitPrice, "Limit price")
            self._check_limit(order.is_buy, limit, need_quote(self._outside, order.symbol))
        if stop is not None and request.HasField("stopPrice"):
            stop = order_price(order.symbol, request.stopPrice, "Stop price")
        if stop is not None and (stop != order.stop_price or method != order.trigger_method):
            quote = need_quote(self._outside, order.symbol)
            code = self._switches.wrong_stop_code
            check_stop_side(order.is_buy, stop, quote, method, code)
        return limit, stop

    def _amended_expiration(self, order: Order, request: ProtoOAAmendOrderReq) -> int | None:
        if request.HasField("expirationTimestamp"):
            self._admission.check_expiration(request.expirationTimestamp)
            return request.expirationTimestamp
        return None if self._switches.omitted_levels_clear else order.expiration

    def _amended_trailing(
        self,
        order: Order,
        request: ProtoOAAmendOrderReq,
        kept: tuple[int | None, int | None],
    ) -> bool | None:
        """Return whether the stop loss of an order shall trail; None where that is no question.

        Raises:
            Refusal: it shall, and there is none.
        """
        if request.HasField("trailingStopLoss"):
            if request.trailingStopLoss and kept[0] is None:
                raise OrderRefusal(
                    "INVALID_REQUEST",
                    "Trailing stop loss needs a stop loss",
                    order_id=order.order_id,
                )
            return request.trailingStopLoss
        if not self._switches.omitted_levels_clear:
            return order.trailing
        return None if kept == (None, None) and order.trailing is None else False

    def _amended_guarantee(
        self,
        book: AccountBook,
        order: Order,
        request: ProtoOAAmendOrderReq,
        kept: tuple[int | None, int | None],
    ) -> bool:
        """Return whether the stop loss of an order shall be guaranteed.

        Raises:
            Refusal: it cannot be, or must.
        """
        has_stop = kept[0] is not None
        is_guaranteed = order.guaranteed and has_stop
        if request.HasField("guaranteedStopLoss"):
            is_guaranteed = request.guaranteedStopLoss
        self._guarantees.check(
            book,
            order.symbol,
            is_guaranteed=is_guaranteed,
            has_stop=has_stop,
            order_id=order.order_id,
        )
        return is_guaranteed

    def _kept_distances(
        self, order: Order, given: tuple[int | None, int | None]
    ) -> tuple[int | None, int | None]:
        """Return the distances of an order after a request that gives some."""
        if self._switches.omitted_levels_clear:
            return given
        stop, target = given
        return (
            order.relative_stop_loss if stop is None else stop,
            order.relative_take_profit if target is None else target,
        )


def _reduced(book: AccountBook, symbol: SymbolSpec, side: int) -> Position | None:
    """Return the position that a pending order on a side would close, or a part of it."""
    if book.spec.account_type != ProtoOAAccountType.NETTED:
        return None
    position = book.open_position_of(symbol)
    return None if position is None or position.side == side else position


def _waiting(expiration: int | None) -> int:
    if expiration is None:
        return ProtoOATimeInForce.GOOD_TILL_CANCEL
    return ProtoOATimeInForce.GOOD_TILL_DATE
