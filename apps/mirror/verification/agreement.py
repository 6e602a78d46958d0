"""The engine against the books, at the same event, with zero tolerance, under live load.

The engine is asked for all balances at its own event N, which is at or after the books' event M.
The books are then brought forward from M to N by the same pure functions over the events that the
engine's journal has in between. Invariant: what is compared is as of one event on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from apps.mirror.verification.rederive import BookState
from apps.mirror.verification.report import Report, ViolationError
from engine.client import Balances, SyncEngineClient
from engine.proto.stream import CHAIN_GENESIS, chain_extend

READ_EVENTS_MAX: Final = 32_768


def verify_agreement(report: Report, engine: SyncEngineClient, state: BookState) -> None:
    """Compare engine and books; `state` is carried forward to the engine's event."""
    books_seq, books_chain = state.last_event_seq, state.chain
    with report.check("engine = ledger: the archive is the engine's journal") as say:
        chain = CHAIN_GENESIS
        for records in _journaled(engine, 1, books_seq):
            chain = chain_extend(chain, records)
        if chain != books_chain:
            raise ViolationError(
                f"the chain hash at event {books_seq} was {books_chain.hex()} in the books, "
                f"{chain.hex()} in the engine"
            )
        say(f"events 1..{books_seq}")
    with report.check("engine = ledger: all balances at the same event") as say:
        dump = engine.dump_balances()
        if dump.event_seq < books_seq:
            raise ViolationError(
                f"the engine is at event {dump.event_seq}, the books are at {books_seq}"
            )
        for records in _journaled(engine, books_seq + 1, dump.event_seq):
            state.advance(records)
        _compare(dump, state)
        say(
            f"{len(dump.balances)} balances at event {dump.event_seq}, "
            f"{dump.event_seq - books_seq} events after the cursor"
        )


def _journaled(engine: SyncEngineClient, first: int, last: int) -> Iterator[bytes]:
    """Yield the engine's events first..last."""
    following = first
    while following <= last:
        until = min(last, following + READ_EVENTS_MAX - 1)
        try:
            batches = engine.read_events(following, until)
        except LookupError as error:
            raise ViolationError(
                f"the engine does not have events {following}..{until}: {error}"
            ) from error
        for batch in batches:
            if batch.first_event_seq != following:
                raise ViolationError(
                    f"the engine gave events from {batch.first_event_seq} on, expected {following}"
                )
            yield batch.events
            following = batch.last_event_seq + 1


def _compare(dump: Balances, state: BookState) -> None:
    engine = {
        (each.user_id, each.asset_id): (each.available_atoms, each.locked_atoms)
        for each in dump.balances
    }
    books = {
        key: (held.available, held.locked)
        for key, held in state.balances.items()
        if held.available or held.locked
    }
    for key in sorted(engine.keys() | books.keys()):
        was, expected = books.get(key, (0, 0)), engine.get(key, (0, 0))
        if was != expected:
            raise ViolationError(
                f"user {key[0]}, asset {key[1]} at event {dump.event_seq}: (available, locked) "
                f"atoms were {was} in the books, {expected} in the engine"
            )
