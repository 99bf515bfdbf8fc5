"""Who may do what: programs, and what users granted them, with tokens that rotate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from ctrader.proto import ProtoOAClientPermissionScope
from ctrader.simulator.catalogue import AccountSpec, ApplicationSpec
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.switches import Switches

__all__ = ["Consent", "Grant", "Grants"]


@dataclass(slots=True)
class Consent:
    """How the user will answer on the authorisation page."""

    error: str | None = None
    """Error with which the next request is refused, None to agree."""
    account_ids: tuple[int, ...] | None = None
    """The accounts that are granted, None for all that the program may have."""


@dataclass(frozen=True, slots=True)
class _Code:
    """What one authorisation code stands for."""

    client_id: str
    redirect_uri: str
    scope: int
    account_ids: tuple[int, ...]
    expires_at: int
    """When it becomes worthless, seconds since the epoch."""


@dataclass(slots=True)
class Grant:
    """What one user granted one program: accounts, a scope, the present tokens."""

    client_id: str
    user_id: int
    scope: int
    account_ids: tuple[int, ...]
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: int
    """When the access token expires, seconds since the epoch."""

    @property
    def may_trade(self) -> bool:
        """Whether the scope includes trading requests."""
        return self.scope == ProtoOAClientPermissionScope.SCOPE_TRADE


class Grants:
    """The register of programs and grants."""

    def __init__(
        self,
        applications: Sequence[ApplicationSpec],
        accounts: Sequence[AccountSpec],
        *,
        random: Random,
        switches: Switches,
        unix_now: int,
    ) -> None:
        """Open the register with one grant for each program.

        Args:
            unix_now: Seconds since the epoch, from which tokens count their life.
        """
        self._random = random
        self._switches = switches
        self._applications = {each.client_id: each for each in applications}
        self._by_access: dict[str, Grant] = {}
        self._by_refresh: dict[str, Grant] = {}
        self._codes: dict[str, _Code] = {}
        everything = tuple(account.account_id for account in accounts)
        self._everything = everything
        self.grants: list[Grant] = []
        """All grants, in the order of the programs."""
        for each in applications:
            self.add(
                each.client_id,
                each.account_ids or everything,
                scope=each.scope,
                user_id=each.user_id,
                unix_now=unix_now,
            )

    def add(
        self,
        client_id: str,
        account_ids: tuple[int, ...],
        *,
        scope: int,
        user_id: int,
        unix_now: int,
    ) -> Grant:
        """Let a user grant a program access once more; earlier grants stay as they are."""
        grant = Grant(
            client_id,
            user_id,
            scope,
            account_ids,
            self._token(),
            self._token(),
            unix_now + self._switches.token_life,
        )
        self.grants.append(grant)
        self._by_access[grant.access_token] = grant
        self._by_refresh[grant.refresh_token] = grant
        return grant

    def issue_code(
        self,
        client_id: str,
        redirect_uri: str,
        *,
        scope: int,
        account_ids: tuple[int, ...] | None = None,
        unix_now: int,
    ) -> str:
        """Return an authorisation code, as a user who agrees sends it to a program.

        Args:
            client_id: The program.
            redirect_uri: Where the browser is sent; the exchange must name the same.
            scope: What the program may do.
            account_ids: The accounts that the user picks; None for all that the program may have.
            unix_now: Seconds since the epoch.

        Raises:
            Refusal: the program is unknown or not active, or does not send browsers there.
        """
        application = self.check_redirect(client_id, redirect_uri)
        if account_ids is None:
            account_ids = application.account_ids or self._everything
        code = self._token()
        expires_at = unix_now + self._switches.authorisation_code_life
        self._codes[code] = _Code(client_id, redirect_uri, scope, account_ids, expires_at)
        return code

    def exchange_code(
        self, code: str, redirect_uri: str, *, client_id: str, unix_now: int
    ) -> tuple[Grant, list[Grant]]:
        """Spend an authorisation code; return the new grant and those that it ended.

        Raises:
            Refusal: the code is unknown, spent, too old, another program's, or was meant for
                another redirect URI. It is spent all the same.
        """
        known = self._codes.pop(code, None)
        if (
            known is None
            or known.expires_at <= unix_now
            or (known.client_id, known.redirect_uri) != (client_id, redirect_uri)
        ):
            raise Refusal(
                self._switches.oauth_code_refusal, "Authorization code is invalid or has expired"
            )
        user_id = self._applications[client_id].user_id
        ended: list[Grant] = []
        if self._switches.new_grant_revokes_earlier:
            ended = [
                grant
                for grant in self.grants
                if (grant.client_id, grant.user_id) == (client_id, user_id)
            ]
        for grant in ended:
            self.revoke(grant)
        new = self.add(
            client_id, known.account_ids, scope=known.scope, user_id=user_id, unix_now=unix_now
        )
        return new, ended

    def check_redirect(self, client_id: str, redirect_uri: str) -> ApplicationSpec:
        """Return the program that may send browsers back to an address.

        Raises:
            Refusal: the program is unknown or not active, or does not send browsers there.
        """
        application = self._active(client_id)
        if application.redirect_uris and redirect_uri not in application.redirect_uris:
            raise Refusal("INVALID_REQUEST", "Redirect URI is not registered")
        return application

    @property
    def first_client_id(self) -> str:
        """Id of the first program."""
        return next(iter(self._applications))

    def secret_of(self, client_id: str) -> str:
        """Return a program's secret.

        Raises:
            KeyError: there is no such program.
        """
        return self._applications[client_id].client_secret

    def check_application(self, client_id: str, client_secret: str) -> None:
        """Authenticate a program.

        Raises:
            Refusal: it is unknown, not active, or the secret is wrong.
        """
        application = self._active(client_id)
        if application.client_secret != client_secret:
            raise Refusal("CH_CLIENT_AUTH_FAILURE", "clientId or clientSecret is incorrect")

    def by_access_token(self, access_token: str, unix_now: int) -> Grant:
        """Return the grant of an access token.

        Raises:
            Refusal: the token is unknown, superseded, revoked or expired.
        """
        grant = self._by_access.get(access_token)
        if grant is None:
            raise Refusal("CH_ACCESS_TOKEN_INVALID", "Invalid access token")
        if grant.expires_at <= unix_now:
            raise Refusal(self._switches.expired_token_code, "Access token is expired")
        return grant

    def is_current(self, access_token: str) -> bool:
        """Tell whether an access token is neither superseded nor revoked."""
        return access_token in self._by_access

    def refresh(
        self, refresh_token: str, unix_now: int, *, client_id: str | None
    ) -> tuple[Grant, str]:
        """Spend a refresh token; return its grant and the old access token.

        Args:
            client_id: The program that asks; a token serves only the one that it was given to.

        Raises:
            Refusal: the token is unknown, another program's, or was spent before; nothing else
                changes then.
        """
        grant = self._by_refresh.get(refresh_token)
        if grant is None or grant.client_id != client_id:
            raise Refusal("CH_ACCESS_TOKEN_INVALID", "Invalid refresh token")
        del self._by_refresh[refresh_token]
        old = grant.access_token
        self._by_access.pop(old, None)
        grant.access_token, grant.refresh_token = self._token(), self._token()
        grant.expires_at = unix_now + self._switches.token_life
        self._by_access[grant.access_token] = grant
        self._by_refresh[grant.refresh_token] = grant
        return grant, old

    def revoke(self, grant: Grant) -> None:
        """Make a grant's tokens worthless, as a user does who withdraws it."""
        self._by_access.pop(grant.access_token, None)
        self._by_refresh.pop(grant.refresh_token, None)
        self.grants.remove(grant)

    def _active(self, client_id: str) -> ApplicationSpec:
        application = self._applications.get(client_id)
        if application is None:
            raise Refusal("CH_OA_CLIENT_NOT_FOUND", "OA client is not found")
        if not application.active:
            raise Refusal("CH_CLIENT_AUTH_FAILURE", "OA client is not in active state")
        return application

    def _token(self) -> str:
        return f"{self._random.getrandbits(256):064x}"
