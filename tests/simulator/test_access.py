"""Who gets in, how bytes leave, and what the broker does to its connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOACancelOrderReq,
    ProtoOAClientDisconnectEvent,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOASymbolsListReq,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATradeSide,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.envelope import encode_message
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.serialising import UNKNOWN_ENUM_NUMBER
from ctrader.simulator.switches import Switches
from tests.simulator.peer import (
    BARE,
    EUR_ACCOUNT,
    LIVE_ACCOUNT,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
)

LIMIT = ProtoOANewOrderReq(
    ctidTraderAccountId=USD_ACCOUNT,
    symbolId=1,
    orderType=ProtoOAOrderType.LIMIT,
    tradeSide=ProtoOATradeSide.BUY,
    volume=100_000,
    limitPrice=1.1,
)
TRADER = ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)
DEALS = ProtoOADealListReq(ctidTraderAccountId=USD_ACCOUNT)
BUY = ProtoOANewOrderReq(
    ctidTraderAccountId=USD_ACCOUNT,
    symbolId=1,
    orderType=ProtoOAOrderType.MARKET,
    tradeSide=ProtoOATradeSide.BUY,
    volume=100_000,
)


def kinds(peer: Peer) -> list[type]:
    return [type(each.message) for each in peer.received()]


def code(peer: Peer, request: object) -> str:
    return peer.ask(request, ProtoOAErrorRes).errorCode  # type: ignore[arg-type]  # any request


def pair(switches: Switches = BARE) -> tuple[Peer, Peer]:
    """Connect twice to one broker, with the dollar account on both."""
    exchange = scripted_exchange(switches=switches)
    return log_in(Peer(exchange), USD_ACCOUNT), log_in(Peer(exchange), USD_ACCOUNT)


# Bytes


def test_dribbled_bytes_leave_piece_by_piece():
    plain = Peer(scripted_exchange())
    plain.send(ProtoOAVersionReq(), "x")
    whole = plain.session.data_to_send()
    peer = Peer(scripted_exchange(switches=replace(BARE, dribble_bytes=3, dribble_interval=0.5)))
    peer.send(ProtoOAVersionReq(), "x")
    pieces = [peer.session.data_to_send()]
    while sum(map(len, pieces)) < len(whole):
        due = peer.session.next_deadline()
        assert due is not None
        assert due == len(pieces) * 500_000_000
        peer.session.handle_timer(due)
        pieces.append(peer.session.data_to_send())
    assert b"".join(pieces) == whole
    assert {len(piece) for piece in pieces[:-1]} == {3}


def test_glued_frames_leave_as_one_piece():
    peer = Peer(scripted_exchange(switches=replace(BARE, glue_interval=0.1)))
    peer.send(ProtoOAVersionReq(), "a")
    peer.send(ProtoOAVersionReq(), "b")
    assert peer.session.data_to_send() == b""
    assert peer.session.next_deadline() == 100_000_000
    peer.run(0.1)
    assert [each.client_msg_id for each in peer.received()] == ["a", "b"]


def test_frames_held_back_leave_before_the_end():
    peer = Peer(scripted_exchange(switches=replace(BARE, glue_interval=10, max_frame_length=100)))
    peer.send_bytes((101).to_bytes(4, "big"))
    assert [each.errorCode for each in peer.messages(ProtoErrorRes)] == ["FRAME_TOO_LONG"]


# Accounts


def test_same_account_on_several_connections_disturbs_nobody():
    first, second = pair()
    first.ask(TRADER, ProtoOATraderRes)
    second.ask(TRADER, ProtoOATraderRes)
    assert kinds(first) == []


def test_demo_and_live_listeners_share_one_store():
    exchange = scripted_exchange()
    demo, live = Peer(exchange), Peer(exchange, is_live=True)
    log_in(demo, USD_ACCOUNT)
    log_in(live, LIVE_ACCOUNT)
    assert code(log_in(Peer(exchange)), account_auth(exchange, LIVE_ACCOUNT)) == (
        "CANT_ROUTE_REQUEST"
    )
    # One token serves both: its refresh on one ends the sessions on the other.
    refresh = exchange.grants.grants[0].refresh_token
    demo.ask(ProtoOARefreshTokenReq(refreshToken=refresh), ProtoOARefreshTokenRes)
    (event,) = live.messages(ProtoOAAccountsTokenInvalidatedEvent)
    assert list(event.ctidTraderAccountIds) == [LIVE_ACCOUNT]


def account_auth(exchange: Exchange, account_id: int) -> ProtoOAAccountAuthReq:
    token = exchange.grants.grants[0].access_token
    return ProtoOAAccountAuthReq(ctidTraderAccountId=account_id, accessToken=token)


def test_connections_of_one_program_are_limited_on_demand():
    exchange = scripted_exchange(switches=replace(BARE, connections_limit=1))
    first = log_in(Peer(exchange))
    second = Peer(exchange)
    request = ProtoOAApplicationAuthReq(clientId="sim-client-id", clientSecret="sim-client-secret")
    assert code(second, request) == "CONNECTIONS_LIMIT_EXCEEDED"
    first.session.connection_lost(exchange.now)
    log_in(second)


def test_everything_is_forgotten_when_a_connection_ends():
    ticks = [(0, 112567, 112569), (1, 112570, 112572), (2, 112580, 112582)]
    exchange = scripted_exchange(ticks)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    subscribe = ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1])
    peer.ask(subscribe, ProtoOASubscribeSpotsRes)
    peer.session.connection_lost(exchange.now)
    again = Peer(exchange)
    assert code(again, TRADER) == "CH_CLIENT_NOT_AUTHENTICATED"
    log_in(again)
    assert code(again, TRADER) == "INVALID_REQUEST"
    again.ask(account_auth(exchange, USD_ACCOUNT), ProtoOAAccountAuthRes)
    again.run(1.5)
    assert again.messages(ProtoOASpotEvent) == []
    # Subscribing again is no duplicate, and what was missed is not sent again.
    again.send(subscribe, "s")
    assert [each.bid for each in again.messages(ProtoOASpotEvent)] == [112570]


# Tokens


def test_revoked_token_ends_its_sessions_and_both_tokens():
    first, second = pair()
    first.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]), "s")
    first.received()
    grant = first.exchange.grants.grants[0]
    first.exchange.script.revoke_token(grant.access_token)
    for peer in (first, second):
        assert kinds(peer) == [ProtoOAAccountsTokenInvalidatedEvent, ProtoOAAccountDisconnectEvent]
        assert code(peer, TRADER) == "INVALID_REQUEST"
    old = ProtoOAAccountAuthReq(ctidTraderAccountId=USD_ACCOUNT, accessToken=grant.access_token)
    assert code(first, old) == "CH_ACCESS_TOKEN_INVALID"
    refresh = ProtoOARefreshTokenReq(refreshToken=grant.refresh_token)
    assert code(first, refresh) == "CH_ACCESS_TOKEN_INVALID"
    with pytest.raises(KeyError):
        first.exchange.script.revoke_token(grant.access_token)


def test_answer_under_way_is_refused_when_its_session_ends():
    first, second = pair()
    script = first.exchange.script
    script.next_answer(ProtoOATraderReq).delay(5)
    script.next_answer(ProtoOAVersionReq).delay(1)
    first.send(TRADER, "late")
    first.send(ProtoOAVersionReq(), "no account's")
    refresh = first.exchange.grants.grants[0].refresh_token
    second.ask(ProtoOARefreshTokenReq(refreshToken=refresh), ProtoOARefreshTokenRes)
    first.run(10)
    frames = first.received()
    assert [(each.client_msg_id, type(each.message)) for each in frames] == [
        (None, ProtoOAAccountsTokenInvalidatedEvent),
        (None, ProtoOAAccountDisconnectEvent),
        ("late", ProtoOAErrorRes),
        ("no account's", ProtoOAVersionRes),
    ]


# Ends


def test_scripted_disconnection_of_an_account_leaves_the_others():
    exchange = scripted_exchange()
    peer = log_in(Peer(exchange), USD_ACCOUNT, EUR_ACCOUNT)
    exchange.script.disconnect_account(USD_ACCOUNT)
    (event,) = peer.messages(ProtoOAAccountDisconnectEvent)
    assert event.ctidTraderAccountId == USD_ACCOUNT
    assert code(peer, TRADER) == "INVALID_REQUEST"
    peer.ask(ProtoOATraderReq(ctidTraderAccountId=EUR_ACCOUNT), ProtoOATraderRes)
    peer.ask(account_auth(exchange, USD_ACCOUNT), ProtoOAAccountAuthRes)


def test_scripted_disconnection_of_the_program_leaves_the_socket():
    first, second = pair()
    first.exchange.script.disconnect_client("Application was suspended")
    for peer in (first, second):
        (event,) = peer.messages(ProtoOAClientDisconnectEvent)
        assert event.reason == "Application was suspended"
        assert code(peer, ProtoOAVersionReq()) == "CH_CLIENT_NOT_AUTHENTICATED"
        assert not peer.session.is_closed
    log_in(first, USD_ACCOUNT)
    first.ask(TRADER, ProtoOATraderRes)


def test_cut_connection_loses_what_waits_and_closed_one_does_not():
    first, second = pair()
    script = first.exchange.script
    first.send(ProtoOAVersionReq(), "1")
    second.send(ProtoOAVersionReq(), "2")
    script.cut(first.session.number)
    script.close(second.session.number)
    assert (first.session.is_closed, first.session.is_reset) == (True, True)
    assert (second.session.is_closed, second.session.is_reset) == (True, False)
    assert kinds(first) == []
    assert kinds(second) == [ProtoOAVersionRes]
    assert script.connections == []


def test_silent_connection_stays_open_and_the_server_forgets_it():
    switches = replace(BARE, idle_timeout=30)
    first, second = pair(switches)
    first.exchange.script.fall_silent(first.session.number)
    first.send(ProtoOAVersionReq(), "1")
    event = ProtoOASpotEvent(ctidTraderAccountId=USD_ACCOUNT, symbolId=1)
    first.exchange.publish(USD_ACCOUNT, event, None)
    assert kinds(first) == []
    second.ask(ProtoOAVersionReq(), ProtoOAVersionRes)
    first.run(31)
    assert not first.session.is_closed
    assert first.session.next_deadline() is None
    assert first.exchange.script.connections == [second.session.number]
    assert first.session.accounts == {}


# Rates


def test_blocked_type_does_not_block_another_connection():
    exchange = Exchange(unix_ms=START)
    first, second = log_in(Peer(exchange), USD_ACCOUNT), log_in(Peer(exchange), USD_ACCOUNT)
    for _ in range(5):
        first.ask(DEALS, ProtoOADealListRes)
    assert code(first, DEALS) == "BLOCKED_PAYLOAD_TYPE"
    second.ask(DEALS, ProtoOADealListRes)


def test_rate_refusal_can_have_the_other_code():
    switches = Switches(rate_limit=1, rate_limit_code="REQUEST_FREQUENCY_EXCEEDED")
    peer = log_in(Peer(Exchange(unix_ms=START, switches=switches)), USD_ACCOUNT)
    peer.ask(TRADER, ProtoOATraderRes)
    assert code(peer, TRADER) == "REQUEST_FREQUENCY_EXCEEDED"


def test_drained_long_quota_outlasts_its_retry_after_and_the_connection():
    switches = Switches(historical_quota=8, historical_quota_window=300, idle_timeout=0)
    exchange = Exchange(unix_ms=START, switches=switches)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    for _ in range(8):
        peer.ask(DEALS, ProtoOADealListRes)
        peer.run(1)
    for _ in range(3):
        answer = peer.ask(DEALS, ProtoOAErrorRes)
        assert (answer.errorCode, answer.retryAfter) == ("BLOCKED_PAYLOAD_TYPE", 1)
        peer.run(answer.retryAfter)
    peer.ask(TRADER, ProtoOATraderRes)
    peer.session.connection_lost(exchange.now)
    again = log_in(Peer(exchange), USD_ACCOUNT)
    assert code(again, DEALS) == "BLOCKED_PAYLOAD_TYPE"
    again.run(289)
    again.ask(DEALS, ProtoOADealListRes)
    assert code(again, DEALS) == "BLOCKED_PAYLOAD_TYPE"


# Maintenance


def test_maintenance_refuses_every_request_until_its_end():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.exchange.script.begin_maintenance(60)
    answer = peer.ask(TRADER, ProtoOAErrorRes)
    assert answer.errorCode == "SERVER_IS_UNDER_MAINTENANCE"
    assert answer.maintenanceEndTimestamp == START // 1000 + 60
    other = Peer(peer.exchange)
    assert code(other, ProtoOAVersionReq()) == "SERVER_IS_UNDER_MAINTENANCE"
    peer.run(60)
    peer.ask(TRADER, ProtoOATraderRes)


def test_common_error_tells_the_end_of_maintenance_in_milliseconds():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.exchange.script.begin_maintenance(60, frame="common")
    answer = peer.ask(TRADER, ProtoErrorRes)
    assert answer.errorCode == "SERVER_IS_UNDER_MAINTENANCE"
    assert answer.maintenanceEndTimestamp == START + 60_000
    peer.exchange.script.end_maintenance()
    peer.ask(TRADER, ProtoOATraderRes)


def test_maintenance_may_route_nothing_and_take_no_connection():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.exchange.script.begin_maintenance(60, code="CANT_ROUTE_REQUEST", accepts_connections=False)
    answer = peer.ask(TRADER, ProtoOAErrorRes)
    assert answer.errorCode == "CANT_ROUTE_REQUEST"
    assert not answer.HasField("maintenanceEndTimestamp")
    assert Peer(peer.exchange).session.is_closed
    peer.run(60)
    assert not Peer(peer.exchange).session.is_closed


# What no schema knows


def test_error_codes_may_be_any_string():
    switches = replace(BARE, renamed_error_codes={"SYMBOL_NOT_FOUND": "NO_SUCH_THING", "*": "?"})
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    subscribe = ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[999])
    assert code(peer, subscribe) == "NO_SUCH_THING"
    assert code(peer, ProtoOATraderReq(ctidTraderAccountId=5)) == "?"


def test_error_codes_of_events_and_of_the_frame_may_be_any_string():
    switches = replace(BARE, renamed_error_codes={"MARKET_CLOSED": "SHUT", "*": "MARKET_CLOSED"})
    peer, other = pair(switches)
    peer.exchange.floor.script_rejection("MARKET_CLOSED", account_id=USD_ACCOUNT)
    peer.send(BUY, "order")
    peer.run(1)
    for each in peer, other:
        codes = [event.errorCode for event in each.messages(ProtoOAExecutionEvent)]
        assert codes == ["", "SHUT"]
    peer.send_bytes(b"\x00\x00\x00\x03\xff\xff\xff")
    (refused,) = peer.messages(ProtoErrorRes)
    assert refused.errorCode == "MARKET_CLOSED"


@pytest.mark.parametrize("known", [True, False])
def test_order_errors_go_to_every_connection_of_the_account(known: bool):
    peer, other = pair(replace(BARE, foreign_client_msg_ids=known))
    stranger = log_in(Peer(peer.exchange), EUR_ACCOUNT)
    peer.send(ProtoOACancelOrderReq(ctidTraderAccountId=USD_ACCOUNT, orderId=77), "cancel")
    told = peer.received()
    assert [each.client_msg_id for each in told] == ["cancel"]
    assert isinstance(told[0].message, ProtoOAOrderErrorEvent)
    assert other.received() == [("cancel" if known else None, told[0].message)]
    assert stranger.received() == []


@pytest.mark.parametrize("fields", ["ProtoOATrader.accountType", "*"])
def test_enum_values_outside_the_schema_read_as_absent(fields: str):
    switches = replace(BARE, unknown_enum_fields=frozenset({fields}))
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    trader = peer.ask(TRADER, ProtoOATraderRes).trader
    assert not trader.HasField("accountType")
    assert trader.HasField("accessRights") == (fields != "*")
    assert trader.balance == 10_000_000


def test_unknown_number_stands_in_repeated_messages_too():
    switches = replace(BARE, unknown_enum_fields=frozenset({"ProtoOAOrder.timeInForce"}))
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    peer.send(LIMIT, "limit")
    peer.session.data_to_send()
    peer.send(ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT), "state")
    data = peer.session.data_to_send()
    assert b"\x8f\x4e" in data  # 9999 as the wire writes it
    assert UNKNOWN_ENUM_NUMBER == 9_999
    peer.session.inject(data)
    (answer,) = peer.messages(ProtoOAReconcileRes)
    assert [each.HasField("timeInForce") for each in answer.order] == [False]


# Determinism


def test_same_seed_gives_the_same_bytes():
    def play(seed: int) -> bytes:
        exchange = Exchange(seed=seed, unix_ms=START, switches=Switches(idle_timeout=0))
        peer = log_in(Peer(exchange), USD_ACCOUNT)
        for request in (
            ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1, 41]),
            BUY,
            ProtoOASymbolsListReq(ctidTraderAccountId=USD_ACCOUNT),
            ProtoOARefreshTokenReq(refreshToken=exchange.grants.grants[0].refresh_token),
        ):
            peer.session.receive_data(encode_message(request, "x"), exchange.now)
            peer.run(20)
        return peer.session.data_to_send()

    assert play(3) == play(3)
    assert play(3) != play(4)


# Another terminal


def ids(peer: Peer) -> list[str | None]:
    return [
        each.client_msg_id
        for each in peer.received()
        if isinstance(each.message, ProtoOAExecutionEvent)
    ]


def test_another_terminal_trades_before_the_eyes_of_every_connection():
    first, second = pair()
    terminal = first.exchange.script.terminal(USD_ACCOUNT)
    terminal.buy("EURUSD", 200_000)
    first.run(1)
    (position,) = terminal.positions
    assert ids(first) == ids(second) == ["terminal-1", "terminal-1"]
    terminal.close(position, 100_000)
    first.run(1)
    terminal.close(position)
    first.run(1)
    assert terminal.positions == []
    assert set(ids(second)) == {"terminal-2", "terminal-3"}


def test_another_terminal_cancels_an_order_of_a_client():
    first, _ = pair()
    first.send(LIMIT, "mine")
    terminal = first.exchange.script.terminal(USD_ACCOUNT)
    (order,) = terminal.orders
    terminal.cancel(order)
    assert ids(first) == ["mine", "terminal-1"]
    assert terminal.orders == []
    with pytest.raises(Refusal, match="ORDER_NOT_FOUND"):
        terminal.cancel(order)


@pytest.mark.parametrize(
    ("act", "own", "others"),
    [
        (lambda peer: peer.exchange.script.terminal(USD_ACCOUNT).sell(1, 100_000), {None}, {None}),
        (lambda peer: peer.send(BUY, "mine"), {"mine"}, {None}),
    ],
)
def test_foreign_ids_can_be_left_out(
    act: Callable[[Peer], None], own: set[str | None], others: set[str | None]
):
    first, second = pair(replace(BARE, foreign_client_msg_ids=False))
    act(first)
    first.run(1)
    assert set(ids(first)) == own
    assert set(ids(second)) == others
