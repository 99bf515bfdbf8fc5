"""The core and the server's side of its wire in one object, under virtual time.

`Peer` carries out what a `Session` asks for as an ideal driver would: effects in order, frames
written as soon as there are any. A test plays the server: it looks at what was sent, answers, and
lets time pass. Nothing sleeps; the clock jumps from one deadline to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, TypeVar

from ctrader.config import ClientConfig, ReauthPolicy
from ctrader.credentials import AccountCredentials
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeDepthQuotesRes,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeLiveTrendbarRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeDepthQuotesRes,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeLiveTrendbarRes,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsRes,
)
from ctrader.protocol.commands import (
    Authorize,
    Call,
    CallId,
    Command,
    Completion,
    Priority,
    SpotTopic,
    Subscribe,
    Topic,
    Unsubscribe,
)
from ctrader.protocol.decoding import open_message
from ctrader.protocol.effects import (
    CallCompleted,
    CallFailed,
    CloseConnection,
    EventsReceived,
    Finished,
    JobRequested,
    OpenConnection,
    Phase,
    PhaseChanged,
)
from ctrader.protocol.envelope import encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.protocol.session import Session
from ctrader.units import SECOND, to_nanos

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from google.protobuf.message import Message

    from ctrader.errors import CTraderError
    from ctrader.journal import OrderJournal
    from ctrader.protocol.grants import TokenCallback
    from ctrader.protocol.timers import Deadline
    from ctrader.protocol.work import Work
    from ctrader.tokens import TokenStore
    from ctrader.units import Nanos

__all__ = [
    "ACCOUNT",
    "OTHER_ACCOUNT",
    "START",
    "UNIX_START",
    "Peer",
    "Sent",
    "credentials",
    "market_order",
    "read_call",
    "settings",
    "trade_call",
]

ACCOUNT: Final = 123456
OTHER_ACCOUNT: Final = 654321
START: Final[Nanos] = 5_000 * SECOND
UNIX_START: Final = 1_700_000_000.0

E = TypeVar("E")
M = TypeVar("M", bound="Message")

_ANSWERS: Final[dict[type[Message], type[Message]]] = {
    ProtoOASubscribeSpotsReq: ProtoOASubscribeSpotsRes,
    ProtoOAUnsubscribeSpotsReq: ProtoOAUnsubscribeSpotsRes,
    ProtoOASubscribeDepthQuotesReq: ProtoOASubscribeDepthQuotesRes,
    ProtoOAUnsubscribeDepthQuotesReq: ProtoOAUnsubscribeDepthQuotesRes,
    ProtoOASubscribeLiveTrendbarReq: ProtoOASubscribeLiveTrendbarRes,
    ProtoOAUnsubscribeLiveTrendbarReq: ProtoOAUnsubscribeLiveTrendbarRes,
    ProtoOAAccountAuthReq: ProtoOAAccountAuthRes,
    ProtoOASymbolsListReq: ProtoOASymbolsListRes,
    ProtoOASymbolByIdReq: ProtoOASymbolByIdRes,
}


def settings(**changes: object) -> ClientConfig:
    """A configuration without proxies, files or environment."""
    values: dict[str, object] = {
        "client_id": "the-client-id",
        "client_secret": "the-client-secret",
        "reauth_policy": ReauthPolicy(min_wait=1, max_wait=8),
        **changes,
    }
    return ClientConfig.model_validate(values)


def credentials(account_id: int = ACCOUNT, token: str = "the-access-token") -> AccountCredentials:
    """Credentials of an account."""
    return AccountCredentials(
        account_id=account_id,
        access_token=token,
        refresh_token=f"{token}-refresh",
        expires_at=UNIX_START + 86_400,
    )


def market_order(account_id: int = ACCOUNT, **fields: object) -> ProtoOANewOrderReq:
    """A market order for 1,000 units of symbol 1."""
    order = ProtoOANewOrderReq(
        ctidTraderAccountId=account_id, symbolId=1, orderType="MARKET", tradeSide="BUY", volume=1000
    )
    for name, value in fields.items():
        setattr(order, name, value)
    return order


def trade_call(
    request: Message | None = None,
    completion: Completion = Completion.FILLED,
    *,
    account_id: int = ACCOUNT,
) -> Call:
    """A trading call."""
    return Call(
        market_order(account_id) if request is None else request,
        completion=completion,
        priority=Priority.TRADING,
        resend=False,
        account_id=account_id,
        fills_in_digits=True,
    )


def read_call(
    *,
    account_id: int = ACCOUNT,
    resend: bool = True,
    priority: Priority = Priority.READ,
) -> Call:
    """A call that reads the symbols of an account."""
    return Call(
        ProtoOASymbolsListReq(ctidTraderAccountId=account_id),
        ProtoOASymbolsListRes,
        priority=priority,
        resend=resend,
        account_id=account_id,
    )


@dataclass(frozen=True)
class Sent:
    """One frame that the client handed to the transport."""

    number: int
    at: Nanos
    epoch: int
    message: Message
    message_id: str | None


class Peer:
    """A session, its clock, an ideal driver and a server that does what the test says."""

    def __init__(
        self,
        changes: Mapping[str, object] | None = None,
        *,
        seed: int = 1,
        journal: OrderJournal | None = None,
        work: Work | None = None,
        token_store: TokenStore | None = None,
        token_callbacks: list[TokenCallback] | None = None,
        **more: float,
    ) -> None:
        """Begin a test.

        Args:
            changes: Settings that differ from the usual ones.
            seed: Seed of ids and jitter.
            journal: Where trading requests are kept; see `do_jobs`.
            work: What the session begins by itself.
            token_store: Where tokens are kept; see `do_jobs`.
            token_callbacks: Functions that keep them, too.
            more: Further settings.
        """
        self.config = settings(**(changes or {}), **more)
        self.session = Session(
            self.config,
            rng=Random(seed),
            work=work,
            journal=journal,
            token_store=token_store,
            token_callbacks=token_callbacks,
        )
        self.now = START
        self.can_write = True
        """Whether the transport takes bytes; without it, frames wait in the session."""
        self.is_finished = False
        """The effect `Finished` came: nothing may follow."""
        self.outputs: list[object] = []
        """Every effect in order, batches of events taken apart."""
        self.batches: list[object] = []
        """Every effect in order, as it came."""
        self.sent: list[Sent] = []
        """Every frame written since `clear`, oldest first."""
        self.results: dict[CallId, object] = {}
        self.errors: dict[CallId, Exception] = {}
        self.history: list[Sent] = []
        """Every frame ever written, oldest first."""
        self._frame_count = 0
        self._answered: set[int] = set()
        self.clock_set = 0.0
        """Seconds by which the computer's clock was set; see `set_clock`."""
        self.jobs: list[JobRequested] = []
        """Jobs that were asked for and not done, oldest first."""

    # The driver's side

    @property
    def unix_now(self) -> float:
        """Wall time."""
        return UNIX_START + (self.now - START) / SECOND + self.clock_set

    def carry_out(self) -> None:
        """Take effects and write frames until there is nothing more to do."""
        is_busy = True
        while is_busy:
            for effect in self.session.take_effects():
                self._note(effect)
            data = self.session.data_to_send(self.now) if self.can_write else b""
            self._wrote(data)
            effects = self.session.take_effects()
            for effect in effects:
                self._note(effect)
            is_busy = bool(data or effects)

    def write(self, max_bytes: int = 65536) -> None:
        """Let the transport take one portion."""
        self._wrote(self.session.data_to_send(self.now, max_bytes))
        for effect in self.session.take_effects():
            self._note(effect)

    def start(self, timeout: float | None = None) -> CallId:
        """Begin to connect."""
        call_id = self.session.start(self.now, unix_now=self.unix_now, timeout=timeout)
        self.carry_out()
        return call_id

    def connection_made(self, epoch: int | None = None) -> None:
        """Report that the connection stands."""
        epoch = self.session.epoch if epoch is None else epoch
        self.session.connection_made(epoch, self.now, unix_now=self.unix_now)
        self.carry_out()

    def connection_lost(self, cause: Exception | None = None, epoch: int | None = None) -> None:
        """Report that the connection ended."""
        epoch = self.session.epoch if epoch is None else epoch
        self.session.connection_lost(epoch, self.now, cause)
        self.carry_out()

    def receive(self, data: bytes, epoch: int | None = None) -> None:
        """Hand bytes of the server in."""
        self.session.receive_data(self.session.epoch if epoch is None else epoch, data, self.now)
        self.carry_out()

    def submit(self, command: Command, timeout: float | None = None) -> CallId:
        """Submit a command."""
        call_id = self.session.submit(command, self.now, timeout=timeout)
        self.carry_out()
        return call_id

    def cancel(self, call_id: CallId) -> object:
        """Cancel a command."""
        result = self.session.cancel(call_id, self.now)
        self.carry_out()
        return result

    def close(self, grace: float = 2.0) -> None:
        """Close the session."""
        self.session.close(self.now, grace=grace)
        self.carry_out()

    def abandon(self, error: CTraderError) -> None:
        """End the session at once, as a driver does that cannot go on."""
        self.session.abandon(error, self.now)
        self.carry_out()

    def do_jobs(self, count: int | None = None) -> None:
        """Do the oldest jobs, by default all, those included that they bring about."""
        while self.jobs and (count is None or count > 0):
            count = None if count is None else count - 1
            job = self.jobs.pop(0)
            result, error = None, None
            try:
                result = job.job()
            except Exception as failure:  # noqa: BLE001 - the session is told, whatever it is
                error = failure
            self.session.job_done(job.call_id, self.now, result, error)
            self.carry_out()

    # Time

    @property
    def seconds(self) -> float:
        """Seconds since the beginning of the test."""
        return (self.now - START) / SECOND

    def fire(self) -> Deadline:
        """Jump to the next deadline, let its timer fire, and return it."""
        deadline = self.session.next_deadline()
        assert deadline is not None, "nothing is awaited"
        self.now = max(self.now, deadline.at)
        self.session.handle_timer(self.now)
        self.carry_out()
        following = self.session.next_deadline()
        assert following is None or following.at > self.now
        return deadline

    def advance(self, seconds: float) -> None:
        """Let time pass, stopping at every deadline on the way."""
        end = self.now + to_nanos(seconds)
        while (deadline := self.session.next_deadline()) is not None and deadline.at <= end:
            self.fire()
        self.now = end

    def set_clock(self, seconds: float) -> None:
        """Set the computer's clock forward, or back."""
        self.clock_set += seconds
        self.session.check_clocks(self.now, unix_now=self.unix_now, suspended=0)
        self.carry_out()

    # The server's side

    def push(self, *messages: Message, message_id: str | None = None) -> None:
        """Send messages to the client in one read."""
        self.receive(b"".join(encode_message(message, message_id) for message in messages))

    def open(self, kind: type[M]) -> list[Sent]:
        """Requests of a type on this link that were not answered yet, oldest first."""
        return [
            sent
            for sent in self.history
            if isinstance(sent.message, kind)
            and sent.epoch == self.session.epoch
            and sent.number not in self._answered
        ]

    def requests(self, kind: type[M]) -> list[M]:
        """Messages of a type that the client sent since `clear`."""
        return [sent.message for sent in self.sent if isinstance(sent.message, kind)]

    def answer(self, kind: type[Message], *messages: Message) -> None:
        """Answer the oldest open request of a type, with its id; the usual answer by default."""
        sent = self.open(kind)[0]
        self._answered.add(sent.number)
        for message in messages or (usual_answer(sent.message),):
            self.push(message, message_id=sent.message_id)

    def refuse(
        self, kind: type[Message], code: str, description: str = "", *, retry_after: int = 0
    ) -> None:
        """Refuse the oldest open request of a type with a `ProtoOAErrorRes`."""
        error = ProtoOAErrorRes(errorCode=code, description=description)
        if retry_after:
            error.retryAfter = retry_after
        self.answer(kind, error)

    def refuse_commonly(self, kind: type[Message], code: str, description: str = "") -> None:
        """Refuse the oldest open request of a type with a `ProtoErrorRes`."""
        self.answer(kind, ProtoErrorRes(errorCode=code, description=description))

    @staticmethod
    def execution(execution_type: str, **fields: object) -> ProtoOAExecutionEvent:
        """An execution event on `ACCOUNT`."""
        event = ProtoOAExecutionEvent(ctidTraderAccountId=ACCOUNT, executionType=execution_type)
        for name, value in fields.items():
            setattr(event, name, value)
        return event

    # How the session stands. These are calls because type checkers believe that what was asserted
    # of an attribute holds until somebody assigns to it.

    def is_connected(self) -> bool:
        """Whether the link stands."""
        return self.session.is_connected

    def is_application_authenticated(self) -> bool:
        """Whether the application is authenticated on this link."""
        return self.session.is_application_authenticated

    def is_ready(self) -> bool:
        """Whether everything wanted is restored."""
        return self.session.is_ready

    # Shortcuts to a state

    def connect(self) -> None:
        """Bring the link up, up to the point where the application's answer is awaited."""
        self.start()
        self.connection_made()

    def connect_application(self) -> None:
        """Bring the link up and accept the application."""
        self.connect()
        self.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())

    def authorize(self, account_id: int = ACCOUNT) -> None:
        """Authenticate an account, with success."""
        self.submit(Authorize(credentials(account_id)))
        self.answer(ProtoOAAccountAuthReq)

    def make_ready(self, *account_ids: int) -> None:
        """Bring the link up with these accounts authenticated; `ACCOUNT` by default."""
        self.connect_application()
        for account_id in account_ids or (ACCOUNT,):
            self.authorize(account_id)

    def subscribe(self, *topics: Topic, owner: Hashable = "test") -> CallId:
        """Submit a subscription."""
        return self.submit(Subscribe(topics, owner))

    def unsubscribe(self, *topics: Topic, owner: Hashable = "test") -> CallId:
        """Submit the end of a subscription."""
        return self.submit(Unsubscribe(topics, owner))

    def hold_spots(self, *symbols: int, account_id: int = ACCOUNT) -> None:
        """Subscribe spots, with success."""
        self.subscribe(*(SpotTopic(account_id, symbol) for symbol in symbols))
        self.answer(ProtoOASubscribeSpotsReq)

    def lose_link(self) -> None:
        """Lose the link and wait until the next one is to be opened."""
        self.connection_lost()
        self.reopen()

    def reopen(self) -> None:
        """Wait until the next connection is to be opened."""
        while self.session.phase is Phase.WAITING:
            self.fire()

    def reconnect(self) -> None:
        """Lose the link, make the next one and accept the application on it."""
        self.lose_link()
        self.connection_made()
        self.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())

    # What came out

    def seen(self, *kinds: type[E]) -> list[E]:
        """Outputs of some types, in order."""
        return [output for output in self.outputs if isinstance(output, kinds)]

    def clear(self) -> None:
        """Forget outputs and frames, to look at what follows only."""
        self.outputs.clear()
        self.batches.clear()
        self.sent.clear()

    def sent_kinds(self) -> list[type[Message]]:
        """Types of the frames written, heartbeats left out."""
        return [
            type(sent.message)
            for sent in self.sent
            if not isinstance(sent.message, ProtoHeartbeatEvent)
        ]

    @property
    def phases(self) -> list[Phase]:
        """The phases gone through."""
        return [output.phase for output in self.seen(PhaseChanged)]

    @property
    def opened(self) -> list[int]:
        """Epochs of the connections that were to be opened."""
        return [output.epoch for output in self.seen(OpenConnection)]

    @property
    def closed(self) -> list[int]:
        """Epochs of the connections that were to be closed."""
        return [output.epoch for output in self.seen(CloseConnection)]

    # Private

    def _note(self, effect: object) -> None:
        assert not self.is_finished, f"{effect} came after Finished"
        self.is_finished = isinstance(effect, Finished)
        self.batches.append(effect)
        match effect:
            case EventsReceived(events):
                assert events, "an empty batch of events"
                self.outputs += events
                return
            case CallCompleted(call_id, result):
                assert call_id not in self.results
                assert call_id not in self.errors
                self.results[call_id] = result
            case CallFailed(call_id, error):
                assert call_id not in self.results
                assert call_id not in self.errors
                self.errors[call_id] = error
            case JobRequested():
                self.jobs.append(effect)
            case _:
                pass
        self.outputs.append(effect)

    def _wrote(self, data: bytes) -> None:
        if not data:
            return
        frames = FrameBuffer()
        block, spans = frames.feed(data)
        assert frames.failure is None
        assert frames.held == 0, "a frame was torn"
        for start, end in spans:
            envelope = open_envelope(block[start:end])
            message = open_message(envelope)
            assert message is not None
            sent = Sent(
                self._frame_count, self.now, self.session.epoch, message, envelope.client_msg_id
            )
            self._frame_count += 1
            self.history.append(sent)
            self.sent.append(sent)


def usual_answer(request: Message) -> Message:
    """The answer that a willing server gives."""
    if isinstance(request, ProtoOAApplicationAuthReq):
        return ProtoOAApplicationAuthRes()
    answer = _ANSWERS[type(request)]()
    # Every one of these messages names the account.
    answer.ctidTraderAccountId = request.ctidTraderAccountId  # type: ignore[attr-defined]
    return answer
