"""When bars begin and when symbols trade.

Bars up to one hour begin on multiples of their length since the epoch. The trading day begins at
17:00 in New York, which is 21:00 or 22:00 UTC; four- and twelve-hour bars count from there, weeks
from the Sunday's and months from the first day's beginning. All instants are milliseconds UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from ctrader.proto import ProtoOATrendbarPeriod as Period

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "WEEK",
    "WINDOW_LIMITS",
    "TradingHours",
    "next_period_start",
    "period_start",
    "trading_day_start",
    "zone_offset",
]

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY

_FIRST_SUNDAY: Final = 3 * DAY  # the epoch was a Thursday
_DAY_BEGINS: Final = 17 * HOUR  # in New York
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_FIXED: Final[dict[int, int]] = {
    Period.M1: MINUTE,
    Period.M2: 2 * MINUTE,
    Period.M3: 3 * MINUTE,
    Period.M4: 4 * MINUTE,
    Period.M5: 5 * MINUTE,
    Period.M10: 10 * MINUTE,
    Period.M15: 15 * MINUTE,
    Period.M30: 30 * MINUTE,
    Period.H1: HOUR,
}
_WITHIN_DAY: Final[dict[int, int]] = {Period.H4: 4 * HOUR, Period.H12: 12 * HOUR}

_FIVE_WEEKS: Final = 3_024_000_000
_THIRTY_FIVE_WEEKS: Final = 21_168_000_000
_YEAR: Final = 31_622_400_000
_FIVE_YEARS: Final = 158_112_000_000
WINDOW_LIMITS: Final[dict[int, int]] = {
    Period.M1: _FIVE_WEEKS,
    Period.M2: _FIVE_WEEKS,
    Period.M3: _FIVE_WEEKS,
    Period.M4: _FIVE_WEEKS,
    Period.M5: _FIVE_WEEKS,
    Period.M10: _THIRTY_FIVE_WEEKS,
    Period.M15: _THIRTY_FIVE_WEEKS,
    Period.M30: _THIRTY_FIVE_WEEKS,
    Period.H1: _THIRTY_FIVE_WEEKS,
    Period.H4: _YEAR,
    Period.H12: _YEAR,
    Period.D1: _YEAR,
    Period.W1: _FIVE_YEARS,
    Period.MN1: _FIVE_YEARS,
}
"""Longest window of historical bars by period, in milliseconds, as once documented."""


def period_start(period: int, at: int) -> int:
    """Return when the bar begins that holds an instant."""
    fixed = _FIXED.get(period)
    if fixed is not None:
        return at - at % fixed
    day = trading_day_start(at)
    within = _WITHIN_DAY.get(period)
    if within is not None:
        return day + (at - day) // within * within
    if period == Period.D1:
        return day
    # The date of a trading day is the one on which it ends.
    date = _local_date(day) + timedelta(days=1)
    if period == Period.W1:
        return _day_start_of(date - timedelta(days=date.weekday()))
    return _day_start_of(date.replace(day=1))


def next_period_start(period: int, start: int) -> int:
    """Return when the bar after the one that begins at `start` begins."""
    fixed = _FIXED.get(period)
    if fixed is not None:
        return start + fixed
    within = _WITHIN_DAY.get(period)
    if within is not None:
        # On the days of clock changes the last bar is cut or followed by a short one.
        return min(start + within, _day_start_of(_local_date(trading_day_start(start)), 2))
    date = _local_date(start) + timedelta(days=1)
    if period == Period.D1:
        return _day_start_of(date + timedelta(days=1))
    if period == Period.W1:
        return _day_start_of(date + timedelta(days=7))
    return _day_start_of((date + timedelta(days=31)).replace(day=1))


def trading_day_start(at: int) -> int:
    """Return the last 17:00 in New York that is not after an instant."""
    date = _local_date(at)
    start = _day_start_of(date, 1)
    return start if start <= at else _day_start_of(date)


def zone_offset(zone: str, at: int) -> int:
    """Return by how many milliseconds a zone's clocks are ahead of UTC.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: the machine does not know the zone.
    """
    if zone in ("", "UTC"):
        return 0
    if zone == "America/New_York":
        return _new_york_offset(at)
    offset = (_EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)


class TradingHours:
    """The weekly sessions of one symbol."""

    def __init__(self, sessions: Sequence[tuple[int, int]], zone: str) -> None:
        """Take sessions as seconds from Sunday 00:00 in the zone; none at all is always open."""
        self._sessions = tuple((start * 1000, end * 1000) for start, end in sessions)
        self._zone = zone

    def is_open(self, at: int) -> bool:
        """Tell whether the symbol trades at an instant."""
        return self.state(at, at + 1) == "open"

    def state(self, start: int, end: int) -> Literal["open", "closed", "mixed"]:
        """Tell whether a stretch of time is open, closed or both."""
        if not self._sessions:
            return "open"
        if end - start > DAY:
            return "mixed"
        local = start + zone_offset(self._zone, start)
        length = end - start
        second = (local - _FIRST_SUNDAY) % WEEK
        overlapping = False
        for begin, finish in self._sessions:
            for shift in (-WEEK, 0, WEEK):
                if begin + shift <= second and second + length <= finish + shift:
                    return "open"
                if begin + shift < second + length and second < finish + shift:
                    overlapping = True
        return "mixed" if overlapping else "closed"


# Private


def _local_date(at: int) -> datetime:
    """Return the day in New York as a midnight without a meaning of its own."""
    local = at + _new_york_offset(at)
    return _EPOCH + timedelta(days=local // DAY)


def _day_start_of(date: datetime, days: int = 0) -> int:
    """Return the 17:00 in New York that begins the trading day of a date, or of a later one."""
    local = round((date - _EPOCH).total_seconds()) * 1000 + (days - 1) * DAY + _DAY_BEGINS
    # Clocks change at 2:00 on Sundays, so five hours give the right side of every change.
    return local - _new_york_offset(local + 5 * HOUR)


def _new_york_offset(at: int) -> int:
    # The United States' rule is spelled out: a simulator must run where no zone files are.
    year = (_EPOCH + timedelta(milliseconds=at)).year
    spring, autumn = _new_york_changes(year)
    return (-4 if spring <= at < autumn else -5) * HOUR


@lru_cache(maxsize=256)
def _new_york_changes(year: int) -> tuple[int, int]:
    if year >= 2007:
        spring, autumn = _sunday(year, 3, 8), _sunday(year, 11, 1)
    else:
        spring, autumn = _sunday(year, 4, 1), _sunday(year, 10, 25)
    return spring + 7 * HOUR, autumn + 6 * HOUR


def _sunday(year: int, month: int, earliest: int) -> int:
    """Return the first Sunday of a month that is not before a day of it."""
    date = datetime(year, month, earliest, tzinfo=UTC)
    date += timedelta(days=(6 - date.weekday()) % 7)
    return round((date - _EPOCH).total_seconds()) * 1000
