"""The operations that read an account, provide for its profits and compare them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.message import Message

from ctrader.enums import OrderSide
from ctrader.errors import APIError
from ctrader.live.account import LiveAccount
from ctrader.operations import account_state
from ctrader.proto import ProtoOAReconcileRes, ProtoOATrader, ProtoOATraderRes
from ctrader.protocol.commands import Call, SpotTopic, Subscribe
from tests.live.entities import EURUSD, account, at, position
from tests.live.room import CALM, HEDGED_JPY, HEDGED_USD, NETTED_EUR, Room

ACCOUNT = HEDGED_USD.account_id


def test_quotes_of_positions_and_of_what_converts_are_subscribed_and_released() -> None:
    room = Room([NETTED_EUR])
    live, terminal = room.live[12], room.terminal(12)
    supply: Any = live.supply  # its properties change, which checkers do not believe
    terminal.sell("USDJPY", 1_000_000)
    room.world.run_for(0.5)
    assert supply.subscribed_quotes == (3, 4)
    room.check(12)

    terminal.close(terminal.positions[0])
    room.world.run_for(0.5)
    assert supply.surplus_quotes == (3, 4)
    room.world.run(account_state.release(live))
    assert supply.subscribed_quotes == ()
    room.world.run(account_state.release(live, everything=True))


@pytest.mark.parametrize("side", ["bid", "ask", "mid"])
@pytest.mark.parametrize("rounding", ["half_away", "half_even", "towards_zero"])
def test_whatever_the_server_converts_and_rounds_by_is_no_discrepancy(
    side: Any, rounding: Any
) -> None:
    switches = replace(CALM, conversion_side=side, money_rounding=rounding)
    room = Room([HEDGED_JPY, NETTED_EUR], switches)
    for account_id, live in room.live.items():
        terminal = room.terminal(account_id)
        terminal.buy("XAUUSD", 500)
        terminal.sell("USDCHF", 3_000_000)
        room.world.run_for(0.5)
        for _ in range(40):
            room.world.run_for(1.7)
            assert room.world.run(account_state.cross_check(live)) == ()
            assert live.state.equity is not None
        assert live.doubt is None


def test_position_that_went_wrong_is_found_and_healed_by_reading() -> None:
    room = Room([HEDGED_USD])
    live, terminal = room.live[ACCOUNT], room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    (held,) = live.state.positions.values()
    # As if a partial close had been missed.
    reading = live.begin()
    assert live.state.account is not None
    reading.account_told(live.state.account)
    reading.holdings_told([held.model_copy(update={"entry_price": 1.0})], [])
    live.rebuilt(reading, room.clock())

    assert room.world.run(account_state.cross_check(live)) == ()
    (found,) = room.world.run(account_state.cross_check(live))

    assert found.position_id == held.position_id
    assert live.doubt
    room.read(ACCOUNT)
    room.world.run_for(0.5)
    room.check(ACCOUNT)
    assert room.world.run(account_state.cross_check(live)) == ()


@pytest.mark.parametrize("answers", [1, 2])
def test_rebuild_ends_early_where_the_link_is_lost_on_the_way(answers: int) -> None:
    live = LiveAccount(ACCOUNT)
    trader = ProtoOATraderRes(
        ctidTraderAccountId=ACCOUNT,
        trader=ProtoOATrader(ctidTraderAccountId=ACCOUNT, balance=1, depositAssetId=1),
    )
    operation = account_state.rebuild(live, lambda: at(0))
    next(operation)
    answer: Message = trader
    if answers == 2:
        operation.send(trader)
        answer = ProtoOAReconcileRes(ctidTraderAccountId=ACCOUNT)
    live.went_stale(at(1))

    with pytest.raises(StopIteration) as end:
        operation.send(answer)

    assert end.value.value == ()
    assert live.state.is_stale


def test_reading_that_is_refused_is_abandoned() -> None:
    live = LiveAccount(ACCOUNT)
    operation = account_state.rebuild(live, lambda: at(0))
    next(operation)

    with pytest.raises(APIError):
        operation.throw(APIError("CODE"))

    assert live.state.is_stale


def test_chain_and_quotes_that_are_refused_are_left_out() -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    reading.account_told(account())
    reading.holdings_told(
        [position(), position(6, symbol_id=6), position(7, symbol_id=9, side=OrderSide.SELL)], []
    )
    live.rebuilt(reading, at(0))
    live.supply.assets_told([])
    live.supply.symbols_told([EURUSD, EURUSD.model_copy(update={"symbol_id": 6})])
    operation = account_state.provide(live)

    assert isinstance(next(operation), Call)
    subscription = operation.throw(APIError("SYMBOL_NOT_FOUND"))
    assert isinstance(subscription, Subscribe)
    assert {topic.symbol_id for topic in subscription.topics if isinstance(topic, SpotTopic)} == {
        1,
        6,
        9,
    }
    single = operation.throw(APIError("SYMBOL_NOT_FOUND"))
    assert single == Subscribe((SpotTopic(ACCOUNT, 1),), account_state.OWNER)
    operation.send(None)
    operation.throw(APIError("SYMBOL_NOT_FOUND"))
    with pytest.raises(StopIteration):
        operation.send(None)
    assert live.supply.subscribed_quotes == (1, 9)
    assert live.supply.is_complete
    assert live.state.balance == Decimal(1000)
