"""Processes that trade with a journal are killed, and nothing is lost, doubled or left unknown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.order_kills import kill_traders


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.timeout(60)
def test_killed_processes_lose_and_double_no_order(tmp_path: Path):
    outcome = kill_traders(tmp_path / "private" / "orders.journal", 20, seed=5)
    assert outcome.kills == 20
    assert outcome.orders > 20
    assert outcome.left > 0
