"""Send trading requests only when they can be right.

That depends on symbols and on what is open. The session remembers what it was told of them, so
usually nothing has to be read; what is missing is read first, at the pace of a trading request: now
or not at all. What cannot be found out is left to the server to judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from ctrader.enums import OrderSide
from ctrader.errors import (
    APIError,
    ApplicationAuthError,
    CTraderError,
    OrderError,
    OrderInvalidError,
    OrderNotSentError,
    OrderRejectedError,
    PositionNotFoundError,
    ProtocolError,
    SymbolNotFoundError,
    api_error,
)
from ctrader.models.orders import check_rules, on_grid
from ctrader.models.symbols import TradingRules
from ctrader.operations.base import Op, of_type, trade_if
from ctrader.proto import (
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
)
from ctrader.protocol.commands import (
    Call,
    Completion,
    Lacking,
    Pause,
    Priority,
    Subject,
    Thing,
    WaitSettled,
)
from ctrader.units import MILLISECOND, price_from_wire

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.events import ExecutionEvent
    from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
    from ctrader.models.positions import ClosePositionRequest
    from ctrader.protocol.commands import Command, Guard
    from ctrader.protocol.terms import Sides, Terms
    from ctrader.units import Nanos

__all__ = [
    "FRESH_POSITION",
    "READS",
    "Inquiry",
    "Purpose",
    "send_close",
    "send_order",
    "write_order",
]

M = TypeVar("M", bound="Message")

_SESSION_ENDED: Final = "the account's session ended"

READS: Final = 2
"""How often one request reads one thing: an answer that tells nothing tells nothing twice."""
FRESH_POSITION: Final[Nanos] = 200 * MILLISECOND
"""After which a position is looked for again: the server may not find a new one for 100 ms."""
CLOSE_SHARE: Final = 0.25
"""Part of the time left that a read before a close may take."""


@dataclass(slots=True)
class Purpose:
    """The trading request that something is read for; errors name it.

    It belongs to the link and to the account's session on which its first command was taken: what
    was read there says nothing on a later one.
    """

    account_id: int
    request_type: str
    client_order_id: str | None = None
    _session: tuple[int, int] | None = field(default=None, init=False)

    def bind(self, terms: Terms) -> None:
        """Begin here, or find out whether it is still the same link and session.

        Raises:
            OrderNotSentError: it is another one.
        """
        session = terms.session(self.account_id)
        if self._session is None:
            self._session = session
        elif session != self._session:
            ended = "the link was lost" if session[0] != self._session[0] else _SESSION_ENDED
            raise self.not_sent(ended, None)

    def carry_out(self, order: Command) -> Op[object]:
        """Yield a command that sends nothing of the request itself.

        Raises:
            OrderNotSentError: the client was closed, or the time is over.
        """
        try:
            return (yield order)
        except CTraderError as error:
            raise self.not_sent(str(error), error) from error

    def wait_for_fresh(self) -> Op[bool]:
        """Let a fresh position become known, if there is time to ask for it after that.

        Raises:
            OrderNotSentError: the client was closed.
        """
        return (yield from self.carry_out(Pause(FRESH_POSITION))) is True

    def not_sent(self, reason: str, cause: BaseException | None) -> OrderNotSentError:
        """Return the error of a request that was not sent."""
        return OrderNotSentError(
            self.client_order_id,
            reason,
            cause,
            account_id=self.account_id,
            request_type=self.request_type,
        )

    def refused(
        self,
        code: str,
        description: str,
        *,
        order_id: int | None = None,
        position_id: int | None = None,
    ) -> OrderRejectedError:
        """Return the error of a request for something that the server does not have."""
        return OrderRejectedError.from_api_error(
            api_error(
                code,
                description,
                account_id=self.account_id,
                request_type=self.request_type,
                is_local=True,
            ),
            client_order_id=self.client_order_id,
            order_id=order_id,
            position_id=position_id,
        )

    def send(
        self, guard: Guard, message: Message, completion: Completion
    ) -> Op[ExecutionEvent | Lacking]:
        """Send the request, once, if the guard lets it through.

        Raises:
            OrderInvalidError: the guard refuses it; nothing was sent.
            OrderNotSentError: it was not sent.
            OrderRejectedError: the server refused it.
            OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
        """
        try:
            return (yield from trade_if(guard, message, completion, account_id=self.account_id))
        except (OrderError, ProtocolError, ApplicationAuthError):
            raise
        except CTraderError as error:
            raise self.not_sent(str(error), error) from error

    def read_now(
        self, request: Message, reply: type[M], guard: Guard, *, share: float = 1.0
    ) -> Op[M | Lacking]:
        """Read something at the pace of a trading request: now or not at all.

        A read of the ordinary kind would wait for the link to come back, and what it is for would
        then be sent late.

        Raises:
            OrderNotSentError: it could not be read, or the server refused it.
        """
        call = Call(
            request,
            reply,
            priority=Priority.TRADING,
            resend=False,
            account_id=self.account_id,
            guard=guard,
            share=share,
        )
        try:
            answer = yield call
        except OrderNotSentError as error:
            raise self.not_sent(error.reason, error.cause) from error
        except (OrderError, ApplicationAuthError):
            raise
        except APIError as error:
            raise self.not_sent("the server refused to tell what it depends on", error) from error
        except CTraderError as error:
            raise self.not_sent("what it depends on could not be read", error) from error
        if isinstance(answer, Lacking):
            return answer
        return of_type(reply, answer, call)

    def read_state(self, guard: Guard, *, share: float = 1.0) -> Op[ProtoOAReconcileRes | Lacking]:
        """Read what is open.

        Raises:
            OrderNotSentError: it could not be read now.
        """
        request = ProtoOAReconcileReq(ctidTraderAccountId=self.account_id)
        return (yield from self.read_now(request, ProtoOAReconcileRes, guard, share=share))


class Inquiry:
    """Find out the rules of the symbol of one request, by a bounded number of reads."""

    def __init__(self, purpose: Purpose, *, is_needed: bool, share: float = 1.0) -> None:
        """Begin with every read left.

        Args:
            purpose: The request.
            is_needed: Whether the request has no sense without its symbol, as an order has none:
                then nothing is sent in a symbol that the server does not have, nor where no answer
                comes. What is open may be closed and protected all the same.
            share: Part of the time left that a read may take.
        """
        self._purpose = purpose
        self._is_needed = is_needed
        self._share = share
        self._tries = READS

    def rules(self, terms: Terms, symbol_id: int) -> TradingRules | Lacking:
        """Return the rules, as far as they can be known, or what is lacking to know them."""
        rules = terms.symbol(self._purpose.account_id, symbol_id)
        if rules is not None:
            return rules
        if not self._tries:
            return TradingRules(symbol_id)
        subject = Subject(self._purpose.account_id, Thing.SYMBOL, symbol_id)
        return Lacking(symbol_id=symbol_id, awaits=subject if terms.is_unsettled(subject) else None)

    def find_out(self, symbol_id: int, awaits: Subject | None = None) -> Op[TradingRules | None]:
        """Read a symbol, or wait for the read of another request that is under way.

        Returns: Its rules, None where they were not told here; the session may know them now.

        Raises:
            SymbolNotFoundError: there is no such symbol any more; also an `OrderRejectedError`.
            OrderNotSentError: it is needed and could not be read now.
        """
        self._tries -= 1
        try:
            if awaits is not None:
                yield from self._purpose.carry_out(WaitSettled(awaits, share=self._share))
                return None
            return (yield from self._read(symbol_id))
        except OrderNotSentError as error:
            cause = error.cause
            if self._is_needed and isinstance(cause, SymbolNotFoundError):
                why = cause.description or cause.error_code
                raise self._purpose.refused(cause.error_code, why) from error
            if self._is_needed and not isinstance(cause, APIError | ProtocolError):
                raise
        # The server does not tell: let it judge.
        self._tries = 0
        return None

    def _read(self, symbol_id: int) -> Op[TradingRules | None]:
        account_id = self._purpose.account_id
        request = ProtoOASymbolByIdReq(ctidTraderAccountId=account_id, symbolId=[symbol_id])

        def guard(terms: Terms) -> None:
            self._purpose.bind(terms)

        answer = yield from self._purpose.read_now(
            request, ProtoOASymbolByIdRes, guard, share=self._share
        )
        assert not isinstance(answer, Lacking)  # its guard lacks nothing
        for symbol in answer.symbol:
            if symbol.symbolId == symbol_id:
                return TradingRules.from_proto(symbol)
        if not self._is_needed:
            self._tries = 0
            return None
        # The server may also just leave out what it does not know.
        if any(symbol.symbolId == symbol_id for symbol in answer.archivedSymbol):
            why = f"symbol {symbol_id} is archived, and not traded any more"
        else:
            why = f"no symbol with id {symbol_id}"
        raise self._purpose.refused("SYMBOL_NOT_FOUND", why)


def send_order(
    purpose: Purpose, request: NewOrderRequest, completion: Completion
) -> Op[ExecutionEvent]:
    """Send an order, once, if it can be right.

    Raises:
        SymbolNotFoundError: there is no such symbol any more; also an `OrderRejectedError`.
        OrderInvalidError: it is refused here; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    inquiry = Inquiry(purpose, is_needed=True)
    message = yield from write_order(purpose, inquiry, request, request.symbol_id)

    def guard(terms: Terms) -> Lacking | None:
        purpose.bind(terms)
        rules = inquiry.rules(terms, request.symbol_id)
        if isinstance(rules, Lacking):
            return rules
        check_rules(request, rules, now=terms.now)
        _check_distances(request, rules, terms.quote(purpose.account_id, request.symbol_id))
        return None

    while True:
        outcome = yield from purpose.send(guard, message, completion)
        if not isinstance(outcome, Lacking):
            return outcome
        yield from inquiry.find_out(request.symbol_id, outcome.awaits)


