"""Compare our profits with the server's, and tell where they disagree for good.

A single figure may differ because a price was on its way, so a position is reported when two
comparisons in a row find the same fault with it, once until it agrees again.
"""

from __future__ import annotations

from collections.abc import Iterable

from ctrader.events import ProfitDiscrepancyEvent
from ctrader.live.state import Desk
from ctrader.live.valuation import Profit
from ctrader.models.positions import PositionUnrealizedPnL

__all__ = ["Comparison"]


class Comparison:
    """Remembers which positions disagreed at the last comparison."""

    __slots__ = ("_reported", "_suspects")

    def __init__(self) -> None:
        """Begin without suspicion."""
        self._suspects: dict[int, str] = {}
        self._reported: set[int] = set()

    def compare(
        self, desk: Desk, told: Iterable[PositionUnrealizedPnL]
    ) -> tuple[ProfitDiscrepancyEvent, ...]:
        """Compare all positions at the moment at which the server's answer came.

        A position for which a quote is lacking is passed over.

        Returns: One event for each position that disagrees for the second time.
        """
        servers = {each.position_id: each for each in told}
        holdings = desk.holdings
        ours = desk.profits(holdings)
        found: dict[int, tuple[str, ProfitDiscrepancyEvent]] = {}
        for position_id in dict.fromkeys((*holdings.positions, *servers)):
            fault = self._fault(desk, position_id, ours, servers.get(position_id))
            if fault is not None:
                found[position_id] = fault
        due = [
            (position_id, event)
            for position_id, (fault, event) in found.items()
            if self._suspects.get(position_id) == fault and position_id not in self._reported
        ]
        self._suspects = {position_id: fault for position_id, (fault, _) in found.items()}
        self._reported = self._reported & found.keys() | {position_id for position_id, _ in due}
        return tuple(event for _, event in due)

    def forget(self) -> None:
        """Drop all suspicion: the positions were read anew."""
        self._suspects = {}

    # Private

    @staticmethod
    def _fault(
        desk: Desk,
        position_id: int,
        ours: dict[int, Profit | None],
        told: PositionUnrealizedPnL | None,
    ) -> tuple[str, ProfitDiscrepancyEvent] | None:
        """Return what is wrong with one position, in a word, and the event that tells it."""
        servers = None
        if told is not None:
            servers = Profit(told.gross_unrealized_pnl, told.net_unrealized_pnl)
        if position_id not in ours:
            return "unknown", _event(desk, position_id, None, servers)
        own = ours[position_id]
        if servers is None:
            return "not listed", _event(desk, position_id, own, None)
        account = desk.holdings.account
        if own is None or account is None:
            return None
        slack = desk.slack(desk.holdings.positions[position_id], account)
        if slack is None:
            return None
        gross = servers.gross - own.gross
        costs = (servers.net - servers.gross) - (own.net - own.gross)
        if abs(gross) > slack.gross:
            return "more" if gross > 0 else "less", _event(desk, position_id, own, servers)
        if abs(costs) > slack.costs:
            return "costs", _event(desk, position_id, own, servers)
        return None


def _event(
    desk: Desk, position_id: int, ours: Profit | None, servers: Profit | None
) -> ProfitDiscrepancyEvent:
    return ProfitDiscrepancyEvent(
        desk.account_id,
        position_id,
        None if ours is None else ours.net,
        None if servers is None else servers.net,
        None if ours is None else ours.gross,
        None if servers is None else servers.gross,
    )
