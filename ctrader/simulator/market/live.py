"""Live quotes: who watches which symbol, and what each tick sends to whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ctrader.proto import ProtoOASpotEvent
from ctrader.simulator.market.calendar import (
    DAY,
    MINUTE,
    TradingHours,
    next_period_start,
    period_start,
    trading_day_start,
)
from ctrader.simulator.market.prices import Bar, KeepsHours, PriceSource, Quote, Tick
from ctrader.simulator.messages.bars import forming_bar_message
from ctrader.simulator.switches import Switches

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.proto import ProtoOATrendbar

__all__ = ["Market", "SpotSubscription"]

LiveBarClose: TypeAlias = Literal["absent", "lagging", "current"]

_AHEAD: Final = 10 * MINUTE  # how far ticks are fetched before their time


@dataclass(slots=True, eq=False)
class SpotSubscription:
    """One symbol's quotes for one account on one connection."""

    account_id: int
    symbol_id: int
    with_time: bool
    """Whether events say when the quote changed."""
    send: Callable[[Message], None]
    """Puts an event on the connection."""
    periods: set[int] = field(default_factory=set[int])
    """Periods whose forming bars come along."""


@dataclass(slots=True)
class _Feed:
    """The ticks of one symbol that somebody watches."""

    watchers: int = 0
    ticks: Sequence[Tick] = ()
    position: int = 0
    generation: int = 0
    """Counts the feed's lives, so that a timer of an earlier one does nothing."""
    day_end: int = 0
    """From when on a tick is the first of a new trading day."""
    subscriptions: list[SpotSubscription] = field(default_factory=list[SpotSubscription])
    bars: dict[int, _FormingBar] = field(default_factory=dict[int, "_FormingBar"])


@dataclass(slots=True)
class _FormingBar:
    """The bar of one period that is not over yet."""

    period: int
    start: int
    end: int
    bar: Bar | None
    volume: int
    previous: int | None = None
    """The bid before the one that closes the bar, None before its second."""

    def add(self, tick: Tick) -> None:
        """Count a tick in, in the next bar if this one's time is over."""
        if tick.time >= self.end:
            self.start = period_start(self.period, tick.time)
            self.end = next_period_start(self.period, self.start)
            self.bar, self.volume, self.previous = None, 0, None
        self.volume += tick.weight
        bid, bar = tick.bid, self.bar
        if bid is None:
            if bar is not None:
                self.bar = bar._replace(volume=self.volume)
        elif bar is None:
            self.bar = Bar(bid, bid, bid, bid, self.volume)
        else:
            self.previous = bar.close
            self.bar = Bar(bar.open, max(bar.high, bid), min(bar.low, bid), bid, self.volume)

    def message(self, close: LiveBarClose) -> ProtoOATrendbar | None:
        """Encode the bar as spot events carry it, None before its first bid."""
        bar = self.bar
        if bar is None:
            return None
        shown = None
        if close != "absent":
            shown = bar.close
            if close == "lagging":
                shown = bar.open if self.previous is None else self.previous
        return forming_bar_message(bar, self.period, self.start, close=shown)


