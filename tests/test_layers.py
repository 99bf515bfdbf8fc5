"""Imports point down only, and the core stays free of input, output, clocks and chance.

The rules are applied to the source text, so an import inside a function counts as much as one at
the top. Imports under `if TYPE_CHECKING:` count as none: they do not exist at run time.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("ctrader", "ctrader_sync")


@dataclass(frozen=True)
class Layer:
    """Modules that may see each other, the layers below, and nothing else of the packages."""

    members: tuple[str, ...]
    """Patterns of module names; `a.b.*` stands for everything inside `a.b`."""
    sees: tuple[str, ...] = ()
    """Names of the layers below, or single modules of theirs."""
    never: frozenset[str] = frozenset()
    """Modules from outside that no member may import."""
    is_timeless: bool = False
    """Whether clocks and the environment are out of bounds even where their module is not."""


LOOPS: Final = frozenset({"anyio", "asyncio", "httpx", "trio"})
OUTSIDE: Final = LOOPS | {
    "concurrent",
    "multiprocessing",
    "queue",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
}
CHANCE: Final = frozenset({"random", "secrets", "uuid"})

CORE: Final = ("vocabulary", "records", "live", "protocol", "operations")
SYNC: Final = (*CORE, "transport", "tokens", "journal", "mirrors")

LAYERS: Final[Mapping[str, Layer]] = {
    "vocabulary": Layer(
        (
            "ctrader.errors",
            "ctrader.enums",
            "ctrader.units",
            "ctrader.config",
            "ctrader.credentials",
            "ctrader.proto",
            "ctrader.proto.*",
        ),
        never=LOOPS,
    ),
    "files": Layer(("ctrader.file_lock",), never=LOOPS),
    "journal": Layer(
        ("ctrader.journal", "ctrader.journal.*"), sees=("vocabulary", "files"), never=LOOPS
    ),
    "tokens": Layer(
        ("ctrader.tokens", "ctrader.tokens.*"), sees=("vocabulary", "files"), never=LOOPS
    ),
    "records": Layer(
        ("ctrader.events", "ctrader.models", "ctrader.models.*"),
        sees=("vocabulary",),
        never=LOOPS,
    ),
    "live": Layer(
        ("ctrader.live", "ctrader.live.*"),
        sees=("vocabulary", "records"),
        never=OUTSIDE | CHANCE,
        is_timeless=True,
    ),
    "protocol": Layer(
        ("ctrader.protocol", "ctrader.protocol.*"),
        sees=(
            "vocabulary",
            "records",
            "live",
            "ctrader.journal.record",
            "ctrader.tokens.record",
        ),
        never=OUTSIDE | CHANCE,
        is_timeless=True,
    ),
    "operations": Layer(
        ("ctrader.operations", "ctrader.operations.*"),
        sees=("vocabulary", "records", "live", "protocol", "ctrader.tokens.record"),
        never=OUTSIDE | CHANCE,
        is_timeless=True,
    ),
    # What both kinds of driver share; so nothing of a loop may be in it.
    "transport": Layer(("ctrader.clocks", "ctrader.transport"), sees=CORE, never=LOOPS),
    "async api": Layer(("ctrader.api", "ctrader.api.*"), sees=CORE, never=LOOPS),
    "async drivers": Layer(
        (
            "ctrader.connection",
            "ctrader.dispatcher",
            "ctrader.driver",
            "ctrader.flag",
            "ctrader.oauth",
            "ctrader.streams",
        ),
        sees=(*CORE, "transport", "tokens", "journal", "async api"),
    ),
    "async client": Layer(
        ("ctrader.account", "ctrader.client"),
        sees=(*CORE, "transport", "tokens", "journal", "async api", "async drivers"),
    ),
    # Names of `ctrader` that `ctrader_sync` has too.
    "mirrors": Layer(
        tuple(f"ctrader_sync.{name}" for name in ("config", "enums", "errors", "events", "models")),
        sees=("vocabulary", "records"),
        never=LOOPS,
    ),
    "sync api": Layer(("ctrader_sync.api", "ctrader_sync.api.*"), sees=SYNC, never=LOOPS),
    "sync drivers": Layer(
        (
            "ctrader_sync.clerk",
            "ctrader_sync.connection",
            "ctrader_sync.dispatcher",
            "ctrader_sync.driver",
            "ctrader_sync.pump",
            "ctrader_sync.streams",
        ),
        sees=(*SYNC, "sync api"),
        never=LOOPS,
    ),
    "sync client": Layer(
        ("ctrader_sync.account", "ctrader_sync.client"),
        sees=(*SYNC, "sync api", "sync drivers"),
        never=LOOPS,
    ),
    # The other side of the wire: it shares the words and the framing with the client, no more, so
    # that a mistake of the one does not hide a mistake of the other.
    "exchange": Layer(
        (
            "ctrader.simulator",
            *(
                f"ctrader.simulator.{name}"
                for name in (
                    "book",
                    "catalogue",
                    "checked",
                    "exchange",
                    "faults",
                    "grants",
                    "http_session",
                    "ledger",
                    "limits",
                    "maintenance",
                    "outlet",
                    "recording",
                    "refusals",
                    "router",
                    "serialising",
                    "session",
                    "switches",
                    "terms",
                    "variants",
                )
            ),
            *(
                f"ctrader.simulator.{room}{modules}"
                for room in ("accounts", "desks", "market", "messages", "orders", "scripting")
                for modules in ("", ".*")
            ),
        ),
        sees=("vocabulary", "ctrader.protocol.framing", "ctrader.protocol.envelope"),
        never=OUTSIDE,
        is_timeless=True,
    ),
    "world": Layer(
        tuple(f"ctrader.simulator.{name}" for name in ("adversity", "network", "world")),
        sees=(*CORE, "exchange"),
        never=OUTSIDE,
        is_timeless=True,
    ),
    "server": Layer(
        tuple(
            f"ctrader.simulator.{name}"
            for name in (
                "__main__",
                "pytest_plugin",
                "server",
                "sockets",
                "sockets.*",
            )
        ),
        sees=(*CORE, "transport", "exchange"),
    ),
    "cli": Layer(
        ("ctrader.cli", "ctrader.cli.*", "ctrader.__main__"),
        sees=(
            *SYNC,
            "async api",
            "async drivers",
            "async client",
            "sync api",
            "sync drivers",
            "sync client",
            "exchange",
            "world",
            "server",
            "tops",
        ),
    ),
    # Lazy: what they name is loaded when it is used.
    "tops": Layer(PACKAGES, never=LOOPS),
}

CLOCKS: Final = frozenset(
    {
        "datetime.now",
        "datetime.today",
        "datetime.utcnow",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "date.today",
        "datetime.date.today",
        "os.environ",
        "os.getenv",
        "os.urandom",
    }
)
COMPUTED: Final = {
    # pandas, polars or pyarrow, when the user asks for its kind of table.
    "ctrader.models.history": frozenset({"?name"}),
}
"""Imports that are allowed although the source does not spell out what; by module."""

LOADERS: Final = frozenset({"__import__", "import_module", "importlib.import_module"})


# The rules


def violations(root: Path) -> list[str]:
    """List what breaks the order of the layers in the packages under a folder."""
    modules = dict(modules_under(root))
    found: list[str] = []
    for name, path in modules.items():
        layer_name = layer_of(name)
        if layer_name is None:
            found.append(
                f"{name} belongs to no layer: add it to the members of one in LAYERS of "
                f"tests/test_layers.py"
            )
            continue
        layer = LAYERS[layer_name]
        for line, target in imports_of(path, modules):
            if target in COMPUTED.get(name, ()):
                continue
            problem = refusal(layer_name, layer, target)
            if problem is not None:
                found.append(f"{name}:{line}: {problem}")
        if layer.is_timeless:
            found += [
                f"{name}:{line}: {layer_name} may not read {what}: pass it in"
                for line, what in readings_of(path)
            ]
    return found


def modules_under(root: Path) -> Iterator[tuple[str, Path]]:
    """Give the name and the file of each module of the packages."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def layer_of(module: str) -> str | None:
    """Find the layer of a module of ours."""
    for name, layer in LAYERS.items():
        if any(fnmatchcase(module, pattern) for pattern in layer.members):
            return name
    return None


