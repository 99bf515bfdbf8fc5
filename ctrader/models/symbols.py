"""Describe what can be traded, under which rules and at which cost."""

from __future__ import annotations

__all__ = [
    "ArchivedSymbol",
    "Asset",
    "AssetClass",
    "Commission",
    "Holiday",
    "ScheduleInterval",
    "Swap",
    "Symbol",
    "SymbolCategory",
    "SymbolInfo",
    "TradingHours",
    "TradingSession",
]

from datetime import datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import Field

from ctrader.enums import (
    CommissionType,
    DayOfWeek,
    MinCommissionType,
    SwapCalculationType,
    SymbolDistanceType,
    TradingMode,
)
from ctrader.errors import ProtocolError
from ctrader.models.entity import Entity
from ctrader.models.hours import Holiday, ScheduleInterval, TradingHours, TradingSession
from ctrader.models.wire import (
    bool_of,
    decimal_of,
    enum_of,
    float_of,
    int_of,
    required_time_of,
    text_of,
)
from ctrader.units import (
    decimal_from_number,
    is_on_grid,
    lots_to_volume,
    money_from_wire,
    nearest_on_grid,
    units_to_volume,
    volume_to_lots,
    volume_to_units,
)

if TYPE_CHECKING:
    from ctrader.proto import (
        ProtoOAArchivedSymbol,
        ProtoOAAsset,
        ProtoOAAssetClass,
        ProtoOALightSymbol,
        ProtoOASymbol,
        ProtoOASymbolCategory,
    )


_MAX_DIGITS: Final = 15  # more do not fit a float
_PRECISE_RATE_DIGITS: Final = 8
_PERCENTAGE_RATE_DIGITS: Final = 5
_DEPRECATED_RATE_DIGITS: Final = 2
_DAY_MINUTES: Final = 1440


class Asset(Entity):
    """A currency, or anything else that is traded or held."""

    asset_id: int
    """Id of the asset."""
    name: str
    """Its name, for example `EUR`."""
    display_name: str = ""
    """Its name for people; may be empty."""
    digits: int | None = None
    """Decimals that amounts of it have."""

    @classmethod
    def from_proto(cls, message: ProtoOAAsset) -> Asset:
        """Read an asset.

        Raises:
            ProtocolError: a text in it is not UTF-8.
        """
        return cls(
            asset_id=message.assetId,
            name=text_of(message, "name") or "",
            display_name=text_of(message, "displayName") or "",
            digits=int_of(message, "digits"),
        )


class AssetClass(Entity):
    """A group of symbol categories, for example Forex."""

    asset_class_id: int | None
    """Id of the class."""
    name: str = ""
    """Its name."""
    sorting_number: float | None = None
    """Its place in lists."""

    @classmethod
    def from_proto(cls, message: ProtoOAAssetClass) -> AssetClass:
        """Read a class.

        Raises:
            ProtocolError: a number or a text in it makes no sense.
        """
        return cls(
            asset_class_id=int_of(message, "id"),
            name=text_of(message, "name") or "",
            sorting_number=float_of(message, "sortingNumber"),
        )


class SymbolCategory(Entity):
    """A group of symbols inside an asset class."""

    category_id: int
    """Id of the category, as `SymbolInfo.category_id` names it."""
    asset_class_id: int
    """Class that it belongs to."""
    name: str
    """Its name."""
    sorting_number: float | None = None
    """Its place in lists."""

    @classmethod
    def from_proto(cls, message: ProtoOASymbolCategory) -> SymbolCategory:
        """Read a category.

        Raises:
            ProtocolError: a number or a text in it makes no sense.
        """
        return cls(
            category_id=message.id,
            asset_class_id=message.assetClassId,
            name=text_of(message, "name") or "",
            sorting_number=float_of(message, "sortingNumber"),
        )


