"""Fills orders at the present price.

The events come in the sequences that recordings of a real server show. A fill never happens in the
moment of its cause: it comes after a delay, so that other frames may stand between the acceptance
and the fill. What an order finds by then decides what becomes of it.
"""

from __future__ import annotations

from fractions import Fraction

from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOADealStatus,
    ProtoOAExecutionType,
    ProtoOAOrderStatus,
    ProtoOAPositionStatus,
)
from ctrader.simulator.admission import Admission
from ctrader.simulator.blotter import Blotter
from ctrader.simulator.book import AccountBook, Deal, Order, Position
from ctrader.simulator.execution_events import ExecutionEvents
from ctrader.simulator.prices import Quote
from ctrader.simulator.protection import Protection
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.settlement import Settlement
from ctrader.simulator.surroundings import Surroundings, need_quote
from ctrader.simulator.triggers import Trigger
from ctrader.simulator.working_orders import WorkingOrders

__all__ = ["Fills"]


class Fills:
    """The fills of all accounts' orders."""

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        admission: Admission,
        blotter: Blotter,
        events: ExecutionEvents,
        protection: Protection,
        settlement: Settlement,
        working: WorkingOrders,
    ) -> None:
        """Take the parts of the floor that a fill goes through."""
        self._outside = surroundings
        self._admission = admission
        self._blotter = blotter
        self._events = events
        self._protection = protection
        self._settlement = settlement
        self._working = working

    def fill(self, book: AccountBook, order: Order, trigger: Trigger | None = None) -> None:
        """Fill an order at the present price, or reject it if that cannot be any more.

        Args:
            trigger: The price that released it; None is a market order.
        """
        position = book.positions.get(order.position_id)
        quote = self._outside.quote(order.symbol.symbol_id)
        if position is None or quote is None or (order.closing and not position.is_open):
            self._reject(book, order)
            return
        market = _price_of(order, quote, trigger)
        created = order.created if trigger is None else trigger.at
        order.executing = False
        self._working.retire(book, order)
        if not order.closing:
            other = self._netted(book, order, position)
            if order.is_pending and not self._affordable(book, order, other):
                return
            if other is not None:
                del book.positions[position.position_id]
                order.position_id, position = other.position_id, other
                if other.side != order.side:
                    order.become_closing(other)
        if order.closing:
            self._close(book, order, position, market, created)
        else:
            self._open(book, order, position, order.volume, market, created)

    # Private

    def _reject(self, book: AccountBook, order: Order) -> None:
        """End a market order whose position was closed before its turn came."""
        position = book.positions.get(order.position_id)
        if position is not None and position.executing == order.order_id:
            position.executing = None
        if order.is_protective:
            return  # it ended with its position
        order.end(ProtoOAOrderStatus.ORDER_STATUS_REJECTED, self._outside.market_now())
        self._events.publish(
            book,
            ProtoOAExecutionType.ORDER_REJECTED,
            order,
            position,
            error_code="POSITION_NOT_OPEN",
        )

    def _netted(self, book: AccountBook, order: Order, position: Position) -> Position | None:
        """Return the position that a fill belongs to instead of the empty one made for its order.

        A netted account has one position for each symbol, and it may have been opened while the
        order waited.
        """
        if position.is_open or book.spec.account_type != ProtoOAAccountType.NETTED:
            return None
        return book.open_position_of(order.symbol)

    def _affordable(self, book: AccountBook, order: Order, other: Position | None) -> bool:
        """Tell whether a pending order may be filled; one without the money for it is rejected."""
        reduced = other.volume if other is not None and other.side != order.side else 0
        opened = order.volume - reduced
        if opened <= 0:
            return True
        try:
            quote = need_quote(self._outside, order.symbol)
            self._admission.check_money(book, order.symbol, order.side, opened, quote)
        except Refusal as refusal:
            self._working.end(
                book,
                order,
                ProtoOAOrderStatus.ORDER_STATUS_REJECTED,
                ProtoOAExecutionType.ORDER_REJECTED,
                server=True,
                error_code=refusal.code,
            )
            return False
        return True

    def _open(
        self,
        book: AccountBook,
        order: Order,
        position: Position,
        volume: int,
        market: int,
        created: int,
    ) -> None:
        is_new = not position.is_open
        deal = self._settlement.open(book, order, position, volume, market, created)
        if is_new:
            self._outside.watch(order.symbol.symbol_id)
        order.fill(market, self._outside.market_now())
        self._events.publish(book, ProtoOAExecutionType.ORDER_FILLED, order, position, deal=deal)
        self._protection.follow_opening(book, position, order, market)

    def _close(
        self, book: AccountBook, order: Order, position: Position, market: int, created: int
    ) -> None:
        now = self._outside.market_now()
        position.executing = None
        volume = min(order.volume, position.volume)
        surplus = order.volume - volume
        deal = self._settlement.close(book, order, position, volume, market, created)
        if surplus:
            deal.status = int(ProtoOADealStatus.PARTIALLY_FILLED)
            order.execution_price = Fraction(market)
            order.executed_volume = volume
            order.updated = now
        else:
            order.fill(market, now)
        if position.is_open:
            self._publish_closing(book, order, position, deal)
            self._protection.follow_reduction(book, position, order)
            return
        self._leave(book, order, position, deal)
        if surplus:
            self._flip(book, order, surplus, market, created)

    def _leave(self, book: AccountBook, order: Order, position: Position, deal: Deal) -> None:
        """Take a position that holds nothing any more out of the books."""
        now = self._outside.market_now()
        protective = self._protection.of(book, position)
        self._outside.unwatch(order.symbol.symbol_id)
        del book.positions[position.position_id]
        if protective is None or order.is_protective:
            position.close(now)
            self._publish_closing(book, order, position, deal)
            return
        # With a protective order to cancel the position shows as created, at volume 0, until
        # that order is gone, as recorded.
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_CREATED)
        self._working.retire(book, protective)
        self._publish_closing(book, order, position, deal)
        self._protection.follow_closing(book, position, protective, now, order.origin)

    def _publish_closing(
        self, book: AccountBook, order: Order, position: Position, deal: Deal
    ) -> None:
        is_partial = deal.status == ProtoOADealStatus.PARTIALLY_FILLED
        self._events.publish(
            book,
            ProtoOAExecutionType.ORDER_PARTIAL_FILL
            if is_partial
            else ProtoOAExecutionType.ORDER_FILLED,
            order,
            position,
            deal=deal,
            server=order.is_protective,
        )

    def _flip(
        self, book: AccountBook, order: Order, surplus: int, market: int, created: int
    ) -> None:
        """Open the rest of an order that closed a netted position, as a new position."""
        position = self._blotter.new_position(
            order.symbol, order.side, label=order.label, comment=order.comment
        )
        book.positions[position.position_id] = position
        order.closing, order.position_id = False, position.position_id
        self._open(book, order, position, surplus, market, created)


def _price_of(order: Order, quote: Quote, trigger: Trigger | None) -> int:
    market = quote.ask if order.is_buy else quote.bid
    if trigger is None or trigger.hit != "limit" or order.limit_price is None:
        return market
    # A limit is never filled at a worse price, even if the market left it meanwhile.
    return (min if order.is_buy else max)(market, order.limit_price)
