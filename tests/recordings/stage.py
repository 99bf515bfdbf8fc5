"""Let the simulator live through what was recorded.

A recording holds what the server said, not what it was asked. So every request is read out of the
first message that it caused: an accepted order is what was ordered, a replaced protective order
has the levels that were asked for. Prices are those of the recorded quotes, and where there are
none, those at which orders were filled. What had been traded before the recording began is known
from its lists, and is traded again first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOAExecutionEvent,
    ProtoOASpotEvent,
    ProtoOATraderRes,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.prices import TickPrices
from ctrader.simulator.switches import Switches
from tests.recordings.asked import Ids, cause, question
from tests.recordings.likeness import Sent
from tests.recordings.offer import account_of, catalogue_of
from tests.recordings.past import deals_before, history, net_of
from tests.recordings.quotes import ticks_of
from tests.recordings.recorded import ACCOUNT, ENDLESS, EPOCH, MINUTE, Line, Recording
from tests.simulator.peer import Peer, log_in

__all__ = ["Rehearsal", "rehearse"]

SWITCHES: Final = Switches(
    write_unknown_fields=False,  # the recorder dropped them
    rate_limit=0,
    historical_rate_limit=0,
    idle_timeout=0,
    heartbeat_interval=1e9,
    fill_delay=0.14,  # recorded: 130 to 155 ms
    protection_delay=0.005,  # recorded: 3 to 10 ms by the server's stamps
)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was recorded, and what the simulator sent."""

    recorded: tuple[Sent, ...]
    simulated: tuple[Message, ...]


def rehearse(recording: Recording) -> Rehearsal:
    """Let the simulator live through a recording of an account."""
    stage = _Stage(recording)
    stage.play_before()
    return stage.play()


# Private


