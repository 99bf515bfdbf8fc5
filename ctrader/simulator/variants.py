"""Draw a setting of every switch from a seed."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from ctrader.simulator.switches import Switches

__all__ = ["OTHER_SETTINGS", "SETTLED", "draw_switches"]

OTHER_SETTINGS: Final[dict[str, tuple[object, ...]]] = {
    "heartbeat_interval": (5.0, 10.0),
    "idle_timeout": (15.0, 60.0, 0.0),
    "heartbeats_answered": (True,),
    "heartbeats_need_authentication": (True,),
    "frame_too_long_closes": (False,),
    "close_on_garbage": (True,),
    "write_empty_payload": (False,),
    "answer_spread": (0.05, 2.0),
    "maintenance_closes": (True,),
    "rate_limit": (20,),
    "rate_burst": (5,),
    "historical_requests": (frozenset({2137}),),
    "rate_limit_code": ("REQUEST_FREQUENCY_EXCEEDED",),
    "retry_after": (0, 3),
    "authentication_counts_for_rate": (True,),
    "application_already_authenticated_code": ("INVALID_REQUEST",),
    "unauthorised_account_code": ("ACCOUNT_NOT_AUTHORIZED",),
    "expired_token_code": ("OA_AUTH_TOKEN_EXPIRED",),
    "version_needs_authentication": (False,),
    "refresh_ends_sessions": (False,),
    "new_grant_revokes_earlier": (True,),
    "foreign_client_msg_ids": (False,),
    "write_inner_payload_type": (True,),
    "write_unknown_fields": (False,),
    "first_spot_before_response": (False,),
    "first_depth_before_response": (True,),
    "duplicate_subscription_code": ("INVALID_REQUEST",),
    "duplicate_subscribes_rest": (True,),
    "unknown_subscription_code": ("INVALID_REQUEST",),
    "trendbar_without_spots_code": ("NOT_SUBSCRIBED_TO_SPOTS",),
    "depth_without_spots_code": (None,),
    "spots_end_what_needs_them": (False,),
    "stray_spots": (True,),
    "session_close_at_day_change": (False,),
    "depth_ids_come_back": (True,),
    "depth_first_id": (2**63,),
    "unknown_symbol_code": ("UNKNOWN_SYMBOL",),
    "unknown_symbol_fails_batch": (True,),
    "bars_count_minus_one": (True,),
    "bars_page_size": (50,),
    "bars_in_own_events": (True,),
    "live_bar_close": ("lagging", "current"),
    "first_live_bar_may_be_over": (False,),
    "forming_bar_in_history": ("always", "never"),
    "closed_bar_delay": (900,),
    "bars_without_beginning": ("page",),
    "bars_without_end": ("window",),
    "bars_flat_close_bug": (True,),
    "bars_answer_timestamp": (False,),
    "enforce_bar_windows": (True,),
    "ticks_page_size": (50,),
    # Two rows of one millisecond must fit, or no list of them is ever whole.
    "lists_page_size": (3, 5),
    "lists_window": (604_800_000,),
    "position_lists_span": (604_800_000,),
    "fill_delay": (0.0, 0.5, 2.0),
    "protection_delay": (0.0, 2.0),
    "market_absolute_protection_frame": ("error",),
    "zero_ids_in_order_errors": (False,),
    "omitted_levels_clear": (False,),
    "reject_small_remainder": (False,),
    "fill_through_depth": (True,),
    "market_range_rest": ("rejected", "expired"),
    "immediate_rest": ("expired",),
    "limits_honour_time_in_force": (False,),
    "market_on_open": (False,),
    "pending_orders_check_money": (True,),
    "absolute_and_relative": ("absolute", "relative"),
    "limit_beyond_market": ("refused",),
    "pending_position_id": ("ignored",),
    "pending_without_rights": ("rejected",),
    "flip_keeps_position_id": (True,),
    "stop_out_accepted_first": (False,),
    "amend_needs_all_fields": (True,),
    "protective_cancel_code": ("ORDER_NOT_FOUND",),
    "protective_amend_code": ("ORDER_NOT_FOUND",),
    "cancel_while_closed": (False,),
    "cancel_race": ("pending_execution", "unable", "not_found"),
    "amend_race_code": ("CONCURRENT_MODIFICATION",),
    "locked_position_code": ("PENDING_EXECUTION",),
    "wrong_stop_code": ("TRADING_BAD_STOPS",),
    "position_hidden_after_fill": (0.1,),
    "trailing_holds_stop": (True,),
    "guaranteed_charge_at": ("hit",),
    "conversion_side": ("ask", "mid"),
    "same_asset_chain_code": ("INVALID_REQUEST",),
    "money_rounding": ("half_even", "towards_zero"),
    "conversion_fee_of_losses": ("none", "credited"),
    "conversion_fee_rounding": ("half_away", "half_even", "towards_zero"),
    "lists_newest_first": (False,),
    "list_borders_inclusive": (False,),
    "write_money_digits": (False,),
    "withdrawal_delta_negative": (False,),
    "trader_updated_after_cash": (False,),
    "trader_updated_after_terms": (False,),
    "trader_updated_after_closing": (True,),
    "negative_balance_protection": (True,),
    "bonus_counts_in_equity": (True,),
    "swap_days_of_year": (365,),
    "margin_calls_pause_together": (True,),
    "margin_call_update_ends_pause": (False,),
    "v1_pnl_stream": (True, "silent"),
    "version": ("91",),
    "historical_quota": (30, 60),
    "historical_rate_limit": (2,),
    "historical_rate_burst": (1,),
    "removed_protection": ("replaced",),
}
"""Values of each switch besides its default, with all of which the client must hold."""

SETTLED: Final[dict[str, str]] = {
    "max_frame_length": "no request of the client comes near",
    "dribble_bytes": "the network splits, in both directions",
    "dribble_interval": "the network splits, in both directions",
    "glue_interval": "the network merges",
    "connections_limit": "a limit that is reached keeps the client out, as it should",
    "connections_limit_closes": "goes with the limit",
    "rate_limit_text": "is for people",
    "historical_quota_window": "is a duration, not a behaviour",
    "view_scope_code": "every grant may trade",
    "token_life": "belongs to the story that a test tells",
    "authorisation_code_life": "nobody consents here",
    "oauth_error_status": "nobody consents here",
    "oauth_code_refusal": "nobody consents here",
    "oauth_echoes_state": "nobody consents here",
    "unknown_enum_fields": "an unknown order status makes every verdict unknown",
    "renamed_error_codes": "an unknown code makes every refusal unknown",
    "ticks_window": "is a limit, not a behaviour",
    "lists_span": "is a default that the client never leaves out",
    "cash_flow_window": "is a limit, not a behaviour",
    "always_open": "orders are to be taken at any hour",
    "margin_call_pause": "is a duration, not a behaviour",
    "history_lag": "is a fault of a plan",
    "reconcile_lag": "is a fault of a plan",
}
"""Switches that keep their default, with the reason."""


def draw_switches(seed: int | str, *, share: float = 0.5, **settled: object) -> Switches:
    """Draw for each switch whether it has its default or another setting.

    Args:
        seed: Decides everything.
        share: How many switches have another setting, as a part of them.
        settled: Switches that are not drawn, with their values.
    """
    rng = Random(f"switches/{seed}")
    drawn: dict[str, Any] = {}  # Any: each value fits its own field
    for name, values in OTHER_SETTINGS.items():
        # Drawn for each, so that a switch more changes none of those before it.
        is_other, value = rng.random() < share, rng.choice(values)
        if is_other:
            drawn[name] = value
    drawn.update(settled)
    return Switches(**drawn)
