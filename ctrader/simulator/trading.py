"""The trading floor: takes orders, fills them, keeps protective orders.

Every step of an order sends one execution event, in the sequences that recordings of a real server
show. A fill never happens in the moment of its cause: it comes after a delay, so that other
frames may stand between the acceptance and the fill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAAccountType,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOADealStatus,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
    ProtoOAOrderTriggerMethod,
    ProtoOAOrderType,
    ProtoOAPositionStatus,
    ProtoOATimeInForce,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
    ProtoOATradingMode,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.simulator.book import AccountBook, ClosedPart, Deal, Entry, Order, Position, opposite
from ctrader.simulator.catalogue import PRICE_UNITS, Catalogue, LeverageSpec, SymbolSpec
from ctrader.simulator.money import (
    Converter,
    commission_of,
    conversion_fee_of,
    margin_of,
    round_half_away,
)
from ctrader.simulator.prices import Quote
from ctrader.simulator.refusals import OrderRefusal, Refusal
from ctrader.simulator.switches import Switches
from ctrader.simulator.wire import execution_message, price

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Surroundings", "TradingFloor"]

_MAX_LABEL, _MAX_COMMENT, _MAX_CLIENT_ORDER_ID = 100, 512, 50


class Surroundings(Protocol):
    """What the floor needs of the exchange around it."""

    def market_now(self) -> int:
        """Return the present instant of the market, milliseconds UTC."""
        ...

    def quote(self, symbol_id: int) -> Quote | None:
        """Return both sides of a symbol as they are now."""
        ...

    def is_open(self, symbol: SymbolSpec) -> bool:
        """Tell whether a symbol trades now."""
        ...

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Do something when some seconds have passed."""
        ...

    def at(self, instant: int, action: Callable[[], None]) -> None:
        """Do something at an instant of the market."""
        ...

    def publish(self, account_id: int, message: Message, origin: str | None) -> None:
        """Send an event to every connection on which the account is authorised."""
        ...

    def watch(self, symbol_id: int) -> None:
        """Ask for the ticks of a symbol."""
        ...

    def unwatch(self, symbol_id: int) -> None:
        """Let go of a symbol's ticks once."""
        ...

    def book_of(self, account_id: int) -> AccountBook:
        """Return an account's books."""
        ...


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
        self._switches = switches
        self._converter = converter
        self._symbols = {symbol.symbol_id: symbol for symbol in catalogue.symbols}
        self._leverages = {each.leverage_id: each for each in catalogue.leverages}
        self._usd = catalogue.asset_named("USD").asset_id
        self._working: dict[int, dict[int, tuple[AccountBook, Order]]] = {}
        self._last_position = 5_000_000
        self._last_order = 6_000_000
        self._last_deal = 7_000_000

    # Requests

    def new_order(self, book: AccountBook, request: ProtoOANewOrderReq, origin: str | None) -> None:
        """Take an order; its events follow.

        Raises:
            Refusal: the order is refused, and nothing happened.
        """
        symbol = self._symbols.get(request.symbolId)
        if symbol is None:
            raise OrderRefusal("SYMBOL_NOT_FOUND", f"Symbol not found with id {request.symbolId}")
        _check_texts(request)
        if request.orderType == ProtoOAOrderType.MARKET:
            self._new_market_order(book, symbol, request, origin)
        elif request.orderType in (ProtoOAOrderType.LIMIT, ProtoOAOrderType.STOP):
            self._new_pending_order(book, symbol, request, origin)
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
        position = self._open_position(book, position_id)
        symbol = position.symbol
        if position.executing is not None:
            raise OrderRefusal(
                "POSITION_LOCKED",
                f"Position {position_id} is being executed",
                position_id=position_id,
            )
        self._check_tradeable(book, symbol, opening=False)
        left = position.volume - volume
        if volume <= 0 or left < 0 or volume % symbol.step_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Close volume {volume} must be a multiple of {symbol.step_volume} up to "
                f"{position.volume}",
                position_id=position_id,
            )
        if self._switches.reject_small_remainder and 0 < left < symbol.min_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Remaining volume {left} is less than the smallest, {symbol.min_volume}",
                position_id=position_id,
            )
        self._need_quote(symbol)
        order = self._make_order(
            book,
            position,
            side=opposite(position.side),
            order_type=ProtoOAOrderType.MARKET,
            volume=volume,
            origin=origin,
        )
        self._make_closing(order, position)
        self._accept_market(book, order, position)

    def amend_position(
        self, book: AccountBook, request: ProtoOAAmendPositionSLTPReq, origin: str | None
    ) -> None:
        """Replace the protection of a position; what is left out is removed.

        Raises:
            Refusal: it is refused as a whole, and nothing happened.
        """
        position = self._open_position(book, request.positionId)
        has_stop, has_target = request.HasField("stopLoss"), request.HasField("takeProfit")
        if not has_stop and not has_target and not position.is_protected:
            raise OrderRefusal(
                "INVALID_REQUEST", "Nothing to amend.", position_id=position.position_id
            )
        if position.executing is not None:
            raise OrderRefusal(
                "PENDING_EXECUTION",
                f"Position {position.position_id} is being executed",
                position_id=position.position_id,
            )
        self._check_tradeable(book, position.symbol, opening=False)
        stop = target = None
        quote = self._need_quote(position.symbol)
        if has_stop:
            stop = self._level(position.symbol, request.stopLoss, "Stop loss")
        if has_target:
            target = self._level(position.symbol, request.takeProfit, "Take profit")
        _check_sides(position.is_buy, quote.bid if position.is_buy else quote.ask, stop, target)
        trailing = bool(position.trailing)
        if request.HasField("trailingStopLoss"):
            trailing = request.trailingStopLoss
            if stop is None:
                raise OrderRefusal(
                    "INVALID_REQUEST",
                    "Trailing stop loss needs a stop loss",
                    position_id=position.position_id,
                )
        trailing = trailing and stop is not None
        method = position.trigger_method or int(ProtoOAOrderTriggerMethod.TRADE)
        if request.HasField("stopLossTriggerMethod"):
            method = int(request.stopLossTriggerMethod)
        market = quote.bid if position.is_buy else quote.ask
        position.stop_loss, position.take_profit = stop, target
        position.trailing = trailing
        position.trailing_distance = abs(market - stop) if trailing and stop is not None else 0
        position.trigger_method = method
        position.updated = self._outside.market_now()
        self._renew_protection(book, position, origin, server=False)

    def amend_order(
        self, book: AccountBook, request: ProtoOAAmendOrderReq, origin: str | None
    ) -> None:
        """Change a pending order.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        order = self._pending_order(book, request.orderId, "UNABLE_TO_AMEND_ORDER")
        if order.executing:
            raise OrderRefusal(
                "PENDING_EXECUTION",
                f"Order {order.order_id} is being executed",
                order_id=order.order_id,
            )
        symbol = order.symbol
        volume = request.volume if request.HasField("volume") else order.volume
        self._check_volume(symbol, volume)
        limit, stop = order.limit_price, order.stop_price
        if request.HasField("limitPrice") and order.order_type == ProtoOAOrderType.LIMIT:
            limit = self._price(symbol, request.limitPrice, "Limit price")
        if request.HasField("stopPrice") and order.order_type == ProtoOAOrderType.STOP:
            stop = self._price(symbol, request.stopPrice, "Stop price")
            _check_stop_side(order.is_buy, stop, self._need_quote(symbol))
        clearing = self._switches.omitted_levels_clear
        own_price = limit if limit is not None else stop
        relative_stop, relative_target = self._distances(order, symbol, request, own_price)
        given = relative_stop is not None or relative_target is not None
        if not clearing:
            relative_stop = order.relative_stop_loss if relative_stop is None else relative_stop
            if relative_target is None:
                relative_target = order.relative_take_profit
        expiration = order.expiration
        if request.HasField("expirationTimestamp"):
            expiration = request.expirationTimestamp
            self._check_expiration(expiration)
        elif clearing:
            expiration = None
        trailing = order.trailing
        if request.HasField("trailingStopLoss"):
            trailing = request.trailingStopLoss
        elif clearing:
            trailing = False if given or trailing is not None else None
        order.volume, order.limit_price, order.stop_price = volume, limit, stop
        order.relative_stop_loss, order.relative_take_profit = relative_stop, relative_target
        order.trailing = trailing
        order.updated = self._outside.market_now()
        order.time_in_force = int(
            ProtoOATimeInForce.GOOD_TILL_CANCEL
            if expiration is None
            else ProtoOATimeInForce.GOOD_TILL_DATE
        )
        if expiration != order.expiration:
            order.expiration = expiration
            self._await_expiration(book, order)
        position = book.positions[order.position_id]
        position.trailing = trailing
        order.origin = origin
        self._publish(book, ProtoOAExecutionType.ORDER_REPLACED, order, position)
        order.origin = None
        self._check_trigger(book, order, self._need_quote(symbol))

    def cancel_order(self, book: AccountBook, order_id: int, origin: str | None) -> None:
        """Cancel a pending order; one that is being filled gets a refusal as an event.

        Raises:
            Refusal: there is no such pending order.
        """
        order = self._pending_order(book, order_id, "UNABLE_TO_CANCEL_ORDER")
        position = book.positions[order.position_id]
        order.origin = origin
        if order.executing:
            self._publish(
                book,
                ProtoOAExecutionType.ORDER_CANCEL_REJECTED,
                order,
                position,
                error_code="PENDING_EXECUTION",
            )
            return
        self._end_pending(
            book,
            order,
            ProtoOAOrderStatus.ORDER_STATUS_CANCELLED,
            ProtoOAExecutionType.ORDER_CANCELLED,
        )

    # Prices

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
            if not self._check_trigger(book, order, quote) and order.trailing:
                self._trail(book, order, quote)

    # Money

    def used_margin(self, book: AccountBook) -> int:
        """Return the margin that an account's positions bind."""
        sides: dict[int, list[int]] = {}
        for position in book.open_positions():
            both = sides.setdefault(position.symbol.symbol_id, [0, 0])
            both[0 if position.is_buy else 1] += position.used_margin
        method = book.spec.margin_calculation
        if method == ProtoOATotalMarginCalculationType.MAX:
            return sum(max(both) for both in sides.values())
        if method == ProtoOATotalMarginCalculationType.NET:
            return sum(abs(both[0] - both[1]) for both in sides.values())
        return sum(sum(both) for both in sides.values())

    def profit_of(self, book: AccountBook, position: Position) -> tuple[int, int]:
        """Return what a position would bring now: gross, and net of swap and commission.

        Raises:
            Refusal: there is no price to value it with.
        """
        quote = self._need_quote(position.symbol)
        market = quote.bid if position.is_buy else quote.ask
        rate = self._converter.rate(position.symbol.quote, book.deposit_asset)
        gross = self._gross(book, position, position.entries, market, rate)
        return gross, gross + position.swap + position.commission

    def equity(self, book: AccountBook) -> int:
        """Return an account's balance with the net profit of its open positions.

        Raises:
            Refusal: there is no price to value a position with.
        """
        return book.balance + sum(
            self.profit_of(book, position)[1] for position in book.open_positions()
        )

    def expected_margin(self, book: AccountBook, symbol: SymbolSpec, side: int, volume: int) -> int:
        """Return the margin that a new position would bind.

        Raises:
            Refusal: there is no price to convert with.
        """
        quote = self._need_quote(symbol)
        market = quote.ask if side == ProtoOATradeSide.BUY else quote.bid
        return self._margin(
            book, symbol, side, volume, self._base_rate(symbol, book.deposit_asset, market)
        )

    # Private, market orders

    def _new_market_order(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        origin: str | None,
    ) -> None:
        if request.HasField("stopLoss") or request.HasField("takeProfit"):
            words = (
                "SL/TP in absolute values are allowed only for order types: "
                "[LIMIT, STOP, STOP_LIMIT]"
            )
            if self._switches.market_absolute_protection_frame == "error":
                raise Refusal("INVALID_REQUEST", words)
            raise OrderRefusal("INVALID_REQUEST", words)
        self._check_volume(symbol, request.volume)
        relative_stop = _relative(request, "relativeStopLoss", symbol, "stop loss")
        relative_target = _relative(request, "relativeTakeProfit", symbol, "take profit")
        if request.trailingStopLoss and relative_stop is None:
            raise OrderRefusal("INVALID_REQUEST", "Trailing stop loss needs a stop loss")
        existing = self._target_position(book, symbol, request)
        closing = existing is not None and existing.side != request.tradeSide
        self._check_tradeable(book, symbol, opening=not closing)
        quote = self._need_quote(symbol)
        side = int(request.tradeSide)
        if not closing:
            is_buy = side == ProtoOATradeSide.BUY
            _check_positive(
                is_buy, quote.ask if is_buy else quote.bid, relative_stop, relative_target
            )
        if existing is not None and existing.executing is not None:
            raise OrderRefusal(
                "POSITION_LOCKED",
                f"Position {existing.position_id} is being executed",
                position_id=existing.position_id,
            )
        opened = request.volume - (existing.volume if closing and existing is not None else 0)
        if opened > 0:
            if not symbol.short_selling and side == ProtoOATradeSide.SELL:
                raise OrderRefusal("SHORT_SELLING_NOT_ALLOWED", f"{symbol.name} cannot be sold")
            self._check_money(book, symbol, side, opened, quote)
        if closing and opened > 0 and book.spec.account_type != ProtoOAAccountType.NETTED:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Volume {request.volume} is more than the position holds",
                position_id=request.positionId,
            )
        protected = relative_stop is not None or relative_target is not None
        trailing = bool(request.trailingStopLoss) if protected else None
        position = existing
        if position is None:
            position = self._make_position(book, symbol, side, request)
            position.trailing = trailing
        order = self._make_order(
            book,
            position,
            side=side,
            order_type=ProtoOAOrderType.MARKET,
            volume=request.volume,
            origin=origin,
        )
        _copy_texts(order, request)
        if closing:
            self._make_closing(order, position)
        else:
            order.relative_stop_loss = relative_stop
            order.relative_take_profit = relative_target
            order.trailing = trailing
        self._accept_market(book, order, position)

    def _accept_market(self, book: AccountBook, order: Order, position: Position) -> None:
        if order.closing:
            position.executing = order.order_id
        self._publish(book, ProtoOAExecutionType.ORDER_ACCEPTED, order, position)
        self._outside.after(self._switches.fill_delay, lambda: self._fill(book, order))

    def _make_closing(self, order: Order, position: Position) -> None:
        order.closing = True
        order.shown_stop_loss, order.shown_take_profit = position.stop_loss, position.take_profit
        if order.client_order_id is None:
            order.client_order_id = str(order.order_id % 100_000)
        order.label = position.label if order.label is None else order.label
        order.comment = position.comment if order.comment is None else order.comment

    # Private, pending orders

    def _new_pending_order(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq,
        origin: str | None,
    ) -> None:
        self._check_volume(symbol, request.volume)
        self._check_tradeable(book, symbol, opening=True)
        quote = self._need_quote(symbol)
        is_limit = request.orderType == ProtoOAOrderType.LIMIT
        name = "limitPrice" if is_limit else "stopPrice"
        if not request.HasField(name):
            raise OrderRefusal("INVALID_REQUEST", f"Message missing required fields: {name}")
        given = request.limitPrice if is_limit else request.stopPrice
        own_price = self._price(symbol, given, "Limit price" if is_limit else "Stop price")
        side = int(request.tradeSide)
        if not is_limit:
            _check_stop_side(side == ProtoOATradeSide.BUY, own_price, quote)
        expiration = (
            request.expirationTimestamp if request.HasField("expirationTimestamp") else None
        )
        if request.timeInForce == ProtoOATimeInForce.GOOD_TILL_DATE and expiration is None:
            raise OrderRefusal("TRADING_BAD_EXPIRATION_DATE", "GOOD_TILL_DATE needs an expiration")
        if expiration is not None:
            self._check_expiration(expiration)
        position = self._make_position(book, symbol, side, request)
        order = self._make_order(
            book,
            position,
            side=side,
            order_type=int(request.orderType),
            volume=request.volume,
            origin=origin,
            time_in_force=ProtoOATimeInForce.GOOD_TILL_CANCEL
            if expiration is None
            else ProtoOATimeInForce.GOOD_TILL_DATE,
            keep=False,
        )
        order.limit_price, order.stop_price = (own_price, None) if is_limit else (None, own_price)
        if not is_limit:
            order.trigger_method = int(request.stopTriggerMethod)
        order.expiration = expiration
        _copy_texts(order, request)
        order.relative_stop_loss, order.relative_take_profit = self._distances(
            order, symbol, request, own_price
        )
        if request.trailingStopLoss and order.relative_stop_loss is None:
            raise OrderRefusal("INVALID_REQUEST", "Trailing stop loss needs a stop loss")
        if order.relative_stop_loss is not None or order.relative_take_profit is not None:
            order.trailing = position.trailing = bool(request.trailingStopLoss)
        book.orders[order.order_id] = order
        book.positions[position.position_id] = position
        self._work(book, order)
        self._await_expiration(book, order)
        self._publish(book, ProtoOAExecutionType.ORDER_ACCEPTED, order, position)
        order.origin = None  # what happens to it later answers no request
        self._check_trigger(book, order, quote)

    def _distances(
        self,
        order: Order,
        symbol: SymbolSpec,
        request: ProtoOANewOrderReq | ProtoOAAmendOrderReq,
        own_price: int | None,
    ) -> tuple[int | None, int | None]:
        """Return the protection of a pending order as distances, as the server keeps it."""
        found: list[int | None] = []
        for absolute, relative, words, sign in (
            ("stopLoss", "relativeStopLoss", "stop loss", -1),
            ("takeProfit", "relativeTakeProfit", "take profit", 1),
        ):
            distance = _relative(request, relative, symbol, words)
            if request.HasField(absolute):
                if distance is not None:
                    raise OrderRefusal(
                        "INVALID_REQUEST", f"Both absolute and relative {words} are given"
                    )
                given = request.stopLoss if absolute == "stopLoss" else request.takeProfit
                level = self._level(symbol, given, words.capitalize())
                distance = (level - (own_price or 0)) * sign * (1 if order.is_buy else -1)
                if distance <= 0:
                    raise OrderRefusal(
                        "TRADING_BAD_STOPS",
                        f"New {words} {price(level)} is on the wrong side of the order price "
                        f"{price(own_price or 0)}",
                    )
            found.append(distance)
        _check_positive(order.is_buy, own_price or 0, found[0], found[1])
        return found[0], found[1]

    def _await_expiration(self, book: AccountBook, order: Order) -> None:
        expiration = order.expiration
        if expiration is None:
            return

        def expire() -> None:
            waits = order.order_id in book.working and not order.executing
            if waits and order.expiration == expiration:
                self._end_pending(
                    book,
                    order,
                    ProtoOAOrderStatus.ORDER_STATUS_EXPIRED,
                    ProtoOAExecutionType.ORDER_EXPIRED,
                    server=True,
                )

        self._outside.at(expiration, expire)

    def _end_pending(
        self,
        book: AccountBook,
        order: Order,
        status: int,
        execution_type: int,
        *,
        server: bool = False,
        error_code: str | None = None,
    ) -> None:
        now = self._outside.market_now()
        order.status, order.updated, order.executing = status, now, False
        position = book.positions.pop(order.position_id)
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_CLOSED)
        position.closed = position.updated = now
        self._retire(book, order)
        self._publish(book, execution_type, order, position, server=server, error_code=error_code)

    # Private, triggers

    def _check_trigger(self, book: AccountBook, order: Order, quote: Quote) -> bool:
        """Send an order to execution if the price reached it."""
        side_price = quote.ask if order.is_buy else quote.bid
        direction = 1 if order.is_buy else -1
        limit, stop = order.limit_price, order.stop_price
        limited = limit is not None and side_price * direction <= limit * direction
        hit = limited or (stop is not None and side_price * direction >= stop * direction)
        if not hit or not self._outside.is_open(order.symbol):
            return False
        order.executing = True
        position = book.positions[order.position_id]
        if order.is_protective:
            if position.executing is not None:
                order.executing = False  # the position is being closed already
                return False
            position.executing = order.order_id
        triggered = self._outside.market_now()
        self._outside.after(
            self._switches.fill_delay,
            lambda: self._fill(book, order, triggered=triggered, limited=limited),
        )
        return True

    def _trail(self, book: AccountBook, order: Order, quote: Quote) -> None:
        position = book.positions[order.position_id]
        if order.stop_price is None or not order.is_protective:
            return
        if position.is_buy:
            stop = quote.bid - position.trailing_distance
            better = stop > order.stop_price
        else:
            stop = quote.ask + position.trailing_distance
            better = stop < order.stop_price
        if not better:
            return
        # Neither the order's nor the position's own stamp moves with it, as recorded.
        order.stop_price = position.stop_loss = stop
        self._outside.publish(
            book.spec.account_id,
            ProtoOATrailingSLChangedEvent(
                ctidTraderAccountId=book.spec.account_id,
                positionId=position.position_id,
                orderId=order.order_id,
                stopPrice=price(stop),
                utcLastUpdateTimestamp=self._outside.market_now(),
            ),
            None,
        )

    # Private, fills

    def _fill(
        self,
        book: AccountBook,
        order: Order,
        *,
        triggered: int | None = None,
        limited: bool = False,
    ) -> None:
        """Fill an order at the present price.

        Args:
            triggered: When a price released it.
            limited: Whether that was its limit: a protective order has a stop as well.
        """
        position = book.positions.get(order.position_id)
        quote = self._outside.quote(order.symbol.symbol_id)
        if position is None or quote is None or (order.closing and not position.is_open):
            self._reject(book, order)
            return
        market = quote.ask if order.is_buy else quote.bid
        if limited and order.limit_price is not None:
            # A limit is never filled at a worse price, even if the market left it meanwhile.
            better = min if order.is_buy else max
            market = better(market, order.limit_price)
        created = order.created if triggered is None else triggered
        order.executing = False
        self._retire(book, order)
        if not order.closing:
            other = self._netted(book, order, position)
            if order.is_pending and not self._affordable(book, order, other):
                return
            if other is not None:
                del book.positions[position.position_id]
                order.position_id, position = other.position_id, other
                if other.side != order.side:
                    self._make_closing(order, other)
        if order.closing:
            self._fill_closing(book, order, position, market, created)
        else:
            self._fill_opening(book, order, position, order.volume, market, created)

    def _netted(self, book: AccountBook, order: Order, position: Position) -> Position | None:
        """Return the position that a fill belongs to instead of the empty one made for its order.

        A netted account has one position for each symbol, and it may have been opened while the
        order waited.
        """
        if position.is_open or book.spec.account_type != ProtoOAAccountType.NETTED:
            return None
        return next((each for each in book.open_positions() if each.symbol is order.symbol), None)

    def _affordable(self, book: AccountBook, order: Order, other: Position | None) -> bool:
        """Tell whether a pending order may be filled; one without the money for it is rejected."""
        reduced = other.volume if other is not None and other.side != order.side else 0
        opened = order.volume - reduced
        if opened <= 0:
            return True
        try:
            self._check_money(
                book, order.symbol, order.side, opened, self._need_quote(order.symbol)
            )
        except Refusal as refusal:
            self._end_pending(
                book,
                order,
                ProtoOAOrderStatus.ORDER_STATUS_REJECTED,
                ProtoOAExecutionType.ORDER_REJECTED,
                server=True,
                error_code=refusal.code,
            )
            return False
        return True

    def _reject(self, book: AccountBook, order: Order) -> None:
        """End a market order whose position was closed before its turn came."""
        if order.is_protective:
            return  # it ended with its position
        order.status = int(ProtoOAOrderStatus.ORDER_STATUS_REJECTED)
        order.updated = order.closed = self._outside.market_now()
        self._publish(
            book,
            ProtoOAExecutionType.ORDER_REJECTED,
            order,
            book.positions.get(order.position_id),
            error_code="POSITION_NOT_OPEN",
        )

    def _fill_opening(
        self,
        book: AccountBook,
        order: Order,
        position: Position,
        volume: int,
        market: int,
        created: int,
    ) -> None:
        now = self._outside.market_now()
        symbol = order.symbol
        rate = self._base_rate(symbol, book.deposit_asset, market)
        commission = -self._commission(book, symbol, volume, market)
        added = position.is_open
        position.entries.append(Entry(volume, market, commission, rate))
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_OPEN)
        position.updated = now
        position.opened = now if position.opened is None else position.opened
        self._renew_margin(book, position)
        if not added:
            self._outside.watch(symbol.symbol_id)
        self._finish(order, market, now)
        deal = self._make_deal(book, order, volume, market, created, rate, commission)
        self._publish(book, ProtoOAExecutionType.ORDER_FILLED, order, position, deal=deal)
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

    def _fill_closing(
        self, book: AccountBook, order: Order, position: Position, market: int, created: int
    ) -> None:
        now = self._outside.market_now()
        symbol = order.symbol
        position.executing = None
        volume = min(order.volume, position.volume)
        surplus = order.volume - volume
        part, commission = self._settle(book, position, volume, market, now)
        rate = self._base_rate(symbol, book.deposit_asset, market)
        deal = self._make_deal(book, order, volume, market, created, rate, commission)
        deal.closed_part = part
        position.updated = now
        self._renew_margin(book, position)
        order.execution_price = Fraction(market)
        order.executed_volume = volume
        if surplus:
            deal.status = int(ProtoOADealStatus.PARTIALLY_FILLED)
            order.updated = now
        else:
            self._finish(order, market, now)
        protection = book.working.get(position.protective_order_id or 0)
        if position.is_open:
            self._publish_fill(book, order, position, deal, surplus)
            if protection is not None:
                origin = order.origin
                self._outside.after(
                    self._switches.protection_delay,
                    lambda: self._follow_volume(book, position, origin),
                )
            return
        self._outside.unwatch(symbol.symbol_id)
        del book.positions[position.position_id]
        if protection is None or order.is_protective:
            self._mark_closed(position, now)
            self._publish_fill(book, order, position, deal, surplus)
        else:
            # With a protective order to cancel the position shows as created, at volume 0, until
            # that order is gone, as recorded.
            position.status = int(ProtoOAPositionStatus.POSITION_STATUS_CREATED)
            self._retire(book, protection)
            self._publish_fill(book, order, position, deal, surplus)
            origin = order.origin
            self._outside.after(
                self._switches.protection_delay,
                lambda: self._cancel_protection(book, position, protection, now, origin),
            )
        if surplus:
            self._flip(book, order, surplus, market, created)

    def _publish_fill(
        self, book: AccountBook, order: Order, position: Position, deal: Deal, surplus: int
    ) -> None:
        self._publish(
            book,
            ProtoOAExecutionType.ORDER_PARTIAL_FILL
            if surplus
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
        self._last_position += 1
        position = Position(
            position_id=self._last_position,
            symbol=order.symbol,
            side=order.side,
            label=order.label,
            comment=order.comment,
        )
        book.positions[position.position_id] = position
        order.closing, order.position_id = False, position.position_id
        self._fill_opening(book, order, position, surplus, market, created)
        order.executed_volume = order.volume

    def _settle(
        self, book: AccountBook, position: Position, volume: int, market: int, now: int
    ) -> tuple[ClosedPart, int]:
        """Take a volume out of a position, oldest entries first, and book the result."""
        symbol = position.symbol
        total = position.volume
        swap = round_half_away(Fraction(position.swap * volume, total))
        position.swap -= swap
        taken: list[Entry] = []
        charged, left = 0, volume
        for entry in tuple(position.entries):
            part = min(left, entry.volume)
            if not part:
                break
            share = round_half_away(Fraction(entry.commission * part, entry.volume))
            taken.append(Entry(part, entry.price, share, entry.margin_rate))
            entry.volume -= part
            entry.commission -= share
            charged += share
            left -= part
        position.entries = [entry for entry in position.entries if entry.volume]
        closing = -self._commission(book, symbol, volume, market)
        rate = self._converter.rate(symbol.quote, book.deposit_asset)
        gross = self._gross(book, position, taken, market, rate)
        fee = conversion_fee_of(symbol, gross, book.deposit_asset)
        book.book(gross + swap + charged + closing + fee, now)
        book.last_closing = now
        entry_price = Fraction(sum(each.volume * each.price for each in taken), volume)
        part_closed = ClosedPart(
            entry_price,
            gross,
            swap,
            charged + closing,
            book.balance,
            rate,
            volume,
            book.balance_version,
            fee,
        )
        return part_closed, closing

    def _finish(self, order: Order, market: int, now: int) -> None:
        order.status = int(ProtoOAOrderStatus.ORDER_STATUS_FILLED)
        order.execution_price = Fraction(market)
        order.executed_volume = order.volume
        order.updated = order.closed = now

    # Private, protection

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
        self._renew_protection(book, position, order.origin, server=True)

    def _renew_protection(
        self, book: AccountBook, position: Position, origin: str | None, *, server: bool
    ) -> None:
        """Make the protective order say what the position says."""
        now = self._outside.market_now()
        order = book.working.get(position.protective_order_id or 0)
        if not position.is_protected:
            if order is not None:
                order.status = int(ProtoOAOrderStatus.ORDER_STATUS_CANCELLED)
                order.updated = order.closed = now
                self._retire(book, order)
                position.protective_order_id, position.trailing = None, False
                order.origin = origin
                self._publish(
                    book, ProtoOAExecutionType.ORDER_CANCELLED, order, position, server=server
                )
            return
        execution_type = ProtoOAExecutionType.ORDER_REPLACED
        if order is None:
            execution_type = ProtoOAExecutionType.ORDER_ACCEPTED
            order = self._make_order(
                book,
                position,
                side=opposite(position.side),
                order_type=ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT,
                volume=position.volume,
                origin=origin,
                time_in_force=ProtoOATimeInForce.GOOD_TILL_CANCEL,
            )
            order.closing = True
            order.client_order_id = str(order.order_id % 100_000)
            order.label, order.comment = position.label, position.comment
            position.protective_order_id = order.order_id
            self._work(book, order)
        order.volume = position.volume
        order.stop_price, order.limit_price = position.stop_loss, position.take_profit
        order.trailing = bool(position.trailing)
        order.trigger_method = position.trigger_method
        order.updated = now
        order.origin = origin
        self._publish(book, execution_type, order, position, server=server)
        order.origin = None  # a hit answers no request
        quote = self._outside.quote(position.symbol.symbol_id)
        if quote is not None:
            self._check_trigger(book, order, quote)

    def _follow_volume(self, book: AccountBook, position: Position, origin: str | None) -> None:
        if position.is_open and position.protective_order_id in book.working:
            position.updated = self._outside.market_now()
            self._renew_protection(book, position, origin, server=True)

    def _cancel_protection(
        self,
        book: AccountBook,
        position: Position,
        order: Order,
        closed: int,
        origin: str | None,
    ) -> None:
        """End the protective order of a position that a request closed."""
        self._mark_closed(position, closed)
        order.status = int(ProtoOAOrderStatus.ORDER_STATUS_CANCELLED)
        order.updated = order.closed = closed
        order.origin = origin
        self._publish(book, ProtoOAExecutionType.ORDER_CANCELLED, order, position, server=True)

    @staticmethod
    def _mark_closed(position: Position, closed: int) -> None:
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_CLOSED)
        position.stop_loss = position.take_profit = None
        position.closed = position.updated = closed

    # Private, records

    def _make_position(
        self, book: AccountBook, symbol: SymbolSpec, side: int, request: ProtoOANewOrderReq
    ) -> Position:
        self._last_position += 1
        position = Position(
            position_id=self._last_position,
            symbol=symbol,
            side=side,
            label=request.label if request.HasField("label") else None,
            comment=request.comment if request.HasField("comment") else None,
        )
        if request.orderType == ProtoOAOrderType.MARKET:
            book.positions[position.position_id] = position
        return position

    def _make_order(
        self,
        book: AccountBook,
        position: Position,
        *,
        side: int,
        order_type: int,
        volume: int,
        origin: str | None,
        time_in_force: int = ProtoOATimeInForce.IMMEDIATE_OR_CANCEL,
        keep: bool = True,
    ) -> Order:
        self._last_order += 1
        now = self._outside.market_now()
        order = Order(
            order_id=self._last_order,
            position_id=position.position_id,
            symbol=position.symbol,
            side=int(side),
            order_type=int(order_type),
            volume=volume,
            created=now,
            updated=now,
            time_in_force=int(time_in_force),
            origin=origin,
        )
        if keep:
            book.orders[order.order_id] = order
        return order

    def _make_deal(
        self,
        book: AccountBook,
        order: Order,
        volume: int,
        market: int,
        created: int,
        rate: Fraction,
        commission: int,
    ) -> Deal:
        self._last_deal += 1
        deal = Deal(
            deal_id=self._last_deal,
            order_id=order.order_id,
            position_id=order.position_id,
            symbol=order.symbol,
            side=order.side,
            volume=volume,
            filled_volume=volume,
            status=int(ProtoOADealStatus.FILLED),
            created=created,
            executed=self._outside.market_now(),
            price=market,
            margin_rate=rate,
            commission=commission,
            base_to_usd=self._base_rate(order.symbol, self._usd, market),
        )
        book.deals.append(deal)
        return deal

    def _work(self, book: AccountBook, order: Order) -> None:
        """Let prices reach an order from now on."""
        book.working[order.order_id] = order
        symbol_id = order.symbol.symbol_id
        self._working.setdefault(symbol_id, {})[order.order_id] = (book, order)
        self._outside.watch(symbol_id)

    def _retire(self, book: AccountBook, order: Order) -> None:
        """Keep prices from reaching an order any more."""
        if book.working.pop(order.order_id, None) is not None:
            symbol_id = order.symbol.symbol_id
            del self._working[symbol_id][order.order_id]
            self._outside.unwatch(symbol_id)

    def _publish(
        self,
        book: AccountBook,
        execution_type: int,
        order: Order,
        position: Position | None,
        *,
        deal: Deal | None = None,
        server: bool = False,
        error_code: str | None = None,
    ) -> None:
        message = execution_message(
            book,
            execution_type,
            order=order,
            position=position,
            deal=deal,
            server=server,
            error_code=error_code,
            unknown_fields=self._switches.write_unknown_fields,
        )
        self._outside.publish(book.spec.account_id, message, order.origin)

    # Private, arithmetic

    def _gross(
        self,
        book: AccountBook,
        position: Position,
        entries: list[Entry],
        market: int,
        rate: Fraction,
    ) -> int:
        sign = 1 if position.is_buy else -1
        moved = sum(entry.volume * (market - entry.price) for entry in entries) * sign
        scale = 10**book.spec.money_digits
        return round_half_away(Fraction(moved * scale, 100 * PRICE_UNITS) * rate)

    def _commission(self, book: AccountBook, symbol: SymbolSpec, volume: int, market: int) -> int:
        amount = commission_of(
            symbol,
            volume,
            Fraction(market, PRICE_UNITS),
            base_to_usd=lambda: self._base_rate(symbol, self._usd, market),
            usd_to_deposit=lambda: self._converter.rate(self._usd, book.deposit_asset),
            quote_to_deposit=lambda: self._converter.rate(symbol.quote, book.deposit_asset),
        )
        return round_half_away(amount * 10**book.spec.money_digits)

    def _base_rate(self, symbol: SymbolSpec, asset: int, market: int) -> Fraction:
        """Return a rate from the base asset, by the trade's own price where that is the rate."""
        if symbol.quote == asset:
            return Fraction(market, PRICE_UNITS)
        return self._converter.rate(symbol.base, asset)

    def _margin(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        side: int,
        volume: int,
        rate: Fraction,
        besides: Position | None = None,
    ) -> int:
        tiers: LeverageSpec | None = self._leverages.get(symbol.leverage_id)
        to_usd = self._converter.rate(symbol.base, self._usd)
        older = (
            position.volume
            for position in _older(book, besides)
            if position.symbol is symbol and position.side == side
        )
        amount = margin_of(
            volume,
            base_to_deposit=rate,
            base_to_usd=to_usd,
            account_leverage=book.spec.leverage * 100,
            tiers=tiers,
            exposure=Fraction(sum(older), 100) * to_usd,
        )
        return round_half_away(amount * 10**book.spec.money_digits)

    def _renew_margin(self, book: AccountBook, position: Position) -> None:
        position.used_margin = 0
        if position.is_open:
            position.used_margin = self._margin(
                book,
                position.symbol,
                position.side,
                position.volume,
                position.margin_rate,
                besides=position,
            )

    # Private, checks

    def _check_tradeable(self, book: AccountBook, symbol: SymbolSpec, *, opening: bool) -> None:
        rights = book.spec.access_rights
        closing_only = rights == ProtoOAAccessRights.CLOSE_ONLY and opening
        if closing_only or rights >= ProtoOAAccessRights.NO_TRADING:
            raise OrderRefusal("TRADING_NOT_ALLOWED", "Trading is not allowed for this account")
        mode = symbol.trading_mode
        allowed = mode == ProtoOATradingMode.ENABLED or (
            mode == ProtoOATradingMode.CLOSE_ONLY_MODE and not opening
        )
        if not symbol.enabled or not allowed:
            raise OrderRefusal("TRADING_DISABLED", f"Trading is disabled for {symbol.name}")
        if not self._outside.is_open(symbol):
            raise OrderRefusal("MARKET_CLOSED", f"Market is closed for {symbol.name}")

    def _check_volume(self, symbol: SymbolSpec, volume: int) -> None:
        if not symbol.min_volume <= volume <= symbol.max_volume or volume % symbol.step_volume:
            raise OrderRefusal(
                "TRADING_BAD_VOLUME",
                f"Order volume = {volume} must be from {symbol.min_volume} to "
                f"{symbol.max_volume} in steps of {symbol.step_volume}",
            )

    def _check_money(
        self, book: AccountBook, symbol: SymbolSpec, side: int, volume: int, quote: Quote
    ) -> None:
        market = quote.ask if side == ProtoOATradeSide.BUY else quote.bid
        rate = self._base_rate(symbol, book.deposit_asset, market)
        # What the position brings must be bookable when it is closed, so the rate must exist now.
        self._converter.rate(symbol.quote, book.deposit_asset)
        needed = self._margin(book, symbol, side, volume, rate)
        free = self.equity(book) - self.used_margin(book)
        if needed + self._commission(book, symbol, volume, market) > free:
            raise OrderRefusal(
                "NOT_ENOUGH_MONEY",
                f"Not enough funds: margin {needed} is needed, {free} is free",
            )

    def _check_expiration(self, expiration: int) -> None:
        if expiration <= self._outside.market_now():
            raise OrderRefusal("TRADING_BAD_EXPIRATION_DATE", "Expiration is in the past")

    def _need_quote(self, symbol: SymbolSpec) -> Quote:
        quote = self._outside.quote(symbol.symbol_id)
        if quote is None:
            raise OrderRefusal("NO_QUOTES", f"There is no price of {symbol.name}")
        return quote

    def _open_position(self, book: AccountBook, position_id: int) -> Position:
        position = book.positions.get(position_id)
        if position is None or not position.is_open:
            raise OrderRefusal(
                "POSITION_NOT_FOUND",
                f"Position not found with id {position_id}",
                position_id=position_id,
            )
        return position

    def _pending_order(self, book: AccountBook, order_id: int, protective_code: str) -> Order:
        order = book.working.get(order_id)
        if order is None:
            raise OrderRefusal(
                "ORDER_NOT_FOUND", f"Order not found with id {order_id}", order_id=order_id
            )
        if order.is_protective:
            raise OrderRefusal(
                protective_code, f"Order {order_id} protects a position", order_id=order_id
            )
        return order

    def _target_position(
        self, book: AccountBook, symbol: SymbolSpec, request: ProtoOANewOrderReq
    ) -> Position | None:
        if request.HasField("positionId") and request.positionId:
            position = self._open_position(book, request.positionId)
            if position.symbol is not symbol:
                raise OrderRefusal(
                    "INVALID_REQUEST",
                    f"Position {position.position_id} is of another symbol",
                    position_id=position.position_id,
                )
            return position
        if book.spec.account_type == ProtoOAAccountType.NETTED:
            for position in book.open_positions():
                if position.symbol is symbol:
                    return position
        return None

    def _price(self, symbol: SymbolSpec, value: float, words: str) -> int:
        """Read a price off the wire as an integer on the symbol's grid."""
        if not value > 0 or value > 1e9:
            raise OrderRefusal("TRADING_BAD_PRICES", f"{words} {value} is not a price")
        return self._units(symbol, value, words)

    def _level(self, symbol: SymbolSpec, value: float, words: str) -> int:
        if not value > 0 or value > 1e9:
            raise OrderRefusal("TRADING_BAD_STOPS", "Protection can't be negative")
        return self._units(symbol, value, words)

    @staticmethod
    def _units(symbol: SymbolSpec, value: float, words: str) -> int:
        units = Decimal(repr(value)) * PRICE_UNITS
        if units % symbol.grid:
            raise OrderRefusal(
                "INVALID_REQUEST",
                f"{words} = {value!r} has more digits than symbol allows. "
                f"Allowed {symbol.digits} digits",
            )
        return int(units)


