"""Say, field by field, what a trader must find in the models, independently of how they read.

Every field of the schema is named here for each message that was recorded: as an attribute with
its unit, or as one that is left out for a reason. What an attribute must be is reckoned from the
raw field alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message
from msgspec import Struct
from pydantic import BaseModel

from tests.recordings.recorded import enum_name

__all__ = ["READINGS", "Problem", "differences_of"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Convert = Callable[[Any, Message], object]


@dataclass(frozen=True, slots=True)
class As:
    """A field that is an attribute."""

    attribute: str
    convert: Convert
    absent: object = None
    """What the attribute is where the field was not sent."""


@dataclass(frozen=True, slots=True)
class Within:
    """A nested message, whose fields are attributes of the same model."""

    reading: str


@dataclass(frozen=True, slots=True)
class Model:
    """A nested message that is a model of its own."""

    attribute: str
    reading: str


@dataclass(frozen=True, slots=True)
class Models:
    """A list of messages that are models."""

    attribute: str
    reading: str


@dataclass(frozen=True, slots=True)
class Left:
    """A field that no model has."""

    reason: str


Rule = As | Within | Model | Models | Left


@dataclass(frozen=True, slots=True)
class Reading:
    """How a message is read."""

    fields: dict[str, Rule]
    derived: dict[str, Callable[[Any], object]] = field(
        default_factory=dict[str, Callable[[Any], object]]
    )
    """Attributes that come of several fields, from the whole message."""
    elsewhere: frozenset[str] = frozenset()
    """Fields of the model that do not come from this message alone."""


class Problem(NamedTuple):
    """An attribute that is not what the message says."""

    path: str
    expected: object
    found: object


# Units, as the protocol has them


def same(raw: Any, _: Message) -> object:
    """Take a value as it is."""
    return raw


def decimal(raw: Any, _: Message) -> object:
    """Read a double as the decimal that it was written as."""
    return Decimal(repr(raw))


def instant(raw: Any, _: Message) -> object:
    """Read Unix milliseconds."""
    return EPOCH + timedelta(milliseconds=raw)


def money(raw: Any, message: Message) -> object:
    """Read an amount by the digits of the message that holds it."""
    digits: int = getattr(message, "moneyDigits", 2) if message.HasField("moneyDigits") else 2
    return Decimal(raw) / Decimal(10) ** digits


def minute_of_day(raw: Any, _: Message) -> object:
    """Read minutes after midnight."""
    return time(raw // 60, raw % 60)


@dataclass(frozen=True, slots=True)
class Member:
    """The member that an enum's number stands for."""

    number: int
    name: str

    def __eq__(self, other: object) -> bool:
        # The schema prefixes some names with that of the enum.
        return (
            isinstance(other, IntEnum)
            and other.value == self.number
            and (self.name == other.name or self.name.endswith(f"_{other.name}"))
        )

    def __hash__(self) -> int:
        return hash(self.number)


class Choice(NamedTuple):
    """A number that stands for a member of an enum."""

    number: int


def choice(raw: Any, _: Message) -> object:
    """Read an enum."""
    return Choice(raw)


def points(name: str) -> Callable[[Any], object]:
    """Return what a price in 1/100000 is in units, None where it was not sent."""

    def price(message: Any) -> object:
        return getattr(message, name) / 100_000 if message.HasField(name) else None

    return price


def rate(precise: str, digits: int) -> Callable[[Any], object]:
    """Return a rate by its number of decimals."""
    return lambda message: Decimal(getattr(message, precise)) / Decimal(10) ** digits


def commission_rate(message: Any) -> object:
    """Return a commission's rate: of a percentage five decimals, of the other kinds eight."""
    kinds = message.DESCRIPTOR.fields_by_name["commissionType"].enum_type.values_by_name
    is_percentage = message.commissionType == kinds["PERCENTAGE_OF_VALUE"].number
    return rate("preciseTradingCommissionRate", 5 if is_percentage else 8)(message)


PAYLOAD_TYPE: Final = Left("the class says it")
ACCOUNT: Final = As("account_id", same)

TRADE_DATA: Final[dict[str, Rule]] = {
    "symbolId": As("symbol_id", same),
    "volume": As("volume", same),
    "tradeSide": As("side", choice),
    "openTimestamp": As("open_timestamp", instant),
    "label": As("label", same, ""),
    "guaranteedStopLoss": As("guaranteed_stop_loss", same, False),
    "comment": As("comment", same, ""),
    "measurementUnits": As("measurement_units", same, ""),
    "closeTimestamp": As("close_timestamp", instant),
}

