"""What is read before a trading request can be sent, and how it ends if it cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from ctrader.enums import OrderSide
from ctrader.errors import (
    CTraderConnectionClosedError,
    OrderInvalidError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    PositionNotFoundError,
    ProtocolError,
    RateLimitedError,
    SymbolNotFoundError,
    UnexpectedResponseError,
    api_error,
)
from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
from ctrader.models.symbols import Symbol
from ctrader.operations import trading
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAArchivedSymbol,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAReconcileReq,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOAVersionRes,
)
from ctrader.protocol.commands import Call, Command, Lacking, Pause, Priority
from ctrader.protocol.terms import OpenPosition
from tests.operations.peer import drive
from tests.operations.test_trading import event, limit_order, position, state

ORDER = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100, client_order_id="mine")
CLOSE = ClosePositionRequest(position_id=5, volume=100)


def symbol(**fields: Any) -> ProtoOASymbol:
    terms: dict[str, Any] = {
        "symbolId": 1,
        "digits": 3,
        "pipPosition": 2,
        "lotSize": 10_000,
        "minVolume": 100,
        "maxVolume": 1000,
        "stepVolume": 50,
    }
    return ProtoOASymbol(**(terms | fields))


def answer(*symbols: ProtoOASymbol, archived: int | None = None) -> ProtoOASymbolByIdRes:
    message = ProtoOASymbolByIdRes(ctidTraderAccountId=7, symbol=symbols)
    if archived is not None:
        message.archivedSymbol.append(
            ProtoOAArchivedSymbol(symbolId=archived, name="old", utcLastUpdateTimestamp=0)
        )
    return message


class Known:
    """The session's memory, as guards see it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.message: ProtoOASymbol | None = None
        self.volume: int | None = None

    def symbol(self, account_id: int, symbol_id: int) -> Symbol | None:
        assert (account_id, symbol_id) == (7, 1)
        return None if self.message is None else Symbol.from_proto(self.message)

    def position(self, account_id: int, position_id: int) -> OpenPosition | None:
        assert (account_id, position_id) == (7, 5)
        return None if self.volume is None else OpenPosition(1, self.volume)


class Desk:
    """Answer questions from a script, ask guards, and note what was sent."""

    def __init__(self, *replies: object, known: Known | None = None) -> None:
        self.known = Known() if known is None else known
        self.replies = list(replies)
        self.asked: list[str] = []
        self.sent: list[Any] = []

    def __call__(self, command: Command) -> object:
        if isinstance(command, Pause):
            self.asked.append("pause")
            return None
        assert isinstance(command, Call)
        assert (command.priority, command.resend, command.account_id) == (
            Priority.TRADING,
            False,
            7,
        )
        if command.guard is not None:
            try:
                lacking = command.guard(self.known)  # type: ignore[arg-type] # it has the shape
            except (OrderInvalidError, OrderNotSentError) as error:
                return error
            if lacking is not None:
                return lacking
            self.sent.append(command.request)
            return event("ORDER_FILLED")
        self.asked.append(type(command.request).__name__)
        reply = self.replies.pop(0)
        if isinstance(reply, ProtoOASymbolByIdRes):
            self.known.message = next(iter(reply.symbol), None)
        elif isinstance(command.request, ProtoOAReconcileReq) and not isinstance(reply, Exception):
            self.known.volume = next(
                (p.tradeData.volume for p in reply.position if p.tradeData.volume),  # type: ignore[attr-defined] # a reconcile answer
                None,
            )
        return reply


def test_symbol_is_read_only_if_it_is_not_known() -> None:
    desk = Desk(answer(symbol()))
    drive(trading.place_order(7, ORDER), desk)
    drive(trading.place_order(7, ORDER), desk)

    assert desk.asked == ["ProtoOASymbolByIdReq"]
    assert [type(message) for message in desk.sent] == [ProtoOANewOrderReq] * 2


