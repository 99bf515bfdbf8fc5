"""What the simulated broker offers: assets, symbols, accounts, programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAAccountType,
    ProtoOAClientPermissionScope,
    ProtoOACommissionType,
    ProtoOADayOfWeek,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOAMinCommissionType,
    ProtoOAStopOutStrategy,
    ProtoOASwapCalculationType,
    ProtoOASymbolDistanceType,
    ProtoOATotalMarginCalculationType,
    ProtoOATradingMode,
)

__all__ = [
    "DEFAULT_ACCOUNTS",
    "DEFAULT_APPLICATIONS",
    "DEFAULT_CATALOGUE",
    "AccountSpec",
    "ApplicationSpec",
    "ArchivedSymbolSpec",
    "AssetClassSpec",
    "AssetSpec",
    "Catalogue",
    "CategorySpec",
    "HolidaySpec",
    "LeverageSpec",
    "SymbolSpec",
]

PRICE_UNITS: Final = 100_000
"""Units of a wire price in one unit of price, whatever the symbol's digits."""


@dataclass(frozen=True, slots=True)
class AssetSpec:
    """One currency or other asset."""

    asset_id: int
    name: str
    digits: int
    """Decimals in which amounts of it are kept."""
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class AssetClassSpec:
    """One class of symbol categories."""

    asset_class_id: int
    name: str


@dataclass(frozen=True, slots=True)
class CategorySpec:
    """One category of symbols."""

    category_id: int
    asset_class_id: int
    name: str


@dataclass(frozen=True, slots=True)
class LeverageSpec:
    """Dynamic leverage: what each slice of the exposure on one side may be levered by."""

    leverage_id: int
    tiers: tuple[tuple[int, int], ...]
    """Upper bounds in US cents, each with its leverage in hundredths; the last tier is open."""


