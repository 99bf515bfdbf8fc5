"""Tell when a symbol can be traded."""

from __future__ import annotations

__all__ = ["Holiday", "ScheduleInterval", "TradingHours", "TradingSession"]

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ctrader.errors import ProtocolError, UnknownTimezoneError
from ctrader.models.entity import Entity
from ctrader.models.wire import text_of

if TYPE_CHECKING:
    from ctrader.proto import ProtoOAHoliday, ProtoOAInterval, ProtoOASymbol


_DAY_S: Final = 86_400
_WEEK_S: Final = 7 * _DAY_S
_LAST_SECOND_OF_DAY: Final = 86_399  # the server's way to write the end of a day
_EPOCH_DAY: Final = date(1970, 1, 1)
_MAX_HOLIDAY_DAYS: Final = 365_000  # a thousand years; far more than any calendar holds
_WEEK: Final = timedelta(days=7)
# A look to either side of a moment must not leave the calendar.
_FIRST_YEAR: Final = 3
_LAST_YEAR: Final = 9996
_HORIZONS_DAYS: Final = (8, 40, 400)  # how far to look for an opening or a close, step by step


class ScheduleInterval(Entity):
    """One stretch of the week in which a symbol is traded."""

    start_second: int
    """First second inside, counted from Sunday 00:00 in the schedule's time zone."""
    end_second: int
    """First second after it, counted alike; it may lie in the next week."""

    @classmethod
    def from_proto(cls, message: ProtoOAInterval) -> ScheduleInterval:
        """Read an interval."""
        return cls(start_second=message.startSecond, end_second=message.endSecond)


class TradingSession(Entity):
    """A stretch of time in which a symbol is traded without a break."""

    start: datetime
    """First moment inside, in UTC."""
    end: datetime
    """First moment after it, in UTC."""

    @property
    def duration(self) -> timedelta:
        """How long it lasts."""
        return self.end - self.start

    def contains(self, moment: datetime) -> bool:
        """Tell whether a moment lies inside; the end does not.

        Raises:
            ValueError: the moment is no datetime, or has no time zone.
        """
        return self.start <= _aware(moment) < self.end


class Holiday(Entity):
    """A day, or a part of one, on which a symbol is not traded."""

    holiday_id: int
    """Id of the holiday."""
    name: str
    """Its name."""
    timezone: str
    """IANA name of the time zone that it is counted in; empty is UTC."""
    holiday_date: date
    """Its day, or the first one if it recurs."""
    description: str = ""
    """What the broker says about it."""
    is_recurring: bool = False
    """True if it comes every year."""
    start_second: int = 0
    """Second of the day at which trading stops."""
    end_second: int = 0
    """Second of the day when trading goes on; not after the start: the whole day."""

    def occurs_on(self, day: date) -> bool:
        """Tell whether it falls on a day, which is counted in its own time zone.

        Raises:
            ValueError: the day is no date.
        """
        _check_day(day)
        if self.is_recurring:
            return (day.month, day.day) == (self.holiday_date.month, self.holiday_date.day)
        return day == self.holiday_date

    def closed_window(self, day: date) -> tuple[datetime, datetime]:
        """Say from when to when trading stops if the holiday falls on this day.

        Args:
            day: A day in the holiday's own time zone; `occurs_on` tells whether it falls there.

        Returns: Start and end in UTC.
        Raises: UnknownTimezoneError: this computer does not know the time zone.
            ValueError: the day is no date of the years 3 to 9996.
        """
        _check_year(_check_day(day))
        return _closed_on(self, day)

    @classmethod
    def from_proto(cls, message: ProtoOAHoliday) -> Holiday:
        """Read a holiday.

        Raises:
            ProtocolError: its day is in no calendar, or a text in it is not UTF-8.
        """
        days = message.holidayDate
        if abs(days) > _MAX_HOLIDAY_DAYS:
            raise ProtocolError(f"holiday {message.holidayId} is {days} days after 1970-01-01")
        day = _EPOCH_DAY + timedelta(days=days)
        return cls(
            holiday_id=message.holidayId,
            name=text_of(message, "name") or "",
            timezone=text_of(message, "scheduleTimeZone") or "",
            holiday_date=day,
            description=text_of(message, "description") or "",
            is_recurring=message.isRecurring,
            start_second=message.startSecond,
            end_second=message.endSecond,
        )


