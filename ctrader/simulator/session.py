"""One connection as the server sees it, without any input or output.

Bytes and the time go in, bytes and the next deadline come out.

Call `receive_data` with what the client sent, `handle_timer` when `next_deadline` has come, and
send what `data_to_send` returns after either, and after the exchange advanced, for events may have
come. When `close_reason` is set, send what is left and close the transport; when the transport
ends by itself, call `connection_lost`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from ctrader.errors import DeserializationError, FramingError
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOAOrderErrorEvent,
)
from ctrader.proto.registry import (
    ACCOUNT_AUTH_REQ,
    AMEND_ORDER_REQ,
    AMEND_POSITION_SLTP_REQ,
    APPLICATION_AUTH_REQ,
    CANCEL_ORDER_REQ,
    CLOSE_POSITION_REQ,
    EXECUTION_EVENT,
    HEARTBEAT_EVENT,
    MESSAGE_BY_PAYLOAD_TYPE,
    NEW_ORDER_REQ,
    PAYLOAD_TYPE_BY_MESSAGE,
    VERSION_REQ,
)
from ctrader.protocol.envelope import Envelope, open_envelope
from ctrader.protocol.framing import MAX_FRAME_LENGTH, FrameBuffer
from ctrader.simulator.desks import add_all_routes
from ctrader.simulator.limits import RateLimits
from ctrader.simulator.market.draws import MASK, mix
from ctrader.simulator.messages.trades import order_error_message
from ctrader.simulator.outlet import Outlet
from ctrader.simulator.refusals import OrderRefusal, Refusal
from ctrader.simulator.router import Router
from ctrader.simulator.scripting.interference import Delivery, OutgoingFrame
from ctrader.simulator.serialising import framed, serialised, with_renamed_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from ctrader.simulator.book import AccountBook
    from ctrader.simulator.exchange import Exchange
    from ctrader.simulator.grants import Grant
    from ctrader.simulator.market.depth import DepthSubscription
    from ctrader.simulator.market.live import SpotSubscription

__all__ = ["AccountSession", "ServerSession"]

_SECOND: Final = 1_000_000_000
_TRADING_REQUESTS: Final = frozenset(
    {
        AMEND_ORDER_REQ,
        AMEND_POSITION_SLTP_REQ,
        CANCEL_ORDER_REQ,
        CLOSE_POSITION_REQ,
        NEW_ORDER_REQ,
    }
)
_REMEMBERED: Final = 1000  # requests whose late answers are still known as theirs


@dataclass(slots=True)
class AccountSession:
    """One account's authorisation on one connection."""

    book: AccountBook
    grant: Grant
    access_token: str = field(repr=False)
    spots: dict[int, SpotSubscription] = field(default_factory=dict[int, "SpotSubscription"])
    """Spot subscriptions by symbol id."""
    depth: dict[int, DepthSubscription] = field(default_factory=dict[int, "DepthSubscription"])
    """Depth subscriptions by symbol id."""


@dataclass(slots=True, eq=False)
class _HeldFrame:
    """A frame that a script keeps back."""

    envelope: Envelope = field(repr=False)
    account_id: int | None
    """The account whose session it belongs to, None where it belongs to none."""
    is_answer: bool
    behind_next: bool


