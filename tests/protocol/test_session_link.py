"""The link: the first attempt, its end, and the ones that follow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from ctrader.errors import (
    ClientClosedError,
    CTraderConnectionClosedError,
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    CTraderReconnectAbandonedError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    TlsVerificationError,
)
from ctrader.events import (
    ClientDisconnectEvent,
    ConnectedEvent,
    DataGapEvent,
    DisconnectedEvent,
    ReadyEvent,
    ReconnectedEvent,
    SubscriptionRestoreFailedEvent,
)
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOANewOrderReq,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsListReq,
)
from ctrader.protocol.commands import CancelResult, NextEvent, Pause, SpotTopic
from ctrader.protocol.effects import (
    CallCompleted,
    CallFailed,
    Finished,
    OpenConnection,
    Phase,
    PhaseChanged,
    Warned,
)
from ctrader.protocol.timers import Timer
from ctrader.units import SECOND
from tests.protocol.peer import (
    ACCOUNT,
    OTHER_ACCOUNT,
    UNIX_START,
    Peer,
    read_call,
    trade_call,
)

# The first attempt


def test_start_opens_a_connection():
    peer = Peer()
    peer.start()
    assert peer.outputs == [PhaseChanged(Phase.CONNECTING), OpenConnection(1)]
    assert peer.session.epoch == 1
    assert not peer.is_connected()


def test_connect_ends_when_the_link_stands():
    peer = Peer()
    call_id = peer.start()
    peer.clear()
    peer.connection_made()
    at = datetime.fromtimestamp(UNIX_START, UTC)
    assert peer.outputs == [
        PhaseChanged(Phase.CONNECTED),
        ConnectedEvent(epoch=1, at=at),
        CallCompleted(call_id, None),
    ]
    assert peer.is_connected()
    assert not peer.is_ready()


def test_application_is_authenticated_at_once():
    peer = Peer()
    peer.connect()
    (request,) = peer.requests(ProtoOAApplicationAuthReq)
    assert (request.clientId, request.clientSecret) == ("the-client-id", "the-client-secret")


def test_failed_first_attempt_is_told_and_may_be_repeated():
    peer = Peer()
    call_id = peer.start()
    cause = ConnectionRefusedError("no")
    peer.connection_lost(cause)
    error = peer.errors[call_id]
    assert isinstance(error, CTraderConnectionFailedError)
    assert (error.host, error.cause) == (peer.config.host, cause)
    assert peer.session.phase is Phase.IDLE
    assert peer.session.next_deadline() is None
    second = peer.start()
    assert peer.opened == [1, 2]
    peer.connection_made()
    assert second in peer.results


def test_mapped_error_of_the_driver_is_passed_on():
    peer = Peer()
    call_id = peer.start()
    error = TlsVerificationError("host", 5035)
    peer.connection_lost(error)
    assert peer.errors[call_id] is error


def test_attempt_without_an_answer_is_given_up():
    peer = Peer(connect_timeout=5)
    call_id = peer.start()
    peer.advance(4.9)
    assert peer.errors == {}
    peer.advance(0.2)
    error = peer.errors[call_id]
    assert isinstance(error, CTraderConnectionTimeoutError)
    assert peer.config.host in error.operation
    assert peer.closed == [1]
    assert peer.session.phase is Phase.IDLE


def test_own_timeout_of_start_counts():
    peer = Peer()
    call_id = peer.start(timeout=1)
    peer.advance(1)
    error = peer.errors[call_id]
    assert isinstance(error, CTraderConnectionTimeoutError)
    assert error.timeout == 1


def test_connection_that_comes_after_the_timeout_is_ignored():
    peer = Peer(connect_timeout=5)
    peer.start()
    peer.advance(5)
    peer.clear()
    peer.connection_made()
    assert peer.outputs == []
    assert not peer.is_connected()


def test_cancelled_connect_gives_the_attempt_up():
    peer = Peer()
    call_id = peer.start()
    assert peer.cancel(call_id) is CancelResult.NOT_SENT
    assert peer.closed == [1]
    assert peer.session.phase is Phase.IDLE
    peer.connection_lost(None)
    assert peer.session.next_deadline() is None


def test_attempt_goes_on_while_somebody_else_waits_for_it():
    peer = Peer()
    first, second = peer.start(), peer.start()
    peer.cancel(first)
    assert peer.closed == []
    peer.connection_made()
    assert list(peer.results) == [second]


def test_start_on_a_standing_link_is_done_at_once():
    peer = Peer()
    peer.connect()
    call_id = peer.start()
    assert call_id in peer.results
    assert peer.opened == [1]


def test_request_before_the_first_connection_fails():
    peer = Peer()
    call_id = peer.submit(read_call())
    assert isinstance(peer.errors[call_id], CTraderConnectionClosedError)


# Heartbeats and silence


def test_heartbeat_goes_out_after_silence_of_ours():
    peer = Peer(heartbeat_interval=10, heartbeat_timeout=0)
    peer.connect_application()
    peer.clear()
    peer.advance(35)
    assert [type(sent.message) for sent in peer.sent] == [ProtoHeartbeatEvent] * 3
    assert all(sent.message_id is None for sent in peer.sent)


def test_any_request_puts_the_heartbeat_off():
    peer = Peer(heartbeat_interval=10, heartbeat_timeout=0)
    peer.make_ready()
    peer.advance(7)
    peer.submit(read_call())
    peer.clear()
    peer.advance(9.9)
    assert peer.sent == []
    peer.advance(0.2)
    assert [type(sent.message) for sent in peer.sent] == [ProtoHeartbeatEvent]


def test_heartbeat_waits_for_a_transport_that_takes_nothing():
    peer = Peer(heartbeat_interval=10, heartbeat_timeout=0)
    peer.connect_application()
    peer.clear()
    peer.can_write = False
    peer.advance(29.9)
    assert peer.sent == []
    peer.can_write = True
    peer.carry_out()
    assert len(peer.sent) == 1
    peer.advance(9.9)
    assert peer.is_connected()


def test_transport_that_takes_nothing_is_given_up_although_quotes_still_arrive():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    peer.can_write = False
    peer.clear()
    order = peer.submit(trade_call())
    read = peer.submit(read_call(), timeout=60)
    for _ in range(30):
        assert peer.is_connected()
        peer.advance(1)
        peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=110_000))
    assert peer.closed == [1]
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, CTraderConnectionTimeoutError)
    assert "transport" in lost.cause.operation
    assert isinstance(peer.errors[order], OrderNotSentError)
    assert read not in peer.errors


def test_stalled_transport_ends_the_waiting_of_a_close():
    peer = Peer(heartbeat_timeout=0)
    peer.make_ready()
    peer.submit(trade_call())
    peer.can_write = False
    peer.close(grace=60)
    peer.advance(31)
    assert peer.closed == [1]


def test_silent_server_is_given_up():
    peer = Peer(heartbeat_timeout=60)
    peer.connect_application()
    peer.advance(30)
    peer.push(ProtoHeartbeatEvent())
    peer.advance(59.9)
    assert peer.is_connected()
    peer.advance(0.2)
    assert peer.closed == [1]
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, CTraderConnectionTimeoutError)
    assert lost.will_reconnect


def test_part_of_a_frame_is_a_sign_of_life():
    peer = Peer(heartbeat_timeout=60)
    peer.connect_application()
    peer.advance(50)
    peer.receive(b"\0\0")
    peer.advance(50)
    assert peer.is_connected()


def test_timeout_of_zero_never_gives_the_server_up():
    peer = Peer(heartbeat_timeout=0)
    peer.connect_application()
    peer.advance(100_000)
    assert peer.is_connected()


# A loss, and what follows


def test_lost_link_is_made_again():
    peer = Peer()
    peer.connect_application()
    peer.clear()
    peer.connection_lost(ConnectionResetError("reset"))
    assert peer.phases == [Phase.WAITING]
    peer.reopen()
    assert peer.opened == [2]
    peer.connection_made()
    assert peer.is_connected()
    assert [event.epoch for event in peer.seen(ConnectedEvent)] == [2]


def test_loss_is_told_with_its_cause():
    peer = Peer()
    peer.connect_application()
    cause = ConnectionResetError("reset")
    peer.connection_lost(cause)
    (event,) = peer.seen(DisconnectedEvent)
    assert event.cause is cause


def test_loss_without_a_cause_has_one_all_the_same():
    peer = Peer()
    peer.connect_application()
    peer.connection_lost(None)
    (event,) = peer.seen(DisconnectedEvent)
    assert isinstance(event.cause, CTraderConnectionClosedError)


def test_waits_between_attempts_grow_to_the_longest():
    peer = Peer(reconnect_min_wait=1, reconnect_max_wait=8)
    peer.connect_application()
    peer.connection_lost()
    waits: list[float] = []
    for _ in range(12):
        before = peer.now
        peer.reopen()
        waits.append((peer.now - before) / SECOND)
        peer.connection_lost()
    assert all(0.5 <= wait <= min(8, 2**n) for n, wait in enumerate(waits))
    assert max(waits) > 4


def test_attempts_go_on_for_as_long_as_the_client_is_open():
    peer = Peer()
    peer.connect_application()
    peer.connection_lost()
    for _ in range(2_000):
        before = peer.now
        peer.reopen()
        assert 0.5 <= (peer.now - before) / SECOND <= 60
        peer.connection_lost(OSError("no route to host"))
    assert peer.session.phase is Phase.WAITING
    assert not peer.seen(Finished)


def test_attempt_to_reconnect_is_given_up_after_the_connect_timeout():
    peer = Peer(connect_timeout=5)
    peer.connect_application()
    peer.lose_link()
    peer.clear()
    peer.advance(5)
    assert peer.closed == [2]
    assert peer.phases == [Phase.WAITING]


def test_link_that_stood_long_makes_the_next_loss_a_first_failure():
    peer = Peer(reconnect_min_wait=1, reconnect_max_wait=60, reconnect_attempts=3)
    peer.connect_application()
    for _ in range(10):
        before = peer.now
        peer.reconnect()
        assert peer.now - before <= SECOND
        peer.advance(31)


def test_links_that_fall_at_once_count_as_failures():
    peer = Peer(reconnect_attempts=3)
    peer.connect_application()
    for _ in range(3):
        peer.reconnect()
        peer.advance(1)
    peer.connection_lost()
    assert peer.session.phase is Phase.FINISHED


def test_link_on_which_the_application_is_never_answered_counts_as_a_failure():
    """It stands for as long as a healthy one, and still nothing can be done on it."""
    peer = Peer(reconnect_attempts=3)
    peer.connect_application()
    peer.connection_lost()
    for _ in range(3):
        peer.reopen()
        peer.connection_made()
        peer.advance(30)
    assert peer.session.phase is Phase.FINISHED
    assert isinstance(peer.session.finished_error, CTraderReconnectAbandonedError)


def test_link_is_healthy_some_time_after_the_application_was_accepted_late():
    peer = Peer(reconnect_min_wait=1, reconnect_max_wait=60, reconnect_attempts=3)
    peer.connect_application()
    for _ in range(5):
        peer.lose_link()
        peer.connection_made()
        peer.advance(29.5)
        peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
        peer.advance(31)
    assert peer.session.is_connected


def test_reconnecting_may_be_off():
    peer = Peer(reconnect_attempts=0)
    peer.make_ready()
    read = peer.submit(read_call())
    peer.connection_lost()
    (lost,) = peer.seen(DisconnectedEvent)
    assert not lost.will_reconnect
    assert isinstance(peer.session.finished_error, CTraderReconnectAbandonedError)
    assert peer.errors[read] is peer.session.finished_error
    assert peer.outputs[-1] == Finished(peer.session.finished_error)
    assert peer.opened == [1]


def test_reconnecting_is_abandoned_after_its_attempts():
    peer = Peer(reconnect_attempts=2)
    peer.make_ready()
    peer.connection_lost()
    for _ in range(2):
        peer.reopen()
        peer.connection_lost(ConnectionRefusedError())
    assert isinstance(peer.session.finished_error, CTraderReconnectAbandonedError)
    assert peer.opened == [1, 2, 3]
    with pytest.raises(CTraderReconnectAbandonedError):
        peer.submit(read_call())
    with pytest.raises(CTraderReconnectAbandonedError):
        peer.start()


def test_foreign_certificate_while_reconnecting_ends_the_session():
    peer = Peer()
    peer.connect_application()
    peer.lose_link()
    error = TlsVerificationError("host", 5035)
    peer.connection_lost(error)
    assert peer.outputs[-1] == Finished(error)


def test_start_during_an_outage_waits_for_the_next_link():
    peer = Peer()
    peer.connect_application()
    peer.connection_lost()
    call_id = peer.start()
    peer.reopen()
    peer.connection_made()
    assert call_id in peer.results


def test_start_during_an_outage_keeps_its_own_deadline():
    peer = Peer()
    peer.connect_application()
    peer.connection_lost()
    call_id = peer.start(timeout=0.1)
    peer.advance(0.1)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)
    assert peer.session.phase is Phase.WAITING


def test_server_that_ends_the_session_is_left():
    peer = Peer()
    peer.session.listen(frozenset({ClientDisconnectEvent}), None)
    peer.connect_application()
    peer.clear()
    peer.push(ProtoOAClientDisconnectEvent(reason="maintenance of the-client-secret"))
    assert peer.closed == [1]
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, CTraderConnectionClosedError)
    assert lost.cause.reason == "maintenance of ***"
    assert isinstance(peer.outputs[0], ClientDisconnectEvent)


MAINTENANCE = "SERVER_IS_UNDER_MAINTENANCE"


def tell_time(peer: Peer) -> None:
    """Let the server tell what time it is."""
    at = int((UNIX_START + peer.seconds) * 1000)
    peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=1, timestamp=at))


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        ProtoErrorRes(errorCode=MAINTENANCE, maintenanceEndTimestamp=int(UNIX_START + 600)),
        ProtoOAErrorRes(
            errorCode=MAINTENANCE, maintenanceEndTimestamp=int((UNIX_START + 600) * 1000)
        ),
        ProtoOAErrorRes(errorCode="CONNECTIONS_LIMIT_EXCEEDED", retryAfter=600),
    ],
)
def test_next_attempt_waits_as_told_when_the_link_ends_right_after_the_error(answers, error):
    peer = Peer(reconnect_min_wait=1, reconnect_max_wait=60)
    peer.connect_application()
    tell_time(peer)
    peer.lose_link()
    peer.connection_made()
    if answers:
        peer.answer(ProtoOAApplicationAuthReq, error)
    else:
        peer.push(error)
    peer.connection_lost(None)
    peer.clear()
    peer.advance(600 - peer.seconds)
    assert peer.opened == []
    peer.advance(4)
    assert peer.opened == [3]


def test_long_wait_for_the_server_is_a_warning():
    peer = Peer()
    peer.connect_application()
    peer.push(ProtoOAErrorRes(errorCode=MAINTENANCE, retryAfter=600))
    peer.connection_lost(None)
    (warned,) = peer.seen(Warned)
    assert MAINTENANCE in warned.text
    assert "60" in warned.text


def test_clients_do_not_all_come_back_at_the_end_of_a_maintenance():
    moments: set[int] = set()
    for seed in range(20):
        peer = Peer(seed=seed)
        peer.connect_application()
        peer.push(ProtoOAErrorRes(errorCode=MAINTENANCE, retryAfter=600))
        peer.connection_lost(None)
        peer.reopen()
        moments.add(peer.now)
    assert len(moments) == 20


@pytest.mark.parametrize("clock", [0, -86_400, -3600])
def test_end_that_only_this_machine_s_clock_tells_of_is_asked_for_again(clock: int):
    peer = Peer()
    peer.connect_application()
    peer.set_clock(clock)
    peer.push(ProtoErrorRes(errorCode=MAINTENANCE, maintenanceEndTimestamp=int(UNIX_START + 600)))
    peer.connection_lost(None)
    peer.reopen()
    assert 30 <= peer.seconds <= 31


def test_clock_that_is_wrong_makes_no_difference_once_the_server_told_the_time():
    peer = Peer()
    peer.connect_application()
    tell_time(peer)
    peer.set_clock(-3600)
    peer.push(ProtoErrorRes(errorCode=MAINTENANCE, maintenanceEndTimestamp=int(UNIX_START + 600)))
    peer.connection_lost(None)
    peer.reopen()
    assert 600 <= peer.seconds <= 601


def test_absurd_end_of_a_maintenance_is_believed_for_a_day():
    peer = Peer()
    peer.connect_application()
    tell_time(peer)
    peer.push(ProtoErrorRes(errorCode=MAINTENANCE, maintenanceEndTimestamp=10**10))
    peer.connection_lost(None)
    peer.reopen()
    assert 86_400 <= peer.seconds <= 86_401


def test_link_that_outlives_a_maintenance_error_is_made_again_as_usual():
    peer = Peer()
    peer.make_ready()
    peer.push(ProtoOAErrorRes(errorCode=MAINTENANCE, retryAfter=3600))
    peer.advance(11)
    peer.connection_lost(None)
    before = peer.seconds
    peer.reopen()
    assert peer.seconds - before <= 1


@pytest.mark.parametrize("is_named", [True, False])
def test_maintenance_of_one_account_s_broker_keeps_no_other_account_away(is_named: bool):
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.reconnect()
    refusal = ProtoOAErrorRes(errorCode=MAINTENANCE, retryAfter=3600)
    if is_named:
        refusal.ctidTraderAccountId = ACCOUNT
    peer.answer(ProtoOAAccountAuthReq, refusal)
    peer.answer(ProtoOAAccountAuthReq)
    before = peer.seconds
    peer.lose_link()
    assert peer.seconds - before <= 2


@pytest.mark.parametrize("is_named", [True, False])
def test_maintenance_that_is_told_to_the_only_account_is_waited_for(is_named: bool):
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    refusal = ProtoOAErrorRes(errorCode=MAINTENANCE, retryAfter=3600)
    if is_named:
        refusal.ctidTraderAccountId = ACCOUNT
    peer.answer(ProtoOAAccountAuthReq, refusal)
    before = peer.seconds
    peer.lose_link()
    assert 3600 <= peer.seconds - before <= 3602


def test_attempts_that_fail_during_a_maintenance_wait_for_its_end_all_the_same():
    peer = Peer()
    peer.connect_application()
    peer.lose_link()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq, ProtoOAErrorRes(errorCode=MAINTENANCE, retryAfter=100))
    peer.advance(20)
    peer.connection_lost(None)
    peer.clear()
    peer.advance(79)
    assert peer.opened == []
    peer.advance(6)
    assert peer.opened == [3]


# Every way in which a link is lost


def cut_within_a_frame(peer: Peer) -> None:
    peer.receive(b"\0\0\0")
    peer.connection_lost(None)


def stall_among_quotes(peer: Peer) -> None:
    peer.can_write = False
    while peer.is_connected():
        peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=110_000))
        peer.fire()
    peer.can_write = True


def sleep_an_hour(peer: Peer) -> None:
    peer.clock_set += 3600
    peer.session.check_clocks(peer.now, unix_now=peer.unix_now)
    peer.carry_out()


LOSSES: dict[str, Callable[[Peer], None]] = {
    "closed": lambda peer: peer.connection_lost(None),
    "reset": lambda peer: peer.connection_lost(ConnectionResetError("reset")),
    "cut within a frame": cut_within_a_frame,
    "broken framing": lambda peer: peer.receive(b"\xff\xff\xff\xff"),
    "broken envelope": lambda peer: peer.receive(b"\0\0\0\2\xff\xff"),
    "silence": lambda peer: peer.advance(60),
    "writes that stall while quotes arrive": stall_among_quotes,
    "sleep of the computer": sleep_an_hour,
    "ended by the server": lambda peer: peer.push(ProtoOAClientDisconnectEvent(reason="bye")),
    "application unknown": lambda peer: peer.push(
        ProtoErrorRes(errorCode="CH_CLIENT_NOT_AUTHENTICATED")
    ),
}


@pytest.mark.parametrize("how", LOSSES)
def test_every_loss_goes_one_path(how):
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.hold_spots(1)
    order = peer.submit(trade_call(), timeout=600)
    read = peer.submit(read_call(), timeout=600)
    peer.clear()
    LOSSES[how](peer)
    assert peer.session.phase is Phase.WAITING
    assert len(peer.seen(DisconnectedEvent)) == 1
    assert isinstance(peer.errors[order], OrderOutcomeUnknownError)
    lost_at = peer.seconds
    peer.reopen()
    assert 0.5 <= peer.seconds - lost_at <= 1
    peer.clear()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(ProtoOASubscribeSpotsReq)
    assert peer.is_ready()
    assert len(peer.seen(DataGapEvent)) == 1
    assert {event.account_id for event in peer.seen(ReadyEvent)} == {ACCOUNT, OTHER_ACCOUNT}
    assert len(peer.seen(ReconnectedEvent)) == 1
    assert peer.requests(ProtoOANewOrderReq) == []
    peer.answer(ProtoOASymbolsListReq)
    assert read in peer.results


def test_server_that_gives_no_reason_is_left_all_the_same():
    peer = Peer()
    peer.connect_application()
    peer.push(ProtoOAClientDisconnectEvent())
    assert peer.session.phase is Phase.WAITING


def test_answer_of_the_driver_to_a_link_given_up_changes_nothing():
    peer = Peer()
    peer.connect_application()
    peer.push(ProtoOAClientDisconnectEvent())
    peer.clear()
    peer.connection_lost(None)
    assert peer.outputs == []


def test_reconnected_without_accounts_is_told_after_the_application():
    peer = Peer()
    peer.connect_application()
    peer.lose_link()
    peer.connection_made()
    assert peer.seen(ReconnectedEvent) == []
    peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
    assert peer.seen(ReconnectedEvent) == [ReconnectedEvent((), ())]


def test_first_connection_is_no_reconnection():
    peer = Peer()
    peer.make_ready()
    assert peer.seen(ReconnectedEvent) == []


# Old epochs


def test_inputs_of_an_old_epoch_change_nothing():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.clear()
    before = peer.session.next_deadline()
    peer.now += SECOND
    peer.receive(b"\xff\xff\xff\xff", epoch=1)
    peer.connection_lost(ConnectionResetError(), epoch=1)
    peer.connection_made(epoch=1)
    assert peer.outputs == []
    assert peer.sent == []
    assert peer.session.next_deadline() == before
    assert peer.is_connected()


def test_bytes_during_an_outage_are_ignored():
    peer = Peer()
    peer.connect_application()
    peer.connection_lost()
    peer.clear()
    peer.receive(b"\xff\xff\xff\xff")
    assert peer.outputs == []


# Waiting


def test_pause_passes_where_as_much_is_left_behind_it():
    peer = Peer()
    call_id = peer.submit(Pause(4 * SECOND), timeout=8)
    peer.advance(3.9)
    assert peer.results == {}
    peer.advance(0.1)
    assert peer.results == {call_id: True}


def test_pause_that_would_leave_too_little_time_is_none():
    peer = Peer()
    call_id = peer.submit(Pause(4 * SECOND), timeout=7.9)
    assert peer.results == {call_id: False}
    assert peer.session.next_deadline() is None


def test_cancelled_pause_is_silent():
    peer = Peer()
    call_id = peer.submit(Pause(SECOND))
    assert peer.cancel(call_id) is CancelResult.NOT_SENT
    assert peer.session.next_deadline() is None
    assert peer.cancel(call_id) is CancelResult.FINISHED


def test_next_event_takes_the_first_that_fits():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(
        NextEvent((ConnectedEvent,), lambda e: isinstance(e, ConnectedEvent) and e.epoch == 3)
    )
    peer.reconnect()
    assert peer.results.get(call_id) is None
    peer.reconnect()
    assert peer.results[call_id] == peer.seen(ConnectedEvent)[-1]


def test_next_event_may_time_out():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(NextEvent((ConnectedEvent,), lambda _: True), timeout=3)
    peer.advance(3)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)


def test_other_events_do_not_end_a_wait():
    peer = Peer()
    peer.connect_application()
    first = peer.submit(NextEvent((DisconnectedEvent,), lambda _: True))
    second = peer.submit(NextEvent((ConnectedEvent,), lambda _: True))
    peer.connection_lost()
    assert first in peer.results
    assert second not in peer.results
    peer.cancel(second)


# Closing


def test_close_shuts_the_transport_once_and_then_finishes():
    peer = Peer()
    peer.make_ready()
    peer.submit(read_call())
    peer.clear()
    peer.close()
    assert peer.closed == [1]
    assert peer.session.phase is Phase.CLOSING
    peer.connection_lost(None)
    assert peer.outputs[-2:] == [PhaseChanged(Phase.FINISHED), Finished(None)]
    assert peer.session.next_deadline() is None


def test_close_of_a_quiet_session_shuts_the_transport_once():
    peer = Peer()
    peer.make_ready()
    peer.close()
    assert peer.closed == [1]


def test_close_ends_reads_at_once():
    peer = Peer()
    peer.make_ready()
    call_id = peer.submit(read_call())
    peer.close()
    assert isinstance(peer.errors[call_id], ClientClosedError)


def test_close_waits_only_shortly_for_the_transport():
    peer = Peer()
    peer.connect_application()
    peer.close()
    peer.advance(1)
    assert peer.outputs[-1] == Finished(None)


def test_close_before_the_start_finishes_at_once():
    peer = Peer()
    peer.close()
    assert peer.outputs[-1] == Finished(None)
    assert peer.closed == []


def test_close_during_an_outage_finishes_at_once():
    peer = Peer()
    peer.make_ready()
    call_id = peer.submit(read_call())
    peer.connection_lost()
    peer.close()
    assert isinstance(peer.errors[call_id], ClientClosedError)
    assert peer.outputs[-1] == Finished(None)


def test_close_while_connecting_gives_the_attempt_up():
    peer = Peer()
    call_id = peer.start()
    peer.close()
    assert isinstance(peer.errors[call_id], ClientClosedError)
    assert peer.closed == [1]
    peer.connection_lost(None)
    assert peer.session.phase is Phase.FINISHED


def test_deadline_of_the_attempt_does_not_undo_a_close():
    peer = Peer(connect_timeout=0.5)
    peer.start()
    peer.close()
    peer.advance(10)
    assert peer.phases == [Phase.CONNECTING, Phase.CLOSING, Phase.FINISHED]
    assert peer.closed == [1]


def test_deadline_of_an_attempt_to_reconnect_does_not_undo_a_close():
    peer = Peer(connect_timeout=0.5)
    peer.connect_application()
    peer.lose_link()
    peer.clear()
    peer.close()
    peer.advance(10)
    assert peer.phases == [Phase.CLOSING, Phase.FINISHED]


def test_connection_that_stands_after_the_close_is_ignored():
    peer = Peer()
    peer.start()
    peer.close()
    peer.connection_made()
    assert not peer.is_connected()
    assert peer.sent == []


def test_closing_twice_changes_nothing():
    peer = Peer()
    peer.connect_application()
    peer.close()
    peer.clear()
    peer.close()
    assert peer.outputs == []
    peer.connection_lost(None)
    peer.close()
    assert peer.seen(Finished) == [Finished(None)]


def test_closed_session_takes_no_commands():
    peer = Peer()
    peer.close()
    with pytest.raises(ClientClosedError):
        peer.submit(read_call())
    with pytest.raises(ClientClosedError):
        peer.start()


def test_nothing_comes_out_after_the_end():
    peer = Peer()
    peer.make_ready()
    call_id = peer.submit(read_call())
    peer.close()
    peer.connection_lost(None)
    peer.clear()
    peer.connection_lost(None)
    peer.connection_made()
    peer.receive(b"\xff" * 50)
    peer.session.handle_timer(peer.now + 1000 * SECOND)
    assert peer.cancel(call_id) is CancelResult.FINISHED
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.carry_out()
    assert peer.outputs == []
    assert peer.sent == []
    assert peer.session.next_deadline() is None


def test_removing_an_account_after_the_end_of_a_restoration_that_was_cut_off_is_silent():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.close()
    peer.connection_lost(None)
    peer.clear()
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.carry_out()
    assert peer.outputs == []


def test_no_event_follows_the_loss_that_ends_the_session():
    peer = Peer(reconnect_attempts=0)
    peer.make_ready()
    peer.hold_spots(1)
    peer.clear()
    peer.unsubscribe(SpotTopic(ACCOUNT, 1))
    peer.subscribe(SpotTopic(ACCOUNT, 2))
    peer.connection_lost()
    kinds = [type(output) for output in peer.outputs]
    assert kinds[-2:] == [PhaseChanged, Finished]
    assert set(kinds) <= {CallCompleted, CallFailed, DisconnectedEvent, PhaseChanged, Finished}


def test_link_that_breaks_while_closing_ends_the_waiting():
    peer = Peer(heartbeat_timeout=5)
    peer.make_ready()
    peer.submit(trade_call())
    peer.close(grace=60)
    peer.receive(b"\xff\xff\xff\xff")
    assert peer.closed == [1]


def test_deadlines_say_which_timer_it_is():
    peer = Peer()
    peer.start(timeout=3)
    deadline = peer.session.next_deadline()
    assert deadline is not None
    assert deadline.timer in (Timer.CONNECT, Timer.CALL)


# The session's own requests


def test_time_that_calls_are_given_does_not_hold_up_the_next_link():
    """Who gives long reads ten minutes still wants a dead server to be left soon."""
    peer = Peer(request_timeout=600)
    peer.make_ready()
    peer.reconnect()
    peer.clear()
    for _ in range(7):
        peer.push(ProtoHeartbeatEvent())
        peer.advance(5)
    (failed,) = peer.seen(SubscriptionRestoreFailedEvent)
    assert failed.topic == "account"
    peer.lose_link()
    peer.connection_made()
    peer.clear()
    for _ in range(7):
        peer.push(ProtoHeartbeatEvent())
        peer.advance(5)
        if not peer.is_connected():
            break
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, CTraderConnectionTimeoutError)
    assert lost.cause.timeout == 30


def test_topic_that_is_not_answered_is_asked_for_again_whatever_time_calls_are_given():
    peer = Peer(request_timeout=600)
    peer.make_ready()
    peer.hold_spots(1)
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.clear()
    for _ in range(9):
        peer.push(ProtoHeartbeatEvent())
        peer.advance(5)
    assert len(peer.requests(ProtoOASubscribeSpotsReq)) == 1
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 1
