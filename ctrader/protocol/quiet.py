"""Notice that prices of a subscribed symbol stay away in an open market."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ctrader.errors import CTraderError
from ctrader.events import SubscriptionQuietEvent
from ctrader.models.hours import TradingHours
from ctrader.proto import ProtoOASymbolByIdReq, ProtoOASymbolByIdRes, ProtoOASymbolChangedEvent
from ctrader.protocol.commands import Call, Priority
from ctrader.protocol.timers import Timer
from ctrader.units import MINUTE, SECOND, to_nanos

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.protocol.context import Context
    from ctrader.protocol.pending import PendingCommands
    from ctrader.protocol.subscriber import Subscriber
    from ctrader.units import Nanos

__all__ = ["QuietWatch"]

ASK_AGAIN: Final = 10 * MINUTE
"""How long a symbol's hours are not asked for again after a question that brought none."""
_BATCH: Final = 100
"""Symbols in one question."""
_LEAST_WAIT: Final = 1 * SECOND
_A_WHILE: Final = timedelta(days=1)
"""For how long a market counts as closed that does not say when it opens."""

_Key = tuple[int, int]


class _Hours:
    """One schedule, and whether it is open in the stretch of time that was last asked about."""

    __slots__ = ("_begin", "_end", "_opened", "hours")

    def __init__(self, hours: TradingHours | None) -> None:
        self.hours = hours
        """The schedule; None where it makes no sense, which counts as closed."""
        self._begin = self._end = datetime.min.replace(tzinfo=UTC)
        self._opened: datetime | None = None

    def opened(self, moment: datetime) -> datetime | None:
        """Return when the session began that a moment lies in, None while none does."""
        if self.hours is None:
            return None
        if self._begin == self._end or not self._begin <= moment < self._end:
            try:
                self._look_up(self.hours, moment)
            except (CTraderError, ValueError):  # a time zone that this computer does not know
                self.hours = None
                return None
        return self._opened

    def _look_up(self, hours: TradingHours, moment: datetime) -> None:
        session = hours.current_session(moment)
        if session is not None:
            self._begin, self._end, self._opened = session.start, session.end, session.start
        else:
            self._begin, self._opened = moment, None
            self._end = hours.next_open(moment) or moment + _A_WHILE


class QuietWatch:
    """Report each symbol once for each time that it goes quiet.

    Hours are learnt from whatever tells them of a subscribed symbol. Only of one that has been
    quiet for long they are asked for, so that nobody pays for symbols that tick, or for closed
    markets more than once.
    """

    __slots__ = (
        "_after",
        "_asked",
        "_context",
        "_hours",
        "_pending",
        "_reported",
        "_schedules",
        "_since",
        "_subscriber",
    )

    def __init__(self, context: Context, pending: PendingCommands, subscriber: Subscriber) -> None:
        self._context = context
        self._pending = pending
        self._subscriber = subscriber
        self._after = to_nanos(context.config.quiet_after)
        self._since: dict[_Key, Nanos] = {}
        self._reported: dict[_Key, tuple[Nanos, datetime]] = {}
        self._hours: dict[_Key, _Hours] = {}
        # Symbols of one kind have the same hours: what one look-up found holds for all of them.
        self._schedules: dict[TradingHours, _Hours] = {}
        self._asked: dict[_Key, Nanos] = {}

    def watch(self, account_id: int) -> None:
        """Take note of what is subscribed on an account by now."""
        if not self._after:
            return
        now = self._context.now
        for symbol_id in self._keep_active(account_id):
            self._since.setdefault((account_id, symbol_id), now)
        if self._since and self._context.timers.get(Timer.QUIET) is None:
            self._context.timers.set(Timer.QUIET, now + self._after)

    def lost(self, account_id: int | None = None) -> None:
        """Forget an account, or all: what is subscribed anew is watched anew."""
        for key in [key for key in self._since if account_id is None or key[0] == account_id]:
            self._forget(key)
        if not self._since:
            self._context.timers.clear(Timer.QUIET)

    def learn(self, message: Message) -> None:
        """Take from a message what it says of the hours of subscribed symbols."""
        if isinstance(message, ProtoOASymbolByIdRes):
            for symbol in message.symbol:
                key = message.ctidTraderAccountId, symbol.symbolId
                if key in self._since:
                    try:
                        hours = TradingHours.from_proto(symbol)
                    except CTraderError:
                        self._hours[key] = _Hours(None)
                    else:
                        self._hours[key] = self._schedules.setdefault(hours, _Hours(hours))
        elif isinstance(message, ProtoOASymbolChangedEvent):
            for symbol_id in message.symbolId:
                self._hours.pop((message.ctidTraderAccountId, symbol_id), None)
                self._asked.pop((message.ctidTraderAccountId, symbol_id), None)

    def look(self) -> None:
        """Report what has been quiet for too long, and set the next moment to look."""
        now = self._context.now
        for account_id in {account_id for account_id, _ in self._since}:
            self._keep_active(account_id)
        if not self._since:
            return
        following = now + self._after // 4
        unknown: dict[int, list[int]] = {}
        wall = self._context.wall()
        for key, subscribed in self._since.items():
            since = max(subscribed, self._subscriber.quoted_at(*key))
            if since + self._after > now:
                following = min(following, since + self._after)
                continue
            hours = self._hours.get(key)
            if hours is None:
                if now >= self._asked.get(key, now):
                    self._asked[key] = now + ASK_AGAIN
                    unknown.setdefault(key[0], []).append(key[1])
                continue
            opened = hours.opened(wall)
            if opened is None:
                continue
            quiet_from = max(since, now - to_nanos((wall - opened).total_seconds()))
            if quiet_from + self._after > now:
                following = min(following, quiet_from + self._after)
            elif self._reported.get(key) != (since, opened):
                self._reported[key] = since, opened
                self._report(key, quiet_from)
        self._context.timers.set(Timer.QUIET, max(following, now + _LEAST_WAIT))
        for account_id, symbols in unknown.items():
            self._ask(account_id, symbols)

    def _report(self, key: _Key, quiet_from: Nanos) -> None:
        account_id, symbol_id = key
        quoted_at = self._subscriber.quoted_at(account_id, symbol_id)
        self._context.emit(
            SubscriptionQuietEvent(
                account_id=account_id,
                symbol_id=symbol_id,
                last_at=self._context.wall(quoted_at) if quoted_at else None,
                quiet_since=self._context.wall(quiet_from),
            )
        )

    def _ask(self, account_id: int, symbols: list[int]) -> None:
        for start in range(0, len(symbols), _BATCH):
            request = ProtoOASymbolByIdReq(
                ctidTraderAccountId=account_id, symbolId=symbols[start : start + _BATCH]
            )
            self._pending.submit(
                Call(
                    request,
                    ProtoOASymbolByIdRes,
                    priority=Priority.BULK,
                    resend=False,
                    account_id=account_id,
                ),
                # What the answer says is learnt like that of any other; a refusal teaches nothing,
                # and the symbol is asked for again after a while.
                answered=lambda _, __: None,
            )

    def _keep_active(self, account_id: int) -> set[int]:
        """Forget what the server sends no more; return what it sends."""
        active = set(self._subscriber.active_symbols(account_id))
        for key in [key for key in self._since if key[0] == account_id and key[1] not in active]:
            self._forget(key)
        return active

    def _forget(self, key: _Key) -> None:
        del self._since[key]
        for known in (self._reported, self._hours, self._asked):
            known.pop(key, None)
