"""Turn frames into messages and events, decoding only what somebody listens to."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

import msgspec
from google.protobuf.message import DecodeError, Message

from ctrader.errors import CTraderError, DeserializationError, ProtocolError
from ctrader.events import (
    EVENT_FROM_MESSAGE,
    EVENT_TYPE_BY_MESSAGE,
    DepthEvent,
    SpotEvent,
    UndecodableMessageEvent,
)
from ctrader.models.market import Trendbar
from ctrader.models.wire import missing_fields, money_digits_of, text_of
from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAClientDisconnectEvent,
    ProtoOADepthEvent,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE

if TYPE_CHECKING:
    from ctrader.events import Event
    from ctrader.proto import ProtoOATrendbar
    from ctrader.protocol.envelope import Envelope
    from ctrader.units import Nanos

__all__ = ["SERVER_TEXTS", "EventDecoder", "bare_spot", "open_message"]

# A quote without an id is an envelope of payload type 2131 (08 d3 10), then the payload field
# with a one-byte length (12 nn), and nothing behind it.
_SPOT_HEAD: Final = Struct(">IB")
_SPOT_TAG: Final = 0x08D31012
_SPOT_HEAD_LENGTH: Final = 5
_ONE_BYTE_VARINT: Final = 0x80
_UNSEEN: Final = (None, None, 0)

CAPACITY: Final = 50_000
"""Symbols whose last quotes, and accounts whose decimals, are remembered. Brokers have a few
thousand symbols; without a bound, a server that goes on naming new ones would fill the memory."""

SERVER_TEXTS: Final[dict[type[Message], tuple[str, ...]]] = {
    ProtoErrorRes: ("errorCode", "description"),
    ProtoOAAccountsTokenInvalidatedEvent: ("reason",),
    ProtoOAClientDisconnectEvent: ("reason",),
    ProtoOAErrorRes: ("errorCode", "description"),
    ProtoOAExecutionEvent: ("errorCode",),
    ProtoOAOrderErrorEvent: ("errorCode", "description"),
}
"""Texts that the server writes about requests.

