"""The catalogue of the broker as messages of the protocol."""

from __future__ import annotations

from typing import Final

from ctrader.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOACommissionType,
    ProtoOADynamicLeverage,
    ProtoOAHoliday,
    ProtoOALightSymbol,
    ProtoOASwapCalculationType,
    ProtoOASymbol,
    ProtoOASymbolCategory,
)
from ctrader.simulator.catalogue import (
    ArchivedSymbolSpec,
    AssetClassSpec,
    AssetSpec,
    CategorySpec,
    HolidaySpec,
    LeverageSpec,
    SymbolSpec,
)
from ctrader.simulator.messages.wire import set_enum

__all__ = [
    "archived_symbol_message",
    "asset_class_message",
    "asset_message",
    "category_message",
    "leverage_message",
    "light_symbol_message",
    "symbol_message",
]

# A field that real servers send and no public schema has: tag and value as on the wire.
_UNKNOWN_IN_SYMBOL: Final = b"\xc8\x02\x01"  # 41, the number 1


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
        guaranteedStopLoss=symbol.guaranteed_stops,
        swapLong=symbol.swap_long,
        swapShort=symbol.swap_short,
        maxVolume=symbol.max_volume,
        minVolume=symbol.min_volume,
        stepVolume=symbol.step_volume,
        maxExposure=symbol.max_exposure,
        commission=commission,
        slDistance=symbol.stop_loss_distance,
        tpDistance=symbol.take_profit_distance,
        gslDistance=symbol.guaranteed_distance,
        gslCharge=symbol.guaranteed_charge,
        minCommission=symbol.min_commission // 1_000_000,
        minCommissionAsset=symbol.min_commission_asset,
        rolloverCommission=symbol.rollover_commission // 100_000_000,  # whole dollars
        skipRolloverDays=symbol.skip_rollover_days,
        scheduleTimeZone=symbol.schedule_zone,
        lotSize=symbol.lot_size,
        preciseTradingCommissionRate=symbol.commission_rate,
        preciseMinCommission=symbol.min_commission,
        pnlConversionFeeRate=symbol.conversion_fee_rate,
        leverageId=symbol.leverage_id,
        swapPeriod=symbol.swap_period,
        swapTime=symbol.swap_time,
        skipSWAPPeriods=symbol.skip_swap_periods,
        chargeSwapAtWeekends=symbol.swap_at_weekends,
        measurementUnits=symbol.measurement_units,
    )
    set_enum(message, "swapRollover3Days", symbol.swap_rollover)
    set_enum(message, "commissionType", symbol.commission_type)
    set_enum(message, "distanceSetIn", symbol.distance_type)
    set_enum(message, "minCommissionType", symbol.min_commission_type)
    set_enum(message, "tradingMode", symbol.trading_mode)
    set_enum(message, "rolloverCommission3Days", symbol.rollover_commission_3_days)
    if symbol.swap_type != ProtoOASwapCalculationType.PIPS:
        set_enum(message, "swapCalculationType", symbol.swap_type)
    sessions = symbol.schedule or ((0, 7 * 86_400),)
    for start, end in sessions:
        message.schedule.add(startSecond=start, endSecond=end)
    message.holiday.extend(_holiday_message(holiday) for holiday in symbol.holidays)
    if unknown_fields:
        message.MergeFromString(_UNKNOWN_IN_SYMBOL)
    return message


def leverage_message(leverage: LeverageSpec) -> ProtoOADynamicLeverage:
    """Encode the tiers of dynamic leverage."""
    message = ProtoOADynamicLeverage(leverageId=leverage.leverage_id)
    for volume, factor in leverage.tiers:
        message.tiers.add(volume=volume, leverage=factor)
    return message


# Private


def _holiday_message(holiday: HolidaySpec) -> ProtoOAHoliday:
    message = ProtoOAHoliday(
        holidayId=holiday.holiday_id,
        name=holiday.name,
        description=holiday.description,
        scheduleTimeZone=holiday.zone,
        holidayDate=holiday.date,
        isRecurring=holiday.is_recurring,
    )
    if holiday.start_second is not None:
        message.startSecond = holiday.start_second
    if holiday.end_second is not None:
        message.endSecond = holiday.end_second
    return message
