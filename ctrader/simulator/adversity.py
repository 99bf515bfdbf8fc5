"""Carry a plan of faults out on a world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccountAuthReq,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAApplicationAuthReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOADealStatus,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE, PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.envelope import Envelope
from ctrader.simulator.faults import (
    AccountDropped,
    AnswerLate,
    AnswerWrong,
    ClientDisconnected,
    ClientKilled,
    ClockStepped,
    ConnectingFails,
    ConsumerSlow,
    EofInsideFrame,
    Fault,
    FilledInParts,
    Finished,
    FrameAltered,
    FrameDuplicated,
    HalfOpen,
    HistoryLags,
    LatencyChanged,
    Lost,
    Maintenance,
    Merged,
    OrderAnsweredWithError,
    OrderRejected,
    OrdersRefused,
    RateLimited,
    Reset,
    ServerError,
    ServerRestarted,
    Split,
    StoreFails,
    Suspended,
    TokenInvalidated,
    WritesStalled,
    plan_end,
)
from ctrader.simulator.scripting.interference import Delivery, FrameRule, OutgoingFrame, Verdict
from ctrader.units import SECOND, to_nanos

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from ctrader.simulator.faults import Aim, Plan
    from ctrader.simulator.world import World
    from ctrader.units import Nanos

__all__ = ["Adversity"]

_ORDERS: Final[frozenset[type[Message]]] = frozenset(
    {
        ProtoOAAmendOrderReq,
        ProtoOAAmendPositionSLTPReq,
        ProtoOACancelOrderReq,
        ProtoOAClosePositionReq,
        ProtoOANewOrderReq,
    }
)
_SESSION: Final[frozenset[type[Message]]] = frozenset(
    {
        ProtoOAAccountAuthReq,
        ProtoOAApplicationAuthReq,
        ProtoOASubscribeDepthQuotesReq,
        ProtoOASubscribeLiveTrendbarReq,
        ProtoOASubscribeSpotsReq,
    }
)
_EXECUTION: Final = PAYLOAD_TYPE_BY_MESSAGE[ProtoOAExecutionEvent]
_QUOTE: Final = PAYLOAD_TYPE_BY_MESSAGE[ProtoOASpotEvent]
_FOREIGN_ID: Final = "another-program-1"
_OTHER: Final = (
    PAYLOAD_TYPE_BY_MESSAGE[ProtoOAVersionRes],
    ProtoOAVersionRes(version="1").SerializeToString(),
)
"""A message that answers nothing that the client asks for."""
_NONSENSE: Final = b"\x0a\xff\xff\xff\xff\x0fnonsense"  # a text longer than the message


class Adversity:
    """The faults of a plan, on their way into a world.

    `begin` schedules them; after that the world runs as it always does. Every fault is in the
    world's trace with its terms.
    """

    def __init__(self, world: World, plan: Plan) -> None:
        """Take a plan; nothing happens yet.

        Args:
            world: Where it will be carried out.
            plan: The faults.
        """
        self.world = world
        self.plan = plan
        self._active: dict[type[Fault], Fault] = {}
        self._latency = world.network.up.latency

    @property
    def end(self) -> Nanos:
        """When the last fault is over."""
        return to_nanos(plan_end(self.plan))

    def begin(self) -> None:
        """Schedule every fault for its moment."""
        for fault in self.plan:
            self.world.at(to_nanos(fault.at), partial(self.apply, fault))

    def is_calm(self, since: Nanos) -> bool:
        """Tell whether no fault has had a hand in anything since a moment.

        The present connection counts as hit for as long as it lives where one left it damaged.
        """
        wire = self.world.wire
        if wire is not None and wire.is_damaged:
            return False
        begin, now = since / SECOND, self.world.now / SECOND
        return not any(fault.at <= now and fault.end >= begin for fault in self.plan)

    def apply(self, fault: Fault) -> None:
        """Let a fault begin now, whatever moment it names."""
        world = self.world
        script = world.exchange.script
        world.note(f"fault: {fault!r}")
        match fault:
            case HalfOpen():
                world.leave_half_open()
            case Finished():
                world.finish_stream()
            case Reset():
                world.reset()
            case EofInsideFrame():
                world.tear()
            case ClockStepped():
                world.clock_offset += fault.by
            case ClientKilled():
                world.restart_client()
            case AccountDropped():
                script.disconnect_account(fault.account_id)
            case ClientDisconnected():
                script.disconnect_client()
            case TokenInvalidated():
                self._invalidate_tokens(fault)
            case ServerError():
                error = ProtoErrorRes() if fault.common else ProtoOAErrorRes()
                error.errorCode = fault.code
                script.inject(error)
            case Maintenance():
                self._maintain(fault)
            case RateLimited():
                rule = script.next_request(times=fault.times).refuse(
                    fault.code, "Request rate exceeded", retry_after=fault.retry_after
                )
                self._later(fault.seconds, rule.cancel)
            case FrameDuplicated() | AnswerLate() | AnswerWrong() | FrameAltered():
                times = fault.times if isinstance(fault, FrameDuplicated) else 1
                self._aim(fault.aim, fault, fault.seconds, times)
            case OrderAnsweredWithError():
                self._aim("order", fault, fault.seconds)
            case OrdersRefused():
                for kind in sorted(_ORDERS, key=lambda each: each.__name__):
                    pick = script.next_request(kind, times=fault.times)
                    refusal = pick.refuse(fault.code, "Refused by a plan", frame=fault.frame)
                    self._later(fault.seconds, refusal.cancel)
            case OrderRejected():
                script.reject_next_order(
                    fault.code,
                    deal_status=ProtoOADealStatus.REJECTED if fault.with_deal else None,
                    account_id=fault.account_id,
                )
            case FilledInParts():
                script.fill_next_order(*fault.volumes, account_id=fault.account_id)
            case _:
                self._begin_lasting(fault)

    # Private

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self.world.at(self.world.now + to_nanos(seconds), action)

    def _aim(self, aim: Aim, fault: _FrameFault, seconds: float, times: int = 1) -> None:
        """Let a fault wait for the frames that it is for."""
        action = partial(_altered, fault)
        rule = _AimedRule(aim=aim, any_frame=True, times_left=times, action=action)
        self.world.exchange.interference.add(rule)
        self._later(seconds, rule.cancel)

    def _begin_lasting(self, fault: _Lasting) -> None:
        """Change the state of something for a time; of two of a kind the later one counts."""
        self._set(fault)
        kind = type(fault)
        self._active[kind] = fault

        def end() -> None:
            if self._active.get(kind) is fault:
                del self._active[kind]
                self.world.note(f"over: {fault!r}")
                self._reset(fault)

        self._later(fault.seconds, end)

    def _set(self, fault: _Lasting) -> None:
        world = self.world
        network = world.network
        match fault:
            case LatencyChanged():
                network.up.latency = to_nanos(fault.up)
                network.down.latency = to_nanos(fault.down)
                network.up.jitter = network.down.jitter = to_nanos(fault.jitter)
            case Lost():
                way = network.up if fault.way == "up" else network.down
                way.is_lost = True
                if not fault.heals:
                    world.deafen(up=fault.way == "up", down=fault.way == "down")
                # No connection is made while one side cannot hear the other.
                network.closed_until = max(
                    network.closed_until, world.now + to_nanos(fault.seconds)
                )
            case Split():
                for way in (network.up, network.down):
                    way.piece, way.gap = fault.piece, to_nanos(fault.gap)
            case Merged():
                network.down.hold = to_nanos(fault.hold)
            case WritesStalled():
                world.stall_writes(True)
            case ConnectingFails():
                network.can_connect = bool(fault.delay)
                network.connect_delay = to_nanos(fault.delay)
                world.reset()
            case Suspended():
                world.sleep()
            case ConsumerSlow():
                world.set_consumer_slow(True)
            case StoreFails():
                self._tell_store(True)
            case ServerRestarted():
                network.can_connect = False
                world.restart_server()
            case HistoryLags():
                self._lag(fault.lag)
            case _:
                assert_never(fault)

    def _reset(self, fault: _Lasting) -> None:
        world = self.world
        network = world.network
        match fault:
            case LatencyChanged():
                for way in (network.up, network.down):
                    way.latency, way.jitter = self._latency, 0
            case Lost():
                network.up.is_lost = network.down.is_lost = False
            case Split():
                network.up.piece = network.down.piece = 0
            case Merged():
                network.down.hold = 0
            case WritesStalled():
                world.stall_writes(False)
            case ConnectingFails():
                network.can_connect, network.connect_delay = True, 0
            case Suspended():
                world.wake(clock_stood=fault.clock_stood)
            case ConsumerSlow():
                world.set_consumer_slow(False)
            case StoreFails():
                self._tell_store(False)
            case ServerRestarted():
                network.can_connect = True
            case HistoryLags():
                self._lag(0.0)
            case _:
                assert_never(fault)

    def _invalidate_tokens(self, fault: TokenInvalidated) -> None:
        exchange = self.world.exchange
        for grant in exchange.grants.grants:
            exchange.invalidate_token(
                grant.access_token, "Token revoked", ends_sessions=fault.ends_sessions
            )

    def _maintain(self, fault: Maintenance) -> None:
        script = self.world.exchange.script
        if fault.cuts:
            script.close()
        script.begin_maintenance(
            fault.seconds,
            frame=fault.frame,
            code=fault.code,
            accepts_connections=fault.accepts_connections,
        )

    def _tell_store(self, fails: bool) -> None:
        if self.world.on_store_fault is not None:
            self.world.on_store_fault(fails)

    def _lag(self, seconds: float) -> None:
        exchange = self.world.exchange
        exchange.switches = replace(exchange.switches, history_lag=seconds, reconcile_lag=seconds)


# Private

_Lasting: TypeAlias = (
    LatencyChanged
    | Lost
    | Split
    | Merged
    | WritesStalled
    | ConnectingFails
    | Suspended
    | ConsumerSlow
    | StoreFails
    | ServerRestarted
    | HistoryLags
)
"""Faults that change the state of something for a time."""
_FrameFault: TypeAlias = (
    FrameDuplicated | AnswerLate | AnswerWrong | FrameAltered | OrderAnsweredWithError
)
"""Faults that change single frames."""


@dataclass(slots=True, eq=False, kw_only=True)
class _AimedRule(FrameRule):
    """A rule for the frames that a fault is for."""

    aim: Aim

    def decide(self, frame: OutgoingFrame) -> Verdict | None:
        """Return what becomes of a frame, None where the rule does not concern it."""
        # A class with slots is made anew, and `super()` would look for the old one.
        return FrameRule.decide(self, frame) if _is_meant(frame, self.aim) else None


def _is_meant(frame: OutgoingFrame, aim: Aim) -> bool:
    match aim:
        case "execution":
            return frame.envelope.payload_type == _EXECUTION
        case "quote":
            return frame.envelope.payload_type == _QUOTE
        case "order":
            return frame.request in _ORDERS
        case "session":
            return frame.request in _SESSION
        case "read":
            is_other = frame.request in _ORDERS or frame.request in _SESSION
            return frame.request is not None and not is_other
        case _:
            assert_never(aim)


def _altered(fault: _FrameFault, frame: OutgoingFrame) -> Verdict:
    """Return what a fault makes of a frame."""
    envelope = frame.envelope
    match fault:
        case FrameDuplicated():
            copy = _renamed(envelope) if fault.foreign_id else envelope
            return Verdict((Delivery(envelope), Delivery(copy)))
        case AnswerLate():
            return Verdict((Delivery(envelope, fault.delay),))
        case AnswerWrong(how="dropped"):
            return Verdict()
        case AnswerWrong(how="foreign id"):
            return Verdict((Delivery(_renamed(envelope)),))
        case AnswerWrong():
            wrong = Envelope(*_OTHER, envelope.client_msg_id)
            return Verdict((Delivery(wrong),))
        case FrameAltered():
            altered = Envelope(
                envelope.payload_type, _senseless(fault, envelope), envelope.client_msg_id
            )
            return Verdict((Delivery(altered),))
        case OrderAnsweredWithError():
            error = ProtoErrorRes() if fault.common else ProtoOAErrorRes()
            error.errorCode = fault.code
            error.description = "Answered by a plan"
            payload_type = PAYLOAD_TYPE_BY_MESSAGE[type(error)]
            told = Envelope(payload_type, error.SerializeToString(), envelope.client_msg_id)
            return Verdict((Delivery(told), Delivery(envelope, fault.delay)))
        case _:
            assert_never(fault)


def _senseless(fault: FrameAltered, envelope: Envelope) -> bytes:
    """Return a payload that no client may take for what the frame says it is."""
    if fault.how == "undecodable":
        return _NONSENSE
    if fault.how == "missing fields":
        return b""
    kind = MESSAGE_BY_PAYLOAD_TYPE[envelope.payload_type]
    message = kind.FromString(envelope.payload)
    # The stubs do not know the method that names the fields; an empty message lacks all of them.
    required: list[str] = getattr(kind(), "FindInitializationErrors")()  # noqa: B009
    if required:
        message.ClearField(required[-1])  # the ids come first
    return message.SerializePartialToString()


def _renamed(envelope: Envelope) -> Envelope:
    return Envelope(envelope.payload_type, envelope.payload, _FOREIGN_ID)
