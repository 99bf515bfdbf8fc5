"""Choose which failures of a handler are logged, so that a log is not flooded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.units import SECOND

if TYPE_CHECKING:
    from ctrader.units import Nanos

__all__ = ["BURST", "FailureLog"]

BURST: Final = 10
"""Failures of one handler that are logged whatever their pace; later, one a second."""


class FailureLog:
    """Count one handler's failures, and admit some of them to the log.

    A traceback costs more than an event: a handler that fails for each of 20,000 quotes a second
    would hold up everything else, and fill the disk.
    """

    __slots__ = ("_full_at", "total", "unlogged")

    def __init__(self) -> None:
        self.total = 0
        """Failures since the beginning."""
        self.unlogged = 0
        """Those that were left out since the last one that was logged."""
        self._full_at: Nanos = 0  # when the whole burst is to be had again

    def admits(self, now: Nanos) -> bool:
        """Count a failure; whether it is to be logged."""
        self.total += 1
        full_at = max(self._full_at, now)
        if full_at - now > (BURST - 1) * SECOND:
            self.unlogged += 1
            return False
        self._full_at = full_at + SECOND
        return True

    def remark(self) -> str:
        """Say how many were left out before the one that is logged now; empty if none was."""
        unlogged, self.unlogged = self.unlogged, 0
        return f" ({unlogged:,} failures before it were not logged)" if unlogged else ""
