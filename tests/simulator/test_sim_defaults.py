"""What the simulator decides where the protocol is silent: each decision is a switch."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ctrader.operations import accounts, history, market_data, symbols
from ctrader.simulator import Switches
from ctrader.simulator.switches import HISTORICAL_REQUESTS
from ctrader.units import datetime_from_millis
from tests.simulator.test_world import ACCOUNT, ready_world

DEFAULTS: dict[str, dict[str, Any]] = {
    "2.2 longest frame": {"max_frame_length": 15_000_000, "frame_too_long_closes": True},
    "3 payload of empty messages": {"write_empty_payload": True},
    "4 order of answers": {"answer_spread": 0.0},
    "5 heartbeats": {
        "heartbeat_interval": 30.0,
        "idle_timeout": 30.0,
        "heartbeats_answered": False,
        "heartbeats_need_authentication": False,
    },
    "6 version": {"version_needs_authentication": True},
    "7.3 trading with a token that may only read": {"view_scope_code": "TRADING_NOT_ALLOWED"},
    "8 sessions under a token refresh": {"refresh_ends_sessions": True},
    "10 rates": {
        "rate_limit": 50,
        "historical_rate_limit": 5,
        "rate_burst": None,
        "historical_rate_burst": None,
        "historical_requests": HISTORICAL_REQUESTS,
        "rate_limit_code": "BLOCKED_PAYLOAD_TYPE",
        "rate_limit_text": "Request rate exceeded",
        "retry_after": 1,
    },
    "12 unknown symbols in a batch": {
        "unknown_symbol_fails_batch": False,
        "unknown_symbol_code": "SYMBOL_NOT_FOUND",
    },
    "13 subscriptions": {
        "duplicate_subscription_code": "ALREADY_SUBSCRIBED",
        "duplicate_subscribes_rest": False,
        "unknown_subscription_code": "NOT_SUBSCRIBED_TO_SPOTS",
        "spots_end_what_needs_them": True,
    },
    "14 bars without spots": {"trendbar_without_spots_code": "INVALID_REQUEST"},
    "15 historical bars": {
        "bars_without_beginning": "window",
        "bars_without_end": "now",
        "bars_page_size": 5000,
        "bars_answer_timestamp": True,
    },
    "16 page of ticks": {"ticks_page_size": 1000},
    "17 ids of depth": {"depth_ids_come_back": False},
    "18.1 new orders": {
        "market_range_rest": "cancelled",
        "market_absolute_protection_frame": "event",
        "absolute_and_relative": "refused",
        "limit_beyond_market": "filled",
        "wrong_stop_code": "TRADING_BAD_PRICES",
    },
    "18.2 flips": {"flip_keeps_position_id": False},
    "18.3 amending": {"amend_needs_all_fields": False, "omitted_levels_clear": True},
    "18.4 cancelling a protective order": {"protective_cancel_code": "UNABLE_TO_CANCEL_ORDER"},
    "18.6 what a close leaves": {"reject_small_remainder": True},
    "19 events": {"stop_out_accepted_first": True, "withdrawal_delta_negative": True},
    "21 lists": {
        "list_borders_inclusive": True,
        "lists_span": 604_800_000,
        "position_lists_span": None,
        "lists_page_size": 500,
        "lists_newest_first": True,
    },
    "22.1 rounding": {"money_rounding": "half_away"},
    "22.2 conversion of an asset to itself": {"same_asset_chain_code": None},
    "22.4 conversion fee": {
        "conversion_fee_of_losses": "charged",
        "conversion_fee_rounding": "up",
    },
    "22.5 days of a year": {"swap_days_of_year": 360},
    "24 account updates": {
        "trader_updated_after_cash": True,
        "trader_updated_after_terms": True,
        "trader_updated_after_closing": False,
    },
    "29 oddities that are on": {"write_unknown_fields": True, "write_inner_payload_type": False},
    "29 unauthorised account": {"unauthorised_account_code": "INVALID_REQUEST"},
}
"""Our decisions by section of the protocol's specification, and the switches that hold them."""


@pytest.mark.parametrize("section", DEFAULTS)
def test_every_decision_is_a_switch_with_its_default(section: str):
    assert {name: getattr(Switches(), name) for name in DEFAULTS[section]} == DEFAULTS[section]


def test_the_manual_names_every_switch():
    manual = Path(__file__).parents[2] / "docs" / "simulator.md"
    text = manual.read_text(encoding="utf-8")
    assert [each.name for each in fields(Switches) if f"`{each.name}`" not in text] == []


VARIANTS: dict[str, Any] = {
    "answer_spread": 2.0,
    "write_empty_payload": False,
    "heartbeats_answered": True,
    "heartbeats_need_authentication": True,
    "rate_burst": 5,
    "historical_rate_burst": 1,
    "bars_without_end": "window",
    "trader_updated_after_closing": True,
}


@pytest.mark.parametrize(
    "switches", [pytest.param(Switches(**{name: VARIANTS[name]}), id=name) for name in VARIANTS]
)
def test_client_works_whatever_the_server_does(switches: Switches):
    world = ready_world(switches=switches)
    assert world.run(accounts.get_trader(ACCOUNT)).account_id == ACCOUNT
    assert [each.symbol_id for each in world.run(symbols.get_by_ids(ACCOUNT, [1, 41]))] == [1, 41]
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    now = world.exchange.market_now()
    begin, end = datetime_from_millis(now - 3_600_000), datetime_from_millis(now)
    for _ in range(8):
        assert world.run(history.get_deals(ACCOUNT, begin, end, now=end)) == []
    world.run_for(60)
    assert world.session.is_ready
