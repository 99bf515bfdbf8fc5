"""Let the simulator's market say what the recorded one said: symbols, bars and quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOALightSymbol,
    ProtoOASpotEvent,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbol,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATrendbar,
    ProtoOATrendbarPeriod,
)
from ctrader.simulator.catalogue import DEFAULT_CATALOGUE, AccountSpec, AssetSpec, Catalogue
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.prices import Tick, TickPrices
from ctrader.simulator.switches import Switches
from tests.recordings.likeness import Sent
from tests.recordings.offer import account_of, symbol_of
from tests.recordings.recorded import ACCOUNT, DAY, MINUTE, Recording
from tests.recordings.stage import Rehearsal
from tests.simulator.peer import Peer, log_in

__all__ = ["rehearse_bars", "rehearse_quotes", "rehearse_reference_data"]

M = TypeVar("M", bound=Message)

MINUTES: Final = {ProtoOATrendbarPeriod.M15: 15, ProtoOATrendbarPeriod.H1: 60}
SWITCHES: Final = Switches(
    rate_limit=0, historical_rate_limit=0, idle_timeout=0, heartbeat_interval=1e9
)
SPREAD: Final = 2
BARS_ASKED: Final = 50
WINDOW_DAYS: Final = {ProtoOATrendbarPeriod.M15: 7, ProtoOATrendbarPeriod.H1: 21}
"""How far back the recorder asked for bars, which the count did not reach."""
LATENCY: Final = 0.5
"""Seconds from the time up to which the recorder asked, to the server's answer."""


def rehearse_reference_data(recording: Recording) -> Rehearsal:
    """Ask for accounts, trader, symbols and a chain of conversion."""
    peer = _open(recording, {}, next(_of(recording, ProtoOASpotEvent)).timestamp)
    recorded: list[Sent] = []
    simulated: list[Message] = []
    for line, message in recording.messages():
        request = _question(message, peer)
        if request is not None:
            recorded.append(Sent(line.number, message))
            peer.received()
            peer.send(request)
            simulated += [each.message for each in peer.received()]
    return Rehearsal(tuple(recorded), tuple(simulated))


def rehearse_bars(recording: Recording) -> Rehearsal:
    """Ask for each answer of bars, of a market whose ticks make those bars."""
    recorded: list[Sent] = []
    simulated: list[Message] = []
    for line, message in recording.messages():
        if not isinstance(message, ProtoOAGetTrendbarsRes):
            continue
        minutes = MINUTES[message.period]
        first, last = message.trendbar[0], message.trendbar[-1]
        older = (first.utcTimestampInMinutes - minutes) * MINUTE
        forming = (last.utcTimestampInMinutes + minutes) * MINUTE
        ticks = [Tick(older, first.low, first.low + SPREAD, 2)]
        for bar in message.trendbar:
            ticks += _ticks_of(bar)
        ticks.append(Tick(forming, last.low, None, 1))
        # Fifty bars up to now were asked for; the answer says its own time in the same field.
        now = message.timestamp
        peer = _open(recording, {message.symbolId: ticks}, now)
        peer.run(LATENCY)
        recorded.append(Sent(line.number, message))
        peer.send(
            ProtoOAGetTrendbarsReq(
                ctidTraderAccountId=ACCOUNT,
                symbolId=message.symbolId,
                period=message.period,
                fromTimestamp=now - WINDOW_DAYS[message.period] * DAY,
                toTimestamp=now,
                count=BARS_ASKED,
            )
        )
        simulated += [each.message for each in peer.received()]
    return Rehearsal(tuple(recorded), tuple(simulated))


def rehearse_quotes(recording: Recording) -> Rehearsal:
    """Subscribe to quotes with live bars, and let the recorded ticks come."""
    spots = [
        Sent(line.number, message)
        for line, message in recording.messages()
        if isinstance(message, ProtoOASpotEvent)
    ]
    events = [each.message for each in spots if isinstance(each.message, ProtoOASpotEvent)]
    opening = [each for each in events if each.HasField("sessionClose")]
    symbol_ids = list(dict.fromkeys(each.symbolId for each in opening))
    ticks: dict[int, list[Tick]] = {}
    for symbol_id in symbol_ids:
        with_bar = next(each for each in opening if each.symbolId == symbol_id and each.trendbar)
        ticks[symbol_id] = [
            *_ticks_before(with_bar),
            *(_tick(each) for each in events[len(opening) :] if each.symbolId == symbol_id),
        ]
    first = max(each.timestamp for each in opening)
    peer = _open(recording, ticks, first)
    peer.send(
        ProtoOASubscribeSpotsReq(
            ctidTraderAccountId=ACCOUNT, symbolId=symbol_ids, subscribeToSpotTimestamp=True
        )
    )
    for symbol_id in symbol_ids:
        peer.send(
            ProtoOASubscribeLiveTrendbarReq(
                ctidTraderAccountId=ACCOUNT, symbolId=symbol_id, period=ProtoOATrendbarPeriod.M1
            )
        )
    peer.run((events[-1].timestamp - first) / 1000 + 1)
    # The answers were not recorded.
    return Rehearsal(tuple(spots), tuple(peer.messages(ProtoOASpotEvent)))


