"""The protective orders, which hold the stop loss and take profit of positions."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOAExecutionType,
    ProtoOAOrderStatus,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOATimeInForce,
)
from ctrader.simulator.admission import Admission, open_position
from ctrader.simulator.blotter import Blotter
from ctrader.simulator.book import AccountBook, Order, Position, opposite
from ctrader.simulator.execution_events import ExecutionEvents
from ctrader.simulator.levels import check_protection, protection_level
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.surroundings import Surroundings, need_quote
from ctrader.simulator.switches import Switches
from ctrader.simulator.working_orders import WorkingOrders

__all__ = ["Protection"]


class Protection:
    """The protective orders of all positions, at most one for each."""

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
        """Take the parts of the floor that protective orders go through."""
        self._outside = surroundings
        self._switches = switches
        self._admission = admission
        self._blotter = blotter
        self._events = events
        self._working = working

    # Requests

    def amend(
        self, book: AccountBook, request: ProtoOAAmendPositionSLTPReq, origin: str | None
    ) -> None:
        """Replace the protection of a position; what is left out is removed.

        Raises:
            Refusal: it is refused as a whole, and nothing happened.
        """
        position = open_position(book, request.positionId)
        _check_amendable(position, request)
        self._admission.check_tradeable(book, position.symbol, opening=False)
        stop = target = None
        quote = need_quote(self._outside, position.symbol)
        market = quote.bid if position.is_buy else quote.ask
        if request.HasField("stopLoss"):
            stop = protection_level(position.symbol, request.stopLoss, "Stop loss")
        if request.HasField("takeProfit"):
            target = protection_level(position.symbol, request.takeProfit, "Take profit")
        check_protection(position.is_buy, market, stop, target)
        trailing = bool(position.trailing)
        if request.HasField("trailingStopLoss"):
            trailing = request.trailingStopLoss
            if stop is None:
                raise OrderRefusal(
                    "INVALID_REQUEST",
                    "Trailing stop loss needs a stop loss",
                    position_id=position.position_id,
                )
        method = position.trigger_method or int(ProtoOAOrderTriggerMethod.TRADE)
        if request.HasField("stopLossTriggerMethod"):
            method = int(request.stopLossTriggerMethod)
        position.stop_loss, position.take_profit = stop, target
        position.trailing = trailing and stop is not None
        position.trailing_distance = abs(market - stop) if trailing and stop is not None else 0
        position.trigger_method = method
        position.updated = self._outside.market_now()
        self._renew(book, position, origin, server=False)

    # Fills

    def follow_opening(
        self, book: AccountBook, position: Position, order: Order, market: int
    ) -> None:
        """Protect what an order opened, as it asked or as the position is already.

        Args:
            market: Price of the fill, from which the order's distances count.
        """
        origin = order.origin
        if order.relative_stop_loss is not None or order.relative_take_profit is not None:
            self._outside.after(
                self._switches.protection_delay,
                lambda: self._protect(book, position, order, market),
            )
        elif position.protective_order_id is not None:
            self._outside.after(
                self._switches.protection_delay,
                lambda: self._follow_volume(book, position, origin),
            )

    def follow_reduction(self, book: AccountBook, position: Position, order: Order) -> None:
        """Let the protective order have the volume that an order left of its position."""
        if self.of(book, position) is None:
            return
        origin = order.origin
        self._outside.after(
            self._switches.protection_delay,
            lambda: self._follow_volume(book, position, origin),
        )

    def follow_closing(
        self,
        book: AccountBook,
        position: Position,
        protective: Order,
        closed: int,
        origin: str | None,
    ) -> None:
        """Cancel the protective order of a position that a request closed."""
        self._outside.after(
            self._switches.protection_delay,
            lambda: self._cancel(book, position, protective, closed, origin),
        )

    def of(self, book: AccountBook, position: Position) -> Order | None:
        """Return the protective order that waits for a position, None where none does."""
        return book.working.get(position.protective_order_id or 0)

    # Private

    def _protect(self, book: AccountBook, position: Position, order: Order, market: int) -> None:
        """Give a freshly filled position the protection that its order asked for."""
        if not position.is_open:
            return
        sign = 1 if position.is_buy else -1
        if order.relative_stop_loss is not None:
            position.stop_loss = market - sign * order.relative_stop_loss
        if order.relative_take_profit is not None:
            position.take_profit = market + sign * order.relative_take_profit
        position.trailing = bool(order.trailing)
        position.trailing_distance = order.relative_stop_loss or 0
        position.trigger_method = int(ProtoOAOrderTriggerMethod.TRADE)
        position.updated = self._outside.market_now()
        self._renew(book, position, order.origin, server=True)

    def _follow_volume(self, book: AccountBook, position: Position, origin: str | None) -> None:
        if position.is_open and position.protective_order_id in book.working:
            position.updated = self._outside.market_now()
            self._renew(book, position, origin, server=True)

    def _cancel(
        self,
        book: AccountBook,
        position: Position,
        order: Order,
        closed: int,
        origin: str | None,
    ) -> None:
        position.close(closed)
        order.end(ProtoOAOrderStatus.ORDER_STATUS_CANCELLED, closed)
        order.origin = origin
        self._events.publish(
            book, ProtoOAExecutionType.ORDER_CANCELLED, order, position, server=True
        )

    def _renew(
        self, book: AccountBook, position: Position, origin: str | None, *, server: bool
    ) -> None:
        """Make the protective order say what the position says."""
        order = self.of(book, position)
        if not position.is_protected:
            if order is not None:
                self._remove(book, position, order, origin, server=server)
            return
        execution_type = ProtoOAExecutionType.ORDER_REPLACED
        if order is None:
            execution_type = ProtoOAExecutionType.ORDER_ACCEPTED
            order = self._place(book, position, origin)
        order.volume = position.volume
        order.stop_price, order.limit_price = position.stop_loss, position.take_profit
        order.trailing = bool(position.trailing)
        order.trigger_method = position.trigger_method
        order.updated = self._outside.market_now()
        order.origin = origin
        self._events.publish(book, execution_type, order, position, server=server)
        order.origin = None  # a hit answers no request
        quote = self._outside.quote(position.symbol.symbol_id)
        if quote is not None:
            self._working.check(book, order, quote)

    def _place(self, book: AccountBook, position: Position, origin: str | None) -> Order:
        """Make a protective order and let prices reach it."""
        order = self._blotter.new_order(
            position,
            side=opposite(position.side),
            order_type=ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT,
            volume=position.volume,
            origin=origin,
            time_in_force=ProtoOATimeInForce.GOOD_TILL_CANCEL,
        )
        order.become_protective(position)
        book.orders[order.order_id] = order
        position.protective_order_id = order.order_id
        self._working.add(book, order)
        return order

    def _remove(
        self,
        book: AccountBook,
        position: Position,
        order: Order,
        origin: str | None,
        *,
        server: bool,
    ) -> None:
        """Cancel the protective order of a position that is not protected any more."""
        order.end(ProtoOAOrderStatus.ORDER_STATUS_CANCELLED, self._outside.market_now())
        self._working.retire(book, order)
        position.protective_order_id, position.trailing = None, False
        order.origin = origin
        self._events.publish(
            book, ProtoOAExecutionType.ORDER_CANCELLED, order, position, server=server
        )


def _check_amendable(position: Position, request: ProtoOAAmendPositionSLTPReq) -> None:
    """Refuse to change what is not there, or what is being filled."""
    is_given = request.HasField("stopLoss") or request.HasField("takeProfit")
    if not is_given and not position.is_protected:
        raise OrderRefusal("INVALID_REQUEST", "Nothing to amend.", position_id=position.position_id)
    if position.executing is not None:
        raise OrderRefusal(
            "PENDING_EXECUTION",
            f"Position {position.position_id} is being executed",
            position_id=position.position_id,
        )
