"""Everything public says what it is for, in a shape that readers and tools understand."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, TypeAlias

import pytest

import ctrader

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("ctrader", "ctrader_sync")
GENERATED: Final = ROOT / "ctrader" / "proto"
"""Written by the compiler of the schema; its words are the schema's."""

MAX_FIRST_LINE: Final = 80

SECTIONS: Final = frozenset(
    {"Args", "Example", "Examples", "Note", "Raises", "Returns", "Warning", "Yields"}
)
ENUMS: Final = frozenset({"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "WireEnum"})
FIELDS_SPEAK_IN: Final = ("config", "credentials", "enums", "errors", "events", "models")
"""Modules whose annotated attributes are fields that users read, each with its own text."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


# The rules


def offences(source: str, name: str, *, with_fields: bool) -> list[str]:
    """List what is missing or malformed in a module's docstrings."""
    tree = ast.parse(source)
    found = list(about_text(name, ast.get_docstring(tree)))
    for node in tree.body:
        found += about(node, name, with_fields=with_fields)
    return found


def about(node: ast.stmt, owner: str, *, with_fields: bool) -> Iterator[str]:
    """List the offences of one statement of a module or class."""
    if isinstance(node, Function):
        if is_public(node.name) and not is_overload(node):
            label = f"{owner}.{node.name}"
            yield from about_text(label, ast.get_docstring(node))
            yield from about_sections(label, ast.get_docstring(node) or "", node)
    elif isinstance(node, ast.ClassDef) and is_public(node.name):
        label = f"{owner}.{node.name}"
        text = ast.get_docstring(node)
        yield from about_text(label, text)
        yield from about_sections(label, text or "", None)
        for child in node.body:
            yield from about(child, label, with_fields=with_fields)
        yield from about_fields(node, label, with_fields=with_fields)


def about_text(label: str, text: str | None) -> Iterator[str]:
    """List what is wrong with the first line of a docstring."""
    if not text:
        yield f"{label}: no docstring"
        return
    first, _, rest = text.partition("\n")
    if len(first) > MAX_FIRST_LINE:
        yield f"{label}: the first line has {len(first)} characters, {MAX_FIRST_LINE} at most"
    if not first.endswith((".", "?", "!", ":")):
        yield f"{label}: the first line does not end a sentence: {first!r}"
    if rest and not rest.startswith("\n"):
        yield f"{label}: no empty line after the first line"


def about_fields(node: ast.ClassDef, label: str, *, with_fields: bool) -> Iterator[str]:
    """List the members and fields of a class that have no text below them."""
    is_enum = any(base_name(base) in ENUMS for base in node.bases)
    for child, below in zip(node.body, [*node.body[1:], None], strict=True):
        names: list[str] = []
        if is_enum and isinstance(child, ast.Assign):
            names = [target.id for target in child.targets if isinstance(target, ast.Name)]
        elif with_fields and isinstance(child, ast.AnnAssign) and is_field(child):
            names = [ast.unparse(child.target)]
        for field in names:
            if not is_public(field):
                continue
            if not is_literal(below):
                yield f"{label}.{field}: no text below it"
            elif len(first := literal(below).strip().partition("\n")[0]) > MAX_FIRST_LINE:
                yield f"{label}.{field}: the first line has {len(first)} characters"
            elif not first.endswith((".", "?", "!", ":")):
                yield f"{label}.{field}: the first line does not end a sentence: {first!r}"


def about_sections(label: str, text: str, function: Function | None) -> Iterator[str]:
    """List what is wrong with the sections of a docstring."""
    for section, entries in sections_of(text):
        if section not in SECTIONS:
            yield f"{label}: no section is called {section!r}"
        elif not entries:
            yield f"{label}: the section {section} is empty"
        elif section == "Args" and function is not None:
            yield from about_arguments(label, entries, function)
        elif section == "Raises":
            yield from about_errors(label, entries)


def about_arguments(label: str, entries: list[str], function: Function) -> Iterator[str]:
    """List described arguments that the function does not take."""
    taken = {
        argument.arg
        for argument in ast.walk(function.args)
        if isinstance(argument, ast.arg) and argument.arg not in ("self", "cls")
    }
    for entry in entries:
        match = re.match(r"\**(\w+)(?: \([^)]*\))?: \S", entry)
        if match is None:
            yield f"{label}: this is no `name: text` of an argument: {entry!r}"
        elif match[1] not in taken:
            yield f"{label}: takes no argument {match[1]!r}"


def about_errors(label: str, entries: list[str]) -> Iterator[str]:
    """List described errors that do not exist."""
    for entry in entries:
        match = re.match(r"([\w.]+): \S", entry)
        if match is None:
            yield f"{label}: this is no `Error: text`: {entry!r}"
        elif not is_error(match[1]):
            yield f"{label}: there is no error {match[1]!r}"


def sections_of(text: str) -> Iterator[tuple[str, list[str]]]:
    """Give the sections of a docstring with their entries; continued lines are joined."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        match = re.match(r"([A-Z]\w+):(?: (\S.*))?$", line)
        # A sentence that ends in a colon is no heading; nor is a word before a text of prose.
        if match is None or (match[1] not in SECTIONS and match[2]):
            continue
        if match[1] not in SECTIONS and number and lines[number - 1].strip():
            continue
        entries = [match[2]] if match[2] else []
        indent: int | None = None
        for below in lines[number + 1 :]:
            if not below.strip():
                continue
            depth = len(below) - len(below.lstrip())
            if not depth:
                break
            if indent is None:
                indent = depth
            if depth > indent and entries:
                entries[-1] += f" {below.strip()}"
            else:
                entries.append(below.strip())
        yield match[1], joined(match[1], entries)


def joined(section: str, entries: list[str]) -> list[str]:
    """Join lines that go on with an entry although they are not indented more than it."""
    if section not in ("Args", "Raises"):
        return entries
    whole: list[str] = []
    for entry in entries:
        if whole and not re.match(r"\**\w+(?: \([^)]*\))?:(?: |$)", entry):
            whole[-1] += f" {entry}"
        else:
            whole.append(entry)
    return whole


def is_public(name: str) -> bool:
    return not name.startswith("_")


def is_overload(node: Function) -> bool:
    # A setter's text is the property's.
    return any(
        ast.unparse(decorator).endswith(("overload", ".setter", ".deleter"))
        for decorator in node.decorator_list
    )


def is_field(node: ast.AnnAssign) -> bool:
    return isinstance(node.target, ast.Name) and "ClassVar" not in ast.unparse(node.annotation)


def is_literal(node: ast.stmt | None) -> bool:
    return bool(literal(node).strip())


def literal(node: ast.stmt | None) -> str:
    """Return the text of a statement that is nothing but a string."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else ""
    return ""


def is_error(name: str) -> bool:
    """Whether an error of this name exists: ours, Python's, or `module.Error` of a library."""
    module, _, short = name.rpartition(".")
    if module:
        found: object = getattr(import_module(module), short, None)
    else:
        found = getattr(ctrader, name, None) or getattr(builtins, name, None)
    is_known = isinstance(found, type) and issubclass(found, BaseException)
    return is_known or name in LOCAL_ERRORS


def base_name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def public_modules() -> Iterator[tuple[str, Path]]:
    """Give name and path of every module that is not private or generated from the schema."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if GENERATED in path.parents or any(
                part.startswith("_") and not part.startswith("__") for part in parts
            ):
                continue
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def speaks_in_fields(module: str) -> bool:
    return module.split(".")[1:2] != [] and module.split(".")[1] in FIELDS_SPEAK_IN


def local_errors() -> frozenset[str]:
    """Return the errors that are not exported, which modules define for themselves."""
    return frozenset(
        node.name
        for _, path in public_modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(base_name(base).endswith(("Error", "Exception")) for base in node.bases)
    )


LOCAL_ERRORS: Final = local_errors()


# The packages


def test_everything_public_has_a_docstring_in_shape():
    found: list[str] = []
    for name, path in public_modules():
        source = path.read_text("utf-8")
        found += offences(source, name, with_fields=speaks_in_fields(name))
    assert not found, f"{len(found)} offences:\n" + "\n".join(found)


def test_packages_are_read():
    names = {name for name, _ in public_modules()}
    assert {"ctrader", "ctrader.events", "ctrader.models.orders", "ctrader_sync.client"} <= names
    assert not [name for name in names if name.startswith("ctrader.proto.")]


# The rules themselves


GOOD: Final = '''"""Do it."""

class Thing(Struct):
    """Be a thing.

    Example:
        thing = Thing()

    Raises: ConfigurationError: it makes no sense.
            InsecureTransportError: nor is it safe, which
                takes two lines to say.
    """

    price: int
    """In points."""
    kind: ClassVar[int]
    _hidden: int

    def move(self, far: int, *, timeout: float | None = None) -> int:
        """Move it.

        It goes on, for this reason: nothing stops it.

        Args:
            far: In points
                and further.
            timeout: Seconds.

        Returns: The place
            where it is.

        Raises:
            ValueError: it is too far.
        """

    def _private(self): ...
    @overload
    def moved(self): ...


class Side(IntEnum):
    """Which side."""

    BUY = 1
    """Buy."""
'''


def test_docstrings_in_shape_are_fine():
    assert offences(GOOD, "m", with_fields=True) == []


@pytest.mark.parametrize(
    ("old", "new", "offence"),
    [
        ('"""Do it."""', "", "m: no docstring"),
        ('"""Do it."""', '"""Do it"""', "m: the first line does not end a sentence: 'Do it'"),
        ("Do it.", f"Do {'it' * 50}.", "m: the first line has 104 characters, 80 at most"),
        ("Be a thing.\n\n", "Be a thing.\n", "m.Thing: no empty line after the first line"),
        ('    """In points."""\n', "", "m.Thing.price: no text below it"),
        (
            '"""In points."""',
            '"""In points"""',
            "m.Thing.price: the first line does not end a sentence: 'In points'",
        ),
        ('    """Buy."""\n', "", "m.Side.BUY: no text below it"),
        ('    """Which side."""\n', "", "m.Side: no docstring"),
        ("far: In points", "near: In points", "m.Thing.move: takes no argument 'near'"),
        (
            "far: In points",
            "- far, in points",
            "m.Thing.move: this is no `name: text` of an argument: '- far, in points and further.'",
        ),
        ("Args:", "Arguments:", "m.Thing.move: no section is called 'Arguments'"),
        ("ValueError: it", "ValueErr: it", "m.Thing.move: there is no error 'ValueErr'"),
        ("ConfigurationError: it", "Oops: it", "m.Thing: there is no error 'Oops'"),
        (
            "            ValueError: it is too far.\n",
            "",
            "m.Thing.move: the section Raises is empty",
        ),
        (
            "    def _private(self): ...",
            "    def public(self): ...",
            "m.Thing.public: no docstring",
        ),
        ("    @overload\n", "", "m.Thing.moved: no docstring"),
        ("    _hidden: int", "    hidden: int", "m.Thing.hidden: no text below it"),
    ],
)
def test_offence_is_found(old: str, new: str, offence: str):
    assert old in GOOD
    assert offences(GOOD.replace(old, new, 1), "m", with_fields=True) == [offence]


def test_fields_may_be_silent_where_they_are_no_data_of_users():
    silent = GOOD.replace('    """In points."""\n', "")
    assert offences(silent, "m", with_fields=False) == []
