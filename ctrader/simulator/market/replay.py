"""Prices replayed from real bars in a file.

Each bar becomes four ticks, a quarter of its length apart: open, low, high, close if it rose, and
open, high, low, close if it fell. The market's clock runs in the time of the bars: what lies before
the starting point is history, the rest is played live.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from os import PathLike, fspath
from typing import Final

from ctrader.simulator.catalogue import DEFAULT_CATALOGUE, PRICE_UNITS, SymbolSpec
from ctrader.simulator.market.prices import PriceSource, Tick, TickPrices

__all__ = ["BarFileError", "ReplayPrices", "SourceBar", "read_bars"]

_NAMES: Final = {
    "time": "time",
    "timestamp": "time",
    "date": "time",
    "datetime": "time",
    "date time": "time",
    "gmt time": "time",
    "local time": "time",
    "open time": "time",
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "vol": "volume",
    "tick volume": "volume",
    "tick_volume": "volume",
    "tickvol": "volume",
}
_ORDER: Final = ("time", "open", "high", "low", "close", "volume")
_PRICES: Final = ("open", "high", "low", "close")
_FORMATS: Final = ("%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M", "%d.%m.%Y %H:%M:%S.%f", "%Y%m%d %H%M%S")
_SECONDS_LIMIT: Final = 100_000_000_000  # a larger stamp is in milliseconds
_LATEST: Final = 2_147_483_646_000  # milliseconds; the largest stamp that the protocol takes
_PRICE_LIMIT: Final = 1_000_000_000
_VOLUME_LIMIT: Final = 1_000_000_000_000  # ticks in one bar


class BarFileError(ValueError):
    """A file of bars cannot be read; the text names the line and the value."""


@dataclass(frozen=True, slots=True)
class SourceBar:
    """One bar of a file, with prices as they are written there."""

    time: int
    """When it begins, milliseconds UTC."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    """Ticks in it, 0 where the file does not say."""


def read_bars(path: str | PathLike[str]) -> list[SourceBar]:
    """Read a CSV file of time, open, high, low, close and perhaps volume.

    Names of columns may be in any case and order; without a header the columns stand in the order
    above. A first column without a name is the time. Times are ISO or `YYYY-mm-dd HH:MM:SS`, in
    UTC where no offset is given, or seconds or milliseconds since the epoch.

    Raises:
        BarFileError: a row is wrong, or there is none; the text names line and value.
        OSError: the file cannot be opened.
    """
    name = fspath(path)
    try:
        with open(name, encoding="utf-8-sig", newline="") as file:
            sample = file.read(4096)
            file.seek(0)
            separator = max(",;\t", key=sample.count)
            rows = [
                (number, [cell.strip() for cell in row])
                for number, row in enumerate(csv.reader(file, delimiter=separator), 1)
                if any(cell.strip() for cell in row)
            ]
    except OSError as error:
        problem = f"{name} cannot be read: {error.strerror}; name a CSV file of bars"
        raise BarFileError(problem) from error
    except UnicodeDecodeError as error:
        raise BarFileError(f"{name} is no text in UTF-8: {error.reason}") from error
    except csv.Error as error:
        raise BarFileError(f"{name} is no CSV file: {error}") from error
    if not rows:
        raise BarFileError(f"{name} holds no bars")
    columns, rows = _find_columns(name, rows)
    bars = sorted((_read_row(name, number, row, columns) for number, row in rows), key=_time_of)
    if not bars:
        raise BarFileError(f"{name} holds a header but no bars")
    for earlier, later in pairwise(bars):
        if earlier.time == later.time:
            stamp = datetime.fromtimestamp(later.time / 1000, UTC)
            raise BarFileError(f"{name} holds two bars for {stamp:%Y-%m-%d %H:%M:%S}")
    return bars


class ReplayPrices(TickPrices):
    """The bars of one symbol, or of several, played as ticks."""

    def __init__(
        self,
        bars: str | PathLike[str] | Sequence[SourceBar] | Mapping[str, Sequence[SourceBar]],
        *,
        symbol: str = "EURUSD",
        start: datetime | None = None,
        symbols: Sequence[SymbolSpec] = DEFAULT_CATALOGUE.symbols,
        fallback: PriceSource | None = None,
    ) -> None:
        """Make ticks of bars.

        Args:
            bars: A file, bars already read, or bars by name of symbol.
            symbol: Name of the symbol whose bars these are, unless they come by name.
            start: Where the live part begins; without it, at the middle bar of the first symbol,
                so that there is history to ask for.
            symbols: The symbols that the names mean.
            fallback: Source of prices for all other symbols.

        Raises:
            BarFileError: the file cannot be read, or a price does not fit the symbol.
            ValueError: a symbol is unknown, or `start` has no time zone.
        """
        if start is not None and start.tzinfo is None:
            raise ValueError("start must be an aware datetime: naive ones name no instant")
        if isinstance(bars, str | PathLike):
            bars = read_bars(bars)
        by_name = bars if isinstance(bars, Mapping) else {symbol: bars}
        specs = {spec.name: spec for spec in symbols}
        ticks: dict[int, list[Tick]] = {}
        beginning: int | None = None if start is None else round(start.timestamp() * 1000)
        for name, given in by_name.items():
            spec = specs.get(name)
            if spec is None:
                raise ValueError(f"there is no symbol {name!r}; known are {', '.join(specs)}")
            if not given:
                raise ValueError(f"there are no bars for {name}")
            if beginning is None:
                beginning = given[len(given) // 2].time
            ticks[spec.symbol_id] = list(_ticks_of(given, spec))
        super().__init__(ticks, start=beginning, fallback=fallback)


# Private


def _time_of(bar: SourceBar) -> int:
    return bar.time


def _find_columns(
    name: str, rows: list[tuple[int, list[str]]]
) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Say where each value stands, and which rows hold bars."""
    number, first = rows[0]
    if not any(cell.lower().strip("<>") in _NAMES for cell in first):
        columns = {key: index for index, key in enumerate(_ORDER) if index < len(first)}
        header = 0
    else:
        header = 1
        columns = {}
        for index, cell in enumerate(first):
            key = _NAMES.get(cell.lower().strip("<>"))
            if key is not None and key not in columns:
                columns[key] = index
        if "time" not in columns and not first[0]:
            columns["time"] = 0
    missing = [key for key in _ORDER[:-1] if key not in columns]
    if missing:
        raise BarFileError(f"{name}, line {number}: no column for {', '.join(missing)} in {first}")
    return columns, rows[header:]


