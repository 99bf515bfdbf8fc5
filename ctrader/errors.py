"""Every error that this library raises.

All of them descend from `CTraderError`. Each carries its facts as attributes, says in its message
what failed, with which values and what to do next, and can be copied, pickled and sent to another
process (a cause that cannot be pickled travels as its text).

    CTraderError
    ├── ConfigurationError (also a ValueError)
    ├── CTraderConnectionError
    │   ├── CTraderConnectionFailedError
    │   │   └── TlsVerificationError
    │   ├── CTraderConnectionClosedError
    │   │   └── NotConnectedError
    │   ├── CTraderConnectionTimeoutError
    │   ├── CTraderReconnectAbandonedError
    │   └── InsecureTransportError
    ├── ProtocolError
    │   ├── FramingError
    │   ├── DeserializationError
    │   ├── UnknownPayloadTypeError
    │   ├── UnexpectedResponseError
    │   └── UnknownEnumValueError
    ├── APIError
    │   ├── AuthenticationError
    │   │   ├── ApplicationAuthError
    │   │   ├── AccountAuthError
    │   │   ├── TokenExpiredError
    │   │   ├── TokenRefreshError
    │   │   ├── ReauthorizationRequiredError
    │   │   └── AccountNotFoundError
    │   ├── RateLimitedError
    │   ├── MaintenanceError
    │   ├── ServerUnavailableError
    │   ├── ConnectionLimitError
    │   ├── InvalidRequestError
    │   ├── UnsupportedMessageError
    │   ├── IncorrectBoundariesError
    │   ├── AlreadySubscribedError
    │   ├── NotSubscribedError
    │   ├── SymbolNotFoundError
    │   ├── NoQuotesError
    │   ├── MarketClosedError
    │   ├── TradingDisabledError
    │   ├── TradingNotAllowedError
    │   ├── ShortSellingNotAllowedError
    │   ├── NotEnoughMoneyError
    │   ├── MaxExposureReachedError
    │   ├── TooManyPositionsError
    │   ├── OrderNotFoundError
    │   ├── PositionNotFoundError
    │   ├── ConcurrentModificationError
    │   ├── UnableToCancelOrderError
    │   ├── UnableToAmendOrderError
    │   ├── BadVolumeError
    │   ├── BadStopsError
    │   ├── BadPriceError
    │   └── BadExpirationError
    ├── OrderError
    │   ├── OrderInvalidError (also a ValueError)
    │   │   └── DuplicateClientOrderIdError
    │   ├── OrderNotSentError
    │   ├── OrderRejectedError (also an APIError)
    │   ├── OrderOutcomeUnknownError
    │   └── AmendmentIncompleteError
    ├── TokenStoreError
    ├── JournalError
    ├── UnknownTimezoneError
    ├── SlowConsumerError
    ├── ClientClosedError
    └── ForkedClientError

A refused trading request is an `OrderRejectedError` and, where its code has a class of its own,
that class too: `except NotEnoughMoneyError` and `except OrderRejectedError` both catch an order
refused for its margin.
"""

from __future__ import annotations

__all__ = [
    "APIError",
    "AccountAuthError",
    "AccountNotFoundError",
    "AlreadySubscribedError",
    "AmendmentIncompleteError",
    "ApplicationAuthError",
    "AuthenticationError",
    "BadExpirationError",
    "BadPriceError",
    "BadStopsError",
    "BadVolumeError",
    "CTraderConnectionClosedError",
    "CTraderConnectionError",
    "CTraderConnectionFailedError",
    "CTraderConnectionTimeoutError",
    "CTraderError",
    "CTraderReconnectAbandonedError",
    "ClientClosedError",
    "ConcurrentModificationError",
    "ConfigurationError",
    "ConnectionLimitError",
    "DeserializationError",
    "DuplicateClientOrderIdError",
    "ForkedClientError",
    "FramingError",
    "IncorrectBoundariesError",
    "InsecureTransportError",
    "InvalidRequestError",
    "JournalError",
    "MaintenanceError",
    "MarketClosedError",
    "MaxExposureReachedError",
    "NoQuotesError",
    "NotConnectedError",
    "NotEnoughMoneyError",
    "NotSubscribedError",
    "OrderError",
    "OrderInvalidError",
    "OrderNotFoundError",
    "OrderNotSentError",
    "OrderOutcomeUnknownError",
    "OrderRejectedError",
    "PositionNotFoundError",
    "ProtocolError",
    "RateLimitedError",
    "ReauthorizationRequiredError",
    "ServerUnavailableError",
    "ShortSellingNotAllowedError",
    "SlowConsumerError",
    "SymbolNotFoundError",
    "TlsVerificationError",
    "TokenExpiredError",
    "TokenRefreshError",
    "TokenStoreError",
    "TooManyPositionsError",
    "TradingDisabledError",
    "TradingNotAllowedError",
    "UnableToAmendOrderError",
    "UnableToCancelOrderError",
    "UnexpectedResponseError",
    "UnknownEnumValueError",
    "UnknownPayloadTypeError",
    "UnknownTimezoneError",
    "UnsupportedMessageError",
    "api_error",
    "code_proves_refusal",
    "maintenance_end_from_wire",
    "means_account_not_authorized",
    "scrub",
]

import pickle
import re
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from ctrader.models.outcomes import OrderOutcome

_MIN_SECRET_LENGTH: Final = 4  # shorter texts occur by chance and would make messages unreadable
_MAX_SERVER_TEXT: Final = 500  # characters of a server's description that a message repeats
_SECONDS_BELOW: Final = (
    10**11
)  # a Unix time under this is in seconds (year 5138), else milliseconds
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MASK: Final = "***"
# How OpenSSL calls an answer that is no TLS; the second since its version 3.2.
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})


class CTraderError(Exception):
    """Root of every error that this library raises."""

    def __reduce__(self) -> tuple[Any, ...]:  # Any: what pickle's own protocol asks for
        return (_rebuild, (type(self), self.args), _portable_state(self))


