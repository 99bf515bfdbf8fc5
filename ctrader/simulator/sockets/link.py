"""One client's socket, with TLS where that is wanted, and its session."""

from __future__ import annotations

import socket
import ssl
from typing import Final, Protocol

__all__ = ["READ_SIZE", "Link", "LinkedSession"]

READ_SIZE: Final = 65_536
"""Bytes that are taken off a socket at a time."""


class LinkedSession(Protocol):
    """The server's end of a connection, driven by bytes and time."""

    @property
    def is_closed(self) -> bool:
        """Whether the server has ended the connection."""
        ...

    @property
    def is_reset(self) -> bool:
        """Whether that end is abrupt."""
        ...

    def receive_data(self, data: bytes, now: int) -> None:
        """Take what the client sent."""
        ...

    def handle_timer(self, now: int) -> None:
        """Do what is due."""
        ...

    def next_deadline(self) -> int | None:
        """Return when `handle_timer` should be called next."""
        ...

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that wait to be sent."""
        ...

    def connection_lost(self, now: int) -> None:
        """Take note that the transport ended."""
        ...


class Link:
    """One client's socket with its session."""

    def __init__(
        self, transport: socket.socket, session: LinkedSession, context: ssl.SSLContext | None
    ) -> None:
        """Begin with a socket that has just been accepted.

        Args:
            transport: The socket; it must not block.
            session: What speaks on it.
            context: The server's certificate, None to speak without TLS.
        """
        self.transport = transport
        self.number = transport.fileno()
        self.session = session
        self.unsent = bytearray()
        """What the socket has not taken yet."""
        self.watched = 0
        """For which events the socket is watched."""
        self.ended_by_peer = False
        """Whether the client sends no more, by the words of TLS or of the transport."""
        self.is_shut = False
        """Whether the end of what is sent was told to the client."""
        self.ends_at: int | None = None
        """When the link is reset unless it has ended, None while its session goes on."""
        self._is_broken = False
        self._said_goodbye = False
        self._plain = bytearray()
        self._handshaken = context is None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = (
            None
            if context is None
            else context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        )

    def decrypt(self, data: bytes) -> bytes:
        """Take bytes off the socket; return what they say.

        Raises:
            ssl.SSLError: they are no TLS, or the client refuses the certificate.
        """
        if self._tls is None:
            return data
        if self._is_broken:
            return b""
        self._incoming.write(data)
        plain = bytearray()
        try:
            if not self._handshaken:
                self._tls.do_handshake()
                self._handshaken = True
            while True:
                part = self._tls.read(READ_SIZE)
                if not part:
                    self.ended_by_peer = True
                    break
                plain += part
        except ssl.SSLWantReadError:
            pass  # the rest of the record is still on its way
        except ssl.SSLZeroReturnError:
            self.ended_by_peer = True
        except ssl.SSLError:
            self._is_broken = True
            raise
        return bytes(plain)

    def encrypt(self) -> None:
        """Make what the session wants said bytes for the socket."""
        plain = self.session.data_to_send()
        if self._tls is None:
            self.unsent += plain
            return
        self._plain += plain
        if self._plain and self._handshaken and not self._is_broken:
            self._tls.write(self._plain)
            self._plain.clear()
        # Where a handshake failed, this is the alert that says why.
        self.unsent += self._outgoing.read()

    def say_goodbye(self) -> None:
        """Put TLS's word of the end behind what is to be sent, once."""
        if self._tls is None or self._said_goodbye or self._is_broken or not self._handshaken:
            return
        self._said_goodbye = True
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            pass  # the client's answer is not waited for
        except ssl.SSLError:
            self._is_broken = True  # it was in the middle of something else, and goes without
        self.unsent += self._outgoing.read()
