"""Bring the server's subscriptions to what the ledger says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ctrader.errors import (
    APIError,
    CTraderConnectionTimeoutError,
    NotConnectedError,
    UnsupportedMessageError,
)
from ctrader.events import SubscriptionRestoreFailedEvent
from ctrader.protocol.auth import AuthState
from ctrader.protocol.commands import (
    DepthTopic,
    PnLTopic,
    SpotTopic,
    Subscribe,
    Topic,
    TrendbarTopic,
    Unsubscribe,
)
from ctrader.protocol.effects import Phase
from ctrader.protocol.subscriptions import (
    LedgerEntry,
    Standing,
    SubscriptionLedger,
    WireRequest,
)
from ctrader.protocol.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ctrader.protocol.auth import Authorization
    from ctrader.protocol.backoff import Backoff
    from ctrader.protocol.context import Context
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.units import Nanos

__all__ = ["Subscriber"]

_PNL_REMEDY: Final = (
    "poll trading.get_unrealized_pnl_per_position() instead, every 2 to 3 seconds at most"
)


class Subscriber:
    """Carry out `Subscribe` and `Unsubscribe`, and restore topics on a new link."""

    __slots__ = (
        "_authorization",
        "_backoffs",
        "_context",
        "_ledger",
        "_pending",
        "account_answered",
        "book_ended",
        "book_went_on",
        "quoted_at",
        "quotes_ended",
    )

    def __init__(
        self, context: Context, pending: PendingCommands, authorization: Authorization
    ) -> None:
        self._context = context
        self._pending = pending
        self._authorization = authorization
        self._ledger = SubscriptionLedger(spot_timestamps=context.config.spot_timestamps)
        self._backoffs: dict[int, Backoff] = {}
        self.account_answered: Callable[[int], None] = _nobody
        """Called with an account when the server has answered for a topic of it."""
        self.quoted_at: Callable[[int, int], Nanos] = lambda _, __: 0
        """Returns when the last quote of a symbol came on this link; 0 where none did."""
        self.quotes_ended: Callable[[int, int], None] = lambda _, __: None
        """Called with an account and a symbol whose prices are not sent any more."""
        self.book_ended: Callable[[int, int], None] = lambda _, __: None
        """Called with an account and a symbol whose depth is not sent any more."""
        self.book_went_on: Callable[[int, int], object] = lambda _, __: None
        """Called with those whose depth the server has been sending all along."""
        pending.serve(self, Subscribe, Unsubscribe)

    # The link

    def lost(self, account_id: int | None = None) -> None:
        """Note that the link, or one account's session, took its subscriptions along."""
        self._ledger.lost(account_id)
        if account_id is None:
            self._context.timers.clear_all(Timer.RESTORE_RETRY)
        else:
            self._context.timers.clear(Timer.RESTORE_RETRY, account_id)
        self._end_settled()

    def carry_out_all(self) -> None:
        """Ask the server for everything that is due."""
        for account_id in {entry.topic.account_id for entry in self._ledger.entries()}:
            self.carry_out(account_id)

    def carry_out(self, account_id: int) -> None:
        """Ask the server for what is due on an account, as far as it is authenticated."""
        if not self._context.is_connected:
            return
        if not self._authorization.is_application_authenticated:
            return
        account = self._authorization.accounts.get(account_id)
        if account is not None and account.state is not AuthState.DONE:
            return
        for request in self._ledger.plan(account_id):
            self._ask(request)

    def retry(self, account_id: int) -> None:
        """Ask again for the topics that were refused while restoring."""
        self._ledger.retry(account_id)
        self.carry_out(account_id)

    def is_restored(self, account_id: int) -> bool:
        """Whether the server has answered for everything that an earlier link had."""
        return self._ledger.is_restored(account_id)

    def kept_symbols(self, account_id: int) -> list[int]:
        """Return the symbols whose quotes an account is sent, or is to be sent again."""
        return [
            entry.topic.symbol_id
            for entry in self._ledger.entries(account_id)
            if isinstance(entry.topic, SpotTopic) and entry.is_kept
        ]

    def active_symbols(self, account_id: int) -> list[int]:
        """Return the symbols whose quotes the server sends at present."""
        return [
            entry.topic.symbol_id
            for entry in self._ledger.entries(account_id)
            if isinstance(entry.topic, SpotTopic) and entry.standing is Standing.ACTIVE
        ]

    def is_sent(self, topic: Topic) -> bool:
        """Whether the server sends a topic at present, as far as it has said."""
        entry = self._ledger.get(topic)
        return entry is not None and entry.standing is Standing.ACTIVE

    def forget_account(self, account_id: int, cause: Exception) -> None:
        """Drop everything that an account wanted."""
        self._ledger.forget_account(account_id)
        self._backoffs.pop(account_id, None)
        self._context.timers.clear(Timer.RESTORE_RETRY, account_id)
        for pending in self._pending.of(Subscribe, Unsubscribe):
            if any(topic.account_id == account_id for topic in _topics(pending)):
                self._pending.end(pending.call_id, error=cause)

    # Commands

    def begin(self, pending: Pending) -> None:
        """Take a command."""
        command = pending.command
        refusal = self._authorization.application_error
        if isinstance(command, Unsubscribe):
            for topic in command.topics:
                self._ledger.disown(topic, command.owner)
        elif refusal is not None:
            self._pending.end(pending.call_id, error=refusal)
        elif self._context.phase is Phase.IDLE:
            self._pending.end(pending.call_id, error=NotConnectedError())
        else:
            assert isinstance(command, Subscribe)
            new: list[Topic] = []
            for topic in command.topics:
                entry = self._ledger.get(topic)
                if entry is None or command.owner not in entry.owners:
                    new.append(topic)
                self._ledger.own(topic, command.owner)
            pending.owned = tuple(new)
        self._carry_out(_topics(pending))
        self._end_settled()

    def leave(self, pending: Pending) -> None:
        """Do nothing: who waits is found among the pending commands."""

    def undo(self, pending: Pending) -> None:
        """Give back what a failed command newly owned: all of it or nothing."""
        if isinstance(pending.command, Subscribe):
            for topic in pending.owned:
                heir = self._other_claim(topic, pending)
                if heir is None:
                    self._ledger.disown(topic, pending.command.owner)
                else:
                    heir.owned += (topic,)
            self._carry_out(pending.owned)

    # Private

    def _other_claim(self, topic: Topic, ended: Pending) -> Pending | None:
        """Find another command that waits for a topic on behalf of the same owner."""
        assert isinstance(ended.command, Subscribe)
        for pending in self._pending.of(Subscribe):
            command = pending.command
            assert isinstance(command, Subscribe)
            if command.owner == ended.command.owner and topic in command.topics:
                return pending
        return None

    def _carry_out(self, topics: Iterable[Topic]) -> None:
        for account_id in dict.fromkeys(topic.account_id for topic in topics):
            self.carry_out(account_id)

    def _ask(self, request: WireRequest) -> None:
        # Many topics take long to go out: each gets its time from then on.
        patience = self._context.own_timeout
        if request.call.patience is not None:
            patience = min(patience, request.call.patience)
        self._pending.submit(
            replace(request.call, patience=patience),
            answered=lambda asked, error: self._topics_answered(
                request, error, is_sent=asked.is_sent
            ),
        )

    def _topics_answered(
        self, request: WireRequest, error: Exception | None, *, is_sent: bool
    ) -> None:
        if not self._context.is_connected:
            return
        account_id = request.entries[0].topic.account_id
        # What was forgotten meanwhile may stand in the ledger anew; this answer is not about it.
        entries = [entry for entry in request.entries if self._ledger.get(entry.topic) is entry]
        if not entries:
            return
        if not is_sent:
            # It waited in vain for the transport or its rate, and says nothing of the server.
            self._ledger.unsent(entries)
        elif not request.adds:
            # A refused unsubscription leaves nothing to do: the server does not send the topic,
            # or goes on sending what nobody listens to.
            self._ledger.removed(entries)
            _about(DepthTopic, entries, self.book_ended)
            _about(SpotTopic, entries, self.quotes_ended)
        elif error is None or (_is_already_subscribed(error) and len(entries) == 1):
            self._ledger.added(entries)
            self._backoffs.pop(account_id, None)
            if error is not None:
                _about(DepthTopic, entries, self.book_went_on)
        elif len(entries) > 1 and _may_be_about_one(error):
            self._ledger.split(entries)
        else:
            self._topics_refused(account_id, entries, error)
        self.carry_out(account_id)
        self._end_settled()
        self.account_answered(account_id)

    def _topics_refused(
        self, account_id: int, entries: Iterable[LedgerEntry], error: Exception
    ) -> None:
        is_doubtful = not isinstance(error, APIError)
        affected = self._ledger.with_dependents(entries)
        if any(isinstance(entry.topic, PnLTopic) for entry in affected):
            error = _pnl_refusal(account_id, error)
        kept = [entry for entry in affected if entry.is_kept]
        refused = {entry.topic for entry in affected}
        self._ledger.refused(affected, is_doubtful=is_doubtful)
        for pending in self._pending.of(Subscribe):
            if refused.intersection(_topics(pending)):
                self._pending.end(pending.call_id, error=error)
        for entry in affected:
            if not entry.is_kept:
                self._ledger.forget(entry.topic)
        for entry in kept:
            self._context.emit(
                SubscriptionRestoreFailedEvent(
                    account_id=account_id,
                    error=error,
                    symbol_id=(
                        None if isinstance(entry.topic, PnLTopic) else entry.topic.symbol_id
                    ),
                    topic=_in_words(entry.topic),
                )
            )
        if kept:
            policy = self._context.config.reauth_policy
            backoff = self._backoffs.get(account_id)
            if backoff is None:
                backoff = self._context.backoff(policy.min_wait, policy.max_wait)
                self._backoffs[account_id] = backoff
            # What is refused together is tried again together: it is one failure, however many
            # symbols it concerns.
            due = self._context.timers.get(Timer.RESTORE_RETRY, account_id)
            asked = self._context.asked_until(error, backoff)
            if due is None or asked > due:
                self._context.timers.set(Timer.RESTORE_RETRY, asked + backoff.next(), account_id)

    def _end_settled(self) -> None:
        """End the commands whose topics the server has answered for."""
        for pending in self._pending.of(Subscribe, Unsubscribe):
            is_leaving = isinstance(pending.command, Unsubscribe)
            is_done = self._ledger.left if is_leaving else self._ledger.settled
            if is_done(_topics(pending)):
                self._pending.end(pending.call_id)


