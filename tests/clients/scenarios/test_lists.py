"""The lists of what was, over several pages, compared row by row with the simulator's books."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from ctrader.enums import OrderSide
from ctrader.errors import APIError, OrderNotFoundError
from ctrader.models.positions import ClosePositionRequest
from ctrader.proto import ProtoOADealListReq, ProtoOAOrderListReq
from ctrader.simulator import Simulator, Switches
from ctrader.units import datetime_from_millis
from tests.clients.scenarios.books import (
    account_books,
    booked_deals,
    booked_orders,
    points,
    told_deals,
    told_orders,
)
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import Desk, Stage, at_desk
from tests.clients.scenarios.test_order_kinds import LOT, limit_order, order, still
from tests.clients.scenarios.test_prices import market_now

pytestmark = pytest.mark.anyio


async def trade(desk: Desk, simulator: Simulator) -> int:
    """Open a position in two deals and close it in two, beside another; return its id."""
    trading, account_id = desk.client.trading, desk.account_id
    first = await trading.place_order(account_id, order(2 * LOT, label="first"))
    assert first.position is not None
    position_id = first.position.position_id
    await trading.place_order(account_id, order(LOT, side=OrderSide.SELL, comment="another"))
    simulator.set_price("EURUSD", 1.1020, 1.1021)
    await trading.place_order(account_id, order(LOT, position_id=position_id))
    for volume in (LOT, 2 * LOT):
        await trading.close_position(
            account_id, ClosePositionRequest(position_id=position_id, volume=volume)
        )
    waiting = await trading.place_order(account_id, limit_order(0.9))
    assert waiting.order_id is not None
    await trading.cancel_order(account_id, waiting.order_id)
    return position_id


def today(simulator: Simulator) -> tuple[datetime, datetime]:
    now = market_now(simulator)
    return now - timedelta(hours=1), now + timedelta(seconds=1)


async def test_orders_of_several_pages_are_those_of_the_books(stage: Stage, serve: Serve):
    simulator = still(serve, switches=Switches(lists_page_size=5))
    async with at_desk(stage, simulator) as desk:
        await trade(desk, simulator)
        trading, account_id = desk.client.trading, desk.account_id
        begin, end = today(simulator)
        orders = await trading.get_orders(account_id, None, begin, end)
    books = account_books(simulator, account_id)
    assert len(orders) == 6
    assert sorted(told_orders(orders), key=lambda each: each["order_id"]) == booked_orders(books)
    assert len(simulator.sent_by_client(ProtoOAOrderListReq)) > 1


async def test_lists_of_a_position_are_those_of_the_books(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        position_id = await trade(desk, simulator)
        trading, account_id = desk.client.trading, desk.account_id
        deals = await trading.get_deals_by_position_id(account_id, position_id)
        orders = await trading.get_orders_by_position_id(account_id, position_id)
        opened = datetime_from_millis(account_books(simulator, account_id)["orders"][0]["updated"])
        first = await trading.get_orders_by_position_id(
            account_id, position_id, from_timestamp=opened, to_timestamp=opened
        )
    assert first == orders[:1]
    books = account_books(simulator, account_id)
    assert told_deals(deals) == [
        row for row in booked_deals(books) if row["position_id"] == position_id
    ]
    assert told_orders(orders) == [
        row for row in booked_orders(books) if row["position_id"] == position_id
    ]
    assert (len(deals), len(orders)) == (4, 4)


async def test_deals_of_a_window_and_of_several_pages_are_those_of_the_books(
    stage: Stage, serve: Serve
):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        position_id = await trade(desk, simulator)
        trading, account_id = desk.client.trading, desk.account_id
        rows = booked_deals(account_books(simulator, account_id))
        begin, end = (datetime_from_millis(rows[place]["executed"]) for place in (1, 3))
        inside = [row for row in rows if rows[1]["executed"] <= row["executed"]]
        inside = [row for row in inside if row["executed"] <= rows[3]["executed"]]
        # A page that holds no more than the two of them does not change what is found.
        deals = await trading.get_deals(account_id, begin, end, max_rows=2)
        assert told_deals(deals) == inside
        of_it = await trading.get_deals_by_position_id(
            account_id, position_id, from_timestamp=begin, to_timestamp=end
        )
        assert told_deals(of_it) == [row for row in inside if row["position_id"] == position_id]
    assert {each.maxRows for each in simulator.sent_by_client(ProtoOADealListReq)} == {2}


async def test_each_order_is_told_with_its_deals(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        await trade(desk, simulator)
        trading, account_id = desk.client.trading, desk.account_id
        books = account_books(simulator, account_id)
        for row in booked_orders(books):
            told, deals = await trading.get_order_details(account_id, row["order_id"])
            assert told_orders([told]) == [row]
            assert told_deals(deals) == [
                deal for deal in booked_deals(books) if deal["order_id"] == row["order_id"]
            ]
        with pytest.raises(OrderNotFoundError):
            await trading.get_order_details(account_id, 4711)


async def test_offsets_say_which_deal_closed_how_much_of_which(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        await trade(desk, simulator)
        trading, account_id = desk.client.trading, desk.account_id
        books = account_books(simulator, account_id)
        rows = {row["deal_id"]: row for row in booked_deals(books)}
        offsets = books["offsets"]
        assert len(offsets) == 3  # the second close takes the rest of two entries
        counts: list[tuple[int, int]] = []
        for deal_id in (min(rows), max(rows)):
            closed_by, closes = await trading.get_deal_offsets(account_id, deal_id)
            counts.append((len(closed_by), len(closes)))
            for found, own, other in (
                (closed_by, "opening_deal_id", "closing_deal_id"),
                (closes, "closing_deal_id", "opening_deal_id"),
            ):
                expected = [row for row in offsets if row[own] == deal_id]
                assert [
                    (each.deal_id, each.volume, points(each.execution_price)) for each in found
                ] == [(row[other], row["volume"], rows[row[other]]["price"]) for row in expected]
        with pytest.raises(APIError) as missing:
            await trading.get_deal_offsets(account_id, 4711)
        assert missing.value.error_code == "ENTITY_NOT_FOUND"
    assert counts == [(2, 0), (0, 2)]
