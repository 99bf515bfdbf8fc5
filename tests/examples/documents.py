"""Find and run the code of the documentation.

Every block that is marked as Python is run, so that nothing in the pages can go stale:

- ```` ```python ```` is a whole program. It runs as it stands, with the connection to a simulator
  in the environment.
- ```` ```python sync ```` and ```` ```python async ```` are fragments. They run with every name
  of their package, `client` connected, `credentials` authenticated, `account_id` theirs, and
  `symbol_id` that of EURUSD; the async ones as the body of a coroutine.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from typing import Final

import ctrader
import ctrader_sync
from ctrader import AccountCredentials, CTraderClient
from ctrader.simulator import Simulator
from ctrader_sync import SyncCTraderClient

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
KINDS: Final = ("python", "python async", "python sync")
SYMBOL: Final = "EURUSD"

_BLOCK: Final = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of code on a page."""

    page: Path
    line: int
    """Line of its first line of code."""
    info: str
    """What stands behind the fence."""
    code: str

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    def run(self, names: dict[str, object]) -> object:
        """Run it; what an asynchronous one returns is to be awaited."""
        code = compile(
            "\n" * (self.line - 1) + self.code,  # so that a traceback names the page's line
            str(self.page),
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        return eval(code, names)


def blocks(*infos: str) -> list[Block]:
    """List the blocks of all pages that have one of these marks."""
    return [block for page in PAGES for block in blocks_of(page) if block.info in infos]


def blocks_of(page: Path) -> Iterator[Block]:
    """List the blocks of one page."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        yield Block(page, line, found["info"].strip(), found["code"])


def environment(simulator: Simulator) -> Mapping[str, str]:
    """Return the variables that lead a program to a simulator."""
    credentials = simulator.credentials()
    return {
        "CTRADER_HOST": simulator.host,
        "CTRADER_PORT": str(simulator.port),
        "CTRADER_CA_FILE": simulator.ca_file or "",
        "CTRADER_CLIENT_ID": simulator.client_id,
        "CTRADER_CLIENT_SECRET": simulator.client_secret,
        "CTRADER_TRADER_LOGIN": str(simulator.accounts[0].trader_login),
        "CTRADER_ACCOUNT_ID": str(credentials.account_id),
        "CTRADER_ACCESS_TOKEN": credentials.access_token,
        "CTRADER_REFRESH_TOKEN": credentials.refresh_token,
        "CTRADER_EXPIRES_AT": str(credentials.expires_at),
    }


def run_sync_fragment(block: Block, simulator: Simulator) -> None:
    """Run a fragment with the blocking client."""
    credentials = simulator.credentials()
    with SyncCTraderClient(simulator.client_config()) as client:
        client.auth.authenticate_account(credentials)
        infos = client.symbols.search(credentials.account_id, SYMBOL)
        names = {name: getattr(ctrader_sync, name) for name in ctrader_sync.__all__}
        block.run({**names, **_given(simulator, credentials, infos[0].symbol_id), "client": client})


async def run_async_fragment(block: Block, simulator: Simulator) -> None:
    """Run a fragment with the async client, on whatever loop this is."""
    credentials = simulator.credentials()
    async with CTraderClient(simulator.client_config()) as client:
        await client.auth.authenticate_account(credentials)
        infos = await client.symbols.search(credentials.account_id, SYMBOL)
        names = {name: getattr(ctrader, name) for name in ctrader.__all__}
        done = block.run(
            {**names, **_given(simulator, credentials, infos[0].symbol_id), "client": client}
        )
        if isawaitable(done):
            await done


def _given(
    simulator: Simulator, credentials: AccountCredentials, symbol_id: int
) -> dict[str, object]:
    return {
        "simulator": simulator,
        "credentials": credentials,
        "account_id": credentials.account_id,
        "symbol_id": symbol_id,
    }
