"""One simulated hour of a trading program, under the faults and switches of its seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random
from time import process_time
from typing import Any, Final

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.enums import OrderSide, OrderType, TrendbarPeriod
from ctrader.errors import (
    AmendmentIncompleteError,
    CTraderError,
    OrderInvalidError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    TokenStoreError,
)
from ctrader.events import ExecutionEvent, ReadyEvent, ReauthorizationRequiredEvent, SpotEvent
from ctrader.models import (
    CLEAR,
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
    TookEffect,
)
from ctrader.operations import accounts, auth, market_data, resolution, trading
from ctrader.operations.base import Op
from ctrader.protocol.effects import Phase
from ctrader.simulator import DEFAULT_ACCOUNTS, DEFAULT_APPLICATIONS, Exchange
from ctrader.simulator.adversity import Adversity
from ctrader.simulator.faults import Plan, draw_plan, plan_end
from ctrader.simulator.ledger import ledger_of
from ctrader.simulator.market.walk import RandomWalkPrices
from ctrader.simulator.variants import draw_switches
from ctrader.simulator.world import Task, World
from ctrader.tokens import GrantKey, MemoryTokenStore, StoredGrant
from ctrader.units import SECOND, to_nanos
from tests.torture.checker import USUAL, Rules, breaches_of
from tests.torture.edge import Edge
from tests.torture.history import Ask, Ending, History, Request, Resolution, Standing
from tests.torture.neighbour import VOLUME, Neighbour
from tests.torture.steady import SteadyPrices

__all__ = ["Outcome", "Scenario"]

HOUR: Final = 3600.0
QUIET: Final = 300.0
"""Seconds at the end of a run without a fault."""
SETTLED: Final = 30.0
"""Seconds after which everything wanted stands on a link that no fault hits."""
TEND_EVERY: Final = 10.0
UNIX_MS: Final = 1_700_000_000_000
FEWEST_FAULTS: Final = 12
FEWEST_ORDERS: Final = 20
RECOVERED: Final = 120.0
"""Seconds after a fault after which everything wanted stands, whatever link there is."""
DEPTH_SHARE: Final = 0.1
"""Part of the runs in which a book is followed: each costs nearly half as much again."""
SYMBOLS: Final = {1: 1.10, 2: 1.27}
_STEP: Final = 2 * VOLUME
"""Closes are multiples of it, and so told apart from those of others."""
_M1: Final = int(TrendbarPeriod.M1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run."""

    seed: int
    breaches: list[str]
    plan: Plan
    endings: dict[str, int]
    """How many trading requests ended how."""
    links: int
    """How many connections the server saw."""
    deals: int
    standings: int
    """How often everything wanted was looked for on a link that no fault hit."""
    refreshes: int
    """Refresh tokens that left the client."""
    cpu_s: float
    """Seconds of the processor that it took."""


@dataclass(slots=True)
class _Known:
    """What the program knows of one account, from the answers to its own requests."""

    orders: dict[int, OrderType] = field(default_factory=dict[int, OrderType])
    """Pending orders by id."""
    positions: dict[int, int] = field(default_factory=dict[int, int])
    """Volumes of open positions by id."""


class _Store(MemoryTokenStore):
    """Keeps tokens as a file does: it fails for a time, and a dead process holds no lock."""

    def __init__(self) -> None:
        super().__init__()
        self._is_failing = False

    def fail(self, is_failing: bool) -> None:
        """Begin to fail, or cease to."""
        self._is_failing = is_failing

    def abandon(self) -> None:
        """Let go of the locks of a process that died."""
        self._locks.clear()

    def load(self, key: GrantKey) -> StoredGrant | None:
        """Return what was saved last."""
        self._check()
        return super().load(key)

    def save(self, key: GrantKey, grant: StoredGrant) -> None:
        """Keep this from now on."""
        self._check()
        super().save(key, grant)

    def newest(self) -> frozenset[str]:
        """Return the refresh tokens that are kept."""
        return frozenset(grant.tokens.refresh_token for grant in self._grants.values())

    def _check(self) -> None:
        if self._is_failing:
            raise TokenStoreError("no space left on the device")


