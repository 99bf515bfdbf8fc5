"""Each order rule is refused before anything is sent, with the value, the remedy and what is near.

The wrong calls stand in tables, each with the whole text of its refusal. The simulator's record
proves that no trading request left the client.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import pytest
from google.protobuf.message import Message

from ctrader.enums import ExecutionType, OrderSide, OrderType, StopTriggerMethod, TimeInForce
from ctrader.errors import (
    BadVolumeError,
    OrderInvalidError,
    OrderRejectedError,
    PositionNotFoundError,
    SymbolNotFoundError,
)
from ctrader.events import ExecutionEvent, SymbolChangedEvent
from ctrader.models import (
    CLEAR,
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
)
from ctrader.models.request import TradingRequest
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAReconcileReq,
    ProtoOASymbolByIdReq,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.simulator import Simulator
from tests.clients.scenarios.stage import Desk, Record, Stage, at_desk, eventually
from tests.clients.scenarios.test_connecting import received

pytestmark = pytest.mark.anyio

EURUSD: Final = 1
USDJPY: Final = 4
XAUUSD: Final = 41
US500: Final = 270
BTCUSD: Final = 1001
ARCHIVED: Final = 77

TRADING: Final = (
    ProtoOANewOrderReq,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
)
MARKET_RANGE: Final = {
    "order_type": OrderType.MARKET_RANGE,
    "base_slippage_price": 1.1,
    "slippage_in_points": 5,
}
LIMIT: Final = {"order_type": OrderType.LIMIT, "limit_price": 0.9}
STOP: Final = {"order_type": OrderType.STOP, "stop_price": 1.9}
STOP_LIMIT: Final = {"order_type": OrderType.STOP_LIMIT, "stop_price": 1.9, "slippage_in_points": 5}
GTD: Final = {"time_in_force": TimeInForce.GOOD_TILL_DATE}
LATER: Final = datetime(2037, 1, 1, tzinfo=UTC)

M = TypeVar("M", bound=Message)


def new(**terms: Any) -> NewOrderRequest:
    needed: dict[str, Any] = {"symbol_id": EURUSD, "side": OrderSide.BUY, "volume": 100_000}
    return NewOrderRequest(**(needed | terms))


@dataclass(frozen=True)
class Floor:
    """A desk with a long position of 0.03 lots, and a pending order of each kind."""

    desk: Desk
    position: int
    limit: int
    stop: int

    async def send(self, request: TradingRequest) -> ExecutionEvent:
        """Hand a request to the method that takes its kind."""
        trading, account_id = self.desk.client.trading, self.desk.account_id
        match request:
            case NewOrderRequest():
                return await trading.place_order(account_id, request)
            case AmendOrderRequest():
                return await trading.amend_order(account_id, request)
            case AmendPositionRequest():
                return await trading.amend_position(account_id, request)
            case ClosePositionRequest():
                return await trading.close_position(account_id, request)
            case _:
                raise AssertionError(request)


@asynccontextmanager
async def at_floor(stage: Stage, simulator: Simulator) -> AsyncGenerator[Floor]:
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        bought = await trading.place_order(account_id, new(volume=300_000))
        limit = await trading.place_order(account_id, new(**LIMIT))
        stop = await trading.place_order(account_id, new(**STOP))
        assert bought.position is not None
        assert limit.order is not None
        assert stop.order is not None
        yield Floor(desk, bought.position.position_id, limit.order.order_id, stop.order.order_id)


def sent(simulator: Simulator) -> int:
    """Count the trading requests that reached the simulator."""
    return sum(received(simulator, request) for request in TRADING)


def requests(simulator: Simulator, kind: type[M]) -> list[M]:
    """Return the requests of a type that reached the simulator."""
    wanted = PAYLOAD_TYPE_BY_MESSAGE[kind]
    return [
        kind.FromString(frame.payload)
        for frame in simulator.frames
        if not frame.outbound and frame.payload_type == wanted
    ]


Rule = tuple[Callable[[Floor], TradingRequest], str, str]
"""What makes the wrong request, the field at fault, and the whole text of the refusal."""


def order(text: str, field: str, **terms: Any) -> Rule:
    return lambda _: new(**terms), field, text


AT_MARKET: Final[list[Rule]] = [
    order(
        "stop_loss 1.05 is refused: the server refuses it as a price on a MARKET order. Give the "
        "distance from the fill as relative_stop_loss.",
        "stop_loss",
        stop_loss=1.05,
    ),
    order(
        "take_profit 1.2 is refused: the server refuses it as a price on a MARKET order. Give the "
        "distance from the fill as relative_take_profit.",
        "take_profit",
        take_profit=1.2,
    ),
    order(
        "stop_loss 1.05 is refused: the server refuses it as a price on a MARKET_RANGE order. Give "
        "the distance from the fill as relative_stop_loss.",
        "stop_loss",
        **MARKET_RANGE,
        stop_loss=1.05,
    ),
    order(
        "take_profit 1.2 is refused: the server refuses it as a price on a MARKET_RANGE order. "
        "Give the distance from the fill as relative_take_profit.",
        "take_profit",
        **MARKET_RANGE,
        take_profit=1.2,
    ),
    order(
        "trailing_stop_loss True is refused: there is no stop loss; give relative_stop_loss too.",
        "trailing_stop_loss",
        trailing_stop_loss=True,
    ),
    order(
        "guaranteed_stop_loss True is refused: there is no stop loss; give relative_stop_loss too.",
        "guaranteed_stop_loss",
        guaranteed_stop_loss=True,
    ),
    order(
        "time_in_force GOOD_TILL_DATE is refused: a MARKET order is filled now or not at all; "
        "leave it out.",
        "time_in_force",
        **GTD,
        expiration_timestamp=LATER,
    ),
]

TERMS_OF_KINDS: Final[list[Rule]] = [
    order(
        "limit_price 1.05 is refused: a MARKET order has none and the server would ignore it; "
        "limit_price is for order_type LIMIT.",
        "limit_price",
        limit_price=1.05,
    ),
    order(
        "stop_price 1.05 is refused: a LIMIT order has none and the server would ignore it; "
        "stop_price is for order_type STOP or STOP_LIMIT.",
        "stop_price",
        **LIMIT,
        stop_price=1.05,
    ),
    order(
        "limit_price 1.8 is refused: a STOP_LIMIT order has none and the server would ignore it; "
        "limit_price is for order_type LIMIT.",
        "limit_price",
        **STOP_LIMIT,
        limit_price=1.8,
    ),
    order(
        "base_slippage_price 1.1 is refused: a STOP order has none and the server would ignore it; "
        "base_slippage_price is for order_type MARKET_RANGE.",
        "base_slippage_price",
        **STOP,
        base_slippage_price=1.1,
    ),
    order(
        "slippage_in_points 5 is refused: a LIMIT order has none and the server would ignore it; "
        "slippage_in_points is for order_type MARKET_RANGE or STOP_LIMIT.",
        "slippage_in_points",
        **LIMIT,
        slippage_in_points=5,
    ),
    order(
        "stop_trigger_method OPPOSITE is refused: a LIMIT order has none and the server would "
        "ignore it; stop_trigger_method is for order_type STOP or STOP_LIMIT.",
        "stop_trigger_method",
        **LIMIT,
        stop_trigger_method=StopTriggerMethod.OPPOSITE,
    ),
    order(
        "limit_price is refused: a LIMIT order needs it.",
        "limit_price",
        order_type=OrderType.LIMIT,
    ),
    order("stop_price is refused: a STOP order needs it.", "stop_price", order_type=OrderType.STOP),
    order(
        "slippage_in_points is refused: a STOP_LIMIT order needs it.",
        "slippage_in_points",
        order_type=OrderType.STOP_LIMIT,
        stop_price=1.9,
    ),
    order(
        "base_slippage_price is refused: a MARKET_RANGE order needs it.",
        "base_slippage_price",
        order_type=OrderType.MARKET_RANGE,
    ),
    order(
        "order_type STOP_LOSS_TAKE_PROFIT is refused: only the server makes STOP_LOSS_TAKE_PROFIT "
        "orders. Give a stop loss and a take profit with the order, or amend the position.",
        "order_type",
        order_type=OrderType.STOP_LOSS_TAKE_PROFIT,
    ),
    order(
        "stop_loss 0.8 is refused: relative_stop_loss is given too. Give the level as a price or "
        "as a distance, not both.",
        "stop_loss",
        **LIMIT,
        stop_loss=0.8,
        relative_stop_loss=0.1,
    ),
    order(
        "take_profit 1.1 is refused: relative_take_profit is given too. Give the level as a price "
        "or as a distance, not both.",
        "take_profit",
        **LIMIT,
        take_profit=1.1,
        relative_take_profit=0.1,
    ),
    order(
        "trailing_stop_loss True is refused: there is no stop loss; give stop_loss or "
        "relative_stop_loss too.",
        "trailing_stop_loss",
        **LIMIT,
        trailing_stop_loss=True,
    ),
    order(
        "expiration_timestamp is refused: GOOD_TILL_DATE needs it.",
        "expiration_timestamp",
        **LIMIT,
        **GTD,
    ),
    order(
        "expiration_timestamp 2037-01-01 00:00:00+00:00 is refused: only an order with "
        "time_in_force GOOD_TILL_DATE expires; give both or neither.",
        "expiration_timestamp",
        **LIMIT,
        expiration_timestamp=LATER,
    ),
]

PRICES: Final[list[Rule]] = [
    order(
        "limit_price 0.900001 has too many decimals: prices of symbol 1 have 5; "
        "use 0.90000 or 0.90001.",
        "limit_price",
        **LIMIT | {"limit_price": 0.900001},
    ),
    order(
        "limit_price 140.0005 has too many decimals: prices of symbol 4 have 3; "
        "use 140.000 or 140.001.",
        "limit_price",
        symbol_id=USDJPY,
        **LIMIT | {"limit_price": 140.0005},
    ),
    order(
        "stop_price 2650.125 has too many decimals: prices of symbol 41 have 2; "
        "use 2650.12 or 2650.13.",
        "stop_price",
        symbol_id=XAUUSD,
        volume=100,
        **STOP | {"stop_price": 2650.125},
    ),
    order(
        "stop_price 6000.25 has too many decimals: prices of symbol 270 have 1; "
        "use 6000.2 or 6000.3.",
        "stop_price",
        symbol_id=US500,
        volume=10,
        **STOP | {"stop_price": 6000.25},
    ),
    order(
        "stop_loss 0.800005 has too many decimals: prices of symbol 1 have 5; "
        "use 0.80000 or 0.80001.",
        "stop_loss",
        **LIMIT,
        stop_loss=0.800005,
    ),
    order(
        "take_profit 0.9500001 has too many decimals: prices of symbol 1 have 5; "
        "use 0.95000 or 0.95001.",
        "take_profit",
        **LIMIT,
        take_profit=0.9500001,
    ),
    order(
        "base_slippage_price 1.100001 has too many decimals: prices of symbol 1 have 5; "
        "use 1.10000 or 1.10001.",
        "base_slippage_price",
        **MARKET_RANGE | {"base_slippage_price": 1.100001},
    ),
    order(
        "limit_price 4e-06 has too many decimals: prices of symbol 1 have 5; use 0.00001.",
        "limit_price",
        **LIMIT | {"limit_price": 0.000_004},
    ),
    order(
        "relative_stop_loss 0.0015 has too many decimals: distances of symbol 4 have 3; "
        "use 0.001 or 0.002.",
        "relative_stop_loss",
        symbol_id=USDJPY,
        relative_stop_loss=0.0015,
    ),
    order(
        "relative_take_profit 1.23e-05 has too many decimals: distances of symbol 1 have 5; "
        "use 0.00001 or 0.00002.",
        "relative_take_profit",
        relative_take_profit=0.0000123,
    ),
    order(
        "limit_price must be a finite number above 0, not 0. Leave it out, or give None, for none.",
        "limit_price",
        **LIMIT | {"limit_price": 0},
    ),
    order(
        "stop_loss must be a finite number above 0, not -1.1. "
        "Leave it out, or give None, for none.",
        "stop_loss",
        **LIMIT,
        stop_loss=-1.1,
    ),
    order(
        "relative_stop_loss must be a finite number above 0, not nan. "
        "Leave it out, or give None, for none.",
        "relative_stop_loss",
        relative_stop_loss=math.nan,
    ),
    order(
        "take_profit must be a finite number above 0, not inf. "
        "Leave it out, or give None, for none.",
        "take_profit",
        **LIMIT,
        take_profit=math.inf,
    ),
    order(
        "relative_stop_loss 1000000000000000.0 is too large for the wire, which takes "
        "92233720368547 at most.",
        "relative_stop_loss",
        relative_stop_loss=1e15,
    ),
]

EURUSD_VOLUMES: Final = (
    "symbol 1, which takes 100000 to 10000000000 hundredths of a unit in steps of 100000 "
    "(0.01 to 1000 lots in steps of 0.01)"
)

VOLUMES: Final[list[Rule]] = [
    order(
        f"volume 50000 is not valid for {EURUSD_VOLUMES}; use 100000 (0.01 lots).",
        "volume",
        volume=50_000,
    ),
    order(
        f"volume 150000 is not valid for {EURUSD_VOLUMES}; "
        "use 100000 (0.01 lots) or 200000 (0.02 lots).",
        "volume",
        volume=150_000,
    ),
    order(
        f"volume 10000100000 is not valid for {EURUSD_VOLUMES}; use 10000000000 (1000 lots).",
        "volume",
        volume=10_000_100_000,
    ),
    order(
        "volume 150 is not valid for symbol 41, which takes 100 to 1000000 hundredths of a unit "
        "in steps of 100 (0.01 to 100 lots in steps of 0.01); "
        "use 100 (0.01 lots) or 200 (0.02 lots).",
        "volume",
        symbol_id=XAUUSD,
        volume=150,
    ),
    order(
        "volume 15 is not valid for symbol 270, which takes 10 to 100000 hundredths of a unit "
        "in steps of 10 (0.1 to 1000 lots in steps of 0.1); use 10 (0.1 lots) or 20 (0.2 lots).",
        "volume",
        symbol_id=US500,
        volume=15,
    ),
    order(
        "volume 10001 is not valid for symbol 1001, which takes 1 to 10000 hundredths of a unit "
        "in steps of 1 (0.01 to 100 lots in steps of 0.01); use 10000 (100 lots).",
        "volume",
        symbol_id=BTCUSD,
        volume=10_001,
    ),
    order(
        f"volume 150000 is not valid for {EURUSD_VOLUMES}; "
        "use 100000 (0.01 lots) or 200000 (0.02 lots).",
        "volume",
        **LIMIT,
        volume=150_000,
    ),
    order(
        "volume must be a volume in hundredths of a unit from 1 to 9223372036854775807, not 0.",
        "volume",
        volume=0,
    ),
    order(
        "volume must be a volume in hundredths of a unit from 1 to 9223372036854775807, "
        "not 9223372036854775808.",
        "volume",
        volume=2**63,
    ),
    order(
        "volume must be a volume in hundredths of a unit as an int, not 0.01; lots are converted "
        "by symbol.lots_to_volume(0.01).",
        "volume",
        volume=0.01,
    ),
]

TEXTS_AND_NUMBERS: Final[list[Rule]] = [
    order(
        "label has 101 characters, the server takes 100 at most; shorten it.",
        "label",
        label="x" * 101,
    ),
    order(
        "comment has 513 characters, the server takes 512 at most; shorten it.",
        "comment",
        comment="x" * 513,
    ),
    order(
        "client_order_id has 51 characters, the server takes 50 at most; shorten it.",
        "client_order_id",
        client_order_id="x" * 51,
    ),
    order(
        "slippage_in_points must be a number of points from 0 to 2147483647, not -1.",
        "slippage_in_points",
        **MARKET_RANGE | {"slippage_in_points": -1},
    ),
    order(
        "slippage_in_points must be a number of points from 0 to 2147483647, not 2147483648.",
        "slippage_in_points",
        **STOP_LIMIT | {"slippage_in_points": 2**31},
    ),
    order(
        "symbol_id must be an id from 1 to 9223372036854775807, not 9223372036854775808.",
        "symbol_id",
        symbol_id=2**63,
    ),
    order(
        "position_id must be an id from 1 to 9223372036854775807, not 0.",
        "position_id",
        position_id=0,
    ),
    order(
        "side <OrderSide.UNKNOWN_9: 9> is not known here; use a named member of OrderSide.",
        "side",
        side=OrderSide(9),
    ),
]


def amend_order(
    text: str, field: str, *, of: Callable[[Floor], int] = lambda floor: floor.limit, **terms: Any
) -> Rule:
    return lambda floor: AmendOrderRequest(order_id=of(floor), **terms), field, text


AMENDED_ORDERS: Final[list[Rule]] = [
    amend_order(
        "limit_price 0.910001 has too many decimals: prices of symbol 1 have 5; "
        "use 0.91000 or 0.91001.",
        "limit_price",
        limit_price=0.910001,
    ),
    amend_order(
        "stop_loss 0.810001 has too many decimals: prices of symbol 1 have 5; "
        "use 0.81000 or 0.81001.",
        "stop_loss",
        stop_loss=0.810001,
    ),
    amend_order(
        "relative_take_profit 1.5e-05 has too many decimals: distances of symbol 1 have 5; "
        "use 0.00001 or 0.00002.",
        "relative_take_profit",
        relative_take_profit=0.000_015,
    ),
    amend_order(
        f"volume 250000 is not valid for {EURUSD_VOLUMES}; "
        "use 200000 (0.02 lots) or 300000 (0.03 lots).",
        "volume",
        volume=250_000,
    ),
    amend_order(
        "stop_loss must be a finite number above 0, not 0. "
        "Leave it out to keep what is there; CLEAR removes it.",
        "stop_loss",
        stop_loss=0,
    ),
    amend_order(
        "take_profit 1.0 is refused: relative_take_profit is given too. Give the level as a price "
        "or as a distance, not both.",
        "take_profit",
        take_profit=1.0,
        relative_take_profit=0.1,
    ),
    amend_order(
        "stop_price 1.9 is refused: order {limit} is a LIMIT order, which has none; stop_price is "
        "for order_type STOP or STOP_LIMIT.",
        "stop_price",
        stop_price=1.9,
    ),
    amend_order(
        "limit_price 0.9 is refused: order {stop} is a STOP order, which has none; limit_price is "
        "for order_type LIMIT.",
        "limit_price",
        of=lambda floor: floor.stop,
        limit_price=0.9,
    ),
    amend_order(
        "trailing_stop_loss True is refused: order {limit} would have no stop loss; give "
        "stop_loss or relative_stop_loss too.",
        "trailing_stop_loss",
        trailing_stop_loss=True,
    ),
    amend_order(
        "the amendment of order {limit} names nothing to change: None keeps what is there. Give a "
        "new value, or CLEAR to remove a level or the expiration.",
        "order_id",
        stop_loss=None,
    ),
]


def amend_position(text: str, field: str, **terms: Any) -> Rule:
    return lambda floor: AmendPositionRequest(position_id=floor.position, **terms), field, text


AMENDED_POSITIONS: Final[list[Rule]] = [
    amend_position(
        "stop_loss 0.800001 has too many decimals: prices of symbol 1 have 5; "
        "use 0.80000 or 0.80001.",
        "stop_loss",
        stop_loss=0.800001,
    ),
    amend_position(
        "take_profit 1.900001 has too many decimals: prices of symbol 1 have 5; "
        "use 1.90000 or 1.90001.",
        "take_profit",
        take_profit=1.900001,
    ),
    amend_position(
        "take_profit must be a finite number above 0, not nan. "
        "Leave it out to keep what is there; CLEAR removes it.",
        "take_profit",
        take_profit=math.nan,
    ),
    amend_position(
        "trailing_stop_loss True is refused: position {position} would have no stop loss that it "
        "could hold for. Give a stop_loss too.",
        "trailing_stop_loss",
        trailing_stop_loss=True,
    ),
    amend_position(
        "the amendment of position {position} names nothing to change: None keeps what is there. "
        "Give a new stop_loss or take_profit, or CLEAR to remove one.",
        "position_id",
        stop_loss=None,
        take_profit=None,
    ),
]


def close(text: str, volume: int) -> Rule:
    def request(floor: Floor) -> ClosePositionRequest:
        return ClosePositionRequest(position_id=floor.position, volume=volume)

    return request, "volume", text


CLOSES: Final[list[Rule]] = [
    close(
        "volume 400000 cannot be closed: only 300000 of position {position} is open; "
        "use 300000 (0.03 lots), which is all of it.",
        400_000,
    ),
    close(
        "volume 150000 cannot be closed: symbol 1 takes 100000 to 10000000000 hundredths of a "
        "unit in steps of 100000 (0.01 to 1000 lots in steps of 0.01); "
        "use 100000 (0.01 lots) or 200000 (0.02 lots).",
        150_000,
    ),
    close(
        "volume 50000 cannot be closed: symbol 1 takes 100000 to 10000000000 hundredths of a "
        "unit in steps of 100000 (0.01 to 1000 lots in steps of 0.01); "
        "use 100000 (0.01 lots) or 300000 (0.03 lots), which is all of it.",
        50_000,
    ),
    close(
        "volume 250000 cannot be closed: symbol 1 takes 100000 to 10000000000 hundredths of a "
        "unit in steps of 100000 (0.01 to 1000 lots in steps of 0.01); "
        "use 200000 (0.02 lots) or 300000 (0.03 lots), which is all of it.",
        250_000,
    ),
    close(
        "volume must be a volume in hundredths of a unit from 1 to 9223372036854775807, not -1.",
        -1,
    ),
]


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(AT_MARKET, id="at market"),
        pytest.param(TERMS_OF_KINDS, id="terms of kinds"),
        pytest.param(PRICES, id="prices"),
        pytest.param(VOLUMES, id="volumes"),
        pytest.param(TEXTS_AND_NUMBERS, id="texts and numbers"),
        pytest.param(AMENDED_ORDERS, id="amended orders"),
        pytest.param(AMENDED_POSITIONS, id="amended positions"),
        pytest.param(CLOSES, id="closes"),
    ],
)
async def test_wrong_request_is_refused_here_and_nothing_is_sent(
    stage: Stage, simulator: Simulator, rules: list[Rule]
):
    async with at_floor(stage, simulator) as floor:
        before = sent(simulator)
        for make, field, text in rules:
            with pytest.raises(OrderInvalidError) as caught:
                await floor.send(make(floor))
            expected = text.format(position=floor.position, limit=floor.limit, stop=floor.stop)
            assert str(caught.value) == expected
            assert caught.value.field == field
        # The answer to a later question proves that whatever was sent before it has arrived.
        positions, orders = await floor.desk.client.trading.reconcile(floor.desk.account_id)
        assert sent(simulator) == before
        assert [position.volume for position in positions] == [300_000]
        assert len(orders) == 2


async def test_expiration_in_the_past_is_refused(stage: Stage, simulator: Simulator):
    past = datetime(2020, 1, 1, tzinfo=UTC)
    async with at_floor(stage, simulator) as floor:
        before = sent(simulator)
        for request in (
            new(**LIMIT, **GTD, expiration_timestamp=past),
            AmendOrderRequest(order_id=floor.limit, expiration_timestamp=past),
        ):
            with pytest.raises(OrderInvalidError) as caught:
                await floor.send(request)
            text = str(caught.value)
            assert text.startswith(
                f"expiration_timestamp 2020-01-01T00:00:00+00:00 has passed: it is "
                f"{datetime.now(UTC).year}-"
            )
            assert text.endswith(
                "Give a later one, or leave it out for an order that works until it is cancelled."
            )
        await floor.desk.client.trading.reconcile(floor.desk.account_id)
        assert sent(simulator) == before


@pytest.mark.parametrize(
    ("symbol_id", "text"),
    [
        (4711, "Symbol"),
        (ARCHIVED, "symbol 77 is archived, and not traded any more"),
    ],
)
async def test_symbol_that_is_not_there_is_refused_here(
    stage: Stage, simulator: Simulator, symbol_id: int, text: str
):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(SymbolNotFoundError, match=text) as caught:
            await desk.client.trading.place_order(
                desk.account_id, new(symbol_id=symbol_id, client_order_id="mine")
            )
        error = caught.value
        assert isinstance(error, OrderRejectedError)
        assert (error.error_code, error.client_order_id) == ("SYMBOL_NOT_FOUND", "mine")
        assert (error.account_id, error.request_type) == (desk.account_id, "ProtoOANewOrderReq")
        await desk.client.trading.reconcile(desk.account_id)
    assert sent(simulator) == 0


# What is known is not asked again


async def test_second_order_in_a_symbol_asks_nothing(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        for volume in (100_000, 200_000):
            await trading.place_order(account_id, new(volume=volume))
        assert received(simulator, ProtoOASymbolByIdReq) == 1
        # The client was told of the position by the fill, and of the symbol before.
        bought = await trading.place_order(account_id, new(volume=300_000))
        assert bought.position is not None
        for volume in (100_000, 200_000):
            await trading.close_position(
                account_id,
                ClosePositionRequest(position_id=bought.position.position_id, volume=volume),
            )
        assert received(simulator, ProtoOASymbolByIdReq) == 1
        assert received(simulator, ProtoOAReconcileReq) == 0


async def test_symbol_that_was_read_is_not_asked_again(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        await desk.client.symbols.get_by_ids(desk.account_id, [EURUSD, USDJPY])
        await desk.client.trading.place_order(desk.account_id, new())
        await desk.client.trading.place_order(desk.account_id, new(symbol_id=USDJPY))
        assert received(simulator, ProtoOASymbolByIdReq) == 1


async def test_symbol_that_changed_is_read_again(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        changes: Record[SymbolChangedEvent] = Record()
        desk.client.register_handler(SymbolChangedEvent, changes)
        await trading.place_order(account_id, new())
        with simulator.locked() as exchange:
            exchange.change_symbol(EURUSD, min_volume=200_000)
        await eventually(stage, lambda: changes.events, "the change")
        with pytest.raises(OrderInvalidError, match=r"use 200000 \(0.02 lots\)\.$"):
            await trading.place_order(account_id, new())
        await trading.place_order(account_id, new(volume=200_000))
        assert received(simulator, ProtoOASymbolByIdReq) == 2


async def test_terms_are_read_again_on_a_new_link(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        client, account_id = desk.client, desk.account_id
        bought = await client.trading.place_order(account_id, new(volume=200_000))
        assert bought.position is not None
        simulator.disconnect_all()
        await eventually(stage, lambda: not client.is_connected, "the loss")
        await eventually(stage, lambda: client.is_ready, "the new link")
        with simulator.locked():
            simulator.clear_frames()
        await client.trading.close_position(
            account_id,
            ClosePositionRequest(position_id=bought.position.position_id, volume=100_000),
        )
        # What is not known to be open is closed without a question.
        assert received(simulator, ProtoOAReconcileReq) == 0
        assert received(simulator, ProtoOASymbolByIdReq) == 0
        await client.trading.place_order(account_id, new())
        assert received(simulator, ProtoOASymbolByIdReq) == 1


async def test_close_is_judged_by_what_another_client_left(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as one, at_desk(stage, simulator) as other:
        executions: Record[ExecutionEvent] = Record()
        one.client.register_handler(ExecutionEvent, executions)
        bought = await one.client.trading.place_order(one.account_id, new(volume=300_000))
        assert bought.position is not None
        position_id = bought.position.position_id
        part = ClosePositionRequest(position_id=position_id, volume=200_000)
        closed = await other.client.trading.close_position(other.account_id, part)
        await eventually(
            stage,
            lambda: closed.deal in [event.deal for event in executions.events],
            "the close",
        )
        with pytest.raises(OrderInvalidError, match="only 100000 of position"):
            await one.client.trading.close_position(one.account_id, part)
        await one.client.trading.close_position(
            one.account_id, ClosePositionRequest(position_id=position_id, volume=100_000)
        )
        with pytest.raises(PositionNotFoundError):
            await one.client.trading.close_position(one.account_id, part)
    # The last one too, and once more after a while: what is not known to be open is left to the
    # server, which may not know yet what is.
    assert received(simulator, ProtoOAClosePositionReq) == 4


# What is sent is what was said


async def test_distances_zero_and_false_are_sent_as_such(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        await trading.place_order(
            account_id,
            new(
                relative_stop_loss=0.002,
                relative_take_profit=0.1 + 0.2,
                trailing_stop_loss=False,
                guaranteed_stop_loss=False,
            ),
        )
        with suppress(OrderRejectedError):  # what is made of it there is not the point
            await trading.place_order(account_id, new(**STOP_LIMIT | {"slippage_in_points": 0}))
    first, second = requests(simulator, ProtoOANewOrderReq)
    assert (first.relativeStopLoss, first.relativeTakeProfit) == (200, 30_000)
    assert not first.HasField("stopLoss")
    assert not first.HasField("takeProfit")
    assert first.HasField("trailingStopLoss")
    assert not first.trailingStopLoss
    assert first.HasField("guaranteedStopLoss")
    assert not first.guaranteedStopLoss
    assert second.HasField("slippageInPoints")
    assert not second.HasField("trailingStopLoss")


async def test_none_keeps_a_level_and_clear_removes_it(stage: Stage, simulator: Simulator):
    async with at_floor(stage, simulator) as floor:
        trading, account_id = floor.desk.client.trading, floor.desk.account_id
        levels = AmendOrderRequest(
            order_id=floor.limit, relative_stop_loss=0.01, relative_take_profit=0.02
        )
        await floor.send(levels)
        await floor.send(AmendOrderRequest(order_id=floor.limit, stop_loss=None, volume=200_000))
        await floor.send(AmendOrderRequest(order_id=floor.limit, take_profit=CLEAR))
        order = next(
            order
            for order in await trading.get_pending_orders(account_id)
            if order.order_id == floor.limit
        )
        assert (order.volume, order.stop_loss_distance) == (200_000, 0.01)
        assert order.relative_take_profit is None
        await floor.send(
            AmendPositionRequest(position_id=floor.position, stop_loss=0.5, take_profit=2.5)
        )
        await floor.send(
            AmendPositionRequest(position_id=floor.position, stop_loss=None, take_profit=2.6)
        )
        (position,) = await trading.get_open_positions(account_id)
        assert (position.stop_loss, position.take_profit) == (0.5, 2.6)
        await floor.send(
            AmendPositionRequest(position_id=floor.position, stop_loss=CLEAR, take_profit=CLEAR)
        )
        (position,) = await trading.get_open_positions(account_id)
        assert (position.stop_loss, position.take_profit) == (None, None)


async def test_close_returns_at_its_acceptance_on_request(stage: Stage, simulator: Simulator):
    async with at_floor(stage, simulator) as floor:
        trading, account_id = floor.desk.client.trading, floor.desk.account_id
        executions: Record[ExecutionEvent] = Record()
        floor.desk.client.register_handler(ExecutionEvent, executions)
        part = ClosePositionRequest(position_id=floor.position, volume=100_000)
        accepted = await trading.close_position(account_id, part, until="accepted")
        assert accepted.execution_type is ExecutionType.ORDER_ACCEPTED
        await eventually(stage, lambda: any(e.deal for e in executions.events), "the fill")
        done = await trading.close_position(account_id, part)
        assert done.execution_type is ExecutionType.ORDER_FILLED
        opened = await trading.place_order(account_id, new(), until="accepted")
        assert opened.execution_type is ExecutionType.ORDER_ACCEPTED


async def test_raw_protocol_is_not_checked(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        request = new(volume=1).to_proto(desk.account_id)
        with pytest.raises(BadVolumeError):
            await desk.client.protocol.send_request(request)
    assert received(simulator, ProtoOANewOrderReq) == 1
