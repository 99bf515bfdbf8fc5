"""What users of the older client know is in both packages, with its parameters and defaults.

The tables hold facts: the names, in the older client's order, and the defaults that it documents.
More fields, members and optional parameters than these are welcome; fewer are not.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

import pytest
from msgspec import NODEFAULT
from pydantic import BaseModel

import ctrader
import ctrader_sync

PACKAGES: Final = (ctrader, ctrader_sync)

# The older client, as it was


FIELDS: Final[Mapping[str, str]] = {
    "ClientConfig": (
        "host=live.ctraderapi.com port=5035 use_ssl=True client_id client_secret "
        "heartbeat_interval=10 heartbeat_timeout=60 request_timeout=30 "
        "connect_timeout=30 reconnect_attempts=None reconnect_min_wait=1 "
        "reconnect_max_wait=60 refresh_policy=RefreshPolicy reauth_policy=ReauthPolicy"
    ),
    "AccountCredentials": "account_id access_token refresh_token expires_at",
    "ReauthPolicy": "min_wait=1 max_wait=60",
    "RefreshPolicy": (
        "buffer_seconds=300 check_interval=60 retry_attempts=3 retry_min_wait=1 retry_max_wait=30"
    ),
    "Account": (
        "account_id trader_login balance leverage_in_cents account_type access_rights "
        "broker_name deposit_asset_id swap_free is_limited_risk "
        "registration_timestamp=None max_leverage=None balance_version=None "
        "manager_bonus=None ib_bonus=None non_withdrawable_bonus=None"
    ),
    "AccountSummary": (
        "account_id is_live trader_login broker_name last_closing_deal_timestamp=None "
        "last_balance_update_timestamp=None"
    ),
    "AmendOrderRequest": (
        "order_id volume=None limit_price=None stop_price=None stop_loss=None "
        "take_profit=None expiration_timestamp=None slippage_in_points=None "
        "trailing_stop_loss=None guaranteed_stop_loss=None relative_stop_loss=None "
        "relative_take_profit=None stop_trigger_method=None"
    ),
    "AmendPositionRequest": (
        "position_id stop_loss=None take_profit=None trailing_stop_loss=False "
        "guaranteed_stop_loss=False stop_loss_trigger_method=None"
    ),
    "CloseDetail": (
        "entry_price closed_volume gross_profit swap commission balance "
        "pnl_conversion_fee=0 quote_to_deposit_rate=None balance_version=None"
    ),
    "ClosePositionRequest": "position_id volume",
    "Commission": (
        "type=USD_PER_MILLION_USD rate=0 minimum=0 minimum_type=CURRENCY minimum_asset=USD"
    ),
    "Deal": (
        "deal_id order_id position_id symbol_id side volume filled_volume "
        "execution_price execution_timestamp status commission create_timestamp=None "
        "last_update_timestamp=None margin_rate=None base_to_usd_rate=None "
        "close_detail=None"
    ),
    "Holiday": (
        "holiday_id name timezone holiday_date description='' is_recurring=False "
        "start_second=0 end_second=0"
    ),
    "NewOrderRequest": (
        "symbol_id side volume order_type=MARKET limit_price=None stop_price=None "
        "stop_loss=None take_profit=None time_in_force=GOOD_TILL_CANCEL "
        "expiration_timestamp=None position_id=None client_order_id='' label='' "
        "comment='' base_slippage_price=None slippage_in_points=None "
        "relative_stop_loss=None relative_take_profit=None trailing_stop_loss=False "
        "guaranteed_stop_loss=False stop_trigger_method=None"
    ),
    "Order": (
        "order_id symbol_id side order_type status volume time_in_force open_timestamp "
        "limit_price=None stop_price=None stop_loss=None take_profit=None "
        "execution_price=None executed_volume=0 expiration_timestamp=None "
        "position_id=None base_slippage_price=None slippage_in_points=None "
        "relative_stop_loss=None relative_take_profit=None is_closing_order=False "
        "is_stop_out=False trailing_stop_loss=False guaranteed_stop_loss=False "
        "stop_trigger_method=TRADE client_order_id='' label='' comment='' "
        "last_update_timestamp=None"
    ),
    "Position": (
        "position_id symbol_id side volume entry_price status open_timestamp "
        "money_digits stop_loss=None take_profit=None trailing_stop_loss=False "
        "guaranteed_stop_loss=False stop_loss_trigger_method=TRADE swap=0 commission=0 "
        "used_margin=0 margin_rate=None label='' comment='' last_update_timestamp=None "
        "close_timestamp=None"
    ),
    "PositionUnrealizedPnL": "position_id gross_unrealized_pnl net_unrealized_pnl",
    "ScheduleInterval": "start_second end_second",
    "Swap": (
        "calculation_type=PIPS long=0 short=0 triple_day=MONDAY period_hours=None "
        "charge_time=00:00:00 skip_periods=0 charged_at_weekends=False"
    ),
    "Symbol": (
        "symbol_id digits pip_position lot_size min_volume max_volume step_volume "
        "trading_mode commission swap max_exposure=None leverage_id=None "
        "enable_short_selling=True guaranteed_stop_loss=False sl_distance=0 "
        "tp_distance=0 schedule_timezone='' measurement_units='' trading_hours"
    ),
    "SymbolInfo": (
        "symbol_id name enabled base_asset_id quote_asset_id category_id=None description=''"
    ),
    "TickData": "timestamp price",
    "TradingHours": "timezone='' intervals=() holidays=()",
    "TradingSession": "start end",
    "Trendbar": "timestamp period open high low close volume",
    "AccountDisconnectEvent": "account_id",
    "ClientDisconnectEvent": "reason",
    "DepthEvent": "account_id symbol_id new_quotes deleted_quote_ids",
    "DepthQuote": "quote_id price size is_bid",
    "ExecutionEvent": (
        "account_id execution_type order position deal is_server_event=False error_code=None"
    ),
    "MarginCallTriggerEvent": "account_id margin_call_type margin_level_threshold",
    "MarginChangeEvent": "account_id position_id used_margin money_digits",
    "OrderErrorEvent": "account_id order_id position_id error_code description",
    "ReadyEvent": "account_id trigger",
    "ReconnectedEvent": "restored_accounts failed_accounts",
    "SpotEvent": "account_id symbol_id bid ask trendbar timestamp",
    "SubscriptionRestoreFailedEvent": "account_id error",
    "SymbolChangedEvent": "account_id symbol_ids",
    "TokenInvalidatedEvent": "account_ids reason",
    "TokenRefreshFailedEvent": "account_id error",
    "TraderUpdateEvent": "account_id account",
    "TrailingStopChangedEvent": "account_id position_id order_id stop_price timestamp",
}
"""Fields by class, in order; `=` and a default where there was one."""

PROPERTIES: Final[Mapping[str, str]] = {
    "CTraderClient": "auth accounts symbols trading market_data is_connected protocol",
    "AuthManager": "is_app_authenticated authenticated_accounts authorized_accounts",
    "Deal": "is_closing_deal",
    "Order": "is_pending is_filled",
    "TradingSession": "duration",
    "ReadyEvent": "is_reconnect",
}
"""Properties by class."""

METHODS: Final[Mapping[str, Mapping[str, str]]] = {
    "CTraderClient": {
        "__init__": "config * token_store=None",
        "is_account_authorized": "account_id",
        "on": "event_type * account_id=None symbol_id=None",
        "register_handler": "event_type handler * account_id=None symbol_id=None",
        "off": "event_type handler",
    },
    "AccountCredentials": {
        "expires_soon": "buffer_seconds=300",
        "is_expired": "",
        "time_until_expiry": "",
        "with_refreshed_tokens": "access_token refresh_token expires_in",
    },
    "AuthManager": {
        "is_account_authorized": "account_id",
        "get_credentials": "account_id",
        "authenticate_app": "timeout=None",
        "authenticate_trader": "credentials timeout=None",
        "refresh": "credentials timeout=None",
        "remove_account": "account_id",
    },
    "AccountsAPI": {
        "get_trader": "account_id timeout=None",
        "list_by_token": "access_token timeout=None",
        "resolve_account_id": "access_token trader_login timeout=None",
    },
    "MarketDataAPI": {
        "subscribe_spots": "account_id symbol_ids timeout=None",
        "unsubscribe_spots": "account_id symbol_ids timeout=None",
        "subscribe_trendbars": "account_id symbol_id period timeout=None",
        "unsubscribe_trendbars": "account_id symbol_id period timeout=None",
        "subscribe_depth": "account_id symbol_ids timeout=None",
        "unsubscribe_depth": "account_id symbol_ids timeout=None",
        "get_trendbars": "account_id symbol_id period from_timestamp to_timestamp timeout=None",
        "get_tick_data": (
            "account_id symbol_id from_timestamp to_timestamp quote_type=BID timeout=None"
        ),
    },
    "SymbolsAPI": {
        "list_all": "account_id timeout=None",
        "get_by_ids": "account_id symbol_ids timeout=None",
        "get_by_id": "account_id symbol_id timeout=None",
        "search": "account_id query timeout=None",
    },
    "TradingAPI": {
        "get_unrealized_pnl_per_position": "account_id",
        "place_order": "account_id request timeout=None",
        "amend_order": "account_id request timeout=None",
        "cancel_order": "account_id order_id timeout=None",
        "close_position": "account_id request timeout=None",
        "amend_position": "account_id request timeout=None",
        "get_open_positions": "account_id timeout=None",
        "get_orders": "account_id timeout=None from_timestamp=None to_timestamp=None",
        "get_pending_orders": "account_id timeout=None",
        "get_deals_by_position_id": "account_id position_id",
        "get_deals": "account_id from_timestamp to_timestamp timeout=None",
    },
    "Account": {
        "get_leverage": "",
    },
    "Holiday": {
        "occurs_on": "day",
        "closed_window": "day",
    },
    "Symbol": {
        "volume_to_lots": "volume_cents",
        "lots_to_volume": "lots",
        "quantize_price": "price",
    },
    "TradingHours": {
        "sessions_on": "day",
        "holidays_on": "day",
        "current_session": "at=None",
        "is_open": "at=None",
        "next_open": "after=None",
        "next_close": "after=None",
    },
    "TradingSession": {
        "contains": "moment",
    },
    "APIError": {
        "__init__": (
            "error_code description=None ctid_trader_account_id=None "
            "maintenance_end_timestamp=None retry_after=None"
        ),
        "is_rate_limited": "",
        "is_token_failure": "",
        "is_maintenance": "",
    },
    "AccountAuthError": {
        "__init__": "error_code description=None ctid_trader_account_id=None",
        "is_already_authorized": "",
    },
    "AccountNotFoundError": {
        "__init__": "trader_login available_logins=None",
    },
    "ApplicationAuthError": {
        "__init__": "error_code description=None",
    },
    "CTraderConnectionClosedError": {
        "__init__": "reason=None was_clean=False",
    },
    "CTraderConnectionFailedError": {
        "__init__": "host port cause=None",
    },
    "CTraderConnectionTimeoutError": {
        "__init__": "timeout_seconds operation=operation",
    },
    "CTraderReconnectAbandonedError": {
        "__init__": "reason cause=None",
    },
    "DeserializationError": {
        "__init__": "payload_type raw_data",
    },
    "FramingError": {
        "__init__": "expected_bytes received_bytes",
    },
    "TokenExpiredError": {
        "__init__": "ctid_trader_account_id=None",
    },
    "TokenRefreshError": {
        "__init__": "ctid_trader_account_id=None cause=None",
    },
    "UnknownEnumValueError": {
        "__init__": "enum value",
    },
    "UnknownPayloadTypeError": {
        "__init__": "payload_type",
    },
    "UnknownTimezoneError": {
        "__init__": "name",
    },
    "Protocol": {
        "send_request": "message timeout=None",
        "request": "message response_type timeout=None",
        "send_event": "message",
        "on_event": "message_type handler",
        "remove_handler": "message_type handler",
    },
}
"""Parameters by class and method; what follows `*` is given by name."""

MEMBERS: Final[Mapping[str, str]] = {
    "AccessRights": "FULL_ACCESS CLOSE_ONLY NO_TRADING NO_LOGIN",
    "AccountType": "HEDGED NETTED SPREAD_BETTING",
    "AuthTrigger": "INITIAL RECONNECT TOKEN_REFRESH ACCOUNT_REAUTH",
    "CommissionType": "USD_PER_MILLION_USD USD_PER_LOT PERCENTAGE_OF_VALUE QUOTE_CCY_PER_LOT",
    "DayOfWeek": "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
    "DealStatus": "FILLED PARTIALLY_FILLED REJECTED INTERNALLY_REJECTED ERROR MISSED",
    "ExecutionType": (
        "ORDER_ACCEPTED ORDER_FILLED ORDER_REPLACED ORDER_CANCELLED ORDER_EXPIRED "
        "ORDER_REJECTED ORDER_CANCEL_REJECTED ORDER_PARTIAL_FILL SWAP DEPOSIT_WITHDRAW "
        "BONUS_DEPOSIT_WITHDRAW"
    ),
    "MinCommissionType": "CURRENCY QUOTE_CURRENCY",
    "OrderSide": "BUY SELL",
    "OrderStatus": "ACCEPTED FILLED REJECTED EXPIRED CANCELLED",
    "OrderType": "MARKET LIMIT STOP STOP_LIMIT MARKET_RANGE STOP_LOSS_TAKE_PROFIT",
    "PositionStatus": "OPEN CLOSED CREATED ERROR",
    "StopTriggerMethod": "TRADE OPPOSITE DOUBLE_TRADE DOUBLE_OPPOSITE",
    "SwapCalculationType": "PIPS PERCENTAGE POINTS",
    "TimeInForce": (
        "GOOD_TILL_CANCEL GOOD_TILL_DATE IMMEDIATE_OR_CANCEL FILL_OR_KILL MARKET_ON_OPEN"
    ),
    "TradingMode": (
        "ENABLED DISABLED_WITHOUT_PENDINGS_EXECUTION DISABLED_WITH_PENDINGS_EXECUTION CLOSE_ONLY"
    ),
    "TrendbarPeriod": "M1 M2 M3 M4 M5 M10 M15 M30 H1 H4 H12 D1 W1 MN1",
}
"""Members by enumeration."""

BASES: Final[Mapping[str, str]] = {
    "APIError": "CTraderError",
    "AccountAuthError": "AuthenticationError",
    "AccountNotFoundError": "AuthenticationError",
    "ApplicationAuthError": "AuthenticationError",
    "AuthenticationError": "CTraderError",
    "CTraderConnectionClosedError": "CTraderConnectionError",
    "CTraderConnectionError": "CTraderError",
    "CTraderConnectionFailedError": "CTraderConnectionError",
    "CTraderConnectionTimeoutError": "CTraderConnectionError",
    "CTraderError": "Exception",
    "CTraderReconnectAbandonedError": "CTraderConnectionError",
    "DeserializationError": "ProtocolError",
    "FramingError": "ProtocolError",
    "ProtocolError": "CTraderError",
    "TokenExpiredError": "AuthenticationError",
    "TokenRefreshError": "AuthenticationError",
    "UnknownEnumValueError": "ProtocolError",
    "UnknownPayloadTypeError": "ProtocolError",
    "UnknownTimezoneError": "CTraderError",
}
"""Bases by error."""


# What this library adds to it, or does otherwise


ADDED_METHODS: Final[Mapping[str, Mapping[str, str]]] = {
    "CTraderClient": {
        "connect": "timeout=None",
        "close": "",
        "wait": "timeout=None",
        "stream": "event_type * account_id=None symbol_id=None",
    },
    # The surface that was there before the older client renamed it. The 30 seconds that were each
    # method's own default are now that of `ClientConfig.request_timeout`, which holds for all.
    "TokenStore": {
        "lock": "key",
        "find": "client_id refresh_token",
        "load": "key",
        "save": "key grant",
    },
    "AuthManager": {
        "start": "",
        "stop": "",
        "__init__": "protocol client_id client_secret on_tokens_refreshed=None",
        "authenticate_app": "timeout=None",
        "authenticate_account": "credentials timeout=None reauth=False reconnect=False",
        "authenticate_by_trader_login": (
            "trader_login access_token refresh_token expires_at timeout=None"
        ),
        "get_accounts": "access_token timeout=None",
        "resolve_account_id": "access_token trader_login timeout=None",
    },
    "Protocol": {"send": "message timeout=None"},
}
"""Further methods that the architecture names."""

ADDED_PROPERTIES: Final[Mapping[str, str]] = {"CTraderClient": "is_ready"}
"""Further properties that the architecture names."""

CHANGED: Final[Mapping[str, str]] = {
    # Live is spelled out: a forgotten host must not trade real money.
    "ClientConfig.host": "demo.ctraderapi.com",
    # One name for one thing: the account's id is `account_id` everywhere.
    "APIError.__init__(ctid_trader_account_id)": "account_id",
    "AccountAuthError.__init__(ctid_trader_account_id)": "account_id",
    "TokenExpiredError.__init__(ctid_trader_account_id)": "account_id",
    "TokenRefreshError.__init__(ctid_trader_account_id)": "account_id",
    # The end of a maintenance is an aware datetime, whichever error family told it.
    "APIError.__init__(maintenance_end_timestamp)": "maintenance_end",
    # As the attribute is called; `timeout_seconds` stays as a property.
    "CTraderConnectionTimeoutError.__init__(timeout_seconds)": "timeout",
}
"""Where the architecture wins: the default or the name that stands in its place."""

# The comparison


def homes(name: str) -> Iterator[type]:
    """Give the class of a name from both packages; the client has a name of its own in each."""
    yield getattr(ctrader, name)
    yield getattr(ctrader_sync, f"Sync{name}" if name == "CTraderClient" else name)


def terms(text: str) -> list[tuple[str, str | None]]:
    """Read names with their defaults."""
    parts = (term.partition("=") for term in text.split())
    return [(name, default if sign else None) for name, sign, default in parts]


def written(value: object) -> str:
    """Write a default as the tables do."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, BaseModel):
        return type(value).__name__
    if isinstance(value, bool) or value is None or value == () or value == "":
        return repr(value)
    try:
        return f"{float(value):g}"  # type: ignore[arg-type] # what is no number raises
    except (TypeError, ValueError):
        return str(value)


