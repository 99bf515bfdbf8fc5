"""Positions from the server, and changes on their way to it."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ctrader.enums import OrderSide, PositionStatus, StopTriggerMethod
from ctrader.errors import OrderInvalidError
from ctrader.models.positions import (
    AmendPositionRequest,
    ClosePositionRequest,
    Position,
    PositionUnrealizedPnL,
)
from ctrader.models.request import CLEAR
from ctrader.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOAClosePositionReq,
    ProtoOAPosition,
    ProtoOAPositionUnrealizedPnL,
    ProtoOATradeData,
)


def server_position(
    stop_loss: float | None = None, take_profit: float | None = None
) -> ProtoOAPosition:
    return ProtoOAPosition(
        positionId=5,
        tradeData=ProtoOATradeData(
            symbolId=1,
            volume=300_000,
            tradeSide="BUY",
            openTimestamp=1_600_000_000_000,
            label="label",
            comment="comment",
        ),
        positionStatus="POSITION_STATUS_OPEN",
        swap=-7,
        price=1.119873333333333,
        commission=-8,
        marginRate=1.1198733333333333,
        mirroringCommission=0,
        usedMargin=3360,
        stopLossTriggerMethod="OPPOSITE",
        moneyDigits=2,
        stopLoss=stop_loss,
        takeProfit=take_profit,
    )


def test_position_from_the_wire() -> None:
    position = Position.from_proto(server_position(1.11, 1.13))

    assert position == Position(
        position_id=5,
        symbol_id=1,
        side=OrderSide.BUY,
        volume=300_000,
        entry_price=1.119873333333333,
        status=PositionStatus.OPEN,
        open_timestamp=datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
        money_digits=2,
        stop_loss=1.11,
        take_profit=1.13,
        stop_loss_trigger_method=StopTriggerMethod.OPPOSITE,
        swap=Decimal("-0.07"),
        commission=Decimal("-0.08"),
        used_margin=Decimal("33.60"),
        margin_rate=Decimal("1.1198733333333333"),
        label="label",
        comment="comment",
        mirroring_commission=Decimal(0),
    )
    assert position.is_open


def test_empty_position_of_a_pending_order_is_not_open() -> None:
    position = Position.from_proto(
        ProtoOAPosition(
            positionId=5,
            tradeData=ProtoOATradeData(symbolId=1, volume=0, tradeSide="SELL"),
            positionStatus="POSITION_STATUS_CREATED",
            swap=0,
        ),
        money_digits=8,
    )

    assert not position.is_open
    assert position.entry_price is None
    assert position.open_timestamp is None
    assert position.stop_loss is None
    assert position.money_digits == 8
    assert position.swap == position.commission == position.used_margin == 0


def test_guaranteed_stop_loss_counts_wherever_it_is_said() -> None:
    message = server_position()
    message.tradeData.guaranteedStopLoss = True

    assert Position.from_proto(message).guaranteed_stop_loss


def test_unrealized_pnl_takes_the_digits_of_its_answer() -> None:
    profit = PositionUnrealizedPnL.from_proto(
        ProtoOAPositionUnrealizedPnL(
            positionId=5, grossUnrealizedPnL=-2621, netUnrealizedPnL=-3136
        ),
        0,
    )

    assert profit.gross_unrealized_pnl == -2621
    assert profit.net_unrealized_pnl == -3136


def test_amendment_sends_only_what_was_given() -> None:
    assert AmendPositionRequest(position_id=5, stop_loss=1.11).to_proto(
        31
    ) == ProtoOAAmendPositionSLTPReq(ctidTraderAccountId=31, positionId=5, stopLoss=1.11)


def test_amendment_with_everything() -> None:
    message = AmendPositionRequest(
        position_id=5,
        stop_loss=131.074,
        take_profit=132,
        trailing_stop_loss=False,
        guaranteed_stop_loss=True,
        stop_loss_trigger_method=StopTriggerMethod.DOUBLE_TRADE,
    ).to_proto(31)

    assert message == ProtoOAAmendPositionSLTPReq(
        ctidTraderAccountId=31,
        positionId=5,
        stopLoss=131.074,
        takeProfit=132.0,
        guaranteedStopLoss=True,
        trailingStopLoss=False,
        stopLossTriggerMethod="DOUBLE_TRADE",
    )


def test_moving_one_level_keeps_the_other() -> None:
    position = Position.from_proto(server_position(1.11, 1.13))

    message = AmendPositionRequest(position_id=5, stop_loss=1.115).completed_from(position)

    assert message.to_proto(31) == ProtoOAAmendPositionSLTPReq(
        ctidTraderAccountId=31,
        positionId=5,
        stopLoss=1.115,
        takeProfit=1.13,
        guaranteedStopLoss=False,
        trailingStopLoss=False,
        stopLossTriggerMethod="OPPOSITE",
    )


def test_clear_removes_a_level_and_none_keeps_it() -> None:
    position = Position.from_proto(server_position(1.11, 1.13))

    message = AmendPositionRequest(position_id=5, stop_loss=CLEAR, take_profit=None).completed_from(
        position
    )

    assert message.to_proto(31) == ProtoOAAmendPositionSLTPReq(
        ctidTraderAccountId=31, positionId=5, takeProfit=1.13
    )


def test_level_of_zero_on_the_server_is_none() -> None:
    position = Position.from_proto(server_position(0.0))

    request = AmendPositionRequest(position_id=5, take_profit=1.13).completed_from(position)

    assert request.stop_loss is None


def test_amendment_is_not_completed_from_another_position() -> None:
    with pytest.raises(OrderInvalidError, match="position 5"):
        AmendPositionRequest(position_id=6, take_profit=1.2).completed_from(
            Position.from_proto(server_position())
        )


@pytest.mark.parametrize("fields", [{}, {"stop_loss": None, "take_profit": None}])
def test_amendment_that_changes_nothing_is_refused(fields: dict[str, None]) -> None:
    with pytest.raises(OrderInvalidError, match=r"position 5 names nothing to change: .* CLEAR"):
        AmendPositionRequest(position_id=5, **fields)


@pytest.mark.parametrize("field", ["trailing_stop_loss", "guaranteed_stop_loss"])
def test_property_of_a_stop_loss_needs_one(field: str) -> None:
    position = Position.from_proto(server_position(1.11))
    bare = Position.from_proto(server_position())
    request = AmendPositionRequest.model_validate({"position_id": 5, field: True})

    assert getattr(request.completed_from(position), field)
    with pytest.raises(OrderInvalidError, match=r"no stop loss .* Give a stop_loss too"):
        request.completed_from(bare)


def test_clear_is_one_value_with_a_plain_name() -> None:
    assert repr(AmendPositionRequest(position_id=5, stop_loss=CLEAR)).endswith(
        "stop_loss=CLEAR, take_profit=None, trailing_stop_loss=False, guaranteed_stop_loss=False, "
        "stop_loss_trigger_method=None)"
    )
    assert copy.deepcopy(CLEAR) is CLEAR
    assert pickle.loads(pickle.dumps(CLEAR)) is CLEAR


def test_close() -> None:
    request = ClosePositionRequest(position_id=5, volume=100)

    assert request.to_proto(31) == ProtoOAClosePositionReq(
        ctidTraderAccountId=31, positionId=5, volume=100
    )


def test_close_of_nothing_is_refused() -> None:
    with pytest.raises(OrderInvalidError, match="volume"):
        ClosePositionRequest(position_id=5, volume=0)
