"""Draw a plan of faults from a seed, as plain data.

A plan is a tuple of faults in the order of their beginnings. All times are seconds of the world's
clock. `adversity.Adversity` carries a plan out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Final, Literal, TypeAlias

__all__ = [
    "AccountDropped",
    "AnswerLate",
    "AnswerWrong",
    "ClientDisconnected",
    "ClientKilled",
    "ClockStepped",
    "ConnectingFails",
    "ConsumerSlow",
    "EofInsideFrame",
    "Fault",
    "FaultBase",
    "FilledInParts",
    "Finished",
    "FrameAltered",
    "FrameDuplicated",
    "HalfOpen",
    "HistoryLags",
    "LatencyChanged",
    "Lost",
    "Maintenance",
    "Merged",
    "OrderAnsweredWithError",
    "OrderRejected",
    "OrdersRefused",
    "Plan",
    "RateLimited",
    "Reset",
    "ServerError",
    "ServerRestarted",
    "Split",
    "StoreFails",
    "Suspended",
    "TokenInvalidated",
    "WritesStalled",
    "draw_plan",
    "plan_end",
]

LONGEST: Final = 120.0
"""Seconds that no drawn fault exceeds."""

Aim: TypeAlias = Literal["execution", "order", "read", "session", "quote"]
"""Which frames of the server a fault is for: execution events, answers to trading requests, to
reads, to authentication and subscriptions, or quotes."""

ErrorFrame: TypeAlias = Literal["error", "common", "order"]
"""How an error is told: `ProtoOAErrorRes`, `ProtoErrorRes` or `ProtoOAOrderErrorEvent`."""


@dataclass(frozen=True, slots=True, repr=False)
class FaultBase:
    """Something that goes wrong at a moment, or for a time."""

    at: float
    """When it begins."""

    @property
    def end(self) -> float:
        """When it is over, as far as it is up to the fault; the same moment for most."""
        return self.at + float(getattr(self, "seconds", 0.0))

    def __repr__(self) -> str:
        """Name the kind, the moment and the terms, in a few words."""
        terms = [f"{each.name}={getattr(self, each.name)!r}" for each in fields(self)[1:]]
        return f"{type(self).__name__}({', '.join([f'{self.at:.3f}', *terms])})"


# The network


@dataclass(frozen=True, slots=True, repr=False)
class LatencyChanged(FaultBase):
    """Bytes take longer for a time, in each direction in its own way."""

    seconds: float
    up: float
    """How long they take to the server."""
    down: float
    """How long they take to the client."""
    jitter: float = 0.0
    """By how much more at most, drawn for each write."""


@dataclass(frozen=True, slots=True, repr=False)
class Lost(FaultBase):
    """What is written in one direction vanishes for a time; the connection stays."""

    seconds: float
    way: Literal["up", "down"]
    heals: bool = False
    """Whether what is written later arrives on the same connection; otherwise nothing does."""


@dataclass(frozen=True, slots=True, repr=False)
class HalfOpen(FaultBase):
    """The server's end is gone, and nobody tells the client."""


@dataclass(frozen=True, slots=True, repr=False)
class Finished(FaultBase):
    """The server ends the stream in good order."""


@dataclass(frozen=True, slots=True, repr=False)
class Reset(FaultBase):
    """The connection is reset."""


@dataclass(frozen=True, slots=True, repr=False)
class EofInsideFrame(FaultBase):
    """The stream ends in the middle of a frame."""


@dataclass(frozen=True, slots=True, repr=False)
class Split(FaultBase):
    """Bytes arrive in pieces for a time."""

    seconds: float
    piece: int
    """Most bytes of a piece."""
    gap: float = 0.0
    """Seconds between two pieces."""


@dataclass(frozen=True, slots=True, repr=False)
class Merged(FaultBase):
    """What the server sends is collected for a time, and arrives as one piece."""

    seconds: float
    hold: float
    """For how long it is collected."""