The parser lets bytes through that are no text, and the server may repeat what it was sent.
"""


def bare_spot(block: bytes, start: int, end: int) -> bytes | None:
    """Return the payload of a quote without an id; None for every other frame.

    It looks at five bytes of the frame in `block` and skips the envelope's parser.
    """
    if end - start < _SPOT_HEAD_LENGTH:
        return None
    tag, length = _SPOT_HEAD.unpack_from(block, start)
    if tag != _SPOT_TAG or length >= _ONE_BYTE_VARINT or start + _SPOT_HEAD_LENGTH + length != end:
        return None
    return block[start + _SPOT_HEAD_LENGTH : end]


def open_message(envelope: Envelope) -> Message | None:
    """Parse the message in an envelope; None if its payload type is not known.

    Raises:
        DeserializationError: the payload does not parse, or a required field is missing. The
            envelope was whole, so the link may stay.
    """
    message_type = MESSAGE_BY_PAYLOAD_TYPE.get(envelope.payload_type)
    if message_type is None:
        return None
    message = message_type()
    try:
        message.ParseFromString(envelope.payload)
    except DecodeError as error:
        raise DeserializationError(envelope.payload_type, envelope.payload) from error
    # The parser says nothing of a missing required field, and reading it gives a default that
    # looks real: an execution event without a type would read as accepted.
    missing = missing_fields(message)
    if missing:
        raise DeserializationError(
            envelope.payload_type, envelope.payload, reason=f"it lacks {', '.join(missing)}"
        )
    for field in SERVER_TEXTS.get(message_type, ()):
        try:
            text_of(message, field)
        except ProtocolError as error:
            raise DeserializationError(
                envelope.payload_type, envelope.payload, reason=str(error)
            ) from error
    return message


class EventDecoder:
    """Make events of messages for those who listen; keep each quote's last sides.

    A quote carries only the side that changed, so both sides are known only by remembering, per
    link. Until both were seen there is no quote. The decimals of an account's money, which a
    message may leave out, are remembered too, from whatever last told them.
    """

    __slots__ = (
        "_books",
        "_followed",
        "_kinds",
        "_money_digits",
        "_sides",
        "_symbols",
        "_waited",
        "now",
    )

    def __init__(self) -> None:
        self._kinds: frozenset[type] = frozenset()
        self._symbols: frozenset[int] | None = frozenset()
        self._waited: dict[type, int] = {}
        self._followed: frozenset[int] = frozenset()
        self._sides: dict[tuple[int, int], tuple[int | None, int | None, Nanos]] = {}
        self._books: dict[tuple[int, int], None] = {}
        self.now: Nanos = 0
        """Time of the read that is being decoded."""
        self._money_digits: dict[int, int] = {}

    def listen(self, kinds: frozenset[type], symbols: frozenset[int] | None) -> None:
        """Say what anybody wants: types of event, and symbols of quotes (None: all)."""
        self._kinds = kinds
        self._symbols = symbols

    def follow(self, account_ids: frozenset[int]) -> None:
        """Want every quote of these accounts, besides what is listened to."""
        self._followed = account_ids

    def money_digits(self, account_id: int) -> int | None:
        """Return with how many decimals an account keeps its money, None if nobody told."""
        return self._money_digits.get(account_id)

    def filled_in(self, message: Message) -> Message:
        """Return an execution whose amounts say their decimals, as far as known."""
        if not isinstance(message, ProtoOAExecutionEvent):
            return message
        digits = self.money_digits(message.ctidTraderAccountId)
        silent = [
            part
            for part in ("position", "deal", "depositWithdraw", "bonusDepositWithdraw")
            if message.HasField(part) and not getattr(message, part).HasField("moneyDigits")
        ]
        if digits is None or not silent:
            return message
        # Whoever listens to the message itself gets it as it came.
        filled_in = ProtoOAExecutionEvent()
        filled_in.CopyFrom(message)
        for part in silent:
            getattr(filled_in, part).moneyDigits = digits
        return filled_in

    def sides(self, account_id: int, symbol_id: int) -> tuple[int | None, int | None]:
        """Return a symbol's last bid and ask on this link, in 1/100000; None where unseen."""
        bid, ask, _ = self._sides.get((account_id, symbol_id), _UNSEEN)
        return bid, ask

    def quoted_at(self, account_id: int, symbol_id: int) -> Nanos:
        """Return when a symbol's last quote came on this link; 0 where none did."""
        return self._sides.get((account_id, symbol_id), _UNSEEN)[2]

    def wait_for(self, kinds: tuple[type, ...]) -> None:
        """Want some types until `wait_over`, besides what is listened to."""
        for kind in kinds:
            self._waited[kind] = self._waited.get(kind, 0) + 1

    def wait_over(self, kinds: tuple[type, ...]) -> None:
        """Undo one `wait_for`."""
        for kind in kinds:
            self._waited[kind] -= 1
            if not self._waited[kind]:
                del self._waited[kind]

    def wants(self, kind: type) -> bool:
        """Whether anybody wants events of a type."""
        return kind in self._kinds or kind in self._waited

    def lost(self, account_id: int | None = None) -> None:
        """Forget quotes, of one account or all: what was known before a loss is old."""
        if account_id is None:
            self._sides.clear()
            self._books.clear()
            return
        for key in [key for key in self._sides if key[0] == account_id]:
            del self._sides[key]
        for key in [key for key in self._books if key[0] == account_id]:
            del self._books[key]

    def quotes_ended(self, account_id: int, symbol_id: int) -> None:
        """Note that quotes are subscribed no longer: what was the price grows old unseen."""
        self._sides.pop((account_id, symbol_id), None)

    def book_began(self, account_id: int, symbol_id: int) -> bool:
        """Note that a book goes on from here; whether nothing of it had come before."""
        key = (account_id, symbol_id)
        if key in self._books:
            return False
        self._books[key] = None
        if len(self._books) > CAPACITY:
            del self._books[next(iter(self._books))]
        return True

    def book_ended(self, account_id: int, symbol_id: int) -> None:
        """Note that a book is subscribed no longer: what comes next begins another."""
        self._books.pop((account_id, symbol_id), None)

    def spot(self, message: ProtoOASpotEvent) -> SpotEvent | None:
        """Remember a quote's sides, and make an event of it if anybody wants it.

        Raises:
            ProtocolError: a bar in it has no price or no time.
        """
        # A price that is not zero was sent; only a zero needs the slower question whether it was.
        symbol_id = message.symbolId
        account_id = message.ctidTraderAccountId
        bid: int | None = message.bid
        ask: int | None = message.ask
        if not bid and not message.HasField("bid"):
            bid = None
        if not ask and not message.HasField("ask"):
            ask = None
        key = (account_id, symbol_id)
        last_bid, last_ask, _ = self._sides.get(key, _UNSEEN)
        if bid is not None:
            last_bid = bid
        if ask is not None:
            last_ask = ask
        self._sides[key] = (last_bid, last_ask, self.now)
        if len(self._sides) > CAPACITY:
            del self._sides[next(iter(self._sides))]
        if not (
            (SpotEvent in self._kinds and (self._symbols is None or symbol_id in self._symbols))
            or SpotEvent in self._waited
            or account_id in self._followed
        ):
            return None
        bars = message.trendbar
        timestamp: int | None = message.timestamp
        if not timestamp and not message.HasField("timestamp"):
            timestamp = None
        return SpotEvent(
            account_id,
            symbol_id,
            bid,
            ask,
            tuple([Trendbar.from_proto(bar, None, last_bid) for bar in bars]) if bars else (),
            message.sessionClose if message.HasField("sessionClose") else None,
            timestamp,
            last_bid,
            last_ask,
        )

    def damaged_spot(
        self, message: ProtoOASpotEvent, envelope: Envelope, error: ProtocolError
    ) -> list[Event]:
        """Return what is left of a quote with bars that make no sense, and a word on them.

        A bar is no reason to withhold prices that are good.
        """
        rest = ProtoOASpotEvent()
        rest.CopyFrom(message)
        del rest.trendbar[:]
        rest.trendbar.extend(bar for bar in message.trendbar if _is_readable(bar))
        events: list[Event] = []
        problem = str(error).rstrip(".")
        is_there = (rest.HasField(field) for field in ("bid", "ask", "sessionClose"))
        if rest.trendbar or any(is_there):
            spot = self.spot(rest)
            assert spot is not None  # somebody listens, or no bar would have been read
            events.append(spot)
            problem += "; the rest of the quote was delivered as a SpotEvent"
        events.append(UndecodableMessageEvent(*envelope, problem=problem))
        return events

    def events(self, message: Message, envelope: Envelope) -> list[object]:
        """Return what a message is to those who listen: typed event, itself, or both."""
        message_type = type(message)
        events: list[object] = []
        try:
            if isinstance(message, ProtoOATraderRes | ProtoOATraderUpdatedEvent):
                digits = money_digits_of(message.trader)
                if digits is not None:
                    self._learn_digits(message.ctidTraderAccountId, digits)
            if isinstance(message, ProtoOASpotEvent):
                try:
                    spot = self.spot(message)
                except ProtocolError as error:
                    events += self.damaged_spot(message, envelope, error)
                else:
                    if spot is not None:
                        events.append(spot)
            else:
                event_type = EVENT_TYPE_BY_MESSAGE.get(message_type)
                if event_type is not None and self.wants(event_type):
                    account_id: int = getattr(message, "ctidTraderAccountId", 0)
                    digits = self._money_digits.get(account_id)
                    events.append(EVENT_FROM_MESSAGE[message_type](message, digits))
                # Also where nobody listens yet: who comes later does not get the beginning.
                if isinstance(message, ProtoOADepthEvent) and self.book_began(
                    message.ctidTraderAccountId, message.symbolId
                ):
                    events = [
                        msgspec.structs.replace(event, is_first=True)
                        for event in events
                        if isinstance(event, DepthEvent)
                    ]
        except (CTraderError, ValueError, ArithmeticError) as error:
            # Fields parse one by one and still make no sense together, such as a time beyond the
            # calendar. The event is not lost: it is delivered as what it is.
            events.append(
                UndecodableMessageEvent(
                    envelope.payload_type, envelope.payload, envelope.client_msg_id, str(error)
                )
            )
        if self.wants(message_type):
            events.append(message)
        return events

    # Private

    def _learn_digits(self, account_id: int, digits: int) -> None:
        # What is known stays: an account whose decimals were forgotten would be read with two.
        if account_id in self._money_digits or len(self._money_digits) < CAPACITY:
            self._money_digits[account_id] = digits


def _is_readable(bar: ProtoOATrendbar) -> bool:
    try:
        Trendbar.from_proto(bar)
    except ProtocolError:
        return False
    return True
