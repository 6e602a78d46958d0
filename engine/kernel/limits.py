"""Stated limits of a kernel: at each of them a command is refused with CAPACITY.

They are part of the semantics: two engines that replay one journal must have the same limits, or
they would part where one of them refuses. Invariant: whatever a kernel stores is counted here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

REQUEST_WINDOW: Final = 64  # request ids remembered per user, first in, first out
TRIGGERS_PER_COMMAND_MAX: Final = 64  # what is left runs before the next command
TRAILING_DELTA_BIPS_MAX: Final = 9_999
TIMEOUT_MS_MAX: Final = 86_400_000  # of a dead-man switch and of a session's grace time
PAUSE_US_MAX: Final = 86_400_000_000  # a day
ICEBERG_TRANCHES_MAX: Final = 100  # quantity / displayed lots, rounded up
FEE_PER_LOT_MAX: Final = 10**12  # quote atoms per lot
ASSET_CODE_CHARS_MAX: Final = 20
SYMBOL_CHARS_MAX: Final = 30


class Limits(NamedTuple):
    """Most of each thing that a kernel will hold at one time (business ids: for ever)."""

    open_orders_max: int = 2**25
    accounts_max: int = 2**26
    users_max: int = 2**25
    business_ids_max: int = 2**27
    user_fees_max: int = 2**22


DEFAULT_LIMITS: Final = Limits()