READINGS: Final[dict[str, Reading]] = {
    "TradeData": Reading(TRADE_DATA),
    "TradeDataOfPosition": Reading(
        {**TRADE_DATA, "guaranteedStopLoss": Left("the position's own field says it")}
    ),
    "ProtoOAOrder": Reading(
        {
            "orderId": As("order_id", same),
            "tradeData": Within("TradeData"),
            "orderType": As("order_type", choice),
            "orderStatus": As("status", choice),
            "expirationTimestamp": As("expiration_timestamp", instant),
            "executionPrice": As("execution_price", same),
            "executedVolume": As("executed_volume", same, 0),
            "utcLastUpdateTimestamp": As("last_update_timestamp", instant),
            "baseSlippagePrice": As("base_slippage_price", same),
            "slippageInPoints": As("slippage_in_points", same),
            "closingOrder": As("is_closing_order", same, False),
            "limitPrice": As("limit_price", same),
            "stopPrice": As("stop_price", same),
            "stopLoss": As("stop_loss", same),
            "takeProfit": As("take_profit", same),
            "clientOrderId": As("client_order_id", same, ""),
            "timeInForce": As("time_in_force", choice, Choice(3)),
            "positionId": As("position_id", same),
            "relativeStopLoss": As("relative_stop_loss", same),
            "relativeTakeProfit": As("relative_take_profit", same),
            "isStopOut": As("is_stop_out", same, False),
            "trailingStopLoss": As("trailing_stop_loss", same, False),
            "stopTriggerMethod": As("stop_trigger_method", choice, Choice(1)),
        },
        {
            "stop_loss_distance": points("relativeStopLoss"),
            "take_profit_distance": points("relativeTakeProfit"),
            "is_pending": lambda message: message.orderStatus == 1,
            "is_filled": lambda message: message.orderStatus == 2,
        },
    ),
    "ProtoOAPosition": Reading(
        {
            "positionId": As("position_id", same),
            "tradeData": Within("TradeDataOfPosition"),
            "positionStatus": As("status", choice),
            "swap": As("swap", money),
            "price": As("entry_price", same),
            "stopLoss": As("stop_loss", same),
            "takeProfit": As("take_profit", same),
            "utcLastUpdateTimestamp": As("last_update_timestamp", instant),
            "commission": As("commission", money, Decimal(0)),
            "marginRate": As("margin_rate", decimal),
            "mirroringCommission": As("mirroring_commission", money),
            "guaranteedStopLoss": As("guaranteed_stop_loss", same, False),
            "usedMargin": As("used_margin", money, Decimal(0)),
            "stopLossTriggerMethod": As("stop_loss_trigger_method", choice, Choice(1)),
            "moneyDigits": As("money_digits", same, 2),
            "trailingStopLoss": As("trailing_stop_loss", same, False),
        },
        {"is_open": lambda message: message.positionStatus == 1 and message.tradeData.volume > 0},
    ),
    "ProtoOADeal": Reading(
        {
            "dealId": As("deal_id", same),
            "orderId": As("order_id", same),
            "positionId": As("position_id", same),
            "volume": As("volume", same),
            "filledVolume": As("filled_volume", same),
            "symbolId": As("symbol_id", same),
            "createTimestamp": As("create_timestamp", instant),
            "executionTimestamp": As("execution_timestamp", instant),
            "utcLastUpdateTimestamp": As("last_update_timestamp", instant),
            "executionPrice": As("execution_price", same),
            "tradeSide": As("side", choice),
            "dealStatus": As("status", choice),
            "marginRate": As("margin_rate", decimal),
            "commission": As("commission", money, Decimal(0)),
            "baseToUsdConversionRate": As("base_to_usd_rate", decimal),
            "closePositionDetail": Model("close_detail", "ProtoOAClosePositionDetail"),
            "moneyDigits": As("money_digits", same),
        },
        {"is_closing_deal": lambda message: message.HasField("closePositionDetail")},
    ),
    "ProtoOAClosePositionDetail": Reading(
        {
            "entryPrice": As("entry_price", same),
            "grossProfit": As("gross_profit", money),
            "swap": As("swap", money),
            "commission": As("commission", money),
            "balance": As("balance", money),
            "quoteToDepositConversionRate": As("quote_to_deposit_rate", decimal),
            "closedVolume": As("closed_volume", same),
            "balanceVersion": As("balance_version", same),
            "moneyDigits": As("money_digits", same),
            "pnlConversionFee": As("pnl_conversion_fee", money, Decimal(0)),
        },
        {
            "net_profit": lambda message: money(
                message.grossProfit + message.swap + message.commission + message.pnlConversionFee,
                message,
            )
        },
    ),
    "ProtoOAExecutionEvent": Reading(
        {
            "payloadType": PAYLOAD_TYPE,
            "ctidTraderAccountId": ACCOUNT,
            "executionType": As("execution_type", choice),
            "position": Model("position", "ProtoOAPosition"),
            "order": Model("order", "ProtoOAOrder"),
            "deal": Model("deal", "ProtoOADeal"),
            "bonusDepositWithdraw": Model("bonus_deposit_withdraw", "none was recorded"),
            "depositWithdraw": Model("deposit_withdraw", "ProtoOADepositWithdraw"),
            "errorCode": As("error_code", same),
            "isServerEvent": As("is_server_event", same, False),
        },
        {
            "symbol_id": lambda message: message.order.tradeData.symbolId,
            "order_id": lambda message: message.order.orderId,
            "position_id": lambda message: message.position.positionId,
            "client_order_id": lambda message: message.order.clientOrderId or None,
            "is_recovered": lambda _: False,  # each was told when it happened
        },
    ),
    "ProtoOATrailingSLChangedEvent": Reading(
        {
            "payloadType": PAYLOAD_TYPE,
            "ctidTraderAccountId": ACCOUNT,
            "positionId": As("position_id", same),
            "orderId": As("order_id", same),
            "stopPrice": As("stop_price", same),
            "utcLastUpdateTimestamp": As("timestamp_ms", same),
        },
        {"timestamp": lambda message: instant(message.utcLastUpdateTimestamp, message)},
    ),
    "ProtoOAOrderErrorEvent": Reading(
        {
            "payloadType": PAYLOAD_TYPE,
            "ctidTraderAccountId": ACCOUNT,
            "errorCode": As("error_code", same),
            "orderId": As("order_id", same),
            "positionId": As("position_id", same),
            "description": As("description", same, ""),
        }
    ),
    "ProtoOAErrorRes": Reading(
        {
            "payloadType": PAYLOAD_TYPE,
            "ctidTraderAccountId": ACCOUNT,
            "errorCode": As("error_code", same),
            "description": As("description", same),
            "maintenanceEndTimestamp": As("maintenance_end", same),
            "retryAfter": As("retry_after", same),
        }
    ),
    "ProtoOASpotEvent": Reading(
        {
            "payloadType": PAYLOAD_TYPE,
            "ctidTraderAccountId": ACCOUNT,
            "symbolId": As("symbol_id", same),
            "bid": As("bid_points", same),
            "ask": As("ask_points", same),
            "trendbar": Models("trendbars", "ProtoOATrendbar"),
            "sessionClose": As("session_close_points", same),
            "timestamp": As("timestamp_ms", same),
        },
        {
            "bid": points("bid"),
            "ask": points("ask"),
            "session_close": points("sessionClose"),
            "timestamp": lambda message: instant(message.timestamp, message),
        },
        frozenset({"last_bid_points", "last_ask_points"}),
    ),
    "ProtoOATrendbar": Reading(
        {
            "volume": As("volume", same),
            "period": Left("of historical bars the answer's period counts; tested by itself"),
            "low": As("low_points", same),
            "deltaOpen": Left("counts from the low; see open_points"),
            "deltaClose": Left("counts from the low; tested by itself"),
            "deltaHigh": Left("counts from the low; see high_points"),
            "utcTimestampInMinutes": As("start_minutes", same),
        },
        {
            "open_points": lambda message: message.low + message.deltaOpen,
            "high_points": lambda message: message.low + message.deltaHigh,
            "low": points("low"),
            "open": lambda message: (message.low + message.deltaOpen) / 100_000,
            "high": lambda message: (message.low + message.deltaHigh) / 100_000,
            "timestamp": lambda message: EPOCH + timedelta(minutes=message.utcTimestampInMinutes),
            "repaired": lambda message: False,
        },
        frozenset({"period", "close_points"}),
    ),
    "ProtoOATrader": Reading(
        {
            "ctidTraderAccountId": ACCOUNT,
            "balance": As("balance", money),
            "balanceVersion": As("balance_version", same),
            "managerBonus": As("manager_bonus", money),
            "ibBonus": As("ib_bonus", money),
            "nonWithdrawableBonus": As("non_withdrawable_bonus", money),
            "accessRights": As("access_rights", choice, Choice(0)),
            "depositAssetId": As("deposit_asset_id", same),
            "swapFree": As("swap_free", same, False),
            "leverageInCents": As("leverage_in_cents", same),
            "totalMarginCalculationType": As("total_margin_calculation_type", choice),
            "maxLeverage": As("max_leverage", same),
            "frenchRisk": As("french_risk", same),
            "traderLogin": As("trader_login", same),
            "accountType": As("account_type", choice, Choice(0)),
            "brokerName": As("broker_name", same, ""),
            "registrationTimestamp": As("registration_timestamp", instant),
            "isLimitedRisk": As("is_limited_risk", same, False),
            "limitedRiskMarginCalculationStrategy": As(
                "limited_risk_margin_calculation_strategy", choice, Choice(0)
            ),
            "moneyDigits": As("money_digits", same, 2),
            "fairStopOut": As("fair_stop_out", same, False),
            "stopOutStrategy": As("stop_out_strategy", choice, Choice(0)),
        },
        {"leverage": lambda message: Decimal(message.leverageInCents) / 100},
    ),
    "ProtoOACtidTraderAccount": Reading(
        {
            "ctidTraderAccountId": ACCOUNT,
            "isLive": As("is_live", same),
            "traderLogin": As("trader_login", same),
            "lastClosingDealTimestamp": As("last_closing_deal_timestamp", instant),
            "lastBalanceUpdateTimestamp": As("last_balance_update_timestamp", instant),
            "brokerTitleShort": As("broker_name", same, ""),
        },
        elsewhere=frozenset({"permission_scope"}),
    ),
    "ProtoOADepositWithdraw": Reading(
        {
            "operationType": As("operation_type", choice),
            "balanceHistoryId": As("balance_history_id", same),
            "balance": As("balance", money),
            "delta": As("delta", money),
            "changeBalanceTimestamp": As("change_timestamp", instant),
            "externalNote": As("note", same, ""),
            "balanceVersion": As("balance_version", same),
            "equity": As("equity", money),
            "moneyDigits": As("money_digits", same),
        }
    ),
    "ProtoOALightSymbol": Reading(
        {
            "symbolId": As("symbol_id", same),
            "symbolName": As("name", same, ""),
            "enabled": As("enabled", same),
            "baseAssetId": As("base_asset_id", same),
            "quoteAssetId": As("quote_asset_id", same),
            "symbolCategoryId": As("category_id", same),
            "description": As("description", same, ""),
            "sortingNumber": As("sorting_number", same),
        }
    ),
    "ProtoOAInterval": Reading(
        {
            "startSecond": As("start_second", same),
            "endSecond": As("end_second", same),
        }
    ),
    "ProtoOASymbol": Reading(
        {
            "symbolId": As("symbol_id", same),
            "digits": As("digits", same),
            "pipPosition": As("pip_position", same),
            "enableShortSelling": As("enable_short_selling", same, True),
            "guaranteedStopLoss": As("guaranteed_stop_loss", same, False),
            "swapRollover3Days": As("swap.triple_day", choice, Choice(1)),
            "swapLong": As("swap.long", decimal, Decimal(0)),
            "swapShort": As("swap.short", decimal, Decimal(0)),
            "maxVolume": As("max_volume", same),
            "minVolume": As("min_volume", same),
            "stepVolume": As("step_volume", same),
            "maxExposure": As("max_exposure", same),
            "schedule": Models("trading_hours.intervals", "ProtoOAInterval"),
            "commission": Left("its precise form counts"),
            "commissionType": As("commission.type", choice, Choice(1)),
            "slDistance": As("sl_distance", same, 0),
            "tpDistance": As("tp_distance", same, 0),
            "gslDistance": As("gsl_distance", same, 0),
            "gslCharge": As("gsl_charge", same),
            "distanceSetIn": As("distance_type", choice, Choice(1)),
            "minCommission": Left("its precise form counts"),
            "minCommissionType": As("commission.minimum_type", choice, Choice(1)),
            "minCommissionAsset": As("commission.minimum_asset", same, "USD"),
            "rolloverCommission": As("swap.rollover_commission", lambda raw, _: Decimal(raw)),
            "skipRolloverDays": As("swap.skip_rollover_days", same, 0),
            "scheduleTimeZone": As("schedule_timezone", same, ""),
            "tradingMode": As("trading_mode", choice, Choice(0)),
            "rolloverCommission3Days": As("swap.rollover_triple_day", choice, Choice(1)),
            "swapCalculationType": As("swap.calculation_type", choice, Choice(0)),
            "lotSize": As("lot_size", same),
            "preciseTradingCommissionRate": Left(
                "its decimals depend on the type; commission.rate"
            ),
            "preciseMinCommission": As(
                "commission.minimum", lambda raw, _: Decimal(raw) / 10**8, Decimal(0)
            ),
            "holiday": Models("trading_hours.holidays", "none was recorded"),
            "pnlConversionFeeRate": As("pnl_conversion_fee_rate", same, 0),
            "leverageId": As("leverage_id", same),
            "swapPeriod": As("swap.period_hours", same),
            "swapTime": As("swap.charge_time", minute_of_day, time(0, 0)),
            "skipSWAPPeriods": As("swap.skip_periods", same, 0),
            "chargeSwapAtWeekends": As("swap.charged_at_weekends", same, False),
            "measurementUnits": As("measurement_units", same, ""),
        },
        {
            "commission.rate": commission_rate,
            "trading_hours.timezone": lambda message: message.scheduleTimeZone,
        },
    ),
}
"""How each recorded message is read; the key is its name, but for parts of others."""


