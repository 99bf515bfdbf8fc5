"""Know which trading requests are in doubt, and settle each of them once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ctrader.errors import (
    APIError,
    OrderError,
    OrderRejectedError,
    ProtocolError,
)
from ctrader.events import OrderResolvedEvent
from ctrader.journal.record import Settlement
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
from ctrader.proto import (
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
)
from ctrader.protocol.answers import ending_of, refused_with
from ctrader.protocol.commands import Call, Resolve
from ctrader.protocol.recovery import recovered_call
from ctrader.units import Nanos, to_nanos

if TYPE_CHECKING:
    from collections.abc import Container, Hashable

    from google.protobuf.message import Message

    from ctrader.journal.record import Intent
    from ctrader.protocol.auth import Authorization
    from ctrader.protocol.background import Background
    from ctrader.protocol.context import Context
    from ctrader.protocol.correlation import PendingCall
    from ctrader.protocol.decoding import EventDecoder
    from ctrader.protocol.executions import Executions
    from ctrader.protocol.journaling import Journaling
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.protocol.terms import Terms
    from ctrader.protocol.work import Work

__all__ = ["OpenRequest", "Outcomes"]

SETTLED_REMEMBERED: Final = 10_000
"""Outcomes that are still told to who asks late."""
ORDERS_REMEMBERED: Final = 10_000
"""Orders that were heard of, so that an old one is not taken for the effect of a new request."""


CLOCK_DRIFT: Final = 1_000
"""Milliseconds by which the server's clock and ours may drift apart since it told its time."""
CLOCK_DOUBT: Final = 86_400_000
"""Milliseconds by which this computer's clock may be wrong, or what the server told of its own."""

_FOUND: Final = frozenset({Evidence.STATE, Evidence.HISTORY})
"""Evidence that was looked for, and that no event has told."""


@dataclass(frozen=True, slots=True, eq=False)
class OpenRequest:
    """A trading request whose outcome is not known."""

    call: PendingCall
    """What was sent."""
    told: UnresolvedOrder
    """The same, as users see it."""
    since: Nanos
    """When the last hope of an answer ended."""
    number: int = 0
    """Its place among those that an earlier process has left; they come before all others."""

    @property
    def key(self) -> str:
        """The id of its frame."""
        return self.told.client_msg_id

    @property
    def request(self) -> Message:
        """The message that was sent."""
        return self.call.request

    @property
    def sent(self) -> tuple[Nanos, int]:
        """Its place among those that were sent, whatever clock was set meanwhile."""
        return self.call.sent_at, self.number

    @property
    def likeness(self) -> Hashable:
        """What it has in common with those that nothing but their time tells from it."""
        return _close_of(self.call) or self.key


