"""The working orders: those that wait for a price or for their expiration."""

from __future__ import annotations

from collections.abc import Callable

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAExecutionType,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPositionStatus,
)
from ctrader.simulator.book import AccountBook, Deal, Order, Position
from ctrader.simulator.market.prices import Quote, Tick
from ctrader.simulator.orders.admission import executes
from ctrader.simulator.orders.execution_events import ExecutionEvents
from ctrader.simulator.orders.reservations import Reservations
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.orders.triggers import Hit, Trigger, hit_by, trailed_stop
from ctrader.simulator.switches import Switches

__all__ = ["WorkingOrders"]


class WorkingOrders:
    """Pending and protective orders of all accounts, by symbol."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        events: ExecutionEvents,
        reservations: Reservations,
        *,
        fill: Callable[[AccountBook, Order, Trigger], None],
        follow_stop: Callable[[AccountBook, Position], None],
    ) -> None:
        """Begin without orders.

        Args:
            surroundings: Where prices come from.
            switches: How long a fill takes.
            events: Where the end of an order is told.
            reservations: What is set aside for orders until their end.
            fill: Called for each order that a price released, when its fill is due.
            follow_stop: Called for each position whose stop loss a price moved.
        """
        self._outside = surroundings
        self._switches = switches
        self._events = events
        self._reservations = reservations
        self._fill = fill
        self._follow_stop = follow_stop
        self._working: dict[int, dict[int, tuple[AccountBook, Order]]] = {}

    def add(self, book: AccountBook, order: Order) -> None:
        """Let prices reach an order from now on."""
        book.working[order.order_id] = order
        symbol_id = order.symbol.symbol_id
        self._working.setdefault(symbol_id, {})[order.order_id] = (book, order)
        self._outside.watch(symbol_id)

    def retire(self, book: AccountBook, order: Order) -> None:
        """Keep prices from reaching an order any more, if they do."""
        if book.working.pop(order.order_id, None) is not None:
            symbol_id = order.symbol.symbol_id
            del self._working[symbol_id][order.order_id]
            self._outside.unwatch(symbol_id)

    def end(
        self,
        book: AccountBook,
        order: Order,
        status: int,
        execution_type: int,
        *,
        server: bool = False,
        error_code: str | None = None,
        deal: Deal | None = None,
    ) -> None:
        """End an order without any more fills, and with it the empty position made for it."""
        now = self._outside.market_now()
        if order.is_pending:
            order.status, order.updated = int(status), now  # without a closing time, as recorded
        else:
            order.end(status, now)
        order.executing = False
        position = book.positions.get(order.position_id)
        if position is not None:
            unlock(position, order)
            if not position.is_open:
                del book.positions[order.position_id]
                position.status = int(ProtoOAPositionStatus.POSITION_STATUS_CLOSED)
                position.closed = position.updated = now
        self.retire(book, order)
        self._reservations.release(book, order)
        self._events.publish(
            book, execution_type, order, position, deal=deal, server=server, error_code=error_code
        )

    def rest(self, book: AccountBook, order: Order) -> None:
        """Let an order wait again whose fill found nothing, or not all that it wanted."""
        order.executing, order.touches = False, 0
        position = book.positions.get(order.position_id)
        if position is not None:
            unlock(position, order)
        self._reservations.release(book, order)
        if order.expiration is not None and order.expiration <= self._outside.market_now():
            self._expire(book, order)

    def await_expiration(self, book: AccountBook, order: Order) -> None:
        """End a pending order when its expiration comes, unless that changed meanwhile."""
        expiration = order.expiration
        if expiration is None:
            return

        def expire() -> None:
            waits = order.order_id in book.working and not order.executing
            if waits and order.expiration == expiration:
                self._expire(book, order)

        self._outside.at(expiration, expire)

    def on_tick(self, symbol_id: int, tick: Tick) -> None:
        """Look what a new price does to the waiting orders of a symbol."""
        working = self._working.get(symbol_id)
        if not working:
            return
        quote = self._outside.quote(symbol_id)
        if quote is None:
            return
        for book, order in tuple(working.values()):
            if order.order_id not in working or order.executing:
                continue
            if not self.check(book, order, quote, tick) and order.trailing:
                self.trail(book, order, quote)

    def check(
        self, book: AccountBook, order: Order, quote: Quote, tick: Tick | None = None
    ) -> bool:
        """Send an order to execution if the price reached it, and tell whether it did.

        Args:
            book: The account.
            order: One of its working orders.
            quote: The present prices.
            tick: What has just changed; None where the order itself is new or changed.
        """
        if order.executing:
            return True
        hit = hit_by(order, quote, tick)
        if hit is None or not self._may_execute(book, order):
            return False
        if hit == "stop" and order.order_type == ProtoOAOrderType.STOP_LIMIT:
            order.activated = True
            hit = "limit" if order.is_immediate else hit_by(order, quote)
        return hit is not None and self.release(book, order, hit)

    def release(self, book: AccountBook, order: Order, hit: Hit) -> bool:
        """Send an order to execution, and tell whether its position let it go."""
        if order.is_protective:
            position = book.positions[order.position_id]
            if position.executing is not None:
                return False  # the position is being closed already
            position.executing = order.order_id
        order.executing = True
        trigger = Trigger(self._outside.market_now(), hit)
        self._outside.after(self._switches.fill_delay, lambda: self._fill(book, order, trigger))
        return True

    def trail(self, book: AccountBook, order: Order, quote: Quote) -> None:
        """Let the stop loss of a position follow a price, if that is the way it goes."""
        position = book.positions.get(order.position_id)
        stop = None if position is None else trailed_stop(order, position, quote)
        if position is None or stop is None:
            return
        # Neither the order's nor the position's own stamp moves with it, as recorded.
        order.stop_price = position.stop_loss = stop
        self._events.publish_trailing(book, order, position, stop)
        self._follow_stop(book, position)

    # Private

    def _expire(self, book: AccountBook, order: Order) -> None:
        self.end(
            book,
            order,
            ProtoOAOrderStatus.ORDER_STATUS_EXPIRED,
            ProtoOAExecutionType.ORDER_EXPIRED,
            server=True,
        )

    def _may_execute(self, book: AccountBook, order: Order) -> bool:
        """Tell whether the hour, the symbol's mode and the account let an order be executed."""
        symbol, rights = order.symbol, book.spec.access_rights
        is_opening = book.opened_by(order) > 0
        has_rights = rights == ProtoOAAccessRights.FULL_ACCESS or (
            rights == ProtoOAAccessRights.CLOSE_ONLY and not is_opening
        )
        may_wait = self._switches.pending_without_rights == "wait"
        if not has_rights and may_wait and not order.is_protective:
            return False
        if not executes(order, opening=is_opening):
            return False
        return self._outside.is_open(symbol) and not self._outside.is_holiday(symbol)


def unlock(position: Position, order: Order) -> None:
    """Let a position go if it was this order that held it."""
    if position.executing == order.order_id:
        position.executing = None
