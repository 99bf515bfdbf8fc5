"""A TCP proxy on loopback that carries out faults on the connections through it.

It moves ciphertext and never takes part in TLS, so that whatever it does to the bytes happens to
the client as it would on a bad network. One thread owns every socket.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Final, Literal, TypeAlias

__all__ = ["Fault", "FaultKind", "FaultProxy", "Way", "draw_plan"]

Way: TypeAlias = Literal["to_server", "to_client"]

BLOCK: Final = 65_536
MOST_HELD: Final = 1 << 20
"""Bytes that one direction holds back before it reads no more."""
HANDSHAKE_PIECES: Final = 6
"""Reads of either side that a slow handshake delays, each by a part of its seconds."""
SPLIT_GAP: Final = 0.0005
"""Seconds between single bytes, so that they do not meet again on the way."""
RECORD_HEADER: Final = 5
APPLICATION_DATA: Final = 23
"""Type of the TLS records that carry what the two sides say to each other."""


class FaultKind(Enum):
    """What may happen to a connection."""

    LATENCY = auto()
    """Everything arrives late for a while, both ways."""
    SPLIT = auto()
    """A stretch of one direction leaves byte by byte."""
    MERGE = auto()
    """One direction is collected for a while, then leaves as one piece."""
    STALL = auto()
    """One direction is not read for a while, so that its sender has to wait."""
    SWALLOW = auto()
    """One direction is read and thrown away; the connection stays."""
    HALF_OPEN = auto()
    """The server's side is closed, and the client is not told."""
    FIN = auto()
    """Both sides are closed in order, without a word of TLS."""
    RST = auto()
    """Both sides are reset."""
    CUT_RECORD = auto()
    """One direction ends in the middle of a TLS record, and the connection with it."""
    CORRUPT = auto()
    """One bit of a TLS record is another."""
    REFUSE = auto()
    """The connection is reset, and for a while no other is taken."""
    SLOW_HANDSHAKE = auto()
    """The connection is reset, and the next one begins slowly."""
    MUTE = auto()
    """The connection is reset, and the next one is taken and never answered."""
    CORRUPT_HANDSHAKE = auto()
    """The connection is reset, and a bit of the next one's handshake is another."""


NEXT_LINK: Final = frozenset(
    {FaultKind.SLOW_HANDSHAKE, FaultKind.MUTE, FaultKind.CORRUPT_HANDSHAKE}
)
"""Faults of which the connection after the present one has its share."""
IN_RECORD: Final = frozenset({FaultKind.CUT_RECORD, FaultKind.CORRUPT})
"""Faults that strike inside a TLS record of application data."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan."""

    kind: FaultKind
    way: Way
    """Direction that it concerns, where it concerns one."""
    seconds: float
    """How long it lasts, where it ends by itself."""
    after_bytes: int
    """Bytes that still pass that way before it strikes."""
    after_calls: int
    """Calls that still end before it is set."""


def draw_plan(seed: int, *, longest: float) -> Iterator[Fault]:
    """Draw faults without end, the same for the same seed; each kind comes as often as another.

    Args:
        seed: Decides everything.
        longest: Most seconds of faults that end by themselves.
    """
    rng = Random(seed)
    kinds = list(FaultKind)
    while True:
        rng.shuffle(kinds)
        for kind in kinds:
            way: Way = "to_server" if rng.random() < 0.5 else "to_client"
            yield Fault(
                kind,
                way,
                seconds=rng.uniform(0.1, 1.0) * longest,
                after_bytes=rng.randrange(600) if rng.random() < 0.7 else 0,
                after_calls=rng.randrange(1, 7),
            )


