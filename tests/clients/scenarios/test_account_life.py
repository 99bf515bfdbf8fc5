"""What befalls an account besides its orders, compared with the simulator's books."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from google.protobuf.message import Message

from ctrader.enums import (
    ChangeBalanceType,
    ChangeBonusType,
    ExecutionType,
    NotificationType,
    OrderSide,
)
from ctrader.errors import UnsupportedMessageError
from ctrader.events import (
    ExecutionEvent,
    MarginCallTriggerEvent,
    MarginCallUpdateEvent,
    MarginChangeEvent,
    PnLChangeEvent,
    TraderUpdateEvent,
)
from ctrader.models.positions import ClosePositionRequest
from ctrader.proto import (
    ProtoOADayOfWeek,
    ProtoOADealListRes,
    ProtoOAExecutionEvent,
    ProtoOAReconcileRes,
    ProtoOAv1PnLChangeEvent,
)
from ctrader.protocol import subscriptions
from ctrader.simulator import AccountSpec, Switches, Tick, TickPrices
from ctrader.simulator.messages.wire import drop_money_digits
from ctrader.units import datetime_from_millis
from tests.clients.scenarios.books import account_books, wire_money
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk, eventually
from tests.clients.scenarios.test_order_kinds import (
    EURUSD,
    LOT,
    compare,
    next_of,
    only_position,
    order,
    still,
    watching,
)

pytestmark = pytest.mark.anyio

FULL_LOT = 100 * LOT
USDJPY = 4
MONDAY = 1_699_833_600_000  # 13 November 2023
POOR = AccountSpec(
    account_id=1_000_009,
    trader_login=9,
    deposit_asset="USD",
    balance=Decimal("1000.00"),
    leverage=30,
)


async def test_money_that_comes_and_goes_is_told_and_listed(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        account_id = desk.account_id
        updates: Record[TraderUpdateEvent] = Record()
        desk.client.register_handler(TraderUpdateEvent, updates, account_id=account_id)
        with simulator.locked() as exchange:
            exchange.deposit(account_id, Decimal("250.25"), note="thanks")
            exchange.withdraw(
                account_id,
                Decimal("100.01"),
                change_type=int(ChangeBalanceType.BALANCE_WITHDRAW_INACTIVITY_FEE),
            )
            exchange.deposit_bonus(
                account_id, manager=Decimal("30.00"), introducing_broker=Decimal("5.50")
            )
            exchange.withdraw_bonus(account_id, manager=Decimal("10.00"), note="back")
        first, second = [await next_of(executions, ExecutionType.DEPOSIT_WITHDRAW) for _ in "12"]
        given, taken = [
            await next_of(executions, ExecutionType.BONUS_DEPOSIT_WITHDRAW) for _ in "12"
        ]
        books = account_books(simulator, account_id)
        cash = [each.deposit_withdraw for each in (first, second)]
        assert [
            None
            if each is None
            else (
                each.balance_history_id,
                each.operation_type,
                wire_money(each.delta),
                wire_money(each.balance),
                each.balance_version,
                each.note or None,
            )
            for each in cash
        ] == [
            (
                row["booking_id"],
                row["change_type"],
                row["amount"],
                row["balance"],
                row["balance_version"],
                row["note"],
            )
            for row in books["journal"]
            if row["kind"] == "cash"
        ]
        assert [
            None
            if each is None
            else (each.operation_type, each.manager_bonus, each.manager_delta, each.ib_bonus)
            for each in (given.bonus_deposit_withdraw, taken.bonus_deposit_withdraw)
        ] == [
            (ChangeBonusType.BONUS_DEPOSIT, Decimal("30.00"), Decimal("30.00"), Decimal("5.50")),
            (ChangeBonusType.BONUS_WITHDRAW, Decimal("20.00"), Decimal("-10.00"), Decimal("5.50")),
        ]
        await eventually(stage, lambda: len(updates.events) == 4, "four updates of the account")
        account = updates.events[-1].account
        assert wire_money(account.balance) == books["balance"] == 10_015_024
        assert (account.manager_bonus, account.ib_bonus) == (Decimal("20.00"), Decimal("5.50"))
        now = datetime_from_millis(books["last_booking"])
        flow = await desk.client.accounts.get_cash_flow(
            account_id, now - timedelta(days=1), now + timedelta(seconds=1)
        )
        listed = [each for each in flow if each.change_timestamp >= cash_time(first)]
        assert listed == cash
        assert await desk.client.accounts.get_trader(account_id) == account


def cash_time(event: ExecutionEvent) -> datetime:
    assert event.deposit_withdraw is not None
    return event.deposit_withdraw.change_timestamp


async def test_margin_calls_are_listed_set_and_told_to_everybody(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as one, at_desk(stage, simulator) as other:
        accounts, account_id = one.client.accounts, one.account_id
        calls = await accounts.get_margin_calls(account_id)
        assert [(each.margin_call_type, each.margin_level_threshold) for each in calls] == [
            (NotificationType.MARGIN_LEVEL_THRESHOLD_1, Decimal("100.0")),
            (NotificationType.MARGIN_LEVEL_THRESHOLD_2, Decimal("70.0")),
            (NotificationType.MARGIN_LEVEL_THRESHOLD_3, Decimal("60.0")),
        ]
        async with other.client.stream(MarginCallUpdateEvent) as updates:
            await accounts.update_margin_call(
                account_id, NotificationType.MARGIN_LEVEL_THRESHOLD_2, Decimal("82.5")
            )
            update = await updates.get(BOUND)
        second = (await accounts.get_margin_calls(account_id))[1]
        assert update.account_id == account_id
        assert update.margin_call == second
        assert second.margin_level_threshold == Decimal("82.5")
        with simulator.locked() as exchange:
            call = exchange.book_of(account_id).margin_calls[
                int(NotificationType.MARGIN_LEVEL_THRESHOLD_2)
            ]
            assert call.threshold == 82.5
            assert second.last_update_timestamp == datetime_from_millis(call.updated)


async def test_losses_lead_over_three_warnings_to_the_stop_out(stage: Stage, serve: Serve):
    simulator = still(serve, accounts=(POOR,))
    async with (
        at_desk(stage, simulator) as desk,
        watching(desk) as executions,
        desk.client.stream(MarginCallTriggerEvent) as calls,
    ):
        await desk.client.trading.place_order(desk.account_id, order(20 * LOT))
        seen: list[tuple[NotificationType, Decimal]] = []
        # 20,000 EUR bind 733.35 dollars: of 1,000 are left 719, 499, then 399.
        for bid in (1.0860, 1.0750, 1.0700):
            simulator.set_price("EURUSD", bid, bid + 0.0002)
            call = await calls.get(BOUND)
            seen.append((call.margin_call_type, call.margin_level_threshold))
        assert seen == [
            (NotificationType.MARGIN_LEVEL_THRESHOLD_1, Decimal("100.0")),
            (NotificationType.MARGIN_LEVEL_THRESHOLD_2, Decimal("70.0")),
            (NotificationType.MARGIN_LEVEL_THRESHOLD_3, Decimal("60.0")),
        ]
        assert (await only_position(desk)).used_margin == Decimal("733.35")
        simulator.set_price("EURUSD", 1.0650, 1.0652)
        closed = await next_of(executions, ExecutionType.ORDER_FILLED)
        while closed.order is None or not closed.order.is_stop_out:
            closed = await next_of(executions, ExecutionType.ORDER_FILLED)
        assert closed.is_server_event
        assert closed.deal is not None
        assert closed.deal.close_detail is not None
        assert closed.deal.close_detail.gross_profit == Decimal("-700.40")
        assert await desk.client.trading.get_open_positions(desk.account_id) == []
        await compare(desk, simulator)


async def test_margin_goes_with_leverage_and_is_what_was_expected(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(MarginChangeEvent) as changes,
        desk.client.stream(TraderUpdateEvent) as updates,
    ):
        accounts, account_id = desk.client.accounts, desk.account_id
        small, large = await accounts.get_expected_margin(account_id, EURUSD, [LOT, FULL_LOT])
        assert (small.buy_margin, small.sell_margin) == (Decimal("11.00"), Decimal("11.00"))
        done = await desk.client.trading.place_order(account_id, order(FULL_LOT))
        assert done.position is not None
        assert done.position.used_margin == large.buy_margin == Decimal("1100.02")
        with simulator.locked() as exchange:
            exchange.change_account(account_id, leverage=50)
        update, change = await updates.get(BOUND), await changes.get(BOUND)
        assert (update.account.leverage, update.account.get_leverage()) == (Decimal(50), "1:50")
        assert (change.account_id, change.position_id) == (account_id, done.position.position_id)
        assert change.amount == Decimal("2200.04")
        (row,) = account_books(simulator, account_id)["positions"]
        assert change.used_margin == row["used_margin"]
        await compare(desk, simulator)


async def test_unrealised_profit_is_the_brokers_in_the_accounts_currency(
    stage: Stage, serve: Serve
):
    simulator = still(serve)
    simulator.set_price("USDJPY", 150.000, 150.010)
    simulator.set_price("EURJPY", 165.000, 165.010)
    async with at_desk(stage, simulator, account=1) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        await trading.place_order(account_id, order(FULL_LOT))
        await trading.place_order(
            account_id, order(FULL_LOT, symbol_id=USDJPY, side=OrderSide.SELL)
        )
        simulator.set_price("EURUSD", 1.10112, 1.10122)
        simulator.set_price("USDJPY", 149.500, 149.510)
        found = await trading.get_unrealized_pnl_per_position(account_id)
        with simulator.locked() as exchange:
            book = exchange.book_of(account_id)
            expected = [
                (each.position_id, *exchange.floor.profit_of(book, each))
                for each in book.open_positions()
            ]
        assert [
            (
                each.position_id,
                wire_money(each.gross_unrealized_pnl),
                wire_money(each.net_unrealized_pnl),
            )
            for each in found
        ] == expected
        # 110 dollars are 99.90 euros at 1.10112.
        assert found[0].gross_unrealized_pnl == Decimal("99.90")
        await compare(desk, simulator)


async def test_stream_of_profits_tells_each_change_until_it_is_unsubscribed(
    stage: Stage, serve: Serve
):
    simulator = still(serve, switches=Switches(v1_pnl_stream=True))
    async with at_desk(stage, simulator) as desk, desk.client.stream(PnLChangeEvent) as profits:
        accounts, account_id = desk.client.accounts, desk.account_id
        await accounts.subscribe_pnl(account_id)
        await desk.client.trading.place_order(account_id, order(FULL_LOT))
        for bid, gross in ((1.10102, "100.00"), (1.09952, "-50.00")):
            simulator.set_price("EURUSD", bid, 1.10110)
            event = await profits.get(BOUND)
            while event.gross_unrealized_pnl != Decimal(gross):
                event = await profits.get(BOUND)
            assert event.account_id == account_id
            assert event.net_unrealized_pnl == Decimal(gross) - Decimal("2.50")
        await accounts.unsubscribe_pnl(account_id)
        sent = len(simulator.sent_by_server(ProtoOAv1PnLChangeEvent))
        simulator.set_price("EURUSD", 1.2, 1.2001)
        await desk.client.protocol.get_version()
        assert len(simulator.sent_by_server(ProtoOAv1PnLChangeEvent)) == sent


async def test_server_that_is_silent_about_profits_has_none(
    stage: Stage, serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(subscriptions, "_PNL_PATIENCE", 0.1)  # five seconds otherwise
    simulator = still(serve, switches=Switches(v1_pnl_stream="silent"))
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(UnsupportedMessageError, match=r"did not answer.*get_unrealized_pnl"):
            await desk.client.accounts.subscribe_pnl(desk.account_id)
        await desk.client.accounts.get_trader(desk.account_id)


async def test_swap_is_told_and_booked_with_the_close(stage: Stage, serve: Serve):
    prices = TickPrices({EURUSD: [Tick(MONDAY - 1000, 110_000, 110_002, 2)]}, start=MONDAY)
    simulator = serve(prices=prices, speed=18_000)  # five hours a second
    with simulator.locked() as exchange:
        exchange.change_symbol(EURUSD, swap_period=1)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        done = await desk.client.trading.place_order(desk.account_id, order(FULL_LOT))
        assert done.position is not None
        # 9.41 dollars a day are 39 cents an hour.
        for number in (1, 2):
            swap = await next_of(executions, ExecutionType.SWAP)
            assert swap.position is not None
            assert swap.position.position_id == done.position.position_id
            assert swap.position.swap == number * Decimal("-0.39")
            assert swap.is_server_event
        closed = await desk.client.trading.close_position(
            desk.account_id,
            ClosePositionRequest(position_id=done.position.position_id, volume=FULL_LOT),
        )
        assert closed.deal is not None
        assert closed.deal.close_detail is not None
        assert closed.deal.close_detail.swap <= Decimal("-0.78")
        await compare(desk, simulator)


async def test_account_without_swaps_pays_its_rollovers_instead(stage: Stage, serve: Serve):
    prices = TickPrices({EURUSD: [Tick(MONDAY - 1000, 110_000, 110_002, 2)]}, start=MONDAY)
    account = replace(POOR, balance=Decimal("100000.00"), swap_free=True)
    simulator = serve(prices=prices, accounts=(account,), speed=4 * 86_400)  # four days a second
    with simulator.locked() as exchange:
        exchange.change_symbol(
            EURUSD,
            rollover_commission=500_000_000,  # five dollars a lot
            rollover_commission_3_days=ProtoOADayOfWeek.NONE,
            skip_rollover_days=0,
        )
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        done = await desk.client.trading.place_order(desk.account_id, order(2 * FULL_LOT))
        assert done.position is not None
        for number in (1, 2):
            paid = await next_of(executions, ExecutionType.SWAP)
            assert paid.position is not None
            assert paid.position.swap == number * Decimal("-10.00")
        await desk.client.trading.close_position(
            desk.account_id,
            ClosePositionRequest(position_id=done.position.position_id, volume=2 * FULL_LOT),
        )
        deals = account_books(simulator, desk.account_id)["deals"]
        (row,) = [each["closed_part"] for each in deals if each["closed_part"]]
        assert row["swap"] <= -2000
        assert (await desk.client.accounts.get_trader(desk.account_id)).swap_free


async def test_profit_in_a_foreign_currency_is_converted_and_charged(stage: Stage, serve: Serve):
    simulator = still(serve)
    simulator.set_price("USDJPY", 150.000, 150.010)
    simulator.set_price("EURJPY", 165.000, 165.010)
    async with at_desk(stage, simulator, account=1) as desk, watching(desk) as executions:
        trading, account_id = desk.client.trading, desk.account_id
        done = await trading.place_order(account_id, order(FULL_LOT, symbol_id=USDJPY))
        assert done.position is not None
        simulator.set_price("USDJPY", 151.010, 151.020)
        closed = await trading.close_position(
            account_id,
            ClosePositionRequest(position_id=done.position.position_id, volume=FULL_LOT),
        )
        assert closed.deal is not None
        detail = closed.deal.close_detail
        assert detail is not None
        # A yen for each of 100,000 dollars, at 165 yen the euro; 0.7 % of it are the fee.
        assert detail.gross_profit == Decimal("606.06")
        assert detail.pnl_conversion_fee == Decimal("-4.25")
        assert await next_of(executions, ExecutionType.ORDER_FILLED) == done
        await compare(desk, simulator)
        trader = await desk.client.accounts.get_trader(account_id)
        assert trader.balance == Decimal("50000.00") + detail.net_profit == detail.balance


@pytest.mark.parametrize("are_written", [True, False], ids=["told", "told by the trader only"])
@pytest.mark.parametrize(
    ("currency", "digits", "balance"),
    [("JPY", 0, "15000000"), ("USD", 4, "100000.1234"), ("BTC", 8, "2.12345678")],
)
async def test_money_is_exact_in_every_number_of_decimals(
    stage: Stage, serve: Serve, currency: str, digits: int, balance: str, are_written: bool
):
    account = replace(
        POOR, deposit_asset=currency, money_digits=digits, balance=Decimal(balance), leverage=100
    )
    simulator = still(serve, accounts=(account,))
    if not are_written:
        for kind in (ProtoOAExecutionEvent, ProtoOAReconcileRes, ProtoOADealListRes):
            simulator.script.next_frame(kind, times=None).replace(without_digits)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        trading, account_id = desk.client.trading, desk.account_id
        if are_written:
            # Else the client asks by itself, before the first amount that needs it is read.
            trader = await desk.client.accounts.get_trader(account_id)
            assert trader.balance == Decimal(balance)
        done = await trading.place_order(account_id, order(LOT))
        opened = await next_of(executions, ExecutionType.ORDER_FILLED)
        assert opened.position is not None
        assert done.position == opened.position
        (row,) = account_books(simulator, account_id)["positions"]
        assert wire_money(opened.position.used_margin, digits) == row["used_margin"]
        simulator.set_price("EURUSD", 1.2, 1.2002)
        (profit,) = await trading.get_unrealized_pnl_per_position(account_id)
        with simulator.locked() as exchange:
            book = exchange.book_of(account_id)
            position = book.positions[opened.position.position_id]
            expected = exchange.floor.profit_of(book, position)
        assert wire_money(profit.gross_unrealized_pnl, digits) == expected[0]
        assert wire_money(profit.net_unrealized_pnl, digits) == expected[1]
        await compare(desk, simulator)
        done = await trading.close_position(
            account_id, ClosePositionRequest(position_id=position.position_id, volume=LOT)
        )
        closed = await next_of(executions, ExecutionType.ORDER_FILLED)
        assert done.deal == closed.deal
        assert closed.deal is not None
        detail = closed.deal.close_detail
        assert detail is not None
        assert detail.gross_profit == profit.gross_unrealized_pnl
        assert detail.balance == Decimal(balance) + detail.net_profit
        with simulator.locked() as exchange:
            exchange.deposit(account_id, Decimal(1).scaleb(-digits))
        paid = (await next_of(executions, ExecutionType.DEPOSIT_WITHDRAW)).deposit_withdraw
        assert paid is not None
        assert paid.delta == Decimal(1).scaleb(-digits)
        assert paid.balance == detail.balance + paid.delta
        await compare(desk, simulator)


def without_digits(message: Message) -> Message:
    """Leave out what `moneyDigits` may be left out of a message."""
    drop_money_digits(message)
    return message
