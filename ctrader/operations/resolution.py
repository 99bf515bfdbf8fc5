"""Find out what became of trading requests whose answers were lost.

Late answers and events settle most of them inside the core. What is left is looked for in the
account's state and history, again and again, until each is found or proved absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ctrader.enums import OrderStatus, OrderType
from ctrader.errors import (
    CTraderConnectionTimeoutError,
    CTraderError,
    OrderError,
    OrderNotFoundError,
    OrderOutcomeUnknownError,
)
from ctrader.events import ReadyEvent
from ctrader.models.deals import Deal
from ctrader.models.orders import Order
from ctrader.models.outcomes import (
    Evidence,
    NoEffect,
    OrderOutcome,
    TookEffect,
    UnresolvedOrder,
)
from ctrader.models.positions import Position
from ctrader.operations.base import Op, read
from ctrader.operations.money import digits_for
from ctrader.operations.windows import WEEK, whole_list, windows
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAPosition,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
)
from ctrader.protocol.commands import NextEvent, Pause, Priority, Resolve, WaitReady
from ctrader.protocol.terms import is_open
from ctrader.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ctrader.protocol.outcomes import OpenRequest, Outcomes
    from ctrader.units import Nanos

__all__ = ["FOREVER", "outcome_of", "resolve"]

FOREVER: Final = 1e9
"""Seconds, some thirty years: who asks what became of an order wants to know."""

LOOKS: Final = 3
"""Whole looks that must find nothing before a request is absent."""
BETWEEN_LOOKS: Final = 5 * SECOND
"""Time between two of them, at least."""
AFTER_LOSS: Final = 60 * SECOND
"""The last comes this long after the answer was given up, at least: servers may be slow."""
AFTER_READY: Final = 30 * SECOND
"""The last comes this long after the account was ready again, at least."""
BEFORE_SENDING: Final = 300_000
"""Milliseconds before the last time that the server had told, from which history is read."""
_TICK: Final = 1 * SECOND
"""How often it is looked whether a look is due, so that a new request waits no longer."""

_AT_MARKET: Final = frozenset({OrderType.MARKET, OrderType.MARKET_RANGE})
_WITHOUT_EFFECT: Final = frozenset({OrderStatus.REJECTED})
_PRICE_TOLERANCE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class _Pace:
    """How long an absence takes to be proved."""

    between_looks: Nanos = BETWEEN_LOOKS
    after_loss: Nanos = AFTER_LOSS
    after_ready: Nanos = AFTER_READY
    tick: Nanos = _TICK

    @classmethod
    def of(cls, absence_wait: Nanos) -> _Pace:
        """Return the pace of a configuration; a short wait makes everything faster."""
        if absence_wait >= AFTER_LOSS:
            return cls(after_loss=absence_wait)
        return cls(
            BETWEEN_LOOKS * absence_wait // AFTER_LOSS,
            absence_wait,
            AFTER_READY * absence_wait // AFTER_LOSS,
            _TICK * absence_wait // AFTER_LOSS,
        )

    def last_look(self, since: Nanos, ready: Nanos) -> Nanos:
        """Return when an absence is proved at the earliest."""
        return max(since + self.after_loss, ready + self.after_ready)


@dataclass(slots=True, eq=False)
class _Search:
    """How far the proof of an absence has come."""

    pace: _Pace
    looks: int = 0
    """Whole looks in a row that found nothing."""
    last: Nanos | None = None
    """When the last of them began."""

    def due_at(self, since: Nanos, ready: Nanos) -> Nanos:
        """Return when to look again."""
        if self.last is None:
            return ready
        if self.looks < LOOKS - 1:
            return self.last + self.pace.between_looks
        # What is slow to appear is found soon all the same: the waits double up to the last look.
        between = self.pace.between_looks
        doubled = self.last + (between << (self.looks - LOOKS + 1))
        return max(self.last + between, min(doubled, self.pace.last_look(since, ready)))

    def would_prove(self, began: Nanos, since: Nanos, ready: Nanos) -> bool:
        """Return whether a look proves the absence, if it finds nothing either."""
        return self.looks >= LOOKS - 1 and began >= self.pace.last_look(since, ready)

    def found_nothing(self, began: Nanos, since: Nanos, ready: Nanos) -> bool:
        """Count a look that found nothing; return whether that proves the absence."""
        is_proved = self.would_prove(began, since, ready)
        self.looks += 1
        self.last = began
        return is_proved

    def failed(self, began: Nanos) -> None:
        """Let a look that was not whole count for nothing."""
        self.last = began

    def found_something(self, began: Nanos) -> None:
        """Begin anew: the request arrived, and is on its way."""
        self.looks = 0
        self.last = began


def resolve(account_id: int, outcomes: Outcomes) -> Op[None]:
    """Settle every request of an account that is in doubt; ends when none is left.

    A look that fails, or during which the account's session ends, counts for nothing.
    """
    pace = _Pace.of(outcomes.absence_wait)
    searches: dict[str, _Search] = {}
    while open_requests := outcomes.open_requests(account_id):
        ready = outcomes.ready_since(account_id)
        if ready is None:
            yield from _until_ready(account_id)
            continue
        began = outcomes.now
        due = [
            each
            for each in open_requests
            if searches.setdefault(each.key, _Search(pace)).due_at(each.since, ready) <= began
        ]
        if not due:
            yield Pause(pace.tick)
            continue
        proves = any(searches[each.key].would_prove(began, each.since, ready) for each in due)
        try:
            look = yield from _look(account_id, outcomes, due, proves=proves)
        except CTraderError:
            yield Pause(pace.between_looks)
            continue
        # Each counts by itself, so that a link that does not last lets some be settled.
        keys = {each.key for each in due}
        for each in _in_turn(due, open_requests):
            if not outcomes.is_open(each):
                continue
            search, is_due = searches[each.key], each.key in keys
            is_last = is_due and search.would_prove(began, each.since, ready)
            try:
                is_on_its_way = yield from look.examine(each, is_last=is_last)
            except CTraderError:
                search.failed(began)  # the others may be seen all the same
                continue
            if outcomes.ready_since(account_id) != ready:
                break
            if not is_due or not outcomes.is_open(each):
                continue
            if is_on_its_way is None:
                search.failed(began)
            elif is_on_its_way:
                search.found_something(began)
            elif search.found_nothing(began, each.since, ready):
                outcomes.had_none(
                    each,
                    Evidence.ABSENCE,
                    order=look.orders.get(each.told.order_id or 0),
                    position=look.positions.get(each.told.position_id or 0),
                )


def outcome_of(doubt: OrderOutcomeUnknownError | UnresolvedOrder) -> Op[OrderOutcome]:
    """Wait until it is known what became of a request.

    Raises:
        OrderOutcomeUnknownError: it is not known in time; the search goes on.
        OrderError: this client sent no such request.
    """
    if doubt.client_msg_id is None:
        raise OrderError(
            "This error came from no client's request: there is nothing to look for",
            client_order_id=doubt.client_order_id,
        )
    try:
        outcome = yield Resolve(doubt.client_msg_id)
    except CTraderConnectionTimeoutError as error:
        raise OrderOutcomeUnknownError(
            doubt.client_order_id,
            error,
            account_id=doubt.account_id,
            request_type=doubt.request_type,
            order_id=doubt.order_id,
            position_id=doubt.position_id,
            client_msg_id=doubt.client_msg_id,
        ) from error
    assert isinstance(outcome, TookEffect | NoEffect)
    return outcome


# Private


def _until_ready(account_id: int) -> Op[None]:
    try:
        yield WaitReady(account_id)
    except CTraderError:
        # It is not kept any more, and may be authenticated again some day.
        yield NextEvent((ReadyEvent,), lambda event: _is_ready_event(event, account_id))


def _is_ready_event(event: object, account_id: int) -> bool:
    return isinstance(event, ReadyEvent) and event.account_id == account_id


class _Look:
    """One look at an account: what is open, and what has come of each request."""

    def __init__(
        self,
        account_id: int,
        outcomes: Outcomes,
        due: Sequence[OpenRequest],
        state: ProtoOAReconcileRes,
        *,
        proves: bool,
    ) -> None:
        self.account_id = account_id
        self.outcomes = outcomes
        self.pending = {order.orderId: order for order in state.order}
        self.open = {each.positionId: each for each in state.position if is_open(each)}
        self.orders: dict[int, Order] = {}
        """Orders that stand in the way of a proof, as they are."""
        self.positions: dict[int, Position] = {}
        self._first_ms = min(_first_ms(each, outcomes, proves=proves) for each in due)
        self._listed: list[ProtoOAOrder] | CTraderError | None = None
        self._looked_for: set[str] = set()
        self._found: set[str] = set()
        self._taken: set[int] = set()

    def examine(self, request: OpenRequest, *, is_last: bool) -> Op[bool | None]:
        """Look for what one request has done, and settle it where something is found.

        Args:
            request: What is in doubt.
            is_last: Whether nothing found proves that it did nothing, so that no source may be
                left out.

        Returns: Whether it has arrived and is not at its end; None where this look cannot tell.
        """
        message = request.request
        if isinstance(message, ProtoOANewOrderReq):
            return (yield from self._new_order(request))
        if isinstance(message, ProtoOAClosePositionReq):
            return (yield from self._close(request, message, is_last=is_last))
        if isinstance(message, ProtoOACancelOrderReq):
            yield from self._cancel(request, message)
        elif isinstance(message, ProtoOAAmendOrderReq):
            yield from self._amend_order(request, message)
        else:
            assert isinstance(message, ProtoOAAmendPositionSLTPReq)
            yield from self._amend_position(request, message)
        return False

    # Each kind of request

    def _new_order(self, request: OpenRequest) -> Op[bool]:
        own_id = request.told.client_order_id
        evidence = Evidence.STATE
        found = next((o for o in self.pending.values() if o.clientOrderId == own_id), None)
        if found is None:
            evidence = Evidence.HISTORY
            past = yield from self._past()
            found = next((order for order in past if order.clientOrderId == own_id), None)
        if found is None:
            return False
        return (yield from self._ended_with(request, found.orderId, evidence))

    def _cancel(self, request: OpenRequest, message: ProtoOACancelOrderReq) -> Op[None]:
        standing = self.pending.get(message.orderId)
        if standing is not None:
            self.orders[message.orderId] = Order.from_proto(standing)
            return
        details = yield from self._details(message.orderId)
        if details is None:
            return
        order, deals = details
        if order.status is OrderStatus.CANCELLED:
            self.outcomes.took_effect(request, Evidence.HISTORY, order=order, deals=deals)
        elif order.status is not OrderStatus.ACCEPTED:
            self.outcomes.had_none(request, Evidence.HISTORY, order=order)

    def _amend_order(self, request: OpenRequest, message: ProtoOAAmendOrderReq) -> Op[None]:
        standing = self.pending.get(message.orderId)
        if standing is not None:
            if _has_terms(standing, message):
                order = Order.from_proto(standing)
                self.outcomes.took_effect(request, Evidence.STATE, order=order)
            else:
                self.orders[message.orderId] = Order.from_proto(standing)
            return
        answer = yield from self._raw_details(message.orderId)
        if answer is None or answer.order.orderStatus == OrderStatus.ACCEPTED.value:
            return
        order = Order.from_proto(answer.order)
        if _has_terms(answer.order, message):
            self.outcomes.took_effect(request, Evidence.HISTORY, order=order)
        else:
            self.outcomes.had_none(request, Evidence.HISTORY, order=order)

    def _amend_position(
        self, request: OpenRequest, message: ProtoOAAmendPositionSLTPReq
    ) -> Op[None]:
        standing = self.open.get(message.positionId)
        if standing is None:
            return
        digits = yield from digits_for(self.account_id, [standing])
        position = Position.from_proto(standing, digits)
        if _has_levels(standing, message):
            self.outcomes.took_effect(request, Evidence.STATE, position=position)
        else:
            self.positions[message.positionId] = position

    def _close(
        self, request: OpenRequest, message: ProtoOAClosePositionReq, *, is_last: bool
    ) -> Op[bool | None]:
        past = yield from self._past()
        # Asked right before the choice, for another may have been sent while the list travelled.
        if self.outcomes.leaves_to_others(request, self._looked_for):
            return None
        found = self._closing_order(request, message, past)
        if found is None and is_last:
            past = yield from _orders_of_position(
                self.account_id,
                message.positionId,
                _first_ms(request, self.outcomes, proves=True),
                self.outcomes,
            )
            found = self._closing_order(request, message, past)
            # The others have seen less: what only this list shows may be theirs.
            looked_for = self._looked_for if found is None else self._found
            if self.outcomes.leaves_to_others(request, looked_for):
                return None
        self._looked_for.add(request.key)
        if found is None:
            return False
        self._found.add(request.key)
        self._taken.add(found.orderId)
        return (yield from self._ended_with(request, found.orderId, Evidence.HISTORY))

    # Private

    def _past(self) -> Op[list[ProtoOAOrder]]:
        """Return the account's orders since the first request; they are asked for once a look."""
        if self._listed is None:
            try:
                self._listed = yield from _past_orders(
                    self.account_id, self._first_ms, self.outcomes
                )
            except CTraderError as error:
                self._listed = error
        if isinstance(self._listed, CTraderError):
            raise self._listed
        return self._listed

    def _closing_order(
        self, request: OpenRequest, message: ProtoOAClosePositionReq, past: Sequence[ProtoOAOrder]
    ) -> ProtoOAOrder | None:
        """Find the order that a close came to."""
        past = [order for order in past if order.positionId == message.positionId]
        before, standing = request.call.open_volume, self.open.get(message.positionId)
        if (
            before is not None
            and standing is not None
            and standing.tradeData.volume >= before
            and not any(_may_have_enlarged(order, request) for order in past)
        ):
            return None  # as much is open as when it was sent
        closing = [
            order
            for order in past
            if order.closingOrder
            and not order.isStopOut
            and order.orderType != OrderType.STOP_LOSS_TAKE_PROFIT.value
            and order.tradeData.volume == message.volume
            and order.orderId not in self._taken
            and self.outcomes.may_be_of(request, order.orderId, order.tradeData.openTimestamp)
        ]
        # Older ones may come of an earlier process, which nobody here heard of.
        return max(
            closing, key=lambda order: (order.tradeData.openTimestamp, order.orderId), default=None
        )

    def _ended_with(self, request: OpenRequest, order_id: int, evidence: Evidence) -> Op[bool]:
        """Settle a request by its order; return whether that is still on its way."""
        details = yield from self._details(order_id)
        if details is None:
            return True  # history lags behind the state
        order, deals = details
        if order.status in _WITHOUT_EFFECT:
            self.outcomes.had_none(request, evidence, order=order)
            return False
        is_at_market = order.order_type in _AT_MARKET
        if is_at_market and order.status is OrderStatus.ACCEPTED:
            pace = _Pace.of(self.outcomes.absence_wait)
            if self.outcomes.now < request.since + pace.after_loss:
                return True
        standing = self.open.get(order.position_id or 0)
        position = None
        if standing is not None:
            position = yield from self._position(standing)
        self.outcomes.took_effect(request, evidence, order=order, position=position, deals=deals)
        return False

    def _position(self, standing: ProtoOAPosition) -> Op[Position]:
        digits = yield from digits_for(self.account_id, [standing])
        return Position.from_proto(standing, digits)

    def _details(self, order_id: int) -> Op[tuple[Order, tuple[Deal, ...]] | None]:
        answer = yield from self._raw_details(order_id)
        if answer is None:
            return None
        digits = yield from digits_for(self.account_id, answer.deal)
        rows = sorted(answer.deal, key=lambda row: (row.executionTimestamp, row.dealId))
        deals = tuple(Deal.from_proto(row, digits) for row in rows)
        return Order.from_proto(answer.order), deals

    def _raw_details(self, order_id: int) -> Op[ProtoOAOrderDetailsRes | None]:
        """Ask for one order; None where history does not have it, or not yet."""
        request = ProtoOAOrderDetailsReq(ctidTraderAccountId=self.account_id, orderId=order_id)
        try:
            return (
                yield from read(
                    request,
                    ProtoOAOrderDetailsRes,
                    account_id=self.account_id,
                    priority=Priority.RECOVERY,
                )
            )
        except OrderNotFoundError:
            return None


