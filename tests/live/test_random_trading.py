"""Random trading on several accounts: what the client knows is what the broker's books say.

Positions, orders, balance, margin, profits and equity are compared while everything goes on, after
losses of the link with trades meanwhile, and after readings into which events fell. What is told of
a loss must be exactly what lies between the books before it and after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctrader.events import AccountStateChangedEvent
from ctrader.live.state import AccountState
from ctrader.models.changes import (
    AccountChange,
    BalanceChanged,
    FreshnessChanged,
    OrderChanged,
    OrderGone,
    OrderPlaced,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from ctrader.models.orders import Order
from ctrader.models.positions import Position
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ctrader.proto.registry import EXECUTION_EVENT
from ctrader.protocol.envelope import encode_envelope
from ctrader.simulator import DEFAULT_CATALOGUE, AccountSpec, Exchange, Switches
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.refusals import Refusal
from ctrader.units import MILLISECOND, SECOND
from tests.live.room import ACCOUNTS, CALM, START, Room
from tests.live.test_following import Followed

SPEED: Final = 3600  # hours of the market in an hour of the client
MOST_WAITS: Final = 20
PAUSES: Final = (0.0, 0.01, 0.011, 0.02, 0.03)  # fills and protection take 0.02 s each
SYMBOLS: Final = DEFAULT_CATALOGUE.symbols
SWITCHES: Final = (
    CALM,
    replace(CALM, flip_keeps_position_id=True, trader_updated_after_closing=True),
    replace(CALM, write_money_digits=False, trader_updated_after_cash=False),
    replace(CALM, fill_through_depth=True, first_spot_before_response=False),
    replace(CALM, stray_spots=True, answer_spread=0.2),
)
KINDS: Final = (
    *("buy", "sell") * 4,
    *("limit", "stop") * 2,
    *("close", "part") * 2,
    *("protect", "trail", "bare"),
    *("cancel", "amend"),
    *("deposit", "withdraw", "bonus", "leverage", "symbol"),
    *("move",) * 6,
    *("day",) * 2,
    *("loss",) * 4,
    *("drop", "reading", "late"),
)


class Act(NamedTuple):
    """One thing that happens: numbers that mean what the moment makes of them."""

    kind: str
    which: int
    size: int


_SMALL: Final = st.integers(0, 999)
ACTS: Final = st.lists(
    st.builds(Act, st.sampled_from(KINDS), _SMALL, _SMALL), min_size=4, max_size=18
)

happened: Counter[str] = Counter()


class FollowedRoom(Followed):
    """A room whose accounts the client's own session follows, all of them from the beginning."""

    def __init__(
        self, accounts: Sequence[AccountSpec], *, latency: int, exchange: Exchange
    ) -> None:
        super().__init__(accounts, latency=latency, exchange=exchange)
        self.exchange.recording.is_on = False
        for spec in accounts:
            self.follow(spec.account_id)

    @property
    def is_idle(self) -> bool:
        """Whether everything has been read and subscribed, as far as the states show."""
        return all(
            profit is not None
            for each in self.live.values()
            for profit in each.state.profits.values()
        )

    def read(self, account_id: int) -> None:
        """Make the session doubt what it knows, by an event that it cannot read."""
        session = self.world.session
        session.receive_data(
            session.epoch, encode_envelope(EXECUTION_EVENT, b"nonsense"), self.world.now
        )

    def repeat_something(self, account_id: int, which: int) -> None:
        """Do nothing: the session lets no event through a second time."""


