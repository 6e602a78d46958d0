# mypy: ignore-errors
"""Price levels of a book side in a chunked, two-level sorted array, and the queues inside them.

A side keeps a directory of chunks, a chunk up to CHUNK_LEVELS keys in ascending order; so adding or
removing a level moves at most one chunk's keys, however deep the book is. Where the best price is
the highest key, most of the traffic happens at the end of the last chunk.

Invariants: no chunk and no level is empty; a section's `first_key` is its chunk's lowest key;
`best_key` is the side's highest key, or NO_KEY.
"""

import cython
from cython.cimports.libc.stdlib import realloc
from cython.cimports.libc.string import memcpy, memmove

from engine.kernel.compiled.layout import (
    BookSidePtr,
    ChunkPtr,
    CorePtr,
    LevelPtr,
    OrderPtr,
    SectionPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.symbols import CHUNK_LEVELS, CHUNK_LEVELS_MERGED, NO_KEY, SECTIONS_MIN


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def key_of(is_bid: u32, price: i64) -> i64:
    """Return the key of a price on its own side: the better the price, the higher the key."""
    return price if is_bid else -price


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def side_of(core: CorePtr, market: u32, is_bid: u32) -> BookSidePtr:
    return cython.address(core.markets[market].sides[is_bid])


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_section(side: BookSidePtr, key: i64) -> u32:
    """Return the section in which a key is or belongs. The side must not be empty."""
    low: u32 = 0
    width: u32 = side.section_count
    while width > 1:
        half: u32 = width >> 1
        if side.sections[low + half].first_key <= key:
            low += half
        width -= half
    return low


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_in_chunk(chunk: ChunkPtr, key: i64) -> u32:
    """Return the place of the first key that is not below this one."""
    low: u32 = 0
    width: u32 = chunk.count
    while width:
        half: u32 = width >> 1
        if chunk.keys[low + half] < key:
            low += half + 1
            width -= half + 1
        else:
            width = half
    return low


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def best_level(core: CorePtr, side: BookSidePtr) -> u32:
    """Return the best level of a side that is not empty."""
    chunk: ChunkPtr = core.chunks + side.sections[side.section_count - 1].chunk
    return chunk.levels[chunk.count - 1]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def level_from(core: CorePtr, side: BookSidePtr, key: i64) -> u32:
    """Return the worst level whose key is not below this one, 0 if there is none."""
    if side.best_key < key or not side.section_count:
        return 0
    section: u32 = find_section(side, key)
    chunk: ChunkPtr = core.chunks + side.sections[section].chunk
    place: u32 = find_in_chunk(chunk, key)
    if place == chunk.count:
        chunk = core.chunks + side.sections[section + 1].chunk
        place = 0
    return chunk.levels[place]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def level_below(core: CorePtr, side: BookSidePtr, key: i64) -> u32:
    """Return the best level whose key is below this one, 0 if there is none."""
    if not side.section_count:
        return 0
    section: u32 = find_section(side, key)
    chunk: ChunkPtr = core.chunks + side.sections[section].chunk
    place: u32 = find_in_chunk(chunk, key)
    if not place:
        if not section:
            return 0
        chunk = core.chunks + side.sections[section - 1].chunk
        place = chunk.count
    return chunk.levels[place - 1]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def take_chunk(core: CorePtr) -> u32:
    index: u32 = core.chunk_free
    if index:
        core.chunk_free = core.chunks[index].next_free
    else:
        index = core.chunk_top
        core.chunk_top += 1
    core.chunks[index].count = 0
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_section(core: CorePtr, side: BookSidePtr) -> cython.bint:
    """Make room in a side's directory for one more chunk. False, nothing changed: memory ends."""
    if side.section_count < side.section_capacity:
        return True
    capacity: u64 = side.section_capacity * 2 if side.section_capacity else SECTIONS_MIN
    memory: cython.p_void = realloc(side.sections, capacity * cython.sizeof(side.sections[0]))
    if not memory:
        core.is_out_of_memory = 1
        return False
    side.sections = cython.cast(SectionPtr, memory)
    side.section_capacity = cython.cast(u32, capacity)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def insert_section(side: BookSidePtr, place: u32, first_key: i64, chunk: u32) -> cython.void:
    section: SectionPtr = side.sections + place
    memmove(section + 1, section, (side.section_count - place) * cython.sizeof(section[0]))
    section.first_key = first_key
    section.chunk = chunk
    side.section_count += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def remove_section(core: CorePtr, side: BookSidePtr, place: u32) -> cython.void:
    section: SectionPtr = side.sections + place
    core.chunks[section.chunk].next_free = core.chunk_free
    core.chunk_free = section.chunk
    side.section_count -= 1
    memmove(section, section + 1, (side.section_count - place) * cython.sizeof(section[0]))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def split_section(core: CorePtr, side: BookSidePtr, place: u32) -> cython.void:
    """Move the upper half of a full chunk into a new one behind it."""
    upper: u32 = take_chunk(core)
    source: ChunkPtr = core.chunks + side.sections[place].chunk
    target: ChunkPtr = core.chunks + upper
    half: u32 = source.count >> 1
    target.count = source.count - half
    source.count = half
    memcpy(target.keys, source.keys + half, target.count * cython.sizeof(i64))
    memcpy(target.levels, source.levels + half, target.count * cython.sizeof(u32))
    insert_section(side, place + 1, target.keys[0], upper)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def merge_section(core: CorePtr, side: BookSidePtr, place: u32) -> cython.void:
    """Join a chunk with the one behind it if both are nearly empty: sparse books stay small."""
    if place + 1 >= side.section_count:
        return
    target: ChunkPtr = core.chunks + side.sections[place].chunk
    source: ChunkPtr = core.chunks + side.sections[place + 1].chunk
    if target.count + source.count > CHUNK_LEVELS_MERGED:
        return
    memcpy(target.keys + target.count, source.keys, source.count * cython.sizeof(i64))
    memcpy(target.levels + target.count, source.levels, source.count * cython.sizeof(u32))
    target.count += source.count
    remove_section(core, side, place + 1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_level(core: CorePtr, price: i64) -> u32:
    index: u32 = core.level_free
    if index:
        core.level_free = core.levels[index].next_free
    else:
        index = core.level_top
        core.level_top += 1
    level: LevelPtr = core.levels + index
    level.price = price
    level.lots = 0
    level.first = level.last = 0
    level.count = 0
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def level_at(core: CorePtr, side: BookSidePtr, key: i64, price: i64) -> u32:
    """Return the level of a price, opening it if nothing rests there."""
    section: u32
    if not side.section_count:
        insert_section(side, 0, key, take_chunk(core))
    section = find_section(side, key)
    chunk: ChunkPtr = core.chunks + side.sections[section].chunk
    place: u32 = find_in_chunk(chunk, key)
    if place < chunk.count and chunk.keys[place] == key:
        return chunk.levels[place]
    if chunk.count == CHUNK_LEVELS:
        split_section(core, side, section)
        if place > chunk.count:
            place -= chunk.count
            section += 1
            chunk = core.chunks + side.sections[section].chunk
    behind: u32 = chunk.count - place
    memmove(chunk.keys + place + 1, chunk.keys + place, behind * cython.sizeof(i64))
    memmove(chunk.levels + place + 1, chunk.levels + place, behind * cython.sizeof(u32))
    level: u32 = open_level(core, price)
    chunk.keys[place] = key
    chunk.levels[place] = level
    chunk.count += 1
    if not place:
        side.sections[section].first_key = key
    if key > side.best_key:
        side.best_key = key
    return level


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def close_level(core: CorePtr, side: BookSidePtr, index: u32, key: i64) -> cython.void:
    """Take an empty level out of its side."""
    section: u32 = find_section(side, key)
    chunk: ChunkPtr = core.chunks + side.sections[section].chunk
    place: u32 = find_in_chunk(chunk, key)
    chunk.count -= 1
    behind: u32 = chunk.count - place
    memmove(chunk.keys + place, chunk.keys + place + 1, behind * cython.sizeof(i64))
    memmove(chunk.levels + place, chunk.levels + place + 1, behind * cython.sizeof(u32))
    core.levels[index].next_free = core.level_free
    core.level_free = index
    if not chunk.count:
        remove_section(core, side, section)
    else:
        side.sections[section].first_key = chunk.keys[0]
        if chunk.count < CHUNK_LEVELS_MERGED // 2:
            merge_section(core, side, section)
    if key == side.best_key:
        side.best_key = NO_KEY
        if side.section_count:
            chunk = core.chunks + side.sections[side.section_count - 1].chunk
            side.best_key = chunk.keys[chunk.count - 1]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def enqueue(core: CorePtr, index: u32) -> cython.void:
    """Put an order at the back of the level of its price."""
    order: OrderPtr = core.orders + index
    side: BookSidePtr = side_of(core, order.market, order.is_bid)
    level_index: u32 = level_at(core, side, key_of(order.is_bid, order.price), order.price)
    level: LevelPtr = core.levels + level_index
    order.level = level_index
    order.next = 0
    order.prev = level.last
    if level.last:
        core.orders[level.last].next = index
    else:
        level.first = index
    level.last = index
    level.lots += order.leaves
    level.count += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def dequeue(core: CorePtr, index: u32) -> cython.void:
    """Take an order out of its level, and the level out of its side if it was the last."""
    order: OrderPtr = core.orders + index
    level: LevelPtr = core.levels + order.level
    if order.prev:
        core.orders[order.prev].next = order.next
    else:
        level.first = order.next
    if order.next:
        core.orders[order.next].prev = order.prev
    else:
        level.last = order.prev
    level.lots -= order.leaves
    level.count -= 1
    if not level.count:
        side: BookSidePtr = side_of(core, order.market, order.is_bid)
        close_level(core, side, order.level, key_of(order.is_bid, order.price))
