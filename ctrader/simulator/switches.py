"""Every choice that is made where the real server's behaviour is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ctrader.proto.registry import (
    CASH_FLOW_HISTORY_LIST_REQ,
    DEAL_LIST_BY_POSITION_ID_REQ,
    DEAL_LIST_REQ,
    DEAL_OFFSET_LIST_REQ,
    GET_TICKDATA_REQ,
    GET_TRENDBARS_REQ,
    ORDER_LIST_BY_POSITION_ID_REQ,
    ORDER_LIST_REQ,
)

__all__ = ["HISTORICAL_REQUESTS", "Switches"]

HISTORICAL_REQUESTS: Final = frozenset(
    {
        GET_TRENDBARS_REQ,
        GET_TICKDATA_REQ,
        DEAL_LIST_REQ,
        ORDER_LIST_REQ,
        DEAL_LIST_BY_POSITION_ID_REQ,
        ORDER_LIST_BY_POSITION_ID_REQ,
        CASH_FLOW_HISTORY_LIST_REQ,
        DEAL_OFFSET_LIST_REQ,
    }
)
"""Payload types that count against the slow rate, the widest set that anybody reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What the simulated server does where the documentation leaves it open.

    The defaults follow recordings of a real server where there are any, and otherwise the
    variant that is hardest on a careless client. Durations are seconds of the caller's clock,
    windows are milliseconds of market time.
    """

    heartbeat_interval: float = 30.0
    """Seconds of outbound silence after which the server sends a heartbeat."""
    idle_timeout: float = 30.0
    """Seconds without any inbound frame after which the server cuts the connection; 0 never."""
    max_frame_length: int = 15_000_000
    """Longest accepted frame body in bytes; a longer one is FRAME_TOO_LONG, and the end."""
    close_on_garbage: bool = False
    """Whether a frame that holds no envelope also ends the connection."""

    rate_limit: int = 50
    """Ordinary requests a second and connection; 0 is no limit."""
    historical_rate_limit: int = 5
    """Historical requests a second and connection; 0 is no limit."""
    historical_requests: frozenset[int] = HISTORICAL_REQUESTS
    """Payload types that count as historical."""
    rate_limit_code: str = "BLOCKED_PAYLOAD_TYPE"
    """Code of a refusal by rate; `REQUEST_FREQUENCY_EXCEEDED` was seen as well."""
    retry_after: int = 1
    """Seconds for which a payload type stays blocked after it exceeded the rate."""
    authentication_counts_for_rate: bool = False
    """Whether application and account authentication count against the rate."""

    application_already_authenticated_code: str = "CH_CLIENT_ALREADY_AUTHENTICATED"
    """Code for a second application authentication on one connection."""
    unauthorised_account_code: str = "INVALID_REQUEST"
    """Code for a request of an account that is not authorised on the connection;
    `ACCOUNT_NOT_AUTHORIZED` is the documented one."""
    expired_token_code: str = "CH_ACCESS_TOKEN_INVALID"
    """Code for an expired access token; `OA_AUTH_TOKEN_EXPIRED` is the documented one."""
    view_scope_code: str = "TRADING_NOT_ALLOWED"
    """Code for a trading request with a token that may only read."""
    token_life: int = 2_628_000
    """Seconds that an access token lives, also after a refresh."""
    refresh_ends_sessions: bool = True
    """Whether a token refresh ends the account sessions that used the old token."""

    write_inner_payload_type: bool = False
    """Whether messages carry their own payloadType field."""
    write_unknown_fields: bool = True
    """Whether deals (19), traders (23) and symbols (41) carry the fields that no public schema
    has, but that real servers send."""

    first_spot_before_response: bool = True
    """Whether the first event of a spot or live-bar subscription comes before its answer, as
    recorded, or right after it."""
    duplicate_subscription_code: str = "ALREADY_SUBSCRIBED"
    """Code for a subscription of what is subscribed; the whole request fails."""
    unknown_subscription_code: str = "NOT_SUBSCRIBED_TO_SPOTS"
    """Code for unsubscribing what is not subscribed."""
    trendbar_without_spots_code: str = "INVALID_REQUEST"
    """Code for live bars of a symbol whose spots are not subscribed; `NOT_SUBSCRIBED_TO_SPOTS`
    is the documented one."""

    bars_count_minus_one: bool = True
    """Whether `count` bars asked for bring one less, as recorded."""
    bars_page_size: int = 5000
    """Most bars in one answer."""
    bars_flat_close_bug: bool = False
    """Whether bars that close at their low lose their deltaHigh, as the real server's do."""
    enforce_bar_windows: bool = False
    """Whether a window over the old limit of its period is refused."""
    ticks_page_size: int = 1000
    """Most ticks in one answer."""
    ticks_window: int = 604_800_000
    """Longest window of ticks in milliseconds."""
    lists_page_size: int = 500
    """Most deals or orders in one answer."""
    lists_window: int = 604_800_000
    """Longest window of deal and order lists in milliseconds."""

    always_open: bool = True
    """Whether prices move and orders are taken at any hour; False keeps each symbol's schedule."""
    fill_delay: float = 0.02
    """Seconds between an order's acceptance, or the price that triggers it, and its fill."""
    protection_delay: float = 0.02
    """Seconds between a fill and what follows from it for the protective order."""
    market_absolute_protection_frame: Literal["event", "error"] = "event"
    """Frame that refuses absolute levels on a market order: order error event or error answer."""
    zero_ids_in_order_errors: bool = True
    """Whether order error events name unknown ids as 0 instead of leaving them out."""
    omitted_levels_clear: bool = True
    """Whether amending a pending order without levels or expiry removes them."""
    reject_small_remainder: bool = True
    """Whether a partial close may not leave less than the smallest volume."""
    conversion_side: Literal["bid", "ask", "mid"] = "bid"
    """Price at which money is converted between currencies."""
    version: str = "90"
    """Answer to a version request."""
