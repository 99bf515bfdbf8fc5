"""Open the connection, notice its end, and open the next one, spaced out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from ctrader.errors import (
    APIError,
    ClientClosedError,
    ConnectionLimitError,
    CTraderConnectionClosedError,
    CTraderConnectionError,
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    CTraderError,
    CTraderReconnectAbandonedError,
    TlsVerificationError,
)
from ctrader.events import ConnectedEvent, DisconnectedEvent
from ctrader.protocol.effects import CloseConnection, Finished, OpenConnection, Phase
from ctrader.protocol.heartbeat import SERVER_PATIENCE, Heartbeat
from ctrader.protocol.pending import Connect
from ctrader.protocol.timers import Timer
from ctrader.units import SECOND, to_seconds

if TYPE_CHECKING:
    from ctrader.protocol.auth import Authorization
    from ctrader.protocol.authentication import Authentication
    from ctrader.protocol.context import Context
    from ctrader.protocol.decoding import EventDecoder
    from ctrader.protocol.journaling import Journaling
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.protocol.quiet import QuietWatch
    from ctrader.protocol.requests import Requests
    from ctrader.protocol.subscriber import Subscriber
    from ctrader.units import Nanos

__all__ = ["Link"]

HEALTHY_AFTER: Final = 30 * SECOND
"""A link that stood this long, with the application authenticated, makes the next loss a first
failure again."""
TRANSPORT_GRACE: Final = 1 * SECOND
"""How long the transport may take to end before the session finishes without its word."""

LONGEST_LEG: Final = 60 * SECOND
"""How long to wait at most without a look at the clocks: asleep, monotonic time may stand still."""
RIGHT_AFTER: Final = 10 * SECOND
"""An error this long before the end of a link may be the reason for it."""

_WHILE_CLOSING: Final = frozenset(
    {Timer.HEARTBEAT, Timer.STALL, Timer.SILENCE, Timer.CALL, Timer.CLOSE}
)
"""What is still waited for while the session closes: nothing that would begin anything new."""


class _Heeded(NamedTuple):
    """An error that asks not to come back soon."""

    error: APIError
    at: Nanos
    until: Nanos
    account_id: int | None
    """Whose request it answers, None where it is no account's."""


