"""The conversions: exact, or refused."""

from __future__ import annotations

import decimal
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.errors import OrderInvalidError, ProtocolError
from ctrader.units import (
    DAY,
    MAX_WIRE_MILLIS,
    MILLISECOND,
    SECOND,
    datetime_from_millis,
    datetime_from_minutes,
    is_on_grid,
    lots_to_volume,
    millis_from_datetime,
    money_from_wire,
    money_to_wire,
    nearest_on_grid,
    price_from_wire,
    price_on_grid,
    price_to_wire,
    to_nanos,
    to_seconds,
    units_to_volume,
    volume_to_lots,
    volume_to_units,
)

NOT_FINITE = [math.nan, math.inf, -math.inf, Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity")]
MONSTERS = [1e30, Decimal("1e999999"), Decimal("1e-999999"), 1e300]
EURUSD_LOT = 10_000_000


class FloatLikeNumpy(float):
    def __repr__(self) -> str:
        return f"np.float64({float(self)!r})"


# Durations


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [
        (0, 0),
        (0.1, 100_000_000),
        (30.0, 30 * SECOND),
        (1e-9, 1),
        (86_400, DAY),
        (-0.25, -250 * MILLISECOND),
        (1_795_845_600.5, 1_795_845_600_500_000_000),
    ],
)
def test_seconds_become_nanoseconds(seconds, nanos):
    assert to_nanos(seconds) == nanos
    assert to_seconds(nanos) == seconds


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_duration_must_be_finite(seconds):
    with pytest.raises(ValueError, match="finite"):
        to_nanos(seconds)


# Prices


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_price_from_wire_is_the_nearest_float(value):
    assert price_from_wire(value) == float(Decimal(value) / 100_000)


@given(st.integers(-(10**13), 10**13))
def test_every_wire_price_comes_back(value):
    assert price_to_wire(price_from_wire(value)) == value


@given(st.integers(1, 10**10), st.integers(-(10**7), 10**7))
def test_noise_of_float_arithmetic_is_forgiven(price, distance):
    total = price_from_wire(price) + price_from_wire(distance)
    assert price_to_wire(total) == price + distance


@given(st.integers(1, 10**10), st.integers(1, 10**10))
def test_difference_of_two_prices_is_a_distance(price, level):
    distance = price_from_wire(price) - price_from_wire(level)
    assert price_to_wire(distance) == price - level


@pytest.mark.parametrize(
    ("price", "wire"),
    [
        (1.1, 110_000),
        (1.1 + 0.002, 110_200),
        (131.074, 13_107_400),
        (0, 0),
        (7, 700_000),
        (Decimal("1.10000000"), 110_000),
        (FloatLikeNumpy(1.23456), 123_456),
        (-37.63, -3_763_000),
    ],
)
def test_price_to_wire(price, wire):
    assert price_to_wire(price) == wire


@pytest.mark.parametrize("price", [1.123456, 1e-6, 1.0000000001, Decimal("1.1020000000000001")])
def test_price_with_more_than_five_decimals_is_refused(price):
    with pytest.raises(OrderInvalidError, match="more than 5 decimals") as caught:
        price_to_wire(price)
    assert caught.value.field == "price"
    assert caught.value.value == price


@pytest.mark.parametrize("price", [*NOT_FINITE, *MONSTERS])
def test_price_without_sense_is_refused(price):
    with pytest.raises(OrderInvalidError):
        price_to_wire(price)


@pytest.mark.parametrize("price", [*NOT_FINITE, Decimal("1e999999"), Decimal("1e-999999")])
def test_grid_has_no_place_for_what_is_no_price(price):
    for ask in (is_on_grid, nearest_on_grid, price_on_grid):
        with pytest.raises(OrderInvalidError):
            ask(price, 5)


@pytest.mark.parametrize(
    ("price", "digits", "expected"),
    [
        (1.12345, 5, True),
        (1.12345, 4, False),
        (1.1 + 0.002, 3, True),
        (131.074, 3, True),
        (131.0745, 3, False),
        (100, 0, True),
        (100.5, 0, False),
        (Decimal("1.1000"), 1, True),
    ],
)
def test_is_on_grid(price, digits, expected):
    assert is_on_grid(price, digits) is expected


@pytest.mark.parametrize("digits", [-1, 16])
def test_grid_digits_have_bounds(digits):
    for ask in (is_on_grid, nearest_on_grid, price_on_grid):
        with pytest.raises(ValueError, match=r"0\.\.15"):
            ask(1.0, digits)


@pytest.mark.parametrize(
    ("price", "digits", "expected"),
    [
        (1.123456, 5, (1.12345, 1.12346)),
        (1.12345, 5, (1.12345, 1.12345)),
        (1.1 + 0.002, 3, (1.102, 1.102)),
        (-1.5, 0, (-2.0, -1.0)),
        (Decimal("2.675"), 2, (2.67, 2.68)),
    ],
)
def test_nearest_on_grid(price, digits, expected):
    assert nearest_on_grid(price, digits) == expected


@given(st.floats(1e-5, 1e6), st.integers(0, 6))
def test_neighbours_enclose_the_price_and_lie_on_the_grid(price, digits):
    below, above = nearest_on_grid(price, digits)
    noise = 16 * math.ulp(price)
    assert below - noise <= price <= above + noise
    assert is_on_grid(below, digits)
    assert is_on_grid(above, digits)


def test_price_on_grid_is_free_of_noise():
    assert price_on_grid(1.1 + 0.002, 5) == 1.102


