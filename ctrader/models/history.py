"""Hold long histories of bars and ticks in columns.

A column is an `array.array` of 64-bit integers, which NumPy, pandas, Polars and Arrow read without
copying value by value. Single bars and ticks are made when they are asked for.
"""

from __future__ import annotations

__all__ = ["Bars", "Frame", "Ticks"]

import importlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias, overload

from ctrader.enums import QuoteType, TrendbarPeriod
from ctrader.models.market import TickData, Trendbar
from ctrader.units import datetime_from_millis, price_from_wire

Frame: TypeAlias = Any
"""A table of a library that need not be installed, so its type cannot be named here."""

_INT64: Final = "q"
_MINUTE_MS: Final = 60_000
_PRICES: Final = ("open", "high", "low", "close")


class Bars(Sequence[Trendbar]):
    """Bars of one period, oldest first.

    It is a sequence of `Trendbar`: index it, slice it, iterate over it. The columns are the
    wire's integers; `to_pandas` and its like give prices and times.
    """

    __slots__ = (
        "close_points",
        "high_points",
        "low_points",
        "open_points",
        "period",
        "repaired",
        "start_minutes",
        "volume",
    )

    period: TrendbarPeriod
    """Length of the bars."""
    start_minutes: array[int]
    """Starts in minutes since 1970-01-01 UTC."""
    open_points: array[int]
    """First bids, in 1/100000."""
    high_points: array[int]
    """Highest bids, in 1/100000."""
    low_points: array[int]
    """Lowest bids, in 1/100000."""
    close_points: array[int]
    """Last bids, in 1/100000."""
    volume: array[int]
    """Numbers of ticks."""
    repaired: bytearray
    """1 where high or low had to be widened to hold open and close."""

    def __init__(self, period: TrendbarPeriod, bars: Iterable[Trendbar] = ()) -> None:
        """Put bars into columns in the order given.

        Args:
            period: Length of the bars, known even where there are none.
            bars: The bars; all must have that period.

        Raises:
            ValueError: a bar has another period.
        """
        self.period = period
        self.start_minutes = array(_INT64)
        self.open_points = array(_INT64)
        self.high_points = array(_INT64)
        self.low_points = array(_INT64)
        self.close_points = array(_INT64)
        self.volume = array(_INT64)
        self.repaired = bytearray()
        for bar in bars:
            if bar.period != period:
                raise ValueError(f"a bar of {bar.period} cannot be among bars of {period}")
            self.start_minutes.append(bar.start_minutes)
            self.open_points.append(bar.open_points)
            self.high_points.append(bar.high_points)
            self.low_points.append(bar.low_points)
            self.close_points.append(bar.close_points)
            self.volume.append(bar.volume)
            self.repaired.append(bar.repaired)

    def __len__(self) -> int:
        return len(self.start_minutes)

    @overload
    def __getitem__(self, index: int) -> Trendbar: ...
    @overload
    def __getitem__(self, index: slice) -> Bars: ...
    def __getitem__(self, index: int | slice) -> Trendbar | Bars:
        if isinstance(index, slice):
            return Bars(self.period, [self[place] for place in range(len(self))[index]])
        return Trendbar(
            self.period,
            self.start_minutes[index],
            self.low_points[index],
            self.open_points[index],
            self.high_points[index],
            self.close_points[index],
            self.volume[index],
            bool(self.repaired[index]),
        )

    def __iter__(self) -> Iterator[Trendbar]:
        return map(self.__getitem__, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bars):
            return NotImplemented
        return self.period == other.period and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # its columns can change

    def __repr__(self) -> str:
        if not self:
            return f"<no bars of {self.period.name}>"
        first, last = self[0].timestamp, self[-1].timestamp
        return f"<{len(self)} bars of {self.period.name}, {first:%F %R} to {last:%F %R} UTC>"

    def to_columns(self) -> dict[str, list[int] | list[float]]:
        """Give plain lists: `timestamp` in Unix milliseconds, the four prices, `volume`."""
        columns: dict[str, list[int] | list[float]] = {
            "timestamp": [minutes * _MINUTE_MS for minutes in self.start_minutes]
        }
        for name in _PRICES:
            points: array[int] = getattr(self, f"{name}_points")
            columns[name] = list(map(price_from_wire, points))
        columns["volume"] = list(self.volume)
        return columns

    def to_numpy(self) -> dict[str, Frame]:
        """Give NumPy arrays: `timestamp` as datetime64[ms] in UTC, float prices, `volume`.

        Raises:
            ImportError: NumPy is not installed.
        """
        return _numpy_columns(self.to_columns())

    def to_pandas(self) -> Frame:
        """Give a pandas DataFrame with prices and volume, indexed by UTC time.

        Raises:
            ImportError: pandas is not installed.
        """
        return _pandas_frame(self.to_columns())

    def to_polars(self) -> Frame:
        """Give a Polars DataFrame with `timestamp` in UTC, prices and volume.

        Raises:
            ImportError: Polars is not installed.
        """
        return _polars_frame(self.to_columns())

    def to_arrow(self) -> Frame:
        """Give an Arrow table with `timestamp` in UTC, prices and volume.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return _arrow_table(self.to_columns())


class Ticks(Sequence[TickData]):
    """Historical prices of one side, oldest first; a sequence of `TickData`."""

    __slots__ = ("price_points", "quote_type", "timestamp_ms")

    quote_type: QuoteType
    """Which side's prices these are."""
    timestamp_ms: array[int]
    """Times in Unix milliseconds."""
    price_points: array[int]
    """Prices in 1/100000."""

    def __init__(self, quote_type: QuoteType, ticks: Iterable[TickData] = ()) -> None:
        """Put ticks into columns in the order given."""
        self.quote_type = quote_type
        self.timestamp_ms = array(_INT64)
        self.price_points = array(_INT64)
        for tick in ticks:
            self.timestamp_ms.append(tick.timestamp_ms)
            self.price_points.append(tick.price_points)

    def __len__(self) -> int:
        return len(self.timestamp_ms)

    @overload
    def __getitem__(self, index: int) -> TickData: ...
    @overload
    def __getitem__(self, index: slice) -> Ticks: ...
    def __getitem__(self, index: int | slice) -> TickData | Ticks:
        if isinstance(index, slice):
            return Ticks(self.quote_type, [self[place] for place in range(len(self))[index]])
        return TickData(self.timestamp_ms[index], self.price_points[index])

    def __iter__(self) -> Iterator[TickData]:
        return map(TickData, self.timestamp_ms, self.price_points)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ticks):
            return NotImplemented
        return self.quote_type == other.quote_type and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # its columns can change

    def __repr__(self) -> str:
        if not self:
            return f"<no {self.quote_type.name} ticks>"
        first, last = map(datetime_from_millis, (self.timestamp_ms[0], self.timestamp_ms[-1]))
        return f"<{len(self)} {self.quote_type.name} ticks, {first:%F %R} to {last:%F %R} UTC>"

    def to_columns(self) -> dict[str, list[int] | list[float]]:
        """Give plain lists: `timestamp` in Unix milliseconds, and `price`."""
        return {
            "timestamp": list(self.timestamp_ms),
            "price": list(map(price_from_wire, self.price_points)),
        }

    def to_numpy(self) -> dict[str, Frame]:
        """Give NumPy arrays: `timestamp` as datetime64[ms] in UTC, and `price`.

        Raises:
            ImportError: NumPy is not installed.
        """
        return _numpy_columns(self.to_columns())

    def to_pandas(self) -> Frame:
        """Give a pandas DataFrame with `price`, indexed by UTC time.

        Raises:
            ImportError: pandas is not installed.
        """
        return _pandas_frame(self.to_columns())

    def to_polars(self) -> Frame:
        """Give a Polars DataFrame with `timestamp` in UTC, and `price`.

        Raises:
            ImportError: Polars is not installed.
        """
        return _polars_frame(self.to_columns())

    def to_arrow(self) -> Frame:
        """Give an Arrow table with `timestamp` in UTC, and `price`.

        Raises:
            ImportError: pyarrow is not installed.
        """
        return _arrow_table(self.to_columns())


