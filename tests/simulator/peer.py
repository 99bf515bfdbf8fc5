"""A client's end of a simulated connection under virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAExecutionEvent,
    ProtoOASpotEvent,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from ctrader.protocol.envelope import encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.simulator.catalogue import AccountSpec
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.prices import Tick, TickPrices
from ctrader.simulator.session import ServerSession
from ctrader.simulator.switches import Switches

SECOND: Final = 1_000_000_000
START: Final = 1_600_000_000_000
"""Market time at which the exchanges of `scripted_exchange` open, milliseconds UTC."""
USD_ACCOUNT: Final = 1_000_001
EUR_ACCOUNT: Final = 1_000_002
NETTED_ACCOUNT: Final = 1_000_003
LIVE_ACCOUNT: Final = 2_000_001
BARE: Final = Switches(
    write_unknown_fields=False, rate_limit=0, historical_rate_limit=0, idle_timeout=0
)
"""Switches without what would only be in a test's way."""

M = TypeVar("M", bound=Message)


class Received(NamedTuple):
    """One frame from the server."""

    client_msg_id: str | None
    message: Message


class Peer:
    """Talks to one server session in bytes and steps the exchange's clock."""

    def __init__(self, exchange: Exchange, *, is_live: bool = False) -> None:
        self.exchange = exchange
        self.session = ServerSession(exchange, is_live=is_live)
        self._buffer = FrameBuffer()
        self._sent = 0

    def send(self, message: Message, client_msg_id: str | None = None) -> None:
        """Send a message now."""
        self.send_bytes(encode_message(message, client_msg_id))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes now."""
        self.session.receive_data(data, self.exchange.now)

    def received(self) -> list[Received]:
        """Return what came since the last call, heartbeats included."""
        block, spans = self._buffer.feed(self.session.data_to_send())
        frames: list[Received] = []
        for start, end in spans:
            envelope = open_envelope(block[start:end])
            message = MESSAGE_BY_PAYLOAD_TYPE[envelope.payload_type].FromString(envelope.payload)
            frames.append(Received(envelope.client_msg_id, message))
        return frames

    def messages(self, kind: type[M]) -> list[M]:
        """Return the messages of one kind that came since the last call; drop all others."""
        return [each.message for each in self.received() if isinstance(each.message, kind)]

    def ask(self, message: Message, kind: type[M]) -> M:
        """Send a request and return its answer, which must be of one kind."""
        self._sent += 1
        client_msg_id = f"ask-{self._sent}"
        self.received()
        self.send(message, client_msg_id)
        answers = [each.message for each in self.received() if each.client_msg_id == client_msg_id]
        assert len(answers) == 1, answers
        assert isinstance(answers[0], kind), answers[0]
        return answers[0]

    def run(self, seconds: float) -> None:
        """Let virtual time pass, step by step from deadline to deadline."""
        end = self.exchange.now + round(seconds * SECOND)
        while True:
            deadlines = [self.exchange.next_deadline(), self.session.next_deadline()]
            due = min((each for each in deadlines if each is not None), default=end)
            self.session.handle_timer(min(due, end))
            if due >= end:
                break
        self.session.handle_timer(end)

    def executions(self, seconds: float = 1.0) -> list[Received]:
        """Let time pass and return the execution events that came."""
        self.run(seconds)
        return [each for each in self.received() if isinstance(each.message, ProtoOAExecutionEvent)]


def scripted_exchange(
    ticks: Sequence[tuple[float, int | None, int | None]] = ((0, 112567, 112569),),
    *,
    symbol_id: int = 1,
    others: dict[int, Sequence[tuple[float, int | None, int | None]]] | None = None,
    switches: Switches = BARE,
    accounts: Sequence[AccountSpec] | None = None,
    speed: float = 1.0,
) -> Exchange:
    """Open an exchange whose prices are given: (seconds from the start, bid, ask)."""
    given = {symbol_id: ticks, **(others or {})}
    prices = TickPrices({each: [make_tick(*tick) for tick in path] for each, path in given.items()})
    if accounts is None:
        return Exchange(unix_ms=START, prices=prices, switches=switches, speed=speed)
    return Exchange(unix_ms=START, prices=prices, switches=switches, speed=speed, accounts=accounts)


def make_tick(seconds: float, bid: int | None, ask: int | None) -> Tick:
    """Make a tick at a time from the start."""
    return Tick(START + round(seconds * 1000), bid, ask, (bid is not None) + (ask is not None))


def with_fields(message: M, **fields: object) -> M:
    """Set fields of a message by name and return it."""
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def log_in(peer: Peer, *account_ids: int, client: int = 0) -> Peer:
    """Authenticate the program and some accounts."""
    grants = peer.exchange.grants
    grant = grants.grants[client]
    peer.ask(
        ProtoOAApplicationAuthReq(
            clientId=grant.client_id, clientSecret=grants.secret_of(grant.client_id)
        ),
        ProtoOAApplicationAuthRes,
    )
    for account_id in account_ids:
        peer.ask(
            ProtoOAAccountAuthReq(ctidTraderAccountId=account_id, accessToken=grant.access_token),
            ProtoOAAccountAuthRes,
        )
    return peer


def spots(peer: Peer) -> list[ProtoOASpotEvent]:
    """Return the spot events that came since the last call."""
    return peer.messages(ProtoOASpotEvent)
