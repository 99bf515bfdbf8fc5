"""Know which accounts share a pair of tokens, and when it is exchanged."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from ctrader.credentials import AccountCredentials
from ctrader.errors import (
    CTraderError,
    NotConnectedError,
    ReauthorizationRequiredError,
    TokenRefreshError,
)
from ctrader.events import (
    ReauthorizationRequiredEvent,
    TokenRefreshFailedEvent,
    TokenSaveFailedEvent,
    TokensRotatedEvent,
)
from ctrader.protocol.auth import AuthState
from ctrader.protocol.commands import Rotate
from ctrader.protocol.effects import Phase
from ctrader.protocol.timers import Timer
from ctrader.tokens.record import StoredGrant, TokenPair, fingerprint

if TYPE_CHECKING:
    from ctrader.config import RefreshPolicy
    from ctrader.proto import ProtoOARefreshTokenRes
    from ctrader.protocol.auth import AccountSession, Authorization
    from ctrader.protocol.background import Background
    from ctrader.protocol.backoff import Backoff
    from ctrader.protocol.context import Context
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.protocol.work import Work
    from ctrader.tokens.record import GrantKey
    from ctrader.tokens.store import TokenStore
    from ctrader.units import Nanos

__all__ = ["TOKEN_LIFE", "Grant", "Grants", "TokenCallback"]

TokenCallback = Callable[[AccountCredentials], object]
"""A function of the user that keeps new credentials; it may be async."""

TOKEN_LIFE: Final = 2_628_000.0
"""Seconds that an access token lives as a rule, a month; it is told only with a new one."""
SHARE: Final = 0.8
"""Part of its life after which a pair that is kept safely is exchanged."""
JITTER: Final = 0.05
"""Part of its life by which the moment varies, so that not all programs come at once."""
UNKEPT_BEFORE: Final = 300.0
"""Seconds before its end at which a pair is exchanged that nobody keeps."""
LEAST_LIFE: Final = 10.0
"""Seconds between two exchanges at least, however short a life the server tells."""
LOOK_EVERY: Final = 3600.0
"""Seconds after which the time of day is looked at anew: it may have been set."""
GRANTS_REMEMBERED: Final = 64
"""Grants of which no account is kept any more; what was spent must not be sent again."""


class Grant:
    """One user's consent: the newest pair of tokens, for one account or several."""

    __slots__ = (
        "answer",
        "asked",
        "backoff",
        "earliest",
        "is_enrolled",
        "is_enrolling",
        "is_held",
        "is_lost",
        "is_rotating",
        "is_unanswered",
        "key",
        "life",
        "named",
        "pair",
        "record",
        "rescued",
        "serial",
        "share",
        "told",
    )

    def __init__(self, serial: int, pair: TokenPair, named: int | None, backoff: Backoff) -> None:
        self.serial = serial
        """What names it in timers and logs, which hold no secrets."""
        self.pair = pair
        """The newest pair of tokens."""
        self.named = named
        """The account that it was first handed in for, None where that was not known."""
        self.backoff = backoff
        """Spaces out exchanges that fail."""
        self.key: GrantKey | None = None
        """Under what a store keeps it, None while that is not known."""
        self.record: StoredGrant | None = None
        """What a store was last given, None where it was given nothing."""
        self.life = 0.0
        """Seconds that its access token lived when it was new; 0 where nobody told."""
        self.earliest: Nanos = 0
        """When it may be exchanged by the clock again."""
        self.share = SHARE
        """Part of its life after which it is exchanged."""
        self.is_rotating = False
        """Whether its exchange is under way, from the lock of the store on."""
        self.is_held = False
        """Whether its accounts wait for the next pair before they are authenticated."""
        self.is_enrolled = False
        """Whether the store knows it."""
        self.is_enrolling = False
        """Whether the store is being told of it."""
        self.is_unanswered = False
        """Whether its refresh token was sent, and the server has said nothing definite to it."""
        self.answer: ProtoOARefreshTokenRes | None = None
        """A new pair that came when nobody waited for it any more."""
        self.asked: TokenPair | None = None
        """The pair that is to be exchanged as soon as the store knows it."""
        self.is_lost = False
        """Whether only a new consent helps."""
        self.told: frozenset[int] = frozenset()
        """The accounts for which the user's functions were told the newest pair."""
        self.rescued: TokenPair | None = None
        """The pair that was refused and exchanged for that, at most once."""


