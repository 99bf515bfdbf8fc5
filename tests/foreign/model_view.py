"""What `ctrader-api-client` should have told: its models, attribute by attribute.

That client reads absent numbers as None or zero, and absent instants of opening as the present.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from tests.foreign.facts import (
    EURUSD,
    M1,
    Asked,
    Facts,
    Record,
    Spot,
)
from tests.foreign.matching import ANY, differences

__all__ = ["UNCOMPARED", "wrong"]

UNCOMPARED: Final = frozenset(
    {
        "package",
        "python",
        # Where an event stands among the steps is for a reader of the report.
        "events[].step",
        "sent[].step",
        # A window moved by a millisecond has the same bars and ticks.
        "sent[].start",
        "sent[].end",
        # What the books keep only as it is now, in events about the past.
        "events[].event.position.used_margin",
        "events[].event.position.last_update_timestamp",
        "events[].event.order.last_update_timestamp",
        *(
            f"answers.{step}.position.{name}"
            for step in ("market order", "second market order", "close a part", "close")
            for name in ("used_margin", "last_update_timestamp")
        ),
        "answers.amend order.order.last_update_timestamp",
        # The client's own clock, where a position has not been opened.
        *(
            f"answers.{step}.position.open_timestamp"
            for step in (
                "market order",
                "second market order",
                "limit order",
                "amend order",
                "cancel",
                "limit order that stays",
            )
        ),
    }
)
"""Values of a report that may change without notice, with their reasons."""

_UNIT: Final = 100_000
_SIDES: Final = {1: "BUY", 2: "SELL"}
_ORDER_TYPES: Final = {1: "MARKET", 2: "LIMIT", 3: "STOP", 4: "STOP_LOSS_TAKE_PROFIT"}
_ORDER_STATES: Final = {1: "ACCEPTED", 2: "FILLED", 3: "REJECTED", 4: "EXPIRED", 5: "CANCELLED"}
_POSITION_STATES: Final = {1: "OPEN", 2: "CLOSED", 3: "CREATED", 4: "ERROR"}
_DEAL_STATES: Final = {2: "FILLED", 3: "PARTIALLY_FILLED", 4: "REJECTED"}
_TIMES_IN_FORCE: Final = {
    1: "GOOD_TILL_DATE",
    2: "GOOD_TILL_CANCEL",
    3: "IMMEDIATE_OR_CANCEL",
    4: "FILL_OR_KILL",
    5: "MARKET_ON_OPEN",
}
_TRIGGERS: Final = {1: "TRADE", 2: "OPPOSITE", 3: "DOUBLE_TRADE", 4: "DOUBLE_OPPOSITE"}
_EXECUTIONS: Final = {
    2: "ORDER_ACCEPTED",
    3: "ORDER_FILLED",
    4: "ORDER_REPLACED",
    5: "ORDER_CANCELLED",
}
_COMMISSIONS: Final = {
    1: "USD_PER_MILLION_USD",
    2: "USD_PER_LOT",
    3: "PERCENTAGE_OF_VALUE",
    4: "QUOTE_CCY_PER_LOT",
}
_PERCENTAGE: Final = 3
_SWAPS: Final = {0: "PIPS", 1: "PERCENTAGE", 2: "POINTS"}
_DAYS: Final = {
    0: "MONDAY",  # none, which the client takes for absent, and so for the schema's default
    1: "MONDAY",
    2: "TUESDAY",
    3: "WEDNESDAY",
    4: "THURSDAY",
    5: "FRIDAY",
    6: "SATURDAY",
    7: "SUNDAY",
}
_ACCOUNTS: Final = {0: "HEDGED", 1: "NETTED", 2: "SPREAD_BETTING"}
_RIGHTS: Final = {0: "FULL_ACCESS", 1: "CLOSE_ONLY", 2: "NO_TRADING", 3: "NO_LOGIN"}
_MODES: Final = {
    0: "ENABLED",
    1: "DISABLED_WITHOUT_PENDINGS_EXECUTION",
    2: "DISABLED_WITH_PENDINGS_EXECUTION",
    3: "CLOSE_ONLY",
}


def wrong(report: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    """Say where a report of `ctrader-api-client` differs from the facts."""
    yield from differences(None, report["failure"], "failure")
    asked = _asked(report)
    yield from facts.strangeness(asked)
    yield from _wrong_requests(report, facts, asked)
    answers, events = _executions(facts, asked)
    yield from differences({**_answers(report, facts), **answers}, report["answers"], "answers")
    told = [each for each in report["events"] if each["type"] != "SpotEvent"]
    account = facts.book["terms"]["account_id"]
    ready: Record = {
        "step": ANY,
        "type": "ReadyEvent",
        "event": {"account_id": account, "trigger": "INITIAL"},
    }
    yield from differences([ready, *events], told, "events")
    yield from _wrong_spots(report, facts)


# Private


def _request(report: Mapping[str, Any], step: str) -> Record:
    for each in report["sent"]:
        if each["step"] == step:
            request: Record = each
            return request
    raise LookupError(f"nothing was asked at {step!r}")


def _asked(report: Mapping[str, Any]) -> Asked:
    steps = ("limit order", "amend order", "limit order that stays")
    prices = [_request(report, step)["request"]["limit_price"] for step in steps]
    return Asked("api-client", *(round(Fraction(price) * _UNIT) for price in prices))


def _wrong_requests(report: Mapping[str, Any], facts: Facts, asked: Asked) -> Iterator[str]:
    """Compare what the driver asked for; it proves that the report is of this session."""
    orders, took = facts.book["orders"], facts.deals()[0]["price"]
    closed = orders[2]["position_id"]
    middle = asked.last_limit - 2_000
    base = _NEW_ORDER | {"symbol_id": EURUSD}
    limit = base | {"order_type": "LIMIT"}
    requests: dict[str, Record] = {
        "market order": base
        | {"side": "BUY", "volume": 1_000_000, "label": "foreign"}
        | {"relative_stop_loss": _price(2_000), "relative_take_profit": _price(3_000)}
        | {"comment": "a position that stays", "client_order_id": "api-client-market"},
        "amend position": _AMEND_POSITION
        | {"position_id": orders[0]["position_id"], "stop_loss": _price(took - 3_000)}
        | {"take_profit": _price(took + 4_000)},
        "second market order": base | {"symbol_id": 4, "side": "SELL", "volume": 600_000},
        "close a part": {"position_id": closed, "volume": 200_000},
        "close": {"position_id": closed, "volume": 400_000},
        "limit order": limit
        | {"side": "BUY", "volume": 300_000, "limit_price": _price(middle - 2_000)},
        "amend order": _AMEND_ORDER
        | {"order_id": orders[5]["order_id"], "volume": 500_000}
        | {"limit_price": _price(middle - 2_500)},
        "limit order that stays": limit
        | {"side": "SELL", "volume": 200_000, "limit_price": _price(middle + 2_000)}
        | {"stop_loss": _price(middle + 3_000), "take_profit": _price(middle + 1_000)}
        | {"label": "foreign", "client_order_id": "api-client-limit"},
    }
    for each in report["sent"]:
        step = each["step"]
        yield from differences(requests.get(step), each["request"], f"sent.{step}")


_NEW_ORDER: Final[Record] = {
    "order_type": "MARKET",
    "limit_price": None,
    "stop_price": None,
    "stop_loss": None,
    "take_profit": None,
    "time_in_force": "GOOD_TILL_CANCEL",
    "expiration_timestamp": None,
    "position_id": None,
    "client_order_id": "",
    "label": "",
    "comment": "",
    "base_slippage_price": None,
    "slippage_in_points": None,
    "relative_stop_loss": None,
    "relative_take_profit": None,
    "trailing_stop_loss": False,
    "guaranteed_stop_loss": False,
    "stop_trigger_method": None,
}
_AMEND_ORDER: Final[Record] = {
    "stop_price": None,
    "stop_loss": None,
    "take_profit": None,
    "expiration_timestamp": None,
    "slippage_in_points": None,
    "trailing_stop_loss": None,
    "guaranteed_stop_loss": None,
    "relative_stop_loss": None,
    "relative_take_profit": None,
    "stop_trigger_method": None,
}
_AMEND_POSITION: Final[Record] = {
    "trailing_stop_loss": False,
    "guaranteed_stop_loss": False,
    "stop_loss_trigger_method": None,
}


def _answers(report: Mapping[str, Any], facts: Facts) -> Record:
    """Return what the calls that do not trade should have returned."""
    symbols = facts.ledger["symbols"]
    closed = facts.order(2)["position_id"]
    digits = facts.money_digits
    deals = [_deal(deal, digits) for deal in reversed(facts.deals())]
    minutes, hours, ticks = (
        (request["start"], request["end"])
        for request in (_request(report, step) for step in ("minutes", "hours", "ticks"))
    )
    return {
        "accounts": [_listed_account(book) for book in facts.ledger["accounts"]],
        "account id": facts.book["terms"]["account_id"],
        "account": None,
        "trader before": _trader(facts.book, is_before=True),
        "symbols": [_listed_symbol(symbol) for symbol in symbols],
        "symbol terms": [_symbol(symbol) for symbol in symbols],
        "spots": None,
        "live bars": None,
        "minutes": [_bar(bar) for bar in facts.bars(M1, *minutes)],
        "hours": [_bar(bar) for bar in facts.bars(9, *hours)],
        "ticks": [
            {"timestamp": time, "price": _price(price)} for time, price in facts.bid_ticks(*ticks)
        ],
        "no live bars": None,
        "no spots": None,
        "reconcile": [_position(position, digits) for position in facts.open_positions()],
        "deals": deals,
        "deals of a position": [deal for deal in deals if deal["position_id"] == closed],
        "orders": [_order(order, listed=True) for order in facts.ended_orders()],
        "trader after": _trader(facts.book, is_before=False),
    }


def _executions(facts: Facts, asked: Asked) -> tuple[Record, list[Record]]:
    """Return the executions that calls should have returned, and those told as events.

    The first of each request answers it; the client tells only the others.
    """
    answers: Record = {}
    events: list[Record] = []
    for each in facts.executions(asked):
        event = {
            "account_id": facts.book["terms"]["account_id"],
            "execution_type": _EXECUTIONS[each.kind],
            "order": _order(each.order),
            "position": _position(each.position, facts.money_digits),
            "deal": None
            if each.deal is None
            else _deal(each.deal, facts.money_digits, listed=False),
            "is_server_event": each.by_server,
            "error_code": None,
        }
        if each.step in answers:
            events.append({"step": ANY, "type": "ExecutionEvent", "event": event})
        else:
            answers[each.step] = event
    return answers, events


def _wrong_spots(report: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    account = facts.book["terms"]["account_id"]
    told: list[Spot] = []
    for each in report["events"]:
        if each["type"] != "SpotEvent":
            continue
        event = each["event"]
        bars = event["trendbar"]
        # Events are told in a task of their own, so the step may be the next one already.
        is_ending = each["step"] in ("no live bars", "no spots", "reconcile")
        told.append(
            Spot(
                event["timestamp"],
                event["symbol_id"],
                _units(event["bid"]),
                _units(event["ask"]),
                [_told_bar(bar) for bar in bars],
                None,
                bars_end=None if is_ending else False,
            )
        )
        yield from differences(account, event["account_id"], "spots.account")
        yield from differences(["M1"] * len(bars), [bar["period"] for bar in bars], "spots.period")
        closes = [bar["close"] for bar in bars]
        yield from differences([event["bid"]] * len(bars), closes, "spots.close")
    yield from facts.wrong_spots(told, closes=False)


# Models


def _price(units: int | None) -> Fraction | None:
    return None if units is None else Fraction(units, _UNIT)


def _units(price: str | None) -> int | None:
    return None if price is None else round(Fraction(price) * _UNIT)


def _money(amount: int, digits: int) -> Fraction:
    return Fraction(amount, 10**digits)


def _bonus(amount: int, digits: int) -> Fraction | None:
    return _money(amount, digits) if amount else None


def _listed_account(book: Record) -> Record:
    terms = book["terms"]
    return {
        "account_id": terms["account_id"],
        "is_live": terms["is_live"],
        "trader_login": terms["trader_login"],
        "broker_name": terms["broker_name"],
        # The list was asked for before anything was traded.
        "last_closing_deal_timestamp": None,
        "last_balance_update_timestamp": book["opened"],
    }


def _trader(book: Record, *, is_before: bool) -> Record:
    terms = book["terms"]
    digits = terms["money_digits"]
    return {
        "account_id": terms["account_id"],
        "trader_login": terms["trader_login"],
        "balance": Fraction(terms["balance"]) if is_before else _money(book["balance"], digits),
        "leverage_in_cents": terms["leverage"] * 100,
        "account_type": _ACCOUNTS[terms["account_type"]],
        "access_rights": _RIGHTS[terms["access_rights"]],
        "broker_name": terms["broker_name"].lower().replace(" ", "-"),
        "deposit_asset_id": book["deposit_asset"],
        "swap_free": terms["swap_free"],
        "is_limited_risk": terms["is_limited_risk"],
        "registration_timestamp": book["opened"],
        "max_leverage": terms["leverage"] * 100,
        "balance_version": 1 if is_before else book["balance_version"],
        "manager_bonus": _bonus(book["manager_bonus"], digits),
        "ib_bonus": _bonus(book["ib_bonus"], digits),
        "non_withdrawable_bonus": _bonus(book["non_withdrawable_bonus"], digits),
    }


def _listed_symbol(symbol: Record) -> Record:
    return {
        "symbol_id": symbol["symbol_id"],
        "name": symbol["name"],
        "enabled": symbol["enabled"],
        "base_asset_id": symbol["base"],
        "quote_asset_id": symbol["quote"],
        "category_id": symbol["category_id"],
        "description": symbol["description"],
    }


def _symbol(symbol: Record) -> Record:
    digits = 5 if symbol["commission_type"] == _PERCENTAGE else 8
    hour, minute = divmod(symbol["swap_time"], 60)
    sessions = symbol["schedule"] or [[0, 7 * 86_400]]
    return {
        "symbol_id": symbol["symbol_id"],
        "digits": symbol["digits"],
        "pip_position": symbol["pip_position"],
        "lot_size": symbol["lot_size"],
        "min_volume": symbol["min_volume"],
        "max_volume": symbol["max_volume"],
        "step_volume": symbol["step_volume"],
        "trading_mode": _MODES[symbol["trading_mode"]],
        "commission": {
            "type": _COMMISSIONS[symbol["commission_type"]],
            "rate": Fraction(symbol["commission_rate"], 10**digits),
            "minimum": Fraction(symbol["min_commission"], 10**8),
            "minimum_type": {1: "CURRENCY", 2: "QUOTE_CURRENCY"}[symbol["min_commission_type"]],
            "minimum_asset": symbol["min_commission_asset"],
        },
        "swap": {
            "calculation_type": _SWAPS[symbol["swap_type"]],
            "long": Fraction(str(symbol["swap_long"])),
            "short": Fraction(str(symbol["swap_short"])),
            "triple_day": _DAYS[symbol["swap_rollover"]],
            "period_hours": symbol["swap_period"],
            "charge_time": f"{hour:02}:{minute:02}:00",
            "skip_periods": symbol["skip_swap_periods"],
            "charged_at_weekends": symbol["swap_at_weekends"],
        },
        "max_exposure": symbol["max_exposure"],
        "leverage_id": symbol["leverage_id"],
        "enable_short_selling": symbol["short_selling"],
        "guaranteed_stop_loss": symbol["guaranteed_stops"],
        "sl_distance": symbol["stop_loss_distance"],
        "tp_distance": symbol["take_profit_distance"],
        "schedule_timezone": symbol["schedule_zone"],
        "measurement_units": symbol["measurement_units"],
        "trading_hours": {
            "timezone": symbol["schedule_zone"],
            "intervals": [{"start_second": start, "end_second": end} for start, end in sessions],
            "holidays": [_holiday(each) for each in symbol["holidays"]],
        },
    }


def _holiday(holiday: Record) -> Record:
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=holiday["date"])
    return {
        "holiday_id": holiday["holiday_id"],
        "name": holiday["name"],
        "timezone": holiday["zone"],
        "holiday_date": f"{date:%Y-%m-%d}",
        "description": holiday["description"],
        "is_recurring": holiday["is_recurring"],
        "start_second": holiday["start_second"] or 0,
        "end_second": holiday["end_second"] or 0,
    }


def _bar(bar: tuple[int, int, int, int, int, int]) -> Record:
    start, opening, high, low, close, volume = bar
    return {
        "timestamp": start,
        "period": "M1",  # bars of history name none, and the client does not ask the answer
        "open": _price(opening),
        "high": _price(high),
        "low": _price(low),
        "close": _price(close),
        "volume": volume,
    }


def _told_bar(bar: Record) -> tuple[int, int, int, int, int]:
    opening, high, low = (round(Fraction(bar[name]) * _UNIT) for name in ("open", "high", "low"))
    return (bar["timestamp"], opening, high, low, bar["volume"])


def _order(order: Record, *, listed: bool = False) -> Record:
    price = order["execution_price"]
    return {
        "order_id": order["order_id"],
        "symbol_id": order["symbol"],
        "side": _SIDES[order["side"]],
        "order_type": _ORDER_TYPES[order["order_type"]],
        "status": _ORDER_STATES[order["status"]],
        "volume": order["volume"],
        "time_in_force": _TIMES_IN_FORCE[order["time_in_force"]],
        "open_timestamp": order["created"],
        "limit_price": _price(order["limit_price"]),
        "stop_price": _price(order["stop_price"]),
        "stop_loss": _price(order["shown_stop_loss"] if listed else None),
        "take_profit": _price(order["shown_take_profit"] if listed else None),
        "execution_price": None if price is None else Fraction(price) / _UNIT,
        "executed_volume": order["executed_volume"],
        "expiration_timestamp": order["expiration"],
        "position_id": order["position_id"],
        "base_slippage_price": _price(order["base_slippage_price"]),
        "slippage_in_points": order["slippage_points"],
        "relative_stop_loss": order["relative_stop_loss"],
        "relative_take_profit": order["relative_take_profit"],
        "is_closing_order": order["closing"],
        "is_stop_out": False,
        "trailing_stop_loss": bool(order["trailing"]),
        "guaranteed_stop_loss": order["guaranteed"],
        "stop_trigger_method": _TRIGGERS[order["trigger_method"] or 1],
        "client_order_id": order["client_order_id"] or "",
        "label": order["label"] or "",
        "comment": order["comment"] or "",
        "last_update_timestamp": order["updated"],
    }


def _position(position: Record, digits: int) -> Record:
    margin, rate = position["used_margin"], Fraction(position["margin_rate"])
    return {
        "position_id": position["position_id"],
        "symbol_id": position["symbol"],
        "side": _SIDES[position["side"]],
        "volume": position["volume"],
        "entry_price": Fraction(position["price"]) / _UNIT,
        "status": _POSITION_STATES[position["status"]],
        "open_timestamp": position["opened"] or ANY,
        "money_digits": digits,
        "stop_loss": _price(position["stop_loss"]),
        "take_profit": _price(position["take_profit"]),
        "trailing_stop_loss": bool(position["trailing"]),
        "guaranteed_stop_loss": position["guaranteed"],
        "stop_loss_trigger_method": _TRIGGERS[position["trigger_method"] or 1],
        "swap": _money(position["swap"], digits),
        "commission": _money(position["commission"], digits),
        "used_margin": margin if margin is ANY else _money(margin, digits),
        "margin_rate": rate or None,
        "label": position["label"] or "",
        "comment": position["comment"] or "",
        "last_update_timestamp": position["updated"],
        "close_timestamp": position["closed"],
    }


def _deal(deal: Record, digits: int, *, listed: bool = True) -> Record:
    part = deal["closed_part"]
    detail: Record | None = None
    if part is not None:
        detail = {
            "entry_price": Fraction(part["entry_price"]) / _UNIT,
            "closed_volume": part["volume"],
            "gross_profit": _money(part["gross"], digits),
            "swap": _money(part["swap"], digits),
            "commission": _money(part["commission"], digits),
            "balance": _money(part["balance"], digits),
            "pnl_conversion_fee": _money(part["conversion_fee"], digits),
            "quote_to_deposit_rate": Fraction(part["quote_to_deposit"]),
            "balance_version": part["balance_version"],
        }
    return {
        "deal_id": deal["deal_id"],
        "order_id": deal["order_id"],
        "position_id": deal["position_id"],
        "symbol_id": deal["symbol"],
        "side": _SIDES[deal["side"]],
        "volume": deal["volume"],
        "filled_volume": deal["filled_volume"],
        "execution_price": _price(deal["price"]),
        "execution_timestamp": deal["executed"],
        "status": _DEAL_STATES[deal["status"]],
        "commission": _money(deal["commission"], digits),
        "create_timestamp": deal["created"],
        "last_update_timestamp": deal["created"] if listed else deal["executed"],
        "margin_rate": Fraction(deal["margin_rate"]),
        "base_to_usd_rate": Fraction(deal["base_to_usd"]),
        "close_detail": detail,
    }