class TradingHours(Entity):
    """When a symbol can be traded: a weekly schedule less its holidays.

    Prices may come outside these hours, and a broker may close a market inside them. Without
    intervals nothing is known, and every moment counts as closed. All methods raise
    `UnknownTimezoneError` if this computer does not know a time zone, and `ValueError` for a
    moment without one, for what is no datetime or date, and outside the years 3 to 9996.
    """

    timezone: str = ""
    """IANA name of the time zone that the week is counted in; empty is UTC."""
    intervals: tuple[ScheduleInterval, ...] = ()
    """The weekly schedule."""
    holidays: tuple[Holiday, ...] = ()
    """Days, or parts of days, on which it does not hold."""

    def sessions_on(self, day: date) -> tuple[TradingSession, ...]:
        """List what is traded on one day, in the schedule's time zone, cut at midnight.

        Args:
            day: A day in the schedule's time zone.
        """
        _check_year(_check_day(day))
        zone = _zone(self.timezone)
        start, end = _at(day, 0, zone), _at(day, _DAY_S, zone)
        return tuple(
            TradingSession(start=max(opens, start), end=min(closes, end))
            for opens, closes in self._open_windows(start, end)
        )

    def holidays_on(self, day: date) -> tuple[Holiday, ...]:
        """List the holidays that fall on a day."""
        _check_day(day)
        return tuple(holiday for holiday in self.holidays if holiday.occurs_on(day))

    def current_session(self, at: datetime | None = None) -> TradingSession | None:
        """Find the session that a moment lies in, None while the market is closed.

        The session of a market that hardly ever closes is cut at 400 days to either side.

        Args:
            at: The moment; None is now.
        """
        moment = _now_or(at)
        session: TradingSession | None = None
        for days in _HORIZONS_DAYS:
            span = timedelta(days=days)
            start, end = moment - span, moment + span
            session = None
            for opens, closes in self._open_windows(start, end):
                if opens <= moment < closes:
                    session = TradingSession(start=max(opens, start), end=min(closes, end))
            if session is None or (session.start > start and session.end < end):
                return session
        return session

    def is_open(self, at: datetime | None = None) -> bool:
        """Tell whether a moment lies inside trading hours.

        Args:
            at: The moment; None is now.
        """
        moment = _now_or(at)
        windows = self._open_windows(moment, moment + timedelta(microseconds=1))
        return any(opens <= moment < closes for opens, closes in windows)

    def next_open(self, after: datetime | None = None) -> datetime | None:
        """Find when trading next begins, None if it does not within 400 days.

        Args:
            after: Only later moments count; None is now.
        """
        moment = _now_or(after)
        for days in _HORIZONS_DAYS:
            for opens, _ in self._open_windows(moment, moment + timedelta(days=days)):
                if opens > moment:
                    return opens
        return None

    def next_close(self, after: datetime | None = None) -> datetime | None:
        """Find when trading next ends, None if it does not within 400 days.

        Args:
            after: Only later moments count; None is now.
        """
        moment = _now_or(after)
        for days in _HORIZONS_DAYS:
            end = moment + timedelta(days=days)
            for _, closes in self._open_windows(moment, end):
                # A window that reaches beyond the end may go on; only a longer look can tell.
                if moment < closes < end:
                    return closes
        return None

    @classmethod
    def from_proto(cls, message: ProtoOASymbol) -> TradingHours:
        """Read the schedule and the holidays of a symbol.

        Raises:
            ProtocolError: a day is in no calendar, or a text is not UTF-8.
        """
        return cls(
            timezone=text_of(message, "scheduleTimeZone") or "",
            intervals=tuple(ScheduleInterval.from_proto(part) for part in message.schedule),
            holidays=tuple(Holiday.from_proto(holiday) for holiday in message.holiday),
        )

    def _open_windows(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """List the stretches of trading that touch a span, in order, joined where they meet.

        Stretches are whole as far as one week to either side of the span.
        """
        closed = sorted(self._closed_windows(start, end))
        windows: list[tuple[datetime, datetime]] = []
        for opens, closes in _joined(self._scheduled(start, end)):
            for stops, resumes in closed:
                if resumes <= opens or stops >= closes:
                    continue
                if stops > opens:
                    windows.append((opens, stops))
                opens = resumes
            if opens < closes:
                windows.append((opens, closes))
        return [window for window in windows if window[1] > start and window[0] < end]

    def _scheduled(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the schedule's stretches of the weeks around a span, in any order."""
        zone = _zone(self.timezone)
        first = start.astimezone(zone).date()
        last = end.astimezone(zone).date()
        # One week before, as intervals may run over into the next; one after, to see them end.
        week = first - timedelta(days=(first.weekday() + 1) % 7) - _WEEK
        while week <= last + _WEEK:
            for interval in self.intervals:
                begin = interval.start_second % _WEEK_S
                length = interval.end_second - interval.start_second
                if length <= 0:
                    length %= _WEEK_S  # written across the end of the week
                if length:
                    yield (
                        _at(week, begin, zone),
                        _at(week, begin + min(length, _WEEK_S), zone),
                    )
            week += _WEEK

    def _closed_windows(
        self, start: datetime, end: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        for holiday in self.holidays:
            days: Iterable[date] = (holiday.holiday_date,)
            if holiday.is_recurring:
                days = _yearly(holiday.holiday_date, start.year - 1, end.year + 1)
            for day in days:
                yield _closed_on(holiday, day)


def _closed_on(holiday: Holiday, day: date) -> tuple[datetime, datetime]:
    zone = _zone(holiday.timezone)
    start, end = holiday.start_second, holiday.end_second
    if end <= start:
        start, end = 0, _DAY_S
    elif end == _LAST_SECOND_OF_DAY:
        end = _DAY_S
    return _at(day, start, zone), _at(day, end, zone)


def _joined(windows: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Sort stretches and join those that meet or overlap."""
    joined: list[tuple[datetime, datetime]] = []
    for opens, closes in sorted(windows):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        else:
            joined.append((opens, closes))
    return joined


def _yearly(day: date, first: int, last: int) -> Iterator[date]:
    for year in range(max(first, 1), min(last, 9999) + 1):
        try:
            yield day.replace(year=year)
        except ValueError:
            continue  # 29 February, in a year without one


def _at(day: date, second: int, zone: tzinfo) -> datetime:
    """Return the moment when clocks in a zone show so many seconds after midnight of a day.

    Wall clocks, not elapsed time: 17:00 stays 17:00 on the day that the clocks change.
    """
    return (
        (datetime.combine(day, time()) + timedelta(seconds=second))
        .replace(tzinfo=zone)
        .astimezone(UTC)
    )


def _zone(name: str) -> tzinfo:
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not installed, not a name, not readable
        raise UnknownTimezoneError(name) from None


def _aware(moment: object) -> datetime:
    if not isinstance(moment, datetime):
        raise ValueError(
            f"{moment!r} is no datetime: give an aware one, such as "
            "datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)"
        )
    if moment.utcoffset() is None:
        raise ValueError(
            f"{moment.isoformat()} has no time zone; add one, for example tzinfo=datetime.UTC"
        )
    return moment


def _now_or(moment: datetime | None) -> datetime:
    if moment is None:
        return datetime.now(UTC)
    _check_year(_aware(moment))
    return moment.astimezone(UTC)


def _check_day(day: object) -> date:
    if isinstance(day, date):
        return day
    raise ValueError(f"{day!r} is no date: give one, such as datetime.date(2026, 1, 31)")


def _check_year(day: date) -> None:
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(
            f"{day.isoformat()} is too near to an end of the calendar: trading hours are known in "
            f"the years {_FIRST_YEAR} to {_LAST_YEAR}"
        )
