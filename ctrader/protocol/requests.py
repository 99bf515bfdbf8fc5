"""Bring requests to the server: what each must wait for, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from ctrader.errors import (
    APIError,
    CTraderConnectionClosedError,
    CTraderError,
    FramingError,
    NotConnectedError,
    OrderError,
    OrderOutcomeUnknownError,
    ProtocolError,
)
from ctrader.events import ExecutionEvent
from ctrader.journal.record import Settlement
from ctrader.models.wire import missing_fields
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountLogoutReq,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAApplicationAuthReq,
    ProtoOAExecutionEvent,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOARefreshTokenReq,
    ProtoOASymbolByIdReq,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.answers import ending_of, refused_with
from ctrader.protocol.commands import Call, CallId, Lacking, Subject, Thing
from ctrader.protocol.completion import usual_completion
from ctrader.protocol.correlation import Correlator, PendingCall
from ctrader.protocol.effects import Phase
from ctrader.protocol.envelope import encode_message
from ctrader.protocol.framing import MAX_FRAME_LENGTH
from ctrader.protocol.limiter import Outbox
from ctrader.protocol.orders import (
    TRADING_REQUESTS,
    OrderRegistry,
    trading_failure,
)
from ctrader.protocol.terms import Terms
from ctrader.protocol.unsettled import Unsettled
from ctrader.units import SECOND, to_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctrader.protocol.auth import Authorization
    from ctrader.protocol.commands import Guard
    from ctrader.protocol.context import Context
    from ctrader.protocol.journaling import Journaling
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.units import Nanos

__all__ = ["Requests"]

_ENVELOPE_ALLOWANCE: Final = 128
"""Bytes of a frame that the envelope may need besides the message."""

_SECRET_FIELDS: Final[dict[type[Message], tuple[str, ...]]] = {
    ProtoOAAccountAuthReq: ("accessToken",),
    ProtoOAGetAccountListByAccessTokenReq: ("accessToken",),
    ProtoOAGetCtidProfileByTokenReq: ("accessToken",),
    ProtoOARefreshTokenReq: ("refreshToken",),
}
"""Secrets in requests besides the application's: no text of the server may repeat them."""


_SPENT_REMEMBERED: Final = 64
"""Refresh tokens of which an answer may come that nobody waits for any more."""

_LATE_EFFECT: Final = 1 * SECOND
"""How long a change without an answer may still come into effect, as far as others wait for it."""


