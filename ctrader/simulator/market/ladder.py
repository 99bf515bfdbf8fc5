"""The depth of the market: what may be traded at which prices.

A ladder belongs to a quote: its best prices are the quote's, and it changes only when the quote
ticks. Behind them stand levels on a lattice of prices that a seed has chosen once and for all, so
that a level keeps its place while the quote moves, and sizes that change every few seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from ctrader.simulator.market.draws import MASK, mix

if TYPE_CHECKING:
    from ctrader.simulator.catalogue import SymbolSpec
    from ctrader.simulator.market.prices import Quote

__all__ = ["LEVELS", "Ladder", "Level", "MovingLadder", "Rung", "ladder_of"]

LEVELS: Final = 12
"""Levels on either side, fewer only where prices end."""

_SIZE_LASTS: Final = 5000  # milliseconds that a level keeps its size, each from its own beginning
_RUNGS_KEPT: Final = 4096  # of either side, before those that are no levels are forgotten


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
    moving = MovingLadder(symbol, seed=seed)
    moving.follow(quote)
    return Ladder(bids=_levels(moving.bids), asks=_levels(moving.asks))


@dataclass(slots=True, eq=False)
class Rung:
    """What a moving ladder knows of one price on one side, level or not."""

    is_bid: bool
    price: int
    """Wire price, in 1/100000."""
    draw: int
    """What the seed has drawn for the price."""
    phase: int
    """Milliseconds by which its times are ahead of the clock's."""
    age: int | None = None
    """Which of its times `share` belongs to, None before the first."""
    share: int = 0
    """Twentieths of a lot that stand there in this time, once for each place."""
    place: int = 0
    """How many levels it is behind the best price, counted from 2; 0 where it is no level."""
    size: int = -1
    """Volume in cents of a unit, negative where it is no level."""
    quote_id: int | None = None
    """Id that the level's watchers know it by, None before they were told of it."""


class MovingLadder:
    """A symbol's depth that follows its quote by what each step changes."""

    def __init__(self, symbol: SymbolSpec, *, seed: int) -> None:
        """Begin without any levels, as before there is a price.

        Args:
            seed: Decides where levels stand and how big they are.
        """
        self._seed = seed & MASK
        self._bids, self._asks = _Side(is_bid=True), _Side(is_bid=False)
        self._symbol: SymbolSpec | None = None
        self.change_symbol(symbol)

    @property
    def bids(self) -> Sequence[Rung]:
        """Levels under the quote, the best price first."""
        return self._bids.rungs

    @property
    def asks(self) -> Sequence[Rung]:
        """Levels over the quote, the best price first."""
        return self._asks.rungs

    def change_symbol(self, symbol: SymbolSpec) -> None:
        """Go by other terms of the symbol from the next step on."""
        if symbol is not self._symbol:
            self._symbol = symbol
            key = _drawn(self._seed ^ crc32(symbol.name.encode()))
            self._bids.set_terms(symbol, _drawn(key))
            self._asks.set_terms(symbol, _drawn(key ^ 1))

    def follow(self, quote: Quote | None) -> tuple[list[Rung], list[Rung]]:
        """Step to a quote, which may be older than the last one, or to none at all.

        Returns: The levels that are new or have another size, in order, the bids first; and those
            that are no more.
        """
        changed: list[Rung] = []
        gone: list[Rung] = []
        if quote is None:
            self._bids.clear(gone)
            self._asks.clear(gone)
        else:
            self._bids.follow(quote.bid, quote.time, changed, gone)
            self._asks.follow(quote.ask, quote.time, changed, gone)
        return changed, gone


# Private


class _Side:
    """One side of a moving ladder."""

    def __init__(self, *, is_bid: bool) -> None:
        self.rungs: list[Rung] = []
        """The levels, the best first."""
        self._is_bid = is_bid
        self._best: int | None = None
        self._key = self._spacing = self._lot = self._least = self._step = 1
        # Prices come again and again: what is drawn for them is kept.
        self._known: dict[int, Rung] = {}
        self._behind: dict[int, list[Rung]] = {}

    def set_terms(self, symbol: SymbolSpec, key: int) -> None:
        self._spacing = symbol.grid * max(1, symbol.spread // 8)
        self._lot, self._least, self._step = symbol.lot_size, symbol.min_volume, symbol.step_volume
        self._best = None
        self._behind.clear()
        if key != self._key:
            self._key = key
            for rung in self._known.values():
                rung.draw = _drawn(key ^ rung.price)
                rung.phase, rung.age = rung.draw % _SIZE_LASTS, None

    def clear(self, gone: list[Rung]) -> None:
        for rung in self.rungs:
            rung.place, rung.size = 0, -1
        gone.extend(self.rungs)
        self.rungs = []
        self._best = None

    def follow(self, best: int, time: int, changed: list[Rung], gone: list[Rung]) -> None:
        has_moved = best != self._best
        if has_moved:
            self._move(best, gone)
        lot, step, least = self._lot, self._step, self._least
        for rung in self.rungs:
            age = (time + rung.phase) // _SIZE_LASTS
            if age != rung.age:
                rung.age = age
                rung.share = 5 + (mix(rung.draw ^ _drawn(age)) & 31)
            elif not has_moved:
                continue
            # Half a lot and more at the best price, and ever more behind.
            size = lot * rung.share * rung.place // 20
            size -= size % step
            if size < least:
                size = least
            if size != rung.size:
                rung.size = size
                changed.append(rung)

    def _move(self, best: int, gone: list[Rung]) -> None:
        """Let the levels stand behind another best price, or on other terms."""
        before = self.rungs
        if len(self._known) > _RUNGS_KEPT:
            # A level that stays must stay the same object.
            self._known = {rung.price: rung for rung in before}
            self._behind.clear()
        for rung in before:
            rung.place = 0
        spacing = self._spacing
        # The lattice counts from zero, not from the quote, which may stand between two of its
        # points.
        first = (best if self._is_bid else best + spacing) // spacing * spacing
        if first == best:
            first += -spacing if self._is_bid else spacing
        self.rungs = [self._rung(best, _drawn(self._key ^ best)), *self._rungs_from(first)]
        place = 2
        for rung in self.rungs:
            rung.place = place
            place += 1
        for rung in before:
            if not rung.place:
                rung.size = -1
                gone.append(rung)
        self._best = best

    def _rungs_from(self, first: int) -> list[Rung]:
        """Return the levels behind the best price, which may begin at a point of the lattice."""
        found = self._behind.get(first)
        if found is None:
            away = -self._spacing if self._is_bid else self._spacing
            found, price = list[Rung](), first
            while price > 0 and len(found) < LEVELS - 1:
                draw = _drawn(self._key ^ price)
                if draw >> 62:  # three points of four have a level
                    found.append(self._rung(price, draw))
                price += away
            self._behind[first] = found
        return found

    def _rung(self, price: int, draw: int) -> Rung:
        rung = self._known.get(price)
        if rung is None:
            rung = self._known[price] = Rung(self._is_bid, price, draw, draw % _SIZE_LASTS)
        return rung


def _levels(rungs: Sequence[Rung]) -> tuple[Level, ...]:
    return tuple(Level(rung.price, rung.size) for rung in rungs)


@lru_cache(maxsize=16_384)  # the same points and the same few seconds are asked for at each tick
def _drawn(point: int) -> int:
    return mix(point)
