"""Conversions between the wire's integers and what traders read.

None of them rounds silently.

On the wire, market prices count 1/100000 of a price unit whatever the symbol's digits, volumes
count hundredths of a unit, money counts 10**-moneyDigits, and times count milliseconds since 1970
in UTC.
"""

from __future__ import annotations

__all__ = [
    "DAY",
    "DEFAULT_MONEY_DIGITS",
    "HOUR",
    "MAX_WIRE_MILLIS",
    "MICROSECOND",
    "MILLISECOND",
    "MINUTE",
    "PRICE_DIGITS",
    "PRICE_SCALE",
    "SECOND",
    "VOLUME_SCALE",
    "Nanos",
    "datetime_from_millis",
    "datetime_from_minutes",
    "decimal_from_number",
    "integer_of",
    "is_on_grid",
    "lots_to_volume",
    "millis_from_datetime",
    "money_from_wire",
    "money_to_wire",
    "nearest_on_grid",
    "price_from_wire",
    "price_on_grid",
    "price_to_wire",
    "to_nanos",
    "to_seconds",
    "units_to_volume",
    "volume_to_lots",
    "volume_to_units",
]

import math
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from operator import index
from typing import Final, SupportsIndex, TypeAlias

from ctrader.errors import OrderInvalidError, ProtocolError

Nanos: TypeAlias = int
"""A duration or a reading of a monotonic clock, in nanoseconds."""

MICROSECOND: Final[Nanos] = 1_000
MILLISECOND: Final[Nanos] = 1_000 * MICROSECOND
SECOND: Final[Nanos] = 1_000 * MILLISECOND
MINUTE: Final[Nanos] = 60 * SECOND
HOUR: Final[Nanos] = 60 * MINUTE
DAY: Final[Nanos] = 24 * HOUR

PRICE_DIGITS: Final = 5  # decimals of every market price on the wire, whatever the symbol's digits
PRICE_SCALE: Final = 10**PRICE_DIGITS
VOLUME_SCALE: Final = 100  # volumes count hundredths of a unit
DEFAULT_MONEY_DIGITS: Final = 2  # where a message and its trader name none
MAX_WIRE_MILLIS: Final = 2_147_483_646_000  # the largest timestamp that the server accepts

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MAX_MONEY_DIGITS: Final = 18  # more do not fit the wire's 64-bit integers
_MAX_GRID_DIGITS: Final = 15  # more do not fit a float
_MAX_WIRE_INTEGER: Final = 2**63 - 1
_MAX_EXPONENT: Final = 40  # exact arithmetic on 1e999999999 would eat the memory
_FLOAT_NOISE: Final = 8  # units in the last place that a few additions of floats may leave behind
# A difference of two prices, as distances are made, keeps the noise of the prices, of which its own
# last places say nothing: in price units, what those of prices up to 100,000 leave behind.
_DIFFERENCE_NOISE: Final = 9e-11
_MOST_NOISE: Final = 0.99e-3  # steps of a grid; what is nearer to it was meant to lie on it
_LOTS_CONTEXT: Final = Context(prec=28)


# Durations


