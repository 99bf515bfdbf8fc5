"""When bars begin and when symbols trade.

Bars up to one hour begin on multiples of their length since the epoch. The trading day begins at
17:00 in New York, which is 21:00 or 22:00 UTC; four- and twelve-hour bars count from there, weeks
from the Sunday's and months from the first day's beginning. All instants are milliseconds UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from ctrader.proto import ProtoOATrendbarPeriod as Period

if TYPE_CHECKING:
    from ctrader.simulator.catalogue import HolidaySpec, SymbolSpec

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "WEEK",
    "WINDOW_LIMITS",
    "TradingHours",
    "hours_of",
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
_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S
_LAST_SECOND_OF_DAY: Final = 86_399  # how brokers write the end of a day
_WEEKS_KEPT: Final = 512
_WEEKS_SEARCHED: Final = 60  # how far off an open market is looked for

_Stretch: TypeAlias = tuple[int, int]  # from and until, the end not included

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
        return min(start + within, _day_start(_local_midnight(trading_day_start(start)) + 2 * DAY))
    if period == Period.D1:
        return _day_start(_local_midnight(start) + 2 * DAY)
    date = _local_date(start) + timedelta(days=1)
    if period == Period.W1:
        return _day_start_of(date + timedelta(days=7))
    return _day_start_of((date + timedelta(days=31)).replace(day=1))


def trading_day_start(at: int) -> int:
    """Return the last 17:00 in New York that is not after an instant."""
    midnight = _local_midnight(at)
    start = _day_start(midnight + DAY)
    return start if start <= at else _day_start(midnight)


def hours_of(symbol: SymbolSpec) -> TradingHours:
    """Return when a symbol trades by its terms."""
    return TradingHours(symbol.schedule, symbol.schedule_zone, symbol.holidays)


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
    """When one symbol trades: its weekly sessions without its holidays."""

    def __init__(
        self,
        sessions: Sequence[tuple[int, int]],
        zone: str,
        holidays: Sequence[HolidaySpec] = (),
        *,
        earlier: TradingHours | None = None,
        since: int = 0,
    ) -> None:
        """Take the terms of a symbol.

        Args:
            sessions: Seconds from Sunday 00:00 in the zone; none at all is always open.
            zone: IANA name of the zone of the sessions; holidays have their own.
            holidays: Days, or parts of days, on which it does not trade.
            earlier: What held before these hours, None if they always did.
            since: From when on these hold, if there were earlier ones.
        """
        self._terms = tuple(sessions), zone, tuple(holidays)
        self._sessions = tuple(_session(start, end) for start, end in sessions)
        self._zone = zone
        self._holidays = tuple(holidays)
        self._earlier = earlier
        self._since = since
        self._never_closes = not sessions and not holidays and earlier is None
        self._weeks: dict[int, tuple[_Stretch, ...]] = {}

    def following(self, earlier: TradingHours, since: int) -> TradingHours:
        """Return hours that are these from an instant on, and earlier ones before it."""
        return TradingHours(*self._terms, earlier=earlier, since=since)

    def is_open(self, at: int) -> bool:
        """Tell whether the symbol trades at an instant."""
        return self._never_closes or any(
            start <= at < end for start, end in self._open_in(at // WEEK)
        )

    def is_holiday(self, at: int) -> bool:
        """Tell whether the symbol would trade at an instant if that were no holiday."""
        if self._earlier is not None and at < self._since:
            return self._earlier.is_holiday(at)
        return any(start <= at < end for start, end in self._closed_in(at // WEEK)) and any(
            start <= at < end for start, end in self._scheduled_in(at // WEEK)
        )

    def state(self, start: int, end: int) -> Literal["open", "closed", "mixed"]:
        """Tell whether a stretch of time is open, closed or both; beyond a day it is both."""
        if self._never_closes:
            return "open"
        if end - start > DAY:
            return "mixed"
        inside = 0
        for week in range(start // WEEK, (end - 1) // WEEK + 1):
            for opens, closes in self._open_in(week):
                if closes > start and opens < end:
                    inside += min(end, closes) - max(start, opens)
        return "closed" if not inside else "open" if inside == end - start else "mixed"

    def next_open(self, at: int) -> int | None:
        """Return the first instant from `at` on at which it trades, None within 60 weeks."""
        if self._never_closes:
            return at
        for week in range(at // WEEK, at // WEEK + _WEEKS_SEARCHED):
            for opens, closes in self._open_in(week):
                if closes > at:
                    return max(opens, at)
        return None

    def last_open(self, before: int) -> int | None:
        """Return the last instant before another at which it traded, None within 60 weeks."""
        if self._never_closes:
            return before - 1
        for week in range(before // WEEK, before // WEEK - _WEEKS_SEARCHED, -1):
            for opens, closes in reversed(self._open_in(week)):
                if opens < before:
                    return min(closes, before) - 1
        return None

    # Private

    def _open_in(self, week: int) -> tuple[_Stretch, ...]:
        """Return the open stretches of a week since the epoch, cut at its ends, in order."""
        known = self._weeks.get(week)
        if known is None:
            if len(self._weeks) >= _WEEKS_KEPT:
                self._weeks.clear()
            known = self._weeks[week] = self._work_out(week)
        return known

    def _work_out(self, week: int) -> tuple[_Stretch, ...]:
        found = _without(self._scheduled_in(week), self._closed_in(week))
        if self._earlier is None:
            return found
        since = self._since
        before = [
            (opens, min(closes, since))
            for opens, closes in self._earlier._open_in(week)  # its own kind
            if opens < since
        ]
        after = [(max(opens, since), closes) for opens, closes in found if closes > since]
        return _joined([*before, *after])

    def _scheduled_in(self, week: int) -> tuple[_Stretch, ...]:
        begin, end = week * WEEK, (week + 1) * WEEK
        if not self._sessions:
            return ((begin, end),)
        # Sessions are at most a week long, and the zone is at most a day away from UTC.
        first = (begin - _FIRST_SUNDAY) // WEEK
        stretches: list[_Stretch] = []
        for number in range(first - 2, first + 4):
            sunday = _FIRST_SUNDAY + number * WEEK
            for start, length in self._sessions:
                opens = sunday + start
                closes = opens + length
                if opens - DAY < end and closes + DAY > begin:
                    stretches.append((_instant(self._zone, opens), _instant(self._zone, closes)))
        return tuple(
            (max(opens, begin), min(closes, end))
            for opens, closes in _joined(stretches)
            if opens < end and closes > begin
        )

    def _closed_in(self, week: int) -> tuple[_Stretch, ...]:
        """Return the stretches of holidays that touch a week, in order."""
        begin, end = week * WEEK, (week + 1) * WEEK
        stretches = [
            (_instant(holiday.zone, day + closes), _instant(holiday.zone, day + reopens))
            for holiday in self._holidays
            for day, closes, reopens in _closed_parts(holiday, begin, end)
            if begin - 2 * DAY <= day <= end + DAY
        ]
        return _joined([each for each in stretches if each[0] < end and each[1] > begin])


# Private


def _session(start: int, end: int) -> tuple[int, int]:
    """Return where in the week a session begins and how long it is, in milliseconds."""
    length = end - start
    if length <= 0:
        length %= _WEEK_S  # written across the end of the week
    return start % _WEEK_S * 1000, min(length, _WEEK_S) * 1000


def _closed_parts(holiday: HolidaySpec, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the days of a holiday around a stretch of time, each with its closed part.

    Days are midnights of the holiday's zone as if it were UTC; all in milliseconds.
    """
    closes, reopens = holiday.start_second or 0, holiday.end_second or 0
    if reopens <= closes:
        closes, reopens = 0, _DAY_S  # missing, empty or inverted: the whole day
    elif reopens == _LAST_SECOND_OF_DAY:
        reopens = _DAY_S
    days = [holiday.date]
    if holiday.is_recurring:
        date = _EPOCH + timedelta(days=holiday.date)
        years = {(_EPOCH + timedelta(milliseconds=at)).year for at in (begin - DAY, end + DAY)}
        days = [day for year in sorted(years) if (day := _same_day(date, year)) is not None]
    for day in days:
        yield day * DAY, closes * 1000, reopens * 1000


