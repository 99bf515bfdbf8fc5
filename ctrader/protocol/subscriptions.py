"""Keep the ledger of wanted topics and their owners.

A topic lives while somebody owns it. Live bars and depth need the symbol's spots, and hold them;
the profit of an account needs nothing else.
The server forgets every subscription with the link; this ledger is what is restored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, assert_never

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeDepthQuotesRes,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeLiveTrendbarRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeDepthQuotesRes,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeLiveTrendbarRes,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsRes,
    ProtoOAv1PnLChangeSubscribeReq,
    ProtoOAv1PnLChangeSubscribeRes,
    ProtoOAv1PnLChangeUnSubscribeReq,
    ProtoOAv1PnLChangeUnSubscribeRes,
)
from ctrader.protocol.commands import (
    Call,
    DepthTopic,
    PnLTopic,
    Priority,
    SpotTopic,
    SymbolTopic,
    Topic,
    TrendbarTopic,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = ["SUBSCRIPTION_REQUESTS", "LedgerEntry", "Standing", "SubscriptionLedger", "WireRequest"]

SUBSCRIPTION_REQUESTS: Final[frozenset[type[Message]]] = frozenset(
    {
        ProtoOASubscribeDepthQuotesReq,
        ProtoOASubscribeLiveTrendbarReq,
        ProtoOASubscribeSpotsReq,
        ProtoOAUnsubscribeDepthQuotesReq,
        ProtoOAUnsubscribeLiveTrendbarReq,
        ProtoOAUnsubscribeSpotsReq,
        ProtoOAv1PnLChangeSubscribeReq,
        ProtoOAv1PnLChangeUnSubscribeReq,
    }
)
"""Requests that the ledger is the cause of."""

_BATCH: Final = 100
"""Symbols in one request: the server names no limit, and a refusal hits all of them."""
_PNL_PATIENCE: Final = 5.0
"""Seconds: a server that does not know the message may say nothing at all."""


class Standing(Enum):
    """How a topic stands at the server."""

    ABSENT = "absent"
    """Not subscribed on this link."""
    ADDING = "adding"
    """The answer to the subscription is awaited."""
    ACTIVE = "active"
    """Subscribed."""
    REMOVING = "removing"
    """The answer to the unsubscription is awaited."""
    REFUSED = "refused"
    """The server refused it while restoring; it is asked again after a while."""


@dataclass(slots=True, eq=False)
class LedgerEntry:
    """One topic that is wanted, or still known to the server."""

    topic: Topic
    owners: dict[Hashable, None] = field(default_factory=dict["Hashable", None])
    """Who wants it, as a set in the order of wanting: what is done with them is done in order."""
    standing: Standing = Standing.ABSENT
    is_alone: bool = False
    """Ask for it in a request of its own: a list with it was refused as a whole."""
    is_restoring: bool = False
    """It was active on an earlier link, and this link has not answered for it yet."""
    is_kept: bool = False
    """The server accepted it once: from now on it is restored after every loss."""
    is_doubtful: bool = False
    """No answer that makes sense came: the server may send it all the same."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request that brings the server nearer to what is wanted."""

    call: Call
    entries: tuple[LedgerEntry, ...]
    adds: bool
    """It subscribes; otherwise it unsubscribes."""


