"""Symbols: units, grids and costs."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from ctrader.enums import (
    CommissionType,
    DayOfWeek,
    MinCommissionType,
    SwapCalculationType,
    SymbolDistanceType,
    TradingMode,
)
from ctrader.errors import OrderInvalidError, ProtocolError
from ctrader.models.symbols import (
    ArchivedSymbol,
    Asset,
    AssetClass,
    Commission,
    Swap,
    Symbol,
    SymbolCategory,
    SymbolInfo,
)
from ctrader.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolCategory,
)


def eurusd() -> ProtoOASymbol:
    return ProtoOASymbol(
        symbolId=1,
        digits=5,
        pipPosition=4,
        lotSize=10_000_000,
        minVolume=100_000,
        maxVolume=10_000_000_000,
        stepVolume=100_000,
    )


def test_symbol_with_nothing_but_the_needed_has_the_documented_defaults() -> None:
    symbol = Symbol.from_proto(eurusd())

    assert symbol.trading_mode is TradingMode.ENABLED
    assert symbol.enable_short_selling
    assert symbol.commission == Commission()
    assert symbol.swap == Swap()
    assert symbol.max_exposure is None
    assert symbol.leverage_id is None
    assert symbol.distance_type is SymbolDistanceType.SYMBOL_DISTANCE_IN_POINTS
    assert symbol.trading_hours.intervals == ()


def test_symbol_with_everything() -> None:
    message = eurusd()
    message.MergeFrom(
        ProtoOASymbol(
            enableShortSelling=False,
            guaranteedStopLoss=True,
            maxExposure=3_000_000_000,
            slDistance=5,
            tpDistance=6,
            gslDistance=7,
            gslCharge=8,
            distanceSetIn="SYMBOL_DISTANCE_IN_PERCENTAGE",
            scheduleTimeZone="Europe/Moscow",
            tradingMode="DISABLED_WITH_PENDINGS_EXECUTION",
            pnlConversionFeeRate=70,
            leverageId=1020,
            measurementUnits="oz",
        )
    )

    symbol = Symbol.from_proto(message)

    assert not symbol.enable_short_selling
    assert symbol.guaranteed_stop_loss
    assert symbol.max_exposure == 3_000_000_000
    assert (symbol.sl_distance, symbol.tp_distance) == (5, 6)
    assert (symbol.gsl_distance, symbol.gsl_charge) == (7, 8)
    assert symbol.distance_type is SymbolDistanceType.SYMBOL_DISTANCE_IN_PERCENTAGE
    assert symbol.schedule_timezone == symbol.trading_hours.timezone == "Europe/Moscow"
    assert symbol.trading_mode is TradingMode.DISABLED_WITH_PENDINGS_EXECUTION
    assert (symbol.pnl_conversion_fee_rate, symbol.leverage_id) == (70, 1020)
    assert symbol.measurement_units == "oz"


@pytest.mark.parametrize("field", ["lotSize", "minVolume", "maxVolume", "stepVolume"])
def test_symbol_that_orders_cannot_be_sized_for_is_refused(field: str) -> None:
    message = eurusd()
    message.ClearField(field)

    with pytest.raises(ProtocolError, match=field):
        Symbol.from_proto(message)


@pytest.mark.parametrize(("field", "value"), [("digits", -1), ("digits", 16), ("pipPosition", -1)])
def test_symbol_with_impossible_digits_is_refused(field: str, value: int) -> None:
    message = eurusd()
    setattr(message, field, value)

    with pytest.raises(ProtocolError, match=field):
        Symbol.from_proto(message)


def test_lots_and_volumes() -> None:
    symbol = Symbol.from_proto(eurusd())

    assert symbol.volume_to_lots(100_000) == Decimal("0.01")
    assert symbol.lots_to_volume(0.01) == 100_000
    assert symbol.lots_to_volume(Decimal("0.10")) == 1_000_000
    assert symbol.volume_to_units(100_000) == 1000
    assert symbol.units_to_volume(1000) == 100_000
    assert symbol.min_lots == symbol.step_lots == Decimal("0.01")
    assert symbol.max_lots == 1000


def test_lots_of_gold_are_other_volumes() -> None:
    message = eurusd()
    message.MergeFrom(ProtoOASymbol(digits=2, pipPosition=1, lotSize=10_000))
    gold = Symbol.from_proto(message)

    assert gold.lots_to_volume(0.01) == 100
    assert gold.quantize_price(2650.128) == 2650.13
    assert (gold.pip_size, gold.tick_size) == (0.1, 0.01)
    assert gold.pip_value(100) == Decimal("0.1")


def test_lots_that_are_no_whole_volume_are_not_rounded() -> None:
    with pytest.raises(OrderInvalidError):
        Symbol.from_proto(eurusd()).lots_to_volume(0.000_000_000_1)


@pytest.mark.parametrize(
    ("price", "nearest"),
    [
        (1.082344, 1.08234),
        (1.082346, 1.08235),
        (1.082345, 1.08235),
        (1.08234, 1.08234),
        (Decimal("1.082349999"), 1.08235),
        (1, 1.0),
    ],
)
def test_quantized_price_is_the_nearest_on_the_grid(price: float | Decimal, nearest: float) -> None:
    symbol = Symbol.from_proto(eurusd())

    assert symbol.quantize_price(price) == nearest
    assert symbol.is_valid_price(nearest)


def test_price_off_the_grid_is_not_valid() -> None:
    assert not Symbol.from_proto(eurusd()).is_valid_price(1.082341)


def test_price_that_is_no_number_is_refused() -> None:
    with pytest.raises(OrderInvalidError):
        Symbol.from_proto(eurusd()).quantize_price(float("nan"))


def test_pips_of_a_yen_pair() -> None:
    message = eurusd()
    message.MergeFrom(ProtoOASymbol(digits=3, pipPosition=2))
    usdjpy = Symbol.from_proto(message)

    assert usdjpy.pip_size == 0.01
    assert usdjpy.pips_to_price(12.3) == 0.123
    assert usdjpy.price_to_pips(0.123) == 12.3
    # 1,000 units x 0.01 JPY, at 131.074 JPY for a dollar
    assert usdjpy.pip_value(100_000, Decimal("0.00762927")) == Decimal("0.0762927")
    assert usdjpy.tick_value(100_000) == 1


class Twelve:
    """What another library's integers are like."""

    def __index__(self) -> int:
        return 12


