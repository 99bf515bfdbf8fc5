"""Lists of deals and orders, the offsets of deals, and questions about profit and margin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.operations import auth, history
from ctrader.proto import (
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOADealOffset,
    ProtoOADealOffsetListReq,
    ProtoOADealOffsetListRes,
    ProtoOAErrorRes,
    ProtoOAExpectedMarginReq,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOAv1PnLChangeEvent,
    ProtoOAv1PnLChangeSubscribeReq,
    ProtoOAv1PnLChangeSubscribeRes,
    ProtoOAv1PnLChangeUnSubscribeReq,
    ProtoOAv1PnLChangeUnSubscribeRes,
)
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS, DEFAULT_APPLICATIONS
from ctrader.simulator.switches import Switches
from ctrader.simulator.world import World
from ctrader.units import datetime_from_millis
from tests.simulator.orders import order
from tests.simulator.peer import (
    BARE,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
)
from tests.simulator.trades import close, market_order, open_position, perform

WEEK = 604_800_000


def listed(peer: Peer, kind: Any, answer: Any, **fields: Any) -> Any:
    """Ask for a list with some fields set."""
    return peer.ask(kind(ctidTraderAccountId=USD_ACCOUNT, **fields), answer)


def traded(switches: Switches = BARE, positions: int = 5) -> Peer:
    """Make a peer that opened some positions, one every ten seconds from second 10 on."""
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    for _ in range(positions):
        peer.run(9)
        open_position(peer, volume=100_000)
    return peer


def deal_ids(answer: Any) -> list[int]:
    return [deal.dealId - 7_000_000 for deal in answer.deal]


def test_deals_without_borders_come_newest_first():
    answer = listed(traded(), ProtoOADealListReq, ProtoOADealListRes)
    assert deal_ids(answer) == [5, 4, 3, 2, 1]
    assert not answer.hasMore


def test_lists_may_come_oldest_first():
    peer = traded(replace(BARE, lists_newest_first=False))
    assert deal_ids(listed(peer, ProtoOADealListReq, ProtoOADealListRes)) == [1, 2, 3, 4, 5]
    newest = listed(peer, ProtoOADealListReq, ProtoOADealListRes, maxRows=2)
    assert deal_ids(newest) == [4, 5]
    assert newest.hasMore


@pytest.mark.parametrize(("rows", "expected"), [(2, [5, 4]), (3, [5, 4, 3]), (9, [5, 4, 3])])
def test_rows_are_capped_by_the_request_and_by_the_server(rows: int, expected: list[int]):
    peer = traded(replace(BARE, lists_page_size=3))
    answer = listed(peer, ProtoOADealListReq, ProtoOADealListRes, maxRows=rows)
    assert deal_ids(answer) == expected
    assert answer.hasMore


def test_a_client_pages_through_deals_of_which_later_ones_began_earlier():
    # The first order is filled in five parts, the second one between them: by their beginning
    # the deals are in another order than by their execution.
    exchange = scripted_exchange(switches=replace(BARE, lists_page_size=2))
    application = DEFAULT_APPLICATIONS[0]
    config = ClientConfig(client_id=application.client_id, client_secret=application.client_secret)
    world = World(exchange, config, unix_ms=START)
    world.connect()
    grant = exchange.grants.grants[0]
    credentials = AccountCredentials(
        account_id=USD_ACCOUNT,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_at=4e9,
    )
    world.run(auth.authenticate_account(credentials))
    book = exchange.books[USD_ACCOUNT]
    exchange.floor.script_fill(*[100_000] * 4)
    exchange.floor.new_order(book, market_order(volume=500_000), None)
    exchange.after(0.01, lambda: exchange.floor.new_order(book, market_order(), None))
    world.run_for(5)
    assert [deal.created for deal in book.deals] != sorted(deal.created for deal in book.deals)
    now = datetime_from_millis(exchange.market_now())
    found = world.run(
        history.get_deals(USD_ACCOUNT, datetime_from_millis(START), now, now=now, max_rows=2)
    )
    assert [deal.deal_id for deal in found] == [deal.deal_id for deal in book.deals]


def test_orders_have_a_page_size_too():
    peer = traded(replace(BARE, lists_page_size=3))
    answer = listed(peer, ProtoOAOrderListReq, ProtoOAOrderListRes)
    assert [order.orderId - 6_000_000 for order in answer.order] == [5, 4, 3]
    assert answer.hasMore


def test_borders_of_deals_are_inclusive_or_not():
    times = [START + 9_020 + 10_000 * place for place in range(5)]
    window = {"fromTimestamp": times[1], "toTimestamp": times[3]}
    answer = listed(traded(), ProtoOADealListReq, ProtoOADealListRes, **window)
    assert deal_ids(answer) == [4, 3, 2]
    peer = traded(replace(BARE, list_borders_inclusive=False))
    answer = listed(peer, ProtoOADealListReq, ProtoOADealListRes, **window)
    assert deal_ids(answer) == [3, 2]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (ProtoOADealListReq, {}),
        (ProtoOAOrderListReq, {}),
        (ProtoOADealListByPositionIdReq, {"positionId": 5_000_001}),
        (ProtoOAOrderListByPositionIdReq, {"positionId": 5_000_001}),
    ],
)
@pytest.mark.parametrize(
    ("start", "end"), [(START + 1, START), (-1, START), (START, 2_147_483_646_001)]
)
def test_borders_that_no_server_takes(kind: Any, more: dict[str, int], start: int, end: int):
    peer = traded(positions=1)
    answer = listed(peer, kind, ProtoOAErrorRes, fromTimestamp=start, toTimestamp=end, **more)
    assert answer.errorCode == "INCORRECT_BOUNDARIES"


LISTS = [
    (ProtoOADealListReq, ProtoOADealListRes),
    (ProtoOAOrderListReq, ProtoOAOrderListRes),
]


@pytest.mark.parametrize(("kind", "answer"), LISTS)
def test_window_of_an_account_list_may_be_limited(kind: Any, answer: Any):
    window = {"fromTimestamp": START, "toTimestamp": START + WEEK + 1}
    assert not listed(traded(positions=1), kind, answer, **window).hasMore
    peer = traded(replace(BARE, lists_window=WEEK), positions=1)
    assert listed(peer, kind, ProtoOAErrorRes, **window).errorCode == "INCORRECT_BOUNDARIES"


@pytest.mark.parametrize(("kind", "answer"), LISTS)
def test_list_without_a_beginning_goes_a_week_back(kind: Any, answer: Any):
    peer = traded(replace(BARE, heartbeat_interval=1e9), positions=1)
    done = START + 9_020
    rows = "deal" if kind is ProtoOADealListReq else "order"
    inside = listed(peer, kind, answer, toTimestamp=done + WEEK)
    outside = listed(peer, kind, answer, toTimestamp=done + WEEK + 1)
    assert (len(getattr(inside, rows)), len(getattr(outside, rows))) == (1, 0)


def test_lists_of_a_position_have_no_longest_window():
    peer = traded(positions=2)
    window = {"positionId": 5_000_002, "fromTimestamp": 0, "toTimestamp": START + 10 * WEEK}
    deals = listed(peer, ProtoOADealListByPositionIdReq, ProtoOADealListByPositionIdRes, **window)
    assert deal_ids(deals) == [2]
    orders = listed(
        peer, ProtoOAOrderListByPositionIdReq, ProtoOAOrderListByPositionIdRes, **window
    )
    assert [order.positionId for order in orders.order] == [5_000_002]
    assert not deals.hasMore
    assert not orders.hasMore


def test_history_may_lag_behind_the_events():
    peer = traded(replace(BARE, history_lag=5.0), positions=2)
    assert deal_ids(listed(peer, ProtoOADealListReq, ProtoOADealListRes)) == [1]
    peer.run(5)
    assert deal_ids(listed(peer, ProtoOADealListReq, ProtoOADealListRes)) == [2, 1]


def test_what_is_open_may_lag_behind_the_events():
    peer = traded(replace(BARE, reconcile_lag=5.0), positions=1)
    perform(peer, order("LIMIT", limitPrice=1.0))

    def shown() -> tuple[int, int]:
        answer = listed(peer, ProtoOAReconcileReq, ProtoOAReconcileRes)
        return len(answer.position), len(answer.order)

    assert shown() == (0, 0)
    peer.run(5)
    assert shown() == (1, 1)


def test_order_details_name_the_order_and_its_deals():
    peer = traded(positions=2)
    answer = listed(peer, ProtoOAOrderDetailsReq, ProtoOAOrderDetailsRes, orderId=6_000_002)
    assert answer.order.orderId == 6_000_002
    assert deal_ids(answer) == [2]
    unknown = listed(peer, ProtoOAOrderDetailsReq, ProtoOAErrorRes, orderId=1)
    assert unknown.errorCode == "ORDER_NOT_FOUND"


def test_offsets_say_which_deal_closed_what():
    accounts = [replace(DEFAULT_ACCOUNTS[0], account_type=1)]
    peer = log_in(Peer(scripted_exchange(accounts=accounts)), USD_ACCOUNT)
    position = open_position(peer, volume=300_000)
    open_position(peer, volume=500_000)
    perform(peer, close(position, 400_000))
    perform(peer, close(position, 400_000))
    first, second, third, fourth = range(7_000_001, 7_000_005)

    def offsets(deal: int, name: str) -> list[tuple[int, int]]:
        answer = listed(peer, ProtoOADealOffsetListReq, ProtoOADealOffsetListRes, dealId=deal)
        return [(each.dealId, each.volume) for each in getattr(answer, name)]

    assert offsets(first, "offsetBy") == [(third, 300_000)]
    assert offsets(second, "offsetBy") == [(third, 100_000), (fourth, 400_000)]
    assert offsets(third, "offsetting") == [(first, 300_000), (second, 100_000)]
    assert offsets(fourth, "offsetting") == [(second, 400_000)]
    assert not offsets(first, "offsetting")
    assert not offsets(third, "offsetBy")
    answer = listed(peer, ProtoOADealOffsetListReq, ProtoOADealOffsetListRes, dealId=first)
    assert answer.offsetBy[0] == ProtoOADealOffset(
        dealId=third, volume=300_000, executionTimestamp=START + 2020, executionPrice=1.12567
    )
    unknown = listed(peer, ProtoOADealOffsetListReq, ProtoOAErrorRes, dealId=1)
    assert unknown.errorCode == "ENTITY_NOT_FOUND"


# The stream of profits


def streaming(switches: Switches, account: int = USD_ACCOUNT) -> Peer:
    exchange = scripted_exchange(
        (
            (0, 110_000, 110_000),
            (5, 110_010, 110_010),
            (6, 110_010, 110_020),
            (7, 110_020, 110_020),
        ),
        switches=switches,
    )
    return log_in(Peer(exchange), account)


SERVED = replace(BARE, v1_pnl_stream=True)


def test_profit_stream_is_unknown_to_most_servers():
    peer = streaming(BARE)
    for kind in (ProtoOAv1PnLChangeSubscribeReq, ProtoOAv1PnLChangeUnSubscribeReq):
        assert listed(peer, kind, ProtoOAErrorRes).errorCode == "UNSUPPORTED_MESSAGE"


def test_profit_stream_may_be_met_with_silence():
    peer = streaming(replace(BARE, v1_pnl_stream="silent"))
    peer.received()
    peer.send(ProtoOAv1PnLChangeSubscribeReq(ctidTraderAccountId=USD_ACCOUNT), "x")
    peer.send(ProtoOAv1PnLChangeUnSubscribeReq(ctidTraderAccountId=USD_ACCOUNT), "y")
    peer.run(10)
    assert not peer.received()


def test_profit_stream_tells_each_change_of_the_total():
    peer = streaming(SERVED)
    open_position(peer)
    listed(peer, ProtoOAv1PnLChangeSubscribeReq, ProtoOAv1PnLChangeSubscribeRes)
    peer.run(8)
    events = peer.messages(ProtoOAv1PnLChangeEvent)
    # The change of the ask alone changes nothing for a long position.
    assert [(each.grossUnrealizedPnL, each.netUnrealizedPnL) for each in events] == [
        (0, -250),
        (1000, 750),
        (2000, 1750),
    ]
    assert {each.moneyDigits for each in events} == {2}


def test_profit_is_nothing_once_all_is_closed():
    peer = streaming(SERVED)
    position = open_position(peer)
    listed(peer, ProtoOAv1PnLChangeSubscribeReq, ProtoOAv1PnLChangeSubscribeRes)
    peer.run(1)
    peer.received()
    peer.send(close(position, 10_000_000))
    peer.run(1)
    (event,) = peer.messages(ProtoOAv1PnLChangeEvent)
    assert (event.grossUnrealizedPnL, event.netUnrealizedPnL) == (0, 0)


def test_profit_stream_can_be_left_once():
    peer = streaming(SERVED)
    open_position(peer)
    not_there = listed(peer, ProtoOAv1PnLChangeUnSubscribeReq, ProtoOAErrorRes)
    assert not_there.errorCode == "NOT_SUBSCRIBED_TO_PNL"
    listed(peer, ProtoOAv1PnLChangeSubscribeReq, ProtoOAv1PnLChangeSubscribeRes)
    again = listed(peer, ProtoOAv1PnLChangeSubscribeReq, ProtoOAErrorRes)
    assert again.errorCode == "ALREADY_SUBSCRIBED"
    listed(peer, ProtoOAv1PnLChangeUnSubscribeReq, ProtoOAv1PnLChangeUnSubscribeRes)
    peer.run(10)
    assert not peer.messages(ProtoOAv1PnLChangeEvent)


def test_profit_stream_ends_with_the_accounts_session():
    peer = streaming(SERVED)
    open_position(peer)
    listed(peer, ProtoOAv1PnLChangeSubscribeReq, ProtoOAv1PnLChangeSubscribeRes)
    peer.exchange.disconnect_account(USD_ACCOUNT)
    peer.run(10)
    assert not peer.messages(ProtoOAv1PnLChangeEvent)
    assert not peer.exchange.floor.life.profits.is_wanted(peer.exchange.books[USD_ACCOUNT])


def test_question_without_a_price_is_no_order_error():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    answer = listed(peer, ProtoOAExpectedMarginReq, ProtoOAErrorRes, symbolId=6, volume=[100_000])
    assert answer.errorCode == "NO_QUOTES"
