"""Show a trading account as it is now, read from what is known of it locally."""

from __future__ import annotations

__all__ = ["AccountState", "Desk"]

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ctrader.live.holdings import Conversions, Holdings
from ctrader.live.valuation import (
    Chain,
    Profit,
    Sides,
    Slack,
    money,
    profit_of,
    rate_of,
    slack_of,
    used_margin_of,
)

if TYPE_CHECKING:
    from ctrader.models.accounts import Account
    from ctrader.models.orders import Order
    from ctrader.models.positions import Position


class _Valued(NamedTuple):
    """A profit with everything that it was computed from."""

    position: Position
    chain: Chain
    quotes: tuple[Sides | None, ...]
    profit: Profit | None


class Desk:
    """What is known of an account, written by one party and read by any number.

    Everything on it is replaced as a whole and never changed in place, but for the quotes, of
    which each is. So readers on other threads need no lock, and what they take from `holdings`
    belongs to one moment. Valuing is left to those who read: a quote costs one entry of a table.
    """

    __slots__ = ("_valued", "account_id", "conversions", "holdings", "quotes")

    def __init__(self, account_id: int) -> None:
        """Begin with nothing known."""
        self.account_id = account_id
        self.holdings = Holdings()
        self.conversions = Conversions()
        self.quotes: dict[int, Sides] = {}
        self._valued: dict[int, _Valued] = {}

    def chain_of(self, position: Position, account: Account) -> Chain | None:
        """Return the symbols that convert a profit, None where they are not known."""
        asset = self.conversions.quote_assets.get(position.symbol_id)
        if asset is None:
            return None
        if asset == account.deposit_asset_id:
            return ()
        return self.conversions.chains.get(asset)

    def profits(self, holdings: Holdings) -> dict[int, Profit | None]:
        """Value all positions; those for which nothing has changed are not computed again."""
        valued: dict[int, _Valued] = {}
        profits: dict[int, Profit | None] = {}
        for position_id, position in holdings.positions.items():
            entry = self._value(position, holdings.account)
            if entry is not None:
                valued[position_id] = entry
            profits[position_id] = None if entry is None else entry.profit
        self._valued = valued  # without those of positions that are closed
        return profits

    def profit(self, holdings: Holdings, position_id: int) -> Profit | None:
        """Value one position, and no other."""
        position = holdings.positions.get(position_id)
        if position is None:
            return None
        entry = self._value(position, holdings.account)
        if entry is None:
            return None
        self._valued[position_id] = entry
        return entry.profit

    def slack(self, position: Position, account: Account) -> Slack | None:
        """Return how far the server's figure of a profit may lie from ours."""
        chain = self.chain_of(position, account)
        sides = self.quotes.get(position.symbol_id)
        asset = self.conversions.quote_assets.get(position.symbol_id)
        if chain is None or sides is None or asset is None:
            return None
        assets = asset, account.deposit_asset_id
        return slack_of(position, sides, chain, assets, self.quotes, account.money_digits)

    # Private

    def _value(self, position: Position, account: Account | None) -> _Valued | None:
        """Value a position, anew only if something has changed; None where no chain is known."""
        chain = None if account is None else self.chain_of(position, account)
        if account is None or chain is None:
            return None
        ids = (position.symbol_id, *(symbol.symbol_id for symbol in chain))
        quotes = tuple(map(self.quotes.get, ids))
        entry = self._valued.get(position.position_id)
        if (
            entry is not None
            and entry.position is position
            and entry.chain is chain
            and entry.quotes == quotes
        ):
            return entry
        profit = self._profit(position, account, chain, dict(zip(ids, quotes, strict=True)))
        return _Valued(position, chain, quotes, profit)

    def _profit(
        self,
        position: Position,
        account: Account,
        chain: Chain,
        quotes: Mapping[int, Sides | None],
    ) -> Profit | None:
        sides = quotes[position.symbol_id]
        asset = self.conversions.quote_assets.get(position.symbol_id)
        if sides is None or asset is None or not position.entry_price:
            return None
        known = {symbol_id: both for symbol_id, both in quotes.items() if both is not None}
        rate = rate_of(chain, asset, account.deposit_asset_id, known)
        return None if rate is None else profit_of(position, sides, rate, account.money_digits)