def refusal(layer_name: str, layer: Layer, target: str) -> str | None:
    """Say why a module of a layer may not import another module, None if it may."""
    outermost = target.partition(".")[0]
    if outermost.startswith("?"):
        return f"{layer_name} may not import what only the running program knows: {target[1:]}"
    if outermost not in PACKAGES:
        return f"{layer_name} may not import {target}" if outermost in layer.never else None
    target_layer = layer_of(target)
    if target_layer is None:
        return f"{layer_name} may not import {target}, which is in no layer"
    if target_layer == layer_name or target_layer in layer.sees or target in layer.sees:
        return None
    return f"{layer_name} may not import {target}, which is in {target_layer}"


def imports_of(path: Path, known: Mapping[str, Path]) -> Iterator[tuple[int, str]]:
    """Give line and target of each import that happens at run time, wherever it stands."""
    for node in at_run_time(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield node.lineno, inner if inner in known else origin
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in LOADERS:
            # The lazy top levels of packages compute the name; they are known by their tables.
            for argument in node.args[:1]:
                if isinstance(argument, ast.Constant):
                    yield node.lineno, str(argument.value)
                elif path.name != "__init__.py":
                    yield node.lineno, f"?{ast.unparse(argument)}"


def readings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Give line and name of each use of a clock or of the environment."""
    for node in at_run_time(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in CLOCKS:
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            for alias in node.names:
                if f"os.{alias.name}" in CLOCKS:
                    yield node.lineno, f"os.{alias.name}"


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree without what stands under `if TYPE_CHECKING:`."""
    yield node
    children: list[ast.AST] = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and ast.unparse(node.test) in (
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    ):
        children = list(node.orelse)
    for child in children:
        yield from at_run_time(child)


# The packages


def test_imports_point_down_only():
    assert not violations(ROOT), "\n" + "\n".join(violations(ROOT))


def test_both_packages_are_read():
    names = {name for name, _ in modules_under(ROOT)}
    assert {"ctrader", "ctrader_sync", "ctrader.protocol.session", "ctrader_sync.driver"} <= names


def test_layers_below_are_named_before_those_above():
    order = list(LAYERS)
    for name, layer in LAYERS.items():
        for seen in layer.sees:
            below = seen if seen in LAYERS else layer_of(seen)
            assert below is not None
            assert order.index(below) < order.index(name) or below == "tops"


# The rules themselves: each of them fails on a tree that breaks it


def tree(root: Path, files: Mapping[str, str]) -> Path:
    """Write a small tree of modules."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("ctrader/errors.py", "from ctrader.events import SpotEvent"),
        ("ctrader/models/market.py", "import ctrader.protocol.session"),
        ("ctrader/protocol/session.py", "from ctrader.operations.base import read"),
        ("ctrader/protocol/session.py", "from ctrader import operations"),
        ("ctrader/operations/base.py", "from ctrader.api import base"),
        ("ctrader/api/base.py", "from ctrader.driver import Driver"),
        ("ctrader/driver.py", "from ctrader.client import CTraderClient"),
        ("ctrader/client.py", "import ctrader.cli"),
        ("ctrader/client.py", "from ctrader.simulator.server import Simulator"),
        ("ctrader/client.py", "from ctrader import SpotEvent"),
        ("ctrader/transport.py", "from ctrader.driver import Driver"),
        ("ctrader/client.py", "import ctrader_sync.client"),
        ("ctrader_sync/driver.py", "from ctrader.driver import Driver"),
        ("ctrader_sync/driver.py", "import ctrader.streams"),
        ("ctrader_sync/client.py", "from ctrader.client import CTraderClient"),
        ("ctrader_sync/api/auth.py", "from ctrader.api.base import BaseAPI"),
        ("ctrader_sync/api/auth.py", "from ctrader_sync.driver import Driver"),
        ("ctrader_sync/events.py", "from ctrader.api import *"),
        ("ctrader/simulator/exchange.py", "from ctrader.events import SpotEvent"),
        ("ctrader/simulator/exchange.py", "from ctrader.protocol.session import Session"),
        ("ctrader/simulator/exchange.py", "from ctrader.protocol import limiter"),
        ("ctrader/simulator/session.py", "from ctrader.simulator.server import Simulator"),
        ("ctrader/simulator/world.py", "from ctrader.driver import Driver"),
        ("ctrader/simulator/server.py", "from ctrader.cli import app"),
        ("ctrader/simulator/server.py", "from ctrader.simulator.world import World"),
        ("ctrader/__init__.py", "from ctrader.client import CTraderClient"),
        ("ctrader_sync/__init__.py", "from ctrader_sync.client import SyncCTraderClient"),
        ("ctrader/protocol/link.py", "module = import_module('ctrader.client')"),
        ("ctrader/protocol/link.py", "module = __import__('ctrader.client')"),
    ],
)
def test_import_of_a_layer_above_is_found(tmp_path: Path, module: str, line: str):
    targets = {
        "ctrader/operations/__init__.py": "",
        "ctrader/protocol/limiter.py": "",
        "ctrader/api/base.py": "",
    }
    found = violations(tree(tmp_path, {**targets, module: line}))
    assert len(found) == 1, found
    assert "may not import ctrader" in found[0]


@pytest.mark.parametrize("folder", ["protocol", "operations"])
@pytest.mark.parametrize(
    "outside",
    [
        "socket",
        "ssl",
        "threading",
        "asyncio",
        "anyio",
        "trio",
        "httpx",
        "time",
        "random",
        "asyncio.events",
    ],
)
def test_core_without_input_output_clock_and_chance(tmp_path: Path, folder: str, outside: str):
    for line in (f"import {outside}", f"from {outside} import something"):
        found = violations(tree(tmp_path, {f"ctrader/{folder}/thing.py": line}))
        assert found == [f"ctrader.{folder}.thing:1: {folder} may not import {outside}"]


@pytest.mark.parametrize("folder", ["protocol", "operations"])
@pytest.mark.parametrize(
    "line",
    [
        "import os; home = os.environ['HOME']",
        "import os; home = os.getenv('HOME')",
        "from os import environ",
        "from datetime import datetime; now = datetime.now()",
        "import datetime; now = datetime.datetime.now(datetime.UTC)",
    ],
)
def test_core_reads_neither_clock_nor_environment(tmp_path: Path, folder: str, line: str):
    found = violations(tree(tmp_path, {f"ctrader/{folder}/thing.py": line}))
    assert len(found) == 1, found
    assert "may not read" in found[0]


@pytest.mark.parametrize(
    ("module", "outside"),
    [
        ("ctrader/api/trading.py", "anyio"),
        ("ctrader/transport.py", "anyio"),
        ("ctrader_sync/driver.py", "asyncio"),
        ("ctrader_sync/client.py", "httpx"),
        ("ctrader/simulator/exchange.py", "time"),
        ("ctrader/simulator/world.py", "socket"),
        ("ctrader/config.py", "trio"),
        ("ctrader/__init__.py", "anyio"),
    ],
)
def test_event_loop_where_none_belongs_is_found(tmp_path: Path, module: str, outside: str):
    found = violations(tree(tmp_path, {module: f"import {outside}"}))
    assert len(found) == 1, found
    assert found[0].endswith(f"may not import {outside}")


def test_import_inside_a_function_counts(tmp_path: Path):
    text = "def late():\n    if True:\n        from ctrader.client import CTraderClient\n"
    found = violations(tree(tmp_path, {"ctrader/errors.py": text}))
    assert found == [
        "ctrader.errors:3: vocabulary may not import ctrader.client, which is in async client"
    ]


def test_import_that_cannot_be_told_counts(tmp_path: Path):
    found = violations(
        tree(tmp_path, {"ctrader/errors.py": "module = importlib.import_module(name)"})
    )
    assert found == [
        "ctrader.errors:1: vocabulary may not import what only the running program knows: name"
    ]


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_import_for_type_checkers_counts_as_none(tmp_path: Path, test: str):
    text = f"if {test}:\n    from ctrader.client import CTraderClient\n"
    assert not violations(tree(tmp_path, {"ctrader/errors.py": text}))
    other = f"{text}else:\n    import ctrader.driver\n"
    assert len(violations(tree(tmp_path, {"ctrader/errors.py": other}))) == 1
    opposite = f"if not {test}:\n    import ctrader.driver\n"
    assert len(violations(tree(tmp_path, {"ctrader/errors.py": opposite}))) == 1


def test_module_without_a_layer_is_told_where_to_go(tmp_path: Path):
    files = {"ctrader/novelty.py": "", "ctrader/simulator/novelty.py": "", "ctrader/errors.py": ""}
    found = violations(tree(tmp_path, files))
    assert [text.partition(" ")[0] for text in found] == [
        "ctrader.novelty",
        "ctrader.simulator.novelty",
    ]
    assert all("LAYERS of tests/test_layers.py" in text for text in found)


def test_imports_that_point_down_are_fine(tmp_path: Path):
    assert not violations(
        tree(
            tmp_path,
            {
                "ctrader/protocol/session.py": "import struct\nfrom ctrader.errors import A\n",
                "ctrader/api/auth.py": "import time\nfrom ctrader.operations import auth\n",
                "ctrader/driver.py": "import anyio, socket\nfrom ctrader.transport import a\n",
                "ctrader_sync/driver.py": "import threading\nfrom ctrader.transport import a\n",
                "ctrader/simulator/session.py": "from ctrader.protocol.framing import a\n",
                "ctrader/cli/demo.py": "from ctrader_sync import SyncCTraderClient\n",
            },
        )
    )
