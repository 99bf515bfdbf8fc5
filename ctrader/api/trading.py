"""Trading: orders, positions and deals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ctrader.api.base import BaseAPI
from ctrader.operations import history, resolution
from ctrader.operations import trading as operations

if TYPE_CHECKING:
    from ctrader.errors import OrderOutcomeUnknownError
    from ctrader.events import ExecutionEvent
    from ctrader.models.deals import Deal, DealOffset
    from ctrader.models.orders import AmendOrderRequest, NewOrderRequest, Order
    from ctrader.models.outcomes import OrderOutcome, UnresolvedOrder
    from ctrader.models.positions import (
        AmendPositionRequest,
        ClosePositionRequest,
        Position,
        PositionUnrealizedPnL,
    )
    from ctrader.operations.trading import Until

__all__ = ["TradingAPI"]


class TradingAPI(BaseAPI):
    """Orders, positions and deals of an account.

    **Trading requests** (place, amend, cancel, close) are sent now or not at all: they never wait
    for a lost link or an account that is not ready, and nothing is ever sent a second time by
    itself. Each ends in exactly one way, within its `timeout`:

    - the execution event that the server answered with;
    - `OrderInvalidError`: refused here, nothing was sent. Correct it: the message names the value,
      the remedy and the nearest valid values;
    - `OrderNotSentError`: nothing was handed to the network. Safe to repeat;
    - `OrderRejectedError`: the server refused it; it is also of the code's own class, such as
      `NotEnoughMoneyError` or `MarketClosedError`;
    - `OrderOutcomeUnknownError`: it was sent, and no definite answer came. It may have been
      executed: wait for its `resolve()` before you repeat it;
    - `AmendmentIncompleteError`: the server took an amendment, and its own answer shows that not
      all of it was done. Look at what it has now, and amend again.

    Prices, volumes and texts are checked before anything is sent, against the symbol's terms and,
    for a close, against what is open. What the client was told on this link, by an answer or an
    event, is not asked for again: only the first request in a symbol costs a question
    (`ProtoOASymbolByIdReq`), and the first after the symbol changed or the link was lost. Requests
    of `client.protocol` are not checked.

    **Questions** (`get_...`) wait for a lost link to come back and are asked again, inside their
    time. They may raise

    - `APIError`: the server refused the request; its class and `error_code` say why.
    - `CTraderConnectionTimeoutError`: no answer in time.
    - `CTraderConnectionError`: the client is not connected, or gave up reconnecting.

    `timeout` is in seconds, waiting in the queue included; None takes the client's
    `request_timeout`. Volumes are in hundredths of a unit everywhere: 100_000 is 1,000 units, for
    EURUSD 0.01 lot.
    """

    __slots__ = ()

    # Trading requests

    async def place_order(
        self,
        account_id: int,
        request: NewOrderRequest,
        timeout: float | None = None,
        *,
        until: Until = "done",
    ) -> ExecutionEvent:
        """Place an order.

        Example:
            done = await client.trading.place_order(
                account_id,
                NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000),
            )

        Backed by `ProtoOANewOrderReq`. The library gives the order a unique `client_order_id` if
        it has none. The stop loss and take profit of an order at market are distances from its
        fill; the order that guards them appears some milliseconds after the fill, as an event.

        Args:
            account_id: The account; it must be ready.
            request: The order.
            timeout: Seconds; None takes the client's default.
            until: "done" waits for the end of an order at market and for the acceptance of a
                pending one; "accepted" waits for the acceptance of either.

        Returns: For an order at market the event that ended it: look at `execution_type` and
            `order.executed_volume`, as it may have been cancelled or expired for want of a price,
            and its rest rejected after a part was filled.
            For a pending order its acceptance; its fill comes as an event.

        Raises:
            OrderInvalidError: the order cannot be right; nothing was sent.
            DuplicateClientOrderIdError: its `client_order_id` was used before.
            SymbolNotFoundError: there is no such symbol, or it is archived; nothing was sent. Also
                an `OrderRejectedError`.
            OrderNotSentError: nothing was sent.
            OrderRejectedError: the server refused it.
            OrderOutcomeUnknownError: it may have been executed.
        """
        return await self._runner.run(
            operations.place_order(account_id, request, until=until), timeout
        )

    async def amend_order(
        self, account_id: int, request: AmendOrderRequest, timeout: float | None = None
    ) -> ExecutionEvent:
        """Change a pending order; what the request does not name stays as it is.

        A level or an expiration that is named as `CLEAR` is removed; None keeps what is there. The
        order is read first (`ProtoOAReconcileReq`) and all of its terms are sent
        (`ProtoOAAmendOrderReq`), because the server may clear what is left out. The server reports
        the levels of a pending order as distances, so levels that are kept move along with its
        price. Without a stop loss an order has nothing that could trail: one that is removed takes
        trailing and guarantee with it, in one request.

        Args:
            account_id: The account; it must be ready.
            request: The order's id and what to change.
            timeout: Seconds for all of it; None takes the client's default.

        Returns: The event that says the order was replaced.

        Raises:
            OrderNotFoundError: it was filled or cancelled meanwhile; also an `OrderRejectedError`.
            OrderInvalidError: the changed order cannot be right; nothing was sent.
            OrderNotSentError: nothing was sent.
            OrderRejectedError: the server refused it.
            OrderOutcomeUnknownError: it may have been changed.
            AmendmentIncompleteError: the server took it, and its answer shows an order that still
                has what was to be removed, or the old value of what was to be changed.
        """
        return await self._runner.run(operations.amend_order(account_id, request), timeout)

    async def cancel_order(
        self, account_id: int, order_id: int, timeout: float | None = None
    ) -> ExecutionEvent:
        """Cancel a pending order.

        Backed by `ProtoOACancelOrderReq`.

        Args:
            account_id: The account; it must be ready.
            order_id: The order.
            timeout: Seconds; None takes the client's default.

        Returns: The event that says the order was cancelled.

        Raises:
            OrderNotSentError: nothing was sent.
            OrderRejectedError: the server refused it: the order was filled meanwhile, say.
            OrderOutcomeUnknownError: it may have been cancelled; cancelling again is safe.
        """
        return await self._runner.run(operations.cancel_order(account_id, order_id), timeout)

    async def close_position(
        self,
        account_id: int,
        request: ClosePositionRequest,
        timeout: float | None = None,
        *,
        until: Until = "done",
    ) -> ExecutionEvent:
        """Close a position or a part of it, at market.

        Backed by `ProtoOAClosePositionReq`. To close all of it give the position's volume. A part
        must be a volume that the symbol takes, and must leave what it allows to hold. A position
        that is not found is looked for once more after 0.2 s, if as much time is left then: right
        after its fill the server may not know it yet.

        Args:
            account_id: The account; it must be ready.
            request: The position's id and how much to close.
            timeout: Seconds; None takes the client's default.
            until: "done" waits for the end of the closing order, "accepted" for its acceptance.

        Returns: The event that ended the closing order; its `deal.close_detail` has the profit of
            its last part. It may also tell that the rest was cancelled, or rejected, after a part
            had been closed: then `deal` may be None.

        Raises:
            PositionNotFoundError: it was closed meanwhile; also an `OrderRejectedError`.
            OrderInvalidError: that volume cannot be closed; nothing was sent.
            OrderNotSentError: nothing was sent.
            OrderRejectedError: the server refused it.
            OrderOutcomeUnknownError: it may have been closed; do not repeat it unseen.
        """
        return await self._runner.run(
            operations.close_position(account_id, request, until=until), timeout
        )

    async def amend_position(
        self, account_id: int, request: AmendPositionRequest, timeout: float | None = None
    ) -> ExecutionEvent:
        """Change a position's stop loss and take profit; a level that is not named stays.

        A level that is named as `CLEAR` is removed; None keeps what is there. The position is read
        first (`ProtoOAReconcileReq`) and both levels are sent (`ProtoOAAmendPositionSLTPReq`),
        because the server removes what is left out. A position that is not found is looked for
        once more after 0.2 s, if as much time is left then: right after its fill the server may
        not know it yet.

        The server refuses to remove a stop loss that trails, so `stop_loss=CLEAR` takes two
        requests there: the first makes the stop loss stand still where it is and keeps the take
        profit, the second sends what was asked for. Both share `timeout`. If only the first
        succeeds, the stop loss stays without trailing, and the amendment may be made again.

        Args:
            account_id: The account; it must be ready.
            request: The position's id and what to change; levels are prices.
            timeout: Seconds for all of it; None takes the client's default.

        Returns: The event of the order that guards the levels: accepted, replaced or cancelled.

        Raises:
            PositionNotFoundError: it was closed meanwhile; also an `OrderRejectedError`.
            OrderInvalidError: the levels cannot be right; nothing was sent.
            OrderNotSentError: nothing was sent; where the reason says that the stop loss does not
                trail any more, the first of two requests was carried out.
            OrderRejectedError: the server refused it.
            OrderOutcomeUnknownError: it may have been changed.
            AmendmentIncompleteError: the server took it, and its answer shows a position that
                still has what was to be removed or changed, or lacks a level that was to be set.
        """
        return await self._runner.run(operations.amend_position(account_id, request), timeout)

    # What is open

    async def get_open_positions(
        self, account_id: int, timeout: float | None = None
    ) -> list[Position]:
        """Ask for the open positions.

        Backed by `ProtoOAReconcileReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.get_open_positions(account_id), timeout)

    async def get_pending_orders(
        self,
        account_id: int,
        timeout: float | None = None,
        *,
        protection_orders: bool = False,
    ) -> list[Order]:
        """Ask for the pending orders.

        Backed by `ProtoOAReconcileReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
            protection_orders: Give the orders that guard stop losses and take profits, too.
        """
        return await self._runner.run(
            operations.get_pending_orders(account_id, protection_orders=protection_orders), timeout
        )

    async def reconcile(
        self,
        account_id: int,
        timeout: float | None = None,
        *,
        protection_orders: bool = False,
    ) -> tuple[list[Position], list[Order]]:
        """Ask for the open positions and the pending orders of one moment.

        Backed by `ProtoOAReconcileReq`.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
            protection_orders: Give the orders that guard stop losses and take profits, too.
        """
        return await self._runner.run(
            operations.reconcile(account_id, protection_orders=protection_orders), timeout
        )

    async def get_unrealized_pnl_per_position(
        self, account_id: int, timeout: float | None = None
    ) -> list[PositionUnrealizedPnL]:
        """Ask for the profit of each open position at the present price.

        Backed by `ProtoOAGetPositionUnrealizedPnLReq`; all positions come in one answer, in the
        account's currency. Ask every 2 to 3 seconds at most.

        Args:
            account_id: The account.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(
            operations.get_unrealized_pnl_per_position(account_id), timeout
        )

    # What was

    async def get_orders(
        self,
        account_id: int,
        timeout: float | None = None,
        from_timestamp: datetime | None = None,
        to_timestamp: datetime | None = None,
    ) -> list[Order]:
        """List the orders of any status that last changed inside a span of any length.

        Backed by `ProtoOAOrderListReq`, at least one a week of the span, at most 4 a second. What
        happened in the last moments may be missing: the server's history lags a little.

        Args:
            account_id: The account.
            timeout: Seconds for each request; None takes the client's default.
            from_timestamp: Begin, an aware datetime; None for seven days before the end.
            to_timestamp: End, an aware datetime; None for now.

        Returns: The orders, each once; the one that changed longest ago first.
        Raises: ValueError: a time is naive or outside 1970 to 2038, or the first is the later.
        """
        return await self._runner.run(
            history.get_orders(account_id, from_timestamp, to_timestamp, now=datetime.now(UTC)),
            timeout,
            paged=True,
        )

    async def get_orders_by_position_id(
        self,
        account_id: int,
        position_id: int,
        timeout: float | None = None,
        *,
        from_timestamp: datetime | None = None,
        to_timestamp: datetime | None = None,
    ) -> list[Order]:
        """List every order of a position.

        Backed by `ProtoOAOrderListByPositionIdReq`.

        Args:
            account_id: The account.
            position_id: The position, open or closed.
            timeout: Seconds for each request; None takes the client's default.
            from_timestamp: Only orders that last changed then or later; None for all.
            to_timestamp: Only orders that last changed then or earlier; None for all.

        Returns: The orders, each once; the one that changed longest ago first.
        Raises: ValueError: a time is naive or outside 1970 to 2038, or the first is the later.
        """
        return await self._runner.run(
            history.get_orders_by_position_id(
                account_id, position_id, from_timestamp, to_timestamp
            ),
            timeout,
            paged=True,
        )

    async def resolve(
        self,
        request: OrderOutcomeUnknownError | UnresolvedOrder,
        timeout: float | None = None,
    ) -> OrderOutcome:
        """Wait until it is known what became of a request of unknown outcome.

        The client looks for it by itself, from the moment on when the outcome was unknown: at late
        answers and events, at what is open (`ProtoOAReconcileReq`) and at the account's history
        (`ProtoOAOrderListReq`, `ProtoOAOrderDetailsReq`). That nothing came of it is proved by
        three whole looks, the last a minute after the answer was given up, at least, and half a
        minute after the account is ready again. It also comes as an `OrderResolvedEvent`.

        Args:
            request: The error that was raised, or an entry of `client.unresolved_orders`.
            timeout: Seconds; None waits until it is known.

        Returns: `TookEffect` with the order and its deals, or `NoEffect`, after which it is safe
            to place it again.

        Raises:
            OrderOutcomeUnknownError: it is not known in time; the search goes on.
            OrderError: this client sent no such request.
        """
        return await self._runner.run(
            resolution.outcome_of(request), resolution.FOREVER if timeout is None else timeout
        )

    async def get_order_details(
        self, account_id: int, order_id: int, timeout: float | None = None
    ) -> tuple[Order, list[Deal]]:
        """Ask for one order of any status, with its deals.

        Backed by `ProtoOAOrderDetailsReq`.

        Args:
            account_id: The account.
            order_id: The order.
            timeout: Seconds; None takes the client's default.

        Raises: OrderNotFoundError: the account never had such an order.
        """
        return await self._runner.run(history.get_order_details(account_id, order_id), timeout)

    async def get_deals(
        self,
        account_id: int,
        from_timestamp: datetime | None = None,
        to_timestamp: datetime | None = None,
        timeout: float | None = None,
        *,
        max_rows: int | None = None,
    ) -> list[Deal]:
        """List the deals of a span of any length.

        Backed by `ProtoOADealListReq`, at least one a week of the span, at most 4 a second. What
        happened in the last moments may be missing: the server's history lags a little.

        Args:
            account_id: The account.
            from_timestamp: Begin, an aware datetime; None for seven days before the end.
            to_timestamp: End, an aware datetime; None for now.
            timeout: Seconds for each request; None takes the client's default.
            max_rows: Most deals in one answer; None lets the server choose. The list is whole in
                either case, as more requests follow.

        Returns: The deals, oldest first, each once.
        Raises: ValueError: a time is naive or outside 1970 to 2038, or the first is the later; or
            `max_rows` is below 1.
        """
        return await self._runner.run(
            history.get_deals(
                account_id, from_timestamp, to_timestamp, now=datetime.now(UTC), max_rows=max_rows
            ),
            timeout,
            paged=True,
        )

    async def get_deals_by_position_id(
        self,
        account_id: int,
        position_id: int,
        timeout: float | None = None,
        *,
        from_timestamp: datetime | None = None,
        to_timestamp: datetime | None = None,
    ) -> list[Deal]:
        """List every deal of a position.

        Backed by `ProtoOADealListByPositionIdReq`.

        Args:
            account_id: The account.
            position_id: The position, open or closed.
            timeout: Seconds for each request; None takes the client's default.
            from_timestamp: Begin, an aware datetime; None for the position's first deal.
            to_timestamp: End, an aware datetime; None for its last.

        Returns: The deals, oldest first, each once.
        Raises: ValueError: a time is naive or outside 1970 to 2038, or the first is the later.
        """
        return await self._runner.run(
            history.get_deals_by_position_id(account_id, position_id, from_timestamp, to_timestamp),
            timeout,
            paged=True,
        )

    async def get_deal_offsets(
        self, account_id: int, deal_id: int, timeout: float | None = None
    ) -> tuple[list[DealOffset], list[DealOffset]]:
        """Ask which deals closed a deal, and which deals it closed.

        Backed by `ProtoOADealOffsetListReq`.

        Args:
            account_id: The account.
            deal_id: The deal.
            timeout: Seconds; None takes the client's default.

        Returns: The deals that closed it, then the deals that it closed.
        """
        return await self._runner.run(history.get_deal_offsets(account_id, deal_id), timeout)