def test_integers_of_other_libraries_are_taken() -> None:
    symbol = Symbol.from_proto(eurusd())
    twelve: Any = Twelve()
    assert symbol.pips_to_price(twelve) == 0.0012
    assert symbol.price_to_pips(twelve) == 120_000
    assert symbol.lots_to_volume(twelve) == symbol.lots_to_volume(12)
    assert symbol.volume_to_lots(twelve) == symbol.volume_to_lots(12)
    assert symbol.quantize_price(twelve) == 12


@pytest.mark.parametrize("given", [None, "1", True, [], float("nan"), Decimal("sNaN")])
@pytest.mark.parametrize(
    ("convert", "field"),
    [
        ("pips_to_price", "pips"),
        ("price_to_pips", "distance"),
        ("quantize_price", "price"),
        ("is_valid_price", "price"),
        ("lots_to_volume", "lots"),
        ("units_to_volume", "units"),
    ],
)
def test_what_is_no_number_is_refused_by_name(convert: str, field: str, given: object) -> None:
    with pytest.raises(OrderInvalidError, match=f"^{field} must be a (finite )?number") as caught:
        getattr(Symbol.from_proto(eurusd()), convert)(given)
    assert caught.value.field == field


@pytest.mark.parametrize("given", [None, "1", True, [], 0.1, float("nan"), Decimal("sNaN")])
@pytest.mark.parametrize(
    "convert", ["volume_to_lots", "volume_to_units", "pip_value", "tick_value"]
)
def test_what_is_no_volume_is_refused_by_name(convert: str, given: object) -> None:
    with pytest.raises(OrderInvalidError) as caught:
        getattr(Symbol.from_proto(eurusd()), convert)(given)
    assert str(caught.value) == (
        f"volume_cents must be a volume in hundredths of a unit as an int, not {given!r}; lots are "
        "converted by symbol.lots_to_volume()."
    )


def test_worth_of_a_pip_takes_a_rate_of_any_kind() -> None:
    symbol = Symbol.from_proto(eurusd())
    assert symbol.pip_value(100_000, 0.5) == symbol.pip_value(100_000, Decimal("0.5"))
    assert symbol.tick_value(100_000, 2) == Decimal("0.02")
    for worth in (symbol.pip_value, symbol.tick_value):
        with pytest.raises(OrderInvalidError, match="quote_to_deposit must be a finite number"):
            worth(100_000, float("nan"))