class SymbolInfo(Entity):
    """What the list of symbols says of one; `Symbol` holds its trading rules."""

    symbol_id: int
    """Id of the symbol; it differs between brokers, and between live and demo."""
    name: str
    """Its name, for example `EURUSD`; brokers add suffixes."""
    enabled: bool | None
    """False if it cannot be traded; None where the server does not say."""
    base_asset_id: int | None
    """Asset that is bought and sold; None where the server does not say."""
    quote_asset_id: int | None
    """Asset that the price is in; None where the server does not say."""
    category_id: int | None = None
    """Category that it is in."""
    description: str = ""
    """What it is, in words."""
    sorting_number: float | None = None
    """Its place in lists."""

    @classmethod
    def from_proto(cls, message: ProtoOALightSymbol) -> SymbolInfo:
        """Read an entry of the symbol list.

        Raises:
            ProtocolError: a number or a text in it makes no sense.
        """
        return cls(
            symbol_id=message.symbolId,
            name=text_of(message, "symbolName") or "",
            enabled=bool_of(message, "enabled"),
            base_asset_id=int_of(message, "baseAssetId"),
            quote_asset_id=int_of(message, "quoteAssetId"),
            category_id=int_of(message, "symbolCategoryId"),
            description=text_of(message, "description") or "",
            sorting_number=float_of(message, "sortingNumber"),
        )


class ArchivedSymbol(Entity):
    """A symbol that is no longer traded."""

    symbol_id: int
    """Id of the symbol."""
    name: str
    """Its name."""
    last_update_timestamp: datetime
    """When it last changed."""
    description: str = ""
    """What it was, in words."""

    @classmethod
    def from_proto(cls, message: ProtoOAArchivedSymbol) -> ArchivedSymbol:
        """Read an archived symbol.

        Raises:
            ProtocolError: its time or a text in it makes no sense.
        """
        return cls(
            symbol_id=message.symbolId,
            name=text_of(message, "name") or "",
            last_update_timestamp=required_time_of(message, "utcLastUpdateTimestamp"),
            description=text_of(message, "description") or "",
        )


class Commission(Entity):
    """What one side of a trade costs; opening and closing each pay it."""

    type: CommissionType = CommissionType.USD_PER_MILLION_USD
    """What the rate counts in."""
    rate: Decimal = Decimal(0)
    """The rate: US dollars or quote currency, or percent of the value."""
    minimum: Decimal = Decimal(0)
    """Least commission of one side."""
    minimum_type: MinCommissionType = MinCommissionType.CURRENCY
    """Whether the least is in `minimum_asset` or in the quote currency."""
    minimum_asset: str = "USD"
    """Currency of the least commission."""

    @classmethod
    def from_proto(cls, message: ProtoOASymbol) -> Commission:
        """Read the commission of a symbol.

        Raises:
            ProtocolError: a text in it is not UTF-8.
        """
        kind = enum_of(message, "commissionType", CommissionType)
        kind = CommissionType.USD_PER_MILLION_USD if kind is None else kind
        minimum_kind = enum_of(message, "minCommissionType", MinCommissionType)
        percentage = kind is CommissionType.PERCENTAGE_OF_VALUE
        asset = text_of(message, "minCommissionAsset")
        return cls(
            type=kind,
            rate=_rate(
                message,
                "preciseTradingCommissionRate",
                _PERCENTAGE_RATE_DIGITS if percentage else _PRECISE_RATE_DIGITS,
                "commission",
                # Recorded: of a percentage the deprecated field has the digits of the precise one.
                _PERCENTAGE_RATE_DIGITS if percentage else _DEPRECATED_RATE_DIGITS,
            ),
            minimum=_rate(
                message,
                "preciseMinCommission",
                _PRECISE_RATE_DIGITS,
                "minCommission",
                _DEPRECATED_RATE_DIGITS,
            ),
            minimum_type=MinCommissionType.CURRENCY if minimum_kind is None else minimum_kind,
            minimum_asset="USD" if asset is None else asset,
        )


