"""Ask about symbols and what they are made of."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from ctrader.errors import ConfigurationError, ProtocolError, SymbolNotFoundError
from ctrader.models.symbols import (
    ArchivedSymbol,
    Asset,
    AssetClass,
    Symbol,
    SymbolCategory,
    SymbolInfo,
)
from ctrader.operations.arguments import checks_arguments
from ctrader.operations.base import Op, read
from ctrader.proto import (
    ProtoOAAssetClassListReq,
    ProtoOAAssetClassListRes,
    ProtoOAAssetListReq,
    ProtoOAAssetListRes,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolCategoryListReq,
    ProtoOASymbolCategoryListRes,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "BATCH",
    "get_archived_by_ids",
    "get_asset_classes",
    "get_assets",
    "get_by_id",
    "get_by_ids",
    "get_by_name",
    "get_categories",
    "get_conversion_chain",
    "list_all",
    "list_archived",
    "search",
]

BATCH: Final = 50  # symbols a request; the server's own limit is not known


@checks_arguments
def list_all(account_id: int) -> Op[list[SymbolInfo]]:
    """List the account's symbols, without those that are archived."""
    request = ProtoOASymbolsListReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOASymbolsListRes, account_id=account_id)
    return [SymbolInfo.from_proto(symbol) for symbol in answer.symbol]


@checks_arguments
def list_archived(account_id: int) -> Op[list[ArchivedSymbol]]:
    """List the symbols that are not traded any more; their history may remain."""
    request = ProtoOASymbolsListReq(ctidTraderAccountId=account_id, includeArchivedSymbols=True)
    answer = yield from read(request, ProtoOASymbolsListRes, account_id=account_id)
    return [ArchivedSymbol.from_proto(symbol) for symbol in answer.archivedSymbol]


@checks_arguments
def search(account_id: int, query: str) -> Op[list[SymbolInfo]]:
    """List the symbols whose name holds a text, in upper or lower case.

    Raises:
        ValueError: the query is no text.
    """
    wanted = query.casefold()
    symbols = yield from list_all(account_id)
    return [symbol for symbol in symbols if wanted in symbol.name.casefold()]


@checks_arguments
def get_by_ids(account_id: int, symbol_ids: Iterable[int]) -> Op[list[Symbol]]:
    """Ask for symbols in full, fifty a request.

    Returns: One for each different id, in the order of the ids.

    Raises:
        SymbolNotFoundError: the account does not have them all; it names those missing.
    """
    wanted = list(dict.fromkeys(symbol_ids))
    answers = yield from _ask_in_full(account_id, wanted)
    found = {
        message.symbolId: Symbol.from_proto(message)
        for answer in answers
        for message in answer.symbol
    }
    missing = [symbol_id for symbol_id in wanted if symbol_id not in found]
    if missing:
        # The server may also just leave out what it does not know.
        raise SymbolNotFoundError(
            "SYMBOL_NOT_FOUND",
            f"no symbol with id {', '.join(map(str, missing))}",
            account_id,
            is_local=True,
        )
    return [found[symbol_id] for symbol_id in wanted]


@checks_arguments
def get_archived_by_ids(account_id: int, symbol_ids: Iterable[int]) -> Op[list[ArchivedSymbol]]:
    """Ask which of some symbols are not traded any more, fifty a request.

    Returns: Those that are archived, each once, in the order of the ids; ids that are not, or that
        the account does not have, are left out.
    """
    wanted = list(dict.fromkeys(symbol_ids))
    answers = yield from _ask_in_full(account_id, wanted)
    found = {
        message.symbolId: ArchivedSymbol.from_proto(message)
        for answer in answers
        for message in answer.archivedSymbol
    }
    return [found[symbol_id] for symbol_id in wanted if symbol_id in found]


@checks_arguments
def get_by_id(account_id: int, symbol_id: int) -> Op[Symbol]:
    """Ask for one symbol in full.

    Raises:
        SymbolNotFoundError: the account does not have it.
    """
    (symbol,) = yield from get_by_ids(account_id, [symbol_id])
    return symbol


