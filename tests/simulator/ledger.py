"""An accountant who knows the rules of the protocol and nothing of the simulated broker.

It takes the frames that a client received, the terms of the symbols as the client read them, and
the prices of the market. From these it keeps books of its own: what is open, what it cost, what it
brought. Every amount that a frame names is compared with its own, to the last digit.

It shares no code with the exchange that it audits, so that a mistake of the one does not hide in
the other. Money is in the smallest unit of the deposit currency, volumes are in cents of a unit,
prices are decimal numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from ctrader.proto import (
    ProtoOAChangeBalanceType,
    ProtoOADeal,
    ProtoOADealStatus,
    ProtoOADepositWithdraw,
    ProtoOADynamicLeverage,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOALightSymbol,
    ProtoOAMarginChangedEvent,
    ProtoOAOrder,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAPositionStatus,
    ProtoOASymbol,
    ProtoOATradeSide,
    ProtoOATrailingSLChangedEvent,
)

__all__ = ["Chain", "Ledger", "LedgerError", "Terms"]

Chain: TypeAlias = tuple[ProtoOALightSymbol, ...]
"""Symbols that lead from one asset to another, as the server names them."""

_FILLS = (ProtoOAExecutionType.ORDER_FILLED, ProtoOAExecutionType.ORDER_PARTIAL_FILL)
_ENDS = (
    ProtoOAExecutionType.ORDER_CANCELLED,
    ProtoOAExecutionType.ORDER_EXPIRED,
    ProtoOAExecutionType.ORDER_REJECTED,
)
_AT_MARKET = (ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE)
_CENT = 100
_HOUR = 3_600_000
_DAY = 24 * _HOUR


class LedgerError(AssertionError):
    """A frame says something else than the ledger."""


@dataclass(frozen=True)
class Terms:
    """What a symbol is and costs, as the client read it."""

    full: ProtoOASymbol
    light: ProtoOALightSymbol
    minimum_asset: int
    """Asset in which the smallest commission is kept."""
    tiers: ProtoOADynamicLeverage | None


@dataclass
class _Lot:
    """What is left of one opening deal."""

    deal_id: int
    volume: int
    price: Fraction
    commission: int
    base_to_deposit: Fraction


@dataclass
class _Holding:
    """One position."""

    position_id: int
    symbol_id: int
    is_long: bool
    opened: int
    lots: list[_Lot] = field(default_factory=list[_Lot])
    swap: int = 0
    used_margin: int = 0
    rolled: int = 0
    """Until when its rollovers are accounted for, milliseconds UTC."""
    stop: Fraction | None = None
    is_guaranteed: bool = False
    promised: Fraction | None = None
    """Guaranteed stop loss that an order just filled is about to give it."""
    covered: int = 0
    """Volume whose guarantee is paid for."""

    @property
    def safe_stop(self) -> Fraction | None:
        """Where its loss surely ends, None where nothing is guaranteed."""
        stops = [self.promised, self.stop if self.is_guaranteed else None]
        levels = [stop for stop in stops if stop is not None]
        return (max if self.is_long else min)(levels, default=None)

    @property
    def volume(self) -> int:
        return sum(lot.volume for lot in self.lots)

    @property
    def commission(self) -> int:
        return sum(lot.commission for lot in self.lots)

    @property
    def price(self) -> Fraction:
        return sum((lot.volume * lot.price for lot in self.lots), Fraction(0)) / self.volume

    @property
    def base_to_deposit(self) -> Fraction:
        weighed = (lot.volume * lot.base_to_deposit for lot in self.lots)
        return sum(weighed, Fraction(0)) / self.volume


@dataclass
class _UnderWay:
    """An order that may open something and has not ended."""

    symbol_id: int
    is_long: bool
    position_id: int
    left: int
    waits: bool
    """Whether it waits for a price, so that its money is asked for when that has come."""
    distance: Fraction | None = None
    """Of the guaranteed stop loss that it asks for, until a fill has promised it."""
    begun: set[int] = field(default_factory=set[int])
    """When its sequences of fills were released."""


class Ledger:
    """The books of one account, kept from what its client is told."""

    def __init__(
        self,
        *,
        balance: int,
        balance_version: int,
        money_digits: int,
        deposit_asset: int,
        dollar: int,
        leverage: Fraction,
        terms: Mapping[int, Terms],
        chains: Mapping[tuple[int, int], Chain],
        quote_at: Callable[[int, int], tuple[int, int]],
        stop_out_level: int = 0,
        is_netted: bool = False,
        swap_free: bool = False,
        margin_calculation: str = "SUM",
        fair_stop_out: bool = False,
        most_losing_first: bool = False,
        limited_risk: str | None = None,
    ) -> None:
        """Open the books.

        Args:
            dollar: Id of the asset USD.
            leverage: Leverage of the account, 100 for 1:100.
            terms: Terms by symbol id.
            chains: Conversion chains by their first and last asset.
            quote_at: Returns bid and ask of a symbol in 1/100000 at a time, milliseconds UTC.
            stop_out_level: Margin level in percent below which positions are closed, 0 never.
            margin_calculation: SUM, MAX or NET, of the two sides of each symbol.
            fair_stop_out: Whether a stop-out closes no more than it must.
            most_losing_first: Whether stop-outs begin with the greatest loss, not margin.
            limited_risk: How margins follow from guaranteed stop losses, LEVERAGE, GSL or
                GSL_AND_LEVERAGE; None on an account that is not of limited risk.
        """
        self.balance = balance
        self.balance_version = balance_version
        self.leverage = leverage
        self.holdings: dict[int, _Holding] = {}
        self.deals: dict[int, ProtoOADeal] = {}
        self.offsets: list[tuple[int, int, int]] = []
        """Opening deal, closing deal and volume."""
        self.cash: list[ProtoOADepositWithdraw] = []
        self.results: dict[int, int] = {}
        """What each closing deal added to the balance."""
        self.executed: dict[int, list[tuple[int, Fraction]]] = {}
        """Volume and price of each fill, by order id."""
        self.swaps = 0
        self.margin_changes = 0
        self.stop_outs = 0
        self._stop_out_level = stop_out_level
        self._scale = 10**money_digits
        self._money_digits = money_digits
        self._deposit_asset = deposit_asset
        self._dollar = dollar
        self._terms = terms
        self._chains = chains
        self._quote_at = quote_at
        self._is_netted = is_netted
        self._swap_free = swap_free
        self._margin_calculation = margin_calculation
        self._is_fair = fair_stop_out
        self._most_losing_first = most_losing_first
        self._limited_risk = limited_risk
        self.bonus = 0
        self.partial_stop_outs = 0
        self.partial_closes = 0
        self.flips = 0
        self._went_to: dict[int, int] = {}
        """Position of each order's last deal."""
        self.checked_money = 0
        self.checked_refusals = 0
        self.charges = 0
        self.margins_by_stop = 0
        self._under_way: dict[int, _UnderWay] = {}
        self._distances: dict[int, tuple[int, int]] = {}
        """Distances of stop loss and take profit that orders have, by order id."""
        self._promises: set[tuple[int, ...]] = set()
        """Orders, positions and distances of which a fill has promised a guarantee."""
        self._owed_charges: list[tuple[int, int]] = []
        """When a guarantee was given, and what it costs."""

    # Frames

    def take(self, frames: Iterable[object]) -> None:
        """Enter what the client received, in order."""
        for frame in frames:
            if isinstance(frame, ProtoOAExecutionEvent):
                self._take_execution(frame)
            elif isinstance(frame, ProtoOAMarginChangedEvent):
                self._take_margin(frame)
            elif isinstance(frame, ProtoOATrailingSLChangedEvent):
                holding = self.holdings[frame.positionId]
                holding.stop = _decimal(frame.stopPrice)
                # Others, whose tiers lie behind, are not touched by it.
                if holding.is_guaranteed and self._limited_risk not in (None, "LEVERAGE"):
                    holding.used_margin = self._margin(holding, frame.utcLastUpdateTimestamp)

    def check_settled(self) -> None:
        """Make sure that nothing is owed when everything had its time."""
        _same("charges for guarantees that never came", [], self._owed_charges)

    def check_refusal(
        self,
        symbol_id: int,
        is_long: bool,
        volume: int,
        position_id: int,
        at: int,
        *,
        distance: Fraction | None,
        is_guaranteed: bool,
    ) -> None:
        """Make sure that the money for an order at the market was lacking when it was refused.

        What other orders keep for themselves is not told, so that with any this says nothing.

        Args:
            distance: Of the stop loss that it asked for.
            is_guaranteed: Whether it asked for a guarantee; what has one lends it.
        """
        if self._under_way:
            return
        added_to = self._added_to(symbol_id, is_long, position_id)
        if not is_guaranteed and not (added_to is not None and added_to.is_guaranteed):
            distance = None
        order = _UnderWay(symbol_id, is_long, position_id, volume, waits=False, distance=distance)
        opened = volume - self._opposite(symbol_id, is_long, position_id)
        self._check_lack(order, opened, at)

    def change_leverage(self, leverage: Fraction, at: int) -> None:
        """Enter that the account's leverage was changed."""
        self.leverage = leverage
        for holding in self._in_order():
            holding.used_margin = self._margin(holding, at)

    # What it comes to

    def unrealised(self, position_id: int, at: int) -> tuple[int, int]:
        """Return the gross and net profit of an open position."""
        holding = self.holdings[position_id]
        gross = self._gross(holding, holding.lots, self._exit_price(holding, at), at)
        return gross, gross + holding.swap + holding.commission

    def equity(self, at: int) -> int:
        """Return the balance with the net profit of all that is open."""
        return self.balance + sum(self.unrealised(each, at)[1] for each in self.holdings)

    def must_be_stopped_out(self, at: int) -> bool:
        """Tell whether the equity is too little for the margin that all positions bind."""
        return self.is_below(self._stop_out_level, at)

    def is_below(self, level: float, at: int) -> bool:
        """Tell whether the margin level is below one, in percent."""
        used = self.used_margin()
        return used > 0 and 100 * self.equity(at) < Fraction(level) * used

    def used_margin(self) -> int:
        """Return the margin that all positions bind together."""
        return self._used(self.holdings.values())

    def _used(self, holdings: Iterable[_Holding]) -> int:
        sides: dict[int, list[int]] = {}
        for holding in holdings:
            both = sides.setdefault(holding.symbol_id, [0, 0])
            both[holding.is_long] += holding.used_margin
        if self._margin_calculation == "MAX":
            return sum(max(both) for both in sides.values())
        if self._margin_calculation == "NET":
            return sum(abs(both[0] - both[1]) for both in sides.values())
        return sum(sum(both) for both in sides.values())

    def free_margin(self, at: int) -> int:
        """Return what is left for new positions."""
        return self.equity(at) - self.used_margin()

    def spare(self, symbol_id: int, is_long: bool, at: int) -> tuple[int, int]:
        """Return what a new order closes before it opens anything, and the money for the rest."""
        closed = self._closed_by(symbol_id, is_long, 0)
        if closed is None:
            return 0, self.free_margin(at)
        return closed.volume, self.free_margin(at) + self._freed_by(closed)

    def imbalance(self, symbol_id: int, is_long: bool) -> int:
        """Return how much more of a symbol is held on the other side, or less."""
        return sum(
            each.volume if each.is_long != is_long else -each.volume
            for each in self.holdings.values()
            if each.symbol_id == symbol_id
        )

    def price_of(
        self,
        symbol_id: int,
        is_long: bool,
        volume: int,
        at: int,
        *,
        distance: Fraction | None = None,
        added_to: _Holding | None = None,
    ) -> int:
        """Return what opening a volume takes at once: its commission, and what margin it adds.

        Args:
            distance: Of its guaranteed stop loss.
            added_to: What it makes larger, whose guarantee it shares.
        """
        bid, ask = self._quote_at(symbol_id, at)
        price = Fraction(ask if is_long else bid, 100_000)
        terms = self._terms[symbol_id]
        rate = self._base_rate(terms, self._deposit_asset, price, at)
        last = max(self.holdings, default=0) + 1
        thought = _Holding(last, symbol_id, is_long, at, [_Lot(0, volume, price, 0, rate)])
        if distance is not None:
            thought.promised = price - distance if is_long else price + distance
        if added_to is not None and added_to.safe_stop is not None:
            thought.stop, thought.is_guaranteed = added_to.safe_stop, True
        thought.used_margin = self._margin(thought, at)
        growth = self._used([*self.holdings.values(), thought]) - self.used_margin()
        return growth + self._commission(terms, volume, price, at)

    def agree_with(self, position: ProtoOAPosition) -> None:
        """Compare an open position that the client was told of."""
        holding = self.holdings.get(position.positionId)
        _same("position is known", holding is not None, True)
        assert holding is not None
        data = position.tradeData
        _same("symbol", data.symbolId, holding.symbol_id)
        _same("side", data.tradeSide == ProtoOATradeSide.BUY, holding.is_long)
        _same("volume", data.volume, holding.volume)
        _same("opening time", data.openTimestamp, holding.opened)
        status = ProtoOAPositionStatus.POSITION_STATUS_OPEN
        _same("status", position.positionStatus, status)
        _same("money digits of a position", position.moneyDigits, self._money_digits)
        _same("price", position.price, float(round(holding.price, 15)))
        _same("swap", position.swap, holding.swap)
        _same("commission of position", position.commission, holding.commission)
        _same("margin rate", position.marginRate, float(holding.base_to_deposit))
        _same("used margin", position.usedMargin, holding.used_margin)
        _same("guarantee of a position", position.guaranteedStopLoss, holding.is_guaranteed)

    def closed_by(self, deal_id: int) -> list[tuple[int, int]]:
        """Return the deals that closed an opening one, each with the volume."""
        return [(closing, volume) for own, closing, volume in self.offsets if own == deal_id]

    def closes(self, deal_id: int) -> list[tuple[int, int]]:
        """Return the deals that a closing one closed, each with the volume."""
        return [(opening, volume) for opening, own, volume in self.offsets if own == deal_id]

    def roll_until(self, at: int) -> None:
        """Make sure that no rollover was left out until a time."""
        for holding in self.holdings.values():
            while True:
                due = self._next_rollover(holding)
                if due >= at:
                    break
                _same(f"swap of {holding.position_id} at {due}", 0, self._swap(holding, due))
                holding.rolled = due

    # Private, what frames say

    def _take_execution(self, event: ProtoOAExecutionEvent) -> None:
        kind = event.executionType
        if event.HasField("order"):
            self._follow(event)
        if kind in _FILLS:
            self._take_deal(event)
        elif event.order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT:
            self._take_protection(event)
        elif event.order.isStopOut and kind == ProtoOAExecutionType.ORDER_ACCEPTED:
            at = event.order.tradeData.openTimestamp
            _same("stop-out is due", True, self.must_be_stopped_out(at))
            self._check_stop_out(event.order.positionId, event.order.tradeData.volume, at)
            self.stop_outs += 1
        elif kind == ProtoOAExecutionType.BONUS_DEPOSIT_WITHDRAW:
            bonus = event.bonusDepositWithdraw
            self.bonus += bonus.managerDelta
            _same("bonus", bonus.managerBonus, self.bonus)
        elif kind == ProtoOAExecutionType.SWAP:
            self._take_swap(event.position)
        elif kind == ProtoOAExecutionType.DEPOSIT_WITHDRAW:
            self._take_cash(event.depositWithdraw)

    # Private, what orders need

    def _follow(self, event: ProtoOAExecutionEvent) -> None:
        """Keep the list of orders that may open something, and check the money for them."""
        order, kind = event.order, event.executionType
        if order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT or order.isStopOut:
            return
        if kind == ProtoOAExecutionType.ORDER_ACCEPTED:
            self._accept(order)
        known = self._under_way.get(order.orderId)
        if known is None:
            return
        if kind == ProtoOAExecutionType.ORDER_REPLACED:
            known.left = order.tradeData.volume - order.executedVolume
            distances = order.relativeStopLoss, order.relativeTakeProfit
            if not order.executedVolume or distances != self._distances.get(order.orderId):
                known.distance = _guaranteed_distance(order)
                self._distances[order.orderId] = distances
        elif kind in _FILLS:
            deal = event.deal
            if known.waits and deal.createTimestamp not in known.begun:
                known.begun.add(deal.createTimestamp)
                self._check_money(order.orderId, known, deal.executionTimestamp)
            known.left -= deal.filledVolume
            if not deal.HasField("closePositionDetail"):
                known.distance = None  # its position has the promise now
        elif event.errorCode == "NOT_ENOUGH_MONEY" and len(self._under_way) == 1:
            opened = known.left - self._opposite(known.symbol_id, known.is_long, known.position_id)
            self._check_lack(known, opened, order.utcLastUpdateTimestamp)
        if kind in _ENDS or not known.left:
            del self._under_way[order.orderId]

    def _accept(self, order: ProtoOAOrder) -> None:
        data = order.tradeData
        is_long = data.tradeSide == ProtoOATradeSide.BUY
        at_market = order.orderType in _AT_MARKET
        opposite = self._opposite(data.symbolId, is_long, order.positionId)
        if at_market and data.volume <= opposite:
            return  # it only closes
        known = _UnderWay(
            data.symbolId,
            is_long,
            order.positionId,
            data.volume,
            waits=not at_market,
            distance=_guaranteed_distance(order),
        )
        self._distances[order.orderId] = order.relativeStopLoss, order.relativeTakeProfit
        self._under_way[order.orderId] = known
        if at_market:
            self._check_money(order.orderId, known, data.openTimestamp)

    def _opposite(self, symbol_id: int, is_long: bool, position_id: int) -> int:
        """Return what an order closes before it opens anything."""
        closed = self._closed_by(symbol_id, is_long, position_id)
        return 0 if closed is None else closed.volume

    def _closed_by(self, symbol_id: int, is_long: bool, position_id: int) -> _Holding | None:
        for each in self.holdings.values():
            # A netted account has one position of a symbol, whatever the order was told to have.
            is_its = each.position_id == position_id or self._is_netted
            if is_its and each.symbol_id == symbol_id and each.is_long != is_long:
                return each
        return None

    def _added_to(self, symbol_id: int, is_long: bool, position_id: int) -> _Holding | None:
        """Return what an order makes larger, None where it makes a position of its own."""
        for each in self.holdings.values():
            is_its = each.position_id == position_id or self._is_netted
            if is_its and each.symbol_id == symbol_id and each.is_long == is_long:
                return each
        return None

    def _check_money(self, order_id: int, order: _UnderWay, at: int) -> None:
        """Make sure that an order could pay for what it opens when it was let through."""
        opened = order.left - self._opposite(order.symbol_id, order.is_long, order.position_id)
        if opened <= 0:
            return
        others = [each for number, each in self._under_way.items() if number != order_id]
        # Where sides are set against each other, what others bind meanwhile decides as well.
        if self._margin_calculation != "SUM" and any(
            each.symbol_id == order.symbol_id for each in others
        ):
            return
        needed = self._needed(order, opened, at)
        _same("money for an order was free", needed <= max(0, self.free_margin(at)), True)
        self.checked_money += 1

    def _check_lack(self, order: _UnderWay, opened: int, at: int) -> None:
        needed = self._needed(order, opened, at)
        _same("money for a refused order was free", needed <= max(0, self.free_margin(at)), False)
        self.checked_refusals += 1

    def _needed(self, order: _UnderWay, opened: int, at: int) -> int:
        """Return what opening a volume takes, when what it closes has set its margin free."""
        symbol_id, is_long, distance = order.symbol_id, order.is_long, order.distance
        closed = self._closed_by(symbol_id, is_long, order.position_id)
        if closed is None:
            added_to = self._added_to(symbol_id, is_long, order.position_id)
            return self.price_of(
                symbol_id, is_long, opened, at, distance=distance, added_to=added_to
            )
        del self.holdings[closed.position_id]
        needed = self.price_of(symbol_id, is_long, opened, at, distance=distance)
        self.holdings[closed.position_id] = closed
        return needed - self._freed_by(closed)

    def _freed_by(self, closed: _Holding) -> int:
        """Return the margin that a position's end sets free."""
        others = (each for each in self.holdings.values() if each is not closed)
        return self.used_margin() - self._used(others)

    # Private, guarantees

    def _take_protection(self, event: ProtoOAExecutionEvent) -> None:
        """Enter the levels of a position, with what follows from a guarantee."""
        position, at = event.position, event.order.utcLastUpdateTimestamp
        holding = self.holdings.get(position.positionId)
        if holding is None:
            return  # it was closed, and so its protection ends
        holding.stop = _decimal(position.stopLoss) if position.HasField("stopLoss") else None
        holding.is_guaranteed = position.guaranteedStopLoss
        if not event.isServerEvent:
            holding.promised = None  # a request replaced what an order was to give
        if holding.is_guaranteed:
            self._renew_margins(holding, at)
            self.margins_by_stop += self._limited_risk not in (None, "LEVERAGE")
        self.agree_with(position)
        uncovered = holding.volume - holding.covered
        if not holding.is_guaranteed or holding.stop is None or uncovered <= 0:
            return
        holding.covered = holding.volume
        terms = self._terms[holding.symbol_id]
        quoted = Fraction(uncovered, _CENT) * _ten_to_8(terms.full.gslCharge)
        charge = _half_away(quoted * self._rate(terms.light.quoteAssetId, at) * self._scale)
        if charge:
            self._owed_charges.append((at, charge))

    def _check_stop_out(self, position_id: int, volume: int, at: int) -> None:
        """Hold a stop-out against the account's strategy."""
        if self._most_losing_first:
            worth = {each: -self.unrealised(each, at)[1] for each in self.holdings}
        else:
            worth = {each: holding.used_margin for each, holding in self.holdings.items()}
        holding = self.holdings[position_id]
        due = holding.volume
        if self._is_fair:
            # What frees no margin is closed only where nothing does.
            least = {each.position_id: self._least(each, at) for each in self.holdings.values()}
            helpful = {each: worth[each] for each, freeing in least.items() if freeing}
            _same("stop-out frees margin", position_id in (helpful or worth), True)
            worth = helpful or worth
            due = least[position_id] or due
        _same("stop-out begins with", worth[position_id], max(worth.values()))
        step = self._terms[holding.symbol_id].full.stepVolume
        _same("volume of a stop-out", volume, due)
        self.partial_stop_outs += volume < holding.volume
        _same("steps of a stop-out", volume == holding.volume or volume % step == 0, True)

    def _least(self, holding: _Holding, at: int) -> int:
        """Return the least volume whose closing sets the margin level right.

        Where no part does, it is what frees margin at all; nothing, or 0, where none of it does.
        """
        symbol = self._terms[holding.symbol_id].full
        step, used, equity = symbol.stepVolume, self.used_margin(), self.equity(at)
        largest = (holding.volume - symbol.minVolume) // step
        # Parts that leave their side no lighter than the other one: each frees more than the last.
        useful = _last(largest, lambda number: not self._without(holding, number * step, at)[1])
        if equity > 0:
            short = _last(
                useful, lambda number: not self._is_enough(holding, number * step, equity, at)
            )
            if short < largest and self._is_enough(holding, (short + 1) * step, equity, at):
                return (short + 1) * step
        part = useful * step
        tries = (part, holding.volume) if useful < largest else (holding.volume, part)
        freeing = (each for each in tries if each and self._without(holding, each, at)[0] < used)
        return next(freeing, 0)

    def _is_enough(self, holding: _Holding, volume: int, equity: int, at: int) -> bool:
        terms = self._terms[holding.symbol_id]
        price = self._exit_price(holding, at)
        gross = self.unrealised(holding.position_id, at)[0]
        cost = self._commission(terms, volume, price, at) - self._conversion_fee(
            terms, _half_away(Fraction(gross * volume, holding.volume))
        )
        bound = self._without(holding, volume, at)[0]
        return 100 * (equity - cost) >= self._stop_out_level * bound

    def _without(self, holding: _Holding, volume: int, at: int) -> tuple[int, bool]:
        """Return the margin if a volume were closed, and whether its side were the lighter one."""
        everything = self.holdings
        self.holdings = {each: replace(own) for each, own in everything.items()}
        left = self.holdings[holding.position_id]
        left.lots, lots = [], left.lots
        for lot in lots:
            taken = min(volume, lot.volume)
            volume -= taken
            if taken < lot.volume:
                left.lots.append(replace(lot, volume=lot.volume - taken))
        left.used_margin = 0
        if not left.lots:
            del self.holdings[holding.position_id]
        self._renew_margins(left, at)
        sides = [0, 0]
        for each in self.holdings.values():
            if each.symbol_id == holding.symbol_id:
                sides[each.is_long == holding.is_long] += each.used_margin
        used = self.used_margin()
        self.holdings = everything
        return used, self._margin_calculation != "SUM" and sides[1] < sides[0]

    def _take_deal(self, event: ProtoOAExecutionEvent) -> None:
        deal = event.deal
        _same("deal is new", deal.dealId in self.deals, False)
        _same("money digits", deal.moneyDigits, self._money_digits)
        at = deal.executionTimestamp
        self.roll_until(at)
        price = _decimal(deal.executionPrice)
        terms = self._terms[deal.symbolId]
        rate = self._base_rate(terms, self._deposit_asset, price, at)
        _same("margin rate of deal", deal.marginRate, float(rate))
        to_dollar = self._base_rate(terms, self._dollar, price, at)
        _same("rate to dollars", deal.baseToUsdConversionRate, float(to_dollar))
        commission = -self._commission(terms, deal.filledVolume, price, at)
        _same("commission of deal", deal.commission, commission)
        self.deals[deal.dealId] = deal
        self.executed.setdefault(deal.orderId, []).append((deal.filledVolume, price))
        is_part = deal.filledVolume < deal.volume
        _same(
            "status of deal",
            deal.dealStatus,
            ProtoOADealStatus.PARTIALLY_FILLED if is_part else ProtoOADealStatus.FILLED,
        )
        self._match(deal, event.order, event.position)
        holding = self.holdings.get(deal.positionId)
        is_long = deal.tradeSide == ProtoOATradeSide.BUY
        closes = holding is not None and holding.is_long != is_long
        _same("deal closes", deal.HasField("closePositionDetail"), closes)
        if holding is not None and closes:
            self._close(holding, deal, price, commission)
        else:
            if holding is None:
                holding = _Holding(deal.positionId, deal.symbolId, is_long, at, rolled=at)
                self._check_alone(holding)
                self.holdings[deal.positionId] = holding
            holding.lots.append(_Lot(deal.dealId, deal.filledVolume, price, commission, rate))
            self._promise(holding, event.order, price)
        self._renew_margins(holding, at)
        if holding.lots:
            self.agree_with(event.position)
        else:
            _same("volume of what is closed", event.position.tradeData.volume, 0)

    def _match(self, deal: ProtoOADeal, order: ProtoOAOrder, position: ProtoOAPosition) -> None:
        """Make sure that a deal is its order's, and went to the position told with it."""
        data = order.tradeData
        _same("order of a deal", deal.orderId, order.orderId)
        _same("symbol of a deal", deal.symbolId, data.symbolId)
        _same("side of a deal", deal.tradeSide, data.tradeSide)
        _same("position of a deal", deal.positionId, position.positionId)
        _same("position of its order", order.positionId, position.positionId)
        self.flips += self._went_to.get(order.orderId, position.positionId) != position.positionId
        self._went_to[order.orderId] = position.positionId

    def _promise(self, holding: _Holding, order: ProtoOAOrder, price: Fraction) -> None:
        """Enter the guaranteed stop loss that an order's first fill in a position promises it."""
        distance = _guaranteed_distance(order)
        distances = order.relativeStopLoss, order.relativeTakeProfit
        done = order.orderId, holding.position_id, *distances
        if distance is None or done in self._promises:
            return
        self._promises.add(done)
        lowest = Fraction(1, 10 ** self._terms[holding.symbol_id].full.digits)
        stop = max(price - distance if holding.is_long else price + distance, lowest)
        if holding.promised is not None:
            stop = (max if holding.is_long else min)(stop, holding.promised)
        holding.promised = stop

    def _check_alone(self, holding: _Holding) -> None:
        if self._is_netted:
            others = [
                each for each in self.holdings.values() if each.symbol_id == holding.symbol_id
            ]
            _same("positions of the symbol on a netted account", len(others), 0)

    def _close(
        self, holding: _Holding, deal: ProtoOADeal, price: Fraction, commission: int
    ) -> None:
        detail, at = deal.closePositionDetail, deal.executionTimestamp
        volume = deal.filledVolume
        swap = _half_away(Fraction(holding.swap * volume, holding.volume))
        holding.swap -= swap
        parts = self._take_oldest(holding, deal, volume)
        charged = sum(part.commission for part in parts)
        gross = self._gross(holding, parts, price, at)
        fee = self._conversion_fee(self._terms[holding.symbol_id], gross)
        result = gross + swap + charged + commission + fee
        self.balance += result
        self.balance_version += 1
        self.results[deal.dealId] = result
        entry = sum((part.volume * part.price for part in parts), Fraction(0)) / volume
        _same("closed volume", detail.closedVolume, volume)
        _same("entry price", detail.entryPrice, float(round(entry, 15)))
        _same("gross profit", detail.grossProfit, gross)
        _same("swap of the closed part", detail.swap, swap)
        _same("commission of both sides", detail.commission, charged + commission)
        _same("conversion fee", detail.pnlConversionFee, fee)
        _same("balance", detail.balance, self.balance)
        _same("balance version", detail.balanceVersion, self.balance_version)
        rate = self._rate(self._terms[holding.symbol_id].light.quoteAssetId, at)
        _same("rate of the profit", detail.quoteToDepositConversionRate, float(rate))
        holding.covered = min(holding.covered, holding.volume)
        self.partial_closes += bool(holding.lots)
        if not holding.lots:
            _same("swap that is left", holding.swap, 0)
            del self.holdings[holding.position_id]

    def _take_oldest(self, holding: _Holding, deal: ProtoOADeal, volume: int) -> list[_Lot]:
        _same("more is closed than is open", volume > holding.volume, False)
        parts: list[_Lot] = []
        while volume:
            lot = holding.lots[0]
            taken = min(volume, lot.volume)
            share = _half_away(Fraction(lot.commission * taken, lot.volume))
            parts.append(_Lot(lot.deal_id, taken, lot.price, share, lot.base_to_deposit))
            self.offsets.append((lot.deal_id, deal.dealId, taken))
            lot.volume -= taken
            lot.commission -= share
            volume -= taken
            if not lot.volume:
                holding.lots.pop(0)
        return parts

    def _take_swap(self, position: ProtoOAPosition) -> None:
        holding = self.holdings.get(position.positionId)
        _same("position of a swap is known", holding is not None, True)
        assert holding is not None
        at = position.utcLastUpdateTimestamp
        self._roll_one(holding, at)
        due = self._next_rollover(holding)
        _same("time of the swap", at, due)
        holding.swap += self._swap(holding, due)
        holding.rolled = due
        self.swaps += 1
        self.agree_with(position)

    def _roll_one(self, holding: _Holding, at: int) -> None:
        while (due := self._next_rollover(holding)) < at:
            _same(f"swap of {holding.position_id} at {due}", 0, self._swap(holding, due))
            holding.rolled = due

    def _take_cash(self, cash: ProtoOADepositWithdraw) -> None:
        if cash.operationType == ProtoOAChangeBalanceType.BALANCE_WITHDRAW_GSL_CHARGE:
            _same("a guarantee is to be paid", bool(self._owed_charges), True)
            due = self._owed_charges.pop(0)
            _same("charge for a guarantee", (cash.changeBalanceTimestamp, -cash.delta), due)
            self.charges += 1
        self.balance += cash.delta
        self.balance_version += 1
        _same("balance after cash", cash.balance, self.balance)
        _same("version after cash", cash.balanceVersion, self.balance_version)
        _same("money digits of cash", cash.moneyDigits, self._money_digits)
        _same("equity after cash", cash.equity, self.equity(cash.changeBalanceTimestamp))
        self.cash.append(cash)

    def _take_margin(self, event: ProtoOAMarginChangedEvent) -> None:
        holding = self.holdings.get(event.positionId)
        _same("position whose margin changed is known", holding is not None, True)
        assert holding is not None
        _same("changed margin", event.usedMargin, holding.used_margin)
        self.margin_changes += 1

    # Private, the rules of money

    def _rate(
        self,
        asset: int,
        at: int,
        last: int | None = None,
        *,
        own: tuple[int, Fraction] | None = None,
    ) -> Fraction:
        """Return the rate of an asset, over the chain that the server names.

        Args:
            own: A symbol that just traded, and the price that its step has for that reason.
        """
        last = self._deposit_asset if last is None else last
        rate = Fraction(1)
        for symbol in () if asset == last else self._chains[asset, last]:
            bid = Fraction(self._quote_at(symbol.symbolId, at)[0], 100_000)
            if own is not None and own[0] == symbol.symbolId:
                bid = own[1]
            if asset == symbol.baseAssetId:
                rate, asset = rate * bid, symbol.quoteAssetId
            else:
                _same("asset of a chain", asset, symbol.quoteAssetId)
                rate, asset = rate / bid, symbol.baseAssetId
        return rate

    def _base_rate(self, terms: Terms, asset: int, price: Fraction, at: int) -> Fraction:
        """Return the rate of a symbol's base asset, over the price at which it traded."""
        own = terms.full.symbolId, price
        return self._rate(terms.light.baseAssetId, at, asset, own=own)

    def _commission(self, terms: Terms, volume: int, price: Fraction, at: int) -> int:
        symbol = terms.full
        kind = symbol.commissionType
        units, lots = Fraction(volume, _CENT), Fraction(volume, symbol.lotSize)
        # By the numbers of the protocol's enum.
        if kind == 1:
            dollars = units * self._base_rate(terms, self._dollar, price, at)
            amount = dollars / 1_000_000 * _ten_to_8(symbol.preciseTradingCommissionRate)
            amount *= self._rate(self._dollar, at)
        elif kind == 2:
            amount = lots * _ten_to_8(symbol.preciseTradingCommissionRate)
            amount *= self._rate(self._dollar, at)
        elif kind == 3:
            percent = Fraction(symbol.preciseTradingCommissionRate, 10**5)
            amount = units * price * percent / 100 * self._rate(terms.light.quoteAssetId, at)
        else:
            amount = lots * _ten_to_8(symbol.preciseTradingCommissionRate)
            amount *= self._rate(terms.light.quoteAssetId, at)
        minimum = _ten_to_8(symbol.preciseMinCommission)
        if minimum:
            asset = terms.minimum_asset
            if symbol.minCommissionType == 2:
                asset = terms.light.quoteAssetId
            amount = max(amount, minimum * self._rate(asset, at))
        return _half_away(amount * self._scale)

    def _conversion_fee(self, terms: Terms, gross: int) -> int:
        if terms.light.quoteAssetId == self._deposit_asset:
            return 0
        fee = Fraction(abs(gross) * terms.full.pnlConversionFeeRate, 10_000)
        return -int(-(-fee // 1))

    def _gross(self, holding: _Holding, lots: Iterable[_Lot], price: Fraction, at: int) -> int:
        sign = 1 if holding.is_long else -1
        quoted = sum(
            (Fraction(lot.volume, _CENT) * (price - lot.price) * sign for lot in lots), Fraction(0)
        )
        rate = self._rate(self._terms[holding.symbol_id].light.quoteAssetId, at)
        return _half_away(quoted * rate * self._scale)

    def _exit_price(self, holding: _Holding, at: int) -> Fraction:
        bid, ask = self._quote_at(holding.symbol_id, at)
        return Fraction(bid if holding.is_long else ask, 100_000)

    # Private, the rules of rollovers

    def _next_rollover(self, holding: _Holding) -> int:
        symbol = self._terms[holding.symbol_id].full
        step = _DAY if self._swap_free else symbol.swapPeriod * _HOUR
        first = symbol.swapTime * 60_000
        return first + ((holding.rolled - first) // step + 1) * step

    def _swap(self, holding: _Holding, due: int) -> int:
        """Return what a position is charged at a rollover."""
        terms = self._terms[holding.symbol_id]
        symbol = terms.full
        step = _DAY if self._swap_free else symbol.swapPeriod * _HOUR
        spared = symbol.skipRolloverDays if self._swap_free else symbol.skipSWAPPeriods
        first = symbol.swapTime * 60_000
        number = (due - first) // step - (holding.opened - first) // step
        weekday = (due // _DAY + 3) % 7 + 1  # 1 is Monday
        if number <= spared or (weekday > 5 and not symbol.chargeSwapAtWeekends):
            return 0
        triple = symbol.rolloverCommission3Days if self._swap_free else symbol.swapRollover3Days
        days = Fraction(step, _DAY) * (3 if weekday == triple else 1)
        if self._swap_free:
            lots = Fraction(holding.volume, symbol.lotSize)
            cost = lots * symbol.rolloverCommission * days  # whole dollars
            return -_half_away(cost * self._rate(self._dollar, due) * self._scale)
        rate = _decimal(symbol.swapLong if holding.is_long else symbol.swapShort)
        units = Fraction(holding.volume, _CENT)
        if symbol.swapCalculationType == 0:
            quoted = units * rate / 10**symbol.pipPosition
        elif symbol.swapCalculationType == 2:
            quoted = units * rate / 10**symbol.digits
        else:
            quoted = units * self._exit_price(holding, due) * rate / 100 / 360
        amount = quoted * days * self._rate(terms.light.quoteAssetId, due)
        return _half_away(amount * self._scale)

    # Private, the rules of margin

    def _in_order(self) -> list[_Holding]:
        return [self.holdings[each] for each in sorted(self.holdings)]

    def _renew_margins(self, changed: _Holding, at: int) -> None:
        """Bind the margin of a position anew, and of those that fill the tiers behind it."""
        if changed.lots:
            changed.used_margin = self._margin(changed, at)
        for holding in self._in_order():
            same = (holding.symbol_id, holding.is_long) == (changed.symbol_id, changed.is_long)
            if same and holding.position_id > changed.position_id:
                holding.used_margin = self._margin(holding, at)

    def _margin(self, holding: _Holding, at: int) -> int:
        stop = holding.safe_stop
        if self._limited_risk is None or stop is None:
            return self._margin_by_leverage(holding, at)
        terms = self._terms[holding.symbol_id]
        lost = Fraction(holding.volume, _CENT) * abs(holding.price - stop)
        by_stop = _half_away(lost * self._rate(terms.light.quoteAssetId, at) * self._scale)
        if self._limited_risk == "GSL":
            return by_stop
        by_leverage = self._margin_by_leverage(holding, at)
        if self._limited_risk == "LEVERAGE":
            return by_leverage
        return max(by_stop, by_leverage)

    def _margin_by_leverage(self, holding: _Holding, at: int) -> int:
        terms = self._terms[holding.symbol_id]
        to_dollar = self._rate(terms.light.baseAssetId, at, self._dollar)
        before = sum(
            each.volume
            for each in self.holdings.values()
            if (each.symbol_id, each.is_long) == (holding.symbol_id, holding.is_long)
            and each.position_id < holding.position_id
        )
        begin = Fraction(before, _CENT) * to_dollar
        end = begin + Fraction(holding.volume, _CENT) * to_dollar
        dollars, lower = Fraction(0), Fraction(0)
        tiers = [] if terms.tiers is None else list(terms.tiers.tiers)
        for place, tier in enumerate(tiers):
            upper = end if place == len(tiers) - 1 else Fraction(tier.volume, 100)
            slice_ = max(Fraction(0), min(end, upper) - max(begin, lower))
            dollars += slice_ / min(Fraction(tier.leverage, 100), self.leverage)
            lower = max(lower, upper)
        if not tiers:
            dollars = (end - begin) / self.leverage
        return _half_away(dollars / to_dollar * holding.base_to_deposit * self._scale)


# Private


def _same(what: str, told: object, own: object) -> None:
    if told != own:
        raise LedgerError(f"{what}: the client was told {told}, the ledger has {own}")


def _last(highest: int, holds: Callable[[int], bool]) -> int:
    """Return the last number up to a highest one for which something holds, from 1 on; else 0."""
    low, high = 0, highest
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _guaranteed_distance(order: ProtoOAOrder) -> Fraction | None:
    """Return the distance of the guaranteed stop loss that an order asks for, None for none."""
    if not order.tradeData.guaranteedStopLoss or not order.HasField("relativeStopLoss"):
        return None
    return Fraction(order.relativeStopLoss, 100_000)


def _decimal(number: float) -> Fraction:
    """Return the decimal number that a double on the wire stands for."""
    return Fraction(Decimal(repr(number)))


def _ten_to_8(number: int) -> Fraction:
    return Fraction(number, 10**8)


def _half_away(value: Fraction) -> int:
    """Round to the nearest whole number, halves away from zero."""
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value >= 0 else -whole
