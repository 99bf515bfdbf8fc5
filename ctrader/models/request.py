"""Check what a trader wants to send before it is sent.

Requests raise `OrderInvalidError` naming the field, its value and the remedy; the errors of the
validation library never reach the caller.
"""

from __future__ import annotations

__all__ = [
    "CLEAR",
    "Clear",
    "ClearableDistance",
    "ClearableExpiration",
    "ClearablePrice",
    "ClientOrderId",
    "Comment",
    "Distance",
    "Expiration",
    "Flag",
    "Id",
    "Label",
    "Points",
    "Price",
    "TradingRequest",
    "Volume",
    "member_of",
    "set_or_none",
]

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from inspect import Parameter, Signature
from typing import Annotated, Any, Final, Self, TypeAlias, TypeVar, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo

from ctrader.enums import WireEnum
from ctrader.errors import OrderInvalidError
from ctrader.units import (
    PRICE_DIGITS,
    PRICE_SCALE,
    integer_of,
    is_on_grid,
    millis_from_datetime,
    nearest_on_grid,
    price_on_grid,
)

MAX_CLIENT_ORDER_ID_LENGTH: Final = 50
MAX_LABEL_LENGTH: Final = 100
MAX_COMMENT_LENGTH: Final = 512
_MOST_PRICE_DIGITS: Final = 8  # decimals of the finest prices that brokers quote
_MAX_INT32: Final = 2**31 - 1
_MAX_INT64: Final = 2**63 - 1
_MAX_PRICE: Final = _MAX_INT64 // PRICE_SCALE  # the wire counts market prices in 1/100000

_E = TypeVar("_E", bound=WireEnum)
_T = TypeVar("_T")


class Clear(Enum):
    """The type of `CLEAR`, which has no other value."""

    CLEAR = "CLEAR"
    """Remove what is there."""

    def __repr__(self) -> str:
        return "CLEAR"


CLEAR: Final = Clear.CLEAR
"""Remove a stop loss, a take profit or an expiration, in a request that changes something.

What such a request does not name, and what it names as None, stays as it is: a None that slipped in
from a variable must not leave a position without its stop loss.
"""


