"""Which failures of a handler are logged."""

from __future__ import annotations

from ctrader.protocol.failures import BURST, FailureLog
from ctrader.units import MILLISECOND, SECOND


def test_first_failures_are_all_logged_and_then_one_a_second():
    log = FailureLog()
    at = [moment for moment in range(60_000) if log.admits(moment * MILLISECOND)]
    assert at[:BURST] == list(range(BURST))
    assert at[BURST:] == list(range(1_000, 60_000, 1_000))
    assert log.total == 60_000


def test_what_is_left_out_is_told_once():
    log = FailureLog()
    assert sum(log.admits(0) for _ in range(BURST + 5)) == BURST
    assert log.admits(SECOND)
    assert log.remark() == " (5 failures before it were not logged)"
    assert log.remark() == ""


def test_rare_failures_are_all_logged():
    log = FailureLog()
    assert all(log.admits(minute * 60 * SECOND) for minute in range(1_000))
    assert log.remark() == ""
