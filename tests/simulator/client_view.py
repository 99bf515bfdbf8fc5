"""A clerk who holds what the client makes of the wire against the wire, field by field.

The ledger reckons with frames and the inspector of orders doubts them, but a trader sees neither:
he sees typed positions, orders and deals, and lists of them. The clerk reads every frame once more
by hand and demands that the typed event says the same in every field. He keeps what was told last
of each order, deal and position, so that the lists must say it too, word for word.

He shares no code with the models that he audits. Money on the wire is in the smallest unit of the
deposit currency, times are milliseconds UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from google.protobuf.message import Message

from ctrader.events import (
    ExecutionEvent,
    MarginCallTriggerEvent,
    MarginChangeEvent,
    TrailingStopChangedEvent,
)
from ctrader.models import (
    Deal,
    DealOffset,
    DepositWithdraw,
    Order,
    Position,
)
from ctrader.models.entity import Entity
from ctrader.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOAClosePositionDetail,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAExecutionEvent,
    ProtoOAMarginCallTriggerEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAOrder,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOATrailingSLChangedEvent,
)

__all__ = ["TYPED_EVENTS", "ClientView", "ClientViewError"]

TYPED_EVENTS: Final = (
    ExecutionEvent,
    MarginCallTriggerEvent,
    MarginChangeEvent,
    TrailingStopChangedEvent,
)
"""The typed events that the clerk wants to see, each just before its frame."""

_PAIRS: Final[dict[type[object], type[object]]] = {
    ProtoOAExecutionEvent: ExecutionEvent,
    ProtoOAMarginCallTriggerEvent: MarginCallTriggerEvent,
    ProtoOAMarginChangedEvent: MarginChangeEvent,
    ProtoOATrailingSLChangedEvent: TrailingStopChangedEvent,
}
_PROTECTIVE: Final = ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ClientViewError(AssertionError):
    """The client's view is not what the wire told."""


