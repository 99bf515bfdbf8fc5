"""A slow consumer costs bounded memory, and no execution is ever dropped silently."""

from __future__ import annotations

import pytest

from ctrader.enums import ExecutionType
from ctrader.errors import SlowConsumerError
from ctrader.events import (
    AccountDisconnectEvent,
    ClientDisconnectEvent,
    ExecutionEvent,
    OrderErrorEvent,
    SpotEvent,
)
from ctrader.proto import ProtoOASpotEvent
from ctrader.protocol.decoding import EventDecoder
from ctrader.protocol.mailbox import CAPACITY, LIMIT, Mailbox


def spot(
    symbol: int, bid: int | None = None, ask: int | None = None, account: int = 1
) -> SpotEvent:
    """Make the event of a quote whose other side, if it lacks one, was never seen."""
    return SpotEvent(account, symbol, bid, ask, last_bid_points=bid, last_ask_points=ask)


class Feed:
    """Make the events of quotes as a session does: each with both sides as last known."""

    def __init__(self) -> None:
        self._decoder = EventDecoder()
        self._decoder.listen(frozenset({SpotEvent}), None)

    def __call__(self, symbol: int, bid: int | None = None, ask: int | None = None) -> SpotEvent:
        event = self._decoder.spot(
            ProtoOASpotEvent(ctidTraderAccountId=1, symbolId=symbol, bid=bid, ask=ask)
        )
        assert event is not None
        return event

    def reconnect(self) -> None:
        self._decoder.lost()


def execution(position: int = 0) -> ExecutionEvent:
    return ExecutionEvent(position, ExecutionType.ORDER_FILLED)


def test_events_come_out_in_their_order():
    box = Mailbox("test")
    events = [spot(1, 10), execution(), spot(1, 11)]
    for event in events:
        box.put(event)
    assert len(box) == 3
    assert box.take() == events
    assert box.take() == []


def test_only_the_first_event_wakes_the_owner():
    box = Mailbox("test")
    assert box.put(spot(1, 10))
    assert not box.put(spot(1, 11))
    box.take()
    assert box.put(spot(1, 12))


def test_quotes_do_not_merge_below_the_capacity():
    box = Mailbox("test", capacity=3)
    for bid in range(3):
        box.put(spot(1, bid))
    assert len(box) == 3
    assert box.merged == 0


def test_quotes_beyond_the_capacity_merge_per_symbol_and_keep_the_newest_of_each_side():
    box = Mailbox("test", capacity=2)
    feed = Feed()
    box.put(feed(1, bid=10))
    box.put(feed(2, bid=20, ask=21))
    box.put(feed(1, ask=12))
    box.put(feed(1, bid=11))
    box.put(feed(2, ask=22))
    assert box.take() == [spot(1, 11, 12), spot(2, 20, 22)]
    assert box.merged == 3
    assert box.failure is None


def test_merged_quote_has_no_side_of_a_lost_link():
    box = Mailbox("test", capacity=1)
    feed = Feed()
    box.put(feed(1, bid=10, ask=12))
    feed.reconnect()
    box.put(feed(1, ask=22))
    (merged,) = box.take()
    assert merged == feed(1, ask=22)
    assert isinstance(merged, SpotEvent)
    assert merged.quote is None


def test_quotes_of_the_new_link_merge_with_each_other():
    box = Mailbox("test", capacity=1)
    feed = Feed()
    box.put(feed(1, bid=10, ask=12))
    feed.reconnect()
    box.put(feed(1, ask=22))
    box.put(feed(1, bid=20))
    box.put(feed(1, ask=23))
    assert box.take() == [spot(1, 20, 23)]
    assert box.merged == 3


def test_quotes_of_one_symbol_on_two_accounts_stay_apart():
    box = Mailbox("test", capacity=1)
    box.put(spot(1, 10, account=1))
    box.put(spot(1, 20, account=2))
    box.put(spot(1, 21, account=2))
    assert box.take() == [spot(1, 10, account=1), spot(1, 21, account=2)]


def test_newest_held_quote_of_a_symbol_takes_the_merge():
    box = Mailbox("test", capacity=2)
    box.put(spot(1, 10))
    box.put(spot(1, 11))
    box.put(spot(1, 12))
    assert box.take() == [spot(1, 10), spot(1, 12)]


def test_merging_begins_anew_after_a_take():
    box = Mailbox("test", capacity=1)
    box.put(spot(1, 10))
    box.put(spot(1, 11))
    box.take()
    box.put(spot(2, 20))
    box.put(spot(1, 12))
    assert box.take() == [spot(2, 20), spot(1, 12)]


def test_executions_beyond_the_capacity_are_kept():
    box = Mailbox("test", capacity=2, limit=100)
    events = [execution(i) for i in range(100)]
    for event in events:
        box.put(event)
    assert box.take() == events
    assert box.dropped == 0


def test_consumer_fails_at_the_limit_with_what_it_has():
    box = Mailbox("slow handler", capacity=2, limit=3)
    events = [execution(i) for i in range(4)]
    for event in events:
        box.put(event)
    assert isinstance(box.failure, SlowConsumerError)
    assert (box.failure.consumer, box.failure.pending) == ("slow handler", 3)
    assert box.dropped == 1
    assert box.take() == events[:3]


def test_nothing_is_taken_in_after_the_failure():
    box = Mailbox("test", capacity=2, limit=2)
    for i in range(3):
        box.put(execution(i))
    assert not box.put(spot(1, 10))
    box.take()
    assert not box.put(execution(9))
    assert box.take() == []
    assert box.dropped == 3


def test_quotes_alone_never_make_a_consumer_fail():
    box = Mailbox("test", capacity=2, limit=3)
    for i in range(1000):
        box.put(spot(i % 5, i))
    assert box.failure is None
    assert len(box) <= 6


@pytest.mark.parametrize(
    "event", [execution(), OrderErrorEvent(1, None, None, "CODE"), AccountDisconnectEvent(1)]
)
def test_executions_order_errors_and_account_events_are_urgent(event):
    box = Mailbox("test")
    urgent: list[bool] = []
    for step in (lambda: box.put(spot(1, 10)), lambda: box.put(event), box.take):
        step()
        urgent.append(box.is_urgent)
    assert urgent == [False, True, False]


def test_other_events_are_not_urgent():
    box = Mailbox("test")
    box.put(ClientDisconnectEvent())
    assert not box.is_urgent


def test_defaults():
    box = Mailbox("test")
    assert (box.capacity, box.limit) == (CAPACITY, LIMIT) == (4_096, 100_000)


@pytest.mark.parametrize("capacity, limit", [(0, 10), (5, 4)])
def test_senseless_bounds_are_refused(capacity, limit):
    with pytest.raises(ValueError, match="capacity"):
        Mailbox("test", capacity=capacity, limit=limit)
