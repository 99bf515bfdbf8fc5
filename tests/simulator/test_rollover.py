"""Swaps and rollover commissions: when they fall due and what they come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ctrader.proto import (
    ProtoOADayOfWeek,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOASwapCalculationType,
)
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS
from tests.simulator.peer import BARE, USD_ACCOUNT, Peer, log_in, scripted_exchange
from tests.simulator.trades import close, open_position, perform, trader_of

DAY = 86_400
SPEED = 3600.0

# START is Sunday, 13 September 2020, 12:26:40 UTC.


def trading(terms: dict[str, Any], account: dict[str, Any] | None = None) -> Peer:
    """Make a peer on a market at 1.10000 that goes an hour in a second, with changed terms."""
    accounts = [replace(DEFAULT_ACCOUNTS[0], **(account or {}))]
    exchange = scripted_exchange(
        ((0, 110_000, 110_000),),
        switches=replace(BARE, heartbeat_interval=1e9),
        speed=SPEED,
        accounts=accounts,
    )
    usual = {"swap_long": -1.0, "swap_short": 0.5, "swap_time": 22 * 60}
    exchange.change_symbol(1, **{**usual, **terms})
    return log_in(Peer(exchange), USD_ACCOUNT)


def swaps(peer: Peer, days: float) -> list[ProtoOAExecutionEvent]:
    """Let market days pass and return the swap events."""
    peer.run(days * DAY / SPEED)
    return [
        event
        for event in peer.messages(ProtoOAExecutionEvent)
        if event.executionType == ProtoOAExecutionType.SWAP
    ]


def totals(events: list[ProtoOAExecutionEvent]) -> list[tuple[str, int]]:
    """Return weekday, time and running total of swap events."""
    return [
        (
            datetime.fromtimestamp(each.position.utcLastUpdateTimestamp / 1000, UTC).strftime(
                "%a %H:%M"
            ),
            each.position.swap,
        )
        for each in events
    ]


def test_week_of_swaps_with_a_triple_day_and_none_at_the_weekend():
    peer = trading({})
    open_position(peer)
    # One lot at one pip a day is 10 dollars.
    assert totals(swaps(peer, 9)) == [
        ("Mon 22:00", -1000),
        ("Tue 22:00", -2000),
        ("Wed 22:00", -5000),
        ("Thu 22:00", -6000),
        ("Fri 22:00", -7000),
        ("Mon 22:00", -8000),
    ]


def test_swap_event_shows_the_position_alone():
    peer = trading({})
    position = open_position(peer)
    (event,) = swaps(peer, 1.5)
    assert event.isServerEvent
    assert event.position.positionId == position
    assert event.position.tradeData.volume == 10_000_000
    assert not event.HasField("order")
    assert not event.HasField("deal")
    assert trader_of(peer).balance == 10_000_000


def test_swap_is_booked_with_the_close_in_proportion():
    peer = trading({})
    position = open_position(peer)
    swaps(peer, 1.5)
    part = perform(peer, close(position, 3_000_000))[1]
    assert part.deal.closePositionDetail.swap == -300
    assert part.position.swap == -700
    rest = perform(peer, close(position, 7_000_000))[1]
    assert rest.deal.closePositionDetail.swap == -700
    # Commission is 2.50 a lot and side.
    assert trader_of(peer).balance == 10_000_000 - 1000 - 500


@pytest.mark.parametrize(
    ("terms", "side", "expected"),
    [
        ({"swap_type": ProtoOASwapCalculationType.POINTS}, "BUY", -100),
        ({"swap_type": ProtoOASwapCalculationType.PIPS}, "SELL", 500),
        # 110,000 dollars at 1 percent a year are 3.0555... a day of 360.
        ({"swap_type": ProtoOASwapCalculationType.PERCENTAGE}, "BUY", -306),
        ({"swap_long": -0.00049}, "BUY", 0),
        ({"swap_long": -0.0005}, "BUY", -1),
    ],
)
def test_each_kind_of_swap(terms: dict[str, Any], side: str, expected: int):
    peer = trading(terms)
    open_position(peer, side)
    assert sum(event.position.swap for event in swaps(peer, 1.5)) == expected


def test_swap_of_euros_and_yen_is_converted():
    exchange = scripted_exchange(
        ((0, 15_000_000, 15_000_000),),
        symbol_id=4,
        others={1: ((0, 110_000, 110_000),)},
        switches=replace(BARE, heartbeat_interval=1e9),
        speed=SPEED,
    )
    exchange.change_symbol(4, swap_long=-1.5, swap_time=0)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    open_position(peer, symbol=4)
    # 100,000 units at 1.5 pips of 0.01 are 1,500 yen, at 150 yen 10 dollars.
    assert totals(swaps(peer, 1)) == [("Mon 00:00", -1000)]


def test_shorter_period_brings_its_part_of_a_day():
    peer = trading({"swap_period": 8, "skip_swap_periods": 2, "swap_at_weekends": True})
    open_position(peer)
    # Sunday 14:00 and 22:00 are spared.
    assert totals(swaps(peer, 1)) == [("Mon 06:00", -333)]


def test_symbol_may_charge_at_weekends():
    peer = trading({"swap_at_weekends": True, "swap_rollover": ProtoOADayOfWeek.NONE})
    open_position(peer)
    assert [total for _, total in totals(swaps(peer, 4))] == [-1000, -2000, -3000, -4000]


def test_position_closed_before_the_rollover_pays_nothing():
    peer = trading({})
    position = open_position(peer)
    perform(peer, close(position, 10_000_000))
    assert not swaps(peer, 3)


def test_addition_pays_from_the_next_rollover_on():
    peer = trading({"swap_rollover": ProtoOADayOfWeek.NONE}, {"account_type": 1})
    open_position(peer)
    swaps(peer, 1.5)
    open_position(peer)
    assert [total for _, total in totals(swaps(peer, 1))] == [-3000]


def test_swap_free_account_pays_rollover_commission_instead():
    peer = trading(
        {
            "rollover_commission": 700_000_000,
            "skip_rollover_days": 2,
            "rollover_commission_3_days": ProtoOADayOfWeek.THURSDAY,
        },
        {"swap_free": True},
    )
    assert trader_of(peer).swapFree
    open_position(peer, volume=5_000_000)
    # Sunday and Monday are spared; half a lot at 7 dollars a lot.
    assert totals(swaps(peer, 6)) == [
        ("Tue 22:00", -350),
        ("Wed 22:00", -700),
        ("Thu 22:00", -1750),
        ("Fri 22:00", -2100),
    ]


def test_swap_free_account_pays_nothing_for_a_symbol_without_commission():
    peer = trading({}, {"swap_free": True})
    open_position(peer)
    assert not swaps(peer, 6)


def test_changed_terms_hold_from_the_next_rollover_on():
    peer = trading({})
    open_position(peer)
    assert len(swaps(peer, 1.5)) == 1
    peer.exchange.change_symbol(1, swap_long=-2.0, swap_time=6 * 60)
    # It is Tuesday, 00:27 or so.
    assert totals(swaps(peer, 0.5)) == [("Tue 06:00", -3000)]


def test_account_may_become_swap_free():
    peer = trading({"rollover_commission": 100_000_000, "skip_rollover_days": 0})
    open_position(peer)
    swaps(peer, 1.5)
    peer.exchange.change_account(USD_ACCOUNT, swap_free=True)
    assert totals(swaps(peer, 1)) == [("Tue 22:00", -1100)]


@pytest.mark.parametrize(("digits", "expected"), [(0, -12), (2, -1235), (8, -1_234_567_800)])
def test_swap_is_rounded_to_the_accounts_digits(digits: int, expected: int):
    peer = trading({"swap_long": -1.2345678}, {"money_digits": digits, "balance": Decimal(100_000)})
    open_position(peer)
    (event,) = swaps(peer, 1.5)
    assert event.position.swap == expected
