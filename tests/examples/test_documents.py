"""Every block of Python in README and docs runs, and every link leads somewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from ctrader import ClientConfig, CTraderClient
from ctrader.protocol.mailbox import CAPACITY, LIMIT
from ctrader.simulator import Simulator
from tests.examples.documents import (
    KINDS,
    PAGES,
    ROOT,
    Block,
    blocks,
    blocks_of,
    run_async_fragment,
    run_sync_fragment,
)


def named(block: Block) -> str:
    return block.name


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize("block", blocks("python"), ids=named)
def test_program_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # what it writes is not the project's
    block.run({"__name__": "__main__"})


@pytest.mark.parametrize("block", blocks("python sync"), ids=named)
def test_sync_fragment_runs(block: Block, simulator: Simulator):
    run_sync_fragment(block, simulator)


@pytest.mark.anyio
@pytest.mark.parametrize("block", blocks("python async"), ids=named)
async def test_async_fragment_runs(block: Block, simulator: Simulator):
    await run_async_fragment(block, simulator)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_python_escapes_the_run(page: Path):
    marks = {block.info for block in blocks_of(page)}
    assert not {mark for mark in marks if mark.startswith("py") and mark not in KINDS}
    assert "" not in marks, "every block names its language"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_lead_to_a_file(page: Path):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_every_page_is_reached_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in PAGES if page.parent.name == "docs"} - {"index.md"}
    assert {page for page in pages if f"({page})" not in index} == set()


def test_methods_page_has_a_line_for_every_method():
    client = CTraderClient(ClientConfig(client_id="app", client_secret="secret"))
    rooms = {
        name: type(getattr(client, name))
        for name, member in vars(CTraderClient).items()
        if isinstance(member, property)
        and type(getattr(client, name)).__module__.startswith("ctrader.api.")
    }
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    sections = dict(
        re.findall(r"^## `client\.?(\w*)`\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE)
    )
    assert sections.keys() == {"", *rooms}
    for name, room in {"": CTraderClient, **rooms}.items():
        members = {each for each in vars(room) if not each.startswith("_")} - rooms.keys()
        written = re.findall(r"^\| `(\w+)` \| (.+) \|$", sections[name], re.MULTILINE)
        assert written == [
            (each, (inspect.getdoc(getattr(room, each)) or "").splitlines()[0])
            for each, _ in written
        ]
        assert {each for each, _ in written} == members


def test_events_page_names_the_bounds_of_mailboxes():
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    assert f"Beyond {CAPACITY:,} waiting" in page
    assert f"at {LIMIT:,} that one consumer fails" in page


def test_readme_names_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "\npip install '.[cli]' && ctrader demo" in readme
    assert "\npip install nox && nox" in readme
