"""Switches about access, requests and lists: the default, and the other setting."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccessRights,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOANewOrderReq,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderType,
    ProtoOAQuoteType,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOASwapCalculationType,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.envelope import HEARTBEAT_FRAME, encode_message
from ctrader.simulator.accounts.money import conversion_fee_of
from ctrader.simulator.catalogue import DEFAULT_CATALOGUE
from ctrader.simulator.desks.oauth import HttpRequest, answer
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.switches import Switches
from tests.simulator.peer import (
    BARE,
    EUR_ACCOUNT,
    SECOND,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
)
from tests.simulator.trades import close, open_position, perform, trader_of

HOUR = 3_600_000
BUY = ProtoOANewOrderReq(
    ctidTraderAccountId=USD_ACCOUNT,
    symbolId=1,
    orderType=ProtoOAOrderType.MARKET,
    tradeSide=ProtoOATradeSide.BUY,
    volume=100_000,
)


def exchange_with(speed: float = 1.0, **switches: Any) -> Exchange:
    return scripted_exchange(switches=replace(BARE, **switches), speed=speed)


def peer_with(speed: float = 1.0, **switches: Any) -> Peer:
    return log_in(Peer(exchange_with(speed, **switches)), USD_ACCOUNT)


def code(peer: Peer, request: Any) -> str:
    return peer.ask(request, ProtoOAErrorRes).errorCode


def kinds(peer: Peer) -> list[type]:
    return [type(each.message) for each in peer.received()]


# Access


@pytest.mark.parametrize("told", ["TRADING_NOT_ALLOWED", "CH_ACCESS_TOKEN_INVALID"])
def test_code_of_trading_with_a_token_that_may_only_read(told: str):
    exchange = exchange_with(view_scope_code=told)
    assert code(log_in(Peer(exchange), USD_ACCOUNT, client=1), BUY) == told


@pytest.mark.parametrize("needed", [True, False])
def test_version_is_told_to_strangers_only_by_switch(needed: bool):
    peer = Peer(exchange_with(version_needs_authentication=needed))
    if needed:
        assert code(peer, ProtoOAVersionReq()) == "CH_CLIENT_NOT_AUTHENTICATED"
    else:
        assert peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes).version == "90"
    request = ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)
    assert code(peer, request) == "CH_CLIENT_NOT_AUTHENTICATED"


@pytest.mark.parametrize("closes", [True, False])
def test_connection_beyond_the_limit_may_end(closes: bool):
    exchange = exchange_with(connections_limit=1, connections_limit_closes=closes)
    log_in(Peer(exchange))
    second = Peer(exchange)
    request = ProtoOAApplicationAuthReq(clientId="sim-client-id", clientSecret="sim-client-secret")
    assert code(second, request) == "CONNECTIONS_LIMIT_EXCEEDED"
    assert second.session.is_closed == closes


@pytest.mark.parametrize("closes", [True, False])
def test_maintenance_may_end_all_connections(closes: bool):
    peer = peer_with(maintenance_closes=closes)
    peer.exchange.script.begin_maintenance(60)
    assert peer.session.is_closed == closes
    if not closes:
        request = ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)
        assert code(peer, request) == "SERVER_IS_UNDER_MAINTENANCE"


def test_withdrawn_grant_ends_sessions_whatever_a_refresh_does():
    peer = peer_with(refresh_ends_sessions=False)
    exchange = peer.exchange
    request = ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)
    refresh = ProtoOARefreshTokenReq(refreshToken=exchange.grants.grants[0].refresh_token)
    peer.ask(refresh, ProtoOARefreshTokenRes)
    peer.ask(request, ProtoOATraderRes)
    # The session goes on under its old token, and is authorised anew with the new one.
    token = exchange.grants.grants[0].access_token
    peer.ask(
        ProtoOAAccountAuthReq(ctidTraderAccountId=USD_ACCOUNT, accessToken=token),
        ProtoOAAccountAuthRes,
    )
    exchange.script.revoke_token()
    assert kinds(peer) == [ProtoOAAccountsTokenInvalidatedEvent, ProtoOAAccountDisconnectEvent]
    assert code(peer, request) == "INVALID_REQUEST"


def test_account_without_the_right_to_log_in_is_not_authorised():
    exchange = exchange_with()
    peer = log_in(Peer(exchange))
    exchange.script.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.NO_LOGIN)
    token = exchange.grants.grants[0].access_token
    request = ProtoOAAccountAuthReq(ctidTraderAccountId=USD_ACCOUNT, accessToken=token)
    assert code(peer, request) == "RET_ACCOUNT_DISABLED"
    exchange.script.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.NO_TRADING)
    peer.ask(request, ProtoOAAccountAuthRes)


def test_deleted_account_ends_with_its_sessions_and_is_gone():
    exchange = exchange_with()
    peer = log_in(Peer(exchange), USD_ACCOUNT, EUR_ACCOUNT)
    exchange.script.delete_account(USD_ACCOUNT)
    event, end = (each.message for each in peer.received())
    assert isinstance(event, ProtoOAAccountsTokenInvalidatedEvent)
    assert list(event.ctidTraderAccountIds) == [USD_ACCOUNT]
    assert isinstance(end, ProtoOAAccountDisconnectEvent)
    token = exchange.grants.grants[0].access_token
    request = ProtoOAAccountAuthReq(ctidTraderAccountId=USD_ACCOUNT, accessToken=token)
    assert code(peer, request) == "RET_NO_SUCH_LOGIN"
    peer.ask(ProtoOATraderReq(ctidTraderAccountId=EUR_ACCOUNT), ProtoOATraderRes)
    with pytest.raises(KeyError):
        exchange.script.delete_account(4711)


@pytest.mark.parametrize(("life", "works"), [(60, True), (5, False)])
def test_life_of_authorisation_codes(life: int, works: bool):
    exchange = exchange_with(authorisation_code_life=life, oauth_code_refusal="CODE_GONE")
    granted = exchange.grants.issue_code(
        "sim-client-id", "http://x/", scope=1, unix_now=exchange.unix_now()
    )
    exchange.advance(5 * SECOND)
    told = answer(
        exchange,
        HttpRequest(
            "GET",
            "/apps/token?grant_type=authorization_code&client_id=sim-client-id"
            f"&client_secret=sim-client-secret&redirect_uri=http://x/&code={granted}",
        ),
    )
    assert (b"CODE_GONE" in told.body) != works


# Frames


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_frame_that_is_too_long_ends_the_connection_or_is_passed_over(closes: bool, piece: int):
    peer = peer_with(frame_too_long_closes=closes, max_frame_length=100)
    frame = encode_message(ProtoOAVersionReq(), "v")
    data = frame + bytes(4) + (300).to_bytes(4, "big") + b"x" * 300 + frame
    for start in range(0, len(data), piece):
        peer.send_bytes(data[start : start + piece])
    first, error, *rest = (each.message for each in peer.received())
    assert isinstance(first, ProtoOAVersionRes)
    assert isinstance(error, ProtoErrorRes)
    assert error.errorCode == "FRAME_TOO_LONG"
    assert [type(each) for each in rest] == ([] if closes else [ProtoOAVersionRes])
    assert peer.session.is_closed == closes


# Market


@pytest.mark.parametrize("told", ["NOT_SUBSCRIBED_TO_SPOTS", "INVALID_REQUEST"])
def test_code_of_unsubscribing_what_is_not_subscribed(told: str):
    request = ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1])
    assert code(peer_with(unknown_subscription_code=told), request) == told


@pytest.mark.parametrize("window", [604_800_000, HOUR])
def test_longest_window_of_ticks(window: int):
    peer = peer_with(ticks_window=window)
    request = ProtoOAGetTickDataReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        type=ProtoOAQuoteType.BID,
        fromTimestamp=START - window,
        toTimestamp=START,
    )
    peer.ask(request, ProtoOAGetTickDataRes)
    request.fromTimestamp -= 1
    assert code(peer, request) == "INCORRECT_BOUNDARIES"


@pytest.mark.parametrize("sent", [True, False])
def test_deprecated_timestamp_of_bars(sent: bool):
    peer = peer_with(bars_answer_timestamp=sent)
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        period=ProtoOATrendbarPeriod.M1,
        fromTimestamp=START - HOUR,
        toTimestamp=START,
    )
    assert peer.ask(request, ProtoOAGetTrendbarsRes).HasField("timestamp") == sent


# Accounts


@pytest.mark.parametrize("told", [True, False])
def test_account_is_told_anew_after_its_terms_changed(told: bool):
    peer = peer_with(trader_updated_after_terms=told)
    peer.exchange.script.change_account(USD_ACCOUNT, leverage=50)
    assert len(peer.messages(ProtoOATraderUpdatedEvent)) == told
    asked = ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)
    assert peer.ask(asked, ProtoOATraderRes).trader.leverageInCents == 5_000


@pytest.mark.parametrize(("window", "works"), [(None, True), (HOUR, False)])
def test_longest_window_of_lists(window: int | None, works: bool):
    peer = peer_with(lists_window=window)
    request = ProtoOADealListReq(
        ctidTraderAccountId=USD_ACCOUNT, fromTimestamp=START - HOUR - 1, toTimestamp=START
    )
    if works:
        peer.ask(request, ProtoOADealListRes)
    else:
        assert code(peer, request) == "INCORRECT_BOUNDARIES"


@pytest.mark.parametrize(("span", "found"), [(604_800_000, 1), (1_000, 0)])
def test_beginning_of_a_list_that_names_none(span: int, found: int):
    peer = peer_with(lists_span=span)
    open_position(peer, "BUY")
    peer.run(60)
    answered = peer.ask(ProtoOADealListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOADealListRes)
    assert len(answered.deal) == found


@pytest.mark.parametrize("window", [604_800_000, HOUR])
def test_longest_window_of_deposits(window: int):
    peer = peer_with(cash_flow_window=window)
    request = ProtoOACashFlowHistoryListReq(
        ctidTraderAccountId=USD_ACCOUNT, fromTimestamp=START - window, toTimestamp=START
    )
    peer.ask(request, ProtoOACashFlowHistoryListRes)
    request.fromTimestamp -= 1
    assert code(peer, request) == "INCORRECT_BOUNDARIES"


@pytest.mark.parametrize(("days", "expected"), [(360, -313), (365, -308)])
def test_days_of_a_year_for_swaps_in_percent(days: int, expected: int):
    peer = peer_with(3600.0, swap_days_of_year=days, heartbeat_interval=0)
    peer.exchange.change_symbol(
        1, swap_long=-1.0, swap_time=22 * 60, swap_type=ProtoOASwapCalculationType.PERCENTAGE
    )
    open_position(peer, "BUY")
    peer.run(36)
    swaps = [
        each.position.swap
        for each in peer.messages(ProtoOAExecutionEvent)
        if each.executionType == ProtoOAExecutionType.SWAP
    ]
    assert swaps == [expected]


# Heartbeats and envelopes


@pytest.mark.parametrize("answered", [False, True])
def test_heartbeat_is_answered_only_by_switch(answered: bool):
    peer = peer_with(heartbeats_answered=answered)
    peer.received()
    peer.send_bytes(HEARTBEAT_FRAME * 2)
    assert kinds(peer) == [ProtoHeartbeatEvent] * (2 if answered else 0)


def test_answered_heartbeat_is_no_silence():
    peer = peer_with(heartbeats_answered=True, heartbeat_interval=30)
    peer.run(20)
    peer.send_bytes(HEARTBEAT_FRAME)
    peer.received()
    peer.run(29)
    assert kinds(peer) == []
    peer.run(1)
    assert kinds(peer) == [ProtoHeartbeatEvent]


@pytest.mark.parametrize("needed", [False, True])
def test_heartbeat_of_a_stranger_is_refused_only_by_switch(needed: bool):
    peer = Peer(exchange_with(heartbeats_need_authentication=needed))
    peer.send_bytes(HEARTBEAT_FRAME)
    told = peer.messages(ProtoOAErrorRes)
    assert [each.errorCode for each in told] == ["CH_CLIENT_NOT_AUTHENTICATED"] * needed
    log_in(peer)
    peer.send_bytes(HEARTBEAT_FRAME)
    assert kinds(peer) == []


@pytest.mark.parametrize("written", [True, False])
def test_payload_of_messages_without_content(written: bool):
    peer = Peer(exchange_with(write_empty_payload=written))
    request = ProtoOAApplicationAuthReq(clientId="sim-client-id", clientSecret="sim-client-secret")
    peer.send(request, "a1")
    golden = "0000000908b51012001a026131" if written else "0000000708b5101a026131"
    assert peer.session.data_to_send().hex() == golden
    peer.send(request)
    assert len(peer.messages(ProtoOAErrorRes)) == 1  # what has content has its payload
    peer.run(30)
    assert peer.session.data_to_send().hex() == ("0000000408331200" if written else "000000020833")


@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_answers_keep_the_order_of_their_requests_or_pass_each_other(spread: float):
    peer = Peer(exchange_with(answer_spread=spread))
    peer.send(
        ProtoOAApplicationAuthReq(clientId="sim-client-id", clientSecret="sim-client-secret"),
    )
    peer.received()  # without an id an answer is never late
    ids = [f"v{number}" for number in range(20)]
    for each in ids:
        peer.send(ProtoOAVersionReq(), each)
    at_once = [each.client_msg_id or "" for each in peer.received()]
    peer.run(2)
    late = [each.client_msg_id or "" for each in peer.received()]
    assert sorted(at_once + late) == sorted(ids)
    assert (at_once == ids) == (spread == 0.0)
    assert (late == sorted(late, key=ids.index)) == (spread == 0.0)


def test_late_answer_of_an_account_that_ends_meanwhile_is_a_refusal():
    exchange = exchange_with(answer_spread=2.0)
    peer = Peer(exchange)
    grant = exchange.grants.grants[0]
    peer.send(ProtoOAApplicationAuthReq(clientId="sim-client-id", clientSecret="sim-client-secret"))
    peer.send(
        ProtoOAAccountAuthReq(ctidTraderAccountId=USD_ACCOUNT, accessToken=grant.access_token)
    )
    peer.received()
    peer.send(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), "t")
    exchange.script.disconnect_account(USD_ACCOUNT)
    peer.run(2)
    told = [each for each in peer.received() if each.client_msg_id == "t"]
    assert [type(each.message) for each in told] == [ProtoOAErrorRes]


def test_spread_leaves_the_two_frames_of_an_order_alone():
    exchange = exchange_with(answer_spread=5.0)
    peer = Peer(exchange)
    grant = exchange.grants.grants[0]
    peer.send(ProtoOAApplicationAuthReq(clientId="sim-client-id", clientSecret="sim-client-secret"))
    peer.send(
        ProtoOAAccountAuthReq(ctidTraderAccountId=USD_ACCOUNT, accessToken=grant.access_token)
    )
    peer.received()
    peer.send(BUY, "o")
    peer.run(1)
    events = peer.messages(ProtoOAExecutionEvent)
    assert [each.executionType for each in events] == [
        ProtoOAExecutionType.ORDER_ACCEPTED,
        ProtoOAExecutionType.ORDER_FILLED,
    ]


# Rates


def asked_at_once(peer: Peer, request: Any, number: int = 60) -> int:
    """Return how many of many requests were answered."""
    for _ in range(number):
        peer.send(request)
    return number - len(peer.messages(ProtoOAErrorRes))


@pytest.mark.parametrize(("burst", "answered"), [(None, 10), (3, 3), (25, 25)])
def test_requests_that_may_come_at_once(burst: int | None, answered: int):
    peer = log_in(Peer(exchange_with(rate_limit=10, rate_burst=burst)), USD_ACCOUNT)
    peer.run(60)
    assert asked_at_once(peer, ProtoOAVersionReq()) == answered
    peer.run(2)  # whatever may come at once, so many fill up again in a second
    refilled = min(answered, 20)
    assert asked_at_once(peer, ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)) == refilled


@pytest.mark.parametrize(("burst", "answered"), [(None, 5), (2, 2), (8, 8)])
def test_historical_requests_that_may_come_at_once(burst: int | None, answered: int):
    exchange = exchange_with(historical_rate_limit=5, historical_rate_burst=burst)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.run(60)
    request = ProtoOADealListReq(ctidTraderAccountId=USD_ACCOUNT)
    assert asked_at_once(peer, request, 20) == answered


@pytest.mark.parametrize("text", ["Request rate exceeded", "429"])
def test_text_of_a_refusal_by_rate(text: str):
    peer = peer_with(historical_rate_limit=1, rate_limit_text=text)
    request = ProtoOADealListReq(ctidTraderAccountId=USD_ACCOUNT)
    peer.ask(request, ProtoOADealListRes)
    assert peer.ask(request, ProtoOAErrorRes).description == text


# Windows


@pytest.mark.parametrize(("ends", "found"), [("now", 1), ("window", 0)])
def test_end_of_bars_that_name_none(ends: str, found: int):
    window = 3_024_000_000  # of one-minute bars
    peer = peer_with(bars_without_end=ends)
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        period=ProtoOATrendbarPeriod.M1,
        fromTimestamp=START - window - HOUR,
    )
    assert len(peer.ask(request, ProtoOAGetTrendbarsRes).trendbar) == found
    request.fromTimestamp = START - HOUR
    assert len(peer.ask(request, ProtoOAGetTrendbarsRes).trendbar) == 1
    request.ClearField("fromTimestamp")
    assert len(peer.ask(request, ProtoOAGetTrendbarsRes).trendbar) == 1


@pytest.mark.parametrize(("span", "found"), [(None, 1), (1_000, 0)])
def test_beginning_of_a_list_of_one_position_that_names_none(span: int | None, found: int):
    peer = peer_with(position_lists_span=span)
    position = open_position(peer, "BUY")
    peer.run(60)
    deals = ProtoOADealListByPositionIdReq(ctidTraderAccountId=USD_ACCOUNT, positionId=position)
    orders = ProtoOAOrderListByPositionIdReq(ctidTraderAccountId=USD_ACCOUNT, positionId=position)
    assert len(peer.ask(deals, ProtoOADealListByPositionIdRes).deal) == found
    assert len(peer.ask(orders, ProtoOAOrderListByPositionIdRes).order) == found
    deals.fromTimestamp = 0
    assert len(peer.ask(deals, ProtoOADealListByPositionIdRes).deal) == 1


# Money


def closed(peer: Peer, *, at: int, volume: int, account: int = USD_ACCOUNT) -> Any:
    """Buy at 1.12569, sell at another bid, and return how that was settled."""
    position = open_position(peer, "BUY", volume, account=account)
    peer.exchange.set_price(1, at, at + 2)
    events = perform(peer, close(position, volume, account=account))
    return next(each.deal for each in events if each.HasField("deal")).closePositionDetail


@pytest.mark.parametrize(
    ("rounding", "gross"), [("half_away", 3), ("half_even", 2), ("towards_zero", 2)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_rounding_of_money(rounding: str, gross: int, sign: int):
    peer = peer_with(money_rounding=rounding)
    peer.exchange.change_symbol(1, step_volume=50_000)
    # A point on 2,500 euros is 2.5 cents.
    assert closed(peer, at=112_569 + sign, volume=250_000).grossProfit == sign * gross


@pytest.mark.parametrize("gain", [20, -20])
@pytest.mark.parametrize(("losses", "share"), [("charged", 1), ("none", 0), ("credited", -1)])
def test_conversion_fee_of_a_loss(losses: str, share: int, gain: int):
    peer = Peer(exchange_with(conversion_fee_of_losses=losses))
    log_in(peer, EUR_ACCOUNT)
    peer.exchange.change_symbol(1, conversion_fee_rate=100)
    detail = closed(peer, at=112_569 + gain, volume=10_000_000, account=EUR_ACCOUNT)
    size = -(-abs(detail.grossProfit) // 100)  # one percent, rounded up
    assert size > 10
    assert detail.pnlConversionFee == -size * (share if gain < 0 else 1)


@pytest.mark.parametrize(
    ("rounding", "fee"),
    [("up", -19), ("half_away", -18), ("half_even", -18), ("towards_zero", -18)],
)
def test_rounding_of_the_conversion_fee(rounding: str, fee: int):
    symbol = replace(DEFAULT_CATALOGUE.symbol_named("EURUSD"), conversion_fee_rate=70)
    switches = Switches(conversion_fee_rounding=rounding)  # type: ignore[arg-type]  # one of them
    assert conversion_fee_of(symbol, -2621, 5, switches) == fee


@pytest.mark.parametrize("refused", [None, "INVALID_REQUEST"])
def test_conversion_of_an_asset_to_itself(refused: str | None):
    peer = peer_with(same_asset_chain_code=refused)
    request = ProtoOASymbolsForConversionReq(
        ctidTraderAccountId=USD_ACCOUNT, firstAssetId=5, lastAssetId=5
    )
    if refused is None:
        assert list(peer.ask(request, ProtoOASymbolsForConversionRes).symbol) == []
    else:
        assert code(peer, request) == refused
    request.lastAssetId = 15
    assert len(peer.ask(request, ProtoOASymbolsForConversionRes).symbol) == 1


@pytest.mark.parametrize("told", [False, True])
def test_account_is_told_anew_after_a_closing(told: bool):
    peer = peer_with(trader_updated_after_closing=told)
    position = open_position(peer, "BUY")
    peer.exchange.deposit(USD_ACCOUNT, Decimal(5))
    peer.run(1)
    peer.received()
    peer.send(close(position, 4_000_000))
    peer.run(1)
    balances = [each.trader.balance for each in peer.messages(ProtoOATraderUpdatedEvent)]
    assert balances == [trader_of(peer).balance] * told
    peer.send(close(position, 6_000_000))
    peer.run(1)
    assert len(peer.messages(ProtoOATraderUpdatedEvent)) == told
    peer.exchange.deposit(USD_ACCOUNT, Decimal(5))
    peer.run(1)
    assert len(peer.messages(ProtoOATraderUpdatedEvent)) == 1  # a deposit is told once
