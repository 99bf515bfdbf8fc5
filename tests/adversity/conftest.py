"""The stage of the scenarios, for what is hostile on all three of them."""

from tests.clients.scenarios.conftest import (
    anyio_backend,
    pytest_pyfunc_call,
    serve,
    simulator,
    stage,
)

__all__ = ["anyio_backend", "pytest_pyfunc_call", "serve", "simulator", "stage"]
