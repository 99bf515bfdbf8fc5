"""Tells the clients of an account what became of its orders.

Every step of an order sends one event, with its order, position and deal as they are at that
moment.
"""

from __future__ import annotations

from ctrader.proto import ProtoOATrailingSLChangedEvent
from ctrader.simulator.book import AccountBook, Deal, Order, Position
from ctrader.simulator.messages.trades import execution_message
from ctrader.simulator.messages.wire import price
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.switches import Switches

__all__ = ["ExecutionEvents"]


class ExecutionEvents:
    """The events of all accounts' orders, on their way to the connections."""

    def __init__(self, surroundings: Surroundings, switches: Switches) -> None:
        """Take where events are published."""
        self._outside = surroundings
        self._switches = switches

    def publish(
        self,
        book: AccountBook,
        execution_type: int,
        order: Order,
        position: Position | None,
        *,
        deal: Deal | None = None,
        server: bool = False,
        error_code: str | None = None,
    ) -> None:
        """Tell a step of an order, under the id of the request behind it.

        Args:
            server: Whether the server did it of its own accord.
            error_code: Why something was refused or rejected.
        """
        message = execution_message(
            book,
            execution_type,
            order=order,
            position=position,
            deal=deal,
            server=server,
            error_code=error_code,
            unknown_fields=self._switches.write_unknown_fields,
        )
        self._outside.publish(book.spec.account_id, message, order.origin)

    def publish_trailing(
        self, book: AccountBook, order: Order, position: Position, stop: int
    ) -> None:
        """Tell where a trailing stop loss stands now."""
        message = ProtoOATrailingSLChangedEvent(
            ctidTraderAccountId=book.spec.account_id,
            positionId=position.position_id,
            orderId=order.order_id,
            stopPrice=price(stop),
            utcLastUpdateTimestamp=self._outside.market_now(),
        )
        self._outside.publish(book.spec.account_id, message, None)
