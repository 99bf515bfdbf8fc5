"""Questions about symbols."""

from __future__ import annotations

import pytest

from ctrader.errors import (
    ClientClosedError,
    ConfigurationError,
    ProtocolError,
    SymbolNotFoundError,
)
from ctrader.operations import symbols
from ctrader.proto import (
    ProtoOAArchivedSymbol,
    ProtoOAAsset,
    ProtoOAAssetClass,
    ProtoOAAssetClassListReq,
    ProtoOAAssetClassListRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOALightSymbol,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolCategory,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolCategoryListRes,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
)
from ctrader.protocol.commands import Call, Command
from tests.operations.peer import converse, drive, question

LIST = question(ProtoOASymbolsListReq(ctidTraderAccountId=7))
LISTED = ProtoOASymbolsListRes(
    ctidTraderAccountId=7,
    symbol=[
        ProtoOALightSymbol(symbolId=1, symbolName="EURUSD", description="Euro vs US Dollar"),
        ProtoOALightSymbol(symbolId=41, symbolName="XAUUSD"),
        ProtoOALightSymbol(symbolId=10, symbolName="EURjpy.x"),
    ],
)


def asked(*symbol_ids: int) -> Call:
    return question(ProtoOASymbolByIdReq(ctidTraderAccountId=7, symbolId=symbol_ids))


def answer(*symbol_ids: int) -> ProtoOASymbolByIdRes:
    return ProtoOASymbolByIdRes(
        ctidTraderAccountId=7,
        symbol=[
            ProtoOASymbol(
                symbolId=symbol_id,
                digits=5,
                pipPosition=4,
                lotSize=10_000_000,
                minVolume=100_000,
                maxVolume=1_000_000_000,
                stepVolume=100_000,
            )
            for symbol_id in symbol_ids
        ],
    )


def test_list_all() -> None:
    listed = converse(symbols.list_all(7), (LIST, LISTED))

    assert [(symbol.symbol_id, symbol.name) for symbol in listed] == [
        (1, "EURUSD"),
        (41, "XAUUSD"),
        (10, "EURjpy.x"),
    ]


def test_list_archived() -> None:
    listed = converse(
        symbols.list_archived(7),
        (
            question(ProtoOASymbolsListReq(ctidTraderAccountId=7, includeArchivedSymbols=True)),
            ProtoOASymbolsListRes(
                ctidTraderAccountId=7,
                archivedSymbol=[
                    ProtoOAArchivedSymbol(symbolId=5, name="OLD", utcLastUpdateTimestamp=1)
                ],
            ),
        ),
    )

    assert [symbol.symbol_id for symbol in listed] == [5]


@pytest.mark.parametrize(
    ("query", "found"), [("eur", [1, 10]), ("JPY", [10]), ("", [1, 41, 10]), ("euro", [])]
)
def test_search_finds_a_part_of_the_name_in_any_case(query: str, found: list[int]) -> None:
    result = converse(symbols.search(7, query), (LIST, LISTED))

    assert [symbol.symbol_id for symbol in result] == found


def test_get_by_name_takes_the_whole_name_only() -> None:
    found = converse(symbols.get_by_name(7, "EURjpy.x"), (LIST, LISTED), (asked(10), answer(10)))

    assert found.symbol_id == 10


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("eurusd", "no symbol is named 'eurusd'; close to it: EURUSD"),
        ("EURJPY", "no symbol is named 'EURJPY'; close to it: EURjpy.x"),
        ("EUR", "no symbol is named 'EUR'; close to it: EURUSD"),
        ("gold", "no symbol is named 'gold'; search() finds parts of names"),
    ],
)
def test_get_by_name_says_what_is_spelled_alike(name: str, told: str) -> None:
    with pytest.raises(SymbolNotFoundError) as refused:
        converse(symbols.get_by_name(7, name), (LIST, LISTED))

    assert told in str(refused.value)
    assert str(refused.value).startswith("SYMBOL_NOT_FOUND (")  # the server refused nothing
    assert refused.value.is_local