class Outcomes:
    """Keep the trading requests in doubt, and take whatever settles one.

    A late answer settles it, an event that names the order, or the look at state and history that
    `Work.resolve` takes in the background.
    """

    __slots__ = (
        "_authorization",
        "_background",
        "_context",
        "_decoder",
        "_executions",
        "_heard",
        "_heard_count",
        "_open",
        "_pending",
        "_resolving",
        "_settled",
        "_taken",
        "_terms",
        "_work",
        "journaling",
    )

    def __init__(
        self,
        context: Context,
        pending: PendingCommands,
        authorization: Authorization,
        background: Background,
        decoder: EventDecoder,
        executions: Executions,
        terms: Terms,
        work: Work,
    ) -> None:
        self._context = context
        self._decoder = decoder
        self._executions = executions
        self._terms = terms
        self._pending = pending
        self._authorization = authorization
        self._background = background
        self._work = work
        self._open: dict[str, OpenRequest] = {}
        self._settled: dict[str, OrderOutcome] = {}
        self._resolving: set[int] = set()
        self._heard: dict[tuple[int, int], int] = {}
        self._taken: dict[tuple[int, int], str | None] = {}
        self._heard_count = 0
        self.journaling: Journaling | None = None
        """Keeps how requests ended; None where there is no journal."""
        pending.serve(self, Resolve)
        pending.in_doubt = self._opened

    # What happens

    def handed_over(self, call: PendingCall) -> None:
        """Note what was known before a trading request went out."""
        call.server_ms = self._context.server_ms()
        if (position := self._terms.closed_by(call.request)) is not None:
            call.open_volume = position.volume
            call.position_updated_ms = position.updated_ms or None
        call.heard_before = self._heard_count

    def find(self, client_msg_id: str | None) -> OpenRequest | None:
        """Return the request in doubt that a frame answers after all."""
        return None if client_msg_id is None else self._open.get(client_msg_id)

    def answered(self, open_request: OpenRequest, message: Message) -> None:
        """Take an answer that came late."""
        self._conclude(open_request, message, Evidence.ANSWER)

    def refused(self, open_request: OpenRequest, error: APIError) -> None:
        """Take an error answer that came late; a code that proves nothing settles nothing."""
        refusal = refused_with(open_request.call, error)
        if isinstance(refusal, OrderRejectedError):
            self.had_none(open_request, Evidence.ANSWER, error=refusal)

    def learn(self, message: Message, call: PendingCall | None) -> None:
        """Take what an event tells, whoever caused it.

        Args:
            message: The event.
            call: The request that it answers and that is not in doubt; None for others.
        """
        if not isinstance(message, ProtoOAExecutionEvent):
            return
        order = message.order
        told = max(order.utcLastUpdateTimestamp, message.deal.executionTimestamp)
        if told:
            self._context.server_told(told)
        if not order.orderId:
            return
        self._note(message.ctidTraderAccountId, order.orderId)
        if call is not None:
            self._take(message.ctidTraderAccountId, order.orderId, call.message_id)
        for open_request in self.open_requests(message.ctidTraderAccountId):
            own_id = open_request.told.client_order_id
            if own_id is not None and order.clientOrderId == own_id and _is_about(message):
                self._conclude(open_request, message, Evidence.EVENT)

    def recover(self, intents: tuple[Intent, ...]) -> None:
        """Take up what an earlier process has left: each may or may not have been sent."""
        for number, intent in enumerate(intents):
            call = recovered_call(intent)
            if call is None:
                self._context.warn(
                    f"The journal holds a {intent.request_type} of account {intent.account_id} "
                    "that cannot be read here, from an earlier process. Look up in the account "
                    "what became of it."
                )
                continue
            told = UnresolvedOrder(
                client_msg_id=intent.intent_id,
                account_id=intent.account_id,
                request_type=intent.request_type,
                sent_at=datetime.fromtimestamp(intent.unix_ms / 1000, UTC),
                client_order_id=intent.client_order_id,
                order_id=intent.order_id,
                position_id=intent.position_id,
                cause="its process ended before it was known",
                is_from_journal=True,
            )
            self._open[told.client_msg_id] = OpenRequest(call, told, self._context.now, number)
            self._search(told.account_id)

    # What the search for an outcome needs

    @property
    def now(self) -> Nanos:
        """The present moment."""
        return self._context.now

    @property
    def absence_wait(self) -> Nanos:
        """How long after the last hope of an answer a request is absent at the earliest."""
        return to_nanos(self._context.config.absence_wait)

    def server_now_ms(self) -> int:
        """Return a Unix ms that the server's clock has not passed yet.

        This computer's clock may be slow by hours, and what the server told may be old, such as the
        last price of a closed market, or nothing: an order behind this would be told absent.
        """
        return int(self._context.latest_wall().timestamp() * 1000) + CLOCK_DOUBT

    def sent_from_ms(self, open_request: OpenRequest) -> int:
        """Return a Unix ms that the server's clock had passed when a request went out.

        Of the server's clock and this computer's the earlier counts: one message may tell a time
        that is still to come.
        """
        wall_ms = int(open_request.told.sent_at.timestamp() * 1000)
        server_ms = open_request.call.server_ms
        if server_ms is None:
            return wall_ms - CLOCK_DOUBT
        return max(min(server_ms, wall_ms), server_ms - CLOCK_DOUBT)

    def ready_since(self, account_id: int) -> Nanos | None:
        """Return since when an account is ready, None while it is not."""
        account = self._authorization.accounts.get(account_id)
        is_ready = account is not None and account.is_ready and self._context.is_connected
        return account.ready_at if account is not None and is_ready else None

    def open_requests(self, account_id: int) -> list[OpenRequest]:
        """Return the requests of an account that are in doubt, oldest first."""
        return [each for each in self._open.values() if each.told.account_id == account_id]

    def is_open(self, open_request: OpenRequest) -> bool:
        """Whether a request is still in doubt."""
        return open_request.key in self._open

    def leaves_to_others(self, open_request: OpenRequest, looked_for: Container[str]) -> bool:
        """Whether an order may have come of another close, which is just like this one.

        That is one that waits for its answer, or one in doubt that was sent later and has not been
        looked for: of closes alike the latest goes first.
        """
        waits = any(
            pending.call is not None
            and pending.call.message_id is not None
            and pending.call.message_id not in self._open
            and _close_of(pending.call) == open_request.likeness
            for pending in self._pending.of(Call)
        )
        return waits or any(
            each.likeness == open_request.likeness
            and each.sent > open_request.sent
            and each.key not in looked_for
            for each in self._open.values()
        )

    def may_be_of(self, open_request: OpenRequest, order_id: int, opened_ms: int) -> bool:
        """Whether an order may have come of a request, by all that is known of it.

        One that was opened or heard of before the request went out came of another, and so did one
        that is older than what was known of the position, or that answered or settled another. A
        foreign id on its events proves nothing: to take the effect of a request for somebody else's
        would have it repeated.
        """
        is_time_known = open_request.call.server_ms is not None
        if is_time_known and 0 < opened_ms < self.sent_from_ms(open_request) - CLOCK_DRIFT:
            return False
        if 0 < opened_ms < (open_request.call.position_updated_ms or 0):
            return False
        key = (open_request.told.account_id, order_id)
        if key in self._taken:
            return self._taken[key] == open_request.key
        heard = self._heard.get(key)
        return heard is None or heard > open_request.call.heard_before

    def took_effect(
        self,
        open_request: OpenRequest,
        evidence: Evidence,
        *,
        order: Order | None = None,
        position: Position | None = None,
        deals: tuple[Deal, ...] = (),
    ) -> None:
        """Settle a request that was carried out, and tell of its deals if nobody was told."""
        if order is not None and evidence in _FOUND:
            for deal in deals:
                self._executions.recovered(open_request.told.account_id, deal, order, position)
        self._settle(open_request, TookEffect(open_request.told, evidence, order, position, deals))

    def had_none(
        self,
        open_request: OpenRequest,
        evidence: Evidence,
        *,
        error: APIError | None = None,
        order: Order | None = None,
        position: Position | None = None,
    ) -> None:
        """Settle a request that was not carried out."""
        self._settle(open_request, NoEffect(open_request.told, evidence, error, order, position))

    # What users see

    def unresolved(self) -> tuple[UnresolvedOrder, ...]:
        """Return every request in doubt, oldest first."""
        return tuple(each.told for each in self._open.values())

    # Commands

    def begin(self, pending: Pending) -> None:
        """Answer at once where it is known, and wait otherwise."""
        command = pending.command
        assert isinstance(command, Resolve)
        outcome = self._settled.get(command.client_msg_id)
        if outcome is not None:
            self._pending.end(pending.call_id, outcome)
        elif command.client_msg_id not in self._open:
            self._pending.end(
                pending.call_id,
                error=OrderError(
                    f"No request {command.client_msg_id} is in doubt with this client. Ask the "
                    "client that sent it, or look for the order among trading.get_orders()"
                ),
            )

    def leave(self, pending: Pending) -> None:
        """Do nothing: who waits is found among the pending commands."""

    def undo(self, pending: Pending) -> None:
        """Do nothing: the search goes on without its caller."""

    # Private

    def _opened(self, call: PendingCall, cause: BaseException | None) -> None:
        """Begin to find out what became of a request."""
        assert call.message_id is not None
        assert call.call.account_id is not None
        filled = call.filled_in_part
        told = UnresolvedOrder(
            client_msg_id=call.message_id,
            account_id=call.call.account_id,
            request_type=type(call.request).__name__,
            sent_at=self._context.wall(call.sent_at),
            client_order_id=call.client_order_id,
            order_id=getattr(call.request, "orderId", None)
            or (None if filled is None else filled.order.orderId or None),
            position_id=getattr(call.request, "positionId", None)
            or (None if filled is None else filled.position.positionId or None),
            cause=None if cause is None else str(cause),
        )
        self._open[told.client_msg_id] = OpenRequest(call, told, self._context.now)
        self._search(told.account_id)

    def _note(self, account_id: int, order_id: int) -> None:
        """Remember when an order was first heard of."""
        key = (account_id, order_id)
        if key in self._heard:
            return
        self._heard_count += 1
        self._heard[key] = self._heard_count
        if len(self._heard) > ORDERS_REMEMBERED:
            del self._heard[next(iter(self._heard))]

    def _take(self, account_id: int, order_id: int, client_msg_id: str | None) -> None:
        """Remember which request of ours an order came of."""
        self._taken[account_id, order_id] = client_msg_id
        if len(self._taken) > ORDERS_REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def _search(self, account_id: int) -> None:
        if account_id not in self._resolving:
            self._resolving.add(account_id)
            self._background.spawn(
                self._work.resolve(account_id, self),
                lambda _, error: self._searched(account_id, error),
            )

    def _searched(self, account_id: int, error: Exception | None) -> None:
        self._resolving.discard(account_id)
        if error is not None:
            self._context.warn(
                f"The search for what became of the orders of account {account_id} failed: {error}"
            )

    def _conclude(self, open_request: OpenRequest, message: Message, evidence: Evidence) -> None:
        ending = ending_of(open_request.call, message)
        if ending is None or ending.is_nonsense:
            return
        if isinstance(ending.error, OrderRejectedError):
            self.had_none(open_request, evidence, error=ending.error)
        elif isinstance(ending.result, ProtoOAExecutionEvent):
            event = self._decoder.filled_in(ending.result)
            assert isinstance(event, ProtoOAExecutionEvent)
            try:
                order = Order.from_proto(event.order) if event.HasField("order") else None
                position = (
                    Position.from_proto(event.position) if event.HasField("position") else None
                )
                deals = (Deal.from_proto(event.deal),) if event.HasField("deal") else ()
            except ProtocolError:
                return  # what makes no sense settles nothing; the search goes on
            self.took_effect(open_request, evidence, order=order, position=position, deals=deals)

    def _settle(self, open_request: OpenRequest, outcome: OrderOutcome) -> None:
        if self._open.pop(open_request.key, None) is None:
            return
        self._settled[open_request.key] = outcome
        if open_request.call.record is not None:
            assert self.journaling is not None
            self.journaling.settle(open_request.call.record, *_settlement_of(outcome))
        is_its_own = outcome.took_effect or isinstance(
            open_request.request, ProtoOANewOrderReq | ProtoOAClosePositionReq
        )
        if is_its_own and outcome.order is not None:
            # One that was rejected is the end of this request, and of no other like it.
            self._take(outcome.request.account_id, outcome.order.order_id, open_request.key)
        while len(self._settled) > SETTLED_REMEMBERED:
            del self._settled[next(iter(self._settled))]
        self._context.emit(OrderResolvedEvent(outcome.request.account_id, outcome))
        for pending in self._pending.of(Resolve):
            assert isinstance(pending.command, Resolve)
            if pending.command.client_msg_id == open_request.key:
                self._pending.end(pending.call_id, outcome)


def _close_of(call: PendingCall) -> tuple[int, int, int] | None:
    """Return what a request closes: account, position and volume; None where it closes nothing."""
    request = call.request
    if not isinstance(request, ProtoOAClosePositionReq):
        return None
    return request.ctidTraderAccountId, request.positionId, request.volume


def _is_about(message: ProtoOAExecutionEvent) -> bool:
    """Whether an event that names an order tells of the order, and not of a change refused.

    A refused amendment or cancellation, perhaps of another terminal, names the order too. To read
    it as the order's own rejection would have the order placed again.
    """
    is_refusal = message.executionType == ProtoOAExecutionType.ORDER_REJECTED
    is_rejected = message.order.orderStatus == ProtoOAOrderStatus.ORDER_STATUS_REJECTED
    return is_rejected or not is_refusal


def _settlement_of(outcome: OrderOutcome) -> tuple[Settlement, int | None]:
    """Return what a journal keeps of an outcome."""
    order_id = None if outcome.order is None else outcome.order.order_id
    if outcome.took_effect:
        return Settlement.DONE, order_id
    is_refused = isinstance(outcome, NoEffect) and outcome.error is not None
    return Settlement.REJECTED if is_refused else Settlement.NO_EFFECT, order_id
