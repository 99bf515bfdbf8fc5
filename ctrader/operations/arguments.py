"""Check the types of arguments; a mistake is named before anything is sent.

Not every program is checked by a type checker, and protobuf's own errors name neither the argument
nor the remedy.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import wraps
from operator import index
from typing import TYPE_CHECKING, Final, ParamSpec, SupportsIndex, TypeVar, cast

from ctrader.enums import NotificationType, TrendbarPeriod, WireEnum
from ctrader.errors import OrderInvalidError

if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "margin_call_type_of",
    "margin_level_of",
    "period_of",
    "takes_ids",
    "takes_ids_of_orders",
    "volumes_of",
]

P = ParamSpec("P")
R = TypeVar("R")

_Refusal: TypeAlias = Callable[[str, str], ValueError]

_MAX_WHOLE: Final = 2**63 - 1  # the wire has ids and volumes in 64 bits with a sign
_LONGEST_SHOWN: Final = 32
"""Characters of a value that an error shows: what is longer may be a token in a wrong place."""
_BY_NAME: Final = "; client.symbols.get_by_name() finds the symbol of a name"


def takes_ids(function: Callable[P, R]) -> Callable[P, R]:
    """Check the parameters of an operation that are ids, or lists of ids.

    Their names tell which. What they are given arrives as ints, and as a list of ints.

    Raises:
        ValueError: an argument is no id; nothing was begun.
    """
    return _checked(function, lambda message, _: ValueError(message))


def takes_ids_of_orders(function: Callable[P, R]) -> Callable[P, R]:
    """Do the same for a trading request.

    Raises:
        OrderInvalidError: an argument is no id; nothing was begun.
    """
    return _checked(function, lambda message, field: OrderInvalidError(f"{message}.", field=field))


def volumes_of(volumes: object) -> list[int]:
    """Return volumes in hundredths of a unit as ints.

    Raises:
        ValueError: it is no list of volumes, or one of them is no volume.
    """
    found: list[int] = []
    for value in _elements("volumes", volumes, "volumes", "give a list of ints"):
        volume = _whole(value)
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


# Private


def _checked(function: Callable[P, R], refusal: _Refusal) -> Callable[P, R]:
    names = tuple(inspect.signature(function).parameters)
    checks = {name: _id for name in names if name.endswith("_id")}
    lists = {name: _ids for name in names if name.endswith("_ids")}
    ids: dict[str, Callable[[str, object, _Refusal], object]] = {**checks, **lists}
    assert ids, "there is nothing to check"

    @wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given: list[object] = [
            ids[name](name, value, refusal) if name in ids else value
            for name, value in zip(names, args, strict=False)
        ]
        given += args[len(given) :]  # too many: Python's own error says so
        named = {
            name: ids[name](name, value, refusal) if name in ids else value
            for name, value in kwargs.items()
        }
        # The values are those that were given, ids as ints.
        return function(*given, **named)  # type: ignore[arg-type]

    return checked


def _id(name: str, value: object, refusal: _Refusal) -> int:
    found = _whole(value)
    if found is None or not 0 < found <= _MAX_WHOLE:
        raise refusal(f"{name}{_given(value)} is no id: {_remedy(name, value)}", name)
    return found


def _ids(name: str, values: object, refusal: _Refusal) -> list[int]:
    found: list[int] = []
    by_name = _BY_NAME if isinstance(values, str) and name == "symbol_ids" else ""
    for value in _elements(name, values, "ids", f"give the numbers as a list of ints{by_name}"):
        each = _whole(value)
        if each is None or not 0 < each <= _MAX_WHOLE:
            remedy = _remedy(name.removesuffix("s"), value)
            raise refusal(f"{name} holds {_shown(value)}, which is no id: {remedy}", name)
        found.append(each)
    return found


def _elements(name: str, values: object, what: str, remedy: str) -> Iterable[object]:
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        return cast("Iterable[object]", values)  # of whatever they are
    alone = _whole(values)
    raise ValueError(
        f"{name}{_given(values)} is no list of {what}: "
        f"{remedy if alone is None else f'give [{alone}]'}"
    )


def _whole(value: object) -> int | None:
    """Return what stands for a whole number, also one of another library's; None if nothing."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    return index(value)


def _remedy(name: str, value: object) -> str:
    if hasattr(value, name):
        return f"give its {name}"
    is_name = name == "symbol_id" and isinstance(value, str)
    if _whole(value) is not None:
        return f"ids go from 1 to {_MAX_WHOLE}"
    return f"give the number as an int{_BY_NAME if is_name else ''}"


def _given(value: object) -> str:
    text = repr(value)
    return f"={text}" if len(text) <= _LONGEST_SHOWN else f" of type {type(value).__name__}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"a {type(value).__name__}"
