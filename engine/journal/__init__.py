"""The engine's durable memory: every batch of commands and the events it caused, for ever.

One directory holds it: `lock`, `epoch`, `durable` and `journal/<number>.seg`. The engine is the one
writer; relay, event service and verification read the same files up to the published durable
position. Invariant: bytes that were once durable are never changed and never deleted.
"""

from engine.journal.durable import DurablePosition, read_position
from engine.journal.errors import (
    DirectoryInUseError,
    JournalCorruptError,
    JournalError,
    JournalFullError,
    JournalWriteError,
)
from engine.journal.log import CommandLog, Place, Record
from engine.journal.reader import (
    EventSlice,
    Follower,
    journal_records,
    placed_records,
    record_at,
)

__all__ = [
    "CommandLog",
    "DirectoryInUseError",
    "DurablePosition",
    "EventSlice",
    "Follower",
    "JournalCorruptError",
    "JournalError",
    "JournalFullError",
    "JournalWriteError",
    "Place",
    "Record",
    "journal_records",
    "placed_records",
    "read_position",
    "record_at",
]
