"""Takes orders at the market, which open positions or close them."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ctrader.simulator.admission import (
    Admission,
    check_unlocked,
    check_volume,
    open_position,
    target_position,
)
from ctrader.simulator.blotter import Blotter
from ctrader.simulator.book import AccountBook, Order, Position, opposite
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.execution_events import ExecutionEvents
from ctrader.simulator.fills import Fills
from ctrader.simulator.levels import check_distances, relative_distances
from ctrader.simulator.prices import Quote
from ctrader.simulator.refusals import OrderRefusal, Refusal
from ctrader.simulator.surroundings import Surroundings, need_quote
from ctrader.simulator.switches import Switches

__all__ = ["MarketOrders"]


class MarketOrders:
    """The market orders of all accounts, up to their acceptance."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        *,
        admission: Admission,
        blotter: Blotter,
        events: ExecutionEvents,
        fills: Fills,
    ) -> None:
        """Take the parts of the floor that market orders go through."""
        self._outside = surroundings
        self._switches = switches
        self._admission = admission
        self._blotter = blotter
        self._events = events
        self._fills = fills

    def place(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        origin: str | None,
    ) -> None:
        """Take a market order; its fill follows.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        self._check_absolute_protection(request)
        check_volume(symbol, request.volume)
        stop_distance, target_distance = relative_distances(symbol, request)
        if request.trailingStopLoss and stop_distance is None:
            raise OrderRefusal("INVALID_REQUEST", "Trailing stop loss needs a stop loss")
        existing = target_position(book, symbol, request)
        closed = existing if existing and existing.side != request.tradeSide else None
        self._admission.check_tradeable(book, symbol, opening=closed is None)
        quote = need_quote(self._outside, symbol)
        if closed is None:
            is_buy = request.tradeSide == ProtoOATradeSide.BUY
            own_price = quote.ask if is_buy else quote.bid
            check_distances(is_buy, own_price, stop_distance, target_distance)
        if existing is not None:
            check_unlocked(existing)
        self._check_opened(book, symbol, request, closed, quote)
        is_protected = stop_distance is not None or target_distance is not None
        trailing = bool(request.trailingStopLoss) if is_protected else None
        position = existing
        if position is None:
            position = self._blotter.position_for(request, symbol)
            position.trailing = trailing
            book.positions[position.position_id] = position
        order = self._blotter.order_for(request, position, origin)
        if closed is not None:
            order.become_closing(closed)
        else:
            order.relative_stop_loss, order.relative_take_profit = stop_distance, target_distance
            order.trailing = trailing
        self._accept(book, order, position)

    def close(self, book: AccountBook, position_id: int, volume: int, origin: str | None) -> None:
        """Close a position, or a part of it, at the market; its events follow.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        position = open_position(book, position_id)
        check_unlocked(position)
        self._admission.check_tradeable(book, position.symbol, opening=False)
        self._check_closed_volume(position, volume)
        need_quote(self._outside, position.symbol)
        order = self._blotter.new_order(
            position,
            side=opposite(position.side),
            order_type=ProtoOAOrderType.MARKET,
            volume=volume,
            origin=origin,
        )
        order.become_closing(position)
        self._accept(book, order, position)

    # Private

    def _accept(self, book: AccountBook, order: Order, position: Position) -> None:
        book.orders[order.order_id] = order
        if order.closing:
            position.executing = order.order_id
        self._events.publish(book, ProtoOAExecutionType.ORDER_ACCEPTED, order, position)
        self._outside.after(self._switches.fill_delay, lambda: self._fills.fill(book, order))

    def _check_absolute_protection(self, request: ProtoOANewOrderReq) -> None:
        if not request.HasField("stopLoss") and not request.HasField("takeProfit"):
            return
        words = (
            "SL/TP in absolute values are allowed only for order types: [LIMIT, STOP, STOP_LIMIT]"
        )
        if self._switches.market_absolute_protection_frame == "error":
            raise Refusal("INVALID_REQUEST", words)
        raise OrderRefusal("INVALID_REQUEST", words)

    def _check_opened(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        closed: Position | None,
        quote: Quote,
    ) -> None:
        """Refuse what an order opens, beyond what it closes, if it may not be or has no money."""
        opened = request.volume - (0 if closed is None else closed.volume)
        if opened <= 0:
            return
        if not symbol.short_selling and request.tradeSide == ProtoOATradeSide.SELL:
            raise OrderRefusal("SHORT_SELLING_NOT_ALLOWED", f"{symbol.name} cannot be sold")
        self._admission.check_money(book, symbol, int(request.tradeSide), opened, quote)
        if closed is not None and book.spec.account_type != ProtoOAAccountType.NETTED:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Volume {request.volume} is more than the position holds",
                position_id=request.positionId,
            )

    def _check_closed_volume(self, position: Position, volume: int) -> None:
        symbol = position.symbol
        left = position.volume - volume
        if volume <= 0 or left < 0 or volume % symbol.step_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Close volume {volume} must be a multiple of {symbol.step_volume} up to "
                f"{position.volume}",
                position_id=position.position_id,
            )
        if self._switches.reject_small_remainder and 0 < left < symbol.min_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Remaining volume {left} is less than the smallest, {symbol.min_volume}",
                position_id=position.position_id,
            )
