"""What cannot be sent cannot be wanted: it would come back on every link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ctrader.enums import TrendbarPeriod
from ctrader.protocol.commands import (
    DepthTopic,
    Logout,
    PnLTopic,
    SpotTopic,
    TrendbarTopic,
)

NO_IDS = ["EURUSD", "1", 1.0, True, None, 0, -1, 2**63]


@pytest.mark.parametrize("value", NO_IDS, ids=repr)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("symbol_id", lambda value: SpotTopic(7, value)),
        ("symbol_id", lambda value: DepthTopic(7, value)),
        ("symbol_id", lambda value: TrendbarTopic(7, value, TrendbarPeriod.M1)),
        ("account_id", lambda value: SpotTopic(value, 1)),
        ("account_id", PnLTopic),
        ("account_id", Logout),
    ],
)
def test_what_is_no_id_is_named(name: str, make: Callable[[Any], object], value: object):
    with pytest.raises(ValueError, match=f"{name} must be an int from 1 to") as refused:
        make(value)
    assert f"not {value!r}" in str(refused.value)
    assert ("get_by_name" in str(refused.value)) == (name == "symbol_id")


@pytest.mark.parametrize("period", ["H7", "H1", None, 99, TrendbarPeriod(99)], ids=repr)
def test_period_that_is_none_is_named(period: Any):
    with pytest.raises(ValueError, match="period must be a TrendbarPeriod, one of M1, M2"):
        TrendbarTopic(7, 1, period)


def test_largest_ids_are_fine():
    assert SpotTopic(2**63 - 1, 2**63 - 1).symbol_id == 2**63 - 1
