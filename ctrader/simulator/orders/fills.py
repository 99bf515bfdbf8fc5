"""Fills orders with what the market has for them, in one part or in several.

The events come in the sequences that recordings of a real server show. A fill never happens in the
moment of its cause: it comes after a delay, so that other frames may stand between the acceptance
and the fill. What an order finds by then decides what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOAExecutionType,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPositionStatus,
    ProtoOATimeInForce,
)
from ctrader.simulator.book import AccountBook, Deal, Order, Position
from ctrader.simulator.orders.admission import Admission
from ctrader.simulator.orders.blotter import Blotter
from ctrader.simulator.orders.execution_events import ExecutionEvents
from ctrader.simulator.orders.fill_scripts import FillScript, FillScripts
from ctrader.simulator.orders.liquidity import Liquidity, Part
from ctrader.simulator.orders.protection import Protection
from ctrader.simulator.orders.reservations import Reservations
from ctrader.simulator.orders.settlement import Settlement
from ctrader.simulator.orders.surroundings import Surroundings, need_quote
from ctrader.simulator.orders.triggers import Trigger
from ctrader.simulator.orders.working_orders import WorkingOrders, unlock
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.switches import Switches

__all__ = ["Fills"]


class Fills:
    """The fills of all accounts' orders."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        *,
        admission: Admission,
        blotter: Blotter,
        events: ExecutionEvents,
        liquidity: Liquidity,
        protection: Protection,
        reservations: Reservations,
        scripts: FillScripts,
        settlement: Settlement,
        working: WorkingOrders,
        touch: Callable[[AccountBook], None],
    ) -> None:
        """Take the parts of the floor that a fill goes through.

        `touch` is called when an order ended that may have kept a stop-out from its position.
        """
        self._outside = surroundings
        self._switches = switches
        self._admission = admission
        self._blotter = blotter
        self._events = events
        self._liquidity = liquidity
        self._protection = protection
        self._reservations = reservations
        self._scripts = scripts
        self._settlement = settlement
        self._working = working
        self._touch = touch

    def fill(self, book: AccountBook, order: Order, trigger: Trigger | None = None) -> None:
        """Begin to fill an order, or end it if that cannot be any more.

        Args:
            book: The account.
            order: What is to be filled.
            trigger: What released it; None is an order that waited for nothing.
        """
        if order.is_protective and order.order_id not in book.working:
            return  # it ended with its position
        created = order.created if trigger is None else trigger.at
        try:
            quote = need_quote(self._outside, order.symbol)
            self._check_position(book, order)
            self._admission.check_executable(book, order, opening=book.opened_by(order) > 0)
            self._afford(book, order)
        except Refusal as refusal:
            self._fail(book, order, refusal.code)
            return
        script = self._scripts.take(book)
        if script is not None and script.reject_code is not None:
            self._reject_as_told(book, order, script, created)
            return
        self._resize(book, order)
        self._next(book, order, self._liquidity.parts(order, quote, trigger, script), created)

    # Private

    def _next(self, book: AccountBook, order: Order, parts: Sequence[Part], created: int) -> None:
        """Execute the first of some parts, and see to the others or to the end of the order."""
        if not parts:
            self._leave_rest(book, order)
            return
        try:
            self._check_position(book, order)
            self._afford(book, order)
            self._resize(book, order)
            position = self._execute(book, order, parts[0], created)
        except Refusal as refusal:
            self._fail(book, order, refusal.code)
            return
        if not order.remaining:
            return
        if len(parts) == 1:
            self._leave_rest(book, order)
            return
        if position.is_open and position.executing is None:
            position.executing = order.order_id
        self._outside.after(
            self._switches.fill_delay, lambda: self._next(book, order, parts[1:], created)
        )

    def _execute(self, book: AccountBook, order: Order, part: Part, created: int) -> Position:
        """Execute one part, and return the position that it went to last.

        Raises:
            Refusal: there is no price to reckon with, and nothing of the part happened.
        """
        position, volume = self._position_for(book, order), part.volume
        if order.closing:
            taken = min(volume, position.volume)
            self._close(book, order, position, Part(taken, part.price), created)
            volume -= taken
            may_open = book.spec.account_type == ProtoOAAccountType.NETTED
            # What is left may be less than the smallest volume. That bounds what requests ask
            # for; nobody knows what a pending order will meet when it is placed, and one that was
            # accepted is filled. The rest can be closed whole, as any position can.
            may_open = may_open and not order.closes_only
            order.flips = may_open and not position.is_open
            if not volume or not may_open:
                return position
            position = self._new_position(book, order)
        self._open(book, order, position, Part(volume, part.price), created)
        return position

    # What comes before a fill

    def _check_position(self, book: AccountBook, order: Order) -> None:
        """Refuse to fill an order whose position was closed before its turn came.

        Raises:
            Refusal: it was; a pending order opens a new one instead, and so does what is left of
                one that closed it itself.
        """
        position = book.positions.get(order.position_id)
        is_gone = position is None
        if position is not None and order.closing:
            # Its id may be that of a position which another order opened beyond it.
            is_gone = not position.is_open or position.side == order.side
        elif position is not None and position.is_open:
            is_gone = position.side != order.side  # or beyond one that it made larger
        if is_gone and (order.is_pending or order.flips):
            order.cease_closing()
        elif is_gone:
            raise Refusal("POSITION_NOT_OPEN", f"Position {order.position_id} is not open")

    def _resize(self, book: AccountBook, order: Order) -> None:
        """Let a protective order close what its position holds by now, no more and no less."""
        if order.is_protective:
            order.volume = order.executed_volume + book.positions[order.position_id].volume

    def _position_for(self, book: AccountBook, order: Order) -> Position:
        """Return the position to which the next part of an order goes."""
        position, other = book.positions.get(order.position_id), book.met_by(order)
        if other is not None:
            if other is not position:
                book.positions.pop(order.position_id, None)
                self._leave_behind(order, other)
            if other.side != order.side:
                order.become_closing(other)
            return other
        return self._new_position(book, order) if position is None else position

    def _new_position(self, book: AccountBook, order: Order) -> Position:
        """Give what is left of an order, whose position was closed, an empty one of its own."""
        keeps_id = order.flips and self._switches.flip_keeps_position_id
        position = self._blotter.new_position(
            order.symbol,
            order.side,
            label=order.own_label,
            comment=order.own_comment,
            position_id=order.position_id if keeps_id else None,
        )
        position.trailing = order.trailing
        book.positions[position.position_id] = position
        order.cease_closing()
        order.protected = False
        self._leave_behind(order, position)
        return position

    def _leave_behind(self, order: Order, position: Position) -> None:
        """Let an order go from the position that it has to another one."""
        if order.executed_volume:
            order.earlier_positions.append(order.position_id)
        order.position_id, order.flips = position.position_id, False

    def _afford(self, book: AccountBook, order: Order) -> None:
        """Set aside what an order needs for the volume that it opens, if that was not done yet.

        Raises:
            Refusal: the account may not, or cannot, hold so much.
        """
        if order.is_protective or self._reservations.has(book, order):
            return
        opened = book.opened_by(order)
        if opened <= 0:
            return
        # It may have been to reduce a position only, which another has made smaller meanwhile.
        self._admission.check_executable(book, order, opening=True)
        if book.spec.is_limited_risk and not order.guaranteed:
            raise Refusal("INVALID_REQUEST", "Guaranteed stop loss is required")
        self._admission.check_opening(book, order.symbol, order.side, opened)
        quote = need_quote(self._outside, order.symbol)
        closed = book.reduced_by(order)
        met = book.met_by(order) or book.positions.get(order.position_id)
        promises = order.guaranteed and not order.protected
        need = self._admission.check_money(
            book,
            order.symbol,
            order.side,
            opened,
            quote,
            closed=closed,
            added_to=met if closed is None else None,
            stop_distance=order.relative_stop_loss if promises else None,
        )
        self._reservations.keep(book, order, need, opened)

    # Ends without a fill

    def _fail(self, book: AccountBook, order: Order, code: str) -> None:
        """Reject an order, or let it wait if its position would be unprotected without it.

        So waits an order with a price of its own that may be executed again some day.
        """
        # A protective order is good till cancelled, and the server is known to end it in two ways
        # only: filled, or cancelled with its levels or its position. So what it finds no rate, no
        # price or no depth for does not reject it: it is tried again with the next price.
        may_wait = order.is_pending and not order.is_immediate and self._is_for_now(code)
        if order.is_protective or may_wait:
            self._rest(book, order)
            return
        self._end(
            book,
            order,
            ProtoOAOrderStatus.ORDER_STATUS_REJECTED,
            ProtoOAExecutionType.ORDER_REJECTED,
            server=_is_unasked(order),
            error_code=code,
        )

    def _is_for_now(self, code: str) -> bool:
        """Tell whether what a code refuses will be allowed at another hour, or may be."""
        if code == "TRADING_NOT_ALLOWED":
            return self._switches.pending_without_rights == "wait"
        return code in ("MARKET_CLOSED", "SYMBOL_HAS_HOLIDAY", "TRADING_DISABLED")

    def _reject_as_told(
        self, book: AccountBook, order: Order, script: FillScript, created: int
    ) -> None:
        if order.is_protective:
            self._rest(book, order, look=True)
            return
        deal: Deal | None = None
        if script.deal_status is not None:
            deal = self._settlement.leave_unfilled(book, order, script.deal_status, created)
        self._end(
            book,
            order,
            ProtoOAOrderStatus.ORDER_STATUS_REJECTED,
            ProtoOAExecutionType.ORDER_REJECTED,
            server=_is_unasked(order),
            error_code=script.reject_code,
            deal=deal,
        )
        self._touch(book)  # a stop-out that a test rejects is tried again at once

    def _leave_rest(self, book: AccountBook, order: Order) -> None:
        """Let what the market had nothing for wait, or end it."""
        waits = order.order_type in (
            ProtoOAOrderType.LIMIT,
            ProtoOAOrderType.STOP_LIMIT,
            ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT,
        )
        if waits and (order.is_protective or not order.is_immediate):
            self._rest(book, order)
            return
        ending: str = self._switches.immediate_rest
        if order.order_type == ProtoOAOrderType.MARKET_RANGE:
            ending = self._switches.market_range_rest
        status, execution_type, error_code = _ENDINGS[ending]
        self._end(
            book,
            order,
            status,
            execution_type,
            server=_is_unasked(order),
            error_code=error_code,
        )

    def _rest(self, book: AccountBook, order: Order, *, look: bool = False) -> None:
        """Let an order wait again, and its position have what waited for the order.

        Args:
            book: The account.
            order: What was not filled, or not all of it.
            look: Whether the price that is there may release it again. Where the market has
                nothing for it, it waits for the next one.
        """
        self._working.rest(book, order)
        position = book.positions.get(order.position_id)
        if order.is_protective and position is not None and position.is_open:
            self._protection.resume(book, position, look=look)

    def _end(
        self,
        book: AccountBook,
        order: Order,
        status: int,
        execution_type: int,
        *,
        server: bool,
        error_code: str | None,
        deal: Deal | None = None,
    ) -> None:
        """End an order unfilled, and look at the position that it held.

        A level that was passed meanwhile had no effect, and no other price may come for long.
        """
        self._working.end(
            book, order, status, execution_type, server=server, error_code=error_code, deal=deal
        )
        position = book.positions.get(order.position_id)
        if position is not None and position.is_open:
            self._protection.resume(book, position, look=True)
        if not order.stop_out:
            self._touch(book)  # a stop-out would find no more now than it just did

    # Fills

    def _end_if_filled(self, book: AccountBook, order: Order, position: Position) -> None:
        """Take an order that has nothing left out of everything that holds for it."""
        if not order.remaining:
            order.executing = False
            unlock(position, order)
            self._working.retire(book, order)
            self._reservations.release(book, order)

    def _open(
        self, book: AccountBook, order: Order, position: Position, part: Part, created: int
    ) -> None:
        is_new = not position.is_open
        deal = self._settlement.open(book, order, position, part.volume, part.price, created)
        if is_new:
            self._outside.watch(order.symbol.symbol_id)
        order.fill(part.volume, part.price, self._outside.market_now())
        self._end_if_filled(book, order, position)
        self._publish(book, order, position, deal)
        self._protection.follow_opening(book, position, order, part.price)

    def _close(
        self, book: AccountBook, order: Order, position: Position, part: Part, created: int
    ) -> None:
        deal = self._settlement.close(book, order, position, part.volume, part.price, created)
        order.fill(part.volume, part.price, self._outside.market_now())
        self._end_if_filled(book, order, position)
        if position.is_open:
            self._publish(book, order, position, deal)
            self._protection.follow_reduction(book, position, order)
        else:
            self._leave(book, order, position, deal)
        if order.is_protective and order.guaranteed and part.price == order.stop_price:
            self._protection.follow_hit(book, position, part.volume)

    def _leave(self, book: AccountBook, order: Order, position: Position, deal: Deal) -> None:
        """Take a position that holds nothing any more out of the books."""
        now = self._outside.market_now()
        protective = self._protection.of(book, position)
        self._outside.unwatch(order.symbol.symbol_id)
        del book.positions[position.position_id]
        if protective is None or order.is_protective:
            position.close(now)
            self._publish(book, order, position, deal)
            return
        # With a protective order to cancel the position shows as created, at volume 0, until
        # that order is gone, as recorded.
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_CREATED)
        self._working.retire(book, protective)
        self._publish(book, order, position, deal)
        self._protection.follow_closing(book, position, protective, now, order.origin)

    def _publish(self, book: AccountBook, order: Order, position: Position, deal: Deal) -> None:
        self._events.publish(
            book,
            ProtoOAExecutionType.ORDER_PARTIAL_FILL
            if order.remaining
            else ProtoOAExecutionType.ORDER_FILLED,
            order,
            position,
            deal=deal,
            server=order.is_protective or order.stop_out,
        )


_ENDINGS: Final = {
    "cancelled": (
        ProtoOAOrderStatus.ORDER_STATUS_CANCELLED,
        ProtoOAExecutionType.ORDER_CANCELLED,
        None,
    ),
    "expired": (
        ProtoOAOrderStatus.ORDER_STATUS_EXPIRED,
        ProtoOAExecutionType.ORDER_EXPIRED,
        None,
    ),
    "rejected": (
        ProtoOAOrderStatus.ORDER_STATUS_REJECTED,
        ProtoOAExecutionType.ORDER_REJECTED,
        "TRADING_BAD_PRICES",
    ),
}


def _is_unasked(order: Order) -> bool:
    """Tell whether the end of an order comes long after the request behind it, or without one."""
    is_at_once = order.is_immediate and order.order_type == ProtoOAOrderType.LIMIT
    is_opening = order.time_in_force == ProtoOATimeInForce.MARKET_ON_OPEN
    has_waited = order.is_pending or (is_opening and order.origin is None)
    return order.stop_out or (has_waited and not is_at_once)
