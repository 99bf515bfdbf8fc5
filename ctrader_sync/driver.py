"""Let callers, handlers and streams on any thread share one session."""

from __future__ import annotations

import atexit
import functools
import inspect
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar, cast

from ctrader.errors import CTraderError, ForkedClientError, OrderOutcomeUnknownError
from ctrader.operations import resolution
from ctrader.operations.arguments import seconds_of
from ctrader.protocol.effects import Phase
from ctrader.protocol.mailbox import Mailbox
from ctrader.protocol.routing import Route, Router, check_handler
from ctrader.units import to_nanos
from ctrader_sync.dispatcher import Consumer, Dispatcher
from ctrader_sync.pump import Errand, Pump

if TYPE_CHECKING:
    from ctrader.config import ClientConfig
    from ctrader.errors import OutcomeResolver
    from ctrader.journal.store import OrderJournal
    from ctrader.models import HandlerReport, OrderOutcome
    from ctrader.operations.base import Op
    from ctrader.protocol.commands import Command
    from ctrader.protocol.grants import TokenCallback
    from ctrader.protocol.session import Session
    from ctrader.tokens.store import TokenStore
    from ctrader.units import Nanos
    from ctrader_sync.api.base import EventHandler

__all__ = ["Driver"]

WAIT_SLICE: Final = 0.2
"""Seconds of one wait: where a signal cannot end a wait, Ctrl-C is noticed after this long."""
CLOSE_MARGIN: Final = 1.5
"""Seconds beyond the grace period that `close` waits; the core finishes within one of them."""
DELIVERY_WAIT: Final = 1.0
"""Seconds that `close` waits for handlers that are held up."""
KEEPING_WAIT: Final = 5.0
"""Seconds that the end waits for what must be kept: new tokens, which nobody else has."""
EXIT_WAIT: Final = 0.5
"""Seconds that the end of the interpreter waits for the link to close."""
EXIT_DELIVERY_WAIT: Final = 0.1
"""Seconds that it waits for handlers."""

T = TypeVar("T")
E = TypeVar("E")


