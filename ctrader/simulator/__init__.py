"""A simulated broker that speaks the true wire protocol, for offline work.

`Simulator` serves it on sockets; `Exchange` and `ServerSession` are the same broker without any
input or output, driven by bytes and a clock that the caller owns.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ctrader.simulator.catalogue import (
        DEFAULT_ACCOUNTS,
        DEFAULT_APPLICATIONS,
        DEFAULT_CATALOGUE,
        AccountSpec,
        ApplicationSpec,
        ArchivedSymbolSpec,
        AssetClassSpec,
        AssetSpec,
        Catalogue,
        CategorySpec,
        HolidaySpec,
        LeverageSpec,
        SymbolSpec,
    )
    from ctrader.simulator.exchange import Exchange
    from ctrader.simulator.market.prices import Bar, PriceSource, Quote, Tick, TickPrices
    from ctrader.simulator.market.replay import BarFileError, ReplayPrices, SourceBar, read_bars
    from ctrader.simulator.market.walk import RandomWalkPrices
    from ctrader.simulator.recording import Frame
    from ctrader.simulator.refusals import Refusal
    from ctrader.simulator.scripting.interference import Delivery, OutgoingFrame, Rule, Verdict
    from ctrader.simulator.scripting.script import Script
    from ctrader.simulator.scripting.terminal import Terminal
    from ctrader.simulator.server import ListenError, Simulator
    from ctrader.simulator.session import ServerSession
    from ctrader.simulator.switches import Switches

__all__ = [
    "DEFAULT_ACCOUNTS",
    "DEFAULT_APPLICATIONS",
    "DEFAULT_CATALOGUE",
    "AccountSpec",
    "ApplicationSpec",
    "ArchivedSymbolSpec",
    "AssetClassSpec",
    "AssetSpec",
    "Bar",
    "BarFileError",
    "Catalogue",
    "CategorySpec",
    "Delivery",
    "Exchange",
    "Frame",
    "HolidaySpec",
    "LeverageSpec",
    "ListenError",
    "OutgoingFrame",
    "PriceSource",
    "Quote",
    "RandomWalkPrices",
    "Refusal",
    "ReplayPrices",
    "Rule",
    "Script",
    "ServerSession",
    "Simulator",
    "SourceBar",
    "Switches",
    "SymbolSpec",
    "Terminal",
    "Tick",
    "TickPrices",
    "Verdict",
    "read_bars",
]

_HOMES: Final = {
    "AccountSpec": "catalogue",
    "ApplicationSpec": "catalogue",
    "ArchivedSymbolSpec": "catalogue",
    "AssetClassSpec": "catalogue",
    "AssetSpec": "catalogue",
    "Bar": "market.prices",
    "BarFileError": "market.replay",
    "Catalogue": "catalogue",
    "CategorySpec": "catalogue",
    "DEFAULT_ACCOUNTS": "catalogue",
    "DEFAULT_APPLICATIONS": "catalogue",
    "DEFAULT_CATALOGUE": "catalogue",
    "Delivery": "scripting.interference",
    "Exchange": "exchange",
    "Frame": "recording",
    "HolidaySpec": "catalogue",
    "LeverageSpec": "catalogue",
    "ListenError": "server",
    "OutgoingFrame": "scripting.interference",
    "PriceSource": "market.prices",
    "Quote": "market.prices",
    "RandomWalkPrices": "market.walk",
    "Refusal": "refusals",
    "ReplayPrices": "market.replay",
    "Rule": "scripting.interference",
    "Script": "scripting.script",
    "ServerSession": "session",
    "Simulator": "server",
    "SourceBar": "market.replay",
    "Switches": "switches",
    "SymbolSpec": "catalogue",
    "Terminal": "scripting.terminal",
    "Tick": "market.prices",
    "TickPrices": "market.prices",
    "Verdict": "scripting.interference",
    "read_bars": "market.replay",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{home}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])
