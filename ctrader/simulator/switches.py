"""Every choice that is made where the real server's behaviour is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal

from ctrader.errors import ConfigurationError
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
from ctrader.simulator.checked import wrong_field

__all__ = ["HISTORICAL_REQUESTS", "Switches"]

_LONGEST: Final = 1_000_000_000  # seconds; longer than any test, and still whole nanoseconds
_SHORTEST: Final = 0.001  # seconds; a server busy with heartbeats does nothing else
_LEAST: Final = {
    "max_frame_length": 1,
    "token_life": 1,
    "authorisation_code_life": 1,
    "oauth_error_status": 200,
    "bars_page_size": 1,
    "ticks_page_size": 1,
    "lists_page_size": 1,
    "rate_burst": 1,
    "historical_rate_burst": 1,
    "swap_days_of_year": 1,
}
"""Smallest values of the switches that may not be 0."""
_MOST: Final = {
    "depth_first_id": 2**64 - 1,
    "oauth_error_status": 599,
    "retry_after": _LONGEST,
    "token_life": _LONGEST,
    "authorisation_code_life": _LONGEST,
}

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
    """Seconds of outbound silence after which the server sends a heartbeat; 0 never."""
    idle_timeout: float = 30.0
    """Seconds without any inbound frame after which the server cuts the connection; 0 never."""
    heartbeats_answered: bool = False
    """Whether the server answers each heartbeat with one of its own; with a client that does the
    same this never ends."""
    heartbeats_need_authentication: bool = False
    """Whether a heartbeat of a program that is not authenticated yet is refused, as its requests
    are."""
    max_frame_length: int = 15_000_000
    """Longest accepted frame body in bytes; a longer one is FRAME_TOO_LONG."""
    frame_too_long_closes: bool = True
    """Whether a frame that is too long also ends the connection; otherwise it is passed over."""
    close_on_garbage: bool = False
    """Whether a frame that holds no envelope also ends the connection."""
    write_empty_payload: bool = True
    """Whether the envelope of a message without content has its `payload` field, empty; there are
    clients that cannot read it without."""
    answer_spread: float = 0.0
    """Most seconds by which an answer is late; each waits for another share of them, so that the
    answers to several requests come in another order. 0 keeps the order of the requests. Trading
    requests, and those without an id, are not concerned."""
    dribble_bytes: int = 0
    """How many bytes of what the server sends leave at a time; 0 is all of them."""
    dribble_interval: float = 0.001
    """Seconds between two such pieces."""
    glue_interval: float = 0.0
    """Seconds for which the server collects frames, to send them as one piece; 0 is not at all."""
    connections_limit: int = 0
    """Most connections of one program at a time; 0 is no limit."""
    connections_limit_closes: bool = False
    """Whether a connection beyond that is also ended, behind the refusal."""
    maintenance_closes: bool = False
    """Whether the beginning of maintenance ends all connections."""

    rate_limit: int = 50
    """Ordinary requests a second and connection; 0 is no limit."""
    historical_rate_limit: int = 5
    """Historical requests a second and connection; 0 is no limit."""
    rate_burst: int | None = None
    """Ordinary requests that may come at once after a pause; None is as many as in a second."""
    historical_rate_burst: int | None = None
    """Historical requests that may come at once after a pause; None is as many as in a second."""
    historical_requests: frozenset[int] = HISTORICAL_REQUESTS
    """Payload types that count as historical."""
    rate_limit_code: str = "BLOCKED_PAYLOAD_TYPE"
    """Code of a refusal by rate; `REQUEST_FREQUENCY_EXCEEDED` was seen as well."""
    rate_limit_text: str = "Request rate exceeded"
    """Description of a refusal by rate."""
    retry_after: int = 1
    """Seconds for which a payload type stays blocked after it exceeded the rate."""
    authentication_counts_for_rate: bool = False
    """Whether application and account authentication count against the rate."""
    historical_quota: int = 0
    """Historical requests of one program in `historical_quota_window`, over all its connections;
    0 is no limit. What is over it is refused with the same short `retry_after`, as was seen."""
    historical_quota_window: float = 600.0
    """Seconds over which that quota rolls."""

    application_already_authenticated_code: str = "CH_CLIENT_ALREADY_AUTHENTICATED"
    """Code for a second application authentication on one connection."""
    unauthorised_account_code: str = "INVALID_REQUEST"
    """Code for a request of an account that is not authorised on the connection;
    `ACCOUNT_NOT_AUTHORIZED` is the documented one."""
    expired_token_code: str = "CH_ACCESS_TOKEN_INVALID"
    """Code for an expired access token; `OA_AUTH_TOKEN_EXPIRED` is the documented one."""
    version_needs_authentication: bool = True
    """Whether the version is told only to authenticated programs."""
    view_scope_code: str = "TRADING_NOT_ALLOWED"
    """Code for a trading request with a token that may only read."""
    token_life: int = 2_628_000
    """Seconds that an access token lives, also after a refresh."""
    refresh_ends_sessions: bool = True
    """Whether a token refresh ends the account sessions that used the old token."""
    new_grant_revokes_earlier: bool = False
    """Whether a user's new authorisation of a program ends the earlier ones, as documented; a
    live session saw that they go on."""
    authorisation_code_life: int = 60
    """Seconds in which an authorisation code can be exchanged."""
    oauth_error_status: int = 200
    """HTTP status of an error answer of the token endpoint."""
    oauth_code_refusal: str = "ACCESS_DENIED"
    """Error code for an authorisation code that is unknown, spent or too old."""
    oauth_echoes_state: bool = False
    """Whether the redirect from the authorisation page carries the request's state back."""
    foreign_client_msg_ids: bool = True
    """Whether events carry the id of the request behind them to the connections that did not
    send it, too, and those that another terminal causes an id of that terminal."""

    write_inner_payload_type: bool = False
    """Whether messages carry their own payloadType field."""
    write_unknown_fields: bool = True
    """Whether deals (19), traders (23) and symbols (41) carry the fields that no public schema
    has, but that real servers send."""
    unknown_enum_fields: frozenset[str] = frozenset()
    """Enum fields, such as `ProtoOAOrder.timeInForce`, that carry a number outside every known
    schema; `*` stands for all that are optional."""
    renamed_error_codes: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is sent in place of error codes, such as one that no schema knows; `*` stands for
    all codes that are not named."""

    first_spot_before_response: bool = True
    """Whether the first event of a spot or live-bar subscription comes before its answer, as
    recorded, or right after it."""
    first_depth_before_response: bool = False
    """Whether the first event of a depth subscription, the whole book, comes before its answer."""
    duplicate_subscription_code: str = "ALREADY_SUBSCRIBED"
    """Code for a subscription of what is subscribed."""
    duplicate_subscribes_rest: bool = False
    """Whether a refused list with a duplicate in it subscribes the others; normally nothing."""
    unknown_subscription_code: str = "NOT_SUBSCRIBED_TO_SPOTS"
    """Code for unsubscribing what is not subscribed."""
    trendbar_without_spots_code: str = "INVALID_REQUEST"
    """Code for live bars of a symbol whose spots are not subscribed; `NOT_SUBSCRIBED_TO_SPOTS`
    is the documented one."""
    depth_without_spots_code: str | None = "NOT_SUBSCRIBED_TO_SPOTS"
    """Code for depth of a symbol whose spots are not subscribed; with None depth needs no spots,
    and outlives them."""
    spots_end_what_needs_them: bool = True
    """Whether spots can be unsubscribed under live bars and depth, which then end with them; False
    refuses it as `INVALID_REQUEST`."""
    stray_spots: bool = False
    """Whether one more quote follows the answer that ends a spot subscription, as one that was
    under way already does."""
    session_close_at_day_change: bool = True
    """Whether the first quote of a trading day brings the close of the last one along."""
    depth_ids_come_back: bool = False
    """Whether a new depth quote takes the id of one that leaves in the same event, so that the id
    is in both lists; the real server's order of them is unknown, deletions first is safe."""
    depth_first_id: int = 1
    """Id of the first depth quote that the exchange makes; later ones count on. Ids are uint64."""
    unknown_symbol_code: str = "SYMBOL_NOT_FOUND"
    """Code for prices and terms of symbols that are not offered; `UNKNOWN_SYMBOL` is another."""
    unknown_symbol_fails_batch: bool = False
    """Whether symbols by id are refused whole if one of them is unknown, instead of only if all
    are."""

    bars_count_minus_one: bool = False
    """Whether `count` bars asked for bring one less even where no forming bar is left out."""
    bars_page_size: int = 5000
    """Most bars in one answer."""
    bars_in_own_events: bool = False
    """Whether forming bars come in spot events of their own, without a price, behind the quote."""
    live_bar_close: Literal["absent", "lagging", "current"] = "absent"
    """What forming bars say of their close: nothing, as recorded, the bid before, or the bid."""
    first_live_bar_may_be_over: bool = True
    """Whether a live-bar subscription begins with the last bar there was, which is over, where
    the present period has no tick yet; otherwise with none."""
    forming_bar_in_history: Literal["unless_counted", "always", "never"] = "unless_counted"
    """Whether the bar that is not over is the last of historical bars: only where none are counted
    (among `count` bars it counts, but is left out, as recorded), always, or never."""
    closed_bar_delay: int = 0
    """Milliseconds of market time after its end at which a bar can be asked for; up to a second
    was seen. Only where the forming bar is never among them."""
    bars_without_beginning: Literal["window", "page"] = "window"
    """How far back bars go that are asked for without `fromTimestamp` and `count`: over the old
    window of their period, or to as many as one answer holds."""
    bars_without_end: Literal["now", "window"] = "now"
    """Where bars end that are asked for without `toTimestamp`: now, or with the old window of
    their period, where they name a beginning."""
    bars_flat_close_bug: bool = False
    """Whether bars that close at their low lose their deltaHigh, as the real server's do."""
    bars_answer_timestamp: bool = True
    """Whether historical bars carry the deprecated `timestamp`, which old schemas require."""
    enforce_bar_windows: bool = False
    """Whether a window over the old limit of its period is refused."""
    ticks_page_size: int = 1000
    """Most ticks in one answer."""
    ticks_window: int = 604_800_000
    """Longest window of ticks in milliseconds."""
    lists_page_size: int = 500
    """Most deals or orders in one answer."""
    lists_window: int | None = None
    """Longest window of deal and order lists in milliseconds; None is any, for an answer over more
    than a week was recorded. 604_800_000 is the rule of older documentation."""
    lists_span: int = 604_800_000
    """Milliseconds before the end at which a deal or order list begins that names no beginning."""
    position_lists_span: int | None = None
    """The same for the deals and orders of one position; None is all that there are."""

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
    fill_through_depth: bool = False
    """Whether orders take what each level of the depth holds, in one part for each, instead of
    all they want at the best price."""
    market_range_rest: Literal["cancelled", "rejected", "expired"] = "cancelled"
    """How what a market-range order finds no price for ends."""
    immediate_rest: Literal["cancelled", "expired"] = "cancelled"
    """How what an order that does not wait finds no price for ends."""
    limits_honour_time_in_force: bool = True
    """Whether IMMEDIATE_OR_CANCEL and FILL_OR_KILL hold for orders with a price of their own;
    they were seen to wait like all others."""
    market_on_open: bool = True
    """Whether MARKET_ON_OPEN orders are taken; broker support is unknown."""
    pending_orders_check_money: bool = False
    """Whether an order with a price of its own needs its money when it is placed, not only when
    it is filled."""
    absolute_and_relative: Literal["refused", "absolute", "relative"] = "refused"
    """What becomes of a level given both as a price and as a distance: a refusal as
    `INVALID_REQUEST`, or one of the two counts."""
    limit_beyond_market: Literal["filled", "refused"] = "filled"
    """Whether a limit order that the market has passed already is filled at once, or refused as
    `TRADING_BAD_PRICES`."""
    pending_position_id: Literal["refused", "ignored"] = "refused"
    """What becomes of a `positionId` on an order with a price of its own: a refusal as
    `INVALID_REQUEST`, or an order without it."""
    pending_without_rights: Literal["wait", "rejected"] = "wait"
    """Whether pending orders of an account that may not open anything wait until it may, or are
    rejected when their price comes."""
    flip_keeps_position_id: bool = False
    """Whether the position that an order opens beyond one it closes, in a netted account, has the
    closed one's id; otherwise a new one."""
    stop_out_accepted_first: bool = True
    """Whether the order that closes a position for want of margin is told when it is made, too,
    not only when it is filled."""
    amend_needs_all_fields: bool = False
    """Whether amending a pending order is refused as `INVALID_REQUEST` without its volume, price
    or slippage; otherwise these stay what they are."""
    protective_cancel_code: str = "UNABLE_TO_CANCEL_ORDER"
    """Code for cancelling a protective order by its id."""
    protective_amend_code: str = "UNABLE_TO_AMEND_ORDER"
    """Code for amending a protective order by its id."""
    cancel_while_closed: bool = True
    """Whether pending orders may be cancelled outside the trading hours."""
    cancel_race: Literal["event", "pending_execution", "unable", "not_found"] = "event"
    """How cancelling an order that is being filled is refused: by an ORDER_CANCEL_REJECTED event,
    or by an order error event with one of three codes."""
    amend_race_code: str = "PENDING_EXECUTION"
    """Code for changing an order that is being filled; `CONCURRENT_MODIFICATION` is the other."""
    locked_position_code: str = "POSITION_LOCKED"
    """Code for trading a position that is being closed; `PENDING_EXECUTION` is the other."""
    wrong_stop_code: str = "TRADING_BAD_PRICES"
    """Code for a stop order whose price is reached already; `TRADING_BAD_STOPS` is the other."""
    position_hidden_after_fill: float = 0.0
    """Seconds of market time for which a new position is still unknown to requests; about 0.1 was
    seen."""
    trailing_holds_stop: bool = False
    """Whether the stop loss of a position cannot be removed while it trails the price, so that
    trailing has to be switched off before, as one client observed."""
    removed_protection: Literal["cancelled", "replaced"] = "cancelled"
    """How it is told that a position lost both its levels: by the end of their order, or by a
    change of it that leaves it none."""
    guaranteed_charge_at: Literal["placing", "hit"] = "placing"
    """When a guaranteed stop loss is paid for: when it is set, or when it closes the position."""
    conversion_side: Literal["bid", "ask", "mid"] = "bid"
    """Price at which money is converted between currencies."""
    same_asset_chain_code: str | None = None
    """Code that refuses the symbols which convert an asset to itself; with None there are none of
    them, and the answer says so."""
    money_rounding: Literal["half_away", "half_even", "towards_zero"] = "half_away"
    """How an amount becomes a whole number of the smallest unit of its currency: the nearest one,
    halves away from zero or to the even one, or the next one towards zero."""
    conversion_fee_of_losses: Literal["charged", "none", "credited"] = "charged"
    """What the fee for converting a profit is where it is a loss: the same cost, as recorded,
    nothing, or as much given back."""
    conversion_fee_rounding: Literal["up", "half_away", "half_even", "towards_zero"] = "up"
    """How that fee becomes a whole number: away from zero, as recorded, or as other amounts may."""
    lists_newest_first: bool = True
    """Whether the lists of orders and deals begin with the newest, as recorded."""
    list_borders_inclusive: bool = True
    """Whether what happened exactly at the end of a list's window belongs to it."""
    history_lag: float = 0.0
    """Seconds for which lists do not show yet what has just happened."""
    reconcile_lag: float = 0.0
    """Seconds for which what is open does not show new positions and pending orders."""
    cash_flow_window: int = 604_800_000
    """Longest window of deposits and withdrawals in milliseconds, as documented."""

    write_money_digits: bool = True
    """Whether messages carry `moneyDigits` where the schema lets them leave it out."""
    withdrawal_delta_negative: bool = True
    """Whether what was withdrawn is told as a negative change of the balance."""
    trader_updated_after_cash: bool = True
    """Whether an account is told anew after a deposit, a withdrawal or a bonus."""
    trader_updated_after_terms: bool = True
    """Whether an account is told anew after its terms changed, such as its leverage."""
    trader_updated_after_closing: bool = False
    """Whether an account is told anew after a closing changed its balance."""
    negative_balance_protection: bool = False
    """Whether a balance that a stop-out leaves below zero, when nothing is open any more, is
    brought back to zero. The schema names the type of such a deposit, but not who has it."""
    bonus_counts_in_equity: bool = False
    """Whether bonuses are part of the equity that margins are compared with."""
    swap_days_of_year: int = 360
    """Days of a year for swap rates that are a percentage."""
    margin_call_pause: float = 600.0
    """Seconds of market time from one margin call of an account to the next."""
    margin_calls_pause_together: bool = False
    """Whether a margin call also silences the other two thresholds for that time."""
    margin_call_update_ends_pause: bool = True
    """Whether a new threshold may warn at once, however short ago its margin call came last."""
    v1_pnl_stream: bool | Literal["silent"] = False
    """Whether the profit stream of newer schemas is served. False refuses its requests as
    UNSUPPORTED_MESSAGE, "silent" leaves them without an answer."""
    version: str = "90"
    """Answer to a version request."""

    def __post_init__(self) -> None:
        """Refuse what no server could do.

        Raises:
            ConfigurationError: a switch has a value of another type, or out of its range.
        """
        found = wrong_field(self)
        if found is None:
            faults = (
                (each.name, _fault(each.name, getattr(self, each.name))) for each in fields(self)
            )
            found = next(((name, text) for name, text in faults if text is not None), None)
        if found is not None:
            raise ConfigurationError(
                f"Switches: {found[1]}. Leave it out for the default.", problems=[found]
            )


def _fault(name: str, value: object) -> str | None:
    """Return what is wrong with a number or a text, None where nothing is."""
    if value == "":
        return f"{name} must not be empty"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if name == "heartbeat_interval" and 0 < value < _SHORTEST:
        return f"{name} must be 0 for never, or {_SHORTEST} and more, not {value}"
    least = _LEAST.get(name, 0)
    most = _LONGEST if isinstance(value, float) else _MOST.get(name, 2**63 - 1)
    return None if least <= value <= most else f"{name} must be from {least} to {most}, not {value}"
