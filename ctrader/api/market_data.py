"""Prices: live quotes, bars and depth, and their past."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ctrader.api.base import BaseAPI
from ctrader.enums import QuoteType
from ctrader.operations import history
from ctrader.operations import market_data as operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrader.enums import TrendbarPeriod
    from ctrader.models.market import TickData, Trendbar

__all__ = ["MarketDataAPI"]


class MarketDataAPI(BaseAPI):
    """Live prices by subscription, and prices of the past.

    What is subscribed here stays so across reconnects until it is unsubscribed here, and comes as
    events to the handlers and streams of the client.

    Every method takes `timeout`: seconds until it ends with an error, waiting in the queue
    included; None takes the client's `request_timeout`. Every method may raise

    - `APIError`: the server refused the request; its class and `error_code` say why.
    - `CTraderConnectionTimeoutError`: no answer in time. After a lost link a request waits for
      the next one and is sent again, inside its time.
    - `CTraderConnectionError`: the client is not connected, or gave up reconnecting.
    """

    __slots__ = ()

    async def subscribe_spots(
        self, account_id: int, symbol_ids: Sequence[int], timeout: float | None = None
    ) -> None:
        """Subscribe to live prices, which come as `SpotEvent`.

        Backed by `ProtoOASubscribeSpotsReq`. Soon after the answer the server sends the last
        known bid and ask of each symbol, even while its market is closed; from then on only the
        side that changed. What is already subscribed is a success.

        Args:
            account_id: The account whose prices to take; it must be authenticated.
            symbol_ids: Ids of symbols.
            timeout: Seconds; None takes the client's default.

        Raises:
            ValueError: an id is not one; nothing was sent.
            SymbolNotFoundError: the account has no such symbol.
        """
        return await self._runner.run(operations.subscribe_spots(account_id, symbol_ids), timeout)

    async def unsubscribe_spots(
        self, account_id: int, symbol_ids: Sequence[int], timeout: float | None = None
    ) -> None:
        """Unsubscribe from live prices.

        Backed by `ProtoOAUnsubscribeSpotsReq`, which is sent when no stream, bars or depth need
        the prices any more. Events that were under way may still come.

        Args:
            account_id: The account.
            symbol_ids: Ids of symbols; those not subscribed are passed over.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.unsubscribe_spots(account_id, symbol_ids), timeout)

    async def subscribe_trendbars(
        self,
        account_id: int,
        symbol_id: int,
        period: TrendbarPeriod | str,
        timeout: float | None = None,
    ) -> None:
        """Subscribe to live bars, which come inside `SpotEvent.trendbars`.

        Backed by `ProtoOASubscribeLiveTrendbarReq`, preceded by `ProtoOASubscribeSpotsReq`, as
        bars need the symbol's live prices. Each event holds the forming bar; a bar is complete
        when one with a later start comes.

        Args:
            account_id: The account; it must be authenticated.
            symbol_id: The symbol.
            period: Length of the bars: `TrendbarPeriod.H1`, for example, or its name.
            timeout: Seconds; None takes the client's default.

        Raises:
            ValueError: an id is not one, or there is no such period; nothing was sent.
            SymbolNotFoundError: the account has no such symbol.
        """
        return await self._runner.run(
            operations.subscribe_trendbars(account_id, symbol_id, period), timeout
        )

    async def unsubscribe_trendbars(
        self,
        account_id: int,
        symbol_id: int,
        period: TrendbarPeriod | str,
        timeout: float | None = None,
    ) -> None:
        """Unsubscribe from live bars, and from the prices that only they needed.

        Backed by `ProtoOAUnsubscribeLiveTrendbarReq`.

        Args:
            account_id: The account.
            symbol_id: The symbol.
            period: Length of the bars: `TrendbarPeriod.H1`, for example, or its name.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(
            operations.unsubscribe_trendbars(account_id, symbol_id, period), timeout
        )

    async def subscribe_depth(
        self, account_id: int, symbol_ids: Sequence[int], timeout: float | None = None
    ) -> None:
        """Subscribe to the depth of market, which comes as `DepthEvent`.

        Backed by `ProtoOASubscribeDepthQuotesReq`, preceded by `ProtoOASubscribeSpotsReq`, as
        depth needs the symbol's live prices. The first event holds the whole book, later ones
        what changed.

        Args:
            account_id: The account; it must be authenticated.
            symbol_ids: Ids of symbols.
            timeout: Seconds; None takes the client's default.

        Raises:
            ValueError: an id is not one; nothing was sent.
            SymbolNotFoundError: the account has no such symbol.
        """
        return await self._runner.run(operations.subscribe_depth(account_id, symbol_ids), timeout)

    async def unsubscribe_depth(
        self, account_id: int, symbol_ids: Sequence[int], timeout: float | None = None
    ) -> None:
        """Unsubscribe from the depth of market, and from the prices that only it needed.

        Backed by `ProtoOAUnsubscribeDepthQuotesReq`.

        Args:
            account_id: The account.
            symbol_ids: Ids of symbols; those not subscribed are passed over.
            timeout: Seconds; None takes the client's default.
        """
        return await self._runner.run(operations.unsubscribe_depth(account_id, symbol_ids), timeout)

    async def get_trendbars(
        self,
        account_id: int,
        symbol_id: int,
        period: TrendbarPeriod | str,
        from_timestamp: datetime,
        to_timestamp: datetime,
        timeout: float | None = None,
    ) -> list[Trendbar]:
        """Read the bars that start inside a span of any length.

        Example:
            now = datetime.now(UTC)
            bars = await client.market_data.get_trendbars(
                account_id, symbol_id, TrendbarPeriod.H1, now - timedelta(days=30), now
            )

        Backed by `ProtoOAGetTrendbarsReq`, as many as it takes, at most 4 a second. One request
        covers 5 weeks up to M5, 35 weeks up to H1, 366 days up to D1 and 5 years beyond. Bars
        are built from bids, and a period without a tick has none. The last bar may still be
        forming. A bar whose high the server got wrong is marked as `repaired`.

        Args:
            account_id: The account; it must be authenticated.
            symbol_id: The symbol.
            period: Length of the bars: `TrendbarPeriod.H1`, for example, or its name.
            from_timestamp: Begin, an aware datetime; a bar that starts then is included.
            to_timestamp: End, an aware datetime; a bar that starts then is included.
            timeout: Seconds for each request; None takes the client's default.

        Returns: The bars, oldest first, each once.

        Raises:
            ValueError: a time is naive or outside 1970 to 2038, the first is the later, or there
                is no such period.
            SymbolNotFoundError: the account has no such symbol.
        """
        return await self._runner.run(
            history.get_trendbars(account_id, symbol_id, period, from_timestamp, to_timestamp),
            timeout,
            paged=True,
        )

    async def get_last_trendbars(
        self,
        account_id: int,
        symbol_id: int,
        period: TrendbarPeriod | str,
        count: int,
        to_timestamp: datetime | None = None,
        timeout: float | None = None,
    ) -> list[Trendbar]:
        """Read a number of bars, counted back from a moment.

        Example:
            bars = await client.market_data.get_last_trendbars(
                account_id, symbol_id, TrendbarPeriod.H1, 200
            )

        Backed by `ProtoOAGetTrendbarsReq` with `count`, at most 5,000 bars a request and 4
        requests a second. Weekends and other times without a tick have no bars and do not count.
        Servers count the bar that is still forming and leave it out: the last one is a whole one
        as a rule. `get_trendbars` has the forming one.

        Args:
            account_id: The account; it must be authenticated.
            symbol_id: The symbol.
            period: Length of the bars: `TrendbarPeriod.H1`, for example, or its name.
            count: How many bars.
            to_timestamp: End, an aware datetime; a bar that starts then is included. None for now.
            timeout: Seconds for each request; None takes the client's default.

        Returns: The bars, oldest first, each once; fewer where the server has no more.

        Raises:
            ValueError: the count is below 1, the time is naive or outside 1970 to 2038, or there
                is no such period.
            SymbolNotFoundError: the account has no such symbol.
        """
        return await self._runner.run(
            history.get_last_trendbars(
                account_id, symbol_id, period, count, to_timestamp, now=datetime.now(UTC)
            ),
            timeout,
            paged=True,
        )

    async def get_tick_data(
        self,
        account_id: int,
        symbol_id: int,
        from_timestamp: datetime,
        to_timestamp: datetime,
        quote_type: QuoteType | str = QuoteType.BID,
        timeout: float | None = None,
    ) -> Sequence[TickData]:
        """Read the ticks of one side of the price inside a span of any length.

        Backed by `ProtoOAGetTickDataReq`, as many as it takes, at most 4 a second. One answer
        holds in the order of 1,000 ticks, which is minutes of a busy symbol.

        Args:
            account_id: The account; it must be authenticated.
            symbol_id: The symbol.
            from_timestamp: Begin, an aware datetime.
            to_timestamp: End, an aware datetime.
            quote_type: The side: `QuoteType.BID`, `QuoteType.ASK`, or their names.
            timeout: Seconds for each request; None takes the client's default.

        Returns: The ticks, oldest first; several may share a millisecond.

        Raises:
            ValueError: a time is naive or outside 1970 to 2038, the first is the later, or there
                is no such side.
            SymbolNotFoundError: the account has no such symbol.
        """
        return await self._runner.run(
            history.get_tick_data(account_id, symbol_id, from_timestamp, to_timestamp, quote_type),
            timeout,
            paged=True,
        )
