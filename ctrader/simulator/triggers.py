"""What a price does to a waiting order: it hits it, or moves its trailing stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ctrader.simulator.book import Order, Position
from ctrader.simulator.prices import Quote

__all__ = ["Hit", "Trigger", "hit_by", "trailed_stop"]

Hit: TypeAlias = Literal["limit", "stop"]
"""Which of an order's prices was reached: a protective order has both."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What released an order to its fill."""

    at: int
    """When, milliseconds UTC."""
    hit: Hit


def hit_by(order: Order, quote: Quote) -> Hit | None:
    """Tell which price of an order a quote reaches, None if it reaches neither."""
    market = quote.ask if order.is_buy else quote.bid
    direction = 1 if order.is_buy else -1
    if order.limit_price is not None and market * direction <= order.limit_price * direction:
        return "limit"
    if order.stop_price is not None and market * direction >= order.stop_price * direction:
        return "stop"
    return None


def trailed_stop(order: Order, position: Position, quote: Quote) -> int | None:
    """Return the stop to which a quote trails an order's, None if to no better one."""
    if order.stop_price is None or not order.is_protective:
        return None
    if position.is_buy:
        stop = quote.bid - position.trailing_distance
        return stop if stop > order.stop_price else None
    stop = quote.ask + position.trailing_distance
    return stop if stop < order.stop_price else None