class ConfigurationError(CTraderError, ValueError):
    """A setting or credential is missing or makes no sense; nothing was sent.

    The message names the settings and never shows a value that could be secret.
    """

    problems: tuple[tuple[str, str], ...]
    """Pairs of setting and problem; empty if no single setting is to blame."""

    def __init__(self, message: str, *, problems: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


# Connection


class CTraderConnectionError(CTraderError):
    """The link to the server could not be made, or was lost."""


class CTraderConnectionFailedError(CTraderConnectionError):
    """The first connection to the server failed: name lookup, refusal or TLS."""

    host: str
    """Host that was tried."""
    port: int
    """Port that was tried."""
    cause: BaseException | None
    """What the operating system or the TLS library said."""

    def __init__(self, host: str, port: int, cause: BaseException | None = None) -> None:
        super().__init__(
            f"Cannot connect to {host}:{port}{_because(cause)}. {self._remedy(cause)}",
        )
        self.host = host
        self.port = port
        self.cause = cause

    def _remedy(self, cause: BaseException | None) -> str:
        if getattr(cause, "reason", None) in _NO_TLS:
            return (
                "The server speaks no TLS there: check the host and the port, then call connect() "
                "again. use_ssl=False is only for a simulator of your own without TLS."
            )
        return "Check the host, the port and the network, then call connect() again."


class TlsVerificationError(CTraderConnectionFailedError):
    """The server's certificate could not be verified, so nothing was sent."""

    def _remedy(self, cause: BaseException | None) -> str:
        return (
            "Check the host name and this computer's clock; if a proxy or a private server signs "
            "with its own authority, name that authority's PEM file in ca_file."
        )


class CTraderConnectionClosedError(CTraderConnectionError):
    """The link closed while something still depended on it."""

    reason: str | None
    """Why it closed, if that is known."""
    was_clean: bool
    """True if one side closed it in good order."""

    def __init__(self, reason: str | None = None, was_clean: bool = False) -> None:
        how = "was closed" if was_clean else "was lost"
        super().__init__(
            f"The connection {how}{f': {_one_line(reason)}' if reason else ''}. "
            "Requests that only read may be repeated once the client is ready again.",
        )
        self.reason = reason
        self.was_clean = was_clean


class NotConnectedError(CTraderConnectionClosedError):
    """The client was asked for something before its first connection."""

    def __init__(self) -> None:
        super().__init__("connect() has not succeeded yet", was_clean=True)
        self.args = ("The client is not connected yet: call connect() first.",)


class CTraderConnectionTimeoutError(CTraderConnectionError):
    """No answer came in time: to a connection attempt or to a request.

    A trading request never ends in this error; see `OrderOutcomeUnknownError`.
    """

    timeout: float
    """Time that was allowed, in seconds."""
    operation: str
    """What was being done, for example the name of the request."""
    cause: BaseException | None
    """What ended the last link, or kept the next from standing; None for nothing."""

    def __init__(
        self,
        timeout: float,
        operation: str = "operation",
        cause: BaseException | None = None,
        *,
        reason: str | None = None,
        may_be_done: bool = False,
    ) -> None:
        why = "." if reason is None else f": {_one_line(reason)}"
        remedy = (
            "It was sent and may have been carried out: look before you repeat it."
            if may_be_done
            else "Repeat it, or allow more time with timeout=."
        )
        super().__init__(f"{operation} got no answer within {max(timeout, 0):.3g} s{why} {remedy}")
        self.timeout = timeout
        self.operation = operation
        self.cause = cause

    @property
    def timeout_seconds(self) -> float:
        """The same as `timeout`."""
        return self.timeout


class CTraderReconnectAbandonedError(CTraderConnectionError):
    """The client gave up reconnecting and is closed for good."""

    reason: str
    """Why it gave up."""
    cause: BaseException | None
    """The error of the last attempt."""

    def __init__(self, reason: str, cause: BaseException | None = None) -> None:
        super().__init__(
            f"Reconnecting was given up: {_one_line(reason)}{_because(cause)}. "
            "Make a new client, or allow more with reconnect_attempts.",
        )
        self.reason = reason
        self.cause = cause


class InsecureTransportError(CTraderConnectionError):
    """Plaintext was asked for to a host that is not this computer; nothing was sent."""

    host: str
    """Host that was asked for."""
    port: int | None
    """Port that was asked for, if it is known."""

    def __init__(self, host: str, port: int | None = None) -> None:
        where = host if port is None else f"{host}:{port}"
        super().__init__(
            f"Refused to send secrets in plaintext to {where}: use_ssl=False is allowed for "
            "localhost, 127.0.0.0/8 and ::1 only. Leave use_ssl at True.",
        )
        self.host = host
        self.port = port


# Protocol


class ProtocolError(CTraderError):
    """What arrived does not follow the protocol."""


class FramingError(ProtocolError):
    """The byte stream cannot be cut into frames, so the link is closed."""

    expected_bytes: int
    """Length that the frame announced."""
    received_bytes: int
    """Length that is allowed or was there."""
    reason: str | None
    """What is wrong with the frame."""

    def __init__(
        self, expected_bytes: int, received_bytes: int, *, reason: str | None = None
    ) -> None:
        super().__init__(
            f"Broken frame: {reason or 'its length makes no sense'} (announced {expected_bytes} "
            f"bytes, got or allow {received_bytes}). The link is closed and made again; if this "
            "repeats, check that host and port are those of the protobuf service.",
        )
        self.expected_bytes = expected_bytes
        self.received_bytes = received_bytes
        self.reason = reason


class DeserializationError(ProtocolError):
    """A message could not be decoded, or lacks fields that it must have."""

    payload_type: int
    """Number of the message type."""
    raw_data: bytes
    """The bytes that failed; they may hold tokens, so the message leaves them out."""
    reason: str | None
    """What is wrong with them."""

    def __init__(self, payload_type: int, raw_data: bytes, *, reason: str | None = None) -> None:
        super().__init__(
            f"A message of payload type {payload_type} ({len(raw_data)} bytes) cannot be decoded"
            f"{f': {_one_line(reason)}' if reason else ''}. The server may speak a newer protocol; "
            "look for a newer version of this library.",
        )
        self.payload_type = payload_type
        self.raw_data = raw_data
        self.reason = reason


class UnknownPayloadTypeError(ProtocolError):
    """A payload type has no known message, or a message has no known payload type."""

    payload_type: int
    """The number that is not known."""

    def __init__(self, payload_type: int) -> None:
        super().__init__(
            f"Payload type {payload_type} is not known. "
            "The server may speak a newer protocol; look for a newer version of this library.",
        )
        self.payload_type = payload_type


class UnexpectedResponseError(ProtocolError):
    """A request was answered by a message of another type than its own answer."""

    expected: str
    """Name of the message that should have come."""
    received: str
    """Name of the message that came."""
    request_type: str | None
    """Name of the request."""

    def __init__(self, expected: str, received: str, *, request_type: str | None = None) -> None:
        super().__init__(
            f"{request_type or 'A request'} was answered by {received} instead of {expected}. "
            "Check the state on the server before you repeat it.",
        )
        self.expected = expected
        self.received = received
        self.request_type = request_type


class UnknownEnumValueError(ProtocolError):
    """A number stands for nothing known where the meaning is needed to go on."""

    enum: type[Enum]
    """The enum that lacks the number."""
    value: int
    """The number."""

    def __init__(self, enum: type[Enum], value: int) -> None:
        super().__init__(
            f"{value} is not a known {enum.__name__}. "
            "The server may speak a newer protocol; look for a newer version of this library.",
        )
        self.enum = enum
        self.value = value


# Answers of the server


class APIError(CTraderError):
    """The server refused a request.

    The class tells the kinds apart that a program handles differently; a code that this library
    does not know is a plain `APIError`.

    Args:
        error_code: The server's code, for example "MARKET_CLOSED".
        description: The server's text, already freed of secrets.
        account_id: Account that the request was for.
        retry_after: Seconds to wait before the same kind of request is allowed again.
        maintenance_end: When the server is expected back; aware.
        request_type: Name of the request, for example "ProtoOANewOrderReq".
        client_msg_id: Message id of the request.
    """

    error_code: str
    """The server's code: an open set of strings, so compare, do not enumerate."""
    description: str | None
    """The server's text, meant for people; None if there was none."""
    account_id: int | None
    """Account that the request was for."""
    retry_after: float | None
    """Seconds to wait before the same kind of request is allowed again."""
    maintenance_end: datetime | None
    """When the server is expected back, in UTC."""
    request_type: str | None
    """Name of the request that was refused."""
    client_msg_id: str | None
    """Message id of the request that was refused."""
    is_local: bool
    """Whether it was found out here: the server sent no such refusal."""

    def __init__(
        self,
        error_code: str,
        description: str | None = None,
        account_id: int | None = None,
        *,
        retry_after: float | None = None,
        maintenance_end: datetime | None = None,
        request_type: str | None = None,
        client_msg_id: str | None = None,
        is_local: bool = False,
    ) -> None:
        if maintenance_end is not None and maintenance_end.utcoffset() is None:
            raise ValueError("maintenance_end must be an aware datetime; give it a time zone")
        self.error_code = error_code
        self.description = description
        self.account_id = account_id
        self.retry_after = retry_after
        self.maintenance_end = maintenance_end
        self.request_type = request_type
        self.client_msg_id = client_msg_id
        self.is_local = is_local
        super().__init__(self._text())

    @property
    def ctid_trader_account_id(self) -> int | None:
        """The same as `account_id`."""
        return self.account_id

    @property
    def maintenance_end_timestamp(self) -> int | None:
        """`maintenance_end` as Unix milliseconds."""
        if self.maintenance_end is None:
            return None
        return (self.maintenance_end - _EPOCH) // timedelta(milliseconds=1)

    def is_rate_limited(self) -> bool:
        """Tell whether the server asked for fewer requests."""
        return _class_of(self.error_code) is RateLimitedError

    def is_token_failure(self) -> bool:
        """Tell whether the access token expired, was revoked or is not known."""
        return _class_of(self.error_code) is TokenExpiredError

    def is_maintenance(self) -> bool:
        """Tell whether the server is under maintenance."""
        return _class_of(self.error_code) is MaintenanceError

    def _text(self) -> str:
        parts = [f"{self.request_type or 'The request'} was refused: {_one_line(self.error_code)}"]
        if self.is_local:
            unsent = f"{self.request_type} was not sent: " if self.request_type else ""
            parts = [f"{unsent}{_one_line(self.error_code)}"]
        if self.description:
            parts.append(f" ({_one_line(self.description)})")
        if self.account_id is not None:
            parts.append(f", account {self.account_id}")
        if self.retry_after is not None:
            parts.append(f", retry after {self.retry_after:g} s")
        if self.maintenance_end is not None:
            parts.append(f", maintenance until {self.maintenance_end.isoformat()}")
        parts.append(f". {self._remedy()}")
        return "".join(parts)

    def _remedy(self) -> str:
        known = SERVER_CODES.get(self.error_code)
        return known.remedy if known else "This code is not known here; its text must tell."


class AuthenticationError(APIError):
    """The application, an account or a token was not accepted."""


class ApplicationAuthError(AuthenticationError):
    """The server did not accept the application (client id and secret)."""


class AccountAuthError(AuthenticationError):
    """The server did not accept an account, or has not authorised it on this link."""

    def is_already_authorized(self) -> bool:
        """Tell whether the account was authorised on this link before: as good as success."""
        return self.error_code == "ALREADY_LOGGED_IN"

    def _remedy(self) -> str:
        # The server answers a request for an account that is not authorised with a general code,
        # whose own remedy would send the reader looking for a mistake in the request.
        return _AUTHORIZE if self.error_code == "INVALID_REQUEST" else super()._remedy()


class TokenExpiredError(AuthenticationError):
    """The access token expired, was revoked or is not known."""

    def __init__(
        self,
        account_id: int | None = None,
        *,
        error_code: str = "OA_AUTH_TOKEN_EXPIRED",
        description: str | None = None,
        request_type: str | None = None,
        client_msg_id: str | None = None,
    ) -> None:
        super().__init__(
            error_code,
            description,
            account_id,
            request_type=request_type,
            client_msg_id=client_msg_id,
        )


class _TokenError(AuthenticationError):
    """What errors about obtaining tokens share: accounts and a cause."""

    account_ids: tuple[int, ...]
    """Every account that the tokens serve."""
    cause: BaseException | None
    """The error behind it; its server code and text are this error's, too."""

    _LOCAL_CODE: ClassVar[str]
    _CLAIM: ClassVar[str]

    def __init__(
        self,
        account_id: int | None = None,
        cause: BaseException | None = None,
        *,
        account_ids: Iterable[int] = (),
        error_code: str | None = None,
        description: str | None = None,
    ) -> None:
        answer = cause if isinstance(cause, APIError) else None
        self.cause = cause
        self.account_ids = tuple(account_ids) or (() if account_id is None else (account_id,))
        super().__init__(
            error_code or (answer.error_code if answer else self._LOCAL_CODE),
            description or (answer.description if answer else None),
            account_id,
            retry_after=answer.retry_after if answer else None,
            maintenance_end=answer.maintenance_end if answer else None,
            request_type=answer.request_type if answer else None,
            client_msg_id=answer.client_msg_id if answer else None,
        )

    def _text(self) -> str:
        accounts = ", ".join(map(str, self.account_ids))
        whose = f" for account {accounts}" if accounts else ""
        text = f": {_one_line(self.description)}" if self.description else ""
        because = "" if isinstance(self.cause, APIError) else _because_of(self.cause)
        code = _one_line(self.error_code)
        return f"{self._CLAIM}{whose} [{code}]{text}{because}. {self._remedy()}"


class TokenRefreshError(_TokenError):
    """New tokens could not be obtained with the refresh token this time."""

    _LOCAL_CODE = "TOKEN_REFRESH_FAILED"
    _CLAIM = "Refreshing the tokens failed"

    def _remedy(self) -> str:
        anew = "ask the user to authorise anew."
        if isinstance(self.cause, ConfigurationError):  # what came is no pair that can be kept
            return f"The server gave a new pair, so the old one is spent: {anew}"
        if isinstance(self.cause, NotConnectedError):
            return "Nothing was sent, so the old pair still holds: connect, and try again."
        if isinstance(self.cause, (CTraderConnectionError, ProtocolError, ClientClosedError)):
            return (
                "The old pair may be spent: try its access token, then its refresh token once "
                f"more; if neither is accepted, {anew}"
            )
        return f"Try again in a moment; if this goes on, {anew}"


class ReauthorizationRequiredError(_TokenError):
    """Neither token is accepted any more: the user must authorise anew."""

    _LOCAL_CODE = "REAUTHORIZATION_REQUIRED"
    _CLAIM = "Neither access nor refresh token is accepted"

    def _remedy(self) -> str:
        return "Send the user through the authorisation page again and hand in the new tokens."


class AccountNotFoundError(AuthenticationError):
    """The access token does not open an account with this login; found out locally."""

    trader_login: int
    """Login that was looked for."""
    available_logins: tuple[int, ...]
    """Logins that the token does open."""

    def __init__(self, trader_login: int, available_logins: Sequence[int] | None = None) -> None:
        self.trader_login = trader_login
        self.available_logins = tuple(available_logins or ())
        super().__init__("ACCOUNT_NOT_FOUND")

    def _text(self) -> str:
        there = ", ".join(map(str, self.available_logins)) or "none"
        return (
            f"The access token opens no account with login {self.trader_login}; it opens: {there}. "
            "Check the login, and grant the account on the authorisation page if it is missing."
        )


class RateLimitedError(APIError):
    """Too many requests of this kind; it was refused before it was processed.

    Wait `retry_after` seconds. Reads are repeated by the client inside their deadline, trading
    requests never.
    """


class MaintenanceError(APIError):
    """The server is under maintenance, until `maintenance_end` if it says so."""


class ServerUnavailableError(APIError):
    """The trading server behind the gateway cannot be reached.

    A live account on the demo host, or the reverse, is answered like this as well. For a trading
    request this does not prove that it was refused.
    """


class ConnectionLimitError(APIError):
    """This application holds too many connections."""


class InvalidRequestError(APIError):
    """The server found the request itself wrong; the description tells more."""


class IncorrectBoundariesError(APIError):
    """The time span is inverted, or longer than the server allows in one request."""


class AlreadySubscribedError(APIError):
    """The subscription existed already, which is as good as success."""


class UnsupportedMessageError(APIError):
    """The server does not take this kind of message, or is silent about it."""


class NotSubscribedError(APIError):
    """There is no subscription to spots (or P&L) that this request needs."""


class SymbolNotFoundError(APIError):
    """The account has no such symbol."""


class NoQuotesError(APIError):
    """There is no price for the symbol at the moment."""


class MarketClosedError(APIError):
    """The symbol does not trade now: outside its hours, or a holiday."""


class TradingDisabledError(APIError):
    """Trading in this symbol is switched off."""


class TradingNotAllowedError(APIError):
    """This account may not trade: it is read-only, or its operations are blocked."""


class ShortSellingNotAllowedError(APIError):
    """This symbol cannot be sold short."""


class NotEnoughMoneyError(APIError):
    """The free margin does not cover the order."""


class MaxExposureReachedError(APIError):
    """The largest exposure allowed in this symbol and direction is reached."""


class TooManyPositionsError(APIError):
    """The account holds as many positions as it may."""


class OrderNotFoundError(APIError):
    """There is no such pending order: it was filled or cancelled, or never existed."""


class PositionNotFoundError(APIError):
    """There is no such open position: it was closed, or never existed.

    For about 100 ms after a fill the server may not find the new position yet.
    """


class ConcurrentModificationError(APIError):
    """The order or position is being executed or changed by something else right now."""


class UnableToCancelOrderError(APIError):
    """The order can no longer be cancelled; it may have been filled."""


class UnableToAmendOrderError(APIError):
    """The order can no longer be changed; it may have been filled."""


class BadVolumeError(APIError):
    """The volume is under the least, over the most or off the step of the symbol."""


class BadStopsError(APIError):
    """A stop loss or take profit is on the wrong side, too close or not allowed."""


class BadPriceError(APIError):
    """A price is on the wrong side of the market or makes no sense."""


class BadExpirationError(APIError):
    """The expiration time is in the past or makes no sense."""


# Orders


class OrderError(CTraderError):
    """A trading request did not do what was asked."""

    client_order_id: str | None
    """The order's own id; None for requests that have none."""
    done: str | None = None
    """What an earlier step of the same call has done; None for nothing."""

    def __init__(self, message: str, *, client_order_id: str | None = None) -> None:
        super().__init__(message)
        self.client_order_id = client_order_id

    def tell_done(self, done: str) -> None:
        """Add what an earlier step of the same call has done, in a whole sentence."""
        self.done = done
        self.args = (f"{self.args[0]} {done}",)


class OrderInvalidError(OrderError, ValueError):
    """The request was refused here, before anything was sent; correct it."""

    field: str | None
    """Argument that is wrong."""
    value: str | float | Decimal | datetime | None
    """What it was."""

    def __init__(
        self,
        message: str,
        *,
        client_order_id: str | None = None,
        field: str | None = None,
        value: str | float | Decimal | datetime | None = None,
    ) -> None:
        super().__init__(message, client_order_id=client_order_id)
        self.field = field
        self.value = value


class DuplicateClientOrderIdError(OrderInvalidError):
    """This client order id was used before, and the server would not notice."""

    def __init__(self, client_order_id: str) -> None:
        super().__init__(
            f"client_order_id {_one_line(client_order_id)!r} was used before, and the server "
            "would place the order twice. Leave it out to get a fresh one, or find out what became "
            "of the first.",
            client_order_id=client_order_id,
            field="client_order_id",
            value=client_order_id,
        )


class OrderNotSentError(OrderError):
    """Nothing was handed to the network: it is safe to place the order again."""

    reason: str
    """Why it was not sent."""
    cause: BaseException | None
    """The error that prevented it."""
    account_id: int | None
    """Account that it was for."""
    request_type: str | None
    """Name of the request."""

    def __init__(
        self,
        client_order_id: str | None,
        reason: str,
        cause: BaseException | None = None,
        *,
        account_id: int | None = None,
        request_type: str | None = None,
    ) -> None:
        super().__init__(
            f"{_order_text(client_order_id, account_id, request_type)} was not sent: "
            # A reason that is the cause's own text tells it already.
            f"{_one_line(reason).rstrip('.')}{'' if reason == str(cause) else _because(cause)}. "
            "It is safe to place it again.",
            client_order_id=client_order_id,
        )
        self.reason = reason
        self.cause = cause
        self.account_id = account_id
        self.request_type = request_type


class OrderRejectedError(OrderError, APIError):
    """The server definitely refused a trading request: nothing of it was done.

    `is_local` is True where it was not even sent, as the server does not have what it is about.

    `from_api_error` makes an error that is also of the code's own class, such as
    `NotEnoughMoneyError`.
    """

    order_id: int | None
    """Order that the refusal is about, if the server named one."""
    position_id: int | None
    """Position that the refusal is about, if the server named one."""

    def __init__(
        self,
        error_code: str,
        description: str | None = None,
        *,
        client_order_id: str | None = None,
        account_id: int | None = None,
        order_id: int | None = None,
        position_id: int | None = None,
        retry_after: float | None = None,
        maintenance_end: datetime | None = None,
        request_type: str | None = None,
        client_msg_id: str | None = None,
        is_local: bool = False,
    ) -> None:
        self.client_order_id = client_order_id
        self.order_id = order_id
        self.position_id = position_id
        APIError.__init__(
            self,
            error_code,
            description,
            account_id,
            retry_after=retry_after,
            maintenance_end=maintenance_end,
            request_type=request_type,
            client_msg_id=client_msg_id,
            is_local=is_local,
        )

    @classmethod
    def from_api_error(
        cls,
        error: APIError,
        *,
        client_order_id: str | None = None,
        order_id: int | None = None,
        position_id: int | None = None,
    ) -> OrderRejectedError:
        """Tell that a server's refusal ended a trading request.

        Args:
            error: The refusal, as `api_error` makes it.
            client_order_id: The order's own id.
            order_id: Order that the refusal is about.
            position_id: Position that the refusal is about.

        Returns: An error that is an `OrderRejectedError` and of the class of `error`.
        """
        if isinstance(error, OrderRejectedError):
            kind = type(error)
        else:
            kind = _REJECTIONS.get(type(error), OrderRejectedError)
        return kind(
            error.error_code,
            error.description,
            client_order_id=client_order_id,
            account_id=error.account_id,
            order_id=order_id,
            position_id=position_id,
            retry_after=error.retry_after,
            maintenance_end=error.maintenance_end,
            request_type=error.request_type,
            client_msg_id=error.client_msg_id,
            is_local=error.is_local,
        )

    def _text(self) -> str:
        named = {
            "client order id": self.client_order_id and repr(_one_line(self.client_order_id)),
            "order": self.order_id,
            "position": self.position_id,
        }
        what = ", ".join(f"{name} {value}" for name, value in named.items() if value)
        return f"{APIError._text(self)} [{what}]" if what else APIError._text(self)


class OutcomeResolver(Protocol):
    """Finds out what became of a request; a client is one."""

    def __call__(
        self, error: OrderOutcomeUnknownError, timeout: float | None
    ) -> Awaitable[OrderOutcome]:
        """Wait for the outcome; the blocking client returns it at once."""
        ...


class OrderOutcomeUnknownError(OrderError):
    """The request was handed to the network, and what became of it is not known.

    Never place it again before it is settled: it may have been executed.
    """

    cause: BaseException | None
    """What kept the answer away."""
    account_id: int | None
    """Account that it was for."""
    request_type: str | None
    """Name of the request."""
    order_id: int | None
    """Order that it changes or cancels, or that is known to have come of it."""
    position_id: int | None
    """Position that it changes or closes."""
    client_msg_id: str | None
    """Id of its frame, by which `resolve` knows it."""
    _resolver: OutcomeResolver | None = None

    def __init__(
        self,
        client_order_id: str | None,
        cause: BaseException | None = None,
        *,
        account_id: int | None = None,
        request_type: str | None = None,
        order_id: int | None = None,
        position_id: int | None = None,
        client_msg_id: str | None = None,
    ) -> None:
        what = _order_text(client_order_id, account_id, request_type, order_id, position_id)
        super().__init__(
            f"The outcome of {what} is unknown{_because_of(cause)}. It may have been executed: do "
            "not repeat it before it is resolved.",
            client_order_id=client_order_id,
        )
        self.cause = cause
        self.account_id = account_id
        self.request_type = request_type
        self.order_id = order_id
        self.position_id = position_id
        self.client_msg_id = client_msg_id

    def resolve(self, timeout: float | None = None) -> Awaitable[OrderOutcome]:
        """Wait until it is known what became of the request.

        The client looks for it by itself, from the moment on when the outcome was unknown: at late
        answers, at events, at what is open and at the account's history. A proof that nothing came
        of it takes at least a minute from then, and half a minute from the account's return.

            outcome = await error.resolve()  # with the blocking client: error.resolve()
            if isinstance(outcome, NoEffect): ...  # safe to place it again

        Args:
            timeout: Seconds; None waits until it is known, or the client is closed.

        Returns: `TookEffect` with the order and its deals, or `NoEffect`.

        Raises:
            OrderOutcomeUnknownError: it is not known in time. The search goes on, and
                `client.unresolved_orders` names the request until it is settled.
            ClientClosedError: the client was closed.
            OrderError: the error does not come from a client of this process.
        """
        if self._resolver is None:
            raise OrderError(
                "The client that sent the request is not known here. Ask "
                "client.trading.resolve() of that client, or look for the order in its history",
                client_order_id=self.client_order_id,
            )
        return self._resolver(self, timeout)

    def tie(self, resolver: OutcomeResolver) -> None:
        """Tell who can find out; the client that raises it does so."""
        self._resolver = resolver


class AmendmentIncompleteError(OrderError):
    """The server took an amendment, and did not do all of it, as its answer shows.

    It is neither a refusal nor an unknown outcome: `event` is the answer, and what it holds is what
    the server has now. What `fields` does not name may have been changed as asked for.
    """

    fields: tuple[str, ...]
    """Fields of the request that the server did not carry out."""
    event: Any  # what errors tell of stands above them: they import none of it
    """The answer, an `ExecutionEvent`: what the server now has.

    It holds the order, or the position, as it stands after the amendment.
    """
    account_id: int | None
    """Account that it was for."""
    request_type: str | None
    """Name of the request."""
    order_id: int | None
    """Order that it changes; None for one of a position."""
    position_id: int | None
    """Position that it changes; None for one of an order."""

    def __init__(
        self,
        shortfalls: Mapping[str, str],
        event: Any,
        *,
        account_id: int | None = None,
        request_type: str | None = None,
        order_id: int | None = None,
        position_id: int | None = None,
    ) -> None:
        what = _order_text(None, account_id, request_type, order_id, position_id)
        found = "; ".join(f"{field} {text}" for field, text in shortfalls.items())
        remedy = (
            "Look at the position, and amend it again."
            if order_id is None
            else "Look at the order; amend it again, or cancel it and place it anew."
        )
        super().__init__(
            f"{what} was taken by the server, but not all of it was done: {found}. {remedy}"
        )
        self.fields = tuple(shortfalls)
        self.event = event
        self.account_id = account_id
        self.request_type = request_type
        self.order_id = order_id
        self.position_id = position_id


# The rest


class TokenStoreError(CTraderError):
    """A token store could not lock, load or save.

    The message says which, where and what to do; it never holds a token.
    """

    cause: BaseException | None
    """The error behind it."""

    def __init__(self, message: str, *, cause: BaseException | None = None) -> None:
        super().__init__(f"{message}{_because(cause)}")
        self.cause = cause


class JournalError(CTraderError):
    """The journal of trading requests could not be opened, read or written.

    A request that it could not record must not be sent. The message says which file, why and what
    to do.
    """


class UnknownTimezoneError(CTraderError):
    """This computer's time zone database lacks a zone that the server named."""

    name: str
    """The zone's IANA name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Time zone {_one_line(name)!r} is not known on this computer. "
            "Install or update the tzdata package.",
        )
        self.name = name


class SlowConsumerError(CTraderError):
    """A handler or stream fell so far behind that it gets no more events."""

    consumer: str
    """Name of the handler or stream."""
    pending: int
    """Number of events that waited for it."""

    def __init__(self, consumer: str, pending: int) -> None:
        super().__init__(
            f"{consumer} fell behind: {pending} events wait for it, and it gets no more. "
            "Do less in it, or hand the work to another task or thread; then register it again and "
            "reconcile.",
        )
        self.consumer = consumer
        self.pending = pending


class ClientClosedError(CTraderError):
    """The client is closed; a trading request ends in `OrderNotSentError` then."""

    reason: str | None
    """Why it is closed, if there is more to say."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(
            f"The client is closed{f': {_one_line(reason)}' if reason else ''}. "
            "Make a new client and connect it.",
        )
        self.reason = reason


