"""The namespaces of the client.

Example:
    from ctrader import ClientConfig, CTraderClient

    async with CTraderClient(ClientConfig.from_env()) as client:
        await client.auth.authenticate_account(credentials)
        for position in await client.trading.get_open_positions(credentials.account_id):
            print(position.position_id, position.volume)
"""

from __future__ import annotations

from ctrader.api.accounts import AccountsAPI
from ctrader.api.auth import AuthManager
from ctrader.api.market_data import MarketDataAPI
from ctrader.api.raw import Protocol
from ctrader.api.symbols import SymbolsAPI
from ctrader.api.trading import TradingAPI

__all__ = [
    "AccountsAPI",
    "AuthManager",
    "MarketDataAPI",
    "Protocol",
    "SymbolsAPI",
    "TradingAPI",
]