@dataclass(frozen=True, slots=True, repr=False)
class WritesStalled(FaultBase):
    """The client's transport takes no bytes for a time."""

    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class ConnectingFails(FaultBase):
    """New connections are refused for a time, or take longer; the present one ends."""

    seconds: float
    delay: float = 0.0
    """Seconds by which attempts take longer; 0 refuses them."""


# The client's machine


@dataclass(frozen=True, slots=True, repr=False)
class ClockStepped(FaultBase):
    """The client's wall clock jumps."""

    by: float
    """Seconds, negative into the past."""


@dataclass(frozen=True, slots=True, repr=False)
class Suspended(FaultBase):
    """The client's process sleeps for a time; then all that came arrives at once."""

    seconds: float
    clock_stood: bool = False
    """Whether its monotonic clock stands still meanwhile."""


@dataclass(frozen=True, slots=True, repr=False)
class ConsumerSlow(FaultBase):
    """Handlers take no events for a time."""

    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class StoreFails(FaultBase):
    """What the client stores fails for a time."""

    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class ClientKilled(FaultBase):
    """The client's process is killed, and begins anew."""


# The broker


@dataclass(frozen=True, slots=True, repr=False)
class ServerRestarted(FaultBase):
    """The server's process dies with all connections, and takes none for a time."""

    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class AccountDropped(FaultBase):
    """The server ends one account's session; the connection stays."""

    account_id: int


@dataclass(frozen=True, slots=True, repr=False)
class ClientDisconnected(FaultBase):
    """The server ends the program's session; the connection stays."""


@dataclass(frozen=True, slots=True, repr=False)
class TokenInvalidated(FaultBase):
    """The server says that a token is dead, and ends its sessions or not."""

    ends_sessions: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class RateLimited(FaultBase):
    """Requests are refused as too fast."""

    seconds: float
    """How long it waits for them at most."""
    times: int
    code: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Maintenance(FaultBase):
    """Every request is refused for a time."""

    seconds: float
    frame: Literal["open_api", "common"]
    """Which error answer says so; the one tells the end in seconds, the other in milliseconds."""
    code: str = "SERVER_IS_UNDER_MAINTENANCE"
    accepts_connections: bool = True
    cuts: bool = False
    """Whether it begins with the end of every connection."""

    @property
    def end(self) -> float:
        """When it is surely over: the broker knows whole seconds only."""
        return self.at + self.seconds + 1.0


@dataclass(frozen=True, slots=True, repr=False)
class ServerError(FaultBase):
    """An error comes that answers no request."""

    code: str
    common: bool = False
    """Whether it comes as `ProtoErrorRes`, not as `ProtoOAErrorRes`."""


@dataclass(frozen=True, slots=True, repr=False)
class HistoryLags(FaultBase):
    """Lists show only some seconds later what happened, for a time."""

    seconds: float
    lag: float


# Single frames. Each waits for frames that fit, and stops to wait when its time is over.


@dataclass(frozen=True, slots=True, repr=False)
class FrameDuplicated(FaultBase):
    """Frames come more than once."""

    seconds: float
    aim: Aim
    times: int = 1
    """How many frames it is done to."""
    foreign_id: bool = False
    """Whether the copies carry the id of a request that this client never made."""


@dataclass(frozen=True, slots=True, repr=False)
class AnswerLate(FaultBase):
    """An answer comes late, after its request was given up perhaps."""

    seconds: float
    aim: Aim
    delay: float

    @property
    def end(self) -> float:
        """When the last such answer has come."""
        return self.at + self.seconds + self.delay


@dataclass(frozen=True, slots=True, repr=False)
class AnswerWrong(FaultBase):
    """An answer is none: nothing comes, or another type, or another's id."""

    seconds: float
    aim: Aim
    how: Literal["dropped", "wrong type", "foreign id"]