class ClientView:
    """What one account's client was told, and what it made of it."""

    def __init__(self, account_id: int, money_digits: int) -> None:
        """Begin with nothing told."""
        self.orders: dict[int, ProtoOAOrder] = {}
        """Each order as it was told last, with what only lists show."""
        self.deals: dict[int, ProtoOADeal] = {}
        self.positions: dict[int, ProtoOAPosition] = {}
        self.cash: list[ProtoOADepositWithdraw] = []
        self._account_id = account_id
        self._digits = money_digits

    def take(self, events: Iterable[object]) -> None:
        """Compare typed events with their frames, in the order in which they came."""
        typed: object = None
        for event in events:
            if isinstance(event, TYPED_EVENTS):
                _same("a typed event before its frame", typed, None)
                typed = event
            elif type(event) in _PAIRS:
                _same("type of an event", type(typed), _PAIRS[type(event)])
                self._compare(typed, event)
                typed = None
        _same("typed event without a frame", typed, None)

    def check_positions(
        self, typed: Iterable[Position], listed: Iterable[ProtoOAPosition]
    ) -> list[ProtoOAPosition]:
        """Compare the client's list of positions with the server's, and that with what was told.

        Returns:
            Those positions that hold anything.
        """
        held = {each.positionId: each for each in listed if each.tradeData.volume}
        views = {each.position_id: each for each in typed}
        _same("open positions", views.keys(), held.keys())
        for position_id, position in held.items():
            _agree("position", views[position_id], _position(position, self._digits))
            told = ProtoOAPosition()
            told.CopyFrom(self.positions[position_id])
            # What is told of other positions may change it without a word; the ledger knows it.
            told.usedMargin = position.usedMargin
            _same("listed position", position, told)
        return list(held.values())

    def check_waiting(self, typed: Iterable[Order], listed: Iterable[ProtoOAOrder]) -> None:
        """Compare the client's list of working orders with the server's, and with what was told."""
        views = {each.order_id: each for each in typed}
        wire = {each.orderId: each for each in listed}
        _same("working orders", views.keys(), wire.keys())
        for order_id, order in wire.items():
            _agree("working order", views[order_id], _order(order))
            _same("listed order", order, self.orders[order_id])

    def check_orders(self, typed: Iterable[Order]) -> None:
        """Compare orders of history lists with what was told of them last."""
        for order in typed:
            _agree("order of a list", order, _order(self.orders[order.order_id]))

    def check_deals(self, typed: Iterable[Deal]) -> None:
        """Compare deals of history lists with what was told when they were made."""
        for deal in typed:
            told = ProtoOADeal()
            told.CopyFrom(self.deals[deal.deal_id])
            told.utcLastUpdateTimestamp = told.createTimestamp  # as recorded
            _agree("deal of a list", deal, _deal(told, self._digits))

    def check_offsets(self, typed: Iterable[DealOffset], own: Iterable[tuple[int, int]]) -> None:
        """Compare what other deals have to do with one.

        Args:
            typed: The client's list.
            own: Id and volume of each of the others, from the ledger.
        """
        due = [
            {
                "deal_id": deal_id,
                "volume": volume,
                "execution_timestamp": _time(self.deals[deal_id].executionTimestamp),
                "execution_price": self.deals[deal_id].executionPrice,
            }
            for deal_id, volume in own
        ]
        _same("offsets of a deal", [dict(each) for each in typed], due)

    def check_cash(self, typed: Iterable[DepositWithdraw]) -> None:
        """Compare the cash flow with what was told of it."""
        due = [_cash(each, self._digits) for each in self.cash]
        _same("cash flow", [dict(each) for each in typed], due)

    # Private

    def _compare(self, typed: object, frame: object) -> None:
        if isinstance(frame, ProtoOAExecutionEvent):
            assert isinstance(typed, ExecutionEvent)
            self._compare_execution(typed, frame)
            self._keep(frame)
        elif isinstance(frame, ProtoOATrailingSLChangedEvent):
            assert isinstance(typed, TrailingStopChangedEvent)
            _same(
                "trailing stop",
                (typed.account_id, typed.position_id, typed.order_id),
                (self._account_id, frame.positionId, frame.orderId),
            )
            _same("where it trails", typed.stop_price, frame.stopPrice)
            _same("when it trails", typed.timestamp, _time(frame.utcLastUpdateTimestamp))
            # Nothing else of the order nor of the position changes with it.
            self.orders[frame.orderId].stopPrice = frame.stopPrice
            self.positions[frame.positionId].stopLoss = frame.stopPrice
        elif isinstance(frame, ProtoOAMarginChangedEvent):
            assert isinstance(typed, MarginChangeEvent)
            _same(
                "margin change",
                (typed.account_id, typed.position_id),
                (self._account_id, frame.positionId),
            )
            _same("changed margin", typed.amount, _money(frame.usedMargin, self._digits))
        elif isinstance(frame, ProtoOAMarginCallTriggerEvent):
            assert isinstance(typed, MarginCallTriggerEvent)
            call = frame.marginCall
            _same("account of a margin call", typed.account_id, self._account_id)
            _same("margin call", int(typed.margin_call_type), int(call.marginCallType))
            level = Decimal(repr(call.marginLevelThreshold))
            _same("level of a margin call", typed.margin_level_threshold, level)
            changed = _time_or_none(call, "utcLastUpdateTimestamp")
            _same("time of a margin call", typed.timestamp, changed)

    def _compare_execution(self, typed: ExecutionEvent, frame: ProtoOAExecutionEvent) -> None:
        _same("account of an event", typed.account_id, self._account_id)
        _same("account of a frame", frame.ctidTraderAccountId, self._account_id)
        _same("kind of an event", int(typed.execution_type), int(frame.executionType))
        _same("server's own event", typed.is_server_event, frame.isServerEvent)
        _same("error of an event", typed.error_code, _or_none(frame, "errorCode"))
        digits = self._digits
        parts: tuple[tuple[str, Entity | None, Mapping[str, Any]], ...] = (
            ("order", typed.order, _order(frame.order)),
            ("position", typed.position, _position(frame.position, digits)),
            ("deal", typed.deal, _deal(frame.deal, digits)),
            ("depositWithdraw", typed.deposit_withdraw, _cash(frame.depositWithdraw, digits)),
            (
                "bonusDepositWithdraw",
                typed.bonus_deposit_withdraw,
                _bonus(frame.bonusDepositWithdraw, digits),
            ),
        )
        for name, part, due in parts:
            _same(f"{name} in an event", part is not None, frame.HasField(name))
            if part is not None:
                _agree(name, part, due)

    def _keep(self, frame: ProtoOAExecutionEvent) -> None:
        order_id, position_id = frame.order.orderId, frame.position.positionId
        if frame.HasField("order"):
            before = self.orders.get(order_id)
            kept = ProtoOAOrder()
            kept.CopyFrom(frame.order)
            self._show_levels(kept, before, frame)
            self.orders[order_id] = kept
        if frame.HasField("position"):
            kept_position = self.positions.setdefault(position_id, ProtoOAPosition())
            kept_position.CopyFrom(frame.position)
        if frame.HasField("deal"):
            _same("deal told twice", frame.deal.dealId in self.deals, False)
            self.deals[frame.deal.dealId] = frame.deal
        if frame.HasField("depositWithdraw"):
            self.cash.append(frame.depositWithdraw)

    def _show_levels(
        self, order: ProtoOAOrder, before: ProtoOAOrder | None, frame: ProtoOAExecutionEvent
    ) -> None:
        """Give a closing order the levels that its position had when it began to close it.

        Lists show them, and events do not. An order that holds the levels itself has none.
        """
        if not order.closingOrder or order.orderType == _PROTECTIVE:
            return
        source: ProtoOAOrder | ProtoOAPosition | None = before
        if before is None or not before.closingOrder:
            source = self.positions.get(order.positionId)
        if source is None:
            return
        for field in ("stopLoss", "takeProfit"):
            if source.HasField(field):
                setattr(order, field, getattr(source, field))


