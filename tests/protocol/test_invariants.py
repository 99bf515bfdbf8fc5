"""The promises of the core, held against everything that a server, a network and users may do.

A state machine drives two sessions with the same seed and the same inputs. The second gets every
read split at other places, and none of the inputs that must change nothing (of old epochs, early
timers). Whatever happens, both must say the same.
"""

from __future__ import annotations

import itertools
from collections import deque
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ctrader.enums import TrendbarPeriod
from ctrader.errors import (
    CTraderError,
    OrderError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
)
from ctrader.events import (
    ConnectedEvent,
    DisconnectedEvent,
    ExecutionEvent,
    ServerErrorEvent,
    SpotEvent,
)
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAApplicationAuthReq,
    ProtoOAClientDisconnectEvent,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAErrorRes,
    ProtoOANewOrderReq,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.commands import (
    Authorize,
    Call,
    CallId,
    CancelResult,
    Command,
    Completion,
    DepthTopic,
    Logout,
    NextEvent,
    Pause,
    PnLTopic,
    Priority,
    SpotTopic,
    Subscribe,
    SymbolTopic,
    TrendbarTopic,
    Unsubscribe,
    WaitApplication,
    WaitReady,
)
from ctrader.protocol.effects import Phase
from ctrader.protocol.envelope import encode_envelope, encode_message
from ctrader.protocol.limiter import HISTORICAL_RATE, NORMAL_RATE, Lane, lane_of
from ctrader.units import MILLISECOND, SECOND, to_nanos
from tests.protocol.peer import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Peer,
    Sent,
    credentials,
    market_order,
    read_call,
    trade_call,
    usual_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT)
TOPICS: tuple[SymbolTopic, ...] = tuple(
    topic
    for account in ACCOUNTS
    for symbol in (1, 2)
    for topic in (
        SpotTopic(account, symbol),
        TrendbarTopic(account, symbol, TrendbarPeriod.M1),
        DepthTopic(account, symbol),
    )
)
HEARTBEAT_INTERVAL = 4.0
ANSWER_TIMEOUT = 6.0
SUBSCRIPTIONS = (
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeDepthQuotesReq,
)
UNSUBSCRIPTIONS = (
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeDepthQuotesReq,
)


def spots_of(topic: SymbolTopic) -> SpotTopic:
    return SpotTopic(topic.account_id, topic.symbol_id)


def topics_of(message: Message) -> list[SymbolTopic]:
    match message:
        case ProtoOASubscribeSpotsReq() | ProtoOAUnsubscribeSpotsReq():
            return [SpotTopic(message.ctidTraderAccountId, s) for s in message.symbolId]
        case ProtoOASubscribeDepthQuotesReq() | ProtoOAUnsubscribeDepthQuotesReq():
            return [DepthTopic(message.ctidTraderAccountId, s) for s in message.symbolId]
        case ProtoOASubscribeLiveTrendbarReq() | ProtoOAUnsubscribeLiveTrendbarReq():
            period = TrendbarPeriod(message.period)
            return [TrendbarTopic(message.ctidTraderAccountId, message.symbolId, period)]
        case _:
            raise AssertionError(message)


