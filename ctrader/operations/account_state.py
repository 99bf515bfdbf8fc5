"""Read what an account's local state is made of, and compare it with the server's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.errors import APIError
from ctrader.live.state import AccountState
from ctrader.operations.accounts import get_trader
from ctrader.operations.symbols import get_assets, get_conversion_chain, list_all
from ctrader.operations.trading import get_unrealized_pnl_per_position, reconcile
from ctrader.protocol.commands import Follow, SpotTopic, Subscribe, Unfollow, Unsubscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ctrader.events import ProfitDiscrepancyEvent
    from ctrader.live.account import LiveAccount
    from ctrader.models.changes import AccountChange
    from ctrader.operations.base import Op
    from ctrader.protocol.following import FollowedAccount

__all__ = [
    "OWNER",
    "check",
    "cross_check",
    "follow",
    "provide",
    "rebuild",
    "refresh",
    "release",
    "unfollow",
]

OWNER: Final = "account state"
"""Who owns the quotes that the local states of all accounts need."""


def follow(account_id: int) -> Op[AccountState]:
    """Have an account followed, and return its state once it was read.

    Raises:
        APIError: the server refused to tell what the account holds.
        AccountAuthError: the account is not authenticated with this client.
        CTraderConnectionError: the client gave up reconnecting, or it was not read in time.
    """
    state = yield Follow(account_id)
    assert isinstance(state, AccountState)
    return state


def unfollow(account_id: int) -> Op[bool]:
    """Have an account followed no longer, and its quotes given back."""
    return bool((yield Unfollow(account_id)))


def refresh(followed: FollowedAccount, *, whole: bool) -> Op[None]:
    """Read an account and what its profits need, or only what they lack.

    Args:
        followed: The account; it tells what is found.
        whole: Read the account itself; otherwise its events have kept it right.

    Raises:
        APIError: the server refused an answer.
        CTraderConnectionError: the client gave up reconnecting, or no answer came in time.
    """
    if whole:
        followed.was_read((yield from rebuild(followed.live, followed.clock)))
    if not followed.live.state.is_stale:
        yield from provide(followed.live)


def check(followed: FollowedAccount) -> Op[None]:
    """Give back quotes that are not needed, and compare profits if there are any.

    Raises:
        APIError: the server refused the answer.
        CTraderConnectionError: the client gave up reconnecting, or no answer came in time.
    """
    live = followed.live
    yield from release(live)
    if live.state.positions:
        followed.disagreed((yield from cross_check(live)))


def rebuild(live: LiveAccount, clock: Callable[[], datetime]) -> Op[tuple[AccountChange, ...]]:
    """Read the account, its positions and its orders; events may come meanwhile.

    Step it where the events are handed in, so that each answer is taken between the events before
    and after it. It ends early, without a change, when the link or the account's session is lost,
    or another reading begins: whoever reads the account when it is ready again has it all.

    Args:
        live: What is known of the account.
        clock: Gives the present time, in UTC.

    Returns: What happened while nothing was heard; see `LiveAccount.rebuilt`.

    Raises:
        APIError: the server refused an answer.
        CTraderConnectionError: the client gave up reconnecting, or no answer came in time.
    """
    reading = live.begin()
    try:
        account = yield from get_trader(live.account_id)
        if not live.is_under_way(reading):
            return ()
        reading.account_told(account)
        positions, orders = yield from reconcile(live.account_id, protection_orders=True)
        if not live.is_under_way(reading):
            return ()
        reading.holdings_told(positions, orders)
        return live.rebuilt(reading, clock())
    finally:
        live.abandon(reading)


def provide(live: LiveAccount) -> Op[None]:
    """Read and subscribe whatever is lacking to value the positions, until nothing is.

    Due after each reading, and after each event that leaves `live.supply` incomplete. What the
    server refuses is left out until it is tried again: profits that need it are None.

    Raises:
        APIError: the server refused the list of assets or of symbols.
        CTraderConnectionError: the client gave up reconnecting, or no answer came in time.
    """
    account_id, supply = live.account_id, live.supply
    while not supply.is_complete:
        if supply.lacks_assets:
            supply.assets_told((yield from get_assets(account_id)))
        if supply.lacks_symbols:
            supply.symbols_told((yield from list_all(account_id)))
        for asset_id, deposit_asset_id in supply.lacking_chains:
            try:
                chain = yield from get_conversion_chain(account_id, asset_id, deposit_asset_id)
            except APIError:
                supply.chain_told(asset_id, None)
            else:
                supply.chain_told(asset_id, chain)
        yield from _subscribe(live, supply.lacking_quotes)


def release(live: LiveAccount, *, everything: bool = False) -> Op[None]:
    """Stop asking for quotes that no position needs any more.

    Args:
        live: What is known of the account.
        everything: Stop asking for the others, too: nobody looks at the account any more.
    """
    supply = live.supply
    symbol_ids = supply.subscribed_quotes if everything else supply.surplus_quotes
    if symbol_ids:
        supply.quotes_unsubscribed(symbol_ids)
        yield Unsubscribe(_topics(live.account_id, symbol_ids), OWNER)


def cross_check(live: LiveAccount) -> Op[tuple[ProfitDiscrepancyEvent, ...]]:
    """Compare the profit of each position with the server's figure.

    All come in one answer; the server wants to be asked every 2 to 3 seconds at most. Step it where
    quotes and executions are handed in, so that the answer is compared with what came before it.

    Returns: An event for each position that disagrees for the second time in a row; see
        `LiveAccount.compared`.

    Raises:
        APIError: the server refused the answer: one of the positions has no price now, say.
        CTraderConnectionError: the client gave up reconnecting, or no answer came in time.
    """
    profits = yield from get_unrealized_pnl_per_position(live.account_id)
    return live.compared(profits)


# Private


def _subscribe(live: LiveAccount, symbol_ids: tuple[int, ...]) -> Op[None]:
    """Subscribe to quotes; those that the server refuses are noted."""
    if not symbol_ids:
        return
    try:
        yield Subscribe(_topics(live.account_id, symbol_ids), OWNER)
    except APIError:
        # One that is refused ends the subscription of all, so each is asked for on its own.
        if len(symbol_ids) == 1:
            live.supply.quote_refused(symbol_ids[0])
            return
        for symbol_id in symbol_ids:
            yield from _subscribe(live, (symbol_id,))
    else:
        live.supply.quotes_subscribed(symbol_ids)


def _topics(account_id: int, symbol_ids: Iterable[int]) -> tuple[SpotTopic, ...]:
    return tuple(SpotTopic(account_id, symbol_id) for symbol_id in symbol_ids)
