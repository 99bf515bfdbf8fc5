"""The `ctrader` command; typer and rich are imported only when it runs."""

from __future__ import annotations

import sys
from typing import Final

__all__ = ["main"]

_NEEDED: Final = frozenset({"rich", "typer"})


def main() -> int:
    """Run the command line of this process and return its exit status.

    0 is success, 1 a failure that was named in one line, 2 a wrong command line or a missing
    extra, 130 an interruption by Ctrl-C.
    """
    try:
        from ctrader.cli.commands import run
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        print(
            f"ctrader: the command needs {error.name}: pip install 'ctrader[cli]'", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        # Loading takes a noticeable part of a second, long enough for a change of mind.
        return 130
    return run(sys.argv[1:])
