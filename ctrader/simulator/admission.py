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
from ctrader.simulator.book import AccountBook, Order, Position
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.margin import Margin
from ctrader.simulator.prices import Quote
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.surroundings import Surroundings
from ctrader.simulator.valuation import Valuation

__all__ = [
    "Admission",
    "check_texts",
    "check_unlocked",
    "check_volume",
    "open_position",
    "pending_order",
    "target_position",
]

_MAX_LABEL: Final = 100
_MAX_COMMENT: Final = 512
_MAX_CLIENT_ORDER_ID: Final = 50


class Admission:
    """The rules that depend on the hour, the market or an account's money."""

    def __init__(self, surroundings: Surroundings, valuation: Valuation, margin: Margin) -> None:
        """Take where the time, the hours and the money are to be had."""
        self._outside = surroundings
        self._valuation = valuation
        self._margin = margin

    def check_tradeable(self, book: AccountBook, symbol: SymbolSpec, *, opening: bool) -> None:
        """Refuse what the account's rights, the symbol's mode or the hour forbid.

        Raises:
            Refusal: one of them does.
        """
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

    def check_money(
        self, book: AccountBook, symbol: SymbolSpec, side: int, volume: int, quote: Quote
    ) -> None:
        """Refuse a volume whose margin and commission the account has not free.

        Raises:
            Refusal: the money is missing, or a price to reckon it with.
        """
        market = quote.ask if side == ProtoOATradeSide.BUY else quote.bid
        rate = self._valuation.base_to_deposit(book, symbol, market)
        # What the position brings must be bookable when it is closed, so the rate must exist now.
        self._valuation.quote_to_deposit(book, symbol)
        needed = self._margin.needed(book, symbol, side, volume, rate)
        free = self._margin.free(book)
        if needed + self._valuation.commission(book, symbol, volume, market) > free:
            raise OrderRefusal(
                "NOT_ENOUGH_MONEY",
                f"Not enough funds: margin {needed} is needed, {free} is free",
            )

    def check_expiration(self, expiration: int) -> None:
        """Refuse an expiration that has passed, milliseconds UTC.

        Raises:
            Refusal: it has.
        """
        if expiration <= self._outside.market_now():
            raise OrderRefusal("TRADING_BAD_EXPIRATION_DATE", "Expiration is in the past")


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
    if not symbol.min_volume <= volume <= symbol.max_volume or volume % symbol.step_volume:
        raise OrderRefusal(
            "TRADING_BAD_VOLUME",
            f"Order volume = {volume} must be from {symbol.min_volume} to "
            f"{symbol.max_volume} in steps of {symbol.step_volume}",
        )


def check_unlocked(position: Position) -> None:
    """Refuse to trade a position while an order that closes it is being filled.

    Raises:
        Refusal: one is.
    """
    if position.executing is not None:
        raise OrderRefusal(
            "POSITION_LOCKED",
            f"Position {position.position_id} is being executed",
            position_id=position.position_id,
        )


def open_position(book: AccountBook, position_id: int) -> Position:
    """Return an account's open position.

    Raises:
        Refusal: there is none with this id.
    """
    position = book.positions.get(position_id)
    if position is None or not position.is_open:
        raise OrderRefusal(
            "POSITION_NOT_FOUND",
            f"Position not found with id {position_id}",
            position_id=position_id,
        )
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
        if position.symbol is not symbol:
            raise OrderRefusal(
                "INVALID_REQUEST",
                f"Position {position.position_id} is of another symbol",
                position_id=position.position_id,
            )
        return position
    if book.spec.account_type == ProtoOAAccountType.NETTED:
        return book.open_position_of(symbol)
    return None
