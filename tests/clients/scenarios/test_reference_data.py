"""What can be traded, and what is known about accounts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ctrader.enums import AccountType
from ctrader.errors import SymbolNotFoundError
from ctrader.proto import (
    ProtoOASymbolByIdReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.simulator import DEFAULT_CATALOGUE, Simulator
from tests.clients.scenarios.stage import Stage, at_desk

pytestmark = pytest.mark.anyio


async def test_trader(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        trader = await desk.client.accounts.get_trader(desk.account_id)
    assert trader.account_id == desk.account_id
    assert trader.trader_login == 17_091_452
    assert trader.balance == Decimal("100000.00")
    assert trader.leverage == 100
    assert trader.account_type is AccountType.HEDGED
    assert trader.broker_name == "simulated-broker"


async def test_symbols_are_listed_searched_and_read_in_full(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        symbols = desk.client.symbols
        names = {info.name: info for info in await symbols.list_all(desk.account_id)}
        assert {"EURUSD", "GBPUSD", "USDJPY", "XAUUSD", "US500", "BTCUSD"} <= set(names)
        found = await symbols.search(desk.account_id, "usd")
        assert {info.name for info in found} == {name for name in names if "USD" in name}
        assert await symbols.search(desk.account_id, "nothing like it") == []
        wanted = [names["US500"].symbol_id, names["EURUSD"].symbol_id]
        index, euro = await symbols.get_by_ids(desk.account_id, wanted)
        assert (index.symbol_id, index.digits, index.lot_size) == (270, 1, 100)
        assert (euro.symbol_id, euro.digits, euro.pip_position) == (1, 5, 4)
        assert (euro.min_volume, euro.step_volume) == (100_000, 100_000)
        assert await symbols.get_by_id(desk.account_id, 1) == euro
        assert await symbols.get_by_name(desk.account_id, "EURUSD") == euro
        with pytest.raises(SymbolNotFoundError, match="close to it: EURUSD"):
            await symbols.get_by_name(desk.account_id, "eurusd")


async def test_unknown_symbol_is_named(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(SymbolNotFoundError, match="4711"):
            await desk.client.symbols.get_by_ids(desk.account_id, [1, 4711])
        with pytest.raises(SymbolNotFoundError):
            await desk.client.market_data.subscribe_spots(desk.account_id, [4711])


async def test_many_symbols_are_asked_for_fifty_at_a_time(stage: Stage, serve):
    from dataclasses import replace

    euro = DEFAULT_CATALOGUE.symbol_named("EURUSD")
    more = tuple(
        replace(euro, symbol_id=10_000 + number, name=f"PAIR{number}") for number in range(120)
    )
    catalogue = replace(DEFAULT_CATALOGUE, symbols=DEFAULT_CATALOGUE.symbols + more)
    simulator = serve(catalogue=catalogue)
    async with at_desk(stage, simulator) as desk:
        ids = [symbol.symbol_id for symbol in more]
        symbols = await desk.client.symbols.get_by_ids(desk.account_id, ids)
    assert [symbol.symbol_id for symbol in symbols] == ids
    requests = [frame for frame in simulator.frames if "SYMBOL_BY_ID_REQ" in repr(frame)]
    sizes = [len(ProtoOASymbolByIdReq.FromString(frame.payload).symbolId) for frame in requests]
    assert sizes == [50, 50, 20]


async def test_what_symbols_are_sorted_by(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        symbols, account_id = desk.client.symbols, desk.account_id
        assets = {asset.name: asset.asset_id for asset in await symbols.get_assets(account_id)}
        classes = await symbols.get_asset_classes(account_id)
        categories = await symbols.get_categories(account_id)
        archived = await symbols.list_archived(account_id)
        chain = await symbols.get_conversion_chain(account_id, assets["EUR"], assets["JPY"])
    assert {"EUR", "USD", "JPY"} <= set(assets)
    assert "Forex" in [each.name for each in classes]
    assert "Forex Majors" in [each.name for each in categories]
    assert [each.name for each in archived] == ["EURUSD.old"]
    assert [info.name for info in chain] == ["EURJPY"]


async def test_risk(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        accounts = desk.client.accounts
        (margin,) = await accounts.get_expected_margin(desk.account_id, 1, [100_000])
        assert margin.volume == 100_000
        assert Decimal(5) < margin.buy_margin < Decimal(20)  # 1,000 EUR at 1:100, in dollars
        symbol = await desk.client.symbols.get_by_id(desk.account_id, 1)
        assert symbol.leverage_id is not None
        leverage = await accounts.get_dynamic_leverage(desk.account_id, symbol.leverage_id)
        assert leverage.tiers[0].leverage > leverage.tiers[-1].leverage


async def test_any_message_can_be_sent_and_answered(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        answer = await desk.client.protocol.send_request(ProtoOAVersionReq())
        assert isinstance(answer, ProtoOAVersionRes)
        assert answer.version == "90"
