"""What happens around the breakout bots in their tests, seen from the market.

Everything here blocks, and runs beside the bot; whether that has a thread or an event loop is all
the same to the market.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from breakout import LABEL

from ctrader.proto import (
    ProtoOAGetTrendbarsReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOATradeSide,
)
from ctrader.simulator import Simulator

LOTS: Final = 0.01
VOLUME: Final = 100_000  # the same on the wire: hundredths of a euro


@dataclass(frozen=True)
class Trade:
    """A way of EURUSD out of its range, 1.09 to 1.11, and on to the take profit or stop loss."""

    entry: tuple[float, float]
    """Bid and ask; one of them is out by a hair."""
    exit: tuple[float, float]
    """Bid and ask; one of them is just beyond the level."""
    result: Decimal
    """Dollars: ten pips are one, and each side costs 0.03."""

    def play(self, simulator: Simulator) -> None:
        """Lead a bot in, and out again."""
        self.lead_in(simulator)
        simulator.set_price("EURUSD", *self.exit)

    def play_unheard(self, simulator: Simulator) -> None:
        """Lead a bot in, and out again while the link is down."""
        self.lead_in(simulator)
        with simulator.locked():  # nobody is back before the price is there
            simulator.disconnect_all()
            simulator.set_price("EURUSD", *self.exit)

    def lead_in(self, simulator: Simulator) -> None:
        """Break out once the bot knows the range, and wait for its order."""
        simulator.set_price("EURUSD", 1.105, 1.10502)  # out of the last hours, not of four
        simulator.wait_for_client(ProtoOAGetTrendbarsReq)
        simulator.set_price("EURUSD", *self.entry)
        simulator.wait_for_client(ProtoOANewOrderReq)

    def lead_out(self, simulator: Simulator) -> None:
        """Lead a bot out that has a position already, once it has looked for it.

        Somebody closes the oldest position before, and that is not the bot's.
        """
        simulator.wait_for_client(ProtoOAReconcileReq)
        terminal = simulator.terminal()
        terminal.close(terminal.positions[0])
        simulator.set_price("EURUSD", *self.exit)


BOUGHT: Final = Trade((1.10999, 1.11001), (1.11153, 1.11155), Decimal("1.46"))
TRADES: Final = {
    "bought, to the target": BOUGHT,
    "bought, to the stop": Trade((1.10999, 1.11001), (1.10900, 1.10902), Decimal("-1.07")),
    "sold, to the target": Trade((1.08999, 1.09001), (1.08845, 1.08847), Decimal("1.46")),
    "sold, to the stop": Trade((1.08999, 1.09001), (1.09098, 1.09100), Decimal("-1.07")),
}


def open_foreign_positions(simulator: Simulator) -> list[int]:
    """Open what a bot must not touch, and return the ids.

    One position is somebody else's, the other one that of a bot for another symbol.
    """
    terminal = simulator.terminal()
    terminal.buy("EURUSD", VOLUME)
    terminal.request(order_of_a_bot(symbol_id=2))
    return terminal.positions


def open_earlier_position(simulator: Simulator) -> None:
    """Open what an earlier run of the bot would have left, as `BOUGHT` begins."""
    simulator.set_price("EURUSD", *BOUGHT.entry)
    order = order_of_a_bot(symbol_id=1)
    order.relativeStopLoss, order.relativeTakeProfit = 100, 150
    simulator.terminal().request(order)


def order_of_a_bot(symbol_id: int) -> ProtoOANewOrderReq:
    """Make an order that bears the bot's label."""
    return ProtoOANewOrderReq(
        symbolId=symbol_id,
        orderType=ProtoOAOrderType.MARKET,
        tradeSide=ProtoOATradeSide.BUY,
        volume=VOLUME,
        label=LABEL,
    )
