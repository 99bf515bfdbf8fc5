"""Keep what is known of the followed accounts right, over losses and doubts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.errors import AccountAuthError, APIError, NotConnectedError
from ctrader.events import AccountStateChangedEvent, DisconnectedEvent, Event, ReadyEvent, SpotEvent
from ctrader.live.account import FOLLOWED, LiveAccount
from ctrader.models.changes import FreshnessChanged
from ctrader.protocol.commands import Follow, SpotTopic, Unfollow
from ctrader.protocol.effects import Phase
from ctrader.protocol.timers import Timer
from ctrader.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ctrader.errors import CTraderError
    from ctrader.events import ProfitDiscrepancyEvent
    from ctrader.models.changes import AccountChange
    from ctrader.protocol.auth import Authorization
    from ctrader.protocol.background import Background, Operation
    from ctrader.protocol.context import Context
    from ctrader.protocol.decoding import EventDecoder
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.protocol.subscriber import Subscriber
    from ctrader.protocol.work import Work
    from ctrader.units import Nanos

__all__ = ["FollowedAccount", "Following"]

CHECK_EVERY: Final = 5 * SECOND
"""Between two comparisons of profits; the server wants to be asked every 2 to 3 s at most."""
DOUBT_EVERY: Final = 5 * SECOND
"""Between two readings of an account whose session stands: a doubt that comes back must not fill
the lane."""
RETRY: Final = (1.0, 60.0)
"""Shortest and longest wait, in seconds, after a reading that failed."""
CHECK_RETRY: Final = (10.0, 300.0)
"""Shortest and longest wait, in seconds, after a comparison that the server refused."""
REFUSED_RETRY: Final = (10.0, 300.0)
"""Shortest and longest wait, in seconds, before asking again for quotes or conversions that the
server refused."""
_TOLD: Final = tuple(kind for kind in FOLLOWED if kind is not SpotEvent)
_HEARD: Final = frozenset({*_TOLD, ReadyEvent})


class FollowedAccount:
    """One account, and what is being done to keep it right.

    `Work` is given it, and tells it what an operation found.
    """

    __slots__ = (
        "_context",
        "asks_again_at",
        "checks",
        "is_busy",
        "is_due",
        "is_known",
        "is_wanted",
        "live",
        "read_at",
        "refusals",
        "retries",
    )

    def __init__(self, account_id: int, context: Context) -> None:
        self._context = context
        self.live = LiveAccount(account_id)
        """What is known of it."""
        self.is_wanted = True
        """Whether anybody looks at it; otherwise its quotes are to be given back."""
        self.is_known = False
        """Whether it was read once, and handed out."""
        self.is_due = True
        """Whether it is to be read: for the first time, or after a loss."""
        self.is_busy = False
        """Whether an operation for it is under way."""
        self.read_at: Nanos | None = None
        """When the last reading began."""
        self.retries = context.backoff(*RETRY)
        """Spaces out readings that fail."""
        self.checks = context.backoff(*CHECK_RETRY)
        """Spaces out comparisons that are refused."""
        self.refusals = context.backoff(*REFUSED_RETRY)
        """Spaces out requests for what profits need and the server refuses."""
        self.asks_again_at: Nanos | None = None
        """When to ask again for that; None while nothing is refused."""

    def clock(self) -> datetime:
        """Return the time of day."""
        return self._context.wall()

    def changed(self, changes: tuple[AccountChange, ...], *, while_away: bool = False) -> None:
        """Tell what changed, if anything did."""
        if changes:
            self._context.emit(
                AccountStateChangedEvent(self.live.account_id, changes, while_away=while_away)
            )

    def was_read(self, changes: tuple[AccountChange, ...]) -> None:
        """Tell what a reading found, which happened while nothing was heard."""
        away = any(not isinstance(change, FreshnessChanged) for change in changes)
        self.changed(changes, while_away=away)

    def disagreed(self, events: tuple[ProfitDiscrepancyEvent, ...]) -> None:
        """Tell of profits that are not the server's."""
        for event in events:
            self._context.emit(event)


