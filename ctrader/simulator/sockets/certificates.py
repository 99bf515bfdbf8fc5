"""A certificate for this computer, from an authority that is thrown away later."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ctrader.errors import ConfigurationError

__all__ = ["Certificate", "authority_path", "check_names"]

_ORGANISATION: Final = "cTrader simulator"  # by which an authority of ours is known
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_READABLE: Final = 0o644  # an authority's certificate is no secret, and other users shall trust it


class Certificate:
    """What a server shows, and the file by which clients trust it.

    Call `remove` when nothing serves any more.
    """

    def __init__(self, *names: str, authority_file: Path | None = None) -> None:
        """Make a certificate.

        Args:
            names: Host names and addresses that it is good for, besides this computer's own.
            authority_file: Where to write the authority, as `authority_path` returned it, readable
                by every user; by default a temporary file that only this one can read.

        Raises:
            ConfigurationError: trustme is not installed, or no certificate holds such a name.
            OSError: the authority's file cannot be written.
        """
        try:
            import trustme
        except ImportError:
            raise ConfigurationError(
                "TLS needs the simulator extra: pip install 'ctrader[simulator]' "
                "(or serve without encryption: tls=False, --plain)."
            ) from None
        authority = trustme.CA(organization_name=_ORGANISATION)
        known = dict.fromkeys(("localhost", "127.0.0.1", "::1", *names))
        try:
            certificate = authority.issue_cert(*known)
        except ValueError as error:
            raise ConfigurationError(
                f"The certificate cannot hold one of the names {', '.join(map(repr, names))}: "
                f"{error}."
            ) from error
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """What servers encrypt with."""
        certificate.configure_cert(self.context)  # pyright: ignore[reportUnknownMemberType]  # no stubs
        self._written: bytes = authority.cert_pem.bytes()
        self.authority_file: str = _write(self._written, authority_file)
        """PEM file of the authority."""

    def remove(self) -> None:
        """Delete the authority's file, unless another simulator took it over.

        A second call does nothing.
        """
        file = Path(self.authority_file)
        try:
            is_ours = file.read_bytes() == self._written
        except FileNotFoundError:
            return  # whoever cleaned the folder before took nothing that is needed
        if is_ours:
            file.unlink(missing_ok=True)


def authority_path(given: str | os.PathLike[str]) -> Path:
    """Return where an authority can be written.

    A file that is there already must be empty, or what another simulator left behind.

    Raises:
        ConfigurationError: it cannot be written there.
    """
    file = Path(given).absolute()
    if not os.access(file.parent, os.W_OK | os.X_OK) or not file.parent.is_dir():
        raise ConfigurationError(
            f"ca_file {str(file)!r} cannot be written: name a file in a folder that is there and "
            "that this user may write to."
        )
    if os.path.lexists(file) and not (file.is_file() and _is_left_behind(file)):
        raise ConfigurationError(
            f"ca_file {str(file)!r} is there already, and no simulator wrote it: "
            "name another file, or remove this one."
        )
    return file


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return names by which others call this computer.

    Raises:
        ConfigurationError: one is neither a host name nor an address, or they are no sequence.
    """
    given: object = names
    if isinstance(given, str):
        raise ConfigurationError(f"names must be a sequence, such as ({given!r},), not a text.")
    for name in names:
        if not _is_name(name):
            raise ConfigurationError(
                f"names must hold host names, of letters, digits, hyphens and dots, or addresses, "
                f"not {name!r}."
            )
    return tuple(names)


# Private


def _is_name(name: object) -> bool:
    if not isinstance(name, str):
        return False
    try:
        # All addresses of a computer together are the address of none.
        return not ipaddress.ip_address(name).is_unspecified and "%" not in name
    except ValueError:
        return len(name) <= 253 and _HOST_NAME.fullmatch(name) is not None and _is_decodable(name)


def _is_decodable(name: str) -> bool:
    """Tell whether labels of a host name that stand for other letters stand for any."""
    try:
        name.encode("ascii").decode("idna")
    except UnicodeError:
        return False
    return True


def _write(data: bytes, target: Path | None) -> str:
    """Write an authority's file and return its path."""
    if target is None:
        handle, path = tempfile.mkstemp(".pem", "ctrader-simulator-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return path
    # Whoever waits for the file must never find half of it.
    handle, path = tempfile.mkstemp(".pem", "ctrader-simulator-", target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(path).chmod(_READABLE)
        Path(path).replace(target)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise
    return str(target)


def _is_left_behind(file: Path) -> bool:
    """Tell whether a file may be replaced: it is empty, or one authority of a simulator."""
    try:
        text = file.read_text(encoding="ascii").strip()
        return not text or _ORGANISATION.encode() in ssl.PEM_cert_to_DER_cert(text)
    except (OSError, ValueError):
        return False
