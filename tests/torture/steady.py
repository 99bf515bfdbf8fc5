"""Prices that tick once every two seconds: no seed has a busier market than another."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from ctrader.simulator.catalogue import DEFAULT_CATALOGUE
from ctrader.simulator.market.prices import Bar, Quote, Tick, fold_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrader.simulator.market.prices import PriceSource

__all__ = ["EVERY", "SteadyPrices"]

EVERY: Final = 2_000
"""Milliseconds between two ticks of a symbol."""


_GRIDS: Final = {spec.symbol_id: spec.grid for spec in DEFAULT_CATALOGUE.symbols}
_STRIDE: Final = 4
"""Points that a side moves by at most; an hour then takes a price about a hundred away."""

_SIDES: Final = ((True, True), (True, False), (False, True))
"""Whether a tick moves the bid, and the ask."""


class SteadyPrices:
    """Another source's prices until an instant, and small even steps from there on."""

    def __init__(self, source: PriceSource, begin: int, seed: int) -> None:
        """Prepare the steps.

        Args:
            source: The prices before.
            begin: The first even tick, in Unix ms.
            seed: Any integer; it alone decides every step.
        """
        self._source = source
        self._begin = begin
        self._seed = seed
        self._paths: dict[int, _Path] = {}

    @property
    def start(self) -> int | None:
        """When its live part begins, None where that is the present."""
        return self._source.start

    def first_time(self, symbol_id: int) -> int:
        """Return before which instant there are no prices."""
        return self._source.first_time(symbol_id)

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """Return the ticks of a half-open stretch of time, in order."""
        found: list[Tick] = []
        if start < self._begin:
            found += self._source.ticks(symbol_id, start, min(end, self._begin))
        path = self._path_of(symbol_id)
        if path is not None:
            first, last = (-(-(at - self._begin) // EVERY) for at in (start, end))
            found += path.upto(last)[max(first, 0) : max(last, 0)]
        return found

    def quote(self, symbol_id: int, at: int) -> Quote | None:
        """Return both sides as they are at an instant, None before there were any."""
        if at < self._begin:
            return self._source.quote(symbol_id, at)
        path = self._path_of(symbol_id)
        if path is None:
            return None
        number = (at - self._begin) // EVERY
        path.upto(number + 1)
        return path.quotes[number]

    def bar(self, symbol_id: int, start: int, end: int) -> Bar | None:
        """Return the bar of a half-open stretch of time, None where the bid did not tick."""
        if end <= self._begin:
            return self._source.bar(symbol_id, start, end)
        late = fold_ticks(self.ticks(symbol_id, max(start, self._begin), end))
        early = self._source.bar(symbol_id, start, self._begin) if start < self._begin else None
        if early is None or late is None:
            return early or late
        return Bar(
            early.open,
            max(early.high, late.high),
            min(early.low, late.low),
            late.close,
            early.volume + late.volume,
        )

    def next_time(self, symbol_id: int, after: int) -> int | None:
        """Return when the first tick after an instant comes, None where there is none."""
        if after < self._begin:
            at = self._source.next_time(symbol_id, after)
            return self._begin if at is None else min(at, self._begin)
        return after + EVERY - (after - self._begin) % EVERY

    def previous_time(self, symbol_id: int, before: int) -> int | None:
        """Return when the last tick before an instant came, None where there was none."""
        if before <= self._begin:
            return self._source.previous_time(symbol_id, before)
        return before - 1 - (before - 1 - self._begin) % EVERY

    # Private

    def _path_of(self, symbol_id: int) -> _Path | None:
        path = self._paths.get(symbol_id)
        if path is None:
            first = self._source.quote(symbol_id, self._begin)
            if first is None:
                return None
            dice = Random(f"steady/{self._seed}/{symbol_id}")
            path = _Path(first._replace(time=self._begin), _GRIDS[symbol_id], dice)
            self._paths[symbol_id] = path
        return path


class _Path:
    """The even ticks of one symbol, as far as anybody asked."""

    def __init__(self, first: Quote, grid: int, dice: Random) -> None:
        self.quotes = [first]
        """Both sides as each tick left them."""
        self._ticks = [Tick(first.time, first.bid, first.ask, weight=2)]
        self._grid = grid
        self._spread = first.ask - first.bid
        self._dice = dice

    def upto(self, count: int) -> list[Tick]:
        """Return the ticks, at least so many."""
        grid, draw = self._grid, self._dice.random
        while len(self.quotes) < count:
            bid, ask, time = self.quotes[-1]
            time += EVERY
            has_bid, has_ask = _SIDES[int(draw() * 3)]
            if has_bid:
                bid += (int(draw() * (2 * _STRIDE + 1)) - _STRIDE) * grid
            if has_ask:
                ask = bid + self._spread + int(draw() * _STRIDE) * grid
            if bid >= ask:  # the bid moved alone, and too far
                bid = ask - grid
            self.quotes.append(Quote(bid, ask, time))
            self._ticks.append(
                Tick(time, bid if has_bid else None, ask if has_ask else None, has_bid + has_ask)
            )
        return self._ticks