class ForkedClientError(CTraderError):
    """The client was made in another process and does not work in this forked child."""

    owner_pid: int
    """Process that the client belongs to."""
    current_pid: int
    """Process that used it."""

    def __init__(self, owner_pid: int, current_pid: int) -> None:
        super().__init__(
            f"The client belongs to process {owner_pid} and cannot be used in its child "
            f"{current_pid}. Make the client after the fork.",
        )
        self.owner_pid = owner_pid
        self.current_pid = current_pid


# The server's codes


class ServerCode(NamedTuple):
    """What this library knows about one error code of the server."""

    code: str
    """The string on the wire."""
    error: type[APIError]
    """Class that stands for it."""
    remedy: str
    """What to do next, a full sentence."""
    proves_refusal: bool = True
    """False if a trading request with this answer may have been executed after all."""


def server_codes(entries: Iterable[ServerCode]) -> Mapping[str, ServerCode]:
    """Make a table of codes; a code that stands twice is a `ValueError`."""
    table: dict[str, ServerCode] = {}
    for entry in entries:
        if entry.code in table:
            raise ValueError(f"error code {entry.code} is registered twice")
        table[entry.code] = entry
    return MappingProxyType(table)


_LOOK_FIRST: Final = "Look at the orders and positions before you repeat it."
_WAIT: Final = "Send fewer requests; wait before the next of this kind."
_AUTHORIZE: Final = "Authenticate the account with this client first."
_NEW_TOKEN: Final = "Refresh the tokens, or let the user authorise anew."
_SOON: Final = "Try again in a moment."
_NAME: Final = "Look the symbol up by name in this account; ids differ between brokers and hosts."
_HOST: Final = "Check that the host fits the account (demo or live); otherwise try again later."

