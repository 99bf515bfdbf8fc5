"""Everything that the broker lists, compared with its catalogue."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ctrader.enums import TradingMode
from ctrader.errors import SymbolNotFoundError, TradingDisabledError
from ctrader.events import SymbolChangedEvent
from ctrader.models.symbols import SymbolInfo
from ctrader.proto import ProtoOASymbolsForConversionReq, ProtoOATradingMode
from ctrader.simulator import DEFAULT_CATALOGUE, Simulator
from ctrader.units import millis_from_datetime
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Stage, at_desk
from tests.clients.scenarios.test_order_kinds import EURUSD, order, still

pytestmark = pytest.mark.anyio

CATALOGUE = DEFAULT_CATALOGUE
ASSETS = {asset.name: asset.asset_id for asset in CATALOGUE.assets}


async def test_assets_classes_and_categories_are_the_brokers(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        symbols, account_id = desk.client.symbols, desk.account_id
        assets = await symbols.get_assets(account_id)
        classes = await symbols.get_asset_classes(account_id)
        categories = await symbols.get_categories(account_id)
    assert [(each.asset_id, each.name, each.display_name, each.digits) for each in assets] == [
        (each.asset_id, each.name, each.display_name, each.digits) for each in CATALOGUE.assets
    ]
    assert [(each.asset_class_id, each.name, each.sorting_number) for each in classes] == [
        (each.asset_class_id, each.name, place)
        for place, each in enumerate(CATALOGUE.asset_classes, 1)
    ]
    assert [(each.category_id, each.asset_class_id, each.name) for each in categories] == [
        (each.category_id, each.asset_class_id, each.name) for each in CATALOGUE.categories
    ]


async def test_symbols_in_short_in_full_and_archived_are_the_brokers(
    stage: Stage, simulator: Simulator
):
    ids = [symbol.symbol_id for symbol in CATALOGUE.symbols]
    archive = [symbol.symbol_id for symbol in CATALOGUE.archived]
    async with at_desk(stage, simulator) as desk:
        symbols, account_id = desk.client.symbols, desk.account_id
        short = await symbols.list_all(account_id)
        full = await symbols.get_by_ids(account_id, ids)
        archived = await symbols.list_archived(account_id)
        named = await symbols.get_archived_by_ids(account_id, [*ids, *archive])
        with pytest.raises(SymbolNotFoundError):
            await symbols.get_by_id(account_id, archive[0])
    for info, symbol, spec in zip(short, full, CATALOGUE.symbols, strict=True):
        assert (info.symbol_id, info.name, info.enabled) == (spec.symbol_id, spec.name, True)
        assert (info.base_asset_id, info.quote_asset_id) == (spec.base, spec.quote)
        assert (info.category_id, info.description) == (spec.category_id, spec.description)
        assert (symbol.symbol_id, symbol.digits, symbol.pip_position) == (
            spec.symbol_id,
            spec.digits,
            spec.pip_position,
        )
        assert (symbol.lot_size, symbol.min_volume, symbol.max_volume, symbol.step_volume) == (
            spec.lot_size,
            spec.min_volume,
            spec.max_volume,
            spec.step_volume,
        )
        is_percentage = spec.commission_type == 3
        assert symbol.commission.type == spec.commission_type
        assert symbol.commission.rate == Decimal(spec.commission_rate).scaleb(
            -5 if is_percentage else -8
        )
        assert symbol.commission.minimum == Decimal(spec.min_commission).scaleb(-8)
        assert symbol.swap.calculation_type == spec.swap_type
        assert (float(symbol.swap.long), float(symbol.swap.short)) == (
            spec.swap_long,
            spec.swap_short,
        )
        charged = symbol.swap.charge_time
        assert (charged.hour * 60 + charged.minute, symbol.swap.triple_day) == (
            spec.swap_time,
            spec.swap_rollover,
        )
        assert (symbol.leverage_id, symbol.max_exposure) == (spec.leverage_id, spec.max_exposure)
        assert (symbol.gsl_distance, symbol.gsl_charge, symbol.guaranteed_stop_loss) == (
            spec.guaranteed_distance,
            spec.guaranteed_charge,
            spec.guaranteed_stops,
        )
        assert symbol.pnl_conversion_fee_rate == spec.conversion_fee_rate
        assert symbol.schedule_timezone == spec.schedule_zone
        assert [holiday.name for holiday in symbol.trading_hours.holidays] == [
            holiday.name for holiday in spec.holidays
        ]
        assert symbol.measurement_units == spec.measurement_units
        assert symbol.trading_mode is TradingMode.ENABLED
    assert archived == named
    assert [
        (
            each.symbol_id,
            each.name,
            each.description,
            millis_from_datetime(each.last_update_timestamp),
        )
        for each in archived
    ] == [
        (each.symbol_id, each.name, each.description, each.updated_ms)
        for each in CATALOGUE.archived
    ]


def walk(start: int, chain: list[SymbolInfo]) -> int | None:
    """Follow a chain from an asset, and return where it leads."""
    at: int | None = start
    for symbol in chain:
        ends = {symbol.base_asset_id, symbol.quote_asset_id}
        assert at in ends, f"{symbol.name} does not go on from asset {at}"
        (at,) = ends - {at}
    return at


async def test_conversion_chains_of_every_length_lead_where_they_should(
    stage: Stage, simulator: Simulator
):
    async with at_desk(stage, simulator) as desk:
        for first, last, length in (
            ("EUR", "EUR", 0),
            ("EUR", "USD", 1),
            ("CHF", "USD", 1),  # the symbol is turned around
            ("GBP", "JPY", 2),
            ("CHF", "EUR", 2),
        ):
            chain = await desk.client.symbols.get_conversion_chain(
                desk.account_id, ASSETS[first], ASSETS[last]
            )
            assert len(chain) == length, (first, last)
            assert walk(ASSETS[first], chain) == ASSETS[last]
            with simulator.locked() as exchange:
                expected = exchange.converter.chain(ASSETS[first], ASSETS[last])
                assert [each.symbol_id for each in chain] == [each.symbol_id for each in expected]
    # Nothing has to be asked where both are the same.
    assert len(simulator.sent_by_client(ProtoOASymbolsForConversionReq)) == 4


async def test_every_scale_of_leverage_is_the_brokers(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        for spec in CATALOGUE.leverages:
            scale = await desk.client.accounts.get_dynamic_leverage(
                desk.account_id, spec.leverage_id
            )
            assert scale.leverage_id == spec.leverage_id
            assert [tier.volume for tier in scale.tiers] == [volume for volume, _ in spec.tiers]
            factors = {
                Decimal(tier.leverage) / leverage
                for tier, (_, leverage) in zip(scale.tiers, spec.tiers, strict=True)
            }
            assert len(factors) == 1


async def test_changed_terms_are_told_read_and_hold_for_orders(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as one, at_desk(stage, simulator, account=1) as other:
        before = await one.client.symbols.get_by_id(one.account_id, EURUSD)
        async with (
            one.client.stream(SymbolChangedEvent) as here,
            other.client.stream(SymbolChangedEvent) as there,
        ):
            with simulator.locked() as exchange:
                exchange.change_symbol(
                    EURUSD, swap_long=-1.5, trading_mode=ProtoOATradingMode.CLOSE_ONLY_MODE
                )
            for desk, changes in ((one, here), (other, there)):
                change = await changes.get(BOUND)
                assert (change.account_id, change.symbol_ids) == (desk.account_id, (EURUSD,))
        after = await one.client.symbols.get_by_id(one.account_id, EURUSD)
        swap = before.swap.model_copy(update={"long": Decimal("-1.5")})
        assert after == before.model_copy(
            update={"swap": swap, "trading_mode": TradingMode.CLOSE_ONLY}
        )
        with pytest.raises(TradingDisabledError):
            await one.client.trading.place_order(one.account_id, order())


async def test_symbol_that_is_not_offered_to_anybody_is_listed_so(stage: Stage, serve: Serve):
    euro = replace(CATALOGUE.symbol_named("EURUSD"), enabled=False)
    simulator = still(serve, catalogue=replace(CATALOGUE, symbols=(euro, *CATALOGUE.symbols[1:])))
    async with at_desk(stage, simulator) as desk:
        listed = await desk.client.symbols.list_all(desk.account_id)
        assert [each.name for each in listed if not each.enabled] == ["EURUSD"]
