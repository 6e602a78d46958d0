"""The books against themselves, and against the events in their archive."""

from __future__ import annotations

from typing import Any, NamedTuple

from apps.mirror.books import MIRROR_NAME
from apps.mirror.digest import BalanceDigest
from apps.mirror.verification import sql
from apps.mirror.verification.rederive import BookState, rederive
from apps.mirror.verification.report import Report, ViolationError
from apps.mirror.verification.snapshot import Snapshot
from engine.proto.stream import CHAIN_GENESIS


class StoredCursor(NamedTuple):
    """What the cursor row claims."""

    last_event_seq: int = 0
    last_transaction: int = 0
    chain: bytes = CHAIN_GENESIS
    digest: bytes = BalanceDigest().packed
    row_count: int = 0
    halted_reason: str = ""


def verify_ledger(report: Report, snapshot: Snapshot) -> BookState:
    """Run all checks of the books at the mirror's cursor; return the books as events give them.

    ViolationError names the first check that fails.
    """
    cursor = StoredCursor._make(snapshot.row(sql.CURSOR, [MIRROR_NAME]) or StoredCursor())
    with report.check("ledger: the mirror is not halted") as say:
        if cursor.halted_reason:
            raise ViolationError(cursor.halted_reason)
        say(f"cursor at event {cursor.last_event_seq}")
    _verify_ranges(report, snapshot, cursor)
    _verify_sums(report, snapshot)
    with report.check("ledger: every row follows from the archived events, and no other") as say:
        state = rederive(snapshot)
        say(
            f"events 1..{state.last_event_seq}, {state.transactions} transactions, "
            f"{len(state.balances)} balances, {len(state.derived.orders.open)} open orders, "
            f"{state.checkpoints} checkpoints"
        )
    with report.check("ledger: chain from genesis and balance digest are the cursor's") as say:
        found = (state.chain.hex(), state.digest.packed.hex(), state.digest.row_count)
        claimed = (cursor.chain.hex(), cursor.digest.hex(), cursor.row_count)
        if claimed != found:
            raise ViolationError(
                f"the cursor has (chain, digest, rows) {claimed}, expected {found}"
            )
        say(f"chain {found[0][:16]}..., digest {found[1]} over {found[2]} rows")
    return state


def _verify_ranges(report: Report, snapshot: Snapshot, cursor: StoredCursor) -> None:
    with report.check("ledger: the event archive is dense from 1 to the cursor") as say:
        _expect_dense(snapshot.row(sql.ARCHIVE_RANGE), cursor.last_event_seq, "events")
        say(f"{cursor.last_event_seq} events")
    with report.check("ledger: transactions are dense from 1 to the cursor") as say:
        _expect_dense(snapshot.row(sql.HEADER_RANGE), cursor.last_transaction, "transactions")
        say(f"{cursor.last_transaction} transactions")


def _expect_dense(found: tuple[Any, ...] | None, last: int, what: str) -> None:
    expected = (last, 1, last) if last else (0, None, None)
    if found != expected:
        raise ViolationError(f"{what} had (count, first, last) {found}, expected {expected}")


def _verify_sums(report: Report, snapshot: Snapshot) -> None:
    with report.check("ledger: every transaction sums to zero per asset"):
        if row := snapshot.row(sql.UNBALANCED):
            raise ViolationError(
                f"transaction {row[0]} in asset {row[1]}: the sum was {row[2]}, expected 0"
            )
    with report.check("ledger: every transaction has exactly its legs, of its day"):
        if row := snapshot.row(sql.INCOMPLETE):
            raise ViolationError(
                f"transaction {row[0]}: its header says {row[1]} legs, there are {row[2]}, "
                f"numbered {row[3]}..{row[4]}"
            )
    for name, statement, words in (
        ("balances are the sums of their legs", sql.BALANCE_OF_LEGS, "total"),
        ("locked amounts are what open orders and holds keep", sql.LOCKED_OF_ORDERS, "locked"),
    ):
        with report.check(f"ledger: {name}"):
            if row := snapshot.row(statement):
                raise ViolationError(
                    f"user {row[0]}, asset {row[1]}: {words} was {row[2]}, expected {row[3]}"
                )
    with report.check("ledger: asset totals are the sums of balances"):
        if row := snapshot.row(sql.TOTAL_OF_BALANCES):
            raise ViolationError(f"asset {row[0]}: held was {row[1]}, expected {row[2]}")
