"""The depth of the market: the ladder behind a quote, and the events that tell it."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.proto import (
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOADepthEvent,
    ProtoOAErrorRes,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeDepthQuotesRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeDepthQuotesRes,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsRes,
)
from ctrader.simulator.catalogue import DEFAULT_CATALOGUE
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.ladder import LEVELS, Ladder, MovingLadder, Rung, ladder_of
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.market.walk import RandomWalkPrices
from ctrader.simulator.switches import Switches
from tests.simulator.peer import (
    BARE,
    EUR_ACCOUNT,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
)

SYMBOLS = {symbol.symbol_id: symbol for symbol in DEFAULT_CATALOGUE.symbols}
EURUSD = SYMBOLS[1]


class Book:
    """An order book as a client keeps it: entries by id."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[bool, int, int]] = {}

    def apply(self, event: ProtoOADepthEvent) -> None:
        for quote_id in event.deletedQuotes:
            del self.entries[quote_id]  # only what is there is ever deleted
        for quote in event.newQuotes:
            assert quote.HasField("bid") != quote.HasField("ask")
            is_bid = quote.HasField("bid")
            known = self.entries.get(quote.id)
            price = quote.bid if is_bid else quote.ask
            assert known is None or known[:2] == (is_bid, price)
            self.entries[quote.id] = (is_bid, price, quote.size)

    def sides(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        bids = [(price, size) for is_bid, price, size in self.entries.values() if is_bid]
        asks = [(price, size) for is_bid, price, size in self.entries.values() if not is_bid]
        return sorted(bids, reverse=True), sorted(asks)


def sides_of(ladder: Ladder | None) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    assert ladder is not None
    return [tuple(level) for level in ladder.bids], [tuple(level) for level in ladder.asks]  # type: ignore[misc]


def walking(switches: Switches = BARE, *accounts: int) -> Peer:
    exchange = Exchange(unix_ms=START, switches=switches, seed=4)
    return log_in(Peer(exchange), *(accounts or (USD_ACCOUNT,)))


def spots_of(peer: Peer, *symbol_ids: int, account: int = USD_ACCOUNT) -> None:
    request = ProtoOASubscribeSpotsReq(ctidTraderAccountId=account, symbolId=symbol_ids)
    peer.ask(request, ProtoOASubscribeSpotsRes)


def depth_of(*symbol_ids: int, account: int = USD_ACCOUNT) -> ProtoOASubscribeDepthQuotesReq:
    return ProtoOASubscribeDepthQuotesReq(ctidTraderAccountId=account, symbolId=symbol_ids)


def end_of(*symbol_ids: int, account: int = USD_ACCOUNT) -> ProtoOAUnsubscribeDepthQuotesReq:
    return ProtoOAUnsubscribeDepthQuotesReq(ctidTraderAccountId=account, symbolId=symbol_ids)


# The ladder


@given(
    st.sampled_from(sorted(SYMBOLS)),
    st.integers(1, 80_000),
    st.integers(1, 3000),
    st.integers(0, 2_000_000_000_000),
    st.integers(),
)
def test_ladder_begins_at_the_quote_and_leads_away_from_it(
    symbol_id: int, bid: int, spread: int, time: int, seed: int
):
    symbol = SYMBOLS[symbol_id]
    quote = Quote(bid * symbol.grid, (bid + spread) * symbol.grid, time)
    ladder = ladder_of(symbol, quote, seed=seed)
    assert ladder == ladder_of(symbol, quote, seed=seed)
    assert (ladder.bids[0].price, ladder.asks[0].price) == (quote.bid, quote.ask)
    assert len(ladder.asks) == LEVELS
    assert 1 <= len(ladder.bids) <= LEVELS
    prices = [level.price for level in ladder.bids]
    assert prices == sorted(set(prices), reverse=True)
    assert prices[-1] > 0
    prices = [level.price for level in ladder.asks]
    assert prices == sorted(set(prices))
    for level in (*ladder.bids, *ladder.asks):
        assert level.price % symbol.grid == 0
        assert level.size >= symbol.min_volume
        assert level.size % symbol.step_volume == 0


def test_sizes_vary_with_seed_and_time_and_levels_stay_in_their_places():
    quote = Quote(112567, 112569, START)
    ladder = ladder_of(EURUSD, quote, seed=1)
    assert len({level.size for level in ladder.bids}) > 6
    assert ladder_of(EURUSD, quote, seed=2) != ladder
    later = ladder_of(EURUSD, replace_time(quote, START + 60_000), seed=1)
    assert [level.price for level in later.bids] == [level.price for level in ladder.bids]
    assert [level.size for level in later.bids] != [level.size for level in ladder.bids]
    soon = ladder_of(EURUSD, replace_time(quote, START + 500), seed=1)
    same = sum(one == other for one, other in zip(soon.bids, ladder.bids, strict=True))
    assert same > LEVELS / 2
    up = ladder_of(EURUSD, Quote(112570, 112572, START), seed=1)
    assert {level.price for level in ladder.bids[1:9]} <= {level.price for level in up.bids}


@pytest.mark.parametrize("kept", [4096, 30])
@pytest.mark.parametrize("symbol_id", [1, 4, 270])
def test_moving_ladder_tells_exactly_what_changes(
    monkeypatch: pytest.MonkeyPatch, symbol_id: int, kept: int
):
    monkeypatch.setattr("ctrader.simulator.market.ladder._RUNGS_KEPT", kept)
    symbol = SYMBOLS[symbol_id]
    terms = [symbol, replace(symbol, min_volume=3 * symbol.min_volume), replace(symbol, spread=90)]
    terms.append(replace(symbol, name="OTHER"))
    rng = Random(symbol_id)
    bid, time = 400, START
    moving = MovingLadder(symbol, seed=6)
    told: dict[tuple[bool, int], tuple[Rung, int]] = {}
    for _ in range(800):
        # Mostly small steps, now and then a jump, or a quote that is older than the last one.
        bid = max(1, bid + (rng.randint(-3, 3) if rng.random() < 0.95 else rng.randint(-90, 90)))
        time = max(0, time + rng.choice([0, 1, 700, 2000, 9000, -4000]))
        if rng.random() < 0.03:
            symbol = rng.choice(terms)
            moving.change_symbol(symbol)
        quote = Quote(bid * symbol.grid, (bid + rng.randint(1, 4)) * symbol.grid, time)
        now = None if rng.random() < 0.02 else quote
        changed, gone = moving.follow(now)
        for rung in gone:
            known, _ = told.pop((rung.is_bid, rung.price))
            assert known is rung
        for rung in changed:
            known, size = told.get((rung.is_bid, rung.price), (rung, None))
            assert known is rung
            assert size != rung.size
            told[rung.is_bid, rung.price] = rung, rung.size
        ladder = Ladder((), ()) if now is None else ladder_of(symbol, now, seed=6)
        for is_bid, rungs, levels in (
            (True, moving.bids, ladder.bids),
            (False, moving.asks, ladder.asks),
        ):
            assert [(rung.price, rung.size) for rung in rungs] == [tuple(each) for each in levels]
            sizes = {price: size for (side, price), (_, size) in told.items() if side is is_bid}
            assert sizes == {level.price: level.size for level in levels}
        order = [id(rung) for rung in (*moving.bids, *moving.asks)]
        places = [order.index(id(rung)) for rung in changed]
        assert places == sorted(places)


def test_depth_of_a_seed_is_that_of_earlier_versions():
    walk = RandomWalkPrices(5)
    found: list[object] = []
    for symbol_id in (1, 4):
        for number in range(20):
            quote = walk.quote(symbol_id, START + number * 1234)
            assert quote is not None
            ladder = ladder_of(SYMBOLS[symbol_id], quote, seed=number // 10)
            found.extend(tuple(level) for level in (*ladder.bids, *ladder.asks))
    assert crc32(repr(found).encode()) == 593_122_832


def replace_time(quote: Quote, time: int) -> Quote:
    return quote._replace(time=time)


# The events


def test_first_event_has_the_whole_book_and_comes_behind_the_answer():
    peer = walking()
    spots_of(peer, 1)
    peer.received()
    peer.send(depth_of(1), "depth")
    answer, first = peer.received()
    assert answer.client_msg_id == "depth"
    assert answer.message == ProtoOASubscribeDepthQuotesRes(ctidTraderAccountId=USD_ACCOUNT)
    event = first.message
    assert isinstance(event, ProtoOADepthEvent)
    assert first.client_msg_id is None
    assert (event.ctidTraderAccountId, event.symbolId) == (USD_ACCOUNT, 1)
    assert list(event.deletedQuotes) == []
    assert len({quote.id for quote in event.newQuotes}) == 2 * LEVELS
    book = Book()
    book.apply(event)
    assert book.sides() == sides_of(peer.exchange.ladder(1))


def test_whole_book_may_be_switched_before_the_answer():
    peer = walking(replace(BARE, first_depth_before_response=True))
    spots_of(peer, 1)
    peer.received()
    peer.send(depth_of(1))
    assert [type(each.message) for each in peer.received()] == [
        ProtoOADepthEvent,
        ProtoOASubscribeDepthQuotesRes,
    ]


@pytest.mark.parametrize("symbol_id", [1, 3, 41, 270, 1001])
def test_book_put_together_from_events_is_always_the_ladder(symbol_id: int):
    peer = walking()
    spots_of(peer, symbol_id)
    book = Book()
    peer.send(depth_of(symbol_id))
    deleted = changed = 0
    for _ in range(120):
        for event in peer.messages(ProtoOADepthEvent):
            assert not {quote.id for quote in event.newQuotes} & set(event.deletedQuotes)
            assert event.newQuotes or event.deletedQuotes
            deleted += len(event.deletedQuotes)
            changed += sum(quote.id in book.entries for quote in event.newQuotes)
            book.apply(event)
        assert book.sides() == sides_of(peer.exchange.ladder(symbol_id))
        peer.run(1)
    assert deleted > 5
    assert changed > 20


def test_levels_keep_their_ids_and_new_ones_get_new_ones():
    exchange = scripted_exchange(((0, 112567, 112569), (1, 112568, None), (2, 112567, None)))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    spots_of(peer, 1)
    peer.received()
    peer.send(depth_of(1))
    book = Book()
    seen: set[int] = set()
    for _ in range(3):
        (event,) = peer.messages(ProtoOADepthEvent)
        before = dict(book.entries)
        gone = set(event.deletedQuotes)
        book.apply(event)
        new = set(book.entries) - set(before)
        assert not new & seen  # an id is never used again
        seen |= new
        assert gone <= set(before)
        kept = {entry[:2] for entry in before.values()} & {e[:2] for e in book.entries.values()}
        assert len(kept) == len(before) - len(gone)
        peer.run(1)
    assert min(seen) == 1


def test_deletions_are_packed_and_ids_may_be_as_long_as_the_wire_allows():
    first_id = 2**64 - 1000
    exchange = scripted_exchange(
        ((0, 112567, 112569), (1, 112667, 112669)),
        switches=replace(BARE, depth_first_id=first_id),
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    spots_of(peer, 1)
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    peer.run(2)
    (event,) = peer.messages(ProtoOADepthEvent)
    assert len(event.deletedQuotes) == 2 * LEVELS
    assert min(event.deletedQuotes) == first_id
    # Packed: tag 5 with wire type 2 stands once, however many ids there are.
    payload = ProtoOADepthEvent(
        ctidTraderAccountId=1, symbolId=1, deletedQuotes=event.deletedQuotes
    ).SerializeToString()
    assert payload.startswith(bytes.fromhex("100118012a"))
    assert len(payload) == 4 + 3 + 10 * 2 * LEVELS


def test_change_comes_behind_the_quote_that_made_it():
    exchange = scripted_exchange(((0, 112567, 112569), (1, 112667, 112669)))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    spots_of(peer, 1)
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    peer.run(2)
    assert [type(each.message) for each in peer.received()] == [ProtoOASpotEvent, ProtoOADepthEvent]


def test_each_account_and_each_connection_has_its_own_events_of_one_book():
    peer = walking(BARE, USD_ACCOUNT, EUR_ACCOUNT)
    other = log_in(Peer(peer.exchange), USD_ACCOUNT)
    for each, account in ((peer, USD_ACCOUNT), (peer, EUR_ACCOUNT), (other, USD_ACCOUNT)):
        spots_of(each, 1, account=account)
    books = {"usd": Book(), "eur": Book(), "other": Book()}
    peer.send(depth_of(1))
    peer.run(10)
    peer.send(depth_of(1, account=EUR_ACCOUNT))
    peer.run(10)
    other.send(depth_of(1))
    peer.run(10)
    for event in peer.messages(ProtoOADepthEvent):
        books["usd" if event.ctidTraderAccountId == USD_ACCOUNT else "eur"].apply(event)
    for event in other.messages(ProtoOADepthEvent):
        books["other"].apply(event)
    assert books["usd"].entries == books["eur"].entries == books["other"].entries
    assert books["usd"].sides() == sides_of(peer.exchange.ladder(1))


def test_depth_of_a_symbol_without_a_price_begins_with_its_first_tick():
    exchange = scripted_exchange(((5, 112567, 112569),))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    spots_of(peer, 1)
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    assert peer.messages(ProtoOADepthEvent) == []
    peer.run(6)
    (event,) = peer.messages(ProtoOADepthEvent)
    assert len(event.newQuotes) == 2 * LEVELS


def test_book_follows_a_script_and_changed_terms_at_once():
    peer = walking()
    exchange = peer.exchange
    spots_of(peer, 1)
    peer.send(depth_of(1))
    book = Book()

    def set_price() -> None:
        exchange.set_price(1, 112500, 112503)

    def change_terms() -> None:
        exchange.change_symbol(1, step_volume=5_000_000, spread=40)

    def release() -> None:
        exchange.release_price(1)

    for step in (set_price, change_terms, release):
        step()
        events = peer.messages(ProtoOADepthEvent)
        assert events
        for event in events:
            book.apply(event)
        assert book.sides() == sides_of(exchange.ladder(1))


# Subscriptions


def test_depth_needs_spots_with_the_switched_code():
    peer = walking()
    spots_of(peer, 2)
    assert peer.ask(depth_of(2, 1), ProtoOAErrorRes).errorCode == "NOT_SUBSCRIBED_TO_SPOTS"
    peer.ask(depth_of(2), ProtoOASubscribeDepthQuotesRes)
    peer = walking(replace(BARE, depth_without_spots_code="INVALID_REQUEST"))
    assert peer.ask(depth_of(1), ProtoOAErrorRes).errorCode == "INVALID_REQUEST"


def test_depth_that_needs_no_spots_comes_alone_and_outlives_them():
    peer = walking(replace(BARE, depth_without_spots_code=None))
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    peer.run(20)
    assert {type(each.message) for each in peer.received()} == {ProtoOADepthEvent}
    spots_of(peer, 1)
    stop = ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1])
    peer.ask(stop, ProtoOAUnsubscribeSpotsRes)
    peer.run(20)
    assert {type(each.message) for each in peer.received()} == {ProtoOADepthEvent}


def test_depth_is_not_subscribed_twice_nor_ended_twice():
    peer = walking()
    spots_of(peer, 1, 2)
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    assert peer.ask(depth_of(2, 1), ProtoOAErrorRes).errorCode == "ALREADY_SUBSCRIBED"
    peer.ask(depth_of(2), ProtoOASubscribeDepthQuotesRes)
    assert peer.ask(end_of(1, 3), ProtoOAErrorRes).errorCode == "NOT_SUBSCRIBED_TO_SPOTS"
    peer.ask(end_of(1), ProtoOAUnsubscribeDepthQuotesRes)
    assert peer.ask(end_of(1), ProtoOAErrorRes).errorCode == "NOT_SUBSCRIBED_TO_SPOTS"
    peer.received()
    peer.run(20)
    assert {event.symbolId for event in peer.messages(ProtoOADepthEvent)} == {2}
    assert peer.ask(depth_of(999), ProtoOAErrorRes).errorCode == "SYMBOL_NOT_FOUND"
    assert peer.ask(depth_of(), ProtoOAErrorRes).errorCode == "INVALID_REQUEST"


def test_list_with_a_duplicate_may_subscribe_the_rest():
    peer = walking(replace(BARE, duplicate_subscribes_rest=True))
    spots_of(peer, 1, 2)
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    peer.received()
    assert peer.ask(depth_of(2, 1), ProtoOAErrorRes).errorCode == "ALREADY_SUBSCRIBED"
    peer.ask(end_of(1, 2), ProtoOAUnsubscribeDepthQuotesRes)


def test_depth_ends_with_the_spots_that_it_needs():
    peer = walking()
    spots_of(peer, 1)
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    stop = ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1])
    peer.ask(stop, ProtoOAUnsubscribeSpotsRes)
    peer.received()
    peer.run(20)
    assert peer.messages(ProtoOADepthEvent) == []
    assert peer.ask(end_of(1), ProtoOAErrorRes).errorCode == "NOT_SUBSCRIBED_TO_SPOTS"


