"""`python -m engine.replay`: what state does the journal give up to one command?

Replays a journal directory from its beginning with a kernel of its own, without touching it,
beside a running engine or without one, and compares every event on the way. Prints one line of
JSON:
`{"command_seq", "event_seq", "state_hash", "kernel"}`. Invariant: it exits with 0 only if the
journal holds every command up to the wanted one and the kernel answers each as journaled.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from engine.journal import JournalError, Record, placed_records
from engine.journal.replay import beginning, check_semantics
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES


class ReplayError(Exception):
    """The journal ends too early, or does not give the journaled events."""


def replay_until(
    data_dir: Path, make_kernel: Callable[[], Kernel], command_seq: int | None
) -> Kernel:
    """The state that the journal gives up to `command_seq` (None: all that is durable).

    From the first command on, or from the end of what an older version of the rules wrote.
    """
    loaded = beginning(data_dir, make_kernel)
    kernel = loaded.kernel if loaded else make_kernel()
    for _, record in placed_records(data_dir, loaded.header.place if loaded else None):
        if command_seq is not None and kernel.command_seq >= command_seq:
            break
        _apply(kernel, record, command_seq)
    if command_seq is not None and kernel.command_seq != command_seq:
        raise ReplayError(
            f"the journal in {data_dir} ends at command {kernel.command_seq}, "
            f"expected one up to {command_seq}"
        )
    return kernel


def _apply(kernel: Kernel, record: Record, command_seq: int | None) -> None:
    expected = (kernel.command_seq + 1, kernel.event_seq + 1)
    if (record.first_command_seq, record.first_event_seq) != expected:
        raise ReplayError(
            f"a record began at (command, event) "
            f"{(record.first_command_seq, record.first_event_seq)}, expected {expected}"
        )
    check_semantics(record)
    commands = record.commands
    if command_seq is not None and record.last_command_seq > command_seq:
        commands = commands[: (command_seq - kernel.command_seq) * RECORD_BYTES]
    events = kernel.apply(commands, record.time_us)
    journaled = bytes(record.events)
    if events != journaled[: len(events)] or (
        len(commands) == len(record.commands) and len(events) != len(journaled)
    ):
        raise ReplayError(
            f"commands {record.first_command_seq}..{kernel.command_seq} give other events than "
            f"those journaled from event {record.first_event_seq} on"
        )


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.replay", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the engine's directory")
    parser.add_argument("--until-command-seq", type=int, help="stop there (default: the end)")
    parser.add_argument("--kernel", choices=("auto", "compiled", "reference"), default="auto")
    options = parser.parse_args(arguments)
    try:
        kernel = replay_until(
            options.data, lambda: load_kernel(options.kernel), options.until_command_seq
        )
    except (ReplayError, JournalError, OSError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    answer = {
        "command_seq": kernel.command_seq,
        "event_seq": kernel.event_seq,
        "state_hash": kernel.state_hash().hex(),
        "kernel": kernel.name,
    }
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
