"""Check the types of arguments; a mistake is named before anything is sent.

Not every program is checked by a type checker, and protobuf's own errors name neither the argument
nor the remedy.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import wraps
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Final,
    ParamSpec,
    SupportsFloat,
    TypeVar,
    cast,
)

from ctrader.credentials import AccountCredentials
from ctrader.enums import NotificationType, QuoteType, TrendbarPeriod, WireEnum
from ctrader.errors import OrderInvalidError
from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
from ctrader.units import integer_of, millis_from_datetime

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "account_id_of",
    "checks_arguments",
    "checks_order_arguments",
    "margin_call_type_of",
    "margin_level_of",
    "period_of",
    "quote_type_of",
    "seconds_of",
    "volumes_of",
]

P = ParamSpec("P")
R = TypeVar("R")

_Refusal: TypeAlias = Callable[[str, str], ValueError]
_Check: TypeAlias = Callable[[str, object, _Refusal], object]

_MAX_WHOLE: Final = 2**63 - 1  # the wire has ids and volumes in 64 bits with a sign
_MAX_ROWS: Final = 2**31 - 1  # the field is an int32
_LONGEST_SHOWN: Final = 32
"""Characters of a value that an error shows: what is longer may be a token in a wrong place."""
_BY_NAME: Final = "; client.symbols.get_by_name() finds the symbol of a name"


def checks_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Check what an operation is given: ids, times, numbers of rows, requests.

    Their names tell which: times, numbers of rows, tokens, logins, credentials and requests are
    known by theirs. Ids arrive as ints, and as a list of ints. What is None by default may be None.

    Raises:
        ValueError: an argument is not what its name says; nothing was begun.
    """
    return _checked(function, lambda message, _: ValueError(message))


