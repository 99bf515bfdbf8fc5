"""Prices from a seeded random walk, known at every instant unplayed.

A stretch of time has an opening, highest, lowest and closing bid and a number of changes. It is
split into two stretches so that together they are exactly it, again and again down to single
minutes, and a minute is split into ticks in the same way. Every split draws from a hash of the
seed, the symbol and the stretch. So any minute costs a few splits, and a day's bar, the bars of
its hours and its ticks always agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import sqrt
from typing import Final, TypeAlias
from zlib import crc32

from ctrader.simulator.catalogue import DEFAULT_CATALOGUE, PRICE_UNITS, SymbolSpec
from ctrader.simulator.market.calendar import MINUTE, TradingHours, hours_of
from ctrader.simulator.market.draws import MASK, mix
from ctrader.simulator.market.prices import Bar, Quote, Tick, fold_ticks

__all__ = ["RandomWalkPrices"]

_ROOT: Final = 4096 * 60  # minutes of the longest stretch: 170 days
_FIRST_ROOT: Final = 64  # walks begin in 1999
_CHANGES: Final = 40  # of either side in an average minute: a tick every two seconds
_FEWEST_CHANGES: Final = 6  # in a minute, enough to open, reach both ends, and close
_MINUTES_A_YEAR: Final = 525_960
_NODES_KEPT: Final = 40_000
_MINUTES_KEPT: Final = 256


# The bids of one stretch of time in points of the symbol: opening, highest, lowest and closing, and
# the number of changes. Plain, for there are tens of thousands of them in a page of daily bars.
_Stretch: TypeAlias = tuple[int, int, int, int, int]


class RandomWalkPrices:
    """A random walk for every symbol of a list, the same for the same seed."""

    def __init__(
        self,
        seed: int,
        *,
        symbols: Sequence[SymbolSpec] = DEFAULT_CATALOGUE.symbols,
        always_open: bool = True,
    ) -> None:
        """Prepare the walks.

        Args:
            seed: Any integer; it alone decides every price.
            symbols: The symbols that have prices.
            always_open: Whether prices move outside the symbols' hours too.
        """
        self._walks = {
            spec.symbol_id: _Walk(
                seed,
                spec,
                TradingHours((), "UTC") if always_open else hours_of(spec),
            )
            for spec in symbols
        }

    @property
    def start(self) -> int | None:
        """When the live part begins: at present."""
        return None

    def first_time(self, symbol_id: int) -> int:
        """Return before which instant there are no prices."""
        return _FIRST_ROOT * _ROOT * MINUTE

    def ticks(self, symbol_id: int, start: int, end: int) -> Sequence[Tick]:
        """Return the ticks of a half-open stretch of time, in order."""
        walk = self._walks.get(symbol_id)
        return () if walk is None else walk.ticks(start, end)

    def quote(self, symbol_id: int, at: int) -> Quote | None:
        """Return both sides as they are at an instant, None before there were any."""
        walk = self._walks.get(symbol_id)
        return None if walk is None else walk.quote(at)

    def bar(self, symbol_id: int, start: int, end: int) -> Bar | None:
        """Return the bar of a half-open stretch of time, None where the bid did not tick."""
        walk = self._walks.get(symbol_id)
        return None if walk is None else walk.bar(start, end)

    def next_time(self, symbol_id: int, after: int) -> int | None:
        """Return when the first tick after an instant comes, None where there is none."""
        walk = self._walks.get(symbol_id)
        return None if walk is None else walk.next_time(after)

    def previous_time(self, symbol_id: int, before: int) -> int | None:
        """Return when the last tick before an instant came, None where there was none."""
        walk = self._walks.get(symbol_id)
        return None if walk is None else walk.previous_time(before)

    def keep_hours(self, symbol_id: int, hours: TradingHours, since: int) -> None:
        """Let a symbol's prices move in other hours from the minute after an instant on."""
        walk = self._walks.get(symbol_id)
        if walk is not None:
            walk.keep_hours(hours, since)


# Private