def defaults(cls: type) -> dict[str, str | None]:
    """Return the fields of a data class with their defaults, None where there is none."""
    if issubclass(cls, BaseModel):
        return {
            name: None
            if field.is_required()
            else written(field.get_default(call_default_factory=True))
            for name, field in cls.model_fields.items()
        }
    names: tuple[str, ...] = getattr(cls, "__struct_fields__")  # noqa: B009 - of no declared type
    values: tuple[Any, ...] = getattr(cls, "__struct_defaults__")  # noqa: B009 - of the last fields
    found: dict[str, str | None] = dict.fromkeys(names)
    for name, value in zip(reversed(names), reversed(values), strict=False):
        found[name] = None if value is NODEFAULT else written(value)
    return found


def is_there(cls: type, name: str) -> bool:
    """Whether instances of a data class have an attribute."""
    return name in defaults(cls) or isinstance(inspect.getattr_static(cls, name, None), property)


# Names


def names() -> list[str]:
    tables: tuple[Mapping[str, object], ...] = (FIELDS, PROPERTIES, METHODS, MEMBERS, BASES)
    return sorted({name for table in tables for name in table})


@pytest.mark.parametrize("name", names())
def test_name_is_exported_by_both_packages(name: str):
    assert all(isinstance(cls, type) for cls in homes(name))


