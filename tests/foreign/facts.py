"""What really happened, from the simulator's ledger and its prices: the other side's witness.

Orders, positions and deals are dictionaries of the books' own numbers: prices in 1/100000, money
in cents, instants in milliseconds, None for what is not there. Views turn them into what one or
the other client should have received.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NamedTuple

from ctrader.simulator import RandomWalkPrices
from ctrader.simulator.market.calendar import next_period_start, period_start, trading_day_start
from tests.foreign.matching import ANY, differences

__all__ = ["EURUSD", "USDJPY", "Asked", "Execution", "Facts", "Record", "Spot"]

EURUSD: Final = 1
USDJPY: Final = 4
M1: Final = 1
BUY, SELL = 1, 2
MARKET, LIMIT, PROTECTION = 1, 2, 4
ACCEPTED, FILLED, REPLACED, CANCELLED = 2, 3, 4, 5
GOOD_TILL_CANCEL, IMMEDIATE_OR_CANCEL = 2, 3
_STATUS_ACCEPTED, _STATUS_FILLED, _STATUS_CANCELLED = 1, 2, 5
_OPEN, _CLOSED, _CREATED = 1, 2, 3

Record = dict[str, Any]
"""One order, position, deal, account or symbol by the names of the books."""


class Asked(NamedTuple):
    """What a client asked for, as far as only the client knows it."""

    name: str
    """What its own order ids begin with."""
    first_limit: int
    amended_limit: int
    last_limit: int
    """Prices of the pending orders."""


class Execution(NamedTuple):
    """One execution event as it should have been told."""

    step: str
    kind: int
    order: Record
    position: Record
    deal: Record | None
    by_server: bool


class Spot(NamedTuple):
    """One quote as it was told."""

    time: int
    symbol_id: int
    bid: int | None
    ask: int | None
    bars: Sequence[tuple[int, int, int, int, int]]
    """Start, open, high, low and volume of each forming bar."""
    close: int | None
    bars_end: bool | None
    """Whether live bars were unsubscribed before it; None where nobody can tell."""


@dataclass(frozen=True)
class Facts:
    """The ledger of a simulator and its prices, for one account."""

    ready: Mapping[str, Any]
    ledger: Mapping[str, Any]
    prices: RandomWalkPrices

    @property
    def book(self) -> Record:
        """The account's books."""
        wanted = self.ready["accounts"][0]["account_id"]
        return next(
            book for book in self.ledger["accounts"] if book["terms"]["account_id"] == wanted
        )

    @property
    def money_digits(self) -> int:
        """Decimals of the account's money."""
        digits: int = self.book["terms"]["money_digits"]
        return digits

    def order(self, place: int) -> Record:
        """Return an order as it became in the end, by the place in which it was made."""
        order: Record = self.book["orders"][place]
        return order

    def deals(self) -> list[Record]:
        """Return all deals, oldest first."""
        deals: list[Record] = self.book["deals"]
        return deals

    def ended_orders(self) -> list[Record]:
        """Return the orders that wait for nothing any more, as history lists them."""
        ended = [order for order in self.book["orders"] if not order["working"]]
        # Those of one millisecond come newest first as well.
        return sorted(ended, key=lambda each: (each["updated"], each["order_id"]), reverse=True)

    def waiting_orders(self) -> list[Record]:
        """Return the pending orders."""
        return [
            order
            for order in self.book["orders"]
            if order["working"] and order["order_type"] != PROTECTION
        ]

    def open_positions(self) -> list[Record]:
        """Return the positions that hold something."""
        return [position for position in self.book["positions"] if position["volume"]]

    # What should have happened

    def strangeness(self, asked: Asked) -> Iterator[str]:
        """Say where the books hold something else than what the client asked for."""
        took = self.deals()[0]["price"]
        euro = {"symbol": EURUSD, "stop_price": None}
        yen = {"symbol": USDJPY, "order_type": MARKET, "label": None, "status": _STATUS_FILLED}
        texts = {"label": "foreign", "client_order_id": f"{asked.name}-market"}
        wanted: list[Record] = [
            euro
            | texts
            | {"order_type": MARKET, "side": BUY, "volume": 1_000_000, "working": False}
            | {"relative_stop_loss": 2_000, "relative_take_profit": 3_000, "closing": False}
            | {"comment": "a position that stays", "status": _STATUS_FILLED},
            {"symbol": EURUSD, "order_type": PROTECTION, "side": SELL, "volume": 1_000_000}
            | {"stop_price": took - 3_000, "limit_price": took + 4_000, "working": True},
            yen | {"side": SELL, "volume": 600_000, "closing": False},
            yen | {"side": BUY, "volume": 200_000, "closing": True},
            yen | {"side": BUY, "volume": 400_000, "closing": True},
            euro
            | {"order_type": LIMIT, "side": BUY, "volume": 500_000, "working": False}
            | {"limit_price": asked.amended_limit, "status": _STATUS_CANCELLED, "label": None},
            euro
            | {"order_type": LIMIT, "side": SELL, "volume": 200_000, "working": True}
            | {"limit_price": asked.last_limit, "status": _STATUS_ACCEPTED, "label": "foreign"}
            | {"relative_stop_loss": 1_000, "relative_take_profit": 1_000}
            | {"client_order_id": f"{asked.name}-limit"},
        ]
        orders = self.book["orders"]
        if len(orders) != len(wanted):
            yield f"ledger: {len(orders)} orders instead of {len(wanted)}"
        for place, (want, order) in enumerate(zip(wanted, orders, strict=False)):
            known = {name: order[name] for name in want}
            yield from differences(want, known, f"ledger.orders[{place}]")
        opening = self.book["terms"]["balance"]
        balance = round(Fraction(opening) * 10**self.money_digits)
        for deal in self.deals():
            part = deal["closed_part"]
            if part is not None:
                balance += part["gross"] + part["swap"] + part["commission"]
                balance += part["conversion_fee"]
                yield from differences(balance, part["balance"], f"deal {deal['deal_id']}.balance")
        yield from differences(balance, self.book["balance"], "ledger.balance")

    def executions(self, asked: Asked) -> list[Execution]:
        """Return everything that should have been told about orders, in order."""
        market, protection, opening, first, second, limit, last = (
            self.order(place) for place in range(7)
        )
        deals = self.deals()
        took = deals[0]["price"]
        bought = self._position(market, deals[:1])
        relative = {"stop_loss": took - 2_000, "take_profit": took + 3_000, "trigger_method": 1}
        placed = protection | {"limit_price": took + 3_000, "stop_price": took - 2_000}
        told: list[Execution] = [
            Execution("market order", ACCEPTED, _fresh(market), self._empty(market), None, False),
            Execution("market order", FILLED, market, bought, deals[0], False),
            Execution(
                "market order",
                ACCEPTED,
                placed | {"updated": ANY},
                bought | relative,
                None,
                True,
            ),
            Execution(
                "amend position", REPLACED, protection, self.open_positions()[0], None, False
            ),
        ]
        steps = ((opening, "second market order"), (first, "close a part"), (second, "close"))
        for place, (order, step) in enumerate(steps, 1):
            before, after = deals[1:place], deals[1 : place + 1]
            told += [
                Execution(
                    step, ACCEPTED, _fresh(order), self._position(opening, before), None, False
                ),
                Execution(step, FILLED, order, self._position(opening, after), deals[place], False),
            ]
        waiting = {"status": _STATUS_ACCEPTED, "closed": None}
        placed = limit | waiting | {"volume": 300_000, "limit_price": asked.first_limit}
        nothing = self._empty(limit)
        gone = nothing | {
            "status": _CLOSED,
            "updated": limit["updated"],
            "closed": limit["updated"],
        }
        return [
            *told,
            Execution("limit order", ACCEPTED, _fresh(placed), nothing, None, False),
            Execution(
                "amend order", REPLACED, limit | waiting | {"updated": ANY}, nothing, None, False
            ),
            Execution("cancel", CANCELLED, limit, gone, None, False),
            Execution("limit order that stays", ACCEPTED, last, self._empty(last), None, False),
        ]

    def bars(self, period: int, start: int, end: int) -> list[tuple[int, int, int, int, int, int]]:
        """Return start, open, high, low, close and volume of each EURUSD bar of a window."""
        found: list[tuple[int, int, int, int, int, int]] = []
        begin = period_start(period, start)
        while begin <= end:
            following = next_period_start(period, begin)
            bar = self.prices.bar(EURUSD, begin, following)
            if begin >= start and bar is not None:
                found.append((begin, bar.open, bar.high, bar.low, bar.close, bar.volume))
            begin = following
        return found

    def bid_ticks(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return time and price of each EURUSD bid of a window, newest first."""
        ticks = self.prices.ticks(EURUSD, start, end + 1)
        return [(tick.time, tick.bid) for tick in reversed(ticks) if tick.bid is not None]

    def wrong_spots(self, told: Sequence[Spot], *, closes: bool) -> Iterator[str]:
        """Say where quotes are wrong, or missing, or too many.

        Args:
            told: All quotes in the order in which they came.
            closes: Whether the client passes on the close of the last trading day.
        """
        strange = {spot.symbol_id for spot in told} - {EURUSD, USDJPY}
        yield from (f"spots of {symbol_id}, which nobody asked for" for symbol_id in strange)
        for symbol_id in (EURUSD, USDJPY):
            spots = [spot for spot in told if spot.symbol_id == symbol_id]
            if len(spots) < 2:
                yield f"spots of {symbol_id}: only {len(spots)}"
                continue
            first, last = spots[0].time, spots[-1].time
            due = list(self.prices.ticks(symbol_id, first + 1, last + 1))
            shown, has_bars = -1, False
            for place, spot in enumerate(spots):
                where = f"spots of {symbol_id}[{place}]"
                # The first event of a subscription repeats the last quote, with both sides.
                is_repeated = place == 0 or spot.time == shown
                shown = spot.time
                quote = self.prices.quote(symbol_id, spot.time)
                assert quote is not None
                if is_repeated:
                    wanted: tuple[int | None, int | None] = (quote.bid, quote.ask)
                    yield from differences(spot.time, quote.time, f"{where}.time")
                elif not due:
                    yield f"{where}: one that the market never made"
                    return
                else:
                    tick = due.pop(0)
                    wanted = (tick.bid, tick.ask)
                    yield from differences(tick.time, spot.time, f"{where}.time")
                yield from differences(list(wanted), [spot.bid, spot.ask], where)
                if closes:
                    yesterday = self.prices.quote(symbol_id, trading_day_start(spot.time) - 1)
                    close = yesterday.bid if is_repeated and yesterday is not None else None
                    yield from differences(close, spot.close, f"{where}.close")
                asked_again = symbol_id == EURUSD and place > 0 and is_repeated
                has_bars = has_bars or asked_again
                is_due = has_bars and spot.bid is not None and not spot.bars_end
                bars = [self._forming(spot.time)] if is_due else []
                if spot.bars_end is None and not spot.bars:
                    continue
                if asked_again and not spot.bars and self._is_last_of_minute(spot.time):
                    continue  # a new minute had begun, and no bar with it
                received = [list(bar) for bar in spot.bars]
                yield from differences(bars, received, f"{where}.bars")
            yield from (f"spots of {symbol_id}: {tick} was not told" for tick in due)
            if (symbol_id == EURUSD) != has_bars:
                yield f"spots of {symbol_id}: live bars {'came' if has_bars else 'never came'}"

    # Private

    def _forming(self, at: int) -> list[int]:
        start = period_start(M1, at)
        bar = self.prices.bar(EURUSD, start, at + 1)
        assert bar is not None
        return [start, bar.open, bar.high, bar.low, bar.volume]

    def _is_last_of_minute(self, at: int) -> bool:
        following = self.prices.next_time(EURUSD, at)
        return following is not None and period_start(M1, following) > period_start(M1, at)

    def _empty(self, order: Record) -> Record:
        """Return the position that waits for an order's fill."""
        return {
            "position_id": order["position_id"],
            "symbol": order["symbol"],
            "side": order["side"],
            "status": _CREATED,
            "volume": 0,
            "price": "0",
            "swap": 0,
            "commission": 0,
            "margin_rate": "0",
            "used_margin": 0,
            "stop_loss": None,
            "take_profit": None,
            "trailing": order["trailing"],
            "guaranteed": False,
            "trigger_method": None,
            "opened": None,
            "closed": None,
            "updated": None,
            "label": order["label"],
            "comment": order["comment"],
        }

    def _position(self, order: Record, deals: Sequence[Record]) -> Record:
        """Return what an order's position was after some of its deals; none of them twice."""
        position = self._empty(order)
        if not deals:
            return position
        opening = deals[0]
        volume = opening["volume"] - sum(deal["volume"] for deal in deals[1:])
        position |= {"opened": opening["executed"], "updated": deals[-1]["executed"]}
        if not volume:
            return position | {"status": _CLOSED, "closed": deals[-1]["executed"]}
        return position | {
            "status": _OPEN,
            "volume": volume,
            "price": str(opening["price"]),
            "commission": opening["commission"] * volume // opening["volume"],
            "margin_rate": opening["margin_rate"],
            "used_margin": ANY,  # the books keep only the present one
            "updated": ANY,
        }


def _fresh(order: Record) -> Record:
    """Return an order as it was when it was taken."""
    return order | {
        "status": _STATUS_ACCEPTED,
        "updated": order["created"],
        "closed": None,
        "executed_volume": 0,
        "execution_price": None,
    }