class _Walk:
    """The walk of one symbol."""

    def __init__(self, seed: int, spec: SymbolSpec, hours: TradingHours) -> None:
        # The name, not the id, so that a broker's renumbering leaves its prices alone.
        self._key = mix((seed & MASK) ^ mix(crc32(spec.name.encode())))
        self._grid = spec.grid
        self._centre = int(spec.price * PRICE_UNITS) // spec.grid
        self._yearly = self._centre * spec.volatility
        self._by_minute = self._yearly / sqrt(_MINUTES_A_YEAR)
        self._spread = spec.spread
        self._hours = hours
        self._roots: dict[int, _Stretch] = {}
        self._halves: dict[tuple[int, int], tuple[_Stretch, _Stretch]] = {}
        self._minutes: dict[int, tuple[Tick, ...]] = {}
        self._quotes: dict[int, tuple[list[int], list[Quote]]] = {}

    def keep_hours(self, hours: TradingHours, since: int) -> None:
        # The minute that has begun is kept, or ticks that were seen would never have been.
        self._hours = hours.following(self._hours, since - since % MINUTE + MINUTE)
        self._minutes.clear()
        self._quotes.clear()

    def ticks(self, start: int, end: int) -> Sequence[Tick]:
        found: list[Tick] = []
        for minute in range(max(start // MINUTE, _FIRST_ROOT * _ROOT), -(-end // MINUTE)):
            ticks = self._ticks_of(minute)
            if ticks and (ticks[0].time < start or ticks[-1].time >= end):
                found.extend(tick for tick in ticks if start <= tick.time < end)
            else:
                found.extend(ticks)
        return found

    def quote(self, at: int) -> Quote | None:
        times, quotes = self._quotes_of(at // MINUTE)
        known = bisect_right(times, at)
        if known:
            return quotes[known - 1]
        last = self.previous_time(at + 1)
        return None if last is None else self._quotes_of(last // MINUTE)[1][-1]

    def bar(self, start: int, end: int) -> Bar | None:
        first, last = -(-start // MINUTE), end // MINUTE
        if first > last:
            return fold_ticks(self.ticks(start, end))
        parts: list[Bar] = []
        if start < first * MINUTE and (part := fold_ticks(self.ticks(start, first * MINUTE))):
            parts.append(part)
        nodes: list[_Stretch] = []
        first = max(first, _FIRST_ROOT * _ROOT)
        for index in range(first // _ROOT, -(-last // _ROOT) if last > first else 0):
            self._gather(index, first, last, nodes)
        if nodes:
            grid = self._grid
            parts.append(
                Bar(
                    nodes[0][0] * grid,
                    max([high for _, high, _, _, _ in nodes]) * grid,
                    min([low for _, _, low, _, _ in nodes]) * grid,
                    nodes[-1][3] * grid,
                    sum([changes for _, _, _, _, changes in nodes]),
                )
            )
        if last * MINUTE < end and (part := fold_ticks(self.ticks(last * MINUTE, end))):
            parts.append(part)
        if len(parts) < 2:
            return parts[0] if parts else None
        return Bar(
            parts[0].open,
            max(part.high for part in parts),
            min(part.low for part in parts),
            parts[-1].close,
            sum(part.volume for part in parts),
        )

    def next_time(self, after: int) -> int | None:
        minute = max(after // MINUTE, _FIRST_ROOT * _ROOT)
        while True:
            ticks = self._ticks_of(minute)
            for tick in ticks:
                if tick.time > after:
                    return tick.time
            minute += 1
            if not ticks:
                opening = self._hours.next_open(minute * MINUTE)
                if opening is None:
                    return None
                minute = opening // MINUTE

    def previous_time(self, before: int) -> int | None:
        minute = before // MINUTE
        while minute >= _FIRST_ROOT * _ROOT:
            ticks = self._ticks_of(minute)
            for tick in reversed(ticks):
                if tick.time < before:
                    return tick.time
            if not ticks:
                closing = self._hours.last_open(minute * MINUTE)
                if closing is None:
                    return None
                minute = closing // MINUTE
            else:
                minute -= 1
        return None

    def _gather(self, index: int, first: int, last: int, nodes: list[_Stretch]) -> None:
        """Collect the largest whole stretches of a root inside `[first, last)` in order."""
        start, length = index * _ROOT, _ROOT
        node, first, last = self._root(index), max(first, start), min(last, start + length)
        # Down to the stretch in whose halves the two borders lie apart.
        while True:
            if first <= start and last >= start + length:
                self._take(node, start, length, nodes)
                return
            half = _first_part(length)
            left, right = self._split(node, start, length)
            if last <= start + half:
                node, length = left, half
            elif first >= start + half:
                node, start, length = right, start + half, length - half
            else:
                break
        middle, rest = start + half, length - half
        # What lies between the first border and the middle comes from its end to its beginning.
        behind: list[tuple[_Stretch, int, int]] = []
        node, length = left, half
        while first > start:
            half = _first_part(length)
            left, above = self._split(node, start, length)
            if first < start + half:
                behind.append((above, start + half, length - half))
                node, length = left, half
            else:
                node, start, length = above, start + half, length - half
        behind.append((node, start, length))
        for each in reversed(behind):
            self._take(*each, nodes)
        node, start, length = right, middle, rest
        while last < start + length:
            half = _first_part(length)
            left, right = self._split(node, start, length)
            if last > start + half:
                self._take(left, start, half, nodes)
                node, start, length = right, start + half, length - half
            else:
                node, length = left, half
        self._take(node, start, length, nodes)

    def _take(self, node: _Stretch, start: int, length: int, nodes: list[_Stretch]) -> None:
        """Collect a stretch, or of one that is open in part the largest that are open."""
        state = self._hours.state(start * MINUTE, (start + length) * MINUTE)
        if state == "open":
            nodes.append(node)
        elif state == "mixed" and length > 1:
            half = _first_part(length)
            left, right = self._split(node, start, length)
            self._take(left, start, half, nodes)
            self._take(right, start + half, length - half, nodes)

    def _root(self, index: int) -> _Stretch:
        known = self._roots.get(index)
        if known is None:
            known = self._roots[index] = self._draw_root(index)
        return known

    def _draw_root(self, index: int) -> _Stretch:
        opening, closing = self._border(index), self._border(index + 1)
        reach = self._by_minute * sqrt(_ROOT) * 0.5
        draw = mix(self._key ^ mix(index * 2 + 1))
        high = max(opening, closing) + int(abs(_normal(draw)) * reach)
        low = min(opening, closing) - int(abs(_normal(mix(draw))) * reach)
        return opening, high, max(low, self._centre // 10), closing, _CHANGES * _ROOT

    def _border(self, index: int) -> int:
        """Return the price between two roots; it keeps near the centre for ever."""
        draw = _normal(mix(self._key ^ mix(index * 2)))
        return max(self._centre // 2, round(self._centre + draw * 0.5 * self._yearly))

    def _split(self, node: _Stretch, start: int, length: int) -> tuple[_Stretch, _Stretch]:
        known = self._halves.get((start, length))
        if known is not None:
            return known
        if len(self._halves) >= _NODES_KEPT:
            self._halves.clear()
        opening, high, low, closing, changes = node
        first, second, width, first_root, second_root, share = _shape(length)
        draw = mix(self._key ^ mix(start * 524_287 + length))
        other = mix(draw)
        swing = self._by_minute * width * _normal(draw)
        middle = round(opening + (closing - opening) * first / length + swing)
        middle = _fold_back(middle, low, high)
        # A tick is a change, so the second half does not open where the first one closed.
        again = middle + 1 if (other & 1 and middle < high) or middle == low else middle - 1
        again = low if again < low else high if again > high else again
        part = (other >> 34) & 0x3FF
        slack = self._by_minute * 0.6 * part / 512
        slack_low = self._by_minute * 0.6 * ((other >> 44) & 0x3FF) / 512
        # The ends of the whole are reached in one half, more likely in the longer one.
        left_high = right_high = high
        if (other >> 2) & 0xFFFF < share:
            top = again if again > closing else closing
            right_high = _reach(top, slack * second_root, high, part)
        else:
            top = opening if opening > middle else middle
            left_high = _reach(top, slack * first_root, high, part)
        left_low = right_low = low
        if (other >> 18) & 0xFFFF < share:
            bottom = again if again < closing else closing
            right_low = -_reach(-bottom, slack_low * second_root, -low, part)
        else:
            bottom = opening if opening < middle else middle
            left_low = -_reach(-bottom, slack_low * first_root, -low, part)
        wanted = changes * first * (1536 + ((other >> 54) & 0x3FF)) // (length * 2048)
        wanted = max(_FEWEST_CHANGES * first, min(wanted, changes - _FEWEST_CHANGES * second))
        halves = (
            (opening, left_high, left_low, middle, wanted),
            (again, right_high, right_low, closing, changes - wanted),
        )
        self._halves[start, length] = halves
        return halves

    def _minute(self, minute: int) -> _Stretch:
        index = minute // _ROOT
        node, start, length = self._root(index), index * _ROOT, _ROOT
        while length > 1:
            half = _first_part(length)
            left, right = self._split(node, start, length)
            if minute < start + half:
                node, length = left, half
            else:
                node, start, length = right, start + half, length - half
        return node

    def _ticks_of(self, minute: int) -> tuple[Tick, ...]:
        known = self._minutes.get(minute)
        if known is not None:
            return known
        if len(self._minutes) >= _MINUTES_KEPT:
            self._minutes.clear()
        begin = minute * MINUTE
        if minute < _FIRST_ROOT * _ROOT or self._hours.state(begin, begin + MINUTE) != "open":
            ticks: tuple[Tick, ...] = ()
        else:
            ticks = self._draw_ticks(minute, self._minute(minute))
        self._minutes[minute] = ticks
        return ticks

    def _quotes_of(self, minute: int) -> tuple[list[int], list[Quote]]:
        """Return the times of a minute's ticks, and both sides as each of them left them."""
        known = self._quotes.get(minute)
        if known is not None:
            return known
        if len(self._quotes) >= _MINUTES_KEPT:
            self._quotes.clear()
        quotes: list[Quote] = []
        bid = ask = 0
        # The first tick of every minute has both sides.
        for tick in self._ticks_of(minute):
            bid = bid if tick.bid is None else tick.bid
            ask = ask if tick.ask is None else tick.ask
            quotes.append(Quote(bid, ask, tick.time))
        known = self._quotes[minute] = [quote.time for quote in quotes], quotes
        return known

    def _draw_ticks(self, minute: int, node: _Stretch) -> tuple[Tick, ...]:
        draw = mix(self._key ^ mix(minute * 8 + 5))
        kinds = _draw_kinds(node, draw)
        bids = _draw_bids(node, sum(kind != _ASK for kind in kinds), mix(draw ^ 1))
        grid, count, begin = self._grid, len(kinds), minute * MINUTE
        draw = mix(draw ^ 2)
        ticks: list[Tick] = []
        following = iter(bids)
        current = 0
        path = [(current := next(following)) if kind != _ASK else current for kind in kinds]
        ask_before = 0
        for position, kind in enumerate(kinds):
            draw = mix(draw)
            time = begin + (position * 256 + (draw & 0xFF)) * MINUTE // (count * 256)
            ask = None
            if kind != _BID:
                # An ask stands until the next one and must never meet the bid till then.
                top = path[position]
                for later in range(position + 1, count):
                    if kinds[later] != _BID:
                        break
                    top = max(top, path[later])
                base = max(1, self._spread * (192 + ((draw >> 8) & 0x7F)) // 256)
                ask_before = top + base + (top + base == ask_before)
                ask = ask_before * grid
            bid = path[position] * grid if kind != _ASK else None
            ticks.append(Tick(time, bid, ask, 2 if kind == _BOTH else 1))
        return tuple(ticks)


_BID: Final = 0
_ASK: Final = 1
_BOTH: Final = 2


def _draw_kinds(node: _Stretch, draw: int) -> list[int]:
    """Say which sides each tick of a minute changes; the first changes both."""
    opening, high, low, closing, changes = node
    kinds = [_BOTH]
    left = changes - 2
    if high == low:
        return kinds + [_ASK] * left  # the bid stands still
    while left:
        draw = mix(draw)
        # Few changes must all be single ones, or the bid could not reach both ends.
        if draw & 7 < 2 and left >= 10:
            kinds.append(_BOTH)
            left -= 2
        else:
            kinds.append(_ASK if draw & 7 > 5 else _BID)
            left -= 1
    kinds[-1] = _BID if kinds[-1] == _ASK else kinds[-1]
    position = 1
    while sum(kind != _ASK for kind in kinds) < 4:
        kinds[position] = _BID if kinds[position] == _ASK else kinds[position]
        position += 1
    # Between two prices the bid can only go to and fro, so that its last one says how often.
    steps = sum(kind != _ASK for kind in kinds) - 1
    if high == low + 1 and (steps - closing + opening) % 2:
        place = kinds.index(_ASK) if _ASK in kinds else kinds.index(_BID)
        kinds[place] = _BID if kinds[place] == _ASK else _ASK
    return kinds


def _draw_bids(node: _Stretch, count: int, draw: int) -> list[int]:
    """Lead the bid from the opening to the closing price by way of both ends.

    No two neighbours are alike: a price that does not change is not told.
    """
    opening, high, low, closing, _ = node
    if high <= low + 1:
        return [opening if place % 2 == 0 else high + low - opening for place in range(count)]
    ends = [high, low] if draw & 1 else [low, high]
    between = [end for end in ends if end not in (opening, closing)]
    room = count - 2 - len(between)
    place = 0
    stations = [(0, opening)]
    for end in between:
        draw = mix(draw)
        free = draw % (room + 1)
        room -= free
        place += 1 + free
        stations.append((place, end))
    stations.append((count - 1, closing))
    bids: list[int] = []
    for (left, start), (right, stop) in pairwise(stations):
        value = start
        bids.append(value)
        for step in range(left + 1, right):
            draw = mix(draw)
            wanted = start + (stop - start) * (step - left) // (right - left)
            wanted += (draw & 3) - 1 if draw & 3 != 3 else 0
            wanted = low if wanted < low else high if wanted > high else wanted
            unlike = stop if step + 1 == right else value
            if wanted in (value, unlike):
                away = _ASIDE if draw & 4 else _ASIDE_DOWN
                wanted = next(
                    near
                    for near in [wanted + each for each in away]
                    if low <= near <= high and near not in (value, unlike)
                )
            value = wanted
            bids.append(value)
    bids.append(closing)
    return bids


_ASIDE: Final = (1, -1, 2, -2)
_ASIDE_DOWN: Final = (-1, 1, -2, 2)


def _fold_back(value: int, low: int, high: int) -> int:
    """Reflect a value at the end that it passed; a walk that stuck there would look flat."""
    value = 2 * high - value if value > high else 2 * low - value if value < low else value
    return low if value < low else high if value > high else value


def _reach(start: int, distance: float, limit: int, part: int) -> int:
    """Go some way up, or a part (in 1024) of what there is if that is less."""
    room = limit - start
    return start + (int(distance) if distance < room else room * part // 1024)


@lru_cache(maxsize=64)  # there are twenty lengths
def _shape(length: int) -> tuple[int, int, float, float, float, int]:
    """Return what the length of a stretch says of its halves.

    Their minutes, how far the price between them may swing, what their lengths add to their
    reach, and how likely (in 65,536) the first one has an end of the whole.
    """
    first = _first_part(length)
    second = length - first
    swing = sqrt(first * second / length)
    return first, second, swing, sqrt(first), sqrt(second), 65_536 * first // length


def _first_part(length: int) -> int:
    """Return how many minutes the first half has, so that 5, 15, 30 and 60 stay whole."""
    return 5 if length == 15 else length // 2


def _normal(draw: int) -> float:
    """Make 64 random bits a number that is nearly normal, with variance 1 and no far tails."""
    total = (draw & 0xFFFF) + ((draw >> 16) & 0xFFFF) + ((draw >> 32) & 0xFFFF) + (draw >> 48)
    return (total - 131_070) / 65_536 * 1.7320508075688772
