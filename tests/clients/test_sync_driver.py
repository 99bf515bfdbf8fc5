"""What is peculiar to the blocking client: threads, signals, forks and the ends of processes."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import select
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from ctrader.config import ClientConfig
from ctrader.errors import (
    ClientClosedError,
    ConfigurationError,
    CTraderConnectionClosedError,
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    CTraderReconnectAbandonedError,
    SlowConsumerError,
    TlsVerificationError,
)
from ctrader.events import (
    AccountDisconnectEvent,
    ConnectedEvent,
    DisconnectedEvent,
    SpotEvent,
    SymbolChangedEvent,
)
from ctrader.proto import (
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOASymbolChangedEvent,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.effects import JobRequested
from ctrader.protocol.envelope import encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.protocol.mailbox import Mailbox
from ctrader.protocol.routing import Route
from ctrader.protocol.session import Session
from ctrader.simulator import Simulator
from ctrader_sync.clerk import Clerk
from ctrader_sync.client import SyncCTraderClient
from ctrader_sync.connection import Link
from ctrader_sync.dispatcher import MAX_THREADS, Consumer, Dispatcher
from ctrader_sync.driver import Driver
from tests.journal.in_memory import MemoryJournal

if TYPE_CHECKING:
    from google.protobuf.message import Message

ROOT = Path(__file__).parents[2]
APPLICATION_AUTH = PAYLOAD_TYPE_BY_MESSAGE[ProtoOAApplicationAuthReq]
VERSION = PAYLOAD_TYPE_BY_MESSAGE[ProtoOAVersionReq]


class Peer:
    """A server that answers two requests and sends what a test tells it to."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.is_silent = False  # answer nothing but the application's authentication
        self.received: list[int] = []
        self.bytes_received = 0
        self.ended = threading.Semaphore(0)
        self._context = context
        self._using = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._arrived = threading.Condition()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def config(self, **changes: object) -> ClientConfig:
        settings: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self.port,
            "use_ssl": False,
            "client_id": "id",
            "client_secret": "a-secret",
            "reconnect_min_wait": 0.05,
            "reconnect_max_wait": 0.1,
        }
        return ClientConfig.model_validate({**settings, **changes})

    def send(self, message: Message) -> None:
        for connection in self._connections:
            with self._using:
                connection.sendall(encode_message(message))

    def cut(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, payload_type: int, count: int = 1) -> None:
        with self._arrived:
            assert self._arrived.wait_for(
                lambda: self.received.count(payload_type) >= count, timeout=5
            )

    def close(self) -> None:
        # shutdown() wakes the thread in accept(); close() alone would leave it there.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self._context is not None:
                with self._context.wrap_socket(connection, server_side=True) as tls:
                    self._talk(tls)
            else:
                self._talk(connection)
        self.ended.release()

    def _talk(self, connection: socket.socket) -> None:
        frames = FrameBuffer()
        self._connections.append(connection)
        try:
            while data := self._receive(connection):
                self.bytes_received += len(data)
                block, spans = frames.feed(data)
                for start, end in spans:
                    self._answer(connection, block[start:end])
        finally:
            self._connections.remove(connection)

    def _receive(self, connection: socket.socket) -> bytes:
        # A TLS socket must not be used by two threads at once: wait first, then read.
        if not (isinstance(connection, ssl.SSLSocket) and connection.pending()):
            select.select([connection], [], [])
        with self._using:
            return connection.recv(65536)

    def _answer(self, connection: socket.socket, frame: bytes) -> None:
        envelope = open_envelope(frame)
        answer: Message | None = None
        if envelope.payload_type == APPLICATION_AUTH:
            answer = ProtoOAApplicationAuthRes()
        elif envelope.payload_type == VERSION and not self.is_silent:
            answer = ProtoOAVersionRes(version="7")
        if answer is not None:
            with self._using:
                connection.sendall(encode_message(answer, envelope.client_msg_id))
        with self._arrived:
            self.received.append(envelope.payload_type)
            self._arrived.notify_all()


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer()
    yield server
    server.close()


