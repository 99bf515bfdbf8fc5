"""The trading floor: the front behind which orders are taken, filled or protected."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
)
from ctrader.simulator.accounts.life import AccountLife
from ctrader.simulator.accounts.margin import Margin
from ctrader.simulator.accounts.money import Converter
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Order, Position
from ctrader.simulator.catalogue import Catalogue, SymbolSpec
from ctrader.simulator.market.prices import Tick
from ctrader.simulator.orders.admission import Admission, check_texts
from ctrader.simulator.orders.blotter import Blotter
from ctrader.simulator.orders.execution_events import ExecutionEvents
from ctrader.simulator.orders.fill_scripts import FillScript, FillScripts
from ctrader.simulator.orders.fills import Fills
from ctrader.simulator.orders.guarantees import Guarantees
from ctrader.simulator.orders.liquidity import Liquidity
from ctrader.simulator.orders.market_orders import MarketOrders
from ctrader.simulator.orders.pending_orders import PendingOrders
from ctrader.simulator.orders.protection import Protection
from ctrader.simulator.orders.reservations import Reservations
from ctrader.simulator.orders.settlement import Settlement
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.orders.triggers import Trigger
from ctrader.simulator.orders.working_orders import WorkingOrders
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.switches import Switches

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
        self._outside = surroundings
        self._scripts = FillScripts()
        self._reservations = Reservations()
        self._valuation = Valuation(surroundings, catalogue, converter, switches)
        self._margin = Margin(surroundings, catalogue, self._valuation)
        self.life = AccountLife(
            surroundings,
            switches,
            converter=converter,
            valuation=self._valuation,
            margin=self._margin,
            stop_out=self.stop_out,
        )
        """What befalls the accounts besides their orders."""
        admission = Admission(
            surroundings, switches, self._valuation, self._margin, self._reservations
        )
        blotter = Blotter(surroundings)
        events = ExecutionEvents(surroundings, switches)
        guarantees = Guarantees(switches, self._valuation, charge=self.life.cashier.charge)
        self._working = WorkingOrders(
            surroundings,
            switches,
            events,
            self._reservations,
            fill=self._fill,
            follow_stop=self._margin.follow_stop,
        )
        self._protection = Protection(
            surroundings,
            switches,
            admission=admission,
            blotter=blotter,
            events=events,
            guarantees=guarantees,
            margin=self._margin,
            working=self._working,
        )
        self._fills = Fills(
            surroundings,
            switches,
            admission=admission,
            blotter=blotter,
            events=events,
            liquidity=Liquidity(surroundings, switches),
            protection=self._protection,
            reservations=self._reservations,
            scripts=self._scripts,
            settlement=Settlement(surroundings, blotter, self._valuation, self._margin),
            working=self._working,
            touch=self.life.touch,
        )
        self._market = MarketOrders(
            surroundings,
            switches,
            admission=admission,
            blotter=blotter,
            events=events,
            fills=self._fills,
            guarantees=guarantees,
            reservations=self._reservations,
            working=self._working,
        )
        self._pending = PendingOrders(
            surroundings,
            switches,
            admission=admission,
            blotter=blotter,
            events=events,
            guarantees=guarantees,
            working=self._working,
        )

    # Requests

    def new_order(self, book: AccountBook, request: ProtoOANewOrderReq, origin: str | None) -> None:
        """Take an order; its events follow.

        Raises:
            Refusal: the order is refused, and nothing happened.
        """
        symbol = self._outside.symbols.get(request.symbolId)
        if symbol is None:
            raise OrderRefusal("SYMBOL_NOT_FOUND", f"Symbol not found with id {request.symbolId}")
        check_texts(request)
        if request.orderType in (ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE):
            self._market.place(book, symbol, request, origin)
        elif request.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT:
            raise OrderRefusal("INVALID_REQUEST", "Order type STOP_LOSS_TAKE_PROFIT is not allowed")
        else:
            self._pending.place(book, symbol, request, origin)

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

    def stop_out(self, book: AccountBook, position: Position, volume: int) -> bool:
        """Close a position, or a part of it, because its account has no margin left.

        Returns:
            Whether it is on its way; it is not while another order closes the position, or while
            the symbol does not trade.
        """
        return self._market.stop_out(book, position, volume)

    # Scripts

    def script_fill(self, *volumes: int, account_id: int | None = None) -> None:
        """Give the next order that comes to be filled these parts, and nothing more.

        The parts come after one another, each after the fill delay. What an order wants beyond
        them waits for the next price if the order may wait, and ends otherwise.

        Args:
            volumes: The parts, in cents of a unit.
            account_id: Whose order; None is anybody's.

        Raises:
            ValueError: a part has no volume, or there is none.
        """
        self._scripts.add(FillScript(volumes=volumes, account_id=account_id))

    def script_rejection(
        self, code: str, *, deal_status: int | None = None, account_id: int | None = None
    ) -> None:
        """Reject the next order that comes to be filled, after it was accepted.

        Args:
            code: Why, as an error code.
            deal_status: Status of an empty deal that goes with it, such as MISSED; None sends none.
            account_id: Whose order; None is anybody's.
        """
        self._scripts.add(
            FillScript(reject_code=code, deal_status=deal_status, account_id=account_id)
        )

    # Prices

    def on_tick(self, symbol_id: int, tick: Tick) -> None:
        """Look what a new price does to the waiting orders of a symbol."""
        self._working.on_tick(symbol_id, tick)

    # Money

    def used_margin(self, book: AccountBook) -> int:
        """Return the margin that an account's positions bind."""
        return self._margin.used(book)

    def reserved(self, book: AccountBook) -> int:
        """Return what orders under way will need of an account's free margin."""
        return self._reservations.amount(book)

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
