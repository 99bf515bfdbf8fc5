"""Say what is needed to value an account's positions: assets, chains, quotes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from ctrader.live.state import Desk
from ctrader.live.valuation import Chain
from ctrader.models.symbols import Asset, SymbolInfo

__all__ = ["Supply"]


class Supply:
    """What it takes to value the positions of an account, and what of it is there.

    Ask for whatever is lacking and hand it in; what cannot be had is handed in as such, so that it
    is not asked for again before `try_again`, or before the account is read anew.
    """

    __slots__ = ("_desk", "_outdated", "_refused", "_subscribed")

    def __init__(self, desk: Desk) -> None:
        """Begin with nothing there."""
        self._desk = desk
        self._outdated: set[int] = set()
        self._subscribed: set[int] = set()
        self._refused: set[int] = set()

    # What is needed

    @property
    def is_complete(self) -> bool:
        """Whether nothing is lacking."""
        return not (
            self.lacks_assets or self.lacks_symbols or self.lacking_chains or self.lacking_quotes
        )

    @property
    def has_refusals(self) -> bool:
        """Whether the server has refused something that may be had later."""
        return bool(self._refused) or None in self._desk.conversions.chains.values()

    @property
    def lacks_assets(self) -> bool:
        """Whether the list of assets is needed."""
        known = self._desk.conversions.assets
        return self._desk.holdings.account is not None and known is None

    @property
    def lacks_symbols(self) -> bool:
        """Whether the list of symbols is needed."""
        known = self._desk.conversions.quote_assets
        return any(
            position.symbol_id not in known for position in self._desk.holdings.positions.values()
        )

    @property
    def lacking_chains(self) -> tuple[tuple[int, int], ...]:
        """Pairs of assets between which the converting symbols are needed."""
        account, conversions = self._desk.holdings.account, self._desk.conversions
        if account is None:
            return ()
        deposit = account.deposit_asset_id
        assets = {
            conversions.quote_assets.get(position.symbol_id)
            for position in self._desk.holdings.positions.values()
        }
        return tuple(
            (asset, deposit)
            for asset in sorted(each for each in assets if each is not None)
            if asset != deposit and (asset not in conversions.chains or asset in self._outdated)
        )

    @property
    def lacking_quotes(self) -> tuple[int, ...]:
        """Symbols whose quotes are needed and not subscribed."""
        return tuple(sorted(self.needed_quotes() - self._subscribed - self._refused))

    @property
    def surplus_quotes(self) -> tuple[int, ...]:
        """Symbols whose quotes are subscribed and not needed now."""
        return tuple(sorted(self._subscribed - self.needed_quotes()))

    @property
    def subscribed_quotes(self) -> tuple[int, ...]:
        """Symbols whose quotes are subscribed."""
        return tuple(sorted(self._subscribed))

    def needed_quotes(self) -> set[int]:
        """Return the symbols of the positions, and those that convert their profits."""
        desk = self._desk
        account = desk.holdings.account
        if account is None:
            return set()
        needed: set[int] = set()
        for position in desk.holdings.positions.values():
            needed.add(position.symbol_id)
            needed.update(each.symbol_id for each in desk.chain_of(position, account) or ())
        return needed

    # What is there

    def assets_told(self, assets: Iterable[Asset]) -> None:
        """Take the list of assets."""
        table = MappingProxyType({each.asset_id: each for each in assets})
        self._desk.conversions = replace(self._desk.conversions, assets=table)

    def symbols_told(self, symbols: Iterable[SymbolInfo]) -> None:
        """Take the list of symbols; a position's that is not in it cannot be valued."""
        known: dict[int, int | None] = {
            position.symbol_id: None for position in self._desk.holdings.positions.values()
        }
        known.update((each.symbol_id, each.quote_asset_id) for each in symbols)
        table = MappingProxyType(known)
        self._desk.conversions = replace(self._desk.conversions, quote_assets=table)

    def chain_told(self, asset_id: int, chain: Iterable[SymbolInfo] | None) -> None:
        """Take the symbols that convert an asset to the account's; None if there are none."""
        whole: Chain | None = None if chain is None else tuple(chain)
        chains = self._desk.conversions.chains
        self._outdated.discard(asset_id)
        if asset_id not in chains or chains[asset_id] != whole:
            table = MappingProxyType({**chains, asset_id: whole})
            self._desk.conversions = replace(self._desk.conversions, chains=table)

    def quotes_subscribed(self, symbol_ids: Iterable[int]) -> None:
        """Note that quotes of these symbols come, on this link and every later one."""
        self._subscribed.update(symbol_ids)

    def quotes_unsubscribed(self, symbol_ids: Iterable[int]) -> None:
        """Note that quotes of these symbols are not asked for any more."""
        for symbol_id in symbol_ids:
            self._subscribed.discard(symbol_id)
            # Without news of it, it would look like a price long after it was one.
            self._desk.quotes.pop(symbol_id, None)

    def quote_refused(self, symbol_id: int) -> None:
        """Note that the server refuses quotes of a symbol."""
        self._refused.add(symbol_id)

    # What is out of date

    def symbols_changed(self, symbol_ids: Iterable[int]) -> None:
        """Note that symbols changed: what is known of them serves until it is replaced."""
        changed = set(symbol_ids)
        conversions = self._desk.conversions
        self._outdated.update(
            asset
            for asset, chain in conversions.chains.items()
            if chain is None or any(each.symbol_id in changed for each in chain)
        )
        self._refused -= changed

    def try_again(self) -> None:
        """Note that what was refused may be had by now; it lacks again, if it is needed."""
        chains = self._desk.conversions.chains
        self._outdated.update(asset for asset, chain in chains.items() if chain is None)
        self._refused.clear()

    def renew(self) -> None:
        """Note that something may have been missed: every chain is needed anew."""
        self._outdated.update(self._desk.conversions.chains)
        self._refused.clear()