class SubscriptionLedger:
    """Compare what is wanted with what the server was asked for."""

    __slots__ = ("_entries", "_spot_timestamps")

    def __init__(self, *, spot_timestamps: bool = True) -> None:
        """Begin with nothing wanted.

        Args:
            spot_timestamps: Ask for live prices with the time of each.
        """
        self._entries: dict[Topic, LedgerEntry] = {}
        self._spot_timestamps = spot_timestamps

    def entries(self, account_id: int | None = None) -> list[LedgerEntry]:
        """Return the entries of an account, or all."""
        return [
            entry
            for entry in self._entries.values()
            if account_id is None or entry.topic.account_id == account_id
        ]

    def get(self, topic: Topic) -> LedgerEntry | None:
        """Return a topic's entry, None where nobody wants it and the server has none."""
        return self._entries.get(topic)

    def own(self, topic: Topic, owner: Hashable) -> LedgerEntry:
        """Make somebody an owner of a topic."""
        entry = self._entries.get(topic)
        if entry is None:
            entry = self._entries[topic] = LedgerEntry(topic)
        entry.owners[owner] = None
        if entry.standing is Standing.REFUSED:
            # Whoever wants it now is to hear the server's answer, not an old one.
            entry.standing = Standing.ABSENT
        spot = _needed_by(topic)
        if spot is not None:
            self.own(spot, topic)
        return entry

    def disown(self, topic: Topic, owner: Hashable) -> LedgerEntry | None:
        """Take an owner away; return the entry if the server has to hear of it."""
        entry = self._entries.get(topic)
        if entry is None:
            return None
        entry.owners.pop(owner, None)
        self._release(entry)
        return self._entries.get(topic)

    def with_dependents(self, entries: Iterable[LedgerEntry]) -> list[LedgerEntry]:
        """Return entries together with the bars and depth that cannot be without them."""
        found: list[LedgerEntry] = []
        for entry in entries:
            found.append(entry)
            if isinstance(entry.topic, SpotTopic):
                found += [
                    dependent
                    for owner in entry.owners
                    if isinstance(owner, (TrendbarTopic, DepthTopic))
                    and (dependent := self._entries.get(owner)) is not None
                ]
        return found

    def forget(self, topic: Topic) -> None:
        """Drop a topic that the server refused, with all its owners."""
        entry = self._entries.get(topic)
        if entry is not None:
            entry.owners.clear()
            self._release(entry)

    def forget_account(self, account_id: int) -> None:
        """Drop everything that an account wanted."""
        for entry in self.entries(account_id):
            del self._entries[entry.topic]

    def lost(self, account_id: int | None = None) -> None:
        """Note the end of the link, or of one account's session."""
        for entry in self.entries(account_id):
            entry.standing = Standing.ABSENT
            entry.is_alone = False
            entry.is_restoring = entry.is_kept
            entry.is_doubtful = False
            self._release(entry)

    def retry(self, account_id: int) -> None:
        """Ask again for the topics of an account that were refused while restoring."""
        for entry in self.entries(account_id):
            if entry.standing is Standing.REFUSED:
                entry.standing = Standing.ABSENT

    def is_restored(self, account_id: int) -> bool:
        """Whether the server has answered for everything that an earlier link had."""
        # Nothing depends on the stream of profits, and a server without it may say nothing at all.
        return not any(
            entry.is_restoring and not isinstance(entry.topic, PnLTopic)
            for entry in self.entries(account_id)
        )

    def settled(self, topics: Iterable[Topic]) -> bool:
        """Whether no answer is awaited and none is to be asked for these topics."""
        entries = (self._entries.get(topic) for topic in topics)
        return not any(
            entry is not None
            and (
                entry.standing in (Standing.ADDING, Standing.REMOVING)
                or (entry.standing is Standing.ABSENT and entry.owners)
                or (entry.standing is Standing.ACTIVE and not entry.owners)
            )
            for entry in entries
        )

    def left(self, topics: Iterable[Topic]) -> bool:
        """Whether nothing is to be asked or awaited any more to give these topics back.

        What others own stays; whether it stands at present is no matter of who left it.
        """
        entries = (self._entries.get(topic) for topic in topics)
        return not any(
            entry is not None
            and (
                entry.standing is Standing.REMOVING
                or (entry.standing in (Standing.ADDING, Standing.ACTIVE) and not entry.owners)
            )
            for entry in entries
        )

    def plan(self, account_id: int) -> list[WireRequest]:
        """Return the requests that are due now, and note them as sent.

        Spots come before what needs them, and go after it.
        """
        entries = self.entries(account_id)
        add = [e for e in entries if e.owners and e.standing is Standing.ABSENT]
        remove = [e for e in entries if not e.owners and e.standing is Standing.ACTIVE]
        requests: list[WireRequest] = []
        # A symbol's spots are still needed while an answer about its bars or depth is awaited.
        needed = {
            _needed_by(e.topic)
            for e in entries
            if e.standing in (Standing.ACTIVE, Standing.ADDING, Standing.REMOVING)
        }
        for entry in add:
            if isinstance(entry.topic, SpotTopic):
                continue
            spot = _needed_by(entry.topic)
            if spot is None or self._entries[spot].standing is Standing.ACTIVE:
                requests.append(self._request((entry,), adds=True))
        spots = [e for e in add if isinstance(e.topic, SpotTopic)]
        requests += [self._request((e,), adds=True) for e in spots if e.is_alone]
        together = [e for e in spots if not e.is_alone]
        for start in range(0, len(together), _BATCH):
            requests.append(self._request(tuple(together[start : start + _BATCH]), adds=True))
        for entry in remove:
            if not isinstance(entry.topic, SpotTopic):
                requests.append(self._request((entry,), adds=False))
        unused = [e for e in remove if isinstance(e.topic, SpotTopic) and e.topic not in needed]
        for start in range(0, len(unused), _BATCH):
            requests.append(self._request(tuple(unused[start : start + _BATCH]), adds=False))
        return requests

    def added(self, entries: Iterable[LedgerEntry]) -> None:
        """Note that the server subscribed these topics."""
        for entry in entries:
            entry.standing = Standing.ACTIVE
            entry.is_kept = True
            entry.is_restoring = False
            entry.is_alone = False
            entry.is_doubtful = False

    def refused(self, entries: Iterable[LedgerEntry], *, is_doubtful: bool = False) -> None:
        """Note that the server refused these topics, or that nobody knows what it did."""
        for entry in entries:
            entry.is_doubtful = is_doubtful and entry.standing is Standing.ADDING
            entry.standing = Standing.REFUSED
            entry.is_restoring = False

    def unsent(self, entries: Iterable[LedgerEntry]) -> None:
        """Note that a request for these topics never left: they stand as before."""
        for entry in entries:
            was_asked_for = entry.standing is Standing.ADDING
            entry.standing = Standing.ABSENT if was_asked_for else Standing.ACTIVE
            self._release(entry)

    def split(self, entries: Iterable[LedgerEntry]) -> None:
        """Ask for each of these topics alone: the server refused them together."""
        for entry in entries:
            entry.standing = Standing.ABSENT
            entry.is_alone = True

    def removed(self, entries: Iterable[LedgerEntry]) -> None:
        """Note that the server no longer sends these topics."""
        for entry in entries:
            entry.standing = Standing.ABSENT
            entry.is_restoring = False
            entry.is_kept = False
            self._release(entry)

    def _release(self, entry: LedgerEntry) -> None:
        """Drop an entry that nobody wants and the server does not have."""
        if entry.owners:
            return
        if entry.standing is Standing.REFUSED and entry.is_doubtful:
            # It may stand at the server: an unsubscription makes sure that it does not.
            entry.standing = Standing.ACTIVE
        elif entry.standing in (Standing.ABSENT, Standing.REFUSED):
            self._entries.pop(entry.topic, None)
        spot = _needed_by(entry.topic)
        if spot is not None:
            self.disown(spot, entry.topic)

    def _request(self, entries: tuple[LedgerEntry, ...], *, adds: bool) -> WireRequest:
        """Build the request for topics of one account and kind, and note them as asked for."""
        for entry in entries:
            entry.standing = Standing.ADDING if adds else Standing.REMOVING
        topic = entries[0].topic
        if isinstance(topic, PnLTopic):
            request, reply = _pnl_messages(topic, adds=adds)
        else:
            symbols = [e.topic.symbol_id for e in entries if not isinstance(e.topic, PnLTopic)]
            request, reply = _messages(
                topic, symbols, adds=adds, spot_timestamps=self._spot_timestamps
            )
        call = Call(
            request,
            reply,
            priority=Priority.RECOVERY,
            resend=False,
            account_id=topic.account_id,
            patience=_PNL_PATIENCE if isinstance(topic, PnLTopic) else None,
        )
        return WireRequest(call, entries, adds)


