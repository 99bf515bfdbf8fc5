"""Describe margin: thresholds, expected margin, dynamic leverage."""

from __future__ import annotations

__all__ = ["DynamicLeverage", "DynamicLeverageTier", "ExpectedMargin", "MarginCall"]

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ctrader.enums import NotificationType
from ctrader.models.entity import Entity
from ctrader.models.wire import required_enum_of, required_float_of, required_money_of, time_of

if TYPE_CHECKING:
    from ctrader.proto import (
        ProtoOADynamicLeverage,
        ProtoOADynamicLeverageTier,
        ProtoOAExpectedMargin,
        ProtoOAMarginCall,
    )


class MarginCall(Entity):
    """A margin level at which the server warns; an account has three."""

    margin_call_type: NotificationType
    """Which of the three."""
    margin_level_threshold: Decimal
    """Margin level in percent."""
    last_update_timestamp: datetime | None = None
    """When it was last changed."""

    @classmethod
    def from_proto(cls, message: ProtoOAMarginCall) -> MarginCall:
        """Read a threshold.

        Raises:
            ProtocolError: the level is no number, or its time makes no sense.
        """
        level = required_float_of(message, "marginLevelThreshold")
        return cls(
            margin_call_type=required_enum_of(message, "marginCallType", NotificationType),
            margin_level_threshold=Decimal(repr(level)),
            last_update_timestamp=time_of(message, "utcLastUpdateTimestamp"),
        )


class ExpectedMargin(Entity):
    """Margin that an order of one volume would use, in the account's currency."""

    volume: int
    """Volume in hundredths of a unit."""
    buy_margin: Decimal
    """Margin for buying it."""
    sell_margin: Decimal
    """Margin for selling it."""

    @classmethod
    def from_proto(
        cls, message: ProtoOAExpectedMargin, money_digits: int | None = None
    ) -> ExpectedMargin:
        """Read an expected margin.

        Args:
            message: The entry.
            money_digits: Decimals as the answer that it stands in says, else the trader's.
        """
        return cls(
            volume=message.volume,
            buy_margin=required_money_of(message, "buyMargin", money_digits),
            sell_margin=required_money_of(message, "sellMargin", money_digits),
        )


class DynamicLeverageTier(Entity):
    """The leverage of one slice of exposure."""

    volume: int
    """Upper end of the slice, in US cents of exposure on one side."""
    leverage: Decimal
    """Leverage inside the slice: 500 is 1:500, and 3.33 is possible."""

    @classmethod
    def from_proto(cls, message: ProtoOADynamicLeverageTier) -> DynamicLeverageTier:
        """Read a tier; the wire has its leverage in hundredths."""
        return cls(volume=message.volume, leverage=Decimal(message.leverage).scaleb(-2))


class DynamicLeverage(Entity):
    """How leverage falls as exposure grows."""

    leverage_id: int
    """Id of the scale, as `Symbol.leverage_id` names it."""
    tiers: tuple[DynamicLeverageTier, ...]
    """The slices, from small exposure to large."""

    def margin_usd(self, exposure_usd: Decimal) -> Decimal:
        """Compute the margin of an exposure, slice by slice.

        The last slice also covers everything above it. The account's own leverage may be lower
        and then binds instead; that is not looked at here.

        Args:
            exposure_usd: Exposure of one side in US dollars, zero or more.

        Returns: The margin in US dollars.
        Raises: ValueError: there are no slices, or one has no leverage.
        """
        if not self.tiers or any(tier.leverage <= 0 for tier in self.tiers):
            raise ValueError(f"leverage scale {self.leverage_id} has no usable slices")
        margin = Decimal(0)
        start = Decimal(0)
        for number, tier in enumerate(self.tiers, 1):
            end = exposure_usd
            if number < len(self.tiers):
                end = min(end, Decimal(tier.volume) / 100)
            if end > start:
                margin += (end - start) / tier.leverage
                start = end
        return margin

    @classmethod
    def from_proto(cls, message: ProtoOADynamicLeverage) -> DynamicLeverage:
        """Read a scale."""
        tiers = [DynamicLeverageTier.from_proto(tier) for tier in message.tiers]
        tiers.sort(key=lambda tier: tier.volume)
        return cls(leverage_id=message.leverageId, tiers=tuple(tiers))
