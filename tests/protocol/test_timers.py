"""The table of timers gives the earliest moment, whatever was moved or cleared before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.protocol.timers import Deadline, Timer, TimerTable


def test_empty_table_waits_for_nothing():
    table = TimerTable()
    assert table.next() is None
    assert table.pop_due(10**18) is None


def test_earliest_timer_comes_first():
    table = TimerTable()
    table.set(Timer.SILENCE, 30)
    table.set(Timer.HEARTBEAT, 10)
    assert table.next() == Deadline(10, Timer.HEARTBEAT)


def test_timers_of_one_kind_are_told_apart_by_their_key():
    table = TimerTable()
    table.set(Timer.CALL, 20, 1)
    table.set(Timer.CALL, 10, 2)
    assert table.next() == Deadline(10, Timer.CALL, 2)
    assert table.get(Timer.CALL, 1) == 20
    assert table.get(Timer.CALL, 3) is None


def test_timer_that_moves_to_later_does_not_fire_at_its_old_moment():
    table = TimerTable()
    table.set(Timer.HEARTBEAT, 10)
    table.set(Timer.HEARTBEAT, 50)
    assert table.pop_due(49) is None
    assert table.pop_due(50) == Deadline(50, Timer.HEARTBEAT)


def test_timer_that_moves_to_earlier_fires_once():
    table = TimerTable()
    table.set(Timer.HEARTBEAT, 50)
    table.set(Timer.HEARTBEAT, 10)
    assert table.pop_due(100) == Deadline(10, Timer.HEARTBEAT)
    assert table.pop_due(100) is None


def test_cleared_timer_does_not_fire():
    table = TimerTable()
    table.set(Timer.LANE, 10)
    table.clear(Timer.LANE)
    table.clear(Timer.CONNECT)
    assert table.next() is None


def test_timer_that_was_cleared_and_set_again_fires_at_the_new_moment():
    table = TimerTable()
    table.set(Timer.LANE, 10)
    table.clear(Timer.LANE)
    table.set(Timer.LANE, 30)
    assert table.next() == Deadline(30, Timer.LANE)


def test_all_keys_are_cleared_together():
    table = TimerTable()
    table.set(Timer.ACCOUNT_RETRY, 10, 1)
    table.set(Timer.ACCOUNT_RETRY, 20, 2)
    table.set(Timer.SILENCE, 30)
    table.clear_all(Timer.ACCOUNT_RETRY)
    assert table.next() == Deadline(30, Timer.SILENCE)


def test_timers_due_at_one_moment_fire_in_the_order_in_which_they_were_set():
    table = TimerTable()
    table.set(Timer.CALL, 10, 7)
    table.set(Timer.CALL, 10, 3)
    assert [table.pop_due(10), table.pop_due(10)] == [
        Deadline(10, Timer.CALL, 7),
        Deadline(10, Timer.CALL, 3),
    ]


def test_timer_that_moves_all_the_time_fires_at_its_last_moment():
    table = TimerTable()
    for at in range(1000):
        table.set(Timer.SILENCE, at)
        table.next()
    assert table.pop_due(998) is None
    assert table.pop_due(999) == Deadline(999, Timer.SILENCE)


class Moment(int):
    """A moment that is counted for as long as a table holds it."""

    held = 0

    def __new__(cls, at: int) -> Moment:
        cls.held += 1
        return super().__new__(cls, at)

    def __del__(self) -> None:
        Moment.held -= 1


@pytest.mark.parametrize("change", ["cleared", "earlier"])
def test_nothing_is_kept_of_far_deadlines_that_came_to_nothing(change: str):
    # A call that is answered long before its deadline; a timer that moves to earlier each time.
    table = TimerTable()
    table.set(Timer.HEARTBEAT, 1)
    before = Moment.held
    for number in range(5000):
        if change == "cleared":
            table.set(Timer.CALL, Moment(10_000), number)
            table.clear(Timer.CALL, number)
        else:
            table.set(Timer.SILENCE, Moment(10_000 - number))
        assert table.next() == Deadline(1, Timer.HEARTBEAT)
    assert Moment.held - before < 300


def clear_many(table: TimerTable) -> None:
    """Set and clear so many timers that the table is tidied on the way."""
    for number in range(1000):
        table.set(Timer.PAUSE, 10_000, number)
        table.clear(Timer.PAUSE, number)


def test_timer_that_is_set_again_after_the_table_was_tidied_fires():
    table = TimerTable()
    table.set(Timer.CALL, 100, 7)
    table.clear(Timer.CALL, 7)
    clear_many(table)
    table.set(Timer.CALL, 200, 7)
    assert table.pop_due(199) is None
    assert table.pop_due(200) == Deadline(200, Timer.CALL, 7)


def test_timers_fire_in_their_order_after_the_table_was_tidied():
    table = TimerTable()
    moments = [number * 37 % 101 for number in range(100)]
    for number, at in enumerate(moments):
        table.set(Timer.CALL, at + 1000, number)
        table.set(Timer.CALL, at, number)  # moved to earlier, which leaves the other behind
    for number in range(50):
        table.clear(Timer.CALL, number)
    clear_many(table)
    fired: list[int] = []
    while deadline := table.pop_due(5000):
        fired.append(deadline.at)
    assert fired == sorted(moments[50:])


KINDS = [Timer.HEARTBEAT, Timer.SILENCE, Timer.CALL]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "clear", "pop", "clear all"]),
            st.sampled_from(KINDS),
            st.integers(0, 2),
            st.integers(0, 20),
        ),
        max_size=60,
    )
)
def test_table_agrees_with_a_plain_dictionary(steps):
    table = TimerTable()
    plain: dict[tuple[Timer, int], int] = {}
    for action, kind, key, at in steps:
        if action == "set":
            table.set(kind, at, key)
            plain[kind, key] = at
        elif action == "clear":
            table.clear(kind, key)
            plain.pop((kind, key), None)
        elif action == "clear all":
            table.clear_all(kind)
            plain = {name: when for name, when in plain.items() if name[0] is not kind}
        else:
            popped = table.pop_due(at)
            if popped is None:
                assert all(when > at for when in plain.values())
            else:
                assert isinstance(popped.key, int)
                assert plain.pop((popped.timer, popped.key)) == popped.at
                assert popped.at <= at
                assert all(when >= popped.at for when in plain.values())
        upcoming = table.next()
        assert (upcoming and upcoming.at) == (min(plain.values()) if plain else None)
