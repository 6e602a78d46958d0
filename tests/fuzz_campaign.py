"""`python -m tests.fuzz_campaign --seed S --seconds N`: try to make two kernels disagree.

Each round is a stream of commands of its own seed through both kernels, batch by batch, all
features mixed as in the property tests, some rounds with most of their commands spoilt, some with
plain noise. After each batch: the same events; money conserved, locked funds explained, books
whole; no more events than the engine keeps room for. At random places a kernel is replaced by one
restored from the other's state. At the end: the same canonical state; the same bytes in other
batches; and, every few rounds, the same bytes from a process with another PYTHONHASHSEED. Between
rounds the decoders of the service are fed noise and mutated messages: they answer or refuse.

Prints one line of JSON; at the first broken promise it says which round it was, by which command
`--round` repeats just that one, and exits with 1. Invariant: a round depends on its seed alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.kernel.state import PackedState, StateError, canonical_bytes
from engine.proto import engine_pb2 as pb
from engine.proto.records import (
    COMMAND,
    EVENT_HEADER,
    RECORD_BYTES,
    CommandType,
    EventType,
    Reason,
    unpack_command,
    unpack_event,
)
from engine.service.commands import packed
from engine.service.core import EVENTS_PER_COMMAND_MAX, EVENTS_SPARE
from engine.service.errors import CallRefusedError
from tests.property.kernel.flow import EXTREMES, LIMITS, NARROW, WIDE, Flow, listing, stamp
from tests.property.kernel.test_books_balance import (
    assert_books_are_whole,
    assert_conserved,
    assert_locked_is_reserved,
)

REPOSITORY: Final = Path(__file__).resolve().parents[1]
KERNELS: Final = ("compiled", "reference")
BATCHES_MAX: Final = 24
BATCH_COMMANDS_MAX: Final = 120
CHILD_EVERY_ROUNDS: Final = 20
CHILD_TIMEOUT_S: Final = 120
RESTORE_SHARE: Final = 0.15
STAMP_STEPS: Final = (0, 0, 1, 1, 1, 2, 7, 50)
MODES: Final = ("flow", "flow", "flow", "spoilt", "noise")


class BrokenPromiseError(AssertionError):
    """What the kernels promise did not hold."""


class Batch(NamedTuple):
    commands: bytes
    time_us: int


def demand(*, holds: bool, promise: str) -> None:
    if not holds:
        raise BrokenPromiseError(promise)


# --- streams ------------------------------------------------------------------------------------


def spoilt(rng: random.Random, records: bytes) -> bytes:
    """The same commands with extreme or random values in most of them."""
    out = bytearray(records)
    for offset in range(0, len(out), RECORD_BYTES):
        if rng.random() < 0.3:
            continue
        fields = list(COMMAND.unpack_from(out, offset))
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            index = rng.randrange(len(fields))
            if index == 0:
                fields[index] = rng.choice([*map(int, CommandType), rng.randrange(256)])
            elif index < 4:
                fields[index] = rng.choice((rng.randrange(10), rng.randrange(256)))
            elif index < 6:
                fields[index] = rng.choice((0, 1 << rng.randrange(16), rng.randrange(1 << 16)))
            elif index < 8:
                fields[index] = rng.choice((rng.randrange(6), rng.randrange(1 << 32)))
            elif index < 15:
                number = rng.choice((*EXTREMES, rng.randrange(-3, 300), rng.getrandbits(63)))
                fields[index] = number
            else:
                fields[index] = rng.randbytes(16 if index == 15 else 40)
        COMMAND.pack_into(out, offset, *fields)
    return bytes(out)


def stream(seed: int) -> list[Batch]:
    """The batches of one round."""
    rng = random.Random(seed)
    mode = rng.choice(MODES)
    flow = Flow(seed, rng.choice((NARROW, WIDE)))
    step, batches = 1, [Batch(listing(), stamp(0))]
    for _ in range(rng.randrange(4, BATCHES_MAX)):
        records = flow.records(rng.randrange(1, BATCH_COMMANDS_MAX))
        if mode == "spoilt":
            records = spoilt(rng, records)
        elif mode == "noise" and rng.random() < 0.5:
            records = rng.randbytes(len(records))
        step += rng.choice(STAMP_STEPS)
        batches.append(Batch(records, stamp(step)))
    return batches


def digest_of(seed: int, kernel_name: str) -> str:
    """Of all events and the state at the end."""
    kernel, digest = load_kernel(kernel_name, LIMITS), hashlib.sha256()
    for batch in stream(seed):
        digest.update(kernel.apply(*batch))
    digest.update(kernel.state_hash())
    return digest.hexdigest()


# --- one round ----------------------------------------------------------------------------------


class Round:
    """One stream through both kernels."""

    def __init__(self, seed: int, seen: Counter[str]) -> None:
        self.seed = seed
        self.seen = seen
        self._random = random.Random(f"places {seed}")

    def run(self) -> None:
        batches = stream(self.seed)
        kernels: list[Kernel] = [load_kernel(name, LIMITS) for name in KERNELS]
        digest = hashlib.sha256()
        for number, batch in enumerate(batches):
            digest.update(self._apply(kernels, batch, number))
            if self._random.random() < RESTORE_SHARE:
                self._restore(kernels)
        states = [canonical_bytes(kernel) for kernel in kernels]
        demand(holds=states[0] == states[1], promise="both kernels end in the same state")
        self._check_other_cuts(batches, digest.hexdigest(), states[0])
        self._check_damaged_state(states[0])

    def _apply(self, kernels: list[Kernel], batch: Batch, number: int) -> bytes:
        bound = (
            EVENTS_PER_COMMAND_MAX * (len(batch.commands) // RECORD_BYTES)
            + kernels[0].event_bound
            + EVENTS_SPARE
        )
        bounds = [kernel.event_bound for kernel in kernels]
        demand(holds=bounds[0] == bounds[1], promise=f"event bounds were {bounds} alike")
        events = [kernel.apply(*batch) for kernel in kernels]
        if events[0] != events[1]:
            raise BrokenPromiseError(f"batch {number}: {first_difference(batch, *events)}")
        count = len(events[0]) // RECORD_BYTES
        demand(
            holds=number == 0 or count <= bound,
            promise=f"batch {number} gave {count} events, room was kept for {bound}",
        )
        timers = [kernel.next_timer_us for kernel in kernels]
        demand(holds=timers[0] == timers[1], promise=f"next timers were {timers} alike")
        for kernel in kernels:
            assert_conserved(kernel)
            assert_locked_is_reserved(kernel)
            assert_books_are_whole(kernel)
        self._count(events[0])
        return events[0]

    def _count(self, events: bytes) -> None:
        for offset in range(0, len(events), RECORD_BYTES):
            header, _ = unpack_event(events, offset)
            self.seen[EventType(header.type).name] += 1
            if header.reason:
                self.seen[Reason(header.reason).name] += 1

    def _restore(self, kernels: list[Kernel]) -> None:
        """Put a kernel that was restored from the other one's state in the place of one."""
        place = self._random.randrange(2)
        state = canonical_bytes(kernels[1 - place])
        kernel = load_kernel(KERNELS[place], LIMITS)
        kernel.load_state(PackedState(state))
        demand(holds=canonical_bytes(kernel) == state, promise="a restored state is the same")
        kernels[place] = kernel

    def _check_other_cuts(self, batches: list[Batch], expected: str, state: bytes) -> None:
        """The same commands at the same times, cut elsewhere."""
        kernel, digest = load_kernel("compiled", LIMITS), hashlib.sha256()
        for commands, time_us in batches:
            size = len(commands) // RECORD_BYTES
            cuts = sorted(self._random.randrange(size + 1) for _ in range(3))
            for low, high in pairwise((0, *cuts, size)):
                part = commands[low * RECORD_BYTES : high * RECORD_BYTES]
                digest.update(kernel.apply(part, time_us))
        demand(
            holds=digest.hexdigest() == expected and canonical_bytes(kernel) == state,
            promise="other batches give the same bytes",
        )

    def _check_damaged_state(self, state: bytes) -> None:
        """Noise in a state is refused or loaded, and never ends the process."""
        damaged = bytearray(state)
        for _ in range(self._random.randrange(1, 4)):
            damaged[self._random.randrange(len(damaged))] ^= 1 << self._random.randrange(8)
        cut = bytes(damaged[: self._random.randrange(len(damaged))])
        try:
            PackedState(cut)
            raise BrokenPromiseError("a state that was cut short was taken for a whole one")
        except StateError:
            self.seen["cut states refused"] += 1