def _in_words(topic: Topic) -> str:
    return f"{topic.words} {topic.period.name}" if isinstance(topic, TrendbarTopic) else topic.words


def _about(
    kind: type[DepthTopic | SpotTopic],
    entries: Iterable[LedgerEntry],
    tell: Callable[[int, int], object],
) -> None:
    for entry in entries:
        if isinstance(entry.topic, kind):
            tell(entry.topic.account_id, entry.topic.symbol_id)


def _topics(pending: Pending) -> tuple[Topic, ...]:
    command = pending.command
    return command.topics if isinstance(command, Subscribe | Unsubscribe) else ()


def _is_already_subscribed(error: Exception) -> bool:
    """Whether the server sends the topic already, which its code need not say."""
    if not isinstance(error, APIError):
        return False
    text = (error.description or "").lower()
    says_so = error.error_code == "INVALID_REQUEST" and "already" in text and "subscribed" in text
    return says_so or error.error_code == "ALREADY_SUBSCRIBED"


def _may_be_about_one(error: Exception) -> bool:
    """Whether a list of topics may be refused for one of them, so that the others are worth asking.

    A server that is asked too much, or is under maintenance, takes none of them.
    """
    if not isinstance(error, APIError):
        return False
    return not (error.is_rate_limited() or error.is_maintenance())


def _pnl_refusal(account_id: int, error: Exception) -> Exception:
    """Say what to do where the server does not offer the stream of profits."""
    if isinstance(error, CTraderConnectionTimeoutError):
        why = f"the server did not answer within {error.timeout:g} s"
    elif isinstance(error, APIError) and error.error_code == "UNSUPPORTED_MESSAGE":
        why = "the server does not take this message"
    else:
        return error
    unsupported = UnsupportedMessageError(
        "UNSUPPORTED_MESSAGE",
        f"{why}, so it offers no stream of profits; {_PNL_REMEDY}",
        account_id,
        request_type="ProtoOAv1PnLChangeSubscribeReq",
    )
    unsupported.__cause__ = error
    return unsupported


def _nobody(_: int) -> None:
    """Stand in until a machine takes the place."""