class Swap(Entity):
    """What holding a position over night costs or brings."""

    calculation_type: SwapCalculationType = SwapCalculationType.PIPS
    """What the rates count in."""
    long: Decimal = Decimal(0)
    """Rate for bought positions, negative when it costs."""
    short: Decimal = Decimal(0)
    """Rate for sold positions, negative when it costs."""
    triple_day: DayOfWeek = DayOfWeek.MONDAY
    """Day on which three days are charged; `NONE` for never."""
    period_hours: int | None = None
    """Hours from one charge to the next; None where the server does not say, then 24."""
    charge_time: time = time(0, 0)
    """Time of day of the charge, in UTC."""
    skip_periods: int = 0
    """Number of charges that a new position is spared."""
    charged_at_weekends: bool = False
    """True if Saturday and Sunday are charged too."""
    rollover_commission: Decimal | None = None
    """What swap-free accounts pay instead: US dollars per lot and day."""
    skip_rollover_days: int = 0
    """Number of days that a position on a swap-free account is spared."""
    rollover_triple_day: DayOfWeek = DayOfWeek.MONDAY
    """Day on which swap-free accounts pay three days; `NONE` for never."""

    @classmethod
    def from_proto(cls, message: ProtoOASymbol) -> Swap:
        """Read the swap of a symbol.

        Raises:
            ProtocolError: a rate is no number.
        """
        kind = enum_of(message, "swapCalculationType", SwapCalculationType)
        triple = enum_of(message, "swapRollover3Days", DayOfWeek)
        rollover_triple = enum_of(message, "rolloverCommission3Days", DayOfWeek)
        hour, minute = divmod(message.swapTime % _DAY_MINUTES, 60)
        rollover = int_of(message, "rolloverCommission")
        long, short = decimal_of(message, "swapLong"), decimal_of(message, "swapShort")
        return cls(
            calculation_type=SwapCalculationType.PIPS if kind is None else kind,
            long=Decimal(0) if long is None else long,
            short=Decimal(0) if short is None else short,
            triple_day=DayOfWeek.MONDAY if triple is None else triple,
            period_hours=int_of(message, "swapPeriod"),
            charge_time=time(hour, minute),
            skip_periods=message.skipSWAPPeriods,
            charged_at_weekends=message.chargeSwapAtWeekends,
            rollover_commission=None if rollover is None else Decimal(rollover),
            skip_rollover_days=message.skipRolloverDays,
            rollover_triple_day=DayOfWeek.MONDAY if rollover_triple is None else rollover_triple,
        )


