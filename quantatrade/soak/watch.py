"""The watch itself: samples every few seconds, proofs at random moments, until the time is over.

Invariant: what cannot be sampled is an error of the soak's and counted, never passed over.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from quantatrade.bootstrap.configuration import ROOT
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.bootstrap.status import HEALTHY, Status, current_status
from quantatrade.soak.books import BooksWatch
from quantatrade.soak.log_watch import LogWatch
from quantatrade.soak.memory import memory_bytes
from quantatrade.soak.verdict import Samples

SAMPLE_EVERY_S: Final = 5.0
SAY_EVERY_S: Final = 60.0
PROOF_EVERY_S: Final = 120.0  # on average
PROOF_TIMEOUT_S: Final = 900.0

Say = Callable[[str], None]


def proof_moments(duration_s: float, seed: int) -> list[float]:
    """Return when the books are proved, in seconds from the start: at least once."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    count = max(1, round(duration_s / PROOF_EVERY_S))
    return sorted(dice.uniform(0, duration_s) for _ in range(count))


class Watch:
    """Watches the installation in `state` for `duration_s`."""

    def __init__(
        self, state: StateDirectory, books: BooksWatch, *, duration_s: float, seed: int, say: Say
    ) -> None:
        self._state = state
        self._books = books
        self._duration_s = duration_s
        self._moments = proof_moments(duration_s, seed)
        self._say = say
        self._logs = LogWatch(state.part("log"))
        self._proof: tuple[subprocess.Popen[bytes], IO[bytes], float] | None = None
        self._began_s = 0.0
        self.samples = Samples(duration_s=duration_s)

    def run(self) -> Samples:
        """Watch to the end; returns all that was seen."""
        first, trades = current_status(self._state), self._books.newest_trades()
        self._began_s, said_s = time.monotonic(), 0.0
        was_open = {symbol for symbol, (is_open, _) in trades.items() if is_open}
        try:
            while (elapsed_s := time.monotonic() - self._began_s) < self._duration_s:
                self._sample(elapsed_s)
                self._look_after_proof(elapsed_s)
                if elapsed_s - said_s >= SAY_EVERY_S:
                    said_s = elapsed_s
                    self._say(self._words(elapsed_s))
                next_s = self._began_s + elapsed_s + SAMPLE_EVERY_S
                time.sleep(max(0.0, min(next_s, self._end_s) - time.monotonic()))
            self._finish_proofs()
        finally:
            self._kill_proof()
        last = self._books.newest_trades()
        still_open = {symbol for symbol, (is_open, _) in last.items() if is_open}
        for symbol in sorted(was_open & still_open):
            self.samples.trades[symbol] = last[symbol][1] - trades[symbol][1]
        self._note_restarts(first, current_status(self._state))
        self.samples.errors += self._logs.errors()
        return self.samples

    @property
    def _end_s(self) -> float:
        return self._began_s + self._duration_s

    def _sample(self, elapsed_s: float) -> None:
        samples, status = self.samples, current_status(self._state)
        pids = {each.name: each.pid for each in status.processes if each.pid is not None}
        if status.pid is not None:
            pids["supervisor"] = status.pid
        for name, size in memory_bytes(pids, apart=frozenset({"supervisor"})).items():
            samples.memory.setdefault(name, []).append((elapsed_s, float(size)))
        sick = [each for each in status.processes if each.health != HEALTHY]
        samples.unhealthy += [f"{each.name}: {each.health or each.state}" for each in sick]
        if status.phase != "running":
            samples.unhealthy.append(f"installation: {status.phase}")
        samples.mirror_lag_s.append(self._books.mirror_lag_s())
        samples.relay_lag_s.append(self._books.relay_lag_s())
        samples.errors += self._logs.errors()

    def _note_restarts(self, first: Status, last: Status) -> None:
        before = {each.name: each.restarts for each in first.processes}
        for each in last.processes:
            self.samples.restarts[each.name] = each.restarts - before.get(each.name, 0)

    # --- proofs ---------------------------------------------------------------------------------

    def _look_after_proof(self, elapsed_s: float) -> None:
        if self._proof is not None:
            process, output, began_s = self._proof
            if process.poll() is None and time.monotonic() - began_s < PROOF_TIMEOUT_S:
                return
            self._end_proof(process, output)
        if self._moments and elapsed_s >= self._moments[0]:
            self._moments.pop(0)
            self._begin_proof()

    def _begin_proof(self) -> None:
        output = (self._state.part("run") / "soak-verify.txt").open("w+b")
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "verify", "all"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=Path(ROOT),
            env=dict(os.environ),
        )
        self._proof = (process, output, time.monotonic())

    def _end_proof(self, process: subprocess.Popen[bytes], output: IO[bytes]) -> None:
        code = process.poll()
        if code is None:
            process.kill()
            process.wait()
        output.seek(0)
        text = output.read().decode("utf-8", "replace").strip()
        output.close()
        took = "it took too long" if code is None else f"exit status {code}"
        self.samples.proofs.append("" if code == 0 else f"{took}: {text}")
        self._proof = None

    def _finish_proofs(self) -> None:
        """Let the one under way end, and make those whose moment fell behind it."""
        while self._proof is not None or self._moments:
            self._look_after_proof(self._duration_s)
            time.sleep(0.2)

    def _kill_proof(self) -> None:
        if self._proof is not None:
            process, output, _ = self._proof
            process.kill()
            process.wait()
            output.close()

    def _words(self, elapsed_s: float) -> str:
        samples = self.samples
        return (
            f"{elapsed_s / 60:.0f} of {self._duration_s / 60:g} min:"
            f" lag at most {max(samples.mirror_lag_s, default=0.0):.3f} s,"
            f" {len(samples.errors)} errors, {len(samples.proofs)} proofs"
        )
