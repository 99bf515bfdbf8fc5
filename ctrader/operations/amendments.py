"""Change one thing of a position or an order, and keep all the rest.

The server replaces what it is sent and removes what is left out, so what stays must be sent again.
That is read first; and if it changed between the read and the moment when the request is handed
over, it is read again, so that no stop loss is lost that somebody else has set meanwhile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ctrader.errors import (
    AmendmentIncompleteError,
    CTraderConnectionTimeoutError,
    OrderError,
    OrderNotSentError,
    OrderRejectedError,
    PositionNotFoundError,
    ProtocolError,
)
from ctrader.models.orders import OrderTerms, check_rules, names_what_a_symbol_rules
from ctrader.models.positions import AmendPositionRequest, Protection
from ctrader.models.request import CLEAR
from ctrader.models.symbols import TradingRules
from ctrader.operations.checks import READS, Inquiry, write_order
from ctrader.operations.fulfilment import order_shortfalls, position_shortfalls
from ctrader.protocol.commands import Completion, Lacking, Subject, Thing, WaitSettled
from ctrader.protocol.terms import is_open

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.events import ExecutionEvent
    from ctrader.models.orders import AmendOrderRequest
    from ctrader.operations.base import Op
    from ctrader.operations.checks import Purpose
    from ctrader.proto import ProtoOAReconcileRes
    from ctrader.protocol.terms import Promise, Terms

__all__ = ["OrderAmendment", "PositionAmendment"]

ROUNDS: Final = 5
"""How often what is changed may have changed since it was read, before the request is given up."""
SYMBOL_SHARE: Final = 0.25
"""Part of the time left that reading the symbol of a position may take."""

H = TypeVar("H", Protection, OrderTerms)


class Amendment(ABC, Generic[H]):
    """One change of one thing, from what is read of it to the answer."""

    def __init__(
        self,
        purpose: Purpose,
        subject: Subject,
        request: AmendOrderRequest | AmendPositionRequest,
        inquiry: Inquiry,
    ) -> None:
        self._purpose = purpose
        self._subject = subject
        self._named = request
        self._inquiry = inquiry
        self._is_ruled = names_what_a_symbol_rules(request)
        self._held: H | None = None
        self._rounds = 0

    def run(self) -> Op[ExecutionEvent]:
        """Read, merge and send, until what was merged still holds as it is sent.

        Raises:
            OrderInvalidError: what results cannot be right; nothing was sent.
            OrderNotSentError: it was not sent.
            OrderRejectedError: the server refused it, or there is nothing to change any more.
            OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
            AmendmentIncompleteError: the server took it, and did not do all of it.
        """
        self._rounds = 0
        has_looked = False
        while True:
            state = yield from self._purpose.read_state(self._may_read)
            if isinstance(state, Lacking):
                yield from self._find_out(state)
                continue
            self._held = held = self._read(state)
            if held is None:
                may_come = self._may_be_hidden and not has_looked
                if not may_come or not (yield from self._purpose.wait_for_fresh()):
                    raise self._missing()
                has_looked = True
                continue
            message = yield from self._write(held)
            try:
                outcome = yield from self._purpose.send(self._may_send, message, self._completion)
            except PositionNotFoundError:
                if has_looked or not (yield from self._purpose.wait_for_fresh()):
                    raise
                has_looked = True
                continue
            if not isinstance(outcome, Lacking):
                self._require_done(held, outcome)
                return outcome
            yield from self._find_out(outcome)

    # What is particular to the thing

    _completion: Completion
    _may_be_hidden: bool
    """Whether the server may not find a fresh one at first."""

    @abstractmethod
    def _known(self, terms: Terms) -> H | None: ...

    @abstractmethod
    def _found(self, state: ProtoOAReconcileRes) -> H | None: ...

    @abstractmethod
    def _write(self, held: H) -> Op[Message]: ...

    @abstractmethod
    def _missing(self) -> OrderRejectedError: ...

    @abstractmethod
    def _shortfalls(self, held: H, event: ExecutionEvent) -> dict[str, str]: ...

    # Private

    def _may_read(self, terms: Terms) -> Lacking | None:
        """Guard the read: it comes last, so that as little time as can be passes after it."""
        self._purpose.bind(terms)
        if terms.is_unsettled(self._subject):
            return Lacking(awaits=self._subject)
        known = self._known(terms)
        return None if known is None else self._rules_lacking(terms, known)

    def _may_send(self, terms: Terms) -> Lacking | None:
        self._purpose.bind(terms)
        held, known = self._held, self._known(terms)
        assert held is not None  # it was merged before
        # An answer that leaves nothing in the memory is taken for what it says.
        if known != held and (known is not None or self._rounds < READS - 1):
            return Lacking(state=True)
        lacking = self._rules_lacking(terms, held)
        if lacking is None and not self._is_ruled:
            check_rules(self._named, TradingRules(held.symbol_id), now=terms.now)
        return lacking

    def _rules_lacking(self, terms: Terms, held: H) -> Lacking | None:
        if not self._is_ruled:
            return None
        rules = self._inquiry.rules(terms, held.symbol_id)
        if isinstance(rules, Lacking):
            return rules
        check_rules(self._named, rules, now=terms.now)
        return None

    def _require_done(self, held: H, event: ExecutionEvent) -> None:
        shortfalls = self._shortfalls(held, event)
        if shortfalls:
            thing, subject_id = self._subject.thing, self._subject.id
            raise AmendmentIncompleteError(
                shortfalls,
                event,
                account_id=self._purpose.account_id,
                request_type=self._purpose.request_type,
                order_id=subject_id if thing is Thing.ORDER else None,
                position_id=subject_id if thing is Thing.POSITION else None,
            )

    def _read(self, state: ProtoOAReconcileRes) -> H | None:
        try:
            return self._found(state)
        except ProtocolError as error:
            raise self._purpose.not_sent(
                "what would have to stay of it makes no sense", error
            ) from error

    def _find_out(self, lacking: Lacking) -> Op[None]:
        if lacking.symbol_id is not None:
            yield from self._inquiry.find_out(lacking.symbol_id, lacking.awaits)
        elif lacking.awaits is not None:
            try:
                yield from self._purpose.carry_out(WaitSettled(lacking.awaits))
            except OrderNotSentError as error:
                if not isinstance(error.cause, CTraderConnectionTimeoutError):
                    raise
                raise self._purpose.not_sent(
                    "another change of it was still under way", error.cause
                ) from error
        else:
            self._rounds += 1
            if self._rounds == ROUNDS:
                raise self._purpose.not_sent(
                    f"what it builds on changed {ROUNDS} times while it was read", None
                )


class PositionAmendment(Amendment[Protection]):
    """A change of a position's stop loss and take profit."""

    _completion = Completion.PROTECTED
    _may_be_hidden = True

    def __init__(self, purpose: Purpose, request: AmendPositionRequest) -> None:
        """Begin with nothing read."""
        super().__init__(
            purpose,
            Subject(purpose.account_id, Thing.POSITION, request.position_id),
            request,
            Inquiry(purpose, is_needed=False, share=SYMBOL_SHARE),
        )
        self._request = request
        self._promise: Promise | None = None
        self._stops_trailing = False
        self._has_stopped = False

    def run(self) -> Op[ExecutionEvent]:
        """Read, merge and send; in two steps if a stop loss that trails shall be removed."""
        event = yield from super().run()
        if not self._stops_trailing:
            return event
        self._has_stopped = True
        standing = self._held
        assert standing is not None  # it was merged before
        try:
            return (yield from super().run())
        except OrderNotSentError as error:
            raise self._purpose.not_sent(
                "the stop loss does not trail any more, but stands at "
                f"{standing.stop_loss}: {error.reason}",
                error.cause,
            ) from error
        except OrderError as error:
            is_refused = isinstance(error, OrderRejectedError)
            still_stands = is_refused and not isinstance(error, PositionNotFoundError)
            level = standing.stop_loss
            stop_loss = f"stands at {level}" if still_stands else f"stood at {level} then"
            error.tell_done(
                "The first of two steps was done: the stop loss of position "
                f"{self._request.position_id} does not trail any more; it {stop_loss}."
            )
            raise

    def _known(self, terms: Terms) -> Protection | None:
        position = terms.position(self._purpose.account_id, self._request.position_id)
        self._promise = None if position is None else position.promise
        if position is None or position.protection is None:
            return None
        return _kept(position.protection, self._promise)

    def _found(self, state: ProtoOAReconcileRes) -> Protection | None:
        for position in state.position:
            if position.positionId == self._request.position_id and is_open(position):
                return _kept(Protection.from_proto(position), self._promise)
        return None

    def _write(self, held: Protection) -> Op[Message]:
        yield from ()  # nothing has to be read for it
        request = self._request
        full = request.completed_from(held)
        trails = held.trailing_stop_loss and held.stop_loss is not None
        self._stops_trailing = request.stop_loss is CLEAR and trails and not self._has_stopped
        if self._stops_trailing:
            # A stop loss that trails cannot be removed: first it must stand still.
            standing = AmendPositionRequest(
                position_id=request.position_id, trailing_stop_loss=False
            )
            full = standing.completed_from(held)
        return full.to_proto(self._purpose.account_id)

    def _missing(self) -> OrderRejectedError:
        position_id = self._request.position_id
        return self._purpose.refused(
            "POSITION_NOT_FOUND",
            f"position {position_id} is not among the open positions",
            position_id=position_id,
        )

    def _shortfalls(self, held: Protection, event: ExecutionEvent) -> dict[str, str]:
        if self._stops_trailing and not self._has_stopped:
            return {}  # the first of two steps
        return position_shortfalls(self._request, held, event)


