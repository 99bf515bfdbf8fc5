"""How to test a bot: against the simulated broker of the pytest plugin, with prices by hand.

Run it where the library and pytest are installed:

    pytest examples

`conftest.py` gives the broker its past, `breakout_market.py` moves it from there, and
`test_breakout_bot_async.py` does the same with the async bot.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import breakout_bot
import pytest
from breakout import LABEL
from breakout_market import (
    BOUGHT,
    LOTS,
    TRADES,
    VOLUME,
    Trade,
    open_earlier_position,
    open_foreign_positions,
)

from ctrader.proto import ProtoOAClosePositionReq, ProtoOANewOrderReq
from ctrader.simulator import Simulator
from ctrader_sync import CloseDetail, MarketClosedError, SyncCTraderClient

PATIENCE = 5.0  # seconds that a bot may take when the market has moved


def run_bot(simulator: Simulator, market: Callable[[Simulator], None]) -> CloseDetail | None:
    """Run the bot on a thread while the market moves, and return what it returns."""
    credentials = simulator.credentials()
    # The client is closed before the thread is waited for: that ends a bot that hangs.
    with ThreadPoolExecutor() as threads, SyncCTraderClient(simulator.client_config()) as client:
        client.auth.authenticate_account(credentials)
        bot = threads.submit(
            breakout_bot.trade_breakout, client, credentials.account_id, "EURUSD", LOTS
        )
        try:
            market(simulator)
        finally:  # also when it waited in vain: what the bot raised says why
            closed = bot.result(timeout=PATIENCE)
        return closed


@pytest.mark.parametrize("trade", TRADES.values(), ids=TRADES.keys())
def test_bot_follows_a_breakout_to_its_end(ctrader_simulator: Simulator, trade: Trade) -> None:
    """Let the price break out, then reach the target or the stop."""
    closed = run_bot(ctrader_simulator, trade.play)
    assert closed is not None
    assert closed.net_profit == trade.result
    assert closed.balance == Decimal(100_000) + trade.result
    (order,) = ctrader_simulator.sent_by_client(ProtoOANewOrderReq)
    assert (order.volume, order.label) == (VOLUME, LABEL)
    assert (order.relativeStopLoss, order.relativeTakeProfit) == (100, 150)
    assert not ctrader_simulator.sent_by_client(ProtoOAClosePositionReq)  # the server closed it


def test_bot_takes_up_its_own_position(ctrader_simulator: Simulator) -> None:
    """Start the bot where an earlier run was stopped, among positions that are not its own."""
    others = open_foreign_positions(ctrader_simulator)
    open_earlier_position(ctrader_simulator)
    closed = run_bot(ctrader_simulator, BOUGHT.lead_out)
    assert closed is not None
    assert closed.net_profit == BOUGHT.result
    assert ctrader_simulator.terminal().positions == others[1:]
    assert not ctrader_simulator.sent_by_client(ProtoOANewOrderReq)


def test_bot_learns_of_a_close_that_it_was_not_told(
    ctrader_simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the target be reached while the link is down."""
    monkeypatch.setattr(breakout_bot, "CHECK_EVERY", 0.1)
    assert run_bot(ctrader_simulator, BOUGHT.play_unheard) is None
    assert not ctrader_simulator.terminal().positions


def test_bot_stops_when_its_order_is_refused(ctrader_simulator: Simulator) -> None:
    """Refuse the order, and see that no second one comes."""
    ctrader_simulator.script.next_request(ProtoOANewOrderReq).refuse("MARKET_CLOSED")
    with pytest.raises(MarketClosedError):
        run_bot(ctrader_simulator, BOUGHT.lead_in)
    assert len(ctrader_simulator.sent_by_client(ProtoOANewOrderReq)) == 1
