"""What the broker offers: lists, full terms, what is gone, and what changes."""

from __future__ import annotations

from dataclasses import replace

from ctrader.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAssetClassListReq,
    ProtoOAAssetClassListRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOADayOfWeek,
    ProtoOAErrorRes,
    ProtoOALightSymbol,
    ProtoOAMinCommissionType,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolCategoryListRes,
    ProtoOASymbolChangedEvent,
    ProtoOASymbolDistanceType,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOATradingMode,
)
from ctrader.simulator.catalogue import DEFAULT_CATALOGUE
from ctrader.simulator.messages.catalogue import symbol_message
from tests.simulator.peer import BARE, EUR_ACCOUNT, USD_ACCOUNT, Peer, log_in, scripted_exchange

EURUSD = DEFAULT_CATALOGUE.symbol_named("EURUSD")


def desk(**switches: object) -> Peer:
    exchange = scripted_exchange(switches=replace(BARE, **switches))  # type: ignore[arg-type]  # any
    return log_in(Peer(exchange), USD_ACCOUNT)


def listed(peer: Peer, *, archived: bool = False) -> ProtoOASymbolsListRes:
    request = ProtoOASymbolsListReq(
        ctidTraderAccountId=USD_ACCOUNT, includeArchivedSymbols=archived
    )
    return peer.ask(request, ProtoOASymbolsListRes)


def by_id(*symbol_ids: int) -> ProtoOASymbolByIdReq:
    return ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=symbol_ids)


def full(peer: Peer, symbol_id: int) -> ProtoOASymbol:
    return peer.ask(by_id(symbol_id), ProtoOASymbolByIdRes).symbol[0]


# Lists


def test_list_has_light_symbols_and_the_archived_ones_on_demand():
    answer = listed(desk())
    assert answer.symbol[0] == ProtoOALightSymbol(
        symbolId=1,
        symbolName="EURUSD",
        enabled=True,
        baseAssetId=5,
        quoteAssetId=15,
        symbolCategoryId=11,
        description="Euro vs United States Dollar",
        sortingNumber=0,
    )
    assert [symbol.symbolId for symbol in answer.symbol] == [1, 2, 3, 4, 6, 41, 270, 1001]
    assert len(answer.archivedSymbol) == 0
    (archived,) = listed(desk(), archived=True).archivedSymbol
    assert archived == ProtoOAArchivedSymbol(
        symbolId=77,
        name="EURUSD.old",
        utcLastUpdateTimestamp=1_577_836_800_000,
        description="Euro vs US Dollar, old contract",
    )


def test_every_symbol_leads_to_its_category_class_and_assets():
    peer = desk()
    account = {"ctidTraderAccountId": USD_ACCOUNT}
    classes = peer.ask(ProtoOAAssetClassListReq(**account), ProtoOAAssetClassListRes).assetClass
    categories = peer.ask(ProtoOASymbolCategoryListReq(**account), ProtoOASymbolCategoryListRes)
    assets = peer.ask(ProtoOAAssetListReq(**account), ProtoOAAssetListRes).asset
    class_of = {each.id: each.assetClassId for each in categories.symbolCategory}
    names = {each.id: each.name for each in classes}
    digits = {each.assetId: each.digits for each in assets}
    found = {
        symbol.symbolName: (
            names[class_of[symbol.symbolCategoryId]],
            digits[symbol.baseAssetId],
            digits[symbol.quoteAssetId],
        )
        for symbol in listed(peer).symbol
    }
    assert found["EURUSD"] == ("Forex", 2, 2)
    assert found["USDJPY"] == ("Forex", 2, 0)
    assert found["XAUUSD"][0] == "Metals"
    assert found["US500"][0] == "Indices"
    assert found["BTCUSD"] == ("Crypto Currencies", 8, 2)


def test_catalogue_has_every_kind_of_symbol():
    symbols = {
        each.symbolId: each
        for each in desk().ask(by_id(1, 4, 41, 270, 1001), ProtoOASymbolByIdRes).symbol
    }
    assert {key: (s.digits, s.pipPosition, s.lotSize) for key, s in symbols.items()} == {
        1: (5, 4, 10_000_000),
        4: (3, 2, 10_000_000),
        41: (2, 1, 10_000),
        270: (1, 0, 100),
        1001: (2, 0, 100),
    }
    assert symbols[270].guaranteedStopLoss
    assert [holiday.name for holiday in symbols[270].holiday] == [
        "New Year's Day",
        "Independence Day",
        "Christmas Eve",
        "Christmas Day",
    ]


# Full terms


def test_known_ids_of_a_batch_are_answered_and_archived_ones_apart():
    answer = desk().ask(by_id(1, 77, 999, 41, 1), ProtoOASymbolByIdRes)
    assert [symbol.symbolId for symbol in answer.symbol] == [1, 41]
    assert [symbol.symbolId for symbol in answer.archivedSymbol] == [77]
    assert len(desk().ask(by_id(77), ProtoOASymbolByIdRes).symbol) == 0


