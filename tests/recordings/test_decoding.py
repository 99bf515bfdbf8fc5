"""Every recorded message reaches a trader with the right values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from google.protobuf.message import Message

from ctrader.enums import ClientPermissionScope, TrendbarPeriod
from ctrader.errors import APIError, OrderNotFoundError
from ctrader.events import (
    EVENT_TYPE_BY_MESSAGE,
    Event,
    ExecutionEvent,
    OrderErrorEvent,
    SpotEvent,
    TrailingStopChangedEvent,
)
from ctrader.operations import accounts, history, symbols, trading
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthRes,
    ProtoOACashFlowHistoryListRes,
    ProtoOADeal,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOAGetTrendbarsRes,
    ProtoOAOrder,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListRes,
    ProtoOAReconcileRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsRes,
    ProtoOASymbolByIdRes,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOATraderRes,
    ProtoOATrailingSLChangedEvent,
    ProtoOAUnsubscribeSpotsRes,
    ProtoOAVersionReq,
)
from ctrader.protocol.commands import Call
from ctrader.protocol.envelope import encode_envelope
from tests.operations.peer import drive
from tests.protocol.peer import Peer
from tests.recordings.readings import differences_of
from tests.recordings.recorded import (
    ACCOUNT,
    EXECUTION,
    EXTERNAL,
    FILES,
    M2,
    PARTIAL,
    STAGE2,
    Line,
    Recording,
    unknown_fields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ctrader.models.orders import Order
    from ctrader.protocol.commands import Command

PAYLOADS: Final = {EXECUTION: 84, STAGE2: 43, EXTERNAL: 138, PARTIAL: 152, M2: 282}
"""How many messages each recording holds, as its README says."""
EVENTS: Final = (
    ProtoOAExecutionEvent,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOATrailingSLChangedEvent,
)
EMPTY: Final = (
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthRes,
    ProtoOASubscribeSpotsRes,
    ProtoOAUnsubscribeSpotsRes,
)
"""Answers that say nothing but that it was done."""


class Check(NamedTuple):
    """A part of a message with the model that was made of it."""

    reading: str
    message: Message
    model: object


# Through the core


def client() -> Peer:
    """Return a session that is ready on the recorded account and listens to everything."""
    peer = Peer()
    peer.make_ready(ACCOUNT)
    peer.session.listen(frozenset({*EVENT_TYPE_BY_MESSAGE.values(), *EVENTS}), None)
    peer.clear()
    return peer


def take_event(peer: Peer, line: Line) -> tuple[Message, Event]:
    """Hand a recorded event in as bytes, and return it as it comes out: as itself and typed."""
    assert line.payload_type is not None
    assert line.payload is not None
    peer.clear()
    peer.receive(encode_envelope(line.payload_type, line.payload))
    raw = peer.seen(*EVENTS)
    typed = peer.seen(*EVENT_TYPE_BY_MESSAGE.values())
    assert (len(raw), len(typed)) == (1, 1), peer.outputs
    event = typed[0]
    assert isinstance(event, Event)
    return raw[0], event


def take_answer(peer: Peer, line: Line, message: Message) -> Message | Exception:
    """Hand a recorded message in as the answer to a request, and return what the caller gets."""
    assert line.payload_type is not None
    assert line.payload is not None
    peer.advance(0.1)  # the core would hold back more than some requests a second
    # Which request it is makes no difference: an answer goes by its id.
    call = peer.submit(Call(ProtoOASymbolsListReq(ctidTraderAccountId=ACCOUNT), type(message)))
    sent = peer.open(ProtoOASymbolsListReq)[-1]
    peer.receive(encode_envelope(line.payload_type, line.payload, sent.message_id))
    if call in peer.errors:
        return peer.errors[call]
    answer = peer.results[call]
    assert isinstance(answer, Message)
    return answer


def answer_of(message: Message) -> Callable[[Command], object]:
    """Answer whatever an operation asks with one message."""

    def answer(command: Command) -> object:
        assert isinstance(command, Call)
        assert command.reply is type(message), command
        return message

    return answer


# Through the operations


def checks_of_answer(message: Message) -> Iterator[Check]:
    """Run the operation that a message answers, and pair what it returns with the message."""
    answer = answer_of(message)
    match message:
        case ProtoOATraderRes():
            account = drive(accounts.get_trader(ACCOUNT), answer)
            yield Check("ProtoOATrader", message.trader, account)
        case ProtoOAGetAccountListByAccessTokenRes():
            listed = drive(accounts.list_by_token("token"), answer)
            assert {each.permission_scope for each in listed} == {ClientPermissionScope.SCOPE_TRADE}
            yield from pairs(message.ctidTraderAccount, listed)
        case ProtoOAReconcileRes():
            positions, orders = drive(trading.reconcile(ACCOUNT, protection_orders=True), answer)
            yield from pairs(message.position, positions)
            yield from pairs(message.order, orders)
        case ProtoOADealListRes():
            stamps = [deal.executionTimestamp for deal in message.deal]
            span = (moment(min(stamps)), moment(max(stamps)))
            deals = drive(history.get_deals(ACCOUNT, *span, now=moment(0)), answer)
            yield from pairs(oldest_first(message.deal), deals)
        case ProtoOADealListByPositionIdRes():
            deals = drive(history.get_deals_by_position_id(ACCOUNT, 1), answer)
            yield from pairs(oldest_first(message.deal), deals)
        case ProtoOAOrderListRes():
            stamps = [order.utcLastUpdateTimestamp for order in message.order]
            span = (moment(min(stamps)), moment(max(stamps)))
            orders = drive(history.get_orders(ACCOUNT, *span, now=moment(0)), answer)
            yield from order_pairs(message.order, orders)
        case ProtoOAOrderListByPositionIdRes():
            orders = drive(history.get_orders_by_position_id(ACCOUNT, 1), answer)
            yield from order_pairs(message.order, orders)
        case ProtoOAOrderDetailsRes():
            order, deals = drive(history.get_order_details(ACCOUNT, 1), answer)
            yield Check("ProtoOAOrder", message.order, order)
            yield from pairs(oldest_first(message.deal), deals)
        case ProtoOACashFlowHistoryListRes():
            stamps = [each.changeBalanceTimestamp for each in message.depositWithdraw]
            span = (moment(min(stamps, default=0)), moment(max(stamps, default=1)))
            changes = drive(accounts.get_cash_flow(ACCOUNT, *span), answer)
            yield from pairs(message.depositWithdraw, changes)
        case ProtoOASymbolsListRes():
            assert not message.archivedSymbol
            yield from pairs(message.symbol, drive(symbols.list_all(ACCOUNT), answer))
        case ProtoOASymbolByIdRes():
            assert not message.archivedSymbol
            ids = [each.symbolId for each in message.symbol]
            yield from pairs(message.symbol, drive(symbols.get_by_ids(ACCOUNT, ids), answer))
        case ProtoOASymbolsForConversionRes():
            chain = drive(symbols.get_conversion_chain(ACCOUNT, 1, 2), answer)
            yield from pairs(message.symbol, chain)
        case ProtoOAGetTrendbarsRes():
            yield from bars(message)
        case _:
            pytest.fail(f"nothing is known of {type(message).__name__}")


def pairs(parts: Iterable[Message], models: Iterable[object]) -> Iterator[Check]:
    """Pair messages with the models that were made of them, in order."""
    for part, model in zip(parts, models, strict=True):
        yield Check(type(part).__name__, part, model)


def moment(millis: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)


def oldest_first(deals: Iterable[ProtoOADeal]) -> list[ProtoOADeal]:
    """Put deals into the order in which operations return them."""
    return sorted(deals, key=lambda deal: (deal.executionTimestamp, deal.dealId))


def order_pairs(recorded: Iterable[ProtoOAOrder], models: Sequence[Order]) -> Iterator[Check]:
    """Pair orders with their models, which are in the order of their last changes."""
    stamps = [each.last_update_timestamp or moment(0) for each in models]
    assert stamps == sorted(stamps)
    by_id = {each.order_id: each for each in models}
    assert len(by_id) == len(models)
    parts = list(recorded)
    yield from pairs(parts, [by_id[part.orderId] for part in parts])
    assert len(parts) == len(models)


def bars(message: ProtoOAGetTrendbarsRes) -> Iterator[Check]:
    """Pair the bars of an answer with those that an operation returns, and check their closes."""
    period = TrendbarPeriod(message.period)
    last = moment(message.trendbar[-1].utcTimestampInMinutes * 60_000)
    count = len(message.trendbar)
    read = drive(
        history.get_last_trendbars(ACCOUNT, 1, period, count, last, now=last), answer_of(message)
    )
    for part, model in zip(message.trendbar, read, strict=True):
        assert not part.HasField("period")
        assert model.period is period
        assert model.close_points == part.low + part.deltaClose
        assert model.close == model.close_points / 100_000
        yield Check("ProtoOATrendbar", part, model)


# Tests


@pytest.mark.parametrize("name", FILES)
def test_every_message_is_there(name: str, recordings: Mapping[str, Recording]):
    found = list(recordings[name].messages())
    assert len(found) == PAYLOADS[name]
    for line, message in found:
        assert message.IsInitialized(), line
        assert message.SerializeToString() == line.payload, line


@pytest.mark.parametrize("name", FILES)
def test_every_message_is_decoded_to_the_right_values(
    name: str, recordings: Mapping[str, Recording], tell: Callable[[str], None]
):
    """Each message goes through the core as bytes, and on to the trader as models or an event."""
    problems: list[str] = []
    counted: Counter[str] = Counter()
    parts = 0
    peer = client()
    for line, message in recordings[name].messages():
        counted[type(message).__name__] += 1
        for check in checks_of(peer, line, message):
            parts += 1
            problems += [
                f"{name}:{line.number} {problem.path}: the message says {problem.expected!r}, "
                f"the model {problem.found!r}"
                for problem in differences_of(*check, check.reading)
            ]
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(counted.items()))
    tell(f"decoded {name}: {counted.total()} messages, {parts} models ({kinds})")
    assert not problems, "\n" + "\n".join(problems)
    assert counted.total() == PAYLOADS[name]


def checks_of(peer: Peer, line: Line, message: Message) -> Iterator[Check]:
    """Bring a message to the trader in every way that it comes, and say what to compare."""
    if isinstance(message, EVENTS):
        raw, event = take_event(peer, line)
        assert raw.SerializeToString() == line.payload
        yield Check(type(message).__name__, message, event)
        if isinstance(message, ProtoOASpotEvent):
            assert isinstance(event, SpotEvent)
            check_live_bars(message, event)
        return
    answer = take_answer(peer, line, message)
    if isinstance(message, ProtoOAErrorRes):
        assert isinstance(answer, APIError)
        yield Check("ProtoOAErrorRes", message, answer)
        return
    assert isinstance(answer, Message)
    # The caller of a raw request gets all that was sent, what no schema knows included.
    assert answer.SerializeToString() == line.payload
    if isinstance(message, EMPTY):
        extra = {descriptor.name for descriptor, _ in message.ListFields()}
        assert extra <= {"ctidTraderAccountId"}
        return
    yield from checks_of_answer(answer)


def check_live_bars(message: ProtoOASpotEvent, event: SpotEvent) -> None:
    """Check what a live bar does not say itself: it closes at the last bid."""
    for part, bar in zip(message.trendbar, event.trendbars, strict=True):
        assert not part.HasField("deltaClose")
        assert bar.period is TrendbarPeriod(part.period)
        assert message.HasField("bid")
        assert bar.close_points == message.bid


def test_no_field_is_overlooked(recordings: Mapping[str, Recording]):
    """A model of a message in which any one field was another is seen to differ."""
    unseen: set[str] = set()
    looked_at: set[str] = set()
    for recording in recordings.values():
        peer = client()  # some deals were recorded twice, and each is told once only
        for line, message in recording.messages():
            for check in checks_of(peer, line, message):
                for path, altered in altered_copies(check.message):
                    if path in looked_at:
                        continue
                    looked_at.add(path)
                    if not any(differences_of(check.reading, altered, check.model, "")):
                        unseen.add(path)
    assert unseen == {
        # Deprecated beside a precise form that was sent as well.
        "ProtoOASymbol.commission",
        "ProtoOASymbol.minCommission",
        # The position says it itself.
        "ProtoOAExecutionEvent.position.tradeData.guaranteedStopLoss",
        "ProtoOAPosition.tradeData.guaranteedStopLoss",
        # What a bar closes at, and how long it is, is tested with the answer or the quote.
        "ProtoOATrendbar.deltaClose",
        "ProtoOASpotEvent.trendbar.period",
    }


def altered_copies(message: Message, prefix: str = "") -> Iterator[tuple[str, Message]]:
    """Yield copies of a message in each of which one field is another, with its path."""
    prefix = prefix or type(message).__name__
    for descriptor, value in message.ListFields():
        path = f"{prefix}.{descriptor.name}"
        copy = type(message)()
        copy.CopyFrom(message)
        if isinstance(value, Message):
            for deeper, altered in altered_copies(value, path):
                copy.CopyFrom(message)
                getattr(copy, descriptor.name).CopyFrom(altered)
                yield deeper, copy
        elif not isinstance(value, (int, float, str)):
            for deeper, altered in altered_copies(value[0], path):
                copy.CopyFrom(message)
                getattr(copy, descriptor.name)[0].CopyFrom(altered)
                yield deeper, copy
        else:
            setattr(copy, descriptor.name, altered_value(copy, descriptor.name, value))
            yield path, copy


def altered_value(message: Message, field: str, value: float | str) -> float | str:
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    if enum is not None:
        return next(each.number for each in enum.values if each.number != value)
    if isinstance(value, str):
        return f"{value}x"
    return not value if isinstance(value, bool) else value + 1


@pytest.mark.parametrize("name", FILES)
def test_quotes_remember_the_side_that_was_not_sent(name: str, recordings: Mapping[str, Recording]):
    peer = client()
    last: dict[int, tuple[int, int]] = {}
    for line, message in recordings[name].messages():
        if not isinstance(message, ProtoOASpotEvent):
            continue
        _, event = take_event(peer, line)
        assert isinstance(event, SpotEvent)
        bid, ask = last.get(message.symbolId, (0, 0))
        last[message.symbolId] = (
            message.bid if message.HasField("bid") else bid,
            message.ask if message.HasField("ask") else ask,
        )
        quote = event.quote
        assert quote is not None, line
        assert (quote.bid_points, quote.ask_points) == last[message.symbolId], line


def test_order_that_is_not_there_is_an_error_of_its_own_class(
    recordings: Mapping[str, Recording],
):
    peer = client()
    refused = [
        take_answer(peer, line, message)
        for line, message in recordings[EXTERNAL].messages()
        if isinstance(message, ProtoOAErrorRes)
    ]
    assert [type(each) for each in refused] == [OrderNotFoundError]


def test_fields_that_no_schema_knows_are_kept(recordings: Mapping[str, Recording]):
    """Real servers send a trader 23 and a symbol 41; both are there for whoever reads raw."""
    found: Counter[tuple[str, int, int]] = Counter()
    peer = client()
    for line, message in recordings[M2].messages():
        if isinstance(message, (ProtoOATraderRes, ProtoOASymbolByIdRes)):
            answer = take_answer(peer, line, message)
            parts: list[Message] = []
            if isinstance(answer, ProtoOATraderRes):
                parts = [answer.trader]
            elif isinstance(answer, ProtoOASymbolByIdRes):
                parts = list(answer.symbol)
            for part in parts:
                for number, value in unknown_fields(part):
                    found[type(part).__name__, number, value] += 1
    assert found == {("ProtoOATrader", 23, 4): 1, ("ProtoOASymbol", 41, 1): 4}


def test_events_are_of_the_types_that_are_listened_to(recordings: Mapping[str, Recording]):
    kinds = {
        EVENT_TYPE_BY_MESSAGE[type(message)]
        for recording in recordings.values()
        for _, message in recording.messages()
        if isinstance(message, EVENTS)
    }
    assert kinds == {ExecutionEvent, OrderErrorEvent, SpotEvent, TrailingStopChangedEvent}
    assert ProtoOAVersionReq not in EVENT_TYPE_BY_MESSAGE
