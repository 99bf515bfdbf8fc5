"""Lost links: what is restored, what is told, and how calls end that were under way."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader.enums import AuthTrigger, OrderSide, TrendbarPeriod
from ctrader.errors import (
    CTraderConnectionError,
    CTraderConnectionTimeoutError,
    OrderOutcomeUnknownError,
    TlsVerificationError,
)
from ctrader.events import (
    ConnectedEvent,
    DataGapEvent,
    DisconnectedEvent,
    ExecutionEvent,
    ReadyEvent,
    ReconnectedEvent,
    SpotEvent,
)
from ctrader.models import NewOrderRequest
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOANewOrderReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOATraderReq,
)
from ctrader.simulator import Simulator, Switches
from tests.clients.scenarios.stage import (
    BOUND,
    Record,
    Stage,
    at_desk,
    eventually,
    impatient,
)
from tests.clients.scenarios.test_connecting import received

pytestmark = pytest.mark.anyio

LINK_EVENTS = (DisconnectedEvent, ConnectedEvent, DataGapEvent, ReadyEvent, ReconnectedEvent)


async def test_subscription_that_makes_no_sense_leaves_the_others_alone(
    stage: Stage, brisk: Simulator
):
    async with at_desk(stage, brisk) as desk:
        market_data: Any = desk.client.market_data  # as a program that no type checker has seen
        brisk.clear_frames()
        for wrong in ["EURUSD"], [1.5], [2**63], [None]:
            with pytest.raises(ValueError, match="symbol_id"):
                await market_data.subscribe_spots(desk.account_id, wrong)
            with pytest.raises(ValueError, match="symbol_id"):
                await market_data.subscribe_depth(desk.account_id, wrong)
        for wrong_period in "H7", None, 99:
            with pytest.raises(ValueError, match="TrendbarPeriod"):
                await market_data.subscribe_trendbars(desk.account_id, 1, wrong_period)
        with pytest.raises(ValueError, match="account_id"):
            await market_data.subscribe_spots("me", [1])
        await market_data.subscribe_spots(desk.account_id, [1])
        async with desk.client.stream(SpotEvent) as quotes:
            async with desk.client.stream(ReconnectedEvent) as links:
                brisk.disconnect_all()
                await links.get(BOUND)
            await quotes.get(BOUND)
        asked = brisk.sent_by_client(ProtoOASubscribeSpotsReq)
        assert [list(request.symbolId) for request in asked] == [[1], [1]]


async def test_quotes_go_on_after_a_cut_and_handlers_see_the_gap(stage: Stage, brisk: Simulator):
    seen: Record[object] = Record()
    async with at_desk(stage, brisk) as desk:
        client = desk.client
        await client.market_data.subscribe_spots(desk.account_id, [1, 270])
        await client.market_data.subscribe_trendbars(desk.account_id, 1, TrendbarPeriod.M1)
        async with client.stream(SpotEvent) as quotes:
            await quotes.get(BOUND)
            for kind in (*LINK_EVENTS, SpotEvent):
                client.register_handler(kind, seen)
            before = client.is_ready
            brisk.clear_frames()
            brisk.disconnect_all()
            await eventually(
                stage,
                lambda: any(isinstance(event, ReconnectedEvent) for event in seen.events),
                "the new link",
            )
            reconnected = len(seen.events)
            await eventually(
                stage,
                lambda: (
                    {
                        event.symbol_id
                        for event in seen.events[reconnected:]
                        if isinstance(event, SpotEvent)
                    }
                    == {1, 270}
                ),
                "quotes of both symbols",
            )
        assert before
        assert client.is_ready
        assert client.auth.authenticated_accounts == [desk.account_id]
    by_kind = {
        kind: [event for event in seen.events if isinstance(event, kind)] for kind in LINK_EVENTS
    }
    (lost,), (_,), (gap,), (ready,), (made,) = (by_kind[kind] for kind in LINK_EVENTS)
    links = [event for event in seen.events if not isinstance(event, SpotEvent)]
    assert [type(event) for event in links[:2]] == [DisconnectedEvent, ConnectedEvent]
    assert isinstance(lost, DisconnectedEvent)
    assert lost.will_reconnect
    assert isinstance(lost.cause, CTraderConnectionError)
    assert isinstance(gap, DataGapEvent)
    assert (gap.account_id, sorted(gap.symbol_ids)) == (desk.account_id, [1, 270])
    assert gap.start < gap.end
    assert isinstance(ready, ReadyEvent)
    assert (ready.account_id, ready.trigger) == (desk.account_id, AuthTrigger.RECONNECT)
    assert isinstance(made, ReconnectedEvent)
    assert made.restored_accounts == (desk.account_id,)
    assert made.failed_accounts == ()
    assert received(brisk, ProtoOAApplicationAuthReq) == 1
    assert received(brisk, ProtoOAAccountAuthReq) == 1
    assert received(brisk, ProtoOASubscribeSpotsReq) == 1
    assert received(brisk, ProtoOASubscribeLiveTrendbarReq) == 1


async def test_quotes_of_a_new_link_begin_with_both_sides(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:
        client = desk.client
        links: Record[ConnectedEvent] = Record()
        client.register_handler(ConnectedEvent, links)
        await client.market_data.subscribe_spots(desk.account_id, [1])
        brisk.disconnect_all()
        await eventually(stage, lambda: links.events, "the new link")
        async with client.stream(SpotEvent) as quotes:
            spot = await quotes.get(BOUND)
        assert spot.quote is not None


async def test_ten_cuts_in_a_row(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:
        client = desk.client
        quotes: Record[SpotEvent] = Record()
        back: Record[ReconnectedEvent] = Record()
        gaps: Record[DataGapEvent] = Record()
        client.register_handler(SpotEvent, quotes)
        client.register_handler(ReconnectedEvent, back)
        client.register_handler(DataGapEvent, gaps)
        await client.market_data.subscribe_spots(desk.account_id, [1])

        async def more_quotes() -> None:
            count = len(quotes.events)
            await eventually(stage, lambda: len(quotes.events) > count, "quotes")

        async def another_link() -> None:
            count = len(back.events)
            brisk.disconnect_all()
            await eventually(stage, lambda: len(back.events) > count, "the next link")

        for _ in range(10):
            await more_quotes()
            await another_link()
        await more_quotes()
        assert len(back.events) == 10
        assert len(gaps.events) == 10
        assert brisk.connections == 1


async def test_cuts_at_any_moment_of_the_way_back(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk, reconnect_max_wait=0.02) as desk:
        client = desk.client
        await client.market_data.subscribe_spots(desk.account_id, [1])
        # The cuts fall into the wait, the handshake, the authentication and the restoration.
        for _ in range(60):
            brisk.disconnect_all()
            await stage.pause()
        await eventually(stage, lambda: client.is_ready, "the restoration")
        async with client.stream(SpotEvent) as quotes:
            await quotes.get(BOUND)
        assert (await client.accounts.get_trader(desk.account_id)).trader_login == 17_091_452
        await eventually(stage, lambda: brisk.connections == 1, "the end of the other links")


async def test_attempts_that_hang_are_given_up(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk, connect_timeout=0.8) as desk:
        client = desk.client
        lost: Record[DisconnectedEvent] = Record()
        back: Record[ReconnectedEvent] = Record()
        client.register_handler(DisconnectedEvent, lost)
        client.register_handler(ReconnectedEvent, back)
        brisk.pause()  # the system takes connections, and nobody shakes hands
        brisk.disconnect_all()
        await eventually(stage, lambda: lost.events, "the loss")
        with pytest.raises(CTraderConnectionTimeoutError):
            await client.accounts.get_trader(desk.account_id, timeout=1.2)
        assert not client.is_connected
        brisk.resume()
        await eventually(stage, lambda: back.events, "the new link")
        assert len(lost.events) == 1


async def test_pending_reads_are_answered_on_the_next_link(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        simulator.pause()
        reads = [
            jobs.start(lambda: desk.client.accounts.get_trader(desk.account_id)) for _ in range(5)
        ]
        await stage.pause()
        simulator.disconnect_all()
        simulator.resume()
        traders = [await read.result() for read in reads]
        assert {trader.trader_login for trader in traders} == {17_091_452}
    assert received(simulator, ProtoOATraderReq) >= 5


async def test_pending_read_fails_when_its_time_is_over_before_the_next_link(
    stage: Stage, simulator: Simulator
):
    settings = {"reconnect_min_wait": 20, "reconnect_max_wait": 20}
    async with at_desk(stage, simulator, **settings) as desk, stage.jobs() as jobs:
        simulator.pause()
        read = jobs.start(lambda: desk.client.accounts.get_trader(desk.account_id, timeout=0.3))
        await stage.pause()
        simulator.disconnect_all()
        with pytest.raises(CTraderConnectionTimeoutError):
            await read.result()
        simulator.resume()


async def test_order_under_way_at_the_cut_is_unknown_and_never_sent_again(stage: Stage, serve):
    simulator = serve(switches=Switches(fill_delay=60))
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        client = desk.client
        executions: Record[ExecutionEvent] = Record()
        back: Record[ReconnectedEvent] = Record()
        client.register_handler(ExecutionEvent, executions)
        client.register_handler(ReconnectedEvent, back)
        request = NewOrderRequest(
            symbol_id=1, side=OrderSide.BUY, volume=100_000, client_order_id="under-way"
        )
        order = jobs.start(lambda: client.trading.place_order(desk.account_id, request))
        await eventually(stage, lambda: executions.events, "the acceptance")
        simulator.disconnect_all()
        with pytest.raises(OrderOutcomeUnknownError) as caught:
            await order.result()
        assert caught.value.client_order_id == "under-way"
        await eventually(stage, lambda: back.events, "the new link")
        assert await client.trading.get_open_positions(desk.account_id) == []
    assert received(simulator, ProtoOANewOrderReq) == 1


async def test_orders_can_be_placed_as_soon_as_ready(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:
        client = desk.client
        await client.market_data.subscribe_spots(desk.account_id, [1])
        done: list[ExecutionEvent] = []

        async def buy(event: ReadyEvent) -> None:
            done.append(
                await client.trading.place_order(
                    event.account_id,
                    NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000),
                )
            )

        client.register_handler(ReadyEvent, buy)
        brisk.disconnect_all()
        await eventually(stage, lambda: done, "the order")
        assert len(await client.trading.get_open_positions(desk.account_id)) == 1


async def test_restarted_server_is_found_again(stage: Stage, serve):
    # Without TLS, because each simulator makes an authority of its own.
    first = serve(tls=False, speed=60)
    port = first.port
    async with at_desk(stage, first) as desk:
        client = desk.client
        lost: Record[DisconnectedEvent] = Record()
        back: Record[ReconnectedEvent] = Record()
        client.register_handler(DisconnectedEvent, lost)
        client.register_handler(ReconnectedEvent, back)
        await client.market_data.subscribe_spots(desk.account_id, [1])
        first.stop()
        await eventually(stage, lambda: lost.events, "the loss")
        assert not client.is_ready
        second = serve(tls=False, speed=60, port=port)
        await eventually(stage, lambda: back.events, "the new link")
        assert received(second, ProtoOASubscribeSpotsReq) == 1
        async with client.stream(SpotEvent) as quotes:
            assert (await quotes.get(BOUND)).symbol_id == 1


async def test_link_that_falls_silent_is_given_up(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk, heartbeat_timeout=0.3, heartbeat_interval=0.1) as desk:
        lost: Record[DisconnectedEvent] = Record()
        back: Record[ReconnectedEvent] = Record()
        desk.client.register_handler(DisconnectedEvent, lost)
        desk.client.register_handler(ReconnectedEvent, back)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        brisk.pause()
        await eventually(stage, lambda: lost.events, "the loss")
        assert "0.3" in str(lost.events[0].cause)
        brisk.resume()
        await eventually(stage, lambda: back.events, "the new link")


async def test_account_whose_session_the_server_ends_comes_back(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk, reauth_policy={"min_wait": 0.02, "max_wait": 0.1}) as desk:
        client = desk.client
        ready: Record[ReadyEvent] = Record()
        client.register_handler(ReadyEvent, ready)
        await client.market_data.subscribe_spots(desk.account_id, [1])
        with brisk.locked() as exchange:
            exchange.disconnect_account(desk.account_id)
        await eventually(stage, lambda: ready.events, "the account")
        assert ready.events[0].account_id == desk.account_id
        async with client.stream(SpotEvent) as quotes:
            await quotes.get(BOUND)
        assert brisk.connections == 1


async def test_close_while_reconnecting(stage: Stage, simulator: Simulator):
    client = stage.client(impatient(simulator))
    lost: Record[DisconnectedEvent] = Record()
    client.register_handler(DisconnectedEvent, lost)
    async with client:
        await client.auth.authenticate_account(simulator.credentials())
        simulator.stop()
        await eventually(stage, lambda: lost.events, "the loss")
    assert not client.is_connected
    assert await client.wait(BOUND)


async def test_server_with_another_certificate_after_a_loss_ends_the_client(stage: Stage, serve):
    first = serve()
    port = first.port
    client = stage.client(impatient(first))
    async with client:
        await client.auth.authenticate_account(first.credentials())
        first.stop()
        second = serve(port=port)  # each simulator makes an authority of its own
        with pytest.raises(TlsVerificationError):
            await client.wait(BOUND)
        with pytest.raises(TlsVerificationError):
            await client.auth.authenticate_app()
        assert second.frames == []
