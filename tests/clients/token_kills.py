"""Kill processes that exchange tokens, let two race for one pair, and compare with the server.

    python -m tests.clients.token_kills [--count 500] [--races 200] [--seed 1]

Each process has a blocking client and a file store, and exchanges its pair again and again. It is
killed with SIGKILL at a random moment; the next one begins with tokens that are long spent, and
must find the newest in the store. What the server received tells whether a token was spent twice.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from ctrader.credentials import AccountCredentials
from ctrader.proto import ProtoOARefreshTokenReq
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.simulator import Simulator
from ctrader.tokens import FileTokenStore, StoredGrant
from ctrader.tokens.record import fingerprint
from tests.clients.doomed import hand_over, started, told_by, until_killed

__all__ = ["Outcome", "kill_refreshers", "race"]

_MOST_LINES: Final = 12
"""Lines that a process tells at most before it is killed."""
_LONGEST_STEP: Final = 0.012
"""Seconds within which it is killed after the last line that was waited for."""
_LAST_STEPS: Final = 3
"""Exchanges of the process that is not killed."""

_REFRESHER: Final = """
import json, sys
from ctrader_sync import (
    AccountCredentials, AuthenticationError, ClientConfig, FileTokenStore, SyncCTraderClient,
)
from ctrader.tokens.record import fingerprint

def tell(*what):
    print(json.dumps(what), flush=True)

class Store(FileTokenStore):
    def save(self, key, grant):
        name = fingerprint(grant.tokens.refresh_token)
        if grant.exchanging is None:
            tell("saving", name)
        super().save(key, grant)
        if grant.exchanging is None:
            tell("saved", name)

orders = json.loads(sys.stdin.readline())
client = SyncCTraderClient(ClientConfig(**orders["config"]), token_store=Store(orders["folder"]))
old = AccountCredentials(**orders["credentials"])
client.connect()
try:
    client.auth.authenticate_account(old, timeout=30)
except AuthenticationError as error:
    tell("refused", error.error_code)
    sys.exit()
tell("ready")
if orders["races"]:
    for _ in range(orders["races"]):
        sys.stdin.readline()
        newest = client.auth.refresh(client.auth.get_credentials(old.account_id), timeout=30)
        tell("pair", fingerprint(newest.refresh_token))
else:
    for _ in range(orders["steps"] or 10**9):
        newest = client.auth.refresh(client.auth.get_credentials(old.account_id), timeout=30)
        tell("pair", fingerprint(newest.refresh_token))
client.close()
tell("closed")
"""


class Outcome(NamedTuple):
    """What was found in the end."""

    kills: int
    exchanges: int
    """Pairs that the server gave."""
    cut: int
    """Pairs whose save was announced, and of which nothing had reached a file yet."""
    repeated: int
    """Refresh tokens that were sent again, as their answer had been lost with a process."""
    lost: int
    """Pairs of which no file was begun, so that a new consent was needed."""


def kill_refreshers(folder: Path, count: int, seed: int) -> Outcome:
    """Kill so many processes, one after the other, and check after each."""
    dice = Random(seed)
    told = _Told()
    store = FileTokenStore(folder)
    lost = cut = 0
    with Simulator(frozen=True, record_frames=True) as simulator:
        consent = simulator.credentials()
        waiting = _refresher()
        try:
            kills = 0
            while kills < count or not told.is_finished:
                is_last = kills == count
                process, waiting = waiting, _refresher()  # one starts while another one works
                _hand_over(process, simulator, folder, consent, steps=_LAST_STEPS * is_last)
                lines = (
                    _all(process)
                    if is_last
                    else until_killed(process, dice, _MOST_LINES, _LONGEST_STEP)
                )
                told.take(lines)
                kills += not is_last
                newest = simulator.credentials()
                is_kept = _is_kept(store, newest, told)
                assert told.was_refused or told.is_finished or not is_last
                if told.was_refused:
                    # The pair went down with a process: the trader authorises the program anew.
                    assert not is_kept
                    lost += 1
                    cut += fingerprint(newest.refresh_token) in told.saving
                    consent = newest
                    told.was_refused = False
        finally:
            waiting.kill()
            waiting.communicate()
        sent = _received(simulator)
    repeated = _check_spent(sent)
    return Outcome(count, len({*sent}), cut, repeated, lost)


def race(folder: Path, count: int) -> int:
    """Let two processes exchange the same pair so often; return what the server received."""
    with Simulator(frozen=True, record_frames=True) as simulator:
        consent = simulator.credentials()
        racers = [_refresher(), _refresher()]
        try:
            for racer in racers:
                _hand_over(racer, simulator, folder, consent, steps=0, races=count)
            for racer in racers:
                _until(racer, "ready")
            for number in range(count):
                for racer in racers:
                    assert racer.stdin is not None
                    racer.stdin.write("go\n")
                    racer.stdin.flush()
                pairs = {_until(racer, "pair")[0] for racer in racers}
                assert pairs == {fingerprint(simulator.credentials().refresh_token)}
                assert len(_received(simulator)) == number + 1, "a pair was exchanged twice"
            for racer in racers:
                _until(racer, "closed")
        finally:
            for racer in racers:
                racer.kill()
                racer.communicate()
        return len(_received(simulator))


# Private


class _Told:
    """What all processes have told."""

    def __init__(self) -> None:
        self.saving: set[str] = set()
        self.saved: set[str] = set()
        self.pairs: list[str] = []
        self.was_refused = False
        self.is_finished = False

    def take(self, lines: list[str]) -> None:
        """Take the lines of one process."""
        for kind, *rest in told_by(lines):
            match kind:
                case "saving":
                    self.saving.add(rest[0])
                case "saved":
                    self.saved.add(rest[0])
                case "pair":
                    assert rest[0] in self.saved, "a pair was used before it was saved"
                    self.pairs.append(rest[0])
                case "refused":
                    self.was_refused = True
                case "closed":
                    self.is_finished = True
                case _:
                    assert kind == "ready", kind


def _is_kept(store: FileTokenStore, newest: AccountCredentials, told: _Told) -> bool:
    """Whether the store has the server's newest pair; it is never torn, and never behind."""
    name = fingerprint(newest.refresh_token)
    key = None
    for path in store.folder.glob("grant-*.json"):
        key = store.find(json.loads(path.read_text())["client_id"], name) or key
    grant: StoredGrant | None = None if key is None else store.load(key)
    is_newest = grant is not None and grant.tokens.refresh_token == newest.refresh_token
    assert is_newest or name not in told.saved, "a pair that was saved is not there"
    if is_newest:
        told.saved.add(name)  # the process may have been killed before it could tell so
    return is_newest