def checks_order_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Do the same for a trading request.

    Raises:
        OrderInvalidError: an argument is not what its name says; nothing was begun.
    """
    return _checked(function, lambda message, field: OrderInvalidError(f"{message}.", field=field))


def account_id_of(account_id: object) -> int:
    """Return the id of an account as an int.

    Raises:
        ValueError: it is no id.
    """
    return _id("account_id", account_id, _plain)


def seconds_of(timeout: object, *, may_be_endless: bool = False) -> float:
    """Return a time to wait, in seconds; one that is negative is over at once.

    Args:
        timeout: What was given, but None.
        may_be_endless: Take an infinite time, too.

    Raises:
        ValueError: it is no number, or none that is finite.
    """
    if isinstance(timeout, SupportsFloat) and not isinstance(timeout, bool):
        try:
            found = float(timeout)
        except (OverflowError, TypeError, ValueError):  # too large, no single number
            found = math.nan
        if math.isfinite(found) or (may_be_endless and found == math.inf):
            return found
    raise ValueError(
        f"timeout{_given(timeout)} is no time: give seconds as a finite number, such as 5.0, or "
        "None"
    )


def volumes_of(volumes: object) -> list[int]:
    """Return volumes in hundredths of a unit as ints.

    Raises:
        ValueError: it is no list of volumes, or one of them is no volume.
    """
    found: list[int] = []
    for value in _elements("volumes", volumes, "volumes", "give a list of ints"):
        volume = integer_of(value)
        if volume is None or not 0 < volume <= _MAX_WHOLE:
            give = "an int" if volume is None else f"an int from 1 to {_MAX_WHOLE}"
            raise ValueError(
                f"volumes holds {_shown(value)}, which is no volume in hundredths of a unit: give "
                f"{give}; lots are converted by symbol.lots_to_volume()"
            )
        found.append(volume)
    return found


def margin_call_type_of(given: object) -> NotificationType:
    """Return the margin call that is meant; a bare number could mean something else.

    Raises:
        ValueError: it is none that this library knows.
    """
    if isinstance(given, NotificationType) and given.is_known:
        return given
    member = "NotificationType.MARGIN_LEVEL_THRESHOLD_"
    shown = f"={given}" if isinstance(given, WireEnum) else _given(given)
    raise ValueError(
        f"margin_call_type{shown} is no margin call: give {member}1, {member}2 or {member}3"
    )


def margin_level_of(level: object) -> float:
    """Return a margin level in percent as the wire has it.

    Raises:
        ValueError: it is no number, none that is finite, or below zero.
    """
    if isinstance(level, int | float | Decimal) and not isinstance(level, bool):
        try:
            found = float(level)
        except (OverflowError, ValueError):  # an int too large; a signalling NaN
            found = math.inf
        if math.isfinite(found) and found >= 0:
            return found
    raise ValueError(
        f"margin_level_threshold{_given(level)} is no margin level: give percent as a finite "
        "number of 0 or more, such as 70.5"
    )


def period_of(period: object) -> TrendbarPeriod:
    """Return a period that may be given by its name.

    Raises:
        ValueError: it is none. A number is none either: it would be taken for minutes.
    """
    if isinstance(period, TrendbarPeriod) and period.is_known:
        return period
    if isinstance(period, str):
        return TrendbarPeriod.parse(period)
    raise ValueError(
        f"period{_given(period)} is no TrendbarPeriod: give TrendbarPeriod.H1, for example, or its "
        "name"
    )


def quote_type_of(quote_type: object) -> QuoteType:
    """Return a side of the market that may be given by its name.

    Raises:
        ValueError: it is none. A number is none either: that of a side of an order would pass.
    """
    if isinstance(quote_type, QuoteType) and quote_type.is_known:
        return quote_type
    if isinstance(quote_type, str):
        return QuoteType.parse(quote_type)
    raise ValueError(
        f"quote_type{_given(quote_type)} is no QuoteType: give QuoteType.BID or QuoteType.ASK, or "
        "its name"
    )


# Private


def _checked(function: Callable[P, R], refusal: _Refusal) -> Callable[P, R]:
    parameters = inspect.signature(function).parameters
    names = tuple(parameters)
    checks = {
        name: _or_none(check) if parameter.default is None else check
        for name, parameter in parameters.items()
        if (check := _check_of(parameter)) is not None
    }
    assert checks, "there is nothing to check"

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given: list[object] = list(args)  # too many: Python's own error says so
        named: dict[str, object] = dict(kwargs)
        # In the order of the parameters: of several mistakes the first is named.
        for at, name in enumerate(names):
            check = checks.get(name)
            if check is None:
                continue
            if at < len(given):
                given[at] = check(name, given[at], refusal)
            elif name in named:
                named[name] = check(name, named[name], refusal)
        # The values are those that were given, ids as ints.
        return function(*given, **named)  # type: ignore[arg-type]

    return checked


def _check_of(parameter: inspect.Parameter) -> _Check | None:
    name = parameter.name
    if name == "request":
        # Its annotation is the name of the model, as this project's annotations are texts.
        return _request_check(_REQUESTS[parameter.annotation])
    _, underscore, end = name.rpartition("_")
    return _CHECKS.get(name) or _CHECKS.get(f"{underscore}{end}")


def _or_none(check: _Check) -> _Check:
    def check_unless_none(name: str, value: object, refusal: _Refusal) -> object:
        return None if value is None else check(name, value, refusal)

    return check_unless_none


def _plain(message: str, _: str) -> ValueError:
    return ValueError(message)


def _id(name: str, value: object, refusal: _Refusal) -> int:
    found = integer_of(value)
    if found is None or not 0 < found <= _MAX_WHOLE:
        raise refusal(f"{name}{_given(value)} is no id: {_remedy(name, value)}", name)
    return found


def _ids(name: str, values: object, refusal: _Refusal) -> list[int]:
    found: list[int] = []
    by_name = _BY_NAME if isinstance(values, str) and name == "symbol_ids" else ""
    for value in _elements(name, values, "ids", f"give the numbers as a list of ints{by_name}"):
        each = integer_of(value)
        if each is None or not 0 < each <= _MAX_WHOLE:
            remedy = _remedy(name.removesuffix("s"), value)
            raise refusal(f"{name} holds {_shown(value)}, which is no id: {remedy}", name)
        found.append(each)
    return found


def _moment(name: str, value: object, refusal: _Refusal) -> datetime:
    if not isinstance(value, datetime):
        raise refusal(
            f"{name}{_given(value)} is no datetime: give an aware one, such as "
            "datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)",
            name,
        )
    try:
        millis_from_datetime(value)
    except ValueError as error:
        raise refusal(f"{name}: {error}", name) from None
    return value


def _count(name: str, value: object, refusal: _Refusal) -> int:
    count = integer_of(value)
    if count is None or count < 1:
        raise refusal(f"{name}{_given(value)} is no number of bars: give an int of 1 or more", name)
    return count


def _rows(name: str, value: object, refusal: _Refusal) -> int:
    rows = integer_of(value)
    if rows is None or not 1 <= rows <= _MAX_ROWS:
        raise refusal(
            f"{name}{_given(value)} is no number of rows: give an int from 1 to {_MAX_ROWS}", name
        )
    return rows


def _login(name: str, value: object, refusal: _Refusal) -> int:
    login = integer_of(value)
    if login is None or not 0 < login <= _MAX_WHOLE:
        # A text that is no number may be a token in a wrong place.
        is_text = isinstance(value, str | bytes) and not value.isdigit()
        shown = f" of type {type(value).__name__}" if is_text else _given(value)
        raise refusal(
            f"{name}{shown} is no login: give the number that the terminal shows as an int; a "
            "token goes into access_token",
            name,
        )
    return login


def _token(name: str, value: object, refusal: _Refusal) -> str:
    """Take a token; whatever is wrong with it, its text is not shown."""
    if not isinstance(value, str):
        login = "" if integer_of(value) is None else "; a login goes into trader_login"
        raise refusal(
            f"{name} of type {type(value).__name__} is no token: give it as a str{login}", name
        )
    if not value:
        raise refusal(f"{name} is no token: it is empty", name)
    if not value.isprintable() or " " in value:
        raise refusal(
            f"{name} is no token: it holds white space or control characters; copy it again", name
        )
    return value


def _credentials(name: str, value: object, refusal: _Refusal) -> AccountCredentials:
    if isinstance(value, AccountCredentials):
        return value
    raise refusal(
        f"{name} of type {type(value).__name__} is no AccountCredentials: give "
        "AccountCredentials(account_id=..., access_token=..., refresh_token=..., expires_at=...)",
        name,
    )


def _text(name: str, value: object, refusal: _Refusal) -> str:
    if isinstance(value, str):
        return value
    raise refusal(f"{name}{_given(value)} is no text: give a str", name)


def _name(name: str, value: object, refusal: _Refusal) -> str:
    if isinstance(value, str):
        return value
    by_id = "" if integer_of(value) is None else "; client.symbols.get_by_id() takes an id"
    raise refusal(f"{name}{_given(value)} is no name: give it as a str{by_id}", name)


def _request_check(kind: type) -> _Check:
    def check(name: str, value: object, refusal: _Refusal) -> object:
        if isinstance(value, kind):
            return value
        given = _given(value)
        fields = f"**{name}" if isinstance(value, Mapping) else "..."
        raise refusal(
            f"{name}{given} is no {kind.__name__}: make one, {kind.__name__}({fields})",
            name,
        )

    return check


_REQUESTS: Final = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (NewOrderRequest, AmendOrderRequest, ClosePositionRequest, AmendPositionRequest)
    }
)
_CHECKS: Final[Mapping[str, _Check]] = MappingProxyType(
    {
        "_id": _id,
        "_ids": _ids,
        "_timestamp": _moment,
        "_token": _token,
        "trader_login": _login,
        "credentials": _credentials,
        "count": _count,
        "max_rows": _rows,
        "query": _text,
        "name": _name,
    }
)
"""Names of parameters, or how they end, and what checks them."""


def _elements(name: str, values: object, what: str, remedy: str) -> Iterable[object]:
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        return cast("Iterable[object]", values)  # of whatever they are
    alone = integer_of(values)
    raise ValueError(
        f"{name}{_given(values)} is no list of {what}: "
        f"{remedy if alone is None else f'give [{alone}]'}"
    )


def _remedy(name: str, value: object) -> str:
    if hasattr(value, name):
        return f"give its {name}"
    is_name = name == "symbol_id" and isinstance(value, str)
    if integer_of(value) is not None:
        return f"ids go from 1 to {_MAX_WHOLE}"
    return f"give the number as an int{_BY_NAME if is_name else ''}"


def _given(value: object) -> str:
    text = repr(value)
    return f"={text}" if len(text) <= _LONGEST_SHOWN else f" of type {type(value).__name__}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"a {type(value).__name__}"