class Link:
    """Own the session's phase: from the first attempt to connect to the end.

    The first attempt is made once; reconnecting begins after a first success.
    """

    __slots__ = (
        "_attempts",
        "_authentication",
        "_authorization",
        "_backoff",
        "_connect_seconds",
        "_context",
        "_decoder",
        "_heeded",
        "_is_shut",
        "_journaling",
        "_late_since",
        "_next_at",
        "_pending",
        "_quiet",
        "_requests",
        "_subscriber",
        "_was_connected",
        "epoch",
        "finished_error",
        "heartbeat",
    )

    def __init__(
        self,
        context: Context,
        pending: PendingCommands,
        requests: Requests,
        authorization: Authorization,
        authentication: Authentication,
        subscriber: Subscriber,
        decoder: EventDecoder,
        quiet: QuietWatch,
        journaling: Journaling | None = None,
    ) -> None:
        config = context.config
        self.epoch = 0
        """Number of the current connection, or of the last one."""
        self.finished_error: Exception | None = None
        """Why the session gave up; None while it has not, or when it was closed."""
        self.heartbeat = Heartbeat(
            context.timers, interval=config.heartbeat_interval, timeout=config.heartbeat_timeout
        )
        self._context = context
        self._pending = pending
        self._requests = requests
        self._authorization = authorization
        self._authentication = authentication
        self._subscriber = subscriber
        self._decoder = decoder
        self._quiet = quiet
        self._journaling = journaling
        self._backoff = context.backoff(config.reconnect_min_wait, config.reconnect_max_wait)
        self._attempts = 0
        self._late_since: Nanos | None = None
        self._heeded: _Heeded | None = None
        self._next_at: Nanos = 0
        self._connect_seconds = config.connect_timeout
        self._was_connected = False
        self._is_shut = False
        pending.serve(self, Connect)
        pending.emptied = self._all_ended
        context.drop_link = self.drop

    def is_open(self) -> bool:
        """Whether bytes go either way; while closing, the last answers are still read."""
        phase = self._context.phase
        return phase is Phase.CONNECTED or (phase is Phase.CLOSING and not self._is_shut)

    # Commands

    def begin(self, pending: Pending) -> None:
        """Take a `Connect`: it joins the attempt that is under way, or begins one."""
        if self._context.is_connected:
            self._pending.end(pending.call_id)
        elif self._context.phase is Phase.IDLE:
            # The attempt's own deadline is the same moment, and its error names the host.
            self._context.timers.clear(Timer.CALL, pending.call_id)
            if self._journaling is None:
                self.open(pending.timeout)
            else:
                self._open_journal(self._journaling, pending.timeout)

    def leave(self, pending: Pending) -> None:
        """Do nothing: who waits is found among the pending commands."""

    def undo(self, pending: Pending) -> None:
        """Give the first attempt up when nobody waits for it any more."""
        context = self._context
        is_first = context.phase is Phase.CONNECTING and not self._was_connected
        if is_first and not self._pending.of(Connect):
            context.timers.clear(Timer.CONNECT)
            context.effects.append(CloseConnection(self.epoch))
            context.change_phase(Phase.IDLE)
            self._close_journal()

    # From the first attempt to the standing link

    def open(self, seconds: float | None = None) -> None:
        """Begin an attempt; None gives it the configuration's `connect_timeout`."""
        context = self._context
        self.epoch += 1
        self._connect_seconds = context.config.connect_timeout if seconds is None else seconds
        context.timers.set(Timer.CONNECT, context.after(self._connect_seconds))
        context.change_phase(Phase.CONNECTING)
        context.effects.append(OpenConnection(self.epoch))

    def open_again(self) -> None:
        """Begin the next attempt if its time has come, or go on waiting for that."""
        if self._next_at > self._context.now:
            self._wait_on()
        else:
            self.open()

    def opened(self) -> None:
        """Take note that the link stands."""
        context = self._context
        context.timers.clear(Timer.CONNECT)
        context.timers.set(Timer.HEALTHY, context.now + HEALTHY_AFTER)
        self._requests.opened()
        self._pending.leaves_unknown = False
        self.heartbeat.opened(context.now)
        again = self._was_connected
        self._was_connected = True
        context.change_phase(Phase.CONNECTED)
        context.emit(ConnectedEvent(epoch=self.epoch, at=context.wall()))
        if self._journaling is not None and not again:
            self._journaling.connected()
        for pending in self._pending.of(Connect):
            self._pending.end(pending.call_id)
        self._authentication.opened(again=again)

    def took_too_long(self) -> None:
        """Give up an attempt that ran into its deadline."""
        config = self._context.config
        self._context.effects.append(CloseConnection(self.epoch))
        self._failed(
            CTraderConnectionTimeoutError(
                self._connect_seconds, f"connecting to {config.host}:{config.port}"
            )
        )

    def proved_healthy(self) -> None:
        """Forget the failures before this link, if the application is at home on it."""
        if not self._authorization.is_application_authenticated:
            # It stands, and nothing can be done on it: as long as that lasts it is a failure, too.
            self._context.timers.set(Timer.HEALTHY, self._context.now + HEALTHY_AFTER)
            return
        self._backoff.reset()
        self._attempts = 0

    def heed(self, error: APIError, account_id: int | None) -> None:
        """Note an error that asks not to come back soon; a loss may follow, or nothing."""
        if error.is_maintenance() or isinstance(error, ConnectionLimitError):
            until = self._context.asked_until(error, self._backoff)
            self._heeded = _Heeded(error, self._context.now, until, account_id)

    # The end of a link

    def ended(self, cause: Exception | None) -> None:
        """Take note that the transport ended, or that it could not be opened."""
        phase = self._context.phase
        match phase:
            case Phase.CONNECTING:
                if not isinstance(cause, CTraderConnectionError):
                    config = self._context.config
                    cause = CTraderConnectionFailedError(config.host, config.port, cause)
                self._failed(cause)
            case Phase.CONNECTED:
                self._lost(cause or CTraderConnectionClosedError("the connection ended"))
            case Phase.CLOSING:
                self._finish(None)
            case Phase.IDLE | Phase.WAITING | Phase.FINISHED:
                # The end of a transport that had been given up before.
                pass
            case _:
                assert_never(phase)

    def silent(self) -> None:
        """Give up a link on which nothing arrives any more."""
        timeout = self._context.config.heartbeat_timeout
        self.drop(CTraderConnectionTimeoutError(timeout, "waiting for any sign of the server"))

    def stalled(self) -> None:
        """Give up a link that takes nothing any more, whatever still arrives on it."""
        self.drop(
            CTraderConnectionTimeoutError(
                to_seconds(SERVER_PATIENCE), "waiting for the transport to take a heartbeat"
            )
        )

    def slept(self, duration: Nanos, *, is_certain: bool) -> None:
        """Give up a link that is older than a sleep of the computer.

        What the next attempt was to wait for went on meanwhile.
        """
        if self._heeded is not None:
            self._heeded = self._heeded._replace(until=self._heeded.until - duration)
        if self._context.phase is Phase.WAITING:
            self._next_at -= duration
            self._wait_on()
        seconds = f"{to_seconds(duration):.0f} s"
        why = f"the computer slept for {seconds}"
        if not is_certain:
            why += ", or its clock was set forward"
        if self.is_open():
            # What was read on waking may have lain there since before.
            self.heartbeat.heard_at = min(self.heartbeat.heard_at, self._context.clocks.checked_at)
            self._context.warn(f"A new link is made, because {why}.")
        self.drop(CTraderConnectionClosedError(why))

    def was_late(self, due: Nanos) -> None:
        """Say once that timers come late."""
        if due != self._late_since:
            self._late_since = due
            seconds = to_seconds(self._context.now - due)
            self._context.warn(
                f"The client was held up for {seconds:.1f} s: its event loop or thread was "
                "blocked, or the computer slept. Heartbeats and deadlines were late by as much."
            )

    def leave_if_forgotten(self, due: Nanos) -> None:
        """Leave a link that nobody kept alive for so long that the server has given us up.

        Where something has arrived since, it has not.
        """
        late = self._context.now - due
        if late >= SERVER_PATIENCE and self.heartbeat.heard_at < due:
            seconds = f"{to_seconds(late):.0f} s"
            self.drop(CTraderConnectionClosedError(f"the client was held up for {seconds}"))

    def drop(self, cause: Exception) -> None:
        """Give the link up from this side."""
        if self._context.phase is Phase.CLOSING:
            self._abandon_all(ClientClosedError("the link was lost while closing"))
        elif self._context.is_connected:
            self._context.effects.append(CloseConnection(self.epoch))
            self._lost(cause)

    def account_dropped(self, account_id: int, *, is_denied: bool = False) -> None:
        """Start over with one account whose session the server ended, as it says or shows."""
        self._authentication.account_lost(account_id, self.heartbeat.heard_at, is_denied=is_denied)
        self._decoder.lost(account_id)
        self._quiet.lost(account_id)

    # The end of the session

    def close(self, grace: float) -> None:
        """End the session, after the answers to trading requests or the grace period."""
        context = self._context
        if context.phase in (Phase.CLOSING, Phase.FINISHED):
            return
        is_open = context.phase in (Phase.CONNECTED, Phase.CONNECTING)
        context.change_phase(Phase.CLOSING)
        for timer in Timer:
            if timer not in _WHILE_CLOSING:
                context.timers.clear_all(timer)
        if not is_open:
            self._finish(None)
            return
        closed = ClientClosedError("it was closed meanwhile")
        context.timers.set(Timer.CLOSE, context.after(grace))
        for pending in self._pending.all():
            call = pending.call
            is_order = call is not None and call.is_trading and call.is_sent
            if not (is_order or pending.is_vital):
                self._pending.abandon(pending, closed)
        self._all_ended()

    def abandon(self, error: CTraderError) -> None:
        """End the session at once, without the transport."""
        if self._context.phase is not Phase.FINISHED:
            self._finish(error)

    def grace_over(self) -> None:
        """Wait no longer, for the answers first, then for the transport."""
        if self._is_shut:
            self._finish(None)
        else:
            self._abandon_all(ClientClosedError("it was closed before the answer came"))

    # Private

    def _open_journal(self, journaling: Journaling, seconds: float) -> None:
        """Become the journal's writer before anything else, within the time of the attempt."""
        context = self._context
        until = context.after(seconds)
        self._connect_seconds = seconds
        context.timers.set(Timer.CONNECT, until)
        context.change_phase(Phase.CONNECTING)

        def opened(error: CTraderError | None) -> None:
            if context.phase is not Phase.CONNECTING:
                return  # nobody wants to connect any more
            if error is not None:
                self._failed(error)
                return
            self.open(to_seconds(until - context.now))
            self._connect_seconds = seconds

        journaling.open(opened)

    def _close_journal(self) -> None:
        if self._journaling is not None:
            self._journaling.close()

    def _failed(self, error: CTraderError) -> None:
        self._context.timers.clear(Timer.CONNECT)
        if not self._was_connected:
            self._context.change_phase(Phase.IDLE)
            self._close_journal()
            for pending in self._pending.all():
                self._pending.abandon(pending, error)
        elif isinstance(error, TlsVerificationError):
            # Somebody else answers in the server's place: trying again cannot make it right.
            self._finish(error)
        else:
            self._context.setbacks.failed(error)
            self._wait_for_next(error)

    def _lost(self, cause: Exception) -> None:
        """Start over after the link ended, by whomever."""
        context = self._context
        heard_at = self.heartbeat.heard_at
        self.heartbeat.closed()
        if self._heeded is not None and not self._was_the_reason(self._heeded):
            self._heeded = None
        context.timers.clear(Timer.HEALTHY)
        context.timers.clear(Timer.LANE)
        self._decoder.lost()
        self._quiet.lost()
        context.emit(
            DisconnectedEvent(cause=cause, at=context.wall(), will_reconnect=self._may_try_again())
        )
        if not self._may_try_again():
            self._give_up(cause)
            return
        warning = self._context.setbacks.lost(
            cause, was_authenticated=self._authorization.is_application_authenticated
        )
        # The new phase comes first: what ends below may let somebody submit again.
        self._wait_for_next(cause, warning)
        self._authentication.lost(heard_at)
        self._requests.lost(cause)
        self._subscriber.lost()

    def _was_the_reason(self, heeded: _Heeded) -> bool:
        """Whether an error may be why the link ended: it came right before, and concerns all."""
        authorization = self._authorization
        if not authorization.is_application_authenticated:
            return True
        if self._context.now > heeded.at + RIGHT_AFTER:
            return False
        if heeded.account_id is None or not heeded.error.is_maintenance():
            return True
        # Each account's broker has servers, and maintenances, of its own.
        return not any(other != heeded.account_id for other in authorization.authenticated())

    def _may_try_again(self) -> bool:
        limit = self._context.config.reconnect_attempts
        is_refused = self._authorization.application_error is not None
        return not is_refused and (limit is None or self._attempts < limit)

    def _wait_for_next(self, cause: Exception, warning: str | None = None) -> None:
        if not self._may_try_again():
            self._give_up(cause)
            return
        self._attempts += 1
        self._context.change_phase(Phase.WAITING)
        if warning is not None:
            self._context.warn(warning)
        context, wait = self._context, self._backoff.next()
        heeded = self._heeded
        if heeded is not None and heeded.until > context.now:
            wait += heeded.until - context.now
            context.warn(
                f"The server asked to stay away ({heeded.error.error_code}): the next attempt to "
                f"connect follows in {to_seconds(wait):.0f} s."
            )
        self._next_at = context.now + wait
        self._wait_on()

    def _wait_on(self) -> None:
        context = self._context
        at = min(self._next_at, context.now + LONGEST_LEG)
        context.timers.set(Timer.RECONNECT, max(at, context.now))

    def _give_up(self, cause: Exception) -> None:
        refusal = self._authorization.application_error
        if refusal is not None:
            # Credentials that were refused are refused again: reconnecting would only knock.
            self._finish(refusal)
            return
        limit = self._context.config.reconnect_attempts
        reason = (
            f"{limit} attempts to reconnect failed"
            if limit
            else "the link was lost, and reconnect_attempts=0 switches reconnecting off"
        )
        self._finish(CTraderReconnectAbandonedError(reason, cause))

    def _all_ended(self) -> None:
        """Close the transport once nothing is waited for any more."""
        context = self._context
        if context.phase is Phase.CLOSING and not self._is_shut and not len(self._pending):
            self._is_shut = True
            is_orderly = not self._pending.leaves_unknown
            context.effects.append(CloseConnection(self.epoch, discards=not is_orderly))
            context.timers.set(Timer.CLOSE, context.now + TRANSPORT_GRACE)

    def _abandon_all(self, cause: CTraderError) -> None:
        for pending in self._pending.all():
            self._pending.abandon(pending, cause)

    def _finish(self, error: Exception | None) -> None:
        """End the session: nothing comes out after this."""
        self._is_shut = True
        self.finished_error = error
        self._context.phase = Phase.CLOSING
        if self._journaling is not None:
            self._journaling.ending()
        self._abandon_all(
            error if isinstance(error, CTraderError) else ClientClosedError("it was closed")
        )
        self._close_journal()
        self.heartbeat.closed()
        self._context.timers.clear_everything()
        self._context.change_phase(Phase.FINISHED)
        self._context.effects.append(Finished(error))
