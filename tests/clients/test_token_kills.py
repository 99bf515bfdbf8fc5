"""Processes that exchange tokens are killed and race: none is spent twice, none torn or behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.token_kills import kill_refreshers, race


@pytest.mark.timeout(120)  # twenty programs, one after the other
def test_killed_processes_spend_no_token_twice_and_lose_no_pair_that_was_saved(tmp_path: Path):
    outcome = kill_refreshers(tmp_path / "tokens", 20, seed=3)
    assert outcome.kills == 20
    assert outcome.exchanges > 20


@pytest.mark.timeout(60)
def test_two_processes_that_want_the_same_pair_exchange_it_once(tmp_path: Path):
    assert race(tmp_path / "tokens", 10) == 10
