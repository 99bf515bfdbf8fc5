"""Switches about access, requests and lists: the default, and the other setting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccessRights,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
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
    ProtoOAOrderType,
    ProtoOAQuoteType,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOASwapCalculationType,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOATradeSide,
    ProtoOATrendbarPeriod,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.envelope import encode_message
from ctrader.simulator.desks.oauth import HttpRequest, answer
from ctrader.simulator.exchange import Exchange
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
from tests.simulator.trades import open_position

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
