# mypy: ignore-errors
"""Open-addressing hash tables from a 64-bit key to a pool index.

Keys are exact (order id, user id, user and asset), except in the table of client order ids, where
the key is a hash: there several entries may share a key, and who looks one up checks each with
`next_match`. Invariant: at least half of the slots are free, so a probe always ends.
"""

import cython
from cython.cimports.libc.stdlib import calloc, free

from engine.kernel.compiled.layout import SlotPtr, Table, TablePtr, u32, u64
from engine.kernel.compiled.symbols import TABLE_SLOTS_MIN


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def mix(word: u64) -> u64:
    """Return a word in which every bit depends on every bit of the given one (as in Murmur3)."""
    word = (word ^ (word >> 33)) * cython.cast(u64, 0xFF51AFD7ED558CCD)
    word = (word ^ (word >> 33)) * cython.cast(u64, 0xC4CEB9FE1A85EC53)
    return word ^ (word >> 33)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def home_of(table: TablePtr, key: u64) -> u64:
    """Return the slot where the search for a key starts (Fibonacci hashing)."""
    return (key * cython.cast(u64, 0x9E3779B97F4A7C15)) >> table.shift


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find(table: TablePtr, key: u64) -> u32:
    """Return the value of a key, 0 if there is none."""
    place: u64 = home_of(table, key)
    while table.slots[place].value:
        if table.slots[place].key == key:
            return table.slots[place].value
        place = (place + 1) & table.mask
    return 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def next_match(table: TablePtr, key: u64, place: cython.pointer(u64)) -> u32:
    """Return the next value under a key that several may share, 0 after the last.

    `place` is where to look; it starts at `home_of` and is left behind the match.
    """
    while table.slots[place[0]].value:
        value: u32 = table.slots[place[0]].value
        is_match: cython.bint = table.slots[place[0]].key == key
        place[0] = (place[0] + 1) & table.mask
        if is_match:
            return value
    return 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def insert(table: TablePtr, key: u64, value: u32) -> cython.void:
    """Add an entry; `reserve_table` has made room for it."""
    place: u64 = home_of(table, key)
    while table.slots[place].value:
        place = (place + 1) & table.mask
    table.slots[place].key = key
    table.slots[place].value = value
    table.count += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def remove(table: TablePtr, key: u64, value: u32) -> cython.void:
    """Take out an entry that is there, and close the gap: no search may stop short at it."""
    gap: u64 = home_of(table, key)
    while table.slots[gap].value != value or table.slots[gap].key != key:
        gap = (gap + 1) & table.mask
    place: u64 = (gap + 1) & table.mask
    while table.slots[place].value:
        home: u64 = home_of(table, table.slots[place].key)
        if ((place - home) & table.mask) >= ((place - gap) & table.mask):
            table.slots[gap] = table.slots[place]
            gap = place
        place = (place + 1) & table.mask
    table.slots[gap].value = 0
    table.count -= 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_table(table: TablePtr, extra: u64) -> cython.bint:
    """Make room for so many more entries. False, with nothing changed, if memory ends."""
    size: u64 = table.mask + 1 if table.slots else 0
    wanted: u64 = size if size else TABLE_SLOTS_MIN
    while (table.count + extra) * 2 > wanted:
        wanted *= 2
    if wanted == size:
        return True
    old: Table = table[0]
    slots: SlotPtr = cython.cast(SlotPtr, calloc(wanted, cython.sizeof(old.slots[0])))
    if not slots:
        return False
    table.slots = slots
    table.mask = wanted - 1
    table.count = 0
    table.shift = 64
    while wanted > 1:
        table.shift -= 1
        wanted >>= 1
    place: u64
    for place in range(size):
        if old.slots[place].value:
            insert(table, old.slots[place].key, old.slots[place].value)
    free(old.slots)
    return True
