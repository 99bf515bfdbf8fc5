"""One connection as the server sees it, without any input or output.

Bytes and the time go in, bytes and the next deadline come out.

Call `receive_data` with what the client sent, `handle_timer` when `next_deadline` has come, and
send what `data_to_send` returns after either, and after the exchange advanced, for events may have
come. When `close_reason` is set, send what is left and close the transport; when the transport
ends by itself, call `connection_lost`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from google.protobuf.message import DecodeError

from ctrader.errors import DeserializationError
from ctrader.proto import ProtoErrorRes, ProtoOAErrorRes, ProtoOAOrderErrorEvent
from ctrader.proto.registry import (
    ACCOUNT_AUTH_REQ,
    APPLICATION_AUTH_REQ,
    HEARTBEAT_EVENT,
    MESSAGE_BY_PAYLOAD_TYPE,
    PAYLOAD_TYPE_BY_MESSAGE,
)
from ctrader.protocol.envelope import HEARTBEAT_FRAME, Envelope, encode_envelope, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.simulator import access_desk, history_desk, market_desk, reference_desk, trading_desk
from ctrader.simulator.limits import RateLimits
from ctrader.simulator.refusals import OrderRefusal, Refusal
from ctrader.simulator.router import Router
from ctrader.simulator.wire import set_payload_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from ctrader.simulator.book import AccountBook
    from ctrader.simulator.exchange import Exchange
    from ctrader.simulator.grants import Grant
    from ctrader.simulator.market import SpotSubscription

__all__ = ["AccountSession", "FrameRecorder", "ServerSession"]

_SECOND: Final = 1_000_000_000


class FrameRecorder(Protocol):
    """Is told every frame that passes a session."""

    def __call__(self, now: int, outbound: bool, envelope: Envelope) -> None:
        """Take one frame; `outbound` means sent by the server."""
        ...


@dataclass(slots=True)
class AccountSession:
    """One account's authorisation on one connection."""

    book: AccountBook
    grant: Grant
    access_token: str = field(repr=False)
    spots: dict[int, SpotSubscription] = field(default_factory=dict[int, "SpotSubscription"])
    """Spot subscriptions by symbol id."""


