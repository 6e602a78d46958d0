"""Drafts: legs that are held back until the command that takes them all at once.

A leg does nothing: it is kept as it came, with its form checked. The command that takes the legs
must follow at once; whatever else follows, a refused leg included, drops them without a word.
Invariant: all legs of a draft are of one type and belong together, and there are at most LEGS_MAX.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.codes import (
    CAPACITY,
    LEG_TAKEN,
    NO_DRAFT,
    OK,
    PLACE_LEG,
    PLACE_LIST,
    REPLACE,
    TRANSFER,
    TRANSFER_LEG,
)
from engine.kernel.reference.checks import Fields, fingerprint, joined_fingerprint
from engine.kernel.reference.exchange import Exchange
from engine.proto.records import LEGS_MAX

LEG_TYPES: Final = frozenset((PLACE_LEG, TRANSFER_LEG))
_TAKERS: Final = frozenset((TRANSFER, PLACE_LIST, REPLACE))


def _belongs_to(leg_type: int, fields: Fields) -> tuple[object, ...]:
    """What all legs of one type and their taker have in common."""
    return (fields[15],) if leg_type == TRANSFER_LEG else (fields[6], fields[8])


def take_leg(x: Exchange, fields: Fields) -> int:
    """Hold a well-formed leg back; one that belongs elsewhere begins a draft of its own."""
    kind = fields[0]
    if x.draft and (
        x.draft[0][0] != kind or _belongs_to(kind, x.draft[0]) != _belongs_to(kind, fields)
    ):
        x.draft.clear()
    if len(x.draft) == LEGS_MAX:
        return CAPACITY
    x.draft.append(fields)
    x.emit(
        LEG_TAKEN,
        fields[6],
        0,
        OK,
        kind,
        fields[8],
        fields[9],
        len(x.draft),
        fields[15],
        fields[16],
    )
    return OK


def draft_refusal(x: Exchange, leg_type: int, fields: Fields) -> int:
    """Whether the draft is not what this command takes: `quantity` legs that belong to it."""
    if not x.draft or len(x.draft) != fields[11] or x.draft[0][0] != leg_type:
        return NO_DRAFT
    is_own = _belongs_to(leg_type, x.draft[0]) == _belongs_to(leg_type, fields)
    return OK if is_own else NO_DRAFT


def content_of(x: Exchange, fields: Fields) -> int:
    """Return the fingerprint of a command together with the legs that it takes."""
    if fields[0] not in _TAKERS:
        return fingerprint(fields)
    return joined_fingerprint([fingerprint(fields), *map(fingerprint, x.draft)])
