"""Name the method of each request, how it is called, and where its answer is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.message import Message

from ctrader import (
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
    enums,
    models,
)
from ctrader.credentials import AccountCredentials
from ctrader.models.market import bars_from_proto, ticks_from_proto
from ctrader.proto import (
    ProtoOACtidTraderAccount,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOALightSymbol,
    ProtoOAOrder,
    ProtoOAPosition,
    ProtoOAReconcileRes,
    ProtoOASymbolsListRes,
    ProtoOATradeData,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from tests.coverage_of_schema.homes import amount
from tests.protocol.peer import ACCOUNT, UNIX_START, settings

__all__ = [
    "CALLS",
    "CORE",
    "CREDENTIALS",
    "ECHOES",
    "EXEMPT",
    "PAGED",
    "RESULTS",
    "WIDE",
    "Call",
    "Result",
]

MOMENT: Final = 1_600_000_000_000
FROM, TO = (datetime.fromtimestamp((MOMENT + shift) / 1000, UTC) for shift in (0, 3_600_000))
SPAN: Final = {"from_timestamp": FROM, "to_timestamp": TO}
SPAN_SENT: Final = {"fromTimestamp": MOMENT, "toTimestamp": MOMENT + 3_600_000}
EXPIRY: Final = datetime(2030, 1, 1, tzinfo=UTC)
EXPIRY_MS: Final = 1_893_456_000_000
CREDENTIALS: Final = AccountCredentials(
    account_id=ACCOUNT,
    access_token="the-access-token",
    refresh_token="the-refresh-token",
    expires_at=UNIX_START + 1,
)
ON: Final = {"ctidTraderAccountId": ACCOUNT}


@dataclass(frozen=True)
class Call:
    """One way to cause a request."""

    namespace: str
    method: str
    arguments: Mapping[str, Any]
    sends: Mapping[str, Any]
    """Every field that the request bears, with its value; parts as `marginCall.marginCallType`."""
    before: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    """Calls that have to be made first."""
    answers: Mapping[str, Message] = field(default_factory=dict[str, Message])
    """Answers of the server that are not the usual ones."""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """The client's settings that are not the usual ones."""


def _order(kind: str, *, guaranteed: bool = False, **terms: Any) -> ProtoOAReconcileRes:
    trade = ProtoOATradeData(
        symbolId=1, volume=1000, tradeSide="BUY", guaranteedStopLoss=guaranteed
    )
    return ProtoOAReconcileRes(
        ctidTraderAccountId=ACCOUNT,
        order=[
            ProtoOAOrder(
                orderId=31,
                tradeData=trade,
                orderType=kind,
                orderStatus="ORDER_STATUS_ACCEPTED",
                timeInForce="GOOD_TILL_DATE",
                **terms,
            )
        ],
    )


def _position(*, guaranteed: bool = False, **protection: Any) -> ProtoOAReconcileRes:
    return ProtoOAReconcileRes(
        ctidTraderAccountId=ACCOUNT,
        position=[
            ProtoOAPosition(
                positionId=41,
                tradeData=ProtoOATradeData(
                    symbolId=1, volume=1000, tradeSide="BUY", guaranteedStopLoss=guaranteed
                ),
                positionStatus="POSITION_STATUS_OPEN",
                swap=0,
                price=1.2,
                moneyDigits=2,
                **protection,
            )
        ],
    )


_LOGIN: Final = 17
_ACCOUNT_OF_LOGIN: Final = ProtoOAGetAccountListByAccessTokenRes(
    accessToken="another-token",
    ctidTraderAccount=[ProtoOACtidTraderAccount(ctidTraderAccountId=ACCOUNT, traderLogin=_LOGIN)],
)
_BY_LOGIN: Final = {
    "trader_login": _LOGIN,
    "access_token": "another-token",
    "refresh_token": "another-refresh-token",
    "expires_at": UNIX_START + 2,
}
_ONE_NAME: Final = ProtoOASymbolsListRes(
    ctidTraderAccountId=ACCOUNT, symbol=[ProtoOALightSymbol(symbolId=7, symbolName="EURUSD")]
)
_BY_NAME: Final = {"account_id": ACCOUNT, "name": "EURUSD"}


def _on_account(method: str, namespace: str = "AccountsAPI", **sends: Any) -> tuple[Call, ...]:
    return (Call(namespace, method, {"account_id": ACCOUNT}, {**ON, **sends}),)


def _subscription(verb: str, topic: str, **sends: Any) -> tuple[Call, ...]:
    arguments = {"account_id": ACCOUNT, "symbol_ids": [1, 2]}
    first = (("MarketDataAPI", f"subscribe_{topic}", arguments),) if verb == "unsubscribe" else ()
    return (
        Call(
            "MarketDataAPI",
            f"{verb}_{topic}",
            arguments,
            {**ON, "symbolId": [1, 2], **sends},
            before=first,
        ),
    )


