"""The depth of the market: what may be traded at which prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ctrader.simulator.catalogue import SymbolSpec
    from ctrader.simulator.prices import Quote

__all__ = ["Ladder", "Level", "ladder_of"]

_LEVELS = 5


class Level(NamedTuple):
    """What may be traded at one price."""

    price: int
    """Wire price, in 1/100000."""
    size: int
    """Volume in cents of a unit."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Both sides of a symbol's market, the best prices first."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


def ladder_of(symbol: SymbolSpec, quote: Quote) -> Ladder:
    """Return the depth that belongs to a quote; the same quote always has the same."""
    step = symbol.grid * max(1, symbol.spread // 2)
    sizes = [symbol.lot_size * (place + 1) ** 2 for place in range(_LEVELS)]
    return Ladder(
        bids=tuple(Level(quote.bid - place * step, size) for place, size in enumerate(sizes)),
        asks=tuple(Level(quote.ask + place * step, size) for place, size in enumerate(sizes)),
    )
