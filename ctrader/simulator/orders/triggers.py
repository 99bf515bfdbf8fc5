"""What a price does to a waiting order: it hits it, or moves its trailing stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ctrader.proto import ProtoOAOrderTriggerMethod, ProtoOAOrderType
from ctrader.simulator.book import Order, Position
from ctrader.simulator.market.prices import Quote, Tick

__all__ = ["Hit", "Trigger", "hit_by", "trailed_stop", "trigger_price"]

Hit: TypeAlias = Literal["limit", "stop", "guaranteed", "open"]
"""Why an order is released: which of its prices was reached (a protective order has two, and a
guaranteed one is filled at the very stop), or that the market opened."""

_OPPOSITE: Final = (
    ProtoOAOrderTriggerMethod.OPPOSITE,
    ProtoOAOrderTriggerMethod.DOUBLE_OPPOSITE,
)
_DOUBLE: Final = (
    ProtoOAOrderTriggerMethod.DOUBLE_TRADE,
    ProtoOAOrderTriggerMethod.DOUBLE_OPPOSITE,
)
# Looked up once: every price asks every waiting order.
_AT_MARKET: Final = (ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE)


@dataclass(frozen=True, slots=True)
class Trigger:
    """What released an order to its fill."""

    at: int
    """When, milliseconds UTC."""
    hit: Hit


def hit_by(order: Order, quote: Quote, tick: Tick | None = None) -> Hit | None:
    """Tell why a quote releases an order, None if it does not.

    Counts how often in a row the stop of an order was reached that wants two prices for it.

    Args:
        order: A waiting order.
        quote: The present prices.
        tick: What has just changed; None is nothing, the order itself is new or changed.
    """
    if order.order_type in _AT_MARKET:
        return "open"
    limit = order.limit_price
    if order.activated:
        limit = order.slippage_limit
    is_buy = order.is_buy
    direction = 1 if is_buy else -1
    market = quote.ask if is_buy else quote.bid
    if limit is not None and market * direction <= limit * direction:
        return "limit"
    if order.stop_price is not None and not order.activated and _stop_reached(order, quote, tick):
        return "guaranteed" if order.guaranteed and order.is_protective else "stop"
    return None


def trigger_price(is_buy: bool, method: int | None, quote: Quote) -> int:
    """Return the price at which a trigger method looks, for either side."""
    looks_at_ask = is_buy != (method in _OPPOSITE)
    return quote.ask if looks_at_ask else quote.bid


def trailed_stop(order: Order, position: Position, quote: Quote) -> int | None:
    """Return the stop to which a quote trails an order's, None if to no better one."""
    if order.stop_price is None or not order.is_protective:
        return None
    if position.is_buy:
        stop = quote.bid - position.trailing_distance
        return stop if stop > order.stop_price else None
    stop = quote.ask + position.trailing_distance
    return stop if stop < order.stop_price else None


# Private


def _stop_reached(order: Order, quote: Quote, tick: Tick | None) -> bool:
    stop = order.stop_price
    if stop is None:
        return False
    direction = 1 if order.is_buy else -1
    looked_at = trigger_price(order.is_buy, order.trigger_method, quote)
    is_there = looked_at * direction >= stop * direction
    if order.trigger_method not in _DOUBLE:
        return is_there
    if tick is None:
        return False
    looks_at_ask = order.is_buy != (order.trigger_method in _OPPOSITE)
    if (tick.ask if looks_at_ask else tick.bid) is None:
        return False  # this side has no new price
    order.touches = order.touches + 1 if is_there else 0
    return order.touches >= 2
