"""What console pages ask of the event archive: records in words, and how far the mirror is.

Invariant: an event is shown from its 128 bytes as archived, never from what was derived of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.mirror.models import Cursor


@dataclass(frozen=True, slots=True)
class MirrorState:
    """How far one mirror has come, and whether its books agreed when last compared."""

    name: str
    last_event_seq: int
    epoch: int
    chain: bytes
    last_transaction: int
    last_checkpoint_seq: int
    last_checkpoint_ok: bool
    events_at: datetime | None
    updated_at: datetime
    halted_reason: str

    @property
    def differs(self) -> bool:
        """Whether the newest comparison with the engine failed; False if there was none yet."""
        compared = bool(self.last_checkpoint_seq or self.halted_reason)
        return compared and not self.last_checkpoint_ok


def mirror_states() -> list[MirrorState]:
    """Return every mirror's state, by name."""
    return [
        MirrorState(
            name=cursor.name,
            last_event_seq=cursor.last_event_seq,
            epoch=cursor.epoch,
            chain=bytes(cursor.chain),
            last_transaction=cursor.last_transaction,
            last_checkpoint_seq=cursor.last_checkpoint_seq,
            last_checkpoint_ok=cursor.last_checkpoint_ok,
            events_at=cursor.events_at,
            updated_at=cursor.updated_at,
            halted_reason=cursor.halted_reason,
        )
        for cursor in Cursor.objects.order_by("name")
    ]
