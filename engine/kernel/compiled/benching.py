# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""What the benchmark alone uses: the books by themselves, and a clock around each command.

`CompiledBook` runs order commands on the kernel's own levels, queues, pools and id table, and does
nothing else: no users, balances, holds, fees, filters, request ids, client order ids or events. It
says what the books cost inside the kernel. Invariant: on commands that a kernel would accept its
books are the kernel's. On others it may do anything but leave its memory.
"""

import cython
from cython.cimports.cpython.buffer import PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cython.cimports.libc.string import memset
from cython.cimports.posix.time import CLOCK_MONOTONIC, clock_gettime, timespec

from engine.kernel.codes import (
    BID,
    CANCEL,
    FOK_BUDGET,
    GTC,
    MOVE,
    PLACE,
    RECORD_BYTES,
    REDUCE,
)
from engine.kernel.compiled.dispatch import close_core, open_core, reserve_for
from engine.kernel.compiled.kernel import CompiledKernel
from engine.kernel.compiled.layout import (
    BookSidePtr,
    ChunkPtr,
    CommandPtr,
    Core,
    CorePtr,
    LevelPtr,
    MarketPtr,
    OrderPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.levels import (
    best_level,
    close_level,
    dequeue,
    enqueue,
    key_of,
    reserve_section,
    side_of,
)
from engine.kernel.compiled.lookups import find_market, find_order
from engine.kernel.compiled.matching import limit_key, lower
from engine.kernel.compiled.memory import reserve_markets
from engine.kernel.compiled.rows import level_views
from engine.kernel.compiled.symbols import NO_KEY, SLICE_COMMANDS
from engine.kernel.compiled.tables import insert, remove

NANOSECONDS = 1_000_000_000


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def release_from_book(core: CorePtr, index: u32) -> cython.void:
    """Give back an order that rested and is in no level any more."""
    order: OrderPtr = core.orders + index
    remove(cython.address(core.order_table), cython.cast(u64, order.order_id), index)
    order.next = core.order_free
    core.order_free = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def trade_in_book(core: CorePtr, taker: OrderPtr) -> cython.void:
    """Trade until the taker is filled or nothing is within its price."""
    opposite: BookSidePtr = side_of(core, taker.market, not taker.is_bid)
    worst_key: i64 = limit_key(taker)
    while taker.leaves and opposite.best_key >= worst_key:
        level_index: u32 = best_level(core, opposite)
        level: LevelPtr = core.levels + level_index
        while taker.leaves and level.first:
            maker_index: u32 = level.first
            maker: OrderPtr = core.orders + maker_index
            lots: i64 = lower(taker.leaves, maker.leaves)
            taker.leaves -= lots
            maker.leaves -= lots
            level.lots -= lots
            core.event_seq += 1
            if maker.leaves:
                continue
            level.first = maker.next
            level.count -= 1
            if maker.next:
                core.orders[maker.next].prev = 0
            else:
                level.last = 0
            release_from_book(core, maker_index)
        if not level.count:
            close_level(core, opposite, level_index, opposite.best_key)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cost_in_book(core: CorePtr, order: OrderPtr, wanted: i64) -> i64:
    """Return what so many lots cost at once, in ticks times lots; -1 if less is there."""
    side: BookSidePtr = side_of(core, order.market, not order.is_bid)
    cost: i64 = 0
    section: u32 = side.section_count
    while section:
        section -= 1
        chunk: ChunkPtr = core.chunks + side.sections[section].chunk
        place: u32 = chunk.count
        while place:
            place -= 1
            level: LevelPtr = core.levels + chunk.levels[place]
            lots: i64 = lower(wanted, level.lots)
            cost += lots * level.price
            wanted -= lots
            if not wanted:
                return cost
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_worth_it(core: CorePtr, command: CommandPtr, order: OrderPtr, tick_lot: i64) -> cython.bint:
    """Whether all of a FOK_BUDGET trades at once within its budget."""
    cost: i64 = cost_in_book(core, order, order.leaves)
    if cost < 0:
        return False
    left: i64 = command.amount - cost * tick_lot
    return left >= 0 if order.is_bid else left <= 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def place_in_book(core: CorePtr, command: CommandPtr, market: u32, tick_lot: i64) -> cython.void:
    index: u32 = core.order_free
    if index:
        core.order_free = core.orders[index].next
    else:
        index = core.order_top
        core.order_top += 1
    order: OrderPtr = core.orders + index
    memset(order, 0, cython.sizeof(order[0]))
    order.order_id = command.order_id
    order.price = command.price
    order.leaves = command.quantity
    order.market = market
    order.is_bid = command.side == BID
    if command.order_type != FOK_BUDGET or is_worth_it(core, command, order, tick_lot):
        trade_in_book(core, order)
    if order.leaves and command.time_in_force == GTC:
        insert(cython.address(core.order_table), cython.cast(u64, order.order_id), index)
        enqueue(core, index)
    else:
        order.next = core.order_free
        core.order_free = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def change_in_book(core: CorePtr, command: CommandPtr, index: u32) -> cython.void:
    """CANCEL, REDUCE or MOVE of an order that rests."""
    order: OrderPtr = core.orders + index
    if command.kind == REDUCE and command.quantity < order.leaves:
        order.leaves -= command.quantity
        core.levels[order.level].lots -= command.quantity
        return
    dequeue(core, index)
    if command.kind == MOVE:
        order.price = command.price
        opposite: BookSidePtr = side_of(core, order.market, not order.is_bid)
        if opposite.best_key >= key_of(not order.is_bid, order.price):
            trade_in_book(core, order)
        if order.leaves:
            enqueue(core, index)
            return
    release_from_book(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_to_books(core: CorePtr, commands: CommandPtr, count: u64, tick_lot: i64) -> cython.bint:
    """Apply commands for which memory is reserved. False if memory ends."""
    done: u64
    for done in range(count):
        command: CommandPtr = commands + done
        market: u32 = find_market(core, command.market_id)
        if not market:
            continue
        if not reserve_section(core, side_of(core, market, 0)):
            return False
        if not reserve_section(core, side_of(core, market, 1)):
            return False
        if command.kind == PLACE:
            place_in_book(core, command, market, tick_lot)
        elif CANCEL <= command.kind <= MOVE:
            index: u32 = find_order(core, command.order_id)
            if index:
                change_in_book(core, command, index)
    return True


@cython.final
@cython.cclass
class CompiledBook:
    """Books of markets 1 to `market_count`; `tick_lot_atoms` turns budgets into ticks times lots.

    Bids with a hold ceiling and every other kind of order are taken as plain ones.
    """

    core: Core
    tick_lot: i64

    def __cinit__(self, market_count, tick_lot_atoms):
        core: CorePtr = cython.address(self.core)
        self.tick_lot = tick_lot_atoms
        if not open_core(core):
            raise MemoryError("no memory for empty books")
        for market_id in range(1, market_count + 1):
            if not reserve_markets(core):
                raise MemoryError("no memory for one more market")
            market: MarketPtr = core.markets + core.market_top
            memset(market, 0, cython.sizeof(market[0]))
            market.market_id = market_id
            market.sides[0].best_key = market.sides[1].best_key = NO_KEY
            core.market_of_id[market.market_id] = core.market_top
            core.market_top += 1

    def __dealloc__(self):
        close_core(cython.address(self.core))

    @property
    def trade_count(self):
        return self.core.event_seq

    @property
    def open_order_count(self):
        return self.core.order_table.count

    def apply(self, commands):
        """Apply n x 128 bytes of commands, which must lie even in memory."""
        core: CorePtr = cython.address(self.core)
        view: cython.Py_buffer
        PyObject_GetBuffer(commands, cython.address(view), PyBUF_SIMPLE)
        try:
            if view.len % RECORD_BYTES or cython.cast(u64, view.buf) % 8:
                raise ValueError("commands were cut or askew, expected whole records at a word")
            first: CommandPtr = cython.cast(CommandPtr, view.buf)
            count: u64 = view.len // RECORD_BYTES
            done: u64 = 0
            while done < count:
                piece: u64 = count - done
                if piece > SLICE_COMMANDS:
                    piece = SLICE_COMMANDS
                if not reserve_for(core, first + done, piece):
                    raise MemoryError(f"no memory for {piece} more commands")
                with cython.nogil:
                    fits: cython.bint = apply_to_books(core, first + done, piece, self.tick_lot)
                if not fits:
                    raise MemoryError("memory ended within a batch")
                done += piece
        finally:
            PyBuffer_Release(cython.address(view))

    def book(self, market_id):
        """(bids, asks), all levels, best first."""
        core: CorePtr = cython.address(self.core)
        market: MarketPtr = core.markets + find_market(core, market_id)
        return (
            level_views(core, cython.address(market.sides[1]), None),
            level_views(core, cython.address(market.sides[0]), None),
        )


@cython.cfunc
@cython.inline
@cython.exceptval(check=False)
def now_ns() -> i64:
    at: timespec
    clock_gettime(CLOCK_MONOTONIC, cython.address(at))
    return at.tv_sec * NANOSECONDS + at.tv_nsec


def apply_timed(kernel: CompiledKernel, commands: bytes, time_us: i64):
    """Apply order commands one by one; return the nanoseconds of each as packed signed 64 bits.

    Each is one slice of its own with a reading of the clock before and behind it, within the
    compiled code: the interpreter has no part in it. The events of each are overwritten by those of
    the next.
    """
    core: CorePtr = cython.address(kernel.core)
    count: u64 = len(commands) // RECORD_BYTES
    first: CommandPtr = cython.cast(CommandPtr, PyBytes_AS_STRING(commands))
    packed: bytes = PyBytes_FromStringAndSize(cython.NULL, count * 8)
    taken: cython.pointer(i64) = cython.cast(cython.pointer(i64), PyBytes_AS_STRING(packed))
    core.time_us = time_us
    done: u64
    for done in range(count):
        core.event_count = 0
        if not reserve_for(core, first + done, 1):
            raise MemoryError("no memory for one more command")
        started: i64 = now_ns()
        kernel.apply_piece(first + done, 1)
        taken[done] = now_ns() - started
    return packed
