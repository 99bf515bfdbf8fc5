"""Keep the time of day beside monotonic time, and notice a computer's sleep."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from ctrader.units import SECOND

if TYPE_CHECKING:
    from ctrader.units import Nanos

__all__ = ["Clocks"]

STEP: Final = SECOND // 4
"""Differences of the time of day below this are drift, and leave it as it is."""
_STEPS_REMEMBERED: Final = 16
"""What happened before so many steps of the clock is not stamped any more."""


class _Base(NamedTuple):
    """A moment of which both clocks are known."""

    since: Nanos
    """From here on it holds."""
    unix: float


class Clocks:
    """Turn moments into times of day, as the clock showed them at that moment.

    The time of day stands in no timer: it may be set back and forth. It only stamps what users
    see, so a step begins a new reckoning and leaves what was stamped before as it is.
    """

    __slots__ = ("_bases", "_compared_at", "_suspended", "checked_at")

    def __init__(self) -> None:
        self._bases: deque[_Base] = deque([_Base(0, 0.0)], maxlen=_STEPS_REMEMBERED)
        self._suspended: Nanos | None = None
        self._compared_at: Nanos = 0
        self.checked_at: Nanos = 0
        """When the clocks were compared before the last time: no sleep was older than that."""

    def set(self, now: Nanos, unix_now: float) -> None:
        """Note the time of day of a moment, in seconds since 1970."""
        self._bases.append(_Base(now, unix_now))
        self._compared_at = now

    def wall(self, moment: Nanos) -> datetime:
        """Return the time of day of a moment."""
        for base in reversed(self._bases):
            if base.since <= moment:
                break
        else:
            base = self._bases[0]
        return datetime.fromtimestamp(base.unix + (moment - base.since) / SECOND, UTC)

    def compare(self, now: Nanos, unix_now: float, suspended: Nanos | None) -> Nanos:
        """Read the clocks, and return for how long the computer seems to have slept since.

        Args:
            now: Monotonic time; asleep, it stands still on most systems.
            unix_now: The time of day.
            suspended: For how long the system has slept since it began, None where it does not
                say; then a time of day that runs ahead counts as sleep.
        """
        self.checked_at, self._compared_at = self._compared_at, now
        base = self._bases[-1]
        # A float's time of day is no finer than this rounding.
        ahead = round((unix_now - base.unix) * SECOND) - (now - base.since)
        if abs(ahead) >= STEP:
            self.set(now, unix_now)
        if suspended is None:
            return max(0, ahead)
        before, self._suspended = self._suspended, max(suspended, self._suspended or 0)
        return 0 if before is None else max(0, suspended - before)
