"""Drive `ctrader-api-client` through one session; print what it received.

It runs in that client's environment, where nothing of this project is importable. Standard input
is the line with which the simulator said how to reach it; standard output is one JSON document:
what was asked of the client, what its calls returned, and every event that it told, as its own
models. The authority behind the simulator's certificate comes in `SSL_CERT_FILE`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

PACKAGE = "ctrader-api-client"
ANSWER_SECONDS = 15
EVENT_SECONDS = 20
SPOTS_WANTED = 16
MINUTE = 60_000
HOUR = 60 * MINUTE

connected_to: list[list[object]] = []


def stay_on_this_computer(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse whatever would leave the loopback interface, and note where connections go."""
    if event == "socket.connect":
        address = arguments[1]
        if isinstance(address, tuple):
            assert ipaddress.ip_address(address[0]).is_loopback, f"not on loopback: {address}"
            connected_to.append([address[0], address[1]])
    elif event == "socket.getaddrinfo":
        assert ipaddress.ip_address(arguments[0]).is_loopback, f"not on loopback: {arguments[0]}"


def plain(value: Any) -> Any:
    """Return a model as JSON values: enums by name, decimals as texts, times in milliseconds."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if hasattr(type(value), "model_fields"):
        return {name: plain(getattr(value, name)) for name in type(value).model_fields}
    return str(value)


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


class Session:
    """One session of the client, step by step."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.api: Any = import_module("ctrader_api_client")
        self.ready = ready
        self.account: int = ready["accounts"][0]["account_id"]
        self.sent: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self._told = asyncio.Condition()
        self._step = ""

    async def run(self) -> None:
        """Go through the whole session.

        Raises:
            Exception: whatever the client, or the wait for an event, ended in.
        """
        client = self.api.CTraderClient(
            self.api.ClientConfig(
                host=self.ready["host"],
                port=self.ready["port"],
                client_id=self.ready["client_id"],
                client_secret=self.ready["client_secret"],
                request_timeout=ANSWER_SECONDS,
                connect_timeout=ANSWER_SECONDS,
                reconnect_attempts=0,
            )
        )
        for name in self.api.__all__:
            if name.endswith("Event") and name != "Event":
                client.register_handler(getattr(self.api, name), self._told_event)
        async with client:
            await self.story(client)

    async def story(self, client: Any) -> None:
        """Ask the client for everything, in the order of a trader's day."""
        token = self.ready["access_token"]
        login = self.ready["accounts"][0]["trader_login"]
        await self.ask("accounts", client.accounts.list_by_token(token))
        await self.ask("account id", client.accounts.resolve_account_id(token, login))
        await self.ask(
            "account",
            client.auth.authenticate_trader(
                self.api.AccountCredentials(
                    account_id=self.account,
                    access_token=token,
                    refresh_token=self.ready["refresh_token"],
                    expires_at=self.ready["expires_at"],
                )
            ),
        )
        await self.ask("trader before", client.accounts.get_trader(self.account))
        listed = await self.ask("symbols", client.symbols.list_all(self.account))
        ids = {each.name: each.symbol_id for each in listed}
        euro, yen = ids["EURUSD"], ids["USDJPY"]
        await self.ask(
            "symbol terms", client.symbols.get_by_ids(self.account, sorted(ids.values()))
        )

        await self.ask("spots", client.market_data.subscribe_spots(self.account, [euro, yen]))
        minute = self.api.TrendbarPeriod.M1
        await self.ask(
            "live bars", client.market_data.subscribe_trendbars(self.account, euro, minute)
        )
        await self.history(client, euro)
        await self.position_with_protection(client, euro)
        closed = await self.position_in_parts(client, yen)
        await self.pending_orders(client, euro)
        await self.until(
            lambda: sum(each["type"] == "SpotEvent" for each in self.events) >= SPOTS_WANTED
        )
        await self.ask(
            "no live bars", client.market_data.unsubscribe_trendbars(self.account, euro, minute)
        )
        await self.ask("no spots", client.market_data.unsubscribe_spots(self.account, [euro, yen]))
        await self.books(client, closed)

    async def history(self, client: Any, euro: int) -> None:
        """Ask for bars and ticks of time that is over."""
        now = int(time.time() * 1000)
        end = now // MINUTE * MINUTE - 1
        periods = self.api.TrendbarPeriod
        for step, period, length in (
            ("minutes", periods.M1, MINUTE),
            ("hours", periods.H1, HOUR),
        ):
            over = now // length * length - 1
            window = (moment(over - 50 * length), moment(over))
            await self.ask(
                step,
                client.market_data.get_trendbars(self.account, euro, period, *window),
                start=over - 50 * length,
                end=over,
            )
        window = (moment(end - 3 * MINUTE), moment(end))
        await self.ask(
            "ticks",
            client.market_data.get_tick_data(self.account, euro, *window),
            start=end - 3 * MINUTE,
            end=end,
        )

    async def position_with_protection(self, client: Any, euro: int) -> None:
        """Open a position with relative protection and move that; it stays open."""
        request = self.api.NewOrderRequest(
            symbol_id=euro,
            side=self.api.OrderSide.BUY,
            volume=1_000_000,
            relative_stop_loss=Decimal("0.02"),
            relative_take_profit=Decimal("0.03"),
            label="foreign",
            comment="a position that stays",
            client_order_id="api-client-market",
        )
        await self.ask("market order", client.trading.place_order(self.account, request), request)
        protected = await self.until(
            lambda: self.execution("ORDER_ACCEPTED", order_type="STOP_LOSS_TAKE_PROFIT")
        )
        position = protected["position"]
        request = self.api.AmendPositionRequest(
            position_id=position["position_id"],
            stop_loss=Decimal(position["stop_loss"]) - Decimal("0.01"),
            take_profit=Decimal(position["take_profit"]) + Decimal("0.01"),
        )
        await self.ask(
            "amend position", client.trading.amend_position(self.account, request), request
        )

    async def position_in_parts(self, client: Any, yen: int) -> int:
        """Open a position, close a part of it, and then the rest; return its id."""
        request = self.api.NewOrderRequest(
            symbol_id=yen, side=self.api.OrderSide.SELL, volume=600_000
        )
        opened = await self.ask(
            "second market order", client.trading.place_order(self.account, request), request
        )
        await self.until(lambda: self.execution("ORDER_FILLED", order_id=opened.order.order_id))
        position: int = opened.position.position_id
        for step, volume in (("close a part", 200_000), ("close", 400_000)):
            request = self.api.ClosePositionRequest(position_id=position, volume=volume)
            closing = await self.ask(
                step, client.trading.close_position(self.account, request), request
            )
            order = closing.order.order_id
            await self.until(partial(self.execution, "ORDER_FILLED", order_id=order))
        return position

    async def pending_orders(self, client: Any, euro: int) -> None:
        """Place a limit order, amend it, cancel it; place another one that stays."""
        bid = next(
            Decimal(each["event"]["bid"])
            for each in reversed(self.events)
            if each["type"] == "SpotEvent"
            and each["event"]["symbol_id"] == euro
            and each["event"]["bid"] is not None
        )
        request = self.api.NewOrderRequest(
            symbol_id=euro,
            side=self.api.OrderSide.BUY,
            volume=300_000,
            order_type=self.api.OrderType.LIMIT,
            limit_price=bid - Decimal("0.02"),
        )
        placed = await self.ask(
            "limit order", client.trading.place_order(self.account, request), request
        )
        order = placed.order.order_id
        request = self.api.AmendOrderRequest(
            order_id=order, volume=500_000, limit_price=bid - Decimal("0.025")
        )
        await self.ask("amend order", client.trading.amend_order(self.account, request), request)
        await self.ask("cancel", client.trading.cancel_order(self.account, order))
        request = self.api.NewOrderRequest(
            symbol_id=euro,
            side=self.api.OrderSide.SELL,
            volume=200_000,
            order_type=self.api.OrderType.LIMIT,
            limit_price=bid + Decimal("0.02"),
            stop_loss=bid + Decimal("0.03"),
            take_profit=bid + Decimal("0.01"),
            label="foreign",
            client_order_id="api-client-limit",
        )
        await self.ask(
            "limit order that stays", client.trading.place_order(self.account, request), request
        )

    async def books(self, client: Any, closed: int) -> None:
        """Ask for everything that the session left behind."""
        await self.ask("reconcile", client.trading.get_open_positions(self.account))
        now = int(time.time() * 1000)
        start, end = moment(now - HOUR), moment(now + MINUTE)
        await self.ask("deals", client.trading.get_deals(self.account, start, end))
        await self.ask(
            "deals of a position", client.trading.get_deals_by_position_id(self.account, closed)
        )
        await self.ask(
            "orders",
            client.trading.get_orders(self.account, from_timestamp=start, to_timestamp=end),
        )
        await self.ask("trader after", client.accounts.get_trader(self.account))

    # The client

    async def ask(
        self, step: str, call: Awaitable[Any], request: object = None, **details: Any
    ) -> Any:
        """Make one call and keep what it returned."""
        self._step = step
        self.sent.append({"step": step, "request": plain(request), **details})
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await call
        self.answers[step] = plain(answer)
        return answer

    async def until(self, wanted: Callable[[], Any]) -> Any:
        """Wait until something is told that was asked for, and return that."""
        async with asyncio.timeout(EVENT_SECONDS), self._told:
            await self._told.wait_for(wanted)
            return wanted()

    def execution(self, kind: str, **order: Any) -> dict[str, Any] | None:
        """Return what was told about an order with these fields, None before it was."""
        for each in self.events:
            event = each["event"]
            if (
                each["type"] == "ExecutionEvent"
                and event["execution_type"] == kind
                and all(event["order"][name] == value for name, value in order.items())
            ):
                return event  # type: ignore[no-any-return]  # a JSON object
        return None

    async def _told_event(self, event: object) -> None:
        self.events.append(
            {"step": self._step, "type": type(event).__name__, "event": plain(event)}
        )
        async with self._told:
            self._told.notify_all()


def main() -> int:
    """Run the session and print the report."""
    for name in ("ctrader", "ctrader_sync", "tests"):
        assert find_spec(name) is None, f"{name} is importable in the foreign environment"
    sys.addaudithook(stay_on_this_computer)
    session = Session(json.loads(sys.stdin.readline()))
    failure = None
    try:
        asyncio.run(asyncio.wait_for(session.run(), 120))
    except Exception as error:  # noqa: BLE001  # the report carries it, and what came before it
        failure = f"{type(error).__name__} in {session.sent[-1:]}: {error}"
    sys.stdout.write(
        json.dumps(
            {
                "package": f"{PACKAGE} {version(PACKAGE)}",
                "python": sys.version.split()[0],
                "connected_to": connected_to,
                "failure": failure,
                "sent": session.sent,
                "answers": session.answers,
                "events": session.events,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