class Following:
    """Follow the accounts whose local state somebody asked for.

    It is shown every event while it follows anything, and nothing otherwise. An account is read
    when it becomes ready, and again on doubt; its profits are compared while positions are open.
    One operation at a time is under way for an account.
    """

    __slots__ = (
        "_authorization",
        "_background",
        "_context",
        "_decoder",
        "_followed",
        "_pending",
        "_subscriber",
        "_work",
    )

    def __init__(
        self,
        context: Context,
        pending: PendingCommands,
        authorization: Authorization,
        background: Background,
        decoder: EventDecoder,
        subscriber: Subscriber,
        work: Work,
    ) -> None:
        self._context = context
        self._pending = pending
        self._authorization = authorization
        self._background = background
        self._decoder = decoder
        self._subscriber = subscriber
        self._work = work
        self._followed: dict[int, FollowedAccount] = {}
        pending.serve(self, Follow, Unfollow)

    # What happens

    def lost(self, account_id: int) -> None:
        """Note that an account's session ended, whether an event said so or not."""
        followed = self._followed.get(account_id)
        if followed is not None:
            self._went_stale(followed)

    def removed(self, account_id: int) -> None:
        """Note that an account is kept no longer; its subscriptions went with it.

        Its state stays, as it last was, and is read again if the account comes back.
        """
        for pending in self._pending.of(Follow):
            assert isinstance(pending.command, Follow)
            if pending.command.account_id == account_id:
                self._pending.end(pending.call_id, error=_unknown(account_id))
        followed = self._followed.get(account_id)
        if followed is not None:
            followed.live.supply.quotes_unsubscribed(followed.live.supply.subscribed_quotes)
            self._went_stale(followed)

    def closing(self) -> None:
        """Note that the session ends: what is known grows old from now on."""
        for followed in self._followed.values():
            self._went_stale(followed)

    def read_again(self, account_id: int) -> None:
        """Read an account once more whose reading failed, or is in doubt."""
        followed = self._followed.get(account_id)
        if followed is not None:
            self._go_on(followed)

    def check(self, account_id: int) -> None:
        """Compare an account's profits with the server's, and give back quotes not needed."""
        followed = self._followed.get(account_id)
        if followed is None or followed.is_busy or not self._is_right(followed):
            return  # whatever keeps it from being compared looks again when it is over
        if followed.asks_again_at is not None and self._context.now >= followed.asks_again_at:
            followed.asks_again_at = None
            followed.live.supply.try_again()
            if not followed.live.supply.is_complete:
                self._go_on(followed)
                return
        self._begin(followed, self._work.check_account(followed), self._checked)

    # Commands

    def begin(self, pending: Pending) -> None:
        """Begin to follow an account, or to end that."""
        command = pending.command
        if isinstance(command, Unfollow):
            self._unfollow(pending, command.account_id)
            return
        assert isinstance(command, Follow)
        refusal = self._authorization.application_error
        if refusal is not None:
            self._pending.end(pending.call_id, error=refusal)
        elif self._context.phase is Phase.IDLE:
            self._pending.end(pending.call_id, error=NotConnectedError())
        elif command.account_id not in self._authorization.accounts:
            self._pending.end(pending.call_id, error=_unknown(command.account_id))
        else:
            self._follow(pending, command.account_id)

    def leave(self, pending: Pending) -> None:
        """Do nothing: who waits is found among the pending commands."""

    def undo(self, pending: Pending) -> None:
        """Give up what was never handed out when nobody waits for it any more."""
        if not isinstance(pending.command, Follow):
            return
        followed = self._followed.get(pending.command.account_id)
        if followed is None or followed.is_known or self._waiting(followed):
            return
        followed.is_wanted = False
        self._go_on(followed)

    # Private

    def _follow(self, pending: Pending, account_id: int) -> None:
        followed = self._followed.get(account_id)
        if followed is None:
            followed = FollowedAccount(account_id, self._context)
            if not self._followed:
                self._decoder.wait_for(_TOLD)
                self._context.watch_for(self, self._heard)
            self._followed[account_id] = followed
            self._decoder.follow(frozenset(self._followed))
        followed.is_wanted = True
        # Who gave it up waits no longer: it may be read again without having been given back.
        self._end_unfollowing(followed)
        if followed.is_known:
            self._pending.end(pending.call_id, followed.live.state)
        self._go_on(followed)

    def _unfollow(self, pending: Pending, account_id: int) -> None:
        followed = self._followed.get(account_id)
        if followed is None or self._waiting(followed):
            self._pending.end(pending.call_id, False)
            return
        followed.is_wanted = followed.is_known = False
        self._went_stale(followed)
        self._go_on(followed)
        if not self._context.is_connected:
            self._end_unfollowing(followed)

    def _end_unfollowing(self, followed: FollowedAccount) -> None:
        for pending in self._about(followed, Unfollow):
            self._pending.end(pending.call_id, True)

    def _waiting(self, followed: FollowedAccount) -> list[Pending]:
        """Return the commands that wait for the first reading of an account."""
        return self._about(followed, Follow)

    def _about(self, followed: FollowedAccount, kind: type[Follow | Unfollow]) -> list[Pending]:
        found: list[Pending] = []
        for pending in self._pending.of(kind):
            command = pending.command
            assert isinstance(command, Follow | Unfollow)
            if command.account_id == followed.live.account_id:
                found.append(pending)
        return found

    def _heard(self, event: object) -> None:
        """Take an event, in its order among the others."""
        if type(event) is SpotEvent:
            quoted = self._followed.get(event.account_id)
            if quoted is not None:
                quoted.live.quoted(event)
            return
        if type(event) not in _HEARD:
            return
        assert isinstance(event, Event)
        # Some are about every account, or about several.
        only: int | None = getattr(event, "account_id", None)
        for followed in list(self._followed.values()):
            if only is not None and only != followed.live.account_id:
                continue
            if isinstance(event, ReadyEvent):
                followed.is_due = True
                followed.retries.reset()
                self._context.timers.clear(Timer.FOLLOW, event.account_id)
            else:
                followed.changed(followed.live.apply(event, self._context.wall()))
                if isinstance(event, DisconnectedEvent):
                    # No quotes come any more; an operation that waits for the next link sees to
                    # it that none are asked for there.
                    self._end_unfollowing(followed)
                if followed.live.state.is_stale:
                    # The session may still look alive while its end is being told: what is stale
                    # is read when the account is ready again.
                    continue
            self._go_on(followed)

    def _went_stale(self, followed: FollowedAccount) -> None:
        followed.is_due = True
        followed.changed(followed.live.went_stale(self._context.wall()))

    def _is_ready(self, account_id: int) -> bool:
        account = self._authorization.accounts.get(account_id)
        return self._context.is_connected and account is not None and account.is_ready

    def _is_right(self, followed: FollowedAccount) -> bool:
        """Whether nothing has to be read of an account, or asked for, that can be."""
        live = followed.live
        return (
            followed.is_wanted
            and self._is_ready(live.account_id)
            and not (followed.is_due or live.state.is_stale)
            and live.doubt is None
            and live.supply.is_complete
        )

    def _go_on(self, followed: FollowedAccount) -> None:
        """Begin what is due for an account, or set the timer for it."""
        if followed.is_busy:
            return  # looked at again when that is over
        live, timers = followed.live, self._context.timers
        account_id = live.account_id
        if not followed.is_wanted:
            timers.clear(Timer.FOLLOW, account_id)
            timers.clear(Timer.CHECK, account_id)
            self._begin(followed, self._work.release_account(followed), self._released)
        elif not self._is_ready(account_id):
            timers.clear(Timer.FOLLOW, account_id)
        elif self._is_right(followed):
            supply = live.supply
            is_worth_it = bool(live.state.positions or supply.surplus_quotes)
            if is_worth_it and timers.get(Timer.CHECK, account_id) is None:
                timers.set(Timer.CHECK, self._context.now + CHECK_EVERY, account_id)
        elif timers.get(Timer.FOLLOW, account_id) is None:
            self._read(followed)

    def _read(self, followed: FollowedAccount) -> None:
        live, now = followed.live, self._context.now
        is_due = followed.is_due or live.state.is_stale
        if not is_due and live.doubt is not None:
            if followed.read_at is not None and now < followed.read_at + DOUBT_EVERY:
                at = followed.read_at + DOUBT_EVERY
                self._context.timers.set(Timer.FOLLOW, at, live.account_id)
                return
            is_due = True
        if is_due:
            followed.read_at = now
            followed.is_due = False
        self._begin(followed, self._work.read_account(followed, whole=is_due), self._was_read)

    def _begin(
        self,
        followed: FollowedAccount,
        operation: Operation[None],
        ended: Callable[[FollowedAccount, CTraderError | None], None],
    ) -> None:
        followed.is_busy = True

        def report(_: None, error: CTraderError | None) -> None:
            followed.is_busy = False
            ended(followed, error)

        self._background.spawn(operation, report)

    def _was_read(self, followed: FollowedAccount, error: CTraderError | None) -> None:
        live = followed.live
        if not live.state.is_stale and followed.is_wanted:
            self._seed(live)
            followed.is_known = True
            for pending in self._waiting(followed):
                self._pending.end(pending.call_id, live.state)
        if error is not None and self._is_ready(live.account_id):
            if isinstance(error, APIError) and not followed.is_known:
                # The first answer is for whoever asked; `undo` gives the attempt up.
                for pending in self._waiting(followed):
                    self._pending.end(pending.call_id, error=error)
            else:
                self._retry(followed, error)
        elif error is None:
            followed.retries.reset()
            self._note_refusals(followed)
        self._go_on(followed)

    def _note_refusals(self, followed: FollowedAccount) -> None:
        """Say when to ask again for what was refused; a comparison is due more often than that."""
        if not followed.live.supply.has_refusals:
            followed.refusals.reset()
            followed.asks_again_at = None
        elif followed.asks_again_at is None:
            followed.asks_again_at = self._context.now + followed.refusals.next()

    def _retry(self, followed: FollowedAccount, error: CTraderError) -> None:
        account_id = followed.live.account_id
        if not followed.retries.failures:
            self._context.warn(
                f"What is known of account {account_id} could not be brought up to date, and is "
                f"tried again: {error}"
            )
        # A reading that failed is still due where it was; `doubt` and `is_stale` went with it.
        followed.is_due = True
        at = self._context.patience(followed.retries, error)
        self._context.timers.set(Timer.FOLLOW, at, account_id)

    def _checked(self, followed: FollowedAccount, error: CTraderError | None) -> None:
        account_id = followed.live.account_id
        if error is None:
            followed.checks.reset()
        elif self._is_ready(account_id):
            # The server does not say its figures: one of the positions has no price now, say.
            at = self._context.patience(followed.checks, error)
            self._context.timers.set(Timer.CHECK, at, account_id)
        self._go_on(followed)

    def _released(self, followed: FollowedAccount, error: CTraderError | None) -> None:
        account_id = followed.live.account_id
        if followed.is_wanted:
            self._go_on(followed)  # somebody asked for it again meanwhile
        else:
            # Where giving back failed, its account is gone, and so is what it had.
            del self._followed[account_id]
            self._decoder.follow(frozenset(self._followed))
            if not self._followed:
                self._decoder.wait_over(_TOLD)
                self._context.watch_for(self, None)
        self._end_unfollowing(followed)

    def _seed(self, live: LiveAccount) -> None:
        """Take over the prices of symbols that were subscribed before by somebody else."""
        for symbol_id in live.supply.needed_quotes():
            if self._subscriber.is_sent(SpotTopic(live.account_id, symbol_id)):
                live.seed(symbol_id, *self._decoder.sides(live.account_id, symbol_id))


def _unknown(account_id: int) -> AccountAuthError:
    return AccountAuthError(
        "ACCOUNT_NOT_AUTHORIZED",
        "the account is not authenticated with this client; do that first, by "
        "auth.authenticate_account() or auth.authenticate_by_trader_login()",
        account_id,
    )
