"""Money that does not say its decimals waits until its account has told them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ctrader.enums import ExecutionType
from ctrader.errors import CTraderError
from ctrader.events import (
    DisconnectedEvent,
    ExecutionEvent,
    MarginChangeEvent,
    SpotEvent,
)
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOABonusDepositWithdraw,
    ProtoOAClientDisconnectEvent,
    ProtoOAClosePositionDetail,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAExecutionEvent,
    ProtoOAMarginChangedEvent,
    ProtoOANewOrderReq,
    ProtoOAPosition,
    ProtoOASpotEvent,
    ProtoOASymbolsListReq,
    ProtoOATradeData,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader.protocol import money_digits
from ctrader.protocol.effects import CallCompleted, EventsReceived, Finished, Phase, Warned
from ctrader.protocol.envelope import encode_message
from ctrader.protocol.framing import encode_frame
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, Peer, read_call, trade_call

LISTENED = frozenset({ExecutionEvent, MarginChangeEvent, SpotEvent})


@pytest.fixture
def peer() -> Peer:
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.session.listen(LISTENED, None)
    peer.clear()
    return peer


def margin(
    used: int = 12_3456, *, position_id: int = 1, account_id: int = ACCOUNT
) -> ProtoOAMarginChangedEvent:
    return ProtoOAMarginChangedEvent(
        ctidTraderAccountId=account_id, positionId=position_id, usedMargin=used
    )


def told(digits: int | None = 4, account_id: int = ACCOUNT) -> ProtoOATraderRes:
    trader = ProtoOATrader(
        ctidTraderAccountId=account_id, balance=0, depositAssetId=1, moneyDigits=digits
    )
    return ProtoOATraderRes(ctidTraderAccountId=account_id, trader=trader)


def quote(bid: int = 110_000) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=bid)


def position(**fields: int) -> ProtoOAPosition:
    trade = ProtoOATradeData(symbolId=1, volume=1000, tradeSide="BUY")
    return ProtoOAPosition(
        positionId=5,
        tradeData=trade,
        positionStatus="POSITION_STATUS_OPEN",
        **{"swap": 0, **fields},  # type: ignore[arg-type]
    )


def filled(held: ProtoOAPosition | None = None) -> ProtoOAExecutionEvent:
    return ProtoOAExecutionEvent(
        ctidTraderAccountId=ACCOUNT,
        executionType="ORDER_FILLED",
        position=position(commission=-250, usedMargin=107_482) if held is None else held,
    )


def deal(**fields: object) -> ProtoOADeal:
    return ProtoOADeal(
        dealId=1,
        orderId=2,
        positionId=5,
        volume=1000,
        filledVolume=1000,
        symbolId=1,
        createTimestamp=1,
        executionTimestamp=1,
        tradeSide="SELL",
        dealStatus="FILLED",
        **fields,  # type: ignore[arg-type]
    )


def margins(peer: Peer) -> list[Decimal]:
    return [event.amount for event in peer.seen(MarginChangeEvent)]


def warnings(peer: Peer) -> list[str]:
    return [effect.text for effect in peer.outputs if isinstance(effect, Warned)]


def test_money_waits_until_its_account_has_told_its_decimals(peer: Peer):
    peer.push(margin())
    assert peer.seen(MarginChangeEvent) == []
    assert peer.requests(ProtoOATraderReq) == [ProtoOATraderReq(ctidTraderAccountId=ACCOUNT)]
    peer.answer(ProtoOATraderReq, told(4))
    assert margins(peer) == [Decimal("12.3456")]
    assert warnings(peer) == []


def test_account_is_asked_once(peer: Peer):
    peer.push(margin())
    peer.answer(ProtoOATraderReq, told(4))
    peer.push(margin(1), margin(2))
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.push(margin(3))
    assert margins(peer)[1:] == [Decimal("0.0001"), Decimal("0.0002"), Decimal("0.0003")]
    assert len([s for s in peer.history if isinstance(s.message, ProtoOATraderReq)]) == 1


def test_result_of_an_order_and_its_event_have_the_same_money(peer: Peer):
    call_id = peer.submit(trade_call())
    peer.answer(ProtoOANewOrderReq, filled())
    assert call_id not in peer.results
    peer.answer(ProtoOATraderReq, told(4))
    assert peer.results[call_id] == filled(
        position(commission=-250, usedMargin=107_482, moneyDigits=4)
    )
    (event,) = peer.seen(ExecutionEvent)
    assert event.execution_type is ExecutionType.ORDER_FILLED
    assert event.position is not None
    assert (event.position.commission, event.position.used_margin) == (
        Decimal("-0.0250"),
        Decimal("10.7482"),
    )


def test_only_what_is_read_as_a_model_is_given_digits(peer: Peer):
    peer.session.listen(LISTENED | {ProtoOAExecutionEvent}, None)
    peer.push(told(4))
    raw = peer.submit(replace(trade_call(), fills_in_digits=False))
    peer.answer(ProtoOANewOrderReq, filled())
    assert peer.results[raw] == filled()
    assert peer.seen(ProtoOAExecutionEvent) == [filled()]
    read = peer.submit(trade_call())
    peer.answer(ProtoOANewOrderReq, filled())
    assert peer.results[read] != filled()
    assert peer.seen(ProtoOAExecutionEvent) == [filled()] * 2


def test_digits_that_a_part_says_itself_stay(peer: Peer):
    peer.push(told(4))
    call_id = peer.submit(trade_call())
    answer = filled(position(commission=-250, moneyDigits=0))
    answer.deal.CopyFrom(deal(commission=-3))
    peer.answer(ProtoOANewOrderReq, answer)
    result = peer.results[call_id]
    assert isinstance(result, ProtoOAExecutionEvent)
    assert (result.position.moneyDigits, result.deal.moneyDigits) == (0, 4)


def test_answer_that_comes_while_closing_has_the_digits_of_its_account(peer: Peer):
    peer.push(told(4))
    call_id = peer.submit(trade_call())
    peer.close(grace=2)
    peer.answer(ProtoOANewOrderReq, filled())
    result = peer.results[call_id]
    assert isinstance(result, ProtoOAExecutionEvent)
    assert result.position.moneyDigits == 4


def test_digits_that_are_not_asked_for_while_closing_are_warned_of_once(peer: Peer):
    call_ids = [peer.submit(trade_call()) for _ in range(2)]
    peer.close(grace=2)
    for call_id in call_ids:
        peer.answer(ProtoOANewOrderReq, filled())
        assert peer.results[call_id] == filled()
    assert peer.requests(ProtoOATraderReq) == []
    (warning,) = warnings(peer)
    assert "the client is being closed" in warning


def test_what_was_held_back_is_delivered_when_the_driver_gives_up(peer: Peer):
    call_id = peer.submit(trade_call())
    peer.answer(ProtoOANewOrderReq, filled())
    assert call_id not in peer.results
    peer.abandon(CTraderError("the event loop ended"))
    assert call_id in peer.results
    assert len(peer.seen(ExecutionEvent)) == 1
    assert isinstance(peer.outputs[-1], Finished)


def test_answer_to_an_order_waits_though_nobody_listens(peer: Peer):
    peer.session.listen(frozenset(), frozenset())
    call_id = peer.submit(trade_call())
    peer.answer(ProtoOANewOrderReq, filled())
    assert call_id not in peer.results
    peer.answer(ProtoOATraderReq, told(4))
    assert call_id in peer.results


def test_what_nobody_reads_is_not_asked_for(peer: Peer):
    peer.session.listen(frozenset({SpotEvent}), None)
    peer.push(margin(), filled())
    assert peer.requests(ProtoOATraderReq) == []


def test_frames_behind_it_wait_too_and_come_in_order(peer: Peer):
    reading = peer.submit(read_call())
    peer.push(quote(110_000), margin(1), quote(110_001), margin(2))
    peer.answer(ProtoOASymbolsListReq)
    peer.push(quote(110_002))
    assert [e.bid_points for e in peer.seen(SpotEvent)] == [110_000]
    assert reading not in peer.results
    peer.answer(ProtoOATraderReq, told(4))
    peer.push(quote(110_003))
    came: list[int] = []
    for effect in peer.outputs:
        if isinstance(effect, SpotEvent):
            came.append(effect.bid_points or 0)
        elif isinstance(effect, MarginChangeEvent):
            came.append(effect.used_margin)
    assert came == [110_000, 1, 110_001, 2, 110_002, 110_003]
    ends = [effect for effect in peer.batches if isinstance(effect, CallCompleted | EventsReceived)]
    (at,) = (i for i, e in enumerate(ends) if isinstance(e, CallCompleted))
    assert reading in peer.results
    assert 0 < at < len(ends) - 1


def test_two_accounts_are_asked_one_after_the_other(peer: Peer):
    peer.push(margin(1), margin(2, account_id=OTHER_ACCOUNT), margin(3))
    peer.answer(ProtoOATraderReq, told(4))
    assert margins(peer) == [Decimal("0.0001")]
    peer.answer(ProtoOATraderReq, told(0, OTHER_ACCOUNT))
    assert margins(peer) == [Decimal("0.0001"), Decimal(2), Decimal("0.0003")]


@pytest.mark.parametrize(
    "event",
    [
        filled(position(swap=-1)),
        filled(position(mirroringCommission=-1)),
        ProtoOAExecutionEvent(executionType="SWAP", deal=deal(commission=-1)),
        ProtoOAExecutionEvent(
            executionType="ORDER_FILLED",
            deal=deal(
                closePositionDetail=ProtoOAClosePositionDetail(
                    entryPrice=1, grossProfit=0, swap=0, commission=0, balance=1
                )
            ),
        ),
        ProtoOAExecutionEvent(
            executionType="DEPOSIT_WITHDRAW",
            depositWithdraw=ProtoOADepositWithdraw(
                operationType="BALANCE_DEPOSIT",
                balanceHistoryId=1,
                balance=1,
                delta=1,
                changeBalanceTimestamp=1,
            ),
        ),
        ProtoOAExecutionEvent(
            executionType="BONUS_DEPOSIT_WITHDRAW",
            bonusDepositWithdraw=ProtoOABonusDepositWithdraw(
                operationType="BONUS_DEPOSIT",
                bonusHistoryId=1,
                managerBonus=0,
                managerDelta=0,
                ibBonus=1,
                ibDelta=0,
                changeBonusTimestamp=1,
            ),
        ),
    ],
)
def test_every_amount_of_an_execution_waits(peer: Peer, event: ProtoOAExecutionEvent):
    event.ctidTraderAccountId = ACCOUNT
    peer.push(event)
    assert peer.seen(ExecutionEvent) == []
    peer.answer(ProtoOATraderReq, told(4))
    assert len(peer.seen(ExecutionEvent)) == 1


@pytest.mark.parametrize(
    "event",
    [
        filled(position()),
        filled(position(commission=-250, moneyDigits=2)),
        ProtoOAExecutionEvent(ctidTraderAccountId=ACCOUNT, executionType="ORDER_CANCELLED"),
        ProtoOAExecutionEvent(
            ctidTraderAccountId=ACCOUNT,
            executionType="ORDER_FILLED",
            deal=deal(
                moneyDigits=4,
                closePositionDetail=ProtoOAClosePositionDetail(
                    entryPrice=1, grossProfit=7, swap=0, commission=0, balance=1
                ),
            ),
        ),
    ],
)
def test_execution_that_needs_no_decimals_does_not_wait(peer: Peer, event: ProtoOAExecutionEvent):
    peer.push(event)
    assert len(peer.seen(ExecutionEvent)) == 1
    assert peer.requests(ProtoOATraderReq) == []


def test_account_that_does_not_say_its_decimals_has_two(peer: Peer):
    peer.push(margin())
    peer.answer(ProtoOATraderReq, told(None))
    peer.push(margin(50))
    assert margins(peer) == [Decimal("1234.56"), Decimal("0.50")]
    assert len(peer.requests(ProtoOATraderReq)) == 1
    assert warnings(peer) == []


def test_refusal_is_a_warning_and_the_event_comes(peer: Peer):
    peer.push(margin())
    peer.refuse(ProtoOATraderReq, "CH_ACCESS_TOKEN_INVALID", "no")
    peer.push(margin(50))
    assert margins(peer) == [Decimal("1234.56"), Decimal("0.50")]
    (warning,) = warnings(peer)
    assert f"account {ACCOUNT}" in warning
    assert "CH_ACCESS_TOKEN_INVALID" in warning
    assert "get_trader()" in warning


def test_silence_is_a_warning_and_the_event_comes(peer: Peer):
    peer.push(margin())
    peer.advance(money_digits.PATIENCE)
    assert margins(peer) == [Decimal("1234.56")]
    assert len(warnings(peer)) == 1
    peer.answer(ProtoOATraderReq, told(4))
    peer.push(margin(50))
    assert margins(peer)[1:] == [Decimal("0.0050")]


def test_it_is_asked_again_on_the_next_link(peer: Peer):
    peer.push(margin())
    peer.advance(money_digits.PATIENCE)
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.push(margin(50))
    peer.answer(ProtoOATraderReq, told(4))
    assert margins(peer)[1:] == [Decimal("0.0050")]


def test_answer_that_has_arrived_counts_before_a_deadline_of_its_own(peer: Peer):
    call_id = peer.submit(trade_call(), timeout=0.5)
    peer.push(margin())
    peer.answer(ProtoOANewOrderReq, filled(position(commission=-250, moneyDigits=2)))
    peer.advance(0.5)
    assert call_id in peer.results
    assert call_id not in peer.errors


def test_it_is_let_go_when_it_could_not_be_sent_in_time(peer: Peer):
    peer.can_write = False
    peer.push(margin())
    peer.now += 5_000_000_000
    peer.can_write = True
    peer.write()
    assert peer.requests(ProtoOATraderReq) == []
    assert margins(peer) == [Decimal("1234.56")]


def test_loss_of_the_link_lets_it_go_first(peer: Peer):
    peer.push(margin(), ProtoOAClientDisconnectEvent(reason="over"), margin(2))
    assert peer.is_connected()
    peer.connection_lost()
    assert [
        type(e) for e in peer.outputs if isinstance(e, MarginChangeEvent | DisconnectedEvent)
    ] == [
        MarginChangeEvent,
        DisconnectedEvent,
    ]
    assert peer.session.phase is Phase.WAITING


def test_broken_frame_lets_it_go_first(peer: Peer):
    peer.receive(encode_message(margin()) + encode_frame(b"\xff"))
    assert margins(peer) == [Decimal("1234.56")]
    assert not peer.is_connected()


def test_broken_prefix_lets_it_go_first(peer: Peer):
    peer.receive(encode_message(margin()) + b"\xff\xff\xff\xff")
    assert margins(peer) == [Decimal("1234.56")]
    assert not peer.is_connected()


def test_closing_lets_it_go_first(peer: Peer):
    call_id = peer.submit(trade_call())
    peer.push(margin())
    peer.answer(ProtoOANewOrderReq, filled(position(commission=-250, moneyDigits=2)))
    peer.close()
    assert margins(peer) == [Decimal("1234.56")]
    assert call_id in peer.results


def test_while_closing_nobody_is_asked(peer: Peer):
    call_id = peer.submit(trade_call())
    peer.close()
    peer.answer(ProtoOANewOrderReq, filled())
    assert peer.requests(ProtoOATraderReq) == []
    assert call_id in peer.results


def test_end_of_the_accounts_session_waits_like_everything(peer: Peer):
    peer.push(margin(), ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert peer.session.is_account_authorized(ACCOUNT)
    peer.answer(ProtoOATraderReq, told(4))
    assert margins(peer) == [Decimal("12.3456")]
    assert not peer.session.is_account_authorized(ACCOUNT)


def test_removal_of_the_account_lets_it_go(peer: Peer):
    peer.can_write = False
    peer.push(margin())
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.carry_out()
    assert margins(peer) == [Decimal("1234.56")]


def test_only_so_many_frames_are_held_back(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(money_digits, "MOST_HELD", 3)
    peer.push(margin(1), margin(2), margin(3))
    assert margins(peer) == []
    peer.push(margin(4), margin(5))
    assert margins(peer) == [Decimal(n).scaleb(-2) for n in (1, 2, 3, 4, 5)]
    assert len(warnings(peer)) == 1
