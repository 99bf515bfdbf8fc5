"""Keep tokens in files that their owner alone can read, through any crash.

A pair is written to a new file beside the old one, which then takes the old one's place. Whoever
reads takes the newest that is whole, so that a pair is there from the moment it was written, even
if the process is killed before the files change places.
"""

from __future__ import annotations

__all__ = ["FileSystem", "FileTokenStore", "default_folder"]

import contextlib
import os
import secrets
import stat
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from ctrader.errors import TokenStoreError
from ctrader.file_lock import locked_file
from ctrader.tokens.record import GrantKey, StoredGrant, best_of
from ctrader.tokens.store import LOCK_TIMEOUT
from ctrader.tokens.text import Kept, kept_in, key_in, text_of

_TRIES: Final = 20
_PAUSE: Final = 0.05
"""Seconds between tries to replace a file that another program, such as a scanner, has open."""
_NEW: Final = ".new"


def default_folder() -> Path:
    """Return where this system has a user's data, such as in `~/.local/share`."""
    return platformdirs.user_data_path("ctrader", appauthor=False) / "tokens"


@dataclass(frozen=True, slots=True)
class FileSystem:
    """What differs from one operating system to the other."""

    has_modes: bool = sys.platform != "win32"
    """Whether files say who may read them; in Windows the user's profile is the user's own."""
    replaces_open_files: bool = sys.platform != "win32"
    """Whether a file that somebody has open can be replaced."""
    replace: Callable[[Path, Path], object] = os.replace
    """Puts a file in the place of another one, at once or not at all."""
    sleep: Callable[[float], None] = time.sleep
    """Lets seconds pass."""


