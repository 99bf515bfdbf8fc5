"""Handlers and streams."""

from __future__ import annotations

import logging

import pytest

from ctrader.errors import ClientClosedError, CTraderReconnectAbandonedError
from ctrader.events import ConnectedEvent, DisconnectedEvent, ExecutionEvent, ReadyEvent, SpotEvent
from ctrader.proto import ProtoOASpotEvent
from ctrader.simulator import Simulator
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk, eventually, impatient

pytestmark = pytest.mark.anyio


async def test_handlers_get_what_their_filters_let_through(stage: Stage, brisk: Simulator):
    every: Record[SpotEvent] = Record()
    index: Record[SpotEvent] = Record()
    mine: Record[SpotEvent] = Record()
    async with at_desk(stage, brisk) as desk:
        client, other = desk.client, brisk.credentials(1)
        await client.auth.authenticate_account(other)
        client.register_handler(SpotEvent, every)
        client.register_handler(SpotEvent, index, symbol_id=270)
        client.register_handler(SpotEvent, mine, account_id=desk.account_id, symbol_id=1)
        await client.market_data.subscribe_spots(desk.account_id, [1, 270])
        await client.market_data.subscribe_spots(other.account_id, [1])
        await eventually(
            stage, lambda: len(index.events) > 3 and len(mine.events) > 3, "events for all"
        )
    assert {spot.symbol_id for spot in index.events} == {270}
    assert {(spot.account_id, spot.symbol_id) for spot in mine.events} == {(desk.account_id, 1)}
    assert {(spot.account_id, spot.symbol_id) for spot in every.events} == {
        (desk.account_id, 1),
        (desk.account_id, 270),
        (other.account_id, 1),
    }


async def test_decorated_handler_stays_a_function(stage: Stage, brisk: Simulator):
    prices: list[float] = []
    async with at_desk(stage, brisk) as desk:

        @desk.client.on(SpotEvent, symbol_id=1)
        async def on_price(event: SpotEvent) -> None:
            if event.bid is not None:
                prices.append(event.bid)

        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        await eventually(stage, lambda: prices, "a price")
        count = len(prices)
        await on_price(SpotEvent(1, 1, 100_000, None))
        assert len(prices) > count


async def test_plain_functions_are_handlers_too(stage: Stage, brisk: Simulator):
    seen: list[SpotEvent] = []
    async with at_desk(stage, brisk) as desk:
        desk.client.register_handler(SpotEvent, seen.append)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        await eventually(stage, lambda: seen, "a quote")


async def test_handler_that_is_off_gets_nothing_more(stage: Stage, brisk: Simulator):
    ended: Record[SpotEvent] = Record()
    going_on: Record[SpotEvent] = Record()
    async with at_desk(stage, brisk) as desk:
        client = desk.client
        client.register_handler(SpotEvent, ended)
        client.register_handler(SpotEvent, going_on)
        await client.market_data.subscribe_spots(desk.account_id, [1])
        await eventually(stage, lambda: ended.events, "a quote")
        assert client.off(SpotEvent, ended)
        assert not client.off(SpotEvent, ended)
        assert not client.off(ExecutionEvent, Record[ExecutionEvent]())
        await eventually(stage, lambda: going_on.events, "a quote")
        count, others = len(ended.events), len(going_on.events)
        await eventually(stage, lambda: len(going_on.events) > others + 5, "more quotes")
        assert len(ended.events) <= count + 1  # one call may have been under way


async def test_filter_that_no_event_has_is_refused_at_once(stage: Stage, simulator: Simulator):
    client = stage.client(impatient(simulator))
    with pytest.raises(ValueError, match="symbol_id"):
        client.register_handler(ConnectedEvent, Record[ConnectedEvent](), symbol_id=1)
    with pytest.raises(ValueError, match="account_id"):
        client.on(ConnectedEvent, account_id=1)(Record[ConnectedEvent]())
    with pytest.raises(ValueError, match="symbol_id"):
        client.stream(ReadyEvent, symbol_id=1)
    await client.close()


