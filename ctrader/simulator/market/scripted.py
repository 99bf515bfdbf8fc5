"""Prices of another source that a script may hold still, or set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ctrader.simulator.market.prices import Bar, KeepsHours, PriceSource, Quote, Tick, fold_ticks

if TYPE_CHECKING:
    from ctrader.simulator.market.calendar import TradingHours

__all__ = ["ScriptedPrices"]


@dataclass(slots=True)
class _Stretch:
    """A time in which one symbol's prices are the script's."""

    start: int
    carried: Quote | None
    """Both sides as they were when it began, None where there was no price."""
    end: int | None = None
    """When the source has them again, None as long as it has not."""
    ticks: list[Tick] = field(default_factory=list[Tick])
    """What the script set; the first may lie in the millisecond before the start."""

    def covers(self, instant: int) -> bool:
        """Tell whether the source's ticks of an instant do not count."""
        return self.start <= instant and (self.end is None or instant < self.end)

    def quote(self, at: int) -> Quote | None:
        """Return both sides at an instant in it, or shortly before."""
        for tick in reversed(self.ticks):
            if tick.time <= at and tick.bid is not None and tick.ask is not None:
                return Quote(tick.bid, tick.ask, tick.time)
        return self.carried if at >= self.start else None


class ScriptedPrices:
    """Pass another source's prices on, except where a script holds or sets them.

    What lies in the past stays as it was: a price that is set stands from its instant on until
    the next one, or until the symbol is released. Quotes, ticks and bars agree at every instant.
    Instants given to one symbol must not go back.
    """

    def __init__(self, source: PriceSource) -> None:
        """Take the source of all prices that are not scripted."""
        self.source = source
        """Where the other prices come from."""
        self._stretches: dict[int, list[_Stretch]] = {}

    # The script's side

    def is_held(self, symbol_id: int) -> bool:
        """Tell whether a symbol moves only by the script now."""
        stretches = self._stretches.get(symbol_id)
        return stretches is not None and stretches[-1].end is None

    def hold(self, symbol_id: int, at: int) -> None:
        """Let a symbol stand still from an instant on, at the price that it has then."""
        if not self.is_held(symbol_id):
            # What ticks at this very instant has come already: the stretch begins behind it.
            stretch = _Stretch(at + 1, self.quote(symbol_id, at))
            self._stretches.setdefault(symbol_id, []).append(stretch)

    def set(self, symbol_id: int, bid: int, ask: int, at: int) -> Tick | None:
        """Give a symbol a price from an instant on, and hold it.

        Returns: The tick that leads to it, None where it is the price already.

        Raises:
            ValueError: a side is not positive, or the bid lies over the ask.
        """
        if not 0 < bid <= ask:
            raise ValueError(
                f"bid {bid} and ask {ask}, in hundred-thousandths, must be positive, "
                "the bid not over the ask"
            )
        self.hold(symbol_id, at)
        return self._append(symbol_id, at, bid, ask)

    def release(self, symbol_id: int, at: int) -> Tick | None:
        """Let a symbol move with its source again.

        Returns: The tick that leads back to the source's price, None where there is none, or
            where it is the price already.
        """
        if not self.is_held(symbol_id):
            return None
        quote = self.source.quote(symbol_id, at)
        tick = None if quote is None else self._append(symbol_id, at, quote.bid, quote.ask)
        stretch = self._stretches[symbol_id][-1]
        stretch.end = max(at + 1, stretch.start)
        return tick

    # The market's side

    @property
    def start(self) -> int | None:
        """When its live part begins, None where that is the present."""
        return self.source.start

    def first_time(self, symbol_id: int) -> int:
        """Return before which instant there are no prices."""
        return self.source.first_time(symbol_id)

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """Return the ticks of a half-open stretch of time, in order."""
        stretches = self._stretches.get(symbol_id)
        if stretches is None:
            return self.source.ticks(symbol_id, start, end)
        found: list[Tick] = []
        for first, last, stretch in _pieces(stretches, start, end):
            if stretch is None:
                found += self.source.ticks(symbol_id, first, last)
            else:
                found += [tick for tick in stretch.ticks if start <= tick.time < end]
        # A price that was set in the millisecond of a tick stays behind it, as it came.
        return sorted(found, key=_time_of)

    def quote(self, symbol_id: int, at: int) -> Quote | None:
        """Return both sides as they are at an instant, None before there were any."""
        for stretch in reversed(self._stretches.get(symbol_id, ())):
            if stretch.end is not None and at >= stretch.end:
                quote = self.source.quote(symbol_id, at)
                # The tick that led back to the source stands until the source's own next one.
                return stretch.quote(at) if quote and quote.time < stretch.end else quote
            quote = stretch.quote(at)
            if quote is not None:
                return quote
        return self.source.quote(symbol_id, at)

    def bar(self, symbol_id: int, start: int, end: int) -> Bar | None:
        """Return the bar of a half-open stretch of time, None where the bid did not tick."""
        stretches = self._stretches.get(symbol_id)
        if stretches is None:
            return self.source.bar(symbol_id, start, end)
        bars: list[Bar] = []
        for first, last, stretch in _pieces(stretches, start, end):
            if stretch is None:
                bar = self.source.bar(symbol_id, first, last)
            else:
                bar = fold_ticks(tick for tick in stretch.ticks if start <= tick.time < end)
            if bar is not None:
                bars.append(bar)
        if not bars:
            return None
        return Bar(
            bars[0].open,
            max(bar.high for bar in bars),
            min(bar.low for bar in bars),
            bars[-1].close,
            sum(bar.volume for bar in bars),
        )

    def next_time(self, symbol_id: int, after: int) -> int | None:
        """Return when the first tick after an instant comes, None where there is none."""
        following = self.source.next_time(symbol_id, after)
        stretches = self._stretches.get(symbol_id)
        if stretches is None:
            return following
        for stretch in stretches:
            if following is not None and stretch.covers(following):
                end = stretch.end
                following = None if end is None else self.source.next_time(symbol_id, end - 1)
        own = [tick.time for each in stretches for tick in each.ticks if tick.time > after]
        return min([*own, *(() if following is None else (following,))], default=None)

    def previous_time(self, symbol_id: int, before: int) -> int | None:
        """Return when the last tick before an instant came, None where there was none."""
        earlier = self.source.previous_time(symbol_id, before)
        stretches = self._stretches.get(symbol_id)
        if stretches is None:
            return earlier
        for stretch in reversed(stretches):
            if earlier is not None and stretch.covers(earlier):
                earlier = self.source.previous_time(symbol_id, stretch.start)
        own = [tick.time for each in stretches for tick in each.ticks if tick.time < before]
        return max([*own, *(() if earlier is None else (earlier,))], default=None)

    def keep_hours(self, symbol_id: int, hours: TradingHours, since: int) -> None:
        """Let the source follow a symbol's hours; what a script sets comes at any time."""
        if isinstance(self.source, KeepsHours):
            self.source.keep_hours(symbol_id, hours, since)

    # Private

    def _append(self, symbol_id: int, at: int, bid: int, ask: int) -> Tick | None:
        before = self.quote(symbol_id, at)
        if before is not None and (bid, ask) == (before.bid, before.ask):
            return None  # nobody is told, so nothing ticked
        tick = Tick(at, bid, ask, weight=2)  # both sides are told
        self._stretches[symbol_id][-1].ticks.append(tick)
        return tick


def _pieces(
    stretches: Sequence[_Stretch], start: int, end: int
) -> list[tuple[int, int, _Stretch | None]]:
    """Cut a time into what the source has, and the script's stretches, in order."""
    found: list[tuple[int, int, _Stretch | None]] = []
    position = start
    for stretch in stretches:
        if position < stretch.start:
            found.append((position, min(stretch.start, end), None))
        found.append((stretch.start, end if stretch.end is None else stretch.end, stretch))
        position = end if stretch.end is None else max(position, stretch.end)
        if position >= end:
            return found
    found.append((position, end, None))
    return found


def _time_of(tick: Tick) -> int:
    return tick.time