class Grants:
    """Have each pair of tokens exchanged in time, once for all of its accounts.

    What the exchange is made of, and what is kept of it, lies with an operation: it is given a
    grant and this. Superseded pairs lead to the newest one.
    """

    __slots__ = (
        "_authorization",
        "_background",
        "_by_token",
        "_context",
        "_grants",
        "_is_scheduled",
        "_is_warned",
        "_last",
        "_pending",
        "_work",
        "authenticate",
        "callbacks",
        "renew",
        "store",
    )

    def __init__(
        self,
        context: Context,
        pending: PendingCommands,
        authorization: Authorization,
        background: Background,
        work: Work,
        store: TokenStore | None,
        callbacks: list[TokenCallback],
    ) -> None:
        self._context = context
        self._pending = pending
        self._authorization = authorization
        self._background = background
        self._work = work
        self.store = store
        """Where pairs are kept, None where no store was given."""
        self.callbacks = callbacks
        """Functions of the user that keep new credentials."""
        self.renew: Callable[[AccountSession, AccountCredentials], None] = _nobody
        """Gives an account its new credentials and authenticates it with them."""
        self.authenticate: Callable[[AccountSession], None] = _nobody
        """Authenticates an account that had to wait."""
        self._grants: dict[int, Grant] = {}
        # By fingerprint: of the newest refresh token, and of those that it came from.
        self._by_token: dict[str, Grant] = {}
        self._last = 0
        self._is_scheduled = True
        self._is_warned = False
        pending.serve(self, Rotate)

    @property
    def client_id(self) -> str:
        """The application that the grants are for."""
        return self._context.config.client_id

    @property
    def is_closing(self) -> bool:
        """Whether the session ends, so that nothing new may be begun."""
        return self._context.phase in (Phase.CLOSING, Phase.FINISHED)

    @property
    def is_kept_safe(self) -> bool:
        """Whether somebody keeps new pairs."""
        return self.store is not None or bool(self.callbacks)

    @property
    def refresh_policy(self) -> RefreshPolicy:
        """How often a refused exchange is tried again."""
        return self._context.config.refresh_policy

    def unix_now(self) -> float:
        """Return the time of day in Unix seconds."""
        return self._context.wall().timestamp()

    def accounts_of(self, grant: Grant) -> list[AccountSession]:
        """Return the accounts that are authenticated with a grant."""
        return [
            account
            for account in self._authorization.accounts.values()
            if self._find(account.credentials.refresh_token) is grant
        ]

    def ids_of(self, grant: Grant) -> tuple[int, ...]:
        """Return the ids of a grant's accounts, or of the one that it was handed in for."""
        ids = tuple(account.account_id for account in self.accounts_of(grant))
        return ids or (() if grant.named is None else (grant.named,))

    # What authentication tells

    def accepted(self, account: AccountSession) -> None:
        """Note that the server took an account's access token."""
        if not self._work.sees_to_tokens:
            return
        grant = self._of(account.credentials)
        if not self.is_kept_safe:
            self._warn_once(account.account_id)
        if not grant.is_lost:
            self._enrol(grant)
            self._schedule(grant)

    def is_held(self, account: AccountSession) -> bool:
        """Whether an account has to wait for the next pair of tokens."""
        grant = self._find(account.credentials.refresh_token)
        return grant is not None and grant.is_held

    def rescue(self, account: AccountSession) -> bool:
        """Look for a pair that works, once for each that the server refused.

        Another process may have exchanged it meanwhile; otherwise it is exchanged now. Where
        nobody keeps new pairs only accounts that have worked are rescued.

        Returns: False if the refusal stands.
        """
        if not self._work.sees_to_tokens:
            return False
        credentials = account.credentials
        known = self._find(credentials.refresh_token)
        if known is not None and known.pair.refresh_token != credentials.refresh_token:
            self._replace(account, known)
            return True
        if not (account.is_kept or self.is_kept_safe):
            return False
        grant = self._of(credentials)
        if grant.is_lost or (grant.rescued is grant.pair and not grant.is_held):
            return False
        grant.rescued = grant.pair
        grant.is_held = True
        self._rotate(grant)
        return True

    def try_again(self, account: AccountSession) -> None:
        """Let an account be rescued once more, which could not be done before."""
        grant = self._find(account.credentials.refresh_token)
        if grant is not None:
            grant.rescued = None

    # The clock

    def keep_refreshed(self, *, is_wanted: bool) -> None:
        """Resume or end exchanges by the clock."""
        self._is_scheduled = is_wanted
        for grant in self._grants.values():
            self._schedule(grant)

    def due(self, serial: int) -> None:
        """Look whether it is time to exchange a pair."""
        grant = self._grants.get(serial)
        if grant is None or grant.is_rotating or not self.accounts_of(grant):
            return
        if self._wait(grant) > 0:
            self._schedule(grant)
        else:
            self._rotate(grant)

    # What arrives

    def unanswered(self) -> set[str]:
        """Return the refresh tokens that were sent and not answered."""
        return {grant.pair.refresh_token for grant in self._grants.values() if grant.is_unanswered}

    def take_late(self, refresh_token: str, answer: ProtoOARefreshTokenRes) -> None:
        """Take a new pair that nobody waits for; the one before it is dead."""
        grant = self._find(refresh_token)
        if grant is None or grant.pair.refresh_token != refresh_token:
            return
        grant.answer = answer
        grant.is_lost = False
        if not grant.is_rotating:
            self._rotate(grant)

    # What the operation does

    def adopt(self, grant: Grant, pair: TokenPair) -> None:
        """Use a new pair from now on, for every account of the grant."""
        accounts = self.accounts_of(grant)
        grant.pair = pair
        grant.answer = None
        grant.is_held = grant.is_unanswered = False
        grant.life = max(0.0, pair.expires_at - self.unix_now())
        grant.earliest = self._context.after(LEAST_LIFE)
        grant.backoff.reset()
        self._by_token[fingerprint(pair.refresh_token)] = grant
        credentials = tuple(_credentials(account_id, pair) for account_id in self.ids_of(grant))
        self._context.emit(
            TokensRotatedEvent(tuple(each.account_id for each in credentials), credentials)
        )
        if not self.is_kept_safe:
            ids = ", ".join(str(each.account_id) for each in credentials)
            self._context.warn(
                f"The tokens of account {ids} were exchanged, and nobody keeps the new ones: they "
                "are lost when this process ends. Give the client a token_store or "
                "on_tokens_refreshed."
            )
        for account, new in zip(accounts, credentials, strict=False):
            self.renew(account, new)

    def release(self, grant: Grant) -> None:
        """Let the accounts go on with what they have; the server's answer is final then."""
        grant.is_held = False
        for account in self.accounts_of(grant):
            if account.state is AuthState.WANTED:
                self.authenticate(account)

    def note(self, text: str) -> None:
        """Write to the log what the user should know."""
        self._context.warn(text)

    def failed_to_save(self, grant: Grant, error: Exception) -> None:
        """Tell that a new pair is nowhere but in memory."""
        _drop_frames(error)
        self._context.emit(TokenSaveFailedEvent(self.ids_of(grant), error))

    # Commands

    def begin(self, pending: Pending) -> None:
        """Begin the exchange that a caller wants, or wait for the one under way."""
        command = pending.command
        assert isinstance(command, Rotate)
        if self._context.phase is Phase.IDLE:
            self._pending.end(pending.call_id, error=NotConnectedError())
            return
        is_known = self._find(command.credentials.refresh_token) is not None
        if command.is_rescue and not is_known and self.store is None:
            self._pending.end(pending.call_id, None)
            return
        grant = self._of(command.credentials, is_named=not command.is_rescue)
        if grant.pair.refresh_token != command.credentials.refresh_token:
            self._replaced(command.credentials.account_id)
            self._answer(pending, grant)
        elif grant.is_lost:
            error = ReauthorizationRequiredError(account_ids=self.ids_of(grant))
            self._pending.end(pending.call_id, error=error)
        else:
            self._rotate(grant)

    def leave(self, pending: Pending) -> None:
        """Do nothing: who waits is found among the pending commands."""

    def undo(self, pending: Pending) -> None:
        """Do nothing: an exchange goes on without its caller."""

    # Private

    def _find(self, refresh_token: str) -> Grant | None:
        return self._by_token.get(fingerprint(refresh_token))

    def _of(self, credentials: AccountCredentials, *, is_named: bool = True) -> Grant:
        """Return the grant of a pair that was handed in, a new one where it is not known."""
        grant = self._find(credentials.refresh_token)
        if grant is None:
            self._last += 1
            policy = self._context.config.refresh_policy
            grant = Grant(
                self._last,
                TokenPair(
                    access_token=credentials.access_token,
                    refresh_token=credentials.refresh_token,
                    expires_at=credentials.expires_at,
                    token_type=credentials.token_type,
                ),
                credentials.account_id if is_named else None,
                self._context.backoff(policy.retry_min_wait, policy.retry_max_wait),
            )
            grant.share = SHARE + self._context.rng.uniform(-JITTER, JITTER)
            self._forget_some()
            self._grants[grant.serial] = grant
            self._by_token[fingerprint(credentials.refresh_token)] = grant
        return grant

    def _forget_some(self) -> None:
        """Forget the oldest grants that no account uses, when there are many."""
        idle = [
            grant
            for grant in self._grants.values()
            if not grant.is_rotating and not self.accounts_of(grant)
        ]
        for grant in idle[: max(0, len(idle) - GRANTS_REMEMBERED)]:
            del self._grants[grant.serial]
            self._context.timers.clear(Timer.REFRESH, grant.serial)
            self._by_token = {k: each for k, each in self._by_token.items() if each is not grant}

    def _replace(self, account: AccountSession, grant: Grant) -> None:
        self._replaced(account.account_id)
        self.renew(account, _credentials(account.account_id, grant.pair))
        # A store knows whose a spent token is; a user who keeps pairs by account has to be told.
        is_rotating = grant.is_rotating and grant.is_held  # the next pair is told to all
        if self.store is None and self.callbacks and not is_rotating:
            self._background.spawn(self._work.tell(grant, self), is_vital=True)

    def _replaced(self, account_id: int) -> None:
        self._context.warn(
            f"The tokens handed in for account {account_id} were exchanged before; the newest "
            "ones of the same consent are used instead."
        )

    def _wait(self, grant: Grant) -> float:
        """Return the seconds until a pair is to be exchanged; none are left where it is time."""
        left = grant.pair.expires_at - self.unix_now()
        if not self.is_kept_safe:
            return left - UNKEPT_BEFORE
        life = grant.life or max(left, TOKEN_LIFE)
        latest = left - self._context.config.refresh_policy.buffer_seconds
        # A life that is shorter than what is to be left of it is used by half.
        return min(left - life * (1 - grant.share), max(latest, left - life / 2))

    def _schedule(self, grant: Grant) -> None:
        timers = self._context.timers
        if not self._is_scheduled or grant.is_lost or grant.is_rotating:
            timers.clear(Timer.REFRESH, grant.serial)
            return
        at = self._context.after(min(self._wait(grant), LOOK_EVERY))
        timers.set(Timer.REFRESH, max(at, grant.earliest), grant.serial)

    def _enrol(self, grant: Grant) -> None:
        """Have the store told of a grant, unless it knows it."""
        is_busy = grant.is_rotating or grant.is_enrolling
        if self.store is None or grant.is_enrolled or is_busy:
            return
        grant.is_enrolling = True
        self._background.spawn(self._work.enrol(grant, self), partial(self._enrolled, grant))

    def _rotate(self, grant: Grant) -> None:
        if grant.is_enrolling:
            grant.asked = grant.pair
            return
        if grant.is_rotating:
            # A pair that was just adopted may be as dead as the one that it replaced.
            grant.asked = grant.pair
            return
        grant.is_rotating = True
        self._context.timers.clear(Timer.REFRESH, grant.serial)
        self._background.spawn(
            self._work.rotate(grant, self), partial(self._rotated, grant), is_vital=True
        )

    def _rotated(self, grant: Grant, _: object, error: CTraderError | None) -> None:
        """Take the end of an exchange, and tell whoever waits for it."""
        grant.is_rotating = False
        asked, grant.asked = grant.asked, None
        if error is None and grant.is_held and asked is grant.pair:
            self._rotate(grant)
            return
        failure = None if error is None else self._failure(grant, error)
        self._settled(grant, failure)
        if failure is None:
            self._enrol(grant)
            self._schedule(grant)
            return
        if grant.is_held:
            self.release(grant)

    def _settled(self, grant: Grant, failure: CTraderError | None) -> None:
        """Tell those who wait for an exchange."""
        for pending in self._pending.of(Rotate):
            assert isinstance(pending.command, Rotate)
            if self._find(pending.command.credentials.refresh_token) is not grant:
                continue
            if failure is None:
                self._answer(pending, grant)
            else:
                self._pending.end(pending.call_id, error=failure)

    def _failure(self, grant: Grant, error: CTraderError) -> CTraderError:
        """Tell why an exchange failed, and see to the next."""
        _drop_frames(error)
        ids = self.ids_of(grant)
        if isinstance(error, ReauthorizationRequiredError):
            grant.is_lost = True
            self._context.emit(ReauthorizationRequiredEvent(ids, error))
            return error
        failure = (
            error
            if isinstance(error, TokenRefreshError)
            else TokenRefreshError(cause=error, account_ids=ids)
        )
        for account_id in ids:
            self._context.emit(TokenRefreshFailedEvent(account_id, failure))
        wait = grant.backoff.next()
        if self._is_scheduled and self.accounts_of(grant):
            self._context.timers.set(Timer.REFRESH, self._context.now + wait, grant.serial)
        return failure

    def _enrolled(self, grant: Grant, _: object, error: CTraderError | None) -> None:
        grant.is_enrolling = False
        grant.is_enrolled = error is None  # after a failure the next authentication tries again
        if error is not None:
            self.failed_to_save(grant, error)
        asked, grant.asked = grant.asked, None
        if asked is grant.pair:
            self._rotate(grant)
        elif asked is not None:
            self._settled(grant, None)  # the store had the next pair: what was asked for is done

    def _answer(self, pending: Pending, grant: Grant) -> None:
        assert isinstance(pending.command, Rotate)
        account_id = pending.command.credentials.account_id
        self._pending.end(pending.call_id, _credentials(account_id, grant.pair))

    def _warn_once(self, account_id: int) -> None:
        if not self._is_warned:
            self._is_warned = True
            self._context.warn(
                f"The tokens of account {account_id} are kept in memory only, and are exchanged "
                "shortly before they end. Give the client a token_store, such as "
                "FileTokenStore(), or on_tokens_refreshed, so that new ones survive this process."
            )


def _credentials(account_id: int, pair: TokenPair) -> AccountCredentials:
    return AccountCredentials(
        account_id=account_id,
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_at=pair.expires_at,
        token_type=pair.token_type,
    )


def _drop_frames(error: BaseException | None) -> None:
    """Forget where an error of ours comes from: some loggers print what is in the frames."""
    while isinstance(error, CTraderError):
        error.__traceback__ = None
        if error.__cause__ is not None and not isinstance(error.__cause__, CTraderError):
            error.__cause__.__traceback__ = None
        error = error.__cause__ or error.__context__


def _nobody(*_: object) -> None:
    """Stand in until a machine takes the place."""
