"""What is fuzzed: for each name a function of bytes, which raises if something is wrong.

To add a target, write a function that takes bytes, lets declared errors pass and everything else
out, and add a line to `TARGETS`.
"""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final

from google.protobuf.message import Message

from ctrader import (
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
    OrderSide,
    OrderType,
    proto,
)
from ctrader.errors import (
    CTraderConnectionClosedError,
    CTraderError,
    DeserializationError,
    JournalError,
    OrderError,
    OrderOutcomeUnknownError,
    ProtocolError,
    TokenStoreError,
)
from ctrader.events import DisconnectedEvent
from ctrader.journal import Intent, Settlement, SqliteJournal
from ctrader.models.wire import missing_fields
from ctrader.operations import accounts, auth, history, symbols, trading
from ctrader.operations.base import Op
from ctrader.proto import ProtoOAExecutionEvent, ProtoOANewOrderReq, ProtoOASpotEvent
from ctrader.proto.registry import (
    MESSAGE_BY_PAYLOAD_TYPE,
    PAYLOAD_TYPE_BY_MESSAGE,
    RESPONSE_BY_REQUEST,
    SPOT_EVENT,
)
from ctrader.protocol.commands import Call, Completion
from ctrader.protocol.decoding import EventDecoder, bare_spot, open_message
from ctrader.protocol.envelope import Envelope, encode_envelope, encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer, encode_frame
from ctrader.protocol.orders import TRADING_REQUESTS
from ctrader.protocol.recovery import recovered_call
from ctrader.simulator.http_session import HttpSession
from ctrader.tokens import FileTokenStore, GrantKey, StoredGrant, TokenPair
from ctrader.tokens.text import kept_in, text_of
from tests.coverage_of_schema.homes import MODELS, Model
from tests.fuzz.messages import ACCOUNT, PAYLOAD_TYPES, plausible
from tests.fuzz.mutation import Mutate, changed_frames, changed_message
from tests.fuzz.oracle import can_decide_an_order
from tests.fuzz.test_client import KINDS, Reader
from tests.fuzz.volleys import CHUNKINGS
from tests.journal.intents import cancel
from tests.journal.intents import order as order_intent
from tests.protocol.peer import Peer, credentials, trade_call
from tests.simulator.peer import Peer as ServerPeer
from tests.simulator.peer import log_in, scripted_exchange

__all__ = ["TARGETS", "Target"]

Mutator = Callable[[bytes, Random, Mutate], bytes]


@dataclass(frozen=True)
class Target:
    """One reader of bytes."""

    run: Callable[[bytes], None]
    """Reads the bytes; it raises only if the reader does what it must not do."""
    seeds: Callable[[], Iterable[bytes]]
    """Returns inputs to begin with."""
    mutator: Mutator | None = None
    """Changes an input in the terms of its format; None leaves that to the fuzzer."""


def _must(holds: bool) -> None:
    """Say what must hold of an error that was declared."""
    if not holds:
        raise AssertionError("a declared error is not what it should be")


# Framing and envelopes