def _read_row(name: str, number: int, row: list[str], columns: dict[str, int]) -> SourceBar:
    where = f"{name}, line {number}"
    needed = max(index for key, index in columns.items() if key != "volume")
    if len(row) <= needed:
        raise BarFileError(f"{where}: {len(row)} values, but {needed + 1} are needed: {row}")
    prices: dict[str, Decimal] = {}
    for key in _PRICES:
        value = row[columns[key]]
        try:
            price = Decimal(value)
        except InvalidOperation:
            raise BarFileError(f"{where}: {key} {value!r} is not a number") from None
        if not price.is_finite() or not 0 < price < _PRICE_LIMIT:
            raise BarFileError(f"{where}: {key} {value!r} is not a positive price")
        prices[key] = price
    if prices["high"] < max(prices.values()) or prices["low"] > min(prices.values()):
        raise BarFileError(
            f"{where}: high {prices['high']} and low {prices['low']} do not enclose "
            f"open {prices['open']} and close {prices['close']}"
        )
    return SourceBar(
        _read_time(where, row[columns["time"]]),
        prices["open"],
        prices["high"],
        prices["low"],
        prices["close"],
        _read_volume(where, row, columns.get("volume")),
    )


def _read_volume(where: str, row: list[str], column: int | None) -> int:
    if column is None or column >= len(row) or not row[column]:
        return 0
    try:
        volume = Decimal(row[column])
    except InvalidOperation:
        volume = Decimal(-1)
    if not volume.is_finite() or not 0 <= volume < _VOLUME_LIMIT:
        raise BarFileError(f"{where}: volume {row[column]!r} is not a number of ticks")
    return int(volume)


def _read_time(where: str, value: str) -> int:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return _read_date(where, value)
    if not number.is_finite() or not 0 <= number <= _LATEST:
        raise BarFileError(f"{where}: time {value!r} is not an instant")
    return int(number if number >= _SECONDS_LIMIT else number * 1000)


def _read_date(where: str, value: str) -> int:
    moment: datetime | None = None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        for pattern in _FORMATS:
            try:
                moment = datetime.strptime(value, pattern).replace(tzinfo=UTC)
            except ValueError:
                continue
            break
    if moment is None:
        raise BarFileError(f"{where}: time {value!r} is not an instant")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    stamp = round(moment.timestamp() * 1000)
    if not 0 <= stamp <= _LATEST:
        raise BarFileError(f"{where}: time {value!r} is not an instant since 1970")
    return stamp


def _ticks_of(bars: Sequence[SourceBar], spec: SymbolSpec) -> Iterable[Tick]:
    gaps = [later.time - earlier.time for earlier, later in pairwise(bars)]
    length = min(gaps, default=60_000)
    spread = spec.spread * spec.grid
    for bar in bars:
        path = (bar.open, bar.low, bar.high, bar.close)
        if bar.close < bar.open:
            path = (bar.open, bar.high, bar.low, bar.close)
        weights = [2, 2, 2, 2]
        if bar.volume:
            weights = [bar.volume // 4 + (part < bar.volume % 4) for part in range(4)]
        for part, (price, weight) in enumerate(zip(path, weights, strict=True)):
            bid = int((price * PRICE_UNITS / spec.grid).to_integral_value()) * spec.grid
            if bid <= 0:
                raise BarFileError(f"price {price} is too small for {spec.name}")
            yield Tick(bar.time + length * part // 4, bid, bid + spread, weight)