SERVER_CODES: Final = server_codes(
    [
        ServerCode("UNKNOWN_ERROR", APIError, _LOOK_FIRST, proves_refusal=False),
        ServerCode(
            "UNSUPPORTED_MESSAGE",
            UnsupportedMessageError,
            "The server does not take this message here.",
        ),
        ServerCode("INVALID_REQUEST", InvalidRequestError, "Correct what the text names."),
        ServerCode("TIMEOUT_ERROR", APIError, _LOOK_FIRST, proves_refusal=False),
        ServerCode("ENTITY_NOT_FOUND", APIError, "Check the id."),
        ServerCode("CANT_ROUTE_REQUEST", ServerUnavailableError, _HOST, proves_refusal=False),
        ServerCode("FRAME_TOO_LONG", APIError, "Ask for less in one request."),
        ServerCode("MARKET_CLOSED", MarketClosedError, "Wait for the symbol's trading hours."),
        ServerCode("CONCURRENT_MODIFICATION", ConcurrentModificationError, _SOON),
        ServerCode("BLOCKED_PAYLOAD_TYPE", RateLimitedError, _WAIT),
        ServerCode("OA_AUTH_TOKEN_EXPIRED", TokenExpiredError, _NEW_TOKEN),
        ServerCode("ACCOUNT_NOT_AUTHORIZED", AccountAuthError, _AUTHORIZE),
        ServerCode("RET_NO_SUCH_LOGIN", AccountAuthError, "The account is gone; use another."),
        ServerCode("ALREADY_LOGGED_IN", AccountAuthError, "Go on; the account is authorised."),
        ServerCode("INCORRECT_BOUNDARIES", IncorrectBoundariesError, "Ask for a shorter span."),
        ServerCode(
            "RET_ACCOUNT_DISABLED", AccountAuthError, "The account is disabled; ask the broker."
        ),
        ServerCode(
            "CONNECTIONS_LIMIT_EXCEEDED",
            ConnectionLimitError,
            "Close other connections of this application, then try again later.",
        ),
        ServerCode(
            "WORSE_GSL_NOT_ALLOWED",
            BadStopsError,
            "A guaranteed stop loss can only be moved closer to the market.",
        ),
        ServerCode("SYMBOL_HAS_HOLIDAY", MarketClosedError, "Wait until the holiday is over."),
        ServerCode(
            "CH_CLIENT_AUTH_FAILURE",
            ApplicationAuthError,
            "Check client_id and client_secret, and that the application is active.",
        ),
        ServerCode(
            "CH_CLIENT_NOT_AUTHENTICATED",
            ApplicationAuthError,
            "Authenticate the application on this link first.",
        ),
        ServerCode(
            "CH_CLIENT_ALREADY_AUTHENTICATED",
            ApplicationAuthError,
            "Go on; the application is authenticated.",
        ),
        ServerCode("CH_ACCESS_TOKEN_INVALID", TokenExpiredError, _NEW_TOKEN),
        ServerCode("CH_SERVER_NOT_REACHABLE", ServerUnavailableError, _HOST, proves_refusal=False),
        ServerCode(
            "CH_CTID_TRADER_ACCOUNT_NOT_FOUND",
            AccountAuthError,
            "Use the account id, not the login; authenticate_by_trader_login() finds it.",
        ),
        ServerCode("CH_OA_CLIENT_NOT_FOUND", ApplicationAuthError, "Check client_id."),
        ServerCode("REQUEST_FREQUENCY_EXCEEDED", RateLimitedError, _WAIT),
        ServerCode("SERVER_IS_UNDER_MAINTENANCE", MaintenanceError, "Try again after its end."),
        ServerCode(
            "CHANNEL_IS_BLOCKED", TradingNotAllowedError, "Ask the broker about the account."
        ),
        ServerCode("NOT_SUBSCRIBED_TO_SPOTS", NotSubscribedError, "Subscribe to spots first."),
        ServerCode("ALREADY_SUBSCRIBED", AlreadySubscribedError, "Go on; the subscription stands."),
        ServerCode("SYMBOL_NOT_FOUND", SymbolNotFoundError, _NAME),
        ServerCode("UNKNOWN_SYMBOL", SymbolNotFoundError, _NAME),
        ServerCode("NO_QUOTES", NoQuotesError, "Wait until the symbol has a price."),
        ServerCode("NOT_ENOUGH_MONEY", NotEnoughMoneyError, "Trade less, or free margin."),
        ServerCode("MAX_EXPOSURE_REACHED", MaxExposureReachedError, "Reduce the exposure first."),
        ServerCode(
            "POSITION_NOT_FOUND",
            PositionNotFoundError,
            "List the positions; just after a fill, try once more.",
        ),
        ServerCode(
            "ORDER_NOT_FOUND",
            OrderNotFoundError,
            "It was filled or cancelled, or never existed: look at the orders and positions.",
        ),
        ServerCode("POSITION_NOT_OPEN", PositionNotFoundError, "List the positions."),
        ServerCode("POSITION_LOCKED", ConcurrentModificationError, _SOON),
        ServerCode("TOO_MANY_POSITIONS", TooManyPositionsError, "Close a position first."),
        ServerCode(
            "TRADING_BAD_VOLUME",
            BadVolumeError,
            "Keep to the symbol's min_volume, max_volume and step_volume.",
        ),
        ServerCode("TRADING_BAD_STOPS", BadStopsError, "Check the stop loss and take profit."),
        ServerCode("TRADING_BAD_PRICES", BadPriceError, "Check the prices against the market."),
        ServerCode("TRADING_BAD_STAKE", BadVolumeError, "Check the stake."),
        ServerCode(
            "PROTECTION_IS_TOO_CLOSE_TO_MARKET",
            BadStopsError,
            "Move the stop loss or take profit away from the market.",
        ),
        ServerCode("TRADING_BAD_EXPIRATION_DATE", BadExpirationError, "Give a time in the future."),
        ServerCode("PENDING_EXECUTION", ConcurrentModificationError, _SOON),
        ServerCode("TRADING_DISABLED", TradingDisabledError, "Look at the symbol's trading mode."),
        ServerCode(
            "TRADING_NOT_ALLOWED",
            TradingNotAllowedError,
            "Authorise with the trading scope, and check the account's access rights.",
        ),
        ServerCode("UNABLE_TO_CANCEL_ORDER", UnableToCancelOrderError, _LOOK_FIRST),
        ServerCode("UNABLE_TO_AMEND_ORDER", UnableToAmendOrderError, _LOOK_FIRST),
        ServerCode(
            "SHORT_SELLING_NOT_ALLOWED", ShortSellingNotAllowedError, "Only buy this symbol."
        ),
        ServerCode("NOT_SUBSCRIBED_TO_PNL", NotSubscribedError, "Subscribe to P&L first."),
    ]
)
"""Every code that the published protocol names, by its string."""


