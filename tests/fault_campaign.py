"""`python -m tests.fault_campaign --seed S --seconds N`: break an engine's directory, for so long.

One directory lives through all rounds. Each round does one thing that a machine can do to it, at a
place that the seed chooses, and then demands what was promised: a process killed at a write
boundary, an fdatasync that fails, a last record that is torn at any byte, one flipped bit anywhere
in the journal, a damaged or half-made snapshot, a missing segment, segments moved to the archive
and damaged there. The commands are a fixed stream, so the right state after
any number of batches is known. Prints one line of JSON; exits with 1 at the first broken promise.
Invariant: what was acknowledged is in every recovered state, and nothing that was not sent is.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.inspect.verify import find_flipped_bit
from engine.journal import JournalCorruptError, journal_records, placed_records, read_position
from engine.journal.faults import POINTS, VARIABLE
from engine.journal.format import segment_path
from engine.journal.segments import segment_headers
from engine.journal.snapshots import snapshot_paths
from engine.kernel import load_kernel
from engine.proto.records import RECORD_BYTES
from engine.snapshot import make_snapshot
from engine.telemetry import configure_logging
from tests.property.kernel.flow import Flow, listing
from tests.unit.journal.exchange import CHECKPOINT, Exchange

REPOSITORY = Path(__file__).resolve().parents[1]
PROCESS_TIMEOUT_S = 120
BATCHES_PER_ROUND = 12
GZIP_HEADER_BYTES = 10
SNAPSHOT_POINTS = [each for each in POINTS if each.startswith("snapshot-")]
ARCHIVE_POINTS = [each for each in POINTS if each.startswith("archive-")]
WRITER_POINTS = sorted({*POINTS} - {"applied", *SNAPSHOT_POINTS, *ARCHIVE_POINTS})


class BrokenPromiseError(AssertionError):
    """What the engine promises did not hold."""


def demand(*, holds: bool, promise: str) -> None:
    if not holds:
        raise BrokenPromiseError(promise)


class Stream:
    """The n-th batch of a seed's commands."""

    def __init__(self, seed: int) -> None:
        self._flow = Flow(seed)
        self._batches = [listing()]

    def batch(self, number: int) -> bytes:
        while len(self._batches) <= number:
            size = len(self._batches)
            records = self._flow.records(1 + size % 40)
            self._batches.append(records + (CHECKPOINT if size % 3 == 0 else b""))
        return self._batches[number]

    def number_after(self, command_seq: int) -> int:
        """Which batch comes next when so many commands were applied."""
        number, seq = 0, 0
        while seq < command_seq:
            seq += len(self.batch(number)) // RECORD_BYTES
            number += 1
        demand(holds=seq == command_seq, promise=f"{command_seq} commands end no batch")
        return number


def write(data_dir: Path, seed: int, batches: int, acknowledged: Callable[[int], None]) -> None:
    """Recover, then append so many batches, telling each one when it is durable."""
    stream = Stream(seed)
    exchange = Exchange(data_dir, "auto")
    try:
        first = stream.number_after(exchange.kernel.command_seq)
        acknowledged(exchange.kernel.command_seq)
        for number in range(first, first + batches):
            exchange.apply(stream.batch(number))
            acknowledged(exchange.kernel.command_seq)
    finally:
        exchange.close()


def fail_sync(nth: int) -> None:
    """Let the n-th fdatasync of this process fail, as a dying disk's would."""
    left, real = iter(range(nth - 1, -1, -1)), os.fdatasync

    def fdatasync(fd: Any) -> None:
        if not next(left, 0):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    os.fdatasync = fdatasync


