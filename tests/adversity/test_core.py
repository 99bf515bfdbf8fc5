"""A session whose driver cannot go on."""

from __future__ import annotations

from ctrader.errors import ClientClosedError
from ctrader.protocol.effects import CallFailed, Finished
from tests.protocol.peer import Peer, read_call


def test_abandoned_session_ends_every_call_as_what_it_is_and_says_no_more():
    peer = Peer()
    peer.connect()
    session = peer.session
    error = ClientClosedError("it broke")
    read = session.submit(read_call(), peer.now)
    session.take_effects()
    session.abandon(error, peer.now)
    session.abandon(ClientClosedError("again"), peer.now)
    effects = session.take_effects()
    assert CallFailed(read, error) in effects
    assert effects[-1] == Finished(error)
    assert sum(isinstance(effect, Finished) for effect in effects) == 1
    assert not session.is_connected
    assert session.next_deadline() is None
    assert session.take_effects() == []
