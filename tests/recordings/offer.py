"""Offer what the recorded broker offered: symbols and accounts on recorded terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from ctrader.proto import (
    ProtoOACommissionType,
    ProtoOADayOfWeek,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOATrader,
)
from ctrader.simulator.catalogue import (
    DEFAULT_ACCOUNTS,
    DEFAULT_CATALOGUE,
    AccountSpec,
    AssetSpec,
    Catalogue,
    LeverageSpec,
    SymbolSpec,
)
from tests.recordings.past import deals_before
from tests.recordings.recorded import (
    COIN,
    DAY,
    DOLLAR,
    ENDLESS,
    EURO,
    EURUSD,
    INDEX,
    MINUTE,
    Recording,
)

__all__ = ["account_of", "catalogue_of", "symbol_of"]

COIN_LEVERAGE: Final = 91
"""Id of the leverage of the coin; nothing recorded names it."""
INDEX_ASSET: Final = 1257
"""Asset of which the index is the price."""


def symbol_of(symbol: ProtoOASymbol, light: ProtoOALightSymbol | None = None) -> SymbolSpec:
    """Offer a symbol on the terms that were recorded."""
    spec = SymbolSpec(
        symbol_id=symbol.symbolId,
        name=light.symbolName if light else "EURUSD",
        description=light.description if light else "",
        base=light.baseAssetId if light else EURO,
        quote=light.quoteAssetId if light else DOLLAR,
        category_id=light.symbolCategoryId if light else 11,
        digits=symbol.digits,
        pip_position=symbol.pipPosition,
        lot_size=symbol.lotSize,
        min_volume=symbol.minVolume,
        max_volume=symbol.maxVolume,
        step_volume=symbol.stepVolume,
        price=Decimal(1),
        commission_type=symbol.commissionType,
        commission_rate=symbol.preciseTradingCommissionRate,
        min_commission=symbol.preciseMinCommission,
        min_commission_type=symbol.minCommissionType,
        min_commission_asset=symbol.minCommissionAsset,
        swap_long=symbol.swapLong,
        swap_short=symbol.swapShort,
        swap_type=symbol.swapCalculationType,
        swap_rollover=symbol.swapRollover3Days,
        swap_period=symbol.swapPeriod,
        swap_time=symbol.swapTime,
        skip_swap_periods=symbol.skipSWAPPeriods,
        swap_at_weekends=symbol.chargeSwapAtWeekends,
        rollover_commission=symbol.rolloverCommission * 100_000_000,
        rollover_commission_3_days=symbol.rolloverCommission3Days,
        skip_rollover_days=symbol.skipRolloverDays,
        conversion_fee_rate=symbol.pnlConversionFeeRate,
        leverage_id=symbol.leverageId,
        max_exposure=symbol.maxExposure,
        short_selling=symbol.enableShortSelling,
        stop_loss_distance=symbol.slDistance,
        take_profit_distance=symbol.tpDistance,
        guaranteed_distance=symbol.gslDistance,
        distance_type=symbol.distanceSetIn,
        guaranteed_stops=symbol.guaranteedStopLoss,
        guaranteed_charge=symbol.gslCharge,
        schedule=tuple((each.startSecond, each.endSecond) for each in symbol.schedule),
        schedule_zone=symbol.scheduleTimeZone or "UTC",
        trading_mode=symbol.tradingMode,
        measurement_units=symbol.measurementUnits,
    )
    return spec if light is None else replace(spec, enabled=light.enabled)


def account_of(trader: ProtoOATrader, balance: int, *, is_live: bool = False) -> AccountSpec:
    """Keep an account on the terms that were recorded."""
    return replace(
        DEFAULT_ACCOUNTS[0],
        account_id=trader.ctidTraderAccountId,
        trader_login=trader.traderLogin or DEFAULT_ACCOUNTS[0].trader_login,
        balance=Decimal(balance).scaleb(-trader.moneyDigits),
        leverage=trader.leverageInCents // 100,
        account_type=trader.accountType,
        access_rights=trader.accessRights,
        margin_calculation=trader.totalMarginCalculationType,
        money_digits=trader.moneyDigits,
        swap_free=trader.swapFree,
        is_limited_risk=trader.isLimitedRisk,
        is_live=is_live,
    )


def catalogue_of(recording: Recording) -> Catalogue:
    """List the recorded symbols, and those of which only trades were recorded."""
    given: Mapping[int, ProtoOASymbol] = {
        symbol.symbolId: symbol
        for _, message in recording.messages()
        if isinstance(message, ProtoOASymbolByIdRes)
        for symbol in message.symbol
    }
    euro = DEFAULT_CATALOGUE.symbol_named("EURUSD")
    if EURUSD in given:
        euro = symbol_of(given[EURUSD])
    coin = replace(
        DEFAULT_CATALOGUE.symbol_named("BTCUSD"),
        symbol_id=COIN,
        name="COIN",
        commission_type=ProtoOACommissionType.PERCENTAGE_OF_VALUE,
        commission_rate=3250,  # 27.72 of 85,287.21
        min_commission=0,
        leverage_id=COIN_LEVERAGE,
        measurement_units="Contracts",
    )
    index = replace(
        DEFAULT_CATALOGUE.symbol_named("US500"),
        symbol_id=INDEX,
        name="INDEX",
        quote=EURO,
        digits=2,
        commission_rate=0,
        swap_long=-4.531,  # 5.15 dollars at 1.13666
        swap_type=0,
        swap_rollover=ProtoOADayOfWeek.NONE,
        swap_time=_rollover_minute(recording),
        swap_at_weekends=True,
        conversion_fee_rate=70,
        measurement_units="Contracts",
    )
    return replace(
        DEFAULT_CATALOGUE,
        assets=(*DEFAULT_CATALOGUE.assets, AssetSpec(INDEX_ASSET, "INDEX", 2)),
        leverages=(
            LeverageSpec(COIN_LEVERAGE, ((ENDLESS, 333),)),  # 25,611.78 for 85,287.22
            LeverageSpec(euro.leverage_id, ((ENDLESS, 50_000),)),
            *DEFAULT_CATALOGUE.leverages,
        ),
        symbols=(euro, coin, replace(index, base=INDEX_ASSET)),
    )


# Private


def _rollover_minute(recording: Recording) -> int:
    """Return the minute of the day of the one swap that an old position paid."""
    instants = [
        deal.executionTimestamp for deal in deals_before(recording) if deal.symbolId == INDEX
    ]
    return sum(instants) // len(instants) % DAY // MINUTE if instants else 0
