"""The checker finds every breach, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.torture.checker import LEAST, Rules, breaches_of
from tests.torture.history import Ask, Ending, Foreign, History, Request, Resolution, Standing

ACCOUNT = 7


def order(order_id: int, name: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "client_order_id": name,
        "status": 2,
        "volume": 100,
        "executed_volume": 100,
        "closing": False,
        "stop_out": False,
        "order_type": 1,
        "position_id": 50,
        "limit_price": None,
        "stop_price": None,
        "updated": 10_000,
        **fields,
    }


def ledger(
    *orders: dict[str, Any],
    deals: tuple[int, ...] = (),
    stop_loss: int | None = None,
    account_type: int = 0,
) -> dict[str, Any]:
    booked = [{"deal_id": each, "executed": 1_000_000, "filled_volume": 100} for each in deals]
    return {
        "accounts": [
            {
                "terms": {"account_id": ACCOUNT, "account_type": account_type},
                "positions": [{"position_id": 50, "stop_loss": stop_loss}],
                "orders": list(orders),
                "deals": booked,
            }
        ]
    }


def asked(ask: Ask, ending: Ending | None, **fields: Any) -> Request:
    usual: dict[str, Any] = {"volume": 100, "ending": ending}
    return Request(1, ask, ACCOUNT, 5.0, **{**usual, **fields})


def new(ending: Ending | None, name: str = "a", **fields: Any) -> Request:
    return asked(Ask.NEW, ending, client_order_id=name, **fields)


def history(*requests: Request, left: tuple[str, ...] = (), **fields: Any) -> History:
    made = History(list(requests), lively_at=10.0, faults_end=5.0, **fields)
    made.left_orders.update(left)
    return made


def breach(made: History, books: dict[str, Any], rules: Rules = LEAST) -> str:
    found = breaches_of(made, books, rules)
    return found[0] if len(found) == 1 else "; ".join(found)


LIMIT = order(1, "a", limit_price=110_000, order_type=2)
FINE: dict[str, Callable[[], tuple[History, dict[str, Any]]]] = {
    "nothing": lambda: (history(), ledger()),
    "done": lambda: (history(new(Ending.DONE, order_id=1), left=("a",)), ledger(order(1, "a"))),
    "rejected": lambda: (history(new(Ending.REJECTED), left=("a",)), ledger()),
    "rejected, and booked as such": lambda: (
        history(new(Ending.REJECTED), left=("a",)),
        ledger(order(1, "a", status=3, executed_volume=0)),
    ),
    "not sent": lambda: (history(new(Ending.NOT_SENT)), ledger()),
    "unknown, and there": lambda: (history(new(Ending.UNKNOWN)), ledger(order(1, "a"))),
    "unknown, and not there": lambda: (history(new(Ending.UNKNOWN)), ledger()),
    "killed": lambda: (history(new(Ending.KILLED)), ledger(order(1, "a"))),
    "found": lambda: (
        history(new(Ending.UNKNOWN, resolution=Resolution.HAPPENED)),
        ledger(order(1, "a")),
    ),
    "found absent": lambda: (
        history(new(Ending.UNKNOWN, resolution=Resolution.ABSENT)),
        ledger(),
    ),
    "cancelled": lambda: (
        history(asked(Ask.CANCEL, Ending.DONE, order_id=1)),
        ledger(order(1, status=5)),
    ),
    "cancelled by one of two": lambda: (
        history(
            asked(Ask.CANCEL, Ending.UNKNOWN, order_id=1),
            asked(Ask.CANCEL, Ending.REJECTED, order_id=1),
        ),
        ledger(order(1, status=5)),
    ),
    "cancelled by the broker before": lambda: (
        history(asked(Ask.CANCEL, Ending.REJECTED, order_id=1)),
        ledger(order(1, status=5, updated=4_999)),
    ),
    "cancelled by somebody else": lambda: (
        history(
            asked(Ask.CANCEL, Ending.REJECTED, order_id=1),
            foreign=[Foreign(6.0, Ask.CANCEL, ACCOUNT, order_id=1)],
        ),
        ledger(order(1, status=5)),
    ),
    "amended by somebody else afterwards": lambda: (
        history(
            asked(Ask.AMEND, Ending.DONE, order_id=1, price=1.2),
            foreign=[Foreign(6.0, Ask.AMEND, ACCOUNT, order_id=1, price=1.1)],
        ),
        ledger(LIMIT),
    ),
    "closed by somebody else": lambda: (
        history(foreign=[Foreign(6.0, Ask.CLOSE, ACCOUNT, frozenset({2}), position_id=50)]),
        ledger(order(2, closing=True)),
    ),
    "protected": lambda: (
        history(asked(Ask.PROTECT, Ending.DONE, position_id=50, price=1.1)),
        ledger(stop_loss=110_000),
    ),
    "perhaps protected": lambda: (
        history(asked(Ask.PROTECT, Ending.UNKNOWN, position_id=50, price=1.1)),
        ledger(stop_loss=None),
    ),
    "protected by somebody else": lambda: (
        history(
            asked(Ask.PROTECT, Ending.DONE, position_id=50, price=1.2),
            foreign=[Foreign(6.0, Ask.PROTECT, ACCOUNT, position_id=50, price=1.1)],
        ),
        ledger(stop_loss=110_000),
    ),
    "protected by an order on a netted account": lambda: (
        history(asked(Ask.PROTECT, Ending.DONE, position_id=50, price=1.2)),
        ledger(stop_loss=110_000, account_type=1),
    ),
    "amended": lambda: (
        history(asked(Ask.AMEND, Ending.DONE, order_id=1, price=1.1)),
        ledger(LIMIT),
    ),
    "perhaps amended": lambda: (
        history(
            new(Ending.DONE, order_id=1, price=1.1),
            asked(Ask.AMEND, Ending.UNKNOWN, order_id=1, price=1.2),
        ),
        ledger(LIMIT),
    ),
    "closed": lambda: (
        history(asked(Ask.CLOSE, Ending.DONE, position_id=50)),
        ledger(order(2, closing=True)),
    ),
    "perhaps closed": lambda: (
        history(asked(Ask.CLOSE, Ending.UNKNOWN, position_id=50)),
        ledger(order(2, closing=True)),
    ),
    "closed by its stop loss": lambda: (
        history(),
        ledger(order(2, closing=True, order_type=4), order(3, closing=True, stop_out=True)),
    ),
    "told": lambda: (
        history(told_deals={(0, 9): 1}, arrived_deals={(0, 9): 3.0}),
        ledger(deals=(9,)),
    ),
    "died with its process": lambda: (
        history(arrived_deals={(0, 9): 300.0}, kills=[310.0]),
        ledger(deals=(9,)),
    ),
    "refreshed": lambda: (
        history(refresh_left=[(1.0, "x"), (2.0, "x")], refresh_answered={"x": 2.5}),
        ledger(),
    ),
    "stands": lambda: (history(standings=[Standing(3.0, "why", ())]), ledger()),
}


@pytest.mark.parametrize("case", FINE.values(), ids=FINE)
def test_nothing_is_found_where_nothing_is(case: Callable[[], tuple[History, dict[str, Any]]]):
    assert breaches_of(*case(), LEAST) == []


def test_lost_order():
    lost = history(new(Ending.DONE, order_id=1), left=("a",))
    assert "lost" in breach(lost, ledger())


def test_doubled_order():
    doubled = history(new(Ending.UNKNOWN), left=("a",))
    assert "doubled" in breach(doubled, ledger(order(1, "a"), order(2, "a")))


def test_order_that_left_twice():
    assert "sent 2 times" in breach(history(new(Ending.UNKNOWN), left=("a", "a")), ledger())


def test_order_that_left_although_it_was_not_sent():
    assert "but it left" in breach(history(new(Ending.NOT_SENT), left=("a",)), ledger())


@pytest.mark.parametrize("ending", [Ending.REJECTED, Ending.NOT_SENT])
def test_order_that_the_ledger_has_all_the_same(ending: Ending):
    assert "the ledger has it" in breach(history(new(ending)), ledger(order(1, "a")))


@pytest.mark.parametrize(
    ("resolution", "orders"),
    [(Resolution.HAPPENED, ()), (Resolution.ABSENT, (order(1, "a"),))],
)
def test_wrong_resolution(resolution: Resolution, orders: tuple[dict[str, Any], ...]):
    made = history(new(Ending.UNKNOWN, resolution=resolution))
    assert breach(made, ledger(*orders))


def test_resolution_of_what_was_known():
    made = history(new(Ending.DONE, order_id=1, resolution=Resolution.HAPPENED))
    assert "resolved what was known" in breach(made, ledger(order(1, "a")))


def test_resolution_is_demanded_where_it_is_to_be():
    made = history(new(Ending.UNKNOWN))
    assert breach(made, ledger()) == ""
    assert "never resolved" in breach(made, ledger(), Rules(resolution=True))


@pytest.mark.parametrize("ending", [None, Ending.OTHER])
def test_request_without_a_proper_end(ending: Ending | None):
    assert "ended" in breach(history(new(ending)), ledger())


def test_wrong_order_is_told():
    assert "told of order 2" in breach(history(new(Ending.DONE, order_id=2)), ledger(order(1, "a")))
    assert "volume" in breach(
        history(new(Ending.DONE, order_id=1, volume=300)), ledger(order(1, "a"))
    )


def test_cancel_that_did_not_happen_and_one_that_did():
    done = history(asked(Ask.CANCEL, Ending.DONE, order_id=1))
    assert "not cancelled" in breach(done, ledger(order(1)))
    refused = history(asked(Ask.CANCEL, Ending.REJECTED, order_id=1))
    assert "all the same" in breach(refused, ledger(order(1, status=5)))
    assert "that is not" in breach(refused, ledger())


def test_rest_of_a_stop_order_that_the_broker_cancels_is_no_cancel_of_ours():
    refused = history(asked(Ask.CANCEL, Ending.REJECTED, order_id=1))
    assert breaches_of(refused, ledger(order(1, status=5, order_type=3, executed_volume=50))) == []
    untouched = order(1, status=5, order_type=3, executed_volume=0)
    assert "all the same" in breach(refused, ledger(untouched))


def test_amendment_that_did_not_happen_and_one_that_did():
    done = history(asked(Ask.AMEND, Ending.DONE, order_id=1, price=1.2))
    assert "its price is 110000" in breach(done, ledger(LIMIT))
    refused = history(
        new(Ending.DONE, order_id=1, price=1.3),
        asked(Ask.AMEND, Ending.REJECTED, order_id=1, price=1.1),
    )
    assert "its price is 110000" in breach(refused, ledger(LIMIT))
    assert "that is not" in breach(done, ledger())


def test_amendment_of_somebody_else_is_no_excuse_for_what_came_after_it():
    made = history(
        asked(Ask.AMEND, Ending.DONE, order_id=1, price=1.2),
        foreign=[Foreign(4.0, Ask.AMEND, ACCOUNT, order_id=1, price=1.1)],
    )
    assert "its price is 110000" in breach(made, ledger(LIMIT))


@pytest.mark.parametrize(
    ("ending", "found"), [(Ending.DONE, None), (Ending.DONE, 120_000), (Ending.REJECTED, 110_000)]
)
def test_stop_loss_that_is_another(ending: Ending, found: int | None):
    made = history(asked(Ask.PROTECT, ending, position_id=50, price=1.1))
    assert f"its stop loss is {found}" in breach(made, ledger(stop_loss=found))


def test_stop_loss_that_was_removed_and_still_stands():
    removed = history(asked(Ask.PROTECT, Ending.DONE, position_id=50, price=None))
    assert breach(removed, ledger(stop_loss=None)) == ""
    assert "its stop loss is 110000" in breach(removed, ledger(stop_loss=110_000))


def test_cancel_and_close_of_somebody_else_excuse_no_other():
    made = history(
        asked(Ask.CANCEL, Ending.REJECTED, order_id=1),
        foreign=[Foreign(6.0, Ask.CANCEL, ACCOUNT, order_id=2)],
    )
    assert "all the same" in breach(made, ledger(order(1, status=5)))
    made = history(foreign=[Foreign(6.0, Ask.CLOSE, ACCOUNT, frozenset({3}), position_id=50)])
    assert "nobody may have made" in breach(made, ledger(order(2, closing=True)))


def test_close_that_did_not_happen_and_ones_that_did():
    done = history(asked(Ask.CLOSE, Ending.DONE, position_id=50))
    assert "the ledger lacks" in breach(done, ledger())
    assert "nobody may have made" in breach(
        done, ledger(order(2, closing=True), order(3, closing=True))
    )
    refused = history(asked(Ask.CLOSE, Ending.NOT_SENT, position_id=50))
    assert "nobody may have made" in breach(refused, ledger(order(2, closing=True)))


def test_deals():
    assert "which is none" in breach(history(told_deals={(0, 9): 1}), ledger())
    arrived = history(arrived_deals={(0, 9): 3.0})
    assert "nobody was told" in breach(arrived, ledger(deals=(9,)))
    early = history(arrived_deals={(0, 9): 3.0}, kills=[310.0])
    assert "nobody was told" in breach(early, ledger(deals=(9,)))
    twice = history(told_deals={(0, 9): 2})
    assert breach(twice, ledger(deals=(9,))) == ""
    assert "2 times" in breach(twice, ledger(deals=(9,)), Rules(once=True))
    assert "never told" in breach(history(), ledger(deals=(9,)), Rules(recovery=True))


def test_refresh_token_that_is_sent_again_after_its_answer():
    made = history(refresh_left=[(1.0, "x"), (3.0, "x")], refresh_answered={"x": 2.5})
    assert "left at 3.000 s" in breach(made, ledger())
    assert "x" not in breach(made, ledger()).split()


def test_new_pair_that_is_not_kept_is_lost():
    made = history(refreshed={"y": 2.5}, refresh_end="y", kept_tokens=frozenset({"x"}))
    assert "given at 2.500 s" in breach(made, ledger())
    assert "y" not in breach(made, ledger()).split()
    made.kept_tokens = frozenset({"x", "y"})
    assert breach(made, ledger()) == ""


def test_life():
    assert "gave up" in breach(history(gave_up="no more"), ledger())
    standing = Standing(3.0, "the link stands", ("spots of 1",))
    assert "not active" in breach(history(standings=[standing]), ledger())
    late = history()
    late.lively_at = 126.0
    assert "it did 126" in breach(late, ledger())
    late.lively_at = None
    assert "it did never" in breach(late, ledger())
