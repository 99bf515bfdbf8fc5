"""Describe positions, and what a trader may send to change or close one."""

from __future__ import annotations

__all__ = [
    "AmendPositionRequest",
    "ClosePositionRequest",
    "Position",
    "PositionUnrealizedPnL",
]

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, model_validator

from ctrader.enums import OrderSide, PositionStatus, StopTriggerMethod
from ctrader.errors import OrderInvalidError
from ctrader.models.entity import Entity
from ctrader.models.request import (
    Clear,
    ClearablePrice,
    Flag,
    Id,
    TradingRequest,
    Volume,
    member_of,
    set_or_none,
)
from ctrader.models.wire import (
    decimal_of,
    enum_of,
    float_of,
    money_digits_of,
    money_of,
    required_enum_of,
    required_money_of,
    text_of,
    time_of,
    write_enum,
)
from ctrader.proto import ProtoOAAmendPositionSLTPReq, ProtoOAClosePositionReq

if TYPE_CHECKING:
    from ctrader.proto import ProtoOAPosition, ProtoOAPositionUnrealizedPnL


_Trigger: TypeAlias = Annotated[StopTriggerMethod, BeforeValidator(member_of(StopTriggerMethod))]


class Position(Entity):
    """A position as the server holds it."""

    position_id: int
    """Id of the position; unique at its broker only."""
    symbol_id: int
    """The symbol."""
    side: OrderSide
    """Long (`BUY`) or short (`SELL`)."""
    volume: int
    """Open volume in hundredths of a unit; 0 for one that holds nothing."""
    entry_price: float | None
    """Average price of the open entries; None or 0 for one that holds nothing."""
    status: PositionStatus
    """`CREATED` with volume 0 belongs to a pending order, or was just closed."""
    open_timestamp: datetime | None
    """When it was opened; None while it holds nothing."""
    money_digits: int
    """Decimals of its money on the wire."""
    stop_loss: float | None = None
    """Stop loss; it appears shortly after the fill, with the order that protects it."""
    take_profit: float | None = None
    """Take profit; it appears shortly after the fill, with the order that protects it."""
    trailing_stop_loss: bool = False
    """True if the stop loss follows the price."""
    guaranteed_stop_loss: bool = False
    """True if the stop loss is filled at its price, whatever the market does."""
    stop_loss_trigger_method: StopTriggerMethod = StopTriggerMethod.TRADE
    """Which quotes trigger the stop loss."""
    swap: Decimal = Decimal(0)
    """Swap so far, negative when it costs."""
    commission: Decimal = Decimal(0)
    """Commission charged so far for what is open, negative when it costs."""
    used_margin: Decimal = Decimal(0)
    """Margin that it uses."""
    margin_rate: Decimal | None = None
    """Rate from the symbol's base asset to the account's currency."""
    label: str = ""
    """Label of the order that opened it."""
    comment: str = ""
    """Comment of the order that opened it."""
    last_update_timestamp: datetime | None = None
    """When it last changed; a trailing stop moves without changing it."""
    close_timestamp: datetime | None = None
    """When it was closed."""
    mirroring_commission: Decimal | None = None
    """Commission for copying, if there is one."""
    measurement_units: str = ""
    """What its units are, for example ounces; often empty."""

    @property
    def is_open(self) -> bool:
        """True if it holds a volume."""
        return self.status is PositionStatus.OPEN and self.volume > 0

    @classmethod
    def from_proto(cls, message: ProtoOAPosition, money_digits: int | None = None) -> Position:
        """Read a position.

        Args:
            message: The position.
            money_digits: The trader's money digits, if it does not say its own.

        Raises:
            ProtocolError: a time, a number or a text in it makes no sense.
        """
        trade = message.tradeData
        digits = money_digits_of(message, money_digits)
        commission = money_of(message, "commission", digits)
        margin = money_of(message, "usedMargin", digits)
        trigger = enum_of(message, "stopLossTriggerMethod", StopTriggerMethod)
        return cls(
            position_id=message.positionId,
            symbol_id=trade.symbolId,
            side=required_enum_of(trade, "tradeSide", OrderSide),
            volume=trade.volume,
            entry_price=float_of(message, "price"),
            status=required_enum_of(message, "positionStatus", PositionStatus),
            open_timestamp=time_of(trade, "openTimestamp"),
            money_digits=2 if digits is None else digits,
            stop_loss=float_of(message, "stopLoss"),
            take_profit=float_of(message, "takeProfit"),
            trailing_stop_loss=message.trailingStopLoss,
            guaranteed_stop_loss=message.guaranteedStopLoss or trade.guaranteedStopLoss,
            stop_loss_trigger_method=StopTriggerMethod.TRADE if trigger is None else trigger,
            swap=required_money_of(message, "swap", digits),
            commission=Decimal(0) if commission is None else commission,
            used_margin=Decimal(0) if margin is None else margin,
            margin_rate=decimal_of(message, "marginRate"),
            label=text_of(trade, "label") or "",
            comment=text_of(trade, "comment") or "",
            last_update_timestamp=time_of(message, "utcLastUpdateTimestamp"),
            close_timestamp=time_of(trade, "closeTimestamp"),
            mirroring_commission=money_of(message, "mirroringCommission", digits),
            measurement_units=text_of(trade, "measurementUnits") or "",
        )


