"""Wake tasks that wait for a level to be raised."""

from __future__ import annotations

import anyio
import anyio.lowlevel

__all__ = ["Flag"]


class Flag:
    """A level that tasks wait for; it costs next to nothing while nobody waits.

    It belongs to no event loop until somebody waits, so it can be made anywhere.
    """

    __slots__ = ("_event", "_waiting", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        """Whether it is raised."""
        self._event: anyio.Event | None = None
        self._waiting = 0

    def set(self) -> None:
        """Raise it and wake all who wait."""
        self.is_set = True
        if self._event is not None:
            self._event.set()
            self._event = None

    def clear(self) -> None:
        """Lower it."""
        self.is_set = False

    async def wait(self) -> None:
        """Wait until it is raised; it may be lowered again by the time this returns."""
        if self.is_set:
            await anyio.lowlevel.checkpoint()
            return
        if self._event is None:
            self._event = anyio.Event()
            self._waiting = 0
        event = self._event
        self._waiting += 1
        try:
            await event.wait()
        finally:
            # An event that nobody waits for must not outlive its loop.
            if self._event is event:
                self._waiting -= 1
                if not self._waiting:
                    self._event = None