def _numpy_columns(columns: dict[str, list[int] | list[float]]) -> dict[str, Frame]:
    numpy = _library("numpy", "to_numpy")
    arrays = {
        name: numpy.array(values, dtype="int64" if name in {"timestamp", "volume"} else "float64")
        for name, values in columns.items()
    }
    arrays["timestamp"] = arrays["timestamp"].astype("datetime64[ms]")
    return arrays


def _pandas_frame(columns: dict[str, list[int] | list[float]]) -> Frame:
    pandas = _library("pandas", "to_pandas")
    index = pandas.to_datetime(columns["timestamp"], unit="ms", utc=True)
    values = {name: column for name, column in columns.items() if name != "timestamp"}
    return pandas.DataFrame(values, index=pandas.DatetimeIndex(index, name="timestamp"))


def _polars_frame(columns: dict[str, list[int] | list[float]]) -> Frame:
    polars = _library("polars", "to_polars")
    moment = polars.Datetime("ms", "UTC")
    times = polars.Series("timestamp", columns["timestamp"], dtype=polars.Int64).cast(moment)
    return polars.DataFrame({**columns, "timestamp": times})


def _arrow_table(columns: dict[str, list[int] | list[float]]) -> Frame:
    arrow = _library("pyarrow", "to_arrow")
    times = arrow.array(columns["timestamp"], type=arrow.timestamp("ms", tz="UTC"))
    return arrow.table({**columns, "timestamp": times})


def _library(name: str, method: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{method}() needs {name}, which is not installed; install it, or use to_columns()"
        ) from error
