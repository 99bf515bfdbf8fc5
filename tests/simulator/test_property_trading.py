"""Random trading: ledger, client, history lists and balance agree to the last digit.

Each example opens an account at the simulated broker and lets the real client's core trade it under
virtual time: orders of every type, amendments, partial closes, additions, guaranteed stops,
deposits, prices that jump, days that pass with their swaps, positions that are stopped out,
requests that meet the fill of what they are about. An independent ledger is told what the client
received, and in the end everything that can be asked for must be what it says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from random import Random
from typing import Any, Final, NamedTuple, TypeVar

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.enums import OrderSide, OrderStatus, OrderType, StopTriggerMethod, TimeInForce
from ctrader.errors import APIError, OrderError
from ctrader.events import ExecutionEvent
from ctrader.models import (
    CLEAR,
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
    Position,
)
from ctrader.operations import accounts, auth, history, market_data, raw, trading
from ctrader.operations.base import Op
from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAClosePositionReq,
    ProtoOACommissionType,
    ProtoOADayOfWeek,
    ProtoOADepthEvent,
    ProtoOADynamicLeverage,
    ProtoOAExecutionEvent,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetDynamicLeverageByIDRes,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOAMarginCallTriggerEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAMinCommissionType,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOAStopOutStrategy,
    ProtoOASwapCalculationType,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOATotalMarginCalculationType,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.simulator import (
    DEFAULT_ACCOUNTS,
    DEFAULT_APPLICATIONS,
    DEFAULT_CATALOGUE,
    AccountSpec,
    Exchange,
    Switches,
    Tick,
    TickPrices,
)
from ctrader.simulator.network import DEFAULT_LATENCY
from ctrader.simulator.world import Task, World
from ctrader.units import SECOND, datetime_from_millis
from tests.simulator.client_view import TYPED_EVENTS, ClientView
from tests.simulator.ledger import Chain, Ledger, Terms
from tests.simulator.order_audit import OrderAudit, Rules

START: Final = 1_600_000_000_000  # Sunday, 13 September 2020, 12:26:40 UTC
HOUR: Final = 3_600_000
SOON: Final = 40_000  # fills and what follows from them take 72 s of market time each
LATER: Final = 110_003
SPEED: Final = 3600  # hours of the market in an hour of the client
ACCOUNT: Final = DEFAULT_ACCOUNTS[0].account_id
ASSETS: Final = {asset.name: asset.asset_id for asset in DEFAULT_CATALOGUE.assets}
TRADED: Final = (1, 2, 3, 4, 6, 41, 270, 1001)
LIFE: Final = Switches(
    rate_limit=0,
    historical_rate_limit=0,
    idle_timeout=0,
    heartbeat_interval=1e6,
    lists_page_size=20,
)
DEEP: Final = replace(LIFE, fill_through_depth=True)
ON_ITS_WAY: Final = DEFAULT_LATENCY * SPEED // 1_000_000  # market time of a message

# Every type of commission, of smallest commission and of swap, and every rule of rollovers.
_CHANGES: Final[dict[int, dict[str, Any]]] = {
    1: {"guaranteed_stops": True, "guaranteed_charge": 20_000},
    2: {
        "min_commission": 150_000_000,
        "min_commission_type": ProtoOAMinCommissionType.QUOTE_CURRENCY,
        "swap_long": -12.345,
        "swap_short": 7.1,
        "swap_rollover": ProtoOADayOfWeek.FRIDAY,
        "guaranteed_stops": True,
        "guaranteed_distance": 30,
    },
    3: {
        "min_commission": 37_000_000,
        "min_commission_asset": "EUR",
        "swap_period": 8,
        "skip_swap_periods": 2,
        "swap_long": 3.3,
        "swap_short": -4.7,
        "guaranteed_stops": True,
        "guaranteed_charge": 12_345,
    },
    4: {
        "commission_type": ProtoOACommissionType.USD_PER_LOT,
        "commission_rate": 333_333_333,
        "swap_type": ProtoOASwapCalculationType.POINTS,
        "swap_long": 5.01,
        "swap_short": -6.02,
        "swap_at_weekends": True,
        "guaranteed_stops": True,
        "guaranteed_charge": 3_000_000,
    },
    6: {
        "swap_type": ProtoOASwapCalculationType.PERCENTAGE,
        "swap_long": 1.25,
        "swap_short": -2.5,
        "swap_time": 0,
    },
    41: {
        "rollover_commission": 700_000_000,
        "guaranteed_stops": True,
        "guaranteed_charge": 33_333_333,
    },
    270: {
        "commission_rate": 1_234_567,
        "skip_rollover_days": 1,
        "rollover_commission": 10**8,
        "guaranteed_distance": 20,
    },
    1001: {
        "rollover_commission": 300_000_000,
        "skip_rollover_days": 0,
        "guaranteed_stops": True,
        "guaranteed_charge": 10**9,
    },
}
CATALOGUE: Final = replace(
    DEFAULT_CATALOGUE,
    symbols=tuple(
        replace(symbol, **_CHANGES[symbol.symbol_id], schedule=())
        for symbol in DEFAULT_CATALOGUE.symbols
    ),
)
SYMBOLS: Final = {symbol.symbol_id: symbol for symbol in CATALOGUE.symbols}
PLENTY: Final = max(symbol.max_volume for symbol in CATALOGUE.symbols)  # of any of them


POSITION_RACES: Final = (
    "moved before its hit",
    "moved too late",
    "amended while it was closed",
)
KINDS: Final = (
    *("market",) * 5,
    *("pending",) * 4,
    *("close",) * 3,
    *("add",) * 2,
    *("protect",) * 2,
    *("cancel", "amend") * 2,
    *("race",) * 5,
    *("deposit", "withdraw", "bonus", "leverage"),
    *("shock",) * 3,
    *("days",) * 2,
    *("squeeze",) * 2,
    *("bare",) * 3,
)


TRIGGERS: Final = (
    StopTriggerMethod.TRADE,
    StopTriggerMethod.OPPOSITE,
    StopTriggerMethod.DOUBLE_TRADE,
    StopTriggerMethod.DOUBLE_OPPOSITE,
)


T = TypeVar("T")


class Act(NamedTuple):
    """One thing that happens: numbers that mean what the moment makes of them."""

    kind: str
    which: int
    size: int
    first: int
    second: int
    moves: tuple[int, ...]
    """What the market does meanwhile, a number a symbol."""


def _acts() -> st.SearchStrategy[list[Act]]:
    """Return what examples are drawn from.

    Hypothesis likes to repeat itself and to try special numbers, so that of 250 examples many
    would be alike. Salted they all differ; a salt of 0, to which failures shrink, leaves them.
    """
    small = st.integers(0, 999)
    act = st.builds(
        Act,
        kind=st.sampled_from(KINDS),
        which=small,
        size=small,
        first=small,
        second=small,
        moves=st.tuples(*(st.integers(-100, 100) for _ in range(3))),
    )
    return st.builds(_salted, st.lists(act, min_size=5, max_size=16), st.integers(0, 2**32 - 1))


def _salted(acts: list[Act], salt: int) -> list[Act]:
    if not salt:
        return acts
    dice = Random(f"{salt} {acts}")

    def small(number: int) -> int:
        return (number + dice.randrange(1000)) % 1000

    return [
        Act(
            kind=KINDS[(KINDS.index(act.kind) + dice.randrange(len(KINDS))) % len(KINDS)],
            which=small(act.which),
            size=small(act.size),
            first=small(act.first),
            second=small(act.second),
            moves=tuple((move + 100 + dice.randrange(201)) % 201 - 100 for move in act.moves),
        )
        for act in acts
    ]


def _paths(acts: Sequence[Act]) -> tuple[list[int], dict[int, list[Tick]]]:
    """Return when each act begins, and the ticks of all symbols."""
    times, at = [], START
    for act in acts:
        times.append(at)
        at += HOUR * (24 * (1 + act.size % 4) if act.kind == "days" else 1 + act.size % 3)
    paths: dict[int, list[Tick]] = {}
    for place, (symbol_id, symbol) in enumerate(SYMBOLS.items()):
        centre = int(symbol.price * 100_000)
        level = centre
        ticks: list[Tick] = []
        for act, start in zip(acts, times, strict=True):
            # No two symbols tick in the same millisecond: what follows from the one has its time
            # before the other changes.
            time = start + place
            move = act.moves[place % len(act.moves)] * (1 if place % 2 else -1)
            scale = 1_000 if act.kind == "shock" else 40_000
            level += centre * move // scale
            level = max(centre // 2, min(centre * 2, level))
            bid = level - level % symbol.grid
            wide = symbol.grid * (1 + act.first % 30)
            ticks.append(Tick(time, bid, bid + wide, 2))
            # Others come while an order is on its way to its fill, and while its protection is.
            for moment, steps in ((SOON, act.second % 23 - 11), (LATER, act.which % 31 - 15)):
                bid += symbol.grid * steps * (5 if act.kind == "shock" else 1)
                ticks.append(Tick(time + moment, bid, bid + wide, 2))
        paths[symbol_id] = ticks
    return times, paths


class Trade:
    """One example: a broker, a client that trades, and the ledger beside them."""

    def __init__(self, account: AccountSpec, acts: Sequence[Act], switches: Switches) -> None:
        self.acts = acts
        self.times, self.paths = _paths(acts)
        self.world = _world(account, TickPrices(self.paths), switches)
        self.spec = account
        self.is_deep = switches.fill_through_depth
        self.depths: dict[int, _Depth] = {}
        if self.is_deep:
            self._watch_depth()
        terms = _terms()
        self.deposit = ASSETS[account.deposit_asset]
        self.ledger = Ledger(
            balance=int(account.balance.scaleb(account.money_digits)),
            balance_version=1,
            money_digits=account.money_digits,
            deposit_asset=self.deposit,
            dollar=ASSETS["USD"],
            leverage=Fraction(account.leverage),
            terms=terms.symbols,
            chains=terms.chains,
            quote_at=self.quote_at,
            stop_out_level=account.stop_out_level,
            is_netted=account.account_type == ProtoOAAccountType.NETTED,
            swap_free=account.swap_free,
            margin_calculation=ProtoOATotalMarginCalculationType.Name(account.margin_calculation),
            fair_stop_out=account.fair_stop_out,
            most_losing_first=account.stop_out_strategy == ProtoOAStopOutStrategy.MOST_LOSING_FIRST,
            limited_risk=_STRATEGIES[account.limited_risk_strategy]
            if account.is_limited_risk
            else None,
        )
        self.audit = OrderAudit(
            self.quote_at,
            {
                symbol_id: Rules(
                    symbol.grid,
                    terms.symbols[symbol_id].full.stepVolume,
                    terms.symbols[symbol_id].full.gslDistance * symbol.grid,
                )
                for symbol_id, symbol in SYMBOLS.items()
            },
            tick_before=self.tick_before,
            delay=round(LIFE.fill_delay * SPEED * 1000),
            depth_at=self.depth_at if self.is_deep else None,
            is_limited_risk=account.is_limited_risk,
        )
        self.view = ClientView(ACCOUNT, account.money_digits)
        self.called: set[float] = set()
        self.refusals = Counter[str]()
        self.races = Counter[str]()

    @property
    def now(self) -> int:
        """The present instant of the market."""
        return START + self.world.now * SPEED // 1_000_000

    def quote_at(self, symbol_id: int, at: int) -> tuple[int, int]:
        """Return bid and ask at a time: the last tick's that had come by then."""
        tick = next(tick for tick in reversed(self.paths[symbol_id]) if tick.time <= at)
        assert tick.bid is not None
        assert tick.ask is not None
        return tick.bid, tick.ask

    def depth_at(self, symbol_id: int, is_ask: bool, at: int) -> list[tuple[int, int]]:
        """Return prices and volumes of one side at a time, as the client was told of them."""
        depth = self.depths[symbol_id]
        place = bisect_right(depth.times, at + 1) - 1
        return depth.asks[place] if is_ask else depth.bids[place]

    def _watch_depth(self) -> None:
        """Have the depth of what is traded told, and note when it was what."""

        def note(event: object) -> None:
            if isinstance(event, ProtoOADepthEvent):
                depth = self.depths.setdefault(event.symbolId, _Depth())
                depth.take(event, self.now - ON_ITS_WAY)

        self.world.on_event = note
        chosen = {self._chosen(act) for act in self.acts}
        self.world.run(market_data.subscribe_depth(ACCOUNT, sorted(chosen)))
        self.world.run_for(0.05)  # the books follow the answer

    def run(self) -> None:
        """Let everything happen, and compare after every step."""
        ends = (*self.times[1:], self.times[-1] + 5 * HOUR)
        for act, time, end in zip(self.acts, self.times, ends, strict=True):
            if self.now < time:
                self.called.clear()
            if act.second % 3 == 0:
                # The price came a moment ago, and what it released is on its way.
                self.wait_until(time + 10_000)
            self._do(act)
            # The next prices come at the end; what the last ones brought about is over by then.
            self.wait_until(end - 1000)
            self.account_for()
            assert not self.ledger.must_be_stopped_out(self.now)
            self.ledger.check_settled()
            self.audit.check_waiting(self.now, self.last_tick)
            for level in self.spec.margin_call_levels:
                assert level in self.called or not self.ledger.is_below(level, self.now)

    def last_tick(self, symbol_id: int) -> int:
        """Return when a symbol's price changed last."""
        return next(tick.time for tick in reversed(self.paths[symbol_id]) if tick.time <= self.now)

    def tick_before(self, symbol_id: int, at: int) -> int:
        """Return when a symbol's price had changed before the change that holds at a time."""
        return [tick.time for tick in self.paths[symbol_id] if tick.time <= at][-2:][0]

    def wait_until(self, at: int) -> None:
        """Let market time pass."""
        self.world.run_for(max(0, at - self.now) * 1_000_000 / SPEED / SECOND)

    def account_for(self) -> None:
        """Tell the ledger what the client received."""
        events, self.world.events = self.world.events, []
        self.called |= {
            each.marginCall.marginLevelThreshold
            for each in events
            if isinstance(each, ProtoOAMarginCallTriggerEvent)
        }
        self.view.take(events)
        self.audit.take(events)
        self.ledger.take(each for each in events if not isinstance(each, ExecutionEvent))

    def ask(self, operation: Op[Any]) -> Any:
        """Let the client do something; an order may well be refused."""
        try:
            return self.world.run(operation)
        except OrderError as refusal:
            self._note_refusal(refusal)
            return None

    def _note_refusal(self, refusal: OrderError) -> None:
        code = refusal.error_code if isinstance(refusal, APIError) else type(refusal).__name__
        self.refusals[code] += 1

    def ask_at_once(self, pause: int, *requests: Message) -> list[ProtoOAExecutionEvent | None]:
        """Send trading requests one after another without waiting for what becomes of each.

        Args:
            pause: Milliseconds of the market between them.
            requests: Each with its answer in an execution event.

        Returns:
            What answered each, None where it was refused.
        """
        tasks: list[Task[ProtoOAExecutionEvent]] = []
        for request in requests:
            if tasks:
                self.wait_until(self.now + pause)
            tasks.append(self.world.start(raw.request(request, ProtoOAExecutionEvent)))
        answers: list[ProtoOAExecutionEvent | None] = []
        for task in tasks:
            error = self.world.finish(task).error
            if isinstance(error, OrderError):
                self._note_refusal(error)
                answers.append(None)
            else:
                answers.append(task.result)
        return answers

    def place(self, request: NewOrderRequest) -> ExecutionEvent | None:
        """Send an order, of which the audit knows."""
        short_of_money = self.refusals["NOT_ENOUGH_MONEY"]
        event: ExecutionEvent | None = self.ask(
            trading.place_order(ACCOUNT, self.audit.ask(request))
        )
        at_market = request.order_type in (OrderType.MARKET, OrderType.MARKET_RANGE)
        if at_market and self.refusals["NOT_ENOUGH_MONEY"] > short_of_money:
            self.account_for()
            self.ledger.check_refusal(
                request.symbol_id,
                request.side is OrderSide.BUY,
                request.volume,
                request.position_id or 0,
                self.now - ON_ITS_WAY,
                distance=None
                if request.relative_stop_loss is None
                else _units(request.relative_stop_loss),
                is_guaranteed=bool(request.guaranteed_stop_loss),
            )
        wants_guarantee = bool(request.guaranteed_stop_loss)
        offers_it = SYMBOLS[request.symbol_id].guaranteed_stops
        if event is not None and request.position_id is None:
            reduces = event.deal is not None and event.deal.close_detail is not None
            assert wants_guarantee <= offers_it or reduces  # what closes needs no stop loss
        return event

    # What the client does

    def _do(self, act: Act) -> None:
        positions = trading.get_open_positions(ACCOUNT)
        match act.kind:
            case "market":
                self._script(act)
                self.place(self._market_order(act))
            case "pending":
                self._pending(act)
            case "close":
                if opened := self.ask(positions):
                    position = opened[act.which % len(opened)]
                    symbol = SYMBOLS[position.symbol_id]
                    volume = position.volume
                    if act.size % 3:
                        volume = volume * (1 + act.size % 7) // 8
                        least = symbol.min_volume if act.size % 5 else symbol.step_volume
                        volume = max(least, volume - volume % symbol.step_volume)
                    self._script(act)
                    closing = ClosePositionRequest(position_id=position.position_id, volume=volume)
                    self.audit.ask_to_close(position.position_id, volume)
                    self.ask(trading.close_position(ACCOUNT, closing))
            case "add":
                if opened := self.ask(positions):
                    position = opened[act.which % len(opened)]
                    order = self._market_order(act, position.symbol_id)
                    volume, side = order.volume, position.side
                    if self.spec.account_type == NETTED and act.size % 2:
                        # It closes the position and opens another one beyond it.
                        volume = position.volume + self._volume(position.symbol_id, act.size)
                        volume = min(volume, SYMBOLS[position.symbol_id].max_volume)
                        side = _other(side)
                    elif act.size % 5 == 0:
                        side = _other(side)
                    order = order.model_copy(
                        update={
                            "position_id": position.position_id,
                            "side": side,
                            "volume": volume,
                        }
                    )
                    self.place(order)
            case "protect":
                if opened := self.ask(positions):
                    self._protect(act, opened[act.which % len(opened)])
            case "bare":
                opened = self.ask(positions) or []
                guarded = [each for each in opened if each.stop_loss or each.take_profit]
                if guarded:
                    position = guarded[act.which % len(guarded)]
                    request = AmendPositionRequest(
                        position_id=position.position_id, stop_loss=CLEAR, take_profit=CLEAR
                    )
                    self.ask(trading.amend_position(ACCOUNT, request))
            case "cancel" | "amend":
                waiting = self.ask(trading.get_pending_orders(ACCOUNT))
                if waiting:
                    order = waiting[act.which % len(waiting)]
                    if act.kind == "cancel":
                        self.ask(trading.cancel_order(ACCOUNT, order.order_id))
                    else:
                        self._amend(act, order)
            case "race":
                self._race(act)
            case "deposit" | "withdraw":
                amount = Decimal(1 + act.size) * (1 + act.which % 9)
                if act.kind == "deposit":
                    self.world.exchange.deposit(ACCOUNT, amount, note="in")
                else:
                    self.world.exchange.withdraw(ACCOUNT, amount / 2 // 1 + 1)
            case "bonus":
                if act.size % 4 or not self.ledger.bonus:
                    self.world.exchange.deposit_bonus(ACCOUNT, manager=Decimal(1 + act.size))
                else:
                    self.world.exchange.withdraw_bonus(ACCOUNT, manager=Decimal(1))
            case "squeeze":
                self._squeeze(act)
            case "leverage":
                leverage = 10 + act.size % 200
                changed = self.now
                self.world.exchange.change_account(ACCOUNT, leverage=leverage)
                # What was told before is under way; what follows from the change comes behind it.
                self.wait_until(changed + ON_ITS_WAY - 1)
                self.account_for()
                self.ledger.change_leverage(Fraction(leverage), changed)
            case _:
                pass  # time passes, and prices move

    def _squeeze(self, act: Act) -> None:
        """Take so much money that a bit too little is left for what is open."""
        self.account_for()
        ledger, level = self.ledger, self.spec.stop_out_level
        least = ledger.used_margin() * level // 100
        amount = ledger.equity(self.now) - least + least * (1 + act.size % 40) // 100
        if least and amount > 0:
            money = Decimal(amount).scaleb(-self.spec.money_digits)
            self.world.exchange.withdraw(ACCOUNT, money)

    def _market_order(self, act: Act, symbol_id: int | None = None) -> NewOrderRequest:
        symbol = SYMBOLS[self._chosen(act) if symbol_id is None else symbol_id]
        levels: dict[str, Any] = {}
        if act.second % 3 == 0:
            levels["relative_stop_loss"] = self._distance(symbol.symbol_id, act.first) / 100_000
        if act.second % 4 == 0:
            levels["relative_take_profit"] = self._distance(symbol.symbol_id, act.second) / 100_000
        is_buy = bool(act.first % 2)
        volume = self._volume(symbol.symbol_id, act.size)
        self._guarantee(act, symbol.symbol_id, levels)
        if act.size % 3 == 0:
            volume = self._affordable(act, symbol.symbol_id, is_buy, levels)
        return NewOrderRequest(
            symbol_id=symbol.symbol_id,
            side=OrderSide.BUY if is_buy else OrderSide.SELL,
            volume=volume,
            trailing_stop_loss="relative_stop_loss" in levels and act.which % 4 > 0,
            **levels,
        )

    def _guarantee(self, act: Act, symbol_id: int, levels: dict[str, Any]) -> None:
        """Ask for a guaranteed stop loss where one must be there, and elsewhere now and then."""
        must = self.spec.is_limited_risk and act.size % 17 > 0
        if must and "relative_stop_loss" not in levels:
            levels["relative_stop_loss"] = self._distance(symbol_id, act.first) / 100_000
        if must or ("relative_stop_loss" in levels and act.size % 2):
            levels["guaranteed_stop_loss"] = True

    def _chosen(self, act: Act) -> int:
        """Return one of the few symbols that this example trades.

        Where the sides of a symbol are set against each other, both must come to be held.
        """
        few = 3 if self.spec.margin_calculation == ProtoOATotalMarginCalculationType.SUM else 2
        return TRADED[(self.acts[0].which + act.which % few) % len(TRADED)]

    def _affordable(self, act: Act, symbol_id: int, is_buy: bool, levels: dict[str, Any]) -> int:
        """Return about the volume that there is money for, at times a bit too much."""
        is_guaranteed = "guaranteed_stop_loss" in levels
        distance = _units(levels["relative_stop_loss"]) if is_guaranteed else None
        self.account_for()
        symbol, now = SYMBOLS[symbol_id], self.now
        each = self.ledger.price_of(
            symbol_id, is_buy, symbol.min_volume * 10, now, distance=distance
        )
        closed, free = self.ledger.spare(symbol_id, is_buy, now)
        free = max(0, free) * (70 + act.which % 32) // 100
        volume = closed + free * symbol.min_volume * 10 // max(1, each)
        if each <= 0:
            # Where the sides make up for each other, as much is free as is held on the other.
            volume = self.ledger.imbalance(symbol_id, is_buy)
        volume -= volume % symbol.step_volume
        return max(symbol.min_volume, min(symbol.max_volume, volume))

    @staticmethod
    def _volume(symbol_id: int, size: int) -> int:
        symbol = SYMBOLS[symbol_id]
        steps = size % 9 if size % 4 else 2 * size
        return min(symbol.max_volume, symbol.min_volume + symbol.step_volume * steps)

    @staticmethod
    def _distance(symbol_id: int, size: int) -> int:
        symbol = SYMBOLS[symbol_id]
        distance = int(symbol.price * 100_000) * (1 + size % 40) // 20_000
        return max(symbol.grid, distance - distance % symbol.grid)

    def _pending(self, act: Act) -> None:
        symbol = SYMBOLS[self._chosen(act)]
        is_buy = bool(act.first % 2)
        order_type = (
            OrderType.LIMIT,
            OrderType.STOP,
            OrderType.STOP_LIMIT,
            OrderType.MARKET_RANGE,
        )[act.second % 4]
        bid, ask = self.quote_at(symbol.symbol_id, self.now)
        away = self._distance(symbol.symbol_id, act.size)
        below = is_buy == (order_type is OrderType.LIMIT)
        immediate = (None, TimeInForce.IMMEDIATE_OR_CANCEL, None, TimeInForce.FILL_OR_KILL)
        now_or_never = immediate[act.which % 4]
        if now_or_never and order_type is OrderType.LIMIT and act.size % 3:
            below = not below  # the market is there already
        price = (bid - away if below else ask + away) / 100_000
        terms: dict[str, Any] = {
            "limit_price" if order_type is OrderType.LIMIT else "stop_price": price
        }
        if order_type is OrderType.STOP_LIMIT:
            terms["slippage_in_points"] = act.first % 50
        if order_type is OrderType.MARKET_RANGE:
            terms = {
                "base_slippage_price": (ask if is_buy else bid) / 100_000,
                "slippage_in_points": act.first % 50,
            }
        elif now_or_never:
            terms["time_in_force"] = now_or_never
        elif act.second % 5 < 3:
            later = datetime_from_millis(self.now + (2 + act.size % 9) * HOUR)
            terms |= {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expiration_timestamp": later}
        if act.second % 3 == 0:
            terms["relative_stop_loss"] = self._distance(symbol.symbol_id, act.first) / 100_000
        if act.size % 4 == 0:
            terms["relative_take_profit"] = self._distance(symbol.symbol_id, act.which) / 100_000
        self._guarantee(act, symbol.symbol_id, terms)
        if order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
            terms["stop_trigger_method"] = TRIGGERS[act.which // 4 % len(TRIGGERS)]
        if act.first % 4 < 2 and order_type is not OrderType.MARKET_RANGE:
            for name, sign in (("stop_loss", -1), ("take_profit", 1)):
                distance = _units(terms.pop(f"relative_{name}", 0)) * (sign if is_buy else -sign)
                if distance:
                    terms[name] = float(round(_units(price) + distance, 5))
        request = NewOrderRequest(
            symbol_id=symbol.symbol_id,
            side=OrderSide.BUY if is_buy else OrderSide.SELL,
            volume=self._volume(symbol.symbol_id, act.size),
            order_type=order_type,
            **terms,
        )
        self._script(act)
        self.place(request)

    def _race(self, act: Act) -> None:
        """Let a request meet something else that is under way."""
        match act.size % 6:
            case 0 | 1:
                self._race_with_fill(act, is_cancel=act.size % 6 == 0)
            case 2:
                self._race_with_trigger(act)
            case 3:
                self._amend_order_twice(act)
            case 4:
                self._amend_position_twice(act)
            case _:
                self._amend_while_closing(act)

    def _coming(self) -> int | None:
        """Return when all next prices have come, None where there are none any more."""
        soonest = self.now + HOUR // 4
        return next((time + len(SYMBOLS) for time in self.times if time > soonest), None)

    def _race_with_fill(self, act: Act, *, is_cancel: bool) -> None:
        """Cancel or amend an order that the next price has sent to its fill meanwhile."""
        coming = self._coming()
        if coming is None:
            return
        self.wait_until(coming - HOUR // 2)
        symbol = SYMBOLS[self._chosen(act)]
        is_buy = bool(act.first % 2)
        side = 1 if is_buy else 0
        level = self.quote_at(symbol.symbol_id, coming)[side]
        # The next price reaches a limit or a stop, as the market moves.
        is_limit = (level < self.quote_at(symbol.symbol_id, self.now)[side]) == is_buy
        levels: dict[str, Any] = {}
        self._guarantee(act, symbol.symbol_id, levels)
        request = NewOrderRequest(
            symbol_id=symbol.symbol_id,
            side=OrderSide.BUY if is_buy else OrderSide.SELL,
            volume=symbol.min_volume,
            order_type=OrderType.LIMIT if is_limit else OrderType.STOP,
            limit_price=level / 100_000 if is_limit else None,
            stop_price=None if is_limit else level / 100_000,
            **levels,
        )
        placed = self.place(request)
        if placed is None or placed.order is None:
            return
        order_id = placed.order.order_id
        if is_cancel:
            self.wait_until(coming - 30_000)  # the request is on its way for 72 s
            self.ask(trading.cancel_order(ACCOUNT, order_id))
        else:
            # It comes before the price, while the fill is on its way, or behind it.
            self.wait_until(coming - ON_ITS_WAY + (act.second % 4 - 1) * 40_000)
            away = symbol.grid * (1 + act.which % 9) * (-1 if is_buy == is_limit else 1)
            changed = (level + away) / 100_000
            change = ProtoOAAmendOrderReq(
                ctidTraderAccountId=ACCOUNT,
                orderId=order_id,
                limitPrice=changed if is_limit else None,
                stopPrice=None if is_limit else changed,
            )
            if levels:
                change.relativeStopLoss = round(levels["relative_stop_loss"] * 100_000)
                change.guaranteedStopLoss = levels.get("guaranteed_stop_loss", False)
            (answer,) = self.ask_at_once(0, change)
            self.races["amended before its fill" if answer else "amended too late"] += 1
            if answer is not None:
                told = answer.order
                assert changed == (told.limitPrice if is_limit else told.stopPrice)
        self.wait_until(coming + HOUR // 2)

    def _race_with_trigger(self, act: Act) -> None:
        """Move the levels of a position that the next price has sent to its fill meanwhile."""
        coming = self._coming()
        opened = self.ask(trading.get_open_positions(ACCOUNT))
        if coming is None or not opened:
            return
        position = opened[act.which % len(opened)]
        is_buy = position.side is OrderSide.BUY
        self.wait_until(coming - HOUR // 2)
        side = 0 if is_buy else 1
        level = self.quote_at(position.symbol_id, coming)[side]
        # What the next price reaches is a stop loss or a take profit, as the market moves.
        is_stop = (level < self.quote_at(position.symbol_id, self.now)[side]) == is_buy
        terms: dict[str, Any] = {"take_profit": CLEAR, "stop_loss": level / 100_000}
        if not is_stop:
            terms = {"take_profit": level / 100_000}
        request = AmendPositionRequest(position_id=position.position_id, **terms)
        if self.ask(trading.amend_position(ACCOUNT, request)) is None:
            return
        self.wait_until(coming - ON_ITS_WAY + (act.second % 4 - 1) * 40_000)
        away = self._distance(position.symbol_id, act.first)
        change = self._levels_for(position, level - away if is_buy else level + away, None)
        (answer,) = self.ask_at_once(0, change)
        self.races["moved before its hit" if answer else "moved too late"] += 1
        assert answer is None or answer.position.stopLoss == change.stopLoss
        self.wait_until(coming + HOUR // 2)

    def _amend_order_twice(self, act: Act) -> None:
        """Change a pending order by two requests at once: the later one has its way."""
        waiting = self.ask(trading.get_pending_orders(ACCOUNT))
        if not waiting:
            return
        order = waiting[act.which % len(waiting)]
        bid, ask = self.quote_at(order.symbol_id, self.now)
        is_limit = order.order_type is OrderType.LIMIT
        changes: list[ProtoOAAmendOrderReq] = []
        for size in (act.first, act.second):
            away = self._distance(order.symbol_id, size)
            below = (order.side is OrderSide.BUY) == is_limit
            level = (bid - away if below else ask + away) / 100_000
            change = ProtoOAAmendOrderReq(ctidTraderAccountId=ACCOUNT, orderId=order.order_id)
            if is_limit:
                change.limitPrice = level
            else:
                change.stopPrice = level
            if self.spec.is_limited_risk or (size % 3 == 0 and not order.guaranteed_stop_loss):
                change.relativeStopLoss = self._distance(order.symbol_id, size + 1)
                change.guaranteedStopLoss = self.spec.is_limited_risk
            if size % 3 == 1:
                change.expirationTimestamp = self.now + (3 + size % 5) * HOUR
            if size % 4 == 1:
                change.volume = self._volume(order.symbol_id, size)
            changes.append(change)
        answers = self.ask_at_once(act.second % 2 * 1_000, *changes)
        for change, answer in zip(changes, answers, strict=True):
            if answer is None:
                continue
            told = answer.order
            assert (told.limitPrice, told.stopPrice) == (
                (change.limitPrice, 0) if is_limit else (0, change.stopPrice)
            )
            # What an amendment leaves out of the levels and the expiration is removed.
            for field in ("relativeStopLoss", "expirationTimestamp"):
                assert told.HasField(field) == change.HasField(field)
                assert getattr(told, field) == getattr(change, field)
            if change.HasField("volume"):
                assert told.tradeData.volume == change.volume
        self.races["amended twice"] += None not in answers

    def _amend_position_twice(self, act: Act) -> None:
        """Change a position by two requests at once: the later one has its way."""
        opened = self.ask(trading.get_open_positions(ACCOUNT))
        if not opened:
            return
        position = opened[act.which % len(opened)]
        # A guaranteed stop loss may only come nearer, so that is what the second does.
        sizes = sorted((act.first, act.second), key=lambda size: size % 50, reverse=True)
        changes = [self._random_levels(position, size) for size in sizes]
        answers = self.ask_at_once(act.second % 2 * 1_000, *changes)
        for change, answer in zip(changes, answers, strict=True):
            if answer is not None:
                _has_levels(answer, change)
        if answers[1] is not None:
            held = self.ask(trading.get_open_positions(ACCOUNT))
            last = next((p for p in held if p.position_id == position.position_id), None)
            if last is not None and not last.trailing_stop_loss:
                assert (last.stop_loss or 0, last.take_profit or 0) == (
                    changes[1].stopLoss,
                    changes[1].takeProfit,
                )
        self.races["amended twice"] += None not in answers

    def _amend_while_closing(self, act: Act) -> None:
        """Change the levels of a position while a part of it is being closed."""
        opened = self.ask(trading.get_open_positions(ACCOUNT))
        if not opened:
            return
        position = opened[act.which % len(opened)]
        symbol = SYMBOLS[position.symbol_id]
        volume = position.volume * (1 + act.size % 7) // 8
        volume = max(symbol.step_volume, volume - volume % symbol.step_volume)
        closing = ProtoOAClosePositionReq(
            ctidTraderAccountId=ACCOUNT, positionId=position.position_id, volume=volume
        )
        self.audit.ask_to_close(position.position_id, volume)
        change = self._random_levels(position, act.first)
        is_first = act.second % 4 == 0
        # The change meets the closing on its way, or what follows from it for the levels.
        pause = 0 if is_first else (1_000, 40_000, 90_000)[act.second % 3]
        pair = (change, closing) if is_first else (closing, change)
        answers = self.ask_at_once(pause, *pair)
        amended, closed = answers if is_first else reversed(answers)
        if amended is not None:
            _has_levels(amended, change)
        self.races["amended while it was closed"] += closed is not None

    def _random_levels(self, position: Position, size: int) -> ProtoOAAmendPositionSLTPReq:
        bid, ask = self.quote_at(position.symbol_id, self.now)
        is_buy = position.side is OrderSide.BUY
        near = self._distance(position.symbol_id, size)
        far = self._distance(position.symbol_id, size // 7)
        has_stop = size % 6 != 1
        if position.guaranteed_stop_loss:
            # It may only come nearer.
            near, has_stop = SYMBOLS[position.symbol_id].grid * (1 + size % 50), True
        stop, target = (bid - near, ask + far) if is_buy else (ask + near, bid - far)
        return self._levels_for(
            position,
            stop if has_stop else None,
            None if size % 5 == 1 or size % 12 == 1 else target,
        )

    @staticmethod
    def _levels_for(
        position: Position, stop: int | None, target: int | None
    ) -> ProtoOAAmendPositionSLTPReq:
        request = ProtoOAAmendPositionSLTPReq(
            ctidTraderAccountId=ACCOUNT, positionId=position.position_id
        )
        if stop is not None:
            request.stopLoss = stop / 100_000
        if target is not None:
            request.takeProfit = target / 100_000
        return request

    def _script(self, act: Act) -> None:
        """Let the next order be filled in parts, now and then."""
        if act.first % 6 == 0 and not self.is_deep:
            symbol = SYMBOLS[self._chosen(act)]
            part = symbol.min_volume + symbol.step_volume * (act.which % 4)
            self.world.exchange.floor.script_fill(*[part] * (2 + act.which % 3), PLENTY)

    def _protect(self, act: Act, position: Any) -> None:
        bid, ask = self.quote_at(position.symbol_id, self.now)
        near = self._distance(position.symbol_id, act.size)
        far = self._distance(position.symbol_id, act.first)
        below, above = (bid - near) / 100_000, (ask + far) / 100_000
        is_buy = position.side is OrderSide.BUY
        stop, target = (below, above) if is_buy else (above, below)
        terms: dict[str, Any] = {}
        if act.second % 3 == 0 or position.guaranteed_stop_loss:
            terms["guaranteed_stop_loss"] = act.second % 5 > 0
        if act.second % 5:
            terms["stop_loss_trigger_method"] = TRIGGERS[act.which // 4 % len(TRIGGERS)]
        request = AmendPositionRequest(
            position_id=position.position_id,
            stop_loss=CLEAR if act.second % 5 == 0 else stop,
            take_profit=CLEAR if act.second % 7 == 0 or act.second % 10 == 0 else target,
            **terms,
        )
        worse = self.refusals["WORSE_GSL_NOT_ALLOWED"]
        event = self.ask(trading.amend_position(ACCOUNT, request))
        if event is not None:
            asked = tuple(
                None if level is CLEAR else level
                for level in (request.stop_loss, request.take_profit)
            )
            assert (event.position.stop_loss, event.position.take_profit) == asked
            method = request.stop_loss_trigger_method
            if method is not None:
                assert event.position.stop_loss_trigger_method == method
        elif self.refusals["WORSE_GSL_NOT_ALLOWED"] > worse:
            # The stop loss of a fresh position may have come while the amendment waited for it.
            held = self.ask(trading.get_open_positions(ACCOUNT)) or []
            position = {each.position_id: each for each in held}.get(position.position_id, position)
            assert position.guaranteed_stop_loss
            # A stop loss that trails may have gone beyond what was asked for.
            if request.stop_loss is not CLEAR and not position.trailing_stop_loss:
                assert stop < position.stop_loss if is_buy else stop > position.stop_loss

    def _amend(self, act: Act, order: Any) -> None:
        bid, ask = self.quote_at(order.symbol_id, self.now)
        away = self._distance(order.symbol_id, act.first)
        is_buy = order.side is OrderSide.BUY
        terms: dict[str, Any] = {}
        if order.order_type is OrderType.LIMIT:
            terms["limit_price"] = (bid - away if is_buy else ask + away) / 100_000
        else:
            terms["stop_price"] = (ask + away if is_buy else bid - away) / 100_000
        if act.which % 3 == 0:
            terms["expiration_timestamp"] = datetime_from_millis(self.now + 9 * HOUR)
        if act.which % 2:
            terms["volume"] = self._volume(order.symbol_id, act.size)
        event = self.ask(
            trading.amend_order(ACCOUNT, AmendOrderRequest(order_id=order.order_id, **terms))
        )
        if event is not None:
            for name, asked in terms.items():
                assert getattr(event.order, name) == asked

    def seen(self) -> dict[str, int]:
        """Tell how often the example came to what it is for."""
        ledger, audit = self.ledger, self.audit
        return {
            "money was checked": ledger.checked_money,
            "refusals for money were checked": ledger.checked_refusals,
            "stop-outs": ledger.stop_outs,
            "stop-outs in part": ledger.partial_stop_outs,
            "closes in part": ledger.partial_closes,
            "flips": ledger.flips,
            "expirations": audit.expired,
            "stop losses": audit.stops_hit,
            "take profits": audit.targets_hit,
            "levels removed": audit.unprotected,
            "now or never": audit.immediate_fills + audit.immediate_ends,
            "levels named as prices": audit.absolute_levels,
            "other triggers": audit.other_triggers,
            "swaps": ledger.swaps,
            "triggers": audit.triggers,
            "parts": audit.parts,
            "trailed stops": audit.trailed,
            "levels of the depth": audit.levels_taken,
            "guaranteed stops": audit.guaranteed_hits,
            "charges for guarantees": ledger.charges,
            "margins from guarantees": ledger.margins_by_stop,
            "changes of positions under way": sum(self.races[each] for each in POSITION_RACES),
            **self.races,
        }

    # What must agree in the end

    def check(self) -> None:
        """Compare the ledger with everything that the client can ask for."""
        world, ledger = self.world, self.ledger
        self.account_for()
        while True:
            at = self.now
            profits = world.run(trading.get_unrealized_pnl_per_position(ACCOUNT))
            state = world.run(raw.request(_reconcile(), ProtoOAReconcileRes))
            opened = world.run(trading.get_open_positions(ACCOUNT))
            waiting = world.run(trading.get_pending_orders(ACCOUNT, protection_orders=True))
            trader = world.run(accounts.get_trader(ACCOUNT))
            if not world.events:
                break  # else something changed between two answers, such as by an expiration
            self.account_for()
        ledger.roll_until(at)
        digits = self.spec.money_digits
        assert trader.balance == Decimal(ledger.balance).scaleb(-digits)
        assert trader.balance_version == ledger.balance_version
        assert int((trader.manager_bonus or Decimal(0)).scaleb(digits)) == ledger.bonus
        assert trader.leverage == ledger.leverage
        assert trader.deposit_asset_id == self.deposit
        self.view.check_waiting(waiting, state.order)
        protective = OrderType.STOP_LOSS_TAKE_PROFIT
        self.audit.check_orders([each for each in waiting if each.order_type is not protective])
        for typed in opened:
            self.audit.check_position(typed)
        held = self.view.check_positions(opened, state.position)
        assert {position.positionId for position in held} == set(ledger.holdings)
        for position in held:
            ledger.agree_with(position)
        assert {
            (
                each.position_id,
                Fraction(each.gross_unrealized_pnl.scaleb(digits)),
                Fraction(each.net_unrealized_pnl.scaleb(digits)),
            )
            for each in profits
        } == {(each, *map(Fraction, ledger.unrealised(each, at))) for each in ledger.holdings}
        self._check_deals()
        self._check_orders()
        self._check_one_by_one()
        cash = world.run(
            accounts.get_cash_flow(
                ACCOUNT, datetime_from_millis(START), datetime_from_millis(self.now)
            )
        )
        self.view.check_cash(cash)
        assert self.view.cash == ledger.cash
        # All that ever changed the balance, from the lists alone.
        listed = sum(int(each.delta.scaleb(digits)) for each in cash)
        assert (
            int(self.spec.balance.scaleb(digits)) + listed + sum(ledger.results.values())
            == ledger.balance
        )

    def _check_deals(self) -> None:
        """Compare the list of deals, and what some of them closed, with the ledger."""
        now, before = datetime_from_millis(self.now), set(self.view.deals)
        listed = self.world.run(
            history.get_deals(ACCOUNT, datetime_from_millis(START), now, now=now)
        )
        self.account_for()
        ledger, digits = self.ledger, self.spec.money_digits
        assert before <= {deal.deal_id for deal in listed} <= set(self.view.deals)
        self.view.check_deals(listed)
        filled = [deal for deal in listed if deal.filled_volume]
        assert before & set(ledger.deals) <= {deal.deal_id for deal in filled}
        for deal in filled:
            assert self.view.deals[deal.deal_id] == ledger.deals[deal.deal_id]
            detail = deal.close_detail
            assert (detail is not None) == (deal.deal_id in ledger.results)
            if detail is not None:
                assert detail.net_profit.scaleb(digits) == ledger.results[deal.deal_id]
        openings = [deal.deal_id for deal in filled if deal.close_detail is None]
        closings = [deal.deal_id for deal in filled if deal.close_detail is not None]
        for deal_id in (*openings[:2], *closings[-2:]):
            closed_by, offsetting = self._undisturbed(
                partial(history.get_deal_offsets, ACCOUNT, deal_id)
            )
            self.view.check_offsets(closed_by, ledger.closed_by(deal_id))
            self.view.check_offsets(offsetting, ledger.closes(deal_id))

    def _check_orders(self) -> None:
        """Compare the list of orders that ended with the ledger."""
        now, before = datetime_from_millis(self.now), self.audit.ended()
        listed = self.world.run(
            history.get_orders(ACCOUNT, datetime_from_millis(START), now, now=now)
        )
        self.account_for()
        orders = {order.order_id: order for order in listed}
        assert len(orders) == len(listed)
        assert before <= orders.keys() <= self.audit.ended()
        self.view.check_orders(listed)
        for order_id, fills in self.ledger.executed.items():
            if order_id not in orders:
                continue  # it still waits for the rest
            order = orders[order_id]
            volume = sum(part for part, _ in fills)
            assert order.executed_volume == volume
            if order.status is OrderStatus.FILLED:
                assert order.volume == volume
            average = sum((part * price for part, price in fills), Fraction(0)) / volume
            assert order.execution_price == float(round(average, 15))
        executed = {order.order_id for order in listed if order.executed_volume}
        assert executed <= set(self.ledger.executed)

    def _check_one_by_one(self) -> None:
        """Compare what is told of single orders and positions with what was told of them all."""
        ask, deals = self._undisturbed, self.view.deals.values()
        for order_id in sorted(self.view.orders)[-1:]:
            order, filled = ask(partial(history.get_order_details, ACCOUNT, order_id))
            self.view.check_orders([order])
            self.view.check_deals(filled)
            assert {each.deal_id for each in filled} == {
                each.dealId for each in deals if each.orderId == order_id
            }
        for position_id in sorted({each.positionId for each in deals})[-1:]:
            filled = ask(partial(history.get_deals_by_position_id, ACCOUNT, position_id))
            self.view.check_deals(filled)
            assert {each.deal_id for each in filled} == {
                each.dealId for each in deals if each.positionId == position_id
            }
            self.view.check_orders(
                ask(partial(history.get_orders_by_position_id, ACCOUNT, position_id))
            )

    def _undisturbed(self, ask: Callable[[], Op[T]]) -> T:
        """Ask until nothing happens between the answer and its arrival."""
        self.account_for()
        while True:
            answer = self.world.run(ask())
            if not self.world.events:
                return answer
            self.account_for()


class _Depth:
    """What a client was told of a symbol's depth, and when it was so."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.bids: list[list[tuple[int, int]]] = []
        self.asks: list[list[tuple[int, int]]] = []
        self._entries: dict[int, tuple[bool, int, int]] = {}

    def take(self, event: ProtoOADepthEvent, at: int) -> None:
        """Enter a change of the book: what is deleted first, then what is new."""
        for quote_id in event.deletedQuotes:
            del self._entries[quote_id]
        for quote in event.newQuotes:
            is_bid = quote.HasField("bid")
            price = quote.bid if is_bid else quote.ask
            self._entries[quote.id] = is_bid, price, quote.size
        entries = sorted(self._entries.values())
        self.times.append(at)
        self.bids.append([(price, size) for is_bid, price, size in entries if is_bid][::-1])
        self.asks.append([(price, size) for is_bid, price, size in entries if not is_bid])


@dataclass(frozen=True)
class _Known:
    """What the client reads before it trades."""

    symbols: dict[int, Terms]
    chains: dict[tuple[int, int], Chain]


@cache
def _terms() -> _Known:
    """Read the terms of all symbols and all conversion chains over the wire, once."""
    _, paths = _paths([Act("hours", 0, 0, 0, 0, (0, 0, 0))])
    world = _world(replace(DEFAULT_ACCOUNTS[0]), TickPrices(paths), LIFE)
    full = world.run(
        raw.request(
            ProtoOASymbolByIdReq(ctidTraderAccountId=ACCOUNT, symbolId=TRADED), ProtoOASymbolByIdRes
        )
    )
    light = world.run(
        raw.request(ProtoOASymbolsListReq(ctidTraderAccountId=ACCOUNT), ProtoOASymbolsListRes)
    )
    by_id = {symbol.symbolId: symbol for symbol in light.symbol}
    tiers: dict[int, ProtoOADynamicLeverage] = {}
    for symbol in full.symbol:
        request = ProtoOAGetDynamicLeverageByIDReq(
            ctidTraderAccountId=ACCOUNT, leverageId=symbol.leverageId
        )
        answer = world.run(raw.request(request, ProtoOAGetDynamicLeverageByIDRes))
        tiers[symbol.leverageId] = answer.leverage
    symbols = {
        symbol.symbolId: Terms(
            symbol,
            by_id[symbol.symbolId],
            ASSETS[symbol.minCommissionAsset or "USD"],
            tiers[symbol.leverageId],
        )
        for symbol in full.symbol
    }
    chains: dict[tuple[int, int], Chain] = {}
    for first in ASSETS.values():
        for last in (ASSETS["USD"], ASSETS["EUR"], ASSETS["JPY"]):
            request_ = ProtoOASymbolsForConversionReq(
                ctidTraderAccountId=ACCOUNT, firstAssetId=first, lastAssetId=last
            )
            chain = world.run(raw.request(request_, ProtoOASymbolsForConversionRes))
            chains[first, last] = tuple(chain.symbol)
    return _Known(symbols, chains)


def _world(account: AccountSpec, prices: TickPrices, switches: Switches) -> World:
    exchange = Exchange(
        unix_ms=START,
        prices=prices,
        catalogue=CATALOGUE,
        accounts=[account],
        switches=switches,
        speed=SPEED,
    )
    application = DEFAULT_APPLICATIONS[0]
    config = ClientConfig(
        client_id=application.client_id,
        client_secret=application.client_secret,
        heartbeat_timeout=0,  # days without a trade are silent
    )
    world = World(exchange, config, unix_ms=START)
    world.listen(
        ProtoOADepthEvent,
        ProtoOAExecutionEvent,
        ProtoOAMarginCallTriggerEvent,
        ProtoOAMarginChangedEvent,
        ProtoOATrailingSLChangedEvent,
        *TYPED_EVENTS,
    )
    world.connect()
    grant = exchange.grants.grants[0]
    credentials = AccountCredentials(
        account_id=ACCOUNT,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_at=4e9,
    )
    world.run(auth.authenticate_account(credentials))
    return world


def _has_levels(answer: ProtoOAExecutionEvent, change: ProtoOAAmendPositionSLTPReq) -> None:
    """Make sure that an answer tells exactly the levels that were asked for."""
    position = answer.position
    for field in ("stopLoss", "takeProfit"):
        assert position.HasField(field) == change.HasField(field)
        assert getattr(position, field) == getattr(change, field)


def _reconcile() -> ProtoOAReconcileReq:
    return ProtoOAReconcileReq(ctidTraderAccountId=ACCOUNT, returnProtectionOrders=True)


def _units(distance: float) -> Fraction:
    """Return a distance as the wire carries it."""
    return Fraction(round(distance * 100_000), 100_000)


def _other(side: OrderSide) -> OrderSide:
    return OrderSide.SELL if side is OrderSide.BUY else OrderSide.BUY


def account(deposit: str, balance: str, digits: int, **terms: Any) -> AccountSpec:
    """Make the account of a group of examples."""
    return replace(
        DEFAULT_ACCOUNTS[0],
        deposit_asset=deposit,
        balance=Decimal(balance),
        money_digits=digits,
        **terms,
    )


NETTED: Final = ProtoOAAccountType.NETTED
MAX: Final = ProtoOATotalMarginCalculationType.MAX
NET: Final = ProtoOATotalMarginCalculationType.NET
_Strategy = ProtoOALimitedRiskMarginCalculationStrategy
_STRATEGIES: Final = {
    int(_Strategy.ACCORDING_TO_LEVERAGE): "LEVERAGE",
    int(_Strategy.ACCORDING_TO_GSL): "GSL",
    int(_Strategy.ACCORDING_TO_GSL_AND_LEVERAGE): "GSL_AND_LEVERAGE",
}
GROUPS: Final = {
    "hedged, dollars": (account("USD", "3000", 2, leverage=1000), LIFE),
    "hedged, euros": (
        account(
            "EUR",
            "2000.55",
            2,
            leverage=200,
            stop_out_strategy=ProtoOAStopOutStrategy.MOST_LOSING_FIRST,
            fair_stop_out=True,
            margin_calculation=MAX,
        ),
        LIFE,
    ),
    "hedged, yen, swap-free": (
        account("JPY", "1500000", 0, leverage=100, swap_free=True, margin_calculation=NET),
        LIFE,
    ),
    "netted, dollars in 8 digits": (
        account("USD", "2000.12345678", 8, leverage=500, account_type=NETTED),
        LIFE,
    ),
    "netted, euros": (
        account("EUR", "700", 2, leverage=500, account_type=NETTED, fair_stop_out=True),
        LIFE,
    ),
    "hedged, dollars, through the depth": (
        account("USD", "9000", 2, leverage=1000, margin_calculation=MAX),
        DEEP,
    ),
    "hedged, euros, limited risk": (
        account(
            "EUR",
            "5000",
            2,
            leverage=500,
            is_limited_risk=True,
            limited_risk_strategy=_Strategy.ACCORDING_TO_GSL,
        ),
        LIFE,
    ),
    "netted, dollars, limited risk, through the depth": (
        account(
            "USD",
            "20000",
            2,
            leverage=500,
            account_type=NETTED,
            is_limited_risk=True,
            limited_risk_strategy=_Strategy.ACCORDING_TO_GSL_AND_LEVERAGE,
            margin_calculation=NET,
        ),
        DEEP,
    ),
}


def trade(group: str, acts: list[Act]) -> Trade:
    """Let one example happen and check it."""
    example = Trade(GROUPS[group][0], acts, GROUPS[group][1])
    example.run()
    example.check()
    return example


def _steady(kind: str, which: int, size: int, first: int = 1) -> Act:
    return Act(kind, which, size, first, 1, (7, -5, 3))


# Three positions of one symbol and side fill the tiers of its leverage, then the first gives way.
TIERS: Final = [
    _steady("market", 0, 996),
    _steady("market", 0, 992),
    _steady("market", 0, 800),
    _steady("add", 0, 996),
    _steady("days", 0, 3),
    _steady("close", 0, 3),
    _steady("close", 0, 1),
]
# Every race once, some of them twice, over prices that fall and rise.
RACES: Final = [
    Act("market", 0, 6, 1, 9, (40, -30, 20)),
    *(
        Act("race", 0, size, first, 1 + size % 2, (30 - 50 * (size % 2), 20, -20))
        for first in (1, 2)
        for size in (6, 7, 8, 10, 11)
    ),
    Act("pending", 0, 30, 1, 4, (1, 1, 1)),
    Act("race", 0, 9, 13, 8, (1, 1, 1)),
    Act("race", 0, 15, 7, 13, (1, 1, 1)),
]
# Both sides of one symbol, as far as the money goes, and then more of either.
HEDGES: Final = [
    *(Act("market", 8, 3, first, 1, (0, 0, 0)) for first in (1, 2, 1, 2)),
    *(Act("market", 20, 3, first, 1, (3, -2, 1)) for first in (3, 4, 3, 4)),
    _steady("close", 1, 3),
]
SEEDED: Final = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)


def trade_at_random(group: str, examples: int) -> Counter[str]:
    """Let a group's examples happen, every group others, and return how often what was checked."""

    @seed(sum(group.encode()))
    @settings(SEEDED, max_examples=examples)
    @example(acts=TIERS)
    @example(acts=RACES)
    @example(acts=HEDGES)
    @given(acts=_acts())
    def one(acts: list[Act]) -> None:
        example_ = trade(group, acts)
        seen.update(example_.seen())

    seen = Counter[str]()
    one()
    return seen


# What the examples of every group must have come to, for all else they would prove too little.
# Other versions draw other examples, so that each of these comes in a dozen or more of 250.
WANTED: Final = (
    "money was checked",
    "refusals for money were checked",
    "swaps",
    "triggers",
    "now or never",
    "levels named as prices",
    "parts",
    "closes in part",
    "stop losses",
    "take profits",
    "guaranteed stops",
    "charges for guarantees",
    "stop-outs",
    "expirations",
    "amended too late",
)


# Where every position needs a guaranteed stop loss, less is taken and less can be changed.
FREELY: Final = ("other triggers", "amended twice", "changes of positions under way")
LIMITED: Final = ("margins from guarantees", "trailed stops")


def wanted(spec: AccountSpec, switches: Switches) -> set[str]:
    """Return what the examples of one group must have come to."""
    return {
        *WANTED,
        *(("levels of the depth",) if switches.fill_through_depth else ()),
        *(LIMITED if spec.is_limited_risk else FREELY),
        *(("flips",) if spec.account_type == NETTED else ()),
        *(("stop-outs in part",) if spec.fair_stop_out else ()),
    }


@pytest.mark.parametrize("group", GROUPS)
def test_ledger_client_lists_and_balance_agree(group: str):
    trade_at_random(group, 20)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", GROUPS)
def test_ledger_client_lists_and_balance_agree_over_thousands(group: str):
    seen = trade_at_random(group, 250)
    assert not {what for what in wanted(*GROUPS[group]) if not seen[what]}, seen