class PositionUnrealizedPnL(Entity):
    """Profit of an open position at the present price."""

    position_id: int
    """The position."""
    gross_unrealized_pnl: Decimal
    """Profit from the price alone."""
    net_unrealized_pnl: Decimal
    """Profit with swap and the commission so far, without that of closing."""

    @classmethod
    def from_proto(
        cls, message: ProtoOAPositionUnrealizedPnL, money_digits: int | None = None
    ) -> PositionUnrealizedPnL:
        """Read a profit.

        Args:
            message: The entry.
            money_digits: Decimals as the answer that it stands in says.
        """
        return cls(
            position_id=message.positionId,
            gross_unrealized_pnl=required_money_of(message, "grossUnrealizedPnL", money_digits),
            net_unrealized_pnl=required_money_of(message, "netUnrealizedPnL", money_digits),
        )


class Protection(NamedTuple):
    """What an amendment of a position keeps, as far as it does not name it.

    It has the names of `Position`, which makes no sense where one of its fields makes none.
    """

    position_id: int
    """Id of the position."""
    symbol_id: int
    """The symbol."""
    stop_loss: float | None
    """Stop loss."""
    take_profit: float | None
    """Take profit."""
    trailing_stop_loss: bool
    """True if the stop loss follows the price."""
    guaranteed_stop_loss: bool
    """True if the stop loss is filled at its price."""
    stop_loss_trigger_method: StopTriggerMethod
    """Which quotes trigger the stop loss."""

    @classmethod
    def from_proto(cls, message: ProtoOAPosition) -> Protection:
        """Read the protection of a position, and nothing else of it.

        Raises:
            ProtocolError: a level in it is no number.
        """
        trigger = enum_of(message, "stopLossTriggerMethod", StopTriggerMethod)
        return cls(
            position_id=message.positionId,
            symbol_id=message.tradeData.symbolId,
            stop_loss=float_of(message, "stopLoss") or None,
            take_profit=float_of(message, "takeProfit") or None,
            trailing_stop_loss=message.trailingStopLoss,
            guaranteed_stop_loss=(
                message.guaranteedStopLoss or message.tradeData.guaranteedStopLoss
            ),
            stop_loss_trigger_method=StopTriggerMethod.TRADE if trigger is None else trigger,
        )