async def test_handler_that_raises_is_logged_and_goes_on(
    stage: Stage, brisk: Simulator, caplog: pytest.LogCaptureFixture
):
    calls = 0
    other: Record[SpotEvent] = Record()

    async def fail(_: SpotEvent) -> None:
        nonlocal calls
        calls += 1
        raise LookupError("a mistake of the user")

    with caplog.at_level(logging.ERROR, "ctrader.events"):
        async with at_desk(stage, brisk) as desk:
            desk.client.register_handler(SpotEvent, fail)
            desk.client.register_handler(SpotEvent, other)
            await desk.client.market_data.subscribe_spots(desk.account_id, [1])
            await eventually(stage, lambda: calls > 2 and len(other.events) > 2, "three quotes")
            assert desk.client.is_ready
    failures = [record for record in caplog.records if record.name == "ctrader.events"]
    assert len(failures) == calls
    assert failures[0].exc_info is not None
    assert isinstance(failures[0].exc_info[1], LookupError)
    assert "fail" in failures[0].getMessage() or stage.is_blocking  # there it is the adapter's


async def test_handler_that_asks_another_client_that_was_closed_is_logged_as_failing(
    stage: Stage, brisk: Simulator, caplog: pytest.LogCaptureFixture
):
    calls = 0
    copier = stage.client(brisk.client_config())
    await copier.connect()
    await copier.close()

    async def copy(_: SpotEvent) -> None:
        nonlocal calls
        calls += 1
        await copier.protocol.get_version()

    with caplog.at_level(logging.INFO, "ctrader.events"):
        async with at_desk(stage, brisk) as desk:
            desk.client.register_handler(SpotEvent, copy)
            await desk.client.market_data.subscribe_spots(desk.account_id, [1])
            await eventually(stage, lambda: calls > 2, "three quotes")
            told = [each for each in caplog.records if each.name == "ctrader.events"]
            assert told
            assert {each.levelno for each in told} == {logging.ERROR}
            assert told[0].exc_info is not None
            assert isinstance(told[0].exc_info[1], ClientClosedError)


async def test_handler_that_the_end_of_its_client_cuts_short_is_no_failure(
    stage: Stage, brisk: Simulator, caplog: pytest.LogCaptureFixture
):
    reached, asks = stage.signal(), stage.signal()
    with caplog.at_level(logging.INFO, "ctrader.events"):
        async with at_desk(stage, brisk) as desk:

            async def ask(_: SpotEvent) -> None:
                reached.set()
                await asks.wait()
                await desk.client.protocol.get_version()

            desk.client.register_handler(SpotEvent, ask)
            await desk.client.market_data.subscribe_spots(desk.account_id, [1])
            await reached.wait()
            async with stage.jobs() as jobs:
                closing = jobs.start(desk.client.close)
                await eventually(stage, lambda: not desk.client.is_connected, "the end")
                asks.set()
                await closing.result()
    told = [each for each in caplog.records if each.name == "ctrader.events"]
    assert told
    assert {each.levelno for each in told} == {logging.INFO}
    assert "cut short by the end of the client" in told[0].getMessage()


async def test_slow_handler_delays_only_itself(stage: Stage, brisk: Simulator):
    release = stage.signal()
    started: list[SpotEvent] = []
    swift: Record[SpotEvent] = Record()

    async def wait(event: SpotEvent) -> None:
        started.append(event)
        await release.wait()

    async with at_desk(stage, brisk) as desk:
        client = desk.client
        client.register_handler(SpotEvent, wait)
        client.register_handler(SpotEvent, swift)
        await client.market_data.subscribe_spots(desk.account_id, [1])
        await eventually(stage, lambda: started, "the slow one's call")
        await eventually(stage, lambda: len(swift.events) > 10, "ten quotes for the swift one")
        assert (await client.accounts.get_trader(desk.account_id)).trader_login == 17_091_452
        assert len(started) == 1
        release.set()
        await eventually(stage, lambda: len(started) > 10, "what the slow one had missed")
        both = min(len(started), len(swift.events))  # either may be ahead by what just came
        assert both > 10
        assert started[:both] == swift.events[:both]


async def test_handler_may_ask_the_server(stage: Stage, brisk: Simulator):
    balances: list[object] = []
    async with at_desk(stage, brisk) as desk:

        async def ask(event: SpotEvent) -> None:
            balances.append((await desk.client.accounts.get_trader(event.account_id)).balance)

        desk.client.register_handler(SpotEvent, ask)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        await eventually(stage, lambda: len(balances) > 3, "answers")


async def test_stream_gives_events_in_order_and_ends_with_the_client(
    stage: Stage, brisk: Simulator
):
    record: Record[SpotEvent] = Record()
    async with at_desk(stage, brisk) as desk:
        client = desk.client
        client.register_handler(SpotEvent, record)
        stream = client.stream(SpotEvent)

        async def close_after_some() -> None:
            await eventually(stage, lambda: len(record.events) > 10, "ten quotes")
            await client.close()

        async with stage.jobs() as jobs:
            closing = jobs.start(close_after_some)
            await client.market_data.subscribe_spots(desk.account_id, [1, 270])
            streamed = [event async for event in stream]
            await closing.result()
        with pytest.raises(ClientClosedError):
            await stream.get()
    assert streamed == record.events
    assert stream.merged == stream.dropped == 0