def test_order_is_judged_by_what_was_read() -> None:
    desk = Desk(answer(symbol()))

    with pytest.raises(OrderInvalidError, match=r"use 100 .* or 150 "):
        drive(trading.place_order(7, ORDER.model_copy(update={"volume": 120})), desk)

    assert desk.sent == []


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (answer(), "no symbol with id 1"),
        (answer(symbol(symbolId=2)), "no symbol with id 1"),
        (answer(archived=1), "symbol 1 is archived, and not traded any more"),
        (answer(archived=2), "no symbol with id 1"),
        (
            OrderRejectedError.from_api_error(api_error("SYMBOL_NOT_FOUND", "as the server says")),
            "as the server says",
        ),
        (OrderRejectedError.from_api_error(api_error("SYMBOL_NOT_FOUND", None)), "SYMBOL_NOT"),
    ],
)
def test_order_in_no_symbol_is_refused(reply: object, text: str) -> None:
    desk = Desk(reply)

    with pytest.raises(SymbolNotFoundError, match=text) as caught:
        drive(trading.place_order(7, ORDER), desk)

    error = caught.value
    assert isinstance(error, OrderRejectedError)
    assert (error.client_order_id, error.account_id) == ("mine", 7)
    assert (error.error_code, error.request_type) == ("SYMBOL_NOT_FOUND", "ProtoOANewOrderReq")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (OrderNotSentError(None, "the link is down"), "the link is down"),
        (
            OrderOutcomeUnknownError(None, CTraderConnectionClosedError("lost")),
            "what it depends on could not be read",
        ),
        (OrderOutcomeUnknownError(None), "what it depends on could not be read"),
        (
            OrderRejectedError.from_api_error(api_error("REQUEST_FREQUENCY_EXCEEDED", "slow down")),
            "the server refused to tell what it depends on",
        ),
    ],
)
@pytest.mark.parametrize(
    ("operation", "request_type", "client_order_id"),
    [
        (lambda: trading.place_order(7, ORDER), ProtoOANewOrderReq, "mine"),
        (lambda: trading.close_position(7, CLOSE), ProtoOAClosePositionReq, None),
        (
            lambda: trading.amend_order(7, AmendOrderRequest(order_id=3, volume=100)),
            ProtoOAAmendOrderReq,
            None,
        ),
        (
            lambda: trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=1)),
            ProtoOAAmendPositionSLTPReq,
            None,
        ),
    ],
)
def test_request_whose_question_fails_was_not_sent_and_says_so_of_itself(
    operation: Callable[[], Any],
    request_type: type,
    client_order_id: str | None,
    reply: Exception,
    reason: str,
) -> None:
    desk = Desk(reply)

    with pytest.raises(OrderNotSentError) as caught:
        drive(operation(), desk)

    error = caught.value
    assert error.reason == reason
    assert (error.client_order_id, error.account_id) == (client_order_id, 7)
    assert error.request_type == request_type.__name__
    assert error.__cause__ is reply
    assert desk.sent == []


def test_rate_limit_of_a_question_is_the_cause() -> None:
    refusal = OrderRejectedError.from_api_error(api_error("REQUEST_FREQUENCY_EXCEEDED", None))

    with pytest.raises(OrderNotSentError) as caught:
        drive(trading.place_order(7, ORDER), Desk(refusal))

    assert isinstance(caught.value.cause, RateLimitedError)


def test_order_in_a_symbol_that_makes_no_sense_is_not_sent() -> None:
    desk = Desk(answer(symbol(lotSize=0)))

    with pytest.raises(OrderNotSentError, match="the terms of symbol 1 make no sense") as caught:
        drive(trading.place_order(7, ORDER), desk)

    assert isinstance(caught.value.cause, ProtocolError)
    assert caught.value.client_order_id == "mine"


# Distances that the wire cannot carry

FINE = ORDER.model_copy(update={"relative_stop_loss": 0.0012345})


def test_distance_that_the_wire_cannot_carry_is_refused_with_what_its_symbol_allows() -> None:
    desk = Desk(answer(symbol()))

    with pytest.raises(OrderInvalidError, match=r"distances .* have 3; use 0.001 or 0.002\.$"):
        drive(trading.place_order(7, FINE), desk)

    assert desk.asked == ["ProtoOASymbolByIdReq"]
    assert desk.sent == []


def test_distance_is_refused_even_where_its_symbol_makes_no_sense() -> None:
    with pytest.raises(OrderInvalidError, match="more than 5 decimals"):
        drive(trading.place_order(7, FINE), Desk(answer(symbol(digits=99))))


