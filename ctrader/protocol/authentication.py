"""Authenticate application and accounts on every link, and say who is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.enums import AuthTrigger
from ctrader.errors import (
    AccountAuthError,
    APIError,
    CTraderConnectionClosedError,
    NotConnectedError,
    means_account_not_authorized,
)
from ctrader.events import (
    ReadyEvent,
    ReconnectedEvent,
    ServerErrorEvent,
    SubscriptionRestoreFailedEvent,
)
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
)
from ctrader.protocol.auth import (
    AccountSession,
    Authorization,
    AuthState,
    account_refusal,
    application_refusal,
    is_about_the_application,
    is_already_done,
    is_passing,
)
from ctrader.protocol.commands import (
    Authorize,
    Call,
    Logout,
    Priority,
    WaitApplication,
    WaitReady,
)
from ctrader.protocol.effects import Phase
from ctrader.protocol.gaps import Gaps
from ctrader.protocol.pending import is_request
from ctrader.protocol.timers import Timer
from ctrader.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctrader.credentials import AccountCredentials
    from ctrader.protocol.commands import CallId
    from ctrader.protocol.context import Context
    from ctrader.protocol.executions import Executions
    from ctrader.protocol.grants import Grants
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.protocol.requests import Requests
    from ctrader.protocol.subscriber import Subscriber
    from ctrader.units import Nanos

__all__ = ["Authentication"]

LASTING: Final = 30 * SECOND
"""A session of an account that lasted this long makes its next loss a first one again."""


class Authentication:
    """Carry out what concerns authentication, and restore it after a loss.

    An account is ready when it is authenticated on this link and the server has answered for
    everything that an earlier link had on it.
    """

    __slots__ = (
        "_application_backoff",
        "_application_call",
        "_authorization",
        "_context",
        "_executions",
        "_gaps",
        "_grants",
        "_pending",
        "_requests",
        "_restoring",
        "_subscriber",
        "account_ended",
        "account_removed",
    )

    def __init__(
        self,
        context: Context,
        pending: PendingCommands,
        authorization: Authorization,
        requests: Requests,
        subscriber: Subscriber,
        executions: Executions,
        grants: Grants,
    ) -> None:
        self._context = context
        self._grants = grants
        grants.renew = self._renew
        grants.authenticate = self.authenticate_account
        self._executions = executions
        self._pending = pending
        self._authorization = authorization
        self._requests = requests
        self._subscriber = subscriber
        policy = context.config.reauth_policy
        self._application_backoff = context.backoff(policy.min_wait, policy.max_wait)
        self._application_call: CallId = 0
        self._gaps = Gaps(context, subscriber)
        self._restoring: set[int] | None = None
        self.account_ended: Callable[[int], None] = _nobody
        """Called with an account whose session ended."""
        self.account_removed: Callable[[int], None] = _nobody
        """Called with an account that is kept no longer."""
        pending.serve(self, WaitApplication, Authorize, Logout, WaitReady)
        context.secrets = self._secrets

    # The link

    def opened(self, *, again: bool) -> None:
        """Begin on a new link; `again` says that there was one before."""
        accounts = self._authorization.accounts.values()
        self._restoring = {a.account_id for a in accounts if a.is_kept} if again else None
        self.authenticate_application()

    def lost(self, heard_at: Nanos) -> None:
        """Note the end of a link on which something last arrived at `heard_at`."""
        self._executions.lost(heard_at)
        for account in self._authorization.accounts.values():
            if account.is_kept:
                self._gaps.begin(account.account_id, heard_at)
        self._authorization.lost()
        self._restoring = None
        self._context.timers.clear(Timer.APPLICATION_RETRY)
        self._context.timers.clear_all(Timer.ACCOUNT_RETRY)
        # The sessions that were to be ended have ended with the link.
        for pending in self._pending.of(Logout):
            self._pending.end(pending.call_id)

    def account_lost(self, account_id: int, heard_at: Nanos, *, is_denied: bool = False) -> None:
        """Start over with one account whose session the server ended; the link stays.

        One that was logged out is kept no longer, and nothing waits for its return. One whose next
        authentication is under way begins its next session with the answer to that. The first
        loss is mended at once; sessions that do not last are begun again spaced out.

        Args:
            account_id: The account.
            heard_at: When something last arrived on the link.
            is_denied: No event said so; the server refuses what is sent for the account.
        """
        for pending in self._logouts(account_id):
            self._pending.end(pending.call_id)
        ended = _unauthorized(account_id, "the server ended the account's session")
        account = self._authorization.accounts.get(account_id)
        if account is not None and account.is_kept:
            # A session that is denied may have ended long ago, while the link lived on.
            since = account.since if is_denied else heard_at
            self._gaps.begin(account_id, since, by_symbol=is_denied)
            self._executions.lost(since, account_id)
        was_authenticated = account is not None and account.state is AuthState.DONE
        if account is not None and was_authenticated:
            account.state = AuthState.WANTED
            account.is_ready = False
            account.trigger = AuthTrigger.ACCOUNT_REAUTH
        self.account_ended(account_id)
        self._subscriber.lost(account_id)
        self._requests.account_lost(account_id, ended, is_denied=is_denied)
        if account is None:
            self._requests.account_removed(account_id, ended)
            self._subscriber.carry_out(account_id)
        elif was_authenticated:
            self._begin_again(account)

    def has_just_begun_again(self, account_id: int) -> bool:
        """Whether an account's session has replaced another, and has not proved to last."""
        account = self._authorization.accounts[account_id]
        is_new = self._context.now - account.since < LASTING
        return is_new and account.relapses.failures > 0

    def _begin_again(self, account: AccountSession) -> None:
        """Authenticate an account whose session ended, not too often."""
        if self._context.now - account.since >= LASTING:
            account.relapses.reset()
        is_first = not account.relapses.failures
        wait = account.relapses.next()
        if is_first:
            self.authenticate_account(account)
        else:
            at = self._context.now + wait
            self._context.timers.set(Timer.ACCOUNT_RETRY, at, account.account_id)

    def remove(self, account_id: int) -> bool:
        """Forget an account, with all that was not sent for it; False if it was not known."""
        if self._authorization.accounts.pop(account_id, None) is None:
            return False
        self._context.timers.clear(Timer.ACCOUNT_RETRY, account_id)
        self._gaps.forget(account_id)
        self._executions.forget(account_id)
        gone = _unauthorized(account_id, "the account was removed")
        for pending in self._pending.of(Authorize, WaitReady):
            if _account_of(pending) == account_id:
                self._pending.end(pending.call_id, error=gone)
        self._subscriber.forget_account(account_id, gone)
        self._requests.account_removed(account_id, gone)
        self.account_removed(account_id)
        self._account_settled(account_id)
        return True

    # Commands

    def begin(self, pending: Pending) -> None:
        """Take a command."""
        refusal = self._authorization.application_error
        command = pending.command
        if refusal is not None:
            self._pending.end(pending.call_id, error=refusal)
        elif self._context.phase is Phase.IDLE:
            self._pending.end(pending.call_id, error=NotConnectedError())
        elif isinstance(command, WaitApplication):
            if self._authorization.is_application_authenticated:
                self._pending.end(pending.call_id, ProtoOAApplicationAuthRes())
        elif isinstance(command, WaitReady):
            account = self._authorization.accounts.get(command.account_id)
            if account is not None and account.is_ready:
                self._pending.end(pending.call_id)
        elif isinstance(command, Logout):
            self._logout(pending, command.account_id)
        else:
            assert isinstance(command, Authorize)
            self._authorize(pending, command)

    def leave(self, pending: Pending) -> None:
        """Do nothing: who waits is found among the pending commands."""

    def undo(self, pending: Pending) -> None:
        """Forget an account that was never accepted and that nobody asks for now."""
        if not isinstance(pending.command, Authorize):
            return
        account_id = pending.command.credentials.account_id
        account = self._authorization.accounts.get(account_id)
        if account is not None and not account.is_kept and not self._waiting_for(account_id):
            del self._authorization.accounts[account_id]
            self._requests.release()

    # The application

    def authenticate_application(self) -> None:
        """Send the application's authentication, the first request on every link."""
        self._authorization.application = AuthState.SENT
        config = self._context.config
        request = ProtoOAApplicationAuthReq(
            clientId=config.client_id, clientSecret=config.client_secret
        )
        self._application_call = self._pending.submit(
            Call(request, ProtoOAApplicationAuthRes, priority=Priority.SESSION, resend=False),
            answered=self._application_answered,
        )

    def _application_answered(self, _: object, error: Exception | None) -> None:
        if not self._context.is_connected:
            return
        if error is not None and self._authorization.is_application_authenticated:
            return  # an earlier request was answered well meanwhile
        if error is None or is_already_done(error):
            self._context.timers.clear(Timer.APPLICATION_RETRY)
            self._application_backoff.reset()
            self._context.setbacks.over()
            self._authorization.application = AuthState.DONE
            self._authorization.was_accepted = True
            for pending in self._pending.of(WaitApplication):
                self._pending.end(pending.call_id, ProtoOAApplicationAuthRes())
            for account in self._authorization.wanted():
                self.authenticate_account(account)
            self._requests.release()
            self._subscriber.carry_out_all()
            self._check_reconnected()
        elif not isinstance(error, APIError):
            # A server that does not even answer this, or answers nonsense: a new link may do.
            self._context.drop_link(error)
        elif not self._is_final(error):
            self._authorization.application = AuthState.WANTED
            self._context.emit(ServerErrorEvent(error=error))
            at = self._context.patience(self._application_backoff, error)
            self._context.timers.set(Timer.APPLICATION_RETRY, at)
        else:
            refusal = application_refusal(error)
            self._authorization.application = AuthState.REFUSED
            self._authorization.application_error = refusal
            for pending in self._pending.all():
                if is_request(pending):
                    self._pending.end(pending.call_id, error=refusal)
            if self._restoring is not None:
                # Nobody may ask again, and streams would wait for ever: the session ends with it.
                self._context.drop_link(refusal)

    def _is_final(self, error: APIError) -> bool:
        """Whether the application is refused for good.

        One that was accepted before has the right credentials: only a refusal that speaks of them
        ends a program that has been running for days.
        """
        if self._authorization.was_accepted:
            return is_about_the_application(error)
        return not is_passing(error)

    def take_unaddressed(self, error: APIError) -> bool:
        """Take an error that answers no request by its id; False if it is nobody's answer.

        While the application's authentication is awaited, nothing else can have been refused.
        """
        if error.account_id is not None or self._authorization.application is not AuthState.SENT:
            return False
        if not (is_about_the_application(error) or is_passing(error)):
            return False
        self._pending.end(self._application_call, error=error)
        return True

    def take_late_acceptance(self) -> None:
        """Take the acceptance of a request that something else had seemed to answer."""
        if self._authorization.application in (AuthState.WANTED, AuthState.SENT):
            self._application_answered(None, None)

    def application_lost(self) -> None:
        """Leave a link on which the server no longer knows the application."""
        self._context.drop_link(
            CTraderConnectionClosedError("the server says that the application is not logged in")
        )

    # The accounts

    def _authorize(self, pending: Pending, command: Authorize) -> None:
        credentials = command.credentials
        trigger = AuthTrigger.INITIAL
        if command.reauth:
            trigger = AuthTrigger.ACCOUNT_REAUTH
        elif command.reconnect:
            trigger = AuthTrigger.RECONNECT
        account = self._authorization.accounts.get(credentials.account_id)
        if account is None:
            self._requests.withdraw_logout(credentials.account_id)
            policy = self._context.config.reauth_policy
            account = AccountSession(
                credentials,
                trigger,
                backoff=self._context.backoff(policy.min_wait, policy.max_wait),
                relapses=self._context.backoff(policy.min_wait, policy.max_wait),
            )
            self._authorization.accounts[credentials.account_id] = account
        else:
            is_same = account.credentials.access_token == credentials.access_token
            account.credentials = credentials
            if is_same and account.state is AuthState.DONE:
                account.accepted = credentials
                self._pending.end(
                    pending.call_id,
                    ProtoOAAccountAuthRes(ctidTraderAccountId=credentials.account_id),
                )
                return
            self._begin_anew(account, trigger)
        if account.state is AuthState.WANTED:
            self.authenticate_account(account)

    def _begin_anew(self, account: AccountSession, trigger: AuthTrigger) -> None:
        """Take an account whose credentials changed out of the session that it had."""
        if account.state in (AuthState.DONE, AuthState.REFUSED):
            # What one token was to trade is not traded with another, which may not be allowed.
            self._requests.end_immediate(
                account.account_id, f"account {account.account_id} is authenticated anew"
            )
            account.state = AuthState.WANTED
            account.is_ready = False
            account.trigger = trigger

    def _renew(self, account: AccountSession, credentials: AccountCredentials) -> None:
        """Go on with the next pair of tokens of the same consent."""
        account.credentials = credentials
        if account.is_kept:
            account.accepted = credentials  # what was accepted before is dead
        self._begin_anew(account, AuthTrigger.ACCOUNT_REAUTH)
        if account.state is AuthState.WANTED:
            self.authenticate_account(account)

    def authenticate_account(self, account: AccountSession) -> None:
        """Send an account's authentication, once the application and its tokens are."""
        if not (self._context.is_connected and self._authorization.is_application_authenticated):
            return
        if self._grants.is_held(account):
            account.state = AuthState.WANTED
            return
        account.state = AuthState.SENT
        self._context.timers.clear(Timer.ACCOUNT_RETRY, account.account_id)
        credentials = account.credentials
        request = ProtoOAAccountAuthReq(
            ctidTraderAccountId=credentials.account_id, accessToken=credentials.access_token
        )
        self._pending.submit(
            Call(request, ProtoOAAccountAuthRes, priority=Priority.SESSION, resend=False),
            answered=lambda _, error: self._account_answered(account, credentials, error),
        )

    def retry_account(self, account_id: int) -> None:
        """Authenticate an account again that was refused while restoring."""
        # Only an account that is kept has the timer, and it loses it when it is removed.
        account = self._authorization.accounts[account_id]
        self._grants.try_again(account)
        self.authenticate_account(account)

    def _account_answered(
        self, account: AccountSession, credentials: AccountCredentials, error: Exception | None
    ) -> None:
        account_id = account.account_id
        if self._authorization.accounts.get(account_id) is not account:
            return
        if not self._context.is_connected:
            return
        if account.credentials is not credentials:
            # Newer credentials came while this answer was on its way: they decide.
            self.authenticate_account(account)
        elif error is None or is_already_done(error):
            account.state = AuthState.DONE
            account.accepted = credentials
            account.since = self._context.now
            account.backoff.reset()
            self._requests.release()
            self._subscriber.carry_out(account_id)
            self.check_ready(account_id)
            for pending in self._waiting_for(account_id):
                self._pending.end(
                    pending.call_id, ProtoOAAccountAuthRes(ctidTraderAccountId=account_id)
                )
            self._grants.accepted(account)
        else:
            self._account_refused(account, error)

    def _account_refused(self, account: AccountSession, error: Exception) -> None:
        account_id = account.account_id
        account.state = AuthState.REFUSED
        is_dead = isinstance(error, APIError) and error.is_token_failure()
        if is_dead and self._grants.rescue(account):
            if account.state is AuthState.REFUSED:
                account.state = AuthState.WANTED
            return
        refusal = account_refusal(error, account_id)
        for pending in self._waiting_for(account_id):
            self._pending.end(pending.call_id, error=refusal)
        if not account.is_kept:
            # The first answer is for whoever asked: `undo` forgot the account with the last of
            # them, and nothing is left of the attempt.
            return
        if account.accepted is not account.credentials and account.accepted is not None:
            # Whoever handed these in was told. What worked before is what is kept.
            account.credentials = account.accepted
            self.authenticate_account(account)
            return
        self._context.emit(
            SubscriptionRestoreFailedEvent(account_id=account_id, error=refusal, topic="account")
        )
        at = self._context.patience(account.backoff, error)
        self._context.timers.set(Timer.ACCOUNT_RETRY, at, account_id)
        self._account_settled(account_id, refusal)

    def _logout(self, pending: Pending, account_id: int) -> None:
        # Forgotten first: the server's word that the session ended would be taken as a loss.
        self.remove(account_id)
        if not (self._context.is_connected and self._authorization.is_application_authenticated):
            self._pending.end(pending.call_id)
            return
        request = ProtoOAAccountLogoutReq(ctidTraderAccountId=account_id)
        self._pending.submit(
            Call(request, ProtoOAAccountLogoutRes, priority=Priority.SESSION, resend=False),
            pending.timeout,
            answered=lambda _, error: self._logout_answered(account_id, error),
        )

    def _logout_answered(self, account_id: int, error: Exception | None) -> None:
        if error is None:
            return  # the session goes on until the server says that it ended
        is_over = isinstance(error, APIError) and means_account_not_authorized(
            error.error_code, error.description
        )
        for pending in self._logouts(account_id):
            self._pending.end(pending.call_id, error=None if is_over else error)

    # Readiness

    def check_ready(self, account_id: int) -> None:
        """Announce an account on which everything wanted is restored."""
        account = self._authorization.accounts.get(account_id)
        if account is None or account.state is not AuthState.DONE:
            return
        if account.is_ready:
            # A subscription that was refused while restoring may stand by now.
            self._gaps.end(account_id)
            return
        if not self._subscriber.is_restored(account_id):
            return
        account.is_ready = True
        account.ready_at = self._context.now
        self._gaps.end(account_id)
        self._context.emit(ReadyEvent(account_id=account_id, trigger=account.trigger))
        self._executions.ready(account_id)
        for pending in self._pending.of(WaitReady):
            if _account_of(pending) == account_id:
                self._pending.end(pending.call_id)
        self._account_settled(account_id)

    def _account_settled(self, account_id: int, failure: Exception | None = None) -> None:
        """Note that an account is done with after a reconnect, well or not."""
        account = self._authorization.accounts.get(account_id)
        if account is not None:
            account.error = failure
        if self._restoring is not None:
            self._restoring.discard(account_id)
            self._check_reconnected()

    def _check_reconnected(self) -> None:
        """Announce the end of a restoration when every account has had its turn."""
        if self._restoring is None or self._restoring:
            return
        if not (self._context.is_connected and self._authorization.is_application_authenticated):
            return
        self._restoring = None
        kept = [account for account in self._authorization.accounts.values() if account.is_kept]
        self._context.emit(
            ReconnectedEvent(
                restored_accounts=tuple(a.account_id for a in kept if a.error is None),
                failed_accounts=tuple(
                    (a.account_id, str(a.error)) for a in kept if a.error is not None
                ),
            )
        )

    # Private

    def _waiting_for(self, account_id: int) -> list[Pending]:
        return [p for p in self._pending.of(Authorize) if _account_of(p) == account_id]

    def _logouts(self, account_id: int) -> list[Pending]:
        return [p for p in self._pending.of(Logout) if _account_of(p) == account_id]

    def _secrets(self) -> list[str]:
        secrets = [self._context.config.client_secret]
        for account in self._authorization.accounts.values():
            secrets += [account.credentials.access_token, account.credentials.refresh_token]
        return secrets


def _nobody(_: int) -> None:
    """Stand in until a machine takes the place."""


def _unauthorized(account_id: int, why: str) -> AccountAuthError:
    return AccountAuthError("ACCOUNT_NOT_AUTHORIZED", why, account_id)


def _account_of(pending: Pending) -> int:
    command = pending.command
    if isinstance(command, Authorize):
        return command.credentials.account_id
    assert isinstance(command, WaitReady | Logout)
    return command.account_id