class Floor:
    """One example: a room, and somebody who trades in it."""

    def __init__(
        self,
        which: int,
        switches: Switches,
        latency: int,
        kind: type[Room] | type[FollowedRoom] = Room,
    ) -> None:
        # Where nobody tells the decimals of an account they are two.
        accounts = ACCOUNTS if switches.write_money_digits else ACCOUNTS[:2]
        exchange = Exchange(
            unix_ms=START, accounts=accounts, switches=switches, seed=which, speed=SPEED
        )
        for symbol in SYMBOLS:
            bid = int(symbol.price * 100_000)
            exchange.set_price(symbol.symbol_id, bid, bid + symbol.spread * symbol.grid)
        self.room = kind(accounts, latency=latency, exchange=exchange)
        self.exchange = exchange
        self.waits = 0
        self.latency = latency
        self.account_id = accounts[which % len(accounts)].account_id
        self.symbols = [SYMBOLS[(which + number) % len(SYMBOLS)] for number in range(3)]

    def act(self, act: Act) -> None:
        """Let something happen; the broker may refuse it."""
        try:
            self._do(act)
        except Refusal as refusal:
            happened[f"refused: {refusal.code}"] += 1
        else:
            happened[act.kind] += 1

    def settle(self) -> None:
        """Let everything come to rest, and compare on the way where nothing is on its way."""
        room, state = self.room, self.room.live[self.account_id].state
        for pause in PAUSES:
            room.world.run_for(pause)
            if not self.latency and not state.is_stale:
                room.check(self.account_id, profits=room.is_idle, at_rest=False)
        for _ in "12":  # what was on its way may have begun something
            room.world.run_for(4 * self.latency / SECOND + 0.1)
            room.world.run_until(lambda: room.is_idle and not state.is_stale)
        while dict(state.positions) != room.books(self.account_id)[0] and self.latency:
            # A day ended a moment ago, and its swap is on its way.
            room.world.run_for(self.latency / SECOND)
            assert self._patience()
        room.check(self.account_id)

    def _patience(self) -> bool:
        self.waits += 1
        return self.waits < MOST_WAITS

    def _do(self, act: Act) -> None:
        room, account_id = self.room, self.account_id
        terminal = room.terminal(account_id)
        symbol = self.symbols[act.which % 3]
        match act.kind:
            case "buy" | "sell":
                side = ProtoOATradeSide.BUY if act.kind == "buy" else ProtoOATradeSide.SELL
                request = ProtoOANewOrderReq(
                    ctidTraderAccountId=account_id,
                    symbolId=symbol.symbol_id,
                    orderType=ProtoOAOrderType.MARKET,
                    tradeSide=side,
                    volume=_volume(symbol, act.size),
                )
                if act.which % 2:
                    request.relativeStopLoss = _distance(symbol, act.size)
                    request.trailingStopLoss = act.which % 4 == 1
                if act.size % 5 == 0:
                    request.relativeTakeProfit = _distance(symbol, act.which)
                terminal.request(request)
            case "limit" | "stop":
                self._place(act, symbol)
            case "close" | "part":
                opened = terminal.positions
                if opened:
                    position = self.exchange.book_of(account_id).positions[
                        opened[act.which % len(opened)]
                    ]
                    volume = position.volume
                    if act.kind == "part":
                        step = position.symbol.step_volume
                        volume = max(step, volume * (1 + act.size % 7) // 8 // step * step)
                    terminal.request(
                        ProtoOAClosePositionReq(
                            ctidTraderAccountId=account_id,
                            positionId=position.position_id,
                            volume=volume,
                        )
                    )
            case "protect" | "trail" | "bare":
                self._protect(act)
            case "cancel" | "amend":
                waiting = terminal.orders
                if waiting and act.kind == "cancel":
                    terminal.cancel(waiting[act.which % len(waiting)])
                elif waiting:
                    order = self.exchange.book_of(account_id).working[
                        waiting[act.which % len(waiting)]
                    ]
                    terminal.request(
                        ProtoOAAmendOrderReq(
                            ctidTraderAccountId=account_id,
                            orderId=order.order_id,
                            volume=_volume(order.symbol, act.size),
                        )
                    )
            case "deposit":
                self.exchange.deposit(account_id, Decimal(1 + act.size % 7))
            case "withdraw":
                self.exchange.withdraw(account_id, Decimal(1))
            case "bonus":
                self.exchange.deposit_bonus(account_id, manager=Decimal(1 + act.size))
            case "leverage":
                self.exchange.change_account(account_id, leverage=20 + act.size % 100)
            case "symbol":
                self.exchange.change_symbol(symbol.symbol_id, swap_long=-1.0 - act.size)
            case "move":
                self._move(act)
            case "day":
                room.world.run_for(24.5 + act.size % 40)
            case "drop":
                self.exchange.disconnect_account(account_id)
            case "reading":
                room.read(account_id)
            case "late":
                room.repeat_something(account_id, act.which)
            case _:
                pass

    def _place(self, act: Act, symbol: SymbolSpec) -> None:
        quote = self.exchange.quote(symbol.symbol_id)
        assert quote is not None
        is_buy = bool(act.which % 2)
        away = _distance(symbol, act.size)
        below = is_buy == (act.kind == "limit")
        price = (quote.bid - away if below else quote.ask + away) / 100_000
        request = ProtoOANewOrderReq(
            ctidTraderAccountId=self.account_id,
            symbolId=symbol.symbol_id,
            orderType=ProtoOAOrderType.LIMIT if act.kind == "limit" else ProtoOAOrderType.STOP,
            tradeSide=ProtoOATradeSide.BUY if is_buy else ProtoOATradeSide.SELL,
            volume=_volume(symbol, act.size),
        )
        if act.kind == "limit":
            request.limitPrice = price
        else:
            request.stopPrice = price
        if act.size % 3 == 0:
            request.relativeStopLoss = _distance(symbol, act.which)
            request.trailingStopLoss = act.size % 2 == 0
        self.room.terminal(self.account_id).request(request)

    def _protect(self, act: Act) -> None:
        terminal = self.room.terminal(self.account_id)
        opened = terminal.positions
        if not opened:
            return
        book = self.exchange.book_of(self.account_id)
        position = book.positions[opened[act.which % len(opened)]]
        quote = self.exchange.quote(position.symbol.symbol_id)
        assert quote is not None
        request = ProtoOAAmendPositionSLTPReq(
            ctidTraderAccountId=self.account_id, positionId=position.position_id
        )
        sign = 1 if position.is_buy else -1
        near = quote.bid if position.is_buy else quote.ask
        if act.kind != "bare":
            request.stopLoss = (near - sign * _distance(position.symbol, act.size)) / 100_000
            request.trailingStopLoss = act.kind == "trail"
        if act.kind == "protect" and act.size % 2:
            request.takeProfit = (near + sign * _distance(position.symbol, act.which)) / 100_000
        terminal.request(request)

    def _move(self, act: Act) -> None:
        """Move some symbols, those that only convert among them."""
        for number, symbol in enumerate(SYMBOLS):
            if (act.which + number) % 3 == 0:
                continue
            quote = self.exchange.quote(symbol.symbol_id)
            assert quote is not None
            step = quote.bid * ((act.size * (number + 3)) % 41 - 20) // 20_000
            bid = max(symbol.grid, (quote.bid + step) // symbol.grid * symbol.grid)
            spread = symbol.grid * (1 + (act.which + number) % 9)
            self.exchange.set_price(symbol.symbol_id, bid, bid + spread)

    def lose(self, meanwhile: list[Act]) -> None:
        """Lose the link, let things happen, and demand that exactly these are told."""
        room, live = self.room, self.room.live[self.account_id]
        room.world.can_connect = False
        room.world.cut()
        assert live.state.is_stale
        assert all(profit is None for profit in live.state.profits.values())
        # What was on its way when the link was lost happened while nobody listened, too.
        before = _known(live.state)
        room.told.clear()
        for act in meanwhile:
            if act.kind not in ("drop", "reading", "late"):
                self.act(act)
            room.world.run_for(0.3)
        assert live.state.is_stale
        assert not any(event.account_id == self.account_id for event in room.told)
        room.world.can_connect = True
        room.world.run_until(lambda: not live.state.is_stale)
        told = [event for event in room.told if event.account_id == self.account_id]
        (number,) = [each for each, event in enumerate(told) if _freshness(event)]
        event = told[number]
        fresh = event.changes[-1]
        assert isinstance(fresh, FreshnessChanged)
        assert (fresh.is_stale, abs(fresh.at - room.clock()) < timedelta(milliseconds=1)) == (
            False,
            True,
        )
        assert event.while_away is (len(event.changes) > 1)
        # What the events of this link tell while it is read, such as the swaps of a day that ends
        # then, is told at once and for itself; the rest is what happened while nothing was heard.
        assert not any(each.while_away for each in told if each is not event)
        for each in told[:number]:
            before = _after(before, each.changes)
        after = before
        for each in told[number:]:
            after = _after(after, each.changes)
        # That the client knows what the books say by now is compared afterwards.
        assert after == _known(live.state)
        assert _told(event.changes) == _between(before, _after(before, event.changes))
        room.told.clear()


def _volume(symbol: SymbolSpec, size: int) -> int:
    return symbol.min_volume + symbol.step_volume * (size % 9)


def _distance(symbol: SymbolSpec, size: int) -> int:
    distance = int(symbol.price * 100_000) * (1 + size % 40) // 20_000
    return max(symbol.grid, distance - distance % symbol.grid)


Snapshot = tuple[dict[int, Position], dict[int, Order], Decimal]


def _known(state: AccountState) -> Snapshot:
    assert state.balance is not None
    orders = {**state.orders, **state.protection_orders}
    return dict(state.positions), orders, state.balance


def _freshness(event: AccountStateChangedEvent) -> bool:
    return any(isinstance(change, FreshnessChanged) for change in event.changes)


def _after(before: Snapshot, changes: tuple[AccountChange, ...]) -> Snapshot:
    """Return what somebody knows who goes by what is told alone."""
    positions, orders, balance = dict(before[0]), dict(before[1]), before[2]
    for change in changes:
        match change:
            case PositionOpened(position) | PositionChanged(position):
                positions[position.position_id] = position
            case PositionClosed(position):
                del positions[position.position_id]
            case OrderPlaced(order) | OrderChanged(order):
                orders[order.order_id] = order
            case OrderGone(order):
                del orders[order.order_id]
            case BalanceChanged(told):
                balance = told
            case _:
                pass
    return positions, orders, balance


def _between(before: Snapshot, after: Snapshot) -> Counter[tuple[str, object]]:
    """Return what lies between two moments, found in another way than the client's."""
    due: Counter[tuple[str, object]] = Counter()
    for name, old, new in (("position", before[0], after[0]), ("order", before[1], after[1])):
        for key in old.keys() | new.keys():
            if key not in new:
                due[f"{name} gone", key] += 1
            elif key not in old:
                due[f"{name} new", key] += 1
            elif old[key] != new[key]:
                due[f"{name} changed", key] += 1
    if before[2] != after[2]:
        due["balance", after[2]] += 1
    return due


def _told(changes: tuple[AccountChange, ...]) -> Counter[tuple[str, object]]:
    told: Counter[tuple[str, object]] = Counter()
    for change in changes:
        match change:
            case PositionOpened(position):
                told["position new", position.position_id] += 1
            case PositionClosed(position):
                told["position gone", position.position_id] += 1
            case PositionChanged(position):
                told["position changed", position.position_id] += 1
            case OrderPlaced(order):
                told["order new", order.order_id] += 1
            case OrderGone(order):
                told["order gone", order.order_id] += 1
            case OrderChanged(order):
                told["order changed", order.order_id] += 1
            case BalanceChanged(balance):
                told["balance", balance] += 1
            case _:
                pass
    return told


EXAMPLE: Final = {
    "which": st.integers(0, 99),
    "switches": st.sampled_from(SWITCHES),
    "latency": st.sampled_from((0, 0, 0, 30 * MILLISECOND)),
    "acts": ACTS,
}


def _trade(floor: Floor, acts: list[Act]) -> None:
    floor.settle()
    waiting = list(acts)
    while waiting:
        act = waiting.pop(0)
        if act.kind == "loss":
            meanwhile, waiting = waiting[: act.size % 4], waiting[act.size % 4 :]
            floor.lose(meanwhile)
            happened["loss"] += 1
        else:
            floor.act(act)
        if act.which % 5 or floor.latency == 0:
            floor.settle()
    floor.settle()
    for account_id in floor.room.live:
        floor.room.check(account_id)


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(**EXAMPLE)
def test_state_agrees_with_the_books_through_everything(
    which: int, switches: Switches, latency: int, acts: list[Act]
) -> None:
    _trade(Floor(which, switches, latency), acts)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(**EXAMPLE)
def test_session_keeps_its_states_right_and_finds_no_fault_with_them(
    which: int, switches: Switches, latency: int, acts: list[Act]
) -> None:
    floor = Floor(which, switches, latency, FollowedRoom)
    _trade(floor, acts)
    # Two comparisons in a row at least, and none that found anything on the way.
    floor.room.world.run_for(11)
    assert not floor.room.discrepancies
