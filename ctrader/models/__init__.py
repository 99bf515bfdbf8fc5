"""Typed values of the Open API: entities, prices, and requests to trade."""

from __future__ import annotations

__all__ = [
    "CLEAR",
    "Account",
    "AccountChange",
    "AccountSummary",
    "AccountTermsChanged",
    "AmendOrderRequest",
    "AmendPositionRequest",
    "ArchivedSymbol",
    "Asset",
    "AssetClass",
    "BalanceChanged",
    "Bars",
    "BonusDepositWithdraw",
    "Clear",
    "CloseDetail",
    "ClosePositionRequest",
    "Commission",
    "CtidProfile",
    "Deal",
    "DealOffset",
    "DepositWithdraw",
    "DepthQuote",
    "DynamicLeverage",
    "DynamicLeverageTier",
    "Evidence",
    "ExpectedMargin",
    "Frame",
    "FreshnessChanged",
    "HandlerReport",
    "Holiday",
    "MarginCall",
    "NewOrderRequest",
    "NoEffect",
    "Order",
    "OrderChanged",
    "OrderGone",
    "OrderOutcome",
    "OrderPlaced",
    "OrderRequest",
    "Position",
    "PositionChanged",
    "PositionClosed",
    "PositionOpened",
    "PositionUnrealizedPnL",
    "Quote",
    "ScheduleInterval",
    "Swap",
    "Symbol",
    "SymbolCategory",
    "SymbolInfo",
    "TickData",
    "Ticks",
    "TookEffect",
    "TradingHours",
    "TradingSession",
    "Trendbar",
    "UnresolvedOrder",
    "UsedMarginChanged",
    "bars_from_proto",
    "check_order",
    "ticks_from_proto",
]

from ctrader.models.accounts import (
    Account,
    AccountSummary,
    BonusDepositWithdraw,
    CtidProfile,
    DepositWithdraw,
)
from ctrader.models.changes import (
    AccountChange,
    AccountTermsChanged,
    BalanceChanged,
    FreshnessChanged,
    OrderChanged,
    OrderGone,
    OrderPlaced,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    UsedMarginChanged,
)
from ctrader.models.deals import (
    CloseDetail,
    Deal,
    DealOffset,
)
from ctrader.models.handlers import HandlerReport
from ctrader.models.history import (
    Bars,
    Frame,
    Ticks,
)
from ctrader.models.hours import (
    Holiday,
    ScheduleInterval,
    TradingHours,
    TradingSession,
)
from ctrader.models.market import (
    DepthQuote,
    Quote,
    TickData,
    Trendbar,
    bars_from_proto,
    ticks_from_proto,
)
from ctrader.models.orders import (
    AmendOrderRequest,
    NewOrderRequest,
    Order,
    OrderRequest,
    check_order,
)
from ctrader.models.outcomes import (
    Evidence,
    NoEffect,
    OrderOutcome,
    TookEffect,
    UnresolvedOrder,
)
from ctrader.models.positions import (
    AmendPositionRequest,
    ClosePositionRequest,
    Position,
    PositionUnrealizedPnL,
)
from ctrader.models.request import (
    CLEAR,
    Clear,
)
from ctrader.models.risk import (
    DynamicLeverage,
    DynamicLeverageTier,
    ExpectedMargin,
    MarginCall,
)
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
