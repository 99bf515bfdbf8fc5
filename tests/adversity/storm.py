"""A client that trades on two accounts while a proxy breaks its connections, until all is told.

The faults come from a seed. Sockets, threads and the system's scheduler do not, so the same seed
gives the same faults in the same order, not the same run. `tests.torture.checker` judges it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final

import sniffio
import trio

from ctrader.enums import OrderSide, OrderType, TrendbarPeriod
from ctrader.errors import (
    CTraderConnectionError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
)
from ctrader.events import DepthEvent, ExecutionEvent, ReconnectedEvent, SpotEvent
from ctrader.models import (
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
    TookEffect,
)
from ctrader.proto import ProtoOANewOrderReq, ProtoOAPositionStatus
from ctrader.simulator import Simulator, Switches
from ctrader.simulator.ledger import ledger_of
from ctrader.simulator.session import ServerSession
from tests.adversity.proxy import FaultKind, FaultProxy, draw_plan
from tests.clients.scenarios.stage import Job, Stage, eventually, impatient
from tests.torture.checker import breaches_of
from tests.torture.history import Ask, Ending, Foreign, History, Request, Resolution, Standing

if TYPE_CHECKING:
    from ctrader.client import CTraderClient
    from ctrader.models import OrderOutcome

__all__ = ["Figures", "Storm", "broker", "wrong_protections"]

SILENCE: Final = 0.25
"""Seconds after which either side takes the other for dead."""
LONGEST_FAULT: Final = 0.35
"""Seconds; longer than `SILENCE`, so that some stalls end the link and some do not."""
ABSENCE: Final = 2.0
"""Seconds until an order that is nowhere is absent; no frame is held up for as long."""
REQUEST: Final = 2.0
"""Seconds for each call."""
BOUND: Final = 30.0
"""Seconds within which anything comes true, on a busy machine as well; never waited out."""
CALLERS: Final = 6
WANTED: Final = ((1, 2, 4), (1, 6))
"""Symbols whose quotes are wanted, on the first account and on the second."""
MARKET: Final = {1: 1.1, 2: 1.3, 4: 150.0, 6: 0.9}
"""Prices about which the market moves."""
FAR: Final = {1: (0.5, 0.6, 5.0), 2: (0.6, 0.7, 6.0), 4: (70.0, 80.0, 700.0)}
"""Prices that are never reached, two below and one above, by the symbols that are traded."""
VOLUME: Final = 200_000
"""Hundredths of a unit that the callers trade at a time; they close it whole or by halves."""
ELSEWHERE: Final = 300_000
"""What others trade: of two closes alike, nobody can tell whose was done."""


@dataclass(slots=True)
class Figures:
    """What a storm came to."""

    seconds: float
    faults: dict[str, int]
    reconnects: int
    orders: int
    """Orders that were handed over."""
    endings: dict[str, int]
    """How the calls ended, by what they asked for."""
    found: dict[str, int]
    """What was found out about those of unknown outcome."""
    deals: int
    quotes: int
    longest_call: float

    def __str__(self) -> str:
        return (
            f"{self.seconds:.1f} s: {sum(self.faults.values())} faults, {self.reconnects} "
            f"reconnects, {self.orders} orders, {self.deals} deals, {self.quotes} quotes; longest "
            f"call {self.longest_call:.2f} s\n  faults: {_listed(self.faults)}\n"
            f"  calls: {_listed(self.endings)}\n  found out later: {_listed(self.found)}"
        )


def broker(seed: int) -> Simulator:
    """Make the simulator that a storm is played on."""
    return Simulator(
        seed=seed,
        frozen=True,
        record_frames=True,
        switches=Switches(
            always_open=True,
            heartbeat_interval=SILENCE / 5,
            idle_timeout=SILENCE,
            rate_limit=0,
            rate_burst=None,
        ),
    )


@dataclass(slots=True, eq=False)
class Storm:
    """One client that trades through a proxy, from its start to its end."""

    stage: Stage
    simulator: Simulator
    seed: int
    faults: int
    """Faults that have to strike."""
    reconnects: int = 0
    """Reconnects that there have to be."""
    orders: int = 0
    """Orders that have to be handed over, spread over the faults and reconnects."""
    history: History = field(default_factory=History)
    unknown: list[tuple[Request, OrderOutcomeUnknownError]] = field(
        default_factory=list[tuple[Request, OrderOutcomeUnknownError]]
    )
    quoted: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    """Quotes by account and symbol."""
    barred: int = 0
    """Quotes that came with a bar."""
    deepened: int = 0
    """Changes of a book."""
    returned: int = 0
    """Reconnects so far."""
    found_out: int = 0
    """How many of those of unknown outcome are found out."""
    placed: int = 0
    """Orders that were handed over so far."""
    is_over: bool = False
    """Whether the callers shall begin nothing new."""
    numbers: count[int] = field(default_factory=lambda: count(1))
    began: float = field(default_factory=time.monotonic)

    async def play(self) -> Figures:
        """Trade through the whole plan, and judge.

        Raises:
            AssertionError: something was lost, doubled, told wrongly or left behind.
        """
        before = _alive()
        with FaultProxy("127.0.0.1", self.simulator.port) as proxy:
            try:
                await self._trade(proxy)
                await self._wait(lambda: not proxy.open_links, "the client's goodbye")
                await self._wait(lambda: not self.simulator.connections, "the server's last link")
                await self._wait(
                    lambda: not _alive() - before, "the end of the client's tasks and threads"
                )
                breaches = self._breaches()
                assert not breaches, "\n".join(breaches[:40])
            except BaseException as error:
                error.add_note("the proxy's last deeds:\n" + "\n".join(proxy.log[-12:]))
                raise
            return self._figures(proxy)

    def seconds(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self.began

    # Private, the course of it

    async def _wait(self, claim: Callable[[], object], what: str) -> None:
        await eventually(self.stage, claim, what, BOUND)

    async def _trade(self, proxy: FaultProxy) -> None:
        self._move(0)
        config = impatient(
            self.simulator,
            port=proxy.port,
            heartbeat_interval=SILENCE / 5,
            heartbeat_timeout=SILENCE,
            request_timeout=REQUEST,
            connect_timeout=3 * SILENCE,
            absence_wait=ABSENCE,
        )
        client = self.stage.client(config)
        client.register_handler(ExecutionEvent, self._on_execution)
        client.register_handler(SpotEvent, self._on_spot)
        client.register_handler(DepthEvent, self._on_depth)
        client.register_handler(ReconnectedEvent, self._on_return)
        accounts = [self.simulator.credentials(place).account_id for place in range(len(WANTED))]
        async with client:
            for place, account_id in enumerate(accounts):
                await client.auth.authenticate_account(self.simulator.credentials(place))
                await client.market_data.subscribe_spots(account_id, list(WANTED[place]))
            await client.market_data.subscribe_trendbars(accounts[0], 1, TrendbarPeriod.M1)
            await client.market_data.subscribe_depth(accounts[0], [2])
            async with self.stage.jobs() as jobs:
                work: list[Job[None]] = [
                    jobs.start(_Reader(self, client, accounts[0]).read),
                    jobs.start(partial(self._find_out, client)),
                ]
                for number in range(CALLERS):
                    caller = _Caller(self, client, accounts[number % len(accounts)], number)
                    work.append(jobs.start(caller.trade))
                try:
                    await self._break(client, proxy)
                finally:
                    self.is_over = True
                for job in work:
                    await job.result(BOUND)
            self.history.faults_end = self.seconds()
            await self._recover(client, accounts)

    async def _break(self, client: CTraderClient, proxy: FaultProxy) -> None:
        """Carry out the plan; each fault begins when the one before is over and calls go on."""
        whole = max(self.faults, self.reconnects, 1)
        struck = 0
        for number, fault in enumerate(draw_plan(self.seed, longest=LONGEST_FAULT), 1):
            missing = max(self.faults - struck, self.reconnects - self.returned, 0)
            if not missing and self.placed >= self.orders:
                return
            share = min(self.orders, self.orders * (whole - missing) // whole)
            calls = len(self.history.requests) + fault.after_calls
            await self._wait(
                lambda: len(self.history.requests) >= calls and self.placed >= share,  # noqa: B023
                f"{fault.after_calls} calls, and order {share}",
            )
            # A fault is lost with the connection that it waited on, if that ends by itself.
            while proxy.struck.total() == struck:
                self._move(number)
                proxy.strike(fault)
                self._trade_elsewhere(number % len(WANTED))
                await self._wait(lambda: proxy.is_calm, f"the end of {fault}")
            await self._wait(lambda: client.is_ready, f"readiness after {fault}")
            struck = proxy.struck.total()

    async def _recover(self, client: CTraderClient, accounts: list[int]) -> None:
        """See that everything wanted is alive again, and that what happened is told."""
        await self._wait(lambda: client.is_ready, "readiness in the end")
        await self._wait(lambda: not self._missing(accounts), "what is wanted, at the server")
        before, bars, depths = Counter(self.quoted), self.barred, self.deepened
        steps = count()

        def is_alive() -> bool:
            self._move(next(steps))
            return (
                all(
                    self.quoted[account_id, symbol_id] > before[account_id, symbol_id]
                    for account_id, symbols in zip(accounts, WANTED, strict=True)
                    for symbol_id in symbols
                )
                and self.barred > bars
                and self.deepened > depths
            )

        await self._wait(is_alive, "a quote of each symbol, a bar and a change of depth")
        self.history.lively_at = self.seconds()
        for request, error in self.unknown[self.found_out :]:
            # Each look at an account asks for every request that is in doubt, at the server's pace.
            _note(request, await client.trading.resolve(error, timeout=10 * BOUND))
        assert client.unresolved_orders == ()
        await self._wait(lambda: not self._untold(), "the news of every deal")
        for account_id in accounts:
            # What was sent before its answer is told by now, so a deal told twice is, too.
            await client.accounts.get_trader(account_id)
        missing = self._missing(accounts)
        self.history.standings.append(Standing(self.seconds(), "the storm is over", missing))

    def _trade_elsewhere(self, place: int) -> None:
        """Let somebody else open a position, or close it: both are told like everything else."""
        account_id = self.simulator.credentials(place).account_id
        terminal = self.simulator.terminal(place)
        with self.simulator.locked() as exchange:
            book = exchange.books[account_id]
            before = set(book.orders)
            theirs = [each for each in book.open_positions() if each.volume == ELSEWHERE]
            if not theirs:
                terminal.buy(1, ELSEWHERE)
            elif theirs[0].executing is None:
                terminal.close(theirs[0].position_id)
            made = frozenset(book.orders.keys() - before)
        ask = Ask.CLOSE if theirs else Ask.NEW
        self.history.foreign.append(Foreign(self.seconds(), ask, account_id, made))

    async def _find_out(self, client: CTraderClient) -> None:
        """Find out what became of requests as they come: none waits for the end of a long storm."""
        while not self.is_over:
            if self.found_out == len(self.unknown):
                await self.stage.pause()
                continue
            request, error = self.unknown[self.found_out]
            with contextlib.suppress(OrderOutcomeUnknownError):
                _note(request, await client.trading.resolve(error, timeout=REQUEST))
                self.found_out += 1

    def _move(self, step: int) -> None:
        """Let the market move a little."""
        for symbol_id, price in MARKET.items():
            bid = round(price + step % 2 * price / 1000, 3)
            self.simulator.set_price(symbol_id, bid, round(bid + 0.001, 3))

    def _missing(self, accounts: list[int]) -> tuple[str, ...]:
        """Name what the client wanted, and the server does not send."""
        with self.simulator.locked() as exchange:
            last = exchange.connections[-1:]
            held = [each.accounts for each in last if isinstance(each, ServerSession)]
            return tuple(
                f"spots of {symbol_id} on {account_id}"
                for account_id, symbols in zip(accounts, WANTED, strict=True)
                for symbol_id in symbols
                if not any(
                    account_id in each and symbol_id in each[account_id].spots for each in held
                )
            )

    def _untold(self) -> set[int]:
        """Return the deals of which no handler was told."""
        with self.simulator.locked() as exchange:
            made = {
                deal["deal_id"]
                for account in _books(exchange)["accounts"]
                for deal in account["deals"]
                if deal["filled_volume"]
            }
        return made - {deal_id for _, deal_id in self.history.told_deals}

    # Private, what is told

    async def _on_execution(self, event: ExecutionEvent) -> None:
        if event.deal is not None:
            self.history.told_deals[0, event.deal.deal_id] += 1

    async def _on_spot(self, event: SpotEvent) -> None:
        self.quoted[event.account_id, event.symbol_id] += 1
        self.barred += bool(event.trendbar)

    async def _on_depth(self, _: DepthEvent) -> None:
        self.deepened += 1

    async def _on_return(self, _: ReconnectedEvent) -> None:
        self.returned += 1

    # Private, the verdict

    def _breaches(self) -> list[str]:
        with self.simulator.locked() as exchange:
            assert not exchange.recording.dropped, "the recording is incomplete"
            ledger = _books(exchange)
        for message in self.simulator.sent_by_client(ProtoOANewOrderReq):
            self.history.left_orders[message.clientOrderId] += 1
        breaches = breaches_of(self.history, ledger)
        breaches += wrong_protections(self.history.requests, ledger)
        for request in self.history.requests:
            if request.ended_at - request.asked_at > BOUND:
                breaches.append(f"took too long: {request}")
        if not any(each.ending is Ending.DONE for each in self.history.requests):
            breaches.append("nothing was ever done")
        return breaches

    def _figures(self, proxy: FaultProxy) -> Figures:
        requests = self.history.requests
        return Figures(
            seconds=self.seconds(),
            faults={kind.name: proxy.struck[kind] for kind in FaultKind},
            reconnects=self.returned,
            orders=self.placed,
            endings=Counter(
                f"{each.ask.value} {'' if each.ending is None else each.ending.value}"
                for each in requests
            ),
            found=Counter(
                f"{each.ask.value} {each.resolution.value}" for each in requests if each.resolution
            ),
            deals=len(self.history.told_deals),
            quotes=self.quoted.total(),
            longest_call=max(each.ended_at - each.asked_at for each in requests),
        )


class _Caller:
    """Somebody who trades without pause, one order after the other."""

    def __init__(self, storm: Storm, client: CTraderClient, account_id: int, number: int) -> None:
        self._storm = storm
        self._client = client
        self._trading = client.trading
        self._account_id = account_id
        self._name = f"{storm.seed}-{number}"
        self._dice = Random(self._name)
        self._count = 0

    async def trade(self) -> None:
        """Trade until the storm is over."""
        while not self._storm.is_over:
            await (self._at_market() if self._dice.random() < 0.5 else self._at_limit())

    async def _at_market(self) -> None:
        """Open a position, and mostly close it, at once or in two parts."""
        dice = self._dice
        symbol_id = dice.choice(sorted(FAR))
        side = dice.choice((OrderSide.BUY, OrderSide.SELL))
        event = await self._place(symbol_id, side, OrderType.MARKET, None)
        position_id = None if event is None else event.position_id
        if position_id is None or dice.random() < 0.2:
            return
        if dice.random() < 0.3:
            below, _, above = FAR[symbol_id]
            price = below if side is OrderSide.BUY else above
            change = AmendPositionRequest(position_id=position_id, stop_loss=price)
            await self._ask(
                self._request(Ask.PROTECT, position_id=position_id, price=price),
                self._trading.amend_position,
                change,
            )
        for volume in (VOLUME // 2, VOLUME // 2) if dice.random() < 0.3 else (VOLUME,):
            close = ClosePositionRequest(position_id=position_id, volume=volume)
            request = self._request(Ask.CLOSE, position_id=position_id, volume=volume)
            if await self._ask(request, self._trading.close_position, close) is None:
                return

    async def _at_limit(self) -> None:
        """Place an order that waits, perhaps change it, and cancel it."""
        symbol_id = self._dice.choice(sorted(FAR))
        price, other, _ = FAR[symbol_id]
        event = await self._place(symbol_id, OrderSide.BUY, OrderType.LIMIT, price)
        order_id = None if event is None else event.order_id
        if order_id is None:
            return
        if self._dice.random() < 0.4:
            change = AmendOrderRequest(order_id=order_id, limit_price=other)
            request = self._request(Ask.AMEND, order_id=order_id, price=other)
            await self._ask(request, self._trading.amend_order, change)
        request = self._request(Ask.CANCEL, order_id=order_id)
        await self._ask(request, self._trading.cancel_order, order_id)

    async def _place(
        self, symbol_id: int, side: OrderSide, kind: OrderType, price: float | None
    ) -> ExecutionEvent | None:
        self._count += 1
        name = f"{self._name}-{self._count}"
        order = NewOrderRequest(
            symbol_id=symbol_id,
            side=side,
            volume=VOLUME,
            order_type=kind,
            limit_price=price,
            client_order_id=name,
        )
        request = self._request(Ask.NEW, client_order_id=name, volume=VOLUME, price=price)
        event = await self._ask(request, self._trading.place_order, order)
        if request.ending is not Ending.NOT_SENT:
            self._storm.placed += 1
        return event

    def _request(self, ask: Ask, **subject: Any) -> Request:
        storm = self._storm
        return Request(next(storm.numbers), ask, self._account_id, storm.seconds(), **subject)

    async def _ask(
        self, request: Request, call: Callable[[int, Any], Awaitable[ExecutionEvent]], what: object
    ) -> ExecutionEvent | None:
        """Make one call, and write down how it ended; return its event if it was done."""
        storm = self._storm
        event: ExecutionEvent | None = None
        try:
            event = await call(self._account_id, what)
            request.ending = Ending.DONE
            request.order_id = request.order_id or event.order_id
        except OrderNotSentError as error:
            request.ending, request.error = Ending.NOT_SENT, repr(error)
        except OrderRejectedError as error:
            request.ending, request.error = Ending.REJECTED, repr(error)
        except OrderOutcomeUnknownError as error:
            request.ending, request.error = Ending.UNKNOWN, repr(error)
            storm.unknown.append((request, error))
        except Exception as error:  # noqa: BLE001 - no other end is allowed: the checker tells it
            request.ending, request.error = Ending.OTHER, repr(error)
        request.ended_at = storm.seconds()
        storm.history.requests.append(request)
        if event is None and not storm.is_over:
            await storm.stage.pause()
            await eventually(
                storm.stage, lambda: self._client.is_ready or storm.is_over, "the link", BOUND
            )
        return event


class _Reader:
    """Somebody who asks for what is open without pause."""

    def __init__(self, storm: Storm, client: CTraderClient, account_id: int) -> None:
        self._storm = storm
        self._client = client
        self._account_id = account_id

    async def read(self) -> None:
        """Read until the storm is over; a read may fail with its connection, in no other way."""
        while not self._storm.is_over:
            # It may not be answered in time, and the caller is told so.
            with contextlib.suppress(CTraderConnectionError):
                await self._client.trading.reconcile(self._account_id)
            await self._storm.stage.pause()


def wrong_protections(requests: Iterable[Request], ledger: Mapping[str, Any]) -> list[str]:
    """Say where a position's stop loss is not what whoever set it was told; it is set once."""
    stops = {
        position["position_id"]: position["stop_loss"]
        for account in ledger["accounts"]
        for position in account["positions"]
        if position["status"] == ProtoOAPositionStatus.POSITION_STATUS_OPEN
    }
    wrong: list[str] = []
    for request in requests:
        if request.ask is not Ask.PROTECT or request.position_id not in stops:
            continue  # what is closed has no levels any more
        assert request.price is not None
        happened = request.ending is Ending.DONE or request.resolution is Resolution.HAPPENED
        stop = stops[request.position_id]
        if stop != (round(request.price * 100_000) if happened else None):
            wrong.append(f"its stop loss is {stop} in 1/100000: {request}")
    return wrong


def _note(request: Request, outcome: OrderOutcome) -> None:
    happened = isinstance(outcome, TookEffect)
    request.resolution = Resolution.HAPPENED if happened else Resolution.ABSENT


def _books(exchange: Any) -> dict[str, Any]:  # Any: a JSON document
    return ledger_of(exchange)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items())) or "nothing"


def _alive() -> Counter[str]:
    """Count the tasks and threads that run, by their names."""
    names = Counter(
        f"thread {each.name}" for each in threading.enumerate() if each.name.startswith("ctrader")
    )
    try:
        library = sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return names
    if library == "asyncio":
        return names + Counter(f"task {each.get_name()}" for each in asyncio.all_tasks())
    root = trio.lowlevel.current_root_task()
    assert root is not None
    waiting = [root]
    while waiting:
        task = waiting.pop()
        names[f"task {task.name}"] += 1
        for nursery in task.child_nurseries:
            waiting += nursery.child_tasks
    return names
