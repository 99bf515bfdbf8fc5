"""Know when to send a heartbeat, and when a silent server counts as dead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.protocol.timers import Timer
from ctrader.units import SECOND, to_nanos

if TYPE_CHECKING:
    from ctrader.protocol.timers import TimerTable
    from ctrader.units import Nanos

__all__ = ["SERVER_PATIENCE", "Heartbeat"]

SERVER_PATIENCE: Final = 30 * SECOND
"""The server drops a client of which it has heard nothing for so long."""

_OFF: Final = 0


class Heartbeat:
    """Keep a link alive and watch whether the other side still speaks.

    Call `opened` with each new link and `closed` at its end; between them `sent` and `received`
    with every write and read. It keeps the timers `HEARTBEAT`, `STALL` and `SILENCE`.
    """

    __slots__ = ("_interval", "_timers", "heard_at", "is_due", "timeout")

    def __init__(self, timers: TimerTable, *, interval: float, timeout: float) -> None:
        """Set the pace.

        Args:
            timers: The table that holds the two timers.
            interval: Seconds without a send after which a heartbeat goes out.
            timeout: Seconds without a frame after which the server is dead; 0 switches it off.
        """
        self._timers = timers
        self._interval = to_nanos(interval)
        self.timeout = to_nanos(timeout)
        self.is_due = False
        """A heartbeat waits to be sent."""
        self.heard_at: Nanos = 0
        """When something last arrived on this link."""

    def opened(self, now: Nanos) -> None:
        """Begin with a new link."""
        self.is_due = False
        self.heard_at = now
        self._timers.set(Timer.HEARTBEAT, now + self._interval)
        if self.timeout != _OFF:
            self._timers.set(Timer.SILENCE, now + self.timeout)

    def closed(self) -> None:
        """End with the link."""
        self.is_due = False
        self._timers.clear(Timer.HEARTBEAT)
        self._timers.clear(Timer.STALL)
        self._timers.clear(Timer.SILENCE)

    def fell_due(self, now: Nanos) -> None:
        """Note that nothing was sent for the interval.

        From here on the transport must take it before the server has heard nothing for too long:
        bytes that still arrive say nothing of those that no longer leave.
        """
        self.is_due = True
        self._timers.set(Timer.STALL, now + SERVER_PATIENCE - self._interval)

    def sent(self, now: Nanos) -> None:
        """Note that bytes were handed over; any frame is as good as a heartbeat."""
        if self.is_due:
            self.is_due = False
            self._timers.clear(Timer.STALL)
        self._timers.set(Timer.HEARTBEAT, now + self._interval)

    def received(self, now: Nanos) -> None:
        """Note that bytes arrived; every one is a sign of life."""
        self.heard_at = now
        if self.timeout != _OFF:
            self._timers.set(Timer.SILENCE, now + self.timeout)
