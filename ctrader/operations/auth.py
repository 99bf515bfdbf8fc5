"""Authenticate the application and accounts, and refresh tokens."""

from __future__ import annotations

from typing import Final

from ctrader.credentials import AccountCredentials
from ctrader.errors import (
    CTraderError,
    ReauthorizationRequiredError,
    TokenExpiredError,
    TokenRefreshError,
)
from ctrader.operations import accounts
from ctrader.operations.arguments import checks_arguments
from ctrader.operations.base import Op, command
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthRes,
)
from ctrader.protocol.commands import Authorize, Logout, Rotate, WaitApplication

__all__ = [
    "authenticate_account",
    "authenticate_app",
    "authenticate_by_trader_login",
    "logout",
    "refresh_tokens",
]

_NOT_YET_KNOWN: Final = 1  # an id that credentials take


def authenticate_app() -> Op[ProtoOAApplicationAuthRes]:
    """Wait until the application is authenticated; the session does it on each link.

    Raises:
        ApplicationAuthError: the server refused the client id or the secret.
    """
    return (yield from command(WaitApplication(), ProtoOAApplicationAuthRes))


@checks_arguments
def authenticate_account(
    credentials: AccountCredentials, *, reauth: bool = False, reconnect: bool = False
) -> Op[ProtoOAAccountAuthRes]:
    """Authenticate an account and keep it so across reconnects.

    Raises:
        ValueError: these are no credentials; nothing was sent.
        AuthenticationError: the server refused the account or its token.
    """
    return (
        yield from command(
            Authorize(credentials, reauth=reauth, reconnect=reconnect), ProtoOAAccountAuthRes
        )
    )


@checks_arguments
def authenticate_by_trader_login(
    trader_login: int,
    access_token: str,
    refresh_token: str,
    expires_at: float,
    *,
    is_live: bool | None = None,
) -> Op[AccountCredentials]:
    """Find the account that has a login, authenticate it and return its credentials.

    Args:
        is_live: As in `accounts.resolve_account_id`.

    Raises:
        ValueError: an argument is not what its name says; nothing was sent.
        AccountNotFoundError: the token opens no account with this login.
        ConfigurationError: it opens several.
        AuthenticationError: the server refused the token or the account.
    """
    # Made first, so that what cannot be kept is refused before anything is sent.
    pair = AccountCredentials(
        account_id=_NOT_YET_KNOWN,
        access_token=access_token,
        refresh_token=refresh_token,
        expires_at=expires_at,
    )
    try:
        account_id = yield from accounts.resolve_account_id(
            access_token, trader_login, is_live=is_live
        )
    except TokenExpiredError as refusal:
        # The pair may have been exchanged by another program that uses the same store.
        newest = yield Rotate(pair, is_rescue=True)
        if newest is None:
            raise
        assert isinstance(newest, AccountCredentials)
        del refusal
        pair = newest
        account_id = yield from accounts.resolve_account_id(
            pair.access_token, trader_login, is_live=is_live
        )
    credentials = pair.model_copy(update={"account_id": account_id})
    yield from authenticate_account(credentials)
    return credentials


@checks_arguments
def logout(account_id: int) -> Op[None]:
    """End an account's session at the server, and keep the account no longer.

    Raises:
        APIError: the server refused it; the account is kept no longer all the same.
    """
    yield Logout(account_id)


@checks_arguments
def refresh_tokens(credentials: AccountCredentials) -> Op[AccountCredentials]:
    """Exchange the refresh token for a new pair; the old access token dies with it.

    Args:
        credentials: Whose refresh token is used; it works once.

    Raises:
        ValueError: these are no credentials; nothing was sent.
        ReauthorizationRequiredError: the server takes neither token any more.
        TokenRefreshError: no new pair was obtained; its `cause` says why.
    """
    try:
        return (yield from command(Rotate(credentials), AccountCredentials))
    except (TokenRefreshError, ReauthorizationRequiredError):
        raise
    except CTraderError as error:
        raise TokenRefreshError(credentials.account_id, error) from error
