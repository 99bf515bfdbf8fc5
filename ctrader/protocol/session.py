"""Drive a client's talk with the server, as a deterministic state machine.

Bytes, the time and commands go in; bytes, the next deadline and an ordered list of effects come
out. The same inputs and the same random numbers give the same outputs. What there is to do lies
with the small machines that this module puts together and routes between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from google.protobuf.message import DecodeError

from ctrader.errors import (
    APIError,
    ClientClosedError,
    CTraderConnectionClosedError,
    CTraderError,
    DeserializationError,
    ProtocolError,
    api_error,
    maintenance_end_from_wire,
)
from ctrader.events import ServerErrorEvent, UndecodableMessageEvent, UnknownMessageEvent
from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthRes,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOARefreshTokenRes,
    ProtoOASpotEvent,
)
from ctrader.proto.registry import (
    ACCOUNT_DISCONNECT_EVENT,
    CLIENT_DISCONNECT_EVENT,
    EXECUTION_EVENT,
    SPOT_EVENT,
)
from ctrader.protocol.auth import (
    Authorization,
    is_about_sessions,
    is_account_unknown,
    is_application_unknown,
)
from ctrader.protocol.authentication import Authentication
from ctrader.protocol.background import Background, Jobs
from ctrader.protocol.commands import CallId, CancelResult, Command, SpotTopic
from ctrader.protocol.context import Context
from ctrader.protocol.decoding import SERVER_TEXTS, EventDecoder, bare_spot, open_message
from ctrader.protocol.effects import Effect, Phase
from ctrader.protocol.envelope import HEARTBEAT_FRAME, Envelope, open_envelope
from ctrader.protocol.executions import Executions
from ctrader.protocol.following import Following
from ctrader.protocol.framing import FrameBuffer
from ctrader.protocol.grants import Grants
from ctrader.protocol.journaling import Journaling
from ctrader.protocol.link import Link
from ctrader.protocol.money_digits import MoneyInquiry
from ctrader.protocol.outcomes import Outcomes
from ctrader.protocol.pending import Connect, PendingCommands, Waits
from ctrader.protocol.quiet import QuietWatch
from ctrader.protocol.requests import Requests
from ctrader.protocol.subscriber import Subscriber
from ctrader.protocol.subscriptions import SUBSCRIPTION_REQUESTS
from ctrader.protocol.timers import Deadline, Timer
from ctrader.protocol.work import Idle
from ctrader.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from google.protobuf.message import Message

    from ctrader.config import ClientConfig
    from ctrader.credentials import AccountCredentials
    from ctrader.journal.store import OrderJournal
    from ctrader.models.outcomes import UnresolvedOrder
    from ctrader.protocol.background import Operation
    from ctrader.protocol.correlation import PendingCall
    from ctrader.protocol.grants import TokenCallback
    from ctrader.protocol.terms import Sides
    from ctrader.protocol.work import Work
    from ctrader.tokens.store import TokenStore
    from ctrader.units import Nanos

__all__ = ["Session"]

SLEEP: Final = 5 * SECOND
"""A link that slept less long has lost nothing: the server waits longer than that."""
_JUDGES: Final = frozenset({Timer.CALL, Timer.SILENCE, Timer.STALL})
"""Timers that end something for want of an answer."""
LATE: Final = 1 * SECOND
"""Timers that come later than this were held up."""
# Whose session ended may not be read, but that one did: only a new link brings its feeds back.
_ENDINGS: Final = frozenset({ACCOUNT_DISCONNECT_EVENT, CLIENT_DISCONNECT_EVENT})


class Session:
    """One client's conversation, over as many connections as it takes.

    Call `start` first, then feed `connection_made`, `receive_data`, `connection_lost` and
    `handle_timer`; after each of them, and after each command, carry out `take_effects` in order
    and write what `data_to_send` gives while the transport can take it. It is not thread-safe.

    Every command ends exactly once: by its completion, its failure, or `cancel`. Inputs of an
    old epoch change nothing. After the effect `Finished` nothing comes out.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        rng: Random,
        work: Work | None = None,
        journal: OrderJournal | None = None,
        token_store: TokenStore | None = None,
        token_callbacks: list[TokenCallback] | None = None,
    ) -> None:
        """Put the machines together.

        Args:
            config: The client's settings.
            rng: Source of jitter and ids; seeded, it makes the session repeatable.
            work: Makes the operations that the session begins by itself; None begins none.
            journal: Keeps trading requests before they are sent; it is opened with the first
                attempt to connect, and closed at the end.
            token_store: Keeps the tokens of every account; None keeps them in memory.
            token_callbacks: Functions of the user that keep them, called with each new pair; some
                may be added later.
        """
        self._context = context = Context(config, rng)
        self._pending = pending = PendingCommands(context)
        self._decoder = EventDecoder()
        self._waits = Waits(context, pending, self._decoder)
        self._money = MoneyInquiry(context, pending, self._decoder)
        self._authorization = authorization = Authorization()
        self._requests = Requests(context, pending, authorization)
        self._background = Background(context, pending)
        self._jobs = Jobs(context, pending)
        work = Idle() if work is None else work
        self._executions = Executions(context, authorization, self._background, self._decoder, work)
        self._outcomes = Outcomes(
            context,
            pending,
            authorization,
            self._background,
            self._decoder,
            self._executions,
            self._requests.terms,
            work,
        )
        self._requests.handed_over = self._outcomes.handed_over
        self._journaling: Journaling | None = None
        if journal is not None:
            self._journaling = Journaling(context, pending, self._background, journal)
            self._journaling.recover = self._outcomes.recover
            self._requests.journaling = self._outcomes.journaling = self._journaling
        self._subscriber = Subscriber(context, pending, authorization)
        self._grants = Grants(
            context,
            pending,
            authorization,
            self._background,
            work,
            token_store,
            [] if token_callbacks is None else token_callbacks,
        )
        self._authentication = Authentication(
            context,
            pending,
            authorization,
            self._requests,
            self._subscriber,
            self._executions,
            self._grants,
        )
        self._following = Following(
            context,
            pending,
            authorization,
            self._background,
            self._decoder,
            self._subscriber,
            work,
        )
        self._authentication.account_ended = self._following.lost
        self._authentication.account_removed = self._following.removed
        self._subscriber.quoted_at = self._decoder.quoted_at
        self._subscriber.quotes_ended = self._decoder.quotes_ended
        self._subscriber.book_ended = self._decoder.book_ended
        self._subscriber.book_went_on = self._decoder.book_began
        self._subscriber.account_answered = self._account_answered
        self._quiet = QuietWatch(context, pending, self._subscriber)
        self._link = Link(
            context,
            pending,
            self._requests,
            authorization,
            self._authentication,
            self._subscriber,
            self._decoder,
            self._quiet,
            self._journaling,
        )
        self._requests.terms.quote = self._quote
        self._frames = FrameBuffer()

    # Transport

    def start(self, now: Nanos, *, unix_now: float, timeout: float | None = None) -> CallId:
        """Begin to connect.

        Args:
            now: Monotonic time.
            unix_now: Wall time, in seconds since 1970.
            timeout: Seconds for name lookup, TCP and TLS together; None takes `connect_timeout`.

        Returns: The id of a command that completes, with None, when the link stands. While a link
            stands it completes at once. It fails with `CTraderConnectionFailedError` or
            `CTraderConnectionTimeoutError`; then `start` may be called again.
        Raises: ClientClosedError: the session was closed.
        """
        self._refuse_if_closed()
        context = self._context
        context.now = now
        if context.phase is Phase.IDLE:
            context.clocks.set(now, unix_now)
        return self._pending.submit(
            Connect(), context.config.connect_timeout if timeout is None else timeout
        )

    def connection_made(self, epoch: int, now: Nanos, *, unix_now: float) -> None:
        """Take note that the connection stands, TLS verified."""
        if epoch != self._link.epoch or self.phase is not Phase.CONNECTING:
            return
        self._context.now = now
        self._context.clocks.set(now, unix_now)
        self._frames = FrameBuffer()
        self._money.opened()
        self._link.opened()

    def connection_lost(self, epoch: int, now: Nanos, cause: Exception | None) -> None:
        """Take note that a connection ended, or that the attempt failed."""
        if epoch == self._link.epoch:
            self._context.now = now
            self._let_go()
            self._link.ended(cause)

    def receive_data(self, epoch: int, data: bytes, now: Nanos) -> None:
        """Take what the transport delivered, split anywhere."""
        if epoch != self._link.epoch or not self._link.is_open():
            return
        self._context.now = now
        self._link.heartbeat.received(now)
        self._decoder.now = now
        block, spans = self._frames.feed(data)
        # One message serves all bare quotes of a read; it is never handed out.
        quote = ProtoOASpotEvent()
        decode = self._decoder.spot
        is_bare_enough = not self._decoder.wants(ProtoOASpotEvent)
        is_quick = is_bare_enough and not self._money.is_asking
        for start, end in spans:
            payload = bare_spot(block, start, end) if is_quick else None
            if payload is not None and _parses(quote, payload):
                try:
                    event = decode(quote)
                except ProtocolError as error:
                    envelope = Envelope(SPOT_EVENT, payload, None)
                    self._emit(self._decoder.damaged_spot(quote, envelope, error))
                else:
                    if event is not None:
                        self._context.emit(event)
                continue
            try:
                envelope = open_envelope(block[start:end])
            except DeserializationError as error:
                self._let_go()
                self._link.drop(error)
                return
            self._envelope_received(envelope)
            # What goes on with this answer takes it before the next frame counts.
            self._background.step()
            self._deliver_held()
            if not self._link.is_open():
                return
            is_quick = is_bare_enough and not self._money.is_asking
        if quote.timestamp:
            self._context.server_told(quote.timestamp)
        if self._frames.failure is not None:
            self._let_go()
            self._link.drop(self._frames.failure)

    def check_clocks(self, now: Nanos, *, unix_now: float, suspended: Nanos | None = None) -> None:
        """Notice that the computer slept, or that its clock was set.

        Call it whenever the driver wakes, before anything new is begun: after a sleep the link is
        not trusted, and nothing is sent on it any more. Times of day follow the clock; no timer
        does.

        Args:
            now: Monotonic time.
            unix_now: Wall time, in seconds since 1970.
            suspended: How long the system says that it has slept in all; None where it does not.
        """
        self._context.now = now
        slept = self._context.clocks.compare(now, unix_now, suspended)
        first = self._context.timers.next()
        if first is not None and now - first.at >= LATE:
            self._link.was_late(first.at)
        if slept >= SLEEP:
            self._let_go()
            self._link.slept(slept, is_certain=suspended is not None)

    def handle_timer(self, now: Nanos) -> None:
        """Do what is due; an early or spurious call does nothing.

        Hand in first what the transport has got: it counts before any deadline does.
        """
        self._context.now = now
        timers = self._context.timers
        first = timers.next()
        if first is not None and now - first.at >= LATE:
            self._let_go()
            self._link.was_late(first.at)
            self._link.leave_if_forgotten(first.at)
        while (deadline := timers.next()) is not None and deadline.at <= now:
            if self._money.is_asking and deadline.timer in _JUDGES:
                # What has arrived counts before any deadline does.
                self._let_go()
                continue
            timers.pop_due(now)
            self._fired(deadline)

    # Commands

    def submit(self, command: Command, now: Nanos, *, timeout: float | None = None) -> CallId:
        """Take a command, which ends exactly once.

        Args:
            command: What to do.
            now: Monotonic time.
            timeout: Seconds until it ends with an error, queueing and writing included; None takes
                the configuration's `request_timeout`.

        Raises: ClientClosedError: the session was closed.
            CTraderReconnectAbandonedError: the session gave up reconnecting.
        """
        self._refuse_if_closed()
        self._context.now = now
        return self._pending.submit(command, timeout)

    def cancel(self, call_id: CallId, now: Nanos) -> CancelResult:
        """End a command whose caller went away; it gives no effect any more.

        What was sent cannot be called back: a cancelled order may still be executed.
        """
        self._context.now = now
        pending = self._pending.cancel(call_id)
        if pending is None:
            return CancelResult.FINISHED
        return CancelResult.SENT if pending.is_sent else CancelResult.NOT_SENT

    def remove_account(self, account_id: int, now: Nanos) -> bool:
        """Stop authenticating an account and restoring its topics; it is not logged out.

        Returns: False if the account was not known.
        """
        self._context.now = now
        was_known = self._authentication.remove(account_id)
        self._deliver_held()
        return was_known

    def listen(self, kinds: frozenset[type], symbols: frozenset[int] | None) -> None:
        """Say what is to be decoded: types of event, and symbols of quotes (None: all)."""
        self._decoder.listen(kinds, symbols)

    def job_done(
        self, call_id: CallId, now: Nanos, result: object = None, error: Exception | None = None
    ) -> None:
        """Take the result of a job that was asked for, or the error that it ended with."""
        self._context.now = now
        self._jobs.done(call_id, result, error)

    def spawn(self, operation: Operation[object], now: Nanos) -> None:
        """Begin an operation that has no caller; it ends with the session at the latest."""
        self._refuse_if_closed()
        self._context.now = now
        self._background.spawn(operation)

    def keep_refreshed(self, now: Nanos, *, is_wanted: bool) -> None:
        """Resume or end the exchange of tokens by the clock."""
        self._context.now = now
        self._grants.keep_refreshed(is_wanted=is_wanted)

    def close(self, now: Nanos, *, grace: float = 2.0) -> None:
        """End the session; `Finished` follows.

        Reads end at once with `ClientClosedError`. Trading requests that were sent are waited
        for, up to the grace period. Calling it again changes nothing.

        Args:
            now: Monotonic time.
            grace: Seconds to wait for the answers to trading requests.
        """
        self._context.now = now
        self._let_go()
        if self.phase is not Phase.FINISHED:
            self._following.closing()
        self._link.close(grace)

    def abandon(self, error: CTraderError, now: Nanos) -> None:
        """End the session at once: its driver cannot go on. `Finished` follows.

        Trading requests that were handed over end as what they are: of unknown outcome.
        """
        self._context.now = now
        try:
            self._let_go()
            if self.phase is not Phase.FINISHED:
                self._following.closing()
        finally:
            self._link.abandon(error)

    def leave(self, now: Nanos) -> None:
        """Let go of the journal, where another session takes the place of this one."""
        self._context.now = now
        if self._journaling is not None:
            self._journaling.close()

    # Outputs

    def take_effects(self) -> list[Effect]:
        """Return what is to be carried out, in order, and forget it."""
        self._background.step()
        effects = self._context.effects
        self._context.effects = []
        return effects

    def data_to_send(self, now: Nanos, max_bytes: int = 65536) -> bytes:
        """Return frames for the transport, empty where nothing is to be sent now.

        Frames are chosen at this moment, the most urgent first, as far as the rates allow; what
        is returned counts as sent, so call it only when it is written right after. Take the
        effects afterwards, also when nothing is returned: a request that needs no answer is done
        with this, and one whose deadline has come ends here instead of being sent.

        Args:
            now: Monotonic time.
            max_bytes: No further frame is begun beyond this size.
        """
        if not self._link.is_open():
            return b""
        self._context.now = now
        if not (self._requests.has_waiting or self._link.heartbeat.is_due):
            self._deliver_held()
            return b""
        frames = [HEARTBEAT_FRAME] if self._link.heartbeat.is_due else []
        size = 0
        while size < max_bytes and (frame := self._requests.take_frame()) is not None:
            frames.append(frame)
            size += len(frame)
        if frames:
            self._link.heartbeat.sent(now)
        self._deliver_held()
        return b"".join(frames)

    def next_deadline(self) -> Deadline | None:
        """Return when to call `handle_timer` at the latest, None where nothing is awaited."""
        return self._context.timers.next()

    # State

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self._context.phase

    @property
    def epoch(self) -> int:
        """Number of the current connection, or of the last one."""
        return self._link.epoch

    @property
    def finished_error(self) -> Exception | None:
        """Why the session gave up; None while it has not, or when it was closed."""
        return self._link.finished_error

    @property
    def client_id(self) -> str:
        """The application that this session speaks for."""
        return self._context.config.client_id

    @property
    def is_connected(self) -> bool:
        """Whether the link stands."""
        return self._context.is_connected

    @property
    def is_ready(self) -> bool:
        """Whether the link stands and everything wanted is restored on it."""
        return self.is_application_authenticated and all(
            account.is_ready for account in self._authorization.accounts.values()
        )

    @property
    def is_application_authenticated(self) -> bool:
        """Whether the application is authenticated on this connection."""
        return self.is_connected and self._authorization.is_application_authenticated

    @property
    def authenticated_accounts(self) -> list[int]:
        """The accounts that are authenticated on this connection."""
        return list(self._authorization.authenticated()) if self.is_connected else []

    @property
    def unresolved_orders(self) -> tuple[UnresolvedOrder, ...]:
        """The trading requests whose outcome is not known yet, oldest first."""
        return self._outcomes.unresolved()

    def is_account_authorized(self, account_id: int) -> bool:
        """Whether an account is authenticated on this connection."""
        return self.is_connected and self._authorization.is_authenticated(account_id)

    def credentials(self, account_id: int) -> AccountCredentials | None:
        """Return what an account is kept authenticated with, None if it is not."""
        account = self._authorization.accounts.get(account_id)
        return None if account is None else account.credentials

    # Private

    def _refuse_if_closed(self) -> None:
        if self.phase in (Phase.CLOSING, Phase.FINISHED):
            if self.finished_error is not None:
                raise self.finished_error
            raise ClientClosedError

    def _account_answered(self, account_id: int) -> None:
        self._authentication.check_ready(account_id)
        self._quiet.watch(account_id)

    def _quote(self, account_id: int, symbol_id: int) -> Sides:
        # What was sent before a symbol was unsubscribed is still remembered, and may be old.
        if self._subscriber.is_sent(SpotTopic(account_id, symbol_id)):
            return self._decoder.sides(account_id, symbol_id)
        return None, None

    def _fired(self, deadline: Deadline) -> None:
        timer, key = deadline.timer, deadline.key
        match timer:
            case Timer.CONNECT:
                self._link.took_too_long()
            case Timer.RECONNECT:
                self._link.open_again()
            case Timer.HEALTHY:
                self._link.proved_healthy()
            case Timer.HEARTBEAT:
                self._link.heartbeat.fell_due(self._context.now)
            case Timer.STALL:
                self._link.stalled()
            case Timer.SILENCE:
                self._link.silent()
            case Timer.LANE:
                # The driver asks for data after every timer; that is all there is to do.
                pass
            case Timer.CALL:
                self._pending.timed_out(key)
            case Timer.PAUSE:
                self._pending.end(key, True)
            case Timer.APPLICATION_RETRY:
                self._authentication.authenticate_application()
            case Timer.ACCOUNT_RETRY:
                self._authentication.retry_account(key)
            case Timer.RESTORE_RETRY:
                self._subscriber.retry(key)
            case Timer.REFRESH:
                self._grants.due(key)
            case Timer.QUIET:
                self._quiet.look()
            case Timer.SETTLED:
                self._requests.unsettled.heard(key)
            case Timer.FOLLOW:
                self._following.read_again(key)
            case Timer.CHECK:
                self._following.check(key)
            case Timer.CLOSE:
                self._link.grace_over()
            case _:
                assert_never(timer)

    def _envelope_received(self, envelope: Envelope) -> None:
        call = self._requests.find(envelope.client_msg_id)
        if self._money.holds_back(envelope, call):
            return
        try:
            message = open_message(envelope)
        except DeserializationError as error:
            self._context.emit_undecodable(UndecodableMessageEvent(*envelope, problem=str(error)))
            if call is not None:
                self._requests.failed(call, error)
            if envelope.payload_type in _ENDINGS:
                self._link.drop(error)
            elif envelope.payload_type == EXECUTION_EVENT:
                self._executions.unreadable()
            return
        if message is None:
            self._context.emit(UnknownMessageEvent(*envelope))
            return
        if self._money.asks_first(message, envelope, call):
            return
        self._scrub(message)
        if call is None and isinstance(message, ProtoOARefreshTokenRes):
            call = self._exchange_of(message, envelope.client_msg_id)
        late = self._outcomes.find(envelope.client_msg_id) if call is None else None
        # An event comes out before the completion that the same frame brings.
        if not isinstance(message, ProtoOAExecutionEvent) or self._executions.is_new(message):
            events = self._decoder.events(message, envelope)
            self._emit(events)
            if isinstance(message, ProtoOAExecutionEvent) and any(
                isinstance(event, UndecodableMessageEvent) for event in events
            ):
                self._executions.not_told(message)
        if isinstance(message, ProtoErrorRes | ProtoOAErrorRes):
            refusal = self._error_of(message, call)
            self._link.heed(refusal, _account_of(refusal, call))
            if call is not None:
                self._refused(call, refusal)
            elif late is not None:
                self._outcomes.refused(late, refusal)
            else:
                self._complained(refusal, is_addressed=bool(envelope.client_msg_id))
        elif call is not None:
            answer = self._decoder.filled_in(message) if call.call.fills_in_digits else message
            self._requests.answered(call, answer)
        elif late is not None:
            self._outcomes.answered(late, message)
        elif isinstance(message, ProtoOAApplicationAuthRes):
            self._authentication.take_late_acceptance()
        self._outcomes.learn(message, call)
        self._react(message)

    def _exchange_of(
        self, pair: ProtoOARefreshTokenRes, client_msg_id: str | None
    ) -> PendingCall | None:
        """Return what waits for a new pair that came under no id that is waited for.

        The old pair is dead: dropping the new one would lose it. So it belongs to the refresh
        token that was sent under its id, also if its answer is awaited no longer; under an id
        that is none of ours, to the only one that is unanswered, if there is but one.
        """
        waiting = self._requests.exchanges()
        spent = self._requests.spent_under(client_msg_id)
        if spent is None:
            unanswered = {token for token, _ in waiting} | self._grants.unanswered()
            if len(unanswered) != 1:
                return None
            (spent,) = unanswered
        for token, call in waiting:
            if token == spent:
                return call
        self._grants.take_late(spent, pair)
        return None

    def _refused(self, call: PendingCall, error: APIError) -> None:
        """Take a refusal: of the request, or of the session that it was sent on."""
        if is_application_unknown(error) and self.is_application_authenticated:
            if not call.may_be_sent_again:
                self._requests.refused(call, error)
            self._authentication.application_lost()
        elif self._is_denied(call.call.account_id, error) and not is_about_sessions(call.request):
            self._denied(call, error)
        else:
            self._requests.refused(call, error)

    def _is_denied(self, account_id: int | None, error: APIError) -> bool:
        """Whether the server does not know the session of an account that is kept here."""
        account = None if account_id is None else self._authorization.accounts.get(account_id)
        return account is not None and account.is_kept and is_account_unknown(error)

    def _denied(self, call: PendingCall, error: APIError) -> None:
        """Begin the account's next session, and let what changes nothing wait for it."""
        account_id = call.call.account_id
        assert account_id is not None
        was_denied, call.was_denied = call.was_denied, True
        is_own = self._pending.get(call.call_id).answered is not None
        is_topic = type(call.request) in SUBSCRIPTION_REQUESTS
        if was_denied or (is_topic and self._authentication.has_just_begun_again(account_id)):
            # A new session did not help: it is this request that the server does not take.
            self._requests.refused(call, error)
            return
        if is_own and not is_topic:
            self._requests.refused(call, error)
        # What was sent in an earlier session is refused without a word about this one.
        is_of_this_session = call.sent_at >= self._authorization.accounts[account_id].since
        if is_of_this_session and self._authorization.is_authenticated(account_id):
            self._context.emit(ServerErrorEvent(error=error, account_id=account_id))
            self._link.account_dropped(account_id, is_denied=True)
        if is_own:
            return  # topics are asked for anew in the next session
        if call.may_be_sent_again:
            self._requests.send_again(call)
        else:
            self._requests.refused(call, error)

    def _complained(self, error: APIError, *, is_addressed: bool) -> None:
        """Take an error that belongs to no request that still waits."""
        if not is_addressed and self._authentication.take_unaddressed(error):
            return
        self._context.emit(ServerErrorEvent(error=error, account_id=error.account_id))
        # What carries an id answers somebody: a request that was given up, of an earlier time.
        if is_addressed:
            return
        if is_application_unknown(error) and self.is_application_authenticated:
            self._authentication.application_lost()
        elif (
            error.account_id is not None
            and self._is_denied(error.account_id, error)
            and self._authorization.is_authenticated(error.account_id)
        ):
            self._link.account_dropped(error.account_id, is_denied=True)

    def _emit(self, events: Iterable[object]) -> None:
        for event in events:
            if isinstance(event, UndecodableMessageEvent):
                self._context.emit_undecodable(event)
            else:
                self._context.emit(event)

    def _deliver_held(self) -> None:
        """Take the frames up that waited for an account's decimals, once they need not wait."""
        while held := self._money.take():
            for envelope in held:
                if self._link.is_open():
                    self._envelope_received(envelope)
                    self._background.step()

    def _let_go(self) -> None:
        """Take up what waits for an account's decimals, told or not."""
        while self._money.is_asking:
            self._money.give_up()
            self._deliver_held()

    def _scrub(self, message: Message) -> None:
        """Free a message's texts of the secrets that the server may repeat."""
        for field in SERVER_TEXTS.get(type(message), ()):
            text: str = getattr(message, field)
            scrubbed = self._context.scrubbed(text)
            if scrubbed != text:
                setattr(message, field, scrubbed)

    def _react(self, message: Message) -> None:
        """Do what a message of the server means for the session itself."""
        self._requests.terms.learn(message)
        self._quiet.learn(message)
        if isinstance(message, ProtoOAClientDisconnectEvent):
            # The application's session ended at the server; a new link is the sure way back.
            reason = message.reason or "the server ended the session"
            self._link.drop(CTraderConnectionClosedError(reason))
        elif isinstance(message, ProtoOAAccountDisconnectEvent):
            self._link.account_dropped(message.ctidTraderAccountId)
        elif isinstance(message, ProtoOAAccountsTokenInvalidatedEvent):
            # Whether their sessions end with it differs; a further authentication does no harm.
            for account_id in message.ctidTraderAccountIds:
                self._link.account_dropped(account_id)

    def _error_of(
        self, message: ProtoErrorRes | ProtoOAErrorRes, call: PendingCall | None
    ) -> APIError:
        account_id: int | None = None
        retry_after: float | None = None
        if isinstance(message, ProtoOAErrorRes):
            if message.HasField("ctidTraderAccountId"):
                account_id = message.ctidTraderAccountId
            if message.HasField("retryAfter"):
                retry_after = float(message.retryAfter)
        return api_error(
            message.errorCode,
            message.description or None,
            account_id=account_id,
            retry_after=retry_after,
            maintenance_end=maintenance_end_from_wire(message.maintenanceEndTimestamp),
            request_type=None if call is None else type(call.request).__name__,
            client_msg_id=None if call is None else call.message_id,
        )


def _account_of(error: APIError, call: PendingCall | None) -> int | None:
    """Return the account that an error concerns, as it or its request says."""
    if error.account_id is not None or call is None:
        return error.account_id
    return getattr(call.request, "ctidTraderAccountId", None)


def _parses(quote: ProtoOASpotEvent, payload: bytes) -> bool:
    """Parse a quote; False sends its frame the general way, which says what is wrong with it."""
    try:
        quote.ParseFromString(payload)
    except DecodeError:
        return False
    return quote.IsInitialized()