# Private, every message by hand


def _order(message: ProtoOAOrder) -> dict[str, Any]:
    trade = message.tradeData
    return {
        "order_id": message.orderId,
        "symbol_id": trade.symbolId,
        "side": trade.tradeSide,
        "order_type": message.orderType,
        "status": message.orderStatus,
        "volume": trade.volume,
        "time_in_force": message.timeInForce,
        "open_timestamp": _time_or_none(trade, "openTimestamp"),
        "limit_price": _or_none(message, "limitPrice"),
        "stop_price": _or_none(message, "stopPrice"),
        "stop_loss": _or_none(message, "stopLoss"),
        "take_profit": _or_none(message, "takeProfit"),
        "execution_price": _or_none(message, "executionPrice"),
        "executed_volume": message.executedVolume,
        "expiration_timestamp": _time_or_none(message, "expirationTimestamp"),
        "position_id": _or_none(message, "positionId"),
        "base_slippage_price": _or_none(message, "baseSlippagePrice"),
        "slippage_in_points": _or_none(message, "slippageInPoints"),
        "relative_stop_loss": _or_none(message, "relativeStopLoss"),
        "relative_take_profit": _or_none(message, "relativeTakeProfit"),
        "is_closing_order": message.closingOrder,
        "is_stop_out": message.isStopOut,
        "trailing_stop_loss": message.trailingStopLoss,
        "guaranteed_stop_loss": trade.guaranteedStopLoss,
        "stop_trigger_method": message.stopTriggerMethod,
        "client_order_id": message.clientOrderId,
        "label": trade.label,
        "comment": trade.comment,
        "last_update_timestamp": _time_or_none(message, "utcLastUpdateTimestamp"),
        "close_timestamp": _time_or_none(trade, "closeTimestamp"),
        "measurement_units": trade.measurementUnits,
    }


def _position(message: ProtoOAPosition, digits: int) -> dict[str, Any]:
    trade = message.tradeData
    return {
        "position_id": message.positionId,
        "symbol_id": trade.symbolId,
        "side": trade.tradeSide,
        "volume": trade.volume,
        "entry_price": _or_none(message, "price"),
        "status": message.positionStatus,
        "open_timestamp": _time_or_none(trade, "openTimestamp"),
        "money_digits": digits,
        "stop_loss": _or_none(message, "stopLoss"),
        "take_profit": _or_none(message, "takeProfit"),
        "trailing_stop_loss": message.trailingStopLoss,
        "guaranteed_stop_loss": message.guaranteedStopLoss,
        "stop_loss_trigger_method": message.stopLossTriggerMethod,
        "swap": _money(message.swap, digits),
        "commission": _money(message.commission, digits),
        "used_margin": _money(message.usedMargin, digits),
        "margin_rate": _decimal_or_none(message, "marginRate"),
        "label": trade.label,
        "comment": trade.comment,
        "last_update_timestamp": _time_or_none(message, "utcLastUpdateTimestamp"),
        "close_timestamp": _time_or_none(trade, "closeTimestamp"),
        "mirroring_commission": _money(message.mirroringCommission, digits)
        if message.HasField("mirroringCommission")
        else None,
        "measurement_units": trade.measurementUnits,
    }


