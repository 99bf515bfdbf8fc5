"""Messages as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.message import Message

from ctrader.errors import ProtocolError, UnexpectedResponseError
from ctrader.operations import raw
from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAMarginCall,
    ProtoOAMarginCallUpdateReq,
    ProtoOAMarginCallUpdateRes,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import RESPONSE_BY_REQUEST
from ctrader.protocol.commands import Call, Completion, Priority
from tests.operations.peer import converse, order, question


def new_order(order_type: str) -> ProtoOANewOrderReq:
    return ProtoOANewOrderReq(
        ctidTraderAccountId=7,
        symbolId=1,
        orderType=ProtoOAOrderType.Value(order_type),
        tradeSide="BUY",
        volume=100,
    )


def test_request_without_an_account() -> None:
    answer = ProtoOAVersionRes(version="90")

    result = converse(
        raw.send_request(ProtoOAVersionReq()),
        (question(ProtoOAVersionReq(), account_id=None), answer),
    )

    assert result is answer


def test_request_of_an_account_waits_for_its_authentication() -> None:
    request = ProtoOATraderReq(ctidTraderAccountId=7)
    answer = ProtoOATraderRes(ctidTraderAccountId=7)

    result = converse(
        raw.request(request, ProtoOATraderRes), (question(request, account_id=7), answer)
    )

    assert result is answer


def test_any_message_is_a_response_type() -> None:
    answer = ProtoOAVersionRes(version="90")
    expected = Call(ProtoOAVersionReq(), Message)

    assert converse(raw.request(ProtoOAVersionReq(), Message), (expected, answer)) is answer


@pytest.mark.parametrize(
    ("request_", "answer", "account_id"),
    [
        (
            ProtoOAAccountAuthReq(ctidTraderAccountId=7, accessToken="x"),
            ProtoOAAccountAuthRes(ctidTraderAccountId=7),
            None,
        ),
        (
            ProtoOAAccountLogoutReq(ctidTraderAccountId=7),
            ProtoOAAccountLogoutRes(ctidTraderAccountId=7),
            7,
        ),
        (
            ProtoOAApplicationAuthReq(clientId="a", clientSecret="b"),
            ProtoOAApplicationAuthRes(),
            None,
        ),
        (
            ProtoOAMarginCallUpdateReq(
                ctidTraderAccountId=7,
                marginCall=ProtoOAMarginCall(
                    marginCallType="MARGIN_LEVEL_THRESHOLD_1", marginLevelThreshold=1
                ),
            ),
            ProtoOAMarginCallUpdateRes(),
            7,
        ),
        (ProtoOARefreshTokenReq(refreshToken="x"), ProtoOARefreshTokenRes(), None),
    ],
)
def test_request_with_effects_is_never_sent_again(
    request_: Message, answer: Message, account_id: int | None
) -> None:
    expected = Call(
        request_, RESPONSE_BY_REQUEST[type(request_)], resend=False, account_id=account_id
    )

    assert converse(raw.send_request(request_), (expected, answer)) is answer


@pytest.mark.parametrize(
    ("request_", "completion"),
    [
        (new_order("MARKET"), Completion.FILLED),
        (new_order("MARKET_RANGE"), Completion.FILLED),
        (new_order("LIMIT"), Completion.ACCEPTED),
        (new_order("STOP"), Completion.ACCEPTED),
        (new_order("STOP_LIMIT"), Completion.ACCEPTED),
        (ProtoOAAmendOrderReq(ctidTraderAccountId=7, orderId=1), Completion.REPLACED),
        (ProtoOACancelOrderReq(ctidTraderAccountId=7, orderId=1), Completion.CANCELLED),
        (ProtoOAAmendPositionSLTPReq(ctidTraderAccountId=7, positionId=1), Completion.PROTECTED),
        (ProtoOAClosePositionReq(ctidTraderAccountId=7, positionId=1), Completion.FILLED),
    ],
)
def test_trading_request_follows_the_rules_of_trading(
    request_: Message, completion: Completion
) -> None:
    answer = ProtoOAExecutionEvent(ctidTraderAccountId=7, executionType="ORDER_FILLED")
    # Protobuf is given as it came.
    turn = (replace(order(request_, completion), fills_in_digits=False), answer)

    assert converse(raw.send_request(request_), turn) is answer
    assert converse(raw.request(request_, ProtoOAExecutionEvent), turn) is answer


def test_wrong_response_type_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UnexpectedResponseError) as caught:
        converse(raw.request(ProtoOAVersionReq(), ProtoOATraderRes))

    assert caught.value.expected == "ProtoOATraderRes"
    assert caught.value.received == "ProtoOAVersionRes"
    assert caught.value.request_type == "ProtoOAVersionReq"


def test_message_that_nothing_answers_is_no_request() -> None:
    with pytest.raises(ProtocolError, match=r"ProtoHeartbeatEvent is no request.*use send\(\)"):
        converse(raw.send_request(ProtoHeartbeatEvent()))


def test_send_is_done_when_the_transport_takes_it() -> None:
    expected = Call(ProtoHeartbeatEvent(), completion=Completion.SENT, resend=False)

    converse(raw.send(ProtoHeartbeatEvent()), (expected, None))


def test_trading_request_sent_without_waiting_goes_now_or_not_at_all() -> None:
    request = new_order("MARKET")
    expected = Call(
        request,
        completion=Completion.SENT,
        priority=Priority.TRADING,
        resend=False,
        account_id=7,
    )

    converse(raw.send(request), (expected, None))


def test_version_of_the_server() -> None:
    answer = ProtoOAVersionRes(version="90")

    version = converse(raw.get_version(), (question(ProtoOAVersionReq(), account_id=None), answer))

    assert version == "90"
