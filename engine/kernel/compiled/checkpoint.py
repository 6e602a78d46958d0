# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""The balance digest, brought up to date at each CHECKPOINT from the accounts touched since.

Only touched accounts are hashed; the digest itself is a Python int, its change is summed up in C.
"""

import cython

from engine.kernel.codes import CHECKPOINT_ASSET, CHECKPOINT_MADE
from engine.kernel.compiled.blake2 import (
    HashPtr,
    add_to_sum,
    hash_four_words,
    sum_as_int,
    take_from_sum,
)
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.layout import AccountPtr, AssetPtr, CorePtr, EventPtr, i64, u32, u64
from engine.kernel.compiled.memory import reserve_events

DIGEST_MODULUS = 2**128
WORD_MASK = 2**64 - 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hash_account(account: AccountPtr) -> cython.void:
    """Note a row's summand in the digest as what it counts for; an empty account has none."""
    account.checkpoint_hash_low = account.checkpoint_hash_high = 0
    if not account.available and not account.locked:
        return
    words: u64[4]
    summand: u64[2]
    words[0] = cython.cast(u64, account.user_id)
    words[1] = account.asset_id
    words[2] = cython.cast(u64, account.available)
    words[3] = cython.cast(u64, account.locked)
    hash_four_words(words, summand)
    account.checkpoint_hash_low = summand[0]
    account.checkpoint_hash_high = summand[1]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def counts(account: AccountPtr) -> i64:
    """1 if the account is a row of the digest; a hash of 128 bits that is 0 never happens."""
    return (account.checkpoint_hash_low | account.checkpoint_hash_high) != 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def digest_account(core: CorePtr, account: AccountPtr, change: HashPtr) -> i64:
    """Take one touched account's old row out of the sum and its new one in.

    Return the change in the number of rows.
    """
    asset: AssetPtr = core.assets + core.asset_of_id[account.asset_id]
    total: i64 = account.available + account.locked
    asset.held += total - account.checkpoint_total
    account.checkpoint_total = total
    rows: i64 = counts(account)
    take_from_sum(change, account.checkpoint_hash_low, account.checkpoint_hash_high)
    hash_account(account)
    add_to_sum(change, account.checkpoint_hash_low, account.checkpoint_hash_high)
    account.is_touched = 0
    return counts(account) - rows


@cython.cfunc
def make_checkpoint(core: CorePtr, digest: object, row_count: object) -> tuple:
    """Apply a CHECKPOINT; return the new digest and number of rows.

    MemoryError: nothing changed.
    """
    if not reserve_events(core, core.asset_top + 1):
        raise MemoryError("no memory for the events of a checkpoint")
    touched_assets = set()
    change: u64[2]
    change[0] = change[1] = 0
    rows: i64 = 0
    last_asset: u32 = 0
    place: u32
    for place in range(core.touched_count):
        account: AccountPtr = core.accounts + core.touched[place]
        if account.asset_id != last_asset:
            last_asset = account.asset_id
            touched_assets.add(last_asset)
        rows += digest_account(core, account, change)
    core.touched_count = 0
    digest = (digest + sum_as_int(change)) % DIGEST_MODULUS
    row_count += rows
    for asset_id in sorted(touched_assets):
        emit_asset(core, core.assets + core.asset_of_id[cython.cast(u32, asset_id)])
    event: EventPtr = emit_clear(core, CHECKPOINT_MADE, 0)
    event.body[0] = cython.cast(i64, cython.cast(u64, digest & WORD_MASK))
    event.body[1] = cython.cast(i64, cython.cast(u64, digest >> 64))
    event.body[2] = row_count
    return digest, row_count


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_asset(core: CorePtr, asset: AssetPtr) -> cython.void:
    event: EventPtr = emit_clear(core, CHECKPOINT_ASSET, 0)
    event.body[0] = asset.asset_id
    event.body[1] = asset.held
    event.body[2] = asset.deposited
    event.body[3] = asset.withdrawn
    event.body[4] = asset.adjusted