class Requests:
    """Carry out `Call` commands.

    A request waits parked for the link and for what must be authenticated before it; then in its
    rate lane; then, handed to the transport, for the frame that ends it.
    """

    __slots__ = (
        "_authorization",
        "_context",
        "_correlator",
        "_orders",
        "_outbox",
        "_parked",
        "_pending",
        "_spent",
        "_uncommitted",
        "handed_over",
        "journaling",
        "terms",
        "unsettled",
    )

    def __init__(
        self, context: Context, pending: PendingCommands, authorization: Authorization
    ) -> None:
        self._context = context
        self._pending = pending
        self._authorization = authorization
        self._correlator = Correlator(context.rng)
        self._outbox = Outbox(context.timers)
        self._orders = OrderRegistry(context.rng)
        self._parked: dict[CallId, PendingCall] = {}
        self._uncommitted: dict[CallId, PendingCall] = {}
        self._spent: dict[str, str] = {}
        self.journaling: Journaling | None = None
        """Commits each trading request before it is sent; None where there is no journal."""
        self.unsettled = Unsettled(context, pending)
        """What is under way, to be waited for by who depends on it."""
        self.terms = Terms(context, self.unsettled)
        """What requests are checked against before they are taken."""
        self.handed_over: Callable[[PendingCall], None] = _nobody
        """Called with each trading request at the point of no return."""
        pending.serve(self, Call)
        pending.obstacle = self._obstacle

    # The link

    def opened(self) -> None:
        """Begin with a new link."""
        self._correlator.opened()
        self._spent.clear()
        self._outbox.reset()

    def lost(self, cause: Exception) -> None:
        """End what cannot be sent on a later link, and park the rest for it."""
        self.terms.lost()
        calls = self._correlator.lost() + self._outbox.drain() + list(self._uncommitted.values())
        self._uncommitted.clear()
        self._sort_out(calls + list(self._parked.values()), cause)

    def account_lost(self, account_id: int, cause: Exception, *, is_denied: bool = False) -> None:
        """Do the same for one account whose session the server ended.

        Args:
            account_id: The account.
            cause: What unsent requests end with that are not sent again.
            is_denied: The server refuses what is sent to it, so that each request that it has
                got is answered: those wait on, as nothing else tells what became of an order.
        """
        self.terms.lost(account_id)
        calls = [
            pending.call
            for pending in self._pending.all()
            if pending.call is not None
            and pending.call.call.account_id == account_id
            and not (is_denied and pending.is_sent and pending.answered is None)
        ]
        for call in calls:
            self._take_out(call)
        self._sort_out(calls, cause)

    def account_removed(self, account_id: int, cause: CTraderError) -> None:
        """End what was not sent yet for an account that is kept no longer.

        The answers to what was sent are still taken: they tell what became of an order.
        """
        self.terms.lost(account_id)
        self.end_immediate(account_id, "the account was removed")
        for call in self._unsent():
            if _concerns(call, account_id):
                self._pending.end(call.call_id, error=cause)

    def withdraw_logout(self, account_id: int) -> None:
        """End a logout that the server made wait: the account is wanted again."""
        for call in self._unsent():
            if (
                isinstance(call.request, ProtoOAAccountLogoutReq)
                and call.request.ctidTraderAccountId == account_id
                and call.delayed_by is not None
            ):
                self._pending.end(call.call_id, error=call.delayed_by)

    def end_immediate(self, account_id: int, reason: str) -> None:
        """End what is sent now or not at all, as an account's next session begins."""
        for call in self._unsent():
            if call.is_immediate and call.call.account_id == account_id:
                self._pending.end(call.call_id, error=trading_failure(call, reason))

    @property
    def has_waiting(self) -> bool:
        """Whether any request waits to go out."""
        return self._outbox.has_waiting

    def take_frame(self) -> bytes | None:
        """Return the frame that goes out now, handed over with this; None where none may."""
        context = self._context
        while True:
            call = self._outbox.pop(context.now)
            if call is None:
                return None
            if call.deadline <= context.now:
                # The transport took long, or the computer slept: too late is not sent at all.
                self._pending.timed_out(call.call_id)
            elif call.call.guard is None or self._still_holds(call, call.call.guard):
                break
        request = call.request
        for field in _SECRET_FIELDS.get(type(request), ()):
            context.sent_secrets.append(getattr(request, field))
        message_id = self._correlator.send(call)
        frame = encode_message(request, message_id)
        if isinstance(request, ProtoOARefreshTokenReq):
            self._spent[message_id] = request.refreshToken
            if len(self._spent) > _SPENT_REMEMBERED:
                del self._spent[next(iter(self._spent))]
        call.sent_at = context.now
        if call.is_trading:
            self.handed_over(call)
        patience = call.call.patience
        if not call.expects_answer:
            self._pending.end(call.call_id)
            if call.record is not None:
                # The journal wants to know its end, which is that of any request of its kind.
                call.call = replace(call.call, completion=usual_completion(request))
                self._pending.in_doubt(call, None)
        elif patience is not None and (
            self._pending.get(call.call_id).answered is not None
            or context.after(patience) < call.deadline
        ):
            # Nobody waits for the session's own requests, so that they may take longer, too.
            call.deadline = max(call.deadline, context.after(patience))
            self._pending.allow(call.call_id, patience)
        return frame

    def release(self) -> None:
        """Let go what was parked for an authentication that is done now."""
        for call in list(self._parked.values()):
            if self._may_be_sent(call):
                del self._parked[call.call_id]
                self._outbox.push(call)

    # Commands

    def begin(self, pending: Pending) -> None:
        """Take a request."""
        command = pending.command
        assert isinstance(command, Call)
        request, client_order_id = command.request, None
        try:
            _check_sendable(request)
            if command.guard is not None:
                lacking = self._rival(request) or command.guard(self.terms)
                if lacking is not None:
                    self._pending.end(pending.call_id, lacking)
                    return
            if type(request) in TRADING_REQUESTS:
                request, client_order_id = self._orders.prepare(request)
        except (ProtocolError, OrderError) as error:
            self._pending.end(pending.call_id, error=error)
            return
        call = PendingCall(pending.call_id, command, request, client_order_id)
        call.deadline = self._context.after(pending.timeout)
        pending.call = call
        subject = _subject(command)
        if subject is not None:
            self.unsettled.begun(subject, pending.call_id)
        if self._authorization.application_error is not None:
            self._pending.end(pending.call_id, error=self._authorization.application_error)
        elif self._context.phase is Phase.IDLE:
            self._pending.abandon(pending, NotConnectedError())
        elif call.is_immediate and (obstacle := self._obstacle(call)) is not None:
            self._pending.end(pending.call_id, error=trading_failure(call, obstacle))
        elif self.journaling is not None and call.is_trading:
            self._uncommitted[call.call_id] = call
            self.journaling.begin(call, self.terms.closed_by(call.request), self._committed)
        else:
            self._enqueue(call)

    def leave(self, pending: Pending) -> None:
        """Forget a request."""
        call = pending.call
        if call is None:
            return
        self._take_out(call)
        if call.record is not None and not call.is_sent:
            assert self.journaling is not None
            self.journaling.not_sent(call.record)
        may_be_late = call.is_trading and call.is_sent and self._context.is_connected
        self.unsettled.ended(pending.call_id, _LATE_EFFECT if may_be_late else None)

    def undo(self, pending: Pending) -> None:
        """Let the id of an order that was never sent be used again."""
        call = pending.call
        if call is not None and call.client_order_id is not None and not call.is_sent:
            self._orders.release(call.client_order_id)

    # What arrives

    def find(self, client_msg_id: str | None) -> PendingCall | None:
        """Return the request that waits for frames with this id."""
        return None if client_msg_id is None else self._correlator.find(client_msg_id)

    def exchanges(self) -> list[tuple[str, PendingCall]]:
        """Return the exchanges that wait, each with the refresh token it spends."""
        return [
            (call.request.refreshToken, call)
            for call in self._correlator.sent_calls()
            if isinstance(call.request, ProtoOARefreshTokenReq)
        ]

    def spent_under(self, client_msg_id: str | None) -> str | None:
        """Return the refresh token that was sent under an id on this link."""
        return None if client_msg_id is None else self._spent.get(client_msg_id)

    def refused(self, call: PendingCall, error: APIError) -> None:
        """Take an error answer: it ends the request, or delays a read sent too fast."""
        if error.is_rate_limited():
            until = self._outbox.block(call.payload_type, self._context.now, error.retry_after)
            self._end_blocked(call.payload_type, until)
            # A logout that came after the account's next authentication would end that session.
            is_overtaken = (
                isinstance(call.request, ProtoOAAccountLogoutReq)
                and call.request.ctidTraderAccountId in self._authorization.accounts
            )
            if not call.is_immediate and not is_overtaken and until < call.deadline:
                call.delayed_by = error
                self.send_again(call)
                return
        self._end(call, error=refused_with(call, error))

    def send_again(self, call: PendingCall) -> None:
        """Let a request wait anew that the server has refused for now."""
        self._correlator.forget(call)
        call.message_id = None
        self._enqueue(call)

    def answered(self, call: PendingCall, message: Message) -> None:
        """Take any other frame that carries the request's id."""
        self._outbox.answered(call.payload_type)
        ending = ending_of(call, message)
        if ending is None:
            return
        nonsense = ending.error if ending.is_nonsense else _nonsense(call, ending.result)
        if nonsense is not None:
            assert isinstance(nonsense, CTraderError)
            self.failed(call, nonsense)
        else:
            self._end(call, ending.result, error=ending.error)

    def failed(self, call: PendingCall, error: CTraderError) -> None:
        """End a request whose answer makes no sense."""
        self._pending.abandon(self._pending.get(call.call_id), error)

    # Private

    def _end(
        self, call: PendingCall, result: object = None, *, error: Exception | None = None
    ) -> None:
        """End a request that the server answered."""
        if not isinstance(error, OrderOutcomeUnknownError):
            self.unsettled.ended(call.call_id)
            self._settle(call, result)
        self._pending.end(call.call_id, result, error=error)

    def _settle(self, call: PendingCall, result: object) -> None:
        """Keep the definite answer to a trading request."""
        if call.record is None:
            return
        assert self.journaling is not None
        if isinstance(result, ProtoOAExecutionEvent):
            self.journaling.settle(call.record, Settlement.DONE, result.order.orderId or None)
        else:
            self.journaling.settle(call.record, Settlement.REJECTED)

    def _committed(self, call: PendingCall, error: Exception | None) -> None:
        """Let a trading request go out that the journal has kept, or end it."""
        if self._uncommitted.pop(call.call_id, None) is None:
            return  # it has ended meanwhile, and so will its entry
        if isinstance(error, OrderError):
            self._pending.end(call.call_id, error=error)
        elif error is not None:
            failure = trading_failure(call, "the journal could not keep it", error)
            self._pending.end(call.call_id, error=failure)
        elif (obstacle := self._obstacle(call)) is not None:
            self._pending.end(call.call_id, error=trading_failure(call, obstacle))
        else:
            self._enqueue(call)

    def _rival(self, request: Message) -> Lacking | None:
        """Say what a change has to wait for: another change of the same thing."""
        subject = _changed(request)
        if subject is None or subject not in self.unsettled:
            return None
        return Lacking(awaits=subject)

    def _still_holds(self, call: PendingCall, guard: Guard) -> bool:
        """Ask a guard again at the point of no return; a request may have waited for its lane."""
        try:
            lacking = guard(self.terms)
        except (ProtocolError, OrderError) as error:
            self._pending.end(call.call_id, error=error)
            return False
        if lacking is None:
            return True
        if call.client_order_id is not None:
            self._orders.release(call.client_order_id)
        self._pending.end(call.call_id, lacking)
        return False

    def _obstacle(self, call: PendingCall) -> str | None:
        """Say why a request cannot go out now."""
        account_id = call.call.account_id
        if not self._context.is_connected:
            return "the link is down"
        if not self._authorization.is_application_authenticated:
            return "the application is not authenticated yet"
        account = None if account_id is None else self._authorization.accounts.get(account_id)
        if account is None and (account_id is not None or call.is_immediate):
            return (
                f"account {account_id} was not authenticated with this client; do that first, by "
                "client.auth.authenticate_account()"
            )
        if account is not None and not account.is_ready:
            # What the server said of its token is told, without what else could be done about it.
            error = account.error
            why = "" if error is None else f": {str(error).partition('. ')[0]}"
            if isinstance(error, APIError) and error.is_token_failure():
                why += "; hand its new tokens to client.auth.authenticate_account()"
            return f"account {account_id} is not ready{why}"
        if call.call_id in self._uncommitted:
            return "the journal has not kept it yet"
        until = self._outbox.blocked_until(call.payload_type, self._context.now)
        return None if until is None else self._block(until)

    def _block(self, until: Nanos) -> str:
        seconds = to_seconds(until - self._context.now)
        return f"the server refuses this kind of request for its rate, for {seconds:.3g} s more"

    def _end_blocked(self, payload_type: int, until: Nanos) -> None:
        """End what is sent now or not at all and would be held back by a new block."""
        for call in self._unsent():
            if call.is_immediate and call.payload_type == payload_type:
                self._pending.end(call.call_id, error=trading_failure(call, self._block(until)))

    def _unsent(self) -> list[PendingCall]:
        return [
            pending.call
            for pending in self._pending.all()
            if pending.call is not None and not pending.call.is_sent
        ]

    def _enqueue(self, call: PendingCall) -> None:
        if self._may_be_sent(call):
            self._outbox.push(call)
        else:
            self._parked[call.call_id] = call

    def _may_be_sent(self, call: PendingCall) -> bool:
        if not self._context.is_connected:
            return False
        if isinstance(call.request, ProtoOAApplicationAuthReq):
            return True
        if not self._authorization.is_application_authenticated:
            return False
        account_id = call.call.account_id
        return (
            account_id is None
            or account_id not in self._authorization.accounts
            or self._authorization.is_authenticated(account_id)
        )

    def _take_out(self, call: PendingCall) -> None:
        if self._parked.pop(call.call_id, None) or self._uncommitted.pop(call.call_id, None):
            return
        if call.is_sent:
            self._correlator.forget(call)
        else:
            self._outbox.remove(call)

    def _sort_out(self, calls: list[PendingCall], cause: Exception) -> None:
        """Park the calls that may be sent on a later link, and end the others."""
        closed = cause if isinstance(cause, CTraderError) else _lost_link(cause)
        for call in calls:
            pending = self._pending.get(call.call_id)
            if pending.answered is not None:
                # The session's own requests belong to the link that ended.
                self._pending.remove(call.call_id)
            elif call.is_trading:
                self._pending.end(
                    call.call_id, error=trading_failure(call, "the link was lost", closed)
                )
            elif call.may_be_sent_again:
                call.message_id = None
                self._parked[call.call_id] = call
            else:
                self._pending.end(call.call_id, error=closed)


