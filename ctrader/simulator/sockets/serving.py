"""The thread that serves all connections of a simulator."""

from __future__ import annotations

import errno
import logging
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import TYPE_CHECKING, Any, Final

from ctrader.simulator.sockets.link import READ_SIZE, Link
from ctrader.simulator.sockets.listener import Listener

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange

__all__ = ["ServingLoop", "catch_up"]

_SECOND: Final = 1_000_000_000
_MAX_UNSENT: Final = 64 * 1024 * 1024  # bytes; a client that reads no more than that is dropped
_JOIN_TIMEOUT: Final = 10.0  # seconds; the thread ends within one pass of its loop
_END_TIMEOUT: Final = 5 * _SECOND  # in which a client must take what was said before the end
_DEAF_TIME: Final = _SECOND // 10  # between two looks whether there is room for a connection
_ACCEPTED_AT_ONCE: Final = 64  # connections for each listener, before the others get their turn
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_SLICE: Final = _SECOND // 20  # of real time, after which others get their turn
_BREATH: Final = 0.001  # seconds for which the lock is free between two slices

_logger = logging.getLogger("ctrader.simulator")


def catch_up(exchange: Exchange, give_up: Callable[[], bool]) -> bool:
    """Bring an exchange up to the present, or as near as it gets in one slice of time.

    Args:
        exchange: The exchange, whose clock is the monotonic one.
        give_up: Tells whether to stop early.

    Returns: Whether it is at the present; otherwise its clock stands where it got to.
    """
    now = time.monotonic_ns()
    end = now + _SLICE
    while True:
        due = exchange.next_deadline()
        if due is None or due > now:
            exchange.advance(now)
            return True
        exchange.advance(due)
        if time.monotonic_ns() > end or give_up():
            return False


