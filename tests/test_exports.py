"""The lazy top levels: what can be imported from where, and that both packages agree."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

import ctrader
import ctrader_sync

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = (ctrader, ctrader_sync)
SUBMODULES: Final = ("config", "enums", "errors", "events", "models")

TWINS: Final = {
    "AccountsAPI",
    "AuthManager",
    "EventStream",
    "MarketDataAPI",
    "Protocol",
    "SymbolsAPI",
    "TradingAPI",
}
"""Names that stand for another object in each package; all others stand for the same."""


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_resolves(package: ModuleType):
    assert package.__all__
    for name in package.__all__:
        assert getattr(package, name) is not None


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_public_names_are_unique_and_public(package: ModuleType):
    names: list[str] = package.__all__
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith("_")]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_dir_lists_every_public_name(package: ModuleType):
    assert set(package.__all__) <= set(dir(package))
    assert dir(package) == sorted(set(dir(package)))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_misspelt_name_raises(package: ModuleType):
    with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'SpotEvnt'"):
        _ = package.SpotEvnt
    with pytest.raises(ImportError, match="cannot import name 'SpotEvnt'"):
        exec(f"from {package.__name__} import SpotEvnt", {})


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_star_import_gives_every_public_name(package: ModuleType):
    namespace: dict[str, object] = {}
    exec(f"from {package.__name__} import *", namespace)
    assert set(package.__all__) <= namespace.keys()


def test_name_that_was_used_is_kept():
    value = ctrader.SpotEvent
    assert vars(ctrader)["SpotEvent"] is value


def test_both_packages_export_the_same_names():
    assert set(ctrader.__all__) - {"CTraderClient"} == (
        set(ctrader_sync.__all__) - {"SyncCTraderClient"}
    )
    assert "CTraderClient" in ctrader.__all__
    assert "SyncCTraderClient" in ctrader_sync.__all__


def test_both_packages_export_the_same_objects_apart_from_the_twins():
    shared = set(ctrader.__all__) & set(ctrader_sync.__all__)
    different = {
        name for name in shared if getattr(ctrader, name) is not getattr(ctrader_sync, name)
    }
    assert different == TWINS
    for name in TWINS:
        assert getattr(ctrader, name).__module__.startswith("ctrader.")
        assert getattr(ctrader_sync, name).__module__.startswith("ctrader_sync.")


@pytest.mark.parametrize("name", SUBMODULES)
def test_submodules_are_the_same_in_both_packages(name: str):
    ours = import_module(f"ctrader.{name}")
    twin = import_module(f"ctrader_sync.{name}")
    assert ours.__all__
    assert ours.__all__ == twin.__all__
    for public in ours.__all__:
        assert getattr(ours, public) is getattr(twin, public)


def test_exported_class_comes_from_its_module():
    for name in SUBMODULES:
        module = import_module(f"ctrader.{name}")
        exported = [public for public in module.__all__ if public in ctrader.__all__]
        assert exported
        for public in exported:
            assert getattr(ctrader, public) is getattr(module, public)


@pytest.mark.codegen  # needs the formatter
def test_generated_top_levels_are_up_to_date():
    done = subprocess.run(
        [sys.executable, "scripts/gen_exports.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
