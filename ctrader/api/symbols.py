"""Symbols, and the assets, classes and categories that they are sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.api.base import BaseAPI
from ctrader.operations import symbols as operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrader.models.symbols import (
        ArchivedSymbol,
        Asset,
        AssetClass,
        Symbol,
        SymbolCategory,
        SymbolInfo,
    )

__all__ = ["SymbolsAPI"]


class SymbolsAPI(BaseAPI):
    """What can be traded, and on which terms.

    Symbol ids differ between brokers, and between a broker's live and demo servers: look them up
    by name, for each account.

    Every method takes `timeout`: seconds until it ends with an error, waiting in the queue
    included; None takes the client's `request_timeout`. Every method may raise

    - `APIError`: the server refused the request; its class and `error_code` say why.
    - `CTraderConnectionTimeoutError`: no answer in time. After a lost link a request waits for
      the next one and is sent again, inside its time.
    - `CTraderConnectionError`: the client is not connected, or gave up reconnecting.
    """

    __slots__ = ()

    async def list_all(self, account_id: int, timeout: float | None = None) -> list[SymbolInfo]:
        """List the account's symbols in short: id, name, assets.

        Backed by `ProtoOASymbolsListReq`. Digits, volumes and hours are in `get_by_ids`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.list_all(account_id), timeout)

    async def list_archived(
        self, account_id: int, timeout: float | None = None
    ) -> list[ArchivedSymbol]:
        """List the symbols that are not traded any more.

        Backed by `ProtoOASymbolsListReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.list_archived(account_id), timeout)

    async def get_by_ids(
        self, account_id: int, symbol_ids: Sequence[int], timeout: float | None = None
    ) -> list[Symbol]:
        """Ask for symbols in full: digits, volumes, costs, hours.

        Backed by `ProtoOASymbolByIdReq`, fifty symbols a request.

        Args:
            account_id: The account.
            symbol_ids: Ids of symbols; one that is repeated counts once.
            timeout: Seconds for each request; None takes the client's default.

        Returns: The symbols in the order of the ids.
        Raises: SymbolNotFoundError: the account does not have them all; it names those missing.
        """
        return await self._runner.run(
            operations.get_by_ids(account_id, symbol_ids), timeout, paged=True
        )

    async def get_archived_by_ids(
        self, account_id: int, symbol_ids: Sequence[int], timeout: float | None = None
    ) -> list[ArchivedSymbol]:
        """Ask which of some symbols are not traded any more.

        Backed by `ProtoOASymbolByIdReq`, fifty symbols a request. All that are archived are in
        `list_archived`.

        Args:
            account_id: The account.
            symbol_ids: Ids of symbols; one that is repeated counts once.
            timeout: Seconds for each request; None takes the client's default.

        Returns: Those that are archived, in the order of the ids; others are left out.
        """
        return await self._runner.run(
            operations.get_archived_by_ids(account_id, symbol_ids), timeout, paged=True
        )

    async def get_by_id(
        self, account_id: int, symbol_id: int, timeout: float | None = None
    ) -> Symbol:
        """Ask for one symbol in full: digits, volumes, costs, hours.

        Backed by `ProtoOASymbolByIdReq`.

        Args:
            account_id: The account.
            symbol_id: The symbol.
            timeout: Seconds; None takes the client's default.

        Raises: SymbolNotFoundError: the account does not have it.
        """
        return await self._runner.run(operations.get_by_id(account_id, symbol_id), timeout)

    async def get_by_name(self, account_id: int, name: str, timeout: float | None = None) -> Symbol:
        """Ask for the symbol of a name in full: digits, volumes, costs, hours.

        Example:
            eurusd = await client.symbols.get_by_name(account_id, "EURUSD")

        Backed by `ProtoOASymbolsListReq` and `ProtoOASymbolByIdReq`.

        Args:
            account_id: The account.
            name: The whole name as the broker writes it; `search` finds parts of names. Of several
                symbols with this name the one that is enabled is meant.
            timeout: Seconds for each request; None takes the client's default.

        Raises:
            SymbolNotFoundError: no symbol has this name; it names those spelled alike.
            ConfigurationError: several have it, and which is meant cannot be told; it names them.
        """
        return await self._runner.run(operations.get_by_name(account_id, name), timeout, paged=True)

    async def search(
        self, account_id: int, query: str, timeout: float | None = None
    ) -> list[SymbolInfo]:
        """List the symbols whose name holds a text.

        Example:
            pairs_of_the_euro = await client.symbols.search(account_id, "eur")

        Backed by `ProtoOASymbolsListReq`; every symbol is asked for and looked through here. For
        one symbol by its whole name there is `get_by_name`.

        Args:
            account_id: The account.
            query: The text, in upper or lower case; the empty text finds all.
            timeout: Seconds; None takes the client's default.

        Returns: The symbols in the server's order; none if nothing fits.
        """
        return await self._runner.run(operations.search(account_id, query), timeout)

    async def get_conversion_chain(
        self,
        account_id: int,
        first_asset_id: int,
        last_asset_id: int,
        timeout: float | None = None,
    ) -> list[SymbolInfo]:
        """Ask which symbols lead from one asset to another.

        Backed by `ProtoOASymbolsForConversionReq`.

        Args:
            account_id: The account.
            first_asset_id: The asset to convert from.
            last_asset_id: The asset to convert to.
            timeout: Seconds; None takes the client's default.

        Returns: The symbols in walking order; none, without asking, where both assets are one.
        """
        return await self._runner.run(
            operations.get_conversion_chain(account_id, first_asset_id, last_asset_id), timeout
        )

    async def get_assets(self, account_id: int, timeout: float | None = None) -> list[Asset]:
        """List the assets: currencies, metals, shares.

        Backed by `ProtoOAAssetListReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.get_assets(account_id), timeout)

    async def get_asset_classes(
        self, account_id: int, timeout: float | None = None
    ) -> list[AssetClass]:
        """List the classes that categories of symbols belong to.

        Backed by `ProtoOAAssetClassListReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.get_asset_classes(account_id), timeout)

    async def get_categories(
        self, account_id: int, timeout: float | None = None
    ) -> list[SymbolCategory]:
        """List the categories of symbols.

        Backed by `ProtoOASymbolCategoryListReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.get_categories(account_id), timeout)