def framing(data: bytes) -> None:
    """Any split of a stream gives the same frames."""
    cuts, stream = data[:8], data[8:]
    whole = FrameBuffer(max_length=1000)
    block, spans = whole.feed(stream)
    expected = [block[start:end] for start, end in spans]
    parts = FrameBuffer(max_length=1000)
    found: list[bytes] = []
    borders = sorted(len(stream) * cut // 255 for cut in cuts)
    for start, end in itertools.pairwise([0, *borders, len(stream)]):
        block, spans = parts.feed(stream[start:end])
        found += [block[left:right] for left, right in spans]
    assert found == expected
    assert (parts.failure is None) == (whole.failure is None)
    assert parts.held == whole.held
    if whole.failure is None:
        sizes = sum(len(frame) + 4 for frame in expected)
        assert whole.held <= len(stream) - sizes


def envelope(data: bytes) -> None:
    """An envelope opens or is refused; what opened is the same when it is wrapped again."""
    try:
        opened = open_envelope(data)
    except DeserializationError as error:
        _must(bool(str(error)))
        return
    assert isinstance(opened.payload, bytes)
    assert open_envelope(encode_envelope(*opened)[4:]) == opened


# Messages, events, models


def decoders(data: bytes) -> None:
    """A payload of every type becomes events; a quote the same ones on both ways."""
    if not data:
        return
    payload_type = PAYLOAD_TYPES[data[0] % len(PAYLOAD_TYPES)]
    frame = Envelope(payload_type, data[1:], None)
    try:
        message = open_message(frame)
    except DeserializationError as error:
        _must(bool(str(error)))
        return
    assert message is not None
    decoder = EventDecoder()
    decoder.listen(KINDS, None)
    events = decoder.events(message, frame)
    assert events
    for event in events:
        repr(event)
        if not isinstance(event, Message):
            _read_properties(event)
    if payload_type == SPOT_EVENT:
        _quote_on_both_ways(data[1:])


def _quote_on_both_ways(payload: bytes) -> None:
    frame = encode_envelope(SPOT_EVENT, payload)
    if bare_spot(frame, 4, len(frame)) is None:
        return
    peers = [Peer(), Peer()]
    for peer, kinds in zip(peers, (KINDS - {ProtoOASpotEvent}, KINDS), strict=True):
        peer.connect_application()
        peer.session.listen(kinds, None)
        peer.clear()
        peer.receive(frame)
    quick, general = ([o for o in p.outputs if not isinstance(o, Message)] for p in peers)
    assert repr(quick) == repr(general)


def _read_properties(event: object) -> None:
    """Read what is computed only when it is asked for, such as times and prices."""
    for name in dir(type(event)):
        if not name.startswith("_") and isinstance(getattr(type(event), name), property):
            with suppress(ProtocolError):
                getattr(event, name)


_MODELS: Final[list[tuple[type[Message], Model]]] = [
    (getattr(proto, name), model) for name, models in sorted(MODELS.items()) for model in models
]


def models(data: bytes) -> None:
    """A whole message becomes its model, or a `ProtocolError`."""
    if not data:
        return
    kind, model = _MODELS[data[0] % len(_MODELS)]
    number = PAYLOAD_TYPE_BY_MESSAGE.get(kind, 0)
    assert not number, "models are of parts of messages"
    carrier = kind if model.carrier is None else model.carrier
    message = carrier()
    try:
        message.ParseFromString(data[1:])
    except Exception:  # noqa: BLE001  # the runtime's, and not what is tested
        return
    if missing_fields(message):
        return
    if model.carrier is not None:
        # Whoever has such a part reads it only where it is there.
        part = getattr(message, model.part)
        if not (len(part) if hasattr(part, "add") else message.HasField(model.part)):
            return
    read = model.read or getattr(model.home, "from_proto")  # noqa: B009  # of various classes
    with suppress(ProtocolError):
        repr(read(message))


# Operations


_DAY: Final = datetime(2020, 9, 13, 12, tzinfo=UTC)
_LATER: Final = datetime(2020, 9, 13, 18, tzinfo=UTC)
_LOGIN: Final = 17
_BUY: Final = NewOrderRequest(
    symbol_id=1, side=OrderSide.BUY, volume=1000, order_type=OrderType.MARKET
)
_OPERATIONS: Final[tuple[Callable[[], Op[Any]], ...]] = (
    lambda: accounts.get_trader(ACCOUNT),
    lambda: accounts.list_by_token("a-token"),
    lambda: accounts.get_profile("a-token"),
    lambda: accounts.get_cash_flow(ACCOUNT, _DAY, _LATER),
    lambda: accounts.get_expected_margin(ACCOUNT, 1, [1000]),
    lambda: accounts.get_dynamic_leverage(ACCOUNT, 1),
    lambda: accounts.get_margin_calls(ACCOUNT),
    lambda: symbols.list_all(ACCOUNT),
    lambda: symbols.list_archived(ACCOUNT),
    lambda: symbols.get_by_ids(ACCOUNT, [1, 2]),
    lambda: symbols.get_archived_by_ids(ACCOUNT, [1]),
    lambda: symbols.get_by_name(ACCOUNT, "EURUSD"),
    lambda: symbols.get_conversion_chain(ACCOUNT, 1, 2),
    lambda: symbols.get_assets(ACCOUNT),
    lambda: symbols.get_asset_classes(ACCOUNT),
    lambda: symbols.get_categories(ACCOUNT),
    lambda: history.get_trendbars(ACCOUNT, 1, "M1", _DAY, _LATER),
    lambda: history.get_last_trendbars(ACCOUNT, 1, "M1", 10, now=_LATER),
    lambda: history.get_tick_data(ACCOUNT, 1, _DAY, _LATER, "BID"),
    lambda: history.get_deals(ACCOUNT, _DAY, _LATER, now=_LATER),
    lambda: history.get_orders(ACCOUNT, _DAY, _LATER, now=_LATER),
    lambda: history.get_deals_by_position_id(ACCOUNT, 1),
    lambda: history.get_orders_by_position_id(ACCOUNT, 1),
    lambda: history.get_order_details(ACCOUNT, 1),
    lambda: history.get_deal_offsets(ACCOUNT, 1),
    lambda: trading.reconcile(ACCOUNT),
    lambda: trading.get_unrealized_pnl_per_position(ACCOUNT),
    lambda: auth.refresh_tokens(credentials(ACCOUNT)),
    lambda: trading.place_order(ACCOUNT, _BUY),
    lambda: trading.place_order(ACCOUNT, _BUY, until="accepted"),
    lambda: trading.cancel_order(ACCOUNT, 1),
    lambda: trading.close_position(ACCOUNT, ClosePositionRequest(position_id=1, volume=1000)),
    lambda: trading.amend_order(ACCOUNT, AmendOrderRequest(order_id=1, limit_price=1.1)),
    lambda: trading.amend_position(ACCOUNT, AmendPositionRequest(position_id=1, stop_loss=1.0)),
    lambda: auth.authenticate_by_trader_login(_LOGIN, "a-token", "another", 1.7e9),
)


def operations(data: bytes) -> None:
    """A reading ends with its result or a declared error; an order that was sent, as an order."""
    if not data:
        return
    operation = _OPERATIONS[data[0] % len(_OPERATIONS)]()
    block, spans = FrameBuffer(max_length=100_000).feed(data[1:])
    answers = iter([block[start:end] for start, end in spans])
    is_sent = False
    try:
        command = next(operation)
        while True:
            result: object = None
            if isinstance(command, Call):
                answer = _answer(command, answers)
                if answer is None:
                    command = operation.throw(CTraderConnectionClosedError("no more input"))
                    continue
                is_sent = is_sent or type(command.request) in TRADING_REQUESTS
                result = answer
            command = operation.send(result)
    except StopIteration as stop:
        repr(stop.value)
    except CTraderError as error:
        _must(bool(str(error)))
        _must(isinstance(error, OrderError) or not is_sent)
    finally:
        operation.close()


def _answer(call: Call, answers: Iterable[bytes]) -> Message | None:
    """Return the next input as the message that the call waits for, None where it is not whole."""
    kind = ProtoOAExecutionEvent if call.completion is not Completion.REPLY else call.reply
    for payload in answers:
        if kind is None:
            return None
        with suppress(DeserializationError):
            return open_message(Envelope(PAYLOAD_TYPE_BY_MESSAGE[kind], payload, None))
    return None


# Sessions


def session(data: bytes) -> None:
    """A session in full swing ends its link for a declared reason, or none."""
    if not data:
        return
    names = sorted(CHUNKINGS)
    peer = Reader(CHUNKINGS["whole"]).peer
    is_raw = data[0] & 1
    peer.session.listen(KINDS if is_raw else KINDS - {ProtoOASpotEvent}, None)
    peer.clear()
    chunking = CHUNKINGS[names[data[0] >> 1 & 3]]
    epoch = peer.session.epoch
    for piece in chunking([data[1:]], Random(data[0])):
        peer.session.receive_data(epoch, piece, peer.now)
        peer.carry_out()
    for event in peer.seen(DisconnectedEvent):
        assert isinstance(event.cause, CTraderError)
    assert all(isinstance(error, CTraderError) for error in peer.errors.values())
    peer.advance(2)
    peer.close(grace=0)
    peer.advance(5)
    assert peer.is_finished


def order(data: bytes) -> None:
    """Frames with an order's id end it in a declared way; damaged ones never decide it."""
    peer = Reader(CHUNKINGS["whole"]).peer
    peer.clear()
    call_id = peer.submit(trade_call(account_id=ACCOUNT), timeout=3600)
    (sent,) = peer.open(ProtoOANewOrderReq)
    block, spans = FrameBuffer(max_length=100_000).feed(data)
    may_be_decided = False
    for start, end in spans:
        try:
            opened = open_envelope(block[start:end])
        except DeserializationError:
            continue
        may_be_decided |= can_decide_an_order(opened.payload_type, opened.payload)
        with suppress(ProtocolError):  # longer than any frame
            peer.receive(
                encode_envelope(opened.payload_type, opened.payload, sent.message_id), sent.epoch
            )
    peer.advance(2)
    error = peer.errors.get(call_id)
    assert call_id not in peer.results or may_be_decided
    assert error is None or isinstance(error, OrderError)
    assert may_be_decided or error is None or isinstance(error, OrderOutcomeUnknownError)
    if error is not None:
        repr(error)


@functools.cache
def _prices() -> tuple[tuple[float, int, int], ...]:
    return tuple((second, 112_000 + second % 50, 112_010 + second % 50) for second in range(20))


def server(data: bytes) -> None:
    """The simulator's session answers whole frames, whatever it is asked."""
    peer = log_in(ServerPeer(scripted_exchange(_prices())), ACCOUNT)
    peer.session.receive_data(data, peer.exchange.now)
    _read_answers(peer)
    peer.run(3)
    _read_answers(peer)


def _read_answers(peer: ServerPeer) -> None:
    for received in peer.received():
        assert received.message.IsInitialized()


def http(data: bytes) -> None:
    """The simulator's authorisation server answers, or closes."""
    exchange = scripted_exchange(_prices())
    link = HttpSession(exchange)
    link.receive_data(data, exchange.now)
    link.data_to_send()
    link.connection_lost(exchange.now)


# Tokens


_KEY: Final = GrantKey("1234_app", 77)


def _pair(number: int) -> TokenPair:
    return TokenPair(
        access_token=f"canary-access-{number}",
        refresh_token=f"canary-refresh-{number}",
        expires_at=1_800_000_000.5 + number,
    )


def _grants() -> list[StoredGrant]:
    first = StoredGrant(tokens=_pair(1))
    return [first, first.begun(), first.begun().rotated(_pair(2)), first.rotated(_pair(3)).begun()]


def token_text(data: bytes) -> None:
    """A text holds a grant, which is the same when it is written again, or nothing."""
    text = data.decode("utf-8", "replace")
    kept = kept_in(_KEY, text)
    if kept is not None:
        assert kept_in(_KEY, text_of(_KEY, *kept)) == kept


def token_file(data: bytes) -> None:
    """A damaged file is a `TokenStoreError` that holds no token; a save goes on over it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-tokens-") as folder:
        Path(folder).chmod(0o700)
        path = Path(folder) / f"{_KEY.name}.json"
        path.write_bytes(data)
        path.chmod(0o600)
        store = FileTokenStore(folder, lock_timeout=0)
        try:
            store.load(_KEY)
        except TokenStoreError as error:
            _must("canary" not in f"{error}{error!r}{error.__context__!r}")
        store.save(_KEY, _grants()[2])
        loaded = store.load(_KEY)
        assert loaded is not None
        assert loaded.tokens == _pair(2)


# The journal


@functools.cache
def _journal_file() -> tuple[bytes, tuple[Intent, ...]]:
    """Return the bytes of a journal, and what is unsettled in it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-journal-") as folder:
        Path(folder).chmod(0o700)
        path = Path(folder) / "orders.journal"
        journal = SqliteJournal(path, lock_timeout=0)
        journal.open()
        intents = [order_intent(1), cancel(2), order_intent(3), order_intent(4)]
        for intent in intents:
            journal.begin(intent)
        journal.settle(intents[2].intent_id, Settlement.DONE, 7)
        journal.settle(intents[3].intent_id, Settlement.NOT_SENT)
        journal.close()
        return path.read_bytes(), (intents[0], intents[1])


def journal_file(data: bytes) -> None:
    """Of a file with changed bytes all is read, or nothing: each change is a place and a byte."""
    whole, unsettled = _journal_file()
    changed = bytearray(whole)
    for start in range(0, len(data) - 2, 3):
        place = int.from_bytes(data[start : start + 2], "big") % len(changed)
        changed[place] = data[start + 2]
    with tempfile.TemporaryDirectory(prefix="fuzz-journal-") as folder:
        Path(folder).chmod(0o700)
        path = Path(folder) / "orders.journal"
        path.write_bytes(changed)
        path.chmod(0o600)
        journal = SqliteJournal(path, lock_timeout=0)
        try:
            found = journal.open()
        except JournalError as error:
            _must(str(path) in str(error))
        else:
            assert found == unsettled
        finally:
            journal.close()


_REQUESTS: Final = sorted(kind.__name__ for kind in TRADING_REQUESTS)


def journal_request(data: bytes) -> None:
    """A request that is read back from the journal is whole and of its account, or is none."""
    name = [*_REQUESTS, "ProtoOAFutureReq"][data[0] % (len(_REQUESTS) + 1)] if data else ""
    intent = Intent("an-id", ACCOUNT, name, data[1:], unix_ms=1_700_000_000_000)
    call = recovered_call(intent)
    if call is not None:
        assert type(call.request).__name__ == name
        assert call.request.ctidTraderAccountId == ACCOUNT  # type: ignore[attr-defined] # as all
        assert call.request.IsInitialized()
        assert call.is_trading


# Where to begin


def _messages(count: int = 3) -> Generator[tuple[int, Message], None, None]:
    rng = Random(11)
    for _ in range(count):
        for payload_type in PAYLOAD_TYPES:
            yield payload_type, plausible(MESSAGE_BY_PAYLOAD_TYPE[payload_type], rng)


def _stream_seeds(prefix: bytes = b"") -> list[bytes]:
    frames = [encode_message(message) for _, message in _messages()]
    merged = [b"".join(frames[at : at + 4]) for at in range(0, len(frames), 4)]
    return [prefix + data for data in (*frames, *merged)]


def _payload_seeds() -> list[bytes]:
    return [
        bytes((PAYLOAD_TYPES.index(payload_type),)) + message.SerializeToString()
        for payload_type, message in _messages()
    ]


def _model_seeds() -> list[bytes]:
    rng = Random(12)
    return [
        bytes((number,)) + plausible(model.carrier or kind, rng).SerializePartialToString()
        for _ in range(4)
        for number, (kind, model) in enumerate(_MODELS)
    ]


def _operation_seeds() -> list[bytes]:
    rng = Random(13)
    seeds: list[bytes] = []
    for number, operation in enumerate(_OPERATIONS * 3):
        command = next(operation())
        answers: list[bytes] = []
        if isinstance(command, Call):
            is_order = command.completion is not Completion.REPLY
            kind = ProtoOAExecutionEvent if is_order else command.reply
            kind = kind or RESPONSE_BY_REQUEST[type(command.request)]
            kinds = [kind, ProtoOAExecutionEvent, proto.ProtoOASymbolByIdRes, kind]
            messages = [plausible(each, rng) for each in kinds]
            for message in messages:
                if isinstance(message, proto.ProtoOAGetAccountListByAccessTokenRes):
                    message.ctidTraderAccount.add(ctidTraderAccountId=ACCOUNT, traderLogin=_LOGIN)
            answers = [message.SerializeToString() for message in messages]
        index = number % len(_OPERATIONS)
        seeds.append(bytes((index,)) + b"".join(encode_frame(answer) for answer in answers))
    return seeds


def _http_seeds() -> list[bytes]:
    end = b" HTTP/1.1\r\nHost: x\r\n"
    code = b"GET /apps/token?grant_type=authorization_code&code=x&client_id=a"
    consent = b"GET /apps/auth?client_id=a&redirect_uri=http%3A%2F%2Fx&scope=trading"
    return [
        code + end + b"\r\n",
        consent + end + b"\r\n",
        b"POST /apps/token" + end + b"Content-Length: 14\r\n\r\ngrant_type=foo",
        b"POST /" + end + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ]


_VALUES: Final[tuple[object, ...]] = (
    *(None, True, 0, -1, 1.5, 10**400, float("inf"), float("nan")),
    *("", "x", "\ud800", "\0" * 9, [], [[]], {}, {"self": 1}),
)


def _token_seeds() -> list[bytes]:
    return [text_of(_KEY, 3, grant).encode() for grant in _grants()]


def _journal_request_seeds() -> list[bytes]:
    rng = Random(14)
    seeds: list[bytes] = []
    kinds = sorted(TRADING_REQUESTS, key=lambda kind: kind.__name__)
    for number, kind in enumerate(kinds * 4):
        message: Any = plausible(kind, rng)  # Any: whichever it is, it has an account
        message.ctidTraderAccountId = ACCOUNT
        seeds.append(bytes((number % len(kinds),)) + message.SerializeToString())
    return seeds


def _changed_json(data: bytes, rng: Random, mutate: Mutate) -> bytes:
    """Put another value somewhere into a text of JSON, or change its bytes."""
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found or rng.random() < 0.2:
        return mutate(data, len(data) + 20)
    table: dict[str, object] = found  # of a parser, so that its keys are texts
    inner = [each for each in table.values() if isinstance(each, dict) and each]
    if inner and rng.random() < 0.6:
        table = rng.choice(inner)
    name = rng.choice(sorted(table))
    if rng.random() < 0.1:
        del table[name]
    else:
        table[rng.choice([name, name, "another"])] = rng.choice(_VALUES)
    try:
        return json.dumps(found, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")
    except ValueError:  # a number of more digits than the interpreter writes
        return data


def _behind(count: int, change: Mutator) -> Mutator:
    """Leave the first bytes as they are, most of the time."""

    def mutator(data: bytes, rng: Random, mutate: Mutate) -> bytes:
        if len(data) <= count or rng.random() < 0.05:
            return mutate(data, len(data) + 20)
        return data[:count] + change(data[count:], rng, mutate)

    return mutator


TARGETS: Final[dict[str, Target]] = {
    "framing": Target(framing, lambda: _stream_seeds(bytes(range(0, 256, 32)))),
    "envelope": Target(envelope, lambda: [seed[4:] for seed in _stream_seeds()], changed_message),
    "decoders": Target(decoders, _payload_seeds, _behind(1, changed_message)),
    "models": Target(models, _model_seeds, _behind(1, changed_message)),
    "operations": Target(operations, _operation_seeds, _behind(1, changed_frames)),
    "session": Target(session, lambda: _stream_seeds(b"\1"), _behind(1, changed_frames)),
    "order": Target(order, _stream_seeds, changed_frames),
    "server": Target(server, _stream_seeds, changed_frames),
    "http": Target(http, _http_seeds),
    "token-text": Target(token_text, _token_seeds, _changed_json),
    "token-file": Target(token_file, _token_seeds, _changed_json),
    "journal-file": Target(journal_file, lambda: [Random(n).randbytes(3 * n) for n in range(9)]),
    "journal-request": Target(journal_request, _journal_request_seeds, _behind(1, changed_message)),
}
