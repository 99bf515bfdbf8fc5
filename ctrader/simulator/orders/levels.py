"""Reads the price levels that a request names, refusing those that cannot be."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Literal

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOANewOrderReq,
    ProtoOASymbolDistanceType,
)
from ctrader.simulator.catalogue import PRICE_UNITS, SymbolSpec
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.messages.wire import price
from ctrader.simulator.orders.triggers import trigger_price
from ctrader.simulator.refusals import OrderRefusal

__all__ = [
    "check_closeness",
    "check_distances",
    "check_protection",
    "check_stop_side",
    "distances",
    "order_price",
    "protection_level",
    "relative_distances",
    "slippage_points",
]


def order_price(symbol: SymbolSpec, value: float, words: str) -> int:
    """Read an order's own price off the wire as an integer on the symbol's grid.

    Raises:
        Refusal: it is no price of this symbol.
    """
    if not value > 0 or value > 1e9:
        raise OrderRefusal("TRADING_BAD_PRICES", f"{words} {value} is not a price")
    return _units(symbol, value, words)


def slippage_points(request: ProtoOANewOrderReq | ProtoOAAmendOrderReq) -> int:
    """Return how many points of slippage a request allows.

    Raises:
        Refusal: it does not say, or allows less than none.
    """
    if not request.HasField("slippageInPoints"):
        raise OrderRefusal("INVALID_REQUEST", "Message missing required fields: slippageInPoints")
    if request.slippageInPoints < 0:
        raise OrderRefusal(
            "INVALID_REQUEST", f"slippageInPoints = {request.slippageInPoints} is negative"
        )
    return request.slippageInPoints


def protection_level(symbol: SymbolSpec, value: float, words: str) -> int:
    """Read a stop loss or take profit off the wire as an integer on the symbol's grid.

    Raises:
        Refusal: it is no price of this symbol.
    """
    if not value > 0 or value > 1e9:
        raise OrderRefusal("TRADING_BAD_STOPS", "Protection can't be negative")
    return _units(symbol, value, words)


def relative_distances(
    symbol: SymbolSpec, request: ProtoOANewOrderReq | ProtoOAAmendOrderReq
) -> tuple[int | None, int | None]:
    """Return the distances of stop loss and take profit that a request gives as such.

    Raises:
        Refusal: one of them is not positive, or off the symbol's grid.
    """
    return (
        _relative(symbol, request, "relativeStopLoss", "stop loss"),
        _relative(symbol, request, "relativeTakeProfit", "take profit"),
    )


def distances(
    symbol: SymbolSpec,
    request: ProtoOANewOrderReq | ProtoOAAmendOrderReq,
    *,
    is_buy: bool,
    own_price: int,
    both: Literal["refused", "absolute", "relative"],
) -> tuple[int | None, int | None]:
    """Return the protection of a pending order as distances, as the server keeps it.

    Args:
        symbol: What is traded.
        request: What names the levels.
        is_buy: Whether the order buys.
        own_price: The price that it waits for, in wire units.
        both: What becomes of a level that is given as a price and as a distance.

    Raises:
        Refusal: a level is given twice, or lies on the wrong side of the order's price.
    """
    found: list[int | None] = []
    for absolute, relative, words, sign in (
        ("stopLoss", "relativeStopLoss", "stop loss", -1),
        ("takeProfit", "relativeTakeProfit", "take profit", 1),
    ):
        distance = _relative(symbol, request, relative, words)
        is_twice = distance is not None and request.HasField(absolute)
        if request.HasField(absolute) and not (is_twice and both == "relative"):
            if is_twice and both == "refused":
                raise OrderRefusal(
                    "INVALID_REQUEST", f"Both absolute and relative {words} are given"
                )
            given = request.stopLoss if absolute == "stopLoss" else request.takeProfit
            level = protection_level(symbol, given, words.capitalize())
            distance = (level - own_price) * sign * (1 if is_buy else -1)
            if distance <= 0:
                raise OrderRefusal(
                    "TRADING_BAD_STOPS",
                    f"New {words} {price(level)} is on the wrong side of the order price "
                    f"{price(own_price)}",
                )
        found.append(distance)
    check_distances(is_buy, own_price, found[0], found[1])
    return found[0], found[1]


def check_distances(
    is_buy: bool, own_price: int, stop_distance: int | None, target_distance: int | None
) -> None:
    """Refuse a distance that reaches down to zero.

    Only one of the two goes downwards: the stop of what is bought, the target of what is sold.

    Raises:
        Refusal: it does.
    """
    downwards = stop_distance if is_buy else target_distance
    if downwards is not None and downwards >= own_price:
        raise OrderRefusal("TRADING_BAD_STOPS", "Protection can't be negative")


def check_protection(is_buy: bool, market: int, stop: int | None, target: int | None) -> None:
    """Refuse levels of a position that the market has passed already.

    Raises:
        Refusal: it has.
    """
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


def check_closeness(
    symbol: SymbolSpec,
    market: int,
    stop_distance: int | None,
    target_distance: int | None,
    *,
    is_guaranteed: bool,
    position_id: int | None = None,
) -> None:
    """Refuse levels that are nearer to a price than the symbol allows.

    Args:
        symbol: What is traded.
        market: The price from which the distances count, in wire units.
        stop_distance: How far away the stop loss is, None where there is none to look at.
        target_distance: The same of the take profit.
        is_guaranteed: Whether the stop loss is, which has a distance of its own.
        position_id: The position concerned, None where there is none.

    Raises:
        Refusal: one is.
    """
    stop_rule = symbol.guaranteed_distance if is_guaranteed else symbol.stop_loss_distance
    for words, distance, rule in (
        ("SL", stop_distance, stop_rule),
        ("TP", target_distance, symbol.take_profit_distance),
    ):
        least = _least_distance(symbol, rule, market)
        if distance is not None and distance < least:
            raise OrderRefusal(
                "PROTECTION_IS_TOO_CLOSE_TO_MARKET",
                f"{words} is {price(distance)} away from the price {price(market)}, "
                f"{float(least / PRICE_UNITS)} is the least",
                position_id=position_id,
            )


def check_stop_side(is_buy: bool, stop: int, quote: Quote, method: int | None, code: str) -> None:
    """Refuse the price of a stop order that the market has reached already.

    Args:
        is_buy: Whether the order buys.
        stop: Its price, in wire units.
        quote: The present prices.
        method: Which of them triggers it.
        code: Code of the refusal.

    Raises:
        Refusal: it has.
    """
    looked_at = trigger_price(is_buy, method, quote)
    if (stop <= looked_at) if is_buy else (stop >= looked_at):
        raise OrderRefusal(
            code,
            f"Stop price {price(stop)} must be {'above' if is_buy else 'below'} the market. "
            f"BID: {price(quote.bid)}, ASK: {price(quote.ask)}",
        )


# Private


def _relative(
    symbol: SymbolSpec, request: ProtoOANewOrderReq | ProtoOAAmendOrderReq, name: str, words: str
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


def _least_distance(symbol: SymbolSpec, rule: int, market: int) -> Fraction:
    """Return a symbol's smallest distance in wire units."""
    if symbol.distance_type == ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_PERCENTAGE:
        return Fraction(market * rule, 10_000)
    return Fraction(rule * symbol.grid)


def _units(symbol: SymbolSpec, value: float, words: str) -> int:
    units = Decimal(repr(value)) * PRICE_UNITS
    if units % symbol.grid:
        raise OrderRefusal(
            "INVALID_REQUEST",
            f"{words} = {value!r} has more digits than symbol allows. "
            f"Allowed {symbol.digits} digits",
        )
    return int(units)
