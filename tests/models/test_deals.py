"""Deals, and what closing brought."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from ctrader.enums import DealStatus, OrderSide
from ctrader.models.deals import Deal, DealOffset
from ctrader.proto import ProtoOAClosePositionDetail, ProtoOADeal, ProtoOADealOffset


def opening_deal() -> ProtoOADeal:
    return ProtoOADeal(
        dealId=1,
        orderId=2,
        positionId=3,
        volume=100,
        filledVolume=100,
        symbolId=324,
        createTimestamp=1_600_000_000_000,
        executionTimestamp=1_600_000_000_140,
        executionPrice=85287.21,
        tradeSide="BUY",
        dealStatus="FILLED",
        commission=-2772,
        moneyDigits=2,
    )


def test_opening_deal() -> None:
    deal = Deal.from_proto(opening_deal())

    assert (deal.deal_id, deal.order_id, deal.position_id, deal.symbol_id) == (1, 2, 3, 324)
    assert (deal.side, deal.status) == (OrderSide.BUY, DealStatus.FILLED)
    assert (deal.volume, deal.filled_volume) == (100, 100)
    assert deal.execution_price == 85287.21
    assert deal.commission == Decimal("-27.72")
    assert deal.execution_timestamp == datetime(2020, 9, 13, 12, 26, 40, 140_000, tzinfo=UTC)
    assert deal.create_timestamp == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
    assert deal.last_update_timestamp is None
    assert not deal.is_closing_deal


def test_closing_deal_adds_up_to_the_change_of_the_balance() -> None:
    message = opening_deal()
    message.closePositionDetail.CopyFrom(
        ProtoOAClosePositionDetail(
            entryPrice=1.0,
            grossProfit=-2621,
            swap=-515,
            commission=0,
            balance=5_122_399_809,
            pnlConversionFee=-19,
            closedVolume=99,
            balanceVersion=3,
            quoteToDepositConversionRate=0.892,
        )
    )

    detail = Deal.from_proto(message).close_detail

    assert detail is not None
    assert detail.net_profit == Decimal("-31.55")  # 51224029.64 became 51223998.09
    assert detail.balance == Decimal("51223998.09")
    assert detail.closed_volume == 99
    assert detail.quote_to_deposit_rate == Decimal("0.892")


def test_close_detail_has_its_own_money_digits() -> None:
    message = opening_deal()
    message.closePositionDetail.CopyFrom(
        ProtoOAClosePositionDetail(
            entryPrice=1.0, grossProfit=5, swap=0, commission=0, balance=7, moneyDigits=0
        )
    )

    deal = Deal.from_proto(message)

    assert deal.close_detail is not None
    assert deal.close_detail.gross_profit == 5
    assert deal.close_detail.pnl_conversion_fee == 0
    assert deal.close_detail.closed_volume is None
    assert deal.commission == Decimal("-27.72")


def test_deal_that_filled_nothing_has_no_price() -> None:
    message = opening_deal()
    message.ClearField("executionPrice")
    message.ClearField("commission")
    message.dealStatus = ProtoOADeal(dealStatus="MISSED").dealStatus

    deal = Deal.from_proto(message)

    assert deal.status is DealStatus.MISSED
    assert deal.execution_price is None
    assert deal.commission == 0


def test_deal_offset() -> None:
    offset = DealOffset.from_proto(ProtoOADealOffset(dealId=4, volume=100, executionPrice=1.25))

    assert offset == DealOffset(deal_id=4, volume=100, execution_price=1.25)