def api_error(
    error_code: str,
    description: str | None = None,
    *,
    account_id: int | None = None,
    retry_after: float | None = None,
    maintenance_end: datetime | None = None,
    request_type: str | None = None,
    client_msg_id: str | None = None,
    is_local: bool = False,
) -> APIError:
    """Make the error that stands for a server's refusal.

    Args:
        error_code: The code as it came; one that is not known makes a plain `APIError`.
        description: The text as it came, freed of secrets by `scrub`.
        account_id: Account that the request was for.
        retry_after: Seconds that the server asks to wait.
        maintenance_end: From `maintenance_end_from_wire`.
        request_type: Name of the request's message.
        client_msg_id: Message id of the request.
        is_local: Whether it was found out here.

    Returns: An instance of the class that `SERVER_CODES` names. An account that is not authorised
        is an `AccountAuthError`, whatever code the server chose for it.
    """
    kind = _class_of(error_code)
    if means_account_not_authorized(error_code, description):
        kind = AccountAuthError
    # Some classes have constructors for people, with other arguments; what came from the wire
    # needs all.
    error = kind.__new__(kind)
    APIError.__init__(
        error,
        error_code,
        description,
        account_id,
        retry_after=retry_after,
        maintenance_end=maintenance_end,
        request_type=request_type,
        client_msg_id=client_msg_id,
        is_local=is_local,
    )
    return error


