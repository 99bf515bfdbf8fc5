"""Kill trading processes that keep a journal, and compare what is known with the broker's books.

    python -m tests.clients.order_kills [--count 500] [--seed 1]

Each process has a blocking client and trades against a simulator with TLS: it places orders,
cancels some, closes positions, and tells of each step. It is killed with SIGKILL at a random
moment. The next one has the same journal: it must find out what became of whatever is in doubt,
and gives the orders of which nobody was told anything a second try, with their ids. In the end
the last process is left to finish, and the journal must say of every request what the books say.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from ctrader.journal import Entry, Settlement, SqliteJournal
from ctrader.proto import (
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
)
from ctrader.simulator import Simulator
from tests.clients.doomed import hand_over, started, told_by, until_killed

__all__ = ["Outcome", "kill_traders"]

_MOST_LINES: Final = 14
"""Lines that a process tells at most before it is killed."""
_LONGEST_STEP: Final = 0.008
"""Seconds within which it is killed after the last line that was waited for."""
_ABSENCE_WAIT: Final = 0.5
"""Seconds until an order that is nowhere is absent; the server reads what came before at once."""
_LAST_STEPS: Final = 6
"""Steps of the process that is not killed."""

_TRADER: Final = """
import json, random, sys
from ctrader_sync import (
    AmendOrderRequest, ClientConfig, AccountCredentials, ClosePositionRequest,
    DuplicateClientOrderIdError, NewOrderRequest, OrderSide, OrderType, SqliteJournal,
    SyncCTraderClient,
)

def tell(*what):
    print(json.dumps(what), flush=True)

orders = json.loads(sys.stdin.readline())
dice = random.Random(orders["seed"])
journal = SqliteJournal(orders["journal"], lock_timeout=5)
client = SyncCTraderClient(ClientConfig(**orders["config"]), journal=journal)
account_id = orders["credentials"]["account_id"]

def market(name):
    return NewOrderRequest(
        symbol_id=1, side=OrderSide.BUY, volume=100_000, client_order_id=name
    )

def limit(name):
    return NewOrderRequest(
        symbol_id=1, side=OrderSide.BUY, volume=100_000, client_order_id=name,
        order_type=OrderType.LIMIT, limit_price=0.5,
    )

def place(request):
    name = request.client_order_id
    tell("begin", name)
    try:
        event = client.trading.place_order(account_id, request)
    except DuplicateClientOrderIdError:
        tell("refused", name)
        return None
    tell("done", name, event.order.order_id)
    return event.order.order_id

client.connect()
left = client.unresolved_orders
tell("left", [told.client_msg_id for told in left])
client.auth.authenticate_account(AccountCredentials(**orders["credentials"]))
for told in left:
    outcome = client.trading.resolve(told, timeout=30)
    tell("resolved", told.client_msg_id, outcome.took_effect, told.request_type)
for name in orders["unknown"]:
    place(market(name))
open_ids = [position.position_id for position in client.trading.get_open_positions(account_id)]
number = orders["first"]
for _ in range(orders["steps"] or 10**9):
    name = f"order-{number}"
    number += 1
    action = dice.random()
    if action < 0.4 and len(open_ids) > 1:
        position_id = open_ids.pop(dice.randrange(len(open_ids)))
        client.trading.close_position(
            account_id, ClosePositionRequest(position_id=position_id, volume=100_000)
        )
        tell("closed", position_id)
    elif action < 0.6:
        order_id = place(limit(name))
        client.trading.cancel_order(account_id, order_id)
        tell("cancelled", order_id)
    else:
        place(market(name))
client.close()
tell("closed all")
"""


class Outcome(NamedTuple):
    """What was found in the end."""

    kills: int
    requests: int
    """Requests in the journal."""
    orders: int
    """Orders in the broker's books."""
    left: int
    """Requests that a killed process left in doubt."""
    absent: int
    """Those of them that turned out to have had no effect."""
    refused: int
    """Second tries that were refused, as the first was in the journal."""


def kill_traders(path: Path, count: int, seed: int) -> Outcome:
    """Kill so many processes, one after the other, and check everything in the end."""
    dice = Random(seed)
    told = _Told()
    with Simulator(frozen=True) as simulator:
        simulator.set_price("EURUSD", 1.10000, 1.10002)
        waiting = _trader()
        try:
            for _ in range(count):
                process, waiting = waiting, _trader()  # one starts while another one works
                _hand_over(process, simulator, path, told, dice, steps=0)
                lines = until_killed(process, dice, _MOST_LINES, _LONGEST_STEP)
                assert all(lines), "a process ended by itself"
                told.take(lines)
            _hand_over(waiting, simulator, path, told, dice, steps=_LAST_STEPS)
            rest, _ = waiting.communicate(timeout=60)
            told.take(rest.splitlines(keepends=True))
        finally:
            waiting.kill()
            waiting.communicate()
        assert told.is_finished, "the last process did not come to its end"
        with simulator.locked() as exchange:
            book = exchange.books[simulator.credentials().account_id]
            orders = list(book.orders.values())
    journal = SqliteJournal(path)
    assert journal.open() == (), "something is unsettled in the end"
    entries = journal.entries()
    journal.close()
    _compare(entries, orders, told)
    return Outcome(
        count, len(entries), len(orders), len(told.left), len(told.absent), len(told.refused)
    )