def _older(book: AccountBook, limit: Position | None) -> Iterator[Position]:
    """Go through the open positions that stand before one, or all of them."""
    for position in book.open_positions():
        if position is limit:
            return
        yield position


def _check_texts(request: ProtoOANewOrderReq) -> None:
    for name, text, most in (
        ("label", request.label, _MAX_LABEL),
        ("comment", request.comment, _MAX_COMMENT),
        ("clientOrderId", request.clientOrderId, _MAX_CLIENT_ORDER_ID),
    ):
        if len(text) > most:
            raise OrderRefusal(
                "INVALID_REQUEST", f"{name} has {len(text)} characters, {most} are allowed"
            )


def _copy_texts(order: Order, request: ProtoOANewOrderReq) -> None:
    order.label = request.label if request.HasField("label") else None
    order.comment = request.comment if request.HasField("comment") else None
    if request.HasField("clientOrderId"):
        order.client_order_id = request.clientOrderId


def _relative(
    request: ProtoOANewOrderReq | ProtoOAAmendOrderReq, name: str, symbol: SymbolSpec, words: str
) -> int | None:
    if not request.HasField(name):
        return None
    distance = (
        request.relativeStopLoss if name == "relativeStopLoss" else request.relativeTakeProfit
    )
    if distance <= 0:
        raise OrderRefusal("TRADING_BAD_STOPS", "Protection can't be negative")
    if distance % symbol.grid:
        raise OrderRefusal("INVALID_REQUEST", f"Relative {words} has invalid precision")
    return distance


