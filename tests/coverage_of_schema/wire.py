"""Drive the namespaces of both packages over a real session, with a server that plays a script."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import Message

import ctrader.api
import ctrader_sync.api
from ctrader import enums
from ctrader.operations.rotation import rotate
from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
)
from ctrader.proto.registry import RESPONSE_BY_REQUEST
from ctrader.protocol.background import Operation
from ctrader.protocol.grants import Grant, Grants
from ctrader.protocol.work import Idle
from tests.coverage_of_schema.filler import minimal
from tests.protocol.peer import ACCOUNT, Peer

__all__ = ["PACKAGES", "Refreshing", "Stage", "SyncStage", "stage"]

PACKAGES: Final = ("ctrader", "ctrader_sync")

_EXECUTIONS: Final[Mapping[type[Message], Sequence[str]]] = {
    ProtoOANewOrderReq: ("ORDER_ACCEPTED", "ORDER_FILLED"),
    ProtoOAClosePositionReq: ("ORDER_ACCEPTED", "ORDER_FILLED"),
    ProtoOAAmendOrderReq: ("ORDER_REPLACED",),
    ProtoOACancelOrderReq: ("ORDER_CANCELLED",),
    ProtoOAAmendPositionSLTPReq: ("ORDER_REPLACED",),
}


class Refreshing(Idle):
    """Refreshes tokens when it is asked to, and begins nothing else."""

    sees_to_tokens = True

    def rotate(self, grant: Grant, grants: Grants) -> Operation[None]:
        """Exchange a pair of tokens."""
        return rotate(grant, grants)


class Stage:
    """A session that is ready, its server, and the namespaces of a package in front of it."""

    def __init__(self, package: Any, settings: Mapping[str, object]) -> None:
        self.peer = Peer(settings, work=Refreshing())
        self.token_callbacks: list[object] = []
        self.peer.make_ready()
        self.config = self.peer.config
        self.script: dict[str, list[Message]] = {}
        """Answers of the server by the request's name; the last one stays."""
        self.requests: list[Message] = []
        """What the client asked since the stage was made."""
        self.handlers: list[tuple[type, object]] = []
        """What is registered, each with its type of event."""
        self._package = package
        self._seen = len(self.peer.history)

    def namespace(self, name: str) -> Any:
        """Make one of the package's namespaces."""
        if name == "AuthManager":
            protocol = self._package.Protocol(self)
            return self._package.AuthManager(
                protocol, self.config.client_id, self.config.client_secret
            )
        return getattr(self._package, name)(self)

    def call(self, namespace: str, method: str, arguments: Mapping[str, Any]) -> Any:
        """Call a method, wait for its end and return its result."""
        result: Any = getattr(self.namespace(namespace), method)(**arguments)
        if not isinstance(result, Coroutine):
            return result
        try:
            result.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("it waits for something that is no operation")

    # What a namespace needs of its client

    async def run(
        self, operation: Any, timeout: float | None = None, *, paged: bool = False
    ) -> Any:
        """Carry out an operation."""
        return self.drive(operation, timeout)

    def look(self, question: Callable[[Any], Any]) -> Any:
        """Ask the session something."""
        return question(self.peer.session)

    def change(self, instruction: Callable[[Any, int], Any]) -> Any:
        """Change something in the session."""
        return instruction(self.peer.session, self.peer.now)

    def register(self, event_type: type, handler: object) -> None:
        """Note a handler."""
        self.handlers.append((event_type, handler))

    def unregister(self, event_type: type, handler: object) -> bool:
        """Forget a handler; False if there is none."""
        is_known = (event_type, handler) in self.handlers
        if is_known:
            self.handlers.remove((event_type, handler))
        return is_known

    # The driver and the server

    def drive(self, operation: Any, timeout: float | None) -> Any:
        """Step an operation to its end."""
        peer = self.peer
        try:
            command = next(operation)
            while True:
                call_id = peer.submit(command, timeout)
                while call_id not in peer.results and call_id not in peer.errors:
                    if not self._serve():
                        peer.fire()
                if call_id in peer.errors:
                    command = operation.throw(peer.errors[call_id])
                else:
                    command = operation.send(peer.results[call_id])
        except StopIteration as end:
            return end.value

    def _serve(self) -> bool:
        """Answer the next request; False if there is none."""
        while self._seen < len(self.peer.history):
            sent = self.peer.history[self._seen]
            self._seen += 1
            if isinstance(sent.message, ProtoHeartbeatEvent):
                continue
            self.requests.append(sent.message)
            for answer in self._answers(sent.message):
                is_event = isinstance(answer, ProtoOAAccountDisconnectEvent)
                self.peer.push(answer, message_id=None if is_event else sent.message_id)
            return True
        return False

    def _answers(self, request: Message) -> list[Message]:
        scripted = self.script.get(type(request).__name__)
        if scripted:
            return [scripted.pop(0) if len(scripted) > 1 else scripted[0]]
        if type(request) in _EXECUTIONS:
            return [
                ProtoOAExecutionEvent(ctidTraderAccountId=ACCOUNT, executionType=kind)
                for kind in _EXECUTIONS[type(request)]
            ]
        if isinstance(request, ProtoOAAccountLogoutReq):
            return [
                ProtoOAAccountLogoutRes(ctidTraderAccountId=ACCOUNT),
                ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT),
            ]
        if isinstance(request, ProtoOASymbolByIdReq):
            symbols = [_usual_symbol(symbol_id) for symbol_id in request.symbolId]
            return [ProtoOASymbolByIdRes(ctidTraderAccountId=ACCOUNT, symbol=symbols)]
        return [minimal(RESPONSE_BY_REQUEST[type(request)], ACCOUNT)]


class SyncStage(Stage):
    """The same in front of the blocking namespaces."""

    def run(self, operation: Any, timeout: float | None = None, *, paged: bool = False) -> Any:
        """Carry out an operation."""
        return self.drive(operation, timeout)


def stage(package: str, settings: Mapping[str, object] | None = None) -> Stage:
    """Set a stage for one of the packages."""
    if package == "ctrader":
        return Stage(ctrader.api, settings or {})
    return SyncStage(ctrader_sync.api, settings or {})


def _usual_symbol(symbol_id: int) -> ProtoOASymbol:
    return ProtoOASymbol(
        symbolId=symbol_id,
        digits=5,
        pipPosition=4,
        lotSize=10_000_000,
        minVolume=100,
        maxVolume=10_000_000_000,
        stepVolume=1,
        tradingMode=enums.TradingMode.ENABLED.value,
    )
