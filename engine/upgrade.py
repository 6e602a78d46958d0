"""`python -m engine.upgrade`: can this program go on with a journal that an older one wrote?

Reads everything and changes nothing; no engine may run on the directory meanwhile. It checks every
record and the hash chain, looks for the snapshot that must stand at the end of what the older
version of the rules wrote, turns that state into today's and proves it: the balances of each asset
sum up to what was booked, and what is locked is what the open orders reserve. The first start then
does the same again, and begins a new segment under today's rules. Prints one object of JSON.
Exit codes: 0 ready (or nothing to upgrade), 3 directory unreadable, 6 damage, 7 the state does not
add up, 11 compiled kernel missing, 14 the snapshot is missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.journal import JournalError, Place, placed_records
from engine.journal.errors import JournalCorruptError, JournalVersionError
from engine.journal.format import SEMANTICS_VERSION
from engine.journal.snapshots import load_newest
from engine.kernel import KernelUnavailableError, load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES, Side
from engine.proto.stream import CHAIN_GENESIS, chain_extend
from engine.service.errors import ExitCode
from engine.telemetry import configure_logging


class UnbalancedError(JournalError):
    """A state in which something is owed to nobody, or locked for nothing."""


def examine(data_dir: Path, make_kernel: Callable[[], Kernel]) -> dict[str, Any]:
    """Facts about the journal and the state that an engine would go on from.

    JournalVersionError if there is no snapshot to go on from; JournalError for anything wrong.
    """
    if not data_dir.is_dir():
        raise JournalError(f"{data_dir} is not a directory")
    chain, commands, border = CHAIN_GENESIS, Counter[int](), None
    last_event_seq = 0
    for place, record in placed_records(data_dir):
        chain = chain_extend(chain, record.events)
        commands[record.semantics] += len(record.commands) // RECORD_BYTES
        last_event_seq = record.last_event_seq
        if record.semantics != SEMANTICS_VERSION:
            border = place
    facts = {
        "data": str(data_dir),
        "commands": {str(version): count for version, count in sorted(commands.items())},
        "events": last_event_seq,
        "chain": chain.hex(),
        "semantics": SEMANTICS_VERSION,
        "upgrade": border is not None and set(commands) != {SEMANTICS_VERSION},
    }
    return facts if border is None else {**facts, **_migrated(data_dir, make_kernel, border)}


def _migrated(data_dir: Path, make_kernel: Callable[[], Kernel], border: Place) -> dict[str, Any]:
    loaded = load_newest(data_dir, make_kernel, semantics_max=SEMANTICS_VERSION - 1)
    if loaded is None or loaded.header.place != border:
        newest = loaded.header.command_seq if loaded else 0
        raise JournalVersionError(
            f"the older part of the journal in {data_dir} ends at byte {border.end} of segment "
            f"{border.segment}, but its newest usable snapshot is of command {newest}: let the "
            "program that wrote it make one, by `python -m engine.snapshot`, and stop it"
        )
    check_balance(loaded.kernel)
    return {
        "snapshot_command_seq": loaded.header.command_seq,
        "snapshot_semantics": loaded.header.semantics,
        "snapshot_state_hash": loaded.header.state_hash.hex(),
        "state_hash": loaded.kernel.state_hash().hex(),
        "users": loaded.kernel.user_count,
        "accounts": loaded.kernel.account_count,
        "open_orders": loaded.kernel.open_order_count,
    }


def check_balance(kernel: Kernel) -> None:
    """UnbalancedError unless each asset adds up and each lock is that of the owner's orders."""
    for total in kernel.totals():
        booked = total.deposited_atoms - total.withdrawn_atoms + total.adjusted_atoms
        if total.held_atoms != booked:
            raise UnbalancedError(
                f"asset {total.asset_id}: {total.held_atoms} atoms are held, expected {booked}"
            )
    markets = {market.market_id: market for market in kernel.markets()}
    reserved: defaultdict[tuple[int, int], int] = defaultdict(int)
    for order in kernel.open_orders():
        market = markets[order.market_id]
        asset_id = market.quote_asset_id if order.side == Side.BID else market.base_asset_id
        reserved[order.user_id, asset_id] += order.reserved_atoms
    for row in kernel.all_balances():
        expected = reserved.pop((row.user_id, row.asset_id), 0)
        if row.locked_atoms != expected:
            raise UnbalancedError(
                f"user {row.user_id}, asset {row.asset_id}: {row.locked_atoms} atoms are locked, "
                f"expected {expected}"
            )


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.upgrade", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the engine's directory")
    parser.add_argument("--kernel", choices=("auto", "compiled", "reference"), default="auto")
    options = parser.parse_args(arguments)
    configure_logging("engine.upgrade")
    try:
        facts = examine(options.data, lambda: load_kernel(options.kernel))
    except KernelUnavailableError as error:
        return _refuse(error, ExitCode.KERNEL_MISSING)
    except JournalVersionError as error:
        return _refuse(error, ExitCode.JOURNAL_VERSION)
    except UnbalancedError as error:
        return _refuse(error, ExitCode.REPLAY_DIFFERS)
    except JournalCorruptError as error:
        return _refuse(error, ExitCode.JOURNAL_DAMAGED)
    except (JournalError, OSError) as error:
        return _refuse(error, ExitCode.DIRECTORY)
    sys.stdout.write(json.dumps({**facts, "ready": True}, indent=2) + "\n")
    return ExitCode.OK


def _refuse(error: Exception, code: ExitCode) -> int:
    sys.stderr.write(f"{error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
