"""The two clients are the same but for waiting: names, parameters, types and first lines agree."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest

import ctrader
import ctrader_sync

PAIRS: Final[dict[str, tuple[type, type]]] = {
    "client": (ctrader.CTraderClient, ctrader_sync.SyncCTraderClient),
    **{
        name: (getattr(ctrader, name), getattr(ctrader_sync, name))
        for name in (
            "AccountsAPI",
            "AuthManager",
            "EventStream",
            "MarketDataAPI",
            "Protocol",
            "SymbolsAPI",
            "TradingAPI",
        )
    },
}

DUNDERS: Final = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
"""What the protocols of Python call the same thing with and without `async`."""

WORDS: Final = (
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\bAsyncIterable\b", "Iterable"),
    (r"\bAsyncGenerator\b", "Generator"),
    (r"\bAsyncContextManager\b", "ContextManager"),
    (r"\b(?:Awaitable|Coroutine)\[(?:Any, Any, )?(.*)\]", r"\1"),
    (r"\bSyncCTraderClient\b", "CTraderClient"),
    (r"\bctrader_sync\b", "ctrader"),
    (r"\ban asynchronous iterator\b", "a blocking iterator"),
    (r"`async for`", "`for`"),
    (r"`async with`", "`with`"),
)
"""How the words for waiting turn into those for blocking, in annotations and first lines."""

AGREED: Final[dict[str, tuple[str, str]]] = {
    # A plain function is fine for both; only the one on a loop may also be an `async def`.
    "client.on returns": (
        "HandlerDecorator[E]",
        "Callable[[EventHandler[E]], EventHandler[E]]",
    ),
    "client says": (
        "A client of the Open API for asyncio and trio.",
        "A blocking client of the Open API.",
    ),
}
"""Where the two differ on purpose: the text of the one, and of the other."""


# The comparison


def differences(label: str, ours: type, twin: type) -> list[str]:
    """List what a user would find different in two classes that should be twins."""
    found: list[str] = []
    here, there = public_members(ours), public_members(twin)
    found += [
        f"{label}.{name} is missing in {twin.__qualname__}" for name in here.keys() - there.keys()
    ]
    found += [
        f"{label}.{name} is missing in {ours.__qualname__}" for name in there.keys() - here.keys()
    ]
    told = [(f"{label} says", first_line(ours), first_line(twin))]
    for name in sorted(here.keys() & there.keys()):
        told += facts(f"{label}.{name}", here[name], there[name])
    for what, one, other in told:
        if plain(one) != plain(other) and AGREED.get(what) != (one, other):
            found.append(f"{what}: {one!r} and {other!r}")
    return found


def facts(label: str, ours: object, twin: object) -> Iterator[tuple[str, str, str]]:
    """Give what can be told about two members, side by side."""
    yield f"{label} is a", kind(ours), kind(twin)
    yield f"{label} says", first_line(ours), first_line(twin)
    one, other = signature(ours), signature(twin)
    if one is None or other is None:
        return
    yield f"{label} takes", str(list(one.parameters)), str(list(other.parameters))
    yield f"{label} returns", annotation(one.return_annotation), annotation(other.return_annotation)
    for name in one.parameters.keys() & other.parameters.keys():
        yield f"{label} takes", told(one.parameters[name]), told(other.parameters[name])


def public_members(cls: type) -> dict[str, object]:
    """Return what a user may use of a class, inherited members included, by its blocking name."""
    members: dict[str, object] = {}
    for base in reversed(cls.__mro__[:-1]):
        for name, value in vars(base).items():
            is_public = not name.startswith("_") or name in DUNDERS or name in DUNDERS.values()
            if is_public or name == "__init__":
                members[DUNDERS.get(name, name)] = value
    return members


def kind(member: object) -> str:
    """Say whether a member is a property, a class method, a constant or a method."""
    if isinstance(member, property | classmethod | staticmethod):
        return type(member).__name__
    return "method" if callable(member) else "attribute"


def function_of(member: object) -> object:
    """Return the function behind a member."""
    if isinstance(member, property):
        return member.fget
    if isinstance(member, classmethod | staticmethod):
        return member.__func__
    return member


def signature(member: object) -> inspect.Signature | None:
    """Return the signature of a member, None if it takes nothing."""
    function = function_of(member)
    return inspect.signature(function) if inspect.isfunction(function) else None


def told(parameter: inspect.Parameter) -> str:
    """Write a parameter out."""
    return f"{parameter.kind.description} {parameter.name}: {annotation(parameter.annotation)}" + (
        "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    )


def annotation(value: object) -> str:
    """Write an annotation out."""
    if value is inspect.Signature.empty:
        return ""
    return value if isinstance(value, str) else inspect.formatannotation(value)


def first_line(member: object) -> str:
    """Return the first line of a docstring."""
    return (getattr(function_of(member), "__doc__", None) or "").strip().partition("\n")[0]


def plain(text: str) -> str:
    """Take the words for waiting out of a text."""
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    return text


# The clients


@pytest.mark.parametrize("label", PAIRS)
def test_twins_agree(label: str):
    found = differences(label, *PAIRS[label])
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("label", PAIRS)
def test_twins_are_two_classes_with_something_in_them(label: str):
    ours, twin = PAIRS[label]
    assert ours is not twin
    assert len(public_members(ours)) > 3


def test_methods_that_wait_are_coroutines_on_one_side_only():
    waiting = [
        f"{label}.{name}"
        for label, (ours, _) in PAIRS.items()
        for name, member in public_members(ours).items()
        if inspect.iscoroutinefunction(function_of(member))
    ]
    assert {"client.connect", "client.close", "TradingAPI.place_order"} <= set(waiting)
    assert not [
        f"{label}.{name}"
        for label, (_, twin) in PAIRS.items()
        for name, member in public_members(twin).items()
        if inspect.iscoroutinefunction(function_of(member))
    ]


def test_agreed_differences_are_real():
    for what, (one, other) in AGREED.items():
        assert plain(one) != plain(other), what
        label = what.partition(" ")[0].partition(".")[0]
        ours, twin = PAIRS[label]
        here, there = public_members(ours), public_members(twin)
        seen = [(f"{label} says", first_line(ours), first_line(twin))]
        for name in here.keys() & there.keys():
            seen += facts(f"{label}.{name}", here[name], there[name])
        assert (what, one, other) in seen


# The comparison itself: it finds what differs, and forgives only waiting


class Feed:
    """Give prices."""

    def __init__(self, size: int = 1) -> None:
        self._size = size

    async def __aenter__(self) -> Feed:
        return self

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._size > 0

    async def get(self, symbol_id: int, *, timeout: float | None = None) -> float:
        """Wait for a price."""
        return symbol_id + (timeout or 0)

    def stream(self) -> AsyncIterator[float]:
        """Return an asynchronous iterator."""
        raise NotImplementedError


class SameFeed:
    """Give prices."""

    def __init__(self, size: int = 1) -> None:
        self._size = size

    def __enter__(self) -> Feed:
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        """Whether it is open."""
        return self._size > 0

    def get(self, symbol_id: int, *, timeout: float | None = None) -> float:
        """Wait for a price."""
        return symbol_id + (timeout or 0)

    def stream(self) -> Iterator[float]:
        """Return a blocking iterator."""
        raise NotImplementedError


class Missing(SameFeed):
    """Give prices."""

    get = None  # type: ignore[assignment] # on purpose


class OtherName(SameFeed):
    """Give prices."""

    def fetch(self) -> None:
        """Wait for a price."""


class OtherParameter(SameFeed):
    """Give prices."""

    def get(  # pyright: ignore[reportIncompatibleMethodOverride] - the difference
        self, symbol: int, *, timeout: float | None = None
    ) -> float:
        """Wait for a price."""
        return symbol + (timeout or 0)


class OtherDefault(SameFeed):
    """Give prices."""

    def get(self, symbol_id: int, *, timeout: float | None = 30.0) -> float:
        """Wait for a price."""
        return symbol_id + (timeout or 0)


class OtherKind(SameFeed):
    """Give prices."""

    def get(  # pyright: ignore[reportIncompatibleMethodOverride] - the difference
        self, symbol_id: int, timeout: float | None = None
    ) -> float:
        """Wait for a price."""
        return symbol_id + (timeout or 0)


class OtherType(SameFeed):
    """Give prices."""

    def get(self, symbol_id: int, *, timeout: float | None = None) -> int:
        """Wait for a price."""
        return symbol_id


class OtherText(SameFeed):
    """Give prices."""

    def get(self, symbol_id: int, *, timeout: float | None = None) -> float:
        """Ask for a price."""
        return symbol_id + (timeout or 0)


class OtherClassText(SameFeed):
    """Give quotes."""


class NoProperty(SameFeed):
    """Give prices."""

    def is_open(self) -> bool:  # type: ignore[override]
        """Whether it is open."""
        return True


class OtherInit(SameFeed):
    """Give prices."""

    def __init__(self, size: int = 2) -> None:
        super().__init__(size)


def test_twins_that_differ_in_waiting_only_are_fine():
    assert differences("Feed", Feed, SameFeed) == []


@pytest.mark.parametrize(
    ("twin", "expected"),
    [
        (Missing, "Feed.get is a: 'method' and 'attribute'"),
        (OtherName, "Feed.fetch is missing in Feed"),
        (OtherParameter, "Feed.get takes: \"['self', 'symbol_id', 'timeout']\""),
        (OtherDefault, "Feed.get takes: 'keyword-only timeout: float | None = None'"),
        (OtherKind, "Feed.get takes: 'keyword-only timeout: float | None = None'"),
        (OtherType, "Feed.get returns: 'float' and 'int'"),
        (OtherText, "Feed.get says: 'Wait for a price.' and 'Ask for a price.'"),
        (OtherClassText, "Feed says: 'Give prices.' and 'Give quotes.'"),
        (NoProperty, "Feed.is_open is a: 'property' and 'method'"),
        (OtherInit, "Feed.__init__ takes: 'positional or keyword size: int = 1'"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_difference_is_found(twin: type, expected: str):
    assert any(text.startswith(expected) for text in differences("Feed", Feed, twin)), differences(
        "Feed", Feed, twin
    )


def test_member_that_only_one_side_has_is_found():
    assert differences("Feed", OtherName, SameFeed) == ["Feed.fetch is missing in SameFeed"]