@dataclass(slots=True, eq=False)
class _Lane:
    """One direction of a connection."""

    way: Way
    source: socket.socket
    sink: socket.socket
    held: deque[tuple[float, bytes]] = field(default_factory=deque["tuple[float, bytes]"])
    """What was read and has not left, each with the moment from which it may."""
    held_bytes: int = 0
    has_ended: bool = False
    """Whether the source said its last."""
    is_shut: bool = False
    """Whether the sink was told so."""
    is_swallowed: bool = False
    stalled_until: float = 0.0
    merged_until: float = 0.0
    late_until: float = 0.0
    lateness: float = 0.0
    late_pieces: int = 0
    single_bytes: int = 0
    """Bytes that still leave one by one."""
    is_blocked: bool = False
    """Whether the sink takes no more at present."""
    trap: Fault | None = None
    trap_left: int = 0
    """Bytes that pass before the trap shuts."""
    header: bytes = b""
    """What has been read of the present record's header."""
    body_left: int = 0
    """Bytes of the present record that have not been read."""

    def is_troubled(self, now: float) -> bool:
        """Whether a fault still works on it."""
        return (
            now < max(self.stalled_until, self.merged_until, self.late_until)
            or self.single_bytes > 0
            or self.trap is not None
        )


@dataclass(slots=True, eq=False)
class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    client: socket.socket
    server: socket.socket | None
    to_server: _Lane
    to_client: _Lane
    is_doomed: bool = False
    """Whether it cannot carry anything sensible any more, and only the client has to notice."""

    def lane(self, way: Way) -> _Lane:
        return self.to_server if way == "to_server" else self.to_client

    @property
    def lanes(self) -> tuple[_Lane, _Lane]:
        return self.to_server, self.to_client