class FileTokenStore:
    """Keep the tokens of each grant in a file.

    The folder is made for its owner alone (0700) and the files are readable by nobody else (0600);
    a folder that others may write to, and a file that others may read, are refused. A save is
    written through to the disk before it counts. Several processes may use one folder. It must
    not lie on a network drive, where locks cannot be trusted.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None = None,
        *,
        lock_timeout: float = LOCK_TIMEOUT,
        system: FileSystem | None = None,
    ) -> None:
        """Choose the folder; nothing is made before something is kept.

        Args:
            folder: Where the files are; None is the place for a user's data on this system, such
                as `~/.local/share/ctrader/tokens`.
            lock_timeout: Seconds to wait for a lock that somebody else holds.
            system: How files behave, for tests.
        """
        self._folder = default_folder() if folder is None else Path(folder)
        self._lock_timeout = lock_timeout
        self._system = FileSystem() if system is None else system

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self._folder

    @contextlib.contextmanager
    def lock(self, key: GrantKey) -> Generator[None, None, None]:
        """Keep all other threads and processes from exchanging the grant's tokens.

        Raises:
            TokenStoreError: one of them holds it for too long, or the folder cannot be used.
        """
        path = self._path(key).with_suffix(".lock")
        with contextlib.ExitStack() as held:
            try:
                self._prepare()
                held.enter_context(locked_file(path, self._lock_timeout))
            except TimeoutError as error:
                raise TokenStoreError(
                    f"The tokens of user {key.user_id} have been locked by another client for "
                    f"{self._lock_timeout:g} s ({path}). Try again later, or end the other program"
                ) from error
            except OSError as error:
                raise self._failed("lock", path, error) from error
            yield

    def find(self, client_id: str, refresh_token: str) -> GrantKey | None:
        """Return which grant has, or had, the refresh token with this fingerprint.

        Raises:
            TokenStoreError: a file cannot be read, or others could read it.
        """
        found: list[GrantKey] = []
        for path in sorted(self._folder.glob("grant-*.json*")):
            if path.suffix not in (".json", _NEW):
                continue
            try:
                key = _had_by(self._read(path), client_id, refresh_token)
            except FileNotFoundError:
                continue  # another process has just put it in its place
            except OSError as error:
                raise self._failed("read", path, error) from error
            if key is not None:
                found.append(key)
        return best_of(found)

    def load(self, key: GrantKey) -> StoredGrant | None:
        """Return what was saved last, None where nothing was.

        Raises:
            TokenStoreError: a file cannot be read, is damaged, or others could read it.
        """
        kept = self._newest(key)
        return None if kept is None else kept.grant

    def save(self, key: GrantKey, grant: StoredGrant) -> None:
        """Keep this from now on; it is on the disk when the call returns.

        Raises:
            TokenStoreError: it may not last. What was there before still is, unless the new one
                was written whole and only failed to take its place: then that one counts.
        """
        path = self._path(key)
        try:
            self._prepare()
            serial = self._next_serial(key)
            written = self._write(path, serial, text_of(key, serial, grant))
            self._put_in_place(written, path)
            self._sync_folder()
        except OSError as error:
            raise self._failed("save", path, error) from error

    # Private

    def _path(self, key: GrantKey) -> Path:
        return self._folder / f"{key.name}.json"

    def _prepare(self) -> None:
        """Make the folder, or make sure that it is its owner's alone to write to."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._system.has_modes:
            mode = self._folder.stat().st_mode
            if mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise TokenStoreError(
                    f"Others may change the files in {self._folder} (mode "
                    f"{stat.S_IMODE(mode):04o}). Take that right away: chmod 700 {self._folder}"
                )

    def _newest(self, key: GrantKey) -> Kept | None:
        """Return the newest that is whole, of the file itself and those that were to replace it."""
        path = self._path(key)
        found: list[Kept] = []
        is_damaged = False
        for each in (path, *self._replacements(path)):
            try:
                kept = kept_in(key, self._read(each))
            except FileNotFoundError:
                continue  # there is none, or another process has just put it in its place
            except OSError as error:
                raise self._failed("read", each, error) from error
            if kept is not None:
                found.append(kept)
            elif each == path:
                is_damaged = True  # of another file only its writer was killed over it
        if is_damaged and not found:
            raise TokenStoreError(
                f"{path} holds no tokens of user {key.user_id} that can be read. Move it away, and "
                "hand in the tokens of a new consent"
            )
        return max(found, key=lambda kept: kept.serial, default=None)

    def _replacements(self, path: Path) -> list[Path]:
        """Return the files that were written to replace one and have not done so."""
        return list(self._folder.glob(f"{path.name}.*{_NEW}"))

    def _next_serial(self, key: GrantKey) -> int:
        """Return a number above all others; whatever is wrong with a file, a save must go on."""
        serial = 0
        path = self._path(key)
        for each in (path, *self._replacements(path)):
            try:
                kept = kept_in(key, each.read_text("utf-8", "replace"))
            except OSError:
                continue  # it will be replaced
            serial = serial if kept is None else max(serial, kept.serial)
        return serial + 1

    def _read(self, path: Path) -> str:
        # What is no text is damaged; a decoder's error would hold all of the file.
        with path.open(encoding="utf-8", errors="replace") as file:
            if self._system.has_modes:
                mode = os.fstat(file.fileno()).st_mode
                if mode & (stat.S_IRWXG | stat.S_IRWXO):
                    raise TokenStoreError(
                        f"Others may read the tokens in {path} (mode {stat.S_IMODE(mode):04o}). "
                        f"Take that right away: chmod 600 {path}; and ask for a new consent if "
                        "somebody may have"
                    )
            return file.read()

    def _write(self, path: Path, serial: int, text: str) -> Path:
        """Write a new file beside the one that it will replace, through to the disk."""
        written = path.with_name(f"{path.name}.{serial}-{secrets.token_hex(4)}{_NEW}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        for name in ("O_CLOEXEC", "O_NOINHERIT", "O_BINARY"):
            flags |= getattr(os, name, 0)
        descriptor = os.open(written, flags, 0o600)
        try:
            left = text.encode()
            while left:  # one piece as a rule, which a kill does not tear
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                written.unlink()
            raise
        finally:
            os.close(descriptor)
        return written

    def _put_in_place(self, written: Path, path: Path) -> None:
        """Let the new file replace the old one, and remove those that never did."""
        for left in range(_TRIES - 1, -1, -1):
            try:
                self._system.replace(written, path)
                break
            except PermissionError:
                if self._system.replaces_open_files:
                    raise
                if not left:
                    return  # it is the newest that is whole, wherever it lies
                self._system.sleep(_PAUSE)
        for older in self._replacements(path):
            with contextlib.suppress(OSError):  # the next save tries again
                older.unlink()

    def _sync_folder(self) -> None:
        """Make sure that the new name of the file is on the disk, too."""
        if not self._system.has_modes:
            return  # Windows opens no folders
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _failed(self, what: str, path: Path, error: OSError) -> TokenStoreError:
        error.__traceback__ = None  # some loggers print what is in its frames: the tokens
        reason = error.strerror or type(error).__name__
        return TokenStoreError(
            f"Could not {what} the tokens in {path}: {reason}. Make the folder usable, or give "
            "FileTokenStore another one"
        )


# Private


def _had_by(text: str, client_id: str, refresh_token: str) -> GrantKey | None:
    """Return whose tokens a file holds, if the refresh token with this fingerprint is one."""
    key = key_in(text)
    if key is None or key.client_id != client_id:
        return None
    kept = kept_in(key, text)
    return key if kept is not None and kept.grant.has_had(refresh_token) else None
