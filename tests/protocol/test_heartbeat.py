"""Heartbeats go out after silence of ours, and a silent server is noticed."""

from __future__ import annotations

from ctrader.protocol.heartbeat import Heartbeat
from ctrader.protocol.timers import Deadline, Timer, TimerTable
from ctrader.units import SECOND


def opened(*, interval: float = 10, timeout: float = 60) -> tuple[TimerTable, Heartbeat]:
    timers = TimerTable()
    heartbeat = Heartbeat(timers, interval=interval, timeout=timeout)
    heartbeat.opened(100 * SECOND)
    return timers, heartbeat


def test_new_link_waits_for_both_timers():
    timers, heartbeat = opened()
    assert timers.get(Timer.HEARTBEAT) == 110 * SECOND
    assert timers.get(Timer.SILENCE) == 160 * SECOND
    assert heartbeat.heard_at == 100 * SECOND


def test_any_send_puts_the_heartbeat_off():
    timers, heartbeat = opened()
    heartbeat.fell_due(110 * SECOND)
    was_due = heartbeat.is_due
    heartbeat.sent(107 * SECOND)
    assert (was_due, heartbeat.is_due) == (True, False)
    assert timers.get(Timer.HEARTBEAT) == 117 * SECOND


def test_due_heartbeat_must_leave_before_the_server_drops_us():
    timers, heartbeat = opened()
    heartbeat.fell_due(110 * SECOND)
    assert timers.get(Timer.STALL) == 130 * SECOND
    heartbeat.sent(129 * SECOND)
    assert timers.get(Timer.STALL) is None


def test_any_byte_is_a_sign_of_life():
    timers, heartbeat = opened()
    heartbeat.received(130 * SECOND)
    assert timers.get(Timer.SILENCE) == 190 * SECOND
    assert heartbeat.heard_at == 130 * SECOND


def test_timeout_of_zero_never_judges_the_server():
    timers, heartbeat = opened(timeout=0)
    heartbeat.received(130 * SECOND)
    assert timers.next() == Deadline(110 * SECOND, Timer.HEARTBEAT)
    assert timers.get(Timer.SILENCE) is None


def test_closed_link_waits_for_nothing():
    timers, heartbeat = opened()
    heartbeat.fell_due(110 * SECOND)
    heartbeat.closed()
    assert timers.next() is None
    assert not heartbeat.is_due
