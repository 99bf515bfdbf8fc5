"""What Spotware's own client should have received: messages, field by field as on the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from ctrader.simulator import Switches
from tests.foreign.facts import EURUSD, M1, USDJPY, Asked, Facts, Record, Spot
from tests.foreign.matching import ABSENT, ANY, Maybe, differences

__all__ = ["UNCOMPARED", "wrong"]

UNCOMPARED: Final = frozenset(
    {
        "package",
        "python",
        # Where a frame stands among the steps is for a reader of the report.
        "frames[].step",
        "sent[].step",
        # The window of the lists; those of prices are compared by what came.
        "sent[].message.toTimestamp",
        "sent[].message.fromTimestamp",
        # The server's clock as it answered.
        "frames[].message.timestamp",
        # What the books keep only as it is now, in events about the past.
        "frames[].message.position.usedMargin",
        "frames[].message.position.utcLastUpdateTimestamp",
        "frames[].message.order.utcLastUpdateTimestamp",
    }
)
"""Values of a report that may change without notice, with their reasons."""

_UNIT: Final = 100_000
_PERCENTAGE: Final = 3
_POINTS: Final = 2  # the client's old schema has no such way to calculate a swap
_ANSWERS: Final = {
    "ProtoOAVersionReq": "ProtoOAVersionRes",
    "ProtoOAApplicationAuthReq": "ProtoOAApplicationAuthRes",
    "ProtoOAGetAccountListByAccessTokenReq": "ProtoOAGetAccountListByAccessTokenRes",
    "ProtoOAAccountAuthReq": "ProtoOAAccountAuthRes",
    "ProtoOATraderReq": "ProtoOATraderRes",
    "ProtoOASymbolsListReq": "ProtoOASymbolsListRes",
    "ProtoOASymbolByIdReq": "ProtoOASymbolByIdRes",
    "ProtoOASubscribeSpotsReq": "ProtoOASubscribeSpotsRes",
    "ProtoOASubscribeLiveTrendbarReq": "ProtoOASubscribeLiveTrendbarRes",
    "ProtoOAGetTrendbarsReq": "ProtoOAGetTrendbarsRes",
    "ProtoOAGetTickDataReq": "ProtoOAGetTickDataRes",
    "ProtoOAUnsubscribeLiveTrendbarReq": "ProtoOAUnsubscribeLiveTrendbarRes",
    "ProtoOAUnsubscribeSpotsReq": "ProtoOAUnsubscribeSpotsRes",
    "ProtoOAReconcileReq": "ProtoOAReconcileRes",
    "ProtoOADealListReq": "ProtoOADealListRes",
    "ProtoOADealListByPositionIdReq": "ProtoOADealListByPositionIdRes",
    "ProtoOAOrderListReq": "ProtoOAOrderListRes",
}
_AFTER_SPOTS: Final = ("reconcile", "deals", "deals of a position", "orders", "trader after")
_SPOT, _EXECUTION, _HEARTBEAT = "ProtoOASpotEvent", "ProtoOAExecutionEvent", "ProtoHeartbeatEvent"


def wrong(report: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    """Say where a report of the official client differs from the facts."""
    yield from differences(None, report["failure"], "failure")
    for place, frame in enumerate(report["frames"]):
        yield from differences(True, frame["complete"], f"frames[{place}].complete")
    asked = _asked(report)
    yield from facts.strangeness(asked)
    yield from differences(_requests(report, facts), report["sent"], "sent")
    yield from _wrong_answers(report, facts)
    yield from _wrong_executions(report, facts, asked)
    yield from _wrong_spots(report, facts)


# Private


def _sent(report: Mapping[str, Any], step: str) -> Record:
    for each in report["sent"]:
        if each["step"] == step:
            message: Record = each["message"]
            return message
    raise LookupError(f"nothing was sent at {step!r}")


def _asked(report: Mapping[str, Any]) -> Asked:
    steps = ("limit order", "amend order", "limit order that stays")
    prices = [round(_sent(report, step)["limitPrice"] * _UNIT) for step in steps]
    return Asked("official", *prices)


def _requests(report: Mapping[str, Any], facts: Facts) -> list[Record]:
    """Return what the driver should have asked; it proves that the report is of this session."""
    account = facts.book["terms"]["account_id"]
    token = facts.ready["access_token"]
    orders, took = facts.book["orders"], facts.deals()[0]["price"]
    position, closed = orders[0]["position_id"], orders[2]["position_id"]
    asked = _asked(report)
    both, window = [EURUSD, USDJPY], {"fromTimestamp": ANY, "toTimestamp": ANY}
    bars = {"symbolId": EURUSD, **window}
    market = {"orderType": 1}
    limit = {"orderType": 2, "symbolId": EURUSD}
    middle = asked.last_limit - 2_000
    requests: list[tuple[str, Record]] = [
        (
            "ApplicationAuth",
            {
                "clientId": facts.ready["client_id"],
                "clientSecret": facts.ready["client_secret"],
            },
        ),
        ("Version", {}),
        ("GetAccountListByAccessToken", {"accessToken": token}),
        ("AccountAuth", {"accessToken": token}),
        ("Trader", {}),
        ("SymbolsList", {}),
        ("SymbolById", {"symbolId": sorted(each["symbol_id"] for each in _symbols(facts))}),
        ("SubscribeSpots", {"symbolId": both, "subscribeToSpotTimestamp": True}),
        ("SubscribeLiveTrendbar", {"symbolId": EURUSD, "period": M1}),
        ("GetTrendbars", bars | {"period": M1}),
        ("GetTrendbars", bars | {"period": 9}),
        ("GetTickData", bars | {"type": 1}),
        (
            "NewOrder",
            market
            | {"symbolId": EURUSD, "tradeSide": 1, "volume": 1_000_000}
            | {"relativeStopLoss": 2_000, "relativeTakeProfit": 3_000, "label": "foreign"}
            | {"comment": "a position that stays", "clientOrderId": "official-market"},
        ),
        (
            "AmendPositionSLTP",
            {"positionId": position, "stopLoss": _price(took - 3_000)}
            | {"takeProfit": _price(took + 4_000)},
        ),
        ("NewOrder", market | {"symbolId": USDJPY, "tradeSide": 2, "volume": 600_000}),
        ("ClosePosition", {"positionId": closed, "volume": 200_000}),
        ("ClosePosition", {"positionId": closed, "volume": 400_000}),
        (
            "NewOrder",
            limit | {"tradeSide": 1, "volume": 300_000, "limitPrice": _price(middle - 2_000)},
        ),
        (
            "AmendOrder",
            {"orderId": orders[5]["order_id"], "volume": 500_000}
            | {"limitPrice": _price(middle - 2_500)},
        ),
        ("CancelOrder", {"orderId": orders[5]["order_id"]}),
        (
            "NewOrder",
            limit
            | {"tradeSide": 2, "volume": 200_000, "limitPrice": _price(middle + 2_000)}
            | {"stopLoss": _price(middle + 3_000), "takeProfit": _price(middle + 1_000)}
            | {"label": "foreign", "clientOrderId": "official-limit"},
        ),
        ("UnsubscribeLiveTrendbar", {"symbolId": EURUSD, "period": M1}),
        ("UnsubscribeSpots", {"symbolId": both}),
        ("Reconcile", {}),
        ("DealList", window),
        ("DealListByPositionId", {"positionId": closed, **window}),
        ("OrderList", window),
        ("Trader", {}),
    ]
    ownerless = {"ApplicationAuth", "Version", "GetAccountListByAccessToken"}
    return [
        {
            "step": ANY,
            "type": f"ProtoOA{name}Req",
            "client_msg_id": f"request-{place}",
            "message": fields if name in ownerless else {"ctidTraderAccountId": account, **fields},
        }
        for place, (name, fields) in enumerate(requests, 1)
    ]


def _wrong_answers(report: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    """Compare the answers that are no events, each with the request of its id."""
    answers = [
        frame for frame in report["frames"] if frame["type"] not in (_SPOT, _EXECUTION, _HEARTBEAT)
    ]
    asked = [each for each in report["sent"] if each["type"] in _ANSWERS]
    expected = [
        {
            "step": ANY,
            "complete": True,
            "type": _ANSWERS[each["type"]],
            "client_msg_id": each["client_msg_id"],
            "message": _answer(each, facts),
        }
        for each in asked
    ]
    yield from differences(expected, answers, "answers")


def _answer(request: Record, facts: Facts) -> Record:
    message = request["message"]
    account = message.get("ctidTraderAccountId")
    owner = {} if account is None else {"ctidTraderAccountId": account}
    digits = facts.money_digits
    match request["type"]:
        case "ProtoOAVersionReq":
            return {"version": Switches().version}
        case "ProtoOAGetAccountListByAccessTokenReq":
            return {
                "accessToken": facts.ready["access_token"],
                "permissionScope": 1,
                "ctidTraderAccount": [_listed_account(each) for each in facts.ledger["accounts"]],
            }
        case "ProtoOATraderReq":
            is_before = request["step"] == "trader before"
            return owner | {"trader": _trader(facts.book, is_before=is_before)}
        case "ProtoOASymbolsListReq":
            return owner | {"symbol": [_light_symbol(each) for each in _symbols(facts)]}
        case "ProtoOASymbolByIdReq":
            return owner | {"symbol": [_symbol(each) for each in _symbols(facts)]}
        case "ProtoOAGetTrendbarsReq":
            window = (message["fromTimestamp"], message["toTimestamp"])
            bars = facts.bars(message["period"], *window)
            return owner | {
                "symbolId": EURUSD,
                "period": message["period"],
                "timestamp": ANY,
                "trendbar": [_bar(bar) for bar in bars],
            }
        case "ProtoOAGetTickDataReq":
            ticks = facts.bid_ticks(message["fromTimestamp"], message["toTimestamp"])
            steps = [(0, 0), *ticks[:-1]]
            return owner | {
                "hasMore": False,
                "tickData": [
                    {"timestamp": time - before[0], "tick": price - before[1]}
                    for (time, price), before in zip(ticks, steps, strict=True)
                ],
            }
        case "ProtoOAReconcileReq":
            return owner | {
                "position": [_position(each, digits) for each in facts.open_positions()],
                "order": [_order(each) for each in facts.waiting_orders()],
            }
        case "ProtoOADealListReq" | "ProtoOADealListByPositionIdReq" as kind:
            wanted = message.get("positionId")
            deals = [
                _deal(deal, digits, listed=True)
                for deal in reversed(facts.deals())
                if wanted in (None, deal["position_id"])
            ]
            # The client's old schema has a number where the present one has a truth value.
            more = False if kind == "ProtoOADealListReq" else 0
            return owner | {"hasMore": more, "deal": deals}
        case "ProtoOAOrderListReq":
            orders = [_order(each, listed=True) for each in facts.ended_orders()]
            return owner | {"hasMore": False, "order": orders}
        case _:
            return owner


def _wrong_executions(report: Mapping[str, Any], facts: Facts, asked: Asked) -> Iterator[str]:
    ids = {each["step"]: each["client_msg_id"] for each in report["sent"]}
    digits, account = facts.money_digits, facts.book["terms"]["account_id"]
    expected = [
        {
            "step": ANY,
            "type": _EXECUTION,
            "complete": True,
            "client_msg_id": ids[each.step],
            "message": {
                "ctidTraderAccountId": account,
                "executionType": each.kind,
                "order": _order(each.order),
                "position": _position(each.position, digits),
                "deal": ABSENT if each.deal is None else _deal(each.deal, digits),
                "isServerEvent": each.by_server,
            },
        }
        for each in facts.executions(asked)
    ]
    told = [frame for frame in report["frames"] if frame["type"] == _EXECUTION]
    yield from differences(expected, told, "executions")


def _wrong_spots(report: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    account = facts.book["terms"]["account_id"]
    told: list[Spot] = []
    for frame in report["frames"]:
        message = frame["message"]
        if frame["type"] == _HEARTBEAT:
            yield from differences({}, message, "heartbeat")
        if frame["type"] != _SPOT:
            continue
        bars = message.get("trendbar", [])
        told.append(
            Spot(
                message["timestamp"],
                message["symbolId"],
                message.get("bid"),
                message.get("ask"),
                [_told_bar(bar) for bar in bars],
                message.get("sessionClose"),
                bars_end=frame["step"] == "no spots",
            )
        )
        if frame["step"] in _AFTER_SPOTS:
            yield f"spots: one after the end of the subscription, at {frame['step']!r}"
        yield from differences(account, message["ctidTraderAccountId"], "spots.account")
        yield from differences(None, frame["client_msg_id"], "spots.client_msg_id")
        yield from differences([M1] * len(bars), [bar["period"] for bar in bars], "spots.period")
        if any("deltaClose" in bar for bar in bars):
            yield "spots: a forming bar has a close"
    yield from facts.wrong_spots(told, closes=True)


# Messages


def _price(units: int | None) -> Fraction | Any:
    """Return a price as the wire has it; without one the field is not there."""
    return ABSENT if units is None else Fraction(units, _UNIT)


def _given(value: object) -> Any:
    return ABSENT if value is None else value


def _ratio(text: str, by: int = 1) -> Fraction:
    return Fraction(text) / by


def _symbols(facts: Facts) -> list[Record]:
    symbols: list[Record] = facts.ledger["symbols"]
    return symbols


def _listed_account(book: Record) -> Record:
    terms = book["terms"]
    return {
        "ctidTraderAccountId": terms["account_id"],
        "isLive": terms["is_live"],
        "traderLogin": terms["trader_login"],
        # The list was asked for before anything was traded.
        "lastClosingDealTimestamp": ABSENT,
        "lastBalanceUpdateTimestamp": book["opened"],
    }


def _trader(book: Record, *, is_before: bool) -> Record:
    terms = book["terms"]
    deposit = Fraction(terms["balance"]) * 10 ** terms["money_digits"]
    return {
        "ctidTraderAccountId": terms["account_id"],
        "balance": round(deposit) if is_before else book["balance"],
        "balanceVersion": 1 if is_before else book["balance_version"],
        "managerBonus": Maybe(book["manager_bonus"]),
        "ibBonus": Maybe(book["ib_bonus"]),
        "nonWithdrawableBonus": Maybe(book["non_withdrawable_bonus"]),
        "accessRights": terms["access_rights"],
        "depositAssetId": book["deposit_asset"],
        "swapFree": terms["swap_free"],
        "leverageInCents": terms["leverage"] * 100,
        "maxLeverage": terms["leverage"] * 100,
        "totalMarginCalculationType": terms["margin_calculation"],
        "frenchRisk": False,
        "traderLogin": terms["trader_login"],
        "accountType": terms["account_type"],
        "brokerName": terms["broker_name"].lower().replace(" ", "-"),
        "registrationTimestamp": book["opened"],
        "isLimitedRisk": terms["is_limited_risk"],
        "limitedRiskMarginCalculationStrategy": Maybe(terms["limited_risk_strategy"]),
        "moneyDigits": terms["money_digits"],
    }


def _light_symbol(symbol: Record) -> Record:
    return {
        "symbolId": symbol["symbol_id"],
        "symbolName": symbol["name"],
        "enabled": symbol["enabled"],
        "baseAssetId": symbol["base"],
        "quoteAssetId": symbol["quote"],
        "symbolCategoryId": symbol["category_id"],
        "description": symbol["description"],
    }


def _symbol(symbol: Record) -> Record:
    rate = symbol["commission_rate"]
    is_percentage = symbol["commission_type"] == _PERCENTAGE
    sessions = symbol["schedule"] or [[0, 7 * 86_400]]
    return {
        "symbolId": symbol["symbol_id"],
        "digits": symbol["digits"],
        "pipPosition": symbol["pip_position"],
        "enableShortSelling": symbol["short_selling"],
        "guaranteedStopLoss": symbol["guaranteed_stops"],
        "swapRollover3Days": symbol["swap_rollover"],
        "swapLong": symbol["swap_long"],
        "swapShort": symbol["swap_short"],
        "maxVolume": symbol["max_volume"],
        "minVolume": symbol["min_volume"],
        "stepVolume": symbol["step_volume"],
        "maxExposure": symbol["max_exposure"],
        "schedule": [{"startSecond": start, "endSecond": end} for start, end in sessions],
        "commission": rate if is_percentage else rate // 1_000_000,
        "commissionType": symbol["commission_type"],
        "slDistance": symbol["stop_loss_distance"],
        "tpDistance": symbol["take_profit_distance"],
        "gslDistance": symbol["guaranteed_distance"],
        "gslCharge": symbol["guaranteed_charge"],
        "distanceSetIn": symbol["distance_type"],
        "minCommission": symbol["min_commission"] // 1_000_000,
        "minCommissionType": symbol["min_commission_type"],
        "minCommissionAsset": symbol["min_commission_asset"],
        "rolloverCommission": symbol["rollover_commission"],
        "skipRolloverDays": symbol["skip_rollover_days"],
        "scheduleTimeZone": symbol["schedule_zone"],
        "tradingMode": symbol["trading_mode"],
        "rolloverCommission3Days": symbol["rollover_commission_3_days"],
        # Left out where it is the default, and unreadable where it is points.
        "swapCalculationType": {0: Maybe(0), _POINTS: ABSENT}.get(
            symbol["swap_type"], symbol["swap_type"]
        ),
        "lotSize": symbol["lot_size"],
        "preciseTradingCommissionRate": rate,
        "preciseMinCommission": symbol["min_commission"],
        "holiday": _given([_holiday(each) for each in symbol["holidays"]] or None),
        "pnlConversionFeeRate": symbol["conversion_fee_rate"],
        "leverageId": symbol["leverage_id"],
        "swapPeriod": symbol["swap_period"],
        "swapTime": symbol["swap_time"],
        "skipSWAPPeriods": symbol["skip_swap_periods"],
        "chargeSwapAtWeekends": symbol["swap_at_weekends"],
    }


def _holiday(holiday: Record) -> Record:
    return {
        "holidayId": holiday["holiday_id"],
        "name": holiday["name"],
        "description": holiday["description"],
        "scheduleTimeZone": holiday["zone"],
        "holidayDate": holiday["date"],
        "isRecurring": holiday["is_recurring"],
        "startSecond": _given(holiday["start_second"]),
        "endSecond": _given(holiday["end_second"]),
    }


def _bar(bar: tuple[int, int, int, int, int, int]) -> Record:
    start, opening, high, low, close, volume = bar
    return {
        "volume": volume,
        "low": low,
        "deltaOpen": opening - low,
        "deltaHigh": high - low,
        "deltaClose": close - low,
        "utcTimestampInMinutes": start // 60_000,
    }


def _told_bar(bar: Record) -> tuple[int, int, int, int, int]:
    low = bar["low"]
    return (
        bar["utcTimestampInMinutes"] * 60_000,
        low + bar["deltaOpen"],
        low + bar["deltaHigh"],
        low,
        bar["volume"],
    )


def _trade_data(record: Record, opened: int | None) -> Record:
    return {
        "symbolId": record["symbol"],
        "volume": record["volume"],
        "tradeSide": record["side"],
        "openTimestamp": _given(opened),
        "label": _given(record["label"]),
        "comment": _given(record["comment"]),
        "guaranteedStopLoss": record["guaranteed"],
    }


def _order(order: Record, *, listed: bool = False) -> Record:
    price = order["execution_price"]
    return {
        "orderId": order["order_id"],
        "tradeData": _trade_data(order, order["created"]),
        "orderType": order["order_type"],
        "orderStatus": order["status"],
        "timeInForce": order["time_in_force"],
        "expirationTimestamp": _given(order["expiration"]),
        "executionPrice": ABSENT if price is None else _ratio(price, _UNIT),
        "executedVolume": order["executed_volume"],
        "utcLastUpdateTimestamp": order["updated"],
        "baseSlippagePrice": _price(order["base_slippage_price"]),
        "slippageInPoints": _given(order["slippage_points"]),
        "closingOrder": order["closing"],
        "limitPrice": _price(order["limit_price"]),
        "stopPrice": _price(order["stop_price"]),
        "stopLoss": _price(order["shown_stop_loss"] if listed else None),
        "takeProfit": _price(order["shown_take_profit"] if listed else None),
        "clientOrderId": _given(order["client_order_id"]),
        "positionId": order["position_id"],
        "relativeStopLoss": _given(order["relative_stop_loss"]),
        "relativeTakeProfit": _given(order["relative_take_profit"]),
        "isStopOut": Maybe(False),
        "trailingStopLoss": _given(order["trailing"]),
        "stopTriggerMethod": _given(order["trigger_method"]),
    }


def _position(position: Record, digits: int) -> Record:
    is_protected = position["stop_loss"] is not None or position["take_profit"] is not None
    return {
        "positionId": position["position_id"],
        "tradeData": _trade_data(position, position["opened"]),
        "positionStatus": position["status"],
        "swap": position["swap"],
        "price": _ratio(position["price"], _UNIT),
        "stopLoss": _price(position["stop_loss"]),
        "takeProfit": _price(position["take_profit"]),
        "utcLastUpdateTimestamp": _given(position["updated"]),
        "commission": position["commission"],
        "marginRate": _ratio(position["margin_rate"]),
        "mirroringCommission": 0,
        "guaranteedStopLoss": position["guaranteed"],
        "usedMargin": position["used_margin"],
        "stopLossTriggerMethod": position["trigger_method"] if is_protected else ABSENT,
        "moneyDigits": digits,
        "trailingStopLoss": _given(position["trailing"]),
    }


def _deal(deal: Record, digits: int, *, listed: bool = False) -> Record:
    part = deal["closed_part"]
    detail: Record | None = None
    if part is not None:
        detail = {
            "entryPrice": _ratio(part["entry_price"], _UNIT),
            "grossProfit": part["gross"],
            "swap": part["swap"],
            "commission": part["commission"],
            "balance": part["balance"],
            "quoteToDepositConversionRate": _ratio(part["quote_to_deposit"]),
            "closedVolume": part["volume"],
            "balanceVersion": part["balance_version"],
            "moneyDigits": digits,
            "pnlConversionFee": part["conversion_fee"],
        }
    return {
        "dealId": deal["deal_id"],
        "orderId": deal["order_id"],
        "positionId": deal["position_id"],
        "volume": deal["volume"],
        "filledVolume": deal["filled_volume"],
        "symbolId": deal["symbol"],
        "createTimestamp": deal["created"],
        "executionTimestamp": deal["executed"],
        "utcLastUpdateTimestamp": deal["created"] if listed else deal["executed"],
        "executionPrice": _price(deal["price"]),
        "tradeSide": deal["side"],
        "dealStatus": deal["status"],
        "marginRate": _ratio(deal["margin_rate"]),
        "commission": deal["commission"],
        "baseToUsdConversionRate": _ratio(deal["base_to_usd"]),
        "moneyDigits": digits,
        "closePositionDetail": _given(detail),
    }
