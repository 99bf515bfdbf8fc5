"""The exchange's own records as messages of the protocol."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from ctrader.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOACommissionType,
    ProtoOACtidTraderAccount,
    ProtoOADayOfWeek,
    ProtoOADeal,
    ProtoOADealStatus,
    ProtoOADynamicLeverage,
    ProtoOAExecutionEvent,
    ProtoOALightSymbol,
    ProtoOAMinCommissionType,
    ProtoOAOrder,
    ProtoOAPosition,
    ProtoOASwapCalculationType,
    ProtoOASymbol,
    ProtoOASymbolCategory,
    ProtoOASymbolDistanceType,
    ProtoOATradeData,
    ProtoOATrader,
    ProtoOATrendbar,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.simulator.book import AccountBook, Deal, Order, Position
from ctrader.simulator.calendar import MINUTE
from ctrader.simulator.catalogue import (
    PRICE_UNITS,
    AccountSpec,
    ArchivedSymbolSpec,
    AssetClassSpec,
    AssetSpec,
    CategorySpec,
    LeverageSpec,
    SymbolSpec,
)
from ctrader.simulator.prices import Bar

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = [
    "archived_symbol_message",
    "asset_class_message",
    "asset_message",
    "average_price",
    "category_message",
    "ctid_account_message",
    "deal_message",
    "execution_message",
    "forming_bar_message",
    "history_bar_message",
    "leverage_message",
    "light_symbol_message",
    "order_message",
    "position_message",
    "price",
    "set_enum",
    "set_payload_type",
    "symbol_message",
    "trader_message",
]

# Fields that real servers send and no public schema has: tag and value as they stand on the wire.
_UNKNOWN_IN_DEAL = b"\x9a\x01\x00"  # 19, an empty text
_UNKNOWN_IN_TRADER = b"\xb8\x01\x04"  # 23, the number 4
_UNKNOWN_IN_SYMBOL = b"\xc8\x02\x01"  # 41, the number 1


def price(units: int) -> float:
    """Return a price as the float nearest to it."""
    return units / PRICE_UNITS


def average_price(units: Fraction) -> float:
    """Return an average price as the server does, to 15 decimals."""
    return float(round(units / PRICE_UNITS, 15))


def asset_message(asset: AssetSpec) -> ProtoOAAsset:
    """Encode an asset."""
    return ProtoOAAsset(
        assetId=asset.asset_id,
        name=asset.name,
        displayName=asset.display_name or asset.name,
        digits=asset.digits,
    )


def asset_class_message(asset_class: AssetClassSpec, place: int) -> ProtoOAAssetClass:
    """Encode an asset class."""
    return ProtoOAAssetClass(
        id=asset_class.asset_class_id, name=asset_class.name, sortingNumber=float(place)
    )


def category_message(category: CategorySpec, place: int) -> ProtoOASymbolCategory:
    """Encode a symbol category."""
    return ProtoOASymbolCategory(
        id=category.category_id,
        assetClassId=category.asset_class_id,
        name=category.name,
        sortingNumber=float(place),
    )


def light_symbol_message(symbol: SymbolSpec, place: int) -> ProtoOALightSymbol:
    """Encode a symbol without its trading terms."""
    return ProtoOALightSymbol(
        symbolId=symbol.symbol_id,
        symbolName=symbol.name,
        enabled=symbol.enabled,
        baseAssetId=symbol.base,
        quoteAssetId=symbol.quote,
        symbolCategoryId=symbol.category_id,
        description=symbol.description,
        sortingNumber=float(place),
    )


def archived_symbol_message(symbol: ArchivedSymbolSpec) -> ProtoOAArchivedSymbol:
    """Encode a symbol that is no longer offered."""
    return ProtoOAArchivedSymbol(
        symbolId=symbol.symbol_id,
        name=symbol.name,
        utcLastUpdateTimestamp=symbol.updated_ms,
        description=symbol.description,
    )


def symbol_message(symbol: SymbolSpec, *, unknown_fields: bool) -> ProtoOASymbol:
    """Encode a symbol with its trading terms."""
    commission = symbol.commission_rate
    if symbol.commission_type != ProtoOACommissionType.PERCENTAGE_OF_VALUE:
        commission //= 1_000_000  # a percentage is the same number in both fields, as recorded
    message = ProtoOASymbol(
        symbolId=symbol.symbol_id,
        digits=symbol.digits,
        pipPosition=symbol.pip_position,
        enableShortSelling=symbol.short_selling,
        guaranteedStopLoss=False,
        swapLong=symbol.swap_long,
        swapShort=symbol.swap_short,
        maxVolume=symbol.max_volume,
        minVolume=symbol.min_volume,
        stepVolume=symbol.step_volume,
        maxExposure=symbol.max_exposure,
        commission=commission,
        slDistance=0,
        tpDistance=0,
        gslDistance=0,
        gslCharge=0,
        minCommission=symbol.min_commission // 1_000_000,
        minCommissionAsset="USD",
        rolloverCommission=0,
        skipRolloverDays=3,
        scheduleTimeZone=symbol.schedule_zone,
        lotSize=symbol.lot_size,
        preciseTradingCommissionRate=symbol.commission_rate,
        preciseMinCommission=symbol.min_commission,
        pnlConversionFeeRate=symbol.conversion_fee_rate,
        leverageId=symbol.leverage_id,
        swapPeriod=24,
        swapTime=1259,
        skipSWAPPeriods=0,
        chargeSwapAtWeekends=False,
        measurementUnits=symbol.measurement_units,
    )
    set_enum(message, "swapRollover3Days", symbol.swap_rollover)
    set_enum(message, "commissionType", symbol.commission_type)
    set_enum(message, "distanceSetIn", ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_POINTS)
    set_enum(message, "minCommissionType", ProtoOAMinCommissionType.CURRENCY)
    set_enum(message, "tradingMode", symbol.trading_mode)
    set_enum(message, "rolloverCommission3Days", ProtoOADayOfWeek.WEDNESDAY)
    if symbol.swap_type != ProtoOASwapCalculationType.PIPS:
        set_enum(message, "swapCalculationType", symbol.swap_type)
    sessions = symbol.schedule or ((0, 7 * 86_400),)
    for start, end in sessions:
        message.schedule.add(startSecond=start, endSecond=end)
    if unknown_fields:
        message.MergeFromString(_UNKNOWN_IN_SYMBOL)
    return message


def leverage_message(leverage: LeverageSpec) -> ProtoOADynamicLeverage:
    """Encode the tiers of dynamic leverage."""
    message = ProtoOADynamicLeverage(leverageId=leverage.leverage_id)
    for volume, factor in leverage.tiers:
        message.tiers.add(volume=volume, leverage=factor)
    return message


def ctid_account_message(spec: AccountSpec, book: AccountBook) -> ProtoOACtidTraderAccount:
    """Encode an account as the list by access token names it."""
    message = ProtoOACtidTraderAccount(
        ctidTraderAccountId=spec.account_id,
        isLive=spec.is_live,
        traderLogin=spec.trader_login,
        lastBalanceUpdateTimestamp=book.last_booking,
        brokerTitleShort=spec.broker_name,
    )
    if book.last_closing is not None:
        message.lastClosingDealTimestamp = book.last_closing
    return message


def trader_message(book: AccountBook, *, unknown_fields: bool) -> ProtoOATrader:
    """Encode an account with its balance and terms.

    Bonuses and the strategies of margin and stop-out are left out, as in all recordings.
    """
    spec = book.spec
    message = ProtoOATrader(
        ctidTraderAccountId=spec.account_id,
        balance=book.balance,
        balanceVersion=book.balance_version,
        depositAssetId=book.deposit_asset,
        swapFree=False,
        leverageInCents=spec.leverage * 100,
        maxLeverage=spec.leverage * 100,
        frenchRisk=False,
        traderLogin=spec.trader_login,
        brokerName=spec.broker_name.lower().replace(" ", "-"),
        registrationTimestamp=book.opened,
        isLimitedRisk=False,
        moneyDigits=spec.money_digits,
    )
    set_enum(message, "accessRights", spec.access_rights)
    set_enum(message, "totalMarginCalculationType", spec.margin_calculation)
    set_enum(message, "accountType", spec.account_type)
    if unknown_fields:
        message.MergeFromString(_UNKNOWN_IN_TRADER)
    return message


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
    if listed and order.shown_stop_loss is not None:
        message.stopLoss = price(order.shown_stop_loss)
    if listed and order.shown_take_profit is not None:
        message.takeProfit = price(order.shown_take_profit)
    return message


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


def forming_bar_message(bar: Bar, period: int, start: int) -> ProtoOATrendbar:
    """Encode a bar as spot events carry it: with its period, without its close."""
    message = ProtoOATrendbar(
        volume=bar.volume,
        low=bar.low,
        deltaOpen=bar.open - bar.low,
        deltaHigh=bar.high - bar.low,
        utcTimestampInMinutes=start // MINUTE,
    )
    set_enum(message, "period", period)
    return message


def history_bar_message(bar: Bar, start: int, *, flat_close_bug: bool) -> ProtoOATrendbar:
    """Encode a bar as history carries it: with its close, without its period."""
    message = ProtoOATrendbar(
        volume=bar.volume,
        low=bar.low,
        deltaOpen=bar.open - bar.low,
        deltaClose=bar.close - bar.low,
        deltaHigh=bar.high - bar.low,
        utcTimestampInMinutes=start // MINUTE,
    )
    if flat_close_bug and bar.close == bar.low:
        message.deltaHigh = 0
    return message


def set_payload_type(message: Message) -> None:
    """Write a message's own payloadType field, which is its default, explicitly."""
    if message.DESCRIPTOR.fields_by_name.get("payloadType") is not None:
        set_enum(message, "payloadType", PAYLOAD_TYPE_BY_MESSAGE[type(message)])


def set_enum(message: object, name: str, value: int) -> None:
    """Set an enum field to a number; the stubs want enum objects, which do not exist."""
    setattr(message, name, value)


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