def test_spots_under_depth_may_be_switched_not_to_end():
    peer = walking(replace(BARE, spots_end_what_needs_them=False))
    spots_of(peer, 1)
    peer.ask(depth_of(1), ProtoOASubscribeDepthQuotesRes)
    stop = ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1])
    assert peer.ask(stop, ProtoOAErrorRes).errorCode == "INVALID_REQUEST"
    peer.ask(end_of(1), ProtoOAUnsubscribeDepthQuotesRes)
    peer.ask(stop, ProtoOAUnsubscribeSpotsRes)


def test_depth_ends_with_its_account_and_with_the_connection():
    peer = walking(BARE, USD_ACCOUNT, EUR_ACCOUNT)
    for account in (USD_ACCOUNT, EUR_ACCOUNT):
        spots_of(peer, 1, account=account)
        peer.ask(depth_of(1, account=account), ProtoOASubscribeDepthQuotesRes)
    peer.ask(ProtoOAAccountLogoutReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAAccountLogoutRes)
    peer.received()
    peer.run(20)
    events = peer.messages(ProtoOADepthEvent)
    assert {event.ctidTraderAccountId for event in events} == {EUR_ACCOUNT}
    peer.session.connection_lost(peer.exchange.now)
    peer.exchange.advance(peer.exchange.now + 60_000_000_000)
    assert peer.exchange.next_deadline() is None
