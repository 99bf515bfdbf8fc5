"""One connection: authentication, tokens, limits, liveness and what is no good request."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAAssetClassListReq,
    ProtoOAAssetClassListRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAErrorRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetCtidProfileByTokenRes,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetDynamicLeverageByIDRes,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASwapCalculationType,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolCategoryListRes,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATradeSide,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.envelope import HEARTBEAT_FRAME, encode_envelope, encode_message
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS, DEFAULT_APPLICATIONS, ApplicationSpec
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.switches import Switches
from tests.simulator.peer import (
    BARE,
    EUR_ACCOUNT,
    LIVE_ACCOUNT,
    SECOND,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
)


def new_peer(switches: Switches | None = None, *, is_live: bool = False) -> Peer:
    return Peer(Exchange(unix_ms=START, switches=switches), is_live=is_live)


def refusal(peer: Peer, request: object) -> str:
    return peer.ask(request, ProtoOAErrorRes).errorCode  # type: ignore[arg-type]  # any request


def app_auth(peer: Peer, client: str = "sim-client-id", secret: str = "sim-client-secret"):
    return ProtoOAApplicationAuthReq(clientId=client, clientSecret=secret)


def token_of(peer: Peer, client: int = 0) -> str:
    return peer.exchange.grants.grants[client].access_token


def account_auth(peer: Peer, account: int = USD_ACCOUNT, token: str | None = None):
    return ProtoOAAccountAuthReq(
        ctidTraderAccountId=account, accessToken=token_of(peer) if token is None else token
    )


# Authentication


def test_everything_but_heartbeats_needs_application_authentication():
    peer = new_peer()
    peer.send_bytes(HEARTBEAT_FRAME)
    assert peer.received() == []
    assert refusal(peer, ProtoOAVersionReq()) == "CH_CLIENT_NOT_AUTHENTICATED"
    assert refusal(peer, account_auth(peer)) == "CH_CLIENT_NOT_AUTHENTICATED"
    peer.ask(app_auth(peer), ProtoOAApplicationAuthRes)
    assert peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes).version == "90"


def test_application_authentication_is_refused_with_the_real_codes():
    peer = new_peer()
    assert refusal(peer, app_auth(peer, client="nobody")) == "CH_OA_CLIENT_NOT_FOUND"
    assert refusal(peer, app_auth(peer, secret="wrong")) == "CH_CLIENT_AUTH_FAILURE"
    peer.ask(app_auth(peer), ProtoOAApplicationAuthRes)
    assert refusal(peer, app_auth(peer)) == "CH_CLIENT_ALREADY_AUTHENTICATED"


def test_account_authentication_is_refused_with_the_real_codes():
    peer = log_in(new_peer())
    assert refusal(peer, account_auth(peer, token="wrong")) == "CH_ACCESS_TOKEN_INVALID"
    assert refusal(peer, account_auth(peer, 17_091_452)) == "CH_CTID_TRADER_ACCOUNT_NOT_FOUND"
    assert refusal(peer, account_auth(peer, LIVE_ACCOUNT)) == "CANT_ROUTE_REQUEST"
    peer.ask(account_auth(peer), ProtoOAAccountAuthRes)
    assert refusal(peer, account_auth(peer)) == "ALREADY_LOGGED_IN"
    foreign = token_of(peer, 1)
    assert refusal(peer, account_auth(peer, EUR_ACCOUNT, foreign)) == "CH_ACCESS_TOKEN_INVALID"


def test_live_listener_serves_live_accounts_only():
    peer = log_in(new_peer(is_live=True), LIVE_ACCOUNT)
    assert refusal(peer, account_auth(peer)) == "CANT_ROUTE_REQUEST"


def test_expired_token_is_refused():
    peer = log_in(new_peer(Switches(token_life=3600, idle_timeout=0)))
    peer.run(3600)
    assert refusal(peer, account_auth(peer)) == "CH_ACCESS_TOKEN_INVALID"


def test_account_list_mixes_live_and_demo():
    peer = log_in(new_peer())
    answer = peer.ask(
        ProtoOAGetAccountListByAccessTokenReq(accessToken=token_of(peer)),
        ProtoOAGetAccountListByAccessTokenRes,
    )
    assert answer.accessToken == token_of(peer)
    assert answer.permissionScope == 1
    assert [(each.traderLogin, each.isLive) for each in answer.ctidTraderAccount] == [
        (17_091_452, False),
        (17_091_453, False),
        (17_091_454, False),
        (27_091_455, True),
    ]
    profile = peer.ask(
        ProtoOAGetCtidProfileByTokenReq(accessToken=token_of(peer)), ProtoOAGetCtidProfileByTokenRes
    )
    assert profile.profile.userId == 1


def test_request_for_an_account_that_is_not_authorised_is_refused():
    peer = log_in(new_peer())
    answer = peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAErrorRes)
    assert (answer.errorCode, answer.description) == (
        "INVALID_REQUEST",
        "Trading account is not authorized",
    )
    assert answer.ctidTraderAccountId == USD_ACCOUNT
    peer = log_in(new_peer(Switches(unauthorised_account_code="ACCOUNT_NOT_AUTHORIZED")))
    assert refusal(peer, ProtoOATraderReq(ctidTraderAccountId=1)) == "ACCOUNT_NOT_AUTHORIZED"


def test_view_scope_may_read_but_not_trade():
    peer = log_in(new_peer(), USD_ACCOUNT, client=1)
    peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes)
    order = ProtoOANewOrderReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        orderType=ProtoOAOrderType.MARKET,
        tradeSide=ProtoOATradeSide.BUY,
        volume=100_000,
    )
    assert refusal(peer, order) == "TRADING_NOT_ALLOWED"


def test_logout_is_followed_by_the_disconnect_event():
    peer = log_in(new_peer(), USD_ACCOUNT)
    peer.send(ProtoOAAccountLogoutReq(ctidTraderAccountId=USD_ACCOUNT), "out")
    assert [(each.client_msg_id, type(each.message)) for each in peer.received()] == [
        ("out", ProtoOAAccountLogoutRes),
        (None, ProtoOAAccountDisconnectEvent),
    ]
    assert refusal(peer, ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)) == "INVALID_REQUEST"


# Tokens


def test_refresh_rotates_both_tokens_and_ends_every_session_with_the_old_one():
    exchange = Exchange(unix_ms=START)
    peer, other = Peer(exchange), Peer(exchange)
    log_in(peer, USD_ACCOUNT, EUR_ACCOUNT)
    log_in(other, USD_ACCOUNT)
    old = exchange.grants.grants[0].access_token
    spent = exchange.grants.grants[0].refresh_token
    peer.received()
    other.received()
    peer.send(ProtoOARefreshTokenReq(refreshToken=spent), "r1")
    frames = peer.received()
    assert [type(each.message) for each in frames] == [
        ProtoOARefreshTokenRes,
        ProtoOAAccountsTokenInvalidatedEvent,
        ProtoOAAccountDisconnectEvent,
        ProtoOAAccountDisconnectEvent,
    ]
    answer, invalidated = frames[0].message, frames[1].message
    assert isinstance(answer, ProtoOARefreshTokenRes)
    assert isinstance(invalidated, ProtoOAAccountsTokenInvalidatedEvent)
    assert (answer.tokenType, answer.expiresIn) == ("bearer", 2_628_000)
    assert answer.accessToken != old
    assert list(invalidated.ctidTraderAccountIds) == [USD_ACCOUNT, EUR_ACCOUNT]
    assert [type(each.message) for each in other.received()] == [
        ProtoOAAccountsTokenInvalidatedEvent,
        ProtoOAAccountDisconnectEvent,
    ]
    assert refusal(peer, account_auth(peer, token=old)) == "CH_ACCESS_TOKEN_INVALID"
    assert refusal(peer, ProtoOARefreshTokenReq(refreshToken=spent)) == "CH_ACCESS_TOKEN_INVALID"
    peer.ask(account_auth(peer, token=answer.accessToken), ProtoOAAccountAuthRes)
    peer.ask(ProtoOARefreshTokenReq(refreshToken=answer.refreshToken), ProtoOARefreshTokenRes)


def test_session_that_outlives_a_refresh_takes_the_new_token():
    peer = log_in(new_peer(Switches(refresh_ends_sessions=False)), USD_ACCOUNT)
    for _ in range(2):
        refresh = peer.exchange.grants.grants[0].refresh_token
        answer = peer.ask(ProtoOARefreshTokenReq(refreshToken=refresh), ProtoOARefreshTokenRes)
        # Its accounts are named each time: the session knows which token it lives by.
        peer.ask(account_auth(peer, token=answer.accessToken), ProtoOAAccountAuthRes)
        assert refusal(peer, account_auth(peer)) == "ALREADY_LOGGED_IN"
        assert peer.session.accounts_of_token(answer.accessToken) == [USD_ACCOUNT]


def test_same_seed_gives_the_same_tokens():
    assert token_of(new_peer()) == token_of(new_peer())
    assert Exchange(seed=2).grants.grants[0].access_token != token_of(new_peer())


# Liveness


def test_server_sends_a_heartbeat_after_thirty_silent_seconds():
    peer = new_peer(Switches(idle_timeout=0))
    peer.run(29.9)
    assert peer.received() == []
    peer.run(0.1)
    assert [type(each.message) for each in peer.received()] == [ProtoHeartbeatEvent]
    peer.run(60)
    assert len(peer.received()) == 2


def test_silent_client_is_cut_and_a_heartbeat_prevents_it():
    peer = new_peer()
    peer.run(29)
    peer.send_bytes(HEARTBEAT_FRAME)
    peer.run(29)
    assert not peer.session.is_closed
    peer.run(1)
    assert peer.session.close_reason == "idle"
    assert peer.session.next_deadline() is None


# Rates


def test_fifty_requests_a_second_then_the_payload_type_is_blocked():
    peer = log_in(new_peer(), USD_ACCOUNT)
    request = ProtoOAAssetListReq(ctidTraderAccountId=USD_ACCOUNT)
    for number in range(51):
        peer.send(request, str(number))
    frames = peer.received()
    assert [type(each.message) for each in frames[:50]] == [ProtoOAAssetListRes] * 50
    last = frames[50].message
    assert isinstance(last, ProtoOAErrorRes)
    assert (last.errorCode, last.retryAfter) == ("BLOCKED_PAYLOAD_TYPE", 1)
    peer.run(0.5)
    assert refusal(peer, request) == "BLOCKED_PAYLOAD_TYPE"
    peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes)
    peer.run(0.5)
    peer.ask(request, ProtoOAAssetListRes)


def test_five_historical_requests_a_second():
    peer = log_in(new_peer(), USD_ACCOUNT)
    request = ProtoOADealListReq(ctidTraderAccountId=USD_ACCOUNT)
    for _ in range(5):
        peer.ask(request, ProtoOADealListRes)
    assert refusal(peer, request) == "BLOCKED_PAYLOAD_TYPE"
    peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes)


# Bad requests


def test_missing_required_fields_are_named():
    peer = log_in(new_peer(), USD_ACCOUNT)
    peer.send_bytes(encode_envelope(2102, b"", "x"))
    (answer,) = peer.messages(ProtoOAErrorRes)
    assert answer.errorCode == "INVALID_REQUEST"
    assert answer.description == (
        "Message missing required fields: ctidTraderAccountId, accessToken"
    )


def test_what_is_not_served_is_unsupported():
    peer = log_in(new_peer(), USD_ACCOUNT)
    peer.send_bytes(encode_envelope(9999, b"", "x"))
    assert [each.errorCode for each in peer.messages(ProtoOAErrorRes)] == ["UNSUPPORTED_MESSAGE"]
    assert refusal(peer, ProtoOAVersionRes(version="1")) == "UNSUPPORTED_MESSAGE"


def test_garbage_is_refused_and_the_connection_stays():
    peer = log_in(new_peer())
    peer.send_bytes(b"\x00\x00\x00\x03\xff\xff\xff")
    assert [each.errorCode for each in peer.messages(ProtoErrorRes)] == ["INVALID_REQUEST"]
    peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes)
    peer.send_bytes(encode_envelope(2104, b"\xff", "x"))
    assert [each.errorCode for each in peer.messages(ProtoOAErrorRes)] == ["INVALID_REQUEST"]


def test_answer_over_the_limit_is_an_error_and_nobody_else_feels_it():
    peer = new_peer()
    giant = "x" * (15_000_000 - 20)
    peer.send_bytes(encode_envelope(2104, b"", giant))  # a frame that fits, just
    (refused,) = peer.received()
    assert refused.client_msg_id is None  # which is what does not fit
    assert isinstance(refused.message, ProtoErrorRes)
    assert refused.message.errorCode == "FRAME_TOO_LONG"
    log_in(peer, USD_ACCOUNT)
    unknown = range(100_000, 1_900_000)
    peer.send(ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=unknown), "many")
    (refused,) = peer.received()
    assert refused.client_msg_id == "many"
    assert isinstance(refused.message, ProtoErrorRes)
    assert refused.message.errorCode == "FRAME_TOO_LONG"
    peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes)


def test_frame_over_the_limit_ends_the_connection():
    peer = new_peer()
    peer.send_bytes((15_000_001).to_bytes(4, "big"))
    assert [each.errorCode for each in peer.messages(ProtoErrorRes)] == ["FRAME_TOO_LONG"]
    assert peer.session.is_closed


def test_answers_carry_the_id_of_the_request_or_none():
    peer = new_peer()
    peer.send(app_auth(peer))
    peer.send(ProtoOAVersionReq(), "x" * 100)
    assert [each.client_msg_id for each in peer.received()] == [None, "x" * 100]


def test_inner_payload_type_is_written_on_demand():
    peer = log_in(new_peer(Switches(write_inner_payload_type=True)))
    assert peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes).HasField("payloadType")
    peer = log_in(new_peer())
    assert not peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes).HasField("payloadType")


@given(st.lists(st.integers(1, 40), max_size=40))
def test_any_split_of_the_bytes_gives_the_same_answers(cuts: list[int]):
    def run(pieces: list[int]) -> bytes:
        peer = Peer(scripted_exchange(switches=BARE))
        data = encode_message(app_auth(peer), "a") + encode_message(account_auth(peer), "b")
        data += encode_message(
            ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]), "c"
        )
        for size in pieces:
            peer.send_bytes(data[:size])
            data = data[size:]
        peer.send_bytes(data)
        return peer.session.data_to_send()

    assert run(cuts) == run([])


@given(st.binary(max_size=300))
def test_random_bytes_never_raise(data: bytes):
    peer = new_peer()
    peer.send_bytes(data)
    peer.send_bytes(len(data).to_bytes(4, "big") + data)
    peer.exchange.advance(peer.exchange.now + SECOND)


# Reference data


def test_symbols_come_light_then_full_and_archived_on_demand():
    peer = log_in(new_peer(), USD_ACCOUNT)
    light = peer.ask(ProtoOASymbolsListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOASymbolsListRes)
    names = {each.symbolName: each.symbolId for each in light.symbol}
    assert {"EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "US500", "BTCUSD"} <= set(names)
    assert names["EURUSD"] == 1
    assert 270 in names.values()
    assert len(light.archivedSymbol) == 0
    everything = peer.ask(
        ProtoOASymbolsListReq(ctidTraderAccountId=USD_ACCOUNT, includeArchivedSymbols=True),
        ProtoOASymbolsListRes,
    )
    assert len(everything.archivedSymbol) == 1
    full = peer.ask(
        ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1, 77, 999]),
        ProtoOASymbolByIdRes,
    )
    assert [each.symbolId for each in full.archivedSymbol] == [77]
    (eurusd,) = full.symbol
    assert (eurusd.digits, eurusd.pipPosition, eurusd.lotSize) == (5, 4, 10_000_000)
    assert (eurusd.minVolume, eurusd.stepVolume) == (100_000, 100_000)
    assert (eurusd.commissionType, eurusd.preciseTradingCommissionRate) == (2, 250_000_000)
    assert b"\xc8\x02\x01" in eurusd.SerializeToString()
    missing = ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[999])
    assert refusal(peer, missing) == "SYMBOL_NOT_FOUND"


def test_conversion_chain_walks_from_first_to_last():
    peer = log_in(new_peer(), USD_ACCOUNT)

    def chain(first: int, last: int) -> list[str]:
        answer = peer.ask(
            ProtoOASymbolsForConversionReq(
                ctidTraderAccountId=USD_ACCOUNT, firstAssetId=first, lastAssetId=last
            ),
            ProtoOASymbolsForConversionRes,
        )
        return [each.symbolName for each in answer.symbol]

    assert chain(15, 15) == []
    assert chain(5, 15) == ["EURUSD"]
    assert chain(7, 5) == ["USDCHF", "EURUSD"]
    assert chain(8, 5) == ["EURJPY"]


def test_trader_shows_balance_and_terms():
    peer = log_in(new_peer(), USD_ACCOUNT)
    trader = peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes).trader
    assert (trader.balance, trader.moneyDigits, trader.balanceVersion) == (10_000_000, 2, 1)
    assert (trader.leverageInCents, trader.traderLogin) == (10_000, 17_091_452)
    assert trader.SerializeToString().endswith(b"\xb8\x01\x04")


def test_trader_has_the_fields_that_real_servers_send():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    trader = peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes).trader
    assert {field.name for field, _ in trader.ListFields()} == {
        "accessRights",
        "accountType",
        "balance",
        "balanceVersion",
        "brokerName",
        "ctidTraderAccountId",
        "depositAssetId",
        "frenchRisk",
        "isLimitedRisk",
        "leverageInCents",
        "maxLeverage",
        "moneyDigits",
        "registrationTimestamp",
        "swapFree",
        "totalMarginCalculationType",
        "traderLogin",
    }


def test_symbols_have_the_fields_that_real_servers_send():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    request = ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1, 41, 270, 1001])
    found = {each.symbolId: each for each in peer.ask(request, ProtoOASymbolByIdRes).symbol}
    # As recorded: left out where it is the default, and the old rate of a percentage is the
    # precise one, while that of the other types has six decimals less.
    assert not found[1].HasField("swapCalculationType")
    assert found[270].swapCalculationType == ProtoOASwapCalculationType.POINTS
    assert (found[1].commission, found[1].preciseTradingCommissionRate) == (250, 250_000_000)
    assert (found[41].commission, found[41].preciseTradingCommissionRate) == (70, 70)


def test_other_reference_lists():
    peer = log_in(new_peer(), USD_ACCOUNT)
    assets = peer.ask(ProtoOAAssetListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAAssetListRes)
    digits = {each.name: each.digits for each in assets.asset}
    assert (digits["USD"], digits["JPY"], digits["BTC"]) == (2, 0, 8)
    classes = peer.ask(
        ProtoOAAssetClassListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAAssetClassListRes
    )
    categories = peer.ask(
        ProtoOASymbolCategoryListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOASymbolCategoryListRes
    )
    known = {each.id for each in classes.assetClass}
    assert {each.assetClassId for each in categories.symbolCategory} == known
    leverage = peer.ask(
        ProtoOAGetDynamicLeverageByIDReq(ctidTraderAccountId=USD_ACCOUNT, leverageId=2),
        ProtoOAGetDynamicLeverageByIDRes,
    ).leverage
    assert [(tier.volume, tier.leverage) for tier in leverage.tiers] == [
        (50_000_000, 20_000),
        (200_000_000, 10_000),
    ]
    unknown = ProtoOAGetDynamicLeverageByIDReq(ctidTraderAccountId=USD_ACCOUNT, leverageId=9)
    assert refusal(peer, unknown) == "ENTITY_NOT_FOUND"
    nowhere = ProtoOASymbolsForConversionReq(
        ctidTraderAccountId=USD_ACCOUNT, firstAssetId=5, lastAssetId=99
    )
    assert refusal(peer, nowhere) == "ENTITY_NOT_FOUND"
    none = ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT)
    assert refusal(peer, none) == "INVALID_REQUEST"


# Scripting


def test_account_session_is_ended_and_a_grant_revoked_by_script():
    peer = log_in(new_peer(), USD_ACCOUNT, EUR_ACCOUNT)
    peer.exchange.disconnect_account(USD_ACCOUNT)
    (event,) = peer.messages(ProtoOAAccountDisconnectEvent)
    assert event.ctidTraderAccountId == USD_ACCOUNT
    assert list(peer.session.accounts) == [EUR_ACCOUNT]
    token = token_of(peer)
    peer.exchange.revoke(peer.exchange.grants.grants[0])
    (invalidated,) = peer.messages(ProtoOAAccountsTokenInvalidatedEvent)
    assert list(invalidated.ctidTraderAccountIds) == [EUR_ACCOUNT]
    assert refusal(peer, account_auth(peer, token=token)) == "CH_ACCESS_TOKEN_INVALID"


def test_garbage_may_end_the_connection():
    peer = log_in(new_peer(Switches(close_on_garbage=True)))
    peer.send_bytes(b"\x00\x00\x00\x01\xff" + encode_message(ProtoOAVersionReq()))
    assert [type(each.message) for each in peer.received()] == [ProtoErrorRes]
    assert peer.session.is_closed
    peer.send(ProtoOAVersionReq())
    peer.session.send(ProtoOAVersionRes(version="1"))
    assert peer.received() == []


def test_disabled_account_and_inactive_program_are_refused():
    account = replace(DEFAULT_ACCOUNTS[0], enabled=False)
    programs = [
        *DEFAULT_APPLICATIONS,
        ApplicationSpec(client_id="new", client_secret="x", active=False),
    ]
    peer = Peer(Exchange(unix_ms=START, accounts=[account], applications=programs))
    assert refusal(peer, app_auth(peer, "new", "x")) == "CH_CLIENT_AUTH_FAILURE"
    log_in(peer)
    assert refusal(peer, account_auth(peer)) == "RET_ACCOUNT_DISABLED"
