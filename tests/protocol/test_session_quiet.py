"""Symbols that go quiet while their market is open, and what was missed of those that came back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrader.events import DataGapEvent, SubscriptionQuietEvent
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAInterval,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
    ProtoOASymbolsListReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.protocol.commands import DepthTopic, SpotTopic
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, UNIX_START, Peer, read_call

DAY = 86_400
WEEK = 7 * DAY
# The test begins on a Tuesday, 14 November 2023, at 22:13:20 UTC: so many seconds into the week.
NOW = 2 * DAY + 22 * 3600 + 13 * 60 + 20
ALWAYS = ((0, WEEK),)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(UNIX_START, UTC) + timedelta(seconds=seconds)


def hours(
    *intervals: tuple[int, int], symbols: tuple[int, ...] = (1,), zone: str = "UTC"
) -> ProtoOASymbolByIdRes:
    """What the server says of symbols that are traded in these seconds of the week."""
    return ProtoOASymbolByIdRes(
        ctidTraderAccountId=ACCOUNT,
        symbol=[
            ProtoOASymbol(
                symbolId=symbol_id,
                digits=5,
                pipPosition=4,
                scheduleTimeZone=zone,
                schedule=[ProtoOAInterval(startSecond=a, endSecond=b) for a, b in intervals],
            )
            for symbol_id in symbols
        ],
    )


def tick(peer: Peer, symbol_id: int = 1) -> None:
    peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=symbol_id, bid=110_000))


def watching(*intervals: tuple[int, int]) -> Peer:
    """A peer with one subscribed symbol whose hours it has heard."""
    peer = Peer(heartbeat_timeout=0, quiet_after=100)
    peer.make_ready()
    peer.hold_spots(1)
    peer.push(hours(*(intervals or ALWAYS)))
    peer.clear()
    return peer


def quiet(peer: Peer) -> list[SubscriptionQuietEvent]:
    return peer.seen(SubscriptionQuietEvent)


def test_symbol_that_goes_quiet_is_reported_once():
    peer = watching()
    peer.advance(10)
    tick(peer)
    peer.advance(99)
    assert quiet(peer) == []
    peer.advance(1)
    assert quiet(peer) == [SubscriptionQuietEvent(ACCOUNT, 1, at(10), at(10))]
    peer.advance(3 * 3600 / 2)  # the session goes on
    assert len(quiet(peer)) == 1
    assert peer.requests(ProtoOASymbolByIdReq) == []


def test_each_time_it_goes_quiet_is_reported():
    peer = watching()
    peer.advance(101)
    tick(peer)
    peer.advance(101)
    assert [event.last_at for event in quiet(peer)] == [None, at(101)]
    assert quiet(peer)[0].quiet_since == at(0)


def test_symbol_that_ticks_is_never_reported_and_costs_no_request():
    peer = Peer(quiet_after=100)
    peer.make_ready()
    peer.hold_spots(1)
    for _ in range(100):
        peer.advance(60)
        tick(peer)
    assert quiet(peer) == []
    assert peer.requests(ProtoOASymbolByIdReq) == []


def test_one_of_two_symbols_is_told_apart():
    peer = watching()
    peer.hold_spots(2)
    for _ in range(4):
        peer.advance(50)
        tick(peer, 2)
    assert [event.symbol_id for event in quiet(peer)] == [1]


def test_closed_market_is_quiet_with_good_reason():
    peer = watching((0, NOW + 50), (NOW + 7200, WEEK))
    peer.advance(7200)
    assert quiet(peer) == []
    peer.advance(99)
    assert quiet(peer) == []
    peer.advance(26)
    assert quiet(peer) == [SubscriptionQuietEvent(ACCOUNT, 1, None, at(7200))]


def test_market_without_hours_is_never_open():
    peer = Peer(heartbeat_timeout=0, quiet_after=100)
    peer.make_ready()
    peer.hold_spots(1)
    peer.push(hours())
    peer.advance(2 * DAY)
    assert quiet(peer) == []


@pytest.mark.parametrize(
    "answer",
    [
        hours(*ALWAYS, zone="Nowhere/At_All"),
        ProtoOASymbolByIdRes.FromString(
            hours(*ALWAYS, zone="XX").SerializeToString().replace(b"XX", b"\xff\xff")
        ),
    ],
    ids=["unknown zone", "no text"],
)
def test_hours_that_make_no_sense_report_nothing(answer: ProtoOASymbolByIdRes):
    peer = Peer(heartbeat_timeout=0, quiet_after=100)
    peer.make_ready()
    peer.hold_spots(1)
    peer.push(answer)
    peer.advance(1000)
    assert quiet(peer) == []
    assert peer.requests(ProtoOASymbolByIdReq) == []


def test_hours_that_nobody_told_are_asked_for_once_a_symbol_is_quiet():
    peer = Peer(heartbeat_timeout=0, quiet_after=100)
    peer.make_ready()
    peer.hold_spots(1, 2, 3)
    peer.advance(50)
    tick(peer, 3)
    peer.advance(51)
    (request,) = peer.requests(ProtoOASymbolByIdReq)
    assert sorted(request.symbolId) == [1, 2]
    peer.answer(ProtoOASymbolByIdReq, hours(*ALWAYS, symbols=(1, 2)))
    peer.advance(30)
    assert sorted(event.symbol_id for event in quiet(peer)) == [1, 2]


def test_question_without_an_answer_is_repeated_after_a_while():
    peer = Peer(heartbeat_timeout=0, quiet_after=100)
    peer.make_ready()
    peer.hold_spots(1)
    peer.advance(101)
    peer.refuse(ProtoOASymbolByIdReq, "SYMBOL_NOT_FOUND")
    peer.advance(590)
    assert len(peer.requests(ProtoOASymbolByIdReq)) == 1
    peer.advance(40)
    assert len(peer.requests(ProtoOASymbolByIdReq)) == 2


def test_changed_symbol_is_asked_about_again():
    peer = watching()
    peer.push(ProtoOASymbolChangedEvent(ctidTraderAccountId=ACCOUNT, symbolId=[1]))
    peer.advance(101)
    assert quiet(peer) == []
    assert len(peer.requests(ProtoOASymbolByIdReq)) == 1


def test_unsubscribed_and_removed_symbols_are_watched_no_more():
    peer = watching()
    peer.unsubscribe(SpotTopic(ACCOUNT, 1))
    peer.answer(ProtoOAUnsubscribeSpotsReq)
    peer.hold_spots(2)
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.advance(1000)
    assert quiet(peer) == []
    assert peer.requests(ProtoOASymbolByIdReq) == []


def test_watch_may_be_switched_off():
    peer = Peer(heartbeat_timeout=0, quiet_after=0)
    peer.make_ready()
    peer.hold_spots(1)
    peer.push(hours(*ALWAYS))
    peer.advance(100_000)
    assert quiet(peer) == []


def test_outage_is_no_quiet_and_the_next_link_is_watched_anew():
    peer = watching()
    peer.advance(90)
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(ProtoOASubscribeSpotsReq)
    peer.push(hours(*ALWAYS))
    restored = peer.seconds
    peer.advance(99)
    assert quiet(peer) == []
    peer.advance(2)
    assert [event.quiet_since for event in quiet(peer)] == [at(restored)]


def test_dropped_account_is_not_reported_as_quiet():
    peer = watching()
    peer.advance(90)
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.advance(25)
    assert quiet(peer) == []


# Gaps


def test_gap_of_a_subscription_that_is_refused_at_first_lasts_until_it_stands():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    peer.hold_spots(2)
    peer.advance(3)
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.refuse(ProtoOASubscribeSpotsReq, "CANT_ROUTE_REQUEST")  # both, then each alone
    peer.refuse(ProtoOASubscribeSpotsReq, "CANT_ROUTE_REQUEST")
    peer.answer(ProtoOASubscribeSpotsReq)
    (gap,) = peer.seen(DataGapEvent)
    assert gap.symbol_ids == (2,)
    while not peer.open(ProtoOASubscribeSpotsReq):
        peer.fire()
    peer.answer(ProtoOASubscribeSpotsReq)
    late = peer.seen(DataGapEvent)[1]
    assert late.symbol_ids == (1,)
    assert late.start == gap.start
    assert late.end > gap.end


def test_gap_of_what_was_unsubscribed_meanwhile_is_of_no_interest():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1, 2)
    peer.connection_lost()
    peer.unsubscribe(SpotTopic(ACCOUNT, 1))
    peer.reopen()
    peer.connection_made()
    while not peer.is_ready():
        for kind in {type(sent.message) for sent in peer.history if sent.epoch == 2}:
            if peer.open(kind):
                peer.answer(kind)
    assert [gap.symbol_ids for gap in peer.seen(DataGapEvent)] == [(2,)]


def test_depth_is_missing_with_its_prices():
    peer = Peer()
    peer.make_ready()
    peer.subscribe(DepthTopic(ACCOUNT, 7))
    peer.answer(ProtoOASubscribeSpotsReq)
    peer.answer(ProtoOASubscribeDepthQuotesReq)
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(ProtoOASubscribeSpotsReq)
    assert peer.seen(DataGapEvent) == []  # the book does not stand yet
    peer.answer(ProtoOASubscribeDepthQuotesReq)
    assert [gap.symbol_ids for gap in peer.seen(DataGapEvent)] == [(7,)]


def test_gap_of_a_denied_account_begins_with_its_last_prices_though_the_link_lived_on():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.hold_spots(1, 2)
    peer.advance(5)
    tick(peer)
    peer.advance(20)
    peer.submit(read_call(account_id=OTHER_ACCOUNT))
    peer.answer(ProtoOASymbolsListReq)
    peer.submit(read_call())
    peer.refuse(ProtoOASymbolsListReq, "ACCOUNT_NOT_AUTHORIZED")
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(ProtoOASubscribeSpotsReq)
    gaps = {gap.symbol_ids: gap.start for gap in peer.seen(DataGapEvent)}
    assert gaps == {(1,): at(5), (2,): at(0)}


def test_removed_account_has_no_gap():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    peer.lose_link()
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.connection_made()
    peer.advance(5)
    assert peer.seen(DataGapEvent) == []
