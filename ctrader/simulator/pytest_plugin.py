"""The pytest plugin: a fresh simulated broker for each test that asks for one.

It is active wherever this library and pytest are installed together, and loads nothing else of
the library before a test uses its fixture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from ctrader.simulator.server import Simulator

__all__ = ["ctrader_simulator", "ctrader_simulator_options", "pytest_configure"]

_MARKER: Final = "ctrader_simulator"


def pytest_configure(config: pytest.Config) -> None:
    """Make the plugin's marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**options): options of the simulated broker of this test, "
        "those of ctrader.simulator.Simulator",
    )


@pytest.fixture
def ctrader_simulator_options() -> Mapping[str, Any]:  # Any: they are Simulator's own
    """Return the options of every simulator; override it for a module or a suite."""
    return {}


@pytest.fixture
def ctrader_simulator(
    request: pytest.FixtureRequest, ctrader_simulator_options: Mapping[str, Any]
) -> Iterator[Simulator]:
    """Serve a simulated broker for one test, blocking or async; frames are recorded.

    Its options are those of `Simulator`: from `ctrader_simulator_options`, and over those from
    `@pytest.mark.ctrader_simulator(seed=7, frozen=True)` on the test, its class or its module.
    """
    from ctrader.simulator.server import Simulator

    options: dict[str, Any] = {"record_frames": True, **ctrader_simulator_options}
    _check_options(options, "the fixture ctrader_simulator_options")
    for mark in reversed(list(request.node.iter_markers(_MARKER))):
        if mark.args:
            raise pytest.UsageError(f"the marker {_MARKER} takes options by name only")
        _check_options(mark.kwargs, f"the marker {_MARKER}")
        options.update(mark.kwargs)
    with Simulator(**options) as simulator:
        yield simulator


def _check_options(options: Mapping[str, Any], origin: str) -> None:
    """Refuse what is no option of `Simulator`.

    Raises:
        pytest.UsageError: one is none; the text names it, and the one that may be meant.
    """
    from difflib import get_close_matches
    from inspect import signature

    from ctrader.simulator.server import Simulator

    known = list(signature(Simulator).parameters)
    for name in options:
        if name not in known:
            alike = get_close_matches(str(name), known, 1)
            hint = f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join(known)}"
            raise pytest.UsageError(f"{origin} has no option {name!r}; {hint}")
