"""Run the session on an event loop: pump bytes, keep time, carry out effects."""

from __future__ import annotations

import contextvars
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar, assert_never, cast

import anyio
import anyio.lowlevel
import anyio.to_thread

from ctrader.clocks import read_clocks
from ctrader.connection import Connection
from ctrader.dispatcher import Consumer, Dispatcher, is_stray_cancellation
from ctrader.errors import (
    ClientClosedError,
    CTraderConnectionClosedError,
    CTraderConnectionError,
    CTraderError,
    NotConnectedError,
    OrderOutcomeUnknownError,
)
from ctrader.flag import Flag
from ctrader.operations import resolution
from ctrader.operations.arguments import seconds_of
from ctrader.operations.background import BackgroundWork
from ctrader.protocol.effects import (
    CallCompleted,
    CallFailed,
    CloseConnection,
    Effect,
    EventsReceived,
    Finished,
    JobRequested,
    OpenConnection,
    Phase,
    PhaseChanged,
    Warned,
)
from ctrader.protocol.mailbox import Mailbox
from ctrader.protocol.routing import Route, Router, check_handler
from ctrader.protocol.session import Session
from ctrader.transport import refuse_proxy, tls_context
from ctrader.units import SECOND, Nanos, to_nanos

if TYPE_CHECKING:
    import random

    from anyio.abc import TaskGroup

    from ctrader.api.base import EventHandler
    from ctrader.config import ClientConfig
    from ctrader.journal.store import OrderJournal
    from ctrader.models import HandlerReport, OrderOutcome
    from ctrader.operations.base import Op
    from ctrader.protocol.commands import CallId, Command
    from ctrader.protocol.grants import TokenCallback
    from ctrader.tokens.store import TokenStore

__all__ = ["Driver"]

logger: Final = logging.getLogger("ctrader.driver")

SESSION_SHARE: Final = 0.75
"""Part of the grace period that the session may use up; the rest is for the handlers."""
HANDLER_SHARE: Final = 0.95
"""Part of the grace period after which handlers that still run are cancelled."""
IDLE_STEPS: Final = 8
"""Steps of the loop without a read after which nothing is left to read: a byte needs three to
come from the system through TLS to the reader."""
READ_ON_STEPS: Final = 4096
"""Steps of the loop that deadlines wait for reads at most, however much arrives."""
LEAST_WAIT: Final = 0.5
"""Seconds for closing the socket and ending tasks, where the grace period is shorter."""

T = TypeVar("T")
E = TypeVar("E")


class _Waiter(Flag):
    """The end of one call, for the task that waits for it."""

    __slots__ = ("error", "result")

    def __init__(self) -> None:
        super().__init__()
        self.result: object = None
        self.error: Exception | None = None


class _Link:
    """One attempt at a connection, and the connection if it succeeds."""

    __slots__ = ("cause", "discards", "epoch", "flag", "scope")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.scope = anyio.CancelScope()
        self.flag = Flag()  # wakes the writer
        self.cause: CTraderConnectionError | None = None
        self.discards = True