@dataclass(frozen=True, slots=True, repr=False)
class FrameAltered(FaultBase):
    """A frame's content makes no sense."""

    seconds: float
    aim: Aim
    how: Literal["undecodable", "missing fields", "one field missing"]


# Trading


@dataclass(frozen=True, slots=True, repr=False)
class OrdersRefused(FaultBase):
    """Trading requests are refused and not done, whatever the code sounds like."""

    seconds: float
    """How long it waits for them at most."""
    times: int
    """How many of each kind."""
    code: str
    frame: ErrorFrame = "error"


@dataclass(frozen=True, slots=True, repr=False)
class OrderAnsweredWithError(FaultBase):
    """A trading request is done, but first comes an error that proves nothing."""

    seconds: float
    """How long it waits for one at most."""
    code: str
    delay: float = 0.0
    """How many seconds later the true answer comes."""
    common: bool = False
    """Whether it comes as `ProtoErrorRes`, not as `ProtoOAErrorRes`."""

    @property
    def end(self) -> float:
        """When the last true answer has come."""
        return self.at + self.seconds + self.delay


@dataclass(frozen=True, slots=True, repr=False)
class OrderRejected(FaultBase):
    """The next order that comes to be filled is rejected, after it was accepted."""

    account_id: int
    code: str
    with_deal: bool = False
    """Whether an empty deal goes with it."""


@dataclass(frozen=True, slots=True, repr=False)
class FilledInParts(FaultBase):
    """The next order that comes to be filled gets these parts, and nothing more."""

    account_id: int
    volumes: tuple[int, ...]
    """In hundredths of a unit."""


Fault: TypeAlias = (
    LatencyChanged
    | Lost
    | HalfOpen
    | Finished
    | Reset
    | EofInsideFrame
    | Split
    | Merged
    | WritesStalled
    | ConnectingFails
    | ClockStepped
    | Suspended
    | ConsumerSlow
    | StoreFails
    | ClientKilled
    | ServerRestarted
    | AccountDropped
    | ClientDisconnected
    | TokenInvalidated
    | RateLimited
    | Maintenance
    | ServerError
    | HistoryLags
    | FrameDuplicated
    | AnswerLate
    | AnswerWrong
    | FrameAltered
    | OrdersRefused
    | OrderAnsweredWithError
    | OrderRejected
    | FilledInParts
)
"""One fault of any kind."""

Plan: TypeAlias = "tuple[Fault, ...]"
"""Faults in the order of their beginnings."""


def plan_end(plan: Plan) -> float:
    """Return when the last fault of a plan is over; 0 for an empty plan."""
    return max((fault.end for fault in plan), default=0.0)


def draw_plan(
    seed: int | str,
    *,
    begin: float,
    end: float,
    count: int,
    account_ids: Sequence[int],
) -> Plan:
    """Draw a plan.

    The kinds come in equal parts as far as their number allows: of as many faults as there are
    kinds, each is one.

    Args:
        seed: Decides everything.
        begin: When the first fault may begin.
        end: When the last one is over.
        count: How many faults.
        account_ids: The accounts that may be hit.

    Raises:
        ValueError: there is no account, or less than `LONGEST` seconds for the faults.
    """
    if not account_ids or end - begin < LONGEST:
        raise ValueError(f"a plan needs an account, and {LONGEST:g} s for its faults")
    rng = Random(f"faults/{seed}")
    kinds: list[_Draw] = []
    while len(kinds) < count:
        kinds += rng.sample(_DRAWS, len(_DRAWS))
    drawn = [draw(rng, account_ids) for draw in kinds[:count]]
    plan = [replace(each, at=round(rng.uniform(begin, end - each.end), 3)) for each in drawn]
    return tuple(sorted(plan, key=lambda fault: fault.at))


# Private

_Draw: TypeAlias = "Callable[[Random, Sequence[int]], Fault]"
"""Draws the terms of a fault that begins at 0."""

