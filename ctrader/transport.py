"""What both drivers know about the transport: whom TLS trusts, what fails."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import struct
import sys
from typing import TYPE_CHECKING, Final, cast

from ctrader.errors import (
    ConfigurationError,
    CTraderConnectionClosedError,
    CTraderConnectionError,
    CTraderConnectionFailedError,
    InsecureTransportError,
    TlsVerificationError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ctrader.config import ClientConfig

__all__ = [
    "closed_error",
    "connection_error",
    "discard_unsent",
    "refuse_proxy",
    "require_loopback",
    "set_socket_options",
    "tls_context",
]

# OpenSSL's verification results that have a remedy of their own (X509_V_ERR_*).
_WRONG_TIME: Final = frozenset({9, 10})
_SELF_SIGNED: Final = 18
_UNKNOWN_AUTHORITY: Final = frozenset({2, 19, 20, 21})
_WRONG_NAME: Final = frozenset({62, 64})


def tls_context(config: ClientConfig) -> ssl.SSLContext:
    """Return the TLS settings: verified certificate and host name, TLS 1.2 at least.

    `config.ca_file` adds authorities to those that the system trusts; it replaces none.

    Raises:
        ConfigurationError: `ca_file` cannot be read, or holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.ca_file is not None:
        try:
            context.load_verify_locations(cafile=config.ca_file)
        except OSError as error:  # ssl.SSLError is one too
            raise ConfigurationError(
                f"ca_file {str(config.ca_file)!r} cannot be used: {error}; "
                "give a PEM file that holds the certificates of the authorities to trust"
            ) from error
    return context


def refuse_proxy(config: ClientConfig) -> None:
    """Refuse a configuration that asks for a proxy, which the drivers do not speak.

    Connecting without it would go round the rules of the network that it stands for.

    Raises:
        ConfigurationError: `config.proxy` is set.
    """
    if config.proxy is not None:
        raise ConfigurationError(
            "connections through a proxy are not supported: leave `proxy` unset, "
            "and let the network allow the server's host and port"
        )


def require_loopback(config: ClientConfig, address: str) -> None:
    """Refuse to go on without TLS when the address reached is not on this machine.

    The configuration has checked the host name; what a name resolves to is known only now.

    Args:
        address: The peer's IP address, as the socket says it.

    Raises:
        InsecureTransportError: TLS is off, and the address is not a loopback address.
    """
    if config.use_ssl:
        return
    # A link-local IPv6 address may carry its interface behind a percent sign.
    peer = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    if not peer.is_loopback:
        error = InsecureTransportError(config.host, config.port)
        error.add_note(f"{config.host} resolved to {address}.")
        raise error


ACKNOWLEDGED_WITHIN: Final = 30
"""Seconds in which the peer's system must acknowledge what was sent; the server's own patience."""
_PATIENCE_OPTIONS: Final = {"TCP_USER_TIMEOUT": 1000, "TCP_RXT_CONNDROPTIME": 1, "TCP_MAXRT": 1}
"""How Linux, macOS and Windows call it, each with its units in a second."""


def set_socket_options(connection: socket.socket) -> None:
    """Send small frames at once, and let the system notice a dead peer as well.

    A link that carries bytes in one direction only looks alive: quotes come, and no order gets
    through. The system knows, for nobody acknowledges what it sends; unless it is told, it tries
    for a quarter of an hour.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, unit in _PATIENCE_OPTIONS.items():
        option: int | None = getattr(socket, name, None)
        if option is not None:
            with contextlib.suppress(OSError):  # a kernel may lack what its headers name
                connection.setsockopt(socket.IPPROTO_TCP, option, ACKNOWLEDGED_WITHIN * unit)


def discard_unsent(connection: socket.socket) -> None:
    """Have the system throw away, at the close, what the peer has not taken yet.

    Otherwise it goes on sending for minutes after a link was given up: an order whose outcome was
    reported as unknown, and looked up in vain, would be carried out after all.
    """
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    with contextlib.suppress(OSError):  # some systems refuse it once the peer is gone
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def connection_error(config: ClientConfig, cause: BaseException) -> CTraderConnectionError:
    """Return our error for an attempt to connect that failed.

    One of ours comes back as it is, also where a library wrapped it. The original is its cause,
    also for tracebacks: it needs no `from`.
    """
    causes = list(_causes(cause))
    for error in causes:
        if isinstance(error, CTraderConnectionError):
            return error
    for error in causes:
        if isinstance(error, ssl.SSLCertVerificationError):
            refusal = TlsVerificationError(config.host, config.port, error)
            refusal.add_note(_untrusted(config, error))
            refusal.__cause__ = error
            return refusal
    # Of several addresses tried, the first answer of the system says more than a summary.
    telling = (found for found in causes if isinstance(found, OSError) and found.errno is not None)
    failure = CTraderConnectionFailedError(config.host, config.port, next(telling, cause))
    failure.__cause__ = cause
    return failure


def closed_error(cause: BaseException | None = None) -> CTraderConnectionClosedError:
    """Return our error for a link that stood and is lost.

    Args:
        cause: What the transport raised; None where the server ended the connection orderly.
    """
    if cause is None:
        return CTraderConnectionClosedError("the server ended it", was_clean=True)
    error = CTraderConnectionClosedError(str(cause) or type(cause).__name__, was_clean=False)
    error.__cause__ = cause
    return error


def _untrusted(config: ClientConfig, error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _SELF_SIGNED:
        return (
            "The certificate is self-signed: if the server is your own, name that certificate's "
            "file in ca_file; otherwise somebody may be reading along."
        )
    if code in _UNKNOWN_AUTHORITY:
        return (
            "This machine does not trust the certificate's authority: where a firewall inspects "
            "TLS, name the PEM file of its authority in ca_file; otherwise somebody may be reading "
            "along."
        )
    if code in _WRONG_NAME:
        return f"The certificate is not for {config.host!r}: host must be a name that it lists."
    if code in _WRONG_TIME:
        return "The certificate is out of date: check the clock of this machine."
    return f"The certificate was refused: {error.verify_message}."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Go through an error, what it groups and what it was raised from."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        if isinstance(found, BaseExceptionGroup):
            # A checker cannot know what a group that it meets at run time holds.
            waiting.extend(cast("BaseExceptionGroup[BaseException]", found).exceptions)
        waiting.extend(cause for cause in (found.__cause__, found.__context__) if cause is not None)
