"""Call the user's handlers, each in a task of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, cast, overload

import anyio

from ctrader.errors import ClientClosedError
from ctrader.flag import Flag
from ctrader.protocol.failures import FailureLog
from ctrader.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

    from ctrader.api.base import EventHandler
    from ctrader.models.handlers import HandlerReport
    from ctrader.protocol.routing import Route

__all__ = ["Consumer", "Dispatcher", "HandlerDecorator"]

logger: Final = logging.getLogger("ctrader.events")

SLOW_HANDLER: Final = 100 * MILLISECOND
"""A plain function that takes longer holds up the event loop; it is reported once."""


E = TypeVar("E")


class HandlerDecorator(Protocol[E]):
    """What `CTraderClient.on` returns: it registers a function and gives it back."""

    @overload
    def __call__(
        self, handler: Callable[[E], Awaitable[None]], /
    ) -> Callable[[E], Awaitable[None]]: ...
    @overload
    def __call__(self, handler: Callable[[E], None], /) -> Callable[[E], None]: ...


class Consumer:
    """One registered handler with its mailbox."""

    __slots__ = (
        "delivered",
        "failures",
        "flag",
        "handler",
        "is_closer",
        "is_ended",
        "is_reported",
        "route",
        "scope",
    )

    def __init__(self, route: Route, handler: EventHandler[object]) -> None:
        self.route = route
        """What it wants, and the mailbox it is put into."""
        self.handler = handler
        """What is called."""
        self.flag = Flag()
        """Raised when there is something in the mailbox, or it is time to end."""
        self.scope: anyio.CancelScope | None = None
        """What its task runs in."""
        self.is_ended = False
        """Whether it gets nothing any more."""
        self.is_closer = False
        """Whether it is closing the client, which therefore cannot wait for its end."""
        self.is_reported = False
        """Whether it was reported as slow."""
        self.delivered = 0
        """How often it was called."""
        self.failures = FailureLog()
        """What it raised, and which of that is logged."""

    @property
    def name(self) -> str:
        """How logs and errors call it."""
        return self.route.mailbox.name

    def report(self) -> HandlerReport:
        """Say how it is doing."""
        return self.route.report(delivered=self.delivered, failed=self.failures.total)

    def calls(self, event_type: type, handler: object) -> bool:
        """Whether this is the registration of a handler for a type of event."""
        # Bound methods are made anew at each access: equal, yet not identical.
        return self.route.event_type is event_type and self.handler == handler

    def end(self) -> None:
        """Give it nothing any more; a call that is under way goes on."""
        self.is_ended = True
        self.flag.set()


# Whose handler the running code was called by; tasks that a handler starts inherit it.
_calling: ContextVar[Consumer | None] = ContextVar("ctrader_calling_consumer", default=None)


class Dispatcher:
    """Run one long-lived task for each handler, in the driver's task group.

    A handler is never called twice at once; one that waits or fails delays only itself.
    """

    def __init__(
        self, retire: Callable[[Consumer], None], *, is_ending: Callable[[], bool]
    ) -> None:
        """Make a dispatcher that runs nothing yet.

        Args:
            retire: Called when a consumer that was too slow has ended.
            is_ending: Whether the client is being closed, or was: what handlers ask it then fails.
        """
        self._retire = retire
        self._is_ending = is_ending
        self._running: set[Consumer] = set()
        self._is_stopping = False
        self._quiet = Flag()

    @property
    def running(self) -> list[str]:
        """Names of the consumers whose tasks have not ended."""
        return sorted(consumer.name for consumer in self._running)

    def open(self) -> None:
        """Prepare for consumers to be started, after `stop` as well."""
        self._is_stopping = False

    def start(self, consumer: Consumer, tasks: TaskGroup) -> None:
        """Begin to call a handler."""
        consumer.scope = anyio.CancelScope()
        self._running.add(consumer)
        name = f"ctrader {consumer.name}"
        tasks.start_soon(self.consume, consumer, consumer.scope, name=name)

    def is_called_by_handler(self) -> bool:
        """Whether the caller is a handler, or a task that one started.

        The handler is then left to finish, and `join` does not wait for it.
        """
        caller = _calling.get()
        if caller is None or caller not in self._running:
            return False
        caller.is_closer = True
        self._note_quiet()
        return True

    def stop(self) -> None:
        """Let each consumer end when its mailbox is empty."""
        self._is_stopping = True
        for consumer in self._running:
            consumer.flag.set()

    async def join(self, seconds: float) -> None:
        """Wait until everything is delivered, then cancel the handlers that still run."""
        self._quiet.clear()
        self._note_quiet()
        with anyio.move_on_after(seconds):
            while not self._quiet.is_set:
                await self._quiet.wait()
        for consumer in self._running:
            if not consumer.is_closer and consumer.scope is not None:
                logger.warning("the client is closed: %s was cancelled", consumer.name)
                consumer.scope.cancel()

    async def consume(self, consumer: Consumer, scope: anyio.CancelScope) -> None:
        """Be the task of one consumer; `start` begins it."""
        _calling.set(consumer)
        mailbox = consumer.route.mailbox
        try:
            with scope:
                while True:
                    consumer.flag.clear()
                    for event in mailbox.take():
                        if not consumer.is_ended:
                            await self._call(consumer, event)
                    if consumer.is_ended:
                        return
                    if len(mailbox):
                        continue
                    if mailbox.failure is not None:
                        logger.error("%s", mailbox.failure)
                        consumer.is_ended = True
                        self._retire(consumer)
                    elif self._is_stopping:
                        return
                    else:
                        await consumer.flag.wait()
        finally:
            self._running.discard(consumer)
            self._note_quiet()

    def _note_quiet(self) -> None:
        if all(consumer.is_closer for consumer in self._running):
            self._quiet.set()

    async def _call(self, consumer: Consumer, event: object) -> None:
        try:
            consumer.delivered += 1
            began = time.monotonic_ns()
            # Types do not bind a lambda: it may return anything, and only what can be awaited is.
            outcome = cast("object", consumer.handler(event))
            took = time.monotonic_ns() - began
            if took > SLOW_HANDLER and not consumer.is_reported:
                consumer.is_reported = True
                logger.warning(
                    "%s took %d ms and held up the event loop: make it an async function that "
                    "awaits, or hand its work to a thread",
                    consumer.name,
                    took // MILLISECOND,
                )
            if outcome is not None and isinstance(outcome, Awaitable):
                await outcome
        except BaseException as error:
            if isinstance(error, ClientClosedError) and self._is_ending():
                logger.info("%s was cut short by the end of the client", consumer.name)
                return
            if not isinstance(error, Exception) and not is_stray_cancellation(error):
                raise
            if consumer.failures.admits(time.monotonic_ns()):
                logger.exception(
                    "%s failed for a %s; it goes on with the next event%s",
                    consumer.name,
                    type(event).__name__,
                    consumer.failures.remark(),
                )


def is_stray_cancellation(error: BaseException) -> bool:
    """Whether the running task is not cancelled, but something it awaited was.

    That happens on asyncio only; on trio whatever is cancelled is cancelled by a scope around it.
    """
    import asyncio

    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() == 0