class OrderAmendment(Amendment[OrderTerms]):
    """A change of a pending order."""

    _completion = Completion.REPLACED
    _may_be_hidden = False

    def __init__(self, purpose: Purpose, request: AmendOrderRequest) -> None:
        """Begin with nothing read."""
        super().__init__(
            purpose,
            Subject(purpose.account_id, Thing.ORDER, request.order_id),
            request,
            Inquiry(purpose, is_needed=True),
        )
        self._request = request

    def _known(self, terms: Terms) -> OrderTerms | None:
        return terms.order(self._purpose.account_id, self._request.order_id)

    def _found(self, state: ProtoOAReconcileRes) -> OrderTerms | None:
        for order in state.order:
            if order.orderId == self._request.order_id:
                return OrderTerms.from_proto(order)
        return None

    def _write(self, held: OrderTerms) -> Op[Message]:
        full = self._request.completed_from(held)
        try:
            return (yield from write_order(self._purpose, self._inquiry, full, held.symbol_id))
        except OrderError:
            raise
        except ValueError as error:
            # An expiration of the server's own that it would not take back.
            raise self._purpose.not_sent(
                "what would have to stay of it cannot be sent", error
            ) from error

    def _missing(self) -> OrderRejectedError:
        order_id = self._request.order_id
        return self._purpose.refused(
            "ORDER_NOT_FOUND",
            f"order {order_id} is not among the pending orders",
            order_id=order_id,
        )

    def _shortfalls(self, held: OrderTerms, event: ExecutionEvent) -> dict[str, str]:
        return order_shortfalls(self._request, held, event)


def _kept(protection: Protection, promise: Promise | None) -> Protection:
    """Add the levels that a fill promised and that never came: they must not get lost."""
    if promise is None:
        return protection
    if promise.stop_loss is not None:
        protection = protection._replace(
            stop_loss=promise.stop_loss,
            trailing_stop_loss=promise.trailing_stop_loss,
            guaranteed_stop_loss=promise.guaranteed_stop_loss,
        )
    if promise.take_profit is not None:
        protection = protection._replace(take_profit=promise.take_profit)
    return protection