@pytest.fixture
def client(peer: Peer) -> Iterator[SyncCTraderClient]:
    with SyncCTraderClient(peer.config()) as connected:
        connected.auth.authenticate_app()
        yield connected


def ask(client: SyncCTraderClient, timeout: float | None = None) -> str:
    return client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes, timeout=timeout).version


def changed(number: int) -> ProtoOASymbolChangedEvent:
    return ProtoOASymbolChangedEvent(ctidTraderAccountId=1, symbolId=[number])


def eventually(claim: Callable[[], bool], seconds: float = 3.0) -> bool:
    until = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)  # real threads: there is nothing else to wait for
    return True


def client_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("ctrader-")]


# Calls


def test_threads_share_one_client(client: SyncCTraderClient):
    answers: list[str] = []

    def work() -> None:
        answers.extend(ask(client) for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["7"] * 24


def test_call_without_answer_ends_in_its_timeout(peer: Peer, client: SyncCTraderClient):
    peer.is_silent = True
    started = time.monotonic()
    with pytest.raises(CTraderConnectionTimeoutError):
        ask(client, timeout=0.2)
    assert 0.15 < time.monotonic() - started < 1.0


def test_error_raised_by_the_core_reaches_the_caller_of_a_change(peer: Peer):
    def instruction(session: Session, now: int) -> None:
        raise KeyError("no such thing")

    driver = Driver(peer.config())
    driver.connect()
    with pytest.raises(KeyError):
        driver.change(instruction)
    assert driver.look(lambda session: session.is_connected)
    driver.close()


def test_breakdown_of_the_core_leaves_nobody_waiting(
    peer: Peer,
    client: SyncCTraderClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    def broken(*args: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Session, "receive_data", broken)
    with pytest.raises(ClientClosedError, match="ZeroDivisionError") as caught:
        ask(client)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert peer.ended.acquire(timeout=3)
    assert not client.is_connected
    with pytest.raises(ClientClosedError):
        client.wait(1)
    assert "broke down" in caplog.text


# Connecting


def test_failed_connect_leaves_nothing_and_may_be_repeated(peer: Peer):
    peer.close()
    client = SyncCTraderClient(peer.config())
    for _ in range(2):
        with pytest.raises(CTraderConnectionFailedError):
            client.connect()
        assert eventually(lambda: not client_threads())
    client.close()


def test_connect_gives_up_on_a_server_that_never_shakes_hands():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        config = ClientConfig(
            host="127.0.0.1", port=mute.getsockname()[1], client_id="id", client_secret="a-secret"
        )
        client = SyncCTraderClient(config)
        with pytest.raises(CTraderConnectionTimeoutError):
            client.connect(timeout=0.2)
        connection, _ = mute.accept()
        with connection:
            connection.settimeout(3)
            while connection.recv(4096):  # its greeting, then the end
                pass
    assert eventually(lambda: not client_threads())
    client.close()


def test_close_while_another_thread_connects():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        config = ClientConfig(
            host="127.0.0.1", port=mute.getsockname()[1], client_id="id", client_secret="a-secret"
        )
        client = SyncCTraderClient(config)
        errors: list[BaseException] = []

        def connect() -> None:
            try:
                client.connect()
            except ClientClosedError as error:
                errors.append(error)

        thread = threading.Thread(target=connect)
        thread.start()
        assert eventually(lambda: "ctrader-connect-1" in client_threads())
        client.close()
        thread.join(3)
        assert len(errors) == 1
        assert not client_threads()


def test_second_address_is_tried_when_the_first_refuses(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        refusing = unused.getsockname()
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)
        for address in (refusing, ("127.0.0.1", peer.port))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)
    with SyncCTraderClient(peer.config(host="localhost")) as client:
        assert ask(client) == "7"


def test_proxy_is_refused_at_once():
    with pytest.raises(ConfigurationError, match="proxy"):
        SyncCTraderClient(
            ClientConfig(client_id="id", client_secret="a-secret", proxy="http://127.0.0.1:8080")
        )


def certified(tmp_path: Path, name: str) -> tuple[Peer, Path]:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return Peer(context), path


def test_tls_with_a_private_authority(tmp_path: Path):
    peer, authority = certified(tmp_path, "localhost")
    config = peer.config(host="localhost", use_ssl=True, ca_file=authority)
    with SyncCTraderClient(config) as client:
        assert ask(client) == "7"
        with client.stream(SymbolChangedEvent) as changes:
            for number in range(300):
                peer.send(changed(number))
            assert [changes.get(3).symbol_ids[0] for _ in range(300)] == list(range(300))
    peer.close()


@pytest.mark.parametrize(
    ("name", "is_trusted", "remedy"),
    [("other.example", True, "host must be a name"), ("localhost", False, "ca_file")],
)
def test_untrusted_server_is_refused_before_anything_is_sent(
    tmp_path: Path, name: str, is_trusted: bool, remedy: str
):
    peer, authority = certified(tmp_path, name)
    config = peer.config(host="localhost", use_ssl=True, ca_file=authority if is_trusted else None)
    client = SyncCTraderClient(config)
    with pytest.raises(TlsVerificationError) as caught:
        client.connect()
    assert remedy in "".join(caught.value.__notes__)
    assert peer.ended.acquire(timeout=3)
    assert peer.bytes_received == 0
    client.close()
    peer.close()


# The link


def test_link_is_made_again_and_streams_go_on(peer: Peer, client: SyncCTraderClient):
    with client.stream(ConnectedEvent) as links, client.stream(SymbolChangedEvent) as changes:
        peer.cut()
        assert links.get(3).epoch == 2
        peer.wait_for(APPLICATION_AUTH, 2)
        peer.send(changed(5))
        assert changes.get(3).symbol_ids == (5,)


def test_stream_ends_with_the_error_when_reconnecting_is_given_up(peer: Peer):
    with SyncCTraderClient(peer.config(reconnect_attempts=0)) as client:
        client.auth.authenticate_app()
        with client.stream(SpotEvent) as quotes:
            peer.cut()
            with pytest.raises(CTraderReconnectAbandonedError):
                next(quotes)
        with pytest.raises(CTraderReconnectAbandonedError):
            client.wait()


class _Negotiating(socket.socket):
    """A connection whose TLS must say something before it can read on."""

    def __init__(self, taken: socket.socket) -> None:
        super().__init__(fileno=taken.detach())
        self.answers: list[Exception | bytes] = []

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_link_that_need_not_write_any_more_does_not_ask_for_it():
    near, far = socket.socketpair()
    with _Negotiating(near) as connection, far:
        link = Link(1, connection)
        connection.answers = [ssl.SSLWantWriteError(), b"heard"]
        assert link.read() == b""
        assert link.awaited == selectors.EVENT_READ | selectors.EVENT_WRITE
        assert link.read() == b"heard"
        # A socket can nearly always be written to: waiting for that would end at once, for ever.
        assert link.awaited == selectors.EVENT_READ


def test_short_writes_lose_nothing():
    near, far = socket.socketpair()
    with far:
        near.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        link = Link(1, near)
        sent = os.urandom(1_000_000)
        link.unsent = sent
        received = b""
        link.write()
        assert link.unsent
        assert link.awaited & selectors.EVENT_WRITE
        while len(received) < len(sent):
            received += far.recv(65536)
            link.write()
        assert received == sent
        assert not link.awaited & selectors.EVENT_WRITE
        link.close()
        assert far.recv(10) == b""


def test_the_end_of_a_link_comes_after_its_last_data():
    near, far = socket.socketpair()
    near.setblocking(False)
    link = Link(1, near)
    with far:
        far.sendall(b"last words")
    assert link.read() == b"last words"
    assert link.read() == b""
    assert isinstance(link.failure, CTraderConnectionClosedError)
    assert link.failure.was_clean
    link.close()


# Handlers


def test_slow_handler_delays_only_itself_and_is_never_called_twice_at_once(
    peer: Peer, client: SyncCTraderClient
):
    release = threading.Event()
    entered: list[int] = []
    quick: list[int] = []
    is_running = threading.Lock()

    def slow(event: SymbolChangedEvent) -> None:
        assert is_running.acquire(blocking=False)
        entered.append(event.symbol_ids[0])
        release.wait(5)
        is_running.release()

    client.register_handler(SymbolChangedEvent, slow)
    client.register_handler(SymbolChangedEvent, lambda event: quick.append(event.symbol_ids[0]))
    for number in range(5):
        peer.send(changed(number))
    assert eventually(lambda: quick == [0, 1, 2, 3, 4], 1.0)
    assert entered == [0]
    release.set()
    assert eventually(lambda: entered == [0, 1, 2, 3, 4])


def test_handler_that_asks_the_server_does_not_hold_up_the_others(
    peer: Peer, client: SyncCTraderClient
):
    peer.is_silent = True
    times: list[float] = []
    errors: list[Exception] = []

    def asking(event: SymbolChangedEvent) -> None:
        try:
            ask(client, timeout=0.5)
        except CTraderConnectionTimeoutError as error:
            errors.append(error)

    client.register_handler(SymbolChangedEvent, asking)
    client.register_handler(SymbolChangedEvent, lambda event: times.append(time.monotonic()))
    peer.send(changed(1))
    started = time.monotonic()
    assert eventually(lambda: bool(times))
    assert times[0] - started < 0.4
    assert eventually(lambda: bool(errors))


def test_handler_that_raises_is_logged_and_goes_on(
    peer: Peer, client: SyncCTraderClient, caplog: pytest.LogCaptureFixture
):
    seen: list[int] = []

    @client.on(SymbolChangedEvent)
    def fragile(event: SymbolChangedEvent) -> None:
        seen.append(event.symbol_ids[0])
        if len(seen) == 1:
            raise ZeroDivisionError("first")

    peer.send(changed(1))
    peer.send(changed(2))
    assert eventually(lambda: seen == [1, 2])
    record = next(r for r in caplog.records if r.name == "ctrader.events")
    assert record.exc_info is not None
    assert "fragile" in record.getMessage()


def test_handler_that_exits_is_logged_and_goes_on(
    peer: Peer, client: SyncCTraderClient, caplog: pytest.LogCaptureFixture
):
    seen: list[int] = []

    def quitter(event: SymbolChangedEvent) -> None:
        seen.append(event.symbol_ids[0])
        sys.exit(1)

    client.register_handler(SymbolChangedEvent, quitter)
    for number in range(10):
        peer.send(changed(number))
    assert eventually(lambda: seen == list(range(10)))
    assert "quitter" in caplog.text


def test_removed_handler_gets_nothing_more(peer: Peer, client: SyncCTraderClient):
    seen: list[object] = []
    others: list[object] = []
    client.register_handler(SymbolChangedEvent, seen.append)
    client.register_handler(SymbolChangedEvent, others.append)
    assert client.off(SymbolChangedEvent, seen.append)
    assert not client.off(SymbolChangedEvent, seen.append)
    peer.send(changed(1))
    assert eventually(lambda: bool(others))
    assert seen == []


def test_async_handler_is_refused(client: SyncCTraderClient):
    async def handler(event: SymbolChangedEvent) -> None: ...

    with pytest.raises(TypeError, match="plain"):
        client.register_handler(SymbolChangedEvent, handler)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_handler_registered_before_connecting_sees_the_link(peer: Peer):
    seen: list[object] = []
    client = SyncCTraderClient(peer.config())
    client.register_handler(ConnectedEvent, seen.append)
    client.register_handler(DisconnectedEvent, seen.append)
    with client:
        assert eventually(lambda: len(seen) == 1)
    with pytest.raises(ClientClosedError):
        client.register_handler(ConnectedEvent, seen.append)


def dispatched(
    lock: threading.Lock, mailbox: Mailbox, handler: Callable[[object], None]
) -> Consumer:
    return Consumer(Route(object, mailbox), handler)


def test_urgent_mailboxes_are_served_first_and_others_wait_beyond_eight_threads():
    lock = threading.Lock()
    dispatcher = Dispatcher(lock, lambda consumer: None, is_ending=lambda: False)
    release = threading.Event()
    order: list[str] = []

    def consumer(name: str, *, is_blocking: bool = False) -> Consumer:
        def handle(event: object) -> None:
            order.append(name)
            if is_blocking:
                release.wait(5)

        return dispatched(lock, Mailbox(name), handle)

    blockers = [consumer(f"blocker {i}", is_blocking=True) for i in range(MAX_THREADS)]
    plain, urgent = consumer("plain"), consumer("urgent")
    with lock:
        for blocker in blockers:
            blocker.route.mailbox.put("an event")
            dispatcher.enqueue(blocker)
    assert eventually(lambda: len(order) == MAX_THREADS)
    with lock:
        plain.route.mailbox.put("an event")
        dispatcher.enqueue(plain)
        urgent.route.mailbox.put(AccountDisconnectEvent(account_id=1))
        dispatcher.enqueue(urgent)
    release.set()
    assert eventually(lambda: len(order) == MAX_THREADS + 2)
    assert order[-2:] == ["urgent", "plain"]
    with lock:
        dispatcher.stop()
    dispatcher.join(3)
    assert not client_threads()


def test_consumer_that_is_far_too_slow_ends_with_an_error(caplog: pytest.LogCaptureFixture):
    lock = threading.Lock()
    retired: list[Consumer] = []
    dispatcher = Dispatcher(lock, retired.append, is_ending=lambda: False)
    seen: list[object] = []
    mailbox = Mailbox("handler slow", capacity=2, limit=2)
    consumer = dispatched(lock, mailbox, seen.append)
    with lock:
        for number in range(4):
            mailbox.put(number)
        dispatcher.enqueue(consumer)
    assert eventually(lambda: "handler slow fell behind" in caplog.text)
    assert seen == [0, 1]
    assert retired == [consumer]
    assert consumer.ended
    report = consumer.report()
    assert isinstance(report.error, SlowConsumerError)
    assert (report.delivered, report.waiting, report.dropped) == (2, 0, 2)
    with lock:
        dispatcher.stop()
    dispatcher.join(3)


def test_handler_that_is_far_too_slow_is_told_of_as_ended(
    peer: Peer, client: SyncCTraderClient, monkeypatch: pytest.MonkeyPatch
):
    started, release = threading.Event(), threading.Event()

    def slow(event: SymbolChangedEvent) -> None:
        started.set()
        release.wait(3)

    small = functools.partial(Mailbox, capacity=2, limit=2)
    monkeypatch.setattr("ctrader_sync.driver.Mailbox", small)
    client.register_handler(SymbolChangedEvent, slow)
    peer.send(changed(1))
    assert started.wait(3)
    with client.stream(SymbolChangedEvent) as changes:
        for number in range(2, 6):
            peer.send(changed(number))
        while changes.get(3).symbol_ids[0] != 5:
            pass
    release.set()
    assert eventually(lambda: [report.dropped for report in client.handlers] == [2])
    assert eventually(lambda: client.handlers[0].delivered == 3)
    assert isinstance(client.handlers[0].error, SlowConsumerError)
    client.off(SymbolChangedEvent, slow)
    assert client.handlers == ()


def test_stream_that_is_far_too_slow_ends_with_an_error(
    peer: Peer, client: SyncCTraderClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("ctrader_sync.streams.LIMIT", 3)
    with client.stream(SymbolChangedEvent, capacity=1) as changes:
        for number in range(6):
            peer.send(changed(number))
        assert eventually(lambda: changes.dropped == 3)
        assert [changes.get(1).symbol_ids[0] for _ in range(3)] == [0, 1, 2]
        with pytest.raises(SlowConsumerError):
            next(changes)
        assert list(changes) == []


# Streams


def test_stream_waits_in_vain_no_longer_than_asked(client: SyncCTraderClient):
    with client.stream(SpotEvent) as quotes:
        with pytest.raises(TimeoutError):
            quotes.get(timeout=0.05)
        with pytest.raises(TimeoutError):
            quotes.get(timeout=0)
    with pytest.raises(ClientClosedError, match="stream"):
        quotes.get()
    assert list(quotes) == []


@pytest.mark.parametrize("is_client_closed", [True, False])
def test_waiting_stream_ends_when_another_thread_closes(
    client: SyncCTraderClient, is_client_closed: bool
):
    quotes = client.stream(SpotEvent)
    got: list[list[SpotEvent]] = []
    thread = threading.Thread(target=lambda: got.append(list(quotes)))
    thread.start()
    time.sleep(0.05)  # so that it waits; it must end either way
    if is_client_closed:
        client.close()
    else:
        quotes.close()
    thread.join(3)
    assert got == [[]]
    assert quotes.merged == 0


# Closing


def test_close_is_quick_idempotent_and_ends_waiting_calls(peer: Peer, client: SyncCTraderClient):
    peer.is_silent = True
    errors: list[Exception] = []

    def wait_in_vain() -> None:
        try:
            ask(client)
        except ClientClosedError as error:
            errors.append(error)

    thread = threading.Thread(target=wait_in_vain)
    thread.start()
    peer.wait_for(VERSION)
    started = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - started < 0.5
    thread.join(3)
    assert len(errors) == 1
    assert not client_threads()
    assert client.wait(0)
    for call in (lambda: ask(client), client.connect):
        with pytest.raises(ClientClosedError):
            call()


def test_handler_may_close_the_client(peer: Peer, client: SyncCTraderClient):
    client.register_handler(SymbolChangedEvent, lambda event: client.close())
    assert not client.wait(0.05)
    peer.send(changed(1))
    assert client.wait(3)
    assert eventually(lambda: not client_threads())


class SlowJournal(MemoryJournal):
    """A journal whose disk is slow at the end."""

    def close(self) -> None:
        time.sleep(0.3)  # on a thread of the client; nobody else waits for the disk
        super().close()


@pytest.mark.parametrize("end", ["close", "exit"])
def test_client_that_a_handler_closed_keeps_what_must_be_kept_before_the_end(peer: Peer, end: str):
    journal = SlowJournal()
    config = ClientConfig(
        host="127.0.0.1", port=peer.port, use_ssl=False, client_id="id", client_secret="a-secret"
    )
    client = SyncCTraderClient(config, journal=journal)
    client.register_handler(ConnectedEvent, lambda _: client.close())
    with contextlib.suppress(ClientClosedError):
        client.connect()
    assert client.wait(3)
    assert eventually(lambda: "ctrader-io" not in client_threads())
    assert journal.is_open
    if end == "close":
        client.close()
    else:
        driver = client._driver  # pyright: ignore[reportPrivateUsage]  # as atexit does
        driver.leave_interpreter()
    assert not journal.is_open


def test_job_is_done_although_the_system_has_no_thread_left(monkeypatch: pytest.MonkeyPatch):
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    clerk, done = Clerk("clerk"), list[object]()
    for number in (1, 2):
        job = JobRequested(number, lambda: "kept", is_vital=True)
        clerk.take(job, lambda call_id, result, error: done.append((call_id, result, error)))
    clerk.finish(0)
    assert done == [(1, "kept", None), (2, "kept", None)]


def test_close_does_not_wait_for_a_handler_that_is_stuck(
    peer: Peer, client: SyncCTraderClient, caplog: pytest.LogCaptureFixture
):
    release, entered = threading.Event(), threading.Event()

    def stuck(event: SymbolChangedEvent) -> None:
        entered.set()
        release.wait(10)

    client.register_handler(SymbolChangedEvent, stuck)
    peer.send(changed(1))
    assert entered.wait(3)
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 2
    release.set()
    assert eventually(lambda: not client_threads())


def test_events_that_arrived_before_closing_are_delivered(peer: Peer, client: SyncCTraderClient):
    seen: list[int] = []

    def handler(event: SymbolChangedEvent) -> None:
        time.sleep(0.005)  # slower than its events
        seen.append(event.symbol_ids[0])

    client.register_handler(SymbolChangedEvent, handler)
    with client.stream(SymbolChangedEvent) as changes:
        for number in range(20):
            peer.send(changed(number))
        for _ in range(20):
            changes.get(3)
    client.close()
    assert seen == list(range(20))


def test_client_that_was_never_connected_closes():
    client = SyncCTraderClient(ClientConfig(client_id="id", client_secret="a-secret"))
    client.close()
    assert not client_threads()
    with pytest.raises(ClientClosedError):
        client.connect()


# Processes

PROLOGUE = """
import os, sys, time
from ctrader.config import ClientConfig
from ctrader.proto import ProtoOAVersionReq, ProtoOAVersionRes
from ctrader.events import SpotEvent
from ctrader_sync.client import SyncCTraderClient

client = SyncCTraderClient(ClientConfig(
    host="127.0.0.1", port=int(sys.argv[1]), use_ssl=False, client_id="id", client_secret="a-secret"
))

def ask():
    return client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes).version

client.connect()
client.auth.authenticate_app()
"""


def start(peer: Peer, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROLOGUE + script, str(peer.port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize(
    "waiting",
    ["ask()", "next(client.stream(SpotEvent))", "client.wait()", "client.stream(SpotEvent).get(9)"],
)
def test_ctrl_c_ends_every_wait_within_half_a_second(peer: Peer, waiting: str):
    peer.is_silent = True
    process = start(
        peer,
        f"""
print("ready", flush=True)
try:
    {waiting}
except KeyboardInterrupt:
    print("interrupted", flush=True)
client.close()
""",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)  # so that it waits
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - sent < 0.5
    assert process.communicate(timeout=5) == ("", "")
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_client_works_on_after_ctrl_c(peer: Peer):
    peer.is_silent = True
    process = start(
        peer,
        """
try:
    print("ready", flush=True)
    ask()
except KeyboardInterrupt:
    pass
print("interrupted", flush=True)
print(ask())
""",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    peer.wait_for(VERSION)
    peer.is_silent = False
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=10)
    assert (output, errors, process.returncode) == ("interrupted\n7\n", "", 0)


@pytest.mark.parametrize(
    ("script", "status", "last_line"),
    [
        ("sys.exit(7)", 7, ""),
        ("raise ValueError('wrong')", 1, "ValueError: wrong"),
        ("quotes = client.stream(SpotEvent)", 0, ""),
        ("client.register_handler(SpotEvent, print); del client", 0, ""),
    ],
)
def test_program_that_never_closes_ends_at_once_with_its_own_status(
    peer: Peer, script: str, status: int, last_line: str
):
    process = start(peer, "print('ready', flush=True)\n" + script)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    ready = time.monotonic()
    _, errors = process.communicate(timeout=10)
    assert time.monotonic() - ready < 1.5
    assert process.returncode == status
    assert errors.strip().split("\n")[-1] == last_line
    assert peer.ended.acquire(timeout=3)


def test_program_whose_handler_is_stuck_ends_all_the_same(peer: Peer):
    process = start(
        peer,
        """
import threading
from ctrader.events import SymbolChangedEvent

entered = threading.Event()

@client.on(SymbolChangedEvent)
def stuck(event):
    entered.set()
    time.sleep(30)

print("ready", flush=True)
entered.wait()
print("stuck", flush=True)
sys.exit(3)
""",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    peer.send(changed(1))
    assert process.stdout.readline() == "stuck\n"
    stuck = time.monotonic()
    assert process.communicate(timeout=10) == ("", "")
    assert time.monotonic() - stuck < 1.5
    assert process.returncode == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_forked_child_refuses_and_the_parent_goes_on(peer: Peer):
    process = start(
        peer,
        """
import warnings
from ctrader.errors import ForkedClientError

warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of any fork with threads
quotes = client.stream(SpotEvent)
descriptors = set(os.listdir("/dev/fd")) if os.path.isdir("/dev/fd") else set()
pid = os.fork()
if pid == 0:
    def refuses(call):
        try:
            call()
        except ForkedClientError:
            return True
        return False
    calls = [ask, client.connect, client.wait, lambda: client.is_connected, quotes.get,
             lambda: next(quotes), lambda: client.on(SpotEvent)(print),
             lambda: client.off(SpotEvent, print), lambda: client.stream(SpotEvent)]
    refused = [refuses(call) for call in calls]
    quotes.close()
    client.close()
    sockets = 0
    for name in os.listdir("/dev/fd"):
        try:
            sockets += os.readlink(f"/dev/fd/{name}").startswith("socket:")
        except OSError:
            pass
    sys.exit(0 if all(refused) and sockets == 0 else 9)
status = os.waitpid(pid, 0)[1]
print(os.waitstatus_to_exitcode(status), ask(), client.is_connected)
client.close()
""",
    )
    output, errors = process.communicate(timeout=10)
    assert (output, errors, process.returncode) == ("0 7 True\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("wait", ["quotes.get()", "next(quotes)", "client.wait()"])
def test_wait_in_which_the_process_is_forked_ends_in_the_child(peer: Peer, wait: str):
    process = start(
        peer,
        f"""
import signal, warnings
from ctrader.errors import ForkedClientError

warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of any fork with threads
class Parent(Exception): pass
def fork(number, frame):
    pid = os.fork()
    if pid:
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        raise Parent
    signal.signal(signal.SIGALRM, lambda number, frame: os._exit(9))  # it waits for ever
    signal.alarm(3)
quotes = client.stream(SpotEvent)
signal.signal(signal.SIGALRM, fork)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    {wait}
except ForkedClientError:
    os._exit(0)
except Parent:
    client.close()
""",
    )
    assert process.communicate(timeout=10) == ("0\n", "")


SLOW_STORE = """
import sys
import threading
import time

from ctrader import AccountCredentials, ClientConfig, SpotEvent
from ctrader.tokens import MemoryTokenStore
from ctrader_sync import SyncCTraderClient

port, account_id, access_token, refresh_token, kept_by = sys.argv[1:]
saving = threading.Event()

def keep(tokens):
    if tokens.refresh_token != refresh_token:
        saving.set()
        time.sleep(0.4)  # as a disk does that is busy
        print("kept", flush=True)

class Slow(MemoryTokenStore):
    def save(self, key, grant):
        keep(grant.tokens)
        super().save(key, grant)

config = ClientConfig(
    host="127.0.0.1", port=int(port), use_ssl=False, client_id="simulated", client_secret="s"
)
keeper = {"token_store": Slow()} if kept_by == "store" else {"on_tokens_refreshed": keep}
client = SyncCTraderClient(config, **keeper)
credentials = AccountCredentials(
    account_id=int(account_id), access_token=access_token, refresh_token=refresh_token,
    expires_at=time.time() + 1e6,
)

def refresh():
    try:
        client.auth.refresh(credentials)
    except Exception:
        pass  # the client is closed meanwhile
"""


@pytest.mark.parametrize(
    ("closing", "kept_by"),
    [
        ("in a handler", "store"),
        ("in a handler and at its place", "callback"),
        ("at exit", "store"),
        ("at exit", "callback"),
    ],
)
def test_pair_that_is_being_saved_is_kept_though_the_process_ends(closing: str, kept_by: str):
    with Simulator(tls=False) as simulator:
        account = simulator.credentials()
        script = SLOW_STORE.replace("simulated", simulator.client_id).replace(
            'client_secret="s"', f"client_secret={simulator.client_secret!r}"
        )
        if closing != "at exit":
            script += """
client.register_handler(SpotEvent, lambda _: client.close() if saving.is_set() else None)
"""
        script += """
client.connect()
client.auth.authenticate_account(credentials)
client.market_data.subscribe_spots(credentials.account_id, [1])
threading.Thread(target=refresh, daemon=True).start()
saving.wait()
"""
        if closing != "at exit":
            script += "client.wait()\n"
        if closing == "in a handler and at its place":
            script += "client.close()\n"
        process = subprocess.run(
            [
                *(sys.executable, "-c", script, str(simulator.port), str(account.account_id)),
                *(account.access_token, account.refresh_token, kept_by),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    assert "kept\n" in process.stdout, process.stderr


def test_whole_session_imports_no_event_loop(peer: Peer):
    process = start(
        peer,
        """
client.stream(SpotEvent).close()
print(ask())
client.close()
print([name for name in ("asyncio", "anyio", "trio", "httpx") if name in sys.modules])
""",
    )
    assert process.communicate(timeout=10) == ("7\n[]\n", "")


def test_events_are_not_logged_with_secrets(peer: Peer, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    with SyncCTraderClient(peer.config()) as client:
        ask(client)
    assert caplog.records
    assert peer.config().client_secret not in caplog.text
