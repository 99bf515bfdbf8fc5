"""What happens between the parts of a fill, and between a fill and the protection it asks for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAAccountType,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAExecutionEvent,
    ProtoOAOrderErrorEvent,
    ProtoOATradingMode,
)
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS, AccountSpec
from ctrader.simulator.switches import Switches
from tests.simulator.orders import (
    POSITION,
    amend,
    amend_order,
    close,
    events,
    kinds,
    order,
    trader,
)
from tests.simulator.peer import BARE, USD_ACCOUNT, Peer

ON_ITS_WAY = 0.025
"""Seconds after a request when its first part is filled, and nothing that follows from it."""


def account(**terms: object) -> tuple[AccountSpec]:
    """Make the accounts of an exchange that has one only, on these terms."""
    return (replace(DEFAULT_ACCOUNTS[0], **terms),)  # type: ignore[arg-type]


def netted(
    *ticks: tuple[float, int | None, int | None], volume: int = 200_000, switches: Switches = BARE
) -> Peer:
    """Open an exchange whose netted account is long."""
    accounts = account(account_type=ProtoOAAccountType.NETTED)
    peer = trader(*ticks, switches=switches, accounts=accounts)
    peer.send(order(volume=volume))
    events(peer)
    return peer


def open_volumes(peer: Peer) -> list[tuple[int, str, int]]:
    """Return id, side and volume of what is open."""
    return [
        (each.position_id, "BUY" if each.is_buy else "SELL", each.volume)
        for each in peer.exchange.books[USD_ACCOUNT].open_positions()
    ]


def deals(found: list[ProtoOAExecutionEvent]) -> list[tuple[str, int, int]]:
    """Return kind, position and volume of each deal."""
    return [
        (kinds([each])[0], each.deal.positionId, each.deal.filledVolume)
        for each in found
        if each.HasField("deal")
    ]


@pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
@pytest.mark.parametrize("keeps", [False, True], ids=["new id", "same id"])
def test_flip_goes_on_where_a_part_closed_its_position_exactly(kind: str, *, keeps: bool):
    peer = netted(switches=replace(BARE, flip_keeps_position_id=keeps))
    peer.exchange.floor.script_fill(200_000, 400_000)
    price = {} if kind == "MARKET" else {"limitPrice": 1.12}
    peer.send(order(kind, "SELL", volume=600_000, **price))
    found = events(peer)
    ((opened, _, _),) = open_volumes(peer)
    assert (opened == POSITION) == keeps
    assert deals(found) == [
        ("ORDER_PARTIAL_FILL", POSITION, 200_000),
        ("ORDER_FILLED", opened, 400_000),
    ]
    assert open_volumes(peer) == [(opened, "SELL", 400_000)]
    assert not found[-1].order.closingOrder


def test_pending_flip_may_use_the_margin_that_it_sets_free():
    # A lot binds 1,126 dollars: two could not be held beside each other.
    accounts = account(account_type=ProtoOAAccountType.NETTED, balance=Decimal(1500))
    peer = trader((0, 112567, 112569), (3, 112500, 112502), accounts=accounts)
    peer.send(order(volume=10_000_000))
    events(peer)
    peer.send(order("STOP", "SELL", volume=20_000_000, stopPrice=1.125))
    events(peer)
    assert kinds(events(peer, 5)) == ["ORDER_PARTIAL_FILL", "ORDER_FILLED"]
    assert open_volumes(peer) == [(POSITION + 2, "SELL", 10_000_000)]


def test_rest_of_a_flip_goes_to_what_another_order_opened_meanwhile():
    peer = netted((0, 112567, 112569), (2.005, 112700, 112702))
    peer.send(order("LIMIT", "SELL", volume=900_000, limitPrice=1.126))
    peer.run(1)
    peer.received()
    peer.exchange.floor.script_fill(200_000, 400_000)
    peer.send(order(side="SELL", volume=600_000))
    found = events(peer)
    assert deals(found) == [
        ("ORDER_PARTIAL_FILL", POSITION, 200_000),
        ("ORDER_FILLED", POSITION + 1, 900_000),
        ("ORDER_FILLED", POSITION + 1, 400_000),
    ]
    assert open_volumes(peer) == [(POSITION + 1, "SELL", 1_300_000)]


def test_addition_does_not_enlarge_the_position_that_a_flip_put_under_its_id():
    peer = netted(switches=replace(BARE, flip_keeps_position_id=True))
    peer.exchange.floor.script_fill(100_000, 300_000)
    peer.send(order(volume=400_000), "add")
    peer.send(order(side="SELL", volume=1_000_000), "flip")
    found = events(peer)
    assert kinds(found)[-1] == "ORDER_REJECTED"
    assert found[-1].errorCode == "POSITION_NOT_OPEN"
    assert open_volumes(peer) == [(POSITION, "SELL", 700_000)]


def test_pending_addition_reduces_the_position_that_a_flip_put_under_its_id():
    peer = netted(
        (0, 112567, 112569),
        (2, 112400, 112402),
        switches=replace(BARE, flip_keeps_position_id=True),
    )
    peer.send(order("LIMIT", volume=400_000, limitPrice=1.1245))
    peer.run(0.995)  # the price comes while the flip is on its way
    peer.exchange.floor.script_fill(100_000, 300_000)
    peer.run(0.01)
    peer.send(order(side="SELL", volume=1_000_000))
    found = events(peer)
    closing = [each for each in found if each.deal.HasField("closePositionDetail")]
    assert [each.deal.filledVolume for each in closing] == [300_000, 300_000]
    assert open_volumes(peer) == [(POSITION, "SELL", 400_000)]


@pytest.mark.parametrize("closed_by", ["rights", "mode"])
def test_part_that_would_open_is_under_the_rules_of_opening(closed_by: str):
    peer = netted((0, 112567, 112569), (2, 112700, 112702), volume=300_000)
    peer.send(order("LIMIT", "SELL", volume=300_000, limitPrice=1.126))
    peer.run(0.5)
    if closed_by == "rights":
        peer.exchange.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.CLOSE_ONLY)
    else:
        peer.exchange.change_symbol(1, trading_mode=ProtoOATradingMode.CLOSE_ONLY_MODE)
    peer.exchange.floor.script_fill(100_000, 200_000)
    peer.run(0.505)
    peer.received()
    peer.send(close(300_000))
    found = events(peer)
    assert [volume for _, _, volume in deals(found)] == [100_000, 200_000]
    assert not open_volumes(peer)


def guaranteed(**terms: object) -> Peer:
    """Let an order with a guaranteed stop loss be filled whose protective order is not there."""
    peer = trader(accounts=account(**terms), guaranteed_stops=True)
    peer.send(order(relativeStopLoss=300, guaranteedStopLoss=True))
    assert kinds(events(peer, ON_ITS_WAY)) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    return peer


@pytest.mark.parametrize(
    "request_",
    [amend(stopLoss=1.11), amend(stopLoss=1.11, guaranteedStopLoss=True), amend(takeProfit=1.2)],
    ids=["worse", "worse and guaranteed", "without"],
)
def test_guarantee_that_a_fill_promised_holds_at_once(request_: ProtoOAAmendPositionSLTPReq):
    peer = guaranteed()
    assert peer.ask(request_, ProtoOAOrderErrorEvent).errorCode == "WORSE_GSL_NOT_ALLOWED"
    (protected,) = events(peer)
    assert (protected.position.stopLoss, protected.position.guaranteedStopLoss) == (1.12269, True)


def test_guarantee_that_a_fill_promised_need_not_be_asked_for_again():
    peer = guaranteed(is_limited_risk=True)
    peer.send(amend(stopLoss=1.124))
    (protected,) = events(peer)
    assert (protected.position.stopLoss, protected.position.guaranteedStopLoss) == (1.124, True)


def test_addition_to_a_position_that_was_promised_a_guarantee_needs_none_of_its_own():
    peer = guaranteed(is_limited_risk=True)
    peer.send(order(positionId=POSITION))
    assert "ORDER_FILLED" in kinds(events(peer))
    assert open_volumes(peer) == [(POSITION, "BUY", 200_000)]


@pytest.mark.parametrize("flag", ["trailingStopLoss", "guaranteedStopLoss"])
def test_flag_that_was_amended_between_parts_holds_from_the_next_one_on(flag: str):
    peer = trader(guaranteed_stops=True)
    peer.exchange.floor.script_fill(100_000)
    terms: dict[str, Any] = {"volume": 200_000, "limitPrice": 1.13, "relativeStopLoss": 300}
    peer.send(order("LIMIT", **terms))
    events(peer)
    peer.send(amend_order(**terms, **{flag: True}))
    events(peer)
    (held,) = peer.exchange.books[USD_ACCOUNT].open_positions()
    assert held.volume == 200_000
    assert {"trailingStopLoss": held.trailing, "guaranteedStopLoss": held.guaranteed}[flag]
