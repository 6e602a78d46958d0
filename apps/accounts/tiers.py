"""What a trader of each tier may do. The one source: no right of a tier is stored anywhere else.

A new trader is of tier 0, and a higher one follows from a proof of identity. Invariant: a tier that
is not listed here may do nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import models


class Tier(models.IntegerChoices):
    """How much is known about a trader."""

    ZERO = 0, "0"
    ONE = 1, "1"
    TWO = 2, "2"
    THREE = 3, "3"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierRights:
    """What a tier may do with coins of its own."""

    deposit: bool = False
    trade: bool = False
    withdraw: bool = False


_ALL: Final = TierRights(deposit=True, trade=True, withdraw=True)
TIER_RIGHTS: Final[dict[int, TierRights]] = {
    Tier.ZERO: TierRights(deposit=True, trade=True),
    Tier.ONE: _ALL,
    Tier.TWO: _ALL,
    Tier.THREE: _ALL,
}


def tier_rights(tier: int) -> TierRights:
    """Return what traders of a tier may do; nothing at all for a number that is no tier."""
    return TIER_RIGHTS.get(tier, TierRights())