def first_difference(batch: Batch, compiled: bytes, reference: bytes) -> str:
    """The first command that the kernels answered differently, and both answers."""
    first_seq = EVENT_HEADER.unpack_from(reference)[1]
    for offset in range(0, max(len(compiled), len(reference)), RECORD_BYTES):
        got, expected = (part[offset : offset + RECORD_BYTES] for part in (compiled, reference))
        if got != expected:
            seq = EVENT_HEADER.unpack_from(expected or got)[1]
            command = unpack_command(batch.commands, (seq - first_seq) * RECORD_BYTES)
            answers = [unpack_event(each) if each else None for each in (got, expected)]
            return f"{command} gave {answers[0]}, the reference says {answers[1]}"
    return "nothing differs"


# --- around the kernels -------------------------------------------------------------------------


def check_hash_seed(seed: int) -> None:
    """A process with another PYTHONHASHSEED gives the same bytes."""
    for name in KERNELS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz_campaign", "--digest", name, "--seed", str(seed)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": str(seed % 2**32)},
            capture_output=True,
            text=True,
            check=False,
            timeout=CHILD_TIMEOUT_S,
        )
        demand(holds=not done.returncode, promise=done.stderr)
        demand(
            holds=done.stdout.strip() == digest_of(seed, name),
            promise=f"PYTHONHASHSEED={seed % 2**32} gives the same bytes from {name}",
        )