# Private


def _of(recording: Recording, kind: type[M]) -> Iterator[M]:
    return (message for _, message in recording.messages() if isinstance(message, kind))


def _open(recording: Recording, ticks: dict[int, list[Tick]], now: int) -> Peer:
    """Open the recorded broker with some prices, on a connection that is logged in."""
    trader = next(_of(recording, ProtoOATraderRes)).trader
    listed = next(_of(recording, ProtoOAGetAccountListByAccessTokenRes)).ctidTraderAccount[0]
    exchange = Exchange(
        unix_ms=now,
        prices=TickPrices(ticks),
        switches=SWITCHES,
        catalogue=_catalogue(recording),
        accounts=[_account(trader, is_live=listed.isLive)],
    )
    peer = log_in(Peer(exchange, is_live=listed.isLive), ACCOUNT)
    peer.messages(ProtoOAAccountAuthRes)
    return peer


def _account(trader: ProtoOATrader, *, is_live: bool) -> AccountSpec:
    return account_of(trader, trader.balance, is_live=is_live)


def _catalogue(recording: Recording) -> Catalogue:
    lights: Sequence[ProtoOALightSymbol] = next(_of(recording, ProtoOASymbolsListRes)).symbol
    terms: dict[int, ProtoOASymbol] = {
        each.symbolId: each for each in next(_of(recording, ProtoOASymbolByIdRes)).symbol
    }
    known = {asset.asset_id for asset in DEFAULT_CATALOGUE.assets}
    assets = {each.baseAssetId for each in lights} | {each.quoteAssetId for each in lights}
    return replace(
        DEFAULT_CATALOGUE,
        assets=(
            *DEFAULT_CATALOGUE.assets,
            *(AssetSpec(each, f"ASSET{each}", 2) for each in sorted(assets - known)),
        ),
        symbols=tuple(symbol_of(terms[light.symbolId], light) for light in lights),
        leverages=tuple(
            replace(DEFAULT_CATALOGUE.leverages[0], leverage_id=leverage_id)
            for leverage_id in sorted({each.leverageId for each in terms.values()})
        ),
    )


def _question(message: Message, peer: Peer) -> Message | None:
    match message:
        case ProtoOAGetAccountListByAccessTokenRes():
            return ProtoOAGetAccountListByAccessTokenReq(
                accessToken=peer.exchange.grants.grants[0].access_token
            )
        case ProtoOATraderRes():
            return ProtoOATraderReq(ctidTraderAccountId=ACCOUNT)
        case ProtoOASymbolsListRes():
            return ProtoOASymbolsListReq(ctidTraderAccountId=ACCOUNT)
        case ProtoOASymbolByIdRes():
            return ProtoOASymbolByIdReq(
                ctidTraderAccountId=ACCOUNT, symbolId=[each.symbolId for each in message.symbol]
            )
        case ProtoOASymbolsForConversionRes():
            return ProtoOASymbolsForConversionReq(
                ctidTraderAccountId=ACCOUNT,
                firstAssetId=message.symbol[0].baseAssetId,
                lastAssetId=message.symbol[-1].quoteAssetId,
            )
        case _:
            return None


def _ticks_of(bar: ProtoOATrendbar) -> Iterator[Tick]:
    """Yield four ticks that make a bar."""
    start = bar.utcTimestampInMinutes * MINUTE
    opening, high = bar.low + bar.deltaOpen, bar.low + bar.deltaHigh
    yield Tick(start, opening, None, 1)
    yield Tick(start + 1, high, None, 1)
    yield Tick(start + 2, bar.low, None, 1)
    yield Tick(start + 3, bar.low + bar.deltaClose, None, bar.volume - 3)


def _ticks_before(spot: ProtoOASpotEvent) -> Iterator[Tick]:
    """Yield the ticks of a minute that had begun before it was subscribed."""
    bar = spot.trendbar[0]
    start = bar.utcTimestampInMinutes * MINUTE
    close = spot.sessionClose
    yield Tick(start - DAY, close, close + SPREAD, 2)
    yield Tick(start, bar.low + bar.deltaOpen, None, 1)
    yield Tick(start + 1, bar.low + bar.deltaHigh, None, 1)
    yield Tick(start + 2, bar.low, None, 1)
    yield Tick(spot.timestamp, spot.bid, spot.ask, bar.volume - 3)


def _tick(spot: ProtoOASpotEvent) -> Tick:
    bid = spot.bid if spot.HasField("bid") else None
    ask = spot.ask if spot.HasField("ask") else None
    return Tick(spot.timestamp, bid, ask, (bid is not None) + (ask is not None))
