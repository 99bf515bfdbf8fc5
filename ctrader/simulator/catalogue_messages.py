"""The catalogue of the broker as messages of the protocol."""

from __future__ import annotations

from typing import Final

from ctrader.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOACommissionType,
    ProtoOADayOfWeek,
    ProtoOADynamicLeverage,
    ProtoOALightSymbol,
    ProtoOAMinCommissionType,
    ProtoOASwapCalculationType,
    ProtoOASymbol,
    ProtoOASymbolCategory,
    ProtoOASymbolDistanceType,
)
from ctrader.simulator.catalogue import (
    ArchivedSymbolSpec,
    AssetClassSpec,
    AssetSpec,
    CategorySpec,
    LeverageSpec,
    SymbolSpec,
)
from ctrader.simulator.wire import set_enum

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