class ServerLink:
    """What the server knows of one connection."""

    def __init__(self, removed: set[int]) -> None:
        self.removed = removed
        """Accounts that the client gave up, and may know less of than the server still does."""
        self.is_application_known = False
        self.accounts: set[int] = set()
        self.topics: set[SymbolTopic] = set()
        self.waiting: deque[Sent] = deque()
        self.events: list[Message] = []
        """What it has to tell besides answers."""

    def process(self, message: Message) -> Message:
        """Do what a request asks for and return the answer."""
        if isinstance(message, ProtoOAApplicationAuthReq):
            assert not self.is_application_known
            self.is_application_known = True
            return usual_answer(message)
        assert self.is_application_known, f"{type(message).__name__} before the application"
        if isinstance(message, ProtoOAAccountAuthReq):
            if message.ctidTraderAccountId in self.accounts:
                return ProtoOAErrorRes(errorCode="ALREADY_LOGGED_IN")
            self.accounts.add(message.ctidTraderAccountId)
        elif isinstance(message, ProtoOAAccountLogoutReq):
            account_id = message.ctidTraderAccountId
            if account_id not in self.accounts:
                return ProtoOAErrorRes(errorCode="ACCOUNT_NOT_AUTHORIZED")
            self.forget(account_id)
            self.events.append(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=account_id))
            return ProtoOAAccountLogoutRes(ctidTraderAccountId=account_id)
        elif isinstance(message, SUBSCRIPTIONS):
            return self._subscribe(message)
        elif isinstance(message, UNSUBSCRIPTIONS):
            for topic in topics_of(message):
                if isinstance(topic, SpotTopic):
                    needed = {t for t in self.topics if t != topic and spots_of(t) == topic}
                    if topic.account_id not in self.removed:
                        assert not needed, f"spots given up that {needed} need"
                self.topics.discard(topic)
        elif isinstance(message, ProtoOANewOrderReq):
            return Peer.execution("ORDER_FILLED")
        elif isinstance(message, ProtoOADealListReq):
            return ProtoOADealListRes(
                ctidTraderAccountId=message.ctidTraderAccountId, hasMore=False
            )
        return usual_answer(message)

    def forget(self, account_id: int) -> None:
        """End an account's session."""
        self.accounts.discard(account_id)
        self.topics = {t for t in self.topics if t.account_id != account_id}

    def _subscribe(self, message: Message) -> Message:
        topics = topics_of(message)
        if topics[0].account_id not in self.accounts:
            return ProtoOAErrorRes(
                errorCode="INVALID_REQUEST", description="Trading account is not authorized"
            )
        if self.topics.intersection(topics):
            return ProtoOAErrorRes(errorCode="ALREADY_SUBSCRIBED")
        for topic in topics:
            if not isinstance(topic, SpotTopic):
                assert spots_of(topic) in self.topics, f"{topic} before its spots"
        self.topics.update(topics)
        return usual_answer(message)


