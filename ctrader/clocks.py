"""Read the clocks of this computer for the core."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from ctrader.units import MILLISECOND

if TYPE_CHECKING:
    from ctrader.units import Nanos

__all__ = ["Moment", "read_clocks"]

_AT_ONCE: Final = 5 * MILLISECOND
"""Readings that took longer were interrupted, and do not belong together."""
_TRIES: Final = 4

# What Linux calls this counts on while the computer sleeps, and the monotonic clock does not. No
# other system has it; there a time of day that ran ahead has to do.
_BOOT_TIME: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


class Moment(NamedTuple):
    """All clocks at one moment."""

    now: Nanos
    """Monotonic time."""
    unix: float
    """Wall time, in seconds since 1970."""
    suspended: Nanos | None
    """How long the computer has slept since it was started; None where it does not say."""


def read_clocks() -> Moment:
    """Read all clocks at once, as far as the system lets us."""
    for _ in range(_TRIES - 1):
        before = time.monotonic_ns()
        moment = _read_once()
        if moment.now - before < _AT_ONCE:
            return moment
    return _read_once()


def _read_once() -> Moment:
    unix = time.time()
    booted = None if _BOOT_TIME is None else time.clock_gettime_ns(_BOOT_TIME)
    now = time.monotonic_ns()
    return Moment(now, unix, None if booted is None else booted - now)
