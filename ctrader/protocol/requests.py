"""Bring requests to the server: what each must wait for, and what ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from google.protobuf.message import Message

from ctrader.enums import ExecutionType
from ctrader.errors import (
    APIError,
    CTraderConnectionClosedError,
    CTraderError,
    FramingError,
    NotConnectedError,
    OrderError,
    OrderRejectedError,
    ProtocolError,
    UnexpectedResponseError,
    api_error,
)
from ctrader.models.wire import enum_of, missing_fields
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAExecutionEvent,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAOrderErrorEvent,
    ProtoOARefreshTokenReq,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.commands import Call, CallId, Priority
from ctrader.protocol.completion import Verdict, judge
from ctrader.protocol.correlation import Correlator, PendingCall
from ctrader.protocol.effects import Phase
from ctrader.protocol.envelope import encode_message
from ctrader.protocol.framing import MAX_FRAME_LENGTH
from ctrader.protocol.limiter import Outbox
from ctrader.protocol.orders import (
    TRADING_REQUESTS,
    OrderRegistry,
    trading_failure,
    trading_refusal,
)
from ctrader.protocol.terms import Terms

if TYPE_CHECKING:
    from ctrader.protocol.auth import Authorization
    from ctrader.protocol.context import Context
    from ctrader.protocol.pending import Pending, PendingCommands

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


_BLOCKED: Final = "the server refuses this kind of request for its rate at the moment"


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
        "terms",
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
        self.terms = Terms(context)
        """What requests are checked against before they are taken."""
        pending.serve(self, Call)

    # The link

    def opened(self) -> None:
        """Begin with a new link."""
        self._correlator.opened()
        self._outbox.reset()

    def lost(self, cause: Exception) -> None:
        """End what cannot be sent on a later link, and park the rest for it."""
        self.terms.lost()
        calls = self._correlator.lost() + self._outbox.drain()
        self._sort_out(calls + list(self._parked.values()), cause)

    def account_lost(self, account_id: int, cause: Exception) -> None:
        """Do the same for one account whose session the server ended."""
        self.terms.lost(account_id)
        calls = [
            pending.call
            for pending in self._pending.all()
            if pending.call is not None and pending.call.call.account_id == account_id
        ]
        for call in calls:
            self._take_out(call)
        self._sort_out(calls, cause)

    def take_frame(self) -> bytes | None:
        """Return the frame that goes out now, handed over with this; None where none may."""
        context = self._context
        while True:
            call = self._outbox.pop(context.now)
            if call is None:
                return None
            if call.deadline > context.now:
                break
            # The transport took long, or the computer slept: too late is not sent at all.
            self._pending.timed_out(call.call_id)
        request = call.request
        for field in _SECRET_FIELDS.get(type(request), ()):
            context.sent_secrets.append(getattr(request, field))
        frame = encode_message(request, self._correlator.send(call))
        if not call.expects_answer:
            self._pending.end(call.call_id)
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
                lacking = command.guard(self.terms)
                if lacking is not None:
                    self._pending.end(pending.call_id, lacking)
                    return
            if command.priority is Priority.TRADING or type(request) in TRADING_REQUESTS:
                request, client_order_id = self._orders.prepare(request)
        except (ProtocolError, OrderError) as error:
            self._pending.end(pending.call_id, error=error)
            return
        call = PendingCall(pending.call_id, command, request, client_order_id)
        call.deadline = self._context.after(pending.timeout)
        pending.call = call
        if self._authorization.application_error is not None:
            self._pending.end(pending.call_id, error=self._authorization.application_error)
        elif self._context.phase is Phase.IDLE:
            self._pending.abandon(pending, NotConnectedError())
        elif call.is_trading and (obstacle := self._trading_obstacle(call)) is not None:
            self._pending.end(pending.call_id, error=trading_failure(call, obstacle))
        else:
            self._enqueue(call)

    def leave(self, pending: Pending) -> None:
        """Forget a request."""
        if pending.call is not None:
            self._take_out(pending.call)

    def undo(self, pending: Pending) -> None:
        """Let the id of an order that was never sent be used again."""
        call = pending.call
        if call is not None and call.client_order_id is not None and not call.is_sent:
            self._orders.release(call.client_order_id)

    # What arrives

    def find(self, client_msg_id: str | None) -> PendingCall | None:
        """Return the request that waits for frames with this id."""
        return None if client_msg_id is None else self._correlator.find(client_msg_id)

    def refused(self, call: PendingCall, error: APIError) -> None:
        """Take an error answer: it ends the request, or delays a read sent too fast."""
        if error.is_rate_limited():
            until = self._outbox.block(call.payload_type, self._context.now, error.retry_after)
            self._end_blocked_orders(call.payload_type)
            if not call.is_trading and until < call.deadline:
                self._correlator.forget(call)
                call.message_id = None
                self._enqueue(call)
                return
        self._pending.end(
            call.call_id, error=trading_refusal(call, error) if call.is_trading else error
        )

    def answered(self, call: PendingCall, message: Message) -> None:
        """Take any other frame that carries the request's id."""
        self._outbox.answered(call.payload_type)
        if isinstance(message, ProtoOAOrderErrorEvent):
            refusal = self._refusal(call, message, message.errorCode, message.description)
            order_id, position_id = message.orderId or None, message.positionId or None
            self._pending.end(
                call.call_id,
                error=trading_refusal(call, refusal, order_id=order_id, position_id=position_id)
                if call.is_trading
                else refusal,
            )
            return
        verdict = judge(call, message)
        match verdict:
            case Verdict.PROGRESS:
                pass
            case Verdict.DONE:
                self._pending.end(call.call_id, message)
            case Verdict.REFUSED:
                assert isinstance(message, ProtoOAExecutionEvent)
                kind = enum_of(message, "executionType", ExecutionType)
                code = message.errorCode or ("" if kind is None else kind.name)
                # An event that names the order rejected is proof by itself, whatever its code:
                # the exchange has decided.
                rejected = OrderRejectedError.from_api_error(
                    self._refusal(call, message, code),
                    client_order_id=call.client_order_id,
                    order_id=message.order.orderId or None,
                    position_id=message.position.positionId or None,
                )
                self._pending.end(call.call_id, error=rejected)
            case Verdict.UNEXPECTED:
                expected = call.call.reply or ProtoOAExecutionEvent
                self.failed(
                    call, UnexpectedResponseError(expected.__name__, type(message).__name__)
                )
            case _:
                assert_never(verdict)

    def failed(self, call: PendingCall, error: CTraderError) -> None:
        """End a request whose answer makes no sense."""
        self._pending.abandon(self._pending.get(call.call_id), error)

    # Private

    def _refusal(
        self,
        call: PendingCall,
        message: ProtoOAOrderErrorEvent | ProtoOAExecutionEvent,
        code: str,
        description: str = "",
    ) -> APIError:
        return api_error(
            code,
            description or None,
            account_id=message.ctidTraderAccountId,
            request_type=type(call.request).__name__,
            client_msg_id=call.message_id,
        )

    def _trading_obstacle(self, call: PendingCall) -> str | None:
        """Say why a trading request cannot go out now; it is sent now or not at all."""
        account_id = call.call.account_id
        if not self._context.is_connected:
            return "the link is down"
        if not self._authorization.is_application_authenticated:
            return "the application is not authenticated yet"
        account = None if account_id is None else self._authorization.accounts.get(account_id)
        if account is None:
            return f"account {account_id} was not authenticated with this client"
        if not account.is_ready:
            return f"account {account_id} is not ready"
        if self._outbox.blocked_until(call.payload_type, self._context.now) is not None:
            return _BLOCKED
        return None

    def _end_blocked_orders(self, payload_type: int) -> None:
        """End the trading requests that a new block would hold back: they never wait."""
        for pending in self._pending.all():
            call = pending.call
            if call is None or call.is_sent or not call.is_trading:
                continue
            if call.payload_type == payload_type:
                self._pending.end(call.call_id, error=trading_failure(call, _BLOCKED))

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
        if self._parked.pop(call.call_id, None) is not None:
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
            elif call.call.resend:
                call.message_id = None
                self._parked[call.call_id] = call
            else:
                self._pending.end(call.call_id, error=closed)


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