class Scenario:
    """A program that connects, subscribes and trades, and begins anew when it is killed.

    It does what a careful user would: it tries again what was refused or failed at first, and
    never repeats a trading request.
    """

    def __init__(self, seed: int, *, length: float = HOUR, plan: Plan | None = None) -> None:
        """Draw everything from a seed; nothing happens yet.

        Args:
            seed: Decides accounts, symbols, switches, faults and requests.
            length: Seconds of the run.
            plan: The faults instead of those drawn.
        """
        self.seed = seed
        self.length = length
        self.history = History(unix_start=UNIX_MS / 1000)
        self._dice = dice = Random(f"scenario/{seed}")
        specs = [each for each in DEFAULT_ACCOUNTS if not each.is_live]
        count = dice.choice((1, 1, 1, 2, 3))
        self.account_ids = sorted(each.account_id for each in dice.sample(specs, count))
        self.symbol_ids = [1, 2][: dice.choice((1, 1, 1, 2)) if count < 3 else 1]
        count = dice.randint(FEWEST_FAULTS, FEWEST_FAULTS + 6)
        if plan is None:
            end = length - QUIET
            plan = draw_plan(seed, begin=30.0, end=end, count=count, account_ids=self.account_ids)
        self.plan = plan
        application = DEFAULT_APPLICATIONS[0]
        switches = draw_switches(seed)
        walk = RandomWalkPrices(seed, always_open=switches.always_open)
        prices = SteadyPrices(walk, UNIX_MS, seed)
        self.exchange = Exchange(
            seed=seed, unix_ms=UNIX_MS, switches=switches, prices=prices, market_start=UNIX_MS
        )
        config = ClientConfig(
            client_id=application.client_id,
            client_secret=application.client_secret,
            heartbeat_timeout=dice.choice((25, 60)),
            request_timeout=dice.choice((10, 30)),
        )
        self.store = _Store()
        self.world = World(
            self.exchange, config, seed=seed, unix_ms=UNIX_MS, token_store=self.store
        )
        self.adversity = Adversity(self.world, self.plan)
        self._logins = {each.account_id: each.trader_login for each in specs}
        self._known = {account_id: _Known() for account_id in self.account_ids}
        self._spots: dict[tuple[int, int], float] = {}
        self._link = (-1, -1)
        self._links_made = 0
        dice = Random(f"surroundings/{seed}")
        self.world.tells_sleep = dice.random() < 0.5
        self.wants_depth = dice.random() < DEPTH_SHARE
        """Whether the program follows the book of its first symbol, too."""
        self.neighbour = Neighbour(
            self.exchange, self.account_ids, self.symbol_ids, dice, self._seconds
        )
        self._kinds: dict[int, OrderType] = {}
        self._killed: set[int] = set()
        self._begin_life()

    def run(self, rules: Rules = USUAL) -> Outcome:
        """Run to the end, and judge."""
        world, history = self.world, self.history
        history.faults_end = plan_end(self.plan)
        edge = Edge(history, self._seconds, lambda: world.life)
        world.on_event = self._on_event
        world.on_received = edge.received
        world.on_restart = self._restarted

        def sent(epoch: int, data: bytes) -> None:
            edge.sent(epoch, data)
            self._look_at_link(epoch)

        world.on_sent = sent
        world.on_store_fault = self.store.fail
        world.listen(SpotEvent, ExecutionEvent, ReadyEvent, ReauthorizationRequiredEvent)
        self.adversity.begin()
        self._tend()
        self._schedule_requests()
        self._schedule_refreshes()
        self._schedule_others()
        self._schedule_looks()
        world.at(to_nanos(history.faults_end + 1), self._wait_for_life)
        began = process_time()
        world.run_for(self.length)
        if self.exchange.switches.historical_quota and any(
            each.ending is Ending.UNKNOWN and each.resolution is None for each in history.requests
        ):
            # The server lets nobody look into its history before its quota has rolled on.
            world.run_for(self.exchange.switches.historical_quota_window + QUIET)
        for request in history.requests:
            if request.ending is None and request.number in self._killed:
                request.ending = Ending.KILLED
        history.kept_tokens = self.store.newest()
        history.refresh_end = self.exchange.grants.grants[0].refresh_token
        history.foreign = self.neighbour.done
        ledger = ledger_of(self.exchange)
        endings: dict[str, int] = {}
        for request in history.requests:
            name = "never" if request.ending is None else request.ending.value
            endings[name] = endings.get(name, 0) + 1
        return Outcome(
            self.seed,
            breaches_of(history, ledger, rules),
            self.plan,
            endings,
            self._links_made,
            sum(len(book.deals) for book in self.exchange.books.values()),
            len(history.standings),
            len(history.refresh_left),
            process_time() - began,
        )

    # The program's life

    def _begin_life(self) -> None:
        self._connecting: Task[None] | None = None
        self._authorized: set[int] = set()
        self._subscribed: dict[tuple[int, int], bool] = {}
        self._under_way: dict[object, Task[Any]] = {}

    def _restarted(self) -> None:
        self.store.abandon()
        self.history.kills.append(self._seconds())
        for each in self.history.requests:
            if each.ending is None:
                self._killed.add(each.number)
            elif each.ending is Ending.UNKNOWN and each.resolution is None:
                each.ending = Ending.KILLED  # whoever looked for what became of it died
        self._begin_life()

    def _tend(self) -> None:
        self.world.at(self.world.now + to_nanos(TEND_EVERY), self._tend)
        if not self.world.is_asleep:
            self._look_after()

    def _look_after(self) -> None:
        """Begin what is wanted and neither done nor under way."""
        world = self.world
        if world.finished is not None:
            self.history.gave_up = self.history.gave_up or f"{world.finished.error!r}"
            return
        if world.session.phase is Phase.IDLE:
            if self._connecting is None or self._connecting.is_done:
                self._connecting = world.start_to_connect()
            return
        grant = self.exchange.grants.grants[0]
        for account_id in self.account_ids:
            if account_id not in self._authorized:
                self._once(
                    account_id,
                    self._authorize(account_id, grant.access_token, grant.refresh_token),
                )
                continue
            for symbol_id in self.symbol_ids:
                if (account_id, symbol_id) not in self._subscribed:
                    self._once((account_id, symbol_id), self._subscribe(account_id, symbol_id))

    def _once(self, key: object, operation: Op[None]) -> None:
        task = self._under_way.get(key)
        if task is None or task.is_done:
            self._under_way[key] = self.world.start(operation, 20.0)

    def _authorize(self, account_id: int, access: str, refresh: str) -> Op[None]:
        yield from auth.authenticate_by_trader_login(
            self._logins[account_id], access, refresh, UNIX_MS / 1000 + 2_000_000
        )
        self._authorized.add(account_id)

    def _subscribe(self, account_id: int, symbol_id: int) -> Op[None]:
        with_bars = symbol_id == 1
        if with_bars:
            yield from market_data.subscribe_trendbars(account_id, symbol_id, TrendbarPeriod.M1)
        yield from market_data.subscribe_spots(account_id, [symbol_id])
        if self._has_depth(account_id, symbol_id):
            yield from market_data.subscribe_depth(account_id, [symbol_id])
        self._subscribed[account_id, symbol_id] = with_bars

    def _has_depth(self, account_id: int, symbol_id: int) -> bool:
        first = (self.account_ids[0], self.symbol_ids[0])
        return self.wants_depth and (account_id, symbol_id) == first

    def _on_event(self, event: object) -> None:
        if isinstance(event, SpotEvent):
            self._spots[event.account_id, event.symbol_id] = self._seconds()
        elif isinstance(event, ExecutionEvent) and event.deal is not None:
            self.history.told_deals[self.world.life, event.deal.deal_id] += 1
        elif isinstance(event, ReauthorizationRequiredEvent):
            self._authorized.clear()  # the user sees to a new consent

    def _seconds(self) -> float:
        return self.world.now / SECOND

    def _schedule_refreshes(self) -> None:
        """Have tokens exchanged now and then: a month is longer than the run."""
        dice = Random(f"refreshes/{self.seed}")
        moments = [dice.uniform(60.0, self.length - 60.0) for _ in range(2)]
        moments += [
            # An exchange takes three answers of the server; the fault shall fall in between.
            max(60.0, fault.at - dice.uniform(0.0, 0.3))
            for fault in self.plan
            if dice.random() < 0.4
        ]
        for moment in sorted(moments):
            self.world.at(to_nanos(moment), lambda: self.world.when_awake(self._refresh))

    def _refresh(self) -> None:
        credentials = self.world.session.credentials(self.account_ids[0])
        if self.world.finished is None and credentials is not None:
            self.world.start(self._refreshed(credentials), 30.0)

    def _refreshed(self, credentials: AccountCredentials) -> Op[None]:
        newest = yield from auth.refresh_tokens(credentials)
        self.history.refreshed[newest.refresh_token] = self._seconds()

    # What should stand

    def _look_at_link(self, epoch: int) -> None:
        """Note a link by its first frame, and look later whether everything stands on it."""
        link = (self.world.life, epoch)
        if link == self._link:
            return
        self._link = link
        self._links_made += 1
        since = self.world.now

        def look() -> None:
            world = self.world
            stands = self._link == link and world.session.is_connected and not world.is_asleep
            if not stands or not self.adversity.is_calm(since):
                return
            missing = self._missing()
            if missing and self._rotated_lately():
                world.at(world.now + to_nanos(SETTLED), look)
                return
            why = f"the link stands since {since / SECOND:.3f} s"
            self.history.standings.append(Standing(self._seconds(), why, missing))

        self.world.at(since + to_nanos(SETTLED), look)

    def _schedule_looks(self) -> None:
        """Look whether everything stands some time after each fault, if no other hit meanwhile."""
        for end in sorted({fault.end for fault in self.plan}):
            self.world.at(to_nanos(end + RECOVERED), partial(self._look_after_fault, end))

    def _look_after_fault(self, end: float) -> None:
        now = self._seconds()
        if any(fault.at <= now and fault.end > end for fault in self.plan):
            return
        missing = self._missing()
        if not self.world.session.is_ready:
            missing = ("readiness", *missing)
        if missing and self._rotated_lately():
            again = partial(self._look_after_fault, end)
            self.world.at(self.world.now + to_nanos(SETTLED), again)
            return
        self.history.standings.append(Standing(now, f"no fault since {end:.3f} s", missing))

    def _rotated_lately(self) -> bool:
        """Say whether tokens were exchanged so lately that their session may still begin."""
        sent = self.history.refresh_left
        return bool(sent) and self._seconds() - sent[-1][0] < SETTLED

    def _missing(self) -> tuple[str, ...]:
        """Name what the client was promised, and the server does not send."""
        server = self.world.server
        held = {} if server is None else server.accounts
        missing = [f"account {each}" for each in sorted(self._authorized - held.keys())]
        for (account_id, symbol_id), with_bars in self._subscribed.items():
            account = held.get(account_id)
            spots = None if account is None else account.spots.get(symbol_id)
            if spots is None:
                missing.append(f"spots of {symbol_id} on {account_id}")
            elif with_bars and _M1 not in spots.periods:
                missing.append(f"bars of {symbol_id} on {account_id}")
            depth = () if account is None else account.depth
            if self._has_depth(account_id, symbol_id) and symbol_id not in depth:
                missing.append(f"depth of {symbol_id} on {account_id}")
        return tuple(missing)

    def _wait_for_life(self) -> None:
        """Look each second whether everything works again; then make a read that proves it."""
        world = self.world
        everything = len(self.account_ids) * len(self.symbol_ids)
        is_ready = (
            world.session.is_ready
            and len(self._authorized) == len(self.account_ids)
            and len(self._subscribed) == everything
            and not self._missing()
            and all(self._seconds() - at < 20 for at in self._spots.values())
            and len(self._spots) == everything
        )
        if is_ready:
            world.start(self._prove_life(), 10.0)
        if self.history.lively_at is None and world.now < to_nanos(self.length):
            world.at(world.now + SECOND, self._wait_for_life)

    def _prove_life(self) -> Op[None]:
        for account_id in self.account_ids:
            yield from accounts.get_trader(account_id)
        if self.history.lively_at is None:
            self.history.lively_at = self._seconds()

    # Trading

    def _schedule_requests(self) -> None:
        dice = self._dice
        count = dice.randint(FEWEST_ORDERS + 4, FEWEST_ORDERS + 14)
        moments = [dice.uniform(20.0, self.length - 60.0) for _ in range(count)]
        # Some come close to a fault, where it hurts.
        moments += [
            max(15.0, fault.at + dice.choice((-0.03, -0.01, 0.005, 0.5, 3.0)))
            for fault in self.plan
            if dice.random() < 0.6
        ]
        for moment in sorted(moments):
            self.world.at(to_nanos(moment), lambda: self.world.when_awake(self._trade))

    def _schedule_others(self) -> None:
        """Let somebody else trade now and then, and while the program is away."""
        dice = Random(f"others/{self.seed}")
        moments = [dice.uniform(60.0, self.length - 60.0) for _ in range(dice.choice((0, 3, 10)))]
        if moments:
            moments += [
                max(60.0, fault.at + dice.choice((0.0, 0.02, 1.0, 8.0)))
                for fault in self.plan
                if dice.random() < 0.4
            ]
        for moment in sorted(moments):
            self.world.at(to_nanos(moment), self.neighbour.act)

    def _trade(self) -> None:
        if self.world.finished is not None:
            return
        dice = self._dice
        account_id = dice.choice(self.account_ids)
        known = self._known[account_id]
        request = Request(len(self.history.requests) + 1, Ask.NEW, account_id, self._seconds())
        draw = dice.random()
        operation: Op[ExecutionEvent]
        if draw < 0.25 and any(volume > VOLUME for volume in known.positions.values()):
            operation = self._close(request, known)
        elif draw < 0.33 and known.positions:
            operation = self._protect(request, known)
        elif draw < 0.48 and known.orders:
            operation = self._amend(request, known)
        elif draw < 0.6 and known.orders:
            operation = self._cancel(request, known)
        else:
            operation = self._place(request)
        self.history.requests.append(request)
        timeout = dice.choice((3.0, 10.0, 30.0))
        self.world.start(self._watched(request, operation), timeout)

    def _place(self, request: Request) -> Op[ExecutionEvent]:
        dice = self._dice
        symbol_id = dice.choice(self.symbol_ids)
        kind = dice.choice((OrderType.MARKET, OrderType.MARKET, OrderType.LIMIT, OrderType.STOP))
        side = dice.choice((OrderSide.BUY, OrderSide.SELL))
        request.volume = _STEP * dice.randint(1, 4)
        request.client_order_id = f"t{self.seed}-{request.number}"
        terms: dict[str, Any] = {}
        if kind is not OrderType.MARKET:
            is_above = (side is OrderSide.BUY) == (kind is OrderType.STOP)
            request.price = self._price(symbol_id, request.number, is_above=is_above)
            terms["limit_price" if kind is OrderType.LIMIT else "stop_price"] = request.price
        order = NewOrderRequest(
            symbol_id=symbol_id,
            side=side,
            volume=request.volume,
            order_type=kind,
            client_order_id=request.client_order_id,
            **terms,
        )
        self._kinds[request.number] = kind
        return trading.place_order(request.account_id, order)

    def _price(self, symbol_id: int, number: int, *, is_above: bool) -> float:
        """Return a price that no other request has, away from the market."""
        quote = self.exchange.quote(symbol_id)
        assert quote is not None
        middle = quote.bid / 100_000
        distance = self._dice.choice((0.0005, 0.002, 0.02)) + number * 0.00001
        return round(middle + distance if is_above else middle - distance, 5)

    def _close(self, request: Request, known: _Known) -> Op[ExecutionEvent]:
        known_ids = (each for each, volume in known.positions.items() if volume > VOLUME)
        position_id = self._dice.choice(sorted(known_ids))
        volume = known.positions[position_id]
        if volume > _STEP and self._dice.random() < 0.5:
            volume = _STEP * self._dice.randrange(1, -(-volume // _STEP))
        request.ask, request.position_id, request.volume = Ask.CLOSE, position_id, volume
        return trading.close_position(
            request.account_id, ClosePositionRequest(position_id=position_id, volume=volume)
        )

    def _protect(self, request: Request, known: _Known) -> Op[ExecutionEvent]:
        position_id = self._dice.choice(sorted(known.positions))
        position = self.exchange.books[request.account_id].positions.get(position_id)
        is_buy = position is None or position.is_buy
        symbol_id = 1 if position is None else position.symbol.symbol_id
        request.ask, request.position_id = Ask.PROTECT, position_id
        request.price = self._price(symbol_id, request.number + 2000, is_above=not is_buy)
        change = AmendPositionRequest(position_id=position_id, stop_loss=request.price)
        if request.number % 3 == 0 and position is not None and position.stop_loss is not None:
            request.price = None
            change = AmendPositionRequest(position_id=position_id, stop_loss=CLEAR)
        return trading.amend_position(request.account_id, change)

    def _amend(self, request: Request, known: _Known) -> Op[ExecutionEvent]:
        order_id = self._dice.choice(sorted(known.orders))
        kind = known.orders[order_id]
        order = self.exchange.books[request.account_id].orders[order_id]
        is_above = order.is_buy == (kind is OrderType.STOP)
        request.ask, request.order_id = Ask.AMEND, order_id
        request.price = self._price(order.symbol.symbol_id, request.number, is_above=is_above)
        field_name = "limit_price" if kind is OrderType.LIMIT else "stop_price"
        terms: dict[str, Any] = {field_name: request.price}
        return trading.amend_order(
            request.account_id, AmendOrderRequest(order_id=order_id, **terms)
        )

    def _cancel(self, request: Request, known: _Known) -> Op[ExecutionEvent]:
        request.ask, request.order_id = Ask.CANCEL, self._dice.choice(sorted(known.orders))
        return trading.cancel_order(request.account_id, request.order_id)

    def _watched(self, request: Request, operation: Op[ExecutionEvent]) -> Op[None]:
        """Run a trading request, and note how it ended."""
        try:
            event = yield from operation
        except OrderRejectedError as error:
            self._end(request, Ending.REJECTED, error)
        except (OrderNotSentError, OrderInvalidError) as error:
            self._end(request, Ending.NOT_SENT, error)
        except OrderOutcomeUnknownError as error:
            self._end(request, Ending.UNKNOWN, error)
            self._find_out(request, error)
        except AmendmentIncompleteError as error:
            self._end(request, Ending.UNKNOWN, error)
        except CTraderError as error:
            is_gone = request.ask in (Ask.AMEND, Ask.PROTECT) and "NOT_FOUND" in str(error)
            self._end(request, Ending.NOT_SENT if is_gone else Ending.OTHER, error)
        else:
            if request.ask is Ask.NEW:
                request.order_id = event.order_id
            self._end(request, Ending.DONE)
            self._learn(request, event)

    def _find_out(self, request: Request, error: OrderOutcomeUnknownError) -> None:
        """Wait as long as it takes for what became of a request, and note it."""
        life = self.world.life

        def begin() -> None:
            if self.world.life == life:
                self.world.start(wait(), resolution.FOREVER)

        def wait() -> Op[None]:
            outcome = yield from resolution.outcome_of(error)
            happened = isinstance(outcome, TookEffect)
            request.resolution = Resolution.HAPPENED if happened else Resolution.ABSENT

        self.world.at(self.world.now, lambda: self.world.when_awake(begin))

    def _end(self, request: Request, ending: Ending, error: Exception | None = None) -> None:
        request.ending, request.ended_at = ending, self._seconds()
        if error is not None:
            request.error = f"{type(error).__name__}: {str(error)[:160]}"

    def _learn(self, request: Request, event: ExecutionEvent) -> None:
        known = self._known[request.account_id]
        if request.ask is Ask.NEW and event.order is not None and event.deal is None:
            kind = self._kinds[request.number]
            if kind is not OrderType.MARKET:
                known.orders[event.order.order_id] = kind
        if request.ask is Ask.CANCEL and request.order_id is not None:
            known.orders.pop(request.order_id, None)
        position = event.position
        if event.deal is not None and position is not None:
            if position.volume:
                known.positions[position.position_id] = position.volume
            else:
                known.positions.pop(position.position_id, None)
