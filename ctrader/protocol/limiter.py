"""Send no faster than the server allows, the most urgent request first.

The server counts requests per connection, history apart from the rest, and refuses the payload
type that went over. Each lane is a sliding window, so that no second ever holds too many.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

from ctrader.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListReq,
    ProtoOADealOffsetListReq,
    ProtoOAGetTickDataReq,
    ProtoOAGetTrendbarsReq,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListReq,
)
from ctrader.protocol.commands import Priority
from ctrader.protocol.timers import Timer
from ctrader.units import SECOND, to_nanos

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.protocol.correlation import PendingCall
    from ctrader.protocol.timers import TimerTable
    from ctrader.units import Nanos

__all__ = ["HISTORICAL_RATE", "LONGEST_HINT", "NORMAL_RATE", "Lane", "Outbox", "lane_of"]

NORMAL_RATE: Final = 45
"""Requests in any second; the server allows 50."""
HISTORICAL_RATE: Final = 4
"""Requests for history in any second; the server allows 5."""

LONGEST_HINT: Final = 86_400.0
"""Seconds of a server's hint to wait that are believed: no limit of a rate lasts over a day."""

_WINDOW: Final = SECOND
_LONGEST_BLOCK: Final = 60 * SECOND


class Lane(Enum):
    """Which of the server's two allowances a request draws on."""

    NORMAL = "normal"
    """The fast one, for everything that is not history."""
    HISTORICAL = "historical"
    """The slow one, for bars, ticks and past deals."""


_HISTORICAL: Final = frozenset(
    {
        ProtoOAGetTrendbarsReq,
        ProtoOAGetTickDataReq,
        ProtoOADealListReq,
        ProtoOAOrderListReq,
        ProtoOADealListByPositionIdReq,
        ProtoOAOrderListByPositionIdReq,
        ProtoOACashFlowHistoryListReq,
        ProtoOADealOffsetListReq,
    }
)
"""Requests known or suspected to be counted as historical."""


def lane_of(request: type[Message]) -> Lane:
    """Return the lane of a request."""
    return Lane.HISTORICAL if request in _HISTORICAL else Lane.NORMAL


class _Window:
    """The last sends of one lane."""

    __slots__ = ("_times", "rate")

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._times: deque[Nanos] = deque(maxlen=rate)

    def free_at(self, share: int) -> Nanos | None:
        """When a send fits that may fill `share` of the places; None where one fits always."""
        times = self._times
        return times[-share] + _WINDOW if len(times) >= share else None

    def note(self, now: Nanos) -> None:
        self._times.append(now)

    def clear(self) -> None:
        self._times.clear()


class Outbox:
    """Hold the calls that wait for a place in their lane."""

    __slots__ = ("_blocked", "_queues", "_refusals", "_timers", "_waiting", "_windows")

    def __init__(
        self,
        timers: TimerTable,
        *,
        normal_rate: int = NORMAL_RATE,
        historical_rate: int = HISTORICAL_RATE,
    ) -> None:
        self._timers = timers
        self._windows = {
            Lane.NORMAL: _Window(normal_rate),
            Lane.HISTORICAL: _Window(historical_rate),
        }
        self._queues: dict[Lane, tuple[deque[PendingCall], ...]] = {
            lane: tuple(deque() for _ in Priority) for lane in Lane
        }
        self._waiting = 0
        """How many calls wait: mostly none, and it is asked at every read."""
        self._blocked: dict[int, Nanos] = {}
        self._refusals: dict[int, int] = {}

    @property
    def has_waiting(self) -> bool:
        """Whether any call waits."""
        return self._waiting > 0

    def push(self, call: PendingCall) -> None:
        """Let a call wait behind the others of its priority."""
        self._queues[call.lane][call.priority].append(call)
        self._waiting += 1

    def remove(self, call: PendingCall) -> bool:
        """Take a call out; False if it was not there."""
        queue = self._queues[call.lane][call.priority]
        try:
            queue.remove(call)
        except ValueError:
            return False
        self._forget_one()
        return True

    def drain(self) -> list[PendingCall]:
        """Take all calls out, the most urgent first, oldest first within a priority."""
        calls = [
            call
            for priority in Priority
            for queues in self._queues.values()
            for call in queues[priority]
        ]
        for queues in self._queues.values():
            for queue in queues:
                queue.clear()
        self._waiting = 0
        self._timers.clear(Timer.LANE)
        return calls

    def reset(self) -> None:
        """Begin with a new connection: the server counts anew, and its blocks are gone."""
        for window in self._windows.values():
            window.clear()
        self._blocked.clear()
        self._refusals.clear()
        self._timers.clear(Timer.LANE)

    def block(self, payload_type: int, now: Nanos, retry_after: float | None) -> Nanos:
        """Hold back a payload type that was refused for its rate; return until when.

        The wait is what the server told, and no less than one that doubles with each refusal in
        a row: after a sustained drain the hint alone is not enough. Requests that were under way
        when the first of them was refused are refused too; all of that is one refusal.
        """
        until = now + to_nanos(min(retry_after or 0.0, LONGEST_HINT))
        earlier = self.blocked_until(payload_type, now)
        if earlier is None:
            refusals = self._refusals.get(payload_type, 0)
            self._refusals[payload_type] = refusals + 1
            earlier = now + min(_LONGEST_BLOCK, _WINDOW << min(refusals, 16))
        until = max(until, earlier)
        self._blocked[payload_type] = until
        return until

    def answered(self, payload_type: int) -> None:
        """Note that the server took a request of this type: refusals in a row end here."""
        self._refusals.pop(payload_type, None)

    def blocked_until(self, payload_type: int, now: Nanos) -> Nanos | None:
        """Return until when a payload type is held back, None where it is not."""
        until = self._blocked.get(payload_type)
        if until is not None and until <= now:
            del self._blocked[payload_type]
            return None
        return until

    def pop(self, now: Nanos) -> PendingCall | None:
        """Take the call that may be sent now, and count it as sent.

        When calls wait and none may go, the timer `LANE` is set for the next chance.
        """
        earliest: Nanos | None = None
        for lane, queues in self._queues.items():
            window = self._windows[lane]
            for priority, queue in enumerate(queues):
                if not queue:
                    continue
                share = window.rate
                if priority == Priority.BULK and lane is Lane.HISTORICAL:
                    # Bulk history leaves room for a read that somebody waits for.
                    share = max(1, share // 2)
                free_at = window.free_at(share)
                if free_at is not None and free_at > now:
                    earliest = free_at if earliest is None else min(earliest, free_at)
                    continue
                for call in queue:
                    until = self.blocked_until(call.payload_type, now)
                    if until is None:
                        queue.remove(call)
                        self._forget_one()
                        window.note(now)
                        return call
                    earliest = until if earliest is None else min(earliest, until)
        if earliest is not None:
            self._timers.set(Timer.LANE, earliest)
        return None

    def _forget_one(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._timers.clear(Timer.LANE)
