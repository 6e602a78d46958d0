"""What console pages ask of the event archive: records in words, and how far the mirror is.

Invariant: an event is shown from its 128 bytes as archived, never from what was derived of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q

from apps.markets.catalogue import Catalogue
from apps.mirror.event_words import event_summary
from apps.mirror.models import Cursor, EngineEvent, EngineSetting
from engine.proto.records import EventType, unpack_event

SETTINGS_MAX: Final = 200  # of one user or market that are told


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


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """Something that the engine was told to hold a user or a market to, in words."""

    kind: EventType
    what: str
    whom: str
    event_seq: int
    set_at: datetime


def settings_in_force(
    catalogue: Catalogue, *, user_id: int = 0, market_id: int = 0
) -> list[SettingInForce]:
    """Return what holds for a user, or for a market, and what holds for all. Two queries."""
    of_all = Q(user_id=0, market_id=0)
    own = Q(user_id=user_id) if user_id else Q(market_id=market_id, user_id=0)
    rows = EngineSetting.objects.filter(own | of_all).order_by("type", "user_id", "market_id")
    seqs = list(rows.values_list("event_seq", flat=True)[:SETTINGS_MAX])
    archived = EngineEvent.objects.in_bulk(seqs)
    found = []
    for seq in seqs:
        header, body = unpack_event(bytes(archived[seq].record))
        if not any(body[1:] if body._fields[0] == "user_id" else body):
            continue  # it was taken back
        kind = EventType(header.type)
        market = catalogue.markets.get(header.market_id)
        whose = getattr(body, "user_id", 0)
        parts = [f"account {whose}" if whose else "", market.symbol if market else ""]
        found.append(
            SettingInForce(
                kind,
                event_summary(header, body, catalogue),
                ", ".join(part for part in parts if part) or "all",
                seq,
                archived[seq].occurred_at,
            )
        )
    return found
