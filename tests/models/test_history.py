"""Columns of bars and ticks."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ctrader.enums import QuoteType, TrendbarPeriod
from ctrader.models.history import Bars, Ticks
from ctrader.models.market import TickData, Trendbar

BARS = [
    Trendbar(TrendbarPeriod.H1, 26_666_640, 99, 100, 102, 101, 7),
    Trendbar(TrendbarPeriod.H1, 26_666_700, 100, 101, 105, 104, 9, True),
    Trendbar(TrendbarPeriod.H1, 26_666_820, 103, 104, 106, 103, 2),
]
TICKS = [TickData(1_600_000_000_000, 13_107_400), TickData(1_600_000_000_001, 13_107_300)]


def test_bars_are_a_sequence() -> None:
    bars = Bars(TrendbarPeriod.H1, BARS)

    assert len(bars) == 3
    assert list(bars) == BARS
    assert bars[1] == BARS[1]
    assert bars[-1] == BARS[2]
    assert bars[1:] == Bars(TrendbarPeriod.H1, BARS[1:])
    assert bars != Bars(TrendbarPeriod.H1, BARS[1:])
    assert bars != BARS
    assert BARS[0] in bars


def test_bars_of_another_period_are_refused() -> None:
    with pytest.raises(ValueError, match="M1"):
        Bars(TrendbarPeriod.M1, BARS)


def test_bars_show_their_span_and_not_their_contents() -> None:
    assert repr(Bars(TrendbarPeriod.H1, BARS)) == (
        "<3 bars of H1, 2020-09-13 12:00 to 2020-09-13 15:00 UTC>"
    )
    assert repr(Bars(TrendbarPeriod.H1)) == "<no bars of H1>"


def test_columns_of_bars() -> None:
    assert Bars(TrendbarPeriod.H1, BARS).to_columns() == {
        "timestamp": [1_599_998_400_000, 1_600_002_000_000, 1_600_009_200_000],
        "open": [0.001, 0.00101, 0.00104],
        "high": [0.00102, 0.00105, 0.00106],
        "low": [0.00099, 0.001, 0.00103],
        "close": [0.00101, 0.00104, 0.00103],
        "volume": [7, 9, 2],
    }


def test_ticks_are_a_sequence() -> None:
    ticks = Ticks(QuoteType.BID, TICKS)

    assert len(ticks) == 2
    assert list(ticks) == TICKS
    assert ticks[0] == TICKS[0]
    assert ticks[:1] == Ticks(QuoteType.BID, TICKS[:1])
    assert ticks != Ticks(QuoteType.ASK, TICKS)
    assert ticks != TICKS
    assert repr(ticks) == "<2 BID ticks, 2020-09-13 12:26 to 2020-09-13 12:26 UTC>"
    assert repr(Ticks(QuoteType.ASK)) == "<no ASK ticks>"


def test_columns_of_ticks() -> None:
    assert Ticks(QuoteType.BID, TICKS).to_columns() == {
        "timestamp": [1_600_000_000_000, 1_600_000_000_001],
        "price": [131.074, 131.073],
    }


def test_columns_cannot_be_hashed() -> None:
    with pytest.raises(TypeError):
        hash(Bars(TrendbarPeriod.H1))
    with pytest.raises(TypeError):
        hash(Ticks(QuoteType.BID))


@pytest.mark.parametrize("history", [Bars(TrendbarPeriod.H1, BARS), Ticks(QuoteType.BID, TICKS)])
@pytest.mark.parametrize(
    ("method", "library"),
    [
        ("to_numpy", "numpy"),
        ("to_pandas", "pandas"),
        ("to_polars", "polars"),
        ("to_arrow", "pyarrow"),
    ],
)
def test_library_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, history: Bars | Ticks, method: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(ImportError, match=rf"{method}\(\) needs {library}"):
        getattr(history, method)()


def library(monkeypatch: pytest.MonkeyPatch, name: str, **contents: Any) -> None:
    """Stand in for a library that need not be installed, with the few calls that are made."""
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("history", [Bars(TrendbarPeriod.H1, BARS), Ticks(QuoteType.BID, TICKS)])
def test_tables_hold_the_columns(monkeypatch: pytest.MonkeyPatch, history: Bars | Ticks) -> None:
    columns = history.to_columns()

    class Array(list[Any]):
        def astype(self, kind: str) -> tuple[str, Any]:
            return kind, list(self)

    class Series(Array):
        cast = Array.astype

    library(monkeypatch, "numpy", array=lambda values, dtype: Array(values))
    library(
        monkeypatch,
        "pandas",
        to_datetime=lambda values, unit, utc: (values, unit, utc),
        DatetimeIndex=lambda values, name: (values, name),
        DataFrame=lambda values, index: SimpleNamespace(values=values, index=index),
    )
    library(
        monkeypatch,
        "polars",
        Int64="int64",
        Datetime=lambda unit, zone: f"{unit} {zone}",
        Series=lambda name, values, dtype: Series(values),
        DataFrame=dict,
    )
    library(
        monkeypatch,
        "pyarrow",
        timestamp=lambda unit, tz: f"{unit} {tz}",
        array=lambda values, type: (type, values),
        table=dict,
    )
    times = columns["timestamp"]
    others = {name: values for name, values in columns.items() if name != "timestamp"}

    assert history.to_numpy() == {"timestamp": ("datetime64[ms]", times), **others}
    assert history.to_polars() == {"timestamp": ("ms UTC", times), **others}
    assert history.to_arrow() == {"timestamp": ("ms UTC", times), **others}
    frame = history.to_pandas()
    assert frame.values == others
    assert frame.index == ((times, "ms", True), "timestamp")
