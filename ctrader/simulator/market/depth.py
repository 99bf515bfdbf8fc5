"""Live depth: who watches which book, and what each change of it sends to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from ctrader.proto import ProtoOADepthEvent
from ctrader.simulator.market.draws import MASK
from ctrader.simulator.market.ladder import MovingLadder, Rung

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.simulator.catalogue import SymbolSpec
    from ctrader.simulator.market.prices import Quote

__all__ = ["DepthFeed", "DepthSubscription"]


@dataclass(slots=True, eq=False)
class DepthSubscription:
    """One symbol's depth for one account on one connection."""

    account_id: int
    symbol_id: int
    send: Callable[[Message], None]
    """Puts an event on the connection, at once: the same object then goes to the next one."""


@dataclass(slots=True)
class _Book:
    """What the watchers of one symbol were told."""

    ladder: MovingLadder
    subscriptions: list[DepthSubscription] = field(default_factory=list[DepthSubscription])


class DepthFeed:
    """The books of all symbols, kept for as long as somebody watches them.

    An entry keeps its id for as long as there is a level at its price, whatever its size; a level
    that comes back has a new id.
    """

    def __init__(
        self,
        symbols: Mapping[int, SymbolSpec],
        quote: Callable[[int], Quote | None],
        *,
        seed: int,
        watch: Callable[[int], None],
        unwatch: Callable[[int], None],
        first_id: int,
        ids_come_back: bool = False,
    ) -> None:
        """Begin without any watchers.

        Args:
            symbols: The symbols on their present terms, by id.
            quote: Returns both sides of a symbol as they are now, None where there is no price.
            seed: Decides where levels stand and how big they are.
            watch: Keeps a symbol ticking.
            unwatch: Lets go of a symbol once.
            first_id: Id of the first entry; later ones count on.
            ids_come_back: Whether a new entry takes the id of one that leaves with its coming.
        """
        self._symbols = symbols
        self._quote = quote
        self._seed = seed
        self._watch = watch
        self._unwatch = unwatch
        self._ids = count(first_id)
        self._ids_come_back = ids_come_back
        self._books: dict[int, _Book] = {}

    def subscribe(self, subscription: DepthSubscription) -> None:
        """Send a connection the changes of a book from the next one on."""
        symbol_id = subscription.symbol_id
        book = self._books.get(symbol_id)
        if book is None:
            ladder = MovingLadder(self._symbols[symbol_id], seed=self._seed)
            book = self._books[symbol_id] = _Book(ladder)
            self._update(symbol_id, book)
        book.subscriptions.append(subscription)
        self._watch(symbol_id)

    def unsubscribe(self, subscription: DepthSubscription) -> None:
        """Stop sending a connection the changes of a book."""
        book = self._books[subscription.symbol_id]
        book.subscriptions.remove(subscription)
        if not book.subscriptions:
            del self._books[subscription.symbol_id]
        self._unwatch(subscription.symbol_id)

    def send_book(self, subscription: DepthSubscription) -> None:
        """Send the whole book; nothing without a price, or once the watcher left."""
        book = self._books.get(subscription.symbol_id)
        if book is None or subscription not in book.subscriptions:
            return
        rungs = [*book.ladder.bids, *book.ladder.asks]
        if rungs:
            event = _event(subscription.symbol_id, rungs, ())
            event.ctidTraderAccountId = subscription.account_id
            subscription.send(event)

    def renew(self, symbol_id: int) -> None:
        """Tell the watchers of a symbol what has changed in its book."""
        book = self._books.get(symbol_id)
        if book is None:
            return
        changed, gone = self._update(symbol_id, book)
        if changed or gone:
            event = _event(symbol_id, changed, gone)
            for subscription in tuple(book.subscriptions):
                event.ctidTraderAccountId = subscription.account_id
                subscription.send(event)

    # Private

    def _update(self, symbol_id: int, book: _Book) -> tuple[list[Rung], list[int]]:
        """Bring a book up to the quote; return what is new or has another size, and what left."""
        book.ladder.change_symbol(self._symbols[symbol_id])
        changed, left = book.ladder.follow(self._quote(symbol_id))
        gone: list[int] = []
        for rung in left:
            if rung.quote_id is not None:
                gone.append(rung.quote_id)
                rung.quote_id = None
        gone.sort()
        returning = iter(gone if self._ids_come_back else ())
        for rung in changed:
            if rung.quote_id is None:
                quote_id = next(returning, None)
                rung.quote_id = next(self._ids) & MASK if quote_id is None else quote_id
        return changed, gone


def _event(symbol_id: int, rungs: Iterable[Rung], gone: Sequence[int]) -> ProtoOADepthEvent:
    """Return an event that lacks only the account."""
    event = ProtoOADepthEvent(symbolId=symbol_id, deletedQuotes=gone)
    add = event.newQuotes.add
    for rung in rungs:
        # One by one: keywords take a third longer, and a dozen of these go out at each tick.
        quote = add()
        quote.id, quote.size = rung.quote_id or 0, rung.size
        if rung.is_bid:
            quote.bid = rung.price
        else:
            quote.ask = rung.price
    return event
