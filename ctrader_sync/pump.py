"""Keep a session going on a thread of its own, and do on it what callers ask for."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from ctrader.clocks import read_clocks
from ctrader.errors import ClientClosedError, CTraderConnectionClosedError
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
from ctrader.protocol.session import Session
from ctrader.transport import connection_error, refuse_proxy, tls_context
from ctrader.units import SECOND, Nanos
from ctrader_sync.clerk import Clerk
from ctrader_sync.connection import Attempt, Link, Selector

if TYPE_CHECKING:
    from ctrader.config import ClientConfig
    from ctrader.journal.store import OrderJournal
    from ctrader.protocol.commands import CallId
    from ctrader.protocol.grants import TokenCallback
    from ctrader.tokens.store import TokenStore

__all__ = ["Errand", "Pump"]

logger: Final = logging.getLogger("ctrader.client")

LONGEST_SLEEP: Final = 86_400.0
"""Seconds of one sleep; the system takes no more than 24 days, whatever a user waits for."""

READ_ON_BLOCKS: Final = 64
"""Reads of up to `READ_LIMIT` bytes that deadlines wait for at most: more than a socket holds."""

Action: TypeAlias = Callable[[Nanos], None]


class Errand:
    """Something that a caller waits for the I/O thread to do with the session."""

    __slots__ = ("_latch", "action", "call_id", "error", "is_call", "is_done", "result")

    def __init__(
        self, action: Callable[[Session, Nanos], object], *, is_call: bool = False
    ) -> None:
        self.action = action
        """What to do."""
        self.is_call = is_call
        """Whether the action returns the id of a command, whose end is the errand's end."""
        self.call_id: CallId | None = None
        """The command, once it is submitted."""
        self.result: object = None
        """What came out."""
        self.error: Exception | None = None
        """What went wrong."""
        self.is_done = False
        """Whether one of the two is set."""
        # A lock is the cheapest thing to wait for, and a signal ends its wait where it can.
        self._latch = threading.Lock()
        self._latch.acquire()

    def finish(self, result: object = None, error: Exception | None = None) -> None:
        """End it; a second end changes nothing."""
        if not self.is_done:
            self.is_done = True
            self.result, self.error = result, error
            self._latch.release()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; False if the time ran out first."""
        return self._latch.acquire(timeout=seconds)


class Pump:
    """The I/O thread: the only one that touches the session and its connection.

    It runs while there is something to do: from the first errand until the session is back at
    its beginning or has ended. `lock` is held whenever the session is changed or events are
    delivered; whoever holds it may look at the session.
    """

    def __init__(
        self,
        config: ClientConfig,
        lock: threading.Lock,
        *,
        deliver: Callable[[list[object]], None],
        end: Callable[[], None],
        journal: OrderJournal | None = None,
        token_store: TokenStore | None = None,
        token_callbacks: list[TokenCallback] | None = None,
    ) -> None:
        """Make a pump without a thread.

        Args:
            config: Where to connect to, and whom to trust.
            lock: What guards the session.
            deliver: Takes events, with the lock held; it must not wait.
            end: Called once, with the lock held, when nothing comes any more.
            journal: Where trading requests are kept before they are sent.
            token_store: Where tokens are kept.
            token_callbacks: Functions of the user that keep them, too.

        Raises:
            ConfigurationError: a proxy is set, or `ca_file` cannot be used.
        """
        refuse_proxy(config)
        self._config = config
        self._journal = journal
        self._token_store = token_store
        self._token_callbacks = token_callbacks
        self.session = self._new_session()
        """What is kept going; the lock guards it."""
        self.finished = threading.Event()
        """Set when the session has ended."""
        self.finished_error: Exception | None = None
        """Why it gave up; None while it has not, or when it was closed."""
        self._context = tls_context(config) if config.use_ssl else None
        self._lock = lock
        self._deliver = deliver
        self._end = end
        self._calls: dict[CallId, Errand] = {}
        self._keepers = Clerk("ctrader-store")
        self._callers = Clerk("ctrader-callbacks")
        self._lockers = Clerk("ctrader-locks")
        self._attempt: Attempt | None = None
        self._abandoned: Attempt | None = None
        self._link: Link | None = None
        self._watched: tuple[Link, int] | None = None
        # The gate guards what it takes to hand something over. Callers hold it for moments, and
        # never together with the lock.
        self._gate = threading.Lock()
        self._inbox: deque[Action] = deque()
        self._errands: set[Errand] = set()
        self._thread: threading.Thread | None = None
        self._waker: tuple[socket.socket, socket.socket] | None = None
        self._is_ended = False

    @property
    def thread(self) -> threading.Thread | None:
        """The thread, while it runs."""
        return self._thread

    def hand_in(self, errand: Errand) -> None:
        """Have something done; the errand tells how it ended.

        Raises:
            ClientClosedError: the session has ended.
            CTraderReconnectAbandonedError: it gave up reconnecting.
        """
        self._errands.add(errand)
        if not self.post(functools.partial(self._perform, errand)):
            self._errands.discard(errand)
            raise self.closed_error()

    def settle(self, errand: Errand) -> None:
        """Forget an errand, and take back what it asked for if it has not ended.

        Errands and their ends are taken in the order in which they were handed in, so that an
        order that is not sent yet never will be.
        """
        self._errands.discard(errand)
        if not errand.is_done:
            self.post(functools.partial(self._cancel, errand))

    def withdraw(self, wanted: Callable[[Session], object]) -> None:
        """Go back to the beginning, as if nobody had connected; what waits for it fails.

        Args:
            wanted: Tells a new session what anybody wants decoded.
        """
        self.post(functools.partial(self._withdraw, wanted))

    def close_inherited(self) -> None:
        """Close a forked child's copies of the sockets; no thread exists there.

        It is not a farewell: the parent goes on talking over the same connection.
        """
        if self._link is not None:
            self._link.connection.close()
        if self._attempt is not None:
            self._attempt.close_inherited()
        for end in self._waker or ():
            end.close()

    def post(self, action: Action) -> bool:
        """Have the thread do something with the session; False if that has ended."""
        with self._gate:
            if self._is_ended:
                return False
            if self._thread is None:
                waker = _waker()
                try:
                    thread = threading.Thread(
                        target=self._run, args=(waker[0],), name="ctrader-io", daemon=True
                    )
                    thread.start()
                except BaseException:  # the system has no thread left, or Ctrl-C strikes
                    _close_both(waker)
                    raise
                # Only a thread that is noted here runs: Ctrl-C may strike just before.
                self._thread, self._waker = thread, waker
            self._inbox.append(action)
            if self._waker is not None:
                _wake(self._waker[1])
        return True

    def closed_error(self) -> Exception:
        """Return what a call raises after the end."""
        error = self.finished_error
        return ClientClosedError() if error is None else error.with_traceback(None)

    def join(self, thread: threading.Thread | None, timeout: float) -> None:
        """Wait for the I/O thread, and for an attempt to connect that was given up."""
        if thread is not None:
            thread.join(timeout)
        if self._abandoned is not None:
            self._abandoned.join(timeout)

    def finish_jobs(self, timeout: float) -> None:
        """Wait for what must be kept even at the end."""
        until = time.monotonic() + timeout
        self._keepers.finish(timeout)
        self._callers.finish(max(0.0, until - time.monotonic()))

    def _new_session(self) -> Session:
        seed = random.SystemRandom().getrandbits(128)
        return Session(
            self._config,
            rng=random.Random(seed),
            work=BackgroundWork(),
            journal=self._journal,
            token_store=self._token_store,
            token_callbacks=self._token_callbacks,
        )

    def _job_done(
        self, session: Session, call_id: CallId, result: object, error: Exception | None
    ) -> None:
        """Take what came of a job, from the thread that did it."""
        self.post(lambda now: session.job_done(call_id, now, result, error))

    # Private: the I/O thread

    def _run(self, wake: socket.socket) -> None:
        with self._gate:
            if self._thread is not threading.current_thread():
                wake.close()
                return
        try:
            with Selector() as selector:
                selector.register(wake, selectors.EVENT_READ)
                received = b""
                while True:
                    with self._lock:
                        timeout = self._advance(received)
                    if self._is_over():
                        return
                    received = self._exchange(selector, wake, timeout)
        except Exception as error:
            logger.critical("The client broke down and is closed.", exc_info=True)
            self._break_down(error)

    def _advance(self, received: bytes) -> float | None:
        """Bring the session to the present; return the seconds until it wants to be called."""
        session = self.session
        moment = read_clocks()
        now = moment.now
        link = self._link
        if link is not None:
            if received:
                session.receive_data(link.epoch, received, now)
                self._carry_out(now)
            if link.failure is not None and not link.has_more and self._link is link:
                self._drop_link(link)
                session.connection_lost(link.epoch, now, link.failure)
        session.check_clocks(now, unix_now=moment.unix, suspended=moment.suspended)
        self._carry_out(now)
        for _ in range(len(self._inbox)):
            self._inbox.popleft()(now)
            self._carry_out(now)
        deadline = session.next_deadline()
        if deadline is not None and deadline.at <= now:
            self._read_on(now)
            session.handle_timer(now)
            self._carry_out(now)
        link = self._link
        if link is not None and not link.unsent and link.failure is None:
            link.unsent = session.data_to_send(now)
            self._carry_out(now)
        if self._inbox or (deadline := session.next_deadline()) is None:
            return 0.0 if self._inbox else None
        return max(0.0, (deadline.at - now) / SECOND)

    def _read_on(self, now: Nanos) -> None:
        """Take what has arrived: it counts before any deadline does.

        While this thread waited for its turn more may have come than the selector told of.
        """
        for _ in range(READ_ON_BLOCKS):
            link = self._link
            if link is None or link.failure is not None:
                return
            received = link.read()
            if received:
                self.session.receive_data(link.epoch, received, now)
                self._carry_out(now)
            if not link.has_more:
                return

    def _exchange(
        self, selector: selectors.BaseSelector, wake: socket.socket, timeout: float | None
    ) -> bytes:
        """Write what is to be written, sleep until something happens, and read what came."""
        link = self._link
        if link is not None and link.unsent:
            link.write()
            if link.failure is not None or not link.unsent:
                timeout = 0.0  # the session may have more to send, or wants to know of the end
        if link is not None and link.has_more:
            timeout = 0.0
        self._watch(selector)
        ready = selector.select(None if timeout is None else min(timeout, LONGEST_SLEEP))
        is_link_ready = False
        for key, _ in ready:
            if key.fileobj is wake:
                wake.recv(4096)
            else:
                is_link_ready = True
        if link is None or not (is_link_ready or link.has_more or link.failure):
            return b""
        return link.read()

    def _watch(self, selector: selectors.BaseSelector) -> None:
        link = self._link
        watched = None if link is None else (link, link.awaited)
        if watched != self._watched:
            if self._watched is not None:
                selector.unregister(self._watched[0].connection)
            if watched is not None:
                selector.register(watched[0].connection, watched[1])
            self._watched = watched

    def _is_over(self) -> bool:
        """Whether the thread is to end; if so, the next errand finds none and starts another."""
        with self._gate:
            if self._inbox:
                return False
            is_finished = self.session.phase is Phase.FINISHED
            if not is_finished and (
                self.session.phase is not Phase.IDLE or self._calls or self._link is not None
            ):
                return False
            self._leave_thread(is_ended=is_finished)
        return True

    def _leave_thread(self, *, is_ended: bool) -> None:
        self._is_ended = is_ended
        self._thread = None
        self._watched = None
        for end in self._waker or ():
            end.close()
        self._waker = None
        if is_ended:
            error = self.closed_error()
            for errand in list(self._errands):
                self._end_errand(errand, error=error)

    def _end_errand(
        self, errand: Errand, result: object = None, error: Exception | None = None
    ) -> None:
        # Forgotten here, and not only by its caller: Ctrl-C may keep that one from it.
        self._errands.discard(errand)
        errand.finish(result, error)

    def _perform(self, errand: Errand, now: Nanos) -> None:
        try:
            result = errand.action(self.session, now)
        except Exception as error:  # noqa: BLE001 - it is the caller's, who is waiting for it
            self._end_errand(errand, error=error)
            return
        if errand.is_call:
            assert isinstance(result, int)
            errand.call_id = result
            self._calls[result] = errand
        else:
            self._end_errand(errand, result)

    def _withdraw(self, wanted: Callable[[Session], object], now: Nanos) -> None:
        # A session knows no way back: for it the end of the link would be a loss.
        if self.session.phase in (Phase.IDLE, Phase.CLOSING, Phase.FINISHED):
            return
        if self._attempt is not None:
            self._give_up(self._attempt)
        if self._link is not None:
            self._drop_link(self._link)
        for call_id in list(self._calls):
            self.session.cancel(call_id, now)
            self._end_call(call_id, None, CTraderConnectionClosedError("connect() was interrupted"))
        self.session.leave(now)
        self._carry_out(now)
        self.session = self._new_session()
        wanted(self.session)

    def _cancel(self, errand: Errand, now: Nanos) -> None:
        if errand.call_id is not None and self._calls.pop(errand.call_id, None) is not None:
            self.session.cancel(errand.call_id, now)

    def _attempt_ended(self, attempt: Attempt) -> None:
        """Take an attempt's outcome from its thread."""
        if not self.post(functools.partial(self._take_connection, attempt)):
            _discard(attempt)

    def _take_connection(self, attempt: Attempt, now: Nanos) -> None:
        if attempt is not self._attempt:
            _discard(attempt)
            return
        self._attempt = None
        if attempt.connection is None:
            self.session.connection_lost(attempt.epoch, now, attempt.error)
            return
        self._link = Link(attempt.epoch, attempt.connection)
        self.session.connection_made(attempt.epoch, now, unix_now=time.time())

    def _drop_link(self, link: Link, *, discards: bool = True) -> None:
        self._link = None
        if discards:
            link.abort()
        else:
            link.close()

    def _carry_out(self, now: Nanos) -> None:
        while effects := self.session.take_effects():
            for effect in effects:
                self._carry_out_one(effect, now)

    def _carry_out_one(self, effect: Effect, now: Nanos) -> None:
        match effect:
            case EventsReceived(events):
                self._deliver(events)
            case CallCompleted(call_id, result):
                self._end_call(call_id, result, None)
            case CallFailed(call_id, error):
                self._end_call(call_id, None, error)
            case OpenConnection(epoch):
                self._open(epoch, now)
            case CloseConnection(epoch, discards):
                self._close(epoch, now, discards=discards)
            case JobRequested(is_callback=is_callback, waits=waits):
                clerk = self._callers if is_callback else self._keepers
                clerk = self._lockers if waits else clerk
                clerk.take(effect, functools.partial(self._job_done, self.session))
            case PhaseChanged(phase):
                logger.debug("The client is %s.", phase.value)
            case Warned(text):
                logger.warning("%s", text)
            case Finished(error):
                self._finish(error)
            case _:
                assert_never(effect)

    def _end_call(self, call_id: CallId, result: object, error: Exception | None) -> None:
        errand = self._calls.pop(call_id, None)
        if errand is not None:  # otherwise its caller went away
            self._end_errand(errand, result, error)

    def _open(self, epoch: int, now: Nanos) -> None:
        attempt = Attempt(self._config, self._context, epoch, self._attempt_ended)
        try:
            attempt.start()
        except RuntimeError as error:  # the system has no thread left
            self.session.connection_lost(epoch, now, connection_error(self._config, error))
        else:
            self._attempt = attempt

    def _close(self, epoch: int, now: Nanos, *, discards: bool) -> None:
        if self._attempt is not None and self._attempt.epoch == epoch:
            self._give_up(self._attempt)
        elif self._link is not None and self._link.epoch == epoch:
            self._drop_link(self._link, discards=discards)
        self.session.connection_lost(epoch, now, None)

    def _give_up(self, attempt: Attempt) -> None:
        attempt.abandon()
        self._abandoned, self._attempt = attempt, None

    def _finish(self, error: Exception | None) -> None:
        if not self.finished.is_set():
            self.finished_error = error
            self.finished.set()
            self._end()

    def _break_down(self, cause: Exception) -> None:
        """End everything after an error that must not happen; nobody is left waiting."""
        error = ClientClosedError(f"it broke down with {type(cause).__name__}")
        error.__cause__ = cause
        with self._lock:
            try:
                now = time.monotonic_ns()
                self.session.abandon(error, now)
                self._carry_out(now)
            except Exception:
                logger.exception("The session could not be ended.")
            # What is left of the session cannot be trusted: a closed one answers in its place.
            self.session = self._new_session()
            self.session.close(time.monotonic_ns())
            if self._attempt is not None:
                self._give_up(self._attempt)
            if self._link is not None:
                self._drop_link(self._link)
            self._finish(error)
        with self._gate:
            self._leave_thread(is_ended=True)


def _waker() -> tuple[socket.socket, socket.socket]:
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    return reader, writer


def _wake(writer: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):  # full of wakes already
        writer.send(b"\0")


def _close_both(waker: tuple[socket.socket, socket.socket]) -> None:
    for end in waker:
        end.close()


def _discard(attempt: Attempt) -> None:
    if attempt.connection is not None:
        attempt.connection.close()
