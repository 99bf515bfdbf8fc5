"""Open a connection and move bytes over it, never blocking the sending thread."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import threading
import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ctrader.transport import (
    closed_error,
    connection_error,
    discard_unsent,
    require_loopback,
    set_socket_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ctrader.config import ClientConfig
    from ctrader.errors import CTraderConnectionError

__all__ = ["Attempt", "Link", "Selector"]

READ_SIZE: Final = 65_536
"""Bytes asked of the socket at once; one read is one batch of events."""
READ_LIMIT: Final = 131_072
"""Bytes read before something else gets its turn, and handlers a chance to keep up."""
ABANDON_CHECK: Final = 0.05
"""Seconds in which an attempt notices that it is to be given up."""
NEXT_ADDRESS_AFTER: Final = 0.25
"""Seconds that one address gets before the next is tried beside it (RFC 8305, section 5)."""

# A set of two or three sockets needs no epoll; poll leaves nothing to clean up after a fork.
Selector: type[selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)

# Any: the shape of an address depends on its family, and only `connect` cares.
_Address: TypeAlias = tuple[int, int, int, str, Any]


class _AbandonedError(Exception):
    """The attempt was told to give up."""


class _TlsSocket(ssl.SSLSocket):
    """A TLS socket that closes itself when the peer is gone before TLS begins.

    The standard one takes the connection over, finds out, and raises without closing it.
    """

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            if error.errno != errno.ENOTCONN:
                raise
            raise _os_error(errno.ECONNRESET) from None


class Attempt:
    """One attempt to connect: name lookup, TCP and TLS, on a thread of its own.

    Call `start` once. `report` is called on that thread when the attempt has ended, with
    `connection` or `error` set; after `abandon` it may not be called at all, and whoever gets
    a connection that nobody wants any more closes it.
    """

    def __init__(
        self,
        config: ClientConfig,
        context: ssl.SSLContext | None,
        epoch: int,
        report: Callable[[Attempt], None],
    ) -> None:
        self.epoch = epoch
        """Which connection of the session this is to become."""
        self.connection: socket.socket | None = None
        """The open, non-blocking connection; TLS, if there is any, is verified."""
        self.error: CTraderConnectionError | None = None
        """Why there is no connection."""
        self._config = config
        self._context = context
        self._report = report
        self._is_abandoned = False
        self._is_resolving = True
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(
            target=self._run, name=f"ctrader-connect-{epoch}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def abandon(self) -> None:
        """Give up soon; whatever is open is closed by the attempt's own thread."""
        self._is_abandoned = True

    def join(self, timeout: float) -> None:
        """Wait until an abandoned attempt has closed what it had opened."""
        if not self._is_resolving:  # then nothing is open, and only the system knows how long
            self._thread.join(timeout)

    def close_inherited(self) -> None:
        """Close the copies of the sockets that a forked child holds."""
        for inherited in self._sockets:
            inherited.close()

    def _run(self) -> None:
        try:
            connection = self._open()
        except _AbandonedError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is handed on
            self.error = connection_error(self._config, error)
        else:
            self.connection = connection
        self._report(self)

    def _open(self) -> socket.socket:
        # The one step that cannot be interrupted; nothing is open while it lasts.
        found = socket.getaddrinfo(self._config.host, self._config.port, type=socket.SOCK_STREAM)
        self._is_resolving = False
        self._check()
        try:
            connection = self._reach(_alternating(found))
            require_loopback(self._config, connection.getpeername()[0])
            set_socket_options(connection)
            if self._context is not None:
                connection = self._secure(connection, self._context)
            self._check()
        except BaseException:
            for opened in self._sockets:
                opened.close()
            raise
        return connection

    def _reach(self, addresses: list[_Address]) -> socket.socket:
        """Connect to the first address that answers; a silent one does not hold up the next."""
        first_error: OSError | None = None
        next_at = 0.0
        with Selector() as selector:
            while addresses or selector.get_map():
                now = time.monotonic()
                if addresses and (now >= next_at or not selector.get_map()):
                    next_at = now + NEXT_ADDRESS_AFTER
                    try:
                        selector.register(self._begin(addresses.pop(0)), selectors.EVENT_WRITE)
                    except OSError as error:
                        first_error = first_error or error
                        continue
                self._check()
                for key, _ in selector.select(ABANDON_CHECK):
                    candidate = key.fileobj
                    assert isinstance(candidate, socket.socket)
                    code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        self._keep_only(candidate)
                        return candidate
                    first_error = first_error or _os_error(code)
                    selector.unregister(candidate)
                    candidate.close()
                    next_at = 0.0
        raise first_error or OSError(f"{self._config.host} has no address")

    def _begin(self, address: _Address) -> socket.socket:
        family, kind, protocol, _, where = address
        candidate = socket.socket(family, kind, protocol)
        self._sockets.append(candidate)
        candidate.setblocking(False)
        try:
            candidate.connect(where)
        except BlockingIOError:
            pass  # under way; the selector tells how it ends
        except OSError:
            candidate.close()
            raise
        return candidate

    def _keep_only(self, chosen: socket.socket) -> None:
        for candidate in self._sockets:
            if candidate is not chosen:
                candidate.close()
        self._sockets = [chosen]

    def _secure(self, connection: socket.socket, context: ssl.SSLContext) -> socket.socket:
        context.sslsocket_class = _TlsSocket
        tls = context.wrap_socket(
            connection, server_hostname=self._config.host, do_handshake_on_connect=False
        )
        self._sockets = [tls]
        with Selector() as selector:
            while True:
                try:
                    tls.do_handshake()
                except ssl.SSLWantReadError:
                    awaited = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    awaited = selectors.EVENT_WRITE
                else:
                    return tls
                if selector.get_map():
                    selector.modify(tls, awaited)
                else:
                    selector.register(tls, awaited)
                while not selector.select(ABANDON_CHECK):
                    self._check()

    def _check(self) -> None:
        if self._is_abandoned:
            raise _AbandonedError


