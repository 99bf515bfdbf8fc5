"""Subscriptions."""

from __future__ import annotations

import pytest

from ctrader.enums import TrendbarPeriod
from ctrader.errors import SymbolNotFoundError
from ctrader.operations import market_data
from ctrader.protocol.commands import (
    DepthTopic,
    SpotTopic,
    Subscribe,
    TrendbarTopic,
    Unsubscribe,
)
from tests.operations.peer import converse


def test_subscribe_spots_owns_each_symbol_once() -> None:
    topics = (SpotTopic(7, 2), SpotTopic(7, 1))

    converse(market_data.subscribe_spots(7, [2, 1, 2]), (Subscribe(topics, "api"), None))


def test_unsubscribe_spots() -> None:
    topics = (SpotTopic(7, 2), SpotTopic(7, 1))

    converse(market_data.unsubscribe_spots(7, [2, 1, 2]), (Unsubscribe(topics, "api"), None))


def test_subscribe_trendbars_leaves_the_spots_to_the_session() -> None:
    topic = TrendbarTopic(7, 1, TrendbarPeriod.H1)

    converse(
        market_data.subscribe_trendbars(7, 1, TrendbarPeriod.H1), (Subscribe((topic,), "api"), None)
    )


def test_unsubscribe_trendbars() -> None:
    topic = TrendbarTopic(7, 1, TrendbarPeriod.H1)

    converse(
        market_data.unsubscribe_trendbars(7, 1, TrendbarPeriod.H1),
        (Unsubscribe((topic,), "api"), None),
    )


def test_subscribe_depth() -> None:
    topics = (DepthTopic(7, 1), DepthTopic(7, 2))

    converse(market_data.subscribe_depth(7, [1, 2, 1]), (Subscribe(topics, "api"), None))


def test_unsubscribe_depth() -> None:
    topics = (DepthTopic(7, 1),)

    converse(market_data.unsubscribe_depth(7, [1, 1]), (Unsubscribe(topics, "api"), None))


def test_refusal_reaches_the_caller() -> None:
    refusal = SymbolNotFoundError("SYMBOL_NOT_FOUND")

    with pytest.raises(SymbolNotFoundError):
        converse(
            market_data.subscribe_spots(7, [404]),
            (Subscribe((SpotTopic(7, 404),), "api"), refusal),
        )