_AIMS: Final[tuple[Aim, ...]] = ("execution", "order", "read", "session", "quote")
_ANSWERS: Final[tuple[Aim, ...]] = ("order", "read", "session")
_PROVING_NOTHING: Final = (
    "TIMEOUT_ERROR",
    "UNKNOWN_ERROR",
    "CANT_ROUTE_REQUEST",
    "CH_SERVER_NOT_REACHABLE",
    "BRAND_NEW",
)
"""Codes of errors after which a trading request may have been done all the same."""
_REFUSALS: Final = (
    *_PROVING_NOTHING,
    "NOT_ENOUGH_MONEY",
    "MARKET_CLOSED",
    "TRADING_DISABLED",
    "INVALID_REQUEST",
)


def _seconds(rng: Random, least: float, most: float) -> float:
    return round(rng.uniform(least, most), 3)


def _latency(rng: Random, _: Sequence[int]) -> Fault:
    up, down = (round(rng.choice((0.001, 0.05, 0.3, 1.5, 6.0)) * rng.random(), 4) for _ in "ud")
    jitter = rng.choice((0.0, 0.02, 0.5))
    return LatencyChanged(0.0, _seconds(rng, 5, LONGEST), up, down, jitter)


def _lost(rng: Random, _: Sequence[int]) -> Fault:
    way: Literal["up", "down"] = "up" if rng.random() < 0.5 else "down"
    return Lost(0.0, _seconds(rng, 1, 60), way)


def _split(rng: Random, _: Sequence[int]) -> Fault:
    gap = rng.choice((0.0, 0.0, 0.001, 0.02))
    return Split(0.0, _seconds(rng, 2, 20), rng.choice((3, 16, 200)), gap)


def _merged(rng: Random, _: Sequence[int]) -> Fault:
    return Merged(0.0, _seconds(rng, 5, LONGEST), _seconds(rng, 0.05, 5))


def _stalled(rng: Random, _: Sequence[int]) -> Fault:
    return WritesStalled(0.0, _seconds(rng, 0.5, 45))


def _connecting(rng: Random, _: Sequence[int]) -> Fault:
    delay = rng.choice((0.0, 0.0, 3.0, 40.0))
    return ConnectingFails(0.0, _seconds(rng, 2, LONGEST), delay)


def _clock(rng: Random, _: Sequence[int]) -> Fault:
    return ClockStepped(0.0, rng.choice((-86_400.0, -3600.0, -30.0, -1.5, 2.0, 60.0, 7200.0)))


def _suspended(rng: Random, _: Sequence[int]) -> Fault:
    return Suspended(0.0, _seconds(rng, 1, LONGEST), clock_stood=rng.random() < 0.5)


def _slow(rng: Random, _: Sequence[int]) -> Fault:
    return ConsumerSlow(0.0, _seconds(rng, 1, 60))


def _store(rng: Random, _: Sequence[int]) -> Fault:
    return StoreFails(0.0, _seconds(rng, 1, 60))


def _server_restarted(rng: Random, _: Sequence[int]) -> Fault:
    return ServerRestarted(0.0, _seconds(rng, 0.1, 60))


def _account_dropped(rng: Random, account_ids: Sequence[int]) -> Fault:
    return AccountDropped(0.0, rng.choice(account_ids))


def _token(rng: Random, _: Sequence[int]) -> Fault:
    return TokenInvalidated(0.0, ends_sessions=rng.random() < 0.7)


def _rate(rng: Random, _: Sequence[int]) -> Fault:
    code = rng.choice(("BLOCKED_PAYLOAD_TYPE", "REQUEST_FREQUENCY_EXCEEDED"))
    return RateLimited(
        0.0, _seconds(rng, 5, 60), rng.randint(1, 4), code, rng.choice((None, 0, 1, 3))
    )


