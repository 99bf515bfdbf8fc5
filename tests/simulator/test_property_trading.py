"""Random trading: ledger, client, history lists and balance agree to the last digit.

Each example opens an account at the simulated broker and lets the real client's core trade it under
virtual time: orders of every type, amendments, partial closes, additions, deposits, prices that
jump, days that pass with their swaps, positions that are stopped out. An independent ledger is told
what the client received, and in the end everything that can be asked for must be what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from ctrader.errors import OrderError
from ctrader.events import ExecutionEvent
from ctrader.models import (
    CLEAR,
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
)
from ctrader.operations import accounts, auth, history, raw, trading
from ctrader.operations.base import Op
from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOACommissionType,
    ProtoOADayOfWeek,
    ProtoOADynamicLeverage,
    ProtoOAExecutionEvent,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetDynamicLeverageByIDRes,
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
from ctrader.simulator.world import World
from ctrader.units import SECOND, datetime_from_millis
from tests.simulator.ledger import Chain, Ledger, Terms
from tests.simulator.order_audit import OrderAudit

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

# Every type of commission, of smallest commission and of swap, and every rule of rollovers.
_CHANGES: Final[dict[int, dict[str, Any]]] = {
    1: {},
    2: {
        "min_commission": 150_000_000,
        "min_commission_type": ProtoOAMinCommissionType.QUOTE_CURRENCY,
        "swap_long": -12.345,
        "swap_short": 7.1,
        "swap_rollover": ProtoOADayOfWeek.FRIDAY,
    },
    3: {
        "min_commission": 37_000_000,
        "min_commission_asset": "EUR",
        "swap_period": 8,
        "skip_swap_periods": 2,
        "swap_long": 3.3,
        "swap_short": -4.7,
    },
    4: {
        "commission_type": ProtoOACommissionType.USD_PER_LOT,
        "commission_rate": 333_333_333,
        "swap_type": ProtoOASwapCalculationType.POINTS,
        "swap_long": 5.01,
        "swap_short": -6.02,
        "swap_at_weekends": True,
    },
    6: {
        "swap_type": ProtoOASwapCalculationType.PERCENTAGE,
        "swap_long": 1.25,
        "swap_short": -2.5,
        "swap_time": 0,
    },
    41: {"rollover_commission": 700_000_000},
    270: {"commission_rate": 1_234_567, "skip_rollover_days": 1, "rollover_commission": 10**8},
    1001: {"rollover_commission": 300_000_000, "skip_rollover_days": 0},
}
CATALOGUE: Final = replace(
    DEFAULT_CATALOGUE,
    symbols=tuple(
        replace(symbol, **_CHANGES[symbol.symbol_id], schedule=())
        for symbol in DEFAULT_CATALOGUE.symbols
    ),
)
SYMBOLS: Final = {symbol.symbol_id: symbol for symbol in CATALOGUE.symbols}


KINDS: Final = (
    *("market",) * 5,
    *("pending",) * 4,
    *("close",) * 3,
    *("add",) * 2,
    *("protect",) * 2,
    *("cancel", "amend", "race") * 2,
    *("deposit", "withdraw", "bonus", "leverage"),
    *("shock",) * 3,
    *("days",) * 2,
)


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
    return st.lists(act, min_size=5, max_size=16)


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
        for act, time in zip(acts, times, strict=True):
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

    def __init__(self, account: AccountSpec, acts: Sequence[Act]) -> None:
        self.acts = acts
        self.times, self.paths = _paths(acts)
        self.world = _world(account, TickPrices(self.paths))
        self.spec = account
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
        )
        self.audit = OrderAudit(
            self.quote_at,
            {symbol_id: symbol.grid for symbol_id, symbol in SYMBOLS.items()},
            delay=round(LIFE.fill_delay * SPEED * 1000),
        )
        self.called: set[float] = set()
        self.executions: list[ExecutionEvent] = []
        self.refusals: list[str] = []

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
            self.audit.check_waiting(self.now, self.last_tick)
            for level in self.spec.margin_call_levels:
                assert level in self.called or not self.ledger.is_below(level, self.now)

    def last_tick(self, symbol_id: int) -> int:
        """Return when a symbol's price changed last."""
        return next(tick.time for tick in reversed(self.paths[symbol_id]) if tick.time <= self.now)

    def wait_until(self, at: int) -> None:
        """Let market time pass."""
        self.world.run_for(max(0, at - self.now) * 1_000_000 / SPEED / SECOND)

    def account_for(self) -> None:
        """Tell the ledger what the client received."""
        events, self.world.events = self.world.events, []
        self.executions += [each for each in events if isinstance(each, ExecutionEvent)]
        self.called |= {
            each.marginCall.marginLevelThreshold
            for each in events
            if isinstance(each, ProtoOAMarginCallTriggerEvent)
        }
        self.audit.take(events)
        self.ledger.take(each for each in events if not isinstance(each, ExecutionEvent))

    def ask(self, operation: Op[Any]) -> Any:
        """Let the client do something; an order may well be refused."""
        try:
            return self.world.run(operation)
        except OrderError as refusal:
            self.refusals.append(str(refusal))
            return None

    def place(self, request: NewOrderRequest) -> ExecutionEvent | None:
        """Send an order, of which the audit knows."""
        event: ExecutionEvent | None = self.ask(
            trading.place_order(ACCOUNT, self.audit.ask(request))
        )
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
                        volume = max(symbol.step_volume, volume - volume % symbol.step_volume)
                    self._script(act)
                    closing = ClosePositionRequest(position_id=position.position_id, volume=volume)
                    self.audit.ask_to_close(position.position_id, volume)
                    self.ask(trading.close_position(ACCOUNT, closing))
            case "add":
                if opened := self.ask(positions):
                    position = opened[act.which % len(opened)]
                    order = self._market_order(act, position.symbol_id)
                    side = position.side if act.size % 5 else _other(position.side)
                    order = order.model_copy(
                        update={"position_id": position.position_id, "side": side}
                    )
                    self.place(order)
            case "protect":
                if opened := self.ask(positions):
                    self._protect(act, opened[act.which % len(opened)])
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
            case "leverage":
                leverage = 10 + act.size % 200
                self.account_for()
                self.world.exchange.change_account(ACCOUNT, leverage=leverage)
                self.ledger.change_leverage(Fraction(leverage), self.now)
            case _:
                pass  # time passes, and prices move

    def _market_order(self, act: Act, symbol_id: int | None = None) -> NewOrderRequest:
        symbol = SYMBOLS[self._chosen(act) if symbol_id is None else symbol_id]
        levels: dict[str, Any] = {}
        if act.second % 3 == 0:
            levels["relative_stop_loss"] = self._distance(symbol.symbol_id, act.first) / 100_000
        if act.second % 4 == 0:
            levels["relative_take_profit"] = self._distance(symbol.symbol_id, act.second) / 100_000
        is_buy = bool(act.first % 2)
        volume = self._volume(symbol.symbol_id, act.size)
        if act.size % 3 == 0:
            volume = self._affordable(act, symbol.symbol_id, is_buy)
        return NewOrderRequest(
            symbol_id=symbol.symbol_id,
            side=OrderSide.BUY if is_buy else OrderSide.SELL,
            volume=volume,
            trailing_stop_loss="relative_stop_loss" in levels and act.second % 2 == 0,
            **levels,
        )

    def _chosen(self, act: Act) -> int:
        """Return one of the three symbols that this example trades."""
        return TRADED[(self.acts[0].which + act.which % 3) % len(TRADED)]

    def _affordable(self, act: Act, symbol_id: int, is_buy: bool) -> int:
        """Return about the volume that there is money for, at times a bit too much."""
        self.account_for()
        symbol, now = SYMBOLS[symbol_id], self.now
        each = self.ledger.price_of(symbol_id, is_buy, symbol.min_volume * 10, now)
        free = max(0, self.ledger.free_margin(now)) * (70 + act.which % 32) // 100
        volume = free * symbol.min_volume * 10 // max(1, each)
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
        elif act.second % 5 == 0:
            later = datetime_from_millis(self.now + 20 * HOUR)
            terms |= {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expiration_timestamp": later}
        if act.second % 3 == 0:
            terms["relative_stop_loss"] = self._distance(symbol.symbol_id, act.first) / 100_000
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
        """Cancel an order that the next price has sent to its fill before the request arrives."""
        coming = next((time for time in self.times if time > self.now), None)
        if coming is None:
            return
        self.wait_until(coming - HOUR // 2)
        symbol = SYMBOLS[self._chosen(act)]
        is_buy = bool(act.first % 2)
        bid, ask = self.quote_at(symbol.symbol_id, coming)
        request = NewOrderRequest(
            symbol_id=symbol.symbol_id,
            side=OrderSide.BUY if is_buy else OrderSide.SELL,
            volume=symbol.min_volume,
            order_type=OrderType.LIMIT,
            limit_price=(ask if is_buy else bid) / 100_000,
        )
        placed = self.place(request)
        if placed is not None and placed.order is not None:
            self.wait_until(coming - 30_000)  # the request is on its way for 72 s
            self.ask(trading.cancel_order(ACCOUNT, placed.order.order_id))
            self.wait_until(coming + HOUR // 2)

    def _script(self, act: Act) -> None:
        """Let the next order be filled in parts, now and then."""
        if act.first % 6 == 0:
            symbol = SYMBOLS[self._chosen(act)]
            part = symbol.min_volume + symbol.step_volume * (act.which % 4)
            self.world.exchange.floor.script_fill(*[part] * (2 + act.which % 3), symbol.max_volume)

    def _protect(self, act: Act, position: Any) -> None:
        bid, ask = self.quote_at(position.symbol_id, self.now)
        near = self._distance(position.symbol_id, act.size)
        far = self._distance(position.symbol_id, act.first)
        below, above = (bid - near) / 100_000, (ask + far) / 100_000
        is_buy = position.side is OrderSide.BUY
        stop, target = (below, above) if is_buy else (above, below)
        request = AmendPositionRequest(
            position_id=position.position_id,
            stop_loss=CLEAR if act.second % 5 == 0 else stop,
            take_profit=CLEAR if act.second % 7 == 0 else target,
        )
        event = self.ask(trading.amend_position(ACCOUNT, request))
        if event is not None:
            asked = tuple(
                None if level is CLEAR else level
                for level in (request.stop_loss, request.take_profit)
            )
            assert (event.position.stop_loss, event.position.take_profit) == asked

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

    # What must agree in the end

    def check(self) -> None:
        """Compare the ledger with everything that the client can ask for."""
        world, ledger = self.world, self.ledger
        at = self.now
        profits = world.run(trading.get_unrealized_pnl_per_position(ACCOUNT))
        state = world.run(raw.request(_reconcile(), ProtoOAReconcileRes))
        trader = world.run(accounts.get_trader(ACCOUNT))
        self.account_for()
        ledger.roll_until(at)
        digits = self.spec.money_digits
        assert trader.balance == Decimal(ledger.balance).scaleb(-digits)
        assert trader.balance_version == ledger.balance_version
        assert int((trader.manager_bonus or Decimal(0)).scaleb(digits)) == ledger.bonus
        self.audit.check_orders(world.run(trading.get_pending_orders(ACCOUNT)))
        for typed in world.run(trading.get_open_positions(ACCOUNT)):
            self.audit.check_position(typed)
        held = [position for position in state.position if position.tradeData.volume]
        assert {position.positionId for position in held} == set(ledger.holdings)
        for position in held:
            ledger.agree_with(position)
        assert {
            (
                each.position_id,
                int(each.gross_unrealized_pnl.scaleb(digits)),
                int(each.net_unrealized_pnl.scaleb(digits)),
            )
            for each in profits
        } == {(each, *ledger.unrealised(each, at)) for each in ledger.holdings}
        assert {each.deal.deal_id for each in self.executions if each.deal} == set(ledger.deals)
        self._check_deals()
        self._check_orders()
        cash = world.run(
            accounts.get_cash_flow(
                ACCOUNT, datetime_from_millis(START), datetime_from_millis(self.now)
            )
        )
        assert [
            (each.balance_history_id, int(each.delta.scaleb(digits)), each.balance_version)
            for each in cash
        ] == [(each.balanceHistoryId, each.delta, each.balanceVersion) for each in ledger.cash]
        # All that ever changed the balance, from the lists alone.
        listed = sum(int(each.delta.scaleb(digits)) for each in cash)
        assert (
            int(self.spec.balance.scaleb(digits)) + listed + sum(ledger.results.values())
            == ledger.balance
        )

    def _check_deals(self) -> None:
        now = datetime_from_millis(self.now)
        listed = self.world.run(
            history.get_deals(ACCOUNT, datetime_from_millis(START), now, now=now)
        )
        digits = self.spec.money_digits
        filled = [deal for deal in listed if deal.filled_volume]
        assert {deal.deal_id for deal in filled} == set(self.ledger.deals)
        for deal in filled:
            told = self.ledger.deals[deal.deal_id]
            assert deal.execution_price == told.executionPrice
            assert deal.filled_volume == told.filledVolume
            assert int(deal.commission.scaleb(digits)) == told.commission
            detail = deal.close_detail
            assert (detail is not None) == told.HasField("closePositionDetail")
            if detail is not None:
                assert int(detail.balance.scaleb(digits)) == told.closePositionDetail.balance
                result = int(detail.net_profit.scaleb(digits))
                assert result == self.ledger.results[deal.deal_id]
        closings = [deal.deal_id for deal in filled if deal.close_detail is not None]
        for deal_id in closings[-2:]:
            _, offsetting = self.world.run(history.get_deal_offsets(ACCOUNT, deal_id))
            assert [(each.deal_id, each.volume) for each in offsetting] == [
                (opening, volume)
                for opening, closing, volume in self.ledger.offsets
                if closing == deal_id
            ]

    def _check_orders(self) -> None:
        now = datetime_from_millis(self.now)
        listed = self.world.run(
            history.get_orders(ACCOUNT, datetime_from_millis(START), now, now=now)
        )
        orders = {order.order_id: order for order in listed}
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


@dataclass(frozen=True)
class _Known:
    """What the client reads before it trades."""

    symbols: dict[int, Terms]
    chains: dict[tuple[int, int], Chain]


@cache
def _terms() -> _Known:
    """Read the terms of all symbols and all conversion chains over the wire, once."""
    _, paths = _paths([Act("hours", 0, 0, 0, 0, (0, 0, 0))])
    world = _world(replace(DEFAULT_ACCOUNTS[0]), TickPrices(paths))
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


def _world(account: AccountSpec, prices: TickPrices) -> World:
    exchange = Exchange(
        unix_ms=START,
        prices=prices,
        catalogue=CATALOGUE,
        accounts=[account],
        switches=LIFE,
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
        ProtoOAExecutionEvent,
        ProtoOAMarginCallTriggerEvent,
        ProtoOAMarginChangedEvent,
        ProtoOATrailingSLChangedEvent,
        ExecutionEvent,
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


def _reconcile() -> ProtoOAReconcileReq:
    return ProtoOAReconcileReq(ctidTraderAccountId=ACCOUNT)


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
GROUPS: Final = {
    "hedged, dollars": account("USD", "3000", 2, leverage=1000),
    "hedged, euros": account(
        "EUR",
        "2000.55",
        2,
        leverage=200,
        stop_out_strategy=ProtoOAStopOutStrategy.MOST_LOSING_FIRST,
        fair_stop_out=True,
        margin_calculation=ProtoOATotalMarginCalculationType.MAX,
    ),
    "hedged, yen, swap-free": account(
        "JPY",
        "1500000",
        0,
        leverage=100,
        swap_free=True,
        margin_calculation=ProtoOATotalMarginCalculationType.NET,
    ),
    "netted, dollars in 8 digits": account(
        "USD", "2000.12345678", 8, leverage=500, account_type=NETTED
    ),
    "netted, euros": account(
        "EUR", "700", 2, leverage=500, account_type=NETTED, fair_stop_out=True
    ),
}


def trade(spec: AccountSpec, acts: list[Act]) -> Trade:
    """Let one example happen and check it."""
    example = Trade(spec, acts)
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
SEEDED: Final = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example],
)


def trade_at_random(group: str, examples: int) -> None:
    """Let a group's examples happen; every group has others."""

    @seed(sum(group.encode()))
    @settings(SEEDED, max_examples=examples)
    @example(acts=TIERS)
    @given(acts=_acts())
    def one(acts: list[Act]) -> None:
        trade(GROUPS[group], acts)

    one()


@pytest.mark.parametrize("group", GROUPS)
def test_ledger_client_lists_and_balance_agree(group: str):
    trade_at_random(group, 20)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", GROUPS)
def test_ledger_client_lists_and_balance_agree_over_thousands(group: str):
    trade_at_random(group, 400)
