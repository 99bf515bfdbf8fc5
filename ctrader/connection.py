"""Open a connection to the server and move bytes over it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream

from ctrader.errors import CTraderConnectionError
from ctrader.transport import (
    closed_error,
    connection_error,
    discard_unsent,
    require_loopback,
    set_socket_options,
)

if TYPE_CHECKING:
    from anyio.abc import ByteStream, SocketStream

    from ctrader.config import ClientConfig

__all__ = ["Connection"]

READ_SIZE: Final = 65_536
"""Bytes asked of the transport at once; one read is one batch of events."""

# OSError covers ssl.SSLError, and time-outs and resets of the system.
_TRANSPORT_ERRORS: Final = (
    OSError,
    anyio.BrokenResourceError,
    anyio.BusyResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
)
# A host name that cannot be encoded or checked is a ValueError of the name lookup or of TLS.
_OPENING_ERRORS: Final = (*_TRANSPORT_ERRORS, CTraderConnectionError, ValueError)


class Connection:
    """An open connection, encrypted and verified where the configuration asks for it."""

    def __init__(self, stream: ByteStream) -> None:
        """Take over a stream; call `Connection.open` instead."""
        self._stream = stream
        self._tls: ssl.SSLObject | None = stream.extra(TLSAttribute.ssl_object, None)
        self._error: ssl.SSLError | None = None

    @classmethod
    async def open(cls, config: ClientConfig, context: ssl.SSLContext | None) -> Connection:
        """Look the host up, connect and, with TLS, verify the server.

        Raises:
            CTraderConnectionError: it failed.
        """
        try:
            stream = await anyio.connect_tcp(config.host, config.port)
            try:
                return cls(await _secure(config, context, stream))
            except BaseException:
                await _abort(stream)
                raise
        except _OPENING_ERRORS as error:
            failure = connection_error(config, error)  # it may be the very error
        raise failure

    async def receive(self) -> bytes:
        """Wait for bytes and return all that one read of the socket brought.

        Raises:
            CTraderConnectionClosedError: the connection is lost, or the server ended it.
        """
        try:
            if self._error is not None:
                raise self._error
            data = await self._stream.receive(READ_SIZE)
        except anyio.EndOfStream:
            raise closed_error() from None
        except _TRANSPORT_ERRORS as error:
            raise closed_error(error) from error
        if self._tls is None:
            return data
        # TLS gives out one record at a time, often a single quote: take all that are there.
        records = [data]
        try:
            while record := self._tls.read(READ_SIZE):
                records.append(record)
        except ssl.SSLWantReadError:
            pass  # all read
        except ssl.SSLError as error:
            self._error = error  # the records before it are genuine and go first
        return data if len(records) == 1 else b"".join(records)

    async def send(self, data: bytes) -> None:
        """Wait until the system has taken all the bytes.

        Raises:
            CTraderConnectionClosedError: the connection is lost.
        """
        try:
            await self._stream.send(data)
        except _TRANSPORT_ERRORS as error:
            raise closed_error(error) from error

    async def abort(self, *, discard: bool = False) -> None:
        """Close it without waiting for the peer, also while cancelled.

        Args:
            discard: Whether what the peer has not taken yet must never reach it.
        """
        if discard:
            discard_unsent(self._stream.extra(SocketAttribute.raw_socket))
        await _abort(self._stream)


async def _secure(
    config: ClientConfig, context: ssl.SSLContext | None, stream: SocketStream
) -> ByteStream:
    # The raw socket says in its own error that the peer is gone already; anyio's attribute of the
    # address is missing then.
    raw = stream.extra(SocketAttribute.raw_socket)
    set_socket_options(raw)
    require_loopback(config, str(raw.getpeername()[0]))
    if context is None:
        return stream
    return await TLSStream.wrap(
        stream,
        server_side=False,
        hostname=config.host,
        ssl_context=context,
        standard_compatible=False,
    )


async def _abort(stream: ByteStream) -> None:
    # No closing handshake is asked for, so the shield lasts for one step of the loop.
    with anyio.CancelScope(shield=True):
        await stream.aclose()