def test_batch_of_unknown_ids_is_refused_and_any_unknown_one_by_switch():
    refusal = desk().ask(by_id(998, 999), ProtoOAErrorRes)
    assert refusal.errorCode == "SYMBOL_NOT_FOUND"
    assert refusal.description == "Symbols not found with ids [998, 999]"
    strict = desk(unknown_symbol_fails_batch=True, unknown_symbol_code="UNKNOWN_SYMBOL")
    refusal = strict.ask(by_id(1, 999), ProtoOAErrorRes)
    assert (refusal.errorCode, refusal.description) == (
        "UNKNOWN_SYMBOL",
        "Symbols not found with ids [999]",
    )
    assert strict.ask(by_id(), ProtoOAErrorRes).errorCode == "INVALID_REQUEST"


def test_terms_of_a_plain_symbol_are_all_sent_explicitly():
    symbol = full(desk(), 1)
    missing = {field.name for field in symbol.DESCRIPTOR.fields} - {
        field.name for field, _ in symbol.ListFields()
    }
    explicit = {name for name in missing if name != "holiday" and symbol.HasField(name)}
    # As recorded: a swap in pips is not named, and what is nothing is sent as nothing.
    assert missing - explicit == {"holiday", "swapCalculationType"}
    assert (symbol.slDistance, symbol.gslCharge, symbol.rolloverCommission) == (0, 0, 0)
    assert (symbol.swapPeriod, symbol.swapTime, symbol.skipSWAPPeriods) == (24, 1259, 0)
    assert not symbol.chargeSwapAtWeekends


def test_every_term_reaches_the_wire():
    spec = replace(
        EURUSD,
        guaranteed_stops=True,
        stop_loss_distance=11,
        take_profit_distance=12,
        guaranteed_distance=13,
        guaranteed_charge=14,
        distance_type=ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_PERCENTAGE,
        min_commission=300_000_000,
        min_commission_type=ProtoOAMinCommissionType.QUOTE_CURRENCY,
        min_commission_asset="EUR",
        rollover_commission=500_000_000,
        rollover_commission_3_days=ProtoOADayOfWeek.FRIDAY,
        skip_rollover_days=5,
        swap_period=8,
        swap_time=120,
        skip_swap_periods=2,
        swap_at_weekends=True,
    )
    symbol = symbol_message(spec, unknown_fields=False)
    assert symbol.guaranteedStopLoss
    assert (symbol.slDistance, symbol.tpDistance, symbol.gslDistance) == (11, 12, 13)
    assert symbol.gslCharge == 14
    assert symbol.distanceSetIn == ProtoOASymbolDistanceType.SYMBOL_DISTANCE_IN_PERCENTAGE
    assert (symbol.preciseMinCommission, symbol.minCommission) == (300_000_000, 300)
    assert symbol.minCommissionType == ProtoOAMinCommissionType.QUOTE_CURRENCY
    assert symbol.minCommissionAsset == "EUR"
    assert (symbol.rolloverCommission, symbol.skipRolloverDays) == (5, 5)
    assert symbol.rolloverCommission3Days == ProtoOADayOfWeek.FRIDAY
    assert (symbol.swapPeriod, symbol.swapTime, symbol.skipSWAPPeriods) == (8, 120, 2)
    assert symbol.chargeSwapAtWeekends


# Changes


def test_changed_terms_are_announced_and_in_every_answer_from_then_on():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT, EUR_ACCOUNT)
    peer.exchange.change_symbol(
        4,
        name="USDJPY.x",
        description="Changed",
        enabled=False,
        max_volume=500_000_000,
        trading_mode=ProtoOATradingMode.DISABLED_WITH_PENDINGS_EXECUTION,
    )
    assert [
        (event.ctidTraderAccountId, list(event.symbolId))
        for event in peer.messages(ProtoOASymbolChangedEvent)
    ] == [(USD_ACCOUNT, [4]), (EUR_ACCOUNT, [4])]
    light = next(symbol for symbol in listed(peer).symbol if symbol.symbolId == 4)
    assert (light.symbolName, light.description, light.enabled, light.sortingNumber) == (
        "USDJPY.x",
        "Changed",
        False,
        3,
    )
    symbol = full(peer, 4)
    assert symbol.maxVolume == 500_000_000
    assert symbol.tradingMode == ProtoOATradingMode.DISABLED_WITH_PENDINGS_EXECUTION
    chain = peer.ask(
        ProtoOASymbolsForConversionReq(
            ctidTraderAccountId=USD_ACCOUNT, firstAssetId=8, lastAssetId=15
        ),
        ProtoOASymbolsForConversionRes,
    ).symbol
    assert list(chain) == [light]
