"""Which frame ends which request."""

from __future__ import annotations

import pytest

from ctrader.enums import ExecutionType
from ctrader.proto import (
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOASpotEvent,
    ProtoOASymbolsListRes,
    ProtoOATraderRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.commands import Call, Completion, Priority
from ctrader.protocol.completion import Verdict, judge
from ctrader.protocol.correlation import PendingCall

PROGRESS, DONE, REFUSED = Verdict.PROGRESS, Verdict.DONE, Verdict.REFUSED


def trading(completion: Completion) -> PendingCall:
    request = ProtoOANewOrderReq()
    return PendingCall(1, Call(request, completion=completion, priority=Priority.TRADING), request)


def reading(reply: type | None = ProtoOAVersionRes) -> PendingCall:
    request = ProtoOAVersionReq()
    return PendingCall(1, Call(request, reply), request)


def execution(kind: int) -> ProtoOAExecutionEvent:
    # Through the wire, so that a number of the future becomes what the parser makes of it.
    return ProtoOAExecutionEvent.FromString(bytes([0x10, 1, 0x18, kind]))


TABLE = {
    # A market order, a close: done at the fill.
    (Completion.FILLED, "ORDER_ACCEPTED"): PROGRESS,
    (Completion.FILLED, "ORDER_PARTIAL_FILL"): PROGRESS,
    (Completion.FILLED, "ORDER_FILLED"): DONE,
    (Completion.FILLED, "ORDER_CANCELLED"): DONE,
    (Completion.FILLED, "ORDER_EXPIRED"): DONE,
    (Completion.FILLED, "ORDER_REJECTED"): REFUSED,
    (Completion.FILLED, "ORDER_REPLACED"): PROGRESS,
    # A pending order: done once accepted; a later fill is an event.
    (Completion.ACCEPTED, "ORDER_ACCEPTED"): DONE,
    (Completion.ACCEPTED, "ORDER_FILLED"): DONE,
    (Completion.ACCEPTED, "ORDER_PARTIAL_FILL"): DONE,
    (Completion.ACCEPTED, "ORDER_CANCELLED"): DONE,
    (Completion.ACCEPTED, "ORDER_EXPIRED"): DONE,
    (Completion.ACCEPTED, "ORDER_REJECTED"): REFUSED,
    # An amendment.
    (Completion.REPLACED, "ORDER_REPLACED"): DONE,
    (Completion.REPLACED, "ORDER_ACCEPTED"): PROGRESS,
    (Completion.REPLACED, "ORDER_FILLED"): PROGRESS,
    (Completion.REPLACED, "ORDER_REJECTED"): REFUSED,
    # A cancellation, which may lose the race against a fill.
    (Completion.CANCELLED, "ORDER_CANCELLED"): DONE,
    (Completion.CANCELLED, "ORDER_CANCEL_REJECTED"): REFUSED,
    (Completion.CANCELLED, "ORDER_FILLED"): PROGRESS,
    # Stop loss and take profit: set for the first time, changed, or both removed.
    (Completion.PROTECTED, "ORDER_ACCEPTED"): DONE,
    (Completion.PROTECTED, "ORDER_REPLACED"): DONE,
    (Completion.PROTECTED, "ORDER_CANCELLED"): DONE,
    (Completion.PROTECTED, "ORDER_REJECTED"): REFUSED,
    (Completion.PROTECTED, "ORDER_FILLED"): PROGRESS,
    # Nothing that touches the balance says anything of an order.
    (Completion.FILLED, "SWAP"): PROGRESS,
    (Completion.ACCEPTED, "DEPOSIT_WITHDRAW"): PROGRESS,
}


@pytest.mark.parametrize("completion, kind", TABLE)
def test_execution_event_means_what_the_protocol_says(completion, kind):
    event = execution(ExecutionType[kind].value)
    assert judge(trading(completion), event) is TABLE[completion, kind]


@pytest.mark.parametrize(
    "completion", [c for c in Completion if c not in (Completion.REPLY, Completion.SENT)]
)
def test_unknown_execution_type_is_progress_only(completion):
    assert judge(trading(completion), execution(99)) is PROGRESS


def test_trading_request_is_not_ended_by_another_message():
    assert judge(trading(Completion.FILLED), ProtoOATraderRes()) is Verdict.UNEXPECTED
    assert judge(trading(Completion.ACCEPTED), ProtoOASpotEvent()) is Verdict.UNEXPECTED


def test_answer_ends_a_read():
    assert judge(reading(), ProtoOAVersionRes()) is DONE


def test_answer_of_another_type_is_unexpected():
    assert judge(reading(), ProtoOASymbolsListRes()) is Verdict.UNEXPECTED


def test_execution_event_with_the_id_of_a_read_is_progress():
    assert judge(reading(), execution(3)) is PROGRESS


def test_request_without_a_named_answer_takes_any():
    assert judge(reading(None), ProtoOASymbolsListRes()) is DONE
    assert judge(reading(None), execution(2)) is DONE