# Closing


def test_close_of_a_known_position_asks_nothing() -> None:
    known = Known()
    known.volume = 100
    desk = Desk(known=known)

    drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == []
    assert [type(message) for message in desk.sent] == [ProtoOAClosePositionReq]


def test_close_of_a_part_reads_the_position_then_its_symbol() -> None:
    desk = Desk(state(positions=(position(5, 250),)), answer(symbol()))

    drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == ["ProtoOAReconcileReq", "ProtoOASymbolByIdReq"]
    assert len(desk.sent) == 1


def test_close_is_refused_only_after_the_server_was_asked_what_is_open() -> None:
    known = Known()
    known.message, known.volume = symbol(), 50
    desk = Desk(state(positions=(position(5, 60),)), known=known)

    with pytest.raises(OrderInvalidError, match="only 60 of position 5 is open; use 60 "):
        drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == ["ProtoOAReconcileReq"]
    assert desk.sent == []


def test_close_goes_out_if_more_is_open_than_was_known() -> None:
    known = Known()
    known.message, known.volume = symbol(), 50
    desk = Desk(state(positions=(position(5, 100),)), known=known)

    drive(trading.close_position(7, CLOSE), desk)

    assert len(desk.sent) == 1


@pytest.mark.parametrize("held", [(), (position(5, volume=0),), (position(4),)])
def test_close_of_what_is_not_open_is_not_sent(held: tuple[Any, ...]) -> None:
    desk = Desk(state(positions=held), state(positions=held))

    with pytest.raises(PositionNotFoundError) as caught:
        drive(trading.close_position(7, CLOSE), desk)

    assert isinstance(caught.value, OrderRejectedError)
    assert (caught.value.position_id, caught.value.account_id) == (5, 7)
    assert desk.asked == ["ProtoOAReconcileReq", "pause", "ProtoOAReconcileReq"]
    assert desk.sent == []


# Amending


def test_what_an_amendment_keeps_is_not_judged() -> None:
    # 1.05 and 200,000 stand; the symbol has other limits by now.
    desk = Desk(state(orders=(limit_order(3),)), answer(symbol(digits=1, maxVolume=100)))

    drive(trading.amend_order(7, AmendOrderRequest(order_id=3, take_profit=1.2)), desk)

    assert (desk.sent[0].limitPrice, desk.sent[0].volume) == (1.05, 200_000)


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (
            lambda: trading.amend_order(7, AmendOrderRequest(order_id=3, limit_price=1.0505)),
            "limit_price 1.0505",
        ),
        (
            lambda: trading.amend_order(7, AmendOrderRequest(order_id=3, volume=120)),
            "volume 120",
        ),
        (
            lambda: trading.amend_position(
                7, AmendPositionRequest(position_id=5, stop_loss=1.0505)
            ),
            "stop_loss 1.0505",
        ),
        (
            lambda: trading.amend_order(
                7, AmendOrderRequest(order_id=3, relative_stop_loss=0.0000005)
            ),
            "relative_stop_loss 5e-07",
        ),
    ],
)
def test_what_an_amendment_names_is_judged(operation: Callable[[], Any], text: str) -> None:
    held = state(orders=(limit_order(3),), positions=(position(5),))
    desk = Desk(held, answer(symbol()))

    with pytest.raises(OrderInvalidError, match=text):
        drive(operation(), desk)

    assert desk.sent == []


def test_answer_of_another_type_is_an_error() -> None:
    with pytest.raises(UnexpectedResponseError):
        drive(trading.place_order(7, ORDER), lambda _: ProtoOAVersionRes(version="1"))


def test_symbol_is_asked_for_again_if_it_changed_in_between() -> None:
    desk = Desk(answer(symbol()), answer(symbol(maxVolume=100)))
    lacking = iter([Lacking(symbol_id=1), Lacking(symbol_id=1)])

    def forgetful(command: Command) -> object:
        if isinstance(command, Call) and command.guard is not None:
            return next(lacking, None) or desk(command)
        return desk(command)

    drive(trading.place_order(7, ORDER), forgetful)

    assert desk.asked == ["ProtoOASymbolByIdReq"] * 2
    assert len(desk.sent) == 1
