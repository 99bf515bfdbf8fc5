"""The demo: the whole main job in a minute, offline, with either client.

The story is told once, as a generator that yields whatever a method of the client returned. The
blocking client returned the answer itself; the async client something to await. So each driver
of the story is a few lines, and what they share is plain to read.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ctrader.cli.screen import Screen
from ctrader.enums import ExecutionType, OrderSide, TrendbarPeriod
from ctrader.events import SpotEvent
from ctrader.models.orders import NewOrderRequest
from ctrader.models.positions import ClosePositionRequest
from ctrader.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ctrader.client import CTraderClient
    from ctrader.credentials import AccountCredentials
    from ctrader.events import ExecutionEvent
    from ctrader.models.accounts import Account, AccountSummary
    from ctrader.models.market import Trendbar
    from ctrader.models.positions import Position, PositionUnrealizedPnL
    from ctrader.models.symbols import Asset, Symbol, SymbolInfo
    from ctrader_sync.client import SyncCTraderClient

__all__ = ["DemoError", "filled", "run_async", "run_blocking", "story"]

NAMES: Final = ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "US500", "BTCUSD")
TRADED: Final = "EURUSD"
LOTS: Final = 0.01
BARS: Final = 8

# Any: what is sent in is the answer to what was yielded, which no type of a generator can say.
# Each answer's type stands where it is received.
Story: TypeAlias = Generator[Any, Any, None]


class DemoError(Exception):
    """The simulator did something that the demo cannot go on with."""


# Public


def run_blocking(*, seconds: float, seed: int, screen: Screen | None = None) -> None:
    """Tell the story with the blocking client.

    Args:
        seconds: How long to show live quotes.
        seed: Decides the prices.
        screen: Where to print; this process's console by default.

    Raises:
        ConfigurationError: the simulator's extra is missing.
        CTraderError: a request failed.
        DemoError: the order was not filled, or something was left open.
    """
    from ctrader_sync.client import SyncCTraderClient

    with Simulator(seed=seed) as simulator:
        shown = _introduced(screen, simulator, "SyncCTraderClient, no event loop", seed)
        with SyncCTraderClient(simulator.client_config()) as client:
            answer: object = None
            steps = story(client, simulator.credentials(), shown, seconds)
            with closing(steps):
                while True:
                    try:
                        answer = steps.send(answer)
                    except StopIteration:
                        return


def run_async(
    *, seconds: float, seed: int, loop: str = "asyncio", screen: Screen | None = None
) -> None:
    """Tell the story with the async client.

    Args:
        seconds: How long to show live quotes.
        seed: Decides the prices.
        loop: "asyncio" or "trio".
        screen: Where to print; this process's console by default.

    Raises:
        ConfigurationError: the simulator's extra is missing.
        CTraderError: a request failed.
        DemoError: the order was not filled, or something was left open.
    """
    import anyio

    from ctrader.client import CTraderClient

    async def tell() -> None:
        async with CTraderClient(simulator.client_config()) as client:
            steps = story(client, simulator.credentials(), shown, seconds)
            with closing(steps):
                try:
                    request: Awaitable[object] = next(steps)
                    while True:
                        try:
                            answer = await request
                        except Exception as error:  # noqa: BLE001 - the story decides
                            request = steps.throw(error)
                        else:
                            request = steps.send(answer)
                except StopIteration:
                    return

    with Simulator(seed=seed) as simulator:
        shown = _introduced(screen, simulator, f"CTraderClient on {loop}", seed)
        anyio.run(tell, backend=loop)


def story(
    client: CTraderClient | SyncCTraderClient,
    credentials: AccountCredentials,
    screen: Screen,
    seconds: float,
) -> Story:
    """Authenticate, watch, look back, buy, look, close.

    Args:
        client: A connected client; what its methods return is yielded, the answer comes back.
        credentials: The account to trade on.
        screen: Where to print.
        seconds: How long to show live quotes.

    Raises:
        CTraderError: a request failed.
        DemoError: the order was not filled, or something was left open.
    """
    account_id = credentials.account_id

    yield client.auth.authenticate_app()
    accounts: list[AccountSummary] = yield client.accounts.list_by_token(credentials.access_token)
    screen.accounts(accounts, account_id)
    yield client.auth.authenticate_trader(credentials)
    account: Account = yield client.accounts.get_trader(account_id)
    assets: list[Asset] = yield client.symbols.get_assets(account_id)
    currency = {asset.asset_id: asset.name for asset in assets}[account.deposit_asset_id]
    screen.say(
        f"Account {account_id} holds {account.balance:,} {currency}, "
        f"leverage {account.get_leverage()}."
    )

    listed: list[SymbolInfo] = yield client.symbols.list_all(account_id)
    names = {info.symbol_id: info.name for info in listed if info.name in NAMES}
    details: list[Symbol] = yield client.symbols.get_by_ids(account_id, list(names))
    symbols = {names[symbol.symbol_id]: symbol for symbol in details}

    # The stream comes first, so that it has the first quotes, which hold both sides.
    with (
        closing(client.stream(SpotEvent, account_id=account_id)) as stream,
        screen.quotes() as board,
    ):
        yield client.market_data.subscribe_spots(account_id, list(names))
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                event: SpotEvent = yield stream.get(timeout=left)
            except TimeoutError:
                break
            if event.quote is not None:
                name = names[event.symbol_id]
                board.show(name, symbols[name], event.quote)
        yield client.market_data.unsubscribe_spots(account_id, list(names))

    symbol = symbols[TRADED]
    now = datetime.now(UTC)
    bars: list[Trendbar] = yield client.market_data.get_trendbars(
        account_id, symbol.symbol_id, TrendbarPeriod.H1, now - timedelta(hours=2 * BARS), now
    )
    screen.bars(TRADED, symbol, bars[-BARS:])

    opened: ExecutionEvent = yield client.trading.place_order(
        account_id,
        NewOrderRequest(
            symbol_id=symbol.symbol_id,
            side=OrderSide.BUY,
            volume=symbol.lots_to_volume(LOTS),
            label="ctrader demo",
        ),
    )
    position = filled(opened).position
    if position is None:
        raise DemoError("the fill names no position")
    profits: list[PositionUnrealizedPnL] = yield client.trading.get_unrealized_pnl_per_position(
        account_id
    )
    profit = next((p for p in profits if p.position_id == position.position_id), None)
    screen.position(TRADED, symbol, position, profit)

    closed: ExecutionEvent = yield client.trading.close_position(
        account_id,
        ClosePositionRequest(position_id=position.position_id, volume=position.volume),
    )
    deal = filled(closed).deal
    if deal is None:
        raise DemoError("the close names no deal")
    screen.result(symbol, deal, currency)
    remaining: list[Position] = yield client.trading.get_open_positions(account_id)
    if remaining:
        raise DemoError(f"{len(remaining)} positions are still open")
    screen.say("Nothing is left open.")


def filled(event: ExecutionEvent) -> ExecutionEvent:
    """Return the event of an order that was filled.

    Raises:
        DemoError: it ended otherwise.
    """
    if event.execution_type is not ExecutionType.ORDER_FILLED:
        raise DemoError(f"the order was not filled but ended with {event.execution_type.name}")
    return event


# Private


def _introduced(screen: Screen | None, simulator: Simulator, client: str, seed: int) -> Screen:
    shown = Screen() if screen is None else screen
    shown.say(f"Simulator on {simulator.host}:{simulator.port}, TLS, seed {seed}.")
    shown.say(f"Client: {client}.")
    return shown
