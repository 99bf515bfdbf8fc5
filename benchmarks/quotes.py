"""Measure how many quotes a second reach a handler, as ratios to the plainest way to read them.

    python benchmarks/quotes.py [--quotes 400000]

A server in another process sends ready-made quotes over loopback as fast as the client reads
them. Each client counts them in a handler. The yardstick, in the same run and on the same bytes,
splits frames, parses the envelope, parses the event and reads its fields, without any client.
Quotes that merged because the handler fell behind count as merged, not as delivered.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import anyio

import ctrader
import ctrader_sync
from ctrader.proto import (
    ProtoMessage,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from ctrader.protocol.envelope import encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event as ProcessEvent

ACCOUNT: Final = 1_000_001
SYMBOLS: Final = 20
CHUNK: Final = 500  # quotes in one write: 16 kB, about what one TLS record holds
BOUND: Final = 120.0  # seconds after which a run is given up


@dataclass(frozen=True)
class Outcome:
    """What one way of reading came to."""

    name: str
    seconds: float
    delivered: int
    merged: int

    @property
    def rate(self) -> float:
        """Quotes a second, merged ones included: each was read and decoded."""
        return (self.delivered + self.merged) / self.seconds


def quotes(count: int) -> list[bytes]:
    """Return frames of one-sided quotes, in writes."""
    frames = [
        encode_message(
            ProtoOASpotEvent(
                ctidTraderAccountId=ACCOUNT,
                symbolId=1 + number % SYMBOLS,
                bid=108_512 + number % 97 if number % 3 else None,
                ask=None if number % 3 else 108_514,
                timestamp=1_700_000_000_000 + number,
            )
        )
        for number in range(count)
    ]
    return [b"".join(frames[at : at + CHUNK]) for at in range(0, count, CHUNK)]


def naive(writes: list[bytes]) -> float:
    """Return the seconds that reading takes in the plainest way."""
    held = ProtoMessage()
    begun = time.perf_counter()
    total = 0
    for data in writes:
        position = 0
        while position < len(data):
            length = int.from_bytes(data[position : position + 4], "big")
            held.ParseFromString(data[position + 4 : position + 4 + length])
            event = ProtoOASpotEvent.FromString(held.payload)
            total += len((event.symbolId, event.bid, event.ask, event.timestamp))
            position += 4 + length
    return time.perf_counter() - begun


def serve(listener: socket.socket, writes: list[bytes], go: ProcessEvent) -> None:
    """Answer one client's handshake, then send it every quote."""
    connection, _ = listener.accept()
    buffer = FrameBuffer()
    answers = {
        ProtoOAApplicationAuthReq: ProtoOAApplicationAuthRes(),
        ProtoOAAccountAuthReq: ProtoOAAccountAuthRes(ctidTraderAccountId=ACCOUNT),
        ProtoOASubscribeSpotsReq: ProtoOASubscribeSpotsRes(ctidTraderAccountId=ACCOUNT),
    }
    subscribed = False
    while not subscribed:
        block, spans = buffer.feed(connection.recv(65536))
        for start, end in spans:
            envelope = open_envelope(block[start:end])
            kind = MESSAGE_BY_PAYLOAD_TYPE[envelope.payload_type]
            if kind in answers:
                connection.sendall(encode_message(answers[kind], envelope.client_msg_id))
            subscribed = subscribed or kind is ProtoOASubscribeSpotsReq
    go.wait(BOUND)
    for data in writes:
        connection.sendall(data)
    connection.recv(65536)  # until the client goes away


def settings(port: int) -> ctrader.ClientConfig:
    """Return how to reach the server."""
    return ctrader.ClientConfig(
        host="127.0.0.1", port=port, use_ssl=False, client_id="bench", client_secret="bench-mark"
    )


CREDENTIALS: Final = ctrader.AccountCredentials(
    account_id=ACCOUNT, access_token="bench-token", refresh_token="bench-fresh", expires_at=4e9
)


def with_sync(port: int, count: int, go: ProcessEvent) -> Outcome:
    """Count quotes with the blocking client."""
    seen = 0
    with ctrader_sync.SyncCTraderClient(settings(port)) as client:
        stream = client.stream(ctrader.SpotEvent)
        client.auth.authenticate_account(CREDENTIALS)
        client.market_data.subscribe_spots(ACCOUNT, list(range(1, SYMBOLS + 1)))
        begun = time.perf_counter()
        go.set()
        for _ in stream:
            seen += 1
            if seen + stream.merged >= count:
                break
        seconds = time.perf_counter() - begun
        return Outcome("blocking client", seconds, seen, stream.merged)


async def with_async(port: int, count: int, go: ProcessEvent, name: str) -> Outcome:
    """Count quotes with the async client."""
    seen = 0
    async with ctrader.CTraderClient(settings(port)) as client:
        stream = client.stream(ctrader.SpotEvent)
        await client.auth.authenticate_account(CREDENTIALS)
        await client.market_data.subscribe_spots(ACCOUNT, list(range(1, SYMBOLS + 1)))
        begun = time.perf_counter()
        go.set()
        async for _ in stream:
            seen += 1
            if seen + stream.merged >= count:
                break
        return Outcome(name, time.perf_counter() - begun, seen, stream.merged)


def measure(way: Literal["sync", "asyncio", "trio"], writes: list[bytes], count: int) -> Outcome:
    """Let one client read everything from a fresh server."""
    listener = socket.create_server(("127.0.0.1", 0))
    go = multiprocessing.Event()
    server = multiprocessing.Process(target=serve, args=(listener, writes, go), daemon=True)
    server.start()
    port = listener.getsockname()[1]
    listener.close()
    try:
        if way == "sync":
            return with_sync(port, count, go)
        return anyio.run(with_async, port, count, go, f"async client, {way}", backend=way)
    finally:
        server.terminate()
        server.join()


def main() -> None:
    """Print a line for each way of reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quotes", type=int, default=400_000)
    count = parser.parse_args().quotes // CHUNK * CHUNK
    writes = quotes(count)
    yardstick = min(naive(writes) for _ in range(3))
    out = sys.stdout
    out.write(f"{'way of reading':24} {'quotes/s':>10} {'of the yardstick':>17} {'merged':>8}\n")
    out.write(f"{'yardstick, no client':24} {count / yardstick:10,.0f} {1:17.0%} {0:8}\n")
    for way in ("sync", "asyncio", "trio"):
        outcome = measure(way, writes, count)
        share = outcome.rate * yardstick / count
        out.write(f"{outcome.name:24} {outcome.rate:10,.0f} {share:17.0%} {outcome.merged:8}\n")


if __name__ == "__main__":
    main()
