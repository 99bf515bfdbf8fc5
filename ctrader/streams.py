"""Give out events as an asynchronous iterator."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar, cast

import anyio
import anyio.lowlevel

from ctrader.errors import ClientClosedError
from ctrader.flag import Flag
from ctrader.operations.arguments import seconds_of
from ctrader.protocol.mailbox import CAPACITY, LIMIT, Mailbox
from ctrader.protocol.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from ctrader.driver import Driver

__all__ = ["EventStream"]

E = TypeVar("E")

# A loop that never waits still lets other tasks run this often. Less than a read brings, and the
# reader, which runs in between, would get ahead of a loop that is fast enough.
_EVENTS_PER_CHECKPOINT: Final = CAPACITY


class EventStream(Generic[E]):
    """The events of one type, in their order, for `async for`.

    Made by `CTraderClient.stream()`; it collects from that moment on, also before the client is
    connected and through reconnects. `async with` closes it; so does `close()`. It ends when the
    client is closed, after the events that had arrived by then; if the client gave up by itself,
    it ends with that error, so that a feed never dies silently.

    A consumer that is slower than its events never slows the client: beyond `capacity` events,
    quotes merge per symbol into the newest of each side on the present link (`merged` counts them).
    Events that must not be lost, such as executions, wait up to a cap of 100,000; then the stream
    fails.

    One task at a time should iterate; several share the events between them.
    """

    __slots__ = ("_buffer", "_driver", "_flag", "_is_closed", "_route", "_served")

    def __init__(
        self,
        driver: Driver,
        event_type: type[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        """Start collecting; users call `CTraderClient.stream()` instead."""
        mailbox = Mailbox(
            f"the stream of {event_type.__name__}", capacity=capacity, limit=max(capacity, LIMIT)
        )
        self._driver = driver
        self._route = Route(event_type, mailbox, account_id, symbol_id)
        self._flag = Flag()
        self._buffer: deque[E] = deque()
        self._served = 0
        self._is_closed = False
        driver.attach(self._route, self._flag)

    @property
    def merged(self) -> int:
        """Quotes that were merged into newer ones because the consumer was behind."""
        return self._route.mailbox.merged

    @property
    def dropped(self) -> int:
        """Events that were lost after the stream failed with `SlowConsumerError`."""
        return self._route.mailbox.dropped

    async def get(self, timeout: float | None = None) -> E:
        """Wait for the next event.

        Args:
            timeout: Seconds to wait; None waits as long as the client is open.

        Raises:
            TimeoutError: no event came in time.
            ClientClosedError: the stream or the client is closed, and no event is left.
            CTraderReconnectAbandonedError: the link was lost and reconnecting was given up.
            SlowConsumerError: the stream fell too far behind and has ended.
            ValueError: the time is none.
        """
        if timeout is None:
            await self._fetch()
        else:
            seconds = seconds_of(timeout, may_be_endless=True)
            with anyio.move_on_after(seconds) as scope:
                await self._fetch()
            if scope.cancelled_caught:
                raise TimeoutError("no event came in time")
        if not self._buffer:
            raise ClientClosedError(None if self._driver.is_finished else "this stream was closed")
        return self._buffer.popleft()

    def close(self) -> None:
        """Stop collecting and drop what is held; a loop over the stream ends.

        Closing twice is fine.
        """
        if not self._is_closed:
            self._driver.detach(self._route)
            self._is_closed = True
            self._buffer.clear()
            self._route.mailbox.take()
            self._flag.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> E:
        self._served += 1
        if self._served >= _EVENTS_PER_CHECKPOINT:
            self._served = 0
            await anyio.lowlevel.checkpoint()
        if not self._buffer:
            await self._fetch()
            if not self._buffer:
                raise StopAsyncIteration
        return self._buffer.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def _fetch(self) -> None:
        """Return when the buffer holds something, or the stream has come to an orderly end."""
        driver = self._driver
        driver.require_owner()
        mailbox = self._route.mailbox
        while not self._buffer:
            self._flag.clear()
            if len(mailbox):
                # The router puts in nothing but events of this stream's type.
                self._buffer.extend(cast("Iterable[E]", mailbox.take()))
            elif self._is_closed:
                return
            elif mailbox.failure is not None:
                self.close()
                raise mailbox.failure.with_traceback(None)
            elif driver.is_finished:
                self.close()
                driver.raise_failure()
                return
            else:
                await self._flag.wait()
