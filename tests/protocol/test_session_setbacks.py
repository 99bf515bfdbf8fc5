"""Who waits in vain is told what for, and why the link did not hold."""

from __future__ import annotations

import pytest

from ctrader.enums import TrendbarPeriod
from ctrader.errors import (
    CTraderConnectionClosedError,
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    CTraderError,
    UnexpectedResponseError,
)
from ctrader.proto import ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes
from ctrader.protocol.commands import (
    Authorize,
    Command,
    DepthTopic,
    Logout,
    NextEvent,
    PnLTopic,
    SpotTopic,
    Subject,
    Subscribe,
    Thing,
    TrendbarTopic,
    Unsubscribe,
    WaitApplication,
    WaitReady,
    WaitSettled,
)
from ctrader.protocol.effects import Warned
from ctrader.protocol.pending import Connect
from tests.protocol.peer import ACCOUNT, Peer, credentials, read_call

SPOTS, PROFITS = SpotTopic(ACCOUNT, 1), PnLTopic(ACCOUNT)
ENDED = CTraderConnectionClosedError("the server ended it", was_clean=True)


def lose(peer: Peer, times: int, cause: Exception | None = ENDED) -> None:
    """Lose links before anything is answered, and stand on the next one."""
    for _ in range(times):
        peer.connection_lost(cause)
        peer.reopen()
        peer.connection_made()


def warnings(peer: Peer) -> list[str]:
    return [output.text for output in peer.seen(Warned)]


def timeout(peer: Peer, command: Command, seconds: float = 600) -> CTraderConnectionTimeoutError:
    """Submit a command that nobody answers, and lose links meanwhile."""
    call_id = peer.submit(command, timeout=seconds)
    lose(peer, 3)
    peer.cancel(call_id)
    call_id = peer.submit(command, timeout=1)
    peer.advance(1.5)
    error = peer.errors[call_id]
    assert isinstance(error, CTraderConnectionTimeoutError)
    return error


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (WaitApplication(), "authenticating the application (ProtoOAApplicationAuthReq)"),
        (Authorize(credentials()), "authenticating account 123456 (ProtoOAAccountAuthReq)"),
        (WaitReady(7), "waiting for account 7 to be authenticated and restored"),
        (NextEvent((CTraderError,), bool), "waiting for CTraderError"),
        (Subscribe((SPOTS,), "x"), "subscribing to live prices on account 123456"),
        (
            Subscribe((TrendbarTopic(7, 1, TrendbarPeriod.H1), DepthTopic(7, 1)), "x"),
            "subscribing to live bars, depth of market on account 7",
        ),
        (Unsubscribe((SPOTS, PROFITS), "x"), "unsubscribing from live prices, profits on account"),
        (read_call(), "ProtoOASymbolsListReq"),
        (Logout(7), "ending the session of account 7 (ProtoOAAccountLogoutReq)"),
        (
            WaitSettled(Subject(7, Thing.SYMBOL, 1)),
            "waiting for another request about symbol 1 of account 7",
        ),
    ],
)
def test_commands_are_named_in_words(command: Command, name: str):
    assert str(command).startswith(name)


def test_attempt_to_connect_is_named_in_words():
    assert str(Connect()) == "connecting"


def test_timeout_without_a_loss_says_what_was_waited_for():
    peer = Peer()
    peer.connect()
    call_id = peer.submit(WaitApplication(), timeout=2)
    peer.advance(2)
    assert str(peer.errors[call_id]) == (
        "authenticating the application (ProtoOAApplicationAuthReq) got no answer within 2 s. "
        "Repeat it, or allow more time with timeout=."
    )


def test_timeout_on_links_that_are_lost_names_their_last_cause_and_the_remedy():
    peer = Peer({"host": "localhost", "use_ssl": False}, reconnect_max_wait=1)
    peer.connect()
    error = timeout(peer, WaitApplication())
    assert str(error) == (
        "authenticating the application (ProtoOAApplicationAuthReq) got no answer within 1 s: "
        "the link to localhost:5035 was lost 3 times before the application was authenticated, at "
        "last because the server ended it. Does the port want TLS? use_ssl is False. Repeat it, "
        "or allow more time with timeout=."
    )
    assert error.operation == "authenticating the application (ProtoOAApplicationAuthReq)"
    assert error.cause is ENDED


def test_timeout_with_tls_asks_for_host_and_port():
    peer = Peer(reconnect_max_wait=1)
    peer.connect()
    assert "Check that host and port are those of the protobuf service." in str(
        timeout(peer, read_call())
    )


def test_timeout_after_a_loss_of_a_link_that_was_fine_names_the_cause_only():
    peer = Peer()
    peer.make_ready()
    call_id = peer.submit(read_call(), timeout=0.2)
    peer.connection_lost(OSError("reset by peer"))
    peer.advance(0.2)
    assert str(peer.errors[call_id]) == (
        "ProtoOASymbolsListReq, which could not be sent yet, got no answer within 0.2 s: the link "
        "to demo.ctraderapi.com:5035 is lost, at last because of OSError: reset by peer. "
        "Repeat it, or allow more time with timeout=."
    )


def test_remedy_of_the_last_cause_is_left_out():
    peer = Peer(heartbeat_timeout=5)
    peer.make_ready()
    call_id = peer.submit(read_call(), timeout=6)
    peer.advance(6)
    text = str(peer.errors[call_id])
    assert text.count("Repeat it") == 1
    assert "because of CTraderConnectionTimeoutError: waiting for any sign" in text
    assert "got no answer within 5 s. Repeat it" in text


def test_attempt_that_fails_is_a_cause_too():
    peer = Peer()
    peer.make_ready()
    call_id = peer.submit(read_call(), timeout=10)
    peer.connection_lost()
    peer.reopen()
    peer.connection_lost(CTraderConnectionFailedError("h", 1, ConnectionRefusedError("refused")))
    peer.advance(10)
    assert "at last because of ConnectionRefusedError: refused" in str(peer.errors[call_id])


def test_cause_is_forgotten_once_the_application_is_authenticated():
    peer = Peer(reconnect_max_wait=1)
    peer.connect()
    lose(peer, 2)
    peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
    call_id = peer.submit(read_call(), timeout=1)
    peer.advance(1)
    error = peer.errors[call_id]
    assert isinstance(error, CTraderConnectionTimeoutError)
    assert error.cause is None
    lose(peer, 1)
    assert warnings(peer) == []


def test_link_that_is_lost_again_and_again_before_authentication_is_warned_of_once():
    peer = Peer({"host": "localhost", "use_ssl": False}, reconnect_max_wait=1)
    peer.connect()
    lose(peer, 2)
    assert warnings(peer) == []
    lose(peer, 3)
    assert warnings(peer) == [
        "the link to localhost:5035 was lost 3 times before the application was authenticated, at "
        "last because the server ended it. Does the port want TLS? use_ssl is False."
    ]
    peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
    lose(peer, 5)
    assert len(warnings(peer)) == 2


def test_warning_holds_one_remedy():
    peer = Peer(reconnect_max_wait=1)
    peer.connect()
    lose(peer, 3, UnexpectedResponseError("ProtoOAApplicationAuthRes", "ProtoOAVersionRes"))
    assert warnings(peer) == [
        "the link to demo.ctraderapi.com:5035 was lost 3 times before the application was "
        "authenticated, at last because of UnexpectedResponseError: A request was answered by "
        "ProtoOAVersionRes instead of ProtoOAApplicationAuthRes. Check that host and port are "
        "those of the protobuf service."
    ]