class Campaign:
    """One directory and what was acknowledged in it."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.data_dir = data_dir
        self.seed = seed
        self.random = random.Random(seed)
        self.acknowledged = 0
        self.done: Counter[str] = Counter()
        write(data_dir, seed, BATCHES_PER_ROUND, self._acknowledge)

    def _acknowledge(self, command_seq: int) -> None:
        self.acknowledged = max(self.acknowledged, command_seq)

    # --- what can happen ------------------------------------------------------------------------

    def kill_writer(self, point: str, nth: int) -> bool:
        """Kill a writer at a point. Whether it came there before it had nothing left to do."""
        process = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fault_campaign"),
                *("--write", str(self.data_dir), "--seed", str(self.seed)),
            ],
            cwd=REPOSITORY,
            env={**os.environ, VARIABLE: f"{point}:{nth}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_TIMEOUT_S,
        )
        killed = process.returncode == -signal.SIGKILL
        demand(holds=killed or process.returncode == 0, promise=process.stderr)
        for line in process.stdout.splitlines():
            self._acknowledge(int(line))
        self.done[f"killed at {point}" if killed else "ran through"] += 1
        self.check_recovery()
        return killed

    def fail_disk(self, nth: int) -> None:
        """Let a writer's n-th fdatasync fail: it ends there, and what it has not acknowledged may
        be on the disk or not."""
        process = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fault_campaign", "--fail-sync", str(nth)),
                *("--write", str(self.data_dir), "--seed", str(self.seed)),
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_TIMEOUT_S,
        )
        demand(
            holds=process.returncode == 1 and "JournalWriteError" in process.stderr,
            promise=f"a failed fdatasync ended with {process.returncode}: {process.stderr}",
        )
        told = process.stdout.splitlines()
        demand(holds=len(told) == nth, promise=f"{len(told)} times told before sync {nth} failed")
        for line in told:
            self._acknowledge(int(line))
        self.done["fdatasync failed"] += 1
        self.check_recovery()

    def kill_snapshot(self, point: str) -> None:
        """Kill the snapshot process at a point; what it left is whole or is not a snapshot."""
        write(self.data_dir, self.seed, 1, self._acknowledge)
        process = subprocess.run(
            [sys.executable, "-m", "engine.snapshot", "--data", str(self.data_dir)],
            cwd=REPOSITORY,
            env={**os.environ, VARIABLE: point},
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_TIMEOUT_S,
        )
        demand(holds=process.returncode == -signal.SIGKILL, promise=process.stderr)
        self.done[f"killed at {point}"] += 1
        self.check_recovery()
        make_snapshot(self.data_dir, "auto")
        leftovers = list((self.data_dir / "snapshots").glob("*.tmp"))
        demand(holds=len(leftovers) <= 1, promise=f"{leftovers} were left")

    def archive(self, point: str | None = None) -> None:
        """Move old segments to the archive, dying at a point or not; nothing is lost by either."""
        for _ in range(2):  # what is moved lies before both of the newest snapshots
            write(self.data_dir, self.seed, 2 * BATCHES_PER_ROUND, self._acknowledge)
            make_snapshot(self.data_dir, "auto")
        here = self.data_dir / "journal"
        before = len(list(here.glob("*.seg")))
        process = subprocess.run(
            [
                *(sys.executable, "-m", "engine.snapshot", "--data", str(self.data_dir)),
                *("--archive-dir", str(self.data_dir.with_name("archive"))),
            ],
            cwd=REPOSITORY,
            env={**os.environ, **({VARIABLE: point} if point else {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_TIMEOUT_S,
        )
        killed = process.returncode == -signal.SIGKILL
        demand(holds=killed or process.returncode == 0, promise=process.stderr)
        moved = before - len(list(here.glob("*.seg")))
        self.done[f"killed at {point}" if killed else "archived" if moved else "kept"] += 1
        self.check_recovery()

    def damage_archive(self) -> None:
        """Flip a bit in an archived segment, or hide it: whoever reads it is refused, by name."""
        files = sorted(self.data_dir.with_name("archive").glob("*.gz"))
        if not files:
            return
        path = self.random.choice(files)
        data = path.read_bytes()
        offset = self.random.randrange(GZIP_HEADER_BYTES, len(data))
        hidden = self.random.random() < 0.3
        if hidden:
            path.unlink()
        else:
            self._flip(path, offset, self.random.randrange(8))
        try:
            for _ in journal_records(self.data_dir):
                pass
            demand(holds=False, promise=f"byte {offset} of {path} went unseen")
        except JournalCorruptError as error:
            demand(holds=error.path == path, promise=f"{error} was named for {path}")
        path.write_bytes(data)
        self.done["archive hidden" if hidden else "archive flipped"] += 1
        self.check_recovery()

    def tear_last_record(self) -> None:
        """Cut the last record short, as if it had been on its way when the machine stopped."""
        place, record = list(placed_records(self.data_dir))[-1]
        newest = [header.number for header in segment_headers(self.data_dir)][-1]
        if record.first_command_seq <= self._snapshot_end() or place.segment != newest:
            return  # it was on disk before the snapshot, or the next segment, was begun
        path = segment_path(self.data_dir, place.segment)
        before = path.read_bytes(), (self.data_dir / "durable").read_bytes()
        cut = self.random.randrange(place.offset, place.end)
        path.write_bytes(before[0][:cut])
        (self.data_dir / "durable").write_bytes(b"\0" * 4096)
        exchange = Exchange(self.data_dir, "auto")
        exchange.close()
        demand(
            holds=exchange.kernel.command_seq == record.first_command_seq - 1,
            promise=f"torn at byte {cut}: {exchange.kernel.command_seq} commands came back",
        )
        self.acknowledged = exchange.kernel.command_seq
        self.done["torn"] += 1
        self.check_recovery()

    def flip_bit(self) -> None:
        """Flip one durable bit: it is found, named, and whoever reads it is refused."""
        places = [place for place, _ in placed_records(self.data_dir)]
        place = self.random.choice(places)
        offset = self.random.randrange(place.offset, place.end)
        bit = self.random.randrange(8)
        path = segment_path(self.data_dir, place.segment)
        if not path.exists():
            return  # it is in the archive
        self._flip(path, offset, bit)
        try:
            for _ in journal_records(self.data_dir):
                pass
            demand(holds=False, promise=f"bit {bit} of byte {offset} of {path} went unseen")
        except JournalCorruptError as error:
            named = (error.path, error.offset)
            demand(holds=named == (path, place.offset), promise=f"{error} was named")
        found = find_flipped_bit(path, place.offset)
        demand(holds=found == (offset, bit), promise=f"{found} was named for {(offset, bit)}")
        self._flip(path, offset, bit)
        self.done["flipped"] += 1

    def damage_snapshot(self) -> None:
        """Flip or cut in the newest snapshot: recovery passes it over."""
        make_snapshot(self.data_dir, "auto")
        path = snapshot_paths(self.data_dir)[0]
        data = bytearray(path.read_bytes())
        if self.random.random() < 0.3:
            path.write_bytes(data[: self.random.randrange(len(data))])
        else:
            offset = self.random.randrange(len(data))
            data[offset] ^= 1 << self.random.randrange(8)
            path.write_bytes(data)
        self.done["snapshot damaged"] += 1
        self.check_recovery()

    def hide_segment(self) -> None:
        """Take a segment away: refused until it is back."""
        numbers = sorted(int(path.stem) for path in (self.data_dir / "journal").glob("*.seg"))
        path = segment_path(self.data_dir, self.random.choice(numbers[:-1] or numbers))
        hidden = path.rename(self.data_dir / "hidden")
        try:
            write(self.data_dir, self.seed, 0, self._acknowledge)
            demand(holds=False, promise=f"{path} is missing and nobody minds")
        except Exception as error:
            demand(holds=not isinstance(error, AssertionError), promise=str(error))
        hidden.rename(path)
        self.done["segment hidden"] += 1
        self.check_recovery()

    # --- what must hold -------------------------------------------------------------------------

    def check_recovery(self) -> None:
        """The recovered state is that of the stream, has what was acknowledged, and repeats."""
        states = []
        for kernel in ("auto", "auto"):
            exchange = Exchange(self.data_dir, kernel)
            exchange.close()
            states.append((exchange.kernel.command_seq, exchange.kernel.state_hash()))
        demand(holds=states[0] == states[1], promise=f"two restarts gave {states}")
        seq = states[0][0]
        demand(
            holds=seq >= self.acknowledged,
            promise=f"{self.acknowledged} commands were acknowledged, {seq} came back",
        )
        self._check_state(*states[0])
        self.acknowledged = seq

    def _check_state(self, command_seq: int, state_hash: bytes) -> None:
        """The state is the one that a fresh kernel reaches, and the commands are the stream's."""
        stream, kernel = Stream(self.seed), load_kernel("auto")
        journaled = []
        for record in journal_records(self.data_dir):
            kernel.apply(record.commands, record.time_us)
            journaled.append(bytes(record.commands))
        count = stream.number_after(command_seq)
        demand(
            holds=journaled == [stream.batch(number) for number in range(count)],
            promise="the journal holds other commands than were sent",
        )
        demand(
            holds=kernel.state_hash() == state_hash,
            promise=f"the state after {command_seq} commands is not that of the journal",
        )

    def round(self) -> None:
        """One round at random."""
        choice = self.random.randrange(11)
        if choice < 2:
            point = self.random.choice(WRITER_POINTS)
            self.kill_writer(point, self.random.randrange(1, BATCHES_PER_ROUND))
        elif choice == 2:
            self.kill_snapshot(self.random.choice(SNAPSHOT_POINTS))
        elif choice == 3:
            self.tear_last_record()
        elif choice == 4:
            self.damage_snapshot()
        elif choice == 5:
            self.hide_segment()
        elif choice == 6:
            self.archive(self.random.choice([None, None, *ARCHIVE_POINTS]))
        elif choice == 7:
            self.damage_archive()
        elif choice == 8:
            self.fail_disk(self.random.randrange(1, BATCHES_PER_ROUND))
        else:
            self.flip_bit()
        if choice > 2:
            write(self.data_dir, self.seed, 2, self._acknowledge)

    def _snapshot_end(self) -> int:
        return max((int(path.stem) for path in snapshot_paths(self.data_dir)), default=0)

    @staticmethod
    def _flip(path: Path, offset: int, bit: int) -> None:
        with path.open("r+b") as file:
            file.seek(offset)
            (byte,) = file.read(1)
            file.seek(offset)
            file.write(bytes([byte ^ (1 << bit)]))