def differences_of(reading: str, message: Message, model: object, path: str) -> Iterator[Problem]:
    """Yield what a model says otherwise than its message, or says without one."""
    rules = READINGS[reading]
    seen: set[str] = set()
    yield from _fields(rules, message, model, path, seen)
    for attribute, expected in rules.derived.items():
        seen.add(attribute)
        wanted, found = expected(message), _attribute(model, attribute)
        if not _equal(wanted, found):
            yield Problem(f"{path}.{attribute}", wanted, found)
    told = {attribute.partition(".")[0] for attribute in seen}
    for name in _fields_of(model) - told - rules.elsewhere:
        yield Problem(f"{path}.{name}", "a rule for it", _attribute(model, name))


# Private


def _fields_of(model: object) -> set[str]:
    """Return the names of a model's own fields; errors keep theirs to themselves."""
    if isinstance(model, BaseModel):
        return set(type(model).model_fields)
    return set(model.__struct_fields__) if isinstance(model, Struct) else set()


def _fields(
    rules: Reading, message: Message, model: object, path: str, seen: set[str]
) -> Iterator[Problem]:
    names = {descriptor.name for descriptor in message.DESCRIPTOR.fields}
    # A field that the schema gains must be read, too, and one that is not there cannot be.
    assert names == set(rules.fields), names ^ set(rules.fields)
    for name, rule in rules.fields.items():
        match rule:
            case Left():
                continue
            case Within():
                yield from _fields(
                    READINGS[rule.reading], getattr(message, name), model, path, seen
                )
            case Model():
                found = _attribute(model, rule.attribute)
                seen.add(rule.attribute)
                if not message.HasField(name):
                    if found is not None:
                        yield Problem(f"{path}.{rule.attribute}", None, found)
                    continue
                part: Message = getattr(message, name)
                yield from differences_of(rule.reading, part, found, f"{path}.{rule.attribute}")
            case Models():
                parts: list[Message] = list(getattr(message, name))
                models: Any = _attribute(model, rule.attribute)
                seen.add(rule.attribute)
                if len(parts) != len(models):
                    yield Problem(f"{path}.{rule.attribute}", f"{len(parts)} of them", models)
                    continue
                for index, (part, each) in enumerate(zip(parts, models, strict=True)):
                    yield from differences_of(
                        rule.reading, part, each, f"{path}.{rule.attribute}[{index}]"
                    )
            case As():
                expected = rule.absent
                if message.HasField(name):
                    expected = rule.convert(getattr(message, name), message)
                if isinstance(expected, Choice):
                    number = expected.number
                    expected = Member(number, enum_name(message, name, number))
                found = _attribute(model, rule.attribute)
                seen.add(rule.attribute)
                if not _equal(expected, found):
                    yield Problem(f"{path}.{rule.attribute}", expected, found)


def _attribute(model: object, path: str) -> object:
    for name in path.split("."):
        model = getattr(model, name)
    return model


def _equal(expected: object, found: object) -> bool:
    """Compare values and kinds: a price is a float, money is a Decimal, a time knows its zone."""
    if isinstance(expected, Member):
        return expected == found
    if type(expected) is not type(found):
        return False
    if isinstance(expected, float) and isinstance(found, float):
        return Fraction(expected) == Fraction(found)
    return expected == found