class Market:
    """The quotes of all symbols, live for as long as somebody watches them."""

    def __init__(
        self,
        prices: PriceSource,
        *,
        market_now: Callable[[], int],
        schedule_at: Callable[[int, Callable[[], None]], None],
        on_tick: Callable[[int, Tick], None],
        switches: Switches,
    ) -> None:
        """Take the source and the exchange's clock.

        Args:
            market_now: Returns the present instant of the market.
            schedule_at: Calls something at an instant of the market.
            on_tick: Is told every tick of a watched symbol, after the subscribers.
            switches: What quotes and bars do that is not known of the real server.
        """
        self.prices = prices
        self._market_now = market_now
        self._schedule_at = schedule_at
        self._on_tick = on_tick
        self._own_events = switches.bars_in_own_events
        self._close: LiveBarClose = switches.live_bar_close
        self._old_bars = switches.first_live_bar_may_be_over
        self._day_changes = switches.session_close_at_day_change
        self._feeds: dict[int, _Feed] = {}

    def quote(self, symbol_id: int) -> Quote | None:
        """Return both sides as they are now, None where there is no price yet."""
        return self.prices.quote(symbol_id, self._market_now())

    def session_close(self, symbol_id: int) -> int | None:
        """Return the bid with which the last trading day ended, None before there was one."""
        quote = self.prices.quote(symbol_id, trading_day_start(self._market_now()) - 1)
        return None if quote is None else quote.bid

    def watch(self, symbol_id: int) -> None:
        """Keep a symbol's ticks coming until `unwatch` was called as often."""
        feed = self._feeds.setdefault(symbol_id, _Feed())
        feed.watchers += 1
        if feed.watchers == 1:
            feed.generation += 1
            feed.ticks, feed.position = (), 0
            feed.day_end = _day_end(self._market_now())
            self._arm(symbol_id, feed, self._market_now())

    def unwatch(self, symbol_id: int) -> None:
        """Let go of a symbol once."""
        feed = self._feeds[symbol_id]
        feed.watchers -= 1

    def refetch(self, symbol_id: int, tick: Tick | None = None) -> None:
        """Take note that the source's ticks from now on are others than before.

        Args:
            symbol_id: The symbol that they belong to.
            tick: One of this very moment that the source has come to hold; it is sent at once.
        """
        feed = self._feeds.get(symbol_id)
        if feed is None:
            return
        feed.generation += 1
        feed.ticks, feed.position = (), 0
        if feed.watchers and tick is None:
            self._arm(symbol_id, feed, self._market_now())
        elif feed.watchers and tick is not None:
            self._arrive(symbol_id, feed, tick)

    def keep_hours(self, symbol_id: int, hours: TradingHours) -> None:
        """Let a symbol tick in other hours from now on, if its source knows any."""
        if isinstance(self.prices, KeepsHours):
            self.prices.keep_hours(symbol_id, hours, self._market_now())
            self.refetch(symbol_id)

    def subscribe(self, subscription: SpotSubscription) -> None:
        """Send a connection the quotes of a symbol from the next tick on."""
        self.watch(subscription.symbol_id)
        self._feeds[subscription.symbol_id].subscriptions.append(subscription)

    def unsubscribe(self, subscription: SpotSubscription) -> None:
        """Stop sending a connection the quotes of a symbol, its bars included."""
        feed = self._feeds[subscription.symbol_id]
        feed.subscriptions.remove(subscription)
        self._drop_unwanted_bars(feed)
        self.unwatch(subscription.symbol_id)

    def add_bars(self, subscription: SpotSubscription, period: int) -> None:
        """Let the forming bar of a period come along with a subscription's quotes."""
        subscription.periods.add(period)
        self._forming_bar(subscription.symbol_id, period)

    def remove_bars(self, subscription: SpotSubscription, period: int) -> None:
        """Stop sending the forming bar of a period."""
        subscription.periods.discard(period)
        self._drop_unwanted_bars(self._feeds[subscription.symbol_id])

    def send_snapshot(self, subscription: SpotSubscription, periods: Sequence[int] = ()) -> None:
        """Send the last known quote, both sides, with the forming bars of some periods."""
        symbol_id = subscription.symbol_id
        event = ProtoOASpotEvent(ctidTraderAccountId=subscription.account_id, symbolId=symbol_id)
        quote = self.quote(symbol_id)
        if quote is not None:
            event.bid, event.ask = quote.bid, quote.ask
            if subscription.with_time:
                event.timestamp = quote.time
        for period in periods:
            bar = self._first_bar(symbol_id, period)
            if bar is not None:
                event.trendbar.append(bar)
        close = self.session_close(symbol_id)
        if close is not None:
            event.sessionClose = close
        subscription.send(event)

    def send_stray(self, subscription: SpotSubscription) -> None:
        """Send a quote as one that was under way already when the subscription ended."""
        quote = self.quote(subscription.symbol_id)
        if quote is not None:
            event = ProtoOASpotEvent(
                ctidTraderAccountId=subscription.account_id,
                symbolId=subscription.symbol_id,
                bid=quote.bid,
            )
            if subscription.with_time:
                event.timestamp = quote.time
            subscription.send(event)

    # Private

    def _first_bar(self, symbol_id: int, period: int) -> ProtoOATrendbar | None:
        """Return the bar with which a subscription begins: the forming one, or the last before."""
        forming = self._forming_bar(symbol_id, period)
        if forming.bar is not None or not self._old_bars:
            return forming.message(self._close)
        last = self.prices.previous_time(symbol_id, forming.start)
        if last is None:
            return None
        start = period_start(period, last)
        bar = self.prices.bar(symbol_id, start, next_period_start(period, start))
        return _FormingBar(period, start, forming.start, bar, 0).message(self._close)

    def _forming_bar(self, symbol_id: int, period: int) -> _FormingBar:
        feed = self._feeds[symbol_id]
        known = feed.bars.get(period)
        now = self._market_now()
        if known is not None and now < known.end:
            return known
        start = period_start(period, now)
        bar = self.prices.bar(symbol_id, start, now + 1)
        volume = 0 if bar is None else bar.volume
        forming = _FormingBar(period, start, next_period_start(period, start), bar, volume)
        feed.bars[period] = forming
        return forming

    def _drop_unwanted_bars(self, feed: _Feed) -> None:
        wanted = {period for each in feed.subscriptions for period in each.periods}
        for period in [period for period in feed.bars if period not in wanted]:
            del feed.bars[period]

    def _arm(self, symbol_id: int, feed: _Feed, after: int) -> None:
        """Wait for the first tick after an instant."""
        if feed.position >= len(feed.ticks):
            following = self.prices.next_time(symbol_id, after)
            if following is None:
                return
            end = following - following % MINUTE + _AHEAD
            feed.ticks, feed.position = self.prices.ticks(symbol_id, following, end), 0
        tick, generation = feed.ticks[feed.position], feed.generation

        def arrive() -> None:
            if feed.generation == generation and feed.watchers:
                self._arrive(symbol_id, feed, tick)

        self._schedule_at(tick.time, arrive)

    def _arrive(self, symbol_id: int, feed: _Feed, tick: Tick) -> None:
        feed.position += 1
        for forming in feed.bars.values():
            forming.add(tick)
        close = None
        if tick.time >= feed.day_end:
            feed.day_end = _day_end(tick.time)
            close = self.session_close(symbol_id) if self._day_changes else None
        for subscription in tuple(feed.subscriptions):
            event = ProtoOASpotEvent(
                ctidTraderAccountId=subscription.account_id,
                symbolId=symbol_id,
                bid=tick.bid,
                ask=tick.ask,
            )
            if subscription.with_time:
                event.timestamp = tick.time
            if close is not None:
                event.sessionClose = close
            # A change of the ask alone counts in the volume, but brings no bar.
            if tick.bid is not None and subscription.periods:
                bars = (
                    feed.bars[period].message(self._close)
                    for period in sorted(subscription.periods)
                )
                if self._own_events:
                    subscription.send(event)
                    event = ProtoOASpotEvent(
                        ctidTraderAccountId=subscription.account_id, symbolId=symbol_id
                    )
                event.trendbar.extend(bar for bar in bars if bar is not None)
            subscription.send(event)
        self._on_tick(symbol_id, tick)
        if feed.watchers:
            self._arm(symbol_id, feed, tick.time)


def _day_end(at: int) -> int:
    """Return when the trading day of an instant is over."""
    # A day is 23 to 25 hours long: the middle of the next one is always in it.
    return trading_day_start(trading_day_start(at) + DAY + DAY // 2)