def _same_day(date: datetime, year: int) -> int | None:
    """Return a date's day of another year, None for a 29 February that the year has not."""
    try:
        return (date.replace(year=year) - _EPOCH).days
    except ValueError:
        return None


def _joined(stretches: Sequence[_Stretch]) -> tuple[_Stretch, ...]:
    """Sort stretches of time and join those that meet or overlap."""
    joined: list[_Stretch] = []
    for opens, closes in sorted(stretches):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        elif opens < closes:
            joined.append((opens, closes))
    return tuple(joined)


def _without(stretches: Sequence[_Stretch], holes: Sequence[_Stretch]) -> tuple[_Stretch, ...]:
    """Cut holes out of stretches of time, both in order."""
    left: list[_Stretch] = []
    for opens, closes in stretches:
        for stops, resumes in holes:
            if opens < stops < closes:
                left.append((opens, stops))
            if stops < closes and resumes > opens:
                opens = resumes
        if opens < closes:
            left.append((opens, closes))
    return tuple(left)


def _instant(zone: str, local: int) -> int:
    """Return when a zone's clocks show a time, the first one if they show it twice."""
    before, after = zone_offset(zone, local - DAY), zone_offset(zone, local + DAY)
    if before == after or zone_offset(zone, local - before) == before:
        return local - before
    # A time that clocks skip counts as they went before.
    return local - (after if zone_offset(zone, local - after) == after else before)


def _local_midnight(at: int) -> int:
    """Return the midnight that began the day in New York, as if that were UTC."""
    local = at + _new_york_offset(at)
    return local - local % DAY


def _local_date(at: int) -> datetime:
    """Return the day in New York as a midnight without a meaning of its own."""
    return _EPOCH + timedelta(milliseconds=_local_midnight(at))


def _day_start(midnight: int) -> int:
    """Return the 17:00 in New York that begins the trading day of a date, given as its midnight."""
    local = midnight - DAY + _DAY_BEGINS
    # Clocks change at 2:00 on Sundays, so five hours give the right side of every change.
    return local - _new_york_offset(local + 5 * HOUR)


def _day_start_of(date: datetime) -> int:
    return _day_start(round((date - _EPOCH).total_seconds()) * 1000)


def _new_york_offset(at: int) -> int:
    # The United States' rule is spelled out: a simulator must run where no zone files are.
    spring, autumn = _new_york_changes(_year_of(at // DAY))
    return (-4 if spring <= at < autumn else -5) * HOUR


@lru_cache(maxsize=8192)  # days of the years that bars are asked for
def _year_of(day: int) -> int:
    """Return the year of a day since the epoch."""
    return (_EPOCH + timedelta(days=day)).year


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
