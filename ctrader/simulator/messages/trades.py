"""Positions, orders, deals and what happens to them, as messages of the protocol."""

from __future__ import annotations

from typing import Final

from ctrader.proto import (
    ProtoOADeal,
    ProtoOADealStatus,
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAOrderErrorEvent,
    ProtoOAPosition,
    ProtoOATradeData,
)
from ctrader.simulator.book import AccountBook, Deal, Order, Position
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.messages.wire import average_price, price, set_enum
from ctrader.simulator.refusals import OrderRefusal

__all__ = [
    "deal_message",
    "execution_message",
    "order_error_message",
    "order_message",
    "position_message",
]

# A field that real servers send and no public schema has: tag and value as on the wire.
_UNKNOWN_IN_DEAL: Final = b"\x9a\x01\x00"  # 19, an empty text


def position_message(position: Position, money_digits: int) -> ProtoOAPosition:
    """Encode a position as it is now."""
    message = ProtoOAPosition(
        positionId=position.position_id,
        tradeData=_trade_data(
            position.symbol,
            position.volume,
            position.side,
            position.opened,
            position.closed,
            position.label,
            position.comment,
            position.guaranteed,
        ),
        swap=position.swap,
        price=average_price(position.price),
        commission=position.commission,
        marginRate=float(position.margin_rate),
        mirroringCommission=0,
        guaranteedStopLoss=position.guaranteed,
        usedMargin=position.used_margin,
        moneyDigits=money_digits,
    )
    set_enum(message, "positionStatus", position.status)
    if position.stop_loss is not None:
        message.stopLoss = price(position.stop_loss)
    if position.take_profit is not None:
        message.takeProfit = price(position.take_profit)
    if position.updated is not None:
        message.utcLastUpdateTimestamp = position.updated
    if position.trigger_method is not None and position.is_protected:
        set_enum(message, "stopLossTriggerMethod", position.trigger_method)
    if position.trailing is not None:
        message.trailingStopLoss = position.trailing
    return message


def order_message(order: Order, *, listed: bool = False) -> ProtoOAOrder:
    """Encode an order as it is now.

    Args:
        listed: Whether it stands in a list, where closing orders show the position's levels.
    """
    message = ProtoOAOrder(
        orderId=order.order_id,
        tradeData=_trade_data(
            order.symbol,
            order.volume,
            order.side,
            order.created,
            order.closed,
            order.label,
            order.comment,
            order.guaranteed,
        ),
        executedVolume=order.executed_volume,
        utcLastUpdateTimestamp=order.updated,
        closingOrder=order.closing,
        positionId=order.position_id,
    )
    set_enum(message, "orderType", order.order_type)
    set_enum(message, "orderStatus", order.status)
    set_enum(message, "timeInForce", order.time_in_force)
    if order.execution_price is not None:
        message.executionPrice = average_price(order.execution_price)
    if order.limit_price is not None:
        message.limitPrice = price(order.limit_price)
    if order.stop_price is not None:
        message.stopPrice = price(order.stop_price)
    if order.expiration is not None:
        message.expirationTimestamp = order.expiration
    if order.base_slippage_price is not None:
        message.baseSlippagePrice = price(order.base_slippage_price)
    if order.slippage_points is not None:
        message.slippageInPoints = order.slippage_points
    if order.client_order_id is not None:
        message.clientOrderId = order.client_order_id
    if order.relative_stop_loss is not None:
        message.relativeStopLoss = order.relative_stop_loss
    if order.relative_take_profit is not None:
        message.relativeTakeProfit = order.relative_take_profit
    if order.trailing is not None:
        message.trailingStopLoss = order.trailing
    if order.trigger_method is not None:
        set_enum(message, "stopTriggerMethod", order.trigger_method)
    if order.stop_out:
        message.isStopOut = True
    if listed and order.shown_stop_loss is not None:
        message.stopLoss = price(order.shown_stop_loss)
    if listed and order.shown_take_profit is not None:
        message.takeProfit = price(order.shown_take_profit)
    return message


