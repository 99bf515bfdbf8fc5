"""The broker of the tests in this folder: EURUSD has a known past, and stands still from then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import pytest

from ctrader.simulator import RandomWalkPrices, ReplayPrices, SourceBar, Switches

PAST: Final = {7: ("1.05", "1.15"), 3: ("1.09", "1.11"), 2: ("1.099", "1.101"), 1: ("1.10", "1.10")}
"""Low and high of an hour that began so many hours ago; each ends at 1.10, where it began."""


@pytest.fixture
def ctrader_simulator_options() -> Mapping[str, object]:
    """Give the plugin's broker its prices, and let it fill and protect positions at once."""
    now = datetime.now(UTC)
    middle = Decimal("1.10")
    bars = [
        SourceBar(
            time=round((now - timedelta(hours=hours)).timestamp() * 1000),
            open=middle,
            high=Decimal(high),
            low=Decimal(low),
            close=middle,
            volume=0,
        )
        for hours, (low, high) in PAST.items()
    ]
    return {
        "prices": ReplayPrices(bars, start=now, fallback=RandomWalkPrices(seed=1)),
        "frozen": True,
        "switches": Switches(fill_delay=0.0, protection_delay=0.0),
    }
