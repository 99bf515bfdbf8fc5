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
from ctrader.simulator.accounts.margin import Margin
from ctrader.simulator.book import AccountBook, Order, Position, better_stop, opposite
from ctrader.simulator.orders.admission import Admission
from ctrader.simulator.orders.blotter import Blotter
from ctrader.simulator.orders.execution_events import ExecutionEvents
from ctrader.simulator.orders.guarantees import Guarantees
from ctrader.simulator.orders.levels import check_closeness, check_protection, protection_level
from ctrader.simulator.orders.surroundings import Surroundings, need_quote
from ctrader.simulator.orders.working_orders import WorkingOrders
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.switches import Switches

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
        guarantees: Guarantees,
        margin: Margin,
        working: WorkingOrders,
    ) -> None:
        """Take the parts of the floor that protective orders go through."""
        self._outside = surroundings
        self._switches = switches
        self._admission = admission
        self._blotter = blotter
        self._events = events
        self._guarantees = guarantees
        self._margin = margin
        self._working = working

    # Requests

    def amend(
        self, book: AccountBook, request: ProtoOAAmendPositionSLTPReq, origin: str | None
    ) -> None:
        """Replace the protection of a position; what is left out is removed.

        Raises:
            Refusal: it is refused as a whole, and nothing happened.
        """
        position = self._admission.visible_position(book, request.positionId)
        _check_amendable(position, request)
        self._admission.check_tradeable(book, position.symbol, opening=False)
        quote = need_quote(self._outside, position.symbol)
        market = quote.bid if position.is_buy else quote.ask
        stop, target = _levels(position, request, market)
        trailing = self._trailing(position, request, stop)
        is_guaranteed = self._guaranteed(book, position, request, stop)
        _check_close_levels(position, market, stop, target, is_guaranteed=is_guaranteed)
        method = position.trigger_method or int(ProtoOAOrderTriggerMethod.TRADE)
        if request.HasField("stopLossTriggerMethod"):
            method = int(request.stopLossTriggerMethod)
        position.amendments += 1
        position.promised_stop = None
        position.stop_loss, position.take_profit = stop, target
        position.trailing = trailing
        position.trailing_distance = abs(market - stop) if trailing and stop is not None else 0
        position.guaranteed = is_guaranteed
        position.trigger_method = method
        position.updated = self._outside.market_now()
        self._renew(book, position, origin, server=False)

    # Fills

    def follow_opening(
        self, book: AccountBook, position: Position, order: Order, market: int
    ) -> None:
        """Protect what an order opened, as it asked or as the position is already.

        The distances of an order count from its first fill; what is filled later only makes the
        protective order larger.

        Args:
            book: The account.
            position: What was opened.
            order: What opened it.
            market: Price of the fill.
        """
        origin = order.origin
        asks = order.relative_stop_loss is not None or order.relative_take_profit is not None
        if asks and not order.protected:
            order.protected = True
            amendments = position.amendments

            def protect() -> None:
                # What a request said meanwhile replaced what the order had asked for.
                if position.amendments == amendments:
                    self._protect(book, position, order, market)

            self._outside.after(self._switches.protection_delay, protect)
        elif order.protected or position.protective_order_id is not None:
            self._outside.after(
                self._switches.protection_delay,
                lambda: self._follow_volume(book, position, origin),
            )

    def follow_reduction(self, book: AccountBook, position: Position, order: Order) -> None:
        """Let the protective order have the volume that an order left of its position."""
        position.charged_volume = min(position.charged_volume, position.volume)
        if order.is_protective or self.of(book, position) is None:
            return
        origin = order.origin
        self._outside.after(
            self._switches.protection_delay,
            lambda: self._follow_volume(book, position, origin),
        )

    def follow_hit(self, book: AccountBook, position: Position, volume: int) -> None:
        """Charge for a volume that a guaranteed stop loss has closed."""
        self._guarantees.settle_hit(book, position, volume)

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

    def resume(self, book: AccountBook, position: Position, *, look: bool) -> None:
        """Protect a position on that an order has let go without closing it.

        Args:
            book: The account.
            position: Which nothing holds locked any more.
            look: Whether its levels may have been passed meanwhile without any effect.
        """
        postponed, position.postponed = position.postponed, []
        for order, market in postponed:
            self._protect(book, position, order, market)
        protective = self.of(book, position)
        quote = self._outside.quote(position.symbol.symbol_id)
        if protective is None or quote is None:
            return
        is_reached = look and self._working.check(book, protective, quote)
        if protective.trailing and not is_reached:
            self._working.trail(book, protective, quote)  # prices came while it was under way

    def of(self, book: AccountBook, position: Position) -> Order | None:
        """Return the protective order that waits for a position, None where none does."""
        return book.working.get(position.protective_order_id or 0)

    # Private

    def _trailing(
        self, position: Position, request: ProtoOAAmendPositionSLTPReq, stop: int | None
    ) -> bool:
        """Return whether the stop loss trails from now on; what is left out keeps that.

        Raises:
            Refusal: trailing is told, or kept, without a stop loss.
        """
        is_given = request.HasField("trailingStopLoss")
        trailing = request.trailingStopLoss if is_given else bool(position.trailing)
        is_kept = trailing and self._switches.trailing_holds_stop
        if stop is None and (is_given or is_kept):
            raise OrderRefusal(
                "INVALID_REQUEST",
                "Trailing stop loss needs a stop loss",
                position_id=position.position_id,
            )
        return trailing and stop is not None

    def _guaranteed(
        self,
        book: AccountBook,
        position: Position,
        request: ProtoOAAmendPositionSLTPReq,
        stop: int | None,
    ) -> bool:
        """Return whether the stop loss is guaranteed from now on; what is left out keeps that.

        Raises:
            Refusal: it cannot be, must be, or would be worse than it is.
        """
        is_guaranteed = position.guaranteed_stop is not None
        if request.HasField("guaranteedStopLoss"):
            is_guaranteed = request.guaranteedStopLoss
        self._guarantees.check_not_worse(position, stop, is_guaranteed=is_guaranteed)
        self._guarantees.check(
            book,
            position.symbol,
            is_guaranteed=is_guaranteed,
            has_stop=stop is not None,
            position_id=position.position_id,
        )
        return is_guaranteed

    def _protect(self, book: AccountBook, position: Position, order: Order, market: int) -> None:
        """Give a freshly filled position the protection that its order asked for."""
        if not position.is_open or position.position_id != order.position_id:
            return
        if position.executing is not None and position.executing == position.protective_order_id:
            # A level was reached and is being filled: it must not become another one meanwhile.
            position.postponed.append((order, market))
            return
        if order.relative_stop_loss is not None:
            kept = position.stop_loss if position.guaranteed else None  # never a worse one
            position.stop_loss = better_stop(position.side, order.stop_from(market), kept)
            position.trailing = bool(order.trailing)
            position.trailing_distance = order.relative_stop_loss
            position.trigger_method = int(ProtoOAOrderTriggerMethod.TRADE)
        if order.relative_take_profit is not None:
            distance = (
                order.relative_take_profit if position.is_buy else -order.relative_take_profit
            )
            position.take_profit = max(market + distance, position.symbol.grid)
        if position.stop_loss is None:
            position.trailing = bool(order.trailing)
        if position.trigger_method is None:
            position.trigger_method = int(ProtoOAOrderTriggerMethod.TRADE)
        position.guaranteed = position.guaranteed or order.guaranteed
        position.updated = self._outside.market_now()
        self._renew(book, position, order.origin, server=True)

    def _follow_volume(self, book: AccountBook, position: Position, origin: str | None) -> None:
        order = self.of(book, position)
        if order is not None and position.is_open and order.remaining != position.volume:
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
        # Where a flip keeps the id, another position has it by now.
        shown = book.positions.get(position.position_id, position)
        self._events.publish(book, ProtoOAExecutionType.ORDER_CANCELLED, order, shown, server=True)

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
        order.volume = order.executed_volume + position.volume
        order.stop_price, order.limit_price = position.stop_loss, position.take_profit
        order.trailing = bool(position.trailing)
        order.guaranteed = position.guaranteed
        order.touches = 0
        order.trigger_method = position.trigger_method
        order.updated = self._outside.market_now()
        order.origin = origin
        if position.guaranteed:
            self._margin.renew(book, position)  # it may follow from the distance of the level
        self._events.publish(book, execution_type, order, position, server=server)
        order.origin = None  # a hit answers no request
        self._guarantees.settle_placing(book, position)
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
        execution_type = ProtoOAExecutionType.ORDER_CANCELLED
        if self._switches.removed_protection == "replaced":
            execution_type = ProtoOAExecutionType.ORDER_REPLACED
            order.stop_price = order.limit_price = None
        self._events.publish(book, execution_type, order, position, server=server)


def _levels(
    position: Position, request: ProtoOAAmendPositionSLTPReq, market: int
) -> tuple[int | None, int | None]:
    """Return the levels that a request names, None for those that it leaves out.

    Raises:
        Refusal: one of them cannot be.
    """
    stop = target = None
    if request.HasField("stopLoss"):
        stop = protection_level(position.symbol, request.stopLoss, "Stop loss")
    if request.HasField("takeProfit"):
        target = protection_level(position.symbol, request.takeProfit, "Take profit")
    check_protection(position.is_buy, market, stop, target)
    return stop, target


def _check_close_levels(
    position: Position, market: int, stop: int | None, target: int | None, *, is_guaranteed: bool
) -> None:
    """Refuse levels that come too near to the market; those that stay may be there already."""
    is_new_stop = stop != position.stop_loss or is_guaranteed != position.guaranteed
    check_closeness(
        position.symbol,
        market,
        abs(market - stop) if stop is not None and is_new_stop else None,
        abs(market - target) if target is not None and target != position.take_profit else None,
        is_guaranteed=is_guaranteed,
        position_id=position.position_id,
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