@checks_arguments
def get_by_name(account_id: int, name: str) -> Op[Symbol]:
    """Ask for the symbol of exactly this name in full.

    Of several with this name the one that is enabled is meant.

    Raises:
        ValueError: the name is no text.
        SymbolNotFoundError: the account does not have it; it names those that are spelled alike.
        ConfigurationError: it has several, and which is meant cannot be told.
        ProtocolError: what the server gives as its id is none.
    """
    listed = yield from list_all(account_id)
    named = {symbol.symbol_id: symbol for symbol in listed if symbol.name == name}
    if not named:
        folded = {each.name.casefold(): each.name for each in listed}
        alike = [folded[each] for each in get_close_matches(name.casefold(), folded)]
        raise SymbolNotFoundError(
            "SYMBOL_NOT_FOUND",
            f"no symbol is named {name!r}; "
            + (f"close to it: {', '.join(alike)}" if alike else "search() finds parts of names"),
            account_id,
            is_local=True,
        )
    found = [symbol for symbol in named.values() if symbol.enabled is not False]
    found = found or list(named.values())
    if len(found) > 1:
        # Guessing could trade the wrong one.
        kind = "disabled" if found[0].enabled is False else "enabled"
        ids = ", ".join(str(symbol.symbol_id) for symbol in found)
        raise ConfigurationError(
            f"Account {account_id} has several {kind} symbols named {name!r}, with the ids {ids}. "
            "Choose one of these ids and ask for it with get_by_id()."
        )
    symbol_id = found[0].symbol_id
    if symbol_id < 1:
        raise ProtocolError(
            f"The server lists {name!r} with the number {symbol_id}, which is no id"
        )
    return (yield from get_by_id(account_id, symbol_id))


@checks_arguments
def get_conversion_chain(
    account_id: int, first_asset_id: int, last_asset_id: int
) -> Op[list[SymbolInfo]]:
    """Ask which symbols lead from one asset to another, in walking order.

    Nothing is asked, and the chain is empty, where both are the same.
    """
    if first_asset_id == last_asset_id:
        return []
    request = ProtoOASymbolsForConversionReq(
        ctidTraderAccountId=account_id, firstAssetId=first_asset_id, lastAssetId=last_asset_id
    )
    answer = yield from read(request, ProtoOASymbolsForConversionRes, account_id=account_id)
    return [SymbolInfo.from_proto(symbol) for symbol in answer.symbol]


@checks_arguments
def get_assets(account_id: int) -> Op[list[Asset]]:
    """List the assets: currencies, metals, shares."""
    request = ProtoOAAssetListReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOAAssetListRes, account_id=account_id)
    return [Asset.from_proto(asset) for asset in answer.asset]


@checks_arguments
def get_asset_classes(account_id: int) -> Op[list[AssetClass]]:
    """List the classes that symbol categories belong to."""
    request = ProtoOAAssetClassListReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOAAssetClassListRes, account_id=account_id)
    return [AssetClass.from_proto(asset_class) for asset_class in answer.assetClass]


@checks_arguments
def get_categories(account_id: int) -> Op[list[SymbolCategory]]:
    """List the categories of symbols."""
    request = ProtoOASymbolCategoryListReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOASymbolCategoryListRes, account_id=account_id)
    return [SymbolCategory.from_proto(category) for category in answer.symbolCategory]


# Private


def _ask_in_full(account_id: int, wanted: list[int]) -> Op[list[ProtoOASymbolByIdRes]]:
    """Ask for symbols by the batch; what the account does not have is in no answer."""
    answers: list[ProtoOASymbolByIdRes] = []
    batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    while batches:
        batch = batches.pop(0)
        request = ProtoOASymbolByIdReq(ctidTraderAccountId=account_id, symbolId=batch)
        try:
            answers.append((yield from read(request, ProtoOASymbolByIdRes, account_id=account_id)))
        except SymbolNotFoundError:
            # A refusal does not say which of them is missing, so halves are asked for.
            if len(batch) > 1:
                middle = len(batch) // 2
                batches += [batch[:middle], batch[middle:]]
    return answers