def _needed_by(topic: Topic) -> SpotTopic | None:
    """Return the live prices that a topic cannot be without, None where it needs none."""
    if isinstance(topic, TrendbarTopic | DepthTopic):
        return SpotTopic(topic.account_id, topic.symbol_id)
    return None


def _pnl_messages(topic: PnLTopic, *, adds: bool) -> tuple[Message, type[Message]]:
    account_id = topic.account_id
    if adds:
        return (
            ProtoOAv1PnLChangeSubscribeReq(ctidTraderAccountId=account_id),
            ProtoOAv1PnLChangeSubscribeRes,
        )
    return (
        ProtoOAv1PnLChangeUnSubscribeReq(ctidTraderAccountId=account_id),
        ProtoOAv1PnLChangeUnSubscribeRes,
    )


def _messages(
    topic: SymbolTopic, symbols: list[int], *, adds: bool, spot_timestamps: bool
) -> tuple[Message, type[Message]]:
    account_id = topic.account_id
    match topic:
        case SpotTopic() if adds:
            return (
                ProtoOASubscribeSpotsReq(
                    ctidTraderAccountId=account_id,
                    symbolId=symbols,
                    subscribeToSpotTimestamp=spot_timestamps,
                ),
                ProtoOASubscribeSpotsRes,
            )
        case SpotTopic():
            return (
                ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=account_id, symbolId=symbols),
                ProtoOAUnsubscribeSpotsRes,
            )
        case TrendbarTopic() if adds:
            return (
                ProtoOASubscribeLiveTrendbarReq(
                    ctidTraderAccountId=account_id, period=topic.period, symbolId=topic.symbol_id
                ),
                ProtoOASubscribeLiveTrendbarRes,
            )
        case TrendbarTopic():
            return (
                ProtoOAUnsubscribeLiveTrendbarReq(
                    ctidTraderAccountId=account_id, period=topic.period, symbolId=topic.symbol_id
                ),
                ProtoOAUnsubscribeLiveTrendbarRes,
            )
        case DepthTopic() if adds:
            return (
                ProtoOASubscribeDepthQuotesReq(ctidTraderAccountId=account_id, symbolId=symbols),
                ProtoOASubscribeDepthQuotesRes,
            )
        case DepthTopic():
            return (
                ProtoOAUnsubscribeDepthQuotesReq(ctidTraderAccountId=account_id, symbolId=symbols),
                ProtoOAUnsubscribeDepthQuotesRes,
            )
        case _:
            assert_never(topic)