# Private


class _Told:
    """What all processes have told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: dict[str, int] = {}
        self.refused: set[str] = set()
        self.left: set[str] = set()
        self.absent: set[str] = set()
        self.resolved: set[str] = set()
        self.is_finished = False

    @property
    def unknown(self) -> list[str]:
        """Orders that were begun and of which nothing was told."""
        return sorted({*self.begun} - {*self.done} - self.refused)

    @property
    def first(self) -> int:
        """The first number that no order has."""
        return 1 + max((int(name.rpartition("-")[2]) for name in self.begun), default=0)

    def take(self, lines: list[str]) -> None:
        """Take the lines of one process."""
        for kind, *rest in told_by(lines):
            match kind:
                case "begin":
                    self.begun.append(rest[0])
                case "done":
                    assert rest[0] not in self.done, f"{rest[0]} was placed twice"
                    self.done[rest[0]] = rest[1]
                case "refused":
                    self.refused.add(rest[0])
                case "left":
                    again = self.resolved & {*rest[0]}
                    assert len(again) <= 1, "what was resolved was told as unresolved again"
                    self.left |= {*rest[0]}
                case "resolved":
                    self.resolved.add(rest[0])
                    if not rest[1]:
                        self.absent.add(rest[0])
                case "closed all":
                    self.is_finished = True
                case _:
                    assert kind in ("closed", "cancelled"), kind


def _trader() -> subprocess.Popen[str]:
    return started(_TRADER)


def _hand_over(
    process: subprocess.Popen[str],
    simulator: Simulator,
    path: Path,
    told: _Told,
    dice: Random,
    *,
    steps: int,
) -> None:
    credentials = simulator.credentials()
    config = simulator.client_config()
    settings = {
        "seed": dice.getrandbits(32),
        "journal": str(path),
        "config": {
            "host": config.host,
            "port": config.port,
            "ca_file": config.ca_file,
            "client_id": config.client_id,
            "client_secret": config.client_secret,
            "absence_wait": _ABSENCE_WAIT,
        },
        "credentials": {
            "account_id": credentials.account_id,
            "access_token": credentials.access_token,
            "refresh_token": credentials.refresh_token,
            "expires_at": credentials.expires_at,
        },
        "unknown": told.unknown,
        "first": told.first,
        "steps": steps,
    }
    hand_over(process, settings)


def _compare(entries: tuple[Entry, ...], orders: list[Any], told: _Told) -> None:
    """Compare what the journal says with the broker's books."""
    placed = [order for order in orders if not order.closing]
    names = Counter(order.client_order_id for order in placed)
    assert max(names.values()) == 1, f"placed twice: {names.most_common(3)}"
    books = {order.order_id: order for order in orders}

    new = [e for e in entries if e.intent.request_type == ProtoOANewOrderReq.__name__]
    known = {e.intent.client_order_id: e for e in new if e.settlement is Settlement.DONE}
    assert {*known} == {*names}, f"known and placed differ: { ({*known} ^ {*names}) }"
    for name, entry in known.items():
        assert entry.order_id is not None
        assert books[entry.order_id].client_order_id == name
    for name, order_id in told.done.items():
        assert known[name].order_id == order_id, f"{name} is not what was told"
    # What was refused a second time is known by its first.
    assert told.refused <= {entry.intent.client_order_id for entry in new}
    assert {*told.begun} <= {*told.done} | told.refused, "an order's fate was never told"

    cancels = [e for e in entries if e.intent.request_type == ProtoOACancelOrderReq.__name__]
    cancelled = {e.intent.order_id for e in cancels if e.settlement is Settlement.DONE}
    status = ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
    assert cancelled == {order.order_id for order in placed if order.status == status}

    closes = [e for e in entries if e.intent.request_type == ProtoOAClosePositionReq.__name__]
    closed = Counter(e.intent.position_id for e in closes if e.settlement is Settlement.DONE)
    assert closed == Counter(order.position_id for order in orders if order.closing)

    assert told.left <= {entry.intent.intent_id for entry in entries if entry.settlement}


def main() -> None:
    """Kill as many processes as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        path = Path(folder) / "private" / "orders.journal"
        outcome = kill_traders(path, arguments.count, arguments.seed)
        seconds = time.perf_counter() - begun
    sys.stdout.write(
        f"{outcome.kills} kills in {seconds:.0f} s: {outcome.requests} requests, {outcome.orders} "
        f"orders, none lost, doubled or unresolved; {outcome.left} were left in doubt, "
        f"{outcome.absent} of them without effect; {outcome.refused} second tries were refused\n"
    )


if __name__ == "__main__":
    main()