def test_price_off_the_grid_is_refused_with_its_neighbours():
    with pytest.raises(
        OrderInvalidError, match=r"stop_loss 1\.123456 .* 1\.12345 or 1\.12346"
    ) as e:
        price_on_grid(1.123456, 5, field="stop_loss")
    assert e.value.field == "stop_loss"


# Money


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (12345, 2, "123.45"),
        (12345, None, "123.45"),
        (-5, 2, "-0.05"),
        (0, 2, "0.00"),
        (7, 0, "7"),
        (123, 8, "0.00000123"),
        (-(2**63), 18, "-9.223372036854775808"),
    ],
)
def test_money_from_wire(value, digits, text):
    assert f"{money_from_wire(value, digits):f}" == text


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 18))
def test_money_is_exact_both_ways_whatever_the_context(value, digits):
    with decimal.localcontext(decimal.Context(prec=3)):
        amount = money_from_wire(value, digits)
        assert money_to_wire(amount, digits) == value


@pytest.mark.parametrize("digits", [-1, 19, 2**32 - 1])
def test_money_digits_without_sense_are_a_protocol_error(digits):
    with pytest.raises(ProtocolError, match="moneyDigits"):
        money_from_wire(1, digits)
    with pytest.raises(ValueError, match="digits"):
        money_to_wire(Decimal(1), digits)


@pytest.mark.parametrize(
    "amount", [Decimal("0.001"), Decimal("NaN"), Decimal(2**63), Decimal("1e50")]
)
def test_money_that_does_not_fit_is_refused(amount):
    with pytest.raises(ValueError):
        money_to_wire(amount, 2)


# Volumes


@pytest.mark.parametrize(
    ("lots", "volume"),
    [
        (0.01, 100_000),
        (0.10, 1_000_000),
        (0.1 * 3, 3_000_000),
        (1, 10_000_000),
        (Decimal("0.07"), 700_000),
        (FloatLikeNumpy(0.29), 2_900_000),
    ],
)
def test_lots_to_volume(lots, volume):
    assert lots_to_volume(lots, EURUSD_LOT) == volume


@pytest.mark.parametrize("lots", [0.123456789, Decimal("0.00000001"), 1e-16])
def test_lots_that_are_no_whole_volume_are_refused(lots):
    with pytest.raises(OrderInvalidError, match="not a whole volume") as caught:
        lots_to_volume(lots, EURUSD_LOT)
    assert caught.value.field == "lots"


@pytest.mark.parametrize("amount", [0, -0.1, Decimal("-1"), *NOT_FINITE, *MONSTERS])
def test_volume_must_be_positive_and_sensible(amount):
    with pytest.raises(OrderInvalidError):
        lots_to_volume(amount, EURUSD_LOT)
    with pytest.raises(OrderInvalidError):
        units_to_volume(amount)


@pytest.mark.parametrize("lot_size", [0, -1])
def test_lot_size_must_be_positive(lot_size):
    with pytest.raises(ValueError, match="lot_size"):
        lots_to_volume(1, lot_size)
    with pytest.raises(ValueError, match="lot_size"):
        volume_to_lots(1, lot_size)


@given(st.integers(1, 10**12), st.integers(1, 10**10))
def test_every_volume_comes_back_from_lots(volume, lot_size):
    with decimal.localcontext(decimal.Context(prec=3)):
        assert lots_to_volume(volume_to_lots(volume, lot_size), lot_size) == volume


@pytest.mark.parametrize(("units", "volume"), [(1000, 100_000), (0.01, 1), (Decimal("2.5"), 250)])
def test_units_to_volume(units, volume):
    assert units_to_volume(units) == volume
    assert volume_to_units(volume) == Decimal(str(units))


def test_units_with_three_decimals_are_refused():
    with pytest.raises(OrderInvalidError, match="hundredths"):
        units_to_volume(0.001)


# Times


@given(st.integers(0, MAX_WIRE_MILLIS))
def test_every_wire_time_comes_back(millis):
    moment = datetime_from_millis(millis)
    assert moment.utcoffset() == timedelta(0)
    assert millis_from_datetime(moment) == millis


def test_datetime_from_millis_is_exact():
    assert datetime_from_millis(1_795_845_600_123) == datetime(
        2026, 11, 28, 6, 0, 0, 123_000, tzinfo=UTC
    )


def test_datetime_from_minutes():
    assert datetime_from_minutes(29_930_760) == datetime(2026, 11, 28, 6, tzinfo=UTC)


@pytest.mark.parametrize("count", [10**18, -(10**18), 2**64])
def test_time_outside_the_calendar_is_a_protocol_error(count):
    with pytest.raises(ProtocolError, match="1 to 9999"):
        datetime_from_millis(count)
    with pytest.raises(ProtocolError, match="1 to 9999"):
        datetime_from_minutes(count)


def test_server_times_beyond_2038_can_be_read():
    assert datetime_from_millis(4_102_444_800_000) == datetime(2100, 1, 1, tzinfo=UTC)


def test_naive_datetime_is_refused():
    naive = datetime(2026, 11, 28, 6, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="no time zone"):
        millis_from_datetime(naive)


def test_other_zones_are_converted_and_microseconds_cut():
    moment = datetime(2026, 11, 28, 8, 0, 0, 999, tzinfo=timezone(timedelta(hours=2)))
    assert millis_from_datetime(moment) == 1_795_845_600_000


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 6, 1000, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
)
def test_time_that_the_server_does_not_accept_is_refused(moment):
    with pytest.raises(ValueError, match="outside what the server accepts"):
        millis_from_datetime(moment)
