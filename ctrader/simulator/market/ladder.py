"""The depth of the market: what may be traded at which prices.

A ladder belongs to a quote: its best prices are the quote's, and it changes only when the quote
ticks. Behind them stand levels on a lattice of prices that a seed has chosen once and for all, so
that a level keeps its place while the quote moves, and sizes that change every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from ctrader.simulator.market.draws import MASK, mix

if TYPE_CHECKING:
    from ctrader.simulator.catalogue import SymbolSpec
    from ctrader.simulator.market.prices import Quote

__all__ = ["LEVELS", "Ladder", "Level", "ladder_of"]

LEVELS: Final = 12
"""Levels on either side, fewer only where prices end."""

_SIZE_LASTS: Final = 5000  # milliseconds that a level keeps its size, each from its own beginning


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


def ladder_of(symbol: SymbolSpec, quote: Quote, *, seed: int = 0) -> Ladder:
    """Return the depth that belongs to a quote; the same quote always has the same.

    Args:
        seed: Decides where levels stand and how big they are.
    """
    key = _drawn((seed & MASK) ^ crc32(symbol.name.encode()))
    return Ladder(
        bids=_side(symbol, quote.bid, -1, quote.time, _drawn(key)),
        asks=_side(symbol, quote.ask, 1, quote.time, _drawn(key ^ 1)),
    )


# Private


def _side(symbol: SymbolSpec, best: int, away: int, time: int, key: int) -> tuple[Level, ...]:
    spacing = symbol.grid * max(1, symbol.spread // 8)
    lot, least, step = symbol.lot_size, symbol.min_volume, symbol.step_volume
    # The lattice counts from zero, not from the quote, which may stand between two of its points.
    price = (best if away < 0 else best + spacing) // spacing * spacing
    if price == best:
        price += away * spacing
    spacing *= away
    levels: list[Level] = []
    place, at, draw = 2, best, _drawn(key ^ best)
    while True:
        # Half a lot and more at the best price, and ever more behind.
        size = lot * _share(draw, (time + draw % _SIZE_LASTS) // _SIZE_LASTS) * place // 20
        size -= size % step
        levels.append(Level(at, size if size > least else least))
        if place > LEVELS:
            break
        place += 1
        while price > 0:
            at, draw = price, _drawn(key ^ price)
            price += spacing
            if draw >> 62:  # three points of four have a level
                break
        else:
            break
    return tuple(levels)


# The same points and the same few seconds are asked for at each tick.


@lru_cache(maxsize=16_384)
def _drawn(point: int) -> int:
    return mix(point)


@lru_cache(maxsize=4096)
def _share(draw: int, age: int) -> int:
    """Return the twentieths of a lot that a level holds in one of its times."""
    return 5 + (mix(draw ^ mix(age)) & 31)