class Symbol(Entity):
    """The trading rules of a symbol."""

    symbol_id: int
    """Id of the symbol; it differs between brokers, and between live and demo."""
    digits: int
    """Decimals of its prices: an order's price may have no more."""
    pip_position: int
    """Decimal that a pip stands at: 4 means 0.0001."""
    lot_size: int
    """One lot in hundredths of a unit: 10_000_000 for 100,000 EUR."""
    min_volume: int
    """Smallest volume of an order, in hundredths of a unit."""
    max_volume: int
    """Largest volume of an order, in hundredths of a unit."""
    step_volume: int
    """Volumes are multiples of this, in hundredths of a unit."""
    trading_mode: TradingMode
    """What may be done with it now."""
    commission: Commission = Field(default_factory=Commission)
    """What trading it costs."""
    swap: Swap = Field(default_factory=Swap)
    """What holding it over night costs."""
    max_exposure: int | None = None
    """Largest exposure of the account in it, in hundredths of a unit."""
    leverage_id: int | None = None
    """Scale of dynamic leverage, if it has one."""
    enable_short_selling: bool = True
    """True if it may be sold without being held."""
    guaranteed_stop_loss: bool = False
    """True if guaranteed stop losses are offered."""
    sl_distance: int = 0
    """Least distance of a stop loss from the price; `distance_type` says in what."""
    tp_distance: int = 0
    """Least distance of a take profit from the price; `distance_type` says in what."""
    schedule_timezone: str = ""
    """IANA name of the schedule's time zone."""
    measurement_units: str = ""
    """What its units are, for example ounces; often empty."""
    trading_hours: TradingHours = Field(default_factory=TradingHours)
    """When it can be traded."""
    distance_type: SymbolDistanceType = SymbolDistanceType.SYMBOL_DISTANCE_IN_POINTS
    """Whether least distances count the smallest price steps or percent."""
    gsl_distance: int = 0
    """Least distance of a guaranteed stop loss from the price."""
    gsl_charge: int | None = None
    """Charge for a guaranteed stop loss, as the server writes it."""
    pnl_conversion_fee_rate: int = 0
    """Fee for converting profit into the account's currency, in 0.01 percent."""

    @property
    def pip_size(self) -> float:
        """One pip in price units."""
        return _power_of_tenth(self.pip_position)

    @property
    def tick_size(self) -> float:
        """The smallest step of the price, in price units."""
        return _power_of_tenth(self.digits)

    @property
    def min_lots(self) -> Decimal:
        """Smallest volume of an order, in lots."""
        return self.volume_to_lots(self.min_volume)

    @property
    def max_lots(self) -> Decimal:
        """Largest volume of an order, in lots."""
        return self.volume_to_lots(self.max_volume)

    @property
    def step_lots(self) -> Decimal:
        """Step of volumes, in lots."""
        return self.volume_to_lots(self.step_volume)

    def volume_to_lots(self, volume_cents: int) -> Decimal:
        """Convert a volume in hundredths of a unit to lots, exactly.

        Raises:
            OrderInvalidError: it is no int.
        """
        return volume_to_lots(volume_cents, self.lot_size, field="volume_cents")

    def lots_to_volume(self, lots: float | Decimal) -> int:
        """Convert lots to a volume in hundredths of a unit.

        The symbol's limits and step are not looked at; `check_order` does that.

        Raises:
            OrderInvalidError: that is not a whole positive number; nothing is rounded.
        """
        return lots_to_volume(lots, self.lot_size)

    def volume_to_units(self, volume_cents: int) -> Decimal:
        """Convert a volume in hundredths of a unit to units, exactly.

        Raises:
            OrderInvalidError: it is no int.
        """
        return volume_to_units(volume_cents, field="volume_cents")

    def units_to_volume(self, units: float | Decimal) -> int:
        """Convert units to a volume in hundredths of a unit.

        Raises:
            OrderInvalidError: that is not a whole positive number; nothing is rounded.
        """
        return units_to_volume(units)

    def quantize_price(self, price: float | Decimal) -> float:
        """Round a price to the nearest one that an order may have.

        Raises:
            OrderInvalidError: it is not a finite number.
        """
        below, above = nearest_on_grid(price, self.digits)
        middle = (Fraction(repr(below)) + Fraction(repr(above))) / 2
        exact = Fraction(decimal_from_number(price, field="price"))
        return below if exact < middle else above

    def is_valid_price(self, price: float | Decimal) -> bool:
        """Tell whether an order may have this price, noise of arithmetic forgiven.

        Raises:
            OrderInvalidError: it is not a finite number.
        """
        return is_on_grid(price, self.digits)

    def pips_to_price(self, pips: float | Decimal) -> float:
        """Convert a number of pips to a distance in price units.

        Raises:
            OrderInvalidError: it is not a finite number.
        """
        return float(decimal_from_number(pips, field="pips").scaleb(-self.pip_position))

    def price_to_pips(self, distance: float | Decimal) -> float:
        """Convert a distance in price units to pips.

        Raises:
            OrderInvalidError: it is not a finite number.
        """
        return float(decimal_from_number(distance, field="distance").scaleb(self.pip_position))

    def pip_value(
        self, volume_cents: int, quote_to_deposit: float | Decimal = Decimal(1)
    ) -> Decimal:
        """Compute what one pip is worth.

        Args:
            volume_cents: Volume in hundredths of a unit.
            quote_to_deposit: Rate from the quote asset to the account's currency.

        Returns: The worth in the account's currency, in the quote asset at a rate of 1.

        Raises:
            OrderInvalidError: the volume is no int, or the rate is not a finite number.
        """
        return self._worth(volume_cents, self.pip_position, quote_to_deposit)

    def tick_value(
        self, volume_cents: int, quote_to_deposit: float | Decimal = Decimal(1)
    ) -> Decimal:
        """Compute what the smallest step of the price is worth; see `pip_value`."""
        return self._worth(volume_cents, self.digits, quote_to_deposit)

    def _worth(self, volume_cents: int, decimals: int, rate: float | Decimal) -> Decimal:
        units = volume_to_units(volume_cents, field="volume_cents")
        return units.scaleb(-decimals) * decimal_from_number(rate, field="quote_to_deposit")

    @classmethod
    def from_proto(cls, message: ProtoOASymbol) -> Symbol:
        """Read the rules of a symbol.

        Raises:
            ProtocolError: a number or a text in it makes no sense, or what orders need is missing.
        """
        for field in ("digits", "pipPosition"):
            if not 0 <= getattr(message, field) <= _MAX_DIGITS:
                raise ProtocolError(
                    f"symbol {message.symbolId} has {field} {getattr(message, field)}"
                )
        for field in ("lotSize", "minVolume", "maxVolume", "stepVolume"):
            if getattr(message, field) <= 0:
                raise ProtocolError(f"symbol {message.symbolId} came without a {field} above 0")
        mode = enum_of(message, "tradingMode", TradingMode)
        distance_type = enum_of(message, "distanceSetIn", SymbolDistanceType)
        return cls(
            symbol_id=message.symbolId,
            digits=message.digits,
            pip_position=message.pipPosition,
            lot_size=message.lotSize,
            min_volume=message.minVolume,
            max_volume=message.maxVolume,
            step_volume=message.stepVolume,
            trading_mode=TradingMode.ENABLED if mode is None else mode,
            commission=Commission.from_proto(message),
            swap=Swap.from_proto(message),
            max_exposure=int_of(message, "maxExposure"),
            leverage_id=int_of(message, "leverageId"),
            enable_short_selling=(
                message.enableShortSelling if message.HasField("enableShortSelling") else True
            ),
            guaranteed_stop_loss=message.guaranteedStopLoss,
            sl_distance=message.slDistance,
            tp_distance=message.tpDistance,
            schedule_timezone=text_of(message, "scheduleTimeZone") or "",
            measurement_units=text_of(message, "measurementUnits") or "",
            trading_hours=TradingHours.from_proto(message),
            distance_type=(
                SymbolDistanceType.SYMBOL_DISTANCE_IN_POINTS
                if distance_type is None
                else distance_type
            ),
            gsl_distance=message.gslDistance,
            gsl_charge=int_of(message, "gslCharge"),
            pnl_conversion_fee_rate=message.pnlConversionFeeRate,
        )