def code_proves_refusal(error_code: str) -> bool:
    """Tell whether this code proves that a trading request was not executed.

    It is False for timeouts, routing failures and generic errors, and for every code that is not
    known.
    """
    known = SERVER_CODES.get(error_code)
    return known is not None and known.proves_refusal


def means_account_not_authorized(error_code: str, description: str | None) -> bool:
    """Tell whether the server says that the account is not authorised on this link.

    It has a code for that, yet is seen to answer INVALID_REQUEST or UNSUPPORTED_MESSAGE with the
    text "Trading account is not authorized".
    """
    if error_code in ("INVALID_REQUEST", "UNSUPPORTED_MESSAGE"):
        return "account is not authorized" in (description or "").lower()
    return error_code == "ACCOUNT_NOT_AUTHORIZED"


def maintenance_end_from_wire(value: int) -> datetime | None:
    """Read a maintenance end, whose unit differs between the two error messages.

    Args:
        value: Unix time; below 10**11 it counts seconds, otherwise milliseconds.

    Returns: The time in UTC; None for 0, negative numbers and times after the year 9999, which say
        nothing.
    """
    if value <= 0:
        return None
    try:
        if value < _SECONDS_BELOW:
            return _EPOCH + timedelta(seconds=value)
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        return None


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Replace every occurrence of a secret in a text by `***`.

    Args:
        text: Any text, for example a server's description.
        secrets: What must not show; secrets shorter than 4 characters are passed over.
    """
    shown = {s for s in secrets if len(s) >= _MIN_SECRET_LENGTH and s in text}
    if not shown:
        return text
    # Longest first: of two secrets that begin alike, the whole longer one must go.
    known = sorted(shown, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, known)), _MASK, text)


# Private


def _class_of(error_code: str) -> type[APIError]:
    known = SERVER_CODES.get(error_code)
    return known.error if known else APIError


def _reduce_rejection(error: OrderRejectedError) -> tuple[Any, ...]:
    kind = next(kind for kind, rejection in _REJECTIONS.items() if rejection is type(error))
    return (_rebuild_rejection, (kind, error.args), _portable_state(error))


def _rebuild_rejection(kind: type[APIError], args: tuple[object, ...]) -> CTraderError:
    return _rebuild(_REJECTIONS[kind], args)


def _rebuild(kind: type[CTraderError], args: tuple[object, ...]) -> CTraderError:
    return kind.__new__(kind, *args)


def _portable_state(error: CTraderError) -> dict[str, object]:
    # Names with an underscore are ties to a living client, which has no copy in another process.
    return {
        name: _portable(value) if isinstance(value, BaseException) else value
        for name, value in vars(error).items()
        if not name.startswith("_") or name == "__notes__"
    }


def _portable(cause: BaseException) -> BaseException:
    """Return a cause that survives pickling: itself, or else its text."""
    try:
        pickle.loads(pickle.dumps(cause))
    except Exception:  # noqa: BLE001 - foreign classes may raise anything here
        return CTraderError(_text_of(cause))
    return cause


def _one_line(text: str) -> str:
    """Make a foreign text safe to print: no control characters, no endless length."""
    line = "".join(c if c.isprintable() else " " for c in text[: _MAX_SERVER_TEXT + 1])
    return line if len(line) <= _MAX_SERVER_TEXT else f"{line[:_MAX_SERVER_TEXT]}…"


def _because(cause: BaseException | None) -> str:
    return "" if cause is None else f": {_text_of(cause).rstrip('.')}"


def _because_of(cause: BaseException | None) -> str:
    """Tell a cause without its remedy, where that is none: what repeats a read doubles an order."""
    return _because(cause).partition(". ")[0]


def _text_of(cause: BaseException) -> str:
    # Texts of foreign errors may hold what they were given, such as a URL with a secret in its
    # query; those of the operating system and of the TLS library hold addresses and paths.
    name = type(cause).__name__
    text = str(cause) if isinstance(cause, (CTraderError, OSError)) else ""
    return f"{name}: {_one_line(text)}" if text else name


def _order_text(
    client_order_id: str | None,
    account_id: int | None,
    request_type: str | None,
    order_id: int | None = None,
    position_id: int | None = None,
) -> str:
    named = {
        "client order id": None if client_order_id is None else repr(_one_line(client_order_id)),
        "order": order_id,
        "position": position_id,
        "account": account_id,
    }
    what = ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)
    return f"{request_type or 'The request'}{f' ({what})' if what else ''}"


def _rejection(kind: type[APIError]) -> type[OrderRejectedError]:
    # Neither parent needs anything of the child, so one rule makes all the pairs.
    body = {"__module__": __name__, "__doc__": kind.__doc__, "__reduce__": _reduce_rejection}
    return type(f"OrderRejectedError[{kind.__name__}]", (OrderRejectedError, kind), body)


_REJECTIONS: Final = MappingProxyType(
    {
        known.error: _rejection(known.error)
        for known in SERVER_CODES.values()
        if known.error is not APIError
    }
)
