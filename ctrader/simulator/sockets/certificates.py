"""A certificate for this computer, from an authority that is thrown away later."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from ctrader.errors import ConfigurationError

__all__ = ["Certificate"]


class Certificate:
    """What a server shows, and the file by which clients trust it.

    Call `remove` when nothing serves any more.
    """

    def __init__(self, *names: str) -> None:
        """Make a certificate.

        Args:
            names: Host names and addresses that it is good for, besides this computer's own.

        Raises:
            ConfigurationError: trustme is not installed.
            OSError: the authority's file cannot be written.
        """
        try:
            import trustme
        except ImportError:
            raise ConfigurationError(
                "TLS needs the simulator extra: pip install 'ctrader[simulator]' "
                "(or serve without encryption: tls=False, --plain)."
            ) from None
        authority = trustme.CA()
        known = dict.fromkeys(("localhost", "127.0.0.1", "::1", *names))
        certificate = authority.issue_cert(*known)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """What servers encrypt with."""
        certificate.configure_cert(self.context)  # pyright: ignore[reportUnknownMemberType]  # no stubs
        handle, self.authority_file = tempfile.mkstemp(".pem", "ctrader-simulator-")
        """PEM file of the authority."""
        with os.fdopen(handle, "wb") as file:
            file.write(authority.cert_pem.bytes())

    def remove(self) -> None:
        """Delete the authority's file; a second call does nothing."""
        # Whoever cleaned the folder of temporary files before took nothing that is needed.
        Path(self.authority_file).unlink(missing_ok=True)
