"""Which scenario puts which messages on the wire; `test_every_message` holds it to the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from ctrader import proto
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE

if TYPE_CHECKING:
    from ctrader.simulator import Simulator

__all__ = ["EXERCISED", "exercised_in"]

EXERCISED: Final[Mapping[str, tuple[type[Message], ...]]] = {
    "test_access.test_token_opens_the_accounts_and_profile_of_its_user": (
        proto.ProtoOAApplicationAuthReq,
        proto.ProtoOAAccountAuthReq,
        proto.ProtoOAGetAccountListByAccessTokenReq,
        proto.ProtoOAGetCtidProfileByTokenReq,
        proto.ProtoOAVersionReq,
    ),
    "test_access.test_every_account_is_told_as_the_books_have_it_and_anew_when_it_changes": (
        proto.ProtoOATraderReq,
        proto.ProtoOATraderUpdatedEvent,
    ),
    "test_access.test_account_that_logged_out_hears_nothing_until_it_is_back": (
        proto.ProtoOAAccountLogoutReq,
        proto.ProtoOAAccountDisconnectEvent,
        proto.ProtoOAAccountAuthReq,
    ),
    "test_access.test_refresh_by_one_connection_ends_the_token_of_another": (
        proto.ProtoOARefreshTokenReq,
        proto.ProtoOAAccountsTokenInvalidatedEvent,
        proto.ProtoOAAccountDisconnectEvent,
    ),
    "test_access.test_session_of_the_program_that_the_server_ends_comes_back": (
        proto.ProtoOAClientDisconnectEvent,
    ),
    "test_access.test_account_that_the_server_ends_comes_back_and_others_stay": (
        proto.ProtoOAAccountDisconnectEvent,
    ),
    "test_access.test_grant_that_the_user_withdraws_ends_its_accounts": (
        proto.ProtoOAAccountsTokenInvalidatedEvent,
    ),
    "test_catalogue.test_assets_classes_and_categories_are_the_brokers": (
        proto.ProtoOAAssetListReq,
        proto.ProtoOAAssetClassListReq,
        proto.ProtoOASymbolCategoryListReq,
    ),
    "test_catalogue.test_symbols_in_short_in_full_and_archived_are_the_brokers": (
        proto.ProtoOASymbolsListReq,
        proto.ProtoOASymbolByIdReq,
    ),
    "test_catalogue.test_conversion_chains_of_every_length_lead_where_they_should": (
        proto.ProtoOASymbolsForConversionReq,
    ),
    "test_catalogue.test_every_scale_of_leverage_is_the_brokers": (
        proto.ProtoOAGetDynamicLeverageByIDReq,
    ),
    "test_catalogue.test_changed_terms_are_told_read_and_hold_for_orders": (
        proto.ProtoOASymbolChangedEvent,
        proto.ProtoOASymbolByIdReq,
    ),
    "test_live_market.test_quotes_carry_the_changed_side_and_the_time_of_their_tick": (
        proto.ProtoOASubscribeSpotsReq,
        proto.ProtoOASpotEvent,
        proto.ProtoOAGetTickDataReq,
    ),
    "test_live_market.test_forming_bars_are_the_brokers_and_those_of_the_past": (
        proto.ProtoOASubscribeLiveTrendbarReq,
        proto.ProtoOAUnsubscribeLiveTrendbarReq,
        proto.ProtoOASpotEvent,
        proto.ProtoOAGetTrendbarsReq,
    ),
    "test_live_market.test_depth_follows_a_jump_of_the_price_and_stops_when_unsubscribed": (
        proto.ProtoOASubscribeDepthQuotesReq,
        proto.ProtoOAUnsubscribeDepthQuotesReq,
        proto.ProtoOADepthEvent,
        proto.ProtoOAUnsubscribeSpotsReq,
    ),
    "test_prices.test_quotes_stop_when_unsubscribed_and_are_asked_for_once": (
        proto.ProtoOASubscribeSpotsReq,
        proto.ProtoOAUnsubscribeSpotsReq,
        proto.ProtoOASpotEvent,
    ),
    "test_prices.test_hourly_bars": (proto.ProtoOAGetTrendbarsReq,),
    "test_prices.test_ticks_of_several_pages_are_whole": (proto.ProtoOAGetTickDataReq,),
    "test_depth.test_depth_adds_up_to_the_book_of_the_simulator": (
        proto.ProtoOASubscribeDepthQuotesReq,
        proto.ProtoOAUnsubscribeDepthQuotesReq,
        proto.ProtoOADepthEvent,
    ),
    "test_order_kinds.test_market_range_order_takes_only_prices_in_its_range": (
        proto.ProtoOANewOrderReq,
        proto.ProtoOAExecutionEvent,
        proto.ProtoOAReconcileReq,
        proto.ProtoOADealListReq,
        proto.ProtoOAOrderListReq,
    ),
    "test_order_kinds.test_refused_order_is_an_event_too_and_changes_nothing": (
        proto.ProtoOANewOrderReq,
        proto.ProtoOAOrderErrorEvent,
    ),
    "test_order_kinds.test_trailing_stop_follows_the_price_and_tells_each_move": (
        proto.ProtoOATrailingSLChangedEvent,
        proto.ProtoOAExecutionEvent,
    ),
    "test_order_kinds.test_protective_order_follows_amendments_of_its_position": (
        proto.ProtoOAAmendPositionSLTPReq,
        proto.ProtoOAReconcileReq,
    ),
    "test_order_kinds.test_pending_order_is_amended_and_cancelled_in_the_books": (
        proto.ProtoOAAmendOrderReq,
        proto.ProtoOACancelOrderReq,
    ),
    "test_order_kinds.test_position_grows_and_shrinks_at_its_average_price": (
        proto.ProtoOAClosePositionReq,
    ),
    "test_order_kinds.test_every_connection_of_an_account_sees_the_same": (
        proto.ProtoOAExecutionEvent,
        proto.ProtoOACancelOrderReq,
        proto.ProtoOAClosePositionReq,
    ),
    "test_lists.test_orders_of_several_pages_are_those_of_the_books": (proto.ProtoOAOrderListReq,),
    "test_lists.test_lists_of_a_position_are_those_of_the_books": (
        proto.ProtoOADealListByPositionIdReq,
        proto.ProtoOAOrderListByPositionIdReq,
    ),
    "test_lists.test_deals_of_a_window_and_of_several_pages_are_those_of_the_books": (
        proto.ProtoOADealListReq,
        proto.ProtoOADealListByPositionIdReq,
    ),
    "test_lists.test_each_order_is_told_with_its_deals": (proto.ProtoOAOrderDetailsReq,),
    "test_lists.test_offsets_say_which_deal_closed_how_much_of_which": (
        proto.ProtoOADealOffsetListReq,
    ),
    "test_account_life.test_money_that_comes_and_goes_is_told_and_listed": (
        proto.ProtoOAExecutionEvent,
        proto.ProtoOATraderUpdatedEvent,
        proto.ProtoOACashFlowHistoryListReq,
    ),
    "test_account_life.test_margin_calls_are_listed_set_and_told_to_everybody": (
        proto.ProtoOAMarginCallListReq,
        proto.ProtoOAMarginCallUpdateReq,
        proto.ProtoOAMarginCallUpdateEvent,
    ),
    "test_account_life.test_losses_lead_over_three_warnings_to_the_stop_out": (
        proto.ProtoOAMarginCallTriggerEvent,
        proto.ProtoOAExecutionEvent,
    ),
    "test_account_life.test_margin_goes_with_leverage_and_is_what_was_expected": (
        proto.ProtoOAExpectedMarginReq,
        proto.ProtoOAMarginChangedEvent,
        proto.ProtoOATraderUpdatedEvent,
    ),
    "test_account_life.test_unrealised_profit_is_the_brokers_in_the_accounts_currency": (
        proto.ProtoOAGetPositionUnrealizedPnLReq,
    ),
    "test_account_life.test_stream_of_profits_tells_each_change_until_it_is_unsubscribed": (
        proto.ProtoOAv1PnLChangeSubscribeReq,
        proto.ProtoOAv1PnLChangeEvent,
        proto.ProtoOAv1PnLChangeUnSubscribeReq,
    ),
    "test_account_life.test_server_that_is_silent_about_profits_has_none": (
        proto.ProtoOAv1PnLChangeSubscribeReq,
    ),
    "test_account_life.test_swap_is_told_and_booked_with_the_close": (proto.ProtoOAExecutionEvent,),
}
"""Requests that the simulator must have received, and events that it must have sent, by the module
and the name of the scenario. Each scenario is held to its row on asyncio, trio and without a loop.
"""


def exercised_in(simulators: Iterable[Simulator]) -> set[type[Message]]:
    """Return what clients asked these simulators, and the events that they were sent."""
    return {
        MESSAGE_BY_PAYLOAD_TYPE[frame.payload_type]
        for simulator in simulators
        for frame in simulator.frames
        if frame.payload_type in MESSAGE_BY_PAYLOAD_TYPE
    }
