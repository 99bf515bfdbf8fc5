"""A distance that is meant in pips is refused where a price shows that it cannot be right."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader.enums import OrderSide, OrderType
from ctrader.errors import OrderInvalidError
from ctrader.models.orders import NewOrderRequest
from ctrader.operations import trading
from ctrader.protocol.terms import Sides
from tests.operations.peer import drive
from tests.operations.test_checks import Desk, answer, symbol

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def order(side: OrderSide = BUY, **fields: Any) -> NewOrderRequest:
    return NewOrderRequest(symbol_id=1, side=side, volume=100, **fields)


def desk(bid: int | None = None, ask: int | None = None) -> Desk:
    made = Desk(answer(symbol(digits=5)))

    def quote(account_id: int, symbol_id: int) -> Sides:
        return (bid, ask) if (account_id, symbol_id) == (7, 1) else (None, None)

    made.terms.quote = quote
    return made


def refusal(at: Desk, request: NewOrderRequest) -> OrderInvalidError:
    with pytest.raises(OrderInvalidError) as caught:
        drive(trading.place_order(7, request), at)
    assert at.sent == []
    return caught.value


def test_distance_of_a_market_order_that_is_meant_in_pips_is_refused() -> None:
    error = refusal(desk(110_000, 110_010), order(relative_stop_loss=20, client_order_id="mine"))

    assert str(error) == (
        "relative_stop_loss 20 is refused: it is a distance in price units, and the price of "
        "symbol 1 is 1.10010. For 20 pips give symbol.pips_to_price(20)."
    )
    assert (error.field, error.value) == ("relative_stop_loss", 20.0)
    assert error.client_order_id == "mine"


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (
            order(SELL, relative_stop_loss=20.5),
            "relative_stop_loss 20.5 .* is 1.10000. For 20.5 pips .* A level that far away can be "
            r"given to the open position, as a price: amend_position\(\).$",
        ),
        (
            order(BUY, relative_take_profit=40),
            "relative_take_profit 40 .* is 1.10010. .* A level that far away can be given to the "
            r"open position, as a price: amend_position\(\).$",
        ),
        (order(SELL, relative_take_profit=40), r"is 1.10000. .*pips_to_price\(40\).$"),
    ],
)
def test_every_distance_is_compared_with_the_side_of_the_fill(
    request_: NewOrderRequest, text: str
) -> None:
    assert_matches(str(refusal(desk(110_000, 110_010), request_)), text)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (order(order_type=OrderType.LIMIT, limit_price=1.05, relative_stop_loss=20), "is 1.05000."),
        (order(order_type=OrderType.STOP, stop_price=1.25, relative_stop_loss=20), "is 1.25000."),
        (
            order(order_type=OrderType.LIMIT, limit_price=1.05, relative_take_profit=40),
            r"A level that far away can be given as a price: take_profit\.$",
        ),
        (
            order(
                order_type=OrderType.MARKET_RANGE,
                base_slippage_price=1.15,
                slippage_in_points=5,
                relative_stop_loss=20,
            ),
            "is 1.15000.",
        ),
    ],
)
def test_order_with_a_price_of_its_own_needs_no_quote(request_: NewOrderRequest, text: str) -> None:
    assert_matches(str(refusal(desk(), request_)), text)


@pytest.mark.parametrize(
    ("at", "request_"),
    [
        (desk(110_000, 110_010), order(relative_stop_loss=0.002, relative_take_profit=1.1)),
        (desk(110_000, 110_010), order()),
        (desk(), order(relative_stop_loss=20)),
        (desk(bid=110_000), order(BUY, relative_stop_loss=20)),
        (desk(ask=110_000), order(SELL, relative_stop_loss=20)),
        (desk(0, 0), order(relative_stop_loss=20)),
        (desk(-3, -2), order(relative_stop_loss=20)),
    ],
)
def test_what_may_be_right_is_sent(at: Desk, request_: NewOrderRequest) -> None:
    drive(trading.place_order(7, request_), at)

    assert len(at.sent) == 1


def test_distance_is_shown_in_a_symbol_whose_decimals_are_not_known() -> None:
    at = desk(110_000, 110_010)
    at.replies[:] = [answer(symbol(digits=99))]

    assert "is 1.1001. For 20 pips" in str(refusal(at, order(relative_stop_loss=20)))


def assert_matches(text: str, pattern: str) -> None:
    with pytest.raises(AssertionError, match=pattern):
        raise AssertionError(text)