def _check_spent(sent: list[str]) -> int:
    """Count the tokens that were sent again; none once the next one had been used."""
    repeated = len(sent) - len({*sent})
    for token in {*sent}:
        first, last = sent.index(token), len(sent) - 1 - sent[::-1].index(token)
        assert set(sent[first : last + 1]) == {token}, "a spent token was sent again, much later"
    return repeated


def _received(simulator: Simulator) -> list[str]:
    """Fingerprints of the refresh tokens that reached the server, in order."""
    wanted = PAYLOAD_TYPE_BY_MESSAGE[ProtoOARefreshTokenReq]
    return [
        fingerprint(ProtoOARefreshTokenReq.FromString(frame.payload).refreshToken)
        for frame in simulator.frames
        if not frame.outbound and frame.payload_type == wanted
    ]


def _refresher() -> subprocess.Popen[str]:
    return started(_REFRESHER, subprocess.DEVNULL)  # the log says what is adopted


def _hand_over(
    process: subprocess.Popen[str],
    simulator: Simulator,
    folder: Path,
    consent: AccountCredentials,
    *,
    steps: int,
    races: int = 0,
) -> None:
    config = simulator.client_config()
    settings = {
        "folder": str(folder),
        "config": {
            name: getattr(config, name)
            for name in ("host", "port", "ca_file", "client_id", "client_secret")
        },
        "credentials": {name: getattr(consent, name) for name in AccountCredentials.model_fields},
        "steps": steps,
        "races": races,
    }
    hand_over(process, settings)


def _until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Read lines up to one of a kind; return what it tells."""
    assert process.stdout is not None
    while line := process.stdout.readline():
        told: list[str] = json.loads(line)
        if told[0] == wanted:
            return told[1:]
    raise AssertionError(f"a process ended before it told {wanted!r}")


def _all(process: subprocess.Popen[str]) -> list[str]:
    lines, _ = process.communicate(timeout=60)
    return lines.splitlines(keepends=True)


def main() -> None:
    """Kill and race as often as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--races", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        outcome = kill_refreshers(Path(folder) / "kills", arguments.count, arguments.seed)
        seconds = time.perf_counter() - begun
        sys.stdout.write(
            f"{outcome.kills} kills in {seconds:.0f} s: {outcome.exchanges} pairs, none torn, none "
            f"spent twice; {outcome.repeated} tokens were sent again after a lost answer, "
            f"{outcome.lost} pairs went down with their process before they were in a file, "
            f"{outcome.cut} of them in the moment in which the save began\n"
        )
        begun = time.perf_counter()
        exchanges = race(Path(folder) / "races", arguments.races)
        seconds = time.perf_counter() - begun
        sys.stdout.write(f"{arguments.races} races in {seconds:.0f} s: {exchanges} exchanges\n")


if __name__ == "__main__":
    main()