def to_nanos(seconds: float) -> Nanos:
    """Convert seconds to nanoseconds, to the nearest.

    Raises: ValueError: `seconds` is NaN or infinite.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"a duration must be a finite number of seconds, not {seconds}")
    # Whole seconds apart from the rest: their product with 10**9 would not fit a float's 53 bits.
    whole = math.floor(seconds)
    return whole * SECOND + round((seconds - whole) * SECOND)


def to_seconds(nanos: Nanos) -> float:
    """Convert nanoseconds to seconds."""
    return nanos / SECOND


# Prices


def price_from_wire(value: int) -> float:
    """Convert a market price from 1/100000 to the nearest float."""
    return value / PRICE_SCALE


def price_to_wire(price: float | Decimal, *, is_difference: bool = False) -> int:
    """Convert a market price or a relative distance to 1/100000.

    Args:
        price: In price units. What a few additions leave behind in a float (1.1 + 0.002 is
            1.1020000000000001) is forgiven, and so is what the difference of two prices
            leaves behind; anything larger is not.
        is_difference: Forgive whatever is under a thousandth of a step: the noise of a difference
            is that of its prices, however large they were.

    Raises: OrderInvalidError: it has more than 5 decimals, or is NaN, infinite or too large.
    """
    scaled = _on_grid(price, PRICE_DIGITS, is_difference=is_difference)
    if scaled is None:
        raise OrderInvalidError(
            f"{_show(price)} has more than {PRICE_DIGITS} decimals, which the wire cannot carry. "
            "Round it first.",
            field="price",
            value=price,
        )
    if abs(scaled) > _MAX_WIRE_INTEGER:
        raise OrderInvalidError(f"{_show(price)} is too large.", field="price", value=price)
    return scaled


def is_on_grid(price: float | Decimal, digits: int, *, is_difference: bool = False) -> bool:
    """Tell whether a price has at most `digits` decimals, float noise forgiven.

    Args:
        price: In price units.
        digits: Decimals of the grid.
        is_difference: Forgive as much as `price_to_wire` does of a distance.

    Raises: OrderInvalidError: the price is NaN, infinite or far too large.
        ValueError: `digits` is not in 0..15.
    """
    return _on_grid(price, _grid_digits(digits), is_difference=is_difference) is not None


def nearest_on_grid(
    price: float | Decimal, digits: int, *, is_difference: bool = False
) -> tuple[float, float]:
    """Return the neighbours of a price with `digits` decimals, below and above.

    Both are the price itself, free of noise, if it lies on the grid.

    Args:
        price: In price units.
        digits: Decimals of the grid.
        is_difference: Forgive as much as `price_to_wire` does of a distance.

    Raises: OrderInvalidError: the price is NaN, infinite or far too large.
        ValueError: `digits` is not in 0..15.
    """
    scale: int = 10 ** _grid_digits(digits)
    scaled = _on_grid(price, digits, is_difference=is_difference)
    if scaled is not None:
        return (scaled / scale, scaled / scale)
    below = math.floor(_exact(price, "price") * scale)
    return (below / scale, (below + 1) / scale)


def price_on_grid(price: float | Decimal, digits: int, *, field: str = "price") -> float:
    """Return the price as it should be sent: on the symbol's grid and free of noise.

    Args:
        price: In price units.
        digits: Decimals that the symbol allows.
        field: Name of the argument, for the error.

    Raises: OrderInvalidError: it is not on the grid; the message names its neighbours there.
        ValueError: `digits` is not in 0..15.
    """
    scale: int = 10 ** _grid_digits(digits)
    scaled = _on_grid(price, digits, field)
    if scaled is None:
        below, above = nearest_on_grid(price, digits)
        raise OrderInvalidError(
            f"{field} {_show(price)} is not on the symbol's grid of {digits} decimals; "
            f"use {below:.{digits}f} or {above:.{digits}f}.",
            field=field,
            value=price,
        )
    return scaled / scale


def decimal_from_number(number: float | Decimal, *, field: str) -> Decimal:
    """Return the number that a person sees: for a float, that of its shortest text.

    Args:
        number: An int, a float or a Decimal.
        field: Name of the argument, for the error.

    Raises: OrderInvalidError: it is no number, not finite or far too large.
    """
    return _decimal(number, field)


def integer_of(value: object) -> int | None:
    """Return what stands for a whole number, also another library's; else None."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    try:
        return index(value)
    except TypeError:  # an array of several elements: it has the method, and no answer
        return None


# Money


def money_from_wire(value: int, digits: int | None) -> Decimal:
    """Convert an amount of money, exactly.

    Args:
        value: Amount in units of 10**-digits.
        digits: `moneyDigits` of the message that carries the amount; None counts as 2.

    Raises: ProtocolError: the server sent digits outside 0..18.
    """
    places = DEFAULT_MONEY_DIGITS if digits is None else digits
    if not 0 <= places <= _MAX_MONEY_DIGITS:
        raise ProtocolError(f"The server sent moneyDigits {places}, which makes no sense.")
    # Built from its digits: arithmetic would round to the precision that the caller's context has.
    return Decimal((int(value < 0), tuple(map(int, str(abs(value)))), -places))


