"""Takes orders at the market, which open positions or close them."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradeSide,
)
from ctrader.simulator.book import AccountBook, Order, Position, opposite
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.orders.admission import Admission, check_volume, target_position
from ctrader.simulator.orders.blotter import Blotter
from ctrader.simulator.orders.execution_events import ExecutionEvents
from ctrader.simulator.orders.fills import Fills
from ctrader.simulator.orders.guarantees import Guarantees
from ctrader.simulator.orders.levels import (
    check_closeness,
    check_distances,
    order_price,
    relative_distances,
    slippage_points,
)
from ctrader.simulator.orders.reservations import Need, Reservations
from ctrader.simulator.orders.surroundings import Surroundings, need_quote
from ctrader.simulator.orders.working_orders import WorkingOrders
from ctrader.simulator.refusals import OrderRefusal, Refusal
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
        guarantees: Guarantees,
        reservations: Reservations,
        working: WorkingOrders,
    ) -> None:
        """Take the parts of the floor that market orders go through."""
        self._outside = surroundings
        self._switches = switches
        self._admission = admission
        self._blotter = blotter
        self._events = events
        self._fills = fills
        self._guarantees = guarantees
        self._reservations = reservations
        self._working = working

    def place(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        origin: str | None,
    ) -> None:
        """Take a market order, or one with a range of prices; its fill follows.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        self._check_absolute_protection(request)
        slippage = _slippage(symbol, request)
        stop_distance, target_distance = relative_distances(symbol, request)
        if request.trailingStopLoss and stop_distance is None:
            raise OrderRefusal("INVALID_REQUEST", "Trailing stop loss needs a stop loss")
        existing = self._target(book, symbol, request)
        closed = existing if existing and existing.side != request.tradeSide else None
        opened = self._opened(book, symbol, request, closed)
        waits = self._waits_for_opening(symbol, request, existing)
        self._admission.check_tradeable(book, symbol, opening=opened > 0, at_any_hour=waits)
        quote = need_quote(self._outside, symbol)
        is_guaranteed = False
        added_to = existing if closed is None else None
        if opened:
            is_guaranteed = self._guaranteed(book, symbol, request, added_to, stop_distance)
            is_buy = request.tradeSide == ProtoOATradeSide.BUY
            own_price = quote.ask if is_buy else quote.bid
            check_distances(is_buy, own_price, stop_distance, target_distance)
            check_closeness(
                symbol, own_price, stop_distance, target_distance, is_guaranteed=is_guaranteed
            )
        if existing is not None:
            self._admission.check_unlocked(existing)
        else:
            self._admission.check_room(book)
        side = int(request.tradeSide)
        need = Need(0, 0)
        if opened:
            self._admission.check_opening(book, symbol, side, opened)
            need = self._admission.check_money(
                book,
                symbol,
                side,
                opened,
                quote,
                closed=closed,
                added_to=added_to,
                stop_distance=stop_distance if is_guaranteed else None,
            )
        is_protected = stop_distance is not None or target_distance is not None
        trailing = bool(request.trailingStopLoss) if is_protected else None
        position = existing
        if position is None:
            position = self._blotter.position_for(request, symbol)
            position.trailing = trailing
            book.positions[position.position_id] = position
        order = self._blotter.order_for(
            request, position, origin, time_in_force=_time_in_force(request)
        )
        order.base_slippage_price, order.slippage_points = slippage
        if closed is not None:
            order.become_closing(closed)
        if opened:
            order.relative_stop_loss, order.relative_take_profit = stop_distance, target_distance
            order.trailing, order.guaranteed = trailing, is_guaranteed
        if opened and not waits:
            self._reservations.keep(book, order, need, opened)
        self._accept(book, order, position, waits=waits)

    def close(self, book: AccountBook, position_id: int, volume: int, origin: str | None) -> None:
        """Close a position, or a part of it, at the market; its events follow.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        position = self._admission.visible_position(book, position_id)
        self._admission.check_unlocked(position)
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
        order.closes_only = True
        self._accept(book, order, position)

    def stop_out(self, book: AccountBook, position: Position, volume: int) -> bool:
        """Close a position, or a part of it, because its account has no margin left.

        Returns:
            Whether it is on its way; it is not while another order closes the position, or while
            the symbol does not trade.
        """
        symbol = position.symbol
        is_tradeable = self._outside.is_open(symbol) and not self._outside.is_holiday(symbol)
        if (
            not is_tradeable
            or not position.is_open
            or position.executing is not None
            or self._outside.quote(symbol.symbol_id) is None
        ):
            return False
        order = self._blotter.new_order(
            position,
            side=opposite(position.side),
            order_type=ProtoOAOrderType.MARKET,
            volume=min(volume, position.volume),
            origin=None,
        )
        order.become_closing(position)
        order.closes_only = order.stop_out = True
        self._accept(book, order, position)
        return True

    # Private

    def _accept(
        self, book: AccountBook, order: Order, position: Position, *, waits: bool = False
    ) -> None:
        book.orders[order.order_id] = order
        if order.closing:
            position.executing = order.order_id
        if not order.stop_out or self._switches.stop_out_accepted_first:
            self._events.publish(
                book, ProtoOAExecutionType.ORDER_ACCEPTED, order, position, server=order.stop_out
            )
        if waits:
            order.origin = None  # what happens to it at the opening answers no request
            self._working.add(book, order)
        else:
            self._outside.after(self._switches.fill_delay, lambda: self._fills.fill(book, order))

    def _target(
        self, book: AccountBook, symbol: SymbolSpec, request: ProtoOANewOrderReq
    ) -> Position | None:
        if request.HasField("positionId") and request.positionId:
            self._admission.visible_position(book, request.positionId)
        return target_position(book, symbol, request)

    def _waits_for_opening(
        self, symbol: SymbolSpec, request: ProtoOANewOrderReq, existing: Position | None
    ) -> bool:
        """Tell whether an order is to wait until its symbol trades.

        Raises:
            Refusal: such orders are not taken, or it is for a position that is there already.
        """
        if request.timeInForce != ProtoOATimeInForce.MARKET_ON_OPEN:
            return False
        if not self._switches.market_on_open:
            raise OrderRefusal("INVALID_REQUEST", "Time in force MARKET_ON_OPEN is not supported")
        if self._outside.is_open(symbol) and not self._outside.is_holiday(symbol):
            return False
        if existing is not None:
            raise OrderRefusal(
                "INVALID_REQUEST",
                "Time in force MARKET_ON_OPEN only opens new positions",
                position_id=existing.position_id,
            )
        return True

    def _guaranteed(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        existing: Position | None,
        stop_distance: int | None,
    ) -> bool:
        """Return whether what an order opens has a guaranteed stop loss.

        Raises:
            Refusal: it cannot have one, or must.
        """
        is_held = existing is not None and existing.guaranteed_stop is not None
        is_guaranteed = bool(request.guaranteedStopLoss) or is_held
        self._guarantees.check(
            book,
            symbol,
            is_guaranteed=is_guaranteed,
            has_stop=stop_distance is not None or is_held,
        )
        return is_guaranteed

    def _check_absolute_protection(self, request: ProtoOANewOrderReq) -> None:
        if not request.HasField("stopLoss") and not request.HasField("takeProfit"):
            return
        words = (
            "SL/TP in absolute values are allowed only for order types: [LIMIT, STOP, STOP_LIMIT]"
        )
        if self._switches.market_absolute_protection_frame == "error":
            raise Refusal("INVALID_REQUEST", words)
        raise OrderRefusal("INVALID_REQUEST", words)

    def _opened(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        closed: Position | None,
    ) -> int:
        """Return what an order opens, beyond what it closes; all of it has its rules.

        What closes a whole position needs no volume that could be opened.

        Raises:
            Refusal: there may be no order of such a volume.
        """
        volume = request.volume
        if closed is None:
            check_volume(symbol, volume)
            return volume
        opened = volume - closed.volume
        if opened > 0 and book.spec.account_type != ProtoOAAccountType.NETTED:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Volume {volume} is more than the position holds",
                position_id=request.positionId,
            )
        if opened > 0:
            check_volume(symbol, opened)
            return opened
        if opened:
            check_volume(symbol, volume)
        self._check_closed_volume(closed, volume)
        return 0

    def _check_closed_volume(self, position: Position, volume: int) -> None:
        """Refuse to close a volume that no order may have, unless it is all that there is.

        Raises:
            Refusal: it is, or it would leave too little.
        """
        symbol = position.symbol
        left = position.volume - volume
        if not left:
            return
        is_inside = symbol.min_volume <= volume <= min(symbol.max_volume, position.volume)
        if not is_inside or volume % symbol.step_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Close volume {volume} must be all of {position.volume}, or from "
                f"{symbol.min_volume} to {symbol.max_volume} in steps of {symbol.step_volume}",
                position_id=position.position_id,
            )
        if self._switches.reject_small_remainder and left < symbol.min_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Remaining volume {left} is less than the smallest, {symbol.min_volume}",
                position_id=position.position_id,
            )


def _slippage(symbol: SymbolSpec, request: ProtoOANewOrderReq) -> tuple[int | None, int | None]:
    """Return base price and points of a market-range order, nothing for others."""
    if request.orderType != ProtoOAOrderType.MARKET_RANGE:
        return None, None
    if not request.HasField("baseSlippagePrice"):
        raise OrderRefusal("INVALID_REQUEST", "Message missing required fields: baseSlippagePrice")
    base = order_price(symbol, request.baseSlippagePrice, "Base slippage price")
    return base, slippage_points(request)


def _time_in_force(request: ProtoOANewOrderReq) -> int:
    """Return what an order at the market is echoed with: it never waits for a price."""
    kept = (ProtoOATimeInForce.FILL_OR_KILL, ProtoOATimeInForce.MARKET_ON_OPEN)
    if request.timeInForce in kept:
        return int(request.timeInForce)
    return int(ProtoOATimeInForce.IMMEDIATE_OR_CANCEL)