@pytest.mark.parametrize("number", [0, -1])
def test_number_of_a_named_symbol_that_is_no_id_is_the_servers_mistake(number: int) -> None:
    listed = ProtoOASymbolsListRes(
        ctidTraderAccountId=7, symbol=[ProtoOALightSymbol(symbolId=number, symbolName="EURUSD")]
    )

    with pytest.raises(ProtocolError, match=f"{number}, which is no id"):
        converse(symbols.get_by_name(7, "EURUSD"), (LIST, listed))


def test_symbol_that_need_not_be_disabled_is_preferred() -> None:
    listed = ProtoOASymbolsListRes(
        ctidTraderAccountId=7,
        symbol=[
            ProtoOALightSymbol(symbolId=1, symbolName="EURUSD", enabled=False),
            ProtoOALightSymbol(symbolId=2, symbolName="EURUSD"),
        ],
    )
    assert [entry.enabled for entry in converse(symbols.list_all(7), (LIST, listed))] == [
        False,
        None,
    ]
    asked: list[int] = []

    def answer(command: Command) -> object:
        assert isinstance(command, Call)
        if isinstance(command.request, ProtoOASymbolsListReq):
            return listed
        assert isinstance(command.request, ProtoOASymbolByIdReq)
        asked.extend(command.request.symbolId)
        return ClientClosedError()

    with pytest.raises(ClientClosedError):
        drive(symbols.get_by_name(7, "EURUSD"), answer)
    assert asked == [2]


def twins(*entries: tuple[int, bool]) -> ProtoOASymbolsListRes:
    return ProtoOASymbolsListRes(
        ctidTraderAccountId=7,
        symbol=[
            ProtoOALightSymbol(symbolId=symbol_id, symbolName="EURUSD", enabled=enabled)
            for symbol_id, enabled in entries
        ],
    )


@pytest.mark.parametrize(
    ("entries", "meant"),
    [
        ([(1, True), (9, False)], 1),
        ([(9, False), (1, True)], 1),
        ([(1, True), (1, True)], 1),
        ([(9, False)], 9),
    ],
)
def test_of_several_symbols_of_one_name_the_enabled_one_is_meant(
    entries: list[tuple[int, bool]], meant: int
) -> None:
    found = converse(
        symbols.get_by_name(7, "EURUSD"), (LIST, twins(*entries)), (asked(meant), answer(meant))
    )

    assert found.symbol_id == meant