def _one_by_one(verb: str) -> tuple[Call, ...]:
    """Depth is asked for symbol by symbol."""
    return tuple(
        Call(
            "MarketDataAPI",
            f"{verb}_depth",
            {"account_id": ACCOUNT, "symbol_ids": [symbol]},
            {**ON, "symbolId": [symbol]},
            before=(
                (
                    (
                        "MarketDataAPI",
                        "subscribe_depth",
                        {"account_id": ACCOUNT, "symbol_ids": [symbol]},
                    ),
                )
                if verb == "unsubscribe"
                else ()
            ),
        )
        for symbol in (1, 2)
    )


def _bars(verb: str) -> tuple[Call, ...]:
    arguments = {"account_id": ACCOUNT, "symbol_id": 1, "period": enums.TrendbarPeriod.H4}
    return (
        Call(
            "MarketDataAPI",
            f"{verb}_trendbars",
            arguments,
            {**ON, "symbolId": 1, "period": 10},
            before=(
                (("MarketDataAPI", "subscribe_trendbars", arguments),)
                if verb == "unsubscribe"
                else ()
            ),
        ),
    )


def _place(request: NewOrderRequest, **sends: Any) -> Call:
    usual = {**ON, "symbolId": 1, "tradeSide": 2, "volume": 1000}
    return Call(
        "TradingAPI",
        "place_order",
        {"account_id": ACCOUNT, "request": request},
        {**usual, **sends},
    )


def _sell(kind: enums.OrderType, **terms: Any) -> NewOrderRequest:
    return NewOrderRequest(
        symbol_id=1, side=enums.OrderSide.SELL, volume=1000, order_type=kind, **terms
    )


