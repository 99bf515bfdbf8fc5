"""Subscribe to live prices, bars and depth, and unsubscribe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.operations.arguments import checks_arguments, period_of
from ctrader.protocol.commands import DepthTopic, SpotTopic, Subscribe, TrendbarTopic, Unsubscribe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ctrader.enums import TrendbarPeriod
    from ctrader.operations.base import Op

__all__ = [
    "API_OWNER",
    "subscribe_depth",
    "subscribe_spots",
    "subscribe_trendbars",
    "unsubscribe_depth",
    "unsubscribe_spots",
    "unsubscribe_trendbars",
]

API_OWNER: Final = "api"
"""Who owns what these operations subscribe to; streams own theirs by themselves."""


@checks_arguments
def subscribe_spots(account_id: int, symbol_ids: Iterable[int]) -> Op[None]:
    """Ask for live prices; done when the server has answered for each symbol.

    Raises:
        APIError: the server refused a symbol; none is subscribed by this call then.
    """
    topics = tuple(SpotTopic(account_id, symbol_id) for symbol_id in dict.fromkeys(symbol_ids))
    yield Subscribe(topics, API_OWNER)


@checks_arguments
def unsubscribe_spots(account_id: int, symbol_ids: Iterable[int]) -> Op[None]:
    """Stop asking for live prices; what a stream, bars or depth need goes on."""
    topics = tuple(SpotTopic(account_id, symbol_id) for symbol_id in dict.fromkeys(symbol_ids))
    yield Unsubscribe(topics, API_OWNER)


@checks_arguments
def subscribe_trendbars(account_id: int, symbol_id: int, period: TrendbarPeriod | str) -> Op[None]:
    """Ask for live bars; the session holds the live prices that they need.

    Raises:
        ValueError: there is no such period.
        APIError: the server refused the symbol or the period.
    """
    yield Subscribe((TrendbarTopic(account_id, symbol_id, period_of(period)),), API_OWNER)


@checks_arguments
def unsubscribe_trendbars(
    account_id: int, symbol_id: int, period: TrendbarPeriod | str
) -> Op[None]:
    """Stop asking for live bars.

    Raises:
        ValueError: there is no such period.
    """
    yield Unsubscribe((TrendbarTopic(account_id, symbol_id, period_of(period)),), API_OWNER)


@checks_arguments
def subscribe_depth(account_id: int, symbol_ids: Iterable[int]) -> Op[None]:
    """Ask for the depth of market; the session holds the live prices that it needs.

    Raises:
        APIError: the server refused a symbol; none is subscribed by this call then.
    """
    topics = tuple(DepthTopic(account_id, symbol_id) for symbol_id in dict.fromkeys(symbol_ids))
    yield Subscribe(topics, API_OWNER)


@checks_arguments
def unsubscribe_depth(account_id: int, symbol_ids: Iterable[int]) -> Op[None]:
    """Stop asking for the depth of market."""
    topics = tuple(DepthTopic(account_id, symbol_id) for symbol_id in dict.fromkeys(symbol_ids))
    yield Unsubscribe(topics, API_OWNER)
