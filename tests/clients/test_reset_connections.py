"""A peer that is gone right after it took the connection: declared errors, and nothing left open.

What happens by chance elsewhere is made certain here: the client goes on only when its socket
knows that the peer has reset the connection.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from ctrader.client import CTraderClient
from ctrader.config import ClientConfig
from ctrader.errors import CTraderConnectionFailedError
from ctrader.transport import tls_context
from ctrader_sync.client import SyncCTraderClient

BOUND = 5.0


class Resetter:
    """A server that takes connections, and resets them when it is told to."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def config(self, **settings: Any) -> ClientConfig:
        return ClientConfig(
            host="127.0.0.1", port=self.port, client_id="id", client_secret="secret", **settings
        )

    def reset(self, connection: Any) -> None:
        """Reset the only connection, and return when its other end knows."""
        taken, _ = self._listener.accept()
        taken.setsockopt(
            socket.SOL_SOCKET,
            socket.SO_LINGER,
            struct.pack("hh" if os.name == "nt" else "ii", 1, 0),
        )
        taken.close()
        until = time.monotonic() + BOUND
        while not is_reset(connection):
            assert time.monotonic() < until
            time.sleep(0.001)  # nothing else tells when the reset has arrived

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def resetter() -> Iterator[Resetter]:
    server = Resetter()
    yield server
    server.close()


def is_reset(connection: Any) -> bool:
    try:
        connection.getpeername()
    except OSError:
        return True
    return False


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_blocking_client(resetter: Resetter, monkeypatch: pytest.MonkeyPatch):
    config = resetter.config()
    context = tls_context(config)
    wrap = context.wrap_socket
    left_open: list[bool] = []

    def wrap_when_reset(connection: socket.socket, **options: Any) -> ssl.SSLSocket:
        resetter.reset(connection)
        number = connection.fileno()
        try:
            return wrap(connection, **options)
        except OSError:
            left_open.append(is_open(number))
            raise

    monkeypatch.setattr(context, "wrap_socket", wrap_when_reset)
    monkeypatch.setattr("ctrader_sync.pump.tls_context", lambda _: context)
    client = SyncCTraderClient(config)
    with pytest.raises(CTraderConnectionFailedError) as caught:
        client.connect()
    assert isinstance(caught.value.cause, ConnectionResetError)
    client.close()
    assert left_open == [False]


@pytest.mark.anyio
@pytest.mark.parametrize("use_ssl", [True, False])
async def test_async_client(resetter: Resetter, monkeypatch: pytest.MonkeyPatch, use_ssl: bool):
    connect = anyio.connect_tcp

    async def connect_and_wait(host: str, port: int) -> SocketStream:
        stream = await connect(host, port)
        resetter.reset(stream.extra(SocketAttribute.raw_socket))
        return stream

    monkeypatch.setattr(anyio, "connect_tcp", connect_and_wait)
    client = CTraderClient(resetter.config(use_ssl=use_ssl))
    with pytest.raises(CTraderConnectionFailedError) as caught:
        await client.connect()
    assert isinstance(caught.value.cause, OSError)
    await client.close()
