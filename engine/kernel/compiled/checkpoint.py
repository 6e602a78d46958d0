# mypy: ignore-errors
"""The balance digest, brought up to date at each CHECKPOINT from the accounts touched since.

It runs under the interpreter, for BLAKE2b comes from hashlib; only touched accounts are hashed.
"""

import hashlib
import struct

import cython

from engine.kernel.codes import CHECKPOINT_ASSET, CHECKPOINT_MADE
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.layout import AccountPtr, AssetPtr, CorePtr, EventPtr, i64, u32, u64
from engine.kernel.compiled.memory import reserve_events

DIGEST_MODULUS = 2**128
WORD_MASK = 2**64 - 1
ROW = struct.Struct("<4q")


@cython.cfunc
def row_hash(account: AccountPtr) -> object:
    """Return a row's summand in the digest; an empty account has none."""
    if not account.available and not account.locked:
        return 0
    row = ROW.pack(account.user_id, account.asset_id, account.available, account.locked)
    return int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "little")


@cython.cfunc
def digest_account(core: CorePtr, account: AccountPtr, digest: object) -> tuple:
    """Take one touched account's old row out of the digest and its new one in.

    Return the digest and the change in the number of rows.
    """
    asset: AssetPtr = core.assets + core.asset_of_id[account.asset_id]
    total: i64 = account.available + account.locked
    asset.held += total - account.checkpoint_total
    account.checkpoint_total = total
    old_high: object = account.checkpoint_hash_high  # a Python int: C would lose the shifted bits
    old = old_high << 64 | account.checkpoint_hash_low
    new = row_hash(account)
    account.checkpoint_hash_low = new & WORD_MASK
    account.checkpoint_hash_high = new >> 64
    account.is_touched = 0
    return (digest + new - old) % DIGEST_MODULUS, bool(new) - bool(old)


@cython.cfunc
def make_checkpoint(core: CorePtr, digest: object, row_count: object) -> tuple:
    """Apply a CHECKPOINT; return the new digest and number of rows. MemoryError: nothing changed.

    Hashes are of 128 bits: that one is 0, and would be taken for an empty row, never happens.
    """
    if not reserve_events(core, core.asset_top + 1):
        raise MemoryError("no memory for the events of a checkpoint")
    touched_assets = set()
    place: u32
    for place in range(core.touched_count):
        account: AccountPtr = core.accounts + core.touched[place]
        touched_assets.add(account.asset_id)
        digest, rows = digest_account(core, account, digest)
        row_count += rows
    core.touched_count = 0
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
