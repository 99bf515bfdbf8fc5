"""What every test shares: the async backends, Hypothesis, and the rule for long tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# The authorities of this machine are of no use to a test, and each client would read them all: half
# of the work of a scenario. The programs that tests start inherit it.
os.environ["SSL_CERT_FILE"] = os.devnull
os.environ["SSL_CERT_DIR"] = os.devnull

settings.register_profile(
    "shared",
    deadline=None,  # pytest-timeout watches the whole test; single examples may be slow on CI
    derandomize=True,  # a change is judged by what it changes, not by luck
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("hunting", settings.get_profile("shared"), derandomize=False)
settings.load_profile("shared")


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every `anyio` test on both loops."""
    backend: str = request.param
    return backend


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse long tests that would run into the short default timeout; begin with the longest."""
    unlimited = [
        item.nodeid
        for item in items
        if (item.get_closest_marker("long") or item.get_closest_marker("torture"))
        and not item.get_closest_marker("timeout")
    ]
    if unlimited:
        raise pytest.UsageError(f"long tests need a timeout of their own: {', '.join(unlimited)}")
    items.sort(key=_longest, reverse=True)


def _longest(item: pytest.Item) -> float:
    limit = item.get_closest_marker("timeout")
    return 0.0 if limit is None else float(limit.args[0])
