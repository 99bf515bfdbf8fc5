"""Drive Spotware's own client, `ctrader-open-api`, through one session; print what it received.

It runs in that client's environment, where nothing of this project is importable. Standard input
is the line with which the simulator said how to reach it; standard output is one JSON document:
the requests in the order in which they were handed to the client, and every message that came.

The client sends a heartbeat as soon as the connection stands, hands its messages to the socket
once a second, and looks at no certificate.
"""

from __future__ import annotations

import ipaddress
import json
import sys
import time
from collections.abc import Callable, Generator
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

PACKAGE = "ctrader-open-api"
ANSWER_SECONDS = 15
EVENT_SECONDS = 20
SPOTS_WANTED = 16
MINUTE = 60_000
HOUR = 60 * MINUTE

BUY, SELL = 1, 2
MARKET, LIMIT, PROTECTION = 1, 2, 4
ACCEPTED, FILLED, REPLACED, CANCELLED = 2, 3, 4, 5
M1, H1 = 1, 9
BID = 1
REFUSALS = ("ProtoErrorRes", "ProtoOAErrorRes", "ProtoOAOrderErrorEvent")

connected_to: list[list[object]] = []


def stay_on_this_computer(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse whatever would leave the loopback interface, and note where connections go."""
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple):
            assert ipaddress.ip_address(address[0]).is_loopback, f"not on loopback: {address}"
            connected_to.append([address[0], address[1]])
    elif event == "socket.getaddrinfo":
        assert ipaddress.ip_address(arguments[0]).is_loopback, f"not on loopback: {arguments[0]}"


def plain(message: Any) -> dict[str, Any]:
    """Return the fields that a message carries, as the wire has them."""
    return {
        field.name: (
            value
            if field.message_type is None and field.label != field.LABEL_REPEATED
            else [plain(each) if field.message_type else each for each in value]
            if field.label == field.LABEL_REPEATED
            else plain(value)
        )
        for field, value in message.ListFields()
    }


class Session:
    """One session of the client, step by step."""

    def __init__(self, ready: dict[str, Any]) -> None:
        package = import_module("ctrader_open_api")
        self.defer = import_module("twisted.internet.defer")
        self.reactor = import_module("twisted.internet").reactor
        self.messages = package.Protobuf
        self.ready = ready
        self.account: int = ready["accounts"][0]["account_id"]
        self.sent: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []
        self.failure: str | None = None
        self._waiting: list[tuple[Callable[[dict[str, Any]], bool], Any]] = []
        self._step = ""
        self.client = package.Client(ready["host"], ready["port"], package.TcpProtocol)
        self.client.setConnectedCallback(self._connected)
        self.client.setDisconnectedCallback(self._disconnected)
        self.client.setMessageReceivedCallback(self._received)

    def run(self) -> None:
        """Go through the whole session; it ends in `failure` or without one."""
        self.client.startService()
        self.reactor.callLater(120, self._finish, "the session took more than 120 seconds")
        self.reactor.run()

    def story(self) -> Generator[Any, Any, None]:
        """Yield the client's answers to everything that is asked of it."""
        yield self.ask(
            "application",
            "ProtoOAApplicationAuthReq",
            account=False,
            clientId=self.ready["client_id"],
            clientSecret=self.ready["client_secret"],
        )
        yield self.ask("version", "ProtoOAVersionReq", account=False)
        token = self.ready["access_token"]
        yield self.ask(
            "accounts", "ProtoOAGetAccountListByAccessTokenReq", account=False, accessToken=token
        )
        yield self.ask("account", "ProtoOAAccountAuthReq", accessToken=token)
        yield self.ask("trader before", "ProtoOATraderReq")
        listed = yield self.ask("symbols", "ProtoOASymbolsListReq")
        ids = {each["symbolName"]: each["symbolId"] for each in listed["symbol"]}
        euro, yen = ids["EURUSD"], ids["USDJPY"]
        yield self.ask("symbol terms", "ProtoOASymbolByIdReq", symbolId=sorted(ids.values()))

        yield self.ask(
            "spots",
            "ProtoOASubscribeSpotsReq",
            symbolId=[euro, yen],
            subscribeToSpotTimestamp=True,
        )
        yield self.ask("live bars", "ProtoOASubscribeLiveTrendbarReq", symbolId=euro, period=M1)
        yield from self.history(euro)
        yield from self.position_with_protection(euro)
        yield from self.position_in_parts(yen)
        yield from self.pending_orders(euro)

        spots = [each for each in self.frames if each["type"] == "ProtoOASpotEvent"]
        while len(spots) < SPOTS_WANTED:
            spots.append((yield self.event(lambda frame: frame["type"] == "ProtoOASpotEvent")))
        yield self.ask(
            "no live bars", "ProtoOAUnsubscribeLiveTrendbarReq", symbolId=euro, period=M1
        )
        yield self.ask("no spots", "ProtoOAUnsubscribeSpotsReq", symbolId=[euro, yen])
        yield from self.books()

    def history(self, euro: int) -> Generator[Any, Any, None]:
        """Ask for bars and ticks of time that is over."""
        now = int(time.time() * 1000)
        end = now // MINUTE * MINUTE - 1
        for step, period, length in (("minutes", M1, MINUTE), ("hours", H1, HOUR)):
            over = now // length * length - 1
            yield self.ask(
                step,
                "ProtoOAGetTrendbarsReq",
                symbolId=euro,
                period=period,
                fromTimestamp=over - 50 * length,
                toTimestamp=over,
            )
        yield self.ask(
            "ticks",
            "ProtoOAGetTickDataReq",
            symbolId=euro,
            type=BID,
            fromTimestamp=end - 3 * MINUTE,
            toTimestamp=end,
        )

    def position_with_protection(self, euro: int) -> Generator[Any, Any, None]:
        """Open a position with relative protection and move that; it stays open."""
        self.step("market order")
        done = self.event(
            lambda frame: (
                self.is_execution(frame, ACCEPTED)
                and frame["message"]["order"]["orderType"] == PROTECTION
            )
        )
        yield self.ask(
            "market order",
            "ProtoOANewOrderReq",
            symbolId=euro,
            orderType=MARKET,
            tradeSide=BUY,
            volume=1_000_000,
            relativeStopLoss=2_000,
            relativeTakeProfit=3_000,
            label="foreign",
            comment="a position that stays",
            clientOrderId="official-market",
        )
        protected = yield done
        position = protected["message"]["position"]
        yield self.ask(
            "amend position",
            "ProtoOAAmendPositionSLTPReq",
            positionId=position["positionId"],
            stopLoss=round(position["stopLoss"] - 0.01, 5),
            takeProfit=round(position["takeProfit"] + 0.01, 5),
        )

    def position_in_parts(self, yen: int) -> Generator[Any, Any, None]:
        """Open a position, close a part of it, and then the rest."""
        done = self.event(lambda frame: self.is_execution(frame, FILLED))
        yield self.ask(
            "second market order",
            "ProtoOANewOrderReq",
            symbolId=yen,
            orderType=MARKET,
            tradeSide=SELL,
            volume=600_000,
        )
        filled = yield done
        position = filled["message"]["position"]["positionId"]
        for step, volume in (("close a part", 200_000), ("close", 400_000)):
            done = self.event(lambda frame: self.is_execution(frame, FILLED))
            yield self.ask(step, "ProtoOAClosePositionReq", positionId=position, volume=volume)
            yield done
        self.closed_position = position

    def pending_orders(self, euro: int) -> Generator[Any, Any, None]:
        """Place a limit order, amend it, cancel it; place another one that stays."""
        bid = next(
            frame["message"]["bid"]
            for frame in reversed(self.frames)
            if frame["type"] == "ProtoOASpotEvent"
            and frame["message"]["symbolId"] == euro
            and "bid" in frame["message"]
        )
        placed = yield self.ask(
            "limit order",
            "ProtoOANewOrderReq",
            symbolId=euro,
            orderType=LIMIT,
            tradeSide=BUY,
            volume=300_000,
            limitPrice=(bid - 2_000) / 100_000,
        )
        order = placed["order"]["orderId"]
        yield self.ask(
            "amend order",
            "ProtoOAAmendOrderReq",
            orderId=order,
            volume=500_000,
            limitPrice=(bid - 2_500) / 100_000,
        )
        yield self.ask("cancel", "ProtoOACancelOrderReq", orderId=order)
        yield self.ask(
            "limit order that stays",
            "ProtoOANewOrderReq",
            symbolId=euro,
            orderType=LIMIT,
            tradeSide=SELL,
            volume=200_000,
            limitPrice=(bid + 2_000) / 100_000,
            stopLoss=(bid + 3_000) / 100_000,
            takeProfit=(bid + 1_000) / 100_000,
            label="foreign",
            clientOrderId="official-limit",
        )

    def books(self) -> Generator[Any, Any, None]:
        """Ask for everything that the session left behind."""
        yield self.ask("reconcile", "ProtoOAReconcileReq")
        now = int(time.time() * 1000)
        window: dict[str, Any] = {"fromTimestamp": now - HOUR, "toTimestamp": now + MINUTE}
        yield self.ask("deals", "ProtoOADealListReq", **window)
        yield self.ask(
            "deals of a position",
            "ProtoOADealListByPositionIdReq",
            positionId=self.closed_position,
            **window,
        )
        yield self.ask("orders", "ProtoOAOrderListReq", **window)
        yield self.ask("trader after", "ProtoOATraderReq")

    # The client

    def step(self, name: str) -> None:
        """Name what is done now."""
        self._step = name

    def ask(self, step: str, name: str, *, account: bool = True, **fields: Any) -> Any:
        """Send a request; the result waits for the answer, and fails if that is a refusal."""
        self._step = step
        if account:
            fields["ctidTraderAccountId"] = self.account
        message = self.messages.get(name, **fields)
        client_msg_id = f"request-{len(self.sent) + 1}"
        self.sent.append(
            {"step": step, "type": name, "client_msg_id": client_msg_id, "message": plain(message)}
        )
        answer = self.client.send(
            message, clientMsgId=client_msg_id, responseTimeoutInSeconds=ANSWER_SECONDS
        )
        return answer.addCallback(self._open)

    def event(self, wanted: Callable[[dict[str, Any]], bool]) -> Any:
        """Wait for a message that is not here yet."""
        found = self.defer.Deferred()
        found.addTimeout(EVENT_SECONDS, self.reactor)
        self._waiting.append((wanted, found))
        return found

    def is_execution(self, frame: dict[str, Any], kind: int) -> bool:
        """Tell whether a message says that an order came to a state."""
        is_event: bool = frame["type"] == "ProtoOAExecutionEvent"
        return is_event and kind == int(frame["message"]["executionType"])

    def _open(self, envelope: Any) -> dict[str, Any]:
        message = self.messages.extract(envelope)
        kind = type(message).__name__
        if kind in REFUSALS:
            raise RuntimeError(f"{self._step}: {kind} {plain(message)}")
        return plain(message)

    def _connected(self, _: Any) -> None:
        story = self.defer.inlineCallbacks(self.story)()
        story.addCallbacks(lambda _: self._finish(None), lambda why: self._finish(str(why)))

    def _disconnected(self, _: Any, reason: Any) -> None:
        if self.reactor.running:
            self._finish(f"the connection ended: {reason}")

    def _received(self, _: Any, envelope: Any) -> None:
        message = self.messages.extract(envelope)
        frame = {
            "step": self._step,
            "type": type(message).__name__,
            "client_msg_id": envelope.clientMsgId if envelope.HasField("clientMsgId") else None,
            "complete": message.IsInitialized(),
            "message": plain(message),
        }
        self.frames.append(frame)
        still: list[tuple[Callable[[dict[str, Any]], bool], Any]] = []
        waiting, self._waiting = self._waiting, still
        for wanted, found in waiting:
            if found.called:
                continue
            if wanted(frame):
                # Not before the client is done with the message itself.
                self.reactor.callLater(0, found.callback, frame)
            else:
                still.append((wanted, found))

    def _finish(self, failure: str | None) -> None:
        if self.reactor.running:
            self.failure = self.failure or failure
            self.reactor.stop()


def main() -> int:
    """Run the session and print the report."""
    for name in ("ctrader", "ctrader_sync", "tests"):
        assert find_spec(name) is None, f"{name} is importable in the foreign environment"
    sys.addaudithook(stay_on_this_computer)
    ready = json.loads(sys.stdin.readline())
    session = Session(ready)
    session.run()
    sys.stdout.write(
        json.dumps(
            {
                "package": f"{PACKAGE} {version(PACKAGE)}",
                "python": sys.version.split()[0],
                "connected_to": connected_to,
                "failure": session.failure,
                "sent": session.sent,
                "frames": session.frames,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