class Conversation(RuleBasedStateMachine):
    """Two sessions, one server, one network, and users who do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.main = self._peer()
        self.twin = self._peer()
        self.removed_on_link: set[int] = set()
        self.server = ServerLink(self.removed_on_link)
        self.server_epoch = 0
        self.cuts = Random(0)
        self.frames_seen = 0
        self.commands: dict[CallId, Command] = {}
        self.cancelled: dict[CallId, CancelResult] = {}
        self.judged: set[CallId] = set()
        self.owners: dict[SymbolTopic, set[int]] = {topic: set() for topic in TOPICS}
        self.owner_count = 0
        self.order_epochs: dict[str, int] = {}
        self.authorizations: dict[int, int] = dict.fromkeys(ACCOUNTS, 0)
        """How often an account has begun anew: orders of one time are not sent in another."""
        self.order_authorizations: dict[str, int] = {}
        self.orders_sent: set[str] = set()
        self.lanes: dict[Lane, deque[int]] = {}
        self.last_sent = 0
        self.is_excused = True

    @staticmethod
    def _peer() -> Peer:
        peer = Peer(
            heartbeat_interval=HEARTBEAT_INTERVAL,
            heartbeat_timeout=20,
            request_timeout=ANSWER_TIMEOUT,
            connect_timeout=5,
        )
        peer.session.listen(frozenset({SpotEvent, ExecutionEvent}), None)
        return peer

    # Acting on both sessions

    def each(self, action: Callable[[Peer], object]) -> object:
        """Do the same to both sessions; they must answer the same."""
        result = action(self.main)
        assert action(self.twin) == result
        return result

    def feed(self, data: bytes) -> None:
        """Let both read the same bytes, the second one in pieces."""
        self.main.receive(data)
        borders = [0, *sorted(self.cuts.choices(range(len(data) + 1), k=4)), len(data)]
        for start, end in itertools.pairwise(borders):
            session = self.twin.session
            session.receive_data(session.epoch, data[start:end], self.twin.now)
        self.twin.carry_out()

    def submit(self, command: Command, timeout: float | None = None) -> CallId:
        call_id = self.each(lambda peer: peer.submit(command, timeout))
        assert isinstance(call_id, int)
        self.commands[call_id] = command
        return call_id

    @property
    def phase(self) -> Phase:
        return self.main.session.phase

    def takes_commands(self) -> bool:
        return self.phase not in (Phase.CLOSING, Phase.FINISHED)

    def has_request(self) -> bool:
        return (
            bool(self.server.waiting)
            and self.server_epoch == self.main.session.epoch
            and self.phase in (Phase.CONNECTED, Phase.CLOSING)
        )

    # The network

    @initialize(seed=st.integers(0, 2**16), ready=st.sampled_from([True, True, True, False]))
    def begin(self, seed: int, ready: bool) -> None:
        self.cuts.seed(seed)
        if ready:
            self.start()
            self.each(Peer.connection_made)
            self.check()
            self.answer()
            for account_id in ACCOUNTS:
                self.submit(Authorize(credentials(account_id)))
            self.check()
            self.answer()
            self.answer()

    @precondition(takes_commands)
    @rule()
    def start(self) -> None:
        call_id = self.each(Peer.start)
        assert isinstance(call_id, int)
        self.commands[call_id] = WaitApplication()

    @precondition(lambda self: self.phase is Phase.CONNECTING)
    @rule()
    def connection_stands(self) -> None:
        self.each(Peer.connection_made)

    @precondition(lambda self: self.phase is Phase.CONNECTING)
    @rule()
    def connection_fails(self) -> None:
        self.each(lambda peer: peer.connection_lost(ConnectionRefusedError()))

    @precondition(lambda self: self.phase in (Phase.CONNECTED, Phase.CLOSING))
    @rule()
    def connection_breaks(self) -> None:
        self.each(Peer.connection_lost)

    @precondition(lambda self: self.main.session.epoch > 1)
    @rule(data=st.binary(max_size=20), made=st.booleans())
    def old_connection_speaks(self, data: bytes, made: bool) -> None:
        # Only the first session hears it: it must not make a difference.
        peer = self.main
        before = peer.session.next_deadline()
        old = peer.session.epoch - 1
        peer.receive(data, epoch=old)
        peer.connection_lost(ConnectionResetError(), epoch=old)
        if made:
            peer.connection_made(epoch=old)
        assert peer.session.next_deadline() == before

    @rule(can_write=st.booleans())
    def transport_stalls_or_not(self, can_write: bool) -> None:
        for peer in (self.main, self.twin):
            peer.can_write = can_write
            peer.carry_out()

    @rule(max_bytes=st.sampled_from([1, 30, 200]))
    def transport_takes_a_portion(self, max_bytes: int) -> None:
        self.each(lambda peer: peer.write(max_bytes))

    # Time

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0, 2.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.each(lambda peer: peer.advance(seconds))

    @precondition(lambda self: self.main.session.next_deadline() is not None)
    @rule()
    def next_timer_fires(self) -> None:
        self.each(Peer.fire)

    @rule()
    def timer_is_early(self) -> None:
        peer = self.main
        deadline = peer.session.next_deadline()
        if deadline is None or deadline.at > peer.now:
            peer.session.handle_timer(peer.now)
            peer.carry_out()
            assert peer.session.next_deadline() == deadline

    @precondition(lambda self: self.main.session.next_deadline() is not None)
    @rule()
    def driver_sleeps_too_long(self) -> None:
        for peer in (self.main, self.twin):
            peer.now += to_nanos(9.0)
            peer.session.handle_timer(peer.now)
            deadline = peer.session.next_deadline()
            assert deadline is None or deadline.at > peer.now
            peer.carry_out()
        self.is_excused = True

    # The server

    def _take(self) -> Sent:
        self.check()
        return self.server.waiting.popleft()

    def _told(self) -> bytes:
        events, self.server.events = self.server.events, []
        for event in events:
            assert isinstance(event, ProtoOAAccountDisconnectEvent)
            self.removed_on_link.discard(event.ctidTraderAccountId)
        return b"".join(encode_message(event) for event in events)

    @precondition(has_request)
    @rule()
    def answer(self) -> None:
        sent = self._take()
        answer = encode_message(self.server.process(sent.message), sent.message_id)
        self.feed(answer + self._told())

    @precondition(has_request)
    @rule()
    def answer_all(self) -> None:
        frames: list[bytes] = []
        while self.server.waiting:
            sent = self._take()
            frames.append(encode_message(self.server.process(sent.message), sent.message_id))
            frames.append(self._told())
        self.feed(b"".join(frames))

    @precondition(has_request)
    @rule()
    def answer_is_lost(self) -> None:
        self.server.process(self._take().message)
        self.feed(self._told())

    @precondition(has_request)
    @rule(payload=st.binary(max_size=8))
    def answer_is_garbled(self, payload: bytes) -> None:
        sent = self._take()
        answer = self.server.process(sent.message)
        number = PAYLOAD_TYPE_BY_MESSAGE[type(answer)]
        self.feed(encode_envelope(number, b"\xff" + payload, sent.message_id) + self._told())

    @precondition(has_request)
    @rule(
        code=st.sampled_from(
            [
                "BLOCKED_PAYLOAD_TYPE",
                "CANT_ROUTE_REQUEST",
                "CH_ACCESS_TOKEN_INVALID",
                "SYMBOL_NOT_FOUND",
                "OF_THE_FUTURE",
            ]
        ),
        retry_after=st.integers(0, 3),
        is_common=st.booleans(),
    )
    def refuse(self, code: str, retry_after: int, is_common: bool) -> None:
        sent = self._take()
        if isinstance(sent.message, UNSUBSCRIPTIONS):
            code = "BLOCKED_PAYLOAD_TYPE"  # any other refusal counts as the end of the topic
        if isinstance(sent.message, ProtoOAApplicationAuthReq):
            code = "CANT_ROUTE_REQUEST"  # a definite refusal would end the conversation here
        error: Message = ProtoErrorRes(errorCode=code)
        if not is_common:
            error = ProtoOAErrorRes(errorCode=code)
            if retry_after:
                error.retryAfter = retry_after
        self.feed(encode_message(error, sent.message_id))

    @precondition(has_request)
    @rule()
    def order_makes_progress(self) -> None:
        message_id = self.server.waiting[0].message_id
        self.feed(encode_message(Peer.execution("ORDER_ACCEPTED"), message_id))

    @rule(
        bid=st.none() | st.integers(0, 200_000),
        ask=st.none() | st.integers(0, 200_000),
        message_id=st.sampled_from([None, "of-another-program"]),
        count=st.integers(1, 3),
    )
    def quotes_come(
        self, bid: int | None, ask: int | None, message_id: str | None, count: int
    ) -> None:
        quote = ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=bid, ask=ask)
        self.feed(encode_message(quote, message_id) * count)

    @rule(
        message=st.sampled_from(
            [
                Peer.execution("ORDER_FILLED"),
                ProtoErrorRes(errorCode="UNKNOWN_ERROR", description="the-client-secret"),
                ProtoHeartbeatEvent(),
            ]
        )
    )
    def something_else_comes(self, message: Message) -> None:
        self.feed(encode_message(message, "of-another-program") + encode_envelope(4242, b"x"))

    @precondition(lambda self: self.phase is Phase.CONNECTED)
    @rule(account_id=st.sampled_from(ACCOUNTS))
    def account_is_dropped(self, account_id: int) -> None:
        self.check()
        if account_id not in self.server.accounts or self.server.waiting:
            return
        self.server.forget(account_id)
        self.removed_on_link.discard(account_id)
        self.feed(encode_message(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=account_id)))

    @precondition(lambda self: self.phase is Phase.CONNECTED)
    @rule()
    def client_is_dropped(self) -> None:
        self.feed(encode_message(ProtoOAClientDisconnectEvent(reason="the-client-secret")))

    @precondition(lambda self: self.phase is Phase.CONNECTED)
    @rule(data=st.binary(max_size=40), framed=st.booleans())
    def garbage_comes(self, data: bytes, framed: bool) -> None:
        self.feed(len(data).to_bytes(4, "big") + data if framed else data)
        if self.phase is Phase.CONNECTED:
            self.connection_breaks()

    # The users

    @precondition(takes_commands)
    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        count=st.sampled_from([1, 2, 60]),
        resend=st.booleans(),
        timeout=st.sampled_from([None, 0.0, 0.5]),
    )
    def read(self, account_id: int, count: int, resend: bool, timeout: float | None) -> None:
        for _ in range(count):
            self.submit(read_call(account_id=account_id, resend=resend), timeout)

    @precondition(takes_commands)
    @rule(priority=st.sampled_from([Priority.READ, Priority.BULK]), count=st.sampled_from([1, 6]))
    def read_history(self, priority: Priority, count: int) -> None:
        request = ProtoOADealListReq(ctidTraderAccountId=ACCOUNT)
        for _ in range(count):
            self.submit(Call(request, ProtoOADealListRes, priority=priority, account_id=ACCOUNT))

    @precondition(takes_commands)
    @rule(timeout=st.sampled_from([None, 0.0, 0.5]))
    def trade(self, timeout: float | None) -> None:
        client_order_id = f"order-{len(self.order_epochs)}"
        self.order_epochs[client_order_id] = self.main.session.epoch
        self.order_authorizations[client_order_id] = self.authorizations[ACCOUNT]
        self.submit(trade_call(market_order(clientOrderId=client_order_id)), timeout)

    @precondition(takes_commands)
    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        token=st.sampled_from(["the-access-token", "a-newer-token"]),
        timeout=st.sampled_from([None, 0.5]),
    )
    def authorize(self, account_id: int, token: str, timeout: float | None) -> None:
        kept = self.main.session.credentials(account_id)
        if kept is None or kept.access_token != token:
            self.authorizations[account_id] += 1
        self.submit(Authorize(credentials(account_id, token)), timeout)

    @precondition(takes_commands)
    @rule(
        topics=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3, unique=True),
        timeout=st.sampled_from([None, None, 0.5]),
    )
    def subscribe(self, topics: list[SymbolTopic], timeout: float | None) -> None:
        self.owner_count += 1
        for topic in topics:
            self.owners[topic].add(self.owner_count)
        self.submit(Subscribe(tuple(topics), self.owner_count), timeout)

    @precondition(takes_commands)
    @rule(topic=st.sampled_from(TOPICS), everybody=st.booleans())
    def unsubscribe(self, topic: SymbolTopic, everybody: bool) -> None:
        owners = sorted(self.owners[topic])
        for owner in owners if everybody else owners[:1]:
            self.owners[topic].discard(owner)
            self.submit(Unsubscribe((topic,), owner))

    @precondition(takes_commands)
    @rule(
        command=st.sampled_from(
            [
                Pause(700 * MILLISECOND),
                WaitApplication(),
                WaitReady(ACCOUNT),
                NextEvent((DisconnectedEvent, ConnectedEvent), lambda _: True),
                NextEvent((SpotEvent,), lambda event: True),
                NextEvent((ServerErrorEvent,), lambda event: True),
                Call(ProtoHeartbeatEvent(), completion=Completion.SENT),
            ]
        )
    )
    def wait_or_tell(self, command: Command) -> None:
        self.submit(command)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.check()
        running = [c for c in self.commands if c not in self.judged and c not in self.cancelled]
        if not running:
            return
        call_id = data.draw(st.sampled_from(running[-8:]))
        result = self.each(lambda peer: peer.cancel(call_id))
        assert isinstance(result, CancelResult)
        assert result is not CancelResult.FINISHED
        self.cancelled[call_id] = result
        command = self.commands[call_id]
        if isinstance(command, Subscribe):
            self._give_back(command)
        elif isinstance(command, Call) and isinstance(command.request, ProtoOANewOrderReq):
            is_sent = command.request.clientOrderId in self.orders_sent
            assert is_sent == (result is CancelResult.SENT)
            if not is_sent:
                self.order_epochs[command.request.clientOrderId] = -1

    @precondition(takes_commands)
    @rule(
        account_id=st.sampled_from(ACCOUNTS),
        timeout=st.sampled_from([None, 0.5]),
        comes_back=st.booleans(),
    )
    def log_out(self, account_id: int, timeout: float | None, comes_back: bool) -> None:
        if self.main.session.credentials(account_id) is not None:
            self._forget(account_id)
        self.submit(Logout(account_id), timeout)
        if comes_back:
            self.authorize(account_id, "the-access-token", None)

    @precondition(takes_commands)
    @rule(way=st.sampled_from(["logout", "removal", "newer token"]), is_stalled=st.booleans())
    def trade_and_leave(self, way: str, is_stalled: bool) -> None:
        """Leave orders in the queue of an account that is given up."""
        if is_stalled:
            self.transport_stalls_or_not(False)
        else:
            self.read(ACCOUNT, 60, False, None)
        self.trade(None)
        self.trade(0.5)
        if way == "logout":
            self.log_out(ACCOUNT, None, True)
        elif way == "removal":
            self.remove_account(ACCOUNT)
            self.authorize(ACCOUNT, "the-access-token", None)
        else:
            self.authorize(ACCOUNT, "a-newer-token", None)
        self.transport_stalls_or_not(True)

    def _forget(self, account_id: int) -> None:
        """Note that the client gives an account up, which the server may not know yet."""
        self.removed_on_link.add(account_id)
        self.authorizations[account_id] += 1
        for topic in TOPICS:
            if topic.account_id == account_id:
                self.owners[topic].clear()

    @rule(account_id=st.sampled_from(ACCOUNTS))
    def remove_account(self, account_id: int) -> None:
        if self.main.session.credentials(account_id) is not None:
            self._forget(account_id)
        for peer in (self.main, self.twin):
            peer.session.remove_account(account_id, peer.now)
            peer.carry_out()

    @precondition(lambda self: len(self.commands) > 12)
    @rule(grace=st.sampled_from([0.0, 0.5, 3.0]))
    def close(self, grace: float) -> None:
        self.each(lambda peer: peer.close(grace))

    # Quiet

    @precondition(takes_commands)
    @rule()
    def everything_comes_to_rest(self) -> None:
        """A willing server and a working network, for long enough."""
        self.transport_stalls_or_not(True)
        quiet = 0
        while quiet < 14:
            self.check()
            if self.phase is Phase.IDLE:
                self.start()
            elif self.phase is Phase.CONNECTING:
                self.connection_stands()
            elif self.phase is Phase.WAITING:
                self.next_timer_fires()
            elif self.has_request():
                self.answer_all()
            else:
                self.time_passes(5.0)
                self.feed(encode_message(ProtoHeartbeatEvent()))
                quiet = 0 if self.has_request() else quiet + 1
        session = self.main.session
        assert session.is_ready
        for account_id in session.authenticated_accounts:
            assert account_id in self.server.accounts
            wanted = {t for t in TOPICS if t.account_id == account_id and self.owners[t]}
            wanted |= {spots_of(topic) for topic in wanted}
            actual = {t for t in self.server.topics if t.account_id == account_id}
            if account_id in self.removed_on_link:
                assert wanted <= actual
            else:
                assert wanted == actual

    # What must always hold

    @invariant()
    def check(self) -> None:
        self._look_at_frames()
        main, twin = self.main, self.twin
        assert [repr(output) for output in main.outputs] == [repr(o) for o in twin.outputs]
        assert main.session.next_deadline() == twin.session.next_deadline()
        for peer in (main, twin):
            peer.clear()
        for call_id in [*main.results, *main.errors]:
            if call_id not in self.judged:
                self.judged.add(call_id)
                self._look_at_end(call_id)
        if self.phase is Phase.CONNECTED and not self.is_excused:
            assert main.now - self.last_sent <= to_nanos(HEARTBEAT_INTERVAL)

    def _look_at_frames(self) -> None:
        frames = self.main.history[self.frames_seen :]
        assert repr(frames) == repr(self.twin.history[self.frames_seen :])
        self.frames_seen += len(frames)
        if not self.main.can_write:
            self.is_excused = True
        for sent in frames:
            if sent.epoch != self.server_epoch:
                self.removed_on_link.clear()
                self.server = ServerLink(self.removed_on_link)
                self.server_epoch = sent.epoch
                self.lanes = {lane: deque() for lane in Lane}
                self.is_excused = True
            if not self.is_excused:
                assert sent.at - self.last_sent <= to_nanos(HEARTBEAT_INTERVAL)
            self.last_sent = sent.at
            self.is_excused = not self.main.can_write
            if isinstance(sent.message, ProtoHeartbeatEvent):
                continue
            self.server.waiting.append(sent)
            self._look_at_rate(sent)
            if isinstance(sent.message, ProtoOANewOrderReq):
                client_order_id = sent.message.clientOrderId
                assert client_order_id not in self.orders_sent, "an order was sent twice"
                assert self.order_epochs[client_order_id] == sent.epoch, "an order was sent late"
                assert self.order_authorizations[client_order_id] == self.authorizations[ACCOUNT], (
                    "an order was sent in another session of its account"
                )
                self.orders_sent.add(client_order_id)

    def _look_at_rate(self, sent: Sent) -> None:
        lane = lane_of(type(sent.message))
        rate = NORMAL_RATE if lane is Lane.NORMAL else HISTORICAL_RATE
        times = self.lanes[lane]
        times.append(sent.at)
        if len(times) > rate:
            assert sent.at - times.popleft() >= SECOND

    def _look_at_end(self, call_id: CallId) -> None:
        assert call_id not in self.cancelled, "a cancelled command gave an effect"
        command = self.commands[call_id]
        error = self.main.errors.get(call_id)
        assert error is None or isinstance(error, CTraderError)
        assert "the-client-secret" not in str(error)
        if isinstance(command, Subscribe) and error is not None:
            self._give_back(command)
        if isinstance(command, Call) and isinstance(command.request, ProtoOANewOrderReq):
            client_order_id = command.request.clientOrderId
            assert error is None or isinstance(
                error, OrderNotSentError | OrderRejectedError | OrderOutcomeUnknownError
            )
            is_unsent = isinstance(error, OrderNotSentError)
            assert is_unsent == (client_order_id not in self.orders_sent)
            assert error is None or isinstance(error, OrderError)
            if is_unsent:
                self.order_epochs[client_order_id] = -1

    def _give_back(self, command: Subscribe) -> None:
        for topic in command.topics:
            assert isinstance(command.owner, int)
            assert not isinstance(topic, PnLTopic)
            self.owners[topic].discard(command.owner)

    def teardown(self) -> None:
        self.check()
        if self.takes_commands():
            self.everything_comes_to_rest()
        self.each(lambda peer: peer.close(1.0))
        self.each(lambda peer: peer.advance(10.0))
        self.check()
        for peer in (self.main, self.twin):
            assert peer.is_finished
            assert peer.session.next_deadline() is None
        assert self.commands.keys() == self.judged | self.cancelled.keys()


@pytest.mark.timeout(300)  # when it fails, the search for a short example takes its time
def test_conversation():
    run_state_machine_as_test(
        Conversation,
        settings=settings(
            derandomize=True,
            max_examples=250,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
