"""Sleep, blocked loops, starved threads, and attempts to connect that hang."""

# pyright: reportPrivateUsage=false
# The test of the starved thread holds the lock that a busy computer keeps it from.

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

import anyio
import pytest

from ctrader import clocks
from ctrader.client import CTraderClient
from ctrader.config import ClientConfig
from ctrader.errors import CTraderConnectionTimeoutError
from ctrader.events import DisconnectedEvent, ReconnectedEvent
from ctrader.proto import ProtoOAVersionReq, ProtoOAVersionRes
from ctrader.simulator import Simulator
from ctrader.units import SECOND
from ctrader_sync.client import SyncCTraderClient
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk, eventually
from tests.clients.test_async_driver import QuietServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[QuietServer]:
    with QuietServer() as quiet:
        yield quiet


# Attempts to connect: one deadline over all their steps


@contextlib.contextmanager
def full_listener() -> Generator[int]:
    """Listen without room for another connection: who connects gets no answer at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def mute_listener() -> Generator[int]:
    """Take connections and say nothing, so that TLS never stands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("step", ["name lookup", "TCP", "TLS"])
async def test_one_deadline_covers_every_step_of_connecting(
    stage: Stage, step: str, monkeypatch: pytest.MonkeyPatch
):
    over = threading.Event()
    look_up = socket.getaddrinfo

    def hang(*args: Any, **options: Any) -> object:
        # trio asks first, without waiting, whether the name is an address already.
        if threading.current_thread() is not threading.main_thread():
            over.wait(BOUND)
        return look_up(*args, **options)

    with full_listener() if step == "TCP" else mute_listener() as port:
        if step == "name lookup":
            monkeypatch.setattr(socket, "getaddrinfo", hang)
        config = ClientConfig(
            host="localhost" if step == "name lookup" else "127.0.0.1",
            port=port,
            client_id="id",
            client_secret="secret-of-the-test",
            connect_timeout=0.2,
        )
        client = stage.client(config)
        began = time.monotonic()
        try:
            with pytest.raises(CTraderConnectionTimeoutError) as caught:
                await client.connect()
            assert time.monotonic() - began < BOUND / 2
            assert caught.value.timeout == 0.2
            await client.close()
        finally:
            over.set()


# Sleep


async def test_link_is_made_anew_after_a_sleep(
    stage: Stage, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    slept = 0.0

    def read() -> clocks.Moment:
        moment = clocks.read_clocks()
        asleep = None if moment.suspended is None else moment.suspended + int(slept * SECOND)
        return moment._replace(unix=moment.unix + slept, suspended=asleep)

    monkeypatch.setattr("ctrader.driver.read_clocks", read)
    monkeypatch.setattr("ctrader_sync.pump.read_clocks", read)
    lost, again = Record[DisconnectedEvent](), Record[ReconnectedEvent]()
    async with at_desk(stage, simulator, reconnect_min_wait=0.01) as desk:
        desk.client.register_handler(DisconnectedEvent, lost)
        desk.client.register_handler(ReconnectedEvent, again)
        await desk.client.accounts.get_trader(desk.account_id)
        assert lost.events == []
        slept = 3600.0
        # It is asked on the link that is not trusted any more, and answered on the next.
        await desk.client.accounts.get_trader(desk.account_id)
        await eventually(stage, lambda: bool(again.events), "the reconnect")
        assert "slept for 3600 s" in str(lost.events[0].cause)


def test_clocks_are_read_together(monkeypatch: pytest.MonkeyPatch):
    first = clocks.read_clocks()
    second = clocks.read_clocks()
    assert first.now <= second.now
    assert abs(first.unix - time.time()) < BOUND
    if first.suspended is not None and second.suspended is not None:
        assert abs(second.suspended - first.suspended) < SECOND


def test_readings_that_were_interrupted_are_read_again(monkeypatch: pytest.MonkeyPatch):
    moments = iter([0, SECOND, SECOND, SECOND + 1000])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(moments))
    assert clocks.read_clocks().now == SECOND + 1000


def test_computer_that_is_always_busy_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch):
    moments = iter(range(0, 100 * SECOND, SECOND))
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(moments))
    assert clocks.read_clocks().now == 6 * SECOND


def test_system_that_does_not_say_how_long_it_slept(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clocks, "_BOOT_TIME", None)
    assert clocks.read_clocks().suspended is None


# Loops and threads that are held up


def pass_time(until: float) -> None:
    """Hold this thread up, and with it its event loop, until a moment of the monotonic clock."""
    while time.monotonic() < until:
        pass


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_answer_in_the_socket_counts_before_the_deadline_of_a_blocked_loop(
    server: QuietServer, anyio_backend: str
):
    async with CTraderClient(server.config()) as client:
        await client.auth.authenticate_app()
        deadline = time.monotonic() + 0.3

        async def answer() -> None:
            await server.received(ProtoOAVersionReq)
            pass_time(deadline - 0.05)
            server.send(ProtoOAVersionRes(version="7"), answers=-1)
            pass_time(deadline + 0.1)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            assert await client.protocol.get_version(timeout=0.3) == "7"


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_blocked_loop_is_reported(
    server: QuietServer, anyio_backend: str, caplog: pytest.LogCaptureFixture
):
    async with CTraderClient(server.config(heartbeat_interval=0.05)) as client:
        await client.auth.authenticate_app()
        pass_time(time.monotonic() + 1.2)
        with contextlib.suppress(CTraderConnectionTimeoutError):
            await client.protocol.get_version(timeout=0.05)
    (warning,) = [each for each in caplog.records if "held up" in each.getMessage()]
    assert warning.levelno == logging.WARNING


def test_answer_in_the_socket_counts_before_the_deadline_of_a_starved_thread(server: QuietServer):
    with SyncCTraderClient(server.config()) as client:
        client.auth.authenticate_app()
        driver = client._driver  # holding its lock is what a busy computer does to the thread
        versions: list[str] = []
        deadline = time.monotonic() + 0.4
        caller = threading.Thread(
            target=lambda: versions.append(client.protocol.get_version(timeout=0.4))
        )
        caller.start()
        assert server._requests[ProtoOAVersionReq].acquire(timeout=BOUND)
        with driver._lock:
            driver._pump.post(lambda now: None)  # so that it waits for the lock, not the socket
            pass_time(deadline - 0.2)
            server.send(ProtoOAVersionRes(version="7"), answers=-1)
            pass_time(deadline + 0.1)
        caller.join(BOUND)
        assert versions == ["7"]
