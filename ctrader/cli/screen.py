"""What the demo shows: tables on a terminal, plain lines anywhere else."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from ctrader.models.accounts import AccountSummary
    from ctrader.models.deals import Deal
    from ctrader.models.market import Quote, Trendbar
    from ctrader.models.positions import Position, PositionUnrealizedPnL
    from ctrader.models.symbols import Symbol

__all__ = ["QuoteBoard", "Screen"]


class QuoteBoard(Protocol):
    """Shows the newest quote of each symbol."""

    def show(self, name: str, symbol: Symbol, quote: Quote) -> None:
        """Take a symbol's newest quote."""
        ...


class Screen:
    """Print each part of the demo.

    Nothing of it runs in the background: a live table is drawn when a quote comes.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Print on a console, on that of this process by default."""
        self._console = Console(highlight=False) if console is None else console

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)

    def title(self, text: str) -> None:
        """Print what comes next."""
        self._console.print(f"\n[bold]{text}[/bold]")

    def accounts(self, accounts: Sequence[AccountSummary], chosen: int) -> None:
        """Print the accounts that a token opens, and mark the one in use."""
        self.title("Accounts of the access token")
        table = _table("", "account id", "login", "kind", "broker")
        for account in accounts:
            table.add_row(
                ">" if account.account_id == chosen else "",
                str(account.account_id),
                "" if account.trader_login is None else str(account.trader_login),
                account.environment,
                account.broker_name,
            )
        self._console.print(table)

    def quotes(self) -> AbstractContextManager[QuoteBoard]:
        """Show quotes while the context lasts."""
        self.title("Live quotes")
        if self._console.is_terminal:
            return _LiveBoard(self._console)
        return nullcontext(_PlainBoard(self._console))

    def bars(self, name: str, symbol: Symbol, bars: Sequence[Trendbar]) -> None:
        """Print bars, the last of which may still be forming."""
        self.title(f"{name}, the last {len(bars)} hours")
        table = _table("start (UTC)", "open", "high", "low", "close", "ticks")
        for bar in bars:
            prices = (bar.open, bar.high, bar.low, bar.close)
            table.add_row(
                f"{bar.timestamp:%a %H:%M}",
                *(_price(price, symbol) for price in prices),
                str(bar.volume),
            )
        self._console.print(table)

    def position(
        self, name: str, symbol: Symbol, position: Position, profit: PositionUnrealizedPnL | None
    ) -> None:
        """Print an open position and what it has brought so far."""
        self.title("Open position")
        table = _table("position", "symbol", "side", "lots", "entry", "gross P&L", "net P&L")
        table.add_row(
            str(position.position_id),
            name,
            position.side.name,
            str(symbol.volume_to_lots(position.volume)),
            _price(position.entry_price, symbol),
            "-" if profit is None else _money(profit.gross_unrealized_pnl),
            "-" if profit is None else _money(profit.net_unrealized_pnl),
        )
        self._console.print(table)

    def result(self, symbol: Symbol, deal: Deal, currency: str) -> None:
        """Print what closing the position brought."""
        self.title("Closed")
        table = _table("deal", "price", "gross", "commission", "swap", "net", "balance")
        detail = deal.close_detail
        if detail is not None:
            table.add_row(
                str(deal.deal_id),
                _price(deal.execution_price, symbol),
                _money(detail.gross_profit),
                _money(detail.commission),
                _money(detail.swap),
                _money(detail.net_profit),
                f"{detail.balance:,} {currency}",
            )
        self._console.print(table)


# Private


class _PlainBoard:
    """One line for each quote."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, name: str, symbol: Symbol, quote: Quote) -> None:
        self._console.print(f"{name:<8}{_price(quote.bid, symbol)} / {_price(quote.ask, symbol)}")


class _LiveBoard:
    """One table that is drawn anew with each quote."""

    def __init__(self, console: Console) -> None:
        self._rows: dict[str, tuple[Symbol, Quote, int]] = {}
        # Drawn by hand: a thread of rich's own would have to be ended on every way out.
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> _LiveBoard:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, name: str, symbol: Symbol, quote: Quote) -> None:
        count = self._rows[name][2] if name in self._rows else 0
        self._rows[name] = (symbol, quote, count + 1)
        self._live.update(_quote_table(self._rows), refresh=True)


def _quote_table(rows: Mapping[str, tuple[Symbol, Quote, int]]) -> Table:
    table = _table("symbol", "bid", "ask", "spread in pips", "updates")
    for name, (symbol, quote, count) in rows.items():
        table.add_row(
            name,
            _price(quote.bid, symbol),
            _price(quote.ask, symbol),
            f"{symbol.price_to_pips(quote.spread):.1f}",
            str(count),
        )
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _price(price: float | None, symbol: Symbol) -> str:
    return "-" if price is None else f"{price:.{symbol.digits}f}"


def _money(amount: Decimal) -> str:
    return f"{amount:+,}"
