"""List everything that both packages offer, to be compared with the list that is kept.

The list is `surface.txt` beside this file, a line for each name that a user can write: classes
with their bases, methods with their parameters, properties, fields, enum members and constants. To
renew it on purpose, after a name came or went: `python -m tests.coverage_of_schema.surface`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import EnumMeta
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Final

import ctrader
import ctrader_sync

__all__ = ["RENEWAL", "differences", "kept", "present"]

RENEWAL: Final = "python -m tests.coverage_of_schema.surface"
"""The command that writes the list anew."""

_SHOWN_OR_STORED: Final = {
    "__format__",
    "__hash__",
    "__reduce__",
    "__reduce_ex__",
    "__repr__",
    "__setattr__",
    "__str__",
}
"""Methods that nobody calls by name or by syntax: how an object is shown, copied and guarded."""
_KEPT: Final = Path(__file__).with_name("surface.txt")
_PACKAGES: Final = (ctrader, ctrader_sync)
_SOURCES: Final = tuple(Path(str(package.__file__)).resolve().parent for package in _PACKAGES)


def kept() -> list[str]:
    """Read the list that is kept."""
    return _KEPT.read_text("utf-8").splitlines()


def present() -> list[str]:
    """List what there is now, sorted."""
    lines = {line for package in _PACKAGES for line in _of_package(package)}
    return sorted(lines)


def differences(before: list[str], now: list[str]) -> str:
    """Tell what is gone and what is new, and what to do about it; empty if nothing is."""
    gone = [f"gone: {line}" for line in sorted({*before} - {*now})]
    new = [f"new: {line}" for line in sorted({*now} - {*before})]
    if not gone and not new:
        return ""
    return "\n".join(
        [
            "What the packages offer is not what surface.txt says.",
            *gone,
            *new,
            f"If that is meant, renew the list: {RENEWAL}",
        ]
    )


# Private


def _of_package(package: ModuleType) -> Iterator[str]:
    for name in package.__all__:
        thing: object = getattr(package, name)
        place = f"{package.__name__}.{name}"
        if package is not ctrader and getattr(ctrader, name, None) is thing:
            yield f"{place}: the same as in ctrader"
        elif isinstance(thing, type):
            yield from _of_class(place, thing, package)
        elif isinstance(thing, FunctionType):
            yield f"{place}{_parameters(thing, 0)}: function"
        else:
            yield f"{place}: constant"


def _of_class(place: str, cls: type, package: ModuleType) -> Iterator[str]:
    """List a class and what is its own: what bases offer that are exported stands with them."""
    exported = [
        base
        for base in cls.__mro__[1:]
        if base.__name__ in package.__all__ and getattr(package, base.__name__) is base
    ]
    hidden = {kind for base in exported for kind in base.__mro__}
    bases = [base.__name__ for base in cls.__bases__ if base in exported]
    yield f"{place}: class" + (f" of {', '.join(bases)}" if bases else "")
    found: dict[str, str] = {}
    for base in cls.__mro__:
        if base not in hidden and _is_ours(base):
            for name, line in _of_namespace(base):
                found.setdefault(name, f"{place}.{line}")
    yield from found.values()


def _of_namespace(cls: type) -> Iterator[tuple[str, str]]:
    """List what the body of one class defines, each name with its line."""
    members = set(cls.__members__) if isinstance(cls, EnumMeta) else set[str]()
    for name in members:
        yield name, f"{name}: member"
    for name, note in inspect.get_annotations(cls).items():
        is_constant = "ClassVar" in str(note) or "Final" in str(note)
        if not name.startswith("_") and name not in members:
            yield name, f"{name}: {'constant' if is_constant else 'field'}"
    for name, member in vars(cls).items():
        is_private = name.startswith("_") and not name.endswith("__")
        function = _function_of(member)
        if is_private or name in members or name in _SHOWN_OR_STORED or function is None:
            continue
        yield name, f"{name}{_told(member, function)}"


def _function_of(member: object) -> FunctionType | None:
    """Return the function behind a member that was written here, not made by a library."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, classmethod | staticmethod):
        member = member.__func__
    if not isinstance(member, FunctionType):
        return None
    source = Path(member.__code__.co_filename).resolve()
    return member if any(folder in source.parents for folder in _SOURCES) else None


def _told(member: object, function: FunctionType) -> str:
    if isinstance(member, property):
        return ": property"
    kind = "async method" if inspect.iscoroutinefunction(function) else "method"
    if isinstance(member, staticmethod):
        return f"{_parameters(function, 0)}: static {kind}"
    if isinstance(member, classmethod):
        return f"{_parameters(function, 1)}: class {kind}"
    return f"{_parameters(function, 1)}: {kind}"


def _parameters(function: FunctionType, skipped: int) -> str:
    """Write the names of the parameters; those that have a default as `name=...`."""
    signature = inspect.signature(function)
    plain = [
        parameter.replace(
            annotation=parameter.empty,
            default=parameter.empty if parameter.default is parameter.empty else ...,
        )
        for parameter in list(signature.parameters.values())[skipped:]
    ]
    text = str(signature.replace(parameters=plain, return_annotation=signature.empty))
    return text.replace("=Ellipsis", "=...")


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in {package.__name__ for package in _PACKAGES}


if __name__ == "__main__":
    _KEPT.write_text("".join(f"{line}\n" for line in present()), "utf-8")
