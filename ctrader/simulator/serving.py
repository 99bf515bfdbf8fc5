"""The thread that serves all connections of a simulator."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Sequence
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import TYPE_CHECKING, Any, Final

from ctrader.simulator.link import READ_SIZE, Link
from ctrader.simulator.listener import Listener

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange

__all__ = ["ServingLoop"]

_SECOND: Final = 1_000_000_000
_MAX_UNSENT: Final = 64 * 1024 * 1024  # bytes; a client that reads no more than that is dropped
_JOIN_TIMEOUT: Final = 10.0  # seconds; the thread ends within one pass of its loop


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
        self._stopping = False
        self._paused = False
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

    def stop(self) -> None:
        """Cut every connection, and wait for the end of the thread."""
        with self._lock:
            self._stopping = True
        self.wake()
        self._thread.join(_JOIN_TIMEOUT)

    def wake(self) -> None:
        """Let the thread look what is to be done."""
        try:
            self._waker.send(b"\0")
        except (BlockingIOError, OSError):
            return  # a full pipe wakes as well, and a closed one belongs to a thread that ended

    def count(self) -> int:
        """Return how many connections of clients stand."""
        with self._lock:
            return len(self._counted)

    def reset_all(self) -> None:
        """Cut every connection abruptly."""
        with self._lock:
            for link in tuple(self._links.values()):
                self._end(link, reset=True)

    def set_paused(self, paused: bool) -> None:
        """Stop taking and sending anything, or go on."""
        with self._lock:
            self._paused = paused
            for link in self._links.values():
                self._watch(link)
        self.wake()

    # The thread

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    timeout = self._timeout()
                events = self._selector.select(timeout)
                with self._lock:
                    if self._stopping:
                        return
                    self._pass(events)
        finally:
            with self._lock:
                self._close()

    def _timeout(self) -> float | None:
        if self._paused:
            return None
        deadlines = [self._exchange.next_deadline()]
        deadlines.extend(link.session.next_deadline() for link in self._links.values())
        known = [deadline for deadline in deadlines if deadline is not None]
        if not known:
            return None
        return max(0, min(known) - time.monotonic_ns()) / _SECOND

    def _pass(self, events: Sequence[tuple[Any, int]]) -> None:
        for key, mask in events:
            listener = self._listeners.get(key.fileobj)
            if listener is not None:
                self._accept(listener)
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
        now = time.monotonic_ns()
        self._exchange.advance(now)
        for link in tuple(self._links.values()):
            link.session.handle_timer(now)
            self._flush(link)

    def _drain_wakes(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            return

    def _accept(self, listener: Listener) -> None:
        try:
            transport, _ = listener.socket.accept()
        except OSError:
            return  # the client is gone already
        transport.setblocking(False)
        transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._exchange.advance(time.monotonic_ns())
        link = Link(transport, listener.make_session(), self._context)
        self._links[link.number] = link
        if listener.is_counted:
            self._counted.add(link.number)
        self._watch(link)

    def _read(self, link: Link) -> None:
        try:
            data = link.transport.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end(link)
            return
        try:
            plain = link.decrypt(data)
        except ssl.SSLError:
            link.push_alert()
            self._end(link)
            return
        if plain:
            link.session.receive_data(plain, time.monotonic_ns())
        if link.ended_by_peer:
            self._end(link)

    def _flush(self, link: Link) -> None:
        if self._links.get(link.number) is not link:
            return
        if link.session.is_closed and link.session.is_reset:
            self._end(link, reset=True)
            return
        try:
            link.encrypt()
            while link.unsent:
                sent = link.transport.send(link.unsent)
                del link.unsent[:sent]
        except (BlockingIOError, InterruptedError):
            pass  # the selector says when there is room again
        except OSError:
            self._end(link)
            return
        if len(link.unsent) > _MAX_UNSENT or (link.session.is_closed and not link.unsent):
            self._end(link)
            return
        self._watch(link)

    def _watch(self, link: Link) -> None:
        """Wait for what can go on: reading always, writing while bytes wait, nothing on pause."""
        wanted = 0
        if not self._paused:
            wanted = EVENT_READ | (EVENT_WRITE if link.unsent else 0)
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
        link.session.connection_lost(time.monotonic_ns())
        if link.watched:
            self._selector.unregister(link.transport)
        if reset:
            # Lingering for zero seconds makes the close a reset, as when a machine is gone.
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
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
