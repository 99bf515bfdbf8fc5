"""Loops, threads and processes that end, or are not to be had, with a client open."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from ctrader.client import CTraderClient
from ctrader.enums import OrderSide
from ctrader.errors import ClientClosedError, OrderOutcomeUnknownError
from ctrader.events import SpotEvent
from ctrader.models import NewOrderRequest
from ctrader.protocol.routing import Route, Router
from ctrader.protocol.session import Session
from ctrader.protocol.timers import Timer, TimerTable
from ctrader.simulator import Simulator
from ctrader_sync.client import SyncCTraderClient
from tests.clients.scenarios.stage import BOUND, Stage, at_desk, eventually, impatient

ORDER = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000)


def test_loop_that_ends_before_the_host_task_began_does_not_hang(simulator: Simulator):
    client = CTraderClient(impatient(simulator))
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(asyncio.create_task(client.connect()))

    asyncio.run(main())
    assert tasks[0].cancelled()
    assert not client.is_connected


def test_client_whose_loop_ended_is_not_connected(simulator: Simulator):
    client = CTraderClient(impatient(simulator))

    async def main() -> None:
        await client.connect()
        await client.auth.authenticate_account(simulator.credentials())
        assert client.is_ready

    asyncio.run(main())
    assert not client.is_connected
    assert not client.is_ready
    with pytest.raises(ClientClosedError):
        asyncio.run(client.auth.authenticate_app())
    asyncio.run(client.close())


@pytest.mark.anyio
async def test_breakdown_reports_a_sent_order_as_of_unknown_outcome(
    stage: Stage, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    """Whatever went wrong inside, an order that was handed over may have been carried out."""
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        await desk.client.symbols.get_by_id(desk.account_id, ORDER.symbol_id)
        simulator.pause()
        job = jobs.start(lambda: desk.client.trading.place_order(desk.account_id, ORDER))
        await eventually(stage, lambda: sent_orders(desk.client), "the order's sending")

        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(Session, "receive_data", fail)
        simulator.resume()
        with pytest.raises(OrderOutcomeUnknownError) as caught:
            await job.result()
        assert caught.value.client_order_id
        monkeypatch.undo()
        with pytest.raises(ClientClosedError):
            await desk.client.accounts.get_trader(desk.account_id)
        assert not desk.client.is_connected


def sent_orders(client: Any) -> bool:
    """Say whether an order waits for its answer."""
    look: Callable[[Callable[[Session], bool]], bool] = client._driver.look
    return look(
        lambda session: any(
            pending.call is not None and pending.call.is_trading and pending.call.is_sent
            for pending in session._pending.all()
        )
    )


def test_handlers_wait_while_the_system_has_no_thread_for_them(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    start = threading.Thread.start
    is_exhausted = True

    def start_or_fail(thread: threading.Thread) -> None:
        if is_exhausted and thread.name == "ctrader-events":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)
    seen: list[SpotEvent] = []
    with (
        caplog.at_level(logging.WARNING, "ctrader.events"),
        SyncCTraderClient(impatient(simulator)) as client,
    ):
        account = client.auth.authenticate_account(simulator.credentials())
        client.register_handler(SpotEvent, seen.append)
        client.market_data.subscribe_spots(account.ctidTraderAccountId, [1])
        with client.stream(SpotEvent) as quotes:
            quotes.get(BOUND)
            assert client.is_ready
            assert not seen
            is_exhausted = False
            client.market_data.subscribe_spots(account.ctidTraderAccountId, [2])
            quotes.get(BOUND)
        until = time.monotonic() + BOUND
        while not seen:
            assert time.monotonic() < until
            time.sleep(0.005)  # real threads: nothing announces it
    assert any("have to wait" in record.message for record in caplog.records)


def test_ctrl_c_while_a_stream_is_opened_leaves_the_client_working(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    add = Router.add

    def add_and_interrupt(router: Router, route: Route) -> None:
        add(router, route)
        raise KeyboardInterrupt

    with SyncCTraderClient(impatient(simulator)) as client:
        account = client.auth.authenticate_account(simulator.credentials())
        with monkeypatch.context() as patch:
            patch.setattr(Router, "add", add_and_interrupt)
            with pytest.raises(KeyboardInterrupt):
                client.stream(SpotEvent)
        with client.stream(SpotEvent) as quotes:
            client.market_data.subscribe_spots(account.ctidTraderAccountId, [1])
            assert quotes.get(BOUND).symbol_id == 1


def test_threads_that_share_a_stream_lose_nothing_at_its_end(simulator: Simulator):
    client = SyncCTraderClient(impatient(simulator))
    client.connect()
    stream = client.stream(SpotEvent)
    event = SpotEvent(1, 1, 1, 1, (), None, None, 1, 1)
    with stream._arrival:
        for _ in range(3):
            stream._route.mailbox.put(event)
    assert stream.get(BOUND) is event
    # The rest lies in the stream's own buffer while another thread looks whether more has come.
    taken: list[object] = []
    held = list(stream._buffer)
    stream._buffer.clear()
    looking = threading.Thread(target=lambda: taken.extend(stream))
    looking.start()
    stream._buffer.extend(held)
    client.close()
    looking.join(BOUND)
    assert taken == [event, event]


def test_cleared_timers_with_far_deadlines_leave_nothing_behind():
    table = TimerTable()
    table.set(Timer.HEARTBEAT, 1)
    rng = Random(7)
    for number in range(20_000):
        table.set(Timer.CALL, 10**15 + rng.randrange(1000), number)
        if number >= 10:
            table.clear(Timer.CALL, number - 10)
    assert len(table._heap) < 1_000
    assert len(table._queued) < 1_000
    wanted = sorted(at for at in table._at.values())
    met: list[int] = []
    while (deadline := table.pop_due(10**18)) is not None:
        met.append(deadline.at)
    assert met == wanted