class Driver:
    """Own a session, its connection and its tasks, all on one event loop.

    `connect` starts a host task that owns every other task, so that `connect` and `close` may be
    called from different tasks and inside any cancel scope. The first `connect` binds the driver
    to its event loop; before that it may be made and given handlers anywhere. It fulfils
    `ctrader.api.base.Runner`.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        rng: random.Random,
        journal: OrderJournal | None = None,
        token_store: TokenStore | None = None,
    ) -> None:
        """Make a driver that is not connected and belongs to no event loop yet.

        Raises:
            ConfigurationError: a proxy is set, or `ca_file` cannot be used.
        """
        refuse_proxy(config)
        self.closed = Flag()
        """Raised for good when the session has ended and its socket is closed."""
        self.is_finished = False
        """Whether the session has ended and nothing can be asked any more."""

        self._config = config
        self._context = tls_context(config) if config.use_ssl else None
        self._rng = rng
        self._journal = journal
        self._token_store = token_store
        self.token_callbacks: list[TokenCallback] = []
        """Functions of the user that keep new tokens."""
        self._session = self._new_session()
        self._router = Router()
        self._flags: dict[Mailbox, Flag] = {}
        self._consumers: list[Consumer] = []
        self._overwhelmed: list[Consumer] = []  # too slow: ended, and still told of
        self._dispatcher = Dispatcher(self._retire, is_ending=self._is_ending)
        self._waiters: dict[CallId, _Waiter] = {}
        self._finished_error: Exception | None = None

        # The event loop that it belongs to, from connect() on.
        self._library = ""
        self._thread: int | None = None
        self._loop: object = None

        # The host task and what it owns; each attempt of connect() starts a new one.
        self._host_task: object = None
        self._is_hosted = False
        self._tasks: TaskGroup | None = None
        self._stop = Flag()
        self._host_ended = Flag()
        self._links: dict[int, _Link] = {}
        self._link_ended = Flag()
        self._writing: _Link | None = None
        self._jobs: deque[JobRequested] = deque()
        self._job_asked = Flag()
        self._apart: set[anyio.CancelScope] = set()
        self._timer = Flag()
        self._reads = 0  # blocks of data taken from any link
        self._armed = -math.inf  # when the timer task wakes; before all time while it is awake
        self._connecting = 0  # tasks in connect()
        self._was_connected = False
        self._is_closing = False
        self._handlers_until = 0.0  # monotonic seconds

    # Public, what namespaces need

    @property
    def config(self) -> ClientConfig:
        """How the client was configured."""
        return self._config

    async def run(
        self, operation: Op[T], timeout: float | None = None, *, paged: bool = False
    ) -> T:
        """Carry out an operation in the caller's task, and return its result.

        Args:
            operation: The generator to step.
            timeout: Seconds for all of it; None takes the configuration's `request_timeout`.
            paged: The seconds count anew for each request that the operation makes.

        Raises:
            CTraderConnectionClosedError: the client was never connected; a trading request ends in
                `OrderNotSentError` then.
            ClientClosedError: the client is closed, or was closed meanwhile.
            ValueError: the time is none; nothing was begun.
            RuntimeError: the client belongs to another event loop.
        """
        seconds = self._config.request_timeout if timeout is None else seconds_of(timeout)
        until = time.monotonic() + seconds
        left = seconds
        try:
            self.require_owner()
            command = next(operation)
            while True:
                try:
                    result = await self._execute(command, left)
                except CTraderError as error:
                    command = operation.throw(error)
                else:
                    command = operation.send(result)
                if not paged:
                    left = until - time.monotonic()
        except StopIteration as stop:
            return cast("T", stop.value)  # a generator's return value has no type of its own
        except OrderOutcomeUnknownError as error:
            error.tie(self._resolve)
            raise
        finally:
            operation.close()

    def look(self, question: Callable[[Session], T]) -> T:
        """Ask the session something that changes nothing."""
        self.require_owner()
        return question(self._session)

    def change(self, instruction: Callable[[Session, Nanos], T]) -> T:
        """Change something in the session, and return what the instruction returns.

        Raises:
            ClientClosedError: the client is closed.
        """
        self.require_owner()
        if self.is_finished:
            raise self.finished_error()
        try:
            return instruction(self._session, self._wake())
        finally:
            self._pump()

    def register(
        self,
        event_type: type[E],
        handler: EventHandler[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
    ) -> None:
        """Call a handler for each event of a type, in a task of its own.

        Raises:
            ClientClosedError: the client is closed.
            TypeError: the handler is no function.
            ValueError: this type of event has no such field.
        """
        check_handler(handler)
        name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
        route = Route(event_type, Mailbox(f"handler {name}"), account_id, symbol_id)
        # The route lets only events of the handler's own type through.
        consumer = Consumer(route, cast("EventHandler[object]", handler))
        self.attach(route, consumer.flag)
        self._consumers.append(consumer)
        if self._tasks is not None:
            self._dispatcher.start(consumer, self._tasks)

    def unregister(self, event_type: type[E], handler: EventHandler[E]) -> bool:
        """Stop calling a handler; False if it was not registered.

        A call that is under way goes on; what waits in its mailbox is dropped.
        """
        self.require_owner()
        found = [c for c in self._consumers if c.calls(event_type, handler)]
        for consumer in found:
            consumer.end()
            self._retire(consumer)
        self._overwhelmed = [c for c in self._overwhelmed if not c.calls(event_type, handler)]
        return bool(found)

    @property
    def handlers(self) -> tuple[HandlerReport, ...]:
        """How each handler is doing, oldest first; those that were too slow come last."""
        return tuple(consumer.report() for consumer in (*self._consumers, *self._overwhelmed))

    # Public, what streams need

    def attach(self, route: Route, flag: Flag) -> None:
        """Bring events to a mailbox, and raise the flag when it is no longer empty.

        Raises:
            ClientClosedError: the client is closed.
            ValueError: this type of event has no such field.
        """
        self.require_owner()
        if self.is_finished:
            raise self.finished_error()
        self._router.add(route)
        self._flags[route.mailbox] = flag
        self._session.listen(*self._router.wanted())

    def detach(self, route: Route) -> None:
        """Bring no more events to a mailbox."""
        self.require_owner()
        if self._router.remove(route):
            del self._flags[route.mailbox]
            self._session.listen(*self._router.wanted())

    def finished_error(self) -> Exception:
        """Return the error of whatever is asked after the end."""
        if self._finished_error is None:
            return ClientClosedError()
        return self._finished_error.with_traceback(None)

    def raise_failure(self) -> None:
        """Raise why the session ended, unless it was closed."""
        if self._finished_error is not None:
            raise self.finished_error()

    def require_owner(self) -> None:
        """Refuse a thread or an event loop that the driver does not belong to.

        Raises:
            RuntimeError: it was connected on another event loop.
        """
        if self._thread is None:
            return
        if threading.get_ident() != self._thread or _running_loop(self._library) is not self._loop:
            raise RuntimeError(
                "the client was connected on another event loop, and may be used only from the "
                "tasks of that one. From another thread go through "
                "asyncio.run_coroutine_threadsafe or trio.from_thread.run, give each event loop "
                "a client of its own, or take ctrader_sync.SyncCTraderClient, which is thread-safe"
            )

    # Public, what the client needs

    async def connect(self, timeout: float | None = None) -> None:
        """Start the session and wait until the link stands; see `CTraderClient.connect`."""
        timeout = None if timeout is None else seconds_of(timeout)
        if self._is_hosted:
            self.require_owner()
        while self._is_hosted and self._stop.is_set:
            await self._host_ended.wait()  # another task's attempt is being cleared away
        if self.is_finished or self._is_closing:
            raise self.finished_error()
        now = time.monotonic_ns()
        call_id = self._session.start(now, unix_now=time.time(), timeout=timeout)
        self._connecting += 1
        try:
            if not self._is_hosted:
                self._start_host()
            await self._ended(call_id)
            self._was_connected = True
        except BaseException:
            # After a failed first attempt nothing is left, and connect() may be called again.
            if not self._was_connected and self._connecting == 1:
                self._forget_link()
                self._stop.set()
                await self._outlast(self._host_ended, math.inf)
            raise
        finally:
            self._connecting -= 1

    async def close(self, *, grace: float = 2.0) -> None:
        """End the session and everything that runs; see `CTraderClient.close`."""
        to_nanos(grace)  # refuses what is no number of seconds, before anything ends
        if not self._is_hosted:
            self._session.close(time.monotonic_ns(), grace=0)
            self._carry_out()
            self.closed.set()
            return
        self.require_owner()
        # A handler that waited for every task would wait for itself.
        ended = self.closed if self._dispatcher.is_called_by_handler() else self._host_ended
        if not self._is_closing:
            self._is_closing = True
            self._handlers_until = time.monotonic() + HANDLER_SHARE * grace
            self._session.close(time.monotonic_ns(), grace=SESSION_SHARE * grace)
            self._pump()
        await self._outlast(ended, max(grace, LEAST_WAIT))
        if not ended.is_set:
            names = ", ".join(self._dispatcher.running)
            logger.warning("the client is closed, but still running: %s", names or "its connection")

    # Private, calls

    def _new_session(self) -> Session:
        return Session(
            self._config,
            rng=self._rng,
            work=BackgroundWork(),
            journal=self._journal,
            token_store=self._token_store,
            token_callbacks=self.token_callbacks,
        )

    def _is_ending(self) -> bool:
        return self.is_finished or self._session.phase in (Phase.CLOSING, Phase.FINISHED)

    def _require_open(self) -> None:
        if self.is_finished:
            raise self.finished_error()
        self.require_owner()

    async def _resolve(
        self, error: OrderOutcomeUnknownError, timeout: float | None = None
    ) -> OrderOutcome:
        return await self.run(
            resolution.outcome_of(error), resolution.FOREVER if timeout is None else timeout
        )

    async def _execute(self, command: Command, timeout: float) -> object:
        # Whoever is cancelled already sends nothing any more.
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._require_open()
        call_id = self._session.submit(command, self._wake(), timeout=timeout)
        return await self._ended(call_id)

    async def _ended(self, call_id: CallId) -> object:
        """Wait for the end of a call; whoever is cancelled meanwhile cancels the call."""
        waiter = self._waiters[call_id] = _Waiter()
        try:
            self._pump()
            if not waiter.is_set:
                if not self._is_hosted:
                    # Nobody keeps time yet: what the session does not refuse at once never ends.
                    raise NotConnectedError
                await waiter.wait()
        except BaseException:
            if self._waiters.pop(call_id, None) is not None:
                self._session.cancel(call_id, time.monotonic_ns())
                self._pump()
            raise
        if waiter.error is not None:
            raise waiter.error
        return waiter.result

    def _wake(self) -> Nanos:
        """Let the session notice a sleep of the computer; return the monotonic time."""
        moment = read_clocks()
        self._session.check_clocks(moment.now, unix_now=moment.unix, suspended=moment.suspended)
        return moment.now

    # Private, effects

    def _pump(self) -> None:
        """Carry out what the session asks for, and let the writer look for bytes to send."""
        self._carry_out()
        if self._writing is not None:
            self._writing.flag.set()

    def _carry_out(self) -> None:
        if self._is_hosted and self._tasks is None:
            return  # the host task begins with this as soon as it runs
        for effect in self._session.take_effects():
            self._carry_out_one(effect)
        deadline = self._session.next_deadline()
        if deadline is not None and deadline.at < self._armed:
            self._timer.set()

    def _carry_out_one(self, effect: Effect) -> None:
        match effect:
            case EventsReceived(events):
                for mailbox in self._router.route(events):
                    self._flags[mailbox].set()
            case CallCompleted(call_id, result):
                self._answer(call_id, result, None)
            case CallFailed(call_id, error):
                self._answer(call_id, None, error)
            case OpenConnection(epoch):
                if self._tasks is not None and not self._stop.is_set:
                    opening = self._links[epoch] = _Link(epoch)
                    self._tasks.start_soon(self._run_link, opening, name=f"ctrader link {epoch}")
            case CloseConnection(epoch, discards):
                closing = self._links.get(epoch)
                if closing is not None:
                    closing.discards = discards
                    if self._writing is closing:
                        self._writing = None
                    closing.scope.cancel()
            case JobRequested(is_callback=True):
                if self._tasks is not None:
                    self._tasks.start_soon(self._call_back, effect, name="ctrader callback")
            case JobRequested(waits=True):
                if self._tasks is not None:
                    self._tasks.start_soon(self._do_apart, effect, name="ctrader lock")
            case JobRequested():
                self._jobs.append(effect)
                self._job_asked.set()
            case PhaseChanged(phase):
                logger.debug("the session is %s", phase.value)
            case Warned(text):
                logger.warning("%s", text)
            case Finished(error):
                self._finish(error)
            case _:
                assert_never(effect)

    def _answer(self, call_id: CallId, result: object, error: Exception | None) -> None:
        waiter = self._waiters.pop(call_id, None)
        if waiter is not None:
            waiter.result, waiter.error = result, error
            waiter.set()

    def _finish(self, error: Exception | None) -> None:
        """Refuse everything from now on, and let everything that waits end."""
        if self.is_finished:
            return
        self.is_finished = True
        self._finished_error = error
        for call_id in list(self._waiters):
            self._answer(call_id, None, self.finished_error())
        for flag in self._flags.values():
            flag.set()
        self._stop.set()

    def _retire(self, consumer: Consumer) -> None:
        self._consumers.remove(consumer)
        self.detach(consumer.route)
        if consumer.route.mailbox.failure is not None:
            self._overwhelmed.append(consumer)

    # Private, the host task

    def _start_host(self) -> None:
        self._library = _library()
        self._loop = _running_loop(self._library)
        self._thread = threading.get_ident()
        self._stop = Flag()
        self._host_ended = Flag()
        self._is_hosted = True
        if self._library == "trio":
            import trio

            self._keep_ctrl_c_out()
            self._host_task = trio.lowlevel.spawn_system_task(
                self._host, name="ctrader client", context=contextvars.copy_context()
            )
        else:
            import asyncio

            task = asyncio.get_running_loop().create_task(self._host(), name="ctrader client")
            task.add_done_callback(self._host_done)
            self._host_task = task

    def _forget_link(self) -> None:
        # The cancellation of connect() came just when the link stood. A session knows no way back:
        # for it the end of that link is a loss, and with reconnecting switched off its own end.
        if self._session.phase is Phase.CONNECTED:
            self._session.leave(time.monotonic_ns())
            self._carry_out()
            self._session = self._new_session()
            self._session.listen(*self._router.wanted())

    def _reset(self) -> None:
        """Go back to where connect() began, after a first attempt that failed."""
        self._thread = None
        self._loop = None
        for call_id in list(self._waiters):
            self._session.cancel(call_id, time.monotonic_ns())
            self._answer(call_id, None, CTraderConnectionClosedError("connect() did not succeed"))

    def _keep_ctrl_c_out(self) -> None:
        """Have trio raise Ctrl-C in its main task, never in a task or amid a step of the driver.

        In a task of the client it would end the client and go no further, as the host task lets
        nothing escape; amid a step it would leave the session half changed. asyncio cancels its
        main task by itself.
        """
        import trio

        for function in (
            Driver._call_back,
            Driver._do_apart,
            Driver._do_jobs,
            Driver._keep_time,
            Driver._read,
            Driver._run_link,
            Driver._write,
            Driver.attach,
            Driver.change,
            Driver.close,
            Driver.connect,
            Driver.detach,
            Driver.register,
            Driver.run,
            Driver.unregister,
            Dispatcher.consume,
        ):
            trio.lowlevel.enable_ki_protection(function)

    async def _host(self) -> None:
        """Own every task of the client; nothing but a cancellation leaves it."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._dispatcher.open()
                for consumer in self._consumers:
                    self._dispatcher.start(consumer, tasks)
                timer_scope = anyio.CancelScope()
                tasks.start_soon(self._keep_time, timer_scope, name="ctrader timer")
                tasks.start_soon(self._do_jobs, name="ctrader store")
                self._pump()
                await self._stop.wait()
                await self._end_links()
                timer_scope.cancel()
                self._job_asked.set()  # what must be kept is, and then that task ends
                for scope in self._apart:
                    scope.cancel()
                if self.is_finished:
                    self.closed.set()
                self._dispatcher.stop()
                left = self._handlers_until - time.monotonic()
                await self._dispatcher.join(max(left, LEAST_WAIT / 2))
        except BaseException as error:
            cancellation, failure = _part(error)
            if failure is not None:
                logger.error("the client failed and is closed", exc_info=failure)
                closed = ClientClosedError(f"it failed with {type(failure).__name__}")
                closed.__cause__ = failure
                self._break_off(closed)
            if cancellation is not None:
                self._break_off(ClientClosedError("its event loop ended"))
                raise cancellation from None
        finally:
            self._leave_host()

    def _host_done(self, task: object) -> None:
        # asyncio never begins a task that is cancelled before its first step: its loop ends.
        if self._is_hosted and task is self._host_task:
            self._break_off(ClientClosedError("its event loop ended"))
            self._leave_host()

    def _break_off(self, error: ClientClosedError) -> None:
        """End everything at once, though the session has not ended and may be what failed."""
        try:
            self._session.abandon(error, time.monotonic_ns())
            self._carry_out()
        except Exception:
            logger.exception("the session could not be ended")
        self._finish(error)

    def _leave_host(self) -> None:
        # The event loop ended first. New tokens that nobody else has are worth its waiting.
        for effect in self._jobs:
            if effect.is_vital:
                _outcome_of(effect.job)
        self._jobs.clear()
        self._tasks = None
        self._writing = None
        self._links.clear()
        self._is_hosted = False
        if self.is_finished:
            self._thread = None  # nothing runs any more that could be disturbed
            self.closed.set()
        else:
            self._reset()
        self._host_ended.set()

    async def _do_jobs(self) -> None:
        """Have done on a worker thread, in order, what the session wants kept."""
        # Not one of the threads that the program shares: it may have taken all of them for long.
        limiter = anyio.CapacityLimiter(1)
        while True:
            self._job_asked.clear()
            while self._jobs:
                effect = self._jobs[0]
                if not self._stop.is_set or effect.is_vital:
                    result, error = await anyio.to_thread.run_sync(
                        _outcome_of, effect.job, limiter=limiter
                    )
                    self._session.job_done(effect.call_id, time.monotonic_ns(), result, error)
                    self._pump()
                self._jobs.popleft()
            if self._stop.is_set:
                return
            await self._job_asked.wait()

    async def _do_apart(self, effect: JobRequested) -> None:
        """Have something done on a worker thread that may wait long; the end does not wait."""
        with anyio.CancelScope() as scope:
            self._apart.add(scope)
            result, error = await anyio.to_thread.run_sync(
                _outcome_of,
                effect.job,
                abandon_on_cancel=True,
                limiter=anyio.CapacityLimiter(1),
            )
            self._session.job_done(effect.call_id, time.monotonic_ns(), result, error)
            self._pump()
        self._apart.discard(scope)

    async def _call_back(self, effect: JobRequested) -> None:
        """Call a function of the user, and tell the session what came of it."""
        error: Exception | None = None
        try:
            outcome = effect.job()
            if isinstance(outcome, Awaitable):
                await outcome
        except BaseException as failure:
            if isinstance(failure, Exception):
                error = failure
            elif is_stray_cancellation(failure):
                error = RuntimeError("what it awaited was cancelled")
            else:
                raise
        self._session.job_done(effect.call_id, time.monotonic_ns(), None, error)
        self._pump()

    async def _keep_time(self, scope: anyio.CancelScope) -> None:
        """Call the session at each of its deadlines."""
        with scope:
            while True:
                self._timer.clear()
                deadline = self._session.next_deadline()
                self._armed = math.inf if deadline is None else deadline.at
                left = (self._armed - time.monotonic_ns()) / SECOND
                with anyio.move_on_after(max(left, 0.0)):
                    await self._timer.wait()
                self._armed = -math.inf
                is_due = deadline is not None and deadline.at <= time.monotonic_ns()
                if is_due and self._writing is not None:
                    await self._read_on()
                self._session.handle_timer(self._wake())
                self._pump()

    async def _read_on(self) -> None:
        """Let the reader take what has arrived: it counts before any deadline does.

        After a loop was blocked, this task may be woken before the one that reads.
        """
        idle = 0
        for _ in range(READ_ON_STEPS):
            reads = self._reads
            await anyio.lowlevel.checkpoint()
            idle = idle + 1 if self._reads == reads else 0
            if idle == IDLE_STEPS:
                return

    async def _outlast(self, flag: Flag, seconds: float) -> None:
        """Wait for the end of something even while cancelled, within a bound."""
        interruption: BaseException | None = None
        with anyio.CancelScope(deadline=anyio.current_time() + seconds, shield=True) as scope:
            while not flag.is_set:
                try:
                    await flag.wait()
                except anyio.get_cancelled_exc_class() as error:
                    # No shield keeps off asyncio's own Task.cancel(): it is passed on afterwards.
                    if self._library == "trio" or scope.cancel_called:
                        raise
                    interruption = error
        if interruption is not None:
            raise interruption

    # Private, connections

    async def _run_link(self, link: _Link) -> None:
        try:
            with link.scope:
                try:
                    connection = await Connection.open(self._config, self._context)
                except CTraderConnectionError as error:
                    link.cause = error
                else:
                    try:
                        await self._use(link, connection)
                    finally:
                        await connection.abort(discard=link.discards)
        finally:
            if self._writing is link:
                self._writing = None
            del self._links[link.epoch]
            self._link_ended.set()
        self._session.connection_lost(link.epoch, time.monotonic_ns(), link.cause)
        self._pump()

    async def _use(self, link: _Link, connection: Connection) -> None:
        self._session.connection_made(link.epoch, time.monotonic_ns(), unix_now=time.time())
        self._writing = link
        self._pump()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, link, connection, tasks, name="ctrader reader")
            tasks.start_soon(self._write, link, connection, tasks, name="ctrader writer")

    async def _read(self, link: _Link, connection: Connection, tasks: TaskGroup) -> None:
        while True:
            try:
                data = await connection.receive()
            except CTraderConnectionError as error:
                link.cause = link.cause or error
                tasks.cancel_scope.cancel()
                return
            self._reads += 1
            self._session.receive_data(link.epoch, data, time.monotonic_ns())
            self._wake()
            self._pump()

    async def _write(self, link: _Link, connection: Connection, tasks: TaskGroup) -> None:
        # Frames are handed over here and nowhere else, right before they are written: until then
        # a cancelled call was provably not sent. A link that is being closed takes none.
        while self._writing is link:
            link.flag.clear()
            data = self._session.data_to_send(time.monotonic_ns())
            self._carry_out()
            if not data:
                await link.flag.wait()
                continue
            try:
                await connection.send(data)
            except CTraderConnectionError as error:
                link.cause = link.cause or error
                tasks.cancel_scope.cancel()
                return

    async def _end_links(self) -> None:
        for link in self._links.values():
            link.scope.cancel()
        while self._links:
            self._link_ended.clear()
            await self._link_ended.wait()


