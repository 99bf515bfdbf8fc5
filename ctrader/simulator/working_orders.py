"""The working orders: those that wait for a price or for their expiration."""

from __future__ import annotations

from collections.abc import Callable

from ctrader.proto import ProtoOAExecutionType, ProtoOAOrderStatus, ProtoOAPositionStatus
from ctrader.simulator.book import AccountBook, Order
from ctrader.simulator.execution_events import ExecutionEvents
from ctrader.simulator.prices import Quote
from ctrader.simulator.surroundings import Surroundings
from ctrader.simulator.switches import Switches
from ctrader.simulator.triggers import Trigger, hit_by, trailed_stop

__all__ = ["WorkingOrders"]


class WorkingOrders:
    """Pending and protective orders of all accounts, by symbol."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        events: ExecutionEvents,
        *,
        fill: Callable[[AccountBook, Order, Trigger], None],
    ) -> None:
        """Begin without orders.

        Args:
            fill: Called for each order that a price released, when its fill is due.
        """
        self._outside = surroundings
        self._switches = switches
        self._events = events
        self._fill = fill
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
    ) -> None:
        """End a pending order without a fill, and its empty position with it."""
        now = self._outside.market_now()
        order.status, order.updated, order.executing = status, now, False
        position = book.positions.pop(order.position_id)
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_CLOSED)
        position.closed = position.updated = now
        self.retire(book, order)
        self._events.publish(
            book, execution_type, order, position, server=server, error_code=error_code
        )

    def await_expiration(self, book: AccountBook, order: Order) -> None:
        """End a pending order when its expiration comes, unless that changed meanwhile."""
        expiration = order.expiration
        if expiration is None:
            return

        def expire() -> None:
            waits = order.order_id in book.working and not order.executing
            if waits and order.expiration == expiration:
                self.end(
                    book,
                    order,
                    ProtoOAOrderStatus.ORDER_STATUS_EXPIRED,
                    ProtoOAExecutionType.ORDER_EXPIRED,
                    server=True,
                )

        self._outside.at(expiration, expire)

    def on_tick(self, symbol_id: int) -> None:
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
            if not self.check(book, order, quote) and order.trailing:
                self._trail(book, order, quote)

    def check(self, book: AccountBook, order: Order, quote: Quote) -> bool:
        """Send an order to execution if the price reached it, and tell whether it did."""
        hit = hit_by(order, quote)
        if hit is None or not self._outside.is_open(order.symbol):
            return False
        if order.is_protective:
            position = book.positions[order.position_id]
            if position.executing is not None:
                order.executing = False  # the position is being closed already
                return False
            position.executing = order.order_id
        order.executing = True
        trigger = Trigger(self._outside.market_now(), hit)
        self._outside.after(self._switches.fill_delay, lambda: self._fill(book, order, trigger))
        return True

    # Private

    def _trail(self, book: AccountBook, order: Order, quote: Quote) -> None:
        position = book.positions[order.position_id]
        stop = trailed_stop(order, position, quote)
        if stop is None:
            return
        # Neither the order's nor the position's own stamp moves with it, as recorded.
        order.stop_price = position.stop_loss = stop
        self._events.publish_trailing(book, order, position, stop)