def _deal(message: ProtoOADeal, digits: int) -> dict[str, Any]:
    is_closing = message.HasField("closePositionDetail")
    return {
        "deal_id": message.dealId,
        "order_id": message.orderId,
        "position_id": message.positionId,
        "symbol_id": message.symbolId,
        "side": message.tradeSide,
        "volume": message.volume,
        "filled_volume": message.filledVolume,
        "execution_price": _or_none(message, "executionPrice"),
        "execution_timestamp": _time(message.executionTimestamp),
        "status": message.dealStatus,
        "commission": _money(message.commission, digits),
        "create_timestamp": _time_or_none(message, "createTimestamp"),
        "last_update_timestamp": _time_or_none(message, "utcLastUpdateTimestamp"),
        "margin_rate": _decimal_or_none(message, "marginRate"),
        "base_to_usd_rate": _decimal_or_none(message, "baseToUsdConversionRate"),
        "close_detail": _detail(message.closePositionDetail, digits) if is_closing else None,
        "money_digits": digits,
    }


def _detail(message: ProtoOAClosePositionDetail, digits: int) -> dict[str, Any]:
    return {
        "entry_price": message.entryPrice,
        "closed_volume": _or_none(message, "closedVolume"),
        "gross_profit": _money(message.grossProfit, digits),
        "swap": _money(message.swap, digits),
        "commission": _money(message.commission, digits),
        "balance": _money(message.balance, digits),
        "pnl_conversion_fee": _money(message.pnlConversionFee, digits),
        "quote_to_deposit_rate": _decimal_or_none(message, "quoteToDepositConversionRate"),
        "balance_version": _or_none(message, "balanceVersion"),
        "money_digits": digits,
    }


def _cash(message: ProtoOADepositWithdraw, digits: int) -> dict[str, Any]:
    return {
        "operation_type": message.operationType,
        "balance_history_id": message.balanceHistoryId,
        "balance": _money(message.balance, digits),
        "delta": _money(message.delta, digits),
        "change_timestamp": _time(message.changeBalanceTimestamp),
        "note": message.externalNote,
        "balance_version": _or_none(message, "balanceVersion"),
        "equity": _money(message.equity, digits) if message.HasField("equity") else None,
        "money_digits": digits,
    }


def _bonus(message: ProtoOABonusDepositWithdraw, digits: int) -> dict[str, Any]:
    return {
        "operation_type": message.operationType,
        "bonus_history_id": message.bonusHistoryId,
        "manager_bonus": _money(message.managerBonus, digits),
        "manager_delta": _money(message.managerDelta, digits),
        "ib_bonus": _money(message.ibBonus, digits),
        "ib_delta": _money(message.ibDelta, digits),
        "change_timestamp": _time(message.changeBonusTimestamp),
        "note": message.externalNote,
        "introducing_broker_id": _or_none(message, "introducingBrokerId"),
        "money_digits": digits,
    }


# Private


def _agree(what: str, typed: Entity, due: Mapping[str, Any]) -> None:
    """Demand that a typed object has exactly these fields, and says exactly this in them."""
    told = {
        name: dict(value) if isinstance(value, Entity) else value
        for name, value in dict(typed).items()
    }
    if told == due:
        return
    _same(f"fields of {what}", told.keys(), due.keys())
    for name, value in told.items():
        _same(f"{name} of {what}", value, due[name])


def _same(what: str, told: object, own: object) -> None:
    if told != own:
        raise ClientViewError(f"{what}: the client has {told}, but it must be {own}")


def _or_none(message: Message, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None


def _money(amount: int, digits: int) -> Decimal:
    return Decimal(amount).scaleb(-digits)


def _decimal_or_none(message: Message, field: str) -> Decimal | None:
    return Decimal(repr(getattr(message, field))) if message.HasField(field) else None


def _time(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)


def _time_or_none(message: Message, field: str) -> datetime | None:
    return _time(getattr(message, field)) if message.HasField(field) else None