class FaultProxy:
    """Stand between clients and a server, and do to their connections what a plan says.

    Use it as a context manager. `strike` sets one fault; `is_calm` says when it is over and when
    whoever it cut off has noticed.
    """

    def __init__(self, host: str, port: int) -> None:
        """Stand in front of a server; nothing runs before it is entered."""
        self._target = (host, port)
        self._lock = threading.RLock()
        self._links: list[_Link] = []
        self._armed: Fault | None = None
        self._next_link: Fault | None = None
        self._refused_until = 0.0
        self._is_stopped = False
        self._failure: BaseException | None = None
        self._log: list[str] = []
        self._began = time.monotonic()
        self.struck: Counter[FaultKind] = Counter()
        """How often each kind of fault took effect."""
        self.accepted = 0
        """Connections taken so far."""
        # It holds the port while the listener is away: else another program could be given it, or
        # a client that connects to it could be given it for its own end, and meet itself.
        self._keeper = _bound(("127.0.0.1", 0))
        self.port: int = self._keeper.getsockname()[1]
        """Where clients connect to."""
        self._listener: socket.socket | None = None
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="fault proxy", daemon=True)

    def __enter__(self) -> FaultProxy:
        self._listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_stopped = True
        self._wake()
        self._thread.join(5)
        for link in list(self._links):
            self._close(link)
        for each in (self._keeper, self._listener, self._wake_reader, self._wake_writer):
            if each is not None:
                each.close()
        if self._failure is not None:
            raise self._failure

    # Public

    @property
    def open_links(self) -> int:
        """Connections whose client has not closed its end."""
        with self._lock:
            return len(self._links)

    @property
    def is_calm(self) -> bool:
        """Whether no fault is set or at work, and no client holds a connection that is dead."""
        now = time.monotonic()
        with self._lock:
            self._check()
            return not (
                self._armed is not None
                or self._next_link is not None
                or self._listener is None
                or any(
                    link.is_doomed or any(lane.is_troubled(now) for lane in link.lanes)
                    for link in self._links
                )
            )

    @property
    def log(self) -> list[str]:
        """What it did, in order, for whoever has to find out why something failed."""
        with self._lock:
            return list(self._log)

    def strike(self, fault: Fault) -> None:
        """Set a fault: it hits every connection that stands, or the first that does."""
        with self._lock:
            self._check()
            self._note(f"set {fault}")
            self._armed = fault
            self._strike(fault, time.monotonic())
        self._wake()

    # Private, the thread

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                while not self._is_stopped:
                    with self._lock:
                        timeout = self._turn()
                        self._watch(selector)
                    ready = selector.select(timeout)
                    with self._lock:
                        for key, _ in ready:
                            self._serve(key.fileobj, key.data)
        except BaseException as error:  # noqa: BLE001 - raised to whoever uses the proxy
            self._failure = error

    def _check(self) -> None:
        if self._failure is not None:
            raise AssertionError("the proxy broke down") from self._failure

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Have the selector look at exactly what can be gone on with."""
        now = time.monotonic()
        wanted: dict[socket.socket, tuple[int, _Link | None]] = {
            self._wake_reader: (selectors.EVENT_READ, None)
        }
        if self._listener is not None:
            wanted[self._listener] = (selectors.EVENT_READ, None)
        for link in self._links:
            for lane in link.lanes:
                if (
                    not lane.has_ended
                    and now >= lane.stalled_until
                    and lane.held_bytes < MOST_HELD
                    and lane.source.fileno() != -1
                ):
                    wanted[lane.source] = (selectors.EVENT_READ, link)
            for lane in link.lanes:
                if lane.is_blocked and lane.sink.fileno() != -1:
                    events, _ = wanted.get(lane.sink, (0, link))
                    wanted[lane.sink] = (events | selectors.EVENT_WRITE, link)
        # Closed sockets are still in the selector's own map, under their old numbers.
        for key in list(selector.get_map().values()):
            if wanted.get(key.fileobj) != (key.events, key.data):  # type: ignore[call-overload]  # all are sockets
                selector.unregister(key.fileobj)
        registered = {key.fileobj for key in selector.get_map().values()}
        for each, (events, link_or_none) in wanted.items():
            if each not in registered:
                selector.register(each, events, link_or_none)

    def _turn(self) -> float | None:
        """Do what is due; return the seconds until something else is."""
        now = time.monotonic()
        if self._listener is None and now >= self._refused_until:
            self._listen()
        if self._armed is not None:
            self._strike(self._armed, now)
        for link in list(self._links):
            for lane in link.lanes:
                self._flush(link, lane, now)
            self._sweep(link)
        due = [self._refused_until] if self._listener is None else []
        for link in self._links:
            for lane in link.lanes:
                due.append(lane.stalled_until)
                if lane.held and not lane.is_blocked:
                    due.append(max(lane.held[0][0], lane.merged_until, lane.stalled_until, now))
        left = [each - now for each in due if each > now or each == now]
        return max(0.0, min(left)) if left else None

    def _serve(self, ready: object, link: _Link | None) -> None:
        if ready is self._wake_reader:
            self._wake_reader.recv(4096)
        elif ready is self._listener:
            self._accept()
        elif link is not None and link in self._links:
            for lane in link.lanes:
                lane.is_blocked = False
                if lane.source is ready and not lane.has_ended:
                    self._read(link, lane)
                    if link not in self._links:
                        return

    # Private, connections

    def _listen(self) -> None:
        self._listener = _bound(("127.0.0.1", self.port))
        self._listener.listen(16)
        self._listener.setblocking(False)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # it went away again before it was taken
        self.accepted += 1
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fault, self._next_link = self._next_link, None
        if fault is not None and fault.kind is not FaultKind.CORRUPT_HANDSHAKE:
            self._hit(fault)
        is_mute = fault is not None and fault.kind is FaultKind.MUTE
        server = client if is_mute else _connected(self._target)
        if server is None:
            _reset(client)
            return
        to_server = _Lane("to_server", client, server)
        to_client = _Lane("to_client", server, client)
        link = _Link(client, None if is_mute else server, to_server, to_client)
        self._links.append(link)
        if is_mute:
            link.is_doomed = to_server.is_swallowed = to_client.has_ended = True
            to_client.is_shut = True
        elif fault is not None and fault.kind is FaultKind.SLOW_HANDSHAKE:
            for lane in link.lanes:
                lane.late_pieces = HANDSHAKE_PIECES
                lane.lateness = fault.seconds / HANDSHAKE_PIECES
        elif fault is not None:
            lane = link.lane(fault.way)
            lane.trap, lane.trap_left = fault, fault.after_bytes % 200

    def _read(self, link: _Link, lane: _Lane) -> None:
        try:
            data = lane.source.recv(BLOCK)
        except BlockingIOError:
            return
        except OSError:
            self._end(link, lane, is_reset=True)
            return
        if not data:
            self._end(link, lane, is_reset=False)
            return
        if lane.is_swallowed:
            return
        data = self._pass(link, lane, data)
        if not data:
            return
        due = time.monotonic()
        if due < lane.late_until or lane.late_pieces:
            due += lane.lateness
            lane.late_pieces = max(0, lane.late_pieces - 1)
        if lane.held:
            due = max(due, lane.held[-1][0])  # nothing overtakes
        lane.held.append((due, data))
        lane.held_bytes += len(data)

    def _end(self, link: _Link, lane: _Lane, *, is_reset: bool) -> None:
        """Hand on that one side closed; where it is the client, the connection is over for it."""
        lane.has_ended = True
        if lane.way == "to_server":
            if link.is_doomed or is_reset:
                self._close(link)
        elif is_reset:
            link.server = None
            lane.source.close()
            link.to_server.is_swallowed = True
            if not link.is_doomed:
                self._close(link)

    def _flush(self, link: _Link, lane: _Lane, now: float) -> None:
        if link not in self._links or now < max(lane.stalled_until, lane.merged_until):
            return
        if len(lane.held) > 1 and lane.merged_until:
            lane.merged_until = 0.0
            lane.held = deque([(now, b"".join(data for _, data in lane.held))])
        while lane.held and lane.held[0][0] <= now and not lane.is_blocked:
            due, data = lane.held.popleft()
            piece = data[:1] if lane.single_bytes else data
            try:
                sent = lane.sink.send(piece)
            except BlockingIOError:
                sent = 0
                lane.is_blocked = True
            except OSError:
                self._close(link)
                return
            lane.held_bytes -= sent
            if lane.single_bytes:
                lane.single_bytes -= sent
                due = now + SPLIT_GAP
            if sent < len(data):
                lane.held.appendleft((due, data[sent:]))
        if lane.has_ended and not lane.held and not lane.is_shut and not lane.is_swallowed:
            lane.is_shut = True
            with contextlib.suppress(OSError):
                lane.sink.shutdown(socket.SHUT_WR)

    def _sweep(self, link: _Link) -> None:
        """Forget a connection of which both directions are over."""
        if link in self._links and all(
            lane.has_ended and (lane.is_shut or lane.is_swallowed) for lane in link.lanes
        ):
            self._close(link, is_reset=False)

    def _close(self, link: _Link, *, is_reset: bool = True) -> None:
        if link in self._links:
            self._links.remove(link)
        for each in (link.client, link.server):
            if each is None:
                continue
            if is_reset:
                _reset(each)
            else:
                each.close()

    # Private, faults

    def _strike(self, fault: Fault, now: float) -> None:
        links = [link for link in self._links if not link.is_doomed]
        if not links:
            return
        self._armed = None
        kind = fault.kind
        if kind in NEXT_LINK or kind is FaultKind.REFUSE:
            if kind is FaultKind.REFUSE:
                assert self._listener is not None
                self._listener.close()
                self._listener = None
                self._refused_until = now + fault.seconds
                self._hit(fault)
            else:
                self._next_link = fault
            for link in links:
                self._close(link)
            return
        for link in links:
            lane = link.lane(fault.way)
            match kind:
                case FaultKind.LATENCY:
                    for each in link.lanes:
                        each.late_until = now + fault.seconds
                        each.lateness = fault.seconds / 4
                case FaultKind.SPLIT:
                    lane.single_bytes = 40 + fault.after_bytes // 4
                case FaultKind.MERGE:
                    lane.merged_until = now + fault.seconds
                case FaultKind.STALL:
                    lane.stalled_until = now + fault.seconds
                case _:
                    lane.trap, lane.trap_left = fault, fault.after_bytes
                    continue
            self._hit(fault)

    def _pass(self, link: _Link, lane: _Lane, data: bytes) -> bytes:
        """Follow the records that pass, and shut a trap that is due; return what goes on."""
        position = 0
        while position < len(data):
            if lane.body_left == 0:
                taken = min(RECORD_HEADER - len(lane.header), len(data) - position)
                if len(lane.header) == RECORD_HEADER:
                    lane.header = b""
                    continue
                lane.header += data[position : position + taken]
                position += taken
                lane.trap_left -= taken
                if len(lane.header) == RECORD_HEADER:
                    lane.body_left = int.from_bytes(lane.header[3:])
            else:
                fault = lane.trap
                here = min(lane.body_left, len(data) - position)
                is_open = (
                    fault is None
                    or fault.kind not in IN_RECORD
                    or lane.header[0] == APPLICATION_DATA
                )
                if fault is not None and is_open and lane.trap_left < here:
                    at = position + max(0, lane.trap_left)
                    kept = self._spring(link, lane, fault, data, at)
                    if kept is not None:
                        return kept
                    data = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
                lane.trap_left -= here
                lane.body_left -= here
                position += here
            if lane.body_left == 0 and len(lane.header) == RECORD_HEADER:
                lane.header = b""
        return data

    def _spring(self, link: _Link, lane: _Lane, fault: Fault, data: bytes, at: int) -> bytes | None:
        """Carry out a fault at a byte; return what still goes on, None for all with a bit wrong."""
        lane.trap = None
        self._hit(fault)
        match fault.kind:
            case FaultKind.CORRUPT | FaultKind.CORRUPT_HANDSHAKE:
                return None
            case FaultKind.SWALLOW:
                link.is_doomed = True
                lane.is_swallowed = True
                lane.held.clear()
                return b""
            case FaultKind.HALF_OPEN:
                link.is_doomed = True
                link.to_server.is_swallowed = True
                link.to_server.held.clear()
                link.to_client.has_ended = link.to_client.is_shut = True
                link.to_client.held.clear()
                if link.server is not None:
                    link.server.close()
                    link.server = None
                return b""
            case FaultKind.FIN | FaultKind.CUT_RECORD:
                # What stood before it still arrives, then both sides are told that it is over.
                link.is_doomed = True
                rest = data[:at]
                other = link.lane("to_client" if lane.way == "to_server" else "to_server")
                for each, last in ((lane, rest), (other, b"")):
                    with contextlib.suppress(OSError):
                        waiting = b"".join(piece for _, piece in each.held)
                        each.sink.send(waiting + last)
                    with contextlib.suppress(OSError):
                        each.sink.shutdown(socket.SHUT_WR)
                    each.held.clear()
                    each.held_bytes = 0
                    each.is_swallowed = each.is_shut = True
                return b""
            case _:
                assert fault.kind is FaultKind.RST
                self._close(link)
                return b""

    def _hit(self, fault: Fault) -> None:
        self.struck[fault.kind] += 1
        self._note(f"struck {fault.kind.name}")

    def _note(self, text: str) -> None:
        self._log.append(f"{time.monotonic() - self._began:9.3f} s  {text}")

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_writer.send(b"!")


def _bound(address: tuple[str, int]) -> socket.socket:
    made = socket.socket()
    if sys.platform != "win32":  # there it would take the port from whoever has it
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


def _connected(address: tuple[str, int]) -> socket.socket | None:
    try:
        made = socket.create_connection(address, timeout=5)
    except OSError:
        return None
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _reset(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    each.close()
