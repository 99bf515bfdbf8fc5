"""The depth of the market, and a market that a holiday closes."""

from __future__ import annotations

import pytest

from ctrader.enums import OrderSide
from ctrader.errors import MarketClosedError
from ctrader.events import DepthEvent, SpotEvent, SymbolChangedEvent
from ctrader.models import NewOrderRequest
from ctrader.proto import (
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.simulator import Simulator, Switches
from ctrader.simulator.catalogue import HolidaySpec
from ctrader.simulator.market.calendar import DAY
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk, eventually
from tests.clients.scenarios.test_connecting import received

pytestmark = pytest.mark.anyio

BITCOIN = 1001  # trades at any hour of the week


def book_of(events: list[DepthEvent]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Put a book together as `DepthEvent` says, the best prices first."""
    entries: dict[int, tuple[bool, int, int]] = {}
    for event in tuple(events):
        for quote_id in event.deleted_quote_ids:
            entries.pop(quote_id)
        for quote in event.new_quotes:
            entries[quote.quote_id] = (quote.is_bid, quote.price_points, quote.size)
    bids = [(price, size) for is_bid, price, size in entries.values() if is_bid]
    asks = [(price, size) for is_bid, price, size in entries.values() if not is_bid]
    return sorted(bids, reverse=True), sorted(asks)


async def test_depth_adds_up_to_the_book_of_the_simulator(stage: Stage, brisk: Simulator):
    seen: Record[DepthEvent] = Record()
    async with at_desk(stage, brisk) as desk:
        market, account_id = desk.client.market_data, desk.account_id
        desk.client.register_handler(DepthEvent, seen, symbol_id=1)
        await market.subscribe_depth(account_id, [1])
        await eventually(stage, lambda: len(seen.events) > 20, "twenty changes of the book")
        with brisk.locked() as exchange:
            exchange.hold_price(1)
            ladder, quote = exchange.ladder(1), exchange.quote(1)
        assert ladder is not None
        assert quote is not None
        expected = (
            [(level.price, level.size) for level in ladder.bids],
            [(level.price, level.size) for level in ladder.asks],
        )
        await eventually(stage, lambda: book_of(seen.events) == expected, "the simulator's book")
        first, *later = seen.events
        assert (first.account_id, first.symbol_id) == (account_id, 1)
        assert first.deleted_quote_ids == ()
        assert len(first.new_quotes) == len(ladder.bids) + len(ladder.asks)
        assert any(event.deleted_quote_ids for event in later)
        assert (expected[0][0][0], expected[1][0][0]) == (quote.bid, quote.ask)
        # Depth needs the symbol's quotes: they were subscribed for it, and are let go with it.
        assert received(brisk, ProtoOASubscribeSpotsReq) == 1
        assert received(brisk, ProtoOASubscribeDepthQuotesReq) == 1
        await market.unsubscribe_depth(account_id, [1])
        await eventually(
            stage, lambda: received(brisk, ProtoOAUnsubscribeSpotsReq) == 1, "the end of the quotes"
        )
        assert received(brisk, ProtoOAUnsubscribeDepthQuotesReq) == 1


async def test_holiday_closes_a_market_for_orders_and_prices(stage: Stage, serve):
    simulator = serve(switches=Switches(always_open=False))
    async with at_desk(stage, simulator) as desk:
        client, account_id = desk.client, desk.account_id
        order = NewOrderRequest(symbol_id=BITCOIN, side=OrderSide.BUY, volume=1)
        done = await client.trading.place_order(account_id, order)
        assert done.deal is not None
        async with client.stream(SymbolChangedEvent) as changes:
            with simulator.locked() as exchange:
                today = exchange.market_now() // DAY
                days = tuple(
                    HolidaySpec(holiday_id=day, name="A long one", date=day)
                    for day in (today, today + 1)
                )
                exchange.change_symbol(BITCOIN, holidays=days)
            change = await changes.get(BOUND)
        assert change.symbol_ids == (BITCOIN,)
        with pytest.raises(MarketClosedError) as refusal:
            await client.trading.place_order(account_id, order)
        assert refusal.value.error_code == "SYMBOL_HAS_HOLIDAY"
        symbol = await client.symbols.get_by_id(account_id, BITCOIN)
        assert [holiday.name for holiday in symbol.trading_hours.holidays] == ["A long one"] * 2
        async with client.stream(SpotEvent, symbol_id=BITCOIN) as spots:
            await client.market_data.subscribe_spots(account_id, [BITCOIN])
            last = await spots.get(BOUND)
        assert last.bid is not None  # the last known price comes from a closed market too
        assert last.ask is not None
