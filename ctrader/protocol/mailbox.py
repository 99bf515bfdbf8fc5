"""Hold the events of one consumer until it takes them, within bounds.

What happens to a consumer that is too slow depends on what it is sent. Quotes merge per symbol:
the newest of each side stays, and none of a link that was lost meanwhile. Executions, order
errors and account events are never dropped; when more of them pile up than the limit, the
consumer fails.
"""

from __future__ import annotations

from typing import Final

from ctrader.errors import SlowConsumerError
from ctrader.events import (
    AccountDisconnectEvent,
    ExecutionEvent,
    OrderErrorEvent,
    SpotEvent,
    TokenInvalidatedEvent,
    TraderUpdateEvent,
    merge_spots,
)

__all__ = ["CAPACITY", "LIMIT", "Mailbox"]

CAPACITY: Final = 4_096
"""Events held before quotes begin to merge: more than the bare quotes that one read can bring."""
LIMIT: Final = 100_000
"""Events held before the consumer fails."""

_URGENT: Final = frozenset(
    {
        AccountDisconnectEvent,
        ExecutionEvent,
        OrderErrorEvent,
        TokenInvalidatedEvent,
        TraderUpdateEvent,
    }
)


class Mailbox:
    """Keep the events of one handler or stream in their order.

    It is not thread-safe: whoever shares it between threads guards it with a lock.
    """

    __slots__ = (
        "_events",
        "_spots",
        "_urgent",
        "capacity",
        "dropped",
        "failure",
        "limit",
        "merged",
        "name",
        "taken",
    )

    def __init__(self, name: str, *, capacity: int = CAPACITY, limit: int = LIMIT) -> None:
        """Make an empty mailbox.

        Args:
            name: Whose it is, for errors and logs.
            capacity: Events held before quotes begin to merge; at least 1.
            limit: Events held before the consumer fails.

        Raises:
            ValueError: capacity is below 1, or the limit below the capacity.
        """
        if capacity < 1 or limit < capacity:
            raise ValueError(f"capacity={capacity} is none: give an int from 1 to {limit}")
        self.name = name
        self.capacity = capacity
        self.limit = limit
        self.merged = 0
        """Quotes that were merged into a newer one since the beginning."""
        self.dropped = 0
        """Events that did not fit any more after the failure."""
        self.taken = 0
        """Events that were taken out."""
        self.failure: SlowConsumerError | None = None
        """Why the consumer must end, None while it may go on."""
        self._events: list[object] = []
        self._spots: dict[tuple[int, int], int] | None = None
        self._urgent = 0

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_urgent(self) -> bool:
        """Whether it holds an execution, an order error or an account event."""
        return self._urgent > 0

    def put(self, event: object) -> bool:
        """Add an event; True if the mailbox was empty before and its owner must be woken."""
        events = self._events
        if self.failure is not None:
            # Also after a `take`: with a hole in what it saw, the consumer must end.
            self.dropped += 1
            return False
        if len(events) >= self.capacity and self._put_late(event):
            return False
        if type(event) in _URGENT:
            self._urgent += 1
        events.append(event)
        return len(events) == 1

    def take(self) -> list[object]:
        """Take everything, in order."""
        events = self._events
        self.taken += len(events)
        self._events = []
        self._spots = None
        self._urgent = 0
        return events

    def _put_late(self, event: object) -> bool:
        """Deal with an event beyond the capacity; True if it needs no place of its own."""
        if type(event) is SpotEvent:
            # The index is built once per overflow: a consumer that keeps up never pays for it.
            if self._spots is None:
                self._spots = {
                    (held.account_id, held.symbol_id): position
                    for position, held in enumerate(self._events)
                    if type(held) is SpotEvent
                }
            key = (event.account_id, event.symbol_id)
            position = self._spots.get(key)
            if position is not None:
                older = self._events[position]
                assert isinstance(older, SpotEvent)
                self._events[position] = merge_spots(older, event)
                self.merged += 1
                return True
            self._spots[key] = len(self._events)
            return False
        if len(self._events) >= self.limit:
            self.failure = SlowConsumerError(self.name, len(self._events))
            self.dropped += 1
            return True
        return False
