"""Margin thresholds, expected margin, dynamic leverage."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ctrader.enums import NotificationType
from ctrader.errors import ProtocolError
from ctrader.models.risk import DynamicLeverage, DynamicLeverageTier, ExpectedMargin, MarginCall
from ctrader.proto import (
    ProtoOADynamicLeverage,
    ProtoOADynamicLeverageTier,
    ProtoOAExpectedMargin,
    ProtoOAMarginCall,
)


def scale(*tiers: tuple[int, int]) -> DynamicLeverage:
    return DynamicLeverage.from_proto(
        ProtoOADynamicLeverage(
            leverageId=7,
            tiers=[ProtoOADynamicLeverageTier(volume=v, leverage=x * 100) for v, x in tiers],
        )
    )


def test_margin_call() -> None:
    call = MarginCall.from_proto(
        ProtoOAMarginCall(marginCallType="MARGIN_LEVEL_THRESHOLD_2", marginLevelThreshold=70.5)
    )

    assert call.margin_call_type is NotificationType.MARGIN_LEVEL_THRESHOLD_2
    assert call.margin_level_threshold == Decimal("70.5")
    assert call.last_update_timestamp is None


def test_margin_call_at_no_number_is_refused() -> None:
    with pytest.raises(ProtocolError):
        MarginCall.from_proto(
            ProtoOAMarginCall(
                marginCallType="MARGIN_LEVEL_THRESHOLD_2", marginLevelThreshold=float("nan")
            )
        )


def test_expected_margin_takes_the_digits_of_its_answer() -> None:
    margin = ExpectedMargin.from_proto(
        ProtoOAExpectedMargin(volume=100_000, buyMargin=11_260, sellMargin=11_250), 3
    )

    assert margin == ExpectedMargin(
        volume=100_000, buy_margin=Decimal("11.260"), sell_margin=Decimal("11.250")
    )


def test_each_slice_of_exposure_uses_its_own_leverage() -> None:
    leverage = scale((500_000_000, 200), (100_000_000, 500))

    # 1,000,000 / 500 + 213,450 / 200
    assert leverage.margin_usd(Decimal(1_213_450)) == Decimal("3067.25")
    assert leverage.margin_usd(Decimal(500_000)) == 1000
    assert leverage.margin_usd(Decimal(0)) == 0


def test_leverage_of_a_slice_is_in_hundredths_on_the_wire() -> None:
    # A recorded margin of 1:3.33 fits an integer field in no other way.
    tier = DynamicLeverageTier.from_proto(ProtoOADynamicLeverageTier(volume=100, leverage=333))

    assert tier.leverage == Decimal("3.33")


def test_last_slice_covers_everything_above_it() -> None:
    assert scale((100, 10), (200, 1)).margin_usd(Decimal(11)) == Decimal("10.1")


@pytest.mark.parametrize("leverage", [scale(), scale((100, 0))])
def test_scale_without_usable_slices_gives_no_margin(leverage: DynamicLeverage) -> None:
    with pytest.raises(ValueError, match="leverage scale 7"):
        leverage.margin_usd(Decimal(1))
