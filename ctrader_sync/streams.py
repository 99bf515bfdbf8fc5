"""Events as a blocking iterator."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from ctrader.errors import ClientClosedError
from ctrader.operations.arguments import seconds_of
from ctrader.protocol.mailbox import CAPACITY, LIMIT, Mailbox
from ctrader.protocol.routing import Route
from ctrader_sync.driver import WAIT_SLICE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from ctrader_sync.driver import Driver

__all__ = ["EventStream"]

E = TypeVar("E")


class EventStream(Generic[E]):
    """The events of one type, in their order, for `for`.

    Made by `SyncCTraderClient.stream()`; it collects from that moment on, also before the client
    is connected and through reconnects. `with` closes it; so does `close()`. It ends when the
    client is closed, after the events that had arrived by then; if the client gave up by itself,
    it ends with that error, so that a feed never dies silently.

    A consumer that is slower than its events never slows the client: beyond `capacity` events,
    quotes merge per symbol into the newest of each side on the present link (`merged` counts them).
    Events that must not be lost, such as executions, wait up to a cap of 100,000; then the stream
    fails.

    Any thread may use it; several threads share the events between them. Ctrl-C ends a wait.
    """

    __slots__ = ("_arrival", "_buffer", "_driver", "_is_closed", "_route")

    def __init__(
        self,
        driver: Driver,
        event_type: type[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        """Start collecting; users call `SyncCTraderClient.stream()` instead."""
        mailbox = Mailbox(
            f"the stream of {event_type.__name__}", capacity=capacity, limit=max(capacity, LIMIT)
        )
        self._driver = driver
        self._route = Route(event_type, mailbox, account_id, symbol_id)
        self._buffer: deque[E] = deque()
        self._is_closed = False
        self._arrival = driver.open_stream(self._route)

    @property
    def merged(self) -> int:
        """Quotes that were merged into newer ones because the consumer was behind."""
        return self._route.mailbox.merged

    @property
    def dropped(self) -> int:
        """Events that were lost after the stream failed with `SlowConsumerError`."""
        return self._route.mailbox.dropped

    def get(self, timeout: float | None = None) -> E:
        """Wait for the next event.

        Args:
            timeout: Seconds to wait; None waits as long as the client is open.

        Raises:
            TimeoutError: no event came in time.
            ClientClosedError: the stream or the client is closed, and no event is left.
            CTraderReconnectAbandonedError: the link was lost and reconnecting was given up.
            SlowConsumerError: the stream fell too far behind and has ended.
            ForkedClientError: the client was made before this process was forked.
            ValueError: the time is none.
        """
        seconds = None if timeout is None else seconds_of(timeout, may_be_endless=True)
        try:
            return self._take(seconds)
        except StopIteration:
            pass
        raise ClientClosedError(None if self._driver.is_finished else "this stream was closed")

    def close(self) -> None:
        """Stop collecting and drop what is held; a loop over the stream ends.

        Closing twice is fine, and so is closing from another thread.
        """
        self._is_closed = True
        self._buffer.clear()
        self._driver.close_stream(self._route, self._arrival)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> E:
        return self._take(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _take(self, timeout: float | None) -> E:
        """Return the next event; StopIteration at the orderly end."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                return self._buffer.popleft()
            except IndexError:
                # Empty, or another thread was quicker; its error must not trail the next one.
                pass
            self._fetch(until)

    def _fetch(self, until: float | None) -> None:
        """Fill the buffer, waiting if there is nothing yet; StopIteration at the orderly end."""
        self._driver.prepare_wait()
        with self._arrival:
            while not self._is_closed:
                if self._buffer:
                    return  # another thread fetched, perhaps the last events of all
                if len(self._route.mailbox):
                    # The router puts in nothing but events of this stream's type.
                    self._buffer.extend(cast("Iterable[E]", self._route.mailbox.take()))
                    return
                if self._has_ended():
                    break
                left = WAIT_SLICE if until is None else min(WAIT_SLICE, until - time.monotonic())
                if left <= 0:
                    raise TimeoutError("no event came in time")
                self._arrival.wait(left)
                self._driver.require_owner()  # a signal's handler may have forked the process
        error = None if self._is_closed else self._failure()
        self.close()
        if error is not None:
            raise error.with_traceback(None)
        raise StopIteration

    def _has_ended(self) -> bool:
        return self._route.mailbox.failure is not None or self._driver.is_finished

    def _failure(self) -> Exception | None:
        return self._route.mailbox.failure or self._driver.finished_error