class AmendPositionRequest(TradingRequest):
    """A change of a position's stop loss and take profit.

    The server replaces both levels at once and removes what is left out, so to move one of them
    the other must be sent again: `completed_from` fills in the position's present level wherever
    this request does not name one. `CLEAR` removes a level; what is not named, or named as None,
    stays as it is.
    """

    position_id: Id
    """The position to change."""
    stop_loss: ClearablePrice | None = None
    """New stop loss; `CLEAR` removes it."""
    take_profit: ClearablePrice | None = None
    """New take profit; `CLEAR` removes it."""
    trailing_stop_loss: Flag | None = False
    """Whether the stop loss follows the price; left as it is unless named."""
    guaranteed_stop_loss: Flag | None = False
    """Whether the stop loss is filled at its price; left as it is unless named."""
    stop_loss_trigger_method: _Trigger | None = None
    """Which quotes trigger the stop loss."""

    if TYPE_CHECKING:
        # Checkers would have every price be what the field holds, a float.
        def __init__(
            self,
            *,
            position_id: int,
            stop_loss: float | Decimal | Clear | None = None,
            take_profit: float | Decimal | Clear | None = None,
            trailing_stop_loss: bool | None = False,
            guaranteed_stop_loss: bool | None = False,
            stop_loss_trigger_method: StopTriggerMethod | None = None,
        ) -> None: ...

    @model_validator(mode="after")
    def _something_changes(self) -> Self:
        if self.named().keys() <= {"position_id"}:
            raise OrderInvalidError(
                f"the amendment of position {self.position_id} names nothing to change: None keeps "
                "what is there. Give a new stop_loss or take_profit, or CLEAR to remove one.",
                field="position_id",
                value=self.position_id,
            )
        return self

    def completed_from(self, position: Position | Protection) -> AmendPositionRequest:
        """Fill in the position's present levels wherever this request does not name one.

        What the position has was the server's: it is taken as it is. A trailing or guaranteed stop
        that is named False is left out where no stop loss results, as the server refuses it there.

        Args:
            position: The position as the server holds it now.

        Raises:
            OrderInvalidError: the position is not the one to change; or the stop loss shall follow
                the price, or be guaranteed, and there is none.
        """
        if position.position_id != self.position_id:
            raise OrderInvalidError(
                f"position_id {self.position_id} is refused: the levels given are those of "
                f"position {position.position_id}.",
                field="position_id",
                value=self.position_id,
            )
        terms: dict[str, Any] = {  # Any: values of fields, as the constructor takes them
            "stop_loss": position.stop_loss or None,
            "take_profit": position.take_profit or None,
            **self.named(),
        }
        if isinstance(terms["stop_loss"], float):
            terms.setdefault("trailing_stop_loss", position.trailing_stop_loss)
            terms.setdefault("guaranteed_stop_loss", position.guaranteed_stop_loss)
            terms.setdefault("stop_loss_trigger_method", position.stop_loss_trigger_method)
        else:
            for field in ("trailing_stop_loss", "guaranteed_stop_loss"):
                if terms.pop(field, False):
                    raise OrderInvalidError(
                        f"{field} True is refused: position {self.position_id} would have no stop "
                        "loss that it could hold for. Give a stop_loss too.",
                        field=field,
                        value=True,
                    )
        return AmendPositionRequest.model_construct(_fields_set=set(terms), **terms)

    def to_proto(self, account_id: int) -> ProtoOAAmendPositionSLTPReq:
        """Write the request as the server takes it: levels not in it are removed.

        Args:
            account_id: The account that the position is on.
        """
        message = ProtoOAAmendPositionSLTPReq(
            ctidTraderAccountId=account_id, positionId=self.position_id
        )
        stop_loss, take_profit = set_or_none(self.stop_loss), set_or_none(self.take_profit)
        if stop_loss is not None:
            message.stopLoss = stop_loss
        if take_profit is not None:
            message.takeProfit = take_profit
        if self.names("guaranteed_stop_loss"):
            message.guaranteedStopLoss = bool(self.guaranteed_stop_loss)
        if self.names("trailing_stop_loss"):
            message.trailingStopLoss = bool(self.trailing_stop_loss)
        if self.stop_loss_trigger_method is not None:
            write_enum(message, "stopLossTriggerMethod", self.stop_loss_trigger_method)
        return message


class ClosePositionRequest(TradingRequest):
    """A close of a position or of a part of it."""

    position_id: Id
    """The position to close."""
    volume: Volume
    """How much to close, in hundredths of a unit; all of it by its own volume."""

    def to_proto(self, account_id: int) -> ProtoOAClosePositionReq:
        """Write the request as the server takes it.

        Args:
            account_id: The account that the position is on.
        """
        return ProtoOAClosePositionReq(
            ctidTraderAccountId=account_id, positionId=self.position_id, volume=self.volume
        )