@pytest.mark.parametrize(
    ("entries", "kind", "ids"),
    [
        ([(1, True), (9, False), (5, True)], "enabled", "1, 5"),
        ([(9, False), (1, False)], "disabled", "9, 1"),
    ],
)
def test_name_that_does_not_tell_which_symbol_is_meant_is_refused(
    entries: list[tuple[int, bool]], kind: str, ids: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        converse(symbols.get_by_name(7, "EURUSD"), (LIST, twins(*entries)))

    assert str(caught.value) == (
        f"Account 7 has several {kind} symbols named 'EURUSD', with the ids {ids}. Choose one of "
        "these ids and ask for it with get_by_id()."
    )


def test_get_by_ids_asks_for_fifty_at_a_time_and_keeps_the_order() -> None:
    wanted = [*range(120, 0, -1), 120]

    result = converse(
        symbols.get_by_ids(7, wanted),
        (asked(*range(120, 70, -1)), answer(*range(71, 121))),
        (asked(*range(70, 20, -1)), answer(*range(21, 71))),
        (asked(*range(20, 0, -1)), answer(*range(1, 21))),
    )

    assert [symbol.symbol_id for symbol in result] == list(range(120, 0, -1))


def test_get_by_ids_asks_nothing_for_nothing() -> None:
    assert converse(symbols.get_by_ids(7, [])) == []


def test_ids_left_out_of_the_answer_are_named() -> None:
    with pytest.raises(SymbolNotFoundError, match="no symbol with id 5, 6") as caught:
        converse(symbols.get_by_ids(7, [5, 1, 6]), (asked(5, 1, 6), answer(1)))

    assert caught.value.account_id == 7
    assert caught.value.error_code == "SYMBOL_NOT_FOUND"


def test_refused_batch_is_halved_until_the_missing_id_is_known() -> None:
    refusal = SymbolNotFoundError("UNKNOWN_SYMBOL")

    with pytest.raises(SymbolNotFoundError, match=r"no symbol with id 3\)"):
        converse(
            symbols.get_by_ids(7, [1, 2, 3]),
            (asked(1, 2, 3), refusal),
            (asked(1), answer(1)),
            (asked(2, 3), refusal),
            (asked(2), answer(2)),
            (asked(3), refusal),
        )


def test_get_by_id() -> None:
    symbol = converse(symbols.get_by_id(7, 1), (asked(1), answer(1)))

    assert (symbol.symbol_id, symbol.digits) == (1, 5)


def test_get_by_id_of_an_unknown_symbol() -> None:
    with pytest.raises(SymbolNotFoundError, match="no symbol with id 404"):
        converse(symbols.get_by_id(7, 404), (asked(404), answer()))


def test_get_conversion_chain_keeps_the_walking_order() -> None:
    chain = converse(
        symbols.get_conversion_chain(7, 4, 9),
        (
            question(
                ProtoOASymbolsForConversionReq(ctidTraderAccountId=7, firstAssetId=4, lastAssetId=9)
            ),
            ProtoOASymbolsForConversionRes(
                ctidTraderAccountId=7,
                symbol=[
                    ProtoOALightSymbol(symbolId=9, symbolName="B"),
                    ProtoOALightSymbol(symbolId=2, symbolName="A"),
                ],
            ),
        ),
    )

    assert [symbol.symbol_id for symbol in chain] == [9, 2]


def test_conversion_to_the_same_asset_asks_nothing() -> None:
    assert converse(symbols.get_conversion_chain(7, 4, 4)) == []


def test_get_assets() -> None:
    assets = converse(
        symbols.get_assets(7),
        (
            question(ProtoOAAssetListReq(ctidTraderAccountId=7)),
            ProtoOAAssetListRes(
                ctidTraderAccountId=7, asset=[ProtoOAAsset(assetId=4, name="EUR", digits=2)]
            ),
        ),
    )

    assert [(asset.asset_id, asset.name) for asset in assets] == [(4, "EUR")]


def test_get_asset_classes() -> None:
    classes = converse(
        symbols.get_asset_classes(7),
        (
            question(ProtoOAAssetClassListReq(ctidTraderAccountId=7)),
            ProtoOAAssetClassListRes(
                ctidTraderAccountId=7, assetClass=[ProtoOAAssetClass(id=1, name="Forex")]
            ),
        ),
    )

    assert [asset_class.name for asset_class in classes] == ["Forex"]


def test_get_categories() -> None:
    categories = converse(
        symbols.get_categories(7),
        (
            question(ProtoOASymbolCategoryListReq(ctidTraderAccountId=7)),
            ProtoOASymbolCategoryListRes(
                ctidTraderAccountId=7,
                symbolCategory=[ProtoOASymbolCategory(id=1, assetClassId=1, name="Majors")],
            ),
        ),
    )

    assert [category.name for category in categories] == ["Majors"]


def archived(*symbol_ids: int) -> ProtoOASymbolByIdRes:
    return ProtoOASymbolByIdRes(
        ctidTraderAccountId=7,
        archivedSymbol=[
            ProtoOAArchivedSymbol(symbolId=each, name=f"S{each}", utcLastUpdateTimestamp=1)
            for each in symbol_ids
        ],
    )


def test_archived_symbols_come_in_the_order_of_the_ids_and_others_are_left_out() -> None:
    found = converse(symbols.get_archived_by_ids(7, [3, 1, 2]), (asked(3, 1, 2), archived(2, 3)))

    assert [symbol.symbol_id for symbol in found] == [3, 2]


def test_refused_batch_of_archived_symbols_is_halved() -> None:
    refusal = SymbolNotFoundError("SYMBOL_NOT_FOUND")

    found = converse(
        symbols.get_archived_by_ids(7, [1, 2]),
        (asked(1, 2), refusal),
        (asked(1), archived(1)),
        (asked(2), refusal),
    )

    assert [symbol.symbol_id for symbol in found] == [1]
