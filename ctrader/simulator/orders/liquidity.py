"""What the market has for an order: which volumes at which prices."""

from __future__ import annotations

from typing import NamedTuple

from ctrader.proto import ProtoOAOrderType, ProtoOATimeInForce
from ctrader.simulator.book import Order
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.orders.fill_scripts import FillScript, shared_out
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.orders.triggers import Trigger
from ctrader.simulator.switches import Switches

__all__ = ["Liquidity", "Part", "worst_price"]


class Part(NamedTuple):
    """One part of a fill."""

    volume: int
    price: int
    """Wire price."""


class Liquidity:
    """The other side of all orders: the depth of the market, or a script in its place."""

    def __init__(self, surroundings: Surroundings, switches: Switches) -> None:
        """Take where quotes and depth are to be had."""
        self._outside = surroundings
        self._switches = switches

    def parts(
        self, order: Order, quote: Quote, trigger: Trigger | None, script: FillScript | None
    ) -> list[Part]:
        """Return what an order can have now, best price first; nothing if too dear.

        Args:
            order: What wants to be filled.
            quote: The present prices.
            trigger: The price that released it; None is an order that waits for none.
            script: What a test wants it to find, None is what the market has.
        """
        if script is None and self._switches.fill_through_depth and not _is_guaranteed(trigger):
            found = self._from_depth(order, worst_price(order, trigger))
        else:
            price = _single_price(order, quote, trigger)
            volumes = (order.remaining,) if script is None else script.volumes
            parts = [] if price is None else shared_out(volumes, order)
            found = [Part(volume, price or 0) for volume in parts]
        whole = order.time_in_force == ProtoOATimeInForce.FILL_OR_KILL
        if whole and sum(part.volume for part in found) < order.remaining:
            return []
        return found

    # Private

    def _from_depth(self, order: Order, worst: int | None) -> list[Part]:
        ladder = self._outside.ladder(order.symbol.symbol_id)
        if ladder is None:
            return []
        left, found = order.remaining, list[Part]()
        step = order.symbol.step_volume
        for level in ladder.asks if order.is_buy else ladder.bids:
            if worst is not None and _is_worse(order, level.price, worst):
                break
            # What is left must be tradeable again, so that levels are used in whole steps.
            volume = min(left, level.size - level.size % step)
            if volume:
                found.append(Part(volume, level.price))
                left -= volume
            if not left:
                break
        return found


def worst_price(order: Order, trigger: Trigger | None) -> int | None:
    """Return the worst price an order takes, in wire units; None if any will do."""
    if order.order_type in (ProtoOAOrderType.MARKET_RANGE, ProtoOAOrderType.STOP_LIMIT):
        return order.slippage_limit
    return order.limit_price if trigger is not None and trigger.hit == "limit" else None


# Private


def _single_price(order: Order, quote: Quote, trigger: Trigger | None) -> int | None:
    """Return the one price at which an order is filled, None where it takes none that there is."""
    market = quote.ask if order.is_buy else quote.bid
    if _is_guaranteed(trigger) and order.guaranteed and order.stop_price is not None:
        return order.stop_price
    worst = worst_price(order, trigger)
    if worst is None or not _is_worse(order, market, worst):
        return market
    # A limit that released its order keeps its word even if the market left it meanwhile, unless
    # the order gives up what it does not find.
    if order.order_type == ProtoOAOrderType.MARKET_RANGE or order.is_immediate:
        return None
    return worst


def _is_guaranteed(trigger: Trigger | None) -> bool:
    return trigger is not None and trigger.hit == "guaranteed"


def _is_worse(order: Order, price: int, limit: int) -> bool:
    return price > limit if order.is_buy else price < limit