# Data


@pytest.mark.parametrize("name", FIELDS)
def test_fields_are_there_with_their_defaults(name: str):
    for cls in homes(name):
        assert issubclass(cls, BaseModel) or hasattr(cls, "__struct_fields__")
        ours = defaults(cls)
        for field, default in terms(FIELDS[name]):
            assert is_there(cls, field), f"{name} lacks {field}"
            expected = CHANGED.get(f"{name}.{field}", default)
            if expected is not None and field in ours:
                assert ours[field] == expected, f"the default of {name}.{field}"


@pytest.mark.parametrize("name", sorted({*PROPERTIES, *ADDED_PROPERTIES}))
def test_properties_are_there(name: str):
    wanted = f"{PROPERTIES.get(name, '')} {ADDED_PROPERTIES.get(name, '')}".split()
    for cls in homes(name):
        for attribute in wanted:
            assert isinstance(inspect.getattr_static(cls, attribute), property), attribute


@pytest.mark.parametrize("name", MEMBERS)
def test_members_are_there(name: str):
    for cls in homes(name):
        assert issubclass(cls, Enum)
        assert set(MEMBERS[name].split()) <= set(cls.__members__)


# Calls


def methods() -> list[tuple[str, str, str]]:
    return [
        (name, method, parameters)
        for table in (METHODS, ADDED_METHODS)
        for name, rows in table.items()
        for method, parameters in rows.items()
    ]


