"""The frozen corpus against the simulator's session: refused, or the link closed; never a crash."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from ctrader.proto import (
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.envelope import open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.simulator.session import ServerSession
from tests.fuzz.corpus import frozen
from tests.fuzz.messages import ACCOUNT
from tests.fuzz.oracle import Outcome, fates_of, read
from tests.fuzz.volleys import CHUNKINGS, Chunking, volleys
from tests.simulator.peer import BARE, Peer, log_in, scripted_exchange

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange
    from tests.fuzz.corpus import Entry

PARTS: Final = 2
"""How many tests share the corpus, so that none of them lasts long."""
STEP: Final = 1_000_000_000
"""Nanoseconds from one volley to the next."""


class Server:
    """An exchange of its own, asked by the corpus in one chunking."""

    def __init__(self, chunking: Chunking, *, is_strict: bool) -> None:
        self._chunking = chunking
        self._rng = Random(7)
        self._exchange: Exchange = scripted_exchange(
            [(second, 112_000 + second % 100, 112_010 + second % 100) for second in range(8000)],
            switches=replace(BARE, close_on_garbage=is_strict, frame_too_long_closes=is_strict),
        )
        self.peer = log_in(Peer(self._exchange), ACCOUNT)

    @property
    def session(self) -> ServerSession:
        """The session that is asked."""
        return self.peer.session

    def read(self, entries: list[Entry]) -> bytes:
        """Take a volley and return what is answered to it."""
        frames = [entry.frame("an-order") for entry in entries]
        answers: list[bytes] = []
        for data in self._chunking(frames, self._rng):
            self.session.receive_data(data, self._exchange.now)
            answers.append(self.session.data_to_send())
        return b"".join(answers)

    def rest(self, *, link_is_over: bool) -> bytes:
        """Let time pass, begin anew where the link is over, and return what came meanwhile."""
        session = self.session
        session.handle_timer(self._exchange.now + STEP)
        told = session.data_to_send()
        if link_is_over and not session.is_closed:
            session.connection_lost(self._exchange.now)
        if link_is_over or session.is_closed or ACCOUNT not in session.accounts:
            if not session.is_closed:
                session.connection_lost(self._exchange.now)
            self.peer = log_in(Peer(self._exchange), ACCOUNT)
        return told


def check_answers(data: bytes) -> Counter[str]:
    """Read what the server said: whole frames of known messages; count them by name."""
    frames = FrameBuffer()
    block, spans = frames.feed(data)
    assert frames.failure is None
    assert not frames.held
    names: Counter[str] = Counter()
    for start, end in spans:
        envelope = open_envelope(block[start:end])
        message = read(envelope.payload_type, envelope.payload)
        assert message is not None
        assert message.IsInitialized()
        names[type(message).__name__] += 1
    return names


@pytest.mark.parametrize("is_strict", [True, False])
@pytest.mark.parametrize("part", range(PARTS))
def test_frozen_corpus_is_answered_alike_in_four_chunkings(part, is_strict):
    entries = frozen()[part::PARTS]
    servers = {name: Server(chunking, is_strict=is_strict) for name, chunking in CHUNKINGS.items()}
    first = servers["whole"]
    names: Counter[str] = Counter()
    for number, volley in enumerate(volleys(entries, Random(part))):
        answers = {name: server.read(volley) for name, server in servers.items()}
        assert set(answers.values()) == {answers["whole"]}, number
        names += check_answers(answers["whole"])
        fates = fates_of(b"".join(entry.frame("an-order") for entry in volley))
        last = fates[-1].outcome if fates else None
        assert first.session.is_closed == (is_strict and last is Outcome.BREAKS), number
        is_over = last in (Outcome.BREAKS, Outcome.UNFINISHED)
        told = {name: server.rest(link_is_over=is_over) for name, server in servers.items()}
        assert set(told.values()) == {told["whole"]}, number
        names += check_answers(told["whole"])
    assert names["ProtoOAErrorRes"] > 1000
    assert len(names) > 20  # some requests still make sense, and are answered
    for server in servers.values():
        check_that_it_works(server.peer)


def check_that_it_works(peer: Peer) -> None:
    """Ask for something on the link that has seen it all, and on a new one."""
    for each in (peer, log_in(Peer(peer.exchange), ACCOUNT)):
        each.ask(ProtoOAVersionReq(), ProtoOAVersionRes)
    request = ProtoOASubscribeSpotsReq(ctidTraderAccountId=ACCOUNT, symbolId=[1])
    each.ask(request, ProtoOASubscribeSpotsRes)
    each.run(5)
    assert each.messages(ProtoOASpotEvent)
