"""Files of tokens: who may read them, what a crash leaves, and what Windows is like."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from ctrader.errors import TokenStoreError
from ctrader.tokens import FileTokenStore, StoredGrant
from ctrader.tokens.files import FileSystem
from tests.tokens.test_stores import KEY, contents, frames, pair

posix = pytest.mark.skipif(os.name != "posix", reason="needs file modes")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "tokens"


@pytest.fixture
def store(folder: Path) -> FileTokenStore:
    return FileTokenStore(folder)


def the_file(folder: Path) -> Path:
    (file,) = folder.glob("*.json")
    return file


def refused(action: Callable[[], object]) -> str:
    """Do what must fail, and return the error's text, which holds no token."""
    with pytest.raises(TokenStoreError) as caught:
        action()
    text = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert "canary" not in text + frames(caught.value)
    return text


def test_place_is_that_of_a_users_data():
    folder = FileTokenStore().folder
    assert folder.is_absolute()
    assert folder.parts[-2:] == ("ctrader", "tokens")


@posix
def test_folder_and_files_are_their_owners_alone(store: FileTokenStore, folder: Path):
    before = os.umask(0)
    try:
        with store.lock(KEY):
            store.save(KEY, StoredGrant(tokens=pair(1)))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()] == [0o600, 0o600]


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_file_that_others_may_read_is_refused_and_replaced_by_a_save(
    store: FileTokenStore, folder: Path, mode: int
):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    the_file(folder).chmod(mode)
    text = refused(lambda: store.load(KEY))
    assert f"mode {mode:04o}" in text
    assert f"chmod 600 {the_file(folder)}" in text
    # A new pair is kept all the same: it is the only one that is any good.
    store.save(KEY, StoredGrant(tokens=pair(2)))
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(2)))


@posix
def test_search_that_comes_upon_such_a_file_shows_no_other_one(store: FileTokenStore, folder: Path):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    store.save(KEY._replace(user_id=78), StoredGrant(tokens=pair(2)))
    max(folder.glob("*.json")).chmod(0o644)
    assert "Others may read" in refused(lambda: store.find(KEY.client_id, "ab"))


@posix
def test_folder_that_others_may_write_to_is_refused(store: FileTokenStore, folder: Path):
    folder.mkdir(parents=True)
    folder.chmod(0o770)
    for action in (
        lambda: store.save(KEY, StoredGrant(tokens=pair(1))),
        lambda: store.lock(KEY).__enter__(),
    ):
        assert f"chmod 700 {folder}" in refused(action)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 1}', '{"version": 2, "tokens": "canary"}', "\x00"]
)
def test_damaged_file_is_told_and_does_not_keep_a_new_pair_out(
    store: FileTokenStore, folder: Path, text: str
):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    the_file(folder).write_text(text, "utf-8")
    assert "Move it away" in refused(lambda: store.load(KEY))
    store.save(KEY, StoredGrant(tokens=pair(2)))
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(2)))


@pytest.mark.parametrize("data", [b"canary \xff", b"[" * 100_000], ids=["no text", "too deep"])
def test_file_that_no_parser_can_read_is_damaged(store: FileTokenStore, folder: Path, data: bytes):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    the_file(folder).write_bytes(data)
    assert "Move it away" in refused(lambda: store.load(KEY))
    store.save(KEY, StoredGrant(tokens=pair(2)))
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(2)))


@pytest.mark.parametrize("serial", ["Infinity", "1e999", '"x"', "null"])
def test_file_with_a_serial_that_is_none_is_damaged(
    store: FileTokenStore, folder: Path, serial: str
):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    file = the_file(folder)
    file.write_text(file.read_text().replace('"serial":1', f'"serial":{serial}'))
    assert "Move it away" in refused(lambda: store.load(KEY))


def test_file_of_another_grant_is_not_taken_for_this_one(store: FileTokenStore, folder: Path):
    other = KEY._replace(user_id=78)
    store.save(KEY, StoredGrant(tokens=pair(1)))
    mine = the_file(folder)
    mine.rename(mine.with_name(mine.name.replace("-77-", "-78-")))
    assert "holds no tokens of user 78" in refused(lambda: store.load(other))


def test_what_was_written_counts_though_its_process_was_killed_before_it_took_its_place(
    store: FileTokenStore, folder: Path
):
    store.save(KEY, StoredGrant(tokens=pair(1)))

    class KilledError(BaseException):
        pass

    def die(source: Path, target: Path) -> None:
        raise KilledError

    dying = FileTokenStore(folder, system=FileSystem(replace=die))
    with pytest.raises(KilledError):
        dying.save(KEY, StoredGrant(tokens=pair(2)))
    assert len(list(folder.glob("*.new"))) == 1
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(2)))
    store.save(KEY, StoredGrant(tokens=pair(3)))
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(3)))
    assert list(folder.glob("*.new")) == []


@pytest.mark.parametrize("torn", ["", '{"version": 1, "serial": 9'])
def test_what_was_not_written_to_its_end_does_not_count(
    store: FileTokenStore, folder: Path, torn: str
):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    rest = the_file(folder)
    rest.with_name(f"{rest.name}.9-abc.new").write_text(torn)
    rest.with_name(f"{rest.name}.9-abc.new").chmod(0o600)
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(1)))


def test_new_pair_counts_once_it_is_written_though_the_save_fails(
    store: FileTokenStore, folder: Path
):
    store.save(KEY, StoredGrant(tokens=pair(1)))

    def fail(source: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    failing = FileTokenStore(folder, system=FileSystem(replace=fail))
    text = refused(lambda: failing.save(KEY, StoredGrant(tokens=pair(2))))
    assert "Input/output error" in text
    assert "another one" in text
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(2)))


