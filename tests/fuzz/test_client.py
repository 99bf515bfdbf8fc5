"""The frozen corpus against the client's session: declared events and errors, in every chunking."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from ctrader.errors import (
    CTraderError,
    DeserializationError,
    FramingError,
    OrderOutcomeUnknownError,
)
from ctrader.events import (
    EVENT_TYPE_BY_MESSAGE,
    DisconnectedEvent,
    SpotEvent,
    UndecodableMessageEvent,
    UnknownMessageEvent,
)
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsListReq,
    ProtoOATraderReq,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from ctrader.protocol.commands import Authorize, CallId, DepthTopic, SpotTopic
from ctrader.protocol.effects import Phase
from ctrader.protocol.envelope import encode_message
from tests.fuzz.corpus import frozen
from tests.fuzz.messages import ACCOUNT
from tests.fuzz.oracle import Fate, Outcome, fates_of
from tests.fuzz.volleys import CHUNKINGS, Chunking, volleys
from tests.protocol.peer import Peer, credentials, read_call, trade_call

if TYPE_CHECKING:
    from tests.fuzz.corpus import Entry

KINDS: Final = frozenset({*EVENT_TYPE_BY_MESSAGE.values(), *MESSAGE_BY_PAYLOAD_TYPE.values()})
ANSWERED: Final = (
    ProtoOAApplicationAuthReq,
    ProtoOAAccountAuthReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeDepthQuotesReq,
)
PARTS: Final = 5
"""How many tests share the corpus, so that none of them lasts long."""
PATIENCE: Final = 1.2
"""Seconds after which a session waits no longer for an account's decimals."""


class Reader:
    """A session in full swing that reads the corpus in one chunking."""

    def __init__(self, chunking: Chunking) -> None:
        self._chunking = chunking
        self._rng = Random(7)
        self.order: CallId = 0
        self.peer = peer = Peer(heartbeat_timeout=0)
        peer.start()
        peer.submit(Authorize(credentials(ACCOUNT)))
        peer.subscribe(SpotTopic(ACCOUNT, 1), SpotTopic(ACCOUNT, 2), DepthTopic(ACCOUNT, 1))
        self.restore()

    def restore(self) -> None:
        """Be a willing server until everything wanted is there."""
        peer = self.peer
        for _ in range(200):
            if peer.session.phase is not Phase.CONNECTED:
                peer.history.clear()
                peer.reopen()
                peer.connection_made()
            elif asked := [kind for kind in ANSWERED if peer.open(kind)]:
                peer.answer(asked[0])
            elif peer.is_ready():
                return
            else:
                peer.fire()
        raise AssertionError("the session does not recover")

    def read(self, entries: list[Entry], *, raw_quotes: bool) -> None:
        """Take a volley with an order in flight, until nothing is held back any more."""
        peer = self.peer
        kinds = KINDS if raw_quotes else KINDS - {ProtoOASpotEvent}
        peer.session.listen(kinds, None)
        peer.clear()
        self.order = peer.submit(trade_call(account_id=ACCOUNT), timeout=3600)
        (sent,) = peer.open(ProtoOANewOrderReq)
        self.frames = [entry.frame(sent.message_id) for entry in entries]
        for data in self._chunking(self.frames, self._rng):
            peer.session.receive_data(sent.epoch, data, peer.now)
            if self._rng.randrange(2):
                peer.carry_out()
        peer.carry_out()
        last = fates_of(b"".join(self.frames))[-1].outcome
        if peer.open(ProtoOATraderReq) and raw_quotes and last is not Outcome.UNFINISHED:
            peer.refuse(ProtoOATraderReq, "UNKNOWN_ERROR")
        while peer.session.phase is Phase.CONNECTED and peer.open(ProtoOATraderReq):
            peer.history.clear()
            peer.advance(PATIENCE)

    def end(self, *, link_is_over: bool) -> None:
        """End the order, and the link where its stream cannot be read on."""
        peer = self.peer
        peer.cancel(self.order)
        if link_is_over and peer.session.phase is Phase.CONNECTED:
            peer.connection_lost(ConnectionResetError("the end of a volley"))
        self.restore()
        peer.history.clear()
        peer.results.clear()
        peer.errors.clear()


def same(left: list[object], right: list[object]) -> bool:
    """Whether outputs are the same; numbers that are none, and errors, equal their own kind."""
    return len(left) == len(right) and all(
        one == other or repr(one) == repr(other) for one, other in zip(left, right, strict=True)
    )


