"""Profits from quotes over chains of symbols, and what is compared with the server's."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from ctrader.enums import OrderSide, TotalMarginCalculationType
from ctrader.events import ProfitDiscrepancyEvent, SpotEvent, SymbolChangedEvent
from ctrader.live.account import LiveAccount
from ctrader.live.valuation import Profit, profit_of, rate_of, slack_of, used_margin_of
from ctrader.models.positions import Position, PositionUnrealizedPnL
from ctrader.models.symbols import Asset, SymbolInfo
from tests.live.entities import (
    ACCOUNT,
    CHF,
    EUR,
    EURJPY,
    EURUSD,
    GBP,
    JPY,
    USD,
    USDCHF,
    USDJPY,
    account,
    at,
    position,
)

QUOTES = {1: (110_000, 110_002), 4: (15_000_000, 15_000_300), 6: (90_000, 90_010)}
NOW = at(1000)


def live_with(*positions: Position, chains: dict[int, tuple[SymbolInfo, ...]]) -> LiveAccount:
    live = LiveAccount(ACCOUNT)
    reading = live.begin()
    reading.account_told(account())
    reading.holdings_told(positions, [])
    live.rebuilt(reading, NOW)
    live.supply.symbols_told([EURUSD, USDJPY, EURJPY, USDCHF])
    live.supply.assets_told([Asset(asset_id=EUR, name="EUR", digits=2)])
    for asset, chain in chains.items():
        live.supply.chain_told(asset, chain)
    return live


def spot(symbol_id: int, bid: int | None, ask: int | None) -> SpotEvent:
    return SpotEvent(ACCOUNT, symbol_id, bid, ask, last_bid_points=bid, last_ask_points=ask)


def told(gross: str, net: str, position_id: int = 5) -> PositionUnrealizedPnL:
    return PositionUnrealizedPnL(
        position_id=position_id,
        gross_unrealized_pnl=Decimal(gross),
        net_unrealized_pnl=Decimal(net),
    )


# Formulas


@pytest.mark.parametrize(
    ("chain", "first", "last", "rate"),
    [
        ((), EUR, EUR, Fraction(1)),
        ((EURUSD,), EUR, USD, Fraction(110_000, 100_000)),
        ((EURUSD,), USD, EUR, Fraction(100_000, 110_000)),
        ((USDJPY, EURUSD), JPY, EUR, Fraction(100_000, 15_000_000) * Fraction(100_000, 110_000)),
        ((), EUR, USD, None),
        ((USDJPY,), EUR, JPY, None),
        ((EURJPY,), EUR, JPY, None),
        ((EURUSD.model_copy(update={"base_asset_id": None}),), EUR, USD, None),
        ((EURUSD,), EUR, GBP, None),
    ],
)
def test_rate_walks_the_chain_at_the_bids(
    chain: tuple[SymbolInfo, ...], first: int, last: int, rate: Fraction | None
) -> None:
    assert rate_of(chain, first, last, QUOTES) == rate


def test_bought_is_worth_the_bid_and_sold_the_ask() -> None:
    sides = (110_100, 110_150)
    costs: dict[str, Any] = {"swap": Decimal("-0.50"), "commission": Decimal("-0.10")}
    bought, sold = position(**costs), position(side=OrderSide.SELL, **costs)

    assert profit_of(bought, sides, Fraction(1), 2) == Profit(Decimal("1.00"), Decimal("0.40"))
    assert profit_of(sold, sides, Fraction(1), 2) == Profit(Decimal("-1.50"), Decimal("-2.10"))


@pytest.mark.parametrize(("bid", "gross"), [(110_050, "1"), (109_950, "-1"), (110_049, "0")])
def test_half_is_rounded_away_from_zero(bid: int, gross: str) -> None:
    assert profit_of(position(), (bid, bid), Fraction(1), 0).gross == Decimal(gross)


def test_average_price_is_read_as_the_entries_behind_it() -> None:
    # Two entries of 1.00000 and one of 1.00001 make an average that no decimal can tell.
    entries = position(volume=300, entry_price=round(1.00001 - 0.00001 * 2 / 3, 15))

    profit = profit_of(entries, (100_000, 100_000), Fraction(50_000), 0)

    # Exactly half a unit: a hair of the average's rounding would decide which way it goes.
    assert profit.gross == Decimal("-1")


@pytest.mark.parametrize(
    ("kind", "used"),
    [
        (None, 45),
        (TotalMarginCalculationType.SUM, 45),
        (TotalMarginCalculationType(77), 45),
        (TotalMarginCalculationType.MAX, 35),
        (TotalMarginCalculationType.NET, 25),
    ],
)
def test_margins_of_both_sides_add_up_as_the_account_says(
    kind: TotalMarginCalculationType | None, used: int
) -> None:
    positions = (
        position(1, used_margin=Decimal(20)),
        position(2, side=OrderSide.SELL, used_margin=Decimal(10)),
        position(3, symbol_id=4, used_margin=Decimal(15)),
    )

    assert used_margin_of(positions, kind) == used


def test_slack_is_a_spread_and_the_spreads_of_the_chain() -> None:
    moved = position(symbol_id=4, entry_price=149.0)
    quotes = {**QUOTES, 1: (110_000, 111_000)}

    slack = slack_of(moved, quotes[4], (USDJPY, EURUSD), (JPY, EUR), quotes, 2)

    assert slack is not None
    assert slack.costs == Decimal("0.01")
    # The spread is 3 yen, the profit 1,000 yen: 0.018 and 0.055 euros, and two cents.
    assert slack.gross == Decimal("0.09")
    assert slack_of(moved, quotes[4], (USDJPY, EURUSD), (JPY, EUR), {4: quotes[4]}, 2) is None


# What is lacking


def test_profit_is_none_until_everything_is_there() -> None:
    yen = position(symbol_id=4, entry_price=149.0)
    live = live_with(yen, chains={})
    state = live.state
    supply: Any = live.supply  # its properties change, which checkers do not believe
    assert supply.lacking_chains == ((JPY, EUR),)
    assert supply.lacking_quotes == (4,)

    live.supply.chain_told(JPY, (USDJPY, EURUSD))
    assert supply.lacking_quotes == (1, 4)
    live.quoted(spot(4, 15_000_000, 15_000_300))
    assert (state.floating_pnl, state.equity, state.free_margin) == (None, None, None)
    live.quoted(spot(1, 110_000, 110_002))

    assert state.profit_of(5) == Profit(Decimal("6.06"), Decimal("6.06"))
    assert (state.equity, state.free_margin) == (Decimal("1006.06"), Decimal("996.06"))
    assert state.margin_level == Decimal("10060.6")
    assert (state.currency, state.money_digits) == ("EUR", 2)
    live.quoted(spot(1, 110_001, None))
    assert dict(state.profits) == {5: None}


def test_account_without_positions_has_its_balance_as_equity() -> None:
    state = live_with(chains={}).state

    assert state.floating_pnl == Profit(Decimal(0), Decimal(0))
    assert (state.equity, state.margin_level) == (Decimal(1000), None)


def test_position_without_an_entry_price_or_with_an_unknown_symbol_has_no_profit() -> None:
    live = live_with(
        position(5, entry_price=None), position(6, symbol_id=99), chains={USD: (EURUSD,)}
    )
    live.quoted(spot(1, 110_000, 110_002))

    assert dict(live.state.profits) == {5: None, 6: None}
    assert not live.supply.lacks_symbols


def test_quote_is_taken_and_nothing_is_computed_before_somebody_reads() -> None:
    live = live_with(position(), chains={USD: (EURUSD,)})
    live.quoted(spot(1, 110_000, 110_002))
    first = live.state.profit_of(5)

    assert live.state.profit_of(5) is first
    live.apply(spot(1, 110_100, 110_102), NOW)
    assert live.state.profit_of(5) != first


def test_changed_symbols_and_a_new_reading_ask_for_the_chain_again_and_it_serves_meanwhile() -> (
    None
):
    live = live_with(position(), chains={USD: (EURUSD,)})
    live.supply.quotes_subscribed([1])
    live.quoted(spot(1, 110_000, 110_002))
    assert live.supply.is_complete

    live.apply(SymbolChangedEvent(ACCOUNT, (6,)), NOW)
    assert live.supply.is_complete
    live.apply(SymbolChangedEvent(ACCOUNT, (1,)), NOW)
    assert live.supply.lacking_chains == ((USD, EUR),)
    assert live.state.equity is not None
    live.supply.chain_told(USD, (EURUSD,))
    assert live.supply.is_complete


def test_what_cannot_be_had_is_not_lacking_until_the_account_is_read_again() -> None:
    live = live_with(position(), position(6, symbol_id=6), chains={USD: (EURUSD,)})
    live.supply.chain_told(CHF, None)
    live.supply.quote_refused(1)
    live.supply.quotes_subscribed([6])
    assert live.supply.is_complete

    reading = live.begin()
    reading.account_told(account())
    reading.holdings_told([position(), position(6, symbol_id=6)], [])
    live.rebuilt(reading, NOW)

    assert live.supply.lacking_quotes == (1,)
    assert live.supply.lacking_chains == ((USD, EUR), (CHF, EUR))


def test_quotes_that_are_needed_no_more_are_surplus() -> None:
    live = live_with(chains={})
    supply: Any = live.supply  # its properties change, which checkers do not believe
    supply.quotes_subscribed([1, 4])

    assert supply.surplus_quotes == supply.subscribed_quotes == (1, 4)
    supply.quotes_unsubscribed([4])
    assert supply.surplus_quotes == (1,)
    assert LiveAccount(ACCOUNT).supply.is_complete


# Comparing


@pytest.fixture
def valued() -> LiveAccount:
    """Return a live account with one position whose profit is known: 0.91 euros."""
    live = live_with(position(), chains={USD: (EURUSD,)})
    live.quoted(spot(1, 110_100, 110_102))
    assert live.state.profit_of(5) == Profit(Decimal("0.91"), Decimal("0.91"))
    return live


def test_figures_within_rounding_and_a_spread_agree(valued: LiveAccount) -> None:
    for gross in ("0.87", "0.95"):
        for _ in range(3):
            assert valued.compared([told(gross, gross)]) == ()
    assert valued.doubt is None


@pytest.mark.parametrize(("gross", "net"), [("5.00", "5.00"), ("-5.00", "-5.00"), ("0.91", "0.50")])
def test_discrepancy_is_told_once_when_it_was_found_twice(
    valued: LiveAccount, gross: str, net: str
) -> None:
    wrong = [told(gross, net)]
    ours = Decimal("0.91")

    assert valued.compared(wrong) == ()
    assert valued.compared(wrong) == (
        ProfitDiscrepancyEvent(ACCOUNT, 5, ours, Decimal(net), ours, Decimal(gross)),
    )
    assert valued.doubt == "its profits are not those of the server"
    assert valued.compared(wrong) == ()
    assert valued.compared([told("0.91", "0.91")]) == ()
    assert valued.compared(wrong) == ()
    assert len(valued.compared(wrong)) == 1


def test_prices_that_swing_to_either_side_are_no_discrepancy(valued: LiveAccount) -> None:
    for gross in ("5.00", "-5.00") * 3:
        assert valued.compared([told(gross, gross)]) == ()


def test_position_that_only_one_side_knows_is_a_discrepancy(valued: LiveAccount) -> None:
    other = [told("1.00", "1.00", 6)]
    valued.compared(other)

    ours = Decimal("0.91")
    assert valued.compared(other) == (
        ProfitDiscrepancyEvent(ACCOUNT, 5, ours, None, ours, None),
        ProfitDiscrepancyEvent(ACCOUNT, 6, None, Decimal(1), None, Decimal(1)),
    )


def test_position_that_cannot_be_valued_is_not_compared(valued: LiveAccount) -> None:
    valued.quoted(spot(1, 110_100, None))

    assert valued.compared([told("9", "9")]) == valued.compared([told("9", "9")]) == ()


def test_nothing_is_compared_while_it_is_stale_and_suspicion_ends_with_it(
    valued: LiveAccount,
) -> None:
    valued.compared([told("9", "9")])
    valued.went_stale(NOW)

    assert valued.compared([told("9", "9")]) == valued.compared([told("9", "9")]) == ()