@dataclass(frozen=True, slots=True)
class ArchivedSymbolSpec:
    """One symbol that is no longer offered."""

    symbol_id: int
    name: str
    description: str
    updated_ms: int
    """When it was archived, milliseconds UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidaySpec:
    """One day on which a symbol does not trade, or trades for a part of the day."""

    holiday_id: int
    name: str
    date: int
    """Day since 1 January 1970, in the holiday's own zone."""
    description: str = ""
    zone: str = "UTC"
    is_recurring: bool = False
    """Whether it comes every year."""
    start_second: int | None = None
    """Where the closed part of the day begins; None with `end_second` closes the whole day."""
    end_second: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolSpec:
    """One symbol and everything the exchange must know to trade it."""

    symbol_id: int
    name: str
    description: str
    base: int
    """Asset that is traded."""
    quote: int
    """Asset in which it is priced."""
    category_id: int
    digits: int
    """Decimals of its prices, 5 at most."""
    pip_position: int
    lot_size: int
    """One lot, in cents of a unit like every volume."""
    min_volume: int
    max_volume: int
    step_volume: int
    price: Decimal
    """Where the random walk has its centre."""
    volatility: float = 0.08
    """Yearly standard deviation of the walk, as a part of the price."""
    spread: int = 2
    """Usual spread in points (10 to the power of minus digits)."""
    commission_type: int = ProtoOACommissionType.USD_PER_MILLION_USD
    commission_rate: int = 0
    """Rate a side, times 10^8 (10^5 for percentages)."""
    min_commission: int = 0
    """Smallest commission a side, times 10^8."""
    min_commission_type: int = ProtoOAMinCommissionType.CURRENCY
    min_commission_asset: str = "USD"
    """In what the smallest commission is kept, if its type is CURRENCY."""
    swap_long: float = 0.0
    swap_short: float = 0.0
    swap_type: int = ProtoOASwapCalculationType.PIPS
    swap_rollover: int = ProtoOADayOfWeek.WEDNESDAY
    """Day whose swap counts three times."""
    swap_period: int = 24
    """Hours from one swap to the next."""
    swap_time: int = 1259
    """Minute of the day, UTC, of the first swap."""
    skip_swap_periods: int = 0
    """Swaps that a young position is spared."""
    swap_at_weekends: bool = False
    rollover_commission: int = 0
    """What swap-free accounts pay a lot and day, US dollars times 10^8."""
    rollover_commission_3_days: int = ProtoOADayOfWeek.WEDNESDAY
    skip_rollover_days: int = 3
    """Days that a young position of a swap-free account is spared."""
    conversion_fee_rate: int = 0
    """Fee on profits in a foreign currency, in hundredths of a percent."""
    leverage_id: int = 1
    max_exposure: int = 10_000_000_000_000
    short_selling: bool = True
    stop_loss_distance: int = 0
    """Smallest distance of a stop loss from the price, in the unit of `distance_type`."""
    take_profit_distance: int = 0
    guaranteed_distance: int = 0
    """Smallest distance of a guaranteed stop loss."""
    distance_type: int = ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_POINTS
    """Points, or hundredths of a percent of the price."""
    guaranteed_stops: bool = False
    """Whether guaranteed stop losses are offered."""
    guaranteed_charge: int = 0
    """What a guaranteed stop loss costs a unit of the base asset, quote currency times 10^8."""
    schedule: tuple[tuple[int, int], ...] = ()
    """Weekly sessions, seconds from Sunday 00:00 in the zone; none is always open."""
    schedule_zone: str = "America/New_York"
    holidays: tuple[HolidaySpec, ...] = ()
    trading_mode: int = ProtoOATradingMode.ENABLED
    measurement_units: str = ""
    enabled: bool = True

    @property
    def grid(self) -> int:
        """Smallest price step in wire units of 1/100000."""
        return int(10 ** (5 - self.digits))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """One trading account."""

    account_id: int
    trader_login: int
    deposit_asset: str
    balance: Decimal
    is_live: bool = False
    account_type: int = ProtoOAAccountType.HEDGED
    leverage: int = 100
    money_digits: int = 2
    broker_name: str = "Simulated Broker"
    access_rights: int = ProtoOAAccessRights.FULL_ACCESS
    margin_calculation: int = ProtoOATotalMarginCalculationType.SUM
    stop_out_level: int = 50
    """Margin level in percent at which positions are closed; 0 never."""
    stop_out_strategy: int = ProtoOAStopOutStrategy.MOST_MARGIN_USED_FIRST
    fair_stop_out: bool = False
    """Whether a stop-out closes no more of a position than it must."""
    margin_call_levels: tuple[float, float, float] = (100.0, 70.0, 60.0)
    """The three margin levels in percent below which the user is warned; 0 is no warning."""
    swap_free: bool = False
    is_limited_risk: bool = False
    """Whether every position must have a guaranteed stop loss."""
    limited_risk_strategy: int = ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_LEVERAGE
    max_positions: int = 0
    """Most positions and pending orders together; 0 is no limit."""
    enabled: bool = True
    """False for an account that may not be authorised any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSpec:
    """One program that users have granted access, with that grant."""

    client_id: str
    client_secret: str = field(repr=False)
    user_id: int = 1
    scope: int = ProtoOAClientPermissionScope.SCOPE_TRADE
    account_ids: tuple[int, ...] = ()
    """Accounts granted; none means all there are."""
    active: bool = True
    """False for a program that was not approved yet."""
    redirect_uris: tuple[str, ...] = ()
    """Where the authorisation page may send the browser; none means anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that the broker lists."""

    assets: tuple[AssetSpec, ...]
    asset_classes: tuple[AssetClassSpec, ...]
    categories: tuple[CategorySpec, ...]
    leverages: tuple[LeverageSpec, ...]
    symbols: tuple[SymbolSpec, ...]
    archived: tuple[ArchivedSymbolSpec, ...] = ()

    def symbol_named(self, name: str) -> SymbolSpec:
        """Return a symbol by its name.

        Raises:
            KeyError: the broker has no such symbol.
        """
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol
        raise KeyError(name)

    def asset_named(self, name: str) -> AssetSpec:
        """Return an asset by its name.

        Raises:
            KeyError: the broker has no such asset.
        """
        for asset in self.assets:
            if asset.name == name:
                return asset
        raise KeyError(name)


# Private

_EUR, _GBP, _CHF, _JPY, _USD, _XAU, _BTC, _SPX = 5, 6, 7, 8, 15, 17, 40, 1261
_FOREX_WEEK: Final = tuple(
    (day * 86_400 + 17 * 3600 + 5 * 60, (day + 1) * 86_400 + 16 * 3600 + 55 * 60)
    for day in range(5)
)
_METAL_WEEK: Final = tuple(
    (day * 86_400 + 18 * 3600 + 5 * 60, (day + 1) * 86_400 + 16 * 3600 + 50 * 60)
    for day in range(5)
)

_STOCK_HOLIDAYS: Final = (
    HolidaySpec(
        holiday_id=1, name="New Year's Day", date=18_262, zone="America/New_York", is_recurring=True
    ),
    HolidaySpec(
        holiday_id=2,
        name="Independence Day",
        description="Early close",
        date=18_447,
        zone="America/New_York",
        is_recurring=True,
        start_second=13 * 3600,
        end_second=86_399,
    ),
    HolidaySpec(
        holiday_id=3,
        name="Christmas Eve",
        description="Early close",
        date=18_620,
        zone="America/New_York",
        is_recurring=True,
        start_second=13 * 3600,
        end_second=86_399,
    ),
    HolidaySpec(
        holiday_id=4, name="Christmas Day", date=18_621, zone="America/New_York", is_recurring=True
    ),
)


def _pair(
    symbol_id: int, name: str, ids: tuple[int, int], price: str, words: str, **more: float
) -> SymbolSpec:
    yen = ids[1] == _JPY
    return SymbolSpec(
        symbol_id=symbol_id,
        name=name,
        description=words,
        base=ids[0],
        quote=ids[1],
        category_id=11,
        digits=3 if yen else 5,
        pip_position=2 if yen else 4,
        lot_size=10_000_000,
        min_volume=100_000,
        max_volume=10_000_000_000,
        step_volume=100_000,
        price=Decimal(price),
        schedule=_FOREX_WEEK,
        conversion_fee_rate=70,
        commission_type=int(more.get("commission_type", ProtoOACommissionType.USD_PER_MILLION_USD)),
        commission_rate=int(more.get("commission_rate", 3_000_000_000)),
        swap_long=more.get("swap_long", -0.5),
        swap_short=more.get("swap_short", 0.1),
    )


_SYMBOLS: Final = (
    _pair(
        1,
        "EURUSD",
        (_EUR, _USD),
        "1.10000",
        "Euro vs United States Dollar",
        commission_type=ProtoOACommissionType.USD_PER_LOT,
        commission_rate=250_000_000,
        swap_long=-0.941,
        swap_short=0.01,
    ),
    _pair(2, "GBPUSD", (_GBP, _USD), "1.27000", "Great Britain Pound vs United States Dollar"),
    _pair(
        3,
        "EURJPY",
        (_EUR, _JPY),
        "165.000",
        "Euro vs Japanese Yen",
        commission_type=ProtoOACommissionType.QUOTE_CCY_PER_LOT,
        commission_rate=35_000_000_000,
    ),
    _pair(4, "USDJPY", (_USD, _JPY), "150.000", "United States Dollar vs Japanese Yen"),
    _pair(6, "USDCHF", (_USD, _CHF), "0.90000", "United States Dollar vs Swiss Franc"),
    SymbolSpec(
        symbol_id=41,
        name="XAUUSD",
        description="Gold vs US Dollar, Spot CFD",
        base=_XAU,
        quote=_USD,
        category_id=9,
        digits=2,
        pip_position=1,
        lot_size=10_000,
        min_volume=100,
        max_volume=1_000_000,
        step_volume=100,
        price=Decimal("2400.00"),
        volatility=0.15,
        spread=25,
        commission_type=ProtoOACommissionType.PERCENTAGE_OF_VALUE,
        commission_rate=70,
        swap_long=-8.3,
        swap_short=-0.83,
        conversion_fee_rate=70,
        leverage_id=2,
        schedule=_METAL_WEEK,
        measurement_units="oz",
    ),
    SymbolSpec(
        symbol_id=270,
        name="US500",
        description="US 500 Index, Spot CFD",
        base=_SPX,
        quote=_USD,
        category_id=13,
        digits=1,
        pip_position=0,
        lot_size=100,
        min_volume=10,
        max_volume=100_000,
        step_volume=10,
        price=Decimal("5500.0"),
        volatility=0.17,
        spread=5,
        commission_type=ProtoOACommissionType.USD_PER_LOT,
        swap_long=-4.3,
        swap_short=-0.3,
        swap_type=ProtoOASwapCalculationType.POINTS,
        swap_rollover=ProtoOADayOfWeek.FRIDAY,
        conversion_fee_rate=70,
        leverage_id=3,
        guaranteed_stops=True,
        guaranteed_distance=100,
        guaranteed_charge=50_000_000,
        schedule=_METAL_WEEK,
        holidays=_STOCK_HOLIDAYS,
        measurement_units="Contracts",
    ),
    SymbolSpec(
        symbol_id=1001,
        name="BTCUSD",
        description="Bitcoin vs US Dollar, Spot CFD",
        base=_BTC,
        quote=_USD,
        category_id=15,
        digits=2,
        pip_position=0,
        lot_size=100,
        min_volume=1,
        max_volume=10_000,
        step_volume=1,
        price=Decimal("60000.00"),
        volatility=0.55,
        spread=1200,
        commission_type=ProtoOACommissionType.PERCENTAGE_OF_VALUE,
        commission_rate=3250,
        min_commission=1_000_000,
        swap_long=-20.0,
        swap_short=-20.0,
        swap_type=ProtoOASwapCalculationType.PERCENTAGE,
        swap_rollover=ProtoOADayOfWeek.NONE,
        conversion_fee_rate=70,
        leverage_id=4,
        schedule_zone="UTC",
        measurement_units="BTC",
    ),
)

# Public

DEFAULT_CATALOGUE: Final = Catalogue(
    assets=(
        AssetSpec(_EUR, "EUR", 2, "Euro"),
        AssetSpec(_GBP, "GBP", 2, "Great Britain Pound"),
        AssetSpec(_CHF, "CHF", 2, "Swiss Franc"),
        AssetSpec(_JPY, "JPY", 0, "Japanese Yen"),
        AssetSpec(_USD, "USD", 2, "United States Dollar"),
        AssetSpec(_XAU, "XAU", 2, "Gold"),
        AssetSpec(_BTC, "BTC", 8, "Bitcoin"),
        AssetSpec(_SPX, "US500", 2, "US 500 Index"),
    ),
    asset_classes=(
        AssetClassSpec(1, "Forex"),
        AssetClassSpec(2, "Metals"),
        AssetClassSpec(3, "Indices"),
        AssetClassSpec(4, "Crypto Currencies"),
    ),
    categories=(
        CategorySpec(9, 2, "Metals"),
        CategorySpec(11, 1, "Forex Majors"),
        CategorySpec(13, 3, "Indices"),
        CategorySpec(15, 4, "Crypto"),
    ),
    leverages=(
        LeverageSpec(1, ((100_000_000, 50_000), (500_000_000, 20_000), (2_000_000_000, 10_000))),
        LeverageSpec(2, ((50_000_000, 20_000), (200_000_000, 10_000))),
        LeverageSpec(3, ((100_000_000, 10_000), (500_000_000, 5_000))),
        LeverageSpec(4, ((10_000_000, 500), (100_000_000, 200))),
    ),
    symbols=_SYMBOLS,
    archived=(
        ArchivedSymbolSpec(77, "EURUSD.old", "Euro vs US Dollar, old contract", 1_577_836_800_000),
    ),
)
"""The broker's list when none is given."""

