"""The cashier: deposits, withdrawals and bonuses of all accounts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from ctrader.proto import (
    ProtoOAChangeBalanceType,
    ProtoOAChangeBonusType,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOATraderUpdatedEvent,
)
from ctrader.simulator.accounts.money import is_tellable
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Booking
from ctrader.simulator.checked import INT64_MAX
from ctrader.simulator.messages.account import bonus_message, cash_message, trader_message
from ctrader.simulator.messages.wire import set_enum
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.switches import Switches

__all__ = ["Cashier"]

_NON_WITHDRAWABLE: Final = (
    ProtoOAChangeBalanceType.BALANCE_DEPOSIT_NONWITHDRAWABLE_BONUS,
    ProtoOAChangeBalanceType.BALANCE_WITHDRAW_NONWITHDRAWABLE_BONUS,
)


class Cashier:
    """Changes balances and bonuses without a trade, and says so."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        valuation: Valuation,
        *,
        touch: Callable[[AccountBook], None],
    ) -> None:
        """Take where the time and the events go.

        Args:
            touch: Is called whenever an account's money changed.
        """
        self._outside = surroundings
        self._switches = switches
        self._valuation = valuation
        self._touch = touch

    def deposit(
        self,
        book: AccountBook,
        amount: Decimal,
        *,
        change_type: int = ProtoOAChangeBalanceType.BALANCE_DEPOSIT,
        note: str | None = None,
    ) -> Booking:
        """Add money to an account's balance.

        Args:
            book: The account's books.
            amount: How much, in units of the deposit currency; positive.
            change_type: What it is for, one of the `BALANCE_DEPOSIT...` types.
            note: Text that goes with it.

        Raises:
            ValueError: the amount is not positive, has more decimals than the account keeps, or
                is more than can be told; or the type is no deposit's.
        """
        name = _type_named(change_type, "BALANCE_DEPOSIT")
        return self._change(book, _whole(book, amount, name), change_type, note)

    def withdraw(
        self,
        book: AccountBook,
        amount: Decimal,
        *,
        change_type: int = ProtoOAChangeBalanceType.BALANCE_WITHDRAW,
        note: str | None = None,
    ) -> Booking:
        """Take money from an account's balance, be it there or not: a broker may overdraw.

        Args:
            book: The account's books.
            amount: How much, in units of the deposit currency; positive.
            change_type: What it is for, one of the `BALANCE_WITHDRAW...` types.
            note: Text that goes with it.

        Raises:
            ValueError: the amount is not positive, has more decimals than the account keeps, or
                is more than can be told; or the type is no withdrawal's.
        """
        name = _type_named(change_type, "BALANCE_WITHDRAW")
        return self._change(book, -_whole(book, amount, name), change_type, note)

    def charge(
        self, book: AccountBook, amount: int, change_type: int, note: str | None = None
    ) -> None:
        """Take a charge from the balance, positive, in the smallest unit of the currency.

        It takes no more than leaves a balance that a message can hold.
        """
        self._change(book, -min(amount, book.balance + INT64_MAX), change_type, note)

    def cover_loss(self, book: AccountBook) -> None:
        """Bring a balance that a stop-out has just left below zero back to zero.

        While anything is open the equity decides, and closing the rest may still pay for it.
        """
        if not self._switches.negative_balance_protection or book.balance >= 0:
            return
        last = book.journal[-1]
        if last.kind != "deal" or any(book.open_positions()):
            return
        deal = next(each for each in reversed(book.deals) if each.deal_id == last.deal_id)
        if book.orders[deal.order_id].stop_out:
            change_type = ProtoOAChangeBalanceType.BALANCE_DEPOSIT_NEGATIVE_BALANCE_PROTECTION
            self._change(book, -book.balance, change_type, None)

    def deposit_bonus(
        self,
        book: AccountBook,
        *,
        manager: Decimal = Decimal(0),
        introducing_broker: Decimal = Decimal(0),
        note: str | None = None,
    ) -> Booking:
        """Grant a bonus; the balance stays.

        Args:
            book: The account's books.
            manager: The broker's part, in units of the deposit currency.
            introducing_broker: The introducing broker's part.
            note: Text that goes with it.

        Raises:
            ValueError: nothing is given, or an amount the account cannot keep.
        """
        return self._change_bonus(book, manager, introducing_broker, note, sign=1)

    def withdraw_bonus(
        self,
        book: AccountBook,
        *,
        manager: Decimal = Decimal(0),
        introducing_broker: Decimal = Decimal(0),
        note: str | None = None,
    ) -> Booking:
        """Take a bonus back; the balance stays.

        Args:
            book: The account's books.
            manager: The broker's part, in units of the deposit currency.
            introducing_broker: The introducing broker's part.
            note: Text that goes with it.

        Raises:
            ValueError: nothing is taken, or more than was granted.
        """
        return self._change_bonus(book, manager, introducing_broker, note, sign=-1)

    # Private

    def _change(
        self, book: AccountBook, amount: int, change_type: int, note: str | None
    ) -> Booking:
        if not is_tellable(book.balance + amount):
            raise ValueError(f"a balance of {book.balance + amount} does not fit into a message")
        try:
            equity: int | None = self._valuation.equity(book) + amount
        except Refusal:
            equity = None  # an open position has no price now
        if equity is not None and not is_tellable(equity):
            equity = None
        if change_type in _NON_WITHDRAWABLE:
            if not is_tellable(book.non_withdrawable_bonus + amount):
                raise ValueError("a bonus so large does not fit into a message")
            book.non_withdrawable_bonus += amount
        booking = book.book(
            amount,
            self._outside.market_now(),
            kind="cash",
            change_type=int(change_type),
            note=note,
            equity=equity,
        )
        message = self._event(book, ProtoOAExecutionType.DEPOSIT_WITHDRAW)
        message.depositWithdraw.CopyFrom(cash_message(book, booking, self._switches))
        self._tell(book, message)
        return booking

    def _change_bonus(
        self,
        book: AccountBook,
        manager: Decimal,
        introducing_broker: Decimal,
        note: str | None,
        *,
        sign: int,
    ) -> Booking:
        parts = [
            0 if not amount else sign * _whole(book, amount, "bonus")
            for amount in (manager, introducing_broker)
        ]
        if not any(parts):
            raise ValueError("a bonus needs an amount: manager or introducing_broker")
        if book.manager_bonus + parts[0] < 0 or book.ib_bonus + parts[1] < 0:
            raise ValueError("more of the bonus would be taken than there is")
        if not is_tellable(book.manager_bonus + parts[0], book.ib_bonus + parts[1]):
            raise ValueError("a bonus so large does not fit into a message")
        book.manager_bonus += parts[0]
        book.ib_bonus += parts[1]
        kind = ProtoOAChangeBonusType.BONUS_DEPOSIT
        if sign < 0:
            kind = ProtoOAChangeBonusType.BONUS_WITHDRAW
        booking = Booking(
            booking_id=len(book.journal) + 1,
            at=self._outside.market_now(),
            kind="bonus",
            amount=sum(parts),
            balance=book.balance,
            balance_version=book.balance_version,
            change_type=int(kind),
            note=note,
        )
        book.journal.append(booking)
        message = self._event(book, ProtoOAExecutionType.BONUS_DEPOSIT_WITHDRAW)
        message.bonusDepositWithdraw.CopyFrom(
            bonus_message(book, booking, parts[0], parts[1], self._switches)
        )
        self._tell(book, message)
        return booking

    @staticmethod
    def _event(book: AccountBook, execution_type: int) -> ProtoOAExecutionEvent:
        message = ProtoOAExecutionEvent(
            ctidTraderAccountId=book.spec.account_id, isServerEvent=True
        )
        set_enum(message, "executionType", execution_type)
        return message

    def _tell(self, book: AccountBook, message: ProtoOAExecutionEvent) -> None:
        account_id = book.spec.account_id
        self._outside.publish(account_id, message, None)
        if self._switches.trader_updated_after_cash:
            trader = trader_message(book, unknown_fields=self._switches.write_unknown_fields)
            self._outside.publish(
                account_id,
                ProtoOATraderUpdatedEvent(ctidTraderAccountId=account_id, trader=trader),
                None,
            )
        self._touch(book)


def _type_named(change_type: int, beginning: str) -> str:
    names = {int(number): name for name, number in ProtoOAChangeBalanceType.items()}
    name = names.get(int(change_type))
    if name is None or not name.startswith(beginning):
        raise ValueError(f"change type {name or change_type} is none of {beginning}...")
    return name


def _whole(book: AccountBook, amount: Decimal, what: str) -> int:
    """Return a positive amount in the smallest unit of the account's currency."""
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f"the amount of a {what} must be positive, not {amount}")
    scaled = amount.scaleb(book.spec.money_digits)
    if scaled != int(scaled):
        raise ValueError(
            f"{amount} has more decimals than the {book.spec.money_digits} that account "
            f"{book.spec.account_id} keeps"
        )
    if not is_tellable(int(scaled)):
        raise ValueError(f"{amount} does not fit into a message")
    return int(scaled)