class _Stage:
    """One run of the simulator through one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._ids = Ids()
        self._offset = max(
            (
                stamp - instant
                for line, stamp in _stamped(recording)
                if (instant := line.instant) is not None
            ),
            default=0,
        )
        self._before = list(history(recording))
        ticks = ticks_of(recording)
        trader = next(
            message.trader
            for _, message in recording.messages()
            if isinstance(message, ProtoOATraderRes)
        )
        earned = sum(
            net_of(deal) for deal in deals_before(recording) if deal.HasField("closePositionDetail")
        )
        self._money_digits = trader.moneyDigits
        deposited = sum(deed.deposit for deed in self._before)
        first = min(tick.time for path in ticks.values() for tick in path)
        first = min([first, EPOCH, *(deed.at for deed in self._before)])
        self._opening = first - MINUTE
        exchange = Exchange(
            unix_ms=self._opening,
            prices=TickPrices(ticks),
            switches=SWITCHES,
            catalogue=catalogue_of(recording),
            accounts=[account_of(trader, trader.balance - earned - deposited)],
        )
        self._peer = log_in(Peer(exchange), ACCOUNT)
        self._simulated: list[Message] = []
        first_line = recording.lines[0]
        self._logs_in = first_line.kind == "marker"
        """Whether the recording itself begins with authentication."""

    # Before the recording

    def play_before(self) -> None:
        """Trade what had been traded before the recording began."""
        for deed in self._before:
            self._run_to(deed.at)
            self._peer.received()
            if deed.request is None:
                self._peer.exchange.deposit(
                    ACCOUNT, Decimal(deed.deposit).scaleb(-self._money_digits), note="scrubbed"
                )
                continue
            self._peer.send(deed.request(self._ids))
            answers = [each.message for each in self._peer.received()]
            accepted = [each for each in answers if isinstance(each, ProtoOAExecutionEvent)]
            if deed.opens is not None or deed.places is not None:
                assert accepted, f"{deed} was not accepted: {answers}"
            if deed.opens is not None:
                self._ids.positions[deed.opens] = accepted[0].position.positionId
            if deed.places is not None:
                self._ids.orders[deed.places] = accepted[0].order.orderId
        self._run_to(EPOCH)
        exchange = self._peer.exchange
        self._peer.session.connection_lost(exchange.now)
        self._peer = Peer(exchange)
        if not self._logs_in:
            log_in(self._peer, ACCOUNT)

    # The recording

    def play(self) -> Rehearsal:
        """Ask what was asked when it was asked, and return both sides' messages."""
        recorded: list[Sent] = []
        lines = self._recording.lines
        asked_by_marker = False
        for index, line in enumerate(lines):
            message = line.message
            if line.kind == "marker" and line.note.startswith("request "):
                asked_by_marker = True
                answer = _answer_to(lines, index)
                if answer.message is not None:
                    self._ask(answer, line.note.removeprefix("request "))
                continue
            if message is None:
                continue
            recorded.append(Sent(line.number, message))
            if line.kind == "event":
                self._live_through(message)
            elif not (asked_by_marker and line.kind == "snapshot"):
                self._ask(line, "")
            self._collect()
        self._run(1.0)
        self._collect()
        return Rehearsal(tuple(recorded), tuple(self._simulated))

    def _live_through(self, message: Message) -> None:
        """Let the time of an event come, and do what caused it."""
        stamp = _stamp(message)
        assert stamp is not None, message
        if isinstance(message, ProtoOAExecutionEvent):
            request = cause(message, self._ids)
            if request is not None:
                self._run_to(stamp)
                self._send(request, message)
        elif isinstance(message, ProtoOASpotEvent):
            self._run_to(stamp)

    def _ask(self, line: Line, name: str) -> None:
        """Send the request that a line answers."""
        message = line.message
        assert message is not None
        stamp = _stamp(message)
        if isinstance(message, ProtoOAExecutionEvent):
            assert stamp is not None
            self._run_to(stamp)
        elif line.instant is not None:
            self._run_to(min(line.instant + self._offset, self._next_stamp(line) - 1))
        request = question(line, name, self._ids, self._peer)
        self._send(request, message)

    def _send(self, request: Message, caused: Message) -> None:
        self._collect()
        self._peer.send(request)
        answers = [each.message for each in self._peer.received()]
        self._simulated += answers
        if not isinstance(caused, ProtoOAExecutionEvent):
            return
        for answer in answers:
            if isinstance(answer, ProtoOAExecutionEvent):
                self._learn(caused, answer)

    def _learn(self, recorded: ProtoOAExecutionEvent, simulated: ProtoOAExecutionEvent) -> None:
        self._ids.positions.setdefault(recorded.position.positionId, simulated.position.positionId)
        self._ids.orders.setdefault(recorded.order.orderId, simulated.order.orderId)

    def _collect(self) -> None:
        self._simulated += [each.message for each in self._peer.received()]

    # Time

    def _next_stamp(self, line: Line) -> int:
        """Return when the server did the next thing that it did by itself or was told."""
        for later, stamp in _stamped(self._recording):
            if later.number > line.number + 1:
                return stamp
        return ENDLESS

    def _run_to(self, instant: int) -> None:
        self._run((instant - self._peer.exchange.market_now()) / 1000)

    def _run(self, seconds: float) -> None:
        if seconds > 0:
            self._peer.run(seconds)


def _answer_to(lines: Sequence[Line], index: int) -> Line:
    return next(line for line in lines[index:] if line.kind == "snapshot")


def _stamped(recording: Recording) -> Iterator[tuple[Line, int]]:
    """Yield what the server did, with its own time of it."""
    for line, message in recording.messages():
        stamp = _stamp(message)
        if stamp is not None and line.kind in ("event", "snapshot"):
            yield line, stamp


def _stamp(message: Message) -> int | None:
    """Return the server's own time of something that it did; None for answers."""
    if isinstance(message, ProtoOAExecutionEvent):
        return message.order.utcLastUpdateTimestamp
    if isinstance(message, ProtoOATrailingSLChangedEvent):
        return message.utcLastUpdateTimestamp
    if isinstance(message, ProtoOASpotEvent):
        return message.timestamp
    return None