CALLS: Final[Mapping[str, tuple[Call, ...]]] = {
    # Whoever connects has the application authenticated; the settings hold both fields.
    "ProtoOAApplicationAuthReq": (
        Call(
            "AuthManager",
            "authenticate_app",
            {},
            {"clientId": settings().client_id, "clientSecret": settings().client_secret},
        ),
    ),
    "ProtoOAAccountAuthReq": (
        Call(
            "AuthManager",
            "authenticate_account",
            {"credentials": CREDENTIALS.model_copy(update={"access_token": "another-token"})},
            {**ON, "accessToken": "another-token"},
        ),
        Call(
            "AuthManager",
            "authenticate_trader",
            {"credentials": CREDENTIALS.model_copy(update={"access_token": "another-token"})},
            {**ON, "accessToken": "another-token"},
        ),
        Call(
            "AuthManager",
            "authenticate_by_trader_login",
            _BY_LOGIN,
            {**ON, "accessToken": "another-token"},
            answers={"ProtoOAGetAccountListByAccessTokenReq": _ACCOUNT_OF_LOGIN},
        ),
    ),
    "ProtoOAVersionReq": (Call("Protocol", "get_version", {}, {}),),
    "ProtoOANewOrderReq": (
        _place(
            _sell(
                enums.OrderType.LIMIT,
                limit_price=1.25,
                stop_loss=1.3,
                take_profit=1.2,
                time_in_force=enums.TimeInForce.GOOD_TILL_DATE,
                expiration_timestamp=EXPIRY,
                comment="a comment",
                label="a label",
                client_order_id="an-id",
                position_id=41,
                guaranteed_stop_loss=True,
                trailing_stop_loss=True,
            ),
            orderType=2,
            limitPrice=1.25,
            stopLoss=1.3,
            takeProfit=1.2,
            timeInForce=1,
            expirationTimestamp=EXPIRY_MS,
            comment="a comment",
            label="a label",
            clientOrderId="an-id",
            positionId=41,
            guaranteedStopLoss=True,
            trailingStopLoss=True,
        ),
        _place(
            _sell(
                enums.OrderType.MARKET_RANGE,
                base_slippage_price=1.25,
                slippage_in_points=7,
                relative_stop_loss=0.005,
                relative_take_profit=0.01,
                client_order_id="another-id",
            ),
            orderType=5,
            baseSlippagePrice=1.25,
            slippageInPoints=7,
            relativeStopLoss=500,
            relativeTakeProfit=1000,
            clientOrderId="another-id",
        ),
        _place(
            _sell(
                enums.OrderType.STOP,
                stop_price=1.15,
                stop_trigger_method=enums.StopTriggerMethod.DOUBLE_TRADE,
                client_order_id="third-id",
            ),
            orderType=3,
            stopPrice=1.15,
            stopTriggerMethod=3,
            clientOrderId="third-id",
        ),
    ),
    "ProtoOACancelOrderReq": (
        Call(
            "TradingAPI",
            "cancel_order",
            {"account_id": ACCOUNT, "order_id": 31},
            {**ON, "orderId": 31},
        ),
    ),
    "ProtoOAAmendOrderReq": (
        Call(
            "TradingAPI",
            "amend_order",
            {
                "account_id": ACCOUNT,
                "request": AmendOrderRequest(
                    order_id=31,
                    volume=2000,
                    limit_price=1.1,
                    expiration_timestamp=EXPIRY,
                    stop_loss=1.05,
                    take_profit=1.15,
                    guaranteed_stop_loss=True,
                    trailing_stop_loss=True,
                ),
            },
            {
                **ON,
                "orderId": 31,
                "volume": 2000,
                "limitPrice": 1.1,
                "expirationTimestamp": EXPIRY_MS,
                "stopLoss": 1.05,
                "takeProfit": 1.15,
                "guaranteedStopLoss": True,
                "trailingStopLoss": True,
            },
            answers={"ProtoOAReconcileReq": _order("LIMIT", limitPrice=1.0)},
        ),
        Call(
            "TradingAPI",
            "amend_order",
            {
                "account_id": ACCOUNT,
                "request": AmendOrderRequest(
                    order_id=31,
                    stop_price=1.3,
                    slippage_in_points=9,
                    relative_stop_loss=0.005,
                    relative_take_profit=0.01,
                    stop_trigger_method=enums.StopTriggerMethod.OPPOSITE,
                ),
            },
            {
                **ON,
                "orderId": 31,
                "volume": 1000,
                "stopPrice": 1.3,
                "slippageInPoints": 9,
                "relativeStopLoss": 500,
                "relativeTakeProfit": 1000,
                "stopTriggerMethod": 2,
                "guaranteedStopLoss": False,
                "trailingStopLoss": False,
            },
            answers={
                "ProtoOAReconcileReq": _order("STOP_LIMIT", stopPrice=1.2, slippageInPoints=3)
            },
        ),
        # What the server would take for removed is read and sent again.
        Call(
            "TradingAPI",
            "amend_order",
            {"account_id": ACCOUNT, "request": AmendOrderRequest(order_id=31, volume=2000)},
            {
                **ON,
                "orderId": 31,
                "volume": 2000,
                "limitPrice": 1.1,
                "expirationTimestamp": EXPIRY_MS,
                "stopLoss": 1.05,
                "takeProfit": 1.15,
                "guaranteedStopLoss": True,
                "trailingStopLoss": True,
            },
            answers={
                "ProtoOAReconcileReq": _order(
                    "LIMIT",
                    guaranteed=True,
                    limitPrice=1.1,
                    expirationTimestamp=EXPIRY_MS,
                    stopLoss=1.05,
                    takeProfit=1.15,
                    trailingStopLoss=True,
                )
            },
        ),
        Call(
            "TradingAPI",
            "amend_order",
            {"account_id": ACCOUNT, "request": AmendOrderRequest(order_id=31, volume=2000)},
            {
                **ON,
                "orderId": 31,
                "volume": 2000,
                "stopPrice": 1.3,
                "slippageInPoints": 9,
                "relativeStopLoss": 500,
                "relativeTakeProfit": 1000,
                "stopTriggerMethod": 2,
                "guaranteedStopLoss": False,
                "trailingStopLoss": False,
            },
            answers={
                "ProtoOAReconcileReq": _order(
                    "STOP_LIMIT",
                    stopPrice=1.3,
                    slippageInPoints=9,
                    relativeStopLoss=500,
                    relativeTakeProfit=1000,
                    stopTriggerMethod="OPPOSITE",
                )
            },
        ),
    ),
    "ProtoOAAmendPositionSLTPReq": (
        Call(
            "TradingAPI",
            "amend_position",
            {
                "account_id": ACCOUNT,
                "request": AmendPositionRequest(
                    position_id=41,
                    stop_loss=1.1,
                    take_profit=1.3,
                    guaranteed_stop_loss=True,
                    trailing_stop_loss=True,
                    stop_loss_trigger_method=enums.StopTriggerMethod.OPPOSITE,
                ),
            },
            {
                **ON,
                "positionId": 41,
                "stopLoss": 1.1,
                "takeProfit": 1.3,
                "guaranteedStopLoss": True,
                "trailingStopLoss": True,
                "stopLossTriggerMethod": 2,
            },
            answers={"ProtoOAReconcileReq": _position()},
        ),
        *(
            Call(
                "TradingAPI",
                "amend_position",
                {"account_id": ACCOUNT, "request": change},
                {
                    **ON,
                    "positionId": 41,
                    "stopLoss": 1.1,
                    "takeProfit": 1.3,
                    "guaranteedStopLoss": True,
                    "trailingStopLoss": True,
                    "stopLossTriggerMethod": 2,
                },
                answers={"ProtoOAReconcileReq": held},
            )
            for change, held in (
                (
                    AmendPositionRequest(position_id=41, take_profit=1.3),
                    _position(
                        stopLoss=1.1,
                        takeProfit=1.25,
                        guaranteedStopLoss=True,
                        trailingStopLoss=True,
                        stopLossTriggerMethod="OPPOSITE",
                    ),
                ),
                (
                    AmendPositionRequest(position_id=41, stop_loss=1.1),
                    _position(
                        stopLoss=1.05,
                        takeProfit=1.3,
                        guaranteed=True,
                        trailingStopLoss=True,
                        stopLossTriggerMethod="OPPOSITE",
                    ),
                ),
            )
        ),
    ),
    "ProtoOAClosePositionReq": (
        Call(
            "TradingAPI",
            "close_position",
            {
                "account_id": ACCOUNT,
                "request": ClosePositionRequest(position_id=41, volume=500),
            },
            {**ON, "positionId": 41, "volume": 500},
            answers={"ProtoOAReconcileReq": _position()},
        ),
    ),
    "ProtoOAAssetListReq": _on_account("get_assets", "SymbolsAPI"),
    "ProtoOASymbolsListReq": (
        *_on_account("list_archived", "SymbolsAPI", includeArchivedSymbols=True),
        *_on_account("list_all", "SymbolsAPI"),
        Call("SymbolsAPI", "search", {"account_id": ACCOUNT, "query": "SymbolName"}, ON),
        Call(
            "SymbolsAPI", "get_by_name", _BY_NAME, ON, answers={"ProtoOASymbolsListReq": _ONE_NAME}
        ),
    ),
    "ProtoOASymbolByIdReq": (
        *(
            Call(
                "SymbolsAPI",
                method,
                {"account_id": ACCOUNT, "symbol_ids": [1, 2]},
                {**ON, "symbolId": [1, 2]},
            )
            for method in ("get_by_ids", "get_archived_by_ids")
        ),
        Call(
            "SymbolsAPI",
            "get_by_id",
            {"account_id": ACCOUNT, "symbol_id": 7},
            {**ON, "symbolId": [7]},
        ),
        Call(
            "SymbolsAPI",
            "get_by_name",
            _BY_NAME,
            {**ON, "symbolId": [7]},
            answers={"ProtoOASymbolsListReq": _ONE_NAME},
        ),
        # What is to be traded is checked against the symbol's rules first.
        Call(
            "TradingAPI",
            "place_order",
            {"account_id": ACCOUNT, "request": _sell(enums.OrderType.LIMIT, limit_price=1.25)},
            {**ON, "symbolId": [1]},
        ),
        Call(
            "TradingAPI",
            "amend_order",
            {"account_id": ACCOUNT, "request": AmendOrderRequest(order_id=31, volume=2000)},
            {**ON, "symbolId": [1]},
            answers={"ProtoOAReconcileReq": _order("LIMIT", limitPrice=1.0)},
        ),
        Call(
            "TradingAPI",
            "amend_position",
            {
                "account_id": ACCOUNT,
                "request": AmendPositionRequest(position_id=41, stop_loss=1.1),
            },
            {**ON, "symbolId": [1]},
            answers={"ProtoOAReconcileReq": _position()},
        ),
    ),
    "ProtoOASymbolsForConversionReq": (
        Call(
            "SymbolsAPI",
            "get_conversion_chain",
            {"account_id": ACCOUNT, "first_asset_id": 3, "last_asset_id": 4},
            {**ON, "firstAssetId": 3, "lastAssetId": 4},
        ),
    ),
    "ProtoOAAssetClassListReq": _on_account("get_asset_classes", "SymbolsAPI"),
    "ProtoOATraderReq": (
        *_on_account("get_trader"),
        Call(
            "Protocol",
            "request",
            {
                "message": ProtoOATraderReq(ctidTraderAccountId=ACCOUNT),
                "response_type": ProtoOATraderRes,
            },
            ON,
        ),
        *(
            Call("Protocol", method, {"message": ProtoOATraderReq(ctidTraderAccountId=ACCOUNT)}, ON)
            for method in ("send_request", "send", "send_event")
        ),
    ),
    "ProtoOAReconcileReq": (
        *_on_account("reconcile", "TradingAPI"),
        Call(
            "TradingAPI",
            "reconcile",
            {"account_id": ACCOUNT, "protection_orders": True},
            {**ON, "returnProtectionOrders": True},
        ),
        *_on_account("get_open_positions", "TradingAPI"),
        *_on_account("get_pending_orders", "TradingAPI"),
        Call(
            "TradingAPI",
            "get_pending_orders",
            {"account_id": ACCOUNT, "protection_orders": True},
            {**ON, "returnProtectionOrders": True},
        ),
    ),
    "ProtoOADealListReq": (
        Call(
            "TradingAPI",
            "get_deals",
            {"account_id": ACCOUNT, **SPAN, "max_rows": 50},
            {**ON, **SPAN_SENT, "maxRows": 50},
        ),
    ),
    "ProtoOAOrderListReq": (
        Call("TradingAPI", "get_orders", {"account_id": ACCOUNT, **SPAN}, {**ON, **SPAN_SENT}),
    ),
    "ProtoOAExpectedMarginReq": (
        Call(
            "AccountsAPI",
            "get_expected_margin",
            {"account_id": ACCOUNT, "symbol_id": 1, "volumes": [1000, 2000]},
            {**ON, "symbolId": 1, "volume": [1000, 2000]},
        ),
    ),
    "ProtoOACashFlowHistoryListReq": (
        Call("AccountsAPI", "get_cash_flow", {"account_id": ACCOUNT, **SPAN}, {**ON, **SPAN_SENT}),
    ),
    "ProtoOAGetAccountListByAccessTokenReq": (
        Call("AccountsAPI", "list_by_token", {"access_token": "token"}, {"accessToken": "token"}),
        Call("AuthManager", "get_accounts", {"access_token": "token"}, {"accessToken": "token"}),
        *(
            Call(
                namespace,
                "resolve_account_id",
                {"access_token": "token", "trader_login": _LOGIN},
                {"accessToken": "token"},
                answers={"ProtoOAGetAccountListByAccessTokenReq": _ACCOUNT_OF_LOGIN},
            )
            for namespace in ("AccountsAPI", "AuthManager")
        ),
        Call(
            "AuthManager",
            "authenticate_by_trader_login",
            _BY_LOGIN,
            {"accessToken": "another-token"},
            answers={"ProtoOAGetAccountListByAccessTokenReq": _ACCOUNT_OF_LOGIN},
        ),
    ),
    "ProtoOARefreshTokenReq": (
        Call(
            "AuthManager",
            "refresh",
            {"credentials": CREDENTIALS},
            {"refreshToken": "the-refresh-token"},
        ),
    ),
    "ProtoOASubscribeSpotsReq": (
        *_subscription("subscribe", "spots", subscribeToSpotTimestamp=True),
        Call(
            "MarketDataAPI",
            "subscribe_spots",
            {"account_id": ACCOUNT, "symbol_ids": [1]},
            {**ON, "symbolId": [1], "subscribeToSpotTimestamp": False},
            settings={"spot_timestamps": False},
        ),
    ),
    "ProtoOAUnsubscribeSpotsReq": _subscription("unsubscribe", "spots"),
    "ProtoOASubscribeLiveTrendbarReq": _bars("subscribe"),
    "ProtoOAUnsubscribeLiveTrendbarReq": _bars("unsubscribe"),
    "ProtoOAGetTrendbarsReq": (
        Call(
            "MarketDataAPI",
            "get_trendbars",
            {"account_id": ACCOUNT, "symbol_id": 1, "period": enums.TrendbarPeriod.H4, **SPAN},
            {**ON, **SPAN_SENT, "symbolId": 1, "period": 10},
        ),
        Call(
            "MarketDataAPI",
            "get_last_trendbars",
            {
                "account_id": ACCOUNT,
                "symbol_id": 1,
                "period": enums.TrendbarPeriod.M1,
                "count": 20,
                "to_timestamp": TO,
            },
            {
                **ON,
                "fromTimestamp": MOMENT + 3_600_000 - 5 * 604_800_000,
                "toTimestamp": MOMENT + 3_600_000,
                "symbolId": 1,
                "period": 1,
                "count": 21,
            },
        ),
    ),
    "ProtoOAGetTickDataReq": (
        Call(
            "MarketDataAPI",
            "get_tick_data",
            {
                "account_id": ACCOUNT,
                "symbol_id": 1,
                **SPAN,
                "quote_type": enums.QuoteType.ASK,
            },
            {**ON, **SPAN_SENT, "symbolId": 1, "type": 2},
        ),
    ),
    "ProtoOAGetCtidProfileByTokenReq": (
        Call("AccountsAPI", "get_profile", {"access_token": "token"}, {"accessToken": "token"}),
    ),
    "ProtoOASubscribeDepthQuotesReq": _one_by_one("subscribe"),
    "ProtoOAUnsubscribeDepthQuotesReq": _one_by_one("unsubscribe"),
    "ProtoOASymbolCategoryListReq": _on_account("get_categories", "SymbolsAPI"),
    "ProtoOAAccountLogoutReq": _on_account("logout", "AuthManager"),
    "ProtoOAMarginCallListReq": _on_account("get_margin_calls"),
    "ProtoOAMarginCallUpdateReq": (
        Call(
            "AccountsAPI",
            "update_margin_call",
            {
                "account_id": ACCOUNT,
                "margin_call_type": enums.NotificationType.MARGIN_LEVEL_THRESHOLD_2,
                "margin_level_threshold": 82.5,
            },
            {**ON, "marginCall.marginCallType": 62, "marginCall.marginLevelThreshold": 82.5},
        ),
    ),
    "ProtoOAGetDynamicLeverageByIDReq": (
        Call(
            "AccountsAPI",
            "get_dynamic_leverage",
            {"account_id": ACCOUNT, "leverage_id": 5},
            {**ON, "leverageId": 5},
        ),
    ),
    **{
        f"ProtoOA{name}ListByPositionIdReq": (
            Call(
                "TradingAPI",
                f"get_{name.lower()}s_by_position_id",
                {"account_id": ACCOUNT, "position_id": 41, **SPAN},
                {**ON, "positionId": 41, **SPAN_SENT},
            ),
        )
        for name in ("Deal", "Order")
    },
    "ProtoOAOrderDetailsReq": (
        Call(
            "TradingAPI",
            "get_order_details",
            {"account_id": ACCOUNT, "order_id": 31},
            {**ON, "orderId": 31},
        ),
    ),
    "ProtoOADealOffsetListReq": (
        Call(
            "TradingAPI",
            "get_deal_offsets",
            {"account_id": ACCOUNT, "deal_id": 51},
            {**ON, "dealId": 51},
        ),
    ),
    "ProtoOAGetPositionUnrealizedPnLReq": _on_account(
        "get_unrealized_pnl_per_position", "TradingAPI"
    ),
    "ProtoOAv1PnLChangeSubscribeReq": _on_account("subscribe_pnl"),
    "ProtoOAv1PnLChangeUnSubscribeReq": (
        Call(
            "AccountsAPI",
            "unsubscribe_pnl",
            {"account_id": ACCOUNT},
            ON,
            before=(("AccountsAPI", "subscribe_pnl", {"account_id": ACCOUNT}),),
        ),
    ),
}
"""How each request is caused."""