class ServingLoop:
    """The thread that serves, with its sockets.

    `start` it once and `stop` it once. It touches the exchange only with the lock held, and so
    must every other thread.
    """

    def __init__(
        self,
        exchange: Exchange,
        lock: threading.RLock,
        listeners: Sequence[Listener],
        context: ssl.SSLContext | None,
    ) -> None:
        """Take over the listeners; they are closed with the loop.

        Args:
            exchange: The broker.
            lock: Guards it.
            listeners: Where to accept connections.
            context: The certificate, None to serve without TLS.
        """
        self._listeners = {listener.socket: listener for listener in listeners}
        self._context = context
        self._lock = lock
        self._exchange = exchange
        self._selector = DefaultSelector()
        self._links: dict[int, Link] = {}
        self._counted: set[int] = set()
        self._stopping = threading.Event()
        self._paused = False
        self._resumed = False
        self._lagging = False
        self._deaf_until: int | None = None
        self._failure: BaseException | None = None
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        for listening in self._listeners:
            self._selector.register(listening, EVENT_READ)
        self._selector.register(self._woken, EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="ctrader-simulator", daemon=True)

    # Called from other threads

    def start(self) -> None:
        """Begin to serve."""
        try:
            self._thread.start()
        except BaseException:
            self._close()
            raise

    @property
    def is_alive(self) -> bool:
        """Whether the thread serves."""
        return self._thread.is_alive()

    @property
    def failure(self) -> BaseException | None:
        """The exception that ended the thread, None where there is none."""
        return self._failure

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is the thread that serves."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """Cut every connection, and wait for the end of the thread.

        Raises:
            RuntimeError: the thread is stuck, or had failed before.
        """
        self._stopping.set()  # without the lock, which the thread may hold for a while
        self.wake()
        self._thread.join(_JOIN_TIMEOUT)
        if self._thread.is_alive():
            raise RuntimeError(
                f"the simulator's thread did not end within {_JOIN_TIMEOUT:g} s; something that "
                "it calls does not return"
            )
        if self._failure is not None:
            raise RuntimeError(
                f"the simulator's thread failed: {self._failure!r}"
            ) from self._failure

    def wake(self) -> None:
        """Let the thread look what is to be done."""
        try:
            self._waker.send(b"\0")
        except (BlockingIOError, OSError):
            return  # a full pipe wakes as well, and a closed one belongs to a thread that ended

    def count(self) -> int:
        """Return how many connections of clients stand."""
        with self._lock:
            # Those that the server has ended may still be taking its last words.
            return sum(not self._links[each].session.is_closed for each in self._counted)

    def reset_all(self) -> None:
        """Cut every connection abruptly."""
        with self._lock:
            for link in tuple(self._links.values()):
                self._end(link, reset=True)

    def set_paused(self, paused: bool) -> None:
        """Stop taking and sending anything, or go on."""
        with self._lock:
            self._paused = paused
            self._resumed = not paused
            for link in self._links.values():
                self._watch(link)
        self.wake()

    # The thread

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    # Asked again after each pass, which may have taken the wake with the others.
                    if self._stopping.is_set():
                        return
                    timeout = self._timeout()
                events = self._selector.select(timeout)
                with self._lock:
                    if self._stopping.is_set():
                        return
                    self._pass(events)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            with self._lock:
                self._close()

    def _timeout(self) -> float | None:
        if self._paused:
            return None
        if self._resumed:
            return 0
        if self._lagging:
            return _BREATH
        deadlines = [self._exchange.next_deadline(), self._deaf_until]
        deadlines.extend(link.session.next_deadline() for link in self._links.values())
        deadlines.extend(link.ends_at for link in self._links.values())
        known = [deadline for deadline in deadlines if deadline is not None]
        if not known:
            return None
        return max(0, min(known) - time.monotonic_ns()) / _SECOND

    def _pass(self, events: Sequence[tuple[Any, int]]) -> None:
        if not self._paused:
            self._lagging = not catch_up(self._exchange, self._stopping.is_set)
        for key, mask in events:
            listener = self._listeners.get(key.fileobj)
            if listener is not None:
                self._accept_all(listener)
            elif key.fileobj is self._woken:
                self._drain_wakes()
            else:
                link = self._links.get(key.fd)
                # A link of the same number may be newer than the event.
                current = link is not None and link.transport is key.fileobj
                if link is not None and current and mask & EVENT_READ and not self._paused:
                    self._read(link)
        if self._paused:
            return
        # What came during a pause may not have been read yet: nobody is idle before it is.
        resumed, self._resumed = self._resumed, False
        # Where the market is quicker than the machine, its clock is behind, and all go by that.
        now = self._exchange.now
        for link in tuple(self._links.values()):
            if not resumed:
                link.session.handle_timer(now)
            self._flush(link)
        if self._deaf_until is not None and time.monotonic_ns() >= self._deaf_until:
            self._deaf_until = None
            for listening in self._listeners:
                self._selector.register(listening, EVENT_READ)

    def _drain_wakes(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            return

    def _accept_all(self, listener: Listener) -> None:
        """Let in those who wait at a door, as many as come in one pass."""
        if self._deaf_until is not None:
            return
        catch_up(self._exchange, self._stopping.is_set)  # on pause its clock stands still
        for _ in range(_ACCEPTED_AT_ONCE):
            if not self._accept(listener):
                return

    def _accept(self, listener: Listener) -> bool:
        """Let in one client; return whether to look for another."""
        try:
            transport, _ = listener.socket.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                # The client goes on waiting at the door; looking at it without end helps nobody.
                _logger.warning("No room for another connection: %s", error)
                self._deaf_until = time.monotonic_ns() + _DEAF_TIME
                for listening in self._listeners:
                    self._selector.unregister(listening)
                return False
            # Either all are in, or this one has gone already.
            return not isinstance(error, BlockingIOError)
        try:
            transport.setblocking(False)
            transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:  # it has reset the connection
            transport.close()
            return True
        link = Link(transport, listener.make_session(), self._context)
        self._links[link.number] = link
        if listener.is_counted:
            self._counted.add(link.number)
        self._watch(link)
        return True

    def _read(self, link: Link) -> None:
        try:
            data = link.transport.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end(link)
            return
        try:
            plain = link.decrypt(data) if data else b""
        except ssl.SSLError:
            link.session.connection_lost(self._exchange.now)
            return  # the alert that says why goes out with the flush
        if plain and not link.session.is_closed:
            link.session.receive_data(plain, self._exchange.now)
        if not data:
            link.ended_by_peer = True
        if link.ended_by_peer and not link.session.is_closed:
            # What was said to it before is still sent.
            link.session.connection_lost(self._exchange.now)

    def _flush(self, link: Link) -> None:
        if self._links.get(link.number) is not link:
            return
        if link.session.is_closed and link.session.is_reset:
            self._end(link, reset=True)
            return
        try:
            link.encrypt()
            if link.session.is_closed:
                self._close_in_order(link)
            self._send(link)
            if link.ends_at is not None and not link.unsent and not link.is_shut:
                link.is_shut = True
                link.transport.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(link)
            return
        if len(link.unsent) > _MAX_UNSENT or (link.is_shut and link.ended_by_peer):
            self._end(link)
        elif link.ends_at is not None and time.monotonic_ns() >= link.ends_at:
            self._end(link, reset=True)
        else:
            self._watch(link)

    def _close_in_order(self, link: Link) -> None:
        """Begin the end of a link: the last bytes, TLS's goodbye, and some time to take them.

        The socket is read on until the client ends as well: to close it over bytes that nobody
        read would be a reset, which may cost the client what was sent before.
        """
        if link.ends_at is None:
            link.ends_at = time.monotonic_ns() + _END_TIMEOUT
        link.say_goodbye()

    def _send(self, link: Link) -> None:
        """Send as much as the socket takes.

        Raises:
            OSError: the connection is broken.
        """
        try:
            while link.unsent:
                sent = link.transport.send(link.unsent)
                del link.unsent[:sent]
        except (BlockingIOError, InterruptedError):
            return  # the selector says when there is room again

    def _watch(self, link: Link) -> None:
        """Wait for what can go on: reading to the end, writing while bytes wait; no pause."""
        wanted = 0
        if not self._paused:
            wanted = 0 if link.ended_by_peer else EVENT_READ
            wanted |= EVENT_WRITE if link.unsent else 0
        if wanted == link.watched:
            return
        if not link.watched:
            self._selector.register(link.transport, wanted)
        elif not wanted:
            self._selector.unregister(link.transport)
        else:
            self._selector.modify(link.transport, wanted)
        link.watched = wanted

    def _end(self, link: Link, *, reset: bool = False) -> None:
        if self._links.pop(link.number, None) is None:
            return
        self._counted.discard(link.number)
        link.session.connection_lost(self._exchange.now)
        if link.watched:
            self._selector.unregister(link.transport)
        if reset:
            # Lingering for zero seconds makes the close a reset, as when a machine is gone.
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            with suppress(OSError):  # a client may have reset it first
                link.transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        link.transport.close()

    def _close(self) -> None:
        for link in tuple(self._links.values()):
            self._end(link)
        self._selector.close()
        for listening in self._listeners:
            listening.close()
        self._waker.close()
        self._woken.close()
