"""Remember since when prices are missing, until their subscriptions stand again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.events import DataGapEvent
from ctrader.protocol.commands import SpotTopic

if TYPE_CHECKING:
    from datetime import datetime

    from ctrader.protocol.context import Context
    from ctrader.protocol.subscriber import Subscriber
    from ctrader.units import Nanos

__all__ = ["Gaps"]


class Gaps:
    """Report what was missed of each symbol once, from the first of several losses on.

    Bars and depth stand on the symbol's prices, so their gap is the same.
    """

    __slots__ = ("_context", "_since", "_subscriber")

    def __init__(self, context: Context, subscriber: Subscriber) -> None:
        self._context = context
        self._subscriber = subscriber
        self._since: dict[int, dict[int, datetime]] = {}

    def begin(self, account_id: int, heard_at: Nanos, *, by_symbol: bool = False) -> None:
        """Note that the prices of an account ended.

        Args:
            account_id: The account.
            heard_at: The last moment at which all of them are known to have come.
            by_symbol: Prices may have come since; each symbol's last one is the beginning.
        """
        missing = self._since.setdefault(account_id, {})
        for symbol_id in self._subscriber.kept_symbols(account_id):
            since = heard_at
            if by_symbol:
                since = max(since, self._subscriber.quoted_at(account_id, symbol_id))
            missing.setdefault(symbol_id, self._context.wall(since))

    def forget(self, account_id: int) -> None:
        """Expect nothing of an account any more."""
        self._since.pop(account_id, None)

    def end(self, account_id: int) -> None:
        """Report the symbols whose subscriptions stand again; the others go on missing."""
        missing = self._since.get(account_id)
        if not missing:
            return
        kept = set(self._subscriber.kept_symbols(account_id))
        over: dict[datetime, list[int]] = {}
        for symbol_id, since in list(missing.items()):
            if symbol_id not in kept:
                del missing[symbol_id]
            elif self._subscriber.is_sent(SpotTopic(account_id, symbol_id)):
                del missing[symbol_id]
                over.setdefault(since, []).append(symbol_id)
        for since, symbols in over.items():
            self._context.emit(
                DataGapEvent(
                    account_id=account_id,
                    symbol_ids=tuple(sorted(symbols)),
                    start=since,
                    end=self._context.wall(),
                )
            )
