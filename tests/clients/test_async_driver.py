"""The async client's driver on both event loops: connecting, closing, cancelling, consumers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import random
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Self

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio
import trustme

from ctrader.client import CTraderClient
from ctrader.config import ClientConfig
from ctrader.connection import Connection
from ctrader.driver import Driver
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
from ctrader.events import ConnectedEvent, DisconnectedEvent, ReconnectedEvent, SpotEvent
from ctrader.proto import (
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOASpotEvent,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.commands import NextEvent, Pause
from ctrader.protocol.envelope import encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.protocol.mailbox import CAPACITY, Mailbox
from ctrader.protocol.session import Session
from ctrader.simulator import Simulator
from tests.journal.in_memory import MemoryJournal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from google.protobuf.message import Message

    from ctrader.operations.base import Op

pytestmark = pytest.mark.anyio

PATIENCE = 10.0  # seconds until a test gives up waiting


class QuietServer:
    """Accept everybody and authenticate the application; answer nothing else."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._accepted = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._requests: dict[type[Message], threading.Semaphore] = {
            kind: threading.Semaphore(0) for kind in PAYLOAD_TYPE_BY_MESSAGE
        }
        self._ids: list[str | None] = []
        self.refuses = False
        """Whether further connections are ended at once."""

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join(PATIENCE)

    def config(self, **settings: object) -> ClientConfig:
        values: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self._listener.getsockname()[1],
            "use_ssl": False,
            "client_id": "id",
            "client_secret": "secret-of-the-test",
            "reconnect_min_wait": 0.01,
            **settings,
        }
        return ClientConfig.model_validate(values)

    def drop(self) -> None:
        """End every connection."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # where the client was first
                connection.shutdown(socket.SHUT_RDWR)

    def send(self, message: Message, answers: int | None = None) -> None:
        """Send a message on the newest connection, as the answer to the n-th request if given."""
        assert self._accepted.wait(PATIENCE)
        message_id = None if answers is None else self._ids[answers]
        self._connections[-1].sendall(encode_message(message, message_id))

    async def received(self, kind: type[Message]) -> None:
        """Wait until a request of a type has arrived."""
        acquire = functools.partial(self._requests[kind].acquire, timeout=PATIENCE)
        assert await anyio.to_thread.run_sync(acquire), f"no {kind.__name__} came"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.refuses:
                connection.close()
                continue
            self._connections.append(connection)
            self._accepted.set()
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        names = {number: kind for kind, number in PAYLOAD_TYPE_BY_MESSAGE.items()}
        frames = FrameBuffer()
        with connection:
            while data := self._read(connection):
                block, spans = frames.feed(data)
                for start, end in spans:
                    envelope = open_envelope(block[start:end])
                    kind = names[envelope.payload_type]
                    self._ids.append(envelope.client_msg_id)
                    if kind is ProtoOAApplicationAuthReq:
                        reply = ProtoOAApplicationAuthRes()
                        with contextlib.suppress(OSError):  # the client may be gone already
                            connection.sendall(encode_message(reply, envelope.client_msg_id))
                    self._requests[kind].release()

    @staticmethod
    def _read(connection: socket.socket) -> bytes:
        try:
            return connection.recv(65536)
        except OSError:
            return b""


@pytest.fixture
def server() -> Iterator[QuietServer]:
    with QuietServer() as server:
        yield server


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where a connection is accepted by the system and nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def tls_config(port: int, **settings: object) -> ClientConfig:
    values = {"host": "127.0.0.1", "port": port, "client_id": "id", "client_secret": "a-secret"}
    return ClientConfig.model_validate(values | settings)


def our_tasks() -> list[str]:
    return [
        str(task.name)
        for task in anyio.get_running_tasks()
        if task.name is not None and task.name.startswith("ctrader")
    ]


def spot(symbol_id: int, bid: int = 1) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctidTraderAccountId=1, symbolId=symbol_id, bid=bid)


# Connecting


async def test_context_manager_connects_and_leaves_nothing(server):
    async with CTraderClient(server.config()) as client:
        assert client.is_connected
        await client.auth.authenticate_app()
        assert client.auth.is_app_authenticated
    assert not client.is_ready
    assert our_tasks() == []


async def test_connect_given_up_by_a_deadline_leaves_nothing_and_may_be_repeated(silent_port):
    client = CTraderClient(tls_config(silent_port))
    for _ in range(2):
        with anyio.move_on_after(0.05) as scope:
            await client.connect()
        assert scope.cancelled_caught
        assert our_tasks() == []
    await client.close()


async def test_connect_past_its_timeout_fails_and_leaves_nothing(silent_port):
    client = CTraderClient(tls_config(silent_port))
    with pytest.raises(CTraderConnectionTimeoutError):
        await client.connect(timeout=0.05)
    assert our_tasks() == []
    await client.close()


async def test_refused_connect_may_be_repeated(unused_port):
    client = CTraderClient(tls_config(unused_port))
    for _ in range(2):
        with pytest.raises(CTraderConnectionFailedError) as caught:
            await client.connect()
        assert isinstance(caught.value.cause, ConnectionRefusedError)
        assert our_tasks() == []
    await client.close()


async def test_connect_after_a_given_up_attempt_succeeds(server):
    client = CTraderClient(server.config())
    seen = anyio.Event()
    client.register_handler(ConnectedEvent, lambda _: seen.set())
    with anyio.CancelScope() as scope:
        scope.cancel()
        await client.connect()
    async with client:
        with anyio.fail_after(PATIENCE):
            await seen.wait()


async def test_connecting_again_while_connected_does_nothing(server):
    async with CTraderClient(server.config()) as client:
        await client.connect()
        assert client.is_connected
    assert our_tasks() == []


async def test_tasks_that_connect_at_once_share_the_attempt(server):
    client = CTraderClient(server.config())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.connect)
        tasks.start_soon(client.connect)
    assert client.is_connected
    await client.close()


async def test_one_of_two_connecting_tasks_may_give_up(silent_port):
    client = CTraderClient(tls_config(silent_port))
    ended: list[Exception] = []

    async def wait_for_timeout() -> None:
        try:
            await client.connect(timeout=0.3)
        except CTraderConnectionTimeoutError as error:
            ended.append(error)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait_for_timeout)
        while not our_tasks():
            await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(0):
            await client.connect()
        assert our_tasks() != []
    assert len(ended) == 1
    assert our_tasks() == []
    await client.close()


async def test_connect_during_the_clearing_away_of_another_attempt_begins_anew(silent_port):
    client = CTraderClient(tls_config(silent_port))
    scope = anyio.CancelScope()

    async def give_up() -> None:
        with scope:
            await client.connect()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(give_up)
        while not our_tasks():
            await anyio.lowlevel.checkpoint()
        scope.cancel()
        await anyio.lowlevel.checkpoint()
        with pytest.raises(CTraderConnectionTimeoutError):
            await client.connect(timeout=0.05)
    assert our_tasks() == []
    await client.close()


async def test_calls_during_a_connect_that_is_given_up_end_with_it(silent_port):
    client = CTraderClient(tls_config(silent_port))

    async def request() -> None:
        while not our_tasks():
            await anyio.lowlevel.checkpoint()
        with pytest.raises(CTraderConnectionClosedError):
            await client.protocol.send_request(ProtoOAVersionReq())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(request)
        with anyio.move_on_after(0.05):
            await client.connect()
    assert our_tasks() == []
    await client.close()


def test_connect_cancelled_just_as_the_link_stands_may_be_repeated(server):
    async def main() -> None:
        client = CTraderClient(server.config(reconnect_attempts=0))
        connecting = asyncio.create_task(client.connect())

        @client.on(ConnectedEvent)
        def cancel(_: ConnectedEvent) -> None:
            connecting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert our_tasks() == []
        async with client:
            await client.auth.authenticate_app()

    asyncio.run(main())


async def test_proxy_is_refused_before_anything_is_sent():
    with pytest.raises(ConfigurationError):
        CTraderClient(tls_config(1, proxy="http://127.0.0.1:1"))


# Closing


async def test_close_from_another_task_ends_pending_calls_and_streams(server):
    client = CTraderClient(server.config())
    await client.connect()
    ended: list[str] = []

    async def request() -> None:
        with pytest.raises(ClientClosedError):
            await client.protocol.send_request(ProtoOAVersionReq())
        ended.append("request")

    async def follow() -> None:
        async for _ in client.stream(SpotEvent):
            pass
        ended.append("stream")

    async def wait() -> None:
        assert await client.wait()
        ended.append("wait")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(request)
        tasks.start_soon(follow)
        tasks.start_soon(wait)
        await server.received(ProtoOAVersionReq)
        await client.close()
    assert sorted(ended) == ["request", "stream", "wait"]
    assert our_tasks() == []


async def test_closing_twice_and_before_connecting_is_fine(server):
    client = CTraderClient(server.config())
    await client.close()
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.connect()


async def test_after_close_every_call_is_refused(server):
    client = CTraderClient(server.config())
    async with client:
        stream = client.stream(SpotEvent)
    with pytest.raises(ClientClosedError):
        await client.protocol.send_request(ProtoOAVersionReq())
    with pytest.raises(ClientClosedError):
        await client.connect()
    with pytest.raises(ClientClosedError):
        client.register_handler(SpotEvent, print)
    with pytest.raises(ClientClosedError):
        client.stream(SpotEvent)
    with pytest.raises(ClientClosedError):
        await stream.get(timeout=1)
    assert [event async for event in stream] == []
    assert await client.wait(timeout=1)


async def test_call_before_connecting_is_refused(server):
    client = CTraderClient(server.config())
    with pytest.raises(CTraderConnectionClosedError, match="not connected"):
        await client.protocol.send_request(ProtoOAVersionReq())


async def test_handler_may_close_the_client_and_go_on(server):
    client = CTraderClient(server.config())
    done = anyio.Event()

    @client.on(ConnectedEvent)
    async def close(_: ConnectedEvent) -> None:
        await client.close()
        await anyio.lowlevel.checkpoint()
        done.set()

    await client.connect()
    with anyio.fail_after(PATIENCE):
        await client.wait()
        await client.close()
        await done.wait()
    assert our_tasks() == []


async def test_close_cancels_handlers_that_outlast_the_grace(server, caplog):
    client = CTraderClient(server.config())
    started = anyio.Event()
    cancelled = False

    @client.on(ConnectedEvent)
    async def stay(_: ConnectedEvent) -> None:
        nonlocal cancelled
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled = True

    await client.connect()
    await started.wait()
    with anyio.fail_after(PATIENCE):
        await client.close(grace=0.1)
    assert cancelled
    assert our_tasks() == []
    assert "stay" in caplog.text


async def test_close_returns_although_a_handler_refuses_to_end(server, caplog, monkeypatch):
    monkeypatch.setattr("ctrader.driver.LEAST_WAIT", 0.05)
    client = CTraderClient(server.config())
    started = anyio.Event()
    release = anyio.Event()

    @client.on(ConnectedEvent)
    async def refuse(_: ConnectedEvent) -> None:
        with anyio.CancelScope(shield=True):
            started.set()
            await release.wait()

    await client.connect()
    with anyio.fail_after(PATIENCE):
        await started.wait()
        await client.close(grace=0)
        assert "still running" in caplog.text
        release.set()
        while our_tasks():
            await anyio.lowlevel.checkpoint()


async def test_close_by_a_cancelled_task_still_closes(server):
    client = CTraderClient(server.config())
    await client.connect()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await client.close()
    assert our_tasks() == []
    assert await client.wait(timeout=0)


def test_close_outlasts_a_cancellation_of_asyncios_own(server):
    async def main() -> None:
        client = CTraderClient(server.config())
        started = asyncio.Event()

        @client.on(ConnectedEvent)
        async def stay(_: ConnectedEvent) -> None:
            started.set()
            await asyncio.sleep(PATIENCE)

        await client.connect()
        await started.wait()
        closing = asyncio.create_task(client.close(grace=0.2))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert our_tasks() == []

    asyncio.run(main())


async def test_events_before_the_close_are_delivered(server):
    client = CTraderClient(server.config())
    seen: list[float | None] = []
    stream = client.stream(SpotEvent)
    client.register_handler(SpotEvent, lambda event: seen.append(event.bid))
    first = client.stream(SpotEvent)
    await client.connect()
    for bid in range(1, 4):
        server.send(spot(1, bid))
    with anyio.fail_after(PATIENCE):
        for _ in range(3):
            await first.get()
    await client.close()
    assert seen == [0.00001, 0.00002, 0.00003]
    assert [event.bid async for event in stream] == seen


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_event_loop_that_ends_without_close_leaves_nothing(server, run: Callable[..., object]):
    clients: list[CTraderClient] = []

    def start(function: Callable[[], Awaitable[None]]) -> None:
        # The two take a coroutine and a function.
        run(function() if run is asyncio.run else function)

    async def main() -> None:
        client = CTraderClient(server.config())
        client.register_handler(ConnectedEvent, print)
        await client.connect()
        clients.append(client)

    start(main)
    gc.collect()  # what was not closed would warn now

    async def again() -> None:
        with pytest.raises(ClientClosedError):
            await clients[0].protocol.send_request(ProtoOAVersionReq())
        await clients[0].close()

    start(again)


async def test_journal_does_not_wait_for_the_threads_of_the_user(server):
    client = CTraderClient(server.config(), journal=MemoryJournal())
    limiter = anyio.to_thread.current_default_thread_limiter()
    tokens = limiter.available_tokens
    for borrower in range(int(tokens)):  # as forty slow calls of the program's own do
        limiter.acquire_on_behalf_of_nowait(borrower)
    try:
        with anyio.fail_after(PATIENCE):
            await client.connect()
            await client.close()
    finally:
        for borrower in range(int(tokens)):
            limiter.release_on_behalf_of(borrower)


# Calls


async def test_cancelled_call_leaves_the_client_working(server):
    async with CTraderClient(server.config()) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.protocol.send_request, ProtoOAVersionReq())
            await server.received(ProtoOAVersionReq)
            tasks.cancel_scope.cancel()
        server.send(ProtoOAVersionRes(version="1"), answers=-1)  # too late: nobody wants it

        async def answer() -> None:
            await server.received(ProtoOAVersionReq)
            server.send(ProtoOAVersionRes(version="2"), answers=-1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            reply = await client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes)
            assert reply.version == "2"


async def test_call_cancelled_before_it_was_written_is_never_sent(server):
    async with CTraderClient(server.config()) as client:
        await client.auth.authenticate_app()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await client.protocol.send_request(ProtoOAVersionReq())
        with pytest.raises(CTraderConnectionTimeoutError):
            await client.protocol.send_request(ProtoOAVersionReq(), timeout=0.05)
        await server.received(ProtoOAVersionReq)
    assert not server._requests[ProtoOAVersionReq].acquire(blocking=False)


async def test_call_without_an_answer_ends_in_time(server):
    async with CTraderClient(server.config()) as client:
        with pytest.raises(CTraderConnectionTimeoutError) as caught:
            await client.protocol.send_request(ProtoOAVersionReq(), timeout=0.05)
        assert caught.value.timeout == 0.05


async def test_operation_may_answer_an_error_with_another_command(server):
    def persist() -> Op[str]:
        try:
            yield NextEvent((SpotEvent,), lambda _: True)
        except CTraderConnectionTimeoutError as error:
            yield Pause(1)
            return error.operation
        return "an event came"

    driver = Driver(server.config(), rng=random.Random(1))
    with pytest.raises(CTraderConnectionClosedError):
        await driver.run(persist())  # nobody keeps time before connect()
    await driver.connect()
    assert await driver.run(persist(), 0.01) != "an event came"
    await driver.close()


async def test_account_is_removed_at_once_and_not_after_the_end(server):
    client = CTraderClient(server.config())
    assert not client.auth.remove_account(1)
    await client.close()
    with pytest.raises(ClientClosedError):
        client.auth.remove_account(1)


async def test_other_threads_are_refused_with_the_remedy(server):
    async with CTraderClient(server.config()) as client:

        def misuse() -> None:
            with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
                client.register_handler(SpotEvent, print)
            with pytest.raises(RuntimeError, match="SyncCTraderClient"):
                asyncio.run(client.protocol.send_request(ProtoOAVersionReq()))
            with pytest.raises(RuntimeError):
                trio.run(client.close)
            with pytest.raises(RuntimeError):
                asyncio.run(client.connect())

        await anyio.to_thread.run_sync(misuse)
        assert client.is_connected


def test_second_event_loop_of_the_same_thread_is_refused(server):
    async def open_client() -> CTraderClient:
        client = CTraderClient(server.config())
        await client.connect()
        return client

    async def misuse(client: CTraderClient) -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await client.close()

    with asyncio.Runner() as first:
        client = first.run(open_client())
        trio.run(misuse, client)
        first.run(client.close())


# Links


async def test_lost_link_is_made_again(server):
    async with CTraderClient(server.config()) as client:
        with anyio.fail_after(PATIENCE):
            await client.auth.authenticate_app()
            async with client.stream(ReconnectedEvent) as reconnects:
                server.drop()
                await reconnects.get()
        assert client.is_connected
    assert our_tasks() == []


async def test_link_that_cannot_be_written_to_is_made_again(server, monkeypatch):
    async with CTraderClient(server.config()) as client:
        await client.auth.authenticate_app()

        async def refuse(*_: object) -> None:
            monkeypatch.undo()
            raise CTraderConnectionClosedError("the network is gone")

        with anyio.fail_after(PATIENCE):
            async with client.stream(DisconnectedEvent) as losses:
                monkeypatch.setattr(Connection, "send", refuse)
                with pytest.raises(CTraderConnectionTimeoutError):
                    await client.protocol.send_request(ProtoOAVersionReq(), timeout=0.3)
                assert "the network is gone" in str(await losses.get())
        assert client.is_connected


async def test_abandoned_reconnect_ends_everything_with_its_error(server):
    client = CTraderClient(server.config(reconnect_attempts=0))
    await client.connect()
    stream = client.stream(SpotEvent)
    server.refuses = True
    server.drop()
    with anyio.fail_after(PATIENCE):
        with pytest.raises(CTraderReconnectAbandonedError):
            await client.wait()
        with pytest.raises(CTraderReconnectAbandonedError):
            await stream.get()
        with pytest.raises(CTraderReconnectAbandonedError):
            await client.protocol.send_request(ProtoOAVersionReq())
        await client.close()
    assert our_tasks() == []


async def test_cutting_the_link_during_close_is_harmless(server):
    client = CTraderClient(server.config())
    await client.connect()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.close)
        server.drop()
    assert our_tasks() == []


# Handlers


async def test_handler_that_raises_goes_on_and_hurts_no_other(server, caplog):
    client = CTraderClient(server.config())
    calls: list[str] = []
    done = anyio.Event()

    @client.on(SpotEvent)
    def fail(_: SpotEvent) -> None:
        calls.append("fail")
        raise LookupError("a mistake of the user's")

    @client.on(SpotEvent)
    async def succeed(_: SpotEvent) -> None:
        calls.append("succeed")
        if calls.count("succeed") == 2:
            done.set()

    async with client:
        server.send(spot(1))
        server.send(spot(1))
        with anyio.fail_after(PATIENCE):
            await done.wait()
    assert sorted(calls) == ["fail", "fail", "succeed", "succeed"]
    records = [r for r in caplog.records if r.name == "ctrader.events"]
    assert len(records) == 2
    assert records[0].exc_info is not None
    assert "fail" in records[0].getMessage()


def test_cancelled_future_inside_a_handler_counts_as_its_failure(server, caplog):
    async def main() -> None:
        client = CTraderClient(server.config())
        done = asyncio.Event()

        @client.on(SpotEvent)
        async def wait_for_a_cancelled_future(event: SpotEvent) -> None:
            if event.symbol_id == 2:
                done.set()
                return
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        async with client:
            server.send(spot(1))
            server.send(spot(2))
            async with asyncio.timeout(PATIENCE):
                await done.wait()
            assert client.is_connected

    asyncio.run(main())
    assert "wait_for_a_cancelled_future failed" in caplog.text


async def test_waiting_handler_delays_only_itself(server):
    client = CTraderClient(server.config())
    release = anyio.Event()
    waiting: list[int] = []
    quick: list[int] = []
    done = anyio.Event()

    @client.on(SpotEvent)
    async def wait(event: SpotEvent) -> None:
        waiting.append(event.symbol_id)
        await release.wait()

    @client.on(SpotEvent)
    async def go(event: SpotEvent) -> None:
        quick.append(event.symbol_id)
        if len(quick) == 2:
            done.set()

    async with client:
        server.send(spot(1))
        server.send(spot(2))
        with anyio.fail_after(PATIENCE):
            await done.wait()
            assert waiting == [1]
            release.set()
    assert waiting == quick == [1, 2]


async def test_handler_that_waits_does_not_keep_the_next_read_from_others(server):
    client = CTraderClient(server.config())
    release, waits, done = anyio.Event(), anyio.Event(), anyio.Event()

    @client.on(SpotEvent)
    async def wait(_: SpotEvent) -> None:
        waits.set()
        await release.wait()

    @client.on(SpotEvent)
    async def go(event: SpotEvent) -> None:
        if event.symbol_id == 2:
            done.set()

    async with client:
        server.send(spot(1))
        with anyio.fail_after(PATIENCE):
            await waits.wait()
            server.send(spot(2))  # another read: the first one has been handed out
            await done.wait()
        release.set()


async def test_plain_function_that_blocks_is_reported_once(server, caplog, monkeypatch):
    monkeypatch.setattr("ctrader.dispatcher.SLOW_HANDLER", -1)
    client = CTraderClient(server.config())
    done = anyio.Event()
    client.register_handler(SpotEvent, lambda e: done.set() if e.symbol_id == 2 else None)
    async with client:
        server.send(spot(1))
        server.send(spot(2))
        with anyio.fail_after(PATIENCE):
            await done.wait()
    records = [r for r in caplog.records if r.name == "ctrader.events"]
    assert [r.levelno for r in records] == [logging.WARNING]


async def test_handlers_come_and_go_inside_handlers(server):
    client = CTraderClient(server.config())
    calls: list[str] = []
    done = anyio.Event()

    async def second(event: SpotEvent) -> None:
        calls.append(f"second {event.symbol_id}")
        done.set()

    async def first(event: SpotEvent) -> None:
        calls.append(f"first {event.symbol_id}")
        assert client.off(SpotEvent, first)
        assert not client.off(SpotEvent, first)
        client.register_handler(SpotEvent, second)

    client.register_handler(SpotEvent, first)
    async with client:
        server.send(spot(1))
        with anyio.fail_after(PATIENCE):
            while "first 1" not in calls:
                await anyio.wait_all_tasks_blocked()
            server.send(spot(2))
            await done.wait()
    assert calls == ["first 1", "second 2"]


async def test_filters_and_unknown_fields(server):
    client = CTraderClient(server.config())
    seen: list[int] = []
    client.register_handler(SpotEvent, lambda e: seen.append(e.symbol_id), symbol_id=2)
    with pytest.raises(ValueError, match="symbol_id"):
        client.register_handler(DisconnectedEvent, print, symbol_id=2)
    async with client, client.stream(SpotEvent, symbol_id=3) as stream:
        for symbol_id in (1, 2, 3):
            server.send(spot(symbol_id))
        assert (await stream.get(PATIENCE)).symbol_id == 3
    assert seen == [2]


async def test_decorator_returns_the_function_itself(server):
    client = CTraderClient(server.config())

    def handler(event: SpotEvent) -> None: ...

    assert client.on(SpotEvent)(handler) is handler
    assert client.off(SpotEvent, handler)


async def test_handler_too_slow_for_what_must_not_be_lost_ends(server, caplog, monkeypatch):
    client = CTraderClient(server.config())
    started = anyio.Event()
    release = anyio.Event()
    seen: list[int] = []

    async def slow(event: ProtoOASpotEvent) -> None:
        started.set()
        await release.wait()
        seen.append(event.symbolId)

    small = functools.partial(Mailbox, capacity=2, limit=2)
    monkeypatch.setattr("ctrader.driver.Mailbox", small)
    client.register_handler(ProtoOASpotEvent, slow)
    async with client, client.stream(ProtoOASpotEvent) as quick:
        with anyio.fail_after(PATIENCE):
            server.send(spot(1))
            await started.wait()
            for symbol_id in range(2, 6):
                server.send(spot(symbol_id))
            while (await quick.get()).symbolId != 5:
                pass
            release.set()
            while "fell behind" not in caplog.text:
                await anyio.lowlevel.checkpoint()
        assert seen == [1, 2, 3]
        # It gets nothing any more, which whoever looks can see.
        (report,) = client.handlers
        assert isinstance(report.error, SlowConsumerError)
        assert (report.delivered, report.waiting, report.dropped) == (3, 0, 2)
        assert not client.off(ProtoOASpotEvent, slow)
        assert client.handlers == ()


# Streams


async def test_stream_without_events_times_out(server):
    async with CTraderClient(server.config()) as client:
        with pytest.raises(TimeoutError):
            await client.stream(SpotEvent).get(timeout=0.01)


async def test_closed_stream_ends_the_loop_of_another_task(server):
    ended = anyio.Event()
    async with CTraderClient(server.config()) as client:
        stream = client.stream(SpotEvent)

        async def follow() -> None:
            async for _ in stream:
                pass
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            stream.close()
            stream.close()
            with anyio.fail_after(PATIENCE):
                await ended.wait()
        assert client.is_connected


async def test_stream_merges_quotes_beyond_its_capacity(server):
    async with CTraderClient(server.config()) as client:
        slow = client.stream(SpotEvent, capacity=1)
        quick = client.stream(SpotEvent)
        for bid in (1, 2, 3):
            server.send(spot(1, bid))
        with anyio.fail_after(PATIENCE):
            for _ in range(3):
                await quick.get()
            assert (await slow.get()).bid == 0.00003
        assert slow.merged == 2
        assert slow.dropped == 0


async def test_stream_that_fell_behind_fails(server, monkeypatch):
    monkeypatch.setattr("ctrader.streams.LIMIT", 1)
    async with CTraderClient(server.config()) as client:
        slow = client.stream(ProtoOASpotEvent, capacity=1)
        quick = client.stream(ProtoOASpotEvent, capacity=100)
        server.send(spot(1))
        server.send(spot(2))
        with anyio.fail_after(PATIENCE):
            for _ in range(2):
                await quick.get()
            assert (await slow.get()).symbolId == 1
            with pytest.raises(SlowConsumerError):
                await slow.get()
        assert slow.dropped == 1
        assert [event async for event in slow] == []


async def test_busy_stream_lets_other_tasks_run(server):
    last = 2 * CAPACITY
    async with CTraderClient(server.config()) as client:
        stream = client.stream(ProtoOASpotEvent)
        for number in range(last):
            server.send(spot(number))
        with anyio.fail_after(PATIENCE):
            async with client.stream(ProtoOASpotEvent) as marker:
                server.send(spot(last))
                while (await marker.get()).symbolId != last:
                    pass
        count = 0
        noted = -1

        async def note() -> None:
            nonlocal noted
            noted = count

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(note)
            async for event in stream:
                count += 1
                if event.symbolId == last:
                    break
            assert 0 <= noted < last


# TLS


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


async def test_session_over_tls(simulator):
    credentials = simulator.credentials()
    client = CTraderClient(simulator.client_config())
    quoted = anyio.Event()
    client.register_handler(SpotEvent, lambda _: quoted.set())
    async with client:
        await client.auth.authenticate_app()
        await client.auth.authenticate_account(credentials)
        assert client.is_account_authorized(credentials.account_id)
        symbols = await client.symbols.list_all(credentials.account_id)
        await client.market_data.subscribe_spots(credentials.account_id, [symbols[0].symbol_id])
        assert client.is_ready
        with anyio.fail_after(PATIENCE):
            await quoted.wait()
    assert our_tasks() == []


async def test_records_of_one_read_come_together_and_before_an_error():
    authority = trustme.CA()
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    tls = context.wrap_bio(inside, outside, server_side=True)

    def serve(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    peer.sendall(outside.read())
                    inside.write(peer.recv(65536))
            peer.sendall(outside.read())
            for record in (b"one ", b"two ", b"three"):
                tls.write(record)
            peer.sendall(outside.read() + b"this is no record at all")
            peer.recv(1)  # until the client has gone

    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, serve, listener)
            config = tls_config(listener.getsockname()[1])
            connection = await Connection.open(config, client_context)
            with anyio.fail_after(PATIENCE):
                assert await connection.receive() == b"one two three"
                with pytest.raises(CTraderConnectionClosedError) as caught:
                    await connection.receive()
            assert isinstance(caught.value.__cause__, ssl.SSLError)
            await connection.abort()
            with pytest.raises(CTraderConnectionClosedError):
                await connection.send(b"too late")


async def test_certificate_that_nobody_vouches_for_is_refused_before_anything_is_sent(simulator):
    client = CTraderClient(simulator.client_config(ca_file=None))
    with pytest.raises(TlsVerificationError):
        await client.connect()
    assert our_tasks() == []
    await client.close()


async def test_link_reset_under_tls_is_made_again(simulator):
    async with CTraderClient(simulator.client_config(reconnect_min_wait=0.01)) as client:
        await client.auth.authenticate_app()
        with anyio.fail_after(PATIENCE):
            async with client.stream(ReconnectedEvent) as reconnects:
                simulator.disconnect_all()
                await reconnects.get()
        assert client.is_connected


async def test_close_does_not_wait_for_a_server_that_went_silent(simulator):
    client = CTraderClient(simulator.client_config())
    await client.connect()
    simulator.pause()
    try:
        with anyio.fail_after(1):
            await client.close()
    finally:
        simulator.resume()
    assert our_tasks() == []


async def test_client_from_the_environment(simulator):
    config = simulator.client_config()
    environment = {
        "CTRADER_HOST": config.host,
        "CTRADER_PORT": str(config.port),
        "CTRADER_CA_FILE": str(config.ca_file),
        "CTRADER_CLIENT_ID": config.client_id,
        "CTRADER_CLIENT_SECRET": config.client_secret,
    }
    async with CTraderClient.from_env(environ=environment) as client:
        assert client.config.port == config.port
        assert client.is_connected


# What must not be lost


@pytest.mark.parametrize("several", [False, True])
async def test_failure_inside_the_driver_ends_everything_that_waits(
    server, caplog, monkeypatch, several
):
    client = CTraderClient(server.config())

    def fail(*_: object) -> None:
        if several:
            raise ExceptionGroup("several", [ZeroDivisionError(), LookupError()])
        raise ZeroDivisionError

    await client.connect()
    monkeypatch.setattr(Session, "receive_data", fail)
    server.send(spot(1))
    with anyio.fail_after(PATIENCE), pytest.raises(ClientClosedError) as caught:
        await client.protocol.send_request(ProtoOAVersionReq())
    assert ("ExceptionGroup" if several else "ZeroDivisionError") in str(caught.value)
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(ClientClosedError):
        await client.wait()
    assert our_tasks() == []