def fuzz_decoders(rng: random.Random, seen: Counter[str]) -> None:
    """Noise and mutated batches for the service's decoder: answered or refused, by name."""
    for _ in range(50):
        size = rng.choice((0, 1, 127, 128, 129, 256, 1_024, RECORD_BYTES * rng.randrange(1, 40)))
        data = bytearray(rng.randbytes(size))
        for offset in range(0, size - size % RECORD_BYTES, RECORD_BYTES):
            if rng.random() < 0.9:
                data[offset] = rng.choice((20, 20, 21, 22, 23))
                data[offset + 4 : offset + 6] = bytes(2)
                data[offset + 24 : offset + 32] = bytes(8)
        try:
            batch = packed(bytes(data))
        except CallRefusedError:
            seen["batches refused"] += 1
        else:
            demand(holds=batch.size * RECORD_BYTES == size, promise="a batch keeps its size")
            first, last = 1_000, batch.assign_order_ids(1_000)
            demand(holds=last - first == len(batch.places), promise="each order gets one id")
            load_kernel("compiled", LIMITS).apply(batch.commands, 1)
            seen["batches taken"] += 1
        for message in (pb.PackedCommands(), pb.PlaceRequest(), pb.SubscribeRequest()):
            try:
                message.ParseFromString(bytes(data[:200]))
            except DecodeError:
                seen["messages refused"] += 1


def check_askew(rng: random.Random) -> None:
    """A part of a record is refused; a batch may lie askew in memory."""
    for name in KERNELS:
        kernel = load_kernel(name, LIMITS)
        try:
            kernel.apply(rng.randbytes(rng.randrange(1, RECORD_BYTES)), 1)
            raise BrokenPromiseError(f"{name} took a part of a record")
        except ValueError:
            demand(holds=kernel.command_seq == 0, promise="a refused batch changes nothing")
        data = b"x" + listing()
        kernel.apply(memoryview(data)[1:], 1)
        straight = load_kernel(name, LIMITS)
        straight.apply(listing(), 1)
        demand(
            holds=kernel.state_hash() == straight.state_hash(),
            promise=f"{name} reads a batch that lies askew",
        )


class Campaign:
    """Rounds of one seed, as many as there is time for."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.seen: Counter[str] = Counter()
        self.rounds = 0

    def round_seed(self, number: int) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed} {number}".encode()).digest()[:6], "big")

    def run_round(self, number: int) -> None:
        seed = self.round_seed(number)
        Round(seed, self.seen).run()
        rng = random.Random(f"decoders {seed}")
        fuzz_decoders(rng, self.seen)
        check_askew(rng)
        if number % CHILD_EVERY_ROUNDS == 0:
            check_hash_seed(seed)
        self.rounds += 1

    def facts(self) -> dict[str, object]:
        names = {each.name for each in EventType}
        return {
            "seed": self.seed,
            "rounds": self.rounds,
            "violations": 0,
            "events": sum(count for name, count in self.seen.items() if name in names),
            "events_never_seen": sorted(names - self.seen.keys()),
            "reasons_never_seen": sorted({each.name for each in Reason if each} - self.seen.keys()),
            "seen": dict(sorted(self.seen.items())),
        }


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_campaign", description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--round", type=int, help="repeat this one round")
    parser.add_argument("--digest", choices=KERNELS, help="print the digest of one round's seed")
    options = parser.parse_args()
    if options.digest is not None:
        sys.stdout.write(digest_of(options.seed, options.digest) + "\n")
        return 0
    campaign = Campaign(options.seed)
    number = options.round or 0
    deadline = time.monotonic() + options.seconds
    while time.monotonic() < deadline:
        try:
            campaign.run_round(number)
        except Exception as error:
            sys.stderr.write(
                f"round {number} (--seed {options.seed} --round {number}): "
                f"{type(error).__name__}: {error}\n"
            )
            return 1
        if options.round is not None:
            break
        number += 1
    sys.stdout.write(json.dumps(campaign.facts()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
