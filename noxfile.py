"""The checks of this project; `nox` alone runs everything that a change must pass.

By name: `fmt` rewrites the layout, `docs` builds the API reference, `coverage` measures what the
tests of everything reach, `replay` runs the simulator on
real hourly bars, `foreign` runs clients that others wrote against it, `long` runs the long
tests, `torture` runs ten thousand hours under faults, `sabotage` proves that bugs would be
noticed, `fuzz` looks for bytes that nobody foresaw.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "generated", "tests", "tests_other", "hostile"]

OLDEST = "3.11"
OTHERS = ["3.12", "3.13"]
CHECKED = ["ctrader", "ctrader_sync", "tests", "examples", "benchmarks", "scripts", "noxfile.py"]
WORKERS = "4"  # on two cores: many tests wait for sockets and programs
# Each worker would rewrite the assertions of every test, at a third of what the tests cost. Where
# one fails without its values, `nox -s tests -- tests/...` of that file tells them.
PLAIN = "--assert=plain"
FOREIGN = {
    "--official": ("3.11", "ctrader-open-api==0.9.2"),
    "--api-client": ("3.12", "ctrader-api-client==0.12.0"),
}
MEASURED = ["--cov", "--cov-report=term", "--cov-fail-under=95"]
# The longest tests come first, and are handed out one at a time: no worker gets all of them.
EVENLY = "--maxschedchunk=1"
USUAL = "not long and not torture and not replay"
# Tests that do the same again and again, or start programs: tracing would only slow them down.
UNMEASURED = [
    "adversity",
    "clients/test_order_kills.py",
    "clients/test_token_kills.py",
    "examples",
    "fuzz",
    "live/test_random_trading.py",
    "protocol/test_hostile_bytes.py",
    "protocol/test_invariants.py",
    "sabotage",
    "torture",
]
# Tests of what Pythons differ in most: sockets, threads, files and processes.
TOUCHING = [
    "tests/cli",
    "tests/clients",
    "tests/journal",
    "tests/test_imports.py",
    "tests/test_transport.py",
    "tests/tokens",
]
# Tests that only compute, and those that strike or flood a client for long.
ONCE = [
    "adversity/test_cancellation.py",
    "adversity/test_flood.py",
    "adversity/test_interruption.py",
    "adversity/test_storms.py",
    "clients/test_order_kills.py",
    "clients/test_token_kills.py",
    "fuzz",
    "live",
    "protocol/test_hostile_bytes.py",
    "protocol/test_invariants.py",
    "simulator",
    "sabotage",
    "torture",
]

PYPROJECT = nox.project.load_toml("pyproject.toml")


def group(*names: str) -> list[str]:
    """List the requirements of dependency groups, for a pip of any age."""
    return list(nox.project.dependency_groups(PYPROJECT, *names))


@nox.session(python=OLDEST)
def fmt(session: nox.Session) -> None:
    """Rewrite the layout of every file, and what the linter can mend by itself."""
    session.install(*group("lint"))
    session.run("ruff", "check", "--fix-only", ".")
    session.run("ruff", "format", ".")


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Check layout and lint rules."""
    session.install(*group("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Run both type checkers, strict, over packages, tests, examples and scripts."""
    session.install(".[cli]", *group("test", "types"))

    def check(checker: str) -> object:
        return session.run(checker, *CHECKED)

    with ThreadPoolExecutor() as both:
        list(both.map(check, ("mypy", "pyright")))


@nox.session(python=OLDEST)
def generated(session: nox.Session) -> None:
    """Check that generated files are what their generators write."""
    session.install(*group("codegen", "lint"))
    session.run("python", "scripts/gen_protos.py", "--check")
    session.run("python", "scripts/gen_sync.py", "--check")
    session.run("python", "scripts/gen_exports.py", "--check")


@nox.session(python=OLDEST)
def tests(session: nox.Session) -> None:
    """Run the tests on the oldest Python; the long ones have a session of their own."""
    session.install(".[cli]", *group("test", "codegen", "lint"))
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run("pytest", PLAIN, EVENLY, "-n", WORKERS, "-m", USUAL)


@nox.session(python=OTHERS)
def tests_other(session: nox.Session) -> None:
    """Run what may differ on another Python, with the newest dependencies.

    What only computes, such as a broker under virtual time, comes out alike everywhere and runs on
    the oldest Python alone; the broker on sockets is part of every scenario. A Python between the
    oldest and the newest runs what touches the system. The newest measures which lines of the
    clients are reached, for there that costs next to nothing.

    Without the compiler's group, protobuf is the newest that the range allows: the upper end is
    tested here, the lower end in `tests`.
    """
    session.install(".[cli]", *group("test"))
    # Without the rewriting of assertions, more workers cost less than they wait.
    usual = [PLAIN, EVENLY, "-n", "6", "-m", f"{USUAL} and not codegen", *ignored(ONCE)]
    if session.posargs:
        session.run("pytest", *usual, *session.posargs)
    elif session.python == OTHERS[-1]:
        cheaply = {"COVERAGE_CORE": "sysmon", "COVERAGE_OMIT": "*/simulator/*"}
        session.run("pytest", *usual, *MEASURED, env=cheaply)
    else:
        session.run("pytest", *usual, *TOUCHING)


@nox.session(python=OLDEST)
def coverage(session: nox.Session) -> None:
    """Measure which lines and branches the tests reach of everything, the simulator as well."""
    session.install(".[cli]", *group("test", "codegen", "lint"))
    usual = [PLAIN, EVENLY, "-n", WORKERS, "-m", USUAL, *ignored(UNMEASURED)]
    session.run("pytest", *usual, *MEASURED, "--cov-branch")


def ignored(paths: list[str]) -> list[str]:
    """Return what leaves tests out."""
    return [f"--ignore=tests/{path}" for path in paths]


@nox.session(python=OLDEST)
def long(session: nox.Session) -> None:
    """Run the long tests, as thousands of random accounts, and properties on new examples."""
    session.install(".[cli]", *group("test"))
    session.run("pytest", "-n", WORKERS, "-m", "long and not replay", *session.posargs)
    if not session.posargs:
        hunting = ["-m", "hypothesis and not long", "--hypothesis-profile=hunting"]
        session.run("pytest", "-n", WORKERS, *hunting)


@nox.session(python=OLDEST)
def hostile(session: nox.Session) -> None:
    """Run a thousand simulated hours under faults, and compare with the broker's ledger."""
    session.install(".[simulator]")
    seeds = session.posargs or ["--seeds", "0-999"]
    session.run("python", "-m", "tests.torture", "--jobs", "2", *seeds)


@nox.session(python=OLDEST)
def torture(session: nox.Session) -> None:
    """Run ten thousand simulated hours under faults, kill processes, and report the figures."""
    session.install(".[simulator]", *group("test"))
    seeds = session.posargs or ["--seeds", "0-9999"]
    session.run("python", "-m", "tests.torture", "--jobs", "2", *seeds)
    session.run("python", "-m", "tests.journal.kills", "--count", "500")
    session.run("python", "-m", "tests.clients.order_kills", "--count", "500")
    session.run("python", "-m", "tests.clients.token_kills", "--count", "500", "--races", "200")
    session.run("python", "-m", "tests.adversity.storms")
    session.run("pytest", "-m", "torture")


@nox.session(python=OLDEST)
def sabotage(session: nox.Session) -> None:
    """Put bugs into a copy, one after the other, and see that the tests notice each."""
    session.install(".[cli]", *group("test"))
    session.run("python", "-m", "tests.sabotage", "--jobs", "2", *session.posargs)


@nox.session(python=OLDEST)
def replay(session: nox.Session) -> None:
    """Run the simulator and both clients on real EURUSD hours.

    The bars are a file inside the package `backtesting`. It is read, never imported, so the
    package comes without its dependencies.
    """
    session.install(".[simulator]", *group("test"))
    session.install("--no-deps", "backtesting>=0.3.3,<1")
    session.run("pytest", "tests/replay", "-m", "replay", *session.posargs)


@nox.session(python=OLDEST)
def foreign(session: nox.Session) -> None:
    """Run clients that others wrote against `ctrader simulator`, and compare with its ledger.

    Each client has an environment of its own, on a Python that its pins allow, in which nothing of
    this project can be imported. It needs a POSIX system.
    """
    session.install(".[cli]", "virtualenv")
    folder = Path(session.create_tmp())
    arguments: list[str] = []
    for option, (python, requirement) in FOREIGN.items():
        home = folder / option.strip("-")
        session.run("virtualenv", "--quiet", "--python", python, str(home))
        interpreter = str(home / "bin" / "python")
        session.run(interpreter, "-m", "pip", "install", "--quiet", requirement, external=True)
        arguments += [option, interpreter]
    session.run("python", "-m", "tests.foreign", *arguments, *session.posargs)


@nox.session(python=OLDEST)
def fuzz(session: nox.Session) -> None:
    """Fuzz whatever reads bytes, guided by coverage: a minute for each target.

    One target for longer: `nox -s fuzz -- --target decoders --seconds 3600`.
    """
    session.install(".[simulator]", *group("test", "fuzz"))
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session(python=OLDEST)
def recordings(session: nox.Session) -> None:
    """Hold models and simulator against what a real server was recorded to say.

    The recordings are no part of the repository: `nox -s recordings -- --recordings PATH`.
    """
    if not any(each.partition("=")[0] == "--recordings" for each in session.posargs):
        session.error(
            "say where the folder of recordings is: nox -s recordings -- --recordings PATH"
        )
    session.install(".[simulator]", *group("test"))
    session.run("pytest", "tests/recordings", *session.posargs)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Build the API reference from the docstrings into build/docs."""
    session.install(".[cli]", *group("docs"))
    target = Path("build") / "docs"
    session.run("pdoc", "--docformat", "google", "-o", str(target), "ctrader", "ctrader_sync")
    session.log(f"open {target / 'index.html'}")
