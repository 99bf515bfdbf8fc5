"""Tell of every deal once: of one that comes twice, and of one that a loss hid."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ctrader.enums import DealStatus, ExecutionType
from ctrader.events import ExecutionEvent
from ctrader.proto import ProtoOAExecutionEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctrader.errors import ProtocolError
    from ctrader.models.deals import Deal
    from ctrader.models.orders import Order
    from ctrader.models.positions import Position
    from ctrader.protocol.auth import Authorization
    from ctrader.protocol.background import Background
    from ctrader.protocol.context import Context
    from ctrader.protocol.decoding import EventDecoder
    from ctrader.protocol.work import Work
    from ctrader.units import Nanos

__all__ = ["Executions"]

DEALS_REMEMBERED: Final = 10_000
"""Deals that are known to have been told; what comes twice comes close together."""
MARGIN: Final = 5_000
"""Milliseconds before the last time that the server told, from which deals are looked for."""

_KINDS: Final[Mapping[DealStatus, ExecutionType]] = MappingProxyType(
    {
        DealStatus.FILLED: ExecutionType.ORDER_FILLED,
        DealStatus.PARTIALLY_FILLED: ExecutionType.ORDER_PARTIAL_FILL,
    }
)


class Executions:
    """Know which deals were told, and have those looked for that were missed.

    A deal is told with each kind of event once, whatever the server repeats. After a loss, of the
    link or of one account's session, the account's deals since then are read, and those that nobody
    was told of are told as recovered. After an event that could not be read so are those of every
    account.
    """

    __slots__ = (
        "_again",
        "_authorization",
        "_background",
        "_context",
        "_decoder",
        "_known_from",
        "_missed_from",
        "_searching",
        "_told",
        "_work",
    )

    def __init__(
        self,
        context: Context,
        authorization: Authorization,
        background: Background,
        decoder: EventDecoder,
        work: Work,
    ) -> None:
        self._context = context
        self._authorization = authorization
        self._background = background
        self._decoder = decoder
        self._work = work
        self._told: dict[tuple[int, int], set[int]] = {}
        self._known_from: dict[int, int] = {}
        self._missed_from: dict[int, int] = {}
        self._searching: dict[int, Nanos] = {}
        """For which accounts deals are looked for, and since when they were ready then."""
        self._again: set[int] = set()
        """Accounts whose search is too old to end with nothing missing."""

    # What happens

    def is_new(self, message: ProtoOAExecutionEvent) -> bool:
        """Take note of an event; False if the same was told of its deal before."""
        if not message.HasField("deal"):
            return True
        key = (message.ctidTraderAccountId, message.deal.dealId)
        kinds = self._told.get(key)
        if kinds is None:
            self._remember(key, message.executionType)
            return True
        if message.executionType in kinds:
            return False
        kinds.add(message.executionType)
        return True

    def not_told(self, message: ProtoOAExecutionEvent) -> None:
        """Note that nobody could be told of an event that was new: it makes no sense."""
        if not message.HasField("deal"):
            return
        key = (message.ctidTraderAccountId, message.deal.dealId)
        kinds = self._told[key]
        kinds.discard(message.executionType)
        if not kinds:
            del self._told[key]
            self.unreadable()

    def lost(self, heard_at: Nanos, account_id: int | None = None) -> None:
        """Note the end of a link, or of one account's session, last heard at a moment."""
        # What arrived last may have been on its way for long, as when this machine slept: only
        # what it tells itself says how far it goes.
        since = self._context.last_told_ms or int(self._context.wall(heard_at).timestamp() * 1000)
        for known in [account_id] if account_id is not None else list(self._known_from):
            if known in self._known_from:
                self._missed_from.setdefault(known, since - MARGIN)

    def ready(self, account_id: int) -> None:
        """Note that an account is ready; look for what was missed since the last time."""
        if account_id not in self._known_from:
            # A clock of this machine that is wrong must not hide what is missed later.
            self._known_from[account_id] = self._context.server_ms() or 0
        else:
            self._search(account_id)

    def unreadable(self) -> None:
        """Note that an event came that nobody can read: it may have told of a deal."""
        self.lost(self._context.now)
        for account_id in list(self._missed_from):
            self._again.add(account_id)
            self._search(account_id)

    def forget(self, account_id: int) -> None:
        """Forget an account that is kept no longer."""
        self._known_from.pop(account_id, None)
        self._missed_from.pop(account_id, None)
        self._again.discard(account_id)

    # What the search for missed deals needs

    @property
    def now(self) -> Nanos:
        """The present moment."""
        return self._context.now

    def latest_ms(self) -> int:
        """Return the present time of day, in Unix ms, by whichever clock is ahead."""
        return int(self._context.latest_wall().timestamp() * 1000)

    def missed_from(self, account_id: int) -> int | None:
        """Return since when deals may be missed, in Unix ms; None where none can be."""
        missed = self._missed_from.get(account_id)
        return None if missed is None else max(missed, self._known_from[account_id])

    def ready_since(self, account_id: int) -> Nanos | None:
        """Return since when an account is ready, None while it is not."""
        account = self._authorization.accounts.get(account_id)
        is_ready = account is not None and account.is_ready and self._context.is_connected
        return account.ready_at if account is not None and is_ready else None

    def was_told(self, account_id: int, deal_id: int) -> bool:
        """Whether a deal was told."""
        return (account_id, deal_id) in self._told

    def recovered(
        self, account_id: int, deal: Deal, order: Order | None, position: Position | None
    ) -> None:
        """Tell of a deal that was missed, unless it was told; an attempt is no deal."""
        kind = _KINDS.get(deal.status)
        key = (account_id, deal.deal_id)
        if kind is None or key in self._told:
            return
        # The event itself may still come, and call the same deal a fill or a part of one.
        self._told.setdefault(key, set()).update(each.value for each in _KINDS.values())
        self._bound()
        self._context.emit(
            ExecutionEvent(account_id, kind, order, position, deal, is_recovered=True)
        )

    def given_up(self, account_id: int, deal_id: int, error: ProtocolError) -> None:
        """Say of a missed deal that its record in the history makes no sense."""
        self._remember((account_id, deal_id), ExecutionType.ORDER_FILLED.value)
        self._context.warn(
            f"Deal {deal_id} of account {account_id} was missed, and what the history tells of it "
            f"makes no sense: {error}. Look it up in the account."
        )

    def caught_up(self, account_id: int) -> None:
        """Note that nothing is missing any more."""
        if account_id not in self._again:
            self._missed_from.pop(account_id, None)

    # Private

    def _remember(self, key: tuple[int, int], kind: int) -> None:
        self._told[key] = {kind}
        self._bound()

    def _bound(self) -> None:
        if len(self._told) > DEALS_REMEMBERED:
            del self._told[next(iter(self._told))]

    def _search(self, account_id: int) -> None:
        """Look for missed deals, where some may be and nobody looks in this session yet."""
        ready = self.ready_since(account_id)
        is_wanted = account_id in self._missed_from and self._decoder.wants(ExecutionEvent)
        if not is_wanted or ready is None or self._searching.get(account_id) == ready:
            return
        self._again.discard(account_id)
        # One of an earlier session may still pause; it ends when it sees this one.
        self._searching[account_id] = ready
        self._background.spawn(
            self._work.catch_up(account_id, self),
            lambda _, error: self._searched(account_id, ready, error),
        )

    def _searched(self, account_id: int, ready: Nanos, error: Exception | None) -> None:
        if self._searching.get(account_id) != ready:
            return
        del self._searching[account_id]
        if error is not None:
            self._context.warn(f"Deals that account {account_id} missed were not found: {error}")
        elif account_id in self._again:
            self._search(account_id)
