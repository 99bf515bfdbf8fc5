"""What is known of an account at every moment, kept current from its events."""

from __future__ import annotations

__all__ = ["AccountState", "Profit"]

from ctrader.live.state import AccountState
from ctrader.live.valuation import Profit
