"""The stage on which scenarios are played, three times each, and their simulators."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypeAlias

import pytest

from ctrader.simulator import Simulator
from tests.clients.scenarios.exercised import EXERCISED, exercised_in
from tests.clients.scenarios.stage import BlockingStage, LoopStage, Stage, run_blocking

Serve: TypeAlias = Callable[..., Simulator]


@pytest.fixture(scope="module", params=["asyncio", "trio", "sync"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Play every scenario on both loops and without one."""
    backend: str = request.param
    return backend


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Drive scenarios for the blocking client; anyio's plugin plays the others on their loops."""
    scenario = pyfuncitem.obj
    if pyfuncitem.funcargs.get("anyio_backend") != "sync" or not inspect.iscoroutinefunction(
        scenario
    ):
        return None
    wanted = inspect.signature(scenario).parameters
    run_blocking(scenario(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture
def stage(anyio_backend: str) -> Stage:
    """What a scenario needs besides the client."""
    return BlockingStage() if anyio_backend == "sync" else LoopStage()


@pytest.fixture
def serve(request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Start simulators with any options; they record their frames, and end with the test.

    A scenario that stands in `EXERCISED` fails here if its messages were not on the wire.
    """
    started: list[Simulator] = []
    with ExitStack() as stack:

        def start(**options: Any) -> Simulator:
            options.setdefault("record_frames", True)
            started.append(stack.enter_context(Simulator(**options)))
            return started[-1]

        yield start
    scenario = f"{request.path.stem}.{request.node.originalname}"
    missing = set(EXERCISED.get(scenario, ())) - exercised_in(started)
    assert not missing, f"not on the wire: {', '.join(sorted(kind.__name__ for kind in missing))}"


@pytest.fixture
def simulator(serve: Serve) -> Simulator:
    """A simulator with TLS, at the pace of real time."""
    return serve()


@pytest.fixture
def brisk(serve: Serve) -> Simulator:
    """A simulator with TLS that lives through a minute a second, so that quotes come at once."""
    return serve(speed=60)
