"""The namespaces of both packages hand each call to the right operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

import ctrader.api
import ctrader_sync.api
from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.enums import NotificationType, OrderSide, QuoteType, TrendbarPeriod
from ctrader.errors import ConfigurationError, OrderOutcomeUnknownError
from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
from ctrader.proto import ProtoOASpotEvent, ProtoOAVersionReq, ProtoOAVersionRes

START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2024, 1, 2, tzinfo=UTC)
CREDENTIALS = AccountCredentials(
    account_id=7, access_token="access-1", refresh_token="refresh-1", expires_at=1_000.0
)
RENEWED = AccountCredentials(
    account_id=7, access_token="access-2", refresh_token="refresh-2", expires_at=2_000.0
)


class StandInSession:
    """The state of a session, without one."""

    is_application_authenticated = True
    authenticated_accounts = (7,)

    def is_account_authorized(self, account_id: int) -> bool:
        return account_id == 7

    def credentials(self, account_id: int) -> AccountCredentials | None:
        return CREDENTIALS if account_id == 7 else None

    def remove_account(self, account_id: int, now: int) -> bool:
        return (account_id, now) == (7, 123)


class StandIn:
    """Note what a namespace asks of its client."""

    def __init__(self) -> None:
        self.config = ClientConfig(
            host="live.ctraderapi.com", client_id="an-id", client_secret="a-secret"
        )
        self.calls: list[tuple[str, dict[str, Any], float | None, bool]] = []
        self.handlers: list[tuple[type, object]] = []
        self.result: object = object()
        self.token_callbacks: list[object] = []

    def note(self, operation: Any, timeout: float | None = None, *, paged: bool = False) -> object:
        name = f"{operation.gi_frame.f_globals['__name__'].split('.')[-1]}.{operation.__name__}"
        arguments = {k: v for k, v in operation.gi_frame.f_locals.items() if k != "fetch"}
        self.calls.append((name, arguments, timeout, paged))
        operation.close()
        return self.result

    def look(self, question: Callable[[Any], object]) -> object:
        return question(StandInSession())

    def change(self, instruction: Callable[[Any, int], object]) -> object:
        return instruction(StandInSession(), 123)

    def register(self, event_type: type, handler: object, **filters: object) -> None:
        self.handlers.append((event_type, handler))

    def unregister(self, event_type: type, handler: object) -> bool:
        if (event_type, handler) in self.handlers:
            self.handlers.remove((event_type, handler))
            return True
        return False


class SyncStandIn(StandIn):
    """The client of the blocking namespaces."""

    def run(self, operation: Any, timeout: float | None = None, *, paged: bool = False) -> object:
        return self.note(operation, timeout, paged=paged)


class AsyncStandIn(StandIn):
    """The client of the other ones."""

    async def run(
        self, operation: Any, timeout: float | None = None, *, paged: bool = False
    ) -> object:
        return self.note(operation, timeout, paged=paged)


def settle(result: Any) -> Any:
    """Return the result of a call, be it a coroutine; none here ever waits."""
    if not isinstance(result, Coroutine):
        return result
    try:
        result.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class Face:
    """One of the two packages, with a stand-in for its client."""

    def __init__(self, package: ModuleType, runner: StandIn) -> None:
        self.package = package
        self.runner = runner
        self.protocol = package.Protocol(runner)

    def namespace(self, name: str, **options: object) -> Any:
        if name == "AuthManager":
            return self.package.AuthManager(self.protocol, "an-id", "a-secret", **options)
        return getattr(self.package, name)(self.runner)


@pytest.fixture(params=["ctrader", "ctrader_sync"])
def face(request: pytest.FixtureRequest) -> Face:
    if request.param == "ctrader":
        return Face(ctrader.api, AsyncStandIn())
    return Face(ctrader_sync.api, SyncStandIn())


SPAN = {"from_timestamp": START, "to_timestamp": END}
ORDER = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100)
AMEND_ORDER = AmendOrderRequest(order_id=3, volume=100)
AMEND_POSITION = AmendPositionRequest(position_id=5, stop_loss=1.0)
CLOSE = ClosePositionRequest(position_id=5, volume=100)
NOW = object()
"""Stands for a moment during the test."""

# Namespace, method, arguments, the operation, its arguments where they differ, paged.
CALLS: list[tuple[str, str, dict[str, Any], str, dict[str, Any], bool]] = [
    ("AccountsAPI", "get_trader", {"account_id": 7}, "accounts.get_trader", {}, False),
    ("AccountsAPI", "list_by_token", {"access_token": "t"}, "accounts.list_by_token", {}, False),
    (
        "AccountsAPI",
        "resolve_account_id",
        {"access_token": "t", "trader_login": 1},
        "accounts.resolve_account_id",
        {"is_live": True},
        False,
    ),
    ("AccountsAPI", "get_profile", {"access_token": "t"}, "accounts.get_profile", {}, False),
    (
        "AccountsAPI",
        "get_cash_flow",
        {"account_id": 7, **SPAN},
        "accounts.get_cash_flow",
        {},
        True,
    ),
    (
        "AccountsAPI",
        "get_expected_margin",
        {"account_id": 7, "symbol_id": 1, "volumes": [100]},
        "accounts.get_expected_margin",
        {},
        False,
    ),
    (
        "AccountsAPI",
        "get_dynamic_leverage",
        {"account_id": 7, "leverage_id": 2},
        "accounts.get_dynamic_leverage",
        {},
        False,
    ),
    ("AccountsAPI", "get_margin_calls", {"account_id": 7}, "accounts.get_margin_calls", {}, False),
    (
        "AccountsAPI",
        "update_margin_call",
        {
            "account_id": 7,
            "margin_call_type": NotificationType.MARGIN_LEVEL_THRESHOLD_1,
            "margin_level_threshold": 80.0,
        },
        "accounts.update_margin_call",
        {},
        False,
    ),
    ("AccountsAPI", "subscribe_pnl", {"account_id": 7}, "accounts.subscribe_pnl", {}, False),
    ("AccountsAPI", "unsubscribe_pnl", {"account_id": 7}, "accounts.unsubscribe_pnl", {}, False),
    ("AuthManager", "authenticate_app", {}, "auth.authenticate_app", {}, False),
    (
        "AuthManager",
        "authenticate_account",
        {"credentials": CREDENTIALS, "reauth": True, "reconnect": False},
        "auth.authenticate_account",
        {},
        False,
    ),
    (
        "AuthManager",
        "authenticate_trader",
        {"credentials": CREDENTIALS},
        "auth.authenticate_account",
        {"reauth": False, "reconnect": False},
        False,
    ),
    (
        "AuthManager",
        "authenticate_by_trader_login",
        {"trader_login": 1, "access_token": "t", "refresh_token": "r", "expires_at": 5.0},
        "auth.authenticate_by_trader_login",
        {"is_live": True},
        False,
    ),
    ("AuthManager", "logout", {"account_id": 7}, "auth.logout", {}, False),
    ("AuthManager", "get_accounts", {"access_token": "t"}, "accounts.list_by_token", {}, False),
    (
        "AuthManager",
        "resolve_account_id",
        {"access_token": "t", "trader_login": 1},
        "accounts.resolve_account_id",
        {"is_live": True},
        False,
    ),
    ("SymbolsAPI", "list_all", {"account_id": 7}, "symbols.list_all", {}, False),
    ("SymbolsAPI", "list_archived", {"account_id": 7}, "symbols.list_archived", {}, False),
    (
        "SymbolsAPI",
        "get_by_ids",
        {"account_id": 7, "symbol_ids": [1]},
        "symbols.get_by_ids",
        {},
        True,
    ),
    (
        "SymbolsAPI",
        "get_archived_by_ids",
        {"account_id": 7, "symbol_ids": [1]},
        "symbols.get_archived_by_ids",
        {},
        True,
    ),
    (
        "SymbolsAPI",
        "get_by_id",
        {"account_id": 7, "symbol_id": 1},
        "symbols.get_by_id",
        {},
        False,
    ),
    (
        "SymbolsAPI",
        "get_by_name",
        {"account_id": 7, "name": "EURUSD"},
        "symbols.get_by_name",
        {},
        True,
    ),
    ("SymbolsAPI", "search", {"account_id": 7, "query": "eur"}, "symbols.search", {}, False),
    (
        "SymbolsAPI",
        "get_conversion_chain",
        {"account_id": 7, "first_asset_id": 1, "last_asset_id": 2},
        "symbols.get_conversion_chain",
        {},
        False,
    ),
    ("SymbolsAPI", "get_assets", {"account_id": 7}, "symbols.get_assets", {}, False),
    ("SymbolsAPI", "get_asset_classes", {"account_id": 7}, "symbols.get_asset_classes", {}, False),
    ("SymbolsAPI", "get_categories", {"account_id": 7}, "symbols.get_categories", {}, False),
    *(
        (
            "MarketDataAPI",
            f"{verb}_{topic}",
            {"account_id": 7, "symbol_ids": [1]},
            f"market_data.{verb}_{topic}",
            {},
            False,
        )
        for verb in ("subscribe", "unsubscribe")
        for topic in ("spots", "depth")
    ),
    *(
        (
            "MarketDataAPI",
            f"{verb}_trendbars",
            {"account_id": 7, "symbol_id": 1, "period": TrendbarPeriod.H1},
            f"market_data.{verb}_trendbars",
            {},
            False,
        )
        for verb in ("subscribe", "unsubscribe")
    ),
    (
        "MarketDataAPI",
        "get_trendbars",
        {"account_id": 7, "symbol_id": 1, "period": TrendbarPeriod.H1, **SPAN},
        "history.get_trendbars",
        {},
        True,
    ),
    (
        "MarketDataAPI",
        "get_last_trendbars",
        {"account_id": 7, "symbol_id": 1, "period": TrendbarPeriod.H1, "count": 200},
        "history.get_last_trendbars",
        {"to_timestamp": None, "now": NOW},
        True,
    ),
    (
        "MarketDataAPI",
        "get_tick_data",
        {"account_id": 7, "symbol_id": 1, **SPAN},
        "history.get_tick_data",
        {"quote_type": QuoteType.BID},
        True,
    ),
    (
        "TradingAPI",
        "place_order",
        {"account_id": 7, "request": ORDER},
        "trading.place_order",
        {"until": "done"},
        False,
    ),
    (
        "TradingAPI",
        "place_order",
        {"account_id": 7, "request": ORDER, "until": "accepted"},
        "trading.place_order",
        {},
        False,
    ),
    (
        "TradingAPI",
        "amend_order",
        {"account_id": 7, "request": AMEND_ORDER},
        "trading.amend_order",
        {},
        False,
    ),
    (
        "TradingAPI",
        "cancel_order",
        {"account_id": 7, "order_id": 3},
        "trading.cancel_order",
        {},
        False,
    ),
    (
        "TradingAPI",
        "close_position",
        {"account_id": 7, "request": CLOSE},
        "trading.close_position",
        {"until": "done"},
        False,
    ),
    (
        "TradingAPI",
        "close_position",
        {"account_id": 7, "request": CLOSE, "until": "accepted"},
        "trading.close_position",
        {},
        False,
    ),
    (
        "TradingAPI",
        "amend_position",
        {"account_id": 7, "request": AMEND_POSITION},
        "trading.amend_position",
        {},
        False,
    ),
    (
        "TradingAPI",
        "get_open_positions",
        {"account_id": 7},
        "trading.get_open_positions",
        {},
        False,
    ),
    (
        "TradingAPI",
        "get_pending_orders",
        {"account_id": 7, "protection_orders": True},
        "trading.get_pending_orders",
        {},
        False,
    ),
    (
        "TradingAPI",
        "reconcile",
        {"account_id": 7, "protection_orders": True},
        "trading.reconcile",
        {},
        False,
    ),
    (
        "TradingAPI",
        "get_unrealized_pnl_per_position",
        {"account_id": 7},
        "trading.get_unrealized_pnl_per_position",
        {},
        False,
    ),
    (
        "TradingAPI",
        "get_orders",
        {"account_id": 7, **SPAN},
        "history.get_orders",
        {"now": NOW},
        True,
    ),
    (
        "TradingAPI",
        "get_orders_by_position_id",
        {"account_id": 7, "position_id": 5},
        "history.get_orders_by_position_id",
        {"from_timestamp": None, "to_timestamp": None},
        True,
    ),
    (
        "TradingAPI",
        "get_order_details",
        {"account_id": 7, "order_id": 3},
        "history.get_order_details",
        {},
        False,
    ),
    (
        "TradingAPI",
        "get_deals",
        {"account_id": 7, **SPAN},
        "history.get_deals",
        {"now": NOW, "max_rows": None},
        True,
    ),
    (
        "TradingAPI",
        "get_deals_by_position_id",
        {"account_id": 7, "position_id": 5},
        "history.get_deals_by_position_id",
        {"from_timestamp": None, "to_timestamp": None},
        True,
    ),
    (
        "TradingAPI",
        "get_deals",
        {"account_id": 7, **SPAN, "max_rows": 500},
        "history.get_deals",
        {"now": NOW},
        True,
    ),
    *(
        (
            "TradingAPI",
            f"get_{rows}_by_position_id",
            {"account_id": 7, "position_id": 5, **SPAN},
            f"history.get_{rows}_by_position_id",
            {},
            True,
        )
        for rows in ("deals", "orders")
    ),
    (
        "TradingAPI",
        "get_deal_offsets",
        {"account_id": 7, "deal_id": 4},
        "history.get_deal_offsets",
        {},
        False,
    ),
    (
        "Protocol",
        "send_request",
        {"message": ProtoOAVersionReq()},
        "raw.send_request",
        {},
        False,
    ),
    (
        "Protocol",
        "request",
        {"message": ProtoOAVersionReq(), "response_type": ProtoOAVersionRes},
        "raw.request",
        {},
        False,
    ),
    ("Protocol", "get_version", {}, "raw.get_version", {}, False),
    ("Protocol", "send", {"message": ProtoOAVersionReq()}, "raw.send", {}, False),
    ("Protocol", "send_event", {"message": ProtoOAVersionReq()}, "raw.send", {}, False),
]


@pytest.mark.parametrize(
    ("namespace", "method", "arguments", "operation", "further", "paged"),
    CALLS,
    ids=[f"{call[0]}.{call[1]}" for call in CALLS],
)
def test_method_hands_its_arguments_to_its_operation(
    face: Face,
    namespace: str,
    method: str,
    arguments: dict[str, Any],
    operation: str,
    further: dict[str, Any],
    paged: bool,
) -> None:
    before = datetime.now(UTC)

    result = settle(getattr(face.namespace(namespace), method)(**arguments, timeout=5.0))

    ((name, given, timeout, was_paged),) = face.runner.calls
    assert (name, timeout, was_paged) == (operation, 5.0, paged)
    expected = {**arguments, **further}
    if expected.get("now") is NOW:
        assert before <= given["now"] <= datetime.now(UTC)
        expected["now"] = given["now"]
    assert given == expected
    if method != "authenticate_trader":
        assert result is face.runner.result


def test_every_method_that_asks_is_covered(face: Face) -> None:
    covered = {(call[0], call[1]) for call in CALLS}
    covered |= {("AuthManager", "refresh"), ("TradingAPI", "resolve")}
    asking = {
        (namespace, name)
        for namespace in face.package.__all__
        for name, member in inspect.getmembers(getattr(face.package, namespace), inspect.isfunction)
        if not name.startswith("_") and "timeout" in inspect.signature(member).parameters
    }

    assert asking == covered


@pytest.mark.parametrize("namespace", ctrader.api.__all__)
def test_both_packages_have_the_same_signatures(namespace: str) -> None:
    def signatures(package: ModuleType) -> dict[str, str]:
        return {
            name: str(inspect.signature(member)).replace("ctrader_sync", "ctrader")
            for name, member in inspect.getmembers(getattr(package, namespace), inspect.isfunction)
        }

    assert signatures(ctrader.api) == signatures(ctrader_sync.api)


# Authentication


def test_state_is_that_of_the_session(face: Face) -> None:
    auth = face.namespace("AuthManager")

    assert auth.is_app_authenticated is True
    assert list(auth.authenticated_accounts) == [7]
    assert list(auth.authorized_accounts) == [7]
    assert auth.is_account_authorized(7)
    assert not auth.is_account_authorized(8)
    assert auth.get_credentials(7) is CREDENTIALS
    assert auth.get_credentials(8) is None


def test_remove_account_happens_at_the_present_moment(face: Face) -> None:
    auth = face.namespace("AuthManager")

    assert auth.remove_account(7) is True
    assert auth.remove_account(8) is False


def test_another_application_on_the_same_connection_is_refused(face: Face) -> None:
    with pytest.raises(ConfigurationError, match="client_id differs") as caught:
        face.package.AuthManager(face.protocol, "another-id", "a-secret")

    assert "a-secret" not in str(caught.value)


def test_refresh_gives_what_the_session_got(face: Face) -> None:
    face.runner.result = RENEWED

    renewed = settle(face.namespace("AuthManager").refresh(CREDENTIALS, timeout=5.0))

    assert renewed is RENEWED
    assert face.runner.calls == [("auth.refresh_tokens", {"credentials": CREDENTIALS}, 5.0, False)]


def test_callback_of_a_further_manager_is_added(face: Face) -> None:
    told: list[AccountCredentials] = []

    face.namespace("AuthManager", on_tokens_refreshed=told.append)
    face.namespace("AuthManager")

    assert face.runner.token_callbacks == [told.append]


def test_outcome_is_waited_for_without_end_unless_a_time_is_given(face: Face) -> None:
    trading = face.namespace("TradingAPI")
    doubt = OrderOutcomeUnknownError("mine", client_msg_id="1-1")

    settle(trading.resolve(doubt))
    settle(trading.resolve(doubt, timeout=3.0))

    ((name, given, endless, _), (_, _, seconds, _)) = face.runner.calls
    assert name == "resolution.outcome_of"
    assert given == {"doubt": doubt}
    assert endless is not None
    assert endless > 1e8
    assert seconds == 3.0


# Handlers of raw messages


def test_handler_is_removed_by_what_registering_returned(face: Face) -> None:
    remove = face.protocol.on_event(ProtoOASpotEvent, print)
    assert face.runner.handlers == [(ProtoOASpotEvent, print)]

    remove()
    remove()

    assert face.runner.handlers == []


def test_handler_is_removed_by_name(face: Face) -> None:
    face.protocol.on_event(ProtoOASpotEvent, print)

    assert face.protocol.remove_handler(ProtoOASpotEvent, print) is True
    assert face.protocol.remove_handler(ProtoOASpotEvent, print) is False
