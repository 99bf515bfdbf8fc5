"""No second holds too many requests, and the urgent ones go first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctrader.proto import (
    ProtoOADealListReq,
    ProtoOAGetTrendbarsReq,
    ProtoOANewOrderReq,
    ProtoOASymbolsListReq,
    ProtoOATraderReq,
)
from ctrader.proto.registry import NEW_ORDER_REQ, SYMBOLS_LIST_REQ
from ctrader.protocol.commands import Call, Priority
from ctrader.protocol.correlation import PendingCall
from ctrader.protocol.limiter import HISTORICAL_RATE, NORMAL_RATE, Lane, Outbox, lane_of
from ctrader.protocol.timers import Timer, TimerTable
from ctrader.units import DAY, MILLISECOND, SECOND

if TYPE_CHECKING:
    from google.protobuf.message import Message

T0 = 100 * SECOND


def pending(
    request: Message | None = None, *, priority: Priority = Priority.READ, call_id: int = 0
) -> PendingCall:
    message = ProtoOASymbolsListReq(ctidTraderAccountId=1) if request is None else request
    return PendingCall(call_id, Call(message, priority=priority), message)


def bars(priority: Priority = Priority.READ) -> PendingCall:
    return pending(ProtoOAGetTrendbarsReq(ctidTraderAccountId=1), priority=priority)


def popped(outbox: Outbox, now: int) -> list[PendingCall]:
    calls: list[PendingCall] = []
    while (call := outbox.pop(now)) is not None:
        calls.append(call)
    return calls


@pytest.fixture
def timers() -> TimerTable:
    return TimerTable()


@pytest.fixture
def outbox(timers: TimerTable) -> Outbox:
    return Outbox(timers)


def test_history_has_a_lane_of_its_own():
    assert lane_of(ProtoOADealListReq) is Lane.HISTORICAL
    assert lane_of(ProtoOANewOrderReq) is Lane.NORMAL


def test_default_rates_stay_below_those_of_the_server():
    assert (NORMAL_RATE, HISTORICAL_RATE) == (45, 4)


def test_empty_outbox_gives_nothing(outbox, timers):
    assert outbox.pop(T0) is None
    assert timers.next() is None


def test_calls_of_one_priority_go_in_their_order(outbox):
    calls = [pending(call_id=i) for i in range(3)]
    for call in calls:
        outbox.push(call)
    assert popped(outbox, T0) == calls


def test_session_goes_before_trading_before_recovery_before_reads(outbox):
    calls = {priority: pending(priority=priority) for priority in Priority}
    for priority in reversed(Priority):
        outbox.push(calls[priority])
    assert popped(outbox, T0) == [calls[priority] for priority in Priority]


def test_lane_is_full_after_its_rate(outbox, timers):
    for _ in range(50):
        outbox.push(pending())
    assert len(popped(outbox, T0)) == 45
    assert timers.get(Timer.LANE) == T0 + SECOND


def test_place_is_free_again_a_second_after_the_send_that_took_it(outbox):
    for _ in range(100):
        outbox.push(pending())
    for i in range(45):
        assert outbox.pop(T0 + i * 10 * MILLISECOND) is not None
    assert popped(outbox, T0 + SECOND - 1) == []
    assert len(popped(outbox, T0 + SECOND)) == 1
    assert len(popped(outbox, T0 + SECOND + 25 * MILLISECOND)) == 2


def test_full_historical_lane_does_not_hold_others_back(outbox):
    for _ in range(6):
        outbox.push(bars())
    outbox.push(pending())
    assert len(popped(outbox, T0)) == 5


def test_bulk_history_leaves_half_of_its_lane_free(outbox):
    for _ in range(4):
        outbox.push(bars(Priority.BULK))
    assert len(popped(outbox, T0)) == 2
    outbox.push(bars())
    outbox.push(bars())
    assert [call.priority for call in popped(outbox, T0)] == [Priority.READ, Priority.READ]


def test_bulk_history_waits_behind_reads_in_the_same_second(outbox, timers):
    outbox.push(bars())
    outbox.push(bars())
    outbox.push(bars(Priority.BULK))
    assert len(popped(outbox, T0)) == 2
    assert timers.get(Timer.LANE) == T0 + SECOND
    assert len(popped(outbox, T0 + SECOND)) == 1


def test_a_rate_of_one_still_lets_bulk_through():
    outbox = Outbox(TimerTable(), historical_rate=1)
    outbox.push(bars(Priority.BULK))
    assert outbox.pop(T0) is not None


def test_blocked_payload_type_waits_and_others_pass_it(outbox, timers):
    until = outbox.block(SYMBOLS_LIST_REQ, T0, 3.0)
    outbox.push(pending())
    other = pending(ProtoOATraderReq(ctidTraderAccountId=1))
    outbox.push(other)
    assert until == T0 + 3 * SECOND
    assert popped(outbox, T0) == [other]
    assert timers.get(Timer.LANE) == until
    assert len(popped(outbox, until)) == 1


def test_block_doubles_with_each_refusal_in_a_row(outbox):
    assert outbox.block(SYMBOLS_LIST_REQ, T0, None) == T0 + SECOND
    assert outbox.block(SYMBOLS_LIST_REQ, T0 + SECOND, None) == T0 + 3 * SECOND
    assert outbox.block(SYMBOLS_LIST_REQ, T0 + 3 * SECOND, 3.0) == T0 + 7 * SECOND


def test_block_never_doubles_beyond_a_minute(outbox):
    ends = [T0]
    for _ in range(40):
        ends.append(outbox.block(SYMBOLS_LIST_REQ, ends[-1], None))
    assert ends[-1] == ends[-2] + 60 * SECOND


def test_requests_that_were_under_way_together_are_one_refusal(outbox):
    for _ in range(20):
        assert outbox.block(SYMBOLS_LIST_REQ, T0, 1.0) == T0 + SECOND
    assert outbox.block(SYMBOLS_LIST_REQ, T0 + SECOND // 2, 1.0) == T0 + SECOND * 3 // 2
    assert outbox.block(SYMBOLS_LIST_REQ, T0 + SECOND * 3 // 2, None) == T0 + SECOND * 7 // 2


def test_later_block_never_shortens_an_earlier_one(outbox):
    outbox.block(SYMBOLS_LIST_REQ, T0, 300.0)
    assert outbox.block(SYMBOLS_LIST_REQ, T0 + SECOND, 1.0) == T0 + 300 * SECOND


def test_answer_ends_the_row_of_refusals(outbox):
    outbox.block(SYMBOLS_LIST_REQ, T0, None)
    outbox.answered(SYMBOLS_LIST_REQ)
    assert outbox.block(SYMBOLS_LIST_REQ, T0 + 10 * SECOND, None) == T0 + 11 * SECOND


def test_block_ends_at_its_time(outbox):
    outbox.block(NEW_ORDER_REQ, T0, 2.0)
    assert outbox.blocked_until(NEW_ORDER_REQ, T0 + 2 * SECOND - 1) == T0 + 2 * SECOND
    assert outbox.blocked_until(NEW_ORDER_REQ, T0 + 2 * SECOND) is None
    assert outbox.blocked_until(SYMBOLS_LIST_REQ, T0) is None


def test_nearest_chance_sets_the_lane_timer(outbox, timers):
    outbox.block(SYMBOLS_LIST_REQ, T0, 5.0)
    for _ in range(5):
        outbox.push(bars())
    outbox.push(pending())
    assert len(popped(outbox, T0)) == 4
    assert timers.get(Timer.LANE) == T0 + SECOND


def test_new_link_counts_anew(outbox, timers):
    outbox.block(SYMBOLS_LIST_REQ, T0, 50.0)
    for _ in range(45):
        outbox.push(pending(ProtoOATraderReq(ctidTraderAccountId=1)))
    popped(outbox, T0)
    outbox.push(pending())
    assert outbox.pop(T0) is None
    outbox.reset()
    assert timers.get(Timer.LANE) is None
    assert outbox.pop(T0) is not None


def test_call_that_was_taken_out_is_not_sent(outbox):
    call = pending()
    outbox.push(call)
    assert outbox.remove(call)
    assert not outbox.remove(call)
    assert outbox.pop(T0) is None


def test_drain_gives_everything_most_urgent_first(outbox):
    bulk, read, order = bars(Priority.BULK), pending(), pending(priority=Priority.TRADING)
    for call in (bulk, read, order):
        outbox.push(call)
    assert outbox.drain() == [order, read, bulk]
    assert outbox.drain() == []


def test_absurd_hint_blocks_for_a_day_at_most(outbox):
    assert outbox.block(2137, T0, 2.0**64) == T0 + DAY