def _check_positive(
    is_buy: bool, own_price: int, stop_distance: int | None, target_distance: int | None
) -> None:
    """Refuse a distance that reaches down to zero: a stop of what is bought, a target else."""
    downwards = stop_distance if is_buy else target_distance
    if downwards is not None and downwards >= own_price:
        raise OrderRefusal("TRADING_BAD_STOPS", "Protection can't be negative")


def _check_sides(is_buy: bool, market: int, stop: int | None, target: int | None) -> None:
    side, word = ("BUY", "BID") if is_buy else ("SELL", "ASK")
    sign = 1 if is_buy else -1
    if stop is not None and stop * sign > market * sign:
        raise OrderRefusal(
            "TRADING_BAD_STOPS",
            f"New SL for {side} position should be {'<=' if is_buy else '>='} current {word} "
            f"price. current {word}: {price(market)}, SL: {price(stop)}",
        )
    if target is not None and target * sign < market * sign:
        raise OrderRefusal(
            "TRADING_BAD_STOPS",
            f"New TP for {side} position should be {'>=' if is_buy else '<='} current {word} "
            f"price. current {word}: {price(market)}, TP: {price(target)}",
        )


def _check_stop_side(is_buy: bool, stop: int, quote: Quote) -> None:
    if (stop <= quote.ask) if is_buy else (stop >= quote.bid):
        raise OrderRefusal(
            "TRADING_BAD_PRICES",
            f"Stop price {price(stop)} must be {'above' if is_buy else 'below'} the market. "
            f"BID: {price(quote.bid)}, ASK: {price(quote.ask)}",
        )
