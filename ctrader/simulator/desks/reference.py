"""Requests about what the broker offers: assets, symbols, leverage, accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.proto import (
    ProtoOAAssetClassListReq,
    ProtoOAAssetClassListRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetDynamicLeverageByIDRes,
    ProtoOALightSymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolCategoryListRes,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader.simulator.messages.account import trader_message
from ctrader.simulator.messages.catalogue import (
    archived_symbol_message,
    asset_class_message,
    asset_message,
    category_message,
    leverage_message,
    light_symbol_message,
    symbol_message,
)
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.router import Router
    from ctrader.simulator.session import ServerSession

__all__ = ["add_routes"]


def add_routes(router: Router) -> None:
    """Answer the requests of this desk."""
    router.add(ProtoOATraderReq, _trader)
    router.add(ProtoOAAssetListReq, _assets)
    router.add(ProtoOAAssetClassListReq, _asset_classes)
    router.add(ProtoOASymbolCategoryListReq, _categories)
    router.add(ProtoOASymbolsListReq, _symbols)
    router.add(ProtoOASymbolByIdReq, _symbols_by_id)
    router.add(ProtoOASymbolsForConversionReq, _conversion)
    router.add(ProtoOAGetDynamicLeverageByIDReq, _leverage)


# Private


def _trader(session: ServerSession, request: ProtoOATraderReq, _: str | None) -> ProtoOATraderRes:
    book = session.account(request.ctidTraderAccountId).book
    return ProtoOATraderRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        trader=trader_message(book, unknown_fields=session.exchange.switches.write_unknown_fields),
    )


def _assets(
    session: ServerSession, request: ProtoOAAssetListReq, _: str | None
) -> ProtoOAAssetListRes:
    return ProtoOAAssetListRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        asset=[asset_message(asset) for asset in session.exchange.catalogue.assets],
    )


def _asset_classes(
    session: ServerSession, request: ProtoOAAssetClassListReq, _: str | None
) -> ProtoOAAssetClassListRes:
    classes = session.exchange.catalogue.asset_classes
    return ProtoOAAssetClassListRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        assetClass=[asset_class_message(each, place) for place, each in enumerate(classes, 1)],
    )


def _categories(
    session: ServerSession, request: ProtoOASymbolCategoryListReq, _: str | None
) -> ProtoOASymbolCategoryListRes:
    categories = session.exchange.catalogue.categories
    return ProtoOASymbolCategoryListRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        symbolCategory=[category_message(each, place) for place, each in enumerate(categories, 1)],
    )


def _symbols(
    session: ServerSession, request: ProtoOASymbolsListReq, _: str | None
) -> ProtoOASymbolsListRes:
    exchange = session.exchange
    answer = ProtoOASymbolsListRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        symbol=[
            light_symbol_message(symbol, place)
            for place, symbol in enumerate(exchange.symbols.values())
        ],
    )
    if request.includeArchivedSymbols:
        archived = exchange.catalogue.archived
        answer.archivedSymbol.extend(archived_symbol_message(each) for each in archived)
    return answer


def _symbols_by_id(
    session: ServerSession, request: ProtoOASymbolByIdReq, _: str | None
) -> ProtoOASymbolByIdRes:
    exchange, switches = session.exchange, session.exchange.switches
    wanted = tuple(dict.fromkeys(request.symbolId))
    if not wanted:
        raise Refusal("INVALID_REQUEST", "Message missing required fields: symbolId")
    archived = {each.symbol_id: each for each in exchange.catalogue.archived}
    unknown: list[int] = []
    answer = ProtoOASymbolByIdRes(ctidTraderAccountId=request.ctidTraderAccountId)
    for symbol_id in wanted:
        if symbol_id in exchange.symbols:
            answer.symbol.append(
                symbol_message(
                    exchange.symbols[symbol_id],
                    unknown_fields=switches.write_unknown_fields,
                )
            )
        elif symbol_id in archived:
            answer.archivedSymbol.append(archived_symbol_message(archived[symbol_id]))
        else:
            unknown.append(symbol_id)
    if unknown and (switches.unknown_symbol_fails_batch or len(unknown) == len(wanted)):
        raise Refusal(switches.unknown_symbol_code, f"Symbols not found with ids {unknown}")
    return answer


def _conversion(
    session: ServerSession, request: ProtoOASymbolsForConversionReq, _: str | None
) -> ProtoOASymbolsForConversionRes:
    exchange = session.exchange
    known = {asset.asset_id for asset in exchange.catalogue.assets}
    for asset_id in (request.firstAssetId, request.lastAssetId):
        if asset_id not in known:
            raise Refusal("ENTITY_NOT_FOUND", f"Asset not found with id {asset_id}")
    refused = exchange.switches.same_asset_chain_code
    if refused is not None and request.firstAssetId == request.lastAssetId:
        raise Refusal(refused, f"Asset {request.firstAssetId} needs no conversion to itself")
    chain = exchange.converter.chain(request.firstAssetId, request.lastAssetId)
    return ProtoOASymbolsForConversionRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        symbol=[_light(session, symbol.symbol_id) for symbol in chain],
    )


def _leverage(
    session: ServerSession, request: ProtoOAGetDynamicLeverageByIDReq, _: str | None
) -> ProtoOAGetDynamicLeverageByIDRes:
    for leverage in session.exchange.catalogue.leverages:
        if leverage.leverage_id == request.leverageId:
            return ProtoOAGetDynamicLeverageByIDRes(
                ctidTraderAccountId=request.ctidTraderAccountId, leverage=leverage_message(leverage)
            )
    raise Refusal("ENTITY_NOT_FOUND", f"Leverage not found with id {request.leverageId}")


def _light(session: ServerSession, symbol_id: int) -> ProtoOALightSymbol:
    """Encode a symbol as it is now; its place is where the broker's list has it."""
    symbols = session.exchange.symbols
    return light_symbol_message(symbols[symbol_id], list(symbols).index(symbol_id))