class Driver:
    """One client's session, threads and consumers; safe to use from any thread.

    Only the I/O thread changes the session, so that Ctrl-C, which strikes the main thread
    between any two steps, never leaves it half changed: callers hand over what they want done
    and wait. One lock guards the session for those who look at it, the router and the mailboxes.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        journal: OrderJournal | None = None,
        token_store: TokenStore | None = None,
    ) -> None:
        """Make a driver that is not connected and has no thread yet.

        Raises:
            ConfigurationError: a proxy is set, or `ca_file` cannot be used.
        """
        self._config = config
        self._lock = threading.Lock()
        self.token_callbacks: list[TokenCallback] = []
        """Functions of the user that keep new tokens."""
        self._pump = Pump(
            config,
            self._lock,
            deliver=self._deliver,
            end=self._wake_everyone,
            journal=journal,
            token_store=token_store,
            token_callbacks=self.token_callbacks,
        )
        self._router = Router()
        self._wakers: dict[Mailbox, Callable[[], None]] = {}
        self._consumers: list[Consumer] = []
        self._overwhelmed: list[Consumer] = []  # too slow: ended, and still told of
        self._streams: set[threading.Condition] = set()
        self._connecting: set[Errand] = set()
        self._was_connected = False
        self._dispatcher = Dispatcher(self._lock, self._retire, is_ending=self._is_ending)
        self._owner_pid = os.getpid()
        self._at_exit = functools.partial(_leave_interpreter, weakref.ref(self))
        atexit.register(self._at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=functools.partial(_leave_parent, weakref.ref(self)))

    # Public: what namespaces need

    @property
    def config(self) -> ClientConfig:
        """How the client was configured."""
        return self._config

    def run(self, operation: Op[T], timeout: float | None = None, *, paged: bool = False) -> T:
        """Carry out an operation in the calling thread, and return its result.

        Args:
            operation: The generator to step.
            timeout: Seconds for all of it; None takes the configuration's `request_timeout`.
            paged: The seconds count anew for each request that the operation makes.

        Raises:
            ClientClosedError: the client is closed, or was closed meanwhile.
            ForkedClientError: the client was made before this process was forked.
            ValueError: the time is none; nothing was begun.
        """
        seconds = self._config.request_timeout if timeout is None else seconds_of(timeout)
        until = time.monotonic() + seconds
        try:
            command = next(operation)
            while True:
                left = seconds if paged else until - time.monotonic()
                try:
                    result = self._execute(command, left)
                except CTraderError as error:
                    command = operation.throw(error)
                else:
                    command = operation.send(result)
        except StopIteration as stop:
            return cast("T", stop.value)  # a generator's return value has no type of its own
        except OrderOutcomeUnknownError as error:
            # The blocking client has no awaitables: its own class of the error says so to checkers.
            error.tie(cast("OutcomeResolver", self._resolve))
            raise
        finally:
            operation.close()

    def look(self, question: Callable[[Session], T]) -> T:
        """Ask the session something that changes nothing."""
        self.require_owner()
        with self._lock:
            return question(self._pump.session)

    def change(self, instruction: Callable[[Session, Nanos], T]) -> T:
        """Change something in the session, and return what the instruction returns.

        Raises:
            ClientClosedError: the client is closed.
        """
        return cast("T", self._do(Errand(instruction)))  # the errand hands it through untouched

    def register(
        self,
        event_type: type[E],
        handler: EventHandler[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
    ) -> None:
        """Call a handler for each event of a type, on a dispatcher thread.

        Raises:
            ClientClosedError: the client is closed.
            ValueError: this type of event has no such field.
            TypeError: the handler is an `async def`, which nobody would await, or no function.
        """
        check_handler(handler)
        if inspect.iscoroutinefunction(handler):
            raise TypeError(
                f"{_name_of(handler)} is an async function: handlers of the blocking client are "
                "plain functions"
            )
        self.require_owner()
        mailbox = Mailbox(f"handler {_name_of(handler)}")
        route = Route(event_type, mailbox, account_id, symbol_id)
        # The route lets only events of the handler's own type through.
        consumer = Consumer(route, cast("EventHandler[object]", handler))
        with self._lock:
            self._attach(route, functools.partial(self._dispatcher.enqueue, consumer))
            self._consumers.append(consumer)

    def unregister(self, event_type: type[E], handler: EventHandler[E]) -> bool:
        """Stop calling a handler; False if it was not registered.

        A call that another thread is in the middle of goes on.
        """
        self.require_owner()
        with self._lock:
            found = [c for c in self._consumers if c.calls(event_type, handler)]
            for consumer in found:
                consumer.ended = True
                self._retire(consumer)
            self._overwhelmed = [c for c in self._overwhelmed if not c.calls(event_type, handler)]
        return bool(found)

    @property
    def handlers(self) -> tuple[HandlerReport, ...]:
        """How each handler is doing, oldest first; those that were too slow come last."""
        with self._lock:
            return tuple(consumer.report() for consumer in (*self._consumers, *self._overwhelmed))

    # Public: what streams need

    def open_stream(self, route: Route) -> threading.Condition:
        """Fill a mailbox; return what tells that it holds something or all has ended.

        The condition's lock guards the mailbox.
        """
        self.require_owner()
        arrival = threading.Condition(self._lock)
        with self._lock:
            self._attach(route, arrival.notify_all)
            self._streams.add(arrival)
        return arrival

    def close_stream(self, route: Route, arrival: threading.Condition) -> None:
        """Fill a mailbox no more; doing it twice is fine."""
        if self._is_forked:
            return
        with self._lock:
            self._detach(route)
            self._streams.discard(arrival)
            arrival.notify_all()

    def prepare_wait(self) -> None:
        """Say that the caller is about to wait, and refuse where that would be for ever.

        Raises:
            ForkedClientError: nothing will ever arrive in this process.
        """
        self.require_owner()
        self._dispatcher.step_aside()

    def require_owner(self) -> None:
        """Refuse a forked child, before any lock: a thread that is not there may hold it.

        Raises:
            ForkedClientError: the client was made before this process was forked.
        """
        if self._is_forked:
            raise ForkedClientError(self._owner_pid, os.getpid())

    @property
    def is_finished(self) -> bool:
        """Whether nothing will arrive any more."""
        return self._pump.finished.is_set()

    @property
    def finished_error(self) -> Exception | None:
        """Why the session gave up; None while it has not, or when it was closed."""
        return self._pump.finished_error

    # Public: life cycle

    def connect(self, timeout: float | None = None) -> None:
        """Connect, and return when the link stands.

        Args:
            timeout: Seconds for name lookup, TCP and TLS; None takes `connect_timeout`.

        Raises:
            CTraderConnectionFailedError: there is no connection; it may be tried again.
            CTraderConnectionTimeoutError: there is none in time; it may be tried again.
            ClientClosedError: the client is closed.
            ValueError: the time is none; nothing was begun.
        """
        timeout = None if timeout is None else seconds_of(timeout)
        errand = Errand(
            lambda session, now: session.start(now, unix_now=time.time(), timeout=timeout),
            is_call=True,
        )
        try:
            self._connecting.add(errand)
            self._do(errand)
            self._connecting.discard(errand)
            self._was_connected = True  # no call follows after which Ctrl-C could strike
        except BaseException as error:
            self._connecting.discard(errand)
            is_alone = not self._connecting and not self._was_connected
            if is_alone and not isinstance(error, Exception) and not self._is_forked:
                # The link may stand already, and whoever was interrupted will not close it.
                self._pump.withdraw(lambda session: session.listen(*self._router.wanted()))
            raise

    def close(self, grace: float = 2.0) -> None:
        """Close the link and end every call; doing it twice, or from a handler, is fine.

        From a handler it returns at once; elsewhere when the link is closed and the handlers
        have got what arrived before, unless they are held up.

        Args:
            grace: Seconds to wait for the answers to orders under way.
        """
        to_nanos(grace)  # refuses what is no number of seconds, before anything ends
        if self._is_forked:
            return  # the child's copies were closed at the fork
        if self._dispatcher.is_current_thread:
            self._pump.post(lambda now: self._pump.session.close(now, grace=grace))
            return
        atexit.unregister(self._at_exit)
        if self._pump.post(lambda now: self._pump.session.close(now, grace=grace)):
            thread = self._pump.thread
            self._wait_finished(max(0.0, grace) + CLOSE_MARGIN)
            self._pump.join(thread, CLOSE_MARGIN)
        # Also where a handler has closed it: that one did not wait.
        self._pump.finish_jobs(KEEPING_WAIT)
        self._dispatcher.join(DELIVERY_WAIT)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the client is closed; True if it is, False if the time ran out first.

        Raises:
            CTraderError: the session ended by itself, and this is why.
            ValueError: the time is none.
        """
        timeout = None if timeout is None else seconds_of(timeout, may_be_endless=True)
        self.prepare_wait()
        is_finished = self._wait_finished(timeout)
        if self._pump.finished_error is not None:
            raise self._pump.closed_error()
        return is_finished

    # Public: the ends of processes

    def leave_interpreter(self) -> None:
        """Say goodbye to the server, without holding up the end of the process."""
        if self._is_forked:
            return
        if self._pump.thread is not None and self._pump.post(
            lambda now: self._pump.session.close(now, grace=0.0)
        ):
            self._pump.finished.wait(EXIT_WAIT)
        # Also where the session has ended before: its last words may still be being written.
        self._pump.finish_jobs(KEEPING_WAIT)
        self._dispatcher.join(EXIT_DELIVERY_WAIT)

    def leave_parent(self) -> None:
        """Let go, in a forked child, of what belongs to the parent."""
        self._pump.close_inherited()

    # Private: callers' threads

    @property
    def _is_forked(self) -> bool:
        return os.getpid() != self._owner_pid

    def _resolve(
        self, error: OrderOutcomeUnknownError, timeout: float | None = None
    ) -> OrderOutcome:
        return self.run(
            resolution.outcome_of(error), resolution.FOREVER if timeout is None else timeout
        )

    def _execute(self, command: Command, timeout: float) -> object:
        return self._do(
            Errand(lambda session, now: session.submit(command, now, timeout=timeout), is_call=True)
        )

    def _do(self, errand: Errand) -> object:
        self.require_owner()
        try:
            self._pump.hand_in(errand)
            self._dispatcher.step_aside()
            while not errand.wait(WAIT_SLICE):
                self.require_owner()
        finally:
            if not self._is_forked:
                self._pump.settle(errand)  # Ctrl-C may have come in between
        if errand.error is not None:
            raise errand.error
        return errand.result

    def _wait_finished(self, timeout: float | None) -> bool:
        until = None if timeout is None else time.monotonic() + timeout
        while not self._pump.finished.is_set():
            left = WAIT_SLICE if until is None else min(WAIT_SLICE, until - time.monotonic())
            if left <= 0:
                return False
            self._pump.finished.wait(left)
            self.require_owner()
        return True

    def _is_ending(self) -> bool:
        return self.is_finished or self._pump.session.phase in (Phase.CLOSING, Phase.FINISHED)

    # Private: with the lock held

    def _deliver(self, events: list[object]) -> None:
        for mailbox in self._router.route(events):
            self._wakers[mailbox]()
        self._dispatcher.ensure_service()

    def _wake_everyone(self) -> None:
        self._dispatcher.stop()
        for arrival in self._streams:
            arrival.notify_all()

    def _attach(self, route: Route, wake: Callable[[], None]) -> None:
        if self._pump.finished.is_set():
            raise self._pump.closed_error()
        # The waker comes first: Ctrl-C in between must leave no route without one.
        self._wakers[route.mailbox] = wake
        try:
            self._router.add(route)
        except ValueError:
            del self._wakers[route.mailbox]
            raise
        self._pump.session.listen(*self._router.wanted())

    def _detach(self, route: Route) -> None:
        if self._router.remove(route):
            del self._wakers[route.mailbox]
            self._pump.session.listen(*self._router.wanted())

    def _retire(self, consumer: Consumer) -> None:
        self._detach(consumer.route)
        if consumer in self._consumers:
            self._consumers.remove(consumer)
            if consumer.route.mailbox.failure is not None:
                self._overwhelmed.append(consumer)


def _name_of(handler: object) -> str:
    return str(getattr(handler, "__qualname__", None) or type(handler).__name__)


# The interpreter keeps what is registered with it: a weak reference lets an unused driver go.


def _leave_interpreter(reference: weakref.ref[Driver]) -> None:
    driver = reference()
    if driver is not None:
        driver.leave_interpreter()


def _leave_parent(reference: weakref.ref[Driver]) -> None:
    driver = reference()
    if driver is not None:
        driver.leave_parent()