class ServerSession:
    """The server's end of one connection."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        is_live: bool = False,
        recorder: FrameRecorder | None = None,
    ) -> None:
        """Begin with a client that has just connected, at the exchange's present time.

        Args:
            is_live: Whether the listener serves live accounts instead of demo ones.
            recorder: Is told every frame in both directions.
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
        self.afterwards: list[Callable[[], None]] = []
        """What a desk wants done once its answer was sent."""
        switches = exchange.switches
        self._recorder = recorder
        self._buffer = FrameBuffer(switches.max_frame_length)
        self._outbound = bytearray()
        self._limits = RateLimits(switches, exchange.now)
        self._heartbeat_interval = round(switches.heartbeat_interval * _SECOND)
        self._idle_timeout = round(switches.idle_timeout * _SECOND)
        self._last_inbound = self._last_outbound = exchange.now
        self._router = Router()
        for desk in (access_desk, reference_desk, market_desk, trading_desk, history_desk):
            desk.add_routes(self._router)
        exchange.attach(self)

    # Transport

    def receive_data(self, data: bytes, now: int) -> None:
        """Take what the client sent, split anywhere."""
        self.exchange.advance(now)
        if self.is_closed:
            return
        block, spans = self._buffer.feed(data)
        for start, end in spans:
            self._last_inbound = now
            if not self._receive_frame(block[start:end]):
                return
        if self._buffer.failure is not None:
            self.send(ProtoErrorRes(errorCode="FRAME_TOO_LONG", description="Frame is too long"))
            self.close("frame too long")

    def handle_timer(self, now: int) -> None:
        """Send a heartbeat or cut an idle connection, if it is time; otherwise do nothing."""
        self.exchange.advance(now)
        if self.close_reason is not None:
            return
        if self._idle_timeout and now >= self._last_inbound + self._idle_timeout:
            self.close("idle")
        elif now >= self._last_outbound + self._heartbeat_interval:
            self._outbound += HEARTBEAT_FRAME
            self._last_outbound = now
            self._record(True, Envelope(HEARTBEAT_EVENT, b"", None))

    def next_deadline(self) -> int | None:
        """Return when `handle_timer` should be called next, None after the end."""
        if self.close_reason is not None:
            return None
        heartbeat = self._last_outbound + self._heartbeat_interval
        if not self._idle_timeout:
            return heartbeat
        return min(heartbeat, self._last_inbound + self._idle_timeout)

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that wait to be sent."""
        data = bytes(self._outbound)
        self._outbound.clear()
        return data

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
        if self.close_reason is not None:
            return
        if self.exchange.switches.write_inner_payload_type:
            set_payload_type(message)
        payload_type = PAYLOAD_TYPE_BY_MESSAGE[type(message)]
        payload = message.SerializeToString()
        self._outbound += encode_envelope(payload_type, payload, client_msg_id)
        self._last_outbound = self.exchange.now
        if self._recorder is not None:
            self._record(True, Envelope(payload_type, payload, client_msg_id))

    def close(self, reason: str) -> None:
        """End the connection from the server's side, after what waits to be sent."""
        if self.close_reason is not None:
            return
        for account_id in tuple(self.accounts):
            self.end_account(account_id)
        self.close_reason = reason
        self.exchange.detach(self)

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
        if account is not None:
            for subscription in account.spots.values():
                self.exchange.market.unsubscribe(subscription)

    def account(self, account_id: int) -> AccountSession:
        """Return an account that is authorised here.

        Raises:
            Refusal: it is not.
        """
        account = self.accounts.get(account_id)
        if account is None:
            raise Refusal(
                self.exchange.switches.unauthorised_account_code,
                "Trading account is not authorized",
            )
        return account

    # Private

    def _record(self, outbound: bool, envelope: Envelope) -> None:
        if self._recorder is not None:
            self._recorder(self.exchange.now, outbound, envelope)

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
        self._record(False, envelope)
        if envelope.payload_type == HEARTBEAT_EVENT:
            return True
        request: Message | None = None
        try:
            request = self._parse(envelope)
            self._admit(request, envelope.payload_type)
            answer = self._router.answer(self, request, envelope.client_msg_id)
        except Refusal as refusal:
            answer = self._refuse(refusal, request)
        if answer is not None:
            self.send(answer, envelope.client_msg_id)
        self._run_afterwards()
        return not self.is_closed

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
        switches = self.exchange.switches
        authentication = payload_type in (APPLICATION_AUTH_REQ, ACCOUNT_AUTH_REQ)
        counted = not authentication or switches.authentication_counts_for_rate
        if counted and not self._limits.admit(payload_type, self.exchange.now):
            raise Refusal(
                switches.rate_limit_code,
                "Request rate exceeded",
                retry_after=switches.retry_after,
            )
        if self.client_id is None and payload_type != APPLICATION_AUTH_REQ:
            raise Refusal("CH_CLIENT_NOT_AUTHENTICATED", "Client is not authenticated")
        if payload_type != ACCOUNT_AUTH_REQ:
            account_id = account_id_of(request)
            if account_id is not None:
                self.account(account_id)

    def _refuse(self, refusal: Refusal, request: Message | None) -> Message:
        account_id = None if request is None else account_id_of(request)
        if isinstance(refusal, OrderRefusal) and account_id is not None:
            event = ProtoOAOrderErrorEvent(
                ctidTraderAccountId=account_id,
                errorCode=refusal.code,
                orderId=refusal.order_id,
                positionId=refusal.position_id,
                description=refusal.description,
            )
            nothing_known = refusal.order_id is None and refusal.position_id is None
            if nothing_known and self.exchange.switches.zero_ids_in_order_errors:
                event.orderId = event.positionId = 0
            return event
        answer = ProtoOAErrorRes(
            ctidTraderAccountId=account_id,
            errorCode=refusal.code,
            description=refusal.description,
        )
        if refusal.retry_after is not None:
            answer.retryAfter = refusal.retry_after
        return answer

    def _run_afterwards(self) -> None:
        afterwards, self.afterwards = self.afterwards, []
        for action in afterwards:
            action()


def account_id_of(request: Message) -> int | None:
    """Return the account that a request names, None where it names none."""
    if request.DESCRIPTOR.fields_by_name.get("ctidTraderAccountId") is None:
        return None
    # Every message that has the field has it as one integer.
    account_id: int = getattr(request, "ctidTraderAccountId")  # noqa: B009  # no common type
    return account_id
