"""The proxy that breaks connections: each kind of fault does what it says, no more."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import islice
from typing import Final

import pytest

from tests.adversity.proxy import Fault, FaultKind, FaultProxy, Way, draw_plan

BOUND: Final = 5.0
"""Seconds that anything may take before a test fails; it never takes them otherwise."""
RECORD: Final = b"\x17\x03\x03\x00\x20" + bytes(range(32))
"""What a TLS record of application data looks like from outside."""


# The plan


def test_plan_is_the_same_for_the_same_seed_and_names_every_kind():
    plan = list(islice(draw_plan(3, longest=1.0), 40))
    assert plan == list(islice(draw_plan(3, longest=1.0), 40))
    assert plan != list(islice(draw_plan(4, longest=1.0), 40))
    assert {fault.kind for fault in plan} == set(FaultKind)


# The proxy


class Echo:
    """A server that sends back what it gets, and keeps it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received: list[list[bytes]] = []
        """What came, piece by piece, for each connection."""
        self.ended = 0
        """Connections that came to an end."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            pieces: list[bytes] = []
            self.received.append(pieces)
            threading.Thread(target=self._serve, args=(connection, pieces), daemon=True).start()

    def _serve(self, connection: socket.socket, pieces: list[bytes]) -> None:
        with connection:
            try:
                while data := connection.recv(65_536):
                    pieces.append(data)
                    connection.sendall(data)
            except OSError:
                pass  # it was reset, which is an end as well
        self.ended += 1


class Wire:
    """A server, the proxy in front of it, and clients of it."""

    def __init__(self, server: Echo, proxy: FaultProxy) -> None:
        self.server = server
        self.proxy = proxy
        self.client = self.connect()

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.proxy.port), timeout=BOUND)
        client.settimeout(BOUND)
        return client

    def reconnect(self) -> None:
        self.client.close()
        self.client = self.connect()

    def exchange(self, data: bytes = RECORD) -> bytes:
        """Send something, and return what comes back, to the end or to its length."""
        self.client.sendall(data)
        return self.read(len(data))

    def read(self, count: int) -> bytes:
        came = b""
        while len(came) < count and (data := self.client.recv(65_536)):
            came += data
        return came

    def strike(self, kind: FaultKind, way: Way = "to_client", after: int = 0) -> None:
        self.proxy.strike(Fault(kind, way, seconds=0.15, after_bytes=after, after_calls=0))


@pytest.fixture
def wire() -> Generator[Wire]:
    server = Echo()
    with FaultProxy("127.0.0.1", server.port) as proxy:
        made = Wire(server, proxy)
        assert made.exchange() == RECORD
        yield made
        made.client.close()
        await_that(lambda: not proxy.open_links)
    server.close()


def await_that(claim: Callable[[], object]) -> None:
    until = time.monotonic() + BOUND
    while not claim():
        assert time.monotonic() < until
        time.sleep(0.002)  # real sockets and threads: nothing announces it


@contextmanager
def nothing_comes(client: socket.socket) -> Generator[None]:
    """Hold that the client gets neither bytes nor an end because of what happens inside."""
    yield
    client.settimeout(0.1)
    with pytest.raises(TimeoutError):
        client.recv(1)


@pytest.mark.parametrize("way", ["to_server", "to_client"])
@pytest.mark.parametrize(
    "kind", [FaultKind.LATENCY, FaultKind.SPLIT, FaultKind.MERGE, FaultKind.STALL]
)
def test_fault_that_only_delays_delivers_every_byte(wire: Wire, kind: FaultKind, way: Way):
    wire.strike(kind, way)
    await_that(lambda: wire.proxy.struck[kind])
    began = time.monotonic()
    assert wire.exchange(RECORD * 20) == RECORD * 20
    if kind is not FaultKind.SPLIT:
        assert time.monotonic() - began > 0.03
    await_that(lambda: wire.proxy.is_calm)
    assert wire.exchange() == RECORD


def test_split_bytes_come_one_by_one(wire: Wire):
    wire.strike(FaultKind.SPLIT, "to_server")
    await_that(lambda: wire.proxy.struck[FaultKind.SPLIT])
    wire.exchange(RECORD * 2)
    assert len(wire.server.received[0]) > 5


@pytest.mark.parametrize("kind", [FaultKind.FIN, FaultKind.RST, FaultKind.CUT_RECORD])
@pytest.mark.parametrize("way", ["to_server", "to_client"])
def test_fault_that_ends_the_connection_ends_it_for_both(wire: Wire, kind: FaultKind, way: Way):
    wire.strike(kind, way, after=3)
    wire.client.sendall(RECORD)
    if kind is FaultKind.RST:
        with pytest.raises(ConnectionResetError):
            wire.read(1)
    else:
        assert len(wire.read(len(RECORD))) < len(RECORD)
    await_that(lambda: wire.server.ended == 1)


def test_record_is_cut_inside_its_body(wire: Wire):
    wire.strike(FaultKind.CUT_RECORD, after=len(RECORD) + 20)
    came = wire.exchange(RECORD * 3)
    assert len(RECORD) + 5 < len(came) < 2 * len(RECORD)
    assert (RECORD * 3).startswith(came)


def test_corruption_changes_one_bit_of_a_body(wire: Wire):
    wire.strike(FaultKind.CORRUPT, after=7)
    came = wire.exchange(RECORD * 2)
    wrong = [place for place, byte in enumerate(came) if byte != (RECORD * 2)[place]]
    assert len(wrong) == 1
    assert wrong[0] % len(RECORD) >= 5
    assert (came[wrong[0]] ^ (RECORD * 2)[wrong[0]]).bit_count() == 1


def test_swallowed_direction_is_silent_and_the_other_goes_on(wire: Wire):
    wire.strike(FaultKind.SWALLOW, "to_client")
    with nothing_comes(wire.client):
        wire.client.sendall(RECORD * 2)
        await_that(lambda: len(b"".join(wire.server.received[0])) == 3 * len(RECORD))
    assert not wire.proxy.is_calm
    assert not wire.server.ended


def test_client_of_a_half_open_connection_is_not_told(wire: Wire):
    wire.strike(FaultKind.HALF_OPEN, "to_server")
    with nothing_comes(wire.client):
        wire.client.sendall(RECORD)
        await_that(lambda: wire.server.ended == 1)
    assert not wire.proxy.is_calm
    wire.client.close()
    await_that(lambda: wire.proxy.is_calm)


def test_connections_are_refused_for_a_while(wire: Wire):
    wire.strike(FaultKind.REFUSE)
    with pytest.raises(ConnectionResetError):
        wire.read(1)
    with pytest.raises(ConnectionRefusedError):
        wire.connect()
    await_that(lambda: wire.proxy.is_calm)
    wire.reconnect()
    assert wire.exchange() == RECORD


@pytest.mark.parametrize(
    "kind", [FaultKind.MUTE, FaultKind.SLOW_HANDSHAKE, FaultKind.CORRUPT_HANDSHAKE]
)
def test_next_connection_has_its_share(wire: Wire, kind: FaultKind):
    wire.strike(kind)
    with pytest.raises(ConnectionResetError):
        wire.read(1)
    wire.reconnect()
    if kind is FaultKind.MUTE:
        with nothing_comes(wire.client):
            wire.client.sendall(RECORD)
        assert len(wire.server.received) == 1
    elif kind is FaultKind.SLOW_HANDSHAKE:
        began = time.monotonic()
        assert wire.exchange() == RECORD
        assert time.monotonic() - began > 0.03
    else:
        assert wire.exchange() != RECORD
    wire.reconnect()
    assert wire.exchange() == RECORD
