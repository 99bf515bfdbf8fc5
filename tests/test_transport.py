"""Whom TLS trusts, and what each failure of the transport becomes."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from ctrader.config import ClientConfig
from ctrader.errors import (
    ConfigurationError,
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    InsecureTransportError,
    TlsVerificationError,
)
from ctrader.transport import (
    closed_error,
    connection_error,
    require_loopback,
    set_socket_options,
    tls_context,
)


def config(**changes: Any) -> ClientConfig:  # Any: they are ClientConfig's own fields
    return ClientConfig(client_id="id", client_secret="a-secret", **changes)


def test_tls_verifies_certificate_and_name_with_a_current_version():
    context = tls_context(config())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_ca_file_without_certificates_is_a_configuration_error(tmp_path: Path):
    path = tmp_path / "authority.pem"
    path.write_text("not a certificate")
    with pytest.raises(ConfigurationError, match="ca_file"):
        tls_context(config(ca_file=path))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
def test_plaintext_may_go_to_this_machine(address: str):
    require_loopback(config(host="localhost", use_ssl=False), address)


@pytest.mark.parametrize("address", ["10.0.0.1", "fe80::1%eth0", "::ffff:10.0.0.1", "0.0.0.0"])
def test_plaintext_goes_nowhere_else(address: str):
    with pytest.raises(InsecureTransportError) as caught:
        require_loopback(config(host="localhost", use_ssl=False), address)
    assert address in caught.value.__notes__[0]
    require_loopback(config(), address)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (18, "self-signed"),
        (19, "authority"),
        (20, "authority"),
        (62, "host must be"),
        (64, "host must be"),
        (10, "clock"),
        (9, "clock"),
        (23, "certificate revoked"),
    ],
)
def test_refused_certificate_says_why_and_what_to_do(code: int, remedy: str):
    refusal = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refusal.verify_code = code
    refusal.verify_message = "certificate revoked"
    error = connection_error(config(), refusal)
    assert isinstance(error, TlsVerificationError)
    assert error.cause is refusal
    assert remedy in error.__notes__[0]


def test_most_telling_of_several_failures_is_named():
    refused = ConnectionRefusedError(111, "Connection refused")
    summary = OSError("All connection attempts failed")
    summary.__cause__ = ExceptionGroup("several addresses", [refused, OSError(113, "No route")])
    error = connection_error(config(), summary)
    assert isinstance(error, CTraderConnectionFailedError)
    assert error.cause is refused
    assert error.__cause__ is summary


def test_errors_of_ours_come_back_as_they_are():
    ours = CTraderConnectionTimeoutError(1.0, "connect")
    wrapped = OSError("wrapped")
    wrapped.__cause__ = ours
    assert connection_error(config(), ours) is ours
    assert connection_error(config(), wrapped) is ours


def test_end_of_a_link_says_whether_it_was_orderly():
    assert closed_error().was_clean
    reset = ConnectionResetError(104, "Connection reset by peer")
    error = closed_error(reset)
    assert not error.was_clean
    assert error.__cause__ is reset
    assert "reset by peer" in str(error)


def test_system_gives_up_a_peer_that_acknowledges_nothing():
    named = [name for name in ("TCP_USER_TIMEOUT", "TCP_MAXRT") if hasattr(socket, name)]
    with socket.socket() as connection:
        set_socket_options(connection)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for name in named:
            seconds = connection.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
            assert seconds == (30_000 if name == "TCP_USER_TIMEOUT" else 30)


def test_system_that_refuses_the_option_is_left_to_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "TCP_USER_TIMEOUT", 9999, raising=False)
    with socket.socket() as connection:
        set_socket_options(connection)
