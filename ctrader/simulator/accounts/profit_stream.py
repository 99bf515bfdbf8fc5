"""The stream of an account's unrealised profit, which only newer schemas know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import Message

from ctrader.proto import ProtoOAv1PnLChangeEvent
from ctrader.simulator.accounts.money import is_tellable
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook
from ctrader.simulator.refusals import Refusal

__all__ = ["ProfitStream", "Subscriber"]


class Subscriber(Protocol):
    """A connection that wants to hear of profits."""

    def send(self, message: Message, client_msg_id: str | None = None) -> None:
        """Put a message on it."""
        ...


@dataclass(slots=True, eq=False)
class _Subscription:
    subscriber: Subscriber
    session: object
    """The account's authorisation on the connection: the subscription ends with it."""
    is_alive: Callable[[], bool]
    last: tuple[int, int] | None = None


class ProfitStream:
    """Tells subscribed connections the total profit of an account whenever it changes."""

    def __init__(self, valuation: Valuation) -> None:
        """Begin without subscriptions."""
        self._valuation = valuation
        self._subscriptions: dict[int, list[_Subscription]] = {}

    def subscribe(
        self,
        book: AccountBook,
        subscriber: Subscriber,
        session: object,
        *,
        is_alive: Callable[[], bool],
    ) -> bool:
        """Begin to tell a connection an account's profit; False if it is told already.

        Args:
            book: The account's books.
            subscriber: The connection.
            session: The account's authorisation on it.
            is_alive: Tells whether that authorisation still stands; the subscription ends with it.
        """
        subscriptions = self._subscriptions.setdefault(book.spec.account_id, [])
        if any(each.session is session for each in subscriptions):
            return False
        subscriptions.append(_Subscription(subscriber, session, is_alive))
        return True

    def unsubscribe(self, book: AccountBook, session: object) -> bool:
        """Stop telling a connection; False if it was not told."""
        subscriptions = self._subscriptions.get(book.spec.account_id, [])
        kept = [each for each in subscriptions if each.session is not session]
        if len(kept) == len(subscriptions):
            return False
        self._subscriptions[book.spec.account_id] = kept
        if not kept:
            del self._subscriptions[book.spec.account_id]
        return True

    @property
    def is_busy(self) -> bool:
        """Whether anybody is told of any account."""
        return bool(self._subscriptions)

    def is_wanted(self, book: AccountBook) -> bool:
        """Tell whether anybody subscribed to an account's profit."""
        return book.spec.account_id in self._subscriptions

    def look(self, book: AccountBook) -> None:
        """Tell an account's profit if it changed since it was told last."""
        account_id = book.spec.account_id
        known = self._subscriptions.get(account_id)
        if known is None:
            return
        subscriptions = [each for each in known if each.is_alive()]
        if not subscriptions:
            del self._subscriptions[account_id]
            return
        self._subscriptions[account_id] = subscriptions
        try:
            profits = [self._valuation.profit(book, each) for each in book.open_positions()]
        except Refusal:
            return  # a position has no price now
        total = sum(gross for gross, _ in profits), sum(net for _, net in profits)
        if not is_tellable(*total):
            return  # no message can hold it
        for each in subscriptions:
            if each.last == total:
                continue
            each.last = total
            each.subscriber.send(
                ProtoOAv1PnLChangeEvent(
                    ctidTraderAccountId=book.spec.account_id,
                    grossUnrealizedPnL=total[0],
                    netUnrealizedPnL=total[1],
                    moneyDigits=book.spec.money_digits,
                )
            )