class TradingRules(NamedTuple):
    """What a symbol's requests are checked against; None is what nobody knows.

    A `Symbol` has all of it and more, and makes no sense where one field of it makes none. Nobody
    may be kept from trading by a holiday that cannot be read, so each rule is read by itself.
    """

    symbol_id: int
    """Id of the symbol."""
    digits: int | None = None
    """Decimals of its prices."""
    min_volume: int | None = None
    """Smallest volume of an order, in hundredths of a unit."""
    max_volume: int | None = None
    """Largest volume of an order, in hundredths of a unit."""
    step_volume: int | None = None
    """Volumes are multiples of this, in hundredths of a unit."""
    lot_size: int | None = None
    """One lot in hundredths of a unit."""

    @classmethod
    def from_proto(cls, message: ProtoOASymbol) -> TradingRules:
        """Read what makes sense; nothing is raised."""
        digits = message.digits
        return cls(
            symbol_id=message.symbolId,
            digits=digits if 0 <= digits <= _MAX_DIGITS else None,
            min_volume=_positive(message.minVolume),
            max_volume=_positive(message.maxVolume),
            step_volume=_positive(message.stepVolume),
            lot_size=_positive(message.lotSize),
        )

    @classmethod
    def of(cls, symbol: Symbol) -> TradingRules:
        """Take the rules of a symbol."""
        return cls(
            symbol_id=symbol.symbol_id,
            digits=symbol.digits,
            min_volume=symbol.min_volume,
            max_volume=symbol.max_volume,
            step_volume=symbol.step_volume,
            lot_size=symbol.lot_size,
        )


def _positive(value: int) -> int | None:
    return value if value > 0 else None


def _rate(
    message: ProtoOASymbol, field: str, digits: int, deprecated: str, deprecated_digits: int
) -> Decimal:
    """Read a rate from its precise field, or from the deprecated one where that is missing."""
    value = int_of(message, field)
    if value is None:
        value, digits = int_of(message, deprecated), deprecated_digits
    return Decimal(0) if value is None else money_from_wire(value, digits)


def _power_of_tenth(exponent: int) -> float:
    return float(f"1e-{exponent}")
