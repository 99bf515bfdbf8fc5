"""Some seeds of the torture, and what its command tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctrader.simulator.faults import FrameAltered, Lost, Plan, Reset
from ctrader.simulator.scripting.interference import FrameRule, OutgoingFrame, Verdict
from tests.torture import __main__ as command
from tests.torture.checker import LEAST
from tests.torture.history import Ask, Foreign
from tests.torture.scenario import FEWEST_FAULTS, FEWEST_ORDERS, Outcome, Scenario


@pytest.mark.parametrize("seed", range(4))
def test_hour_under_faults_breaks_no_rule(seed: int):
    outcome = Scenario(seed).run()
    assert outcome.breaches == []
    assert len(outcome.plan) >= FEWEST_FAULTS
    assert sum(outcome.endings.values()) >= FEWEST_ORDERS
    assert outcome.links >= 2


def test_same_seed_gives_the_same_history():
    first, second = (Scenario(11, length=1200.0) for _ in range(2))
    first.run()
    second.run()
    assert first.world.trace == second.world.trace
    assert first.history == second.history


def calm(seed: int, *faults: Lost | Reset | FrameAltered) -> Scenario:
    plan: Plan = faults
    return Scenario(seed, length=600.0, plan=plan)


def test_nothing_is_broken_or_unknown_without_a_fault():
    scenario = calm(3)
    outcome = scenario.run()
    assert outcome.breaches == []
    assert "unknown" not in outcome.endings
    assert outcome.links == 1
    assert scenario.history.arrived_deals.keys() == scenario.history.told_deals.keys()
    assert len(scenario.history.told_deals) == outcome.deals > 0


def test_others_trade_on_the_same_accounts():
    done = [each for seed in range(8) for each in others_of(seed)]
    assert {each.ask for each in done} == {Ask.NEW, Ask.CLOSE, Ask.PROTECT, Ask.AMEND, Ask.CANCEL}
    assert all(each.made for each in done if each.ask in (Ask.NEW, Ask.CLOSE))


def others_of(seed: int) -> list[Foreign]:
    scenario = Scenario(seed)
    assert scenario.run().breaches == []
    return scenario.history.foreign


def test_account_that_stays_unready_after_a_fault_is_found():
    scenario = calm(3, Reset(200.0))
    rule = FrameRule(any_frame=True, times_left=None, action=_silence)
    scenario.world.at(201 * 10**9, lambda: scenario.exchange.interference.add(rule))
    found = scenario.run().breaches
    assert any("no fault since 200.000 s: readiness" in breach for breach in found)


def test_book_that_is_not_restored_after_a_fault_is_found():
    scenario = next(each for each in map(calm_after_reset, range(40)) if each.wants_depth)
    before = scenario.run().breaches
    assert before == []
    scenario = calm_after_reset(scenario.seed)

    def end_it() -> None:
        server = scenario.world.server
        assert server is not None
        for account in server.accounts.values():
            account.depth.clear()

    # Between the link's first frame and the look at what stands on it.
    scenario.world.at(225 * 10**9, end_it)
    found = scenario.run().breaches
    assert any("the link stands since 20" in each and "depth of 1" in each for each in found)


def calm_after_reset(seed: int) -> Scenario:
    return calm(seed, Reset(200.0))


def test_feed_that_stays_away_is_found():
    scenario = calm(3)
    rule = FrameRule(any_frame=True, times_left=None, action=_silence)
    scenario.world.at(100 * 10**9, lambda: scenario.exchange.interference.add(rule))
    outcome = scenario.run(LEAST)
    assert outcome.breaches == []  # everything had worked before
    scenario = calm(3, Reset(200.0))
    scenario.world.at(100 * 10**9, lambda: scenario.exchange.interference.add(rule))
    assert any("everything should work" in breach for breach in scenario.run().breaches)


def _silence(_: OutgoingFrame) -> Verdict:
    return Verdict()


def test_books_that_say_otherwise_are_found():
    scenario = calm(3)
    book = scenario.exchange.books[scenario.account_ids[0]]
    scenario.world.at(599 * 10**9, book.orders.clear)
    assert any("lost, the ledger has none" in breach for breach in scenario.run().breaches)


def test_command_runs_one_seed_with_its_trace(capsys: pytest.CaptureFixture[str]):
    assert command.main(["--seed", "1", "--trace"]) == 0
    told = capsys.readouterr().out
    assert "ConnectedEvent" in told or "OpenConnection" in told
    assert "new order #1" in told
    assert "switches: " in told
    assert "Reset(" in told or "Lost(" in told


def test_command_tells_figures_and_how_to_run_a_failing_seed_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert command.main(["--seeds", "1-2", "--jobs", "1"]) == 0
    assert "2 seeds in" in capsys.readouterr().out

    def fails(seed: int) -> Outcome:
        return Outcome(seed, ["an order was lost"], (), {"done": 1}, 1, 1, 1, 1, 0.1)

    monkeypatch.setattr(command, "run", fails)
    assert command.main(["--seeds", "7-8"]) == 1
    told = capsys.readouterr().out
    assert "again: python -m tests.torture --seed 8 --trace" in told
    assert "2 broke a rule" in told


def test_hour_with_few_faults_or_requests_proves_nothing(monkeypatch: pytest.MonkeyPatch):
    def idles(scenario: Scenario) -> Outcome:
        plan = scenario.plan[: FEWEST_FAULTS - 1]
        return Outcome(1, [], plan, {"done": 15, "rejected": 4}, 1, 1, 1, 1, 0.1)

    monkeypatch.setattr(Scenario, "run", idles)
    faults, requests = command.run(1).breaches
    assert faults.startswith("only 11 faults")
    assert requests.startswith("only 19 requests")


def test_error_that_nobody_handles_is_a_breach(monkeypatch: pytest.MonkeyPatch):
    def breaks(_: Scenario) -> Outcome:
        raise RuntimeError("somewhere inside")

    monkeypatch.setattr(Scenario, "run", breaks)
    (breach,) = command.run(1).breaches
    assert "somewhere inside" in breach
    assert Path(__file__).name in breach