class AccountState:
    """A trading account as it is now, without asking the server.

    Positions, orders, balance and margin follow the account's events. Profits follow the quotes:
    they are computed when they are read, so a loop that reads them as often as it likes costs the
    connection nothing, and no event tells that they changed. It may be read on any thread.

    While `is_stale` is True nothing is heard of the account: everything is as it was last known,
    and what needs a quote is None, because prices of a lost link are worth nothing. After the
    account was read again, an `AccountStateChangedEvent` says what happened meanwhile.

    Amounts are in the account's currency. What cannot be known is None, never 0.
    """

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        """Look at what is known of an account."""
        self._desk = desk

    def __repr__(self) -> str:
        """Name the account and whether it is stale."""
        return f"AccountState(account_id={self.account_id}, is_stale={self.is_stale})"

    @property
    def account_id(self) -> int:
        """Id of the account in the Open API."""
        return self._desk.account_id

    @property
    def is_stale(self) -> bool:
        """True before the first reading, and from a loss until the account was read again."""
        return self._desk.holdings.is_stale

    @property
    def as_of(self) -> datetime | None:
        """When this was last told or read, in UTC; None before the first reading.

        Quotes do not count. While it is stale, this is when the loss was noticed.
        """
        return self._desk.holdings.as_of

    @property
    def account(self) -> Account | None:
        """The account with its leverage and rights; None before the first reading."""
        return self._desk.holdings.account

    @property
    def currency(self) -> str | None:
        """Name of the account's currency, such as `EUR`; None while it is not known."""
        account = self.account
        if account is None:
            return None
        asset = (self._desk.conversions.assets or {}).get(account.deposit_asset_id)
        return None if asset is None else asset.name

    @property
    def money_digits(self) -> int | None:
        """Decimals of the account's money; None before the first reading."""
        account = self.account
        return None if account is None else account.money_digits

    @property
    def positions(self) -> Mapping[int, Position]:
        """The open positions by id, oldest known first; it never changes once taken."""
        return self._desk.holdings.positions

    @property
    def orders(self) -> Mapping[int, Order]:
        """The orders that wait to be filled, by id; it never changes once taken."""
        return self._desk.holdings.orders

    @property
    def protection_orders(self) -> Mapping[int, Order]:
        """The orders that hold positions' stop losses and take profits, by id."""
        return self._desk.holdings.protection_orders

    @property
    def balance(self) -> Decimal | None:
        """Money without open profit; None before the first reading."""
        account = self.account
        return None if account is None else account.balance

    @property
    def bonus(self) -> Decimal | None:
        """The broker's and the introducing broker's bonus; None where none is told."""
        account = self.account
        if account is None:
            return None
        parts = [part for part in (account.manager_bonus, account.ib_bonus) if part is not None]
        return sum(parts, Decimal(0)) if parts else None

    @property
    def profits(self) -> Mapping[int, Profit | None]:
        """What closing each position would bring, by id; None where a quote is lacking."""
        return MappingProxyType(self._desk.profits(self._desk.holdings))

    def profit_of(self, position_id: int) -> Profit | None:
        """Return what closing a position would bring now.

        Returns: None where a quote is lacking, or no such position is open.
        """
        return self._desk.profit(self._desk.holdings, position_id)

    @property
    def floating_pnl(self) -> Profit | None:
        """What closing all positions would bring now; None where a quote is lacking."""
        return self._floating(self._desk.holdings)

    @property
    def equity(self) -> Decimal | None:
        """Balance with the net profit of the open positions; bonuses are not counted.

        None before the first reading, and where a quote is lacking.
        """
        return self._equity(self._desk.holdings)

    @property
    def used_margin(self) -> Decimal | None:
        """Margin that the positions use together; None before the first reading.

        The sides of one symbol add up as the account says: all, the larger, or their difference.
        """
        return self._used_margin(self._desk.holdings)

    @property
    def free_margin(self) -> Decimal | None:
        """Equity without the used margin; None where the equity is."""
        holdings = self._desk.holdings
        equity, used = self._equity(holdings), self._used_margin(holdings)
        return None if equity is None or used is None else equity - used

    @property
    def margin_level(self) -> Decimal | None:
        """Equity in percent of the used margin; None where none is used."""
        holdings = self._desk.holdings
        equity, used = self._equity(holdings), self._used_margin(holdings)
        return None if equity is None or not used else 100 * equity / used

    # Private

    def _floating(self, holdings: Holdings) -> Profit | None:
        account = holdings.account
        if account is None:
            return None
        gross = net = money(0, account.money_digits)
        for profit in self._desk.profits(holdings).values():
            if profit is None:
                return None
            gross, net = gross + profit.gross, net + profit.net
        return Profit(gross, net)

    def _equity(self, holdings: Holdings) -> Decimal | None:
        account, floating = holdings.account, self._floating(holdings)
        return None if account is None or floating is None else account.balance + floating.net

    @staticmethod
    def _used_margin(holdings: Holdings) -> Decimal | None:
        account = holdings.account
        if account is None:
            return None
        return used_margin_of(
            tuple(holdings.positions.values()), account.total_margin_calculation_type
        )