def send_close(
    purpose: Purpose, request: ClosePositionRequest, completion: Completion
) -> Op[ExecutionEvent]:
    """Send a close, once, unless its volume is known to be wrong.

    Nobody may be kept in a position by what could not be found out: what is not known goes to the
    server as it is, and so does what a read does not settle in a part of the time.

    Raises:
        OrderInvalidError: the volume is refused here; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    check = _CloseCheck(purpose, request)
    message = request.to_proto(purpose.account_id)
    has_waited = False
    while True:
        try:
            outcome = yield from purpose.send(check, message, completion)
        except PositionNotFoundError:
            # Refused for certain, so nothing is closed twice if it is asked again.
            if has_waited or not (yield from purpose.wait_for_fresh()):
                raise
            has_waited = True
            continue
        if not isinstance(outcome, Lacking):
            return outcome
        yield from check.find_out(outcome)


class _CloseCheck:
    """The check of a close against what is open of its position."""

    def __init__(self, purpose: Purpose, request: ClosePositionRequest) -> None:
        self._purpose = purpose
        self._request = request
        self._inquiry = Inquiry(purpose, is_needed=False, share=CLOSE_SHARE)
        self._has_looked = False
        self._is_blind = False

    def __call__(self, terms: Terms) -> Lacking | None:
        """Be asked as a guard."""
        self._purpose.bind(terms)
        request = self._request
        position = terms.position(self._purpose.account_id, request.position_id)
        if position is None or self._is_blind or request.volume == position.volume:
            return None  # all of it may always be closed, whatever its symbol now allows
        rules = self._inquiry.rules(terms, position.symbol_id)
        if isinstance(rules, Lacking):
            if request.volume < position.volume:
                return rules
            rules = TradingRules(position.symbol_id)  # too much is too much in any symbol
        try:
            check_rules(request, rules, open_volume=position.volume)
        except OrderInvalidError:
            if self._has_looked:
                raise
            # An event said so a while ago: before a close is refused, the server is asked.
            return Lacking(state=True)
        return None

    def find_out(self, lacking: Lacking) -> Op[None]:
        """Read what is lacking, as far as that goes."""
        if lacking.symbol_id is not None:
            yield from self._inquiry.find_out(lacking.symbol_id, lacking.awaits)
            return
        self._has_looked = True

        def guard(terms: Terms) -> None:
            self._purpose.bind(terms)

        try:
            yield from self._purpose.read_state(guard, share=CLOSE_SHARE)
        except OrderNotSentError:
            self._is_blind = True


def write_order(
    purpose: Purpose,
    inquiry: Inquiry,
    request: NewOrderRequest | AmendOrderRequest,
    symbol_id: int,
) -> Op[Message]:
    """Write an order, or what changes one, as the server takes it.

    Raises:
        OrderInvalidError: it has a distance that the wire cannot carry.
        SymbolNotFoundError: so it has, and there is no such symbol; also an `OrderRejectedError`.
    """
    try:
        return request.to_proto(purpose.account_id)
    except OrderInvalidError as refusal:
        # Which distances are valid near by, and what of them is only noise, the symbol tells.
        try:
            rules = yield from inquiry.find_out(symbol_id)
        except OrderNotSentError:
            rules = None
        if rules is None:
            raise refusal from None
    check_rules(request, rules)
    return on_grid(request, rules).to_proto(purpose.account_id)


# Private


def _check_distances(request: NewOrderRequest, rules: TradingRules, quote: Sides) -> None:
    """Refuse a distance that is not below the price, where a price is known: pips are meant.

    With 20 in place of 0.0020 a sale would be filled with its stop loss out of reach, which is no
    protection at all.
    """
    price = request.limit_price or request.stop_price or request.base_slippage_price
    if price is None:
        points = quote[1 if request.side is OrderSide.BUY else 0]
        if points is None or points <= 0:
            return
        price = price_from_wire(points)
    for level, is_below in (
        ("stop_loss", request.side is OrderSide.BUY),
        ("take_profit", request.side is OrderSide.SELL),
    ):
        distance: float | None = getattr(request, f"relative_{level}")
        if distance is None or distance < price:
            continue
        given = f"{distance:.15g}"
        shown = f"{price:.15g}" if rules.digits is None else f"{price:.{rules.digits}f}"
        text = (
            f"relative_{level} {given} is refused: it is a distance in price units, and the price "
            f"of symbol {request.symbol_id} is {shown}. For {given} pips give "
            f"symbol.pips_to_price({given})."
        )
        if not is_below:
            # Above the price there is no end, so this could be meant; below it, it could not.
            is_pending = request.limit_price is not None or request.stop_price is not None
            way = (
                f"as a price: {level}"
                if is_pending
                else "to the open position, as a price: amend_position()"
            )
            text += f" A level that far away can be given {way}."
        raise OrderInvalidError(
            text,
            client_order_id=request.client_order_id or None,
            field=f"relative_{level}",
            value=distance,
        )
