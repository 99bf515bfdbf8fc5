"""Find the deals that were made while nobody was told."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from ctrader.errors import APIError, CTraderError, ProtocolError
from ctrader.models.deals import Deal
from ctrader.models.orders import Order
from ctrader.models.positions import Position
from ctrader.operations.base import Op, read
from ctrader.operations.money import digits_for
from ctrader.operations.windows import WEEK, whole_list, windows
from ctrader.proto import (
    ProtoOADeal,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
)
from ctrader.protocol.commands import Pause, Priority
from ctrader.protocol.terms import is_open
from ctrader.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrader.protocol.executions import Executions

__all__ = ["catch_up"]

LOOKS: Final = (0, 5 * SECOND, 30 * SECOND)
"""Pauses before each look: the server's history lags behind."""
AFTER_FAILURE: Final = 5 * SECOND
"""Pause before a look that failed is taken again."""
CLOCK_DOUBT: Final = 86_400_000
"""Milliseconds by which this computer's clock may be slow."""


def catch_up(account_id: int, executions: Executions) -> Op[None]:
    """Tell of every deal since the loss that nobody was told of, oldest first.

    It ends with the account's session; the next one begins it anew.
    """
    ready = executions.ready_since(account_id)
    for pause in LOOKS:
        if pause:
            yield Pause(pause)
        while True:
            first = executions.missed_from(account_id)
            if first is None or ready is None or executions.ready_since(account_id) != ready:
                return
            try:
                yield from _look(account_id, executions, first)
            except CTraderError:
                yield Pause(AFTER_FAILURE)
            else:
                break
    if executions.ready_since(account_id) == ready:
        executions.caught_up(account_id)


# Private


def _look(account_id: int, executions: Executions, first: int) -> Op[None]:
    """Read the deals once, and tell of those that are news."""

    def fetch(
        start: int | None, end: int | None, _: Priority
    ) -> Op[tuple[Sequence[ProtoOADeal], bool]]:
        request = ProtoOADealListReq(
            ctidTraderAccountId=account_id, fromTimestamp=start, toTimestamp=end
        )
        answer = yield from read(
            request, ProtoOADealListRes, account_id=account_id, priority=Priority.RECOVERY
        )
        return answer.deal, answer.hasMore

    last = max(first, executions.latest_ms() + CLOCK_DOUBT)
    rows = yield from whole_list(
        fetch, list(windows(first, last, WEEK)), identity=_deal_id, moment=_deal_time
    )
    missed = [row for row in rows if not executions.was_told(account_id, row.dealId)]
    if not missed:
        return
    state = yield from read(
        ProtoOAReconcileReq(ctidTraderAccountId=account_id),
        ProtoOAReconcileRes,
        account_id=account_id,
        priority=Priority.RECOVERY,
    )
    held = [position for position in state.position if is_open(position)]
    digits = yield from digits_for(account_id, [*held, *missed])
    positions: dict[int, Position] = {}
    for each in held:
        with suppress(ProtocolError):  # the deal is told without it
            positions[each.positionId] = Position.from_proto(each, digits)
    failure: CTraderError | None = None
    for row in sorted(missed, key=lambda row: (row.executionTimestamp, row.dealId)):
        try:
            deal = Deal.from_proto(row, digits)
        except ProtocolError as error:
            executions.given_up(account_id, row.dealId, error)
            continue
        try:
            details = yield from read(
                ProtoOAOrderDetailsReq(ctidTraderAccountId=account_id, orderId=row.orderId),
                ProtoOAOrderDetailsRes,
                account_id=account_id,
                priority=Priority.RECOVERY,
            )
        except APIError as error:
            failure = error  # this one is looked for again; the others need not wait for it
            continue
        order: Order | None = None
        with suppress(ProtocolError):  # the deal is told without it
            order = Order.from_proto(details.order)
        executions.recovered(account_id, deal, order, positions.get(deal.position_id))
    if failure is not None:
        raise failure


def _deal_id(row: ProtoOADeal) -> int:
    return row.dealId


def _deal_time(row: ProtoOADeal) -> int:
    return row.executionTimestamp