def _look(
    account_id: int, outcomes: Outcomes, due: Sequence[OpenRequest], *, proves: bool
) -> Op[_Look]:
    """Begin a look, at the account's state; its history is asked for when it is needed."""
    state = yield from read(
        ProtoOAReconcileReq(ctidTraderAccountId=account_id),
        ProtoOAReconcileRes,
        account_id=account_id,
        priority=Priority.RECOVERY,
    )
    return _Look(account_id, outcomes, due, state, proves=proves)


def _in_turn(due: Sequence[OpenRequest], among: Sequence[OpenRequest]) -> Iterator[OpenRequest]:
    """Give the requests that are due, and beside each close those like it.

    Of closes alike the latest goes first: any order that it may have come to may have come of the
    earlier ones as well, and not the other way round.
    """
    alike: dict[object, list[OpenRequest]] = {}
    for each in sorted(among, key=lambda request: request.sent, reverse=True):
        alike.setdefault(each.likeness, []).append(each)
    for each in due:
        yield from alike.pop(each.likeness, ())


def _first_ms(request: OpenRequest, outcomes: Outcomes, *, proves: bool) -> int:
    """Return from when on history may tell of a request, in Unix ms.

    What the server told of the time will do to find it. Where nothing found proves that it is
    absent no time is believed: a day of history may be long, and is read for that only.
    """
    server_ms = request.call.server_ms
    if server_ms is None or proves:
        return outcomes.sent_from_ms(request) - BEFORE_SENDING
    return server_ms - BEFORE_SENDING


