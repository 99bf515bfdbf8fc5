"""What a live account makes of events and readings, in whichever order they come."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ctrader.enums import (
    ChangeBalanceType,
    ChangeBonusType,
    ExecutionType,
    OrderStatus,
    OrderType,
    PositionStatus,
    TimeInForce,
)
from ctrader.errors import CTraderConnectionClosedError
from ctrader.events import (
    AccountDisconnectEvent,
    DisconnectedEvent,
    Event,
    MarginChangeEvent,
    ReadyEvent,
    SpotEvent,
    SymbolChangedEvent,
    TokenInvalidatedEvent,
    TraderUpdateEvent,
    TrailingStopChangedEvent,
    UndecodableMessageEvent,
)
from ctrader.live.account import LiveAccount
from ctrader.live.reading import MOST_HEARD
from ctrader.live.succession import remember
from ctrader.models.accounts import Account, BonusDepositWithdraw, DepositWithdraw
from ctrader.models.changes import (
    AccountTermsChanged,
    BalanceChanged,
    FreshnessChanged,
    OrderChanged,
    OrderGone,
    OrderPlaced,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    UsedMarginChanged,
)
from ctrader.models.orders import Order
from ctrader.models.positions import Position
from ctrader.proto.registry import EXECUTION_EVENT, SPOT_EVENT
from tests.live.entities import ACCOUNT, account, at, closed, deal, execution, order, position

NOW = at(1000)


def live_with(
    *positions: Position, orders: tuple[Order, ...] = (), of: Account | None = None
) -> LiveAccount:
    """Return a live account that was read."""
    live = LiveAccount(ACCOUNT)
    read(live, *positions, orders=orders, of=of)
    return live


def read(
    live: LiveAccount,
    *positions: Position,
    orders: tuple[Order, ...] = (),
    of: Account | None = None,
) -> tuple[object, ...]:
    reading = live.begin()
    reading.account_told(of or account())
    reading.holdings_told(positions, orders)
    return live.rebuilt(reading, NOW)


def trailing(stop: float, moment: int) -> TrailingStopChangedEvent:
    return TrailingStopChangedEvent(ACCOUNT, 5, 6, stop, 1_700_000_000_000 + moment)


def guard(**terms: Any) -> Order:
    known: dict[str, Any] = {"order_type": OrderType.STOP_LOSS_TAKE_PROFIT, "stop_price": 1.0}
    return order(6, **{**known, **terms})


# Before and after the first reading


def test_nothing_is_known_before_the_first_reading() -> None:
    state = LiveAccount(ACCOUNT).state

    assert state.is_stale
    assert state.account_id == ACCOUNT
    nothing = (
        state.as_of,
        state.account,
        state.currency,
        state.money_digits,
        state.balance,
        state.bonus,
        state.equity,
        state.floating_pnl,
        state.used_margin,
        state.free_margin,
        state.margin_level,
        state.profit_of(5),
    )
    assert nothing == (None,) * len(nothing)
    tables: tuple[object, ...] = (state.positions, state.orders, state.protection_orders)
    assert tables == ({}, {}, {})
    assert dict(state.profits) == {}


def test_events_before_the_first_reading_change_nothing() -> None:
    live = LiveAccount(ACCOUNT)

    assert live.apply(execution(position=position()), NOW) == ()
    assert dict(live.state.positions) == {}


def test_first_reading_tells_only_that_the_state_is_fresh() -> None:
    live = LiveAccount(ACCOUNT)

    assert read(live, position(), orders=(order(), guard())) == (FreshnessChanged(False, NOW),)
    assert live.state.positions == {5: position()}
    assert live.state.orders == {7: order()}
    assert live.state.protection_orders == {6: guard()}
    assert live.state.as_of == NOW
    assert repr(live.state) == "AccountState(account_id=31, is_stale=False)"


def test_what_was_taken_from_the_state_never_changes() -> None:
    live = live_with(position())
    taken = live.state.positions

    live.apply(execution(position=closed(update=1)), NOW)

    assert list(taken) == [5]
    assert list(live.state.positions) == []
    with pytest.raises(TypeError):
        taken[5] = position()  # type: ignore[index]  # the assignment is what is tested


def test_reading_without_an_answer_is_refused() -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    reading.account_told(account())

    assert not reading.is_complete
    with pytest.raises(ValueError, match="not complete"):
        live.rebuilt(reading, NOW)


# Positions


def test_position_opens_changes_and_closes() -> None:
    live = live_with()
    opening, closing = deal(), deal(10, balance="990.00", version=2)
    larger = position(update=2, volume=200_000, used_margin=Decimal(20))

    opened = live.apply(execution(position=position(update=1), deal=opening), at(1))
    grown = live.apply(execution(position=larger), at(2))
    gone = live.apply(execution(position=closed(update=3), deal=closing), at(3))

    assert opened == (
        PositionOpened(position(update=1), opening),
        UsedMarginChanged(Decimal(10), Decimal(0)),
    )
    assert grown == (
        PositionChanged(larger, position(update=1)),
        UsedMarginChanged(Decimal(20), Decimal(10)),
    )
    assert gone == (
        PositionClosed(larger, closing),
        BalanceChanged(Decimal(990), Decimal(1000), closing),
        UsedMarginChanged(Decimal(0), Decimal(20)),
    )
    assert live.state.as_of == at(3)


def test_empty_position_of_a_pending_order_is_no_position() -> None:
    live = live_with()
    empty = closed(status=PositionStatus.CREATED, open_timestamp=None)

    assert live.apply(execution(ExecutionType.ORDER_ACCEPTED, position=empty), NOW) == ()


def test_position_that_is_created_with_nothing_after_a_fill_is_closed() -> None:
    live = live_with(position())
    emptied = closed(update=1, status=PositionStatus.CREATED, stop_loss=1.0)

    (change, *_) = live.apply(execution(position=emptied), NOW)

    assert change == PositionClosed(position())


def test_older_telling_of_a_position_is_passed_over() -> None:
    live = live_with(position(update=5, volume=300_000))

    assert live.apply(execution(position=position(update=4)), NOW) == ()
    assert live.apply(execution(position=closed(update=4)), NOW) == ()
    assert live.state.positions[5].volume == 300_000


def test_position_of_unknown_time_counts_by_its_coming() -> None:
    live = live_with(position(update=None))
    grown = position(update=None, volume=300_000)

    live.apply(execution(position=grown), NOW)

    assert live.state.positions == {5: grown}


def test_closed_position_does_not_come_back_with_an_event_that_is_late() -> None:
    live = live_with(position(update=1))
    live.apply(execution(position=closed(update=9)), NOW)

    assert live.apply(execution(position=position(update=2)), NOW) == ()
    assert dict(live.state.positions) == {}


def test_position_that_was_flipped_in_place_comes_back_in_the_same_millisecond() -> None:
    live = live_with(position(update=1))
    live.apply(execution(position=closed(update=9)), NOW)

    live.apply(execution(position=position(update=9, volume=50_000)), NOW)

    assert live.state.positions[5].volume == 50_000


def test_same_event_twice_counts_once() -> None:
    live = live_with(position(update=1))
    first = execution(position=position(update=1, stop_loss=1.0))
    second = execution(position=position(update=1, stop_loss=1.05))
    live.apply(first, NOW)
    live.apply(second, NOW)

    assert live.apply(first, NOW) == ()
    assert live.state.positions[5].stop_loss == 1.05


def test_trailing_stop_moves_the_position_and_the_order_that_protects_it() -> None:
    live = live_with(position(update=1, stop_loss=1.0), orders=(guard(),))

    changes = live.apply(trailing(1.02, 5), NOW)

    assert changes == (
        PositionChanged(position(update=1, stop_loss=1.02), position(update=1, stop_loss=1.0)),
        OrderChanged(guard(stop_price=1.02), guard()),
    )
    assert live.apply(trailing(1.02, 5), NOW) == ()


def test_trailing_stop_from_before_the_last_change_is_passed_over() -> None:
    live = live_with(position(update=9, stop_loss=1.0), orders=(guard(),))

    assert live.apply(trailing(1.02, 5), NOW) == ()


def test_trailing_stop_of_a_position_that_is_gone_changes_nothing() -> None:
    assert live_with().apply(trailing(1.02, 5), NOW) == ()


def test_margin_is_replaced_where_the_position_is_known() -> None:
    live = live_with(position())

    changes = live.apply(MarginChangeEvent(ACCOUNT, 5, 1250, 2), NOW)

    assert changes == (
        PositionChanged(position(used_margin=Decimal("12.50")), position()),
        UsedMarginChanged(Decimal("12.50"), Decimal(10)),
    )
    assert live.apply(MarginChangeEvent(ACCOUNT, 5, 1250, 2), NOW) == ()
    assert live.apply(MarginChangeEvent(ACCOUNT, 6, 1250, 2), NOW) == ()


# Orders


def test_order_is_placed_changed_and_gone() -> None:
    live = live_with()
    cancelled = order(update=3, status=OrderStatus.CANCELLED)

    placed = live.apply(execution(ExecutionType.ORDER_ACCEPTED, order=order()), NOW)
    changed = live.apply(
        execution(ExecutionType.ORDER_REPLACED, order=order(update=2, volume=1)), NOW
    )
    gone = live.apply(execution(ExecutionType.ORDER_CANCELLED, order=cancelled), NOW)

    assert placed == (OrderPlaced(order()),)
    assert changed == (OrderChanged(order(update=2, volume=1), order()),)
    assert gone == (OrderGone(cancelled),)
    assert isinstance(gone[0], OrderGone)
    assert gone[0].status is OrderStatus.CANCELLED


def test_order_at_market_never_works() -> None:
    live = live_with()
    market = order(order_type=OrderType.MARKET)

    assert live.apply(execution(ExecutionType.ORDER_ACCEPTED, order=market), NOW) == ()
    assert live.apply(execution(order=order(status=OrderStatus.FILLED)), NOW) == ()


def test_order_for_the_opening_works() -> None:
    live = live_with()
    opening = order(order_type=OrderType.MARKET, time_in_force=TimeInForce.MARKET_ON_OPEN)

    assert live.apply(execution(ExecutionType.ORDER_ACCEPTED, order=opening), NOW)
    assert live.state.orders == {7: opening}


def test_order_that_ended_never_comes_back() -> None:
    live = live_with(orders=(order(),))
    live.apply(execution(order=order(update=3, status=OrderStatus.FILLED)), NOW)

    assert live.apply(execution(order=order(update=4)), NOW) == ()
    assert live.apply(execution(order=order(update=2)), NOW) == ()
    assert read(live, orders=(order(update=2),)) == ()
    assert dict(live.state.orders) == {}


def test_older_telling_of_an_order_is_passed_over() -> None:
    live = live_with(orders=(order(update=5),))

    assert live.apply(execution(order=order(update=4, volume=1)), NOW) == ()


def test_protection_order_stands_apart() -> None:
    live = live_with(position())

    assert live.apply(execution(order=guard()), NOW) == (OrderPlaced(guard()),)
    assert (dict(live.state.orders), dict(live.state.protection_orders)) == ({}, {6: guard()})
    gone = guard(update=2, status=OrderStatus.CANCELLED)
    assert live.apply(execution(order=gone), NOW) == (OrderGone(gone),)


@pytest.mark.parametrize(
    "parts",
    [
        {"order": order(update=1, status=OrderStatus(77))},
        {"position": position(update=1, status=PositionStatus(77))},
    ],
)
def test_status_of_the_future_is_a_doubt_and_changes_nothing(parts: dict[str, Any]) -> None:
    live = live_with(position(), orders=(order(),))

    assert live.apply(execution(**parts), NOW) == ()
    assert "UNKNOWN_77" in (live.doubt or "")
    live.begin()
    assert live.doubt is None


# Money


def deposit(balance: str, version: int | None) -> DepositWithdraw:
    return DepositWithdraw(
        operation_type=ChangeBalanceType.BALANCE_DEPOSIT,
        balance_history_id=1,
        balance=Decimal(balance),
        delta=Decimal(1),
        change_timestamp=at(1),
        balance_version=version,
    )


def test_balance_follows_its_versions() -> None:
    live = live_with()
    kind = ExecutionType.DEPOSIT_WITHDRAW

    changes = live.apply(execution(kind, deposit_withdraw=deposit("1001", 2)), NOW)

    assert changes == (BalanceChanged(Decimal(1001), Decimal(1000)),)
    assert live.apply(execution(kind, deposit_withdraw=deposit("999", 1)), NOW) == ()
    assert live.apply(execution(kind, deposit_withdraw=deposit("999", 2)), NOW) == ()
    assert live.doubt is None


def test_version_that_is_left_out_of_the_row_is_a_doubt() -> None:
    live = live_with()

    live.apply(execution(deposit_withdraw=deposit("1001", 3)), NOW)

    assert live.state.balance == 1001
    assert live.doubt == "version 3 of the balance came after version 1"


def test_balance_without_a_version_counts_by_its_coming() -> None:
    live = live_with(of=account(balance_version=None))

    live.apply(execution(deposit_withdraw=deposit("1001", None)), NOW)
    live.apply(execution(deposit_withdraw=deposit("1002", 7)), NOW)

    assert live.state.balance == 1002
    assert live.state.account is not None
    assert live.state.account.balance_version == 7


def test_bonus_is_a_term_of_the_account() -> None:
    live = live_with()
    told = [live.state.bonus]
    bonus = BonusDepositWithdraw(
        operation_type=ChangeBonusType.BONUS_DEPOSIT,
        bonus_history_id=1,
        manager_bonus=Decimal(5),
        manager_delta=Decimal(5),
        ib_bonus=Decimal(2),
        ib_delta=Decimal(2),
        change_timestamp=at(1),
    )

    changes = live.apply(execution(bonus_deposit_withdraw=bonus), NOW)

    assert changes == (
        AccountTermsChanged(account(manager_bonus=Decimal(5), ib_bonus=Decimal(2)), account()),
    )
    assert [*told, live.state.bonus] == [None, 7]
    assert live.state.equity == 1000


def test_account_that_is_told_anew_replaces_the_old_one() -> None:
    live = live_with()
    changed = account(leverage_in_cents=5000, balance=Decimal(900), balance_version=2)

    changes = live.apply(TraderUpdateEvent(ACCOUNT, changed), NOW)

    assert changes == (
        BalanceChanged(Decimal(900), Decimal(1000)),
        AccountTermsChanged(changed, account()),
    )
    assert live.apply(TraderUpdateEvent(ACCOUNT, changed), NOW) == ()
    assert live.apply(TraderUpdateEvent(ACCOUNT, account()), NOW) == ()


def test_account_without_a_version_counts_by_its_coming() -> None:
    live = live_with()

    live.apply(TraderUpdateEvent(ACCOUNT, account(balance_version=None, balance=Decimal(1))), NOW)

    assert live.state.balance == 1


def test_no_more_than_so_many_ends_are_remembered() -> None:
    table: dict[int, None] = {}

    for number in range(5):
        remember(table, number, None, 3)
    remember(table, 2, None, 3)

    assert list(table) == [3, 4, 2]


# Losses


def test_loss_makes_it_stale_and_keeps_what_was_known() -> None:
    live = live_with(position())
    live.quoted(SpotEvent(ACCOUNT, 1, 110_000, 110_002))

    assert live.went_stale(at(2000)) == (FreshnessChanged(True, at(2000)),)
    assert live.went_stale(at(3000)) == ()
    assert (live.state.is_stale, live.state.as_of) == (True, at(2000))
    assert live.state.positions == {5: position()}
    assert live.state.balance == 1000
    assert live.state.equity is None


@pytest.mark.parametrize(
    "event",
    [
        AccountDisconnectEvent(ACCOUNT),
        TokenInvalidatedEvent((30, ACCOUNT)),
        DisconnectedEvent(CTraderConnectionClosedError("gone"), NOW, True),
    ],
)
def test_events_of_a_loss(event: Event) -> None:
    live = live_with()

    assert live.apply(event, NOW) == (FreshnessChanged(True, NOW),)


@pytest.mark.parametrize(
    "event",
    [
        AccountDisconnectEvent(32),
        TokenInvalidatedEvent((30,)),
        SymbolChangedEvent(32, (1,)),
        execution(account_id=32, position=closed(update=9)),
        MarginChangeEvent(32, 5, 1, 2),
        UndecodableMessageEvent(SPOT_EVENT, b"", None, "text"),
        ReadyEvent(ACCOUNT, None),  # type: ignore[arg-type]  # any event of another type does
        SpotEvent(32, 1, 1, 2),
    ],
)
def test_what_is_not_about_the_account_does_nothing(event: Event) -> None:
    live = live_with(position())

    assert live.apply(event, NOW) == ()
    assert (live.state.is_stale, live.doubt) == (False, None)
    assert live.state.positions == {5: position()}


def test_execution_that_cannot_be_read_is_a_doubt() -> None:
    live = live_with()

    live.apply(UndecodableMessageEvent(EXECUTION_EVENT, b"", None, "text"), NOW)

    assert live.doubt == f"a message of type {EXECUTION_EVENT} could not be read"


def test_reading_after_a_loss_tells_what_happened_meanwhile() -> None:
    live = live_with(position(5), position(6), orders=(order(), guard()))
    live.went_stale(at(1))
    grown, new = position(5, 8, volume=300_000), position(9, 9)

    changes = read(
        live,
        grown,
        new,
        orders=(order(8),),
        of=account(balance=Decimal(1), balance_version=9),
    )

    assert changes == (
        OrderGone(order()),
        OrderPlaced(order(8)),
        PositionChanged(grown, position(5)),
        PositionClosed(position(6)),
        PositionOpened(new),
        OrderGone(guard()),
        BalanceChanged(Decimal(1), Decimal(1000)),
        FreshnessChanged(False, NOW),
    )
    assert isinstance(changes[0], OrderGone)
    assert changes[0].status is None
    assert not live.state.is_stale


def test_what_is_heard_before_the_reading_is_told_once() -> None:
    live = live_with(position())
    live.went_stale(at(1))

    heard = live.apply(execution(position=closed(update=2)), at(2))

    assert [type(change) for change in heard] == [PositionClosed, UsedMarginChanged]
    assert (live.state.is_stale, live.state.as_of) == (True, at(1))
    assert read(live) == (FreshnessChanged(False, NOW),)


# Events while it is read


def test_event_before_the_answers_is_in_them() -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    live.apply(execution(position=position(update=1, volume=1)), NOW)
    live.apply(MarginChangeEvent(ACCOUNT, 5, 1, 2), NOW)
    live.apply(trailing(1.5, 1), NOW)
    live.apply(TraderUpdateEvent(ACCOUNT, account(balance=Decimal(7), balance_version=1)), NOW)
    reading.account_told(account(manager_bonus=Decimal(3)))
    reading.holdings_told([position(update=1)], [])

    live.rebuilt(reading, NOW)

    assert live.state.positions == {5: position(update=1)}
    assert live.state.balance == 1000
    assert live.state.bonus == 3


def test_event_after_the_answers_comes_on_top_of_them() -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    reading.account_told(account())
    live.apply(execution(deposit_withdraw=deposit("1001", 2)), NOW)
    reading.holdings_told([position(update=1)], [])
    live.apply(execution(position=position(update=1, volume=1)), NOW)
    live.apply(MarginChangeEvent(ACCOUNT, 5, 1, 2), NOW)
    live.apply(execution(order=order()), NOW)

    live.rebuilt(reading, NOW)

    assert live.state.positions == {5: position(update=1, volume=1, used_margin=Decimal("0.01"))}
    assert live.state.orders == {7: order()}
    assert live.state.balance == 1001


def test_answer_that_is_older_than_an_event_before_it_does_not_outweigh_it() -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    live.apply(execution(position=position(5, 3, volume=1)), NOW)
    live.apply(execution(position=position(6, 3)), NOW)
    live.apply(execution(position=closed(7, 3)), NOW)
    live.apply(execution(order=order(update=3, volume=1)), NOW)
    live.apply(execution(deposit_withdraw=deposit("1001", 2)), NOW)
    reading.account_told(account())
    reading.holdings_told([position(5, 2), position(7, 2)], [order(update=2)])

    live.rebuilt(reading, NOW)

    assert live.state.positions == {5: position(5, 3, volume=1), 6: position(6, 3)}
    assert live.state.orders == {7: order(update=3, volume=1)}
    assert live.state.balance == 1001


def test_balance_without_versions_before_the_answer_is_in_it() -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    live.apply(execution(deposit_withdraw=deposit("1001", None)), NOW)
    reading.account_told(account())
    reading.holdings_told([], [])

    live.rebuilt(reading, NOW)

    assert live.state.balance == 1000


def test_what_opened_and_closed_while_it_was_read_is_not_there() -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    live.apply(execution(position=position(update=1), order=order()), NOW)
    reading.account_told(account())
    live.apply(
        execution(position=closed(update=2), order=order(update=2, status=OrderStatus.FILLED)), NOW
    )
    reading.holdings_told([], [])

    live.rebuilt(reading, NOW)

    assert live.state.positions == {}
    assert live.state.orders == {}


def test_event_while_a_fresh_account_is_read_again_is_told_once() -> None:
    live = live_with(position())
    reading = live.begin()
    reading.account_told(account())
    reading.holdings_told([position()], [])
    change = live.apply(execution(position=position(update=1, volume=1)), NOW)

    assert [type(each) for each in change] == [PositionChanged]
    assert live.rebuilt(reading, NOW) == ()


@pytest.mark.parametrize("end", ["loss", "another", "abandoned"])
def test_loss_and_another_reading_end_one(end: str) -> None:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    reading.account_told(account())
    reading.holdings_told([], [])

    if end == "loss":
        live.went_stale(NOW)
    elif end == "another":
        live.begin()
    else:
        live.abandon(reading)

    assert not live.is_under_way(reading)
    assert live.rebuilt(reading, NOW) == ()
    live.abandon(reading)
    assert live.state.is_stale


def test_reading_that_lasts_too_long_is_given_up() -> None:
    live = live_with()
    reading = live.begin()

    for margin in range(MOST_HEARD + 1):
        live.apply(MarginChangeEvent(ACCOUNT, 5, margin, 2), NOW)

    assert not live.is_under_way(reading)
    assert live.doubt == "too much happened while it was read"
