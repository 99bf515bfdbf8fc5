"""Servers that are not what they should be: nothing is sent to them, and the error says why.

Behind each test stands a bare server that counts the application bytes which reach it.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ctrader.config import ClientConfig
from ctrader.errors import (
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    DeserializationError,
    FramingError,
    InsecureTransportError,
    ProtocolError,
    TlsVerificationError,
)
from ctrader.events import ConnectedEvent, DisconnectedEvent
from ctrader.simulator import Simulator
from tests.clients.scenarios.stage import BOUND, Record, Stage, eventually

pytestmark = pytest.mark.anyio

NOW: Final = datetime.datetime.now(datetime.UTC)
DAY: Final = datetime.timedelta(days=1)

Behaviour: TypeAlias = Callable[["Trap", socket.socket], None]


class Trap:
    """A server on loopback that treats each connection in its own way, and keeps what it hears."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.heard = b""
        """Application bytes, decrypted where there is TLS."""
        self.finished = threading.Semaphore(0)
        """Counts connections that are over."""
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def config(self, **settings: Any) -> ClientConfig:
        usual: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "client_id": "the-client-id",
            "client_secret": "the-secret",
            "reconnect_min_wait": 0.02,
            "reconnect_max_wait": 0.1,
        }
        return ClientConfig(**{**usual, **settings})

    def close(self) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(BOUND)
                self._open.append(connection)
                threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client went away, which some tests are about
            self._behaviour(self, connection)
        connection.close()
        self.finished.release()


