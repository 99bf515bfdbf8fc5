"""Prices of a walk, told once every two seconds: no seed has a busier market than another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.simulator.market.prices import Bar, Quote, Tick, fold_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrader.simulator.market.prices import PriceSource

__all__ = ["EVERY", "SteadyPrices"]

EVERY: Final = 2_000
"""Milliseconds between two ticks of a symbol."""


class SteadyPrices:
    """Another source's prices, which change at even times only from an instant on."""

    def __init__(self, source: PriceSource, begin: int) -> None:
        """Take the source, and the instant of the first even tick, in Unix ms."""
        self._source = source
        self._begin = begin

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
        first = max(start, self._begin)
        for at in range(first + (self._begin - first) % EVERY, end, EVERY):
            quote = self._source.quote(symbol_id, at)
            if quote is not None:
                found.append(Tick(at, quote.bid, quote.ask, weight=2))
        return found

    def quote(self, symbol_id: int, at: int) -> Quote | None:
        """Return both sides as they are at an instant, None before there were any."""
        if at < self._begin:
            return self._source.quote(symbol_id, at)
        even = at - (at - self._begin) % EVERY
        quote = self._source.quote(symbol_id, even)
        return None if quote is None else quote._replace(time=even)

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