DEFAULT_ACCOUNTS: Final[Sequence[AccountSpec]] = (
    AccountSpec(
        account_id=1_000_001,
        trader_login=17_091_452,
        deposit_asset="USD",
        balance=Decimal("100000.00"),
    ),
    AccountSpec(
        account_id=1_000_002,
        trader_login=17_091_453,
        deposit_asset="EUR",
        balance=Decimal("50000.00"),
        leverage=200,
    ),
    AccountSpec(
        account_id=1_000_003,
        trader_login=17_091_454,
        deposit_asset="USD",
        balance=Decimal("25000.00"),
        account_type=ProtoOAAccountType.NETTED,
        leverage=30,
    ),
    AccountSpec(
        account_id=2_000_001,
        trader_login=27_091_455,
        deposit_asset="USD",
        balance=Decimal("10000.00"),
        is_live=True,
        leverage=30,
    ),
)
"""The accounts when none are given: a hedged one in dollars, a hedged one in euros, a netted one,
and a live one, which only a live listener serves."""

DEFAULT_APPLICATIONS: Final[Sequence[ApplicationSpec]] = (
    ApplicationSpec(client_id="sim-client-id", client_secret="sim-client-secret"),
    ApplicationSpec(
        client_id="sim-viewer-id",
        client_secret="sim-viewer-secret",
        scope=ProtoOAClientPermissionScope.SCOPE_VIEW,
    ),
)
"""The programs when none are given: one that may trade, one that may only read."""
