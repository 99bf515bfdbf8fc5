"""The pace at which a connection's bytes leave: at once, in drops, or glued."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ctrader.simulator.switches import Switches

__all__ = ["Outlet"]

_SECOND: Final = 1_000_000_000


class Outlet:
    """Hold bytes back until it is their time.

    `push` what is to be sent, `release` when `next_deadline` has come, and `take` what may leave
    after either.
    """

    def __init__(self, switches: Switches) -> None:
        """Begin empty, at the pace that the switches name."""
        self._piece = switches.dribble_bytes
        self._interval = max(1, round(switches.dribble_interval * _SECOND))
        self._glue = round(switches.glue_interval * _SECOND)
        self._held = bytearray()
        self._due: int | None = None
        self._ready = bytearray()

    def push(self, data: bytes, now: int) -> None:
        """Take bytes that are to be sent."""
        if not (self._piece or self._glue):
            self._ready += data
            return
        self._held += data
        if self._due is None:
            self._due = now + self._glue
        self.release(now)

    def release(self, now: int) -> None:
        """Let leave what is due by now; otherwise do nothing."""
        while self._due is not None and self._due <= now:
            size = self._piece or len(self._held)
            self._ready += self._held[:size]
            del self._held[:size]
            if self._held:
                self._due += self._interval
            else:
                self._due = None

    def next_deadline(self) -> int | None:
        """Return when `release` should be called next, None where nothing is held back."""
        return self._due

    def open(self) -> None:
        """Let everything leave at once, as at the end of a connection."""
        self._ready += self._held
        self._held.clear()
        self._due = None

    def discard(self) -> None:
        """Drop everything that has not left."""
        self._held.clear()
        self._ready.clear()
        self._due = None

    def take(self) -> bytes:
        """Return and forget the bytes that may leave now."""
        data = bytes(self._ready)
        self._ready.clear()
        return data
