"""Send one client ready-made quotes at a steady pace, with executions among them.

    python -m tests.adversity.flood_server --seconds 10 --rate 20000

A program of its own, so that it does not share the client's interpreter. It prints its port and
the file of its authority, waits for a subscription, sends everything, and when the client has gone
away it prints what it heard, as JSON.

Each quote carries one side, whose price tells its number: no two quotes of a symbol are alike.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from typing import Final

from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOADeal,
    ProtoOADealStatus,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATradeSide,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from ctrader.protocol.envelope import encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.simulator.sockets.certificates import Certificate

ACCOUNT: Final = 1_000_001
SYMBOLS: Final = 20
BEAT: Final = 0.005
"""Seconds between two portions of quotes."""
QUOTES_PER_EXECUTION: Final = 100
BID_BASE: Final = 1_000_000
"""Bid of the quote with number 0, in points."""
ASK_BASE: Final = 1_000_000_000
"""Its ask: far enough above every bid."""
BOUND: Final = 300.0
"""Seconds after which it gives up."""


def quote(number: int) -> ProtoOASpotEvent:
    """Return the quote with a number: bids and asks of a symbol take turns."""
    is_bid = number // SYMBOLS % 2 == 0
    return ProtoOASpotEvent(
        ctidTraderAccountId=ACCOUNT,
        symbolId=1 + number % SYMBOLS,
        bid=BID_BASE + number if is_bid else None,
        ask=None if is_bid else ASK_BASE + number,
        timestamp=1_700_000_000_000 + number,
    )


def execution(number: int) -> ProtoOAExecutionEvent:
    """Return the execution with a number."""
    return ProtoOAExecutionEvent(
        ctidTraderAccountId=ACCOUNT,
        executionType=ProtoOAExecutionType.ORDER_FILLED,
        deal=ProtoOADeal(
            dealId=1 + number,
            orderId=1 + number,
            positionId=1,
            volume=100_000,
            filledVolume=100_000,
            symbolId=1,
            createTimestamp=1_700_000_000_000,
            executionTimestamp=1_700_000_000_000,
            tradeSide=ProtoOATradeSide.BUY,
            dealStatus=ProtoOADealStatus.FILLED,
            moneyDigits=2,
        ),
    )


def portions(quotes: int, size: int) -> Iterator[bytes]:
    """Yield what goes out in each beat: quotes, and after every hundredth an execution."""
    for first in range(0, quotes, size):
        frames: list[bytes] = []
        for number in range(first, min(first + size, quotes)):
            frames.append(encode_message(quote(number)))
            if (number + 1) % QUOTES_PER_EXECUTION == 0:
                frames.append(encode_message(execution(number // QUOTES_PER_EXECUTION)))
        yield b"".join(frames)


class Flood:
    """One client's connection."""

    def __init__(self, connection: ssl.SSLSocket, quotes: int, rate: int) -> None:
        self.heard: list[float] = []
        """When each frame of the client came, in seconds from the first quote."""
        self.heartbeats = 0
        self.requests = 0
        """Requests for the trader that were answered while the flood lasted."""
        self.sent_in = 0.0
        """Seconds that all quotes took to be sent."""
        self.is_open = True
        self._connection = connection
        self._begun: float | None = None
        self._unsent = bytearray()
        self._portions = list(portions(quotes, round(rate * BEAT)))
        self._next = 0
        self._frames = FrameBuffer()

    def run(self) -> None:
        """Talk until the client goes away."""
        until = time.monotonic() + BOUND
        while self.is_open and time.monotonic() < until:
            self._fill()
            wants_write = [self._connection] if self._unsent else []
            wait = 0.0 if self._connection.pending() else BEAT / 2
            readable, _, _ = select.select([self._connection], wants_write, [], wait)
            try:
                if readable or self._connection.pending():
                    self._hear()
                self._speak()
            except OSError:
                self.is_open = False

    def _fill(self) -> None:
        if self._begun is None or self._next >= len(self._portions):
            return
        due = int((time.monotonic() - self._begun) / BEAT)
        while self._next < min(due, len(self._portions)) and len(self._unsent) < 1 << 20:
            self._unsent += self._portions[self._next]
            self._next += 1

    def _speak(self) -> None:
        while self._unsent:
            try:
                taken = self._connection.send(self._unsent)
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            del self._unsent[:taken]
            if self._begun is not None and self._next == len(self._portions):
                self.sent_in = time.monotonic() - self._begun

    def _hear(self) -> None:
        try:
            data = self._connection.recv(65536)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if not data:
            self.is_open = False
            return
        block, spans = self._frames.feed(data)
        for start, end in spans:
            envelope = open_envelope(block[start:end])
            kind = MESSAGE_BY_PAYLOAD_TYPE[envelope.payload_type]
            if self._begun is not None:
                self.heard.append(time.monotonic() - self._begun)
            if kind is ProtoHeartbeatEvent:
                self.heartbeats += 1
            elif kind in ANSWERS:
                self._unsent += encode_message(ANSWERS[kind], envelope.client_msg_id)
                self.requests += kind is ProtoOATraderReq
            if kind is ProtoOASubscribeSpotsReq:
                self._begun = time.monotonic()


ANSWERS: Final = {
    ProtoOAApplicationAuthReq: ProtoOAApplicationAuthRes(),
    ProtoOAAccountAuthReq: ProtoOAAccountAuthRes(ctidTraderAccountId=ACCOUNT),
    ProtoOASubscribeSpotsReq: ProtoOASubscribeSpotsRes(ctidTraderAccountId=ACCOUNT),
    ProtoOATraderReq: ProtoOATraderRes(
        ctidTraderAccountId=ACCOUNT,
        trader=ProtoOATrader(
            ctidTraderAccountId=ACCOUNT,
            balance=1_000_000,
            depositAssetId=1,
            moneyDigits=2,
        ),
    ),
}


def main() -> None:
    """Serve one client."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=20_000)
    options = parser.parse_args()
    certificate = Certificate()
    out = sys.stdout
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(BOUND)
            where = {"port": listener.getsockname()[1], "ca_file": certificate.authority_file}
            out.write(json.dumps(where) + "\n")
            out.flush()
            plain, _ = listener.accept()
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            flood_size = round(options.seconds * options.rate)
            with certificate.context.wrap_socket(plain, server_side=True) as connection:
                connection.setblocking(False)
                flood = Flood(connection, flood_size, options.rate)
                flood.run()
    finally:
        certificate.remove()
    told = {
        "heard": flood.heard,
        "heartbeats": flood.heartbeats,
        "requests": flood.requests,
        "sent_in": flood.sent_in,
    }
    out.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
