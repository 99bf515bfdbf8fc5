"""Ask an account for its decimals before money is read that does not say its own.

Nearly every message with money says how many decimals it has, so nothing is asked by default. Where
one does not, and the account has not told yet, two decimals would be a guess that is wrong by
powers of ten on some accounts; and whoever trades by it would not notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.events import EVENT_TYPE_BY_MESSAGE
from ctrader.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOAClosePositionDetail,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAExecutionEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAPosition,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader.protocol.commands import Call, Priority

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.protocol.commands import CallId
    from ctrader.protocol.context import Context
    from ctrader.protocol.correlation import PendingCall
    from ctrader.protocol.decoding import EventDecoder
    from ctrader.protocol.envelope import Envelope
    from ctrader.protocol.pending import Pending, PendingCommands

__all__ = ["MoneyInquiry"]

PATIENCE: Final = 1.0
"""Seconds until frames are held back no longer, whatever the account has not told."""
MOST_HELD: Final = 10_000
"""Frames that are held back at most; with one more, all are let go."""

_AMOUNTS: Final[dict[type[Message], tuple[str, ...]]] = {
    ProtoOAPosition: ("swap", "commission", "mirroringCommission", "usedMargin"),
    ProtoOADeal: ("commission",),
    ProtoOAClosePositionDetail: (
        "grossProfit",
        "swap",
        "commission",
        "balance",
        "pnlConversionFee",
    ),
    ProtoOADepositWithdraw: ("balance", "delta", "equity"),
    ProtoOABonusDepositWithdraw: ("managerBonus", "managerDelta", "ibBonus", "ibDelta"),
    ProtoOAMarginChangedEvent: ("usedMargin",),
}


class MoneyInquiry:
    """One account's decimals being asked for, and the frames that wait for them.

    While it is under way every frame waits but the answer to it, so that all arrive in the order in
    which they were sent. That happens once for an account, if at all, and lasts as long as one
    answer takes.
    """

    __slots__ = (
        "_account_id",
        "_call_id",
        "_context",
        "_decoder",
        "_held",
        "_is_over",
        "_pending",
        "_settled",
        "is_asking",
    )

    def __init__(self, context: Context, pending: PendingCommands, decoder: EventDecoder) -> None:
        self._context = context
        self._pending = pending
        self._decoder = decoder
        self._account_id = 0
        self._call_id: CallId = 0
        self._held: list[Envelope] = []
        self._settled: set[int] = set()
        self._is_over = False
        self.is_asking = False
        """Whether frames are held back; `take` must be called after each input meanwhile."""

    def opened(self) -> None:
        """Begin with a new link: who did not tell may tell now."""
        self._held = []
        self._settled.clear()
        self.is_asking = False

    def holds_back(self, envelope: Envelope, call: PendingCall | None) -> bool:
        """Hold a frame back while an account is being asked, unless it answers that."""
        if not self.is_asking or (call is not None and call.call_id == self._call_id):
            return False
        self._held.append(envelope)
        if len(self._held) == MOST_HELD + 1:
            self.give_up()
        return True

    def asks_first(self, message: Message, envelope: Envelope, call: PendingCall | None) -> bool:
        """Hold a frame back whose money cannot be read yet, and ask its account."""
        if type(message) not in _WITH_MONEY:
            return False
        account_id: int = getattr(message, "ctidTraderAccountId", 0)
        if account_id in self._settled or self._decoder.money_digits(account_id) is not None:
            return False
        is_read = call is not None or self._decoder.wants(EVENT_TYPE_BY_MESSAGE[type(message)])
        if not is_read or not _lacks_digits(message):
            return False
        self._account_id = account_id
        if not self._context.is_connected:
            self._settle("the client is being closed")
            return False
        self._held.append(envelope)
        self._is_over = False
        self.is_asking = True
        request = ProtoOATraderReq(ctidTraderAccountId=account_id)
        self._call_id = self._pending.submit(
            Call(
                request,
                ProtoOATraderRes,
                priority=Priority.SESSION,
                resend=False,
                account_id=account_id,
            ),
            PATIENCE,
            answered=self._answered,
        )
        return True

    def give_up(self) -> None:
        """Wait for the answer no longer."""
        self._pending.cancel(self._call_id)
        self._settle("it did not answer in time")

    def take(self) -> list[Envelope]:
        """Return what was held back once the inquiry is over, oldest first, and forget it."""
        if not (self.is_asking and self._is_over):
            return []
        held, self._held = self._held, []
        self.is_asking = False
        return held

    # Private

    def _answered(self, _: Pending, error: Exception | None) -> None:
        self._settle(None if error is None else str(error).rstrip("."))

    def _settle(self, failure: str | None) -> None:
        # An account that does not say its decimals has two: that is the protocol's own default.
        self._is_over = True
        self._settled.add(self._account_id)
        if failure is not None:
            self._context.warn(
                f"Money on account {self._account_id} comes without its decimals, and the account "
                f"could not be asked for them: {failure}. Amounts that do not say theirs are read "
                "with 2 decimals until client.accounts.get_trader() has told."
            )


_WITH_MONEY: Final = frozenset({ProtoOAExecutionEvent, ProtoOAMarginChangedEvent})


def _lacks_digits(message: Message) -> bool:
    """Whether an amount other than 0, which is the same in all decimals, does not say its own."""
    parts: list[Message] = [message]
    if isinstance(message, ProtoOAExecutionEvent):
        # A part that is not there holds no amounts.
        parts = [
            message.position,
            message.deal,
            message.depositWithdraw,
            message.bonusDepositWithdraw,
        ]
        if not message.deal.HasField("moneyDigits"):
            parts.append(message.deal.closePositionDetail)
    return any(
        not part.HasField("moneyDigits")
        and any(getattr(part, amount) for amount in _AMOUNTS[type(part)])
        for part in parts
    )
