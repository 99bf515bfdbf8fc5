"""Buy at market, protect the position, and close it; every outcome is told apart.

It trades. Connection and tokens come from the environment (CTRADER_CLIENT_ID,
CTRADER_CLIENT_SECRET, CTRADER_ACCOUNT_ID, CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN,
CTRADER_EXPIRES_AT, and what else `ClientConfig.from_env` reads), or from a simulator:

    python examples/market_order.py --simulator

On the live host it does nothing unless --live is given.
"""

from __future__ import annotations

import argparse
import sys

from ctrader.simulator import Simulator
from ctrader_sync import (
    LIVE_HOST,
    AccountCredentials,
    ClientConfig,
    ClosePositionRequest,
    ExecutionEvent,
    ExecutionType,
    NewOrderRequest,
    OrderInvalidError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    OrderSide,
    SyncCTraderClient,
)


def main() -> int:
    """Read the command line; the exit status is 0 if the position was opened and closed."""
    parser = argparse.ArgumentParser(description="Buy at market, and close the position.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--symbol", default="EURUSD", help="name of the symbol")
    parser.add_argument("--lots", type=float, default=0.01, help="how much to buy")
    parser.add_argument("--live", action="store_true", help="allow the live host")
    options = parser.parse_args()
    if options.simulator:
        with Simulator() as simulator:
            config, credentials = simulator.client_config(), simulator.credentials()
            return trade(config, credentials, options.symbol, options.lots)
    config, credentials = ClientConfig.from_env(), AccountCredentials.from_env()
    if config.host == LIVE_HOST and not options.live:
        parser.error("this is the live host, and the money is real: add --live if you mean it")
    return trade(config, credentials, options.symbol, options.lots)


def trade(
    config: ClientConfig, credentials: AccountCredentials, symbol_name: str, lots: float
) -> int:
    """Open a position and close it; return the exit status."""
    account_id = credentials.account_id
    with SyncCTraderClient(config) as client:
        client.auth.authenticate_account(credentials)
        symbol = client.symbols.get_by_name(account_id, symbol_name)

        opened = buy(
            client,
            account_id,
            NewOrderRequest(
                symbol_id=symbol.symbol_id,
                side=OrderSide.BUY,
                volume=symbol.lots_to_volume(lots),  # exact, or an error
                relative_stop_loss=symbol.pips_to_price(20),
                relative_take_profit=symbol.pips_to_price(40),
            ),
        )
        if opened is None or opened.position is None:
            return 1
        position = opened.position
        print(f"bought {lots} lot {symbol_name} at {position.entry_price}")

        closed = client.trading.close_position(
            account_id,
            ClosePositionRequest(position_id=position.position_id, volume=position.volume),
        )
        if closed.deal is None or closed.deal.close_detail is None:
            print(f"the close ended with {closed.execution_type.name}", file=sys.stderr)
            return 1
        result = closed.deal.close_detail
        print(f"closed at {closed.deal.execution_price}: {result.net_profit:+} net")
        print(f"balance {result.balance}")
        return 0


def buy(
    client: SyncCTraderClient, account_id: int, request: NewOrderRequest
) -> ExecutionEvent | None:
    """Place the order; None if no position came of it, or none that is known."""
    try:
        done = client.trading.place_order(account_id, request, timeout=10)
    except OrderInvalidError as error:
        print(f"refused here, nothing was sent: {error}", file=sys.stderr)
    except OrderNotSentError as error:
        print(f"not sent, safe to try again: {error}", file=sys.stderr)
    except OrderRejectedError as error:
        print(f"the server refused it ({error.error_code}): {error}", file=sys.stderr)
    except OrderOutcomeUnknownError as error:
        # Never repeat it here: look for the id among positions, orders and deals first.
        print(f"order {error.client_order_id} may have been executed: {error}", file=sys.stderr)
    else:
        if done.execution_type is ExecutionType.ORDER_FILLED:
            return done
        print(f"the order ended with {done.execution_type.name}", file=sys.stderr)
    return None


if __name__ == "__main__":
    sys.exit(main())