@pytest.mark.parametrize(("name", "method", "parameters"), methods())
def test_method_takes_the_same(name: str, method: str, parameters: str):
    for cls in homes(name):
        signature = inspect.signature(getattr(cls, method))
        ours = [p for p in signature.parameters.values() if p.name != "self"]
        by_position = [p.name for p in ours if p.kind is not p.KEYWORD_ONLY]
        positional, _, _ = parameters.partition("*")
        wanted = wanted_parameters(f"{name}.{method}", parameters)
        for place, (parameter, default) in enumerate(wanted):
            assert parameter in signature.parameters, f"{name}.{method} lacks {parameter}"
            if place < len(positional.split()) and signature.parameters[parameter] in ours:
                keyword_only = (
                    signature.parameters[parameter].kind is inspect.Parameter.KEYWORD_ONLY
                )
                if not (keyword_only and issubclass(cls, BaseException)):
                    assert by_position[place] == parameter
            if default is not None:
                assert written(signature.parameters[parameter].default) == default, parameter
        known = {parameter for parameter, _ in wanted}
        assert all(p.default is not p.empty for p in ours if p.name not in known)


def wanted_parameters(label: str, parameters: str) -> list[tuple[str, str | None]]:
    """Return the parameters of a method as they should be here."""
    wanted: list[tuple[str, str | None]] = []
    for parameter, default in terms(parameters):
        key = f"{label}({parameter})"
        if parameter == "*":
            continue
        wanted.append((CHANGED.get(key, parameter), default))
    return wanted


