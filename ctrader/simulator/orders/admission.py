"""The rules by which a request to trade is accepted or refused."""

from __future__ import annotations

from typing import Final

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAAccountType,
    ProtoOANewOrderReq,
    ProtoOATradeSide,
    ProtoOATradingMode,
)
from ctrader.simulator.accounts.margin import Margin, both_sides
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Order, Position, better_stop, opposite
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.orders.reservations import Need, Reservations
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.switches import Switches

__all__ = [
    "Admission",
    "check_texts",
    "check_volume",
    "executes",
    "open_position",
    "pending_order",
    "target_position",
]

_MAX_LABEL: Final = 100
_MAX_COMMENT: Final = 512
_MAX_CLIENT_ORDER_ID: Final = 50
_LAST_INSTANT: Final = 2_147_483_646_000  # the largest timestamp that the server takes


class Admission:
    """The rules that depend on the hour, the market or an account's money."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        valuation: Valuation,
        margin: Margin,
        reservations: Reservations,
    ) -> None:
        """Take where the time, the hours and the money are to be had."""
        self._outside = surroundings
        self._switches = switches
        self._valuation = valuation
        self._margin = margin
        self._reservations = reservations

    def check_rights(self, book: AccountBook, *, opening: bool) -> None:
        """Refuse what an account may not do.

        Raises:
            Refusal: it may not.
        """
        rights = book.spec.access_rights
        closing_only = rights == ProtoOAAccessRights.CLOSE_ONLY and opening
        if closing_only or rights >= ProtoOAAccessRights.NO_TRADING:
            raise OrderRefusal("TRADING_NOT_ALLOWED", "Trading is not allowed for this account")

    def check_hours(self, symbol: SymbolSpec) -> None:
        """Refuse to trade outside a symbol's hours.

        Raises:
            Refusal: it does not trade now.
        """
        if self._outside.is_holiday(symbol):
            raise OrderRefusal("SYMBOL_HAS_HOLIDAY", f"{symbol.name} has a holiday")
        if not self._outside.is_open(symbol):
            raise OrderRefusal("MARKET_CLOSED", f"Market is closed for {symbol.name}")

    def check_tradeable(
        self, book: AccountBook, symbol: SymbolSpec, *, opening: bool, at_any_hour: bool = False
    ) -> None:
        """Refuse what the account's rights, the symbol's mode or the hour forbid.

        Raises:
            Refusal: one of them does.
        """
        self.check_rights(book, opening=opening)
        mode = symbol.trading_mode
        allowed = mode == ProtoOATradingMode.ENABLED or (
            mode == ProtoOATradingMode.CLOSE_ONLY_MODE and not opening
        )
        if not symbol.enabled or not allowed:
            raise OrderRefusal("TRADING_DISABLED", f"Trading is disabled for {symbol.name}")
        if not at_any_hour:
            self.check_hours(symbol)

    def check_executable(self, book: AccountBook, order: Order, *, opening: bool) -> None:
        """Refuse to execute what may not be executed any more since it was accepted.

        What the broker closes, itself or for a level, needs no rights; what waited for its price
        needs an hour and a mode in which such orders are executed.

        Raises:
            Refusal: it may not.
        """
        waited = order.is_protective or order.is_pending
        if waited and not executes(order, opening=opening):
            raise OrderRefusal("TRADING_DISABLED", f"{order.symbol.name} executes no such orders")
        if order.is_protective or order.stop_out:
            self.check_hours(order.symbol)
        elif order.is_pending:
            self.check_rights(book, opening=opening)
            self.check_hours(order.symbol)
        else:
            self.check_tradeable(book, order.symbol, opening=opening)

    def check_opening(self, book: AccountBook, symbol: SymbolSpec, side: int, volume: int) -> None:
        """Refuse to open a volume on a side that a symbol does not let grow so far.

        Raises:
            Refusal: it may not be sold, or too much of it would be held on this side.
        """
        if not symbol.short_selling and side == ProtoOATradeSide.SELL:
            raise OrderRefusal("SHORT_SELLING_NOT_ALLOWED", f"{symbol.name} cannot be sold")
        held = self._reservations.exposure(book, symbol.symbol_id, side) + sum(
            position.volume
            for position in book.open_positions()
            if position.symbol.symbol_id == symbol.symbol_id and position.side == side
        )
        if held + volume > symbol.max_exposure:
            raise OrderRefusal(
                "MAX_EXPOSURE_REACHED",
                f"Exposure {held + volume} of {symbol.name} would be over {symbol.max_exposure}",
            )

    def check_room(self, book: AccountBook) -> None:
        """Refuse one position more than an account may have, pending orders included.

        Raises:
            Refusal: it has no room.
        """
        most = book.spec.max_positions
        if most and len(book.positions) >= most:
            raise OrderRefusal(
                "TOO_MANY_POSITIONS", f"{most} positions and pending orders are allowed"
            )

    def visible_position(self, book: AccountBook, position_id: int) -> Position:
        """Return an account's open position, unless it is too new to be known.

        Raises:
            Refusal: there is none with this id.
        """
        position = open_position(book, position_id)
        hidden = self._switches.position_hidden_after_fill * 1000
        if hidden and self._outside.market_now() - (position.opened or 0) < hidden:
            raise _no_position(position_id)
        return position

    def check_unlocked(self, position: Position) -> None:
        """Refuse to trade a position while an order that closes it is being filled.

        Raises:
            Refusal: one is.
        """
        if position.executing is not None:
            raise OrderRefusal(
                self._switches.locked_position_code,
                f"Position {position.position_id} is being executed",
                position_id=position.position_id,
            )

    def check_money(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        side: int,
        volume: int,
        quote: Quote,
        *,
        closed: Position | None = None,
        added_to: Position | None = None,
        stop_distance: int | None = None,
    ) -> Need:
        """Return what a volume needs: its margin and its commission.

        Args:
            book: The account.
            symbol: What is opened.
            side: On which side.
            volume: How much of it.
            quote: The present prices.
            closed: The position that the same order closes before, which sets its margin free.
            added_to: The position that becomes larger by it, None where it makes one.
            stop_distance: Distance of the guaranteed stop loss that it asks for, in wire units.

        Raises:
            Refusal: the account has not so much free, what orders under way need set aside; or
                there is no price to reckon it with.
        """
        market = quote.ask if side == ProtoOATradeSide.BUY else quote.bid
        stop = None if added_to is None else added_to.guaranteed_stop
        if stop_distance is not None:
            own = market + (-stop_distance if side == ProtoOATradeSide.BUY else stop_distance)
            stop = better_stop(side, own, stop)
        # What the position brings must be bookable when it is closed, so the rate must exist now.
        self._valuation.quote_to_deposit(book, symbol)
        if added_to is not None and added_to.is_open and stop is not None:
            # What all of it may cost then is not what its parts may cost, one by one.
            margin = self._margin.asked_more(book, added_to, volume, market, stop=stop)
        else:
            margin = self._margin.asked(book, symbol, side, volume, market, stop=stop)
        needed = self._growth(book, symbol, side, margin, closed)
        free = self._margin.free(book) - self._reservations.amount(book)
        total = needed + self._valuation.commission(book, symbol, volume, market)
        if total > max(free, 0):
            raise OrderRefusal(
                "NOT_ENOUGH_MONEY",
                f"Not enough funds: margin {needed} is needed, {free} is free",
            )
        return Need(max(total, 0), margin)

    def check_expiration(self, expiration: int) -> None:
        """Refuse an expiration that has passed, milliseconds UTC, or is beyond all time.

        Raises:
            Refusal: it is.
        """
        if expiration <= self._outside.market_now():
            raise OrderRefusal("TRADING_BAD_EXPIRATION_DATE", "Expiration is in the past")
        if expiration > _LAST_INSTANT:
            raise OrderRefusal(
                "TRADING_BAD_EXPIRATION_DATE", f"Expiration is after {_LAST_INSTANT}"
            )

    # Private

    def _growth(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        side: int,
        margin: int,
        closed: Position | None,
    ) -> int:
        """Return by how much more margin on a side makes an account's used margin grow.

        Where the sides of a symbol are set against each other that may be nothing, or less.
        """
        other = opposite(side)
        bound = {
            each: self._reservations.margin(book, symbol.symbol_id, each) for each in (side, other)
        }
        for position in book.open_positions():
            if position.symbol.symbol_id == symbol.symbol_id:
                bound[position.side] += position.used_margin
        method = book.spec.margin_calculation
        before = both_sides(method, bound[side], bound[other])
        bound[side] += margin
        if closed is not None:
            bound[closed.side] -= closed.used_margin
        return both_sides(method, bound[side], bound[other]) - before


def check_texts(request: ProtoOANewOrderReq) -> None:
    """Refuse texts that are too long.

    Raises:
        Refusal: one of them is.
    """
    for name, text, most in (
        ("label", request.label, _MAX_LABEL),
        ("comment", request.comment, _MAX_COMMENT),
        ("clientOrderId", request.clientOrderId, _MAX_CLIENT_ORDER_ID),
    ):
        if len(text) > most:
            raise OrderRefusal(
                "INVALID_REQUEST", f"{name} has {len(text)} characters, {most} are allowed"
            )


def check_volume(symbol: SymbolSpec, volume: int) -> None:
    """Refuse the volume of an opening order outside the symbol's bounds and steps.

    Raises:
        Refusal: it is.
    """
    is_inside = symbol.min_volume <= volume <= symbol.max_volume
    if volume <= 0 or not is_inside or volume % symbol.step_volume:
        raise OrderRefusal(
            "TRADING_BAD_VOLUME",
            f"Order volume = {volume} must be from {symbol.min_volume} to "
            f"{symbol.max_volume} in steps of {symbol.step_volume}",
        )


def executes(order: Order, *, opening: bool) -> bool:
    """Tell whether its symbol executes an order that waited for its price.

    Args:
        order: A pending or protective order.
        opening: Whether it would open anything now.
    """
    mode = order.symbol.trading_mode
    if mode == ProtoOATradingMode.DISABLED_WITHOUT_PENDINGS_EXECUTION:
        return False
    if not order.symbol.enabled and not order.is_protective:
        return False  # what is open keeps its protection
    return not opening or mode != ProtoOATradingMode.CLOSE_ONLY_MODE


def open_position(book: AccountBook, position_id: int) -> Position:
    """Return an account's open position.

    Raises:
        Refusal: there is none with this id.
    """
    position = book.positions.get(position_id)
    if position is None or not position.is_open:
        raise _no_position(position_id)
    return position


def pending_order(book: AccountBook, order_id: int, protective_code: str) -> Order:
    """Return an account's pending order.

    Args:
        protective_code: Code of the refusal where it is a protective order.

    Raises:
        Refusal: there is none with this id that a request may touch.
    """
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


def target_position(
    book: AccountBook, symbol: SymbolSpec, request: ProtoOANewOrderReq
) -> Position | None:
    """Return the position that an order goes to, None where it makes one.

    Raises:
        Refusal: the position that the request names is not open, or of another symbol.
    """
    if request.HasField("positionId") and request.positionId:
        position = open_position(book, request.positionId)
        if position.symbol.symbol_id != symbol.symbol_id:
            raise OrderRefusal(
                "INVALID_REQUEST",
                f"Position {position.position_id} is of another symbol",
                position_id=position.position_id,
            )
        return position
    if book.spec.account_type == ProtoOAAccountType.NETTED:
        return book.open_position_of(symbol)
    return None


# Private


def _no_position(position_id: int) -> OrderRefusal:
    return OrderRefusal(
        "POSITION_NOT_FOUND", f"Position not found with id {position_id}", position_id=position_id
    )