async def test_stream_without_events_times_out(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        async with desk.client.stream(ExecutionEvent) as stream:
            with pytest.raises(TimeoutError):
                await stream.get(0.02)
        assert [event async for event in stream] == []


async def test_stream_that_falls_behind_merges_quotes_per_symbol(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:
        client = desk.client
        async with client.stream(SpotEvent, capacity=4) as stream:
            await client.market_data.subscribe_spots(desk.account_id, [1, 270])
            await eventually(stage, lambda: stream.merged > 10, "quotes to be merged")
            await client.market_data.unsubscribe_spots(desk.account_id, [1, 270])
            sent = [
                ProtoOASpotEvent.FromString(frame.payload)
                for frame in brisk.frames
                if "SPOT_EVENT" in repr(frame)
            ]
            newest = {
                symbol_id: (
                    [spot.bid for spot in sent if spot.symbolId == symbol_id and spot.bid][-1],
                    [spot.ask for spot in sent if spot.symbolId == symbol_id and spot.ask][-1],
                )
                for symbol_id in (1, 270)
            }
            # At most five were held: four, and one of a symbol that was not among them.
            held = [await stream.get(BOUND) for _ in range(len(sent) - stream.merged)]
        assert 4 <= len(held) <= 5
        last = {spot.symbol_id: spot.quote for spot in held}
        assert {
            symbol_id: quote and (quote.bid_points, quote.ask_points)
            for symbol_id, quote in last.items()
        } == newest


async def test_every_handler_reports_what_it_got_and_what_it_was_spared(
    stage: Stage, brisk: Simulator
):
    record: Record[SpotEvent] = Record()
    fills: Record[ExecutionEvent] = Record()
    async with at_desk(stage, brisk) as desk:
        client = desk.client

        async def fail(event: SpotEvent) -> None:
            raise ValueError("seen through")

        client.register_handler(SpotEvent, record, symbol_id=1)
        client.register_handler(SpotEvent, fail, account_id=desk.account_id)
        client.register_handler(ExecutionEvent, fills)
        await client.market_data.subscribe_spots(desk.account_id, [1])
        await eventually(stage, lambda: len(record.events) > 5, "quotes")
        await client.market_data.unsubscribe_spots(desk.account_id, [1])
        await eventually(
            stage, lambda: all(not report.waiting for report in client.handlers), "their delivery"
        )
        quotes, failing, executions = client.handlers
        assert (quotes.event_type, quotes.account_id, quotes.symbol_id) == (SpotEvent, None, 1)
        assert (quotes.delivered, quotes.failed) == (len(record.events), 0)
        assert (failing.account_id, failing.symbol_id) == (desk.account_id, None)
        assert failing.delivered == failing.failed == quotes.delivered
        assert executions.event_type is ExecutionEvent
        assert executions.delivered == executions.failed == 0
        for report in (quotes, failing, executions):
            assert report.merged == report.dropped == 0
            assert report.error is None
        client.off(SpotEvent, fail)
        assert [report.name for report in client.handlers] == [quotes.name, executions.name]


async def test_raw_messages_are_events_too(stage: Stage, brisk: Simulator):
    raw: Record[ProtoOASpotEvent] = Record()
    async with at_desk(stage, brisk) as desk:
        remove = desk.client.protocol.on_event(ProtoOASpotEvent, raw)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        await eventually(stage, lambda: len(raw.events) > 3, "raw quotes")
        remove()
        remove()
    assert {message.symbolId for message in raw.events} == {1}


async def test_last_link_is_lost_with_an_event_that_says_so(stage: Stage, simulator: Simulator):
    losses: Record[DisconnectedEvent] = Record()
    async with at_desk(stage, simulator, reconnect_attempts=0) as desk:
        desk.client.register_handler(DisconnectedEvent, losses)
        stream = desk.client.stream(DisconnectedEvent)
        simulator.disconnect_all()
        await eventually(stage, lambda: losses.events, "the loss")
        assert [event.will_reconnect for event in losses.events] == [False]
        assert await stream.get(BOUND) == losses.events[0]
        with pytest.raises(CTraderReconnectAbandonedError):
            await stream.get(BOUND)