def order_error_message(
    refusal: OrderRefusal, account_id: int, *, zero_ids: bool
) -> ProtoOAOrderErrorEvent:
    """Encode why an order was refused.

    Args:
        zero_ids: Whether ids that nobody knows are 0, and not left out.
    """
    event = ProtoOAOrderErrorEvent(
        ctidTraderAccountId=account_id,
        errorCode=refusal.code,
        orderId=refusal.order_id,
        positionId=refusal.position_id,
        description=refusal.description,
    )
    if zero_ids and refusal.order_id is None and refusal.position_id is None:
        event.orderId = event.positionId = 0
    return event


def deal_message(
    deal: Deal, money_digits: int, *, unknown_fields: bool, listed: bool = False
) -> ProtoOADeal:
    """Encode a deal.

    Args:
        listed: Whether it stands in a list, where the last update is its creation, as recorded.
    """
    message = ProtoOADeal(
        dealId=deal.deal_id,
        orderId=deal.order_id,
        positionId=deal.position_id,
        volume=deal.volume,
        filledVolume=deal.filled_volume,
        symbolId=deal.symbol.symbol_id,
        createTimestamp=deal.created,
        executionTimestamp=deal.executed,
        utcLastUpdateTimestamp=deal.created if listed else deal.executed,
        marginRate=float(deal.margin_rate),
        commission=deal.commission,
        baseToUsdConversionRate=float(deal.base_to_usd),
        moneyDigits=money_digits,
    )
    set_enum(message, "tradeSide", deal.side)
    set_enum(message, "dealStatus", deal.status)
    if deal.status in (ProtoOADealStatus.FILLED, ProtoOADealStatus.PARTIALLY_FILLED):
        message.executionPrice = price(deal.price)
    part = deal.closed_part
    if part is not None:
        detail = message.closePositionDetail
        detail.entryPrice = average_price(part.entry_price)
        detail.grossProfit = part.gross
        detail.swap = part.swap
        detail.commission = part.commission
        detail.balance = part.balance
        detail.quoteToDepositConversionRate = float(part.quote_to_deposit)
        detail.closedVolume = part.volume
        detail.balanceVersion = part.balance_version
        detail.moneyDigits = money_digits
        detail.pnlConversionFee = part.conversion_fee
    if unknown_fields:
        message.MergeFromString(_UNKNOWN_IN_DEAL)
    return message


def execution_message(
    book: AccountBook,
    execution_type: int,
    *,
    order: Order | None,
    position: Position | None,
    deal: Deal | None,
    server: bool,
    error_code: str | None,
    unknown_fields: bool,
) -> ProtoOAExecutionEvent:
    """Encode what happened to an order as it stands now."""
    digits = book.spec.money_digits
    message = ProtoOAExecutionEvent(
        ctidTraderAccountId=book.spec.account_id, isServerEvent=server, errorCode=error_code
    )
    set_enum(message, "executionType", execution_type)
    if position is not None:
        message.position.CopyFrom(position_message(position, digits))
    if order is not None:
        message.order.CopyFrom(order_message(order))
    if deal is not None:
        message.deal.CopyFrom(deal_message(deal, digits, unknown_fields=unknown_fields))
    return message


# Private


def _trade_data(
    symbol: SymbolSpec,
    volume: int,
    side: int,
    opened: int | None,
    closed: int | None,
    label: str | None,
    comment: str | None,
    guaranteed: bool,
) -> ProtoOATradeData:
    data = ProtoOATradeData(
        symbolId=symbol.symbol_id,
        volume=volume,
        guaranteedStopLoss=guaranteed,
        measurementUnits=symbol.measurement_units,
    )
    set_enum(data, "tradeSide", side)
    if opened is not None:
        data.openTimestamp = opened
    if closed is not None:
        data.closeTimestamp = closed
    if label is not None:
        data.label = label
    if comment is not None:
        data.comment = comment
    return data