def _may_have_enlarged(order: ProtoOAOrder, request: OpenRequest) -> bool:
    """Whether an order may have added to its position since what was known when a request was sent.

    One that fills in parts can, and on netted accounts every order of the same symbol.
    """
    if order.closingOrder or not order.executedVolume:
        return False
    known_ms = request.call.position_updated_ms
    return known_ms is None or order.utcLastUpdateTimestamp > known_ms


def _past_orders(account_id: int, first: int, outcomes: Outcomes) -> Op[list[ProtoOAOrder]]:
    def fetch(
        start: int | None, end: int | None, _: Priority
    ) -> Op[tuple[Sequence[ProtoOAOrder], bool]]:
        request = ProtoOAOrderListReq(
            ctidTraderAccountId=account_id, fromTimestamp=start, toTimestamp=end
        )
        answer = yield from read(
            request, ProtoOAOrderListRes, account_id=account_id, priority=Priority.RECOVERY
        )
        return answer.order, answer.hasMore

    spans = list(windows(first, max(first, outcomes.server_now_ms()), WEEK))
    return (yield from whole_list(fetch, spans, identity=_order_id, moment=_order_time))


def _orders_of_position(
    account_id: int, position_id: int, first: int, outcomes: Outcomes
) -> Op[list[ProtoOAOrder]]:
    def fetch(
        start: int | None, end: int | None, _: Priority
    ) -> Op[tuple[Sequence[ProtoOAOrder], bool]]:
        request = ProtoOAOrderListByPositionIdReq(
            ctidTraderAccountId=account_id,
            positionId=position_id,
            fromTimestamp=start,
            toTimestamp=end,
        )
        answer = yield from read(
            request,
            ProtoOAOrderListByPositionIdRes,
            account_id=account_id,
            priority=Priority.RECOVERY,
        )
        return answer.order, answer.hasMore

    spans = list(windows(first, max(first, outcomes.server_now_ms()), WEEK))
    return (yield from whole_list(fetch, spans, identity=_order_id, moment=_order_time))