@pytest.mark.parametrize("name", BASES)
def test_error_is_caught_by_the_same_base(name: str):
    base = {"Exception": Exception}.get(BASES[name]) or getattr(ctrader, BASES[name])
    assert all(issubclass(cls, base) for cls in homes(name))


def test_changes_name_what_exists():
    for key in CHANGED:
        owner, _, rest = key.partition(".")
        method, _, parameter = rest.rstrip(")").partition("(")
        if parameter:
            assert parameter in dict(terms(METHODS[owner][method]))
        else:
            assert method in dict(terms(FIELDS[owner]))


# The comparison itself


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (False, "False"),
        (10.0, "10"),
        (5035, "5035"),
        ((), "()"),
        ("", "''"),
        ("USD", "USD"),
        (ctrader.OrderType.MARKET, "MARKET"),
        (ctrader.ReauthPolicy(), "ReauthPolicy"),
    ],
)
def test_defaults_are_written_as_in_the_tables(value: object, text: str):
    assert written(value) == text


def test_field_that_is_not_there_is_noticed():
    assert is_there(ctrader.SpotEvent, "symbol_id")
    assert is_there(ctrader.SpotEvent, "bid")
    assert not is_there(ctrader.SpotEvent, "bit")
    assert is_there(ctrader.Order, "order_id")
    assert not is_there(ctrader.Order, "order_ident")
