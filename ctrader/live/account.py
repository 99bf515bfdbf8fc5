"""Keep what is known of an account right, from its events and from readings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from ctrader.events import (
    AccountDisconnectEvent,
    DisconnectedEvent,
    Event,
    ExecutionEvent,
    MarginChangeEvent,
    ProfitDiscrepancyEvent,
    SpotEvent,
    SymbolChangedEvent,
    TokenInvalidatedEvent,
    TraderUpdateEvent,
    TrailingStopChangedEvent,
    UndecodableMessageEvent,
)
from ctrader.live.comparison import Comparison
from ctrader.live.holdings import differences
from ctrader.live.reading import Reading, Telling
from ctrader.live.state import AccountState, Desk
from ctrader.live.succession import Succession, remember
from ctrader.live.supply import Supply
from ctrader.models.changes import AccountChange, FreshnessChanged
from ctrader.models.positions import PositionUnrealizedPnL
from ctrader.proto.registry import (
    EXECUTION_EVENT,
    MARGIN_CHANGED_EVENT,
    TRADER_UPDATE_EVENT,
    TRAILING_SL_CHANGED_EVENT,
)

__all__ = ["FOLLOWED", "LiveAccount"]

FOLLOWED: Final = (
    AccountDisconnectEvent,
    DisconnectedEvent,
    ExecutionEvent,
    MarginChangeEvent,
    SpotEvent,
    SymbolChangedEvent,
    TokenInvalidatedEvent,
    TraderUpdateEvent,
    TrailingStopChangedEvent,
    UndecodableMessageEvent,
)
"""The types of event that a live account must be given."""

_TELLING: Final = frozenset(
    {EXECUTION_EVENT, MARGIN_CHANGED_EVENT, TRADER_UPDATE_EVENT, TRAILING_SL_CHANGED_EVENT}
)
"""Payload types of which none may be missed."""
_SEEN: Final = 512  # execution events that are known again when they come a second time


class LiveAccount:
    """What is known of one account: made right by readings, kept right by events.

    Hand in every event of the types in `FOLLOWED`, in order, from before the first reading on. To
    read the account: `begin`, hand the answers to the reading as they come, then `rebuilt`. After a
    loss of the link call `went_stale` at once; read again when the account is ready. `doubt` says
    when a reading is due on a link that stands, and `supply` what is needed to value the positions.

    It is not thread-safe; `state` may be read on any thread.
    """

    __slots__ = (
        "_comparison",
        "_desk",
        "_doubt",
        "_reading",
        "_seen",
        "_succession",
        "account_id",
        "state",
        "supply",
    )

    def __init__(self, account_id: int) -> None:
        """Begin with nothing known, which is stale."""
        self.account_id = account_id
        self._desk = Desk(account_id)
        self.state = AccountState(self._desk)
        """The view for users."""
        self.supply = Supply(self._desk)
        """What is needed to value the positions."""
        self._succession = Succession()
        self._comparison = Comparison()
        self._reading: Reading | None = None
        self._seen: dict[ExecutionEvent, None] = {}
        self._doubt: str | None = None

    @property
    def doubt(self) -> str | None:
        """Why the account should be read anew, as words for a log; None if it need not be.

        It goes when a reading begins. A loss is no doubt: then nothing can be read.
        """
        return self._doubt or self._succession.doubt

    # Readings

    def begin(self) -> Reading:
        """Begin to read the account; a reading that was under way counts for nothing then."""
        self._reading = reading = Reading()
        self._doubt = self._succession.doubt = None
        return reading

    def is_under_way(self, reading: Reading) -> bool:
        """Tell whether a reading still counts: no loss and no other reading came since."""
        return reading is self._reading

    def abandon(self, reading: Reading) -> None:
        """Give a reading up, if it still counts."""
        if reading is self._reading:
            self._reading = None

    def rebuilt(self, reading: Reading, at: datetime) -> tuple[AccountChange, ...]:
        """Take what was read, with the events that came meanwhile on top.

        Args:
            reading: The reading, with both answers.
            at: The present time, in UTC.

        Returns: What is different from before, which is what happened while nothing was heard;
            after the first reading nothing but that the account is no longer stale; nothing at all
            if the reading does not count any more.

        Raises:
            ValueError: an answer is lacking.
        """
        if reading is not self._reading:
            return ()
        account, positions = reading.account, reading.positions
        if account is None or positions is None:
            raise ValueError(f"the reading of account {self.account_id} is not complete")
        self._reading = None
        before = self._desk.holdings
        after = self._succession.listed(account, positions, reading.orders, at)
        for heard in reading.heard:
            after = self._succession.after(
                after,
                heard.event,
                knows_account=heard.knows_account,
                knows_holdings=heard.knows_holdings,
            )
        self._desk.holdings = after
        self.supply.renew()
        self._comparison.forget()
        changes = () if before.account is None else tuple(differences(before, after))
        return (*changes, FreshnessChanged(False, at)) if before.is_stale else changes

    def went_stale(self, at: datetime) -> tuple[AccountChange, ...]:
        """Note that the link or the account's session is lost; quotes are forgotten.

        Args:
            at: The present time, in UTC.
        """
        self._reading = None
        self._desk.quotes.clear()
        self._comparison.forget()
        if self._desk.holdings.is_stale:
            return ()
        self._desk.holdings = replace(self._desk.holdings, is_stale=True, as_of=at)
        return (FreshnessChanged(True, at),)

    # Events

    def quoted(self, event: SpotEvent) -> None:
        """Take a quote; it changes profits, which are computed when they are read."""
        if event.account_id != self.account_id:
            return
        bid = event.last_bid_points if event.bid_points is None else event.bid_points
        ask = event.last_ask_points if event.ask_points is None else event.ask_points
        if bid is not None and ask is not None:
            self._desk.quotes[event.symbol_id] = (bid, ask)
        else:
            # Only one side was seen on this link: with the other of an older one it is no quote.
            self._desk.quotes.pop(event.symbol_id, None)

    def seed(self, symbol_id: int, bid: int | None, ask: int | None) -> None:
        """Take the sides of a symbol that came on this link before, where none is known."""
        if bid is not None and ask is not None:
            self._desk.quotes.setdefault(symbol_id, (bid, ask))

    def apply(self, event: Event, at: datetime) -> tuple[AccountChange, ...]:
        """Take an event; what is not about this account does nothing.

        Args:
            event: The event.
            at: The present time, in UTC.

        Returns: What changed; quotes change nothing that is told.
        """
        match event:
            case SpotEvent():
                self.quoted(event)
            case DisconnectedEvent():
                return self.went_stale(at)
            case TokenInvalidatedEvent():
                if self.account_id in event.account_ids:
                    return self.went_stale(at)
            case UndecodableMessageEvent():
                if event.payload_type in _TELLING:
                    self._doubt = f"a message of type {event.payload_type} could not be read"
            case AccountDisconnectEvent() if event.account_id == self.account_id:
                return self.went_stale(at)
            case SymbolChangedEvent() if event.account_id == self.account_id:
                self.supply.symbols_changed(event.symbol_ids)
            case ExecutionEvent(is_recovered=True):
                pass  # the reading after the loss has it, and all that came after it
            case (
                ExecutionEvent()
                | MarginChangeEvent()
                | TraderUpdateEvent()
                | TrailingStopChangedEvent()
            ) if event.account_id == self.account_id:
                return self._told(event, at)
            case _:
                pass
        return ()

    def compared(self, told: Iterable[PositionUnrealizedPnL]) -> tuple[ProfitDiscrepancyEvent, ...]:
        """Compare the profits with the server's, at the moment at which its answer came.

        Returns: An event for each position that disagrees for the second time in a row by more
            than rounding, a spread, and the spreads of the symbols that convert. Nothing while the
            account is stale.
        """
        if self._desk.holdings.is_stale:
            return ()
        events = self._comparison.compare(self._desk, told)
        if events:
            self._doubt = "its profits are not those of the server"
        return events

    # Private

    def _told(self, event: Telling, at: datetime) -> tuple[AccountChange, ...]:
        deal = order = None
        if isinstance(event, ExecutionEvent):
            if event in self._seen:
                return ()
            remember(self._seen, event, None, _SEEN)
            deal, order = event.deal, event.order
        self._succession.note(event)
        if self._reading is not None and not self._reading.hear(event):
            self._reading = None
            self._doubt = "too much happened while it was read"
        before = self._desk.holdings
        if before.account is None:
            return ()
        after = self._succession.after(before, event)
        if after is before:
            return ()
        # A stale account tells when it was lost.
        self._desk.holdings = after if after.is_stale else replace(after, as_of=at)
        return tuple(differences(before, after, deal, order))
