"""The table of bugs is true: each still applies, and names tests that exist."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.sabotage.patches import PATCHES, Patch

ROOT: Final = Path(__file__).parents[2]

EACH = pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)


@cache
def functions(path: str) -> frozenset[str]:
    """Names of the test functions in a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


def test_there_are_enough_bugs_and_no_two_of_one_name():
    assert len({patch.name for patch in PATCHES}) == len(PATCHES) >= 25


@EACH
def test_bug_applies_to_one_place_and_is_a_change_that_parses(patch: Patch):
    text = (ROOT / patch.path).read_text("utf-8")
    assert text.count(patch.old) == 1
    changed = text.replace(patch.old, patch.new)
    assert changed != text
    ast.parse(changed)


@EACH
def test_bug_names_tests_that_exist(patch: Patch):
    assert patch.caught_by
    for name in patch.caught_by:
        path, _, function = name.partition("::")
        assert function.partition("[")[0] in functions(path)
