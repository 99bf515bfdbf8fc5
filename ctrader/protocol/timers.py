"""Every moment that the core waits for, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Hashable

    from ctrader.units import Nanos

__all__ = ["Deadline", "Timer", "TimerTable"]


_TIDY_ABOVE: Final = 256
"""Entries of the heap that are not worth looking through."""


class Timer(Enum):
    """What the core may wait for."""

    # Members are compared by identity. An enum hashes their names, in Python, and the table looks
    # timers up several times at every read and write.
    __hash__ = object.__hash__

    CONNECT = "connect"
    """When to give up an attempt to connect: DNS, TCP and TLS together."""
    RECONNECT = "reconnect"
    """When to try the next connection after a loss."""
    HEALTHY = "healthy"
    """When a link has stood long enough to forget the failures before it."""
    HEARTBEAT = "heartbeat"
    """When to send a heartbeat because nothing else was sent."""
    STALL = "stall"
    """When to judge the transport dead because it takes nothing any more."""
    SILENCE = "silence"
    """When to judge the server dead because nothing arrived."""
    LANE = "lane"
    """When to send the next request that a full rate lane or a blocked type holds."""
    CALL = "call"
    """When to end a command that has no answer yet; the key is its id."""
    PAUSE = "pause"
    """When to go on with an operation that paused; the key is the command's id."""
    APPLICATION_RETRY = "application retry"
    """When to authenticate the application again after a passing refusal."""
    ACCOUNT_RETRY = "account retry"
    """When to authenticate an account again after a refusal; the key is the account."""
    RESTORE_RETRY = "restore retry"
    """When to subscribe again to what was refused; the key is the account."""
    REFRESH = "refresh"
    """When to exchange a pair of tokens; the key is the grant's number."""
    QUIET = "quiet"
    """When to look for subscribed symbols whose prices stay away."""
    SETTLED = "settled"
    """When to expect no event of a subject any more; the key is the subject."""
    FOLLOW = "follow"
    """When to read a followed account again; the key is the account."""
    CHECK = "check"
    """When to compare a followed account's profits; the key is the account."""
    CLOSE = "close"
    """When to stop waiting for the last answers and for the transport to end."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The next moment at which the core wants to be called."""

    at: Nanos
    """Monotonic time in nanoseconds."""
    timer: Timer
    """Which timer it is: why the driver wakes."""
    # Any: an id where there may be several of the kind; who set the timer knows of what.
    key: Any = None
    """Which one of several of that kind, None where there is only one."""


class TimerTable:
    """Hold at most one moment for each timer and key."""

    __slots__ = ("_at", "_count", "_first", "_heap", "_queued")

    def __init__(self) -> None:
        self._at: dict[tuple[Timer, Hashable], Nanos] = {}
        self._heap: list[tuple[Nanos, int, tuple[Timer, Hashable]]] = []
        # The moment at which an entry of the heap stands for a timer. A timer that moves to later,
        # as heartbeat and silence do at every read and write, keeps its old entry until that
        # comes up, so that moving costs one dictionary write.
        self._queued: dict[tuple[Timer, Hashable], Nanos] = {}
        self._count = 0
        self._first: Deadline | None = None
        """What `next` returned last, as long as it stands."""

    def set(self, timer: Timer, at: Nanos, key: Hashable = None) -> None:
        """Set or move a timer."""
        name = (timer, key)
        first = self._first
        if first is not None and (at < first.at or (timer is first.timer and key == first.key)):
            self._first = None
        self._at[name] = at
        queued = self._queued.get(name)
        if queued is None or at < queued:
            self._push(name, at)

    def clear(self, timer: Timer, key: Hashable = None) -> None:
        """Forget a timer; one that is not set is fine."""
        if self._at.pop((timer, key), None) is not None:
            self._first = None

    def clear_all(self, timer: Timer) -> None:
        """Forget a timer under every key."""
        for name in [name for name in self._at if name[0] is timer]:
            del self._at[name]
        self._first = None

    def clear_everything(self) -> None:
        """Forget all timers."""
        self._at.clear()
        self._first = None

    def get(self, timer: Timer, key: Hashable = None) -> Nanos | None:
        """Return when a timer is set for, None where it is not."""
        return self._at.get((timer, key))

    def next(self) -> Deadline | None:
        """Return the earliest timer, None where none is set."""
        if self._first is not None:
            return self._first
        heap = self._heap
        while heap:
            queued, _, name = heap[0]
            at = self._at.get(name)
            if at is not None and at == queued:
                self._first = Deadline(at, *name)
                return self._first
            heappop(heap)
            # A second entry of the same timer may stand for it: only the one noted counts.
            if self._queued.get(name) == queued:
                del self._queued[name]
                if at is not None:
                    self._push(name, at)
        return None

    def pop_due(self, now: Nanos) -> Deadline | None:
        """Take the earliest timer that is due at `now`, None where none is."""
        deadline = self.next()
        if deadline is None or deadline.at > now:
            return None
        del self._at[(deadline.timer, deadline.key)]
        self._first = None
        return deadline

    def _push(self, name: tuple[Timer, Hashable], at: Nanos) -> None:
        self._count += 1
        self._queued[name] = at
        heappush(self._heap, (at, self._count, name))
        if len(self._heap) > max(_TIDY_ABOVE, 2 * len(self._at)):
            self._tidy()

    def _tidy(self) -> None:
        """Drop the entries of timers that were cleared: a far deadline would keep its own."""
        self._heap = [
            entry
            for entry in self._heap
            if entry[2] in self._at and self._queued[entry[2]] == entry[0]
        ]
        heapify(self._heap)
        self._queued = {name: at for at, _, name in self._heap}
