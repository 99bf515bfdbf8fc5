"""The record of frames: order, filters, text and bounds."""

from __future__ import annotations

from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAErrorRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.envelope import Envelope, encode_envelope
from ctrader.simulator.recording import Recording
from ctrader.simulator.scripting.interference import Delivery, OutgoingFrame
from tests.simulator.peer import USD_ACCOUNT, Peer, log_in, scripted_exchange


def recorded() -> tuple[Peer, Recording]:
    exchange = scripted_exchange()
    exchange.recording.is_on = True
    return Peer(exchange), exchange.recording


def test_every_frame_is_kept_with_its_time_and_direction():
    peer, recording = recorded()
    log_in(peer, USD_ACCOUNT)
    peer.run(2.5)
    peer.send(ProtoOAVersionReq(), "v")
    assert [(each.outbound, each.payload_type) for each in recording.frames()] == [
        (False, 2100),
        (True, 2101),
        (False, 2102),
        (True, 2103),
        (False, 2104),
        (True, 2105),
    ]
    last = recording.frames()[-1]
    assert (last.at, last.connection, last.client_msg_id) == (2.5, 1, "v")
    assert last.message == ProtoOAVersionRes(version="90")


def test_frames_are_found_by_kind_direction_and_connection():
    peer, recording = recorded()
    other = log_in(Peer(peer.exchange))
    log_in(peer, USD_ACCOUNT)
    other.ask(ProtoOAVersionReq(), ProtoOAVersionRes)
    (sent,) = recording.sent_by_client(ProtoOAAccountAuthReq)
    assert sent.ctidTraderAccountId == USD_ACCOUNT
    assert recording.sent_by_client(ProtoOAVersionRes) == []
    assert recording.sent_by_server(ProtoOAVersionRes) == [ProtoOAVersionRes(version="90")]
    assert len(recording.sent_by_server(ProtoOAApplicationAuthRes)) == 2
    assert len(recording.sent_by_server(ProtoOAApplicationAuthRes, connection=2)) == 1
    assert {each.connection for each in recording.frames(connection=1)} == {1}
    assert {each.outbound for each in recording.frames(outbound=False)} == {False}


def test_dump_is_one_line_a_frame_without_secrets():
    peer, recording = recorded()
    log_in(peer, USD_ACCOUNT)
    text = recording.dump()
    assert len(text.splitlines()) == 4
    assert "#1 -> ProtoOAAccountAuthReq id=ask-2 {ctidTraderAccountId: 1000001" in text
    grant = peer.exchange.grants.grants[0]
    for secret in (grant.access_token, "sim-client-secret"):
        assert secret not in text
        assert secret not in repr(recording.frames())


def test_strange_frames_are_kept_too():
    peer, recording = recorded()
    peer.send_bytes(encode_envelope(9999, b"\xff", "x"))
    peer.send_bytes(encode_envelope(2104, b"\xff", "x"))
    strange, broken = recording.frames(outbound=False)
    assert (strange.message, broken.message) == (None, None)
    assert "-> unknown id=x {ff}" in str(strange)
    assert "unknown (9999)" in repr(strange)
    assert recording.sent_by_client(ProtoOAVersionReq) == []
    assert len(recording.sent_by_server(ProtoOAErrorRes)) == 2


def test_oldest_frames_give_way_and_are_counted():
    recording = Recording(capacity=2)
    recording.take(0, 1, True, Envelope(51, b"", None))
    assert recording.frames() == []
    recording.is_on = True
    for number in range(3):
        recording.take(number, 1, True, Envelope(51, b"", str(number)))
    assert [each.client_msg_id for each in recording.frames()] == ["1", "2"]
    assert recording.dropped == 1
    recording.clear()
    assert (recording.frames(), recording.dropped) == ([], 0)


def test_what_a_script_drops_is_not_on_the_record():
    peer, recording = recorded()
    log_in(peer)
    recording.clear()
    peer.exchange.script.next_answer().drop()
    peer.send(ProtoOAVersionReq(), "x")
    assert [each.outbound for each in recording.frames()] == [False]


def test_dump_shows_no_secret_of_a_broken_frame_and_no_forged_line():
    peer, recording = recorded()
    secret = b"clientSecretSECRET"
    peer.send_bytes(encode_envelope(2100, b"\xff" + secret, "x"))
    peer.send_bytes(encode_envelope(2104, b"", "a\n    0.000001 #1 <- Forged {}"))
    assert secret.hex() not in recording.dump()
    assert f"{{{len(secret) + 1} bytes}}" in recording.dump()
    assert len(recording.dump().splitlines()) == len(recording.frames())
    assert r"id=a\n    0.000001" in recording.dump()


def test_what_a_script_sees_hides_secrets_too():
    envelope = Envelope(2100, b"SECRET", None)
    assert "SECRET" not in repr((OutgoingFrame(1, envelope, None), Delivery(envelope)))