class TradingRequest(BaseModel):
    """Base of everything that changes orders and positions.

    A field that was not named is not sent, so that the server's own default holds; None is the
    same as not naming it. A False or a zero that was named is sent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **data: Any) -> None:
        """Check the fields.

        Raises:
            OrderInvalidError: a field, or how fields go together, cannot be right.
        """
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _refusal(error, type(self).__name__, data) from None

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Let `help()` and notebooks show what a request takes, not how it is checked."""
        super().__pydantic_init_subclass__(**options)
        types = get_type_hints(cls)
        cls.__signature__ = Signature(
            [
                Parameter(
                    name,
                    Parameter.KEYWORD_ONLY,
                    default=Parameter.empty if field.is_required() else field.default,
                    annotation=types[name],
                )
                for name, field in cls.model_fields.items()
            ],
            return_annotation=None,
        )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with some fields changed, checked as a new request is.

        Raises:
            OrderInvalidError: a field, or how fields go together, cannot be right.
        """
        named = {name: getattr(self, name) for name in self.model_fields_set}
        # A key that is no text is refused like any other name that is not known.
        changes = {str(name): value for name, value in (update or {}).items()}
        return type(self)(**{**named, **changes})

    # Any: the signatures of those below are the base class's.
    def copy(self, **options: Any) -> Self:
        """Do the same as `model_copy`; pydantic's own `copy` would check nothing.

        Raises:
            OrderInvalidError: a field, or how fields go together, cannot be right.
        """
        return self.model_copy(**options)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Make a request from a mapping.

        Raises:
            OrderInvalidError: a field, or how fields go together, cannot be right.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise _refusal(error, cls.__name__, {}) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Make a request from a JSON text.

        Raises:
            OrderInvalidError: a field, or how fields go together, cannot be right.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise _refusal(error, cls.__name__, {}) from None

    @classmethod
    def model_validate_strings(cls, obj: Any, **options: Any) -> Self:
        """Make a request from a mapping of texts; ids and volumes are none.

        Raises:
            OrderInvalidError: a field, or how fields go together, cannot be right.
        """
        try:
            return super().model_validate_strings(obj, **options)
        except ValidationError as error:
            raise _refusal(error, cls.__name__, {}) from None

    def names(self, field: str) -> bool:
        """Tell whether the caller gave this field a value; None is none, `CLEAR` is one."""
        return field in self.model_fields_set and getattr(self, field) is not None

    def named(self) -> dict[str, object]:
        """Return the fields that the caller gave a value."""
        return {field: getattr(self, field) for field in self.model_fields_set if self.names(field)}


def member_of(enum: type[_E]) -> Callable[[object, ValidationInfo], _E]:
    """Make the check that a field holds a named member of an enum, or its number.

    An unknown member is refused, as nobody can mean to send one; so is a member of another enum,
    which is an int too and would pass for a wrong one.
    """

    def check(value: object, info: ValidationInfo) -> _E:
        field = info.field_name
        foreign = isinstance(value, WireEnum) and not isinstance(value, enum)
        if foreign or isinstance(value, bool) or not isinstance(value, int):
            raise OrderInvalidError(
                f"{field} must be one of {enum.__name__}, not {value!r}.", field=field
            )
        member = enum(value)
        if not member.is_known:
            raise OrderInvalidError(
                f"{field} {member!r} is not known here; use a named member of {enum.__name__}.",
                field=field,
                value=value,
            )
        return member

    return check


def _refusal(error: ValidationError, name: str, data: dict[str, Any]) -> OrderInvalidError:
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, OrderInvalidError):
        cause.client_order_id = _text_or_none(data.get("client_order_id"))
        return cause
    field = ".".join(map(str, first["loc"])) or None
    value = first["input"]
    shown = value if isinstance(value, str | int | float | Decimal | datetime) else None
    text = f"{name} is invalid: {first['msg']}"
    if field is not None:
        given = "" if first["type"] == "missing" else f" (given: {value!r})"
        text = f"{name} field {field} is invalid: {first['msg']}{given}"
    return OrderInvalidError(
        f"{text}. Correct it and place the request again.",
        client_order_id=_text_or_none(data.get("client_order_id")),
        field=field,
        value=shown,
    )


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _price(value: object, info: ValidationInfo) -> float:
    return _positive(value, info, "Leave it out, or give None, for none.")


def _new_price(value: object, info: ValidationInfo) -> float:
    return _positive(value, info, "Leave it out to keep what is there; CLEAR removes it.")


def _distance(value: object, info: ValidationInfo) -> float:
    return _without_difference_noise(_price(value, info))


def _new_distance(value: object, info: ValidationInfo) -> float:
    return _without_difference_noise(_new_price(value, info))


def _without_difference_noise(distance: float) -> float:
    # 15000123.45 - 15000100.15 is 23.299999998882413: the noise is that of the prices, and the
    # wire's decimals are the finest that a distance may have.
    if is_on_grid(distance, PRICE_DIGITS, is_difference=True):
        distance, _ = nearest_on_grid(distance, PRICE_DIGITS, is_difference=True)
    return distance


def _positive(value: object, info: ValidationInfo, remedy: str) -> float:
    """Take a price or a distance as any finite positive number, free of noise of arithmetic."""
    field = info.field_name
    number = value if isinstance(value, float | Decimal) else integer_of(value)
    if number is None:
        raise OrderInvalidError(
            f"{field} must be a number in price units, not {value!r}.", field=field
        )
    try:
        price = float(number)
    except OverflowError:
        price = float("inf")
    if not 0 < price < float("inf"):
        raise OrderInvalidError(
            f"{field} must be a finite number above 0, not {number}. {remedy}",
            field=field,
            value=number,
        )
    if price > _MAX_PRICE:
        raise OrderInvalidError(
            f"{field} {price} is too large for the wire, which takes {_MAX_PRICE} at most.",
            field=field,
            value=price,
        )
    # 1.1 + 2.2 is 3.3000000000000003 to Python, and the server would refuse its 16 decimals.
    for digits in range(_MOST_PRICE_DIGITS, -1, -1):
        if is_on_grid(price, digits):
            return price_on_grid(price, digits)
    return price


def _whole_number(value: object, info: ValidationInfo, least: int, most: int, what: str) -> int:
    field = info.field_name
    number = integer_of(value)
    if number is None:
        raise OrderInvalidError(f"{field} must be {what} as an int, not {value!r}.", field=field)
    if not least <= number <= most:
        raise OrderInvalidError(
            f"{field} must be {what} from {least} to {most}, not {number}.",
            field=field,
            value=number,
        )
    return number


def _volume(value: object, info: ValidationInfo) -> int:
    if isinstance(value, float | Decimal):
        raise OrderInvalidError(
            f"{info.field_name} must be a volume in hundredths of a unit as an int, not {value}; "
            f"lots are converted by symbol.lots_to_volume({value}).",
            field=info.field_name,
            value=value,
        )
    return _whole_number(value, info, 1, _MAX_INT64, "a volume in hundredths of a unit")


def _id(value: object, info: ValidationInfo) -> int:
    return _whole_number(value, info, 1, _MAX_INT64, "an id")


def _points(value: object, info: ValidationInfo) -> int:
    return _whole_number(value, info, 0, _MAX_INT32, "a number of points")


def _flag(value: object, info: ValidationInfo) -> bool:
    if isinstance(value, bool):
        return value
    raise OrderInvalidError(
        f"{info.field_name} must be True or False, not {value!r}.", field=info.field_name
    )


def _moment(value: object, info: ValidationInfo) -> datetime:
    field = info.field_name
    if not isinstance(value, datetime):
        raise OrderInvalidError(f"{field} must be a datetime, not {value!r}.", field=field)
    try:
        millis_from_datetime(value)
    except ValueError as error:
        raise OrderInvalidError(f"{field}: {error}.", field=field, value=value) from None
    return value


def _text(value: object, info: ValidationInfo, longest: int) -> str:
    field = info.field_name
    if not isinstance(value, str):
        raise OrderInvalidError(f"{field} must be a str, not {value!r}.", field=field)
    if len(value) > longest:
        raise OrderInvalidError(
            f"{field} has {len(value)} characters, the server takes {longest} at most; shorten it.",
            field=field,
            value=value,
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise OrderInvalidError(
            f"{field} {value!r} cannot be written as UTF-8.", field=field, value=value
        ) from None
    return str(value)


def _label(value: object, info: ValidationInfo) -> str:
    return _text(value, info, MAX_LABEL_LENGTH)


def _comment(value: object, info: ValidationInfo) -> str:
    return _text(value, info, MAX_COMMENT_LENGTH)


def _client_order_id(value: object, info: ValidationInfo) -> str:
    return _text(value, info, MAX_CLIENT_ORDER_ID_LENGTH)


def _or_clear(
    check: Callable[[object, ValidationInfo], _T],
) -> Callable[[object, ValidationInfo], _T | Clear]:
    def check_unless_cleared(value: object, info: ValidationInfo) -> _T | Clear:
        return CLEAR if value is CLEAR else check(value, info)

    return check_unless_cleared


def set_or_none(value: _T | Clear | None) -> _T | None:
    """Return what is to be set; None where nothing is, or where something is removed."""
    return None if isinstance(value, Clear) else value


Price: TypeAlias = Annotated[float, BeforeValidator(_price)]
"""A price in price units; ints and Decimals are taken too."""
Distance: TypeAlias = Annotated[float, BeforeValidator(_distance)]
"""A distance between two prices, in price units, always positive."""
Volume: TypeAlias = Annotated[int, BeforeValidator(_volume)]
"""A volume in hundredths of a unit."""
Id: TypeAlias = Annotated[int, BeforeValidator(_id)]
"""An id that the server gave."""
Points: TypeAlias = Annotated[int, BeforeValidator(_points)]
"""A number of the symbol's smallest price steps, 10**-digits each."""
Flag: TypeAlias = Annotated[bool, BeforeValidator(_flag)]
"""True or False and nothing that only looks like it."""
Expiration: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]
"""An aware datetime that the server can be told."""
ClearablePrice: TypeAlias = Annotated[float | Clear, BeforeValidator(_or_clear(_new_price))]
"""A price, or `CLEAR` for none from now on."""
ClearableDistance: TypeAlias = Annotated[float | Clear, BeforeValidator(_or_clear(_new_distance))]
"""A distance, or `CLEAR` for none from now on."""
ClearableExpiration: TypeAlias = Annotated[datetime | Clear, BeforeValidator(_or_clear(_moment))]
"""A time of expiry, or `CLEAR` for none from now on."""
Label: TypeAlias = Annotated[str, BeforeValidator(_label)]
"""A text of at most 100 characters."""
Comment: TypeAlias = Annotated[str, BeforeValidator(_comment)]
"""A text of at most 512 characters."""
ClientOrderId: TypeAlias = Annotated[str, BeforeValidator(_client_order_id)]
"""A text of at most 50 characters."""