def _outcome_of(job: Callable[[], object]) -> tuple[object, Exception | None]:
    """Do a job; return its result, or its error."""
    try:
        return job(), None
    except Exception as error:  # noqa: BLE001 - the session is told, whatever it is
        return None, error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - elsewhere it would look like the loop's own
        return None, RuntimeError(f"it raised {type(error).__name__}")


def _library() -> str:
    """Return which of the two kinds of event loop is running."""
    import asyncio

    cancelled = anyio.get_cancelled_exc_class()
    return "asyncio" if issubclass(cancelled, asyncio.CancelledError) else "trio"


def _running_loop(library: str) -> object:
    """Return what stands for the event loop that is running, None where none is."""
    try:
        if library == "trio":
            import trio

            return trio.lowlevel.current_trio_token()
        import asyncio

        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _part(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """Part a cancellation, which must go on, from a failure, which must not escape."""
    kind = anyio.get_cancelled_exc_class()
    if isinstance(error, kind):
        return error, None
    if not isinstance(error, BaseExceptionGroup):
        return None, error
    # Narrowing does not tell what is in a group; a BaseException in any case.
    cancellation, failures = cast("BaseExceptionGroup[BaseException]", error).split(kind)
    return cancellation, _single(failures)


def _single(error: BaseException | None) -> BaseException | None:
    """Return what a group holds if it is one error; several, and what is no group, stay as is."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    first, *others = group.exceptions
    return group if others else _single(first)