# Answers


@dataclass(frozen=True)
class Result:
    """How the fields of an answer are found in what a method returns."""

    call: int
    """Which of the request's calls is made."""
    fields: Mapping[str, Callable[[Any, Any], tuple[Any, Any]]]
    """For each field: what is found and what should be, from the result and the answer."""
    arguments: Mapping[str, Any] | None = None
    """Arguments instead of the call's own, so that the answer lies inside what was asked for."""
    prepare: Callable[[Any], None] | None = None
    """Makes sense of an answer whose fields do not go together."""


WIDE: Final = {"from_timestamp": FROM, "to_timestamp": FROM + timedelta(days=1)}
_EPOCH_SPAN: Final = {
    "from_timestamp": datetime(1970, 1, 1, tzinfo=UTC),
    "to_timestamp": datetime(1970, 1, 3, tzinfo=UTC),
}


def _list(wire: str, home: Any, place: int | None = None) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A list of objects, perhaps the one at a place of the result."""

    def look(result: Any, answer: Any) -> tuple[Any, Any]:
        found = result if place is None else result[place]
        return list(found), [home.from_proto(part) for part in getattr(answer, wire)]

    return look


def _one(wire: str, home: Any, place: int | None = None) -> Callable[[Any, Any], tuple[Any, Any]]:
    """One object."""

    def look(result: Any, answer: Any) -> tuple[Any, Any]:
        found = result if place is None else result[place]
        return found, home.from_proto(getattr(answer, wire))

    return look


def _newest_first(answer: Any) -> None:
    answer.tickData[0].timestamp = MOMENT + 5000
    answer.tickData[1].timestamp = -20
    answer.tickData[1].tick = -3
    answer.hasMore = False


def _last_page(answer: Any) -> None:
    answer.hasMore = False


def _the_seventh(answer: Any) -> None:
    del answer.symbol[1:]
    answer.symbol[0].symbolId = 7


def _login_of_the_second(answer: Any) -> None:
    answer.ctidTraderAccount[1].traderLogin = _LOGIN


def _open(answer: Any) -> None:
    for position in answer.position:
        position.positionStatus = enums.PositionStatus.OPEN.value


RESULTS: Final[Mapping[str, tuple[Result, ...]]] = {
    "ProtoOAVersionRes": (Result(0, {"version": lambda text, answer: (text, answer.version)}),),
    "ProtoOAAssetListRes": (Result(0, {"asset": _list("asset", models.Asset)}),),
    "ProtoOASymbolsListRes": (
        Result(0, {"archivedSymbol": _list("archivedSymbol", models.ArchivedSymbol)}),
        Result(1, {"symbol": _list("symbol", models.SymbolInfo)}),
        Result(2, {"symbol": _list("symbol", models.SymbolInfo)}),
    ),
    "ProtoOASymbolByIdRes": (
        Result(
            0,
            {"symbol": _list("symbol", models.Symbol)},
            prepare=lambda answer: _number(answer.symbol),
        ),
        Result(
            1,
            {"archivedSymbol": _list("archivedSymbol", models.ArchivedSymbol)},
            prepare=lambda answer: _number(answer.archivedSymbol),
        ),
        *(
            Result(
                call,
                {
                    "symbol": lambda symbol, answer: (
                        symbol,
                        models.Symbol.from_proto(answer.symbol[0]),
                    )
                },
                prepare=_the_seventh,
            )
            for call in (2, 3)
        ),
    ),
    "ProtoOASymbolsForConversionRes": (Result(0, {"symbol": _list("symbol", models.SymbolInfo)}),),
    "ProtoOAAssetClassListRes": (
        Result(0, {"assetClass": _list("assetClass", models.AssetClass)}),
    ),
    "ProtoOATraderRes": (
        Result(0, {"trader": _one("trader", models.Account)}),
        *(
            Result(call, {"trader": lambda found, answer: (found.trader, answer.trader)})
            for call in (1, 2)
        ),
    ),
    "ProtoOAReconcileRes": (
        Result(
            0,
            {
                "position": _list("position", models.Position, 0),
                "order": _list("order", models.Order, 1),
            },
            prepare=_open,
        ),
        Result(2, {"position": _list("position", models.Position)}, prepare=_open),
        Result(3, {"order": _list("order", models.Order)}, prepare=_open),
        Result(4, {"order": _list("order", models.Order)}, prepare=_open),
    ),
    "ProtoOADealListRes": (
        Result(0, {"deal": _list("deal", models.Deal)}, {**WIDE, "max_rows": None}, _last_page),
    ),
    "ProtoOAOrderListRes": (Result(0, {"order": _list("order", models.Order)}, WIDE, _last_page),),
    "ProtoOAExpectedMarginRes": (
        Result(
            0,
            {
                "margin": lambda found, answer: (
                    [(margin.volume, margin.buy_margin, margin.sell_margin) for margin in found],
                    [
                        (
                            part.volume,
                            amount(part.buyMargin, answer.moneyDigits),
                            amount(part.sellMargin, answer.moneyDigits),
                        )
                        for part in answer.margin
                    ],
                ),
                # Money is exact: its decimals are those of the wire.
                "moneyDigits": lambda found, answer: (
                    -found[0].buy_margin.as_tuple().exponent,
                    answer.moneyDigits,
                ),
            },
        ),
    ),
    "ProtoOACashFlowHistoryListRes": (
        Result(0, {"depositWithdraw": _list("depositWithdraw", models.DepositWithdraw)}, WIDE),
    ),
    "ProtoOAGetAccountListByAccessTokenRes": (
        *(
            Result(
                call,
                {
                    "permissionScope": lambda found, answer: (
                        [account.permission_scope for account in found],
                        [enums.ClientPermissionScope(answer.permissionScope)] * 2,
                    ),
                    "ctidTraderAccount": lambda found, answer: (
                        [
                            account.model_copy(update={"permission_scope": None})
                            for account in found
                        ],
                        [
                            models.AccountSummary.from_proto(part)
                            for part in answer.ctidTraderAccount
                        ],
                    ),
                },
            )
            for call in (0, 1)
        ),
        *(
            Result(
                call,
                {
                    "ctidTraderAccount": lambda account_id, answer: (
                        account_id,
                        answer.ctidTraderAccount[1].ctidTraderAccountId,
                    )
                },
                prepare=_login_of_the_second,
            )
            for call in (2, 3)
        ),
    ),
    "ProtoOARefreshTokenRes": (
        Result(
            0,
            {
                "accessToken": lambda found, answer: (found.access_token, answer.accessToken),
                "tokenType": lambda found, answer: (found.token_type, answer.tokenType),
                "expiresIn": lambda found, answer: (
                    abs(found.expires_at - UNIX_START - answer.expiresIn) < 60,
                    True,
                ),
                "refreshToken": lambda found, answer: (found.refresh_token, answer.refreshToken),
            },
        ),
    ),
    "ProtoOAGetTrendbarsRes": tuple(
        Result(
            call,
            {
                "period": lambda bars, answer: (
                    {bar.period for bar in bars},
                    {enums.TrendbarPeriod(answer.period)},
                ),
                "trendbar": lambda bars, answer: (list(bars), bars_from_proto(answer)),
            },
            arguments,
            _last_page,
        )
        for call, arguments in (
            (0, _EPOCH_SPAN),
            (1, {"count": 2, "to_timestamp": _EPOCH_SPAN["to_timestamp"]}),
        )
    ),
    "ProtoOAGetTickDataRes": (
        Result(
            0,
            {"tickData": lambda ticks, answer: (list(ticks), ticks_from_proto(answer))},
            prepare=_newest_first,
        ),
    ),
    "ProtoOAGetCtidProfileByTokenRes": (
        Result(0, {"profile": _one("profile", models.CtidProfile)}),
    ),
    "ProtoOASymbolCategoryListRes": (
        Result(0, {"symbolCategory": _list("symbolCategory", models.SymbolCategory)}),
    ),
    "ProtoOAMarginCallListRes": (
        Result(0, {"marginCall": _list("marginCall", models.MarginCall)}),
    ),
    "ProtoOAGetDynamicLeverageByIDRes": (
        Result(0, {"leverage": _one("leverage", models.DynamicLeverage)}),
    ),
    "ProtoOADealListByPositionIdRes": (
        Result(0, {"deal": _list("deal", models.Deal)}, prepare=_last_page),
    ),
    "ProtoOAOrderDetailsRes": (
        Result(
            0,
            {"order": _one("order", models.Order, 0), "deal": _list("deal", models.Deal, 1)},
        ),
    ),
    "ProtoOAOrderListByPositionIdRes": (
        Result(0, {"order": _list("order", models.Order)}, prepare=_last_page),
    ),
    "ProtoOADealOffsetListRes": (
        Result(
            0,
            {
                "offsetBy": _list("offsetBy", models.DealOffset, 0),
                "offsetting": _list("offsetting", models.DealOffset, 1),
            },
        ),
    ),
    "ProtoOAGetPositionUnrealizedPnLRes": (
        Result(
            0,
            {
                "positionUnrealizedPnL": lambda found, answer: (
                    [
                        (pnl.position_id, pnl.gross_unrealized_pnl, pnl.net_unrealized_pnl)
                        for pnl in found
                    ],
                    [
                        (
                            part.positionId,
                            amount(part.grossUnrealizedPnL, answer.moneyDigits),
                            amount(part.netUnrealizedPnL, answer.moneyDigits),
                        )
                        for part in answer.positionUnrealizedPnL
                    ],
                ),
                "moneyDigits": lambda found, answer: (
                    -found[0].net_unrealized_pnl.as_tuple().exponent,
                    answer.moneyDigits,
                ),
            },
        ),
    ),
}
"""Where the fields of each answer are found."""


def _number(symbols: Any) -> None:
    """Give the symbols the ids that were asked for."""
    for symbol_id, symbol in enumerate(symbols, 1):
        symbol.symbolId = symbol_id


ECHOES: Final[Mapping[str, str]] = {
    "ctidTraderAccountId": "ctidTraderAccountId",
    "ProtoOAGetAccountListByAccessTokenRes.accessToken": "accessToken",
    "ProtoOAGetTrendbarsRes.symbolId": "symbolId",
}
"""Fields of answers that repeat a field of the request, which the caller gave as a parameter."""

PAGED: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "ProtoOAGetTrendbarsRes": ("trendbar", {"utcTimestampInMinutes": MOMENT // 60_000 + 30}),
    "ProtoOAGetTickDataRes": ("tickData", {"timestamp": MOMENT + 1000}),
    "ProtoOADealListRes": ("deal", {"executionTimestamp": MOMENT + 1000}),
    "ProtoOAOrderListRes": ("order", {"utcLastUpdateTimestamp": MOMENT + 1000}),
    "ProtoOADealListByPositionIdRes": ("deal", {"executionTimestamp": MOMENT + 1000}),
    "ProtoOAOrderListByPositionIdRes": ("order", {"utcLastUpdateTimestamp": MOMENT + 1000}),
}
"""Answers with `hasMore`, which makes the method ask on; the part and what places it in time."""

CORE: Final[Mapping[str, str]] = {
    "ProtoMessage": "the envelope: it is around every message",
    "ProtoHeartbeatEvent": "the session sends and takes them by itself",
    "ProtoErrorRes": "an APIError, raised or as ServerErrorEvent",
    "ProtoOAErrorRes": "an APIError, raised or as ServerErrorEvent",
}
"""Messages that are neither requests with answers nor events, and what they are here."""

EXEMPT: Final[Mapping[str, str]] = {
    "ProtoOAGetTrendbarsRes.timestamp": (
        "deprecated, not to be used, and seen to repeat the end of the span that was asked for"
    ),
    "ProtoOAMarginCallUpdateReq.marginCall.utcLastUpdateTimestamp": (
        "when the threshold was changed is the server's to say: MarginCall.last_update_timestamp"
    ),
}
"""Fields without a home, each with the reason."""
