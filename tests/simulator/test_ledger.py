"""The books as plain JSON: they say what the broker holds, without any message between."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ctrader.proto import (
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.ledger import ledger_of
from tests.simulator.peer import USD_ACCOUNT, Peer, log_in, scripted_exchange


def book_of(exchange: Exchange, account_id: int = USD_ACCOUNT) -> dict[str, Any]:
    """Return one account's part of the ledger, after a way through a JSON text."""
    document: dict[str, Any] = json.loads(json.dumps(ledger_of(exchange)))
    for book in document["accounts"]:
        if book["terms"]["account_id"] == account_id:
            found: dict[str, Any] = book
            return found
    raise LookupError(account_id)


def test_fresh_books_hold_the_deposit_and_nothing_else():
    exchange = scripted_exchange()
    book = book_of(exchange)
    assert book["balance"] == 10_000_000
    assert book["balance_version"] == 1
    assert book["terms"]["balance"] == "100000.00"
    assert [book[name] for name in ("positions", "orders", "deals", "offsets", "journal")] == [
        [],
        [],
        [],
        [],
        [],
    ]
    assert book["last_closing"] is None
    assert book["opened"] == exchange.market_now()


def test_trades_are_there_in_the_books_own_numbers():
    exchange = scripted_exchange()
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(
        ProtoOANewOrderReq(
            ctidTraderAccountId=USD_ACCOUNT,
            symbolId=1,
            orderType=ProtoOAOrderType.MARKET,
            tradeSide=ProtoOATradeSide.BUY,
            volume=300_000,
            label="mine",
        )
    )
    events = [each.message for each in peer.executions()]
    filled = events[-1]
    assert isinstance(filled, ProtoOAExecutionEvent)
    peer.send(
        ProtoOANewOrderReq(
            ctidTraderAccountId=USD_ACCOUNT,
            symbolId=1,
            orderType=ProtoOAOrderType.LIMIT,
            tradeSide=ProtoOATradeSide.BUY,
            volume=100_000,
            limitPrice=1.1,
        )
    )
    peer.send(
        ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT,
            positionId=filled.position.positionId,
            volume=100_000,
        )
    )
    peer.executions()

    book = book_of(exchange)
    held, waiting = book["positions"]
    assert held["position_id"] == filled.position.positionId
    assert held["symbol"] == 1
    assert held["volume"] == 200_000
    assert held["label"] == "mine"
    assert Fraction(held["price"]) == 112569
    assert waiting["volume"] == 0
    market, limit, closing = book["orders"]
    assert [each["working"] for each in (market, limit, closing)] == [False, True, False]
    assert limit["limit_price"] == 110_000
    assert closing["closing"]
    opening_deal, closing_deal = book["deals"]
    assert [opening_deal["price"], closing_deal["price"]] == [112569, 112567]
    assert opening_deal["closed_part"] is None
    assert closing_deal["closed_part"]["volume"] == 100_000
    assert closing_deal["closed_part"]["balance"] == book["balance"]
    assert book["balance_version"] == 2


def test_ledger_lists_the_terms_of_every_symbol_and_account():
    exchange = scripted_exchange()
    document = ledger_of(exchange)
    assert isinstance(document["symbols"], list)
    assert isinstance(document["accounts"], list)
    assert len(document["symbols"]) == len(exchange.symbols)
    assert len(document["accounts"]) == len(exchange.books)
    assert document["market_time"] == exchange.market_now()


def test_ledger_holds_no_secret():
    exchange = scripted_exchange()
    log_in(Peer(exchange), USD_ACCOUNT)
    text = json.dumps(ledger_of(exchange))
    for grant in exchange.grants.grants:
        assert grant.access_token not in text
        assert grant.refresh_token not in text
    assert "secret" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_command_writes_the_ledger_when_it_ends(tmp_path: Path):
    file = tmp_path / "ledger.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "ctrader.simulator", "--plain", "--ledger", str(file)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert not file.exists()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    finally:
        process.kill()
        process.communicate()
    document = json.loads(file.read_text(encoding="utf-8"))
    assert {book["balance_version"] for book in document["accounts"]} == {1}
