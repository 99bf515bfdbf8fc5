"""Accounts that a session follows by itself: losses, doubts, refusals, what it gives back."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from google.protobuf.message import Message

from ctrader.enums import OrderSide, OrderType
from ctrader.errors import (
    AccountAuthError,
    APIError,
    ClientClosedError,
    CTraderConnectionTimeoutError,
    NotConnectedError,
)
from ctrader.events import (
    AccountStateChangedEvent,
    Event,
    ExecutionEvent,
    ProfitDiscrepancyEvent,
)
from ctrader.live.account import LiveAccount
from ctrader.live.state import AccountState, Desk
from ctrader.live.valuation import Chain
from ctrader.models.accounts import Account
from ctrader.models.changes import (
    AccountChange,
    FreshnessChanged,
    PositionChanged,
    PositionClosed,
    PositionOpened,
)
from ctrader.models.orders import NewOrderRequest
from ctrader.models.positions import Position
from ctrader.operations import account_state, auth, market_data, trading
from ctrader.operations.base import Op
from ctrader.proto import (
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOAReconcileReq,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsForConversionReq,
    ProtoOATraderReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.protocol.commands import Follow, Logout, NextEvent
from ctrader.protocol.envelope import encode_message
from ctrader.simulator import AccountSpec, Exchange
from ctrader.simulator.world import World
from tests.live.room import ACCOUNTS, HEDGED_USD, Room, news

ACCOUNT: Final = HEDGED_USD.account_id
EURUSD: Final = 1


class Followed(Room):
    """A room in which the client's own session does what `Room` does by hand."""

    def __init__(
        self,
        accounts: Sequence[AccountSpec] = (HEDGED_USD,),
        *,
        latency: int = 0,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(accounts, latency=latency, exchange=exchange)
        self.told = []
        self.world.on_event = self._told
        self.world.listen(AccountStateChangedEvent, ProfitDiscrepancyEvent)
        self.exchange.recording.is_on = True

    def follow(self, account_id: int = ACCOUNT) -> AccountState:
        state = self.world.run(account_state.follow(account_id))
        self.live[account_id] = _shown(state)
        return state

    def requests(self, kind: type[Message]) -> int:
        return len(self.exchange.recording.sent_by_client(kind))

    def _told(self, event: object) -> None:
        if isinstance(event, AccountStateChangedEvent):
            self.told.append(event)
        elif isinstance(event, ProfitDiscrepancyEvent):
            self.discrepancies.append(event)


def _shown(state: AccountState) -> LiveAccount:
    """Return what the checks of a room look at."""
    return cast("LiveAccount", SimpleNamespace(state=state, doubt=None))


@pytest.fixture
def room() -> Followed:
    return Followed()


def test_nothing_is_asked_or_decoded_while_no_state_was_asked_for(room: Followed):
    room.world.listen()
    room.exchange.recording.clear()
    room.world.run(market_data.subscribe_spots(ACCOUNT, [EURUSD]))
    room.terminal(ACCOUNT).buy("EURUSD", 10_000_000)
    room.world.trace.clear()
    room.world.run_for(30)

    assert not room.requests(ProtoOATraderReq)
    assert not room.requests(ProtoOAReconcileReq)
    assert not [what for _, what in room.world.trace if "EventsReceived" in what]


def test_state_is_right_when_it_is_first_given_and_at_every_moment_after(room: Followed):
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    assert not state.is_stale
    assert state.currency == "USD"
    assert len(state.positions) == 1
    room.world.run_for(0.5)
    room.check(ACCOUNT)

    terminal.sell("USDJPY", 500_000)
    room.world.run_for(0.5)
    room.check(ACCOUNT)
    assert "PositionOpened" in news(room.changes(away=False))
    terminal.close(terminal.positions[0])
    room.world.run_for(0.5)
    room.check(ACCOUNT)
    assert "PositionClosed" in news(room.changes(away=False))
    for _ in range(20):
        room.world.run_for(1.7)
        room.check(ACCOUNT)
    assert not room.discrepancies


def test_two_who_ask_get_the_same_object_and_cost_one_reading(room: Followed):
    tasks = [room.world.start(account_state.follow(ACCOUNT)) for _ in "12"]
    first, second = [room.world.finish(task).result for task in tasks]
    third = room.follow()

    assert first is second is third
    assert room.requests(ProtoOAReconcileReq) == 1


@pytest.mark.parametrize("accounts", [ACCOUNTS])
def test_conversion_chains_of_every_currency(accounts: Sequence[AccountSpec]):
    room = Followed(accounts)
    for spec in accounts:
        room.follow(spec.account_id)
        terminal = room.terminal(spec.account_id)
        terminal.buy("XAUUSD", 500)
        terminal.sell("USDCHF", 3_000_000)
    room.world.run_for(5)
    for _ in range(10):
        for spec in accounts:
            room.check(spec.account_id)
        room.world.run_for(1.7)
    assert not room.discrepancies


def test_loss_makes_it_stale_at_once_and_fills_meanwhile_are_told_as_such(room: Followed):
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    room.world.run_for(0.5)
    room.changes()

    room.world.can_connect = False
    room.world.cut()
    room.world.run_for(0.01)
    assert state.is_stale
    assert state.equity is None
    assert len(state.positions) == 1
    assert [type(change) for change in room.changes()] == [FreshnessChanged]

    terminal.close(terminal.positions[0])
    terminal.sell("USDJPY", 500_000)
    room.world.run_for(5)
    room.world.can_connect = True
    room.world.run_for(130)
    room.check(ACCOUNT)
    away = room.changes(away=True)
    assert {"PositionClosed", "PositionOpened"} <= set(news(away))
    assert isinstance(away[-1], FreshnessChanged)
    assert not away[-1].is_stale


def test_link_lost_again_and_again_while_it_is_read(room: Followed):
    terminal = room.terminal(ACCOUNT)
    state = room.follow()
    for _ in range(5):
        room.world.cut()
        room.world.run_until(lambda: room.world.session.is_account_authorized(ACCOUNT), 200)
        room.world.cut()
        terminal.buy("EURUSD", 100_000)
        room.world.run_until(lambda: not state.is_stale, 200)
        room.world.run_for(0.5)
        room.check(ACCOUNT)


def test_account_that_is_dropped_is_stale_and_read_again_on_the_same_link(room: Followed):
    state = room.follow()
    room.changes()
    epoch = room.world.session.epoch
    room.exchange.script.disconnect_account(ACCOUNT)
    room.terminal(ACCOUNT).buy("EURUSD", 10_000_000)
    room.world.run_for(5)

    room.check(ACCOUNT)
    assert not state.is_stale
    assert room.world.session.epoch == epoch
    assert [c.is_stale for c in room.changes() if isinstance(c, FreshnessChanged)] == [True, False]


def test_logged_out_account_goes_stale_and_is_current_when_it_comes_back(room: Followed):
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    credentials = room.world.session.credentials(ACCOUNT)
    assert credentials is not None

    def log_out() -> Op[None]:
        yield Logout(ACCOUNT)

    room.world.run(log_out())
    assert state.is_stale
    with pytest.raises(AccountAuthError, match="not authenticated with this client"):
        room.follow()

    room.world.run(auth.authenticate_account(credentials))
    room.world.run_for(1)
    assert room.follow() is state
    # Its quotes were lost with the account, and are subscribed anew.
    room.check(ACCOUNT)


def test_account_that_is_removed_while_it_is_read(room: Followed):
    room.exchange.script.next_answer(ProtoOAReconcileReq).drop()
    task = room.world.start(account_state.follow(ACCOUNT))
    room.world.run_for(0.1)
    assert room.world.session.remove_account(ACCOUNT, room.world.now)
    room.world.run_for(0.1)

    with pytest.raises(AccountAuthError):
        _ = task.result


def test_unknown_account_is_a_clear_error_and_nothing_is_followed(room: Followed):
    with pytest.raises(AccountAuthError, match="authenticate_account"):
        room.world.run(account_state.follow(999))
    with pytest.raises(ValueError, match="account_id"):
        room.world.run(account_state.follow(-1))
    assert not room.world.run(account_state.unfollow(999))


def test_refused_first_reading_is_raised_and_forgotten(room: Followed):
    room.exchange.script.next_request(ProtoOAReconcileReq).refuse("NO_QUOTES", "not today")
    with pytest.raises(APIError, match="not today"):
        room.follow()
    room.world.run_for(30)
    assert room.requests(ProtoOAReconcileReq) == 1

    assert not room.follow().is_stale
    room.check(ACCOUNT)


def test_first_reading_that_is_not_answered_ends_in_time_and_leaves_nothing(room: Followed):
    room.exchange.script.next_answer(ProtoOAReconcileReq, times=None).drop()
    with pytest.raises(CTraderConnectionTimeoutError, match="what account 11 holds"):
        room.world.run(account_state.follow(ACCOUNT), timeout=2)
    room.exchange.script.clear()
    room.world.run_for(60)

    assert room.requests(ProtoOAReconcileReq) == 1
    assert not room.world.run(account_state.unfollow(ACCOUNT))


def test_reading_refused_after_a_loss_is_tried_again_spaced_out(room: Followed):
    state: Any = room.follow()  # its properties change, which checkers do not believe
    room.exchange.recording.clear()
    room.exchange.script.next_request(ProtoOAReconcileReq, times=6).refuse("NO_QUOTES", "later")
    room.world.cut()
    room.world.run_for(20)
    assert state.is_stale
    assert 2 <= room.requests(ProtoOAReconcileReq) <= 6
    warned = [what for _, what in room.world.trace if "Warned" in what]
    assert len(warned) == 2  # of the loss, and of the first reading that failed

    room.world.run_for(300)
    assert not state.is_stale
    assert room.requests(ProtoOAReconcileReq) == 7


def test_profits_that_the_server_tells_otherwise_are_told_and_read_again(room: Followed):
    room.terminal(ACCOUNT).buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    room.world.run_for(1)
    (position_id,) = state.positions

    def off(answer: Message) -> Message:
        assert isinstance(answer, ProtoOAGetPositionUnrealizedPnLRes)
        for each in answer.positionUnrealizedPnL:
            each.grossUnrealizedPnL += 100_000
            each.netUnrealizedPnL += 100_000
        return answer

    room.exchange.script.next_answer(ProtoOAGetPositionUnrealizedPnLReq, times=3).replace(off)
    room.exchange.recording.clear()
    room.world.run_for(18)
    (found,) = room.discrepancies
    assert (found.account_id, found.position_id) == (ACCOUNT, position_id)
    assert found.servers_gross is not None
    assert found.our_gross is not None
    assert abs(found.servers_gross - found.our_gross - 1_000) < 100
    assert room.requests(ProtoOAReconcileReq) == 1

    room.world.run_for(60)
    assert len(room.discrepancies) == 1
    room.check(ACCOUNT)


def test_comparisons_keep_their_distance_and_end_with_the_last_position(room: Followed):
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    room.follow()
    room.exchange.recording.clear()
    room.world.run_for(60)
    assert 10 <= room.requests(ProtoOAGetPositionUnrealizedPnLReq) <= 12

    terminal.close(terminal.positions[0])
    room.world.run_for(6)
    assert room.requests(ProtoOAUnsubscribeSpotsReq) == 1
    room.exchange.recording.clear()
    room.world.run_for(60)
    assert not room.requests(ProtoOAGetPositionUnrealizedPnLReq)


def test_comparison_that_is_refused_is_asked_less_and_less(room: Followed):
    room.terminal(ACCOUNT).buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    room.follow()
    pick = room.exchange.script.next_request(ProtoOAGetPositionUnrealizedPnLReq, times=None)
    pick.refuse("NO_QUOTES", "no price")
    room.exchange.recording.clear()
    room.world.run_for(600)
    assert 3 <= room.requests(ProtoOAGetPositionUnrealizedPnLReq) <= 12

    room.exchange.script.clear()
    room.world.run_for(400)
    room.check(ACCOUNT)


def test_release_gives_the_quotes_back_and_leaves_a_stale_state(room: Followed):
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    room.exchange.recording.clear()

    assert room.world.run(account_state.unfollow(ACCOUNT))
    assert room.requests(ProtoOAUnsubscribeSpotsReq) == 1
    assert state.is_stale
    assert not room.world.run(account_state.unfollow(ACCOUNT))
    room.changes()
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(60)
    assert room.changes() == []
    assert len(state.positions) == 1

    again = room.follow()
    assert again is not state
    room.world.run_for(0.5)
    room.check(ACCOUNT)


def test_price_of_an_earlier_subscription_values_nothing(room: Followed):
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    room.world.run_for(1)
    assert state.equity is not None
    terminal.close(terminal.positions[0])
    room.world.run_for(60)
    assert room.requests(ProtoOAUnsubscribeSpotsReq) == 1

    # An hour later no price comes at first.
    room.world.run_for(3_600)
    room.exchange.script.next_frame(ProtoOASpotEvent, times=None).drop()
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(3)
    assert len(state.positions) == 1
    assert state.equity is None


def test_release_leaves_quotes_to_others_who_want_them(room: Followed):
    room.world.run(market_data.subscribe_spots(ACCOUNT, [EURUSD]))
    room.world.run_for(3)
    room.terminal(ACCOUNT).buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    room.exchange.recording.clear()
    state = room.follow()
    # Somebody else had the price already: there is nothing to wait for.
    assert state.equity is not None
    room.world.run(account_state.unfollow(ACCOUNT))
    assert not room.requests(ProtoOASubscribeSpotsReq)
    assert not room.requests(ProtoOAUnsubscribeSpotsReq)


def test_state_asked_for_again_while_it_is_released(room: Followed):
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    room.follow()
    released = room.world.start(account_state.unfollow(ACCOUNT))
    room.follow()

    assert room.world.finish(released).result
    room.world.run_for(1)
    room.check(ACCOUNT)


def test_release_while_the_link_is_down(room: Followed):
    room.terminal(ACCOUNT).buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    room.follow()
    room.world.can_connect = False
    room.world.cut()
    assert room.world.run(account_state.unfollow(ACCOUNT))
    room.exchange.recording.clear()
    room.world.can_connect = True
    room.world.run_for(130)

    assert room.world.session.is_ready
    assert not room.requests(ProtoOASubscribeSpotsReq)
    assert not room.requests(ProtoOAReconcileReq)


def test_closing_leaves_a_stale_state(room: Followed):
    room.terminal(ACCOUNT).buy("EURUSD", 10_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    room.world.close()

    assert state.is_stale
    with pytest.raises(ClientClosedError):
        room.world.run(account_state.follow(ACCOUNT))


def test_client_that_never_connected_says_so(room: Followed):
    world = World(room.exchange, room.world.config)
    with pytest.raises(NotConnectedError):
        world.run(account_state.follow(ACCOUNT))
    assert "reading what account 11 holds" in str(Follow(ACCOUNT))


def test_state_holds_the_position_when_the_call_returns_that_opened_it(room: Followed):
    state = room.follow()
    request = NewOrderRequest(
        symbol_id=EURUSD, order_type=OrderType.MARKET, side=OrderSide.BUY, volume=100_000
    )
    seen: list[bool] = []

    def buy() -> Op[None]:
        filled = yield from trading.place_order(ACCOUNT, request)
        assert filled.position is not None
        seen.append(filled.position.position_id in state.positions)

    room.world.run(buy())
    assert seen == [True]


@pytest.mark.parametrize("pieces", [1, 7, 100_000])
@pytest.mark.parametrize("lag", [0.03, 0.11, 0.4])
def test_events_and_answers_in_one_read_count_in_their_order(pieces: int, lag: float):
    """However the bytes of a reading and of the fills around it are cut, the state is right."""
    room = Followed()
    terminal = room.terminal(ACCOUNT)
    session = room.world.session
    receive = session.receive_data
    held: list[bytes] = []

    def flush() -> None:
        data = b"".join(held)
        held.clear()
        for first in range(0, len(data), pieces):
            receive(session.epoch, data[first : first + pieces], room.world.now)

    def hold(_: int, data: bytes, __: int) -> None:
        held.append(data)

    for _ in "1234":
        terminal.buy("EURUSD", 100_000)
    room.world.run_for(1)
    task = room.world.start(account_state.follow(ACCOUNT))
    session.receive_data = hold  # type: ignore[method-assign,assignment] # what arrives is read late
    for _ in range(30):
        terminal.buy("EURUSD", 100_000)
        room.world.run_for(lag / 2)
        if terminal.positions:
            terminal.close(terminal.positions[0])
        room.world.run_for(lag / 2)
        flush()
    room.live[ACCOUNT] = _shown(room.world.finish(task).result)
    session.receive_data = receive  # type: ignore[method-assign] # back to the network
    flush()
    room.world.run_for(3)
    room.check(ACCOUNT)


def test_memory_stays_flat_over_hours_of_trading_and_losses(room: Followed):
    terminal = room.terminal(ACCOUNT)
    room.follow()

    def hour() -> None:
        for _ in range(40):
            terminal.buy("EURUSD", 100_000)
            room.world.run_for(40)
            terminal.close(terminal.positions[0])
            room.world.run_for(40)
        room.world.cut()
        room.world.run_for(130)
        room.told.clear()
        room.world.trace.clear()
        room.world.events.clear()
        room.exchange.recording.clear()

    hour()
    tracemalloc.start()
    try:
        hour()
        before = _held_by_the_client()
        hour()
        assert _held_by_the_client() - before < 20_000
    finally:
        tracemalloc.stop()


def _held_by_the_client() -> int:
    """Return the bytes that were allocated by the modules of local state."""
    gc.collect()
    kept = tracemalloc.take_snapshot().filter_traces(
        [
            tracemalloc.Filter(True, f"*/ctrader/{each}")
            for each in ("live/*", "protocol/following.py")
        ]
    )
    return sum(each.size for each in kept.statistics("filename"))


# The order of what is told


def test_every_change_is_told_right_behind_the_execution_that_caused_it(room: Followed):
    """However many events one read holds, each is followed by what it changed, and by no other."""
    terminal = room.terminal(ACCOUNT)
    terminal.buy("EURUSD", 1_000_000)
    room.world.run_for(1)
    state = room.follow()
    room.world.run_for(1)
    room.changes()
    heard: list[ExecutionEvent | AccountStateChangedEvent] = []

    def hear(event: object) -> None:
        if isinstance(event, ExecutionEvent | AccountStateChangedEvent):
            heard.append(event)

    room.world.listen(ExecutionEvent, AccountStateChangedEvent)
    room.world.on_event = hear
    session = room.world.session
    receive = session.receive_data
    held: list[bytes] = []

    def hold(_: int, data: bytes, __: int) -> None:
        held.append(data)

    session.receive_data = hold  # type: ignore[method-assign,assignment] # what arrives is read late
    positions = dict(state.positions)
    for _ in "123":
        terminal.sell("USDJPY", 500_000)
        terminal.buy("EURUSD", 1_000_000)
        room.world.run_for(0.1)
        terminal.close(terminal.positions[0])
        room.world.run_for(0.1)
    session.receive_data = receive  # type: ignore[method-assign] # back to the network
    receive(session.epoch, b"".join(held), room.world.now)
    room.world.run_for(0.001)

    executions = [each for each in heard if isinstance(each, ExecutionEvent)]
    assert len(executions) > 12
    cause: ExecutionEvent | None = None
    for each in heard:
        if isinstance(each, ExecutionEvent):
            cause = each
            continue
        assert cause is not None
        for change in each.changes:
            if isinstance(change, PositionOpened | PositionChanged):
                assert change.position == cause.position
                positions[change.position.position_id] = change.position
            elif isinstance(change, PositionClosed):
                assert cause.position is not None
                assert change.position.position_id == cause.position.position_id
                del positions[change.position.position_id]
        cause = None  # two changes behind one execution would be one too many
    assert positions == dict(state.positions)


def test_who_waits_sees_the_execution_before_what_it_changed(room: Followed):
    room.follow()
    seen: list[str] = []

    def see(event: object) -> bool:
        seen.append(type(event).__name__)
        return False

    def wait() -> Op[None]:
        yield NextEvent((ExecutionEvent, AccountStateChangedEvent), see)

    room.world.start(wait(), timeout=5)
    room.terminal(ACCOUNT).buy("EURUSD", 1_000_000)
    room.world.run_for(1)

    assert seen == ["ExecutionEvent", "ExecutionEvent", "AccountStateChangedEvent"]


# What it costs


def test_quotes_cost_no_look_at_positions(room: Followed, monkeypatch: pytest.MonkeyPatch):
    terminal = room.terminal(ACCOUNT)
    for _ in range(10):
        terminal.buy("EURUSD", 100_000)
        room.world.run_for(0.1)
    state = room.follow()
    room.world.run_for(1)
    looks: list[object] = []
    look = Desk.chain_of

    def counted(desk: Desk, position: Position, account: Account) -> Chain | None:
        looks.append(position)
        return look(desk, position, account)

    monkeypatch.setattr(Desk, "chain_of", counted)
    session = room.world.session
    for symbol_id in (EURUSD, 900):
        for bid in range(110_000, 110_100):
            quote = ProtoOASpotEvent(
                ctidTraderAccountId=ACCOUNT, symbolId=symbol_id, bid=bid, ask=bid + 10
            )
            session.receive_data(session.epoch, encode_message(quote), room.world.now)
            session.take_effects()
    assert looks == []

    first = next(iter(state.positions))
    assert state.profit_of(first) is not None
    assert [each.position_id for each in looks if isinstance(each, Position)] == [first]


# Release while something is under way


@pytest.mark.parametrize("request_type", [ProtoOATraderReq, ProtoOAReconcileReq])
def test_release_while_the_account_is_read_again(room: Followed, request_type: type[Message]):
    room.terminal(ACCOUNT).buy("EURUSD", 1_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    room.exchange.script.next_answer(request_type).delay(2)
    room.exchange.script.disconnect_account(ACCOUNT)
    room.world.run_for(1)
    assert state.is_stale
    room.changes()

    released = room.world.start(account_state.unfollow(ACCOUNT))
    room.world.run_for(5)

    assert released.result
    assert state.is_stale
    assert [change for change in room.changes() if isinstance(change, FreshnessChanged)] == []
    room.exchange.recording.clear()
    room.world.run_for(30)
    assert not room.requests(ProtoOAGetPositionUnrealizedPnLReq)
    assert not room.follow().is_stale
    room.world.run_for(1)
    room.check(ACCOUNT)


def test_release_while_profits_are_compared(room: Followed):
    room.terminal(ACCOUNT).buy("EURUSD", 1_000_000)
    room.world.run_for(0.5)
    state = room.follow()
    room.exchange.script.next_answer(ProtoOAGetPositionUnrealizedPnLReq).delay(3)
    room.world.run_until(lambda: bool(room.requests(ProtoOAGetPositionUnrealizedPnLReq)))
    released = room.world.start(account_state.unfollow(ACCOUNT))
    room.world.run_for(10)

    assert released.result
    assert state.is_stale
    room.exchange.recording.clear()
    room.world.run_for(30)
    assert not room.requests(ProtoOAGetPositionUnrealizedPnLReq)
    assert not room.discrepancies


def test_release_overtaken_by_another_who_asks_while_profits_are_compared(room: Followed):
    room.terminal(ACCOUNT).buy("EURUSD", 1_000_000)
    room.world.run_for(0.5)
    room.follow()
    room.exchange.script.next_answer(ProtoOAGetPositionUnrealizedPnLReq).delay(3)
    room.world.run_until(lambda: bool(room.requests(ProtoOAGetPositionUnrealizedPnLReq)))
    released = room.world.start(account_state.unfollow(ACCOUNT))
    state = room.follow()

    assert room.world.finish(released).result
    assert not state.is_stale
    room.world.run_for(1)
    room.check(ACCOUNT)


def test_event_of_one_account_is_no_work_for_the_others(monkeypatch: pytest.MonkeyPatch):
    room = Followed(ACCOUNTS)
    for spec in ACCOUNTS:
        room.follow(spec.account_id)
    given: set[int] = set()
    take = LiveAccount.apply

    def counted(live: LiveAccount, event: Event, at: datetime) -> tuple[AccountChange, ...]:
        given.add(live.account_id)
        return take(live, event, at)

    monkeypatch.setattr(LiveAccount, "apply", counted)
    room.terminal(ACCOUNT).buy("EURUSD", 1_000_000)
    room.world.run_for(1)
    assert given == {ACCOUNT}
    room.world.cut()
    room.world.run_for(5)
    assert given == {spec.account_id for spec in ACCOUNTS}
    for spec in ACCOUNTS:
        room.check(spec.account_id)


# What the server refuses


@pytest.mark.parametrize("request_type", [ProtoOASubscribeSpotsReq, ProtoOASymbolsForConversionReq])
def test_what_was_refused_is_asked_for_again(room: Followed, request_type: type[Message]):
    """A refusal may pass, and without it the equity would stay unknown until the next loss."""
    room.terminal(ACCOUNT).buy("USDJPY", 1_000_000)
    room.world.run_for(0.5)
    pick = room.exchange.script.next_request(request_type, times=3)
    pick.refuse("UNKNOWN_ERROR", "not now")
    state = room.follow()
    room.world.run_for(4)
    assert state.equity is None
    room.exchange.recording.clear()

    room.world.run_for(120)
    room.check(ACCOUNT)
    assert room.requests(request_type) <= 5


def test_what_is_refused_for_good_is_asked_for_less_and_less(room: Followed):
    room.terminal(ACCOUNT).buy("USDJPY", 1_000_000)
    room.world.run_for(0.5)
    room.exchange.script.next_request(ProtoOASubscribeSpotsReq, times=None).refuse(
        "SYMBOL_NOT_FOUND", "never"
    )
    state = room.follow()
    room.exchange.recording.clear()
    room.world.run_for(3600)
    assert state.equity is None
    assert 5 <= room.requests(ProtoOASubscribeSpotsReq) <= 40

    # A position that comes meanwhile does not wait for that.
    room.exchange.script.clear()
    room.terminal(ACCOUNT).buy("EURUSD", 100_000)
    room.world.run_for(1)
    bought = max(state.positions)
    assert state.profit_of(bought) is not None