def money_to_wire(amount: Decimal | int, digits: int | None) -> int:
    """Convert an amount of money to units of 10**-digits, exactly.

    Raises: ValueError: the amount has more decimals than that, is not finite or does not fit the
        wire.
    """
    places = DEFAULT_MONEY_DIGITS if digits is None else digits
    if not 0 <= places <= _MAX_MONEY_DIGITS:
        raise ValueError(f"digits must be in 0..{_MAX_MONEY_DIGITS}, not {places}")
    scaled = _exact(amount, "amount") * 10**places
    if scaled.denominator != 1:
        raise ValueError(f"{amount} has more than {places} decimals")
    if abs(scaled) > _MAX_WIRE_INTEGER:
        raise ValueError(f"{amount} is too large")
    return int(scaled)


# Volumes


def lots_to_volume(lots: float | Decimal, lot_size: int) -> int:
    """Convert lots to a volume in hundredths of a unit.

    Args:
        lots: Number of lots, for example 0.10.
        lot_size: `Symbol.lot_size`, in hundredths of a unit; never assume it (EURUSD: 10_000_000).

    Raises: OrderInvalidError: it is not positive, not finite or does not come to a whole volume.
        ValueError: `lot_size` is not positive.
    """
    _check_lot_size(lot_size)
    return _volume(lots, lot_size, "lots", f"with a lot size of {lot_size}")


def units_to_volume(units: float | Decimal) -> int:
    """Convert units, mostly of the base asset, to a volume in hundredths of a unit.

    Raises: OrderInvalidError: it is not positive, not finite or has more than two decimals.
    """
    return _volume(units, VOLUME_SCALE, "units", "in hundredths of a unit")


def volume_to_lots(volume: int, lot_size: int, *, field: str = "volume") -> Decimal:
    """Convert a volume in hundredths of a unit to lots.

    Args:
        volume: In hundredths of a unit.
        lot_size: `Symbol.lot_size`, in hundredths of a unit.
        field: Name of the argument, for the error.

    Returns: The exact number; where that has no end (a lot size of 3, say), 28 significant digits,
        which `lots_to_volume` takes back.

    Raises: OrderInvalidError: the volume is no int.
        ValueError: `lot_size` is not positive.
    """
    _check_lot_size(lot_size)
    return _LOTS_CONTEXT.divide(Decimal(_cents(volume, field)), Decimal(lot_size))


def volume_to_units(volume: int, *, field: str = "volume") -> Decimal:
    """Convert a volume in hundredths of a unit to units, exactly.

    Args:
        volume: In hundredths of a unit.
        field: Name of the argument, for the error.

    Raises: OrderInvalidError: the volume is no int.
    """
    return money_from_wire(_cents(volume, field), 2)


# Times


def datetime_from_millis(millis: int) -> datetime:
    """Convert Unix milliseconds to an aware datetime in UTC, exactly.

    Raises: ProtocolError: the time is outside the years 1 to 9999.
    """
    return _datetime(millis, timedelta(milliseconds=1), "milliseconds")


def datetime_from_minutes(minutes: int) -> datetime:
    """Convert Unix minutes, as trendbars carry them, to an aware datetime in UTC.

    Raises: ProtocolError: the time is outside the years 1 to 9999.
    """
    return _datetime(minutes, timedelta(minutes=1), "minutes")


def millis_from_datetime(moment: datetime) -> int:
    """Convert an aware datetime to Unix milliseconds; microseconds are cut off.

    Raises: ValueError: the datetime is naive, or outside what the server accepts
        (1970-01-01 00:00:00 to 2038-01-19 03:14:06 UTC).
    """
    if moment.utcoffset() is None:
        raise ValueError(
            f"{moment.isoformat()} has no time zone; add one, for example tzinfo=datetime.UTC"
        )
    millis = (moment - _EPOCH) // _MILLISECOND
    if not 0 <= millis <= MAX_WIRE_MILLIS:
        raise ValueError(
            f"{moment.isoformat()} is outside what the server accepts: "
            f"{_EPOCH.isoformat()} to {datetime_from_millis(MAX_WIRE_MILLIS).isoformat()}"
        )
    return millis


