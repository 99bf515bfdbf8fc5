"""What the core asks of its driver, to be carried out in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctrader.protocol.commands import CallId

__all__ = [
    "CallCompleted",
    "CallFailed",
    "CloseConnection",
    "Effect",
    "EventsReceived",
    "Finished",
    "JobRequested",
    "OpenConnection",
    "Phase",
    "PhaseChanged",
    "Warned",
]


class Phase(Enum):
    """Where the session stands."""

    IDLE = "idle"
    """Not started, or the first attempt to connect failed."""
    CONNECTING = "connecting"
    """A connection is being opened."""
    CONNECTED = "connected"
    """The link stands."""
    WAITING = "waiting"
    """The link was lost; the next attempt is scheduled."""
    CLOSING = "closing"
    """The last answers and the end of the transport are awaited."""
    FINISHED = "finished"
    """Nothing comes out any more."""


@dataclass(frozen=True, slots=True)
class OpenConnection:
    """Open a connection.

    Answer with `connection_made(epoch, ...)` or `connection_lost(epoch, ...)`. When
    `CloseConnection` of the epoch comes first, give the attempt up.
    """

    epoch: int


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Close the connection, or give up opening it, without waiting for the peer.

    Answer with `connection_lost(epoch, ...)` when it is closed.
    """

    epoch: int
    discards: bool = True
    """Throw away what the peer has not taken yet: the system would go on delivering it, and an
    order that was reported as of unknown outcome must not arrive later. So ends every link but
    that of an orderly close that leaves no order open."""


@dataclass(frozen=True, slots=True)
class CallCompleted:
    """A command ended well."""

    call_id: CallId
    result: object

    def __repr__(self) -> str:
        """Name the result's type only: an answer may hold tokens."""
        return f"CallCompleted(call_id={self.call_id}, result=<{type(self.result).__name__}>)"


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A command ended with an error."""

    call_id: CallId
    error: Exception


@dataclass(frozen=True, slots=True)
class EventsReceived:
    """Events to deliver: typed ones, and protobuf messages listened to as such."""

    events: list[object]


@dataclass(frozen=True, slots=True)
class JobRequested:
    """Do something that keeps what the session knows; answer with `job_done`.

    Jobs are done in order and may block, so they are done on a thread of their own. Functions of
    the user stand apart: none waits for a job, and no job for them.
    """

    call_id: CallId
    job: Callable[[], object] = field(repr=False)
    """What to call; its result or its error is the answer."""
    is_callback: bool = False
    """Whether it is a function of the user: what it returns is awaited where that is possible."""
    is_vital: bool = False
    """Whether it is done even if the session ends before its turn comes."""
    waits: bool = False
    """Whether it may wait long for somebody else: no other job waits for it, nor does the end."""


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The session moved to another phase."""

    phase: Phase


@dataclass(frozen=True, slots=True)
class Warned:
    """Something for the log that the user should know."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The session has ended; nothing follows.

    `error` is None when it was closed, otherwise why it gave up.
    """

    error: Exception | None


Effect: TypeAlias = (
    OpenConnection
    | CloseConnection
    | CallCompleted
    | CallFailed
    | EventsReceived
    | JobRequested
    | PhaseChanged
    | Warned
    | Finished
)
"""Something to be carried out by the driver."""