def _say(command_seq: int) -> None:
    sys.stdout.write(f"{command_seq}\n")
    sys.stdout.flush()


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault_campaign", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--fail-sync", type=int, help="as the writer: fail this fdatasync")
    parser.add_argument("--write", type=Path, help="be the writer that is killed")
    options = parser.parse_args()
    configure_logging("fault_campaign", logging.ERROR)
    if options.fail_sync is not None:
        fail_sync(options.fail_sync)
    if options.write is not None:
        write(options.write, options.seed, BATCHES_PER_ROUND, _say)
        return 0
    work = Path(tempfile.mkdtemp(prefix="engine-faults-"))
    campaign = Campaign(work / "engine", options.seed)
    deadline, rounds = time.monotonic() + options.seconds, 0
    while time.monotonic() < deadline:
        try:
            campaign.round()
        except Exception as error:
            sys.stderr.write(f"round {rounds} of seed {options.seed} in {work}: {error!r}\n")
            return 1
        rounds += 1
        position = read_position(campaign.data_dir)
        if position is not None and position.command_seq > 20_000:  # begin again: rounds stay short
            shutil.rmtree(campaign.data_dir)
            shutil.rmtree(campaign.data_dir.with_name("archive"), ignore_errors=True)
            campaign.acknowledged = 0
            write(campaign.data_dir, options.seed, BATCHES_PER_ROUND, campaign._acknowledge)
    facts = {"seed": options.seed, "rounds": rounds, "violations": 0, **campaign.done}
    sys.stdout.write(json.dumps(facts) + "\n")
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