# Private


def _show(value: int | float | Decimal) -> str:
    return str(float(value)) if isinstance(value, float) else str(value)


def _exact(value: object, field: str) -> Fraction:
    return Fraction(_decimal(value, field))


def _decimal(value: object, field: str) -> Decimal:
    """Return the number that a person sees: for a float, that of its shortest text."""
    if isinstance(value, float):
        # float() first: subclasses such as numpy.float64 have another repr.
        number = Decimal(repr(float(value)))
    elif isinstance(value, Decimal):
        number = value
    elif (integer := integer_of(value)) is not None:
        number = Decimal(integer)
    else:
        raise OrderInvalidError(
            f"{field} must be a number as an int, a float or a Decimal, not {value!r}.", field=field
        )
    if not number.is_finite():
        raise OrderInvalidError(f"{field} must be a finite number, not {number}.", field=field)
    if not number:
        return Decimal(0)
    exponent = number.as_tuple().exponent
    if number.adjusted() > _MAX_EXPONENT or not isinstance(exponent, int):
        raise OrderInvalidError(f"{field} {number} is too large.", field=field, value=number)
    if exponent < -10 * _MAX_EXPONENT:
        raise OrderInvalidError(
            f"{field} {number} has too many decimals.", field=field, value=number
        )
    return number


def _whole(
    value: float | Decimal, scale: int, field: str, *, least_noise: float = 0.0
) -> int | None:
    """Return value x scale if that is a whole number, float noise forgiven."""
    scaled = _exact(value, field) * scale
    if scaled.denominator == 1:
        return int(scaled)
    if not isinstance(value, float):
        return None
    # The invariant: what is forgiven is under a thousandth of a step, so it can never choose a
    # neighbour; and nothing small becomes zero.
    nearest = round(scaled)
    noise = max(_FLOAT_NOISE * math.ulp(value), least_noise)
    if nearest and noise * scale < 1e-3 and abs(value - nearest / scale) <= noise:
        return nearest
    return None


def _on_grid(
    price: float | Decimal, digits: int, field: str = "price", *, is_difference: bool = False
) -> int | None:
    noise = _MOST_NOISE / 10**digits if is_difference else _DIFFERENCE_NOISE
    return _whole(price, 10**digits, field, least_noise=noise)


def _grid_digits(digits: int) -> int:
    if not 0 <= digits <= _MAX_GRID_DIGITS:
        raise ValueError(f"digits must be in 0..{_MAX_GRID_DIGITS}, not {digits}")
    return digits


def _volume(value: float | Decimal, scale: int, field: str, how: str) -> int:
    volume = _whole(value, scale, field)
    if volume is None and isinstance(value, Decimal):
        # What volume_to_lots gave for a quotient without end must come back as the volume it was.
        nearest = round(_exact(value, field) * scale)
        if _LOTS_CONTEXT.divide(Decimal(nearest), Decimal(scale)) == value:
            volume = nearest
    if volume is None:
        raise OrderInvalidError(
            f"{_show(value)} {field} is not a whole volume {how}. "
            "Round it to the symbol's step first.",
            field=field,
            value=value,
        )
    if not 0 < volume <= _MAX_WIRE_INTEGER:
        raise OrderInvalidError(
            f"{field} must be positive and fit the wire, not {_show(value)}.",
            field=field,
            value=value,
        )
    return volume


def _cents(volume: object, field: str) -> int:
    cents = integer_of(volume)
    if cents is not None:
        return cents
    raise OrderInvalidError(
        f"{field} must be a volume in hundredths of a unit as an int, not {volume!r}; lots are "
        "converted by symbol.lots_to_volume().",
        field=field,
    )


def _check_lot_size(lot_size: int) -> None:
    if lot_size <= 0:
        raise ValueError(f"lot_size must be positive, not {lot_size}")


def _datetime(count: int, step: timedelta, unit: str) -> datetime:
    try:
        return _EPOCH + count * step
    except OverflowError:
        raise ProtocolError(
            f"{count} {unit} since 1970 is no time of the years 1 to 9999."
        ) from None
