# mypy: ignore-errors
"""Accounts: one user's `available` and `locked` of one asset, and which of them were touched.

Invariant: an account changes only through `credit`, `lock` and `spend`, which note it as touched
unless they move nothing; so a checkpoint rehashes exactly the accounts that moved.
"""

import cython

from engine.kernel.compiled.layout import AccountPtr, CorePtr, i64, u32, u64
from engine.kernel.compiled.tables import find, insert


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def account_key(user_id: i64, asset_id: u32) -> u64:
    """Return one word for both: user ids have at most 47 bits, asset ids 16."""
    return (cython.cast(u64, user_id) << 16) | asset_id


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_account(core: CorePtr, user_id: i64, asset_id: u32) -> u32:
    """Return an account, 0 if it was never used."""
    return find(cython.address(core.account_table), account_key(user_id, asset_id))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_account(core: CorePtr, user: u32, asset_id: u32) -> u32:
    """Return a user's account, opening it if this is the first use."""
    user_id: i64 = core.users[user].user_id
    index: u32 = find_account(core, user_id, asset_id)
    if index:
        return index
    index = core.account_top
    core.account_top += 1
    account: AccountPtr = core.accounts + index
    account.user_id = user_id
    account.asset_id = asset_id
    account.available = account.locked = account.checkpoint_total = 0
    account.checkpoint_hash_low = account.checkpoint_hash_high = 0
    account.is_touched = account.spare = 0
    account.next_of_user = core.users[user].first_account
    core.users[user].first_account = index
    insert(cython.address(core.account_table), account_key(user_id, asset_id), index)
    return index


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def available_in(core: CorePtr, account: u32) -> i64:
    """Return what is available, 0 where there is no account."""
    return core.accounts[account].available if account else 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def touch(core: CorePtr, index: u32) -> AccountPtr:
    account: AccountPtr = core.accounts + index
    if not account.is_touched:
        account.is_touched = 1
        core.touched[core.touched_count] = index
        core.touched_count += 1
    return account


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def credit(core: CorePtr, index: u32, amount: i64) -> cython.void:
    """Add to `available` (a negative amount takes away)."""
    if amount:
        touch(core, index).available += amount


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def lock(core: CorePtr, index: u32, amount: i64) -> cython.void:
    """Move from `available` to `locked` (a negative amount: back)."""
    if amount:
        account: AccountPtr = touch(core, index)
        account.available -= amount
        account.locked += amount


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def spend(core: CorePtr, index: u32, amount: i64) -> cython.void:
    """Take from `locked`."""
    if amount:
        touch(core, index).locked -= amount
