"""Call the user's handlers on threads of their own, so that none holds up another."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctrader.errors import ClientClosedError
from ctrader.protocol.failures import FailureLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctrader.errors import SlowConsumerError
    from ctrader.models.handlers import HandlerReport
    from ctrader.protocol.routing import Route
    from ctrader_sync.api.base import EventHandler

__all__ = ["Consumer", "Dispatcher"]

logger: Final = logging.getLogger("ctrader.events")

TAKEOVER_AFTER: Final = 0.05
"""Seconds that a thread may spend on one batch before another serves the other handlers."""
MAX_THREADS: Final = 8
"""Threads at most; when all of them are held up, further events wait in their mailboxes."""
JOIN_SLICE: Final = 0.1
"""Seconds of one wait for a thread, so that Ctrl-C gets through on every system."""


class Consumer:
    """One registered handler with its mailbox."""

    __slots__ = (
        "_handler",
        "delivered",
        "ended",
        "failures",
        "is_running",
        "is_waiting",
        "route",
    )

    def __init__(self, route: Route, handler: EventHandler[object]) -> None:
        self.route = route
        """What it wants, and the mailbox it is put into."""
        self.is_running = False
        """Whether a thread is calling the handler now."""
        self.is_waiting = False
        """Whether it stands in the dispatcher's queue."""
        self.ended = False
        """Whether it gets nothing any more."""
        self.delivered = 0
        """How often it was called."""
        self.failures = FailureLog()
        """What it raised, and which of that is logged."""
        self._handler = handler

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
        return self.route.event_type is event_type and self._handler == handler

    def deliver(self, events: list[object], *, is_ending: Callable[[], bool]) -> None:
        """Call the handler with each event, whatever it raises for one of them.

        Args:
            events: What its mailbox held.
            is_ending: Whether the client is being closed, or was: what it is asked then fails.
        """
        for event in events:
            if self.ended:
                return
            self.delivered += 1
            try:
                self._handler(event)
            except (
                Exception,
                SystemExit,
            ) as error:  # sys.exit() would end this thread only, unseen
                if isinstance(error, ClientClosedError) and is_ending():
                    logger.info("%s was cut short by the end of the client", self.name)
                    continue
                if self.failures.admits(time.monotonic_ns()):
                    logger.exception(
                        "%s failed for a %s; it goes on with the next event%s",
                        self.name,
                        type(event).__name__,
                        self.failures.remark(),
                    )


@dataclass(slots=True)
class _Turn:
    """What one thread is doing."""

    started: float
    is_aside: bool = False
    """The handler waits for something, so that another thread may take over at once."""