def _order_id(row: ProtoOAOrder) -> int:
    return row.orderId


def _order_time(row: ProtoOAOrder) -> int:
    return row.utcLastUpdateTimestamp


_ORDER_TERMS: Final = (
    "limitPrice",
    "stopPrice",
    "expirationTimestamp",
    "stopLoss",
    "takeProfit",
    "slippageInPoints",
    "relativeStopLoss",
    "relativeTakeProfit",
    "trailingStopLoss",
    "stopTriggerMethod",
)


def _has_terms(order: ProtoOAOrder, message: ProtoOAAmendOrderReq) -> bool:
    """Whether an order has all that an amendment asked for."""
    if message.HasField("volume") and order.tradeData.volume != message.volume:
        return False
    return all(
        _is_same(getattr(order, name), getattr(message, name))
        for name in _ORDER_TERMS
        if message.HasField(name)
    )


def _has_levels(position: ProtoOAPosition, message: ProtoOAAmendPositionSLTPReq) -> bool:
    """Whether a position has the levels that were asked for; one left out was to be removed."""
    for name in ("stopLoss", "takeProfit"):
        if position.HasField(name) != message.HasField(name):
            return False
        trails = name == "stopLoss" and message.trailingStopLoss
        if not trails and not _is_same(getattr(position, name), getattr(message, name)):
            return False
    return all(
        getattr(position, name) == getattr(message, name)
        for name in ("trailingStopLoss", "guaranteedStopLoss")
        if message.HasField(name)
    )


def _is_same(found: float, asked: float) -> bool:
    return abs(found - asked) < _PRICE_TOLERANCE
