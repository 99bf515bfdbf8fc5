"""Takes, changes or cancels the orders that wait for a price to open a position."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradeSide,
)
from ctrader.simulator.admission import Admission, check_volume, pending_order
from ctrader.simulator.blotter import Blotter
from ctrader.simulator.book import AccountBook, Order
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.execution_events import ExecutionEvents
from ctrader.simulator.levels import check_stop_side, distances, order_price
from ctrader.simulator.prices import Quote
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.surroundings import Surroundings, need_quote
from ctrader.simulator.switches import Switches
from ctrader.simulator.working_orders import WorkingOrders

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
        working: WorkingOrders,
    ) -> None:
        """Take the parts of the floor that pending orders go through."""
        self._outside = surroundings
        self._switches = switches
        self._admission = admission
        self._blotter = blotter
        self._events = events
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
        check_volume(symbol, request.volume)
        self._admission.check_tradeable(book, symbol, opening=True)
        quote = need_quote(self._outside, symbol)
        own_price = _own_price(symbol, request, quote)
        expiration = self._expiration(request)
        position = self._blotter.position_for(request, symbol)
        order = self._blotter.order_for(
            request, position, origin, time_in_force=_time_in_force(expiration)
        )
        if order.order_type == ProtoOAOrderType.LIMIT:
            order.limit_price = own_price
        else:
            order.stop_price = own_price
            order.trigger_method = int(request.stopTriggerMethod)
        order.expiration = expiration
        order.relative_stop_loss, order.relative_take_profit = distances(
            symbol, request, is_buy=order.is_buy, own_price=own_price
        )
        if request.trailingStopLoss and order.relative_stop_loss is None:
            raise OrderRefusal("INVALID_REQUEST", "Trailing stop loss needs a stop loss")
        if order.relative_stop_loss is not None or order.relative_take_profit is not None:
            order.trailing = position.trailing = bool(request.trailingStopLoss)
        book.orders[order.order_id] = order
        book.positions[position.position_id] = position
        self._working.add(book, order)
        self._working.await_expiration(book, order)
        self._events.publish(book, ProtoOAExecutionType.ORDER_ACCEPTED, order, position)
        order.origin = None  # what happens to it later answers no request
        self._working.check(book, order, quote)

    def amend(self, book: AccountBook, request: ProtoOAAmendOrderReq, origin: str | None) -> None:
        """Change a pending order.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        order = pending_order(book, request.orderId, "UNABLE_TO_AMEND_ORDER")
        if order.executing:
            raise OrderRefusal(
                "PENDING_EXECUTION",
                f"Order {order.order_id} is being executed",
                order_id=order.order_id,
            )
        symbol = order.symbol
        volume = request.volume if request.HasField("volume") else order.volume
        check_volume(symbol, volume)
        limit, stop = self._amended_prices(order, request)
        given = distances(
            symbol,
            request,
            is_buy=order.is_buy,
            own_price=(limit if limit is not None else stop) or 0,
        )
        expiration = self._amended_expiration(order, request)
        trailing = self._amended_trailing(order, request, given)
        order.volume, order.limit_price, order.stop_price = volume, limit, stop
        self._set_distances(order, given)
        order.trailing = trailing
        order.updated = self._outside.market_now()
        order.time_in_force = int(_time_in_force(expiration))
        if expiration != order.expiration:
            order.expiration = expiration
            self._working.await_expiration(book, order)
        position = book.positions[order.position_id]
        position.trailing = trailing
        order.origin = origin
        self._events.publish(book, ProtoOAExecutionType.ORDER_REPLACED, order, position)
        order.origin = None
        self._working.check(book, order, need_quote(self._outside, symbol))

    def cancel(self, book: AccountBook, order_id: int, origin: str | None) -> None:
        """Cancel a pending order; one that is being filled gets a refusal as an event.

        Raises:
            Refusal: there is no such pending order.
        """
        order = pending_order(book, order_id, "UNABLE_TO_CANCEL_ORDER")
        order.origin = origin
        if order.executing:
            self._events.publish(
                book,
                ProtoOAExecutionType.ORDER_CANCEL_REJECTED,
                order,
                book.positions[order.position_id],
                error_code="PENDING_EXECUTION",
            )
            return
        self._working.end(
            book,
            order,
            ProtoOAOrderStatus.ORDER_STATUS_CANCELLED,
            ProtoOAExecutionType.ORDER_CANCELLED,
        )

    # Private

    def _expiration(self, request: ProtoOANewOrderReq) -> int | None:
        if request.HasField("expirationTimestamp"):
            self._admission.check_expiration(request.expirationTimestamp)
            return request.expirationTimestamp
        if request.timeInForce == ProtoOATimeInForce.GOOD_TILL_DATE:
            raise OrderRefusal("TRADING_BAD_EXPIRATION_DATE", "GOOD_TILL_DATE needs an expiration")
        return None

    def _amended_prices(
        self, order: Order, request: ProtoOAAmendOrderReq
    ) -> tuple[int | None, int | None]:
        """Return limit and stop of an order as a request leaves them."""
        limit, stop = order.limit_price, order.stop_price
        if request.HasField("limitPrice") and order.order_type == ProtoOAOrderType.LIMIT:
            limit = order_price(order.symbol, request.limitPrice, "Limit price")
        if request.HasField("stopPrice") and order.order_type == ProtoOAOrderType.STOP:
            stop = order_price(order.symbol, request.stopPrice, "Stop price")
            check_stop_side(order.is_buy, stop, need_quote(self._outside, order.symbol))
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
        given: tuple[int | None, int | None],
    ) -> bool | None:
        if request.HasField("trailingStopLoss"):
            return request.trailingStopLoss
        if not self._switches.omitted_levels_clear:
            return order.trailing
        return None if given == (None, None) and order.trailing is None else False

    def _set_distances(self, order: Order, given: tuple[int | None, int | None]) -> None:
        stop, target = given
        if stop is not None or self._switches.omitted_levels_clear:
            order.relative_stop_loss = stop
        if target is not None or self._switches.omitted_levels_clear:
            order.relative_take_profit = target


def _own_price(symbol: SymbolSpec, request: ProtoOANewOrderReq, quote: Quote) -> int:
    """Return the price for which a requested order is to wait."""
    is_limit = request.orderType == ProtoOAOrderType.LIMIT
    name = "limitPrice" if is_limit else "stopPrice"
    if not request.HasField(name):
        raise OrderRefusal("INVALID_REQUEST", f"Message missing required fields: {name}")
    if is_limit:
        return order_price(symbol, request.limitPrice, "Limit price")
    stop = order_price(symbol, request.stopPrice, "Stop price")
    check_stop_side(request.tradeSide == ProtoOATradeSide.BUY, stop, quote)
    return stop


def _time_in_force(expiration: int | None) -> int:
    if expiration is None:
        return ProtoOATimeInForce.GOOD_TILL_CANCEL
    return ProtoOATimeInForce.GOOD_TILL_DATE