class ServerSession:
    """The server's end of one connection."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        is_live: bool = False,
    ) -> None:
        """Begin with a client that has just connected, at the exchange's present time.

        Args:
            exchange: The broker behind it.
            is_live: Whether the listener serves live accounts instead of demo ones.
        """
        self.exchange = exchange
        """The back end."""
        self.is_live = is_live
        """Whether live accounts are served here instead of demo ones."""
        self.client_id: str | None = None
        """The authenticated program, None before that."""
        self.accounts: dict[int, AccountSession] = {}
        """The authorised accounts by id."""
        self.close_reason: str | None = None
        """Why the server ends the connection, None while it does not."""
        self.is_reset = False
        """Whether that end is abrupt: a reset, and nothing that waited is sent."""
        self.is_silent = False
        """Whether the connection is dead without a word: nothing is taken or sent any more."""
        self.afterwards: list[Callable[[], None]] = []
        """What a desk wants done once its answer was sent."""
        switches = exchange.switches
        self._buffer = FrameBuffer(switches.max_frame_length)
        self._passing_over = 0
        self._outlet = Outlet(switches)
        self._held: list[_HeldFrame] = []
        self._asked: OrderedDict[str, type[Message]] = OrderedDict()
        self._answering: type[Message] | None = None
        self._is_forgotten = False
        self._spread_answers = 0
        self._limits = RateLimits(switches, exchange.now)
        self._heartbeat_interval = round(switches.heartbeat_interval * _SECOND)
        self._idle_timeout = round(switches.idle_timeout * _SECOND)
        self._last_inbound = self._last_outbound = exchange.now
        self._router = Router()
        add_all_routes(self._router)
        self.number = exchange.attach(self)
        """Which connection it is, counted from 1."""
        maintenance = exchange.maintenance
        if maintenance is not None and not maintenance.accepts_connections:
            self.close("maintenance")

    # Transport

    def receive_data(self, data: bytes, now: int) -> None:
        """Take what the client sent, split anywhere."""
        self.exchange.advance(now)
        if self.is_closed or self.is_silent:
            return
        rest = data
        while rest:
            rest = self._pass_over(rest)
            block, spans = self._buffer.feed(rest)
            for start, end in spans:
                self._last_inbound = now
                if not self._receive_frame(block[start:end]):
                    return
            rest = self._refuse_frame(block, spans[-1][1] if spans else 0)

    def handle_timer(self, now: int) -> None:
        """Send a heartbeat or cut an idle connection, if it is time; otherwise do nothing."""
        self.exchange.advance(now)
        if self.close_reason is not None:
            return
        if self._is_forgotten:
            return
        self._outlet.release(now)
        if self._idle_timeout and now >= self._last_inbound + self._idle_timeout:
            if self.is_silent:
                self._forget()
            else:
                self.close("idle")
        elif self._heartbeat_interval and now >= self._last_outbound + self._heartbeat_interval:
            self._last_outbound = now
            self._send_heartbeat()

    def next_deadline(self) -> int | None:
        """Return when `handle_timer` should be called next, None after the end."""
        if self.close_reason is not None or self._is_forgotten:
            return None
        # It is asked after every price.
        first = self._outlet.next_deadline()
        if self._heartbeat_interval:
            due = self._last_outbound + self._heartbeat_interval
            if first is None or due < first:
                first = due
        if self._idle_timeout:
            due = self._last_inbound + self._idle_timeout
            if first is None or due < first:
                first = due
        return first

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that wait to be sent."""
        return self._outlet.take()

    def connection_lost(self, now: int) -> None:
        """Take note that the transport ended; all of this connection is forgotten."""
        self.exchange.advance(now)
        self.close("connection lost")

    @property
    def is_closed(self) -> bool:
        """Whether the server has ended the connection."""
        return self.close_reason is not None

    # The exchange's and the desks' side

    def send(self, message: Message, client_msg_id: str | None = None) -> None:
        """Put a message on the connection; after its end it is dropped."""
        self._send(message, client_msg_id)

    def inject(self, data: bytes | Envelope) -> None:
        """Send a frame or bytes that no rule touches; after the end they are dropped."""
        if isinstance(data, Envelope):
            self._write(data)
        elif self.close_reason is None and not self.is_silent:
            self._outlet.push(data, self.exchange.now)

    def close(self, reason: str, *, reset: bool = False) -> None:
        """End the connection from the server's side.

        Args:
            reason: Why, in a word or two.
            reset: Whether to end it abruptly; otherwise what waits to be sent goes first.
        """
        if self.close_reason is not None:
            if reset and not self.is_reset:  # what waits is still being sent
                self.is_reset = True
                self._outlet.discard()
            return
        self.close_reason = reason
        self.is_reset = reset
        self._forget()
        if reset:
            self._outlet.discard()
        else:
            self._outlet.open()

    def fall_silent(self) -> None:
        """Leave the connection open, but take and send nothing on it any more.

        As when the server's machine is gone and nobody told the client. The server forgets the
        connection after its idle timeout.
        """
        self.is_silent = True
        self._outlet.discard()

    def end_client(self, reason: str) -> None:
        """End the program's session, and say so; the connection stays."""
        self.send(ProtoOAClientDisconnectEvent(reason=reason))
        for account_id in tuple(self.accounts):
            self.end_account(account_id)
        self.client_id = None

    def has_asked(self, client_msg_id: str) -> bool:
        """Tell whether a request of this id came on this connection."""
        return client_msg_id in self._asked

    def has_account(self, account_id: int) -> bool:
        """Tell whether an account is authorised here."""
        return account_id in self.accounts

    def accounts_of_token(self, access_token: str) -> list[int]:
        """Return the accounts that were authorised here with an access token."""
        return [
            account_id
            for account_id, account in self.accounts.items()
            if account.access_token == access_token
        ]

    def end_account(self, account_id: int) -> None:
        """Forget an account's authorisation and subscriptions."""
        account = self.accounts.pop(account_id, None)
        if account is None:
            return
        for subscription in account.spots.values():
            self.exchange.market.unsubscribe(subscription)
        for depth in account.depth.values():
            self.exchange.depth.unsubscribe(depth)
        self._fail_held(account_id)

    def account(self, account_id: int) -> AccountSession:
        """Return an account that is authorised here.

        Raises:
            Refusal: it is not.
        """
        account = self.accounts.get(account_id)
        if account is None:
            raise self._unauthorised()
        return account

    # Private

    def _unauthorised(self) -> Refusal:
        return Refusal(
            self.exchange.switches.unauthorised_account_code, "Trading account is not authorized"
        )

    def _forget(self) -> None:
        """Drop everything that the exchange knows of this connection."""
        for account_id in tuple(self.accounts):
            self.end_account(account_id)
        self._held.clear()
        self._is_forgotten = True
        self.exchange.detach(self)

    def _pass_over(self, data: bytes) -> bytes:
        """Drop what belongs to a frame that was too long; return the rest."""
        dropped = min(self._passing_over, len(data))
        self._passing_over -= dropped
        return data[dropped:]

    def _refuse_frame(self, block: bytes, start: int) -> bytes:
        """Refuse a frame whose announced length is too long, if there is one.

        Args:
            block: What was read.
            start: Where in it the last whole frame ends.

        Returns: What follows the announcement, if the stream is read on.
        """
        failure = self._buffer.failure
        if failure is None:
            return b""
        self.send(ProtoErrorRes(errorCode="FRAME_TOO_LONG", description="Frame is too long"))
        if self.exchange.switches.frame_too_long_closes:
            self.close("frame too long")
            return b""
        while not any(block[start : start + 4]):
            start += 4  # frames of no length
        self._passing_over = failure.expected_bytes
        self._buffer = FrameBuffer(self.exchange.switches.max_frame_length)
        return block[start + 4 :]

    def _send(self, message: Message, client_msg_id: str | None, late: float = 0.0) -> None:
        """Send a message, late by some seconds."""
        if self.close_reason is not None or self.is_silent:
            return
        envelope = self._envelope(message, client_msg_id)
        request = self._answering
        if client_msg_id is not None:
            request = self._asked.get(client_msg_id)
        self._last_outbound = self.exchange.now
        self._emit(envelope, request, message, late)

    def _envelope(self, message: Message, client_msg_id: str | None) -> Envelope:
        switches = self.exchange.switches
        payload = serialised(with_renamed_code(message, switches), switches)
        return Envelope(PAYLOAD_TYPE_BY_MESSAGE[type(message)], payload, client_msg_id)

    def _send_heartbeat(self) -> None:
        self._emit(Envelope(HEARTBEAT_EVENT, b"", None), None, ProtoHeartbeatEvent())

    def _emit(
        self,
        envelope: Envelope,
        request: type[Message] | None,
        message: Message,
        late: float = 0.0,
    ) -> None:
        """Send a frame, unless a rule of the script wants something else."""
        interference = self.exchange.interference
        verdict = None
        if interference.concerns_frames:
            verdict = interference.outgoing(OutgoingFrame(self.number, envelope, request))
        if verdict is None and not late:
            self._write(envelope)
            return
        account_id = account_id_of(message)
        if verdict is None:
            self._deliver(Delivery(envelope, late), account_id, is_answer=request is not None)
            return
        for delivery in verdict.deliveries:
            self._deliver(delivery, account_id, is_answer=request is not None)
        if verdict.close:
            self.close("script", reset=verdict.reset)

    def _deliver(self, delivery: Delivery, account_id: int | None, *, is_answer: bool) -> None:
        if not (delivery.delay or delivery.behind_next):
            self._write(delivery.envelope)
            return
        held = _HeldFrame(delivery.envelope, account_id, is_answer, delivery.behind_next)
        self._held.append(held)

        def let_go() -> None:
            if held in self._held:
                self._held.remove(held)
                self._write(held.envelope)

        self.exchange.after(delivery.delay, let_go)

    def _fail_held(self, account_id: int) -> None:
        """Refuse what was asked of an account whose session ended before the answer went out.

        An order that the exchange took is not refused any more: what becomes of it is not told.
        """
        for held in tuple(self._held):
            if held.account_id != account_id:
                continue
            self._held.remove(held)
            is_told = held.envelope.payload_type != EXECUTION_EVENT
            if held.is_answer and is_told and not self.is_closed:
                error = self._error_message(self._unauthorised(), account_id)
                self.send(error, held.envelope.client_msg_id)

    def _write(self, envelope: Envelope) -> None:
        """Put a frame on the connection, with those behind it that waited for it."""
        if self.close_reason is not None or self.is_silent:
            return
        try:
            frame = framed(envelope, self.exchange.switches)
        except FramingError as error:
            # An id is the client's own, of any length, and may be what makes it too long.
            fits = len(envelope.client_msg_id or "") < MAX_FRAME_LENGTH // 8
            refusal = ProtoErrorRes(errorCode="FRAME_TOO_LONG", description=f"The answer: {error}")
            envelope = self._envelope(refusal, envelope.client_msg_id if fits else None)
            frame = framed(envelope, self.exchange.switches)
        self._outlet.push(frame, self.exchange.now)
        self.exchange.record(self.number, True, envelope)
        for held in tuple(self._held):
            if held.behind_next and held in self._held:
                self._held.remove(held)
                self._write(held.envelope)

    def _receive_frame(self, body: bytes) -> bool:
        """Answer one frame; tell whether the connection stands after it."""
        try:
            envelope = open_envelope(body)
        except DeserializationError:
            self.send(
                ProtoErrorRes(errorCode="INVALID_REQUEST", description="Message cannot be parsed")
            )
            if self.exchange.switches.close_on_garbage:
                self.close("garbage")
            return not self.is_closed
        self.exchange.record(self.number, False, envelope)
        if envelope.payload_type == HEARTBEAT_EVENT:
            self._answer_heartbeat(envelope.client_msg_id)
            return not self.is_closed and not self.is_silent
        request: Message | None = None
        try:
            request = self._parse(envelope)
            self._remember(envelope.client_msg_id, type(request))
            answer = self._answer(request, envelope)
        except Refusal as refusal:
            answer = self._refuse(refusal, request)
            if isinstance(answer, ProtoOAOrderErrorEvent):
                # As with every event of an account, it is told to all, the client that asked first.
                self.afterwards.append(partial(self._tell_others, answer, envelope.client_msg_id))
        if answer is not None:
            self._send(answer, envelope.client_msg_id, self._lateness(envelope))
        self._answering = None
        self._run_afterwards()
        return not self.is_closed and not self.is_silent

    def _tell_others(self, event: ProtoOAOrderErrorEvent, origin: str | None) -> None:
        self.exchange.publish(event.ctidTraderAccountId, event, origin, but=self)

    def _answer_heartbeat(self, client_msg_id: str | None) -> None:
        switches = self.exchange.switches
        if switches.heartbeats_need_authentication and self.client_id is None:
            self.send(self._error_message(_unauthenticated(), None), client_msg_id)
        elif switches.heartbeats_answered:
            self._last_outbound = self.exchange.now
            self._send_heartbeat()

    def _lateness(self, request: Envelope) -> float:
        """Return how many seconds the answer to a request waits.

        What a desk wants done behind its answer must find it sent, and a request without an id is
        known by the place of its answer alone.
        """
        spread = self.exchange.switches.answer_spread
        is_order = request.payload_type in _TRADING_REQUESTS
        if not spread or is_order or self.afterwards or request.client_msg_id is None:
            return 0.0
        self._spread_answers += 1
        return spread * mix(self.number << 32 | self._spread_answers) / MASK

    def _remember(self, client_msg_id: str | None, kind: type[Message]) -> None:
        self._answering = kind if client_msg_id is None else None
        if client_msg_id is None:
            return
        self._asked[client_msg_id] = kind
        if len(self._asked) > _REMEMBERED:
            self._asked.popitem(last=False)

    def _answer(self, request: Message, envelope: Envelope) -> Message | None:
        """Let the script or the right desk answer.

        Raises:
            Refusal: the request is refused.
        """
        scripted = self.exchange.interference.incoming(self.number, request)
        if scripted is not None and scripted.close:
            self.afterwards.append(lambda: self.close("script", reset=scripted.reset))
        if scripted is not None and scripted.answer is not None:
            return scripted.answer(request)
        self._admit(request, envelope.payload_type)
        return self._router.answer(self, request, envelope.client_msg_id)

    def _parse(self, envelope: Envelope) -> Message:
        kind = MESSAGE_BY_PAYLOAD_TYPE.get(envelope.payload_type)
        if kind is None:
            raise Refusal(
                "UNSUPPORTED_MESSAGE", f"Message with type {envelope.payload_type} is unknown"
            )
        request = kind()
        try:
            request.ParseFromString(envelope.payload)
        except DecodeError:
            raise Refusal("INVALID_REQUEST", "Message cannot be parsed") from None
        for given, value in request.ListFields():
            # The parser lets text through that is no UTF-8, and hands it out as bytes.
            if given.type == given.TYPE_STRING and not isinstance(value, str):
                raise Refusal("INVALID_REQUEST", f"{given.name} is no text in UTF-8")
        if not request.IsInitialized():
            # The stubs do not know the method that names the fields.
            missing = ", ".join(getattr(request, "FindInitializationErrors")())  # noqa: B009
            raise Refusal("INVALID_REQUEST", f"Message missing required fields: {missing}")
        return request

    def _admit(self, request: Message, payload_type: int) -> None:
        switches, maintenance = self.exchange.switches, self.exchange.maintenance
        if maintenance is not None:
            raise maintenance.refusal()
        authentication = payload_type in (APPLICATION_AUTH_REQ, ACCOUNT_AUTH_REQ)
        counted = not authentication or switches.authentication_counts_for_rate
        if counted:
            quota = self.exchange.history_quota(self.client_id)
            self._limits.admit(payload_type, self.exchange.now, quota)
        open_to_all = payload_type == APPLICATION_AUTH_REQ or (
            payload_type == VERSION_REQ and not switches.version_needs_authentication
        )
        if self.client_id is None and not open_to_all:
            raise _unauthenticated()
        if payload_type != ACCOUNT_AUTH_REQ:
            account_id = account_id_of(request)
            if account_id is not None:
                self.account(account_id)

    def _refuse(self, refusal: Refusal, request: Message | None) -> Message:
        account_id = None if request is None else account_id_of(request)
        if isinstance(refusal, OrderRefusal) and account_id is not None:
            zero_ids = self.exchange.switches.zero_ids_in_order_errors
            return order_error_message(refusal, account_id, zero_ids=zero_ids)
        return self._error_message(refusal, account_id)

    def _error_message(self, refusal: Refusal, account_id: int | None) -> Message:
        if refusal.is_common:
            common = ProtoErrorRes(errorCode=refusal.code, description=refusal.description)
            if refusal.maintenance_end is not None:
                common.maintenanceEndTimestamp = refusal.maintenance_end * 1000
            return common
        answer = ProtoOAErrorRes(
            ctidTraderAccountId=account_id,
            errorCode=refusal.code,
            description=refusal.description,
        )
        if refusal.retry_after is not None:
            answer.retryAfter = refusal.retry_after
        if refusal.maintenance_end is not None:
            answer.maintenanceEndTimestamp = refusal.maintenance_end
        return answer

    def _run_afterwards(self) -> None:
        afterwards, self.afterwards = self.afterwards, []
        for action in afterwards:
            action()


def _unauthenticated() -> Refusal:
    return Refusal("CH_CLIENT_NOT_AUTHENTICATED", "Client is not authenticated")


def account_id_of(request: Message) -> int | None:
    """Return the account that a request names, None where it names none."""
    if request.DESCRIPTOR.fields_by_name.get("ctidTraderAccountId") is None:
        return None
    # Every message that has the field has it as one integer.
    account_id: int = getattr(request, "ctidTraderAccountId")  # noqa: B009  # no common type
    return account_id
