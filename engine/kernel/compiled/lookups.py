# mypy: ignore-errors
"""From the ids in commands to indices into the pools; 0 means unknown.

Invariant: any number may be asked for; those that can be no id are simply unknown.
"""

import cython

from engine.kernel.codes import ASSET_ID_MAX, MARKET_ID_MAX
from engine.kernel.compiled.layout import CorePtr, i64, u32, u64
from engine.kernel.compiled.tables import find


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_order(core: CorePtr, order_id: i64) -> u32:
    return find(cython.address(core.order_table), cython.cast(u64, order_id))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_market(core: CorePtr, market_id: u32) -> u32:
    return core.market_of_id[market_id] if market_id <= MARKET_ID_MAX else 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_asset(core: CorePtr, asset_id: i64) -> u32:
    return core.asset_of_id[asset_id] if 0 <= asset_id <= ASSET_ID_MAX else 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_user(core: CorePtr, user_id: i64) -> u32:
    """Return a trader, 0 if unknown; the house is not among them."""
    return find(cython.address(core.user_table), cython.cast(u64, user_id))
