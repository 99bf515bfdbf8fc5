"""Trading hours: weeks, clock changes, holidays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from ctrader.errors import ProtocolError, UnknownTimezoneError
from ctrader.models.hours import Holiday, ScheduleInterval, TradingHours, TradingSession
from ctrader.proto import ProtoOAHoliday, ProtoOAInterval, ProtoOASymbol

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # the parts of a date


def hours(
    *intervals: tuple[int, int], zone: str = "", holidays: tuple[Holiday, ...] = ()
) -> TradingHours:
    return TradingHours(
        timezone=zone,
        intervals=tuple(ScheduleInterval(start_second=s, end_second=e) for s, e in intervals),
        holidays=holidays,
    )


def holiday(
    day: date, start: int = 0, end: int = 0, *, zone: str = "", yearly: bool = False
) -> Holiday:
    return Holiday(
        holiday_id=1,
        name="holiday",
        timezone=zone,
        holiday_date=day,
        is_recurring=yearly,
        start_second=start,
        end_second=end,
    )


FOREX = hours((17 * HOUR, 5 * DAY + 17 * HOUR), zone="America/New_York")
"""Sunday 17:00 to Friday 17:00 in New York, in one piece."""

WEEKDAYS = hours(*((day * DAY + 8 * HOUR, day * DAY + 16 * HOUR) for day in range(1, 6)))
"""Monday to Friday, 08:00 to 16:00 UTC."""


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (utc(2026, 7, 5, 20, 59, 59), False),  # Sunday; New York is 4 hours behind
        (utc(2026, 7, 5, 21), True),
        (utc(2026, 7, 8, 12), True),
        (utc(2026, 7, 10, 20, 59, 59), True),
        (utc(2026, 7, 10, 21), False),  # Friday; the end lies outside
        (utc(2026, 7, 11, 12), False),
        (utc(2026, 1, 4, 21, 30), False),  # Sunday; New York is 5 hours behind
        (utc(2026, 1, 4, 22), True),
        (utc(2026, 1, 9, 21, 30), True),
    ],
)
def test_market_opens_by_the_clocks_of_its_zone(at: datetime, is_open: bool) -> None:
    assert FOREX.is_open(at) is is_open


def test_session_over_a_clock_change_is_an_hour_shorter_or_longer() -> None:
    # New York springs forward on Sunday 8 March 2026 and falls back on 1 November, at 02:00.
    saturday = hours((6 * DAY + 20 * HOUR, 6 * DAY + 28 * HOUR), zone="America/New_York")

    spring = saturday.current_session(utc(2026, 3, 8, 4))
    autumn = saturday.current_session(utc(2026, 11, 1, 4))

    assert spring is not None
    assert autumn is not None
    assert spring == TradingSession(start=utc(2026, 3, 8, 1), end=utc(2026, 3, 8, 8))
    assert spring.duration == timedelta(hours=7)
    assert autumn.duration == timedelta(hours=9)


def test_session_contains_its_start_and_not_its_end() -> None:
    session = TradingSession(start=utc(2026, 7, 6, 8), end=utc(2026, 7, 6, 16))

    assert session.contains(utc(2026, 7, 6, 8))
    assert not session.contains(utc(2026, 7, 6, 16))


def test_next_open_and_next_close() -> None:
    friday = utc(2026, 7, 10, 12)

    assert WEEKDAYS.next_close(friday) == utc(2026, 7, 10, 16)
    assert WEEKDAYS.next_open(friday) == utc(2026, 7, 13, 8)
    assert WEEKDAYS.next_open(utc(2026, 7, 13, 7)) == utc(2026, 7, 13, 8)
    assert WEEKDAYS.next_open(utc(2026, 7, 13, 8)) == utc(2026, 7, 14, 8)
    assert WEEKDAYS.next_close(utc(2026, 7, 11, 12)) == utc(2026, 7, 13, 16)


def test_current_session_is_none_while_closed() -> None:
    assert WEEKDAYS.current_session(utc(2026, 7, 11, 12)) is None
    assert WEEKDAYS.current_session(utc(2026, 7, 10, 12)) == TradingSession(
        start=utc(2026, 7, 10, 8), end=utc(2026, 7, 10, 16)
    )


def test_sessions_of_a_day_are_cut_at_midnight_of_the_zone() -> None:
    wednesday = FOREX.sessions_on(date(2026, 7, 8))
    sunday = FOREX.sessions_on(date(2026, 7, 5))

    assert wednesday == (TradingSession(start=utc(2026, 7, 8, 4), end=utc(2026, 7, 9, 4)),)
    assert sunday == (TradingSession(start=utc(2026, 7, 5, 21), end=utc(2026, 7, 6, 4)),)
    assert FOREX.sessions_on(date(2026, 7, 11)) == ()


def test_intervals_that_meet_are_one_session() -> None:
    split = hours((DAY, 2 * DAY), (2 * DAY, 3 * DAY))

    assert split.current_session(utc(2026, 7, 6, 12)) == TradingSession(
        start=utc(2026, 7, 6), end=utc(2026, 7, 8)
    )
    assert split.next_close(utc(2026, 7, 6, 12)) == utc(2026, 7, 8)


@pytest.mark.parametrize(
    "interval",
    [
        (6 * DAY + 12 * HOUR, 7 * DAY + 12 * HOUR),  # runs over the end of the week
        (6 * DAY + 12 * HOUR, 12 * HOUR),  # the same, written back to front
        (13 * DAY + 12 * HOUR, 14 * DAY + 12 * HOUR),  # a week later
    ],
)
def test_interval_may_wrap_around_the_week(interval: tuple[int, int]) -> None:
    weekend = hours(interval)

    assert weekend.current_session(utc(2026, 7, 12, 1)) == TradingSession(
        start=utc(2026, 7, 11, 12), end=utc(2026, 7, 12, 12)
    )
    assert not weekend.is_open(utc(2026, 7, 12, 12))


def test_empty_interval_opens_nothing() -> None:
    assert not hours((DAY, DAY)).is_open(utc(2026, 7, 6))


def test_market_that_never_closes() -> None:
    always = hours((0, WEEK))
    at = utc(2026, 7, 8, 12)

    session = always.current_session(at)

    assert always.is_open(at)
    assert always.next_close(at) is None
    assert always.next_open(at) is None
    assert session is not None
    assert session.duration == timedelta(days=800)


def test_without_intervals_nothing_is_open() -> None:
    unknown = TradingHours()
    at = utc(2026, 7, 8, 12)

    assert not unknown.is_open(at)
    assert unknown.current_session(at) is None
    assert unknown.next_open(at) is None
    assert unknown.next_close(at) is None
    assert unknown.sessions_on(date(2026, 7, 8)) == ()


# Holidays


def test_holiday_closes_the_whole_day() -> None:
    market = hours((0, WEEK), holidays=(holiday(date(2026, 12, 25)),))

    assert not market.is_open(utc(2026, 12, 25, 12))
    assert market.is_open(utc(2026, 12, 26))
    assert market.next_close(utc(2026, 7, 1)) == utc(2026, 12, 25)
    assert market.next_open(utc(2026, 7, 1)) == utc(2026, 12, 26)
    assert market.sessions_on(date(2026, 12, 25)) == ()


def test_holiday_of_a_part_of_the_day_cuts_the_session() -> None:
    market = WEEKDAYS.model_copy(
        update={"holidays": (holiday(date(2026, 7, 8), 12 * HOUR, 13 * HOUR),)}
    )

    assert market.sessions_on(date(2026, 7, 8)) == (
        TradingSession(start=utc(2026, 7, 8, 8), end=utc(2026, 7, 8, 12)),
        TradingSession(start=utc(2026, 7, 8, 13), end=utc(2026, 7, 8, 16)),
    )
    assert market.next_close(utc(2026, 7, 8, 9)) == utc(2026, 7, 8, 12)


def test_two_holidays_that_overlap_and_one_outside_the_session() -> None:
    market = WEEKDAYS.model_copy(
        update={
            "holidays": (
                holiday(date(2026, 7, 8), 6 * HOUR, 10 * HOUR),
                holiday(date(2026, 7, 8), 9 * HOUR, 11 * HOUR),
                holiday(date(2026, 7, 8), 20 * HOUR, 21 * HOUR),
                holiday(date(2026, 7, 8), 1 * HOUR, 2 * HOUR),
            )
        }
    )

    assert market.sessions_on(date(2026, 7, 8)) == (
        TradingSession(start=utc(2026, 7, 8, 11), end=utc(2026, 7, 8, 16)),
    )


def test_holiday_may_take_a_whole_session_away() -> None:
    market = WEEKDAYS.model_copy(update={"holidays": (holiday(date(2026, 7, 8)),)})

    assert market.sessions_on(date(2026, 7, 8)) == ()
    assert market.next_open(utc(2026, 7, 7, 12)) == utc(2026, 7, 9, 8)


def test_holiday_counts_in_its_own_zone() -> None:
    closed = holiday(date(2026, 1, 1), zone="Asia/Tokyo")

    assert closed.closed_window(date(2026, 1, 1)) == (
        utc(2025, 12, 31, 15),
        utc(2026, 1, 1, 15),
    )


@pytest.mark.parametrize(
    ("start", "end", "window"),
    [
        (0, 86_399, (utc(2026, 1, 1), utc(2026, 1, 2))),
        (50_400, 86_399, (utc(2026, 1, 1, 14), utc(2026, 1, 2))),
        (50_400, 3600, (utc(2026, 1, 1), utc(2026, 1, 2))),
        (50_400, 54_000, (utc(2026, 1, 1, 14), utc(2026, 1, 1, 15))),
    ],
)
def test_closed_window(start: int, end: int, window: tuple[datetime, datetime]) -> None:
    assert holiday(date(2026, 1, 1), start, end).closed_window(date(2026, 1, 1)) == window


def test_recurring_holiday_comes_every_year() -> None:
    christmas = holiday(date(2020, 12, 25), yearly=True)
    market = hours((0, WEEK), holidays=(christmas,))

    assert christmas.occurs_on(date(2027, 12, 25))
    assert not christmas.occurs_on(date(2027, 12, 24))
    assert not holiday(date(2020, 12, 25)).occurs_on(date(2027, 12, 25))
    assert market.holidays_on(date(2027, 12, 25)) == (christmas,)
    assert not market.is_open(utc(2027, 12, 25, 1))


def test_leap_day_recurs_in_leap_years_only() -> None:
    market = hours((0, WEEK), holidays=(holiday(date(2024, 2, 29), yearly=True),))

    assert not market.is_open(utc(2028, 2, 29, 12))
    assert market.is_open(utc(2027, 3, 1, 12))


# Arguments and decoding


def test_moment_without_a_zone_is_refused() -> None:
    naive = utc(2026, 7, 8).replace(tzinfo=None)

    for ask in (FOREX.is_open, FOREX.next_open, FOREX.next_close, FOREX.current_session):
        with pytest.raises(ValueError, match="time zone"):
            ask(naive)


ASKS = (
    FOREX.is_open,
    FOREX.next_open,
    FOREX.next_close,
    FOREX.current_session,
    TradingSession(start=utc(2026, 1, 1), end=utc(2026, 1, 2)).contains,
)
LAST, FIRST = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
DAY_ASKS = (
    FOREX.sessions_on,
    hours(holidays=(holiday(date(2026, 1, 1)),)).holidays_on,
    holiday(date(2026, 1, 1)).occurs_on,
    holiday(date(2026, 1, 1)).closed_window,
)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("given", ["2026-01-01", date(2026, 1, 1), 5])
def test_what_is_no_moment_is_refused(ask: Callable[[Any], object], given: object) -> None:
    with pytest.raises(ValueError, match="is no datetime: give an aware one, such as") as caught:
        ask(given)
    assert str(caught.value).startswith(repr(given))


@pytest.mark.parametrize("ask", ASKS[:4])
@pytest.mark.parametrize("given", [LAST, FIRST])
def test_moment_at_an_end_of_the_calendar_is_refused(
    ask: Callable[[datetime], object], given: datetime
) -> None:
    for zone in (UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=14))):
        with pytest.raises(ValueError, match="years 3 to 9996") as caught:
            ask(given.replace(tzinfo=zone))
        assert given.isoformat()[:19] in str(caught.value)


@pytest.mark.parametrize("year", [3, 9996])
def test_moment_near_an_end_of_the_calendar_is_taken(year: int) -> None:
    yearly = hours(
        (17 * HOUR, 5 * DAY + 17 * HOUR),
        zone="Pacific/Kiritimati",
        holidays=(holiday(date(2026, 12, 31), zone="Pacific/Kiritimati", yearly=True),),
    )
    for at in (utc(year, 1, 1), utc(year, 12, 31, 23)):
        assert yearly.next_open(at) is not None
        assert yearly.next_close(at) is not None
        assert yearly.is_open(at) == (yearly.current_session(at) is not None)
        assert isinstance(yearly.sessions_on(at.date()), tuple)
    always = hours((0, WEEK))
    assert always.next_close(utc(year, 12, 31, 23)) is None
    assert always.current_session(utc(year, 1, 1)) is not None


@pytest.mark.parametrize("ask", DAY_ASKS)
def test_what_is_no_day_is_refused(ask: Callable[[Any], object]) -> None:
    with pytest.raises(ValueError, match=r"^'2026-01-01' is no date: give one, such as datetime\."):
        ask("2026-01-01")


@pytest.mark.parametrize("ask", [DAY_ASKS[0], DAY_ASKS[3]])
@pytest.mark.parametrize("day", [date.max, date.min])
def test_day_at_an_end_of_the_calendar_is_refused(ask: Callable[[date], object], day: date) -> None:
    with pytest.raises(ValueError, match="years 3 to 9996"):
        ask(day)


def test_now_is_the_default_moment() -> None:
    assert hours((0, WEEK)).is_open()


@pytest.mark.parametrize("name", ["Mars/Olympus_Mons", "Europe", "../etc/passwd"])
def test_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(UnknownTimezoneError) as caught:
        hours((0, WEEK), zone=name).is_open(utc(2026, 7, 8))

    assert caught.value.name == name


def test_hours_from_the_wire() -> None:
    symbol = ProtoOASymbol(
        symbolId=1,
        scheduleTimeZone="Europe/Moscow",
        schedule=[ProtoOAInterval(startSecond=86_700, endSecond=172_500)],
        holiday=[
            ProtoOAHoliday(
                holidayId=3,
                name="New Year",
                description="closed",
                scheduleTimeZone="UTC",
                holidayDate=20_454,
                isRecurring=True,
                startSecond=0,
                endSecond=86_399,
            )
        ],
    )

    market = TradingHours.from_proto(symbol)

    assert market.holidays[0].holiday_date == date(2026, 1, 1)
    assert market.holidays[0].description == "closed"
    # Monday 00:05 in Moscow is Sunday 21:05 UTC.
    assert market.current_session(utc(2026, 7, 6)) == TradingSession(
        start=utc(2026, 7, 5, 21, 5), end=utc(2026, 7, 6, 20, 55)
    )


def test_holiday_in_no_calendar_is_refused() -> None:
    message = ProtoOAHoliday(
        holidayId=3, name="x", scheduleTimeZone="", holidayDate=2**40, isRecurring=False
    )

    with pytest.raises(ProtocolError, match="holiday 3"):
        Holiday.from_proto(message)