class Dispatcher:
    """Serve mailboxes a batch at a time, urgent ones first, no handler twice at once.

    One thread is enough while handlers are quick. When one is held up, another thread, eight at
    most, takes over what waits. The lock guards everything here, and the mailboxes; methods that
    say so are called with it held. No handler is ever called under it.
    """

    def __init__(
        self,
        lock: threading.Lock,
        retire: Callable[[Consumer], None],
        *,
        is_ending: Callable[[], bool],
    ) -> None:
        """Make a dispatcher without threads; they start when there is work.

        Args:
            lock: What guards the mailboxes.
            retire: Called, with the lock held, when a consumer that was too slow has ended.
            is_ending: Whether the client is being closed, or was; called without the lock.
        """
        self._is_ending = is_ending
        self._lock = lock
        self._retire = retire
        self._wake = threading.Condition(lock)
        self._queue: list[Consumer] = []
        self._turns: dict[int, _Turn] = {}
        self._threads: list[threading.Thread] = []
        self._sleeping = 0
        self._is_summoned = False
        self._is_watched = False
        self._is_stopping = False

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is a handler."""
        return threading.get_ident() in self._turns

    def enqueue(self, consumer: Consumer) -> None:
        """Note that a mailbox holds something. Call it with the lock held."""
        if consumer.is_waiting or consumer.is_running or consumer.ended:
            return
        consumer.is_waiting = True
        self._queue.append(consumer)
        self._summon()

    def ensure_service(self) -> None:
        """Try again where no thread could be had before. Call it with the lock held."""
        if self._queue and not self._threads:
            self._summon()

    def step_aside(self) -> None:
        """Let another thread take over at once: the caller, if it is a handler, will wait."""
        turn = self._turns.get(threading.get_ident())
        if turn is None or turn.is_aside:
            return
        with self._lock:
            turn.is_aside = True
            if self._queue:
                self._summon()

    def stop(self) -> None:
        """Let the threads end when nothing waits any more. Call it with the lock held."""
        self._is_stopping = True
        self._wake.notify_all()

    def join(self, timeout: float) -> None:
        """Wait until everything is delivered; what is not by then is never delivered.

        Call it after `stop`, without the lock, and not from a handler.
        """
        until = time.monotonic() + timeout
        # A thread that ends may have left the rest to one that was started meanwhile: look again.
        while threads := self._living_threads():
            for thread in threads:
                while thread.is_alive() and (left := until - time.monotonic()) > 0:
                    thread.join(min(left, JOIN_SLICE))
            if time.monotonic() >= until:
                break
        with self._lock:
            abandoned = self._queue
            self._queue = []
            self._wake.notify_all()
        for consumer in abandoned:
            logger.warning(
                "The client is closed, and its threads are held up in handlers: %s does not get "
                "its last %d events.",
                consumer.name,
                len(consumer.route.mailbox),
            )

    # Private: with the lock held

    def _summon(self) -> None:
        """See to it that a thread looks at the queue: now, or when the busy one takes too long."""
        if self._is_summoned or (self._is_watched and self._takeover_in() > 0):
            return
        if self._sleeping:
            self._is_summoned = True
            self._wake.notify()
        elif len(self._threads) < MAX_THREADS:
            thread = threading.Thread(target=self._serve, name="ctrader-events", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The system has none left, or the interpreter is ending; the link goes on.
                logger.warning("Handlers have to wait: %s.", error)
                return
            self._is_summoned = True
            self._threads.append(thread)
        # Otherwise all of them are busy, and the first to end its batch looks at the queue.

    def _takeover_in(self) -> float:
        """Return the seconds until the queue may be served beside what is running now."""
        now = time.monotonic()
        waits = [t.started + TAKEOVER_AFTER - now for t in self._turns.values() if not t.is_aside]
        return max(waits, default=0.0)

    def _next(self) -> Consumer | None:
        """Wait for a consumer to serve; None when the thread is to end."""
        while True:
            self._is_summoned = False
            if self._queue:
                delay = self._takeover_in()
                if delay <= 0:
                    return self._pick()
                if not self._is_watched:
                    self._is_watched = True
                    self._sleep(delay)
                    self._is_watched = False
                    continue
            elif self._is_stopping:
                self._wake.notify_all()  # a thread that left the watching to this one ends too
                return None
            self._sleep(None)

    def _sleep(self, timeout: float | None) -> None:
        self._sleeping += 1
        self._wake.wait(timeout)
        self._sleeping -= 1

    def _pick(self) -> Consumer:
        urgent = (i for i, waiting in enumerate(self._queue) if waiting.route.mailbox.is_urgent)
        consumer = self._queue.pop(next(urgent, 0))
        consumer.is_waiting = False
        return consumer

    def _begin(self, consumer: Consumer) -> tuple[list[object], SlowConsumerError | None]:
        consumer.is_running = True
        self._turns[threading.get_ident()] = _Turn(time.monotonic())
        if self._queue:
            self._summon()
        mailbox = consumer.route.mailbox
        return mailbox.take(), mailbox.failure

    def _end(self, consumer: Consumer, failure: SlowConsumerError | None) -> None:
        del self._turns[threading.get_ident()]
        consumer.is_running = False
        if failure is not None:
            consumer.ended = True
            self._retire(consumer)
        elif len(consumer.route.mailbox):
            self.enqueue(consumer)

    # Private: without the lock

    def _living_threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._threads)

    def _serve(self) -> None:
        try:
            while True:
                with self._lock:
                    consumer = self._next()
                    if consumer is None:
                        return
                    events, failure = self._begin(consumer)
                try:
                    consumer.deliver(events, is_ending=self._is_ending)
                finally:
                    with self._lock:
                        self._end(consumer, failure)
                if failure is not None:
                    logger.error("%s", failure)
        finally:
            # Should anything end this thread early, the handlers that wait get another one.
            with self._lock:
                self._threads.remove(threading.current_thread())
                if self._queue:
                    self._summon()