# Costs


@pytest.mark.parametrize(
    ("fields", "rate"),
    [
        (ProtoOASymbol(preciseTradingCommissionRate=250_000_000, commission=1), "2.5"),
        (ProtoOASymbol(commission=250), "2.5"),
        (
            ProtoOASymbol(
                commissionType="PERCENTAGE_OF_VALUE", preciseTradingCommissionRate=70, commission=1
            ),
            "0.0007",
        ),
        (ProtoOASymbol(commissionType="PERCENTAGE_OF_VALUE", commission=70), "0.0007"),
        (ProtoOASymbol(preciseTradingCommissionRate=0, commission=70), "0"),
        (ProtoOASymbol(), "0"),
    ],
)
def test_commission_rate_is_scaled_by_its_type(fields: ProtoOASymbol, rate: str) -> None:
    assert Commission.from_proto(fields).rate == Decimal(rate)


def test_least_commission() -> None:
    commission = Commission.from_proto(
        ProtoOASymbol(
            commissionType="USD_PER_LOT",
            preciseMinCommission=150_000_000,
            minCommissionType="QUOTE_CURRENCY",
            minCommissionAsset="EUR",
        )
    )

    assert commission == Commission(
        type=CommissionType.USD_PER_LOT,
        minimum=Decimal("1.5"),
        minimum_type=MinCommissionType.QUOTE_CURRENCY,
        minimum_asset="EUR",
    )
    assert Commission.from_proto(ProtoOASymbol(minCommission=150)).minimum == Decimal("1.5")


def test_swap() -> None:
    swap = Swap.from_proto(
        ProtoOASymbol(
            swapRollover3Days="WEDNESDAY",
            swapLong=-6.3431,
            swapShort=0.2737,
            swapCalculationType="POINTS",
            swapPeriod=24,
            swapTime=1259,
            skipSWAPPeriods=1,
            chargeSwapAtWeekends=True,
            rolloverCommission=3,
            skipRolloverDays=2,
            rolloverCommission3Days="NONE",
        )
    )

    assert swap == Swap(
        calculation_type=SwapCalculationType.POINTS,
        long=Decimal("-6.3431"),
        short=Decimal("0.2737"),
        triple_day=DayOfWeek.WEDNESDAY,
        period_hours=24,
        charge_time=time(20, 59),
        skip_periods=1,
        charged_at_weekends=True,
        rollover_commission=Decimal(3),
        skip_rollover_days=2,
        rollover_triple_day=DayOfWeek.NONE,
    )


# Lists


def test_symbol_info() -> None:
    info = SymbolInfo.from_proto(
        ProtoOALightSymbol(
            symbolId=1,
            symbolName="EURUSD",
            enabled=True,
            baseAssetId=2,
            quoteAssetId=3,
            symbolCategoryId=4,
            description="Euro",
            sortingNumber=1.5,
        )
    )

    assert info == SymbolInfo(
        symbol_id=1,
        name="EURUSD",
        enabled=True,
        base_asset_id=2,
        quote_asset_id=3,
        category_id=4,
        description="Euro",
        sorting_number=1.5,
    )
    assert SymbolInfo.from_proto(ProtoOALightSymbol(symbolId=1)).base_asset_id is None


def test_assets_classes_and_categories() -> None:
    assert Asset.from_proto(
        ProtoOAAsset(assetId=15, name="USD", displayName="Dollar", digits=2)
    ) == Asset(asset_id=15, name="USD", display_name="Dollar", digits=2)
    assert AssetClass.from_proto(ProtoOAAssetClass(id=1, name="Forex")) == AssetClass(
        asset_class_id=1, name="Forex"
    )
    assert SymbolCategory.from_proto(
        ProtoOASymbolCategory(id=5, assetClassId=1, name="Majors", sortingNumber=2)
    ) == SymbolCategory(category_id=5, asset_class_id=1, name="Majors", sorting_number=2)


def test_archived_symbol() -> None:
    archived = ArchivedSymbol.from_proto(
        ProtoOAArchivedSymbol(symbolId=9, name="OLD", utcLastUpdateTimestamp=1_600_000_000_000)
    )

    assert archived.name == "OLD"
    assert archived.last_update_timestamp == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
