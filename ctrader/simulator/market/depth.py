"""Live depth: who watches which book, and what each change of it sends to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from ctrader.proto import ProtoOADepthEvent
from ctrader.simulator.market.draws import MASK

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.simulator.market.ladder import Ladder

__all__ = ["DepthFeed", "DepthSubscription"]


@dataclass(slots=True, eq=False)
class DepthSubscription:
    """One symbol's depth for one account on one connection."""

    account_id: int
    symbol_id: int
    send: Callable[[Message], None]
    """Puts an event on the connection."""


# Plain pairs, for there are dozens of them in each tick of each watched book.
_Entry: TypeAlias = tuple[int, int]  # the id that it was told with, and its size
_Place: TypeAlias = tuple[bool, int]  # whether it is a bid, and the wire price


@dataclass(slots=True)
class _Book:
    """What the watchers of one symbol were told."""

    entries: dict[_Place, _Entry] = field(default_factory=dict[_Place, _Entry])
    subscriptions: list[DepthSubscription] = field(default_factory=list[DepthSubscription])


class DepthFeed:
    """The books of all symbols, kept for as long as somebody watches them.

    An entry keeps its id for as long as there is a level at its price, whatever its size; a level
    that comes back has a new id.
    """

    def __init__(
        self,
        ladder: Callable[[int], Ladder | None],
        *,
        watch: Callable[[int], None],
        unwatch: Callable[[int], None],
        first_id: int,
        ids_come_back: bool = False,
    ) -> None:
        """Begin without any watchers.

        Args:
            ladder: Returns the depth of a symbol as it is now, None where there is no price.
            watch: Keeps a symbol ticking.
            unwatch: Lets go of a symbol once.
            first_id: Id of the first entry; later ones count on.
            ids_come_back: Whether a new entry takes the id of one that leaves with its coming.
        """
        self._ladder = ladder
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
            book = self._books[symbol_id] = _Book()
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
        if book is not None and book.entries and subscription in book.subscriptions:
            subscription.send(_event(subscription, book.entries, ()))

    def renew(self, symbol_id: int) -> None:
        """Tell the watchers of a symbol what has changed in its book."""
        book = self._books.get(symbol_id)
        if book is None:
            return
        changed, gone = self._update(symbol_id, book)
        if changed or gone:
            for subscription in tuple(book.subscriptions):
                subscription.send(_event(subscription, changed, gone))

    # Private

    def _update(self, symbol_id: int, book: _Book) -> tuple[dict[_Place, _Entry], list[int]]:
        """Bring a book up to the ladder; return what is new or has another size, and what left."""
        ladder, known = self._ladder(symbol_id), book.entries
        entries: dict[_Place, _Entry] = {}
        changed: dict[_Place, _Entry] = {}
        new: list[_Place] = []
        if ladder is not None:
            for is_bid, levels in ((True, ladder.bids), (False, ladder.asks)):
                for price, size in levels:
                    place = (is_bid, price)
                    entry = known.get(place)
                    if entry is None:
                        new.append(place)
                        entry = changed[place] = (0, size)  # its id follows
                    elif entry[1] != size:
                        entry = changed[place] = (entry[0], size)
                    entries[place] = entry
        gone = [known[place][0] for place in known.keys() - entries.keys()]
        gone.sort()
        returning = iter(gone if self._ids_come_back else ())
        for place in new:
            quote_id = next(returning, None)
            if quote_id is None:
                quote_id = next(self._ids) & MASK
            entries[place] = changed[place] = (quote_id, changed[place][1])
        book.entries = entries
        return changed, gone


def _event(
    subscription: DepthSubscription, entries: dict[_Place, _Entry], gone: list[int] | tuple[()]
) -> ProtoOADepthEvent:
    event = ProtoOADepthEvent(
        ctidTraderAccountId=subscription.account_id,
        symbolId=subscription.symbol_id,
        deletedQuotes=gone,
    )
    add = event.newQuotes.add
    for (is_bid, price), (quote_id, size) in entries.items():
        if is_bid:
            add(id=quote_id, size=size, bid=price)
        else:
            add(id=quote_id, size=size, ask=price)
    return event
