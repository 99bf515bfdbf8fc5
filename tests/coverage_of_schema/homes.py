"""Name the home of every field that the server sends: a class and an attribute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

from ctrader import enums, events, models
from ctrader.enums import WireEnum
from ctrader.models.market import ticks_from_proto
from ctrader.proto import ProtoOAGetTickDataRes, ProtoOAOrder, ProtoOAPosition

__all__ = ["EVENTS", "MODELS", "Event", "Home", "Homes", "Model", "amount", "value_at"]

Reading: TypeAlias = Callable[[Any, Message], Any]
"""Makes of a wire value, and of the message that it stands in, what a user should see."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Home:
    """Where a field is found, and as what."""

    path: str
    """Attribute of the object, and of its parts: `swap.long`, `trendbars`."""
    reading: Reading
    """What stands there."""
    without: tuple[str, ...] = ()
    """Fields that take this one's place where they are sent, so that they are taken out."""
    also: tuple[str, ...] = ()
    """Further attributes where the same stands."""


Homes: TypeAlias = Mapping[str, Home]


@dataclass(frozen=True)
class Model:
    """A message that is part of others, and the class that it becomes."""

    home: type
    fields: Homes
    carrier: type[Message] | None = None
    """The message that it is a part of for good, if it has no class of its own."""
    part: str = ""
    """The carrier's field."""
    read: Callable[[Any], Any] | None = None
    """How it is read, if not by `from_proto` of its class."""


@dataclass(frozen=True)
class Event:
    """A message that the server sends by itself, and the class that it becomes."""

    home: type
    fields: Homes


# What stands there


def same(value: Any, _: Message) -> Any:
    """The value itself."""
    return value


def points(value: Any, _: Message) -> Any:
    """A price of 1/100000."""
    return value / 100_000


def above_low(value: Any, bar: Any) -> Any:
    """A price as a distance from the bar's low."""
    return (bar.low + value) / 100_000


def moment(value: Any, _: Message) -> Any:
    """A time in milliseconds."""
    return _EPOCH + timedelta(milliseconds=value)


def minutes(value: Any, _: Message) -> Any:
    """A time in minutes."""
    return _EPOCH + timedelta(minutes=value)


def day(value: Any, _: Message) -> Any:
    """A day of the calendar."""
    return date(1970, 1, 1) + timedelta(days=value)


