"""Sleep of the computer, steps of its clock, and loops that were held up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ctrader.errors import CTraderConnectionClosedError, OrderNotSentError, OrderOutcomeUnknownError
from ctrader.events import ConnectedEvent, DataGapEvent, DisconnectedEvent
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAErrorRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
)
from ctrader.protocol.clocks import Clocks
from ctrader.protocol.effects import Phase, Warned
from ctrader.protocol.envelope import encode_message
from ctrader.units import SECOND, to_nanos
from tests.protocol.peer import ACCOUNT, START, UNIX_START, Peer, read_call, trade_call


def check(peer: Peer, *, wall: float, suspended: float | None = None) -> None:
    """Read the clocks; the time of day is so many seconds after the beginning of the test."""
    peer.session.check_clocks(
        peer.now,
        unix_now=UNIX_START + wall,
        suspended=None if suspended is None else to_nanos(suspended),
    )
    peer.carry_out()


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(UNIX_START, UTC) + timedelta(seconds=seconds)


def warnings(peer: Peer) -> list[str]:
    return [warned.text for warned in peer.seen(Warned)]


# Sleep


@pytest.mark.parametrize("suspended", [None, 3600.0])
def test_link_that_is_older_than_a_sleep_is_not_trusted(suspended: float | None):
    peer = Peer()
    check(peer, wall=0, suspended=None if suspended is None else 0)
    peer.make_ready()
    peer.hold_spots(1)
    order = peer.submit(trade_call())
    peer.advance(4)
    peer.clear()
    check(peer, wall=3604, suspended=suspended)
    assert peer.closed == [1]
    assert peer.session.phase is Phase.WAITING
    assert isinstance(peer.errors[order], OrderOutcomeUnknownError)
    assert isinstance(peer.errors[peer.submit(trade_call())], OrderNotSentError)
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, CTraderConnectionClosedError)
    assert "slept for 3600 s" in str(lost.cause)
    assert lost.at == at(3604)
    assert len(warnings(peer)) == 1


def test_gap_after_a_sleep_begins_before_it():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    peer.advance(4)
    peer.push(ProtoHeartbeatEvent())
    check(peer, wall=4)
    peer.advance(1)
    # It may have arrived before the sleep, and is read after it.
    peer.push(ProtoHeartbeatEvent())
    check(peer, wall=3605)
    peer.reopen()
    waited = peer.seconds - 4
    peer.session.connection_made(2, peer.now, unix_now=UNIX_START + 3604 + waited)
    peer.carry_out()
    peer.answer(ProtoOAApplicationAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(ProtoOASubscribeSpotsReq)
    (gap,) = peer.seen(DataGapEvent)
    assert gap.start == at(4)
    assert gap.end == at(3604 + waited)


def test_short_sleep_is_survived():
    peer = Peer()
    check(peer, wall=0, suspended=0)
    peer.make_ready()
    check(peer, wall=4, suspended=4)
    assert peer.is_ready()


def test_sleep_without_a_link_changes_nothing():
    peer = Peer()
    peer.connect_application()
    peer.connection_lost()
    peer.clear()
    check(peer, wall=3600)
    assert peer.outputs == []


def test_sleep_while_closing_ends_the_waiting():
    peer = Peer()
    peer.make_ready()
    order = peer.submit(trade_call())
    peer.close(grace=60)
    check(peer, wall=3600)
    assert isinstance(peer.errors[order], OrderOutcomeUnknownError)
    assert peer.closed == [1]


def test_clocks_after_the_end_are_of_no_interest():
    peer = Peer()
    peer.close()
    peer.clear()
    check(peer, wall=3600)
    assert peer.outputs == []


# Steps of the time of day


@pytest.mark.parametrize("step", [-86_400.0, -3.0, 3.0])
def test_time_of_day_that_is_set_moves_no_timer(step: float):
    peer = Peer()
    peer.make_ready()
    peer.advance(5)
    before = peer.session.next_deadline()
    check(peer, wall=5 + step)
    assert peer.session.next_deadline() == before
    assert peer.is_ready()
    assert warnings(peer) == []


def test_time_of_day_that_is_set_forward_is_no_sleep_where_the_system_knows_better():
    peer = Peer()
    check(peer, wall=0, suspended=100)
    peer.make_ready()
    check(peer, wall=86_400, suspended=100)
    assert peer.is_ready()


def test_stamps_follow_the_time_of_day():
    peer = Peer()
    peer.connect_application()
    check(peer, wall=-500)
    peer.connection_lost()
    (lost,) = peer.seen(DisconnectedEvent)
    assert lost.at == at(-500)


def test_time_of_day_that_drifts_is_left_alone():
    peer = Peer()
    peer.connect_application()
    check(peer, wall=0.1)
    peer.connection_lost()
    (lost,) = peer.seen(DisconnectedEvent)
    assert lost.at == at(0)


def test_drift_of_days_is_no_sleep():
    peer = Peer()
    peer.make_ready()
    for second in range(1, 3000):
        peer.now += SECOND
        peer.push(ProtoHeartbeatEvent())
        check(peer, wall=second * 1.01)
    assert peer.is_ready()


def test_moments_before_a_step_keep_their_time_of_day():
    clocks = Clocks()
    clocks.set(START, UNIX_START)
    assert clocks.compare(START + 10 * SECOND, UNIX_START + 110, None) == 100 * SECOND
    assert clocks.wall(START + 9 * SECOND) == at(9)
    assert clocks.wall(START + 10 * SECOND) == at(110)


def test_moments_before_all_remembered_steps_are_reckoned_from_the_oldest():
    clocks = Clocks()
    for step in range(20):
        clocks.set(START + step * SECOND, UNIX_START + step)
    assert clocks.wall(START + SECOND) == at(1)


def test_sleep_that_a_hurried_reading_understates_is_not_counted_twice():
    clocks = Clocks()
    clocks.set(START, UNIX_START)
    assert clocks.compare(START, UNIX_START, 100 * SECOND) == 0
    assert clocks.compare(START, UNIX_START, 90 * SECOND) == 0
    assert clocks.compare(START, UNIX_START, 100 * SECOND) == 0
    assert clocks.compare(START, UNIX_START, 107 * SECOND) == 7 * SECOND


def test_stamps_of_links_carry_the_time_of_day_of_their_moment():
    peer = Peer()
    peer.connect_application()
    check(peer, wall=100)
    peer.lose_link()
    waited = peer.seconds
    peer.session.connection_made(2, peer.now, unix_now=UNIX_START + 100 + waited)
    peer.carry_out()
    assert [event.at for event in peer.seen(ConnectedEvent)] == [at(0), at(100 + waited)]


# Loops and threads that are held up


def test_held_up_client_says_so_once_with_the_length():
    peer = Peer()
    peer.make_ready()
    peer.now += to_nanos(10 + 7.5)  # a heartbeat was due after 10 s
    peer.session.handle_timer(peer.now)
    peer.carry_out()
    (warning,) = warnings(peer)
    assert "held up for 7.5 s" in warning
    assert peer.is_ready()
    peer.advance(30)
    assert len(warnings(peer)) == 1


def test_timers_that_are_a_little_late_are_nothing_to_speak_of():
    peer = Peer()
    peer.make_ready()
    peer.now += to_nanos(10.9)
    peer.session.handle_timer(peer.now)
    peer.carry_out()
    assert warnings(peer) == []


def test_what_arrived_while_a_loop_was_held_up_counts_before_the_deadlines():
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call(), timeout=20)
    request = peer.open(ProtoOASymbolsListReq)[0]
    peer.now += 70 * SECOND
    answer = encode_message(ProtoOASymbolsListRes(ctidTraderAccountId=ACCOUNT), request.message_id)
    peer.session.receive_data(1, answer, peer.now)
    peer.session.handle_timer(peer.now)
    peer.carry_out()
    assert read in peer.results
    assert peer.is_ready()


def test_link_that_nobody_kept_alive_and_that_brought_nothing_is_left():
    peer = Peer(heartbeat_timeout=0)
    peer.make_ready()
    peer.now += (10 + 30) * SECOND
    peer.session.handle_timer(peer.now)
    peer.carry_out()
    assert peer.closed == [1]
    assert peer.session.phase is Phase.WAITING
    assert len(peer.seen(DisconnectedEvent)) == 1


# Sleep while no link stands


@pytest.mark.parametrize("suspended", [None, 28_800.0])
def test_sleep_counts_as_waiting_for_the_next_attempt(suspended: float | None):
    peer = Peer()
    check(peer, wall=0, suspended=None if suspended is None else 0)
    peer.connect_application()
    at_ms = int((UNIX_START + peer.seconds) * 1000)
    peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=1, timestamp=at_ms))
    end = int(UNIX_START + 3600)
    peer.push(ProtoErrorRes(errorCode="SERVER_IS_UNDER_MAINTENANCE", maintenanceEndTimestamp=end))
    peer.connection_lost(None)
    peer.advance(300)
    assert peer.session.phase is Phase.WAITING
    # The computer slept far beyond the end, and the driver wakes for whatever is due.
    peer.clear()
    for _ in range(60):
        deadline = peer.session.next_deadline()
        assert deadline is not None
        peer.now = max(peer.now, deadline.at)
        check(peer, wall=28_800 + peer.seconds, suspended=suspended)
        peer.session.handle_timer(peer.now)
        peer.carry_out()
        if peer.opened:
            break
    assert peer.opened == [2]
    assert peer.seconds < 300 + 2 * 60


def test_next_attempt_is_not_made_before_its_time_however_often_the_clocks_are_read():
    peer = Peer()
    peer.connect_application()
    peer.push(ProtoOAErrorRes(errorCode="SERVER_IS_UNDER_MAINTENANCE", retryAfter=3600))
    peer.connection_lost(None)
    peer.clear()
    while not peer.opened:
        check(peer, wall=peer.seconds, suspended=0)
        peer.fire()
    assert 3600 <= peer.seconds <= 3601