class Link:
    """An open connection, read and written without ever waiting.

    Only one thread uses it. After `failure` is set it writes no more; one last `read` gives what
    the server sent before the end.
    """

    def __init__(self, epoch: int, connection: socket.socket) -> None:
        self.epoch = epoch
        """Which connection of the session it is."""
        self.connection = connection
        """The socket, for the selector."""
        self.unsent = b""
        """What the socket has not taken yet; set it only when it is empty."""
        self.failure: CTraderConnectionError | None = None
        """Why the link is lost."""
        self.has_more = False
        """Whether the last read stopped with bytes left that the selector may not show."""
        self._is_tls = isinstance(connection, ssl.SSLSocket)
        self._must_write = False

    @property
    def awaited(self) -> int:
        """The events of the selector to wait for."""
        if self._must_write:
            return selectors.EVENT_READ | selectors.EVENT_WRITE
        return selectors.EVENT_READ

    def read(self) -> bytes:
        """Return what has arrived, up to `READ_LIMIT`; the rest stays for the next time."""
        blocks: list[bytes] = []
        room = READ_LIMIT
        # Asked for again below if it still holds; what is unsent is tried before each wait.
        self.has_more = self._must_write = False
        try:
            while room > 0:
                block = self.connection.recv(READ_SIZE)
                if not block:
                    self._fail(None)
                    break
                blocks.append(block)
                room -= len(block)
                # TLS gives one record at a time and may hold further ones that the selector
                # does not see; a plain socket that gave less than asked for is empty.
                if not self._is_tls and len(block) < READ_SIZE:
                    break
            else:
                self.has_more = True
        except (BlockingIOError, ssl.SSLWantReadError):
            pass  # all read
        except ssl.SSLWantWriteError:
            self._must_write = True
        except OSError as error:
            self._fail(error)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def write(self) -> None:
        """Give the socket as much of `unsent` as it takes."""
        self._must_write = False
        while self.unsent and self.failure is None:
            try:
                taken = self.connection.send(self.unsent)
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._must_write = True
                return
            except ssl.SSLWantReadError:
                return  # goes on after the next read
            except OSError as error:
                self._fail(error)
                return
            self.unsent = self.unsent[taken:]

    def close(self) -> None:
        """Write what still goes out at once, say goodbye and close, without waiting."""
        self.write()
        if self.failure is None and isinstance(self.connection, ssl.SSLSocket):
            try:
                self.connection.unwrap()
            except (OSError, ValueError) as error:
                # Sending the farewell raises whenever the peer's own is not there yet.
                self._fail(error)
        self.connection.close()

    def abort(self) -> None:
        """Close; what the peer has not taken yet never reaches it."""
        discard_unsent(self.connection)
        self.connection.close()

    def _fail(self, cause: Exception | None) -> None:
        if self.failure is None:
            self.failure = closed_error(cause)


def _alternating(addresses: Sequence[_Address]) -> list[_Address]:
    """Mix the address families, the preferred one first, so that a broken one costs one turn."""
    preferred = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [
        address
        for pair in zip_longest(preferred, others)
        for address in pair
        if address is not None
    ]


def _os_error(code: int) -> OSError:
    """Make the error that a connect would have raised, of the fitting subclass."""
    return OSError(code, os.strerror(code))