def minute_of_day(value: Any, _: Message) -> Any:
    """A time of day in minutes."""
    return time(value // 60, value % 60)


def decimal(value: Any, _: Message) -> Any:
    """A number, exactly."""
    return Decimal(repr(value))


def scaled(digits: int) -> Reading:
    """An integer with so many decimals."""
    return lambda value, _: Decimal(value).scaleb(-digits)


def money(value: Any, owner: Message) -> Any:
    """An amount with the decimals that its message names."""
    return amount(value, owner.moneyDigits)  # type: ignore[attr-defined]  # all such have it


def amount(value: int, digits: int) -> Decimal:
    """An amount with these decimals."""
    return Decimal(value).scaleb(-digits)


def member(enum: type[WireEnum]) -> Reading:
    """A member of an enum."""
    return lambda value, _: enum(value)


def part(home: Any) -> Reading:
    """An object of a class that has a table of its own."""
    return lambda value, _: home.from_proto(value)


def parts(home: Any) -> Reading:
    """Several of them."""
    return lambda values, _: tuple(home.from_proto(value) for value in values)


def several(values: Any, _: Message) -> Any:
    """Several plain values."""
    return tuple(values)


def value_at(thing: Any, path: str) -> Any:
    """Follow a path."""
    for name in path.split("."):
        thing = getattr(thing, name)
    return tuple(thing) if isinstance(thing, list) else thing


def _at(path: str, reading: Reading = same, *without: str, also: tuple[str, ...] = ()) -> Home:
    return Home(path, reading, without, also)


_ID: Final = _at("account_id")
_TRADE_OF_ORDER: Final = Model(
    models.Order,
    {
        "symbolId": _at("symbol_id"),
        "volume": _at("volume"),
        "tradeSide": _at("side", member(enums.OrderSide)),
        "openTimestamp": _at("open_timestamp", moment),
        "label": _at("label"),
        "guaranteedStopLoss": _at("guaranteed_stop_loss"),
        "comment": _at("comment"),
        "measurementUnits": _at("measurement_units"),
        "closeTimestamp": _at("close_timestamp", moment),
    },
    ProtoOAOrder,
    "tradeData",
)

MODELS: Final[Mapping[str, tuple[Model, ...]]] = {
    "ProtoOAAsset": (
        Model(
            models.Asset,
            {
                "assetId": _at("asset_id"),
                "name": _at("name"),
                "displayName": _at("display_name"),
                "digits": _at("digits"),
            },
        ),
    ),
    "ProtoOASymbol": (
        Model(
            models.Symbol,
            {
                "symbolId": _at("symbol_id"),
                "digits": _at("digits"),
                "pipPosition": _at("pip_position"),
                "enableShortSelling": _at("enable_short_selling"),
                "guaranteedStopLoss": _at("guaranteed_stop_loss"),
                "swapRollover3Days": _at("swap.triple_day", member(enums.DayOfWeek)),
                "swapLong": _at("swap.long", decimal),
                "swapShort": _at("swap.short", decimal),
                "maxVolume": _at("max_volume"),
                "minVolume": _at("min_volume"),
                "stepVolume": _at("step_volume"),
                "maxExposure": _at("max_exposure"),
                "schedule": _at("trading_hours.intervals", parts(models.ScheduleInterval)),
                # Deprecated for the precise rate, and read where that is missing.
                "commission": _at("commission.rate", scaled(2), "preciseTradingCommissionRate"),
                "commissionType": _at("commission.type", member(enums.CommissionType)),
                "slDistance": _at("sl_distance"),
                "tpDistance": _at("tp_distance"),
                "gslDistance": _at("gsl_distance"),
                "gslCharge": _at("gsl_charge"),
                "distanceSetIn": _at("distance_type", member(enums.SymbolDistanceType)),
                "minCommission": _at("commission.minimum", scaled(2), "preciseMinCommission"),
                "minCommissionType": _at(
                    "commission.minimum_type", member(enums.MinCommissionType)
                ),
                "minCommissionAsset": _at("commission.minimum_asset"),
                "rolloverCommission": _at("swap.rollover_commission"),
                "skipRolloverDays": _at("swap.skip_rollover_days"),
                "scheduleTimeZone": _at("trading_hours.timezone", also=("schedule_timezone",)),
                "tradingMode": _at("trading_mode", member(enums.TradingMode)),
                "rolloverCommission3Days": _at("swap.rollover_triple_day", member(enums.DayOfWeek)),
                "swapCalculationType": _at(
                    "swap.calculation_type", member(enums.SwapCalculationType)
                ),
                "lotSize": _at("lot_size"),
                "preciseTradingCommissionRate": _at("commission.rate", scaled(8)),
                "preciseMinCommission": _at("commission.minimum", scaled(8)),
                "holiday": _at("trading_hours.holidays", parts(models.Holiday)),
                "pnlConversionFeeRate": _at("pnl_conversion_fee_rate"),
                "leverageId": _at("leverage_id"),
                "swapPeriod": _at("swap.period_hours"),
                "swapTime": _at("swap.charge_time", minute_of_day),
                "skipSWAPPeriods": _at("swap.skip_periods"),
                "chargeSwapAtWeekends": _at("swap.charged_at_weekends"),
                "measurementUnits": _at("measurement_units"),
            },
        ),
    ),
    "ProtoOALightSymbol": (
        Model(
            models.SymbolInfo,
            {
                "symbolId": _at("symbol_id"),
                "symbolName": _at("name"),
                "enabled": _at("enabled"),
                "baseAssetId": _at("base_asset_id"),
                "quoteAssetId": _at("quote_asset_id"),
                "symbolCategoryId": _at("category_id"),
                "description": _at("description"),
                "sortingNumber": _at("sorting_number"),
            },
        ),
    ),
    "ProtoOAArchivedSymbol": (
        Model(
            models.ArchivedSymbol,
            {
                "symbolId": _at("symbol_id"),
                "name": _at("name"),
                "utcLastUpdateTimestamp": _at("last_update_timestamp", moment),
                "description": _at("description"),
            },
        ),
    ),
    "ProtoOASymbolCategory": (
        Model(
            models.SymbolCategory,
            {
                "id": _at("category_id"),
                "assetClassId": _at("asset_class_id"),
                "name": _at("name"),
                "sortingNumber": _at("sorting_number"),
            },
        ),
    ),
    "ProtoOAInterval": (
        Model(
            models.ScheduleInterval,
            {"startSecond": _at("start_second"), "endSecond": _at("end_second")},
        ),
    ),
    "ProtoOATrader": (
        Model(
            models.Account,
            {
                "ctidTraderAccountId": _ID,
                "balance": _at("balance", money),
                "balanceVersion": _at("balance_version"),
                "managerBonus": _at("manager_bonus", money),
                "ibBonus": _at("ib_bonus", money),
                "nonWithdrawableBonus": _at("non_withdrawable_bonus", money),
                "accessRights": _at("access_rights", member(enums.AccessRights)),
                "depositAssetId": _at("deposit_asset_id"),
                "swapFree": _at("swap_free"),
                "leverageInCents": _at("leverage_in_cents"),
                "totalMarginCalculationType": _at(
                    "total_margin_calculation_type", member(enums.TotalMarginCalculationType)
                ),
                "maxLeverage": _at("max_leverage"),
                "frenchRisk": _at("french_risk"),
                "traderLogin": _at("trader_login"),
                "accountType": _at("account_type", member(enums.AccountType)),
                "brokerName": _at("broker_name"),
                "registrationTimestamp": _at("registration_timestamp", moment),
                "isLimitedRisk": _at("is_limited_risk"),
                "limitedRiskMarginCalculationStrategy": _at(
                    "limited_risk_margin_calculation_strategy",
                    member(enums.LimitedRiskMarginCalculationStrategy),
                ),
                "moneyDigits": _at("money_digits"),
                "fairStopOut": _at("fair_stop_out"),
                "stopOutStrategy": _at("stop_out_strategy", member(enums.StopOutStrategy)),
            },
        ),
    ),
    "ProtoOAPosition": (
        Model(
            models.Position,
            {
                "positionId": _at("position_id"),
                "tradeData": _at("symbol_id", lambda trade, _: trade.symbolId),
                "positionStatus": _at("status", member(enums.PositionStatus)),
                "swap": _at("swap", money),
                "price": _at("entry_price"),
                "stopLoss": _at("stop_loss"),
                "takeProfit": _at("take_profit"),
                "utcLastUpdateTimestamp": _at("last_update_timestamp", moment),
                "commission": _at("commission", money),
                "marginRate": _at("margin_rate", decimal),
                "mirroringCommission": _at("mirroring_commission", money),
                "guaranteedStopLoss": _at(
                    "guaranteed_stop_loss", same, "tradeData.guaranteedStopLoss"
                ),
                "usedMargin": _at("used_margin", money),
                "stopLossTriggerMethod": _at(
                    "stop_loss_trigger_method", member(enums.StopTriggerMethod)
                ),
                "moneyDigits": _at("money_digits"),
                "trailingStopLoss": _at("trailing_stop_loss"),
            },
        ),
    ),
    "ProtoOATradeData": (
        _TRADE_OF_ORDER,
        Model(
            models.Position,
            {
                **_TRADE_OF_ORDER.fields,
                # Either of the two says it.
                "guaranteedStopLoss": _at("guaranteed_stop_loss", same, "guaranteedStopLoss"),
            },
            ProtoOAPosition,
            "tradeData",
        ),
    ),
    "ProtoOAOrder": (
        Model(
            models.Order,
            {
                "orderId": _at("order_id"),
                "tradeData": _at("symbol_id", lambda trade, _: trade.symbolId),
                "orderType": _at("order_type", member(enums.OrderType)),
                "orderStatus": _at("status", member(enums.OrderStatus)),
                "expirationTimestamp": _at("expiration_timestamp", moment),
                "executionPrice": _at("execution_price"),
                "executedVolume": _at("executed_volume"),
                "utcLastUpdateTimestamp": _at("last_update_timestamp", moment),
                "baseSlippagePrice": _at("base_slippage_price"),
                "slippageInPoints": _at("slippage_in_points"),
                "closingOrder": _at("is_closing_order"),
                "limitPrice": _at("limit_price"),
                "stopPrice": _at("stop_price"),
                "stopLoss": _at("stop_loss"),
                "takeProfit": _at("take_profit"),
                "clientOrderId": _at("client_order_id"),
                "timeInForce": _at("time_in_force", member(enums.TimeInForce)),
                "positionId": _at("position_id"),
                "relativeStopLoss": _at("relative_stop_loss"),
                "relativeTakeProfit": _at("relative_take_profit"),
                "isStopOut": _at("is_stop_out"),
                "trailingStopLoss": _at("trailing_stop_loss"),
                "stopTriggerMethod": _at("stop_trigger_method", member(enums.StopTriggerMethod)),
            },
        ),
    ),
    "ProtoOABonusDepositWithdraw": (
        Model(
            models.BonusDepositWithdraw,
            {
                "operationType": _at("operation_type", member(enums.ChangeBonusType)),
                "bonusHistoryId": _at("bonus_history_id"),
                "managerBonus": _at("manager_bonus", money),
                "managerDelta": _at("manager_delta", money),
                "ibBonus": _at("ib_bonus", money),
                "ibDelta": _at("ib_delta", money),
                "changeBonusTimestamp": _at("change_timestamp", moment),
                "externalNote": _at("note"),
                "introducingBrokerId": _at("introducing_broker_id"),
                "moneyDigits": _at("money_digits"),
            },
        ),
    ),
    "ProtoOADepositWithdraw": (
        Model(
            models.DepositWithdraw,
            {
                "operationType": _at("operation_type", member(enums.ChangeBalanceType)),
                "balanceHistoryId": _at("balance_history_id"),
                "balance": _at("balance", money),
                "delta": _at("delta", money),
                "changeBalanceTimestamp": _at("change_timestamp", moment),
                "externalNote": _at("note"),
                "balanceVersion": _at("balance_version"),
                "equity": _at("equity", money),
                "moneyDigits": _at("money_digits"),
            },
        ),
    ),
    "ProtoOADeal": (
        Model(
            models.Deal,
            {
                "dealId": _at("deal_id"),
                "orderId": _at("order_id"),
                "positionId": _at("position_id"),
                "volume": _at("volume"),
                "filledVolume": _at("filled_volume"),
                "symbolId": _at("symbol_id"),
                "createTimestamp": _at("create_timestamp", moment),
                "executionTimestamp": _at("execution_timestamp", moment),
                "utcLastUpdateTimestamp": _at("last_update_timestamp", moment),
                "executionPrice": _at("execution_price"),
                "tradeSide": _at("side", member(enums.OrderSide)),
                "dealStatus": _at("status", member(enums.DealStatus)),
                "marginRate": _at("margin_rate", decimal),
                "commission": _at("commission", money),
                "baseToUsdConversionRate": _at("base_to_usd_rate", decimal),
                "closePositionDetail": _at("close_detail", part(models.CloseDetail)),
                "moneyDigits": _at("money_digits"),
            },
        ),
    ),
    "ProtoOADealOffset": (
        Model(
            models.DealOffset,
            {
                "dealId": _at("deal_id"),
                "volume": _at("volume"),
                "executionTimestamp": _at("execution_timestamp", moment),
                "executionPrice": _at("execution_price"),
            },
        ),
    ),
    "ProtoOAClosePositionDetail": (
        Model(
            models.CloseDetail,
            {
                "entryPrice": _at("entry_price"),
                "grossProfit": _at("gross_profit", money),
                "swap": _at("swap", money),
                "commission": _at("commission", money),
                "balance": _at("balance", money),
                "quoteToDepositConversionRate": _at("quote_to_deposit_rate", decimal),
                "closedVolume": _at("closed_volume"),
                "balanceVersion": _at("balance_version"),
                "moneyDigits": _at("money_digits"),
                "pnlConversionFee": _at("pnl_conversion_fee", money),
            },
        ),
    ),
    "ProtoOATrendbar": (
        Model(
            models.Trendbar,
            {
                "volume": _at("volume"),
                "period": _at("period", member(enums.TrendbarPeriod)),
                "low": _at("low", points),
                "deltaOpen": _at("open", above_low),
                "deltaClose": _at("close", above_low),
                "deltaHigh": _at("high", above_low),
                "utcTimestampInMinutes": _at("timestamp", minutes),
            },
        ),
    ),
    "ProtoOAExpectedMargin": (
        Model(
            models.ExpectedMargin,
            {
                "volume": _at("volume"),
                # Its decimals stand in the answer that it is a part of; alone it has two.
                "buyMargin": _at("buy_margin", scaled(2)),
                "sellMargin": _at("sell_margin", scaled(2)),
            },
        ),
    ),
    "ProtoOATickData": (
        Model(
            models.TickData,
            {"timestamp": _at("timestamp", moment), "tick": _at("price", points)},
            # Alone it is the first of its answer, and so the one that is absolute.
            read=lambda tick: ticks_from_proto(ProtoOAGetTickDataRes(tickData=[tick]))[0],
        ),
    ),
    "ProtoOACtidProfile": (Model(models.CtidProfile, {"userId": _at("user_id")}),),
    "ProtoOACtidTraderAccount": (
        Model(
            models.AccountSummary,
            {
                "ctidTraderAccountId": _ID,
                "isLive": _at("is_live"),
                "traderLogin": _at("trader_login"),
                "lastClosingDealTimestamp": _at("last_closing_deal_timestamp", moment),
                "lastBalanceUpdateTimestamp": _at("last_balance_update_timestamp", moment),
                "brokerTitleShort": _at("broker_name"),
            },
        ),
    ),
    "ProtoOAAssetClass": (
        Model(
            models.AssetClass,
            {
                "id": _at("asset_class_id"),
                "name": _at("name"),
                "sortingNumber": _at("sorting_number"),
            },
        ),
    ),
    "ProtoOADepthQuote": (
        Model(
            models.DepthQuote,
            {
                "id": _at("quote_id"),
                "size": _at("size"),
                # One entry is of one side; `is_bid` says of which.
                "bid": _at("price", points, "ask"),
                "ask": _at("price", points, "bid"),
            },
        ),
    ),
    "ProtoOAMarginCall": (
        Model(
            models.MarginCall,
            {
                "marginCallType": _at("margin_call_type", member(enums.NotificationType)),
                "marginLevelThreshold": _at("margin_level_threshold", decimal),
                "utcLastUpdateTimestamp": _at("last_update_timestamp", moment),
            },
        ),
    ),
    "ProtoOAHoliday": (
        Model(
            models.Holiday,
            {
                "holidayId": _at("holiday_id"),
                "name": _at("name"),
                "description": _at("description"),
                "scheduleTimeZone": _at("timezone"),
                "holidayDate": _at("holiday_date", day),
                "isRecurring": _at("is_recurring"),
                "startSecond": _at("start_second"),
                "endSecond": _at("end_second"),
            },
        ),
    ),
    "ProtoOADynamicLeverage": (
        Model(
            models.DynamicLeverage,
            {
                "leverageId": _at("leverage_id"),
                "tiers": _at("tiers", parts(models.DynamicLeverageTier)),
            },
        ),
    ),
    "ProtoOADynamicLeverageTier": (
        Model(
            models.DynamicLeverageTier,
            {"volume": _at("volume"), "leverage": _at("leverage", scaled(2))},
        ),
    ),
    "ProtoOAPositionUnrealizedPnL": (
        Model(
            models.PositionUnrealizedPnL,
            {
                "positionId": _at("position_id"),
                "grossUnrealizedPnL": _at("gross_unrealized_pnl", scaled(2)),
                "netUnrealizedPnL": _at("net_unrealized_pnl", scaled(2)),
            },
        ),
    ),
}
"""The messages that travel inside others."""

EVENTS: Final[Mapping[str, Event]] = {
    "ProtoOATrailingSLChangedEvent": Event(
        events.TrailingStopChangedEvent,
        {
            "ctidTraderAccountId": _ID,
            "positionId": _at("position_id"),
            "orderId": _at("order_id"),
            "stopPrice": _at("stop_price"),
            "utcLastUpdateTimestamp": _at("timestamp", moment),
        },
    ),
    "ProtoOASymbolChangedEvent": Event(
        events.SymbolChangedEvent,
        {"ctidTraderAccountId": _ID, "symbolId": _at("symbol_ids", several)},
    ),
    "ProtoOATraderUpdatedEvent": Event(
        events.TraderUpdateEvent,
        {"ctidTraderAccountId": _ID, "trader": _at("account", part(models.Account))},
    ),
    "ProtoOAExecutionEvent": Event(
        events.ExecutionEvent,
        {
            "ctidTraderAccountId": _ID,
            "executionType": _at("execution_type", member(enums.ExecutionType)),
            "position": _at("position", part(models.Position)),
            "order": _at("order", part(models.Order)),
            "deal": _at("deal", part(models.Deal)),
            "bonusDepositWithdraw": _at(
                "bonus_deposit_withdraw", part(models.BonusDepositWithdraw)
            ),
            "depositWithdraw": _at("deposit_withdraw", part(models.DepositWithdraw)),
            "errorCode": _at("error_code"),
            "isServerEvent": _at("is_server_event"),
        },
    ),
    "ProtoOASpotEvent": Event(
        events.SpotEvent,
        {
            "ctidTraderAccountId": _ID,
            "symbolId": _at("symbol_id"),
            "bid": _at("bid", points),
            "ask": _at("ask", points),
            "trendbar": _at("trendbars", parts(models.Trendbar)),
            "sessionClose": _at("session_close", points),
            "timestamp": _at("timestamp", moment),
        },
    ),
    "ProtoOAOrderErrorEvent": Event(
        events.OrderErrorEvent,
        {
            "ctidTraderAccountId": _ID,
            "errorCode": _at("error_code"),
            "orderId": _at("order_id"),
            "positionId": _at("position_id"),
            "description": _at("description"),
        },
    ),
    "ProtoOAMarginChangedEvent": Event(
        events.MarginChangeEvent,
        {
            "ctidTraderAccountId": _ID,
            "positionId": _at("position_id"),
            "usedMargin": _at("amount", money),
            "moneyDigits": _at("money_digits"),
        },
    ),
    "ProtoOAAccountsTokenInvalidatedEvent": Event(
        events.TokenInvalidatedEvent,
        {"ctidTraderAccountIds": _at("account_ids", several), "reason": _at("reason")},
    ),
    "ProtoOAClientDisconnectEvent": Event(events.ClientDisconnectEvent, {"reason": _at("reason")}),
    "ProtoOADepthEvent": Event(
        events.DepthEvent,
        {
            "ctidTraderAccountId": _ID,
            "symbolId": _at("symbol_id"),
            "newQuotes": _at("new_quotes", parts(models.DepthQuote)),
            "deletedQuotes": _at("deleted_quote_ids", several),
        },
    ),
    "ProtoOAAccountDisconnectEvent": Event(
        events.AccountDisconnectEvent, {"ctidTraderAccountId": _ID}
    ),
    "ProtoOAMarginCallUpdateEvent": Event(
        events.MarginCallUpdateEvent,
        {"ctidTraderAccountId": _ID, "marginCall": _at("margin_call", part(models.MarginCall))},
    ),
    "ProtoOAMarginCallTriggerEvent": Event(
        events.MarginCallTriggerEvent,
        {"ctidTraderAccountId": _ID, "marginCall": _at("margin_call", part(models.MarginCall))},
    ),
    "ProtoOAv1PnLChangeEvent": Event(
        events.PnLChangeEvent,
        {
            "ctidTraderAccountId": _ID,
            "grossUnrealizedPnL": _at("gross_unrealized_pnl", money),
            "netUnrealizedPnL": _at("net_unrealized_pnl", money),
            "moneyDigits": _at("money_digits"),
        },
    ),
}
"""The messages that the server sends by itself."""
