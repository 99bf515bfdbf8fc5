"""What is read before a trading request can be sent, and how it ends if it cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.message import Message

from ctrader.enums import OrderSide
from ctrader.errors import (
    ApplicationAuthError,
    ClientClosedError,
    CTraderConnectionClosedError,
    CTraderConnectionTimeoutError,
    CTraderError,
    CTraderReconnectAbandonedError,
    DeserializationError,
    OrderInvalidError,
    OrderNotSentError,
    OrderRejectedError,
    SymbolNotFoundError,
    UnexpectedResponseError,
    api_error,
)
from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
from ctrader.operations import trading
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAArchivedSymbol,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
    ProtoOAVersionRes,
)
from ctrader.protocol.commands import Call, Command, Priority, Subject, Thing, WaitSettled
from ctrader.protocol.terms import Terms
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


NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Settled:
    """What is under way: nothing, unless a test says so."""

    def __init__(self) -> None:
        self.subjects: set[Subject] = set()

    def __contains__(self, subject: Subject) -> bool:
        return subject in self.subjects

    def heard(self, subject: Subject) -> None: ...

    def expect(self, subject: Subject, patience: int) -> None: ...

    def lost(self, account_id: int | None) -> None: ...


class Desk:
    """Answer questions from a script, ask guards of what was told, and note what was sent."""

    def __init__(self, *replies: object) -> None:
        self.unsettled = Settled()
        context = SimpleNamespace(wall=lambda: NOW)
        # Both have the shape of what the session gives.
        self.terms = Terms(context, self.unsettled)  # type: ignore[arg-type]
        self.replies = list(replies)
        self.asked: list[str] = []
        self.sent: list[Any] = []
        self.hands_over = False
        """Whether guards are asked a second time, as at the moment of sending."""

    def __call__(self, command: Command) -> object:
        if not isinstance(command, Call):
            self.asked.append(type(command).__name__)
            reply = self.replies.pop(0) if isinstance(command, WaitSettled) else None
            if isinstance(command, WaitSettled):
                self.unsettled.subjects.discard(command.subject)
            if isinstance(reply, Message):
                self.terms.learn(reply)
                return None
            return reply
        assert (command.priority, command.resend, command.account_id) == (
            Priority.TRADING,
            False,
            7,
        )
        assert command.guard is not None
        try:
            lacking = command.guard(self.terms)
        except (OrderInvalidError, OrderNotSentError) as error:
            return error
        if lacking is not None:
            return lacking
        reply = self.replies.pop(0) if command.reply or self.replies else event("ORDER_FILLED")
        if command.reply is None:
            self.sent.append(command.request)
            return reply
        self.asked.append(type(command.request).__name__)
        if isinstance(reply, Message):
            self.terms.learn(reply)
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
        (api_error("SYMBOL_NOT_FOUND", "as the server says"), "as the server says"),
        (api_error("SYMBOL_NOT_FOUND", None), "SYMBOL_NOT"),
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
    assert str(error).startswith("ProtoOANewOrderReq was not sent: SYMBOL_NOT_FOUND (")
    assert error.is_local


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (OrderNotSentError(None, "the link is down"), "the link is down"),
        (CTraderConnectionClosedError("lost"), "what it depends on could not be read"),
        (CTraderConnectionTimeoutError(5, "it"), "what it depends on could not be read"),
    ],
)
@pytest.mark.parametrize(
    ("operation", "request_type", "client_order_id"),
    [
        (lambda: trading.place_order(7, ORDER), ProtoOANewOrderReq, "mine"),
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


@pytest.mark.parametrize(
    "reply",
    [
        api_error("REQUEST_FREQUENCY_EXCEEDED", "slow down"),
        DeserializationError(1, b"nonsense"),
        answer(symbol(digits=99, minVolume=0, maxVolume=-1, stepVolume=0, lotSize=0)),
        answer(symbol(minVolume=300, maxVolume=200)),
    ],
)
def test_what_cannot_be_known_of_a_symbol_is_left_to_the_server(reply: object) -> None:
    desk = Desk(reply)

    drive(trading.place_order(7, ORDER), desk)

    assert desk.asked == ["ProtoOASymbolByIdReq"]
    assert len(desk.sent) == 1


@pytest.mark.parametrize(
    ("facts", "volume"),
    [
        ({"lotSize": 0}, 120),
        ({"stepVolume": 0}, 5000),
        ({"maxVolume": 0}, 120),
        ({"minVolume": 0}, 120),
    ],
)
def test_each_rule_is_checked_by_itself(facts: dict[str, int], volume: int) -> None:
    request = ORDER.model_copy(update={"volume": volume})
    with pytest.raises(OrderInvalidError, match=f"volume {volume} is not valid"):
        drive(trading.place_order(7, request), Desk(answer(symbol(**facts))))


def test_answer_that_tells_nothing_is_asked_for_twice_and_no_more() -> None:
    other = answer(symbol())
    other.ctidTraderAccountId = 8
    desk = Desk(other, other)

    drive(trading.place_order(7, ORDER), desk)

    assert desk.asked == ["ProtoOASymbolByIdReq"] * 2
    assert len(desk.sent) == 1


def test_symbol_that_another_request_reads_is_waited_for() -> None:
    desk = Desk(answer(symbol()))
    desk.unsettled.subjects.add(Subject(7, Thing.SYMBOL, 1))

    drive(trading.place_order(7, ORDER), desk)

    assert desk.asked == ["WaitSettled"]
    assert len(desk.sent) == 1


# Distances that the wire cannot carry

FINE = ORDER.model_copy(update={"relative_stop_loss": 0.0012345})


def test_distance_that_the_wire_cannot_carry_is_refused_with_what_its_symbol_allows() -> None:
    desk = Desk(answer(symbol()))

    with pytest.raises(OrderInvalidError, match=r"distances .* have 3; use 0.001 or 0.002\.$"):
        drive(trading.place_order(7, FINE), desk)

    assert desk.asked == ["ProtoOASymbolByIdReq"]
    assert desk.sent == []


@pytest.mark.parametrize(
    "reply", [answer(symbol(digits=99)), OrderNotSentError(None, "the link is down")]
)
def test_distance_is_refused_even_where_its_symbol_does_not_help(reply: object) -> None:
    with pytest.raises(OrderInvalidError, match="more than 5 decimals"):
        drive(trading.place_order(7, FINE), Desk(reply))


def test_distance_is_freed_from_noise_that_only_its_symbol_shows() -> None:
    noisy = ORDER.model_copy(update={"relative_stop_loss": 23.2999998})
    desk = Desk(answer(symbol(digits=2)))

    drive(trading.place_order(7, noisy), desk)

    assert desk.sent[0].relativeStopLoss == 2_330_000


# Closing


def test_close_of_what_is_not_known_is_left_to_the_server() -> None:
    desk = Desk()

    drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == []
    assert [type(message) for message in desk.sent] == [ProtoOAClosePositionReq]


def test_close_of_all_of_a_position_asks_nothing() -> None:
    desk = Desk()
    desk.terms.learn(state(positions=(position(5, 100),)))

    drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == []
    assert len(desk.sent) == 1


def test_close_of_a_part_reads_the_symbol() -> None:
    desk = Desk(answer(symbol()))
    desk.terms.learn(state(positions=(position(5, 250),)))

    drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == ["ProtoOASymbolByIdReq"]
    assert len(desk.sent) == 1


@pytest.mark.parametrize(
    "reply",
    [
        answer(),
        api_error("SYMBOL_NOT_FOUND", None),
        OrderNotSentError(None, "the link is down"),
        CTraderConnectionTimeoutError(1, "it"),
    ],
)
def test_close_of_a_part_goes_out_even_if_its_symbol_cannot_be_read(reply: object) -> None:
    desk = Desk(reply)
    desk.terms.learn(state(positions=(position(5, 250),)))

    drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == ["ProtoOASymbolByIdReq"]
    assert len(desk.sent) == 1


@pytest.mark.parametrize(
    ("held", "volume", "text"),
    [(50, 100, "only 60 of position 5 is open; use 60 "), (50, 30, "in steps of 50 .*; use 60 ")],
)
def test_close_is_refused_only_after_the_server_was_asked(
    held: int, volume: int, text: str
) -> None:
    desk = Desk(state(positions=(position(5, 60),)))
    desk.terms.learn(answer(symbol()))
    desk.terms.learn(state(positions=(position(5, held),)))

    with pytest.raises(OrderInvalidError, match=text):
        drive(trading.close_position(7, CLOSE.model_copy(update={"volume": volume})), desk)

    assert desk.asked == ["ProtoOAReconcileReq"]
    assert desk.sent == []


@pytest.mark.parametrize(
    "reply",
    [
        state(positions=(position(5, 100),)),
        state(),
        api_error("REQUEST_FREQUENCY_EXCEEDED", None),
        CTraderConnectionTimeoutError(1, "it"),
        DeserializationError(1, b"nonsense"),
    ],
)
def test_close_goes_out_if_the_server_does_not_confirm_that_it_is_too_much(reply: object) -> None:
    desk = Desk(reply)
    desk.terms.learn(state(positions=(position(5, 50),)))

    drive(trading.close_position(7, CLOSE), desk)

    assert desk.asked == ["ProtoOAReconcileReq"]
    assert len(desk.sent) == 1


# Amending


def test_what_an_amendment_keeps_is_not_judged() -> None:
    # 1.05 and 200,000 stand; the symbol has other limits by now.
    held = state(orders=(limit_order(3),))
    desk = Desk(held, answer(symbol(digits=1, maxVolume=100)), held)

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
    forgets = [True]

    def forgetful(command: Command) -> object:
        if isinstance(command, Call) and command.reply is None and desk.asked and forgets:
            forgets.clear()
            desk.terms.learn(ProtoOASymbolChangedEvent(ctidTraderAccountId=7, symbolId=[1]))
        return desk(command)

    drive(trading.place_order(7, ORDER), forgetful)

    assert desk.asked == ["ProtoOASymbolByIdReq"] * 2
    assert len(desk.sent) == 1


# The link and the client


@pytest.mark.parametrize(
    ("account_id", "reason"),
    [(None, "the link was lost"), (7, "the account's session ended")],
)
def test_request_belongs_to_the_session_on_which_it_began(
    account_id: int | None, reason: str
) -> None:
    desk = Desk(answer(symbol()))

    def lossy(command: Command) -> object:
        if desk.asked:
            desk.terms.lost(account_id)
        return desk(command)

    with pytest.raises(OrderNotSentError) as caught:
        drive(trading.place_order(7, ORDER), lossy)

    assert (caught.value.reason, caught.value.client_order_id) == (reason, "mine")


def test_client_that_was_closed_in_between_did_not_send_the_request() -> None:
    desk = Desk(answer(symbol()))

    def closing(command: Command) -> object:
        return ClientClosedError("it was closed") if desk.asked else desk(command)

    with pytest.raises(OrderNotSentError) as caught:
        drive(trading.place_order(7, ORDER), closing)

    assert isinstance(caught.value.cause, ClientClosedError)


@pytest.mark.parametrize(
    "operation",
    [
        lambda: trading.place_order(7, ORDER),
        lambda: trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=1)),
        lambda: trading.amend_order(7, AmendOrderRequest(order_id=5, volume=1)),
        lambda: trading.close_position(7, ClosePositionRequest(position_id=5, volume=1)),
        lambda: trading.cancel_order(7, 5),
    ],
)
@pytest.mark.parametrize(
    "error", [ClientClosedError("long ago"), CTraderReconnectAbandonedError("long ago")]
)
def test_client_that_was_closed_before_did_not_send_the_request(
    operation: Callable[[], Any], error: CTraderError
) -> None:
    with pytest.raises(OrderNotSentError, match="long ago") as caught:
        drive(operation(), lambda _: error)
    assert (caught.value.cause, caught.value.account_id) == (error, 7)


def test_application_that_is_refused_says_so() -> None:
    refusal = ApplicationAuthError("CH_CLIENT_AUTH_FAILURE", "no")
    with pytest.raises(ApplicationAuthError):
        drive(trading.amend_order(7, AmendOrderRequest(order_id=3, volume=1)), lambda _: refusal)
    with pytest.raises(ApplicationAuthError):
        drive(trading.place_order(7, ORDER), lambda _: refusal)
