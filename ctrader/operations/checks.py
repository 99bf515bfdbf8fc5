"""Send trading requests only when they can be right.

That depends on symbols and on what is open. The session remembers what it was told of them, so
usually nothing has to be read; what is missing is read first, at the pace of a trading request: now
or not at all.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from ctrader.errors import (
    OrderInvalidError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    ProtocolError,
    SymbolNotFoundError,
    api_error,
)
from ctrader.models.orders import check_order
from ctrader.models.symbols import Symbol
from ctrader.operations.base import Op, command, trade_if
from ctrader.proto import (
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
)
from ctrader.protocol.commands import Call, Completion, Lacking, Pause, Priority
from ctrader.protocol.terms import is_open
from ctrader.units import MILLISECOND

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.events import ExecutionEvent
    from ctrader.models.orders import AmendOrderRequest, NewOrderRequest, OrderRequest
    from ctrader.models.positions import ClosePositionRequest
    from ctrader.proto import ProtoOAPosition, ProtoOASymbol
    from ctrader.protocol.commands import Guard
    from ctrader.protocol.terms import Terms
    from ctrader.units import Nanos

__all__ = [
    "Purpose",
    "check_close",
    "check_terms",
    "find_position",
    "read_state",
    "send_checked",
    "write_order",
]

M = TypeVar("M", bound="Message")

_FRESH_POSITION: Final[Nanos] = 200 * MILLISECOND  # the server may not find one for 100 ms


@dataclass(frozen=True, slots=True)
class Purpose:
    """The trading request that something is read for; errors name it."""

    account_id: int
    request_type: str
    client_order_id: str | None = None

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
                code, description, account_id=self.account_id, request_type=self.request_type
            ),
            client_order_id=self.client_order_id,
            order_id=order_id,
            position_id=position_id,
        )


def send_checked(
    purpose: Purpose, guard: Guard, message: Message, completion: Completion
) -> Op[ExecutionEvent]:
    """Send a trading request, once, if the guard lets it through.

    Raises:
        SymbolNotFoundError: there is no such symbol any more; also an `OrderRejectedError`.
        PositionNotFoundError: there is no such open position; also an `OrderRejectedError`.
        OrderInvalidError: the guard refuses it; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    while True:
        outcome = yield from trade_if(guard, message, completion, account_id=purpose.account_id)
        if not isinstance(outcome, Lacking):
            return outcome
        # The session takes what it lacked from the answers, as they pass by.
        if outcome.symbol_id is not None:
            yield from _find_symbol(purpose, outcome.symbol_id)
        if outcome.position_id is not None:
            yield from find_position(purpose, outcome.position_id)


def check_terms(purpose: Purpose, request: OrderRequest, symbol_id: int) -> Guard:
    """Make the check of a request against its symbol."""

    def guard(terms: Terms) -> Lacking | None:
        symbol = _symbol(purpose, terms, symbol_id)
        if symbol is None:
            return Lacking(symbol_id=symbol_id)
        check_order(request, symbol, now=terms.now)
        return None

    return guard


def check_close(purpose: Purpose, request: ClosePositionRequest) -> Guard:
    """Make the check of a close against what is open of its position."""

    def guard(terms: Terms) -> Lacking | None:
        position = terms.position(purpose.account_id, request.position_id)
        if position is None:
            return Lacking(position_id=request.position_id)
        if request.volume == position.volume:
            return None  # all of it may always be closed, whatever its symbol now allows
        symbol = _symbol(purpose, terms, position.symbol_id)
        if symbol is None:
            return Lacking(symbol_id=position.symbol_id)
        check_order(request, symbol, open_volume=position.volume)
        return None

    return guard


def write_order(
    purpose: Purpose, request: NewOrderRequest | AmendOrderRequest, symbol_id: int
) -> Op[Message]:
    """Write an order, or what changes one, as the server takes it.

    Raises:
        OrderInvalidError: it has a distance that the wire cannot carry.
        OrderNotSentError: the symbol, which says which distances are near, could not be read.
    """
    try:
        return request.to_proto(purpose.account_id)
    except OrderInvalidError:
        # Which distances are valid near by, only the symbol can tell, if it makes sense itself.
        message = yield from _find_symbol(purpose, symbol_id)
        with suppress(ProtocolError):
            check_order(request, Symbol.from_proto(message))
        raise


def read_state(purpose: Purpose) -> Op[ProtoOAReconcileRes]:
    """Read what is open, for a request that changes something of it.

    Raises:
        OrderNotSentError: it could not be read now.
    """
    request = ProtoOAReconcileReq(ctidTraderAccountId=purpose.account_id)
    return (yield from _read_now(purpose, request, ProtoOAReconcileRes))


def find_position(purpose: Purpose, position_id: int) -> Op[ProtoOAPosition]:
    """Read an open position; a fresh one may be found at the second look only.

    Raises:
        PositionNotFoundError: there is none; also an `OrderRejectedError`.
        OrderNotSentError: it could not be read now.
    """
    for pause in (_FRESH_POSITION, None):
        state = yield from read_state(purpose)
        for position in state.position:
            if position.positionId == position_id and is_open(position):
                return position
        if pause is not None:
            yield Pause(pause)
    raise purpose.refused(
        "POSITION_NOT_FOUND",
        f"position {position_id} is not among the open positions",
        position_id=position_id,
    )


# Private


def _symbol(purpose: Purpose, terms: Terms, symbol_id: int) -> Symbol | None:
    try:
        return terms.symbol(purpose.account_id, symbol_id)
    except ProtocolError as error:
        raise purpose.not_sent(f"the terms of symbol {symbol_id} make no sense", error) from error


def _find_symbol(purpose: Purpose, symbol_id: int) -> Op[ProtoOASymbol]:
    request = ProtoOASymbolByIdReq(ctidTraderAccountId=purpose.account_id, symbolId=[symbol_id])
    answer = yield from _read_now(purpose, request, ProtoOASymbolByIdRes)
    for symbol in answer.symbol:
        if symbol.symbolId == symbol_id:
            return symbol
    # The server may also just leave out what it does not know.
    if any(symbol.symbolId == symbol_id for symbol in answer.archivedSymbol):
        why = f"symbol {symbol_id} is archived, and not traded any more"
    else:
        why = f"no symbol with id {symbol_id}"
    raise purpose.refused("SYMBOL_NOT_FOUND", why)


def _read_now(purpose: Purpose, request: Message, reply: type[M]) -> Op[M]:
    """Read something at the pace of a trading request: now or not at all.

    A read of the ordinary kind would wait for the link to come back, and what it is for would then
    be sent late.
    """
    call = Call(
        request,
        reply,
        priority=Priority.TRADING,
        resend=False,
        account_id=purpose.account_id,
    )
    try:
        return (yield from command(call, reply))
    except OrderNotSentError as error:
        raise purpose.not_sent(error.reason, error.cause) from error
    except OrderOutcomeUnknownError as error:
        # What was handed to the transport was a question; the request itself was not.
        raise purpose.not_sent(
            "what it depends on could not be read", error.cause or error
        ) from error
    except OrderRejectedError as error:
        if isinstance(error, SymbolNotFoundError):
            raise purpose.refused(error.error_code, error.description or "") from error
        raise purpose.not_sent("the server refused to tell what it depends on", error) from error
