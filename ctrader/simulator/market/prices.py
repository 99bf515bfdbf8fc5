"""What prices are: quotes, ticks and bars of any symbol at any instant.

Prices are the wire's integers, 1/100000 of a price unit; instants are milliseconds UTC. Live
quotes, bars and historical ticks all come from one source, so they always agree.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ctrader.simulator.market.calendar import TradingHours

__all__ = ["Bar", "KeepsHours", "PriceSource", "Quote", "Tick", "TickPrices", "fold_ticks"]


class Tick(NamedTuple):
    """One change of a quote."""

    time: int
    bid: int | None
    """New bid, None where it did not change."""
    ask: int | None
    """New ask, None where it did not change."""
    weight: int
    """What it adds to the volume of its bars: one for each side that it has."""


class Quote(NamedTuple):
    """Both sides at one instant."""

    bid: int
    ask: int
    time: int
    """When either side changed last."""


class Bar(NamedTuple):
    """What the bid did in one stretch of time."""

    open: int
    high: int
    low: int
    close: int
    volume: int


class PriceSource(Protocol):
    """Where prices come from; the same question always has the same answer."""

    @property
    def start(self) -> int | None:
        """When its live part begins, None where that is the present."""
        ...

    def first_time(self, symbol_id: int) -> int:
        """Return before which instant there are no prices."""
        ...

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """Return the ticks of a half-open stretch of time, in order."""
        ...

    def quote(self, symbol_id: int, at: int) -> Quote | None:
        """Return both sides as they are at an instant, None before there were any."""
        ...

    def bar(self, symbol_id: int, start: int, end: int) -> Bar | None:
        """Return the bar of a half-open stretch of time, None where the bid did not tick."""
        ...

    def next_time(self, symbol_id: int, after: int) -> int | None:
        """Return when the first tick after an instant comes, None where there is none."""
        ...

    def previous_time(self, symbol_id: int, before: int) -> int | None:
        """Return when the last tick before an instant came, None where there was none."""
        ...


@runtime_checkable
class KeepsHours(Protocol):
    """A source whose prices move in the hours of their symbols, which may change."""

    def keep_hours(self, symbol_id: int, hours: TradingHours, since: int) -> None:
        """Let a symbol's prices move in other hours from about an instant on."""
        ...


def fold_ticks(ticks: Iterable[Tick]) -> Bar | None:
    """Make one bar of ticks; None if no bid is among them."""
    opening = high = low = close = -1
    volume = 0
    for tick in ticks:
        volume += tick.weight
        bid = tick.bid
        if bid is None:
            continue
        if opening < 0:
            opening = high = low = bid
        elif bid > high:
            high = bid
        elif bid < low:
            low = bid
        close = bid
    return None if opening < 0 else Bar(opening, high, low, close, volume)


class TickPrices:
    """Prices that are a list of ticks, with another source for the remaining symbols."""

    def __init__(
        self,
        ticks: Mapping[int, Sequence[Tick]],
        *,
        start: int | None = None,
        fallback: PriceSource | None = None,
    ) -> None:
        """Take the ticks of each symbol, sorted by time, the first with both sides.

        Args:
            ticks: Ticks by symbol id.
            start: Instant at which the live part begins, None for the present.
            fallback: Source of all other symbols; without it they have no prices.

        Raises:
            ValueError: ticks are not in order, or the first lacks a side.
        """
        self.start = start
        self._fallback = fallback
        self._ticks = {symbol_id: tuple(given) for symbol_id, given in ticks.items()}
        self._times: dict[int, array[int]] = {}
        self._sides: dict[int, tuple[array[int], array[int]]] = {}
        for symbol_id, given in self._ticks.items():
            bids, asks, times = array("q"), array("q"), array("q")
            bid = ask = last = -1
            for tick in given:
                bid = bid if tick.bid is None else tick.bid
                ask = ask if tick.ask is None else tick.ask
                if tick.time < last or bid < 0 or ask < 0:
                    raise ValueError(
                        f"ticks of symbol {symbol_id} must be in order of time and begin with "
                        f"both sides; the one at {tick.time} breaks that"
                    )
                last = tick.time
                times.append(tick.time)
                bids.append(bid)
                asks.append(ask)
            self._times[symbol_id] = times
            self._sides[symbol_id] = (bids, asks)

    def first_time(self, symbol_id: int) -> int:
        """Return before which instant there are no prices."""
        times = self._times.get(symbol_id)
        if times is None:
            return 0 if self._fallback is None else self._fallback.first_time(symbol_id)
        return times[0] if times else 0

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """Return the ticks of a half-open stretch of time, in order."""
        times = self._times.get(symbol_id)
        if times is None:
            return () if self._fallback is None else self._fallback.ticks(symbol_id, start, end)
        return self._ticks[symbol_id][bisect_left(times, start) : bisect_left(times, end)]

    def quote(self, symbol_id: int, at: int) -> Quote | None:
        """Return both sides as they are at an instant, None before there were any."""
        times = self._times.get(symbol_id)
        if times is None:
            return None if self._fallback is None else self._fallback.quote(symbol_id, at)
        index = bisect_right(times, at) - 1
        if index < 0:
            return None
        bids, asks = self._sides[symbol_id]
        return Quote(bids[index], asks[index], times[index])

    def bar(self, symbol_id: int, start: int, end: int) -> Bar | None:
        """Return the bar of a half-open stretch of time, None where the bid did not tick."""
        if symbol_id not in self._times:
            return None if self._fallback is None else self._fallback.bar(symbol_id, start, end)
        return fold_ticks(self.ticks(symbol_id, start, end))

    def next_time(self, symbol_id: int, after: int) -> int | None:
        """Return when the first tick after an instant comes, None where there is none."""
        times = self._times.get(symbol_id)
        if times is None:
            return None if self._fallback is None else self._fallback.next_time(symbol_id, after)
        index = bisect_right(times, after)
        return times[index] if index < len(times) else None

    def previous_time(self, symbol_id: int, before: int) -> int | None:
        """Return when the last tick before an instant came, None where there was none."""
        times = self._times.get(symbol_id)
        if times is None:
            fallback = self._fallback
            return None if fallback is None else fallback.previous_time(symbol_id, before)
        index = bisect_left(times, before) - 1
        return times[index] if index >= 0 else None

    def keep_hours(self, symbol_id: int, hours: TradingHours, since: int) -> None:
        """Let the other source follow a symbol's hours; given ticks come when they come."""
        fallback = self._fallback
        if fallback is None or symbol_id in self._times:
            return
        if isinstance(fallback, KeepsHours):
            fallback.keep_hours(symbol_id, hours, since)