def _nobody(_: PendingCall) -> None:
    """Stand in until a machine takes the place."""


def _concerns(call: PendingCall, account_id: int) -> bool:
    """Whether a call is made on an account, or is to make that possible."""
    request = call.request
    if isinstance(request, ProtoOAAccountAuthReq):
        return request.ctidTraderAccountId == account_id
    return call.call.account_id == account_id


def _changed(request: Message) -> Subject | None:
    """Return what a request changes by building on what it is."""
    if isinstance(request, ProtoOAAmendPositionSLTPReq):
        return Subject(request.ctidTraderAccountId, Thing.POSITION, request.positionId)
    if isinstance(request, ProtoOAAmendOrderReq):
        return Subject(request.ctidTraderAccountId, Thing.ORDER, request.orderId)
    return None


def _subject(call: Call) -> Subject | None:
    """Return what a request changes, or asks for in somebody's way."""
    request = call.request
    if isinstance(request, ProtoOASymbolByIdReq) and call.guard is not None:
        return Subject(request.ctidTraderAccountId, Thing.SYMBOL, request.symbolId[0])
    return _changed(request)


def _nonsense(call: PendingCall, result: Message | None) -> ProtocolError | None:
    """Return why an answer tells nothing to a caller who wants an event made of it."""
    if call.call.fills_in_digits and isinstance(result, ProtoOAExecutionEvent):
        try:
            ExecutionEvent.from_proto(result)
        except ProtocolError as error:
            return error
    return None


def _lost_link(cause: Exception) -> CTraderConnectionClosedError:
    error = CTraderConnectionClosedError(f"the link was lost: {cause}")
    error.__cause__ = cause
    return error


def _check_sendable(request: Message) -> None:
    """Refuse a message that the server could not take, before anything is noted or sent."""
    name = type(request).__name__
    if type(request) not in PAYLOAD_TYPE_BY_MESSAGE:
        raise ProtocolError(
            f"{name} is no message of the Open API: use the classes of ctrader.proto"
        )
    missing = missing_fields(request)
    if missing:
        raise ProtocolError(f"{name} lacks required fields: {', '.join(missing)}")
    if request.ByteSize() > MAX_FRAME_LENGTH - _ENVELOPE_ALLOWANCE:
        raise FramingError(request.ByteSize(), MAX_FRAME_LENGTH)
