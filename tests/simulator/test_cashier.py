"""Deposits, withdrawals and bonuses, and the list of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ctrader.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOAChangeBalanceType,
    ProtoOAChangeBonusType,
    ProtoOADepositWithdraw,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOATraderUpdatedEvent,
)
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.switches import Switches
from tests.simulator.peer import BARE, START, USD_ACCOUNT, Peer, log_in, scripted_exchange
from tests.simulator.trades import open_position, trader_of

WEEK = 604_800_000


def cash_flow(
    peer: Peer, start: int = START, end: int = START + WEEK
) -> list[ProtoOADepositWithdraw]:
    answer = peer.ask(
        ProtoOACashFlowHistoryListReq(
            ctidTraderAccountId=USD_ACCOUNT, fromTimestamp=start, toTimestamp=end
        ),
        ProtoOACashFlowHistoryListRes,
    )
    return list(answer.depositWithdraw)


def frames(peer: Peer) -> list[object]:
    return [each.message for each in peer.received()]


def test_deposit_is_told_as_execution_and_as_the_new_account():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.run(5)
    peer.received()
    booking = peer.exchange.deposit(USD_ACCOUNT, Decimal("250.50"), note="by card")
    event, updated = frames(peer)
    assert isinstance(event, ProtoOAExecutionEvent)
    assert event.executionType == ProtoOAExecutionType.DEPOSIT_WITHDRAW
    assert event.isServerEvent
    assert not event.HasField("order")
    assert not event.HasField("position")
    assert event.depositWithdraw == ProtoOADepositWithdraw(
        operationType=ProtoOAChangeBalanceType.BALANCE_DEPOSIT,
        balanceHistoryId=booking.booking_id,
        balance=10_025_050,
        delta=25_050,
        changeBalanceTimestamp=START + 5000,
        externalNote="by card",
        balanceVersion=2,
        equity=10_025_050,
        moneyDigits=2,
    )
    assert isinstance(updated, ProtoOATraderUpdatedEvent)
    assert (updated.trader.balance, updated.trader.balanceVersion) == (10_025_050, 2)
    assert cash_flow(peer) == [event.depositWithdraw]


def test_withdrawal_has_a_negative_delta():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(1))
    (change,) = cash_flow(peer)
    assert (change.operationType, change.delta, change.balance) == (1, -100, 9_999_900)


def test_withdrawal_may_be_told_without_a_sign():
    switches = replace(BARE, withdrawal_delta_negative=False, trader_updated_after_cash=False)
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    peer.received()
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(1))
    (event,) = frames(peer)
    assert isinstance(event, ProtoOAExecutionEvent)
    assert (event.depositWithdraw.delta, event.depositWithdraw.balance) == (100, 9_999_900)


@pytest.mark.parametrize(("name", "number"), ProtoOAChangeBalanceType.items())
def test_every_kind_of_change(name: str, number: int):
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    act = peer.exchange.deposit if "DEPOSIT" in name else peer.exchange.withdraw
    act(USD_ACCOUNT, Decimal(3), change_type=number)
    (change,) = cash_flow(peer)
    sign = 1 if "DEPOSIT" in name else -1
    assert (change.operationType, change.delta) == (number, 300 * sign)
    assert trader_of(peer).balance == 10_000_000 + 300 * sign


def test_bonus_that_cannot_be_withdrawn_is_kept_apart_as_well():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    kind = ProtoOAChangeBalanceType.BALANCE_DEPOSIT_NONWITHDRAWABLE_BONUS
    peer.exchange.deposit(USD_ACCOUNT, Decimal(50), change_type=kind)
    trader = trader_of(peer)
    assert (trader.balance, trader.nonWithdrawableBonus) == (10_005_000, 5000)


def test_bonus_leaves_the_balance_alone():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.received()
    peer.exchange.deposit_bonus(
        USD_ACCOUNT, manager=Decimal(20), introducing_broker=Decimal("0.5"), note="welcome"
    )
    event, updated = frames(peer)
    assert isinstance(event, ProtoOAExecutionEvent)
    assert event.executionType == ProtoOAExecutionType.BONUS_DEPOSIT_WITHDRAW
    bonus = event.bonusDepositWithdraw
    assert bonus.operationType == ProtoOAChangeBonusType.BONUS_DEPOSIT
    assert (bonus.managerBonus, bonus.managerDelta) == (2000, 2000)
    assert (bonus.ibBonus, bonus.ibDelta, bonus.externalNote) == (50, 50, "welcome")
    assert isinstance(updated, ProtoOATraderUpdatedEvent)
    trader = updated.trader
    assert (trader.balance, trader.balanceVersion) == (10_000_000, 1)
    assert (trader.managerBonus, trader.ibBonus) == (2000, 50)
    assert not cash_flow(peer)


def test_bonus_is_taken_back():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.exchange.deposit_bonus(USD_ACCOUNT, manager=Decimal(20))
    peer.received()
    peer.exchange.withdraw_bonus(USD_ACCOUNT, manager=Decimal(5))
    event = frames(peer)[0]
    assert isinstance(event, ProtoOAExecutionEvent)
    bonus = event.bonusDepositWithdraw
    assert bonus.operationType == ProtoOAChangeBonusType.BONUS_WITHDRAW
    assert (bonus.managerBonus, bonus.managerDelta) == (1500, -500)
    with pytest.raises(ValueError, match="more of the bonus"):
        peer.exchange.withdraw_bonus(USD_ACCOUNT, manager=Decimal(16))
    with pytest.raises(ValueError, match="needs an amount"):
        peer.exchange.withdraw_bonus(USD_ACCOUNT)


def test_equity_counts_what_is_open():
    exchange = scripted_exchange(((0, 112_500, 112_500), (2, 112_600, 112_600)))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    open_position(peer)
    peer.run(3)
    peer.exchange.deposit(USD_ACCOUNT, Decimal(1))
    (change,) = cash_flow(peer)
    # One lot up by ten pips is 100 dollars, its commission so far 2.50.
    assert (change.balance, change.equity) == (10_000_100, 10_000_100 + 10_000 - 250)


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity", "1e30"])
def test_amount_that_an_account_cannot_keep(amount: str):
    exchange = scripted_exchange()
    with pytest.raises(ValueError, match=r"amount|decimals|fit"):
        exchange.deposit(USD_ACCOUNT, Decimal(amount))
    assert exchange.books[USD_ACCOUNT].balance == 10_000_000


def test_type_must_fit_the_direction():
    exchange = scripted_exchange()
    with pytest.raises(ValueError, match="BALANCE_WITHDRAW"):
        exchange.withdraw(
            USD_ACCOUNT, Decimal(1), change_type=ProtoOAChangeBalanceType.BALANCE_DEPOSIT
        )
    with pytest.raises(ValueError, match="999"):
        exchange.deposit(USD_ACCOUNT, Decimal(1), change_type=999)


def test_balance_must_fit_into_a_message():
    exchange = scripted_exchange()
    exchange.deposit(USD_ACCOUNT, Decimal("9e16"))
    with pytest.raises(ValueError, match="fit"):
        exchange.deposit(USD_ACCOUNT, Decimal("9e16"))


# The list


@pytest.mark.parametrize(
    ("start", "end"),
    [(START, START + WEEK + 1), (START + 1, START), (-1, START), (START, 2_147_483_646_001)],
)
def test_window_that_no_server_takes(start: int, end: int):
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    answer = peer.ask(
        ProtoOACashFlowHistoryListReq(
            ctidTraderAccountId=USD_ACCOUNT, fromTimestamp=start, toTimestamp=end
        ),
        ProtoOAErrorRes,
    )
    assert answer.errorCode == "INCORRECT_BOUNDARIES"


def one_deposit(switches: Switches) -> Peer:
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    peer.run(10)
    peer.exchange.deposit(USD_ACCOUNT, Decimal(1))
    return peer


def test_borders_belong_to_the_window():
    peer = one_deposit(BARE)
    at = START + 10_000
    assert len(cash_flow(peer, at, at)) == 1
    assert not cash_flow(peer, at + 1, at + 2)
    assert not cash_flow(peer, at - 2, at - 1)


def test_end_of_the_window_may_be_left_out():
    peer = one_deposit(replace(BARE, list_borders_inclusive=False))
    at = START + 10_000
    assert not cash_flow(peer, at - 1, at)
    assert len(cash_flow(peer, at, at + 1)) == 1


def test_list_may_lag():
    peer = one_deposit(replace(BARE, history_lag=2.0))
    assert not cash_flow(peer)
    peer.run(2)
    assert len(cash_flow(peer)) == 1


def test_accounts_of_eight_digits():
    spec = replace(DEFAULT_ACCOUNTS[0], money_digits=8)
    peer = log_in(Peer(Exchange(unix_ms=START, switches=BARE, accounts=[spec])), USD_ACCOUNT)
    peer.exchange.deposit(USD_ACCOUNT, Decimal("0.00000001"))
    (change,) = cash_flow(peer)
    assert (change.delta, change.balance, change.moneyDigits) == (1, 10_000_000_000_001, 8)


def test_money_digits_may_be_left_out():
    switches = replace(BARE, write_money_digits=False)
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    peer.exchange.deposit(USD_ACCOUNT, Decimal(1))
    (change,) = cash_flow(peer)
    assert change.balance == 10_000_100
    assert not change.HasField("moneyDigits")
    assert not trader_of(peer).HasField("moneyDigits")


def test_a_bonus_that_does_not_fit_into_a_message_changes_nothing():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    peer.exchange.deposit_bonus(USD_ACCOUNT, manager=Decimal(2**62) / 100)
    before = trader_of(peer)
    with pytest.raises(ValueError, match="fit into a message"):
        peer.exchange.deposit_bonus(USD_ACCOUNT, manager=Decimal(2**62) / 100)
    assert trader_of(peer) == before
