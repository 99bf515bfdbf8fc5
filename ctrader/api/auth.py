"""Authentication of the application and of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.api.base import BaseAPI
from ctrader.errors import ConfigurationError
from ctrader.operations import accounts, auth
from ctrader.operations.arguments import account_id_of

if TYPE_CHECKING:
    from ctrader.api.base import TokensRefreshedCallback
    from ctrader.api.raw import Protocol
    from ctrader.credentials import AccountCredentials
    from ctrader.models.accounts import AccountSummary
    from ctrader.proto import ProtoOAAccountAuthRes, ProtoOAApplicationAuthRes

__all__ = ["AuthManager"]


class AuthManager(BaseAPI):
    """A view on who is authenticated, and the way to authenticate accounts.

    The session behind the protocol does the work: it authenticates the application on each new
    link by itself, and every account that was authenticated once.

    Every method that asks the server takes `timeout`, in seconds, waiting in the queue included,
    and may raise

    - `CTraderConnectionTimeoutError`: no answer in time.
    - `CTraderConnectionError`: the client is not connected, or gave up reconnecting.
    """

    __slots__ = ()

    def __init__(
        self,
        protocol: Protocol,
        client_id: str,
        client_secret: str,
        on_tokens_refreshed: TokensRefreshedCallback | None = None,
    ) -> None:
        """Look at the session behind a protocol.

        Args:
            protocol: The client's `protocol`.
            client_id: The application's id; it must be the one that the client was made with.
            client_secret: The application's secret. It is not kept: the session has its own.
            on_tokens_refreshed: Called, besides the client's own, once per account with the new
                credentials whenever tokens were refreshed.

        Raises:
            ConfigurationError: the session authenticates another application.
        """
        if protocol._runner.config.client_id != client_id:
            raise ConfigurationError(
                "client_id differs from that of the client behind this protocol: one connection "
                "carries one application, so make another client for the other one"
            )
        super().__init__(protocol._runner)
        if on_tokens_refreshed is not None:
            protocol._runner.token_callbacks.append(on_tokens_refreshed)

    @property
    def is_app_authenticated(self) -> bool:
        """True if the application is authenticated on the present link."""
        return self._runner.look(lambda session: session.is_application_authenticated)

    @property
    def authenticated_accounts(self) -> list[int]:
        """Ids of the accounts that are authenticated on the present link."""
        return self._runner.look(lambda session: session.authenticated_accounts)

    @property
    def authorized_accounts(self) -> list[int]:
        """The same as `authenticated_accounts`."""
        return self.authenticated_accounts

    def is_account_authorized(self, account_id: int) -> bool:
        """Tell whether an account is authenticated on the present link.

        Raises:
            ValueError: this is no id.
        """
        known = account_id_of(account_id)
        return self._runner.look(lambda session: session.is_account_authorized(known))

    def get_credentials(self, account_id: int) -> AccountCredentials | None:
        """Return the credentials that an account is kept with, None if it is not kept.

        Raises:
            ValueError: this is no id.
        """
        known = account_id_of(account_id)
        return self._runner.look(lambda session: session.credentials(known))

    def remove_account(self, account_id: int) -> bool:
        """Stop keeping an account authenticated, and restoring its subscriptions.

        It is not logged out: until the link ends the server goes on sending its events, unless
        `logout` is used instead.

        Returns: False if the account was not known.
        Raises: ValueError: this is no id.
        """
        known = account_id_of(account_id)
        return self._runner.change(lambda session, now: session.remove_account(known, now))

    def start(self) -> None:
        """Resume the refresh of tokens by the clock; it is on from the beginning.

        Raises:
            CTraderConnectionError: the client is not connected.
        """
        self._runner.change(lambda session, now: session.keep_refreshed(now, is_wanted=True))

    def stop(self) -> None:
        """End the refresh of tokens by the clock; `refresh` still does it.

        Accounts whose access token the server refuses are still given new ones: they could not be
        authenticated again otherwise.

        Raises:
            CTraderConnectionError: the client is not connected.
        """
        self._runner.change(lambda session, now: session.keep_refreshed(now, is_wanted=False))

    async def authenticate_app(self, timeout: float | None = None) -> ProtoOAApplicationAuthRes:
        """Wait until the application is authenticated; calling it again is fine.

        The session sends `ProtoOAApplicationAuthReq` by itself as soon as the link stands.

        Args:
            timeout: Seconds; None takes the client's default.

        Raises:
            ApplicationAuthError: the server refused the client id or the secret; every later call
                then raises it, too.
        """
        return await self._runner.run(auth.authenticate_app(), timeout)

    async def authenticate_account(
        self,
        credentials: AccountCredentials,
        timeout: float | None = None,
        reauth: bool = False,
        reconnect: bool = False,
    ) -> ProtoOAAccountAuthRes:
        """Authenticate an account, now and on every later link.

        Backed by `ProtoOAAccountAuthReq`. It ends with the server's first definite answer; an
        account that was already authenticated is a success. A refusal is raised, and the account
        is then not kept.

        Args:
            credentials: Account id and tokens; they replace those that were kept for the account.
            timeout: Seconds; None takes the client's default.
            reauth: Mark the `ReadyEvent` that follows as one of new tokens.
            reconnect: Mark the `ReadyEvent` that follows as one of a reconnect.

        Raises:
            TokenExpiredError: the access token expired or was revoked.
            AccountAuthError: the server refused the account for another reason.
        """
        return await self._runner.run(
            auth.authenticate_account(credentials, reauth=reauth, reconnect=reconnect), timeout
        )

    async def authenticate_trader(
        self, credentials: AccountCredentials, timeout: float | None = None
    ) -> None:
        """Authenticate an account; the same as `authenticate_account`, without its answer.

        Args:
            credentials: Account id and tokens.
            timeout: Seconds; None takes the client's default.

        Raises:
            TokenExpiredError: the access token expired or was revoked.
            AccountAuthError: the server refused the account for another reason.
        """
        await self._runner.run(auth.authenticate_account(credentials), timeout)

    async def authenticate_by_trader_login(
        self,
        trader_login: int,
        access_token: str,
        refresh_token: str,
        expires_at: float,
        timeout: float | None = None,
    ) -> AccountCredentials:
        """Find the account that has a login, and authenticate it.

        Of several accounts with this login those of the client's host, live or demo, are
        preferred.

        Args:
            trader_login: The number that the trader sees in the terminal.
            access_token: A token that opens the account.
            refresh_token: The token for the next pair.
            expires_at: When the access token ends, in Unix seconds.
            timeout: Seconds for all of it; None takes the client's default.

        Returns: The account's credentials; their `account_id` is what other methods want.

        Raises:
            AccountNotFoundError: the token opens no account with this login; its
                `available_logins` are those it opens.
            ConfigurationError: it opens several, of several brokers; the error lists them.
            TokenExpiredError: the access token expired or was revoked.
            AccountAuthError: the server refused the account for another reason.
        """
        is_live = accounts.environment_of(self._runner.config.host)
        return await self._runner.run(
            auth.authenticate_by_trader_login(
                trader_login, access_token, refresh_token, expires_at, is_live=is_live
            ),
            timeout,
        )

    async def logout(self, account_id: int, timeout: float | None = None) -> None:
        """End an account's session at the server, and keep the account no longer.

        Backed by `ProtoOAAccountLogoutReq`. It is done when the server says that the session
        ended, which also comes as an `AccountDisconnectEvent`. The link and the other accounts
        stay. An account that is not logged in is a success.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.

        Raises:
            APIError: the server refused it. It may go on sending the account's events, yet the
                account is not kept any more.
        """
        return await self._runner.run(auth.logout(account_id), timeout)

    async def get_accounts(
        self, access_token: str, timeout: float | None = None
    ) -> list[AccountSummary]:
        """List the accounts that an access token opens, live and demo alike.

        Backed by `ProtoOAGetAccountListByAccessTokenReq`.

        Args:
            access_token: The token.
            timeout: Seconds; None takes the client's default.

        Raises:
            AuthenticationError: the token is not accepted.
        """
        return await self._runner.run(accounts.list_by_token(access_token), timeout)

    async def resolve_account_id(
        self, access_token: str, trader_login: int, timeout: float | None = None
    ) -> int:
        """Find the id of an account by login; see `AccountsAPI.resolve_account_id`.

        Args:
            access_token: A token that opens the account.
            trader_login: The number that the trader sees in the terminal.
            timeout: Seconds; None takes the client's default.

        Raises:
            AccountNotFoundError: the token opens no account with this login.
            ConfigurationError: it opens several, of several brokers.
            AuthenticationError: the token is not accepted.
        """
        is_live = accounts.environment_of(self._runner.config.host)
        return await self._runner.run(
            accounts.resolve_account_id(access_token, trader_login, is_live=is_live), timeout
        )

    async def refresh(
        self, credentials: AccountCredentials, timeout: float | None = None
    ) -> AccountCredentials:
        """Exchange a refresh token for a new pair, at once.

        Backed by `ProtoOARefreshTokenReq`. The client does it by itself in time; this is for those
        who want it now. The refresh token works once, and the old access token is dead from the
        answer on: before anything else the new pair is saved in the client's `token_store`, and
        told to `on_tokens_refreshed`. Then every account that used the old pair is authenticated
        with the new one. A caller that goes away does not end it. Tokens that were exchanged
        before are not sent again: the newest pair of the same consent is returned.

        Args:
            credentials: Whose refresh token is used.
            timeout: Seconds to wait for it; None takes the client's default.

        Returns: Credentials of the same account with the new pair.

        Raises:
            ReauthorizationRequiredError: the server does not take the refresh token any more.
            TokenRefreshError: no new pair came; `cause` says why.
        """
        return await self._runner.run(auth.refresh_tokens(credentials), timeout)
