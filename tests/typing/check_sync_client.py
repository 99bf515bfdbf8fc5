"""Types of the blocking client, as both checkers must see them.

Where they must refuse something, a comment says so; one that silences nothing is an error itself.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, assert_type

from ctrader.proto import ProtoOASpotEvent, ProtoOAVersionReq, ProtoOAVersionRes
from ctrader_sync import (
    CLEAR,
    AccountCredentials,
    AmendOrderRequest,
    AmendPositionRequest,
    ClientConfig,
    EventStream,
    ExecutionEvent,
    NewOrderRequest,
    Order,
    OrderSide,
    OrderType,
    Position,
    SpotEvent,
    SymbolInfo,
    SyncCTraderClient,
    TickData,
    Trendbar,
    TrendbarPeriod,
)

if TYPE_CHECKING:
    from datetime import datetime

client = SyncCTraderClient(ClientConfig(client_id="app", client_secret="secret"))


# Handlers


@client.on(SpotEvent, symbol_id=270)
def on_price(event: SpotEvent) -> None:
    assert_type(event.ask, float | None)


@client.on(ExecutionEvent)
def on_execution(event: ExecutionEvent) -> None:
    assert_type(event.order, Order | None)


# It can still be called as what it is.
assert_type(on_price(SpotEvent(1, 270, 1, 2)), None)
on_price(ExecutionEvent)  # type: ignore[arg-type] # the wrong event


async def waits(event: SpotEvent) -> None:
    del event


client.register_handler(SpotEvent, waits)  # type: ignore[arg-type] # nobody would await it
client.on(SpotEvent)(on_execution)  # type: ignore[arg-type] # the wrong event
client.register_handler(SpotEvent, on_price)
client.register_handler(ProtoOASpotEvent, print)
assert_type(client.off(SpotEvent, on_price), bool)


# Streams


def streams() -> None:
    stream = client.stream(SpotEvent, symbol_id=270)
    assert_type(stream, EventStream[SpotEvent])
    with client.stream(SpotEvent) as quotes:
        assert_type(quotes, EventStream[SpotEvent])
        for quote in quotes:
            assert_type(quote, SpotEvent)
        assert_type(quotes.get(timeout=1), SpotEvent)


# Calls


def calls(account_id: int, start: datetime, end: datetime) -> None:
    with client as same:
        assert_type(same, SyncCTraderClient)
    assert_type(client.wait(timeout=1), bool)
    assert_type(client.is_ready, bool)
    credentials = client.auth.authenticate_by_trader_login(1, "a", "r", 1.0)
    assert_type(credentials, AccountCredentials)
    assert_type(client.symbols.list_all(account_id), list[SymbolInfo])
    assert_type(
        client.market_data.get_trendbars(account_id, 1, TrendbarPeriod.H1, start, end),
        list[Trendbar],
    )
    assert_type(client.market_data.get_tick_data(account_id, 1, start, end), Sequence[TickData])
    request = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000)
    # Prices may be Decimals; what is read back is a float.
    exact = NewOrderRequest(
        symbol_id=1,
        side=OrderSide.BUY,
        volume=100_000,
        order_type=OrderType.LIMIT,
        limit_price=Decimal("1.2"),
        relative_stop_loss=Decimal("0.002"),
    )
    assert_type(exact.limit_price, float | None)
    NewOrderRequest(symbol_id="1", side=OrderSide.BUY, volume=1)  # type: ignore[arg-type] # a text
    AmendOrderRequest(order_id=1, limit_price=Decimal("1.2"), stop_loss=CLEAR)
    AmendPositionRequest(position_id=1, stop_loss=Decimal("1.2"), take_profit=CLEAR)
    assert_type(client.trading.place_order(account_id, request), ExecutionEvent)
    assert_type(client.trading.get_open_positions(account_id), list[Position])
    assert_type(client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes), ProtoOAVersionRes)
    assert_type(client.protocol.on_event(ProtoOASpotEvent, print), Callable[[], None])