def shake_hands(context: ssl.SSLContext, greeting: bytes = b"") -> Behaviour:
    """Finish the handshake if the client does, say something, and listen."""

    def behave(trap: Trap, connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            if greeting:
                secure.sendall(greeting)
            while data := secure.recv(4096):
                trap.heard += data

    return behave


def stay_silent(trap: Trap, connection: socket.socket) -> None:
    """Take what comes and answer nothing, until the client goes away."""
    while connection.recv(4096):
        pass


def hang_up(trap: Trap, connection: socket.socket) -> None:
    """End the connection in the middle of the handshake."""
    connection.recv(100)


def speak_another_protocol(trap: Trap, connection: socket.socket) -> None:
    connection.recv(100)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    stay_silent(trap, connection)


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def write_authority(authority: trustme.CA, folder: Path) -> Path:
    path = folder / "authority.pem"
    path.write_bytes(authority.cert_pem.bytes())
    return path


def self_signed(folder: Path) -> ssl.SSLContext:
    """Make the settings of a server whose certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def trap_for() -> Iterator[Callable[[Behaviour], Trap]]:
    """Set traps, which are gone with the test."""
    traps: list[Trap] = []

    def lay(behaviour: Behaviour) -> Trap:
        traps.append(Trap(behaviour))
        return traps[-1]

    yield lay
    for trap in traps:
        trap.close()


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ("self-signed", "self-signed"),
        ("other name", "not for '127.0.0.1'"),
        ("unknown authority", "does not trust the certificate's authority"),
        ("expired", "out of date"),
        ("not valid yet", "out of date"),
    ],
)
async def test_certificate_that_proves_nothing(
    stage: Stage, trap_for: Callable[[Behaviour], Trap], tmp_path: Path, flaw: str, reason: str
):
    authority = trustme.CA()
    ca_file: Path | None = write_authority(authority, tmp_path)
    if flaw == "self-signed":
        context = self_signed(tmp_path)
    elif flaw == "other name":
        context = server_context(authority.issue_cert("other.example"))
    elif flaw == "expired":
        context = server_context(
            authority.issue_cert("127.0.0.1", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
        )
    elif flaw == "not valid yet":
        context = server_context(
            authority.issue_cert("127.0.0.1", not_before=NOW + DAY, not_after=NOW + 9 * DAY)
        )
    else:
        context = server_context(authority.issue_cert("127.0.0.1"))
        ca_file = None
    trap = trap_for(shake_hands(context))
    client = stage.client(trap.config(ca_file=ca_file))
    with pytest.raises(TlsVerificationError) as caught:
        await client.connect()
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", trap.port)
    assert "ca_file" in str(caught.value)
    assert reason in "".join(caught.value.__notes__)
    assert isinstance(caught.value.cause, ssl.SSLCertVerificationError)
    assert "the-secret" not in str(caught.value)
    assert not client.is_connected
    await client.close()
    assert trap.finished.acquire(timeout=BOUND)
    assert not trap.finished.acquire(blocking=False)  # it was tried once
    assert trap.heard == b""


async def test_verified_server_is_told_who_calls(
    stage: Stage, trap_for: Callable[[Behaviour], Trap], tmp_path: Path
):
    # The counterpart of the tests above: they would notice if anything were sent.
    authority = trustme.CA()
    trap = trap_for(shake_hands(server_context(authority.issue_cert("127.0.0.1"))))
    config = trap.config(ca_file=write_authority(authority, tmp_path))
    async with stage.client(config):
        await eventually(stage, lambda: b"the-client-id" in trap.heard, "the application's id")


async def test_server_that_never_shakes_hands(stage: Stage, trap_for: Callable[[Behaviour], Trap]):
    trap = trap_for(stay_silent)
    client = stage.client(trap.config(connect_timeout=0.1))
    with pytest.raises(CTraderConnectionTimeoutError) as caught:
        await client.connect()
    assert caught.value.timeout == 0.1
    assert str(trap.port) in caught.value.operation
    with pytest.raises(CTraderConnectionTimeoutError):
        await client.connect(timeout=0.05)  # it may be tried again
    assert trap.finished.acquire(timeout=BOUND)
    assert trap.finished.acquire(timeout=BOUND)
    await client.close()


@pytest.mark.parametrize("behaviour", [hang_up, speak_another_protocol])
async def test_server_without_tls(
    stage: Stage, trap_for: Callable[[Behaviour], Trap], behaviour: Behaviour
):
    trap = trap_for(behaviour)
    client = stage.client(trap.config())
    with pytest.raises(CTraderConnectionFailedError) as caught:
        await client.connect()
    assert not isinstance(caught.value, TlsVerificationError)
    assert caught.value.cause is not None
    assert trap.finished.acquire(timeout=BOUND)
    await client.close()


async def test_simulator_without_tls_is_no_server_for_a_client_with_tls(stage: Stage, serve):
    simulator: Simulator = serve(tls=False)
    client = stage.client(simulator.client_config(use_ssl=True, connect_timeout=1))
    with pytest.raises((CTraderConnectionFailedError, CTraderConnectionTimeoutError)):
        await client.connect()
    await client.close()
    assert not [frame for frame in simulator.frames if not frame.outbound]


@pytest.mark.parametrize(
    ("garbage", "error"),
    [
        (b"\xff\xff\xff\xff" + b"x" * 100, FramingError),
        (b"\x00\x00\x00\x05" + b"\xff" * 5, DeserializationError),
    ],
)
async def test_garbage_behind_tls_drops_the_link_and_the_next_is_tried(
    stage: Stage,
    trap_for: Callable[[Behaviour], Trap],
    tmp_path: Path,
    garbage: bytes,
    error: type[ProtocolError],
):
    authority = trustme.CA()
    context = server_context(authority.issue_cert("127.0.0.1"))
    trap = trap_for(shake_hands(context, garbage))
    client = stage.client(trap.config(ca_file=write_authority(authority, tmp_path)))
    lost: Record[DisconnectedEvent] = Record()
    made: Record[ConnectedEvent] = Record()
    client.register_handler(DisconnectedEvent, lost)
    client.register_handler(ConnectedEvent, made)
    async with client:
        await eventually(stage, lambda: len(lost.events) >= 2, "two losses")
        assert all(isinstance(event.cause, error) for event in lost.events)
        assert all(event.will_reconnect for event in lost.events)
        with pytest.raises(CTraderConnectionTimeoutError):
            await client.auth.authenticate_app(timeout=0.05)
    assert [event.epoch for event in made.events] == list(range(1, len(made.events) + 1))
    assert len(made.events) >= 2


async def test_plaintext_stays_on_this_computer(stage: Stage):
    for host in ("demo.ctraderapi.com", "192.0.2.1", "localhost.example"):
        with pytest.raises(InsecureTransportError) as caught:
            ClientConfig(host=host, use_ssl=False, client_id="id", client_secret="secret")
        assert caught.value.host == host
    client = stage.client(
        ClientConfig(host="localhost", use_ssl=False, client_id="id", client_secret="secret")
    )
    await client.close()
