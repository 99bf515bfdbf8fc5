"""Describe deals: what was traded, at which price, and what closing it brought."""

from __future__ import annotations

__all__ = ["CloseDetail", "Deal", "DealOffset"]

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ctrader.enums import DealStatus, OrderSide
from ctrader.models.entity import Entity
from ctrader.models.wire import (
    decimal_of,
    float_of,
    int_of,
    money_digits_of,
    money_of,
    required_enum_of,
    required_float_of,
    required_money_of,
    required_time_of,
    time_of,
)

if TYPE_CHECKING:
    from ctrader.proto import ProtoOAClosePositionDetail, ProtoOADeal, ProtoOADealOffset


class CloseDetail(Entity):
    """What a deal closed, and what that brought; swap and fees that cost are negative."""

    entry_price: float
    """Price of the entry that was closed; the oldest entries are closed first."""
    closed_volume: int | None
    """Volume that was closed, in hundredths of a unit; None where unsaid."""
    gross_profit: Decimal
    """Profit from the price alone."""
    swap: Decimal
    """Swap of the closed volume."""
    commission: Decimal
    """Commission of the closed volume, for opening and closing."""
    balance: Decimal
    """Balance of the account after it."""
    pnl_conversion_fee: Decimal = Decimal(0)
    """Fee for converting the profit into the account's currency."""
    quote_to_deposit_rate: Decimal | None = None
    """Rate from the symbol's quote asset to the account's currency."""
    balance_version: int | None = None
    """Version of the balance after it."""
    money_digits: int | None = None
    """Decimals of these amounts on the wire; None where unsaid, then 2."""

    @property
    def net_profit(self) -> Decimal:
        """Change of the balance: gross profit, swap, commission and conversion fee."""
        return self.gross_profit + self.swap + self.commission + self.pnl_conversion_fee

    @classmethod
    def from_proto(
        cls, message: ProtoOAClosePositionDetail, money_digits: int | None = None
    ) -> CloseDetail:
        """Read what a deal closed.

        Args:
            message: The detail.
            money_digits: Decimals of its money, if it does not say its own.

        Raises:
            ProtocolError: a number in it makes no sense.
        """
        digits = money_digits_of(message, money_digits)
        fee = money_of(message, "pnlConversionFee", digits)
        return cls(
            entry_price=required_float_of(message, "entryPrice"),
            closed_volume=int_of(message, "closedVolume"),
            gross_profit=required_money_of(message, "grossProfit", digits),
            swap=required_money_of(message, "swap", digits),
            commission=required_money_of(message, "commission", digits),
            balance=required_money_of(message, "balance", digits),
            pnl_conversion_fee=Decimal(0) if fee is None else fee,
            quote_to_deposit_rate=decimal_of(message, "quoteToDepositConversionRate"),
            balance_version=int_of(message, "balanceVersion"),
            money_digits=digits,
        )


class Deal(Entity):
    """One fill, or one attempt to fill."""

    deal_id: int
    """Id of the deal."""
    order_id: int
    """The order that it fills."""
    position_id: int
    """The position that it opens, grows or closes."""
    symbol_id: int
    """The symbol."""
    side: OrderSide
    """Bought or sold; a deal that closes a long position sells."""
    volume: int
    """Volume that was asked for, in hundredths of a unit."""
    filled_volume: int
    """Volume that was filled, in hundredths of a unit."""
    execution_price: float | None
    """Price of the fill; None for a deal that filled nothing."""
    execution_timestamp: datetime
    """When it was filled."""
    status: DealStatus
    """Whether it was filled, in part, or not."""
    commission: Decimal
    """Commission of this deal's own side, negative when it costs."""
    create_timestamp: datetime | None = None
    """When it was sent for execution."""
    last_update_timestamp: datetime | None = None
    """When it last changed."""
    margin_rate: Decimal | None = None
    """Rate from the symbol's base asset to the account's currency."""
    base_to_usd_rate: Decimal | None = None
    """Rate from the symbol's base asset to US dollars."""
    close_detail: CloseDetail | None = None
    """What it closed; None for a deal that opens."""
    money_digits: int | None = None
    """Decimals of the commission on the wire; None where unsaid, then 2."""

    @property
    def is_closing_deal(self) -> bool:
        """True if it closed a position or a part of one."""
        return self.close_detail is not None

    @classmethod
    def from_proto(cls, message: ProtoOADeal, money_digits: int | None = None) -> Deal:
        """Read a deal.

        Args:
            message: The deal.
            money_digits: The trader's money digits, if it does not say its own.

        Raises:
            ProtocolError: a time or a number in it makes no sense.
        """
        digits = money_digits_of(message, money_digits)
        commission = money_of(message, "commission", digits)
        return cls(
            deal_id=message.dealId,
            order_id=message.orderId,
            position_id=message.positionId,
            symbol_id=message.symbolId,
            side=required_enum_of(message, "tradeSide", OrderSide),
            volume=message.volume,
            filled_volume=message.filledVolume,
            execution_price=float_of(message, "executionPrice"),
            execution_timestamp=required_time_of(message, "executionTimestamp"),
            status=required_enum_of(message, "dealStatus", DealStatus),
            commission=Decimal(0) if commission is None else commission,
            create_timestamp=time_of(message, "createTimestamp"),
            last_update_timestamp=time_of(message, "utcLastUpdateTimestamp"),
            margin_rate=decimal_of(message, "marginRate"),
            base_to_usd_rate=decimal_of(message, "baseToUsdConversionRate"),
            close_detail=(
                CloseDetail.from_proto(message.closePositionDetail, digits)
                if message.HasField("closePositionDetail")
                else None
            ),
            money_digits=digits,
        )


class DealOffset(Entity):
    """The part of one deal that another one closed."""

    deal_id: int
    """The other deal."""
    volume: int
    """Volume that was closed, in hundredths of a unit."""
    execution_timestamp: datetime | None = None
    """When the other deal was filled."""
    execution_price: float | None = None
    """Price of the other deal."""

    @classmethod
    def from_proto(cls, message: ProtoOADealOffset) -> DealOffset:
        """Read an offset.

        Raises:
            ProtocolError: its time or its price makes no sense.
        """
        return cls(
            deal_id=message.dealId,
            volume=message.volume,
            execution_timestamp=time_of(message, "executionTimestamp"),
            execution_price=float_of(message, "executionPrice"),
        )