def is_answered(entries: list[Entry]) -> bool:
    """Whether an answer that makes no sense bears the order's id."""
    return any(
        entry.payload_type and fate.outcome is Outcome.UNDECODABLE
        for entry in entries
        for fate in fates_of(entry.frame())
    )


def check_order(reader: Reader, entries: list[Entry]) -> str:
    """Say how the order of a volley stands; no malformed frame may decide it."""
    peer, order = reader.peer, reader.order
    assert order not in peer.results
    error = peer.errors.get(order)
    assert error is None or isinstance(error, OrderOutcomeUnknownError), error
    assert error is not None or not is_answered(entries)
    return "in flight" if error is None else "unknown"


def check_outputs(peer: Peer, fates: list[Fate]) -> None:
    """Compare what came out with what the runtime alone says of the frames."""
    reported: list[tuple[object, int, bytes]] = [
        (type(event), event.payload_type, event.payload)
        for event in peer.outputs
        if isinstance(event, UnknownMessageEvent | UndecodableMessageEvent)
    ]
    remaining = iter(reported)
    for fate in fates:
        wanted: tuple[object, int, bytes]
        if fate.outcome is Outcome.UNKNOWN:
            wanted = (UnknownMessageEvent, fate.payload_type, fate.payload)
        elif fate.outcome is Outcome.UNDECODABLE:
            wanted = (UndecodableMessageEvent, fate.payload_type, fate.payload)
        else:
            continue
        assert wanted in remaining, f"{wanted} was not reported, or not in its place"
    sense = [(fate.payload_type, fate.payload) for fate in fates]
    assert all((number, payload) in sense for _, number, payload in reported)
    assert sum(kind is UnknownMessageEvent for kind, _, _ in reported) == sum(
        fate.outcome is Outcome.UNKNOWN for fate in fates
    )


def check_link(peer: Peer, fates: list[Fate]) -> None:
    """The link ends where the stream is broken, for a declared reason, and nowhere else."""
    last = fates[-1].outcome if fates else None
    lost = peer.seen(DisconnectedEvent)
    if last is Outcome.BREAKS:
        (event,) = lost
        assert isinstance(event.cause, FramingError | DeserializationError)
        assert len(peer.closed) == 1
    elif last is Outcome.ENDS:
        assert len(lost) == 1
    else:
        assert not lost
        assert peer.is_connected()


@pytest.mark.parametrize("part", range(PARTS))
def test_frozen_corpus_is_read_alike_in_four_chunkings(part):
    entries = frozen()[part::PARTS]
    readers = {name: Reader(chunking) for name, chunking in CHUNKINGS.items()}
    first = readers["whole"]
    orders: Counter[str] = Counter()
    seen: Counter[Outcome] = Counter()
    for number, volley in enumerate(volleys(entries, Random(part))):
        for reader in readers.values():
            reader.read(volley, raw_quotes=number % 2 == 0)
        fates = fates_of(b"".join(first.frames))
        seen.update(fate.outcome for fate in fates)
        check_link(first.peer, fates)
        check_outputs(first.peer, fates)
        orders[check_order(first, volley)] += 1
        for name, reader in readers.items():
            assert reader.frames == first.frames
            failed = reader.peer.errors.values()
            assert all(isinstance(error, CTraderError) for error in failed)
            assert same(reader.peer.outputs, first.peer.outputs), (number, name)
            assert reader.peer.errors.keys() == first.peer.errors.keys()
        is_over = bool(fates) and fates[-1].outcome is Outcome.UNFINISHED
        for reader in readers.values():
            reader.end(link_is_over=is_over)
    assert seen.total() >= len(entries) == 2000
    assert all(seen[outcome] for outcome in Outcome)
    assert all(orders[end] > 100 for end in ("in flight", "unknown"))
    for reader in readers.values():
        check_that_it_works(reader.peer)


def check_that_it_works(peer: Peer) -> None:
    """Read a quote, an answer and a fill as if nothing had been."""
    peer.clear()
    quote = ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=110_001, ask=110_003)
    peer.receive(encode_message(quote))
    (event,) = peer.seen(SpotEvent)
    assert (event.bid, event.ask) == (1.10001, 1.10003)
    read = peer.submit(read_call(account_id=ACCOUNT))
    peer.answer(ProtoOASymbolsListReq)
    assert read in peer.results
    order = peer.submit(trade_call(account_id=ACCOUNT))
    fill = ProtoOAExecutionEvent(ctidTraderAccountId=ACCOUNT, executionType="ORDER_FILLED")
    peer.answer(ProtoOANewOrderReq, fill)
    assert peer.results[order] == fill
