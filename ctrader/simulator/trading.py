"""The trading floor: the front behind which orders are taken, filled or protected."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
)
from ctrader.simulator.admission import Admission, check_texts
from ctrader.simulator.blotter import Blotter
from ctrader.simulator.book import AccountBook, Order, Position
from ctrader.simulator.catalogue import Catalogue, SymbolSpec
from ctrader.simulator.execution_events import ExecutionEvents
from ctrader.simulator.fills import Fills
from ctrader.simulator.margin import Margin
from ctrader.simulator.market_orders import MarketOrders
from ctrader.simulator.money import Converter
from ctrader.simulator.pending_orders import PendingOrders
from ctrader.simulator.protection import Protection
from ctrader.simulator.refusals import OrderRefusal, Refusal
from ctrader.simulator.settlement import Settlement
from ctrader.simulator.surroundings import Surroundings
from ctrader.simulator.switches import Switches
from ctrader.simulator.triggers import Trigger
from ctrader.simulator.valuation import Valuation
from ctrader.simulator.working_orders import WorkingOrders

__all__ = ["TradingFloor"]


class TradingFloor:
    """All accounts' orders, and what prices do to them."""

    def __init__(
        self,
        surroundings: Surroundings,
        catalogue: Catalogue,
        converter: Converter,
        switches: Switches,
    ) -> None:
        """Open with no orders; the books belong to the exchange."""
        self._symbols = {symbol.symbol_id: symbol for symbol in catalogue.symbols}
        self._valuation = Valuation(surroundings, catalogue, converter)
        self._margin = Margin(surroundings, catalogue, self._valuation)
        admission = Admission(surroundings, self._valuation, self._margin)
        blotter = Blotter(surroundings)
        events = ExecutionEvents(surroundings, switches)
        self._working = WorkingOrders(surroundings, switches, events, fill=self._fill)
        self._protection = Protection(
            surroundings,
            switches,
            admission=admission,
            blotter=blotter,
            events=events,
            working=self._working,
        )
        self._fills = Fills(
            surroundings,
            admission=admission,
            blotter=blotter,
            events=events,
            protection=self._protection,
            settlement=Settlement(surroundings, blotter, self._valuation, self._margin),
            working=self._working,
        )
        self._market = MarketOrders(
            surroundings,
            switches,
            admission=admission,
            blotter=blotter,
            events=events,
            fills=self._fills,
        )
        self._pending = PendingOrders(
            surroundings,
            switches,
            admission=admission,
            blotter=blotter,
            events=events,
            working=self._working,
        )

    # Requests

    def new_order(self, book: AccountBook, request: ProtoOANewOrderReq, origin: str | None) -> None:
        """Take an order; its events follow.

        Raises:
            Refusal: the order is refused, and nothing happened.
        """
        symbol = self._symbols.get(request.symbolId)
        if symbol is None:
            raise OrderRefusal("SYMBOL_NOT_FOUND", f"Symbol not found with id {request.symbolId}")
        check_texts(request)
        if request.orderType == ProtoOAOrderType.MARKET:
            self._market.place(book, symbol, request, origin)
        elif request.orderType in (ProtoOAOrderType.LIMIT, ProtoOAOrderType.STOP):
            self._pending.place(book, symbol, request, origin)
        elif request.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT:
            raise OrderRefusal("INVALID_REQUEST", "Order type STOP_LOSS_TAKE_PROFIT is not allowed")
        else:
            raise Refusal("UNSUPPORTED_MESSAGE", "This order type is not simulated yet")

    def close_position(
        self, book: AccountBook, position_id: int, volume: int, origin: str | None
    ) -> None:
        """Close a position, or a part of it, at the market; its events follow.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        self._market.close(book, position_id, volume, origin)

    def amend_position(
        self, book: AccountBook, request: ProtoOAAmendPositionSLTPReq, origin: str | None
    ) -> None:
        """Replace the protection of a position; what is left out is removed.

        Raises:
            Refusal: it is refused as a whole, and nothing happened.
        """
        self._protection.amend(book, request, origin)

    def amend_order(
        self, book: AccountBook, request: ProtoOAAmendOrderReq, origin: str | None
    ) -> None:
        """Change a pending order.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        self._pending.amend(book, request, origin)

    def cancel_order(self, book: AccountBook, order_id: int, origin: str | None) -> None:
        """Cancel a pending order; one that is being filled gets a refusal as an event.

        Raises:
            Refusal: there is no such pending order.
        """
        self._pending.cancel(book, order_id, origin)

    # Prices

    def on_tick(self, symbol_id: int) -> None:
        """Look what a new price does to the waiting orders of a symbol."""
        self._working.on_tick(symbol_id)

    # Money

    def used_margin(self, book: AccountBook) -> int:
        """Return the margin that an account's positions bind."""
        return self._margin.used(book)

    def expected_margin(self, book: AccountBook, symbol: SymbolSpec, side: int, volume: int) -> int:
        """Return the margin that a new position would bind.

        Raises:
            Refusal: there is no price to convert with.
        """
        return self._margin.expected(book, symbol, side, volume)

    def profit_of(self, book: AccountBook, position: Position) -> tuple[int, int]:
        """Return what a position would bring now: gross, and net of swap and commission.

        Raises:
            Refusal: there is no price to value it with.
        """
        return self._valuation.profit(book, position)

    def equity(self, book: AccountBook) -> int:
        """Return an account's balance with the net profit of its open positions.

        Raises:
            Refusal: there is no price to value a position with.
        """
        return self._valuation.equity(book)

    # Private

    def _fill(self, book: AccountBook, order: Order, trigger: Trigger) -> None:
        # Fills make protective orders, which wait here: one of the two must be told later.
        self._fills.fill(book, order, trigger)