def test_pair_that_could_not_be_written_leaves_what_was_there(
    store: FileTokenStore, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    store.save(KEY, StoredGrant(tokens=pair(1)))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        text = refused(lambda: store.save(KEY, StoredGrant(tokens=pair(2))))
    assert "No space left on device" in text
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(1)))
    assert list(folder.glob("*.new")) == []


def test_pair_is_on_the_disk_before_it_takes_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    happened: list[str] = []
    sync = os.fsync

    def synced(descriptor: int) -> None:
        happened.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replace(source: Path, target: Path) -> None:
        happened.append("replace")
        os.replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    FileTokenStore(folder, system=FileSystem(replace=replace)).save(
        KEY, StoredGrant(tokens=pair(1))
    )
    assert happened == ["file", "replace", *(["folder"] if os.name == "posix" else [])]


def test_file_that_is_open_elsewhere_in_windows_is_replaced_when_it_is_closed(folder: Path):
    waits: list[float] = []

    def replace(source: Path, target: Path) -> None:
        if len(waits) < 19:
            raise PermissionError(13, "in use")
        os.replace(source, target)

    windows = FileSystem(
        has_modes=False, replaces_open_files=False, replace=replace, sleep=waits.append
    )
    store = FileTokenStore(folder, system=windows)
    store.save(KEY, StoredGrant(tokens=pair(1)))
    assert waits == [0.05] * 19
    assert list(folder.glob("*.new")) == []
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(1)))


def test_file_that_stays_open_in_windows_has_the_new_pair_beside_it(folder: Path):
    FileTokenStore(folder).save(KEY, StoredGrant(tokens=pair(1)))
    waits: list[float] = []

    def replace(source: Path, target: Path) -> None:
        raise PermissionError(13, "in use")

    windows = FileSystem(
        has_modes=False, replaces_open_files=False, replace=replace, sleep=waits.append
    )
    for number in (2, 3):
        FileTokenStore(folder, system=windows).save(KEY, StoredGrant(tokens=pair(number)))
    assert len(waits) == 2 * 19
    # Whoever comes later, with whatever system, takes the newest.
    assert contents(FileTokenStore(folder).load(KEY)) == contents(StoredGrant(tokens=pair(3)))


def test_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    store = FileTokenStore(tmp_path / "file" / "tokens")
    assert "Could not save" in refused(lambda: store.save(KEY, StoredGrant(tokens=pair(1))))
    assert "Could not lock" in refused(lambda: store.lock(KEY).__enter__())


SAVING = """
import sys
from pathlib import Path
from ctrader.tokens import FileTokenStore, StoredGrant
from tests.tokens.test_stores import KEY, pair
store, number = FileTokenStore(sys.argv[1]), int(sys.argv[2])
grant = store.load(KEY) or StoredGrant(tokens=pair(0))
while True:
    number += 1
    with store.lock(KEY):
        store.save(KEY, grant.begun())
        grant = grant.rotated(pair(number))
        store.save(KEY, grant)
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_processes_tear_nothing_and_lose_nothing_that_was_saved(
    store: FileTokenStore, folder: Path
):
    dice, last = Random(5), 0
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", SAVING, str(folder), str(last)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(dice.randrange(1, 30))]
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines()
        saved = int(told[-1])
        grant = store.load(KEY)
        assert grant is not None
        # What it said it had saved, or the next one, of which it had no time to tell.
        last = int(grant.tokens.refresh_token.rpartition("-")[2])
        assert saved <= last <= saved + 1
        assert grant.supersedes(f"canary-refresh-{last - 1}")
        with FileTokenStore(folder, lock_timeout=0).lock(KEY):
            pass  # the system let go of the dead one's lock


@pytest.mark.parametrize(
    "serial", [10**300, 2**63, -5, 0], ids=["300 digits", "64 bits", "negative", "zero"]
)
def test_absurd_serial_costs_no_tokens_and_no_save(
    store: FileTokenStore, folder: Path, serial: int
):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    file = the_file(folder)
    file.write_text(file.read_text().replace('"serial":1', f'"serial":{serial}'))
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(1)))
    # Part of the name of the file that is written, so that one of hundreds of digits failed there.
    store.save(KEY, StoredGrant(tokens=pair(2)))
    assert contents(store.load(KEY)) == contents(StoredGrant(tokens=pair(2)))


FORKING = """
import os, sys
from ctrader.errors import TokenStoreError
from ctrader.tokens import FileTokenStore
from tests.tokens.test_stores import KEY
store = FileTokenStore(sys.argv[1], lock_timeout=0)
held = store.lock(KEY)
held.__enter__()
if sys.argv[2] == "parent":
    reading, writing = os.pipe()
    if not os.fork():  # a worker that outlives what its parent had locked
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    held.__exit__(None, None, None)
else:
    if not os.fork():
        sys.exit(0)  # everything that is inherited is finished
    os.wait()
try:
    with store.lock(KEY):
        print("free")
except TokenStoreError:
    print("locked")
"""


@posix
@pytest.mark.parametrize(("end", "state"), [("parent", "free"), ("child", "locked")])
def test_lock_of_a_process_that_forks_ends_with_the_parent_and_not_with_a_child(
    folder: Path, end: str, state: str
):
    told = subprocess.run(
        [sys.executable, "-c", FORKING, str(folder), end],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=10,
        check=True,
    )
    assert told.stdout == f"{state}\n"