def _maintenance(rng: Random, _: Sequence[int]) -> Fault:
    return Maintenance(
        0.0,
        _seconds(rng, 2, LONGEST - 1),
        "common" if rng.random() < 0.5 else "open_api",
        "SERVER_IS_UNDER_MAINTENANCE" if rng.random() < 0.8 else "CANT_ROUTE_REQUEST",
        accepts_connections=rng.random() < 0.7,
        cuts=rng.random() < 0.4,
    )


def _server_error(rng: Random, _: Sequence[int]) -> Fault:
    code = rng.choice(("UNKNOWN_ERROR", "TIMEOUT_ERROR", "CANT_ROUTE_REQUEST", "BRAND_NEW"))
    return ServerError(0.0, code, common=rng.random() < 0.5)


def _history(rng: Random, _: Sequence[int]) -> Fault:
    return HistoryLags(0.0, _seconds(rng, 10, LONGEST), _seconds(rng, 0.5, 20))


def _duplicated(rng: Random, _: Sequence[int]) -> Fault:
    return FrameDuplicated(
        0.0,
        _seconds(rng, 10, LONGEST),
        rng.choice(("execution", "execution", *_AIMS)),
        rng.randint(1, 6),
        foreign_id=rng.random() < 0.4,
    )


def _late(rng: Random, _: Sequence[int]) -> Fault:
    return AnswerLate(
        0.0, _seconds(rng, 10, 80), rng.choice(_ANSWERS), rng.choice((0.5, 4.0, 15.0, 35.0))
    )


def _wrong(rng: Random, _: Sequence[int]) -> Fault:
    return AnswerWrong(
        0.0,
        _seconds(rng, 10, LONGEST),
        rng.choice(_ANSWERS),
        rng.choice(("dropped", "wrong type", "foreign id")),
    )


def _altered(rng: Random, _: Sequence[int]) -> Fault:
    return FrameAltered(
        0.0,
        _seconds(rng, 10, LONGEST),
        rng.choice(_AIMS),
        rng.choice(("undecodable", "missing fields", "one field missing")),
    )


def _refused(rng: Random, _: Sequence[int]) -> Fault:
    frame: ErrorFrame = rng.choice(("error", "common", "order"))
    return OrdersRefused(
        0.0, _seconds(rng, 10, LONGEST), rng.randint(1, 2), rng.choice(_REFUSALS), frame
    )


def _denied(rng: Random, _: Sequence[int]) -> Fault:
    code = rng.choice(_PROVING_NOTHING)
    delay = rng.choice((0.0, 0.0, 2.0, 15.0))
    return OrderAnsweredWithError(
        0.0, _seconds(rng, 10, LONGEST - delay), code, delay, common=rng.random() < 0.3
    )


def _rejected(rng: Random, account_ids: Sequence[int]) -> Fault:
    return OrderRejected(
        0.0, rng.choice(account_ids), rng.choice(_REFUSALS), with_deal=rng.random() < 0.5
    )


def _in_parts(rng: Random, account_ids: Sequence[int]) -> Fault:
    parts = tuple(100_000 * rng.randint(1, 3) for _ in range(rng.randint(1, 3)))
    return FilledInParts(0.0, rng.choice(account_ids), parts)


_DRAWS: Final[tuple[_Draw, ...]] = (
    _latency,
    _lost,
    lambda _, __: HalfOpen(0.0),
    lambda _, __: Finished(0.0),
    lambda _, __: Reset(0.0),
    lambda _, __: EofInsideFrame(0.0),
    _split,
    _merged,
    _stalled,
    _connecting,
    _clock,
    _suspended,
    _slow,
    _store,
    lambda _, __: ClientKilled(0.0),
    _server_restarted,
    _account_dropped,
    lambda _, __: ClientDisconnected(0.0),
    _token,
    _rate,
    _maintenance,
    _server_error,
    _history,
    _duplicated,
    _late,
    _wrong,
    _altered,
    _refused,
    _denied,
    _rejected,
    _in_parts,
)
