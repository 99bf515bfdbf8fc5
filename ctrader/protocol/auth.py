"""Know who is authenticated on this connection, and who wants to be.

The server keeps nothing from one connection to the next: the application first, then each
account authenticates again on every new link.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from ctrader.enums import AuthTrigger
from ctrader.errors import (
    AccountAuthError,
    APIError,
    ApplicationAuthError,
    AuthenticationError,
    means_account_not_authorized,
)
from ctrader.proto import ProtoOAAccountAuthReq, ProtoOAAccountLogoutReq

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from ctrader.credentials import AccountCredentials
    from ctrader.protocol.backoff import Backoff
    from ctrader.units import Nanos

__all__ = [
    "AccountSession",
    "AuthState",
    "Authorization",
    "account_refusal",
    "application_refusal",
    "is_about_sessions",
    "is_about_the_application",
    "is_account_unknown",
    "is_already_done",
    "is_application_unknown",
    "is_passing",
]


class AuthState(Enum):
    """How far an authentication on this connection has come."""

    WANTED = "wanted"
    """To be sent when the link allows it."""
    SENT = "sent"
    """The answer is awaited."""
    DONE = "done"
    """Authenticated on this connection."""
    REFUSED = "refused"
    """The server refused it."""


_ALREADY: Final = frozenset({"ALREADY_LOGGED_IN", "CH_CLIENT_ALREADY_AUTHENTICATED"})

_PASSING: Final = frozenset(
    {
        "BLOCKED_PAYLOAD_TYPE",
        "CANT_ROUTE_REQUEST",
        "CHANNEL_IS_BLOCKED",
        "CH_SERVER_NOT_REACHABLE",
        "CONNECTIONS_LIMIT_EXCEEDED",
        "REQUEST_FREQUENCY_EXCEEDED",
        "SERVER_IS_UNDER_MAINTENANCE",
        "TIMEOUT_ERROR",
        "UNKNOWN_ERROR",
    }
)
"""Codes that say something of the server's state and nothing of the credentials."""


_WRONG_APPLICATION: Final = frozenset({"CH_CLIENT_AUTH_FAILURE", "CH_OA_CLIENT_NOT_FOUND"})


def is_already_done(error: Exception) -> bool:
    """Whether a refusal says that the authentication had been done before: a success."""
    return isinstance(error, APIError) and error.error_code in _ALREADY


def is_passing(error: Exception) -> bool:
    """Whether the same authentication may succeed later."""
    return not isinstance(error, APIError) or error.error_code in _PASSING


def is_about_the_application(error: APIError) -> bool:
    """Whether a refusal says that the application is unknown, wrong or inactive."""
    return error.error_code in _WRONG_APPLICATION


def is_application_unknown(error: APIError) -> bool:
    """Whether the server says that the application is not authenticated on this link."""
    return error.error_code == "CH_CLIENT_NOT_AUTHENTICATED"


def is_account_unknown(error: APIError) -> bool:
    """Whether a refusal says that the account has no session on this link."""
    return error.is_token_failure() or means_account_not_authorized(
        error.error_code, error.description
    )


def is_about_sessions(request: Message) -> bool:
    """Whether a request begins or ends an account's session, so that it needs none."""
    return isinstance(request, ProtoOAAccountAuthReq | ProtoOAAccountLogoutReq)


def application_refusal(error: APIError) -> ApplicationAuthError:
    """Return the server's refusal as an error of the application's authentication."""
    if isinstance(error, ApplicationAuthError):
        return error
    refusal = ApplicationAuthError(error.error_code, error.description)
    refusal.__cause__ = error
    return refusal


def account_refusal(error: Exception, account_id: int) -> Exception:
    """Return the server's refusal as an error of an account's authentication."""
    if not isinstance(error, APIError) or isinstance(error, AuthenticationError):
        return error
    refusal = AccountAuthError(error.error_code, error.description, account_id)
    refusal.__cause__ = error
    return refusal


@dataclass(slots=True, eq=False)
class AccountSession:
    """One account that shall be authenticated on every link."""

    credentials: AccountCredentials
    trigger: AuthTrigger
    backoff: Backoff
    """Spaces out authentications that are refused."""
    relapses: Backoff
    """Spaces out authentications that succeed and do not last."""
    state: AuthState = AuthState.WANTED
    accepted: AccountCredentials | None = None
    """The credentials that the server accepted last, None before the first success."""
    is_ready: bool = False
    """Authenticated, and everything wanted is restored on this link."""
    ready_at: Nanos = 0
    """When it last became so."""
    error: Exception | None = None
    """The last refusal, None after a success."""
    since: Nanos = 0
    """When the server last accepted it."""

    @property
    def is_kept(self) -> bool:
        """Whether it succeeded once, and so is authenticated again after a loss."""
        return self.accepted is not None

    @property
    def account_id(self) -> int:
        """The account's `ctidTraderAccountId`."""
        return self.credentials.account_id


class Authorization:
    """The application's and the accounts' standing on the current connection."""

    __slots__ = ("accounts", "application", "application_error", "was_accepted")

    def __init__(self) -> None:
        self.application = AuthState.WANTED
        self.application_error: ApplicationAuthError | None = None
        """Why the server refused the application for good."""
        self.was_accepted = False
        """Whether the server accepted the application on any link."""
        self.accounts: dict[int, AccountSession] = {}

    def lost(self) -> None:
        """Forget what the server knew of us on the connection that ended."""
        if self.application is not AuthState.REFUSED:
            self.application = AuthState.WANTED
        for account in self.accounts.values():
            account.state = AuthState.WANTED
            account.is_ready = False
            if account.is_kept:
                account.trigger = AuthTrigger.RECONNECT

    @property
    def is_application_authenticated(self) -> bool:
        """Whether requests may be sent on this connection."""
        return self.application is AuthState.DONE

    def is_authenticated(self, account_id: int) -> bool:
        """Whether an account's requests may be sent on this connection."""
        account = self.accounts.get(account_id)
        return account is not None and account.state is AuthState.DONE

    def authenticated(self) -> Iterable[int]:
        """Return the accounts that are authenticated on this connection."""
        return (i for i, account in self.accounts.items() if account.state is AuthState.DONE)

    def wanted(self) -> Iterable[AccountSession]:
        """Return the accounts whose authentication is to be sent."""
        return [a for a in self.accounts.values() if a.state is AuthState.WANTED]
