"""Types of the asynchronous client, as both checkers must see them.

Where they must refuse something, a comment says so; one that silences nothing is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, assert_type

from ctrader import (
    AccountCredentials,
    ClientConfig,
    CTraderClient,
    Deal,
    EventStream,
    ExecutionEvent,
    NewOrderRequest,
    Order,
    OrderSide,
    Position,
    SpotEvent,
    Symbol,
    SymbolInfo,
    TickData,
    Trendbar,
    TrendbarPeriod,
)
from ctrader.proto import ProtoOASpotEvent, ProtoOAVersionReq, ProtoOAVersionRes

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

client = CTraderClient(ClientConfig(client_id="app", client_secret="secret"))


# Handlers


@client.on(SpotEvent, symbol_id=270)
async def waits(event: SpotEvent) -> None:
    assert_type(event.bid, float | None)
    assert_type(event.symbol_id, int)


@client.on(ExecutionEvent)
def does_not_wait(event: ExecutionEvent) -> None:
    assert_type(event.order, Order | None)


assert_type(waits, Callable[[SpotEvent], Awaitable[None]])
assert_type(does_not_wait, Callable[[ExecutionEvent], None])


def returns_too_much(event: SpotEvent) -> int:
    return event.symbol_id


async def of_another_event(event: ExecutionEvent) -> None:
    del event


client.on(SpotEvent)(of_another_event)  # type: ignore[arg-type] # the wrong event
client.register_handler(SpotEvent, of_another_event)  # type: ignore[misc] # the wrong event
client.register_handler(SpotEvent, returns_too_much)  # type: ignore[arg-type] # the wrong result
client.register_handler(SpotEvent, waits)
client.register_handler(ExecutionEvent, does_not_wait)
client.register_handler(ProtoOASpotEvent, print)
assert_type(client.off(SpotEvent, waits), bool)


# Streams


async def streams() -> None:
    stream = client.stream(SpotEvent, symbol_id=270)
    assert_type(stream, EventStream[SpotEvent])
    async with client.stream(SpotEvent) as quotes:
        assert_type(quotes, EventStream[SpotEvent])
        async for quote in quotes:
            assert_type(quote, SpotEvent)
        assert_type(await quotes.get(timeout=1), SpotEvent)
    assert_type(client.stream(ProtoOASpotEvent), EventStream[ProtoOASpotEvent])


# Calls


async def calls(account_id: int, start: datetime, end: datetime) -> None:
    async with client as same:
        assert_type(same, CTraderClient)
    assert_type(await client.connect(), None)
    assert_type(await client.wait(timeout=1), bool)
    assert_type(client.is_connected, bool)
    assert_type(client.is_ready, bool)
    credentials = await client.auth.authenticate_by_trader_login(1, "a", "r", 1.0)
    assert_type(credentials, AccountCredentials)
    assert_type(client.auth.get_credentials(account_id), AccountCredentials | None)
    assert_type(client.auth.authenticated_accounts, list[int])
    assert_type(await client.symbols.list_all(account_id), list[SymbolInfo])
    assert_type(await client.symbols.get_by_id(account_id, 1), Symbol)
    assert_type(
        await client.market_data.get_trendbars(account_id, 1, TrendbarPeriod.H1, start, end),
        list[Trendbar],
    )
    assert_type(
        await client.market_data.get_tick_data(account_id, 1, start, end), Sequence[TickData]
    )
    request = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000)
    assert_type(await client.trading.place_order(account_id, request), ExecutionEvent)
    assert_type(await client.trading.get_open_positions(account_id), list[Position])
    assert_type(await client.trading.get_deals(account_id), list[Deal])
    await client.trading.place_order(account_id, request, until="ever")  # type: ignore[arg-type] # no such word


async def raw() -> None:
    answer = await client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes)
    assert_type(answer, ProtoOAVersionRes)
    remove = client.protocol.on_event(ProtoOASpotEvent, print)
    assert_type(remove, Callable[[], None])


def data(bar: Trendbar, symbol: Symbol, event: SpotEvent) -> None:
    assert_type(bar.open, float)
    assert_type(bar.timestamp, datetime)
    assert_type(symbol.volume_to_lots(100_000), Decimal)
    event.symbol_id = 1  # type: ignore[misc] # events do not change
