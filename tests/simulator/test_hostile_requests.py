"""Requests that no honest client sends: each is refused, and nobody else is hurt."""

from __future__ import annotations

import pytest

from ctrader.proto import (
    ProtoOAClosePositionReq,
    ProtoOAErrorRes,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderType,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOATradeSide,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.envelope import encode_envelope
from tests.simulator.peer import (
    EUR_ACCOUNT,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
    with_fields,
)


def order(account: int = USD_ACCOUNT, **fields: object) -> ProtoOANewOrderReq:
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=account,
        symbolId=1,
        orderType=ProtoOAOrderType.MARKET,
        tradeSide=ProtoOATradeSide.BUY,
        volume=100_000,
    )
    return with_fields(request, **fields)


@pytest.mark.parametrize("number", [13, 16, 18])  # comment, label, clientOrderId
def test_text_that_is_no_utf8_is_refused(number: int):
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    tag = number << 3 | 2
    head = bytes((tag,)) if tag < 128 else bytes((tag & 127 | 128, tag >> 7))
    payload = order().SerializeToString() + head + b"\x02\xff\xfe"
    peer.send_bytes(encode_envelope(PAYLOAD_TYPE_BY_MESSAGE[ProtoOANewOrderReq], payload, "x"))
    assert [each.errorCode for each in peer.messages(ProtoOAErrorRes)] == ["INVALID_REQUEST"]
    peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes)


def test_expected_margin_beyond_any_integer_is_refused():
    bitcoin = ((0, 6_000_000_000, 6_000_100_000),)
    peer = log_in(Peer(scripted_exchange(bitcoin, symbol_id=1001)), USD_ACCOUNT)
    request = ProtoOAExpectedMarginReq(
        ctidTraderAccountId=USD_ACCOUNT, symbolId=1001, volume=[2**63 - 1]
    )
    assert peer.ask(request, ProtoOAErrorRes).errorCode == "TRADING_BAD_VOLUME"
    del request.volume[:]
    request.volume.append(1)
    peer.ask(request, ProtoOAExpectedMarginRes)


def test_stop_loss_below_zero_is_refused():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    refused = peer.ask(order(relativeStopLoss=112_570), ProtoOAOrderErrorEvent)
    assert (refused.errorCode, refused.description) == (
        "TRADING_BAD_STOPS",
        "Protection can't be negative",
    )
    short = order(tradeSide=ProtoOATradeSide.SELL, relativeTakeProfit=200_000)
    assert peer.ask(short, ProtoOAOrderErrorEvent).errorCode == "TRADING_BAD_STOPS"
    pending = order(orderType=ProtoOAOrderType.LIMIT, limitPrice=1.1, relativeStopLoss=110_000)
    assert peer.ask(pending, ProtoOAOrderErrorEvent).errorCode == "TRADING_BAD_STOPS"


def test_profit_that_cannot_be_converted_is_refused_before_the_order_is_taken():
    exchange = scripted_exchange(others={4: ((0, 15_000_000, 15_000_300),)})
    peer = log_in(Peer(exchange), EUR_ACCOUNT)
    # There is no price of EURJPY, so what USDJPY earns could never be booked in euros.
    refused = peer.ask(order(EUR_ACCOUNT, symbolId=4), ProtoOAErrorRes)
    assert refused.errorCode == "NO_QUOTES"
    peer.run(1)
    assert peer.received() == []
    unknown = ProtoOAClosePositionReq(
        ctidTraderAccountId=EUR_ACCOUNT, positionId=5_000_001, volume=100_000
    )
    assert peer.ask(unknown, ProtoOAOrderErrorEvent).errorCode == "POSITION_NOT_FOUND"


def test_refresh_token_of_another_program_is_worthless_and_not_spent():
    exchange = scripted_exchange()
    thief, owner = log_in(Peer(exchange), client=1), log_in(Peer(exchange), USD_ACCOUNT)
    request = ProtoOARefreshTokenReq(refreshToken=exchange.grants.grants[0].refresh_token)
    assert thief.ask(request, ProtoOAErrorRes).errorCode == "CH_ACCESS_TOKEN_INVALID"
    assert owner.received() == []
    owner.ask(request, ProtoOARefreshTokenRes)
