# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""The compiled kernel's face: `apply`, the queries, and its rows for the state hash.

Invariant: queries read between two calls of `apply` only, so what they see is a whole state.
"""

import struct

import cython
from cython.cimports.cpython.buffer import PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize
from cython.cimports.libc.stdlib import free, malloc
from cython.cimports.libc.string import memcpy

from engine.kernel import forms as form_tables
from engine.kernel import interface, state
from engine.kernel import states as state_tables
from engine.kernel.codes import HOUSE_USER_ID, INT64_MAX, PARKED_EVENTS, RECORD_BYTES
from engine.kernel.compiled.bands import band_rows, restore_bands
from engine.kernel.compiled.checkpoint import make_checkpoint
from engine.kernel.compiled.dispatch import apply_slice, close_core, open_core, reserve_for
from engine.kernel.compiled.layout import (
    Chunk,
    Command,
    CommandPtr,
    Core,
    CorePtr,
    Event,
    MarketPtr,
    UserPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_market, find_order
from engine.kernel.compiled.packing import (
    account_bytes,
    business_bytes,
    draft_bytes,
    hold_bytes,
    list_bytes,
    order_bytes,
    parked_bytes,
    terms_bytes,
    user_bytes,
    user_fees_bytes,
    watch_bytes,
    window_bytes,
    window_row_count,
)
from engine.kernel.compiled.parking import next_due
from engine.kernel.compiled.quoting import quote_rows, restore_quotes
from engine.kernel.compiled.restoring import (
    refit_checkpoint,
    restore_accounts,
    restore_asset,
    restore_business,
    restore_groups,
    restore_lists,
    restore_market,
    restore_modes,
    restore_orders,
    restore_terms,
    restore_users,
    restore_watches,
)
from engine.kernel.compiled.restoring_controls import (
    restore_draft,
    restore_holds,
    restore_kills,
    restore_market_limits,
    restore_user_fees,
)
from engine.kernel.compiled.rows import (
    account_rows,
    asset_rows,
    balance_views,
    group_rows,
    hold_views,
    kill_rows,
    level_indices,
    level_views,
    market_indices,
    market_limits_rows,
    market_rows,
    order_view,
    parked_indices,
    stp_rows,
    totals_views,
    user_indices,
)
from engine.kernel.compiled.symbols import (
    ASK_COLUMNS,
    CHUNK_LEVELS,
    HOUSE,
    SHORT_SLICE_COMMANDS,
    SLICE_COMMANDS,
)
from engine.kernel.compiled.tables import find
from engine.kernel.compiled.timers import next_timer
from engine.kernel.compiled.triggers import run_due
from engine.kernel.limits import DEFAULT_LIMITS
from engine.proto import records

ORDER_ID_MASK = 2**63 - 1
ORDER_ROW_BYTES = next(each.layout.size for each in state.SECTIONS if each.tag == b"PRKD")

assert cython.sizeof(Command) == RECORD_BYTES
assert cython.sizeof(Event) == RECORD_BYTES
assert cython.sizeof(Chunk) == CHUNK_LEVELS * 12 + 8


def forbidden_words(form: object) -> tuple:
    """Return the bits that must be zero in each of the sixteen words of a command."""
    fields = records.Command._fields
    used = [name == "type" or name in form.fields for name in fields]
    ones = (0xFF, 0xFF, 0xFF, 0xFF, form.flags, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, *(-1,) * 7)
    values = [one if is_used else 0 for one, is_used in zip(ones, used, strict=False)]
    values[fields.index("flags")] = form.flags
    values += [b"\xff" * 16 if used[15] else b"", b"\xff" * 40 if used[16] else b""]
    return tuple(
        word ^ (2**64 - 1) for word in struct.unpack("<16Q", records.COMMAND.pack(*values))
    )


@cython.final
@cython.cclass
class CompiledKernel:
    """See `engine.kernel.interface.Kernel`, which this class implements."""

    core: Core
    is_torn: cython.bint
    digest: object
    row_count: object

    def __cinit__(self, limits=DEFAULT_LIMITS):
        self.digest = 0
        self.row_count = 0
        if not open_core(cython.address(self.core)):
            raise MemoryError("no memory for an empty kernel")
        self.core.open_orders_max = limits.open_orders_max
        self.core.accounts_max = limits.accounts_max
        self.core.users_max = limits.users_max
        self.core.business_ids_max = limits.business_ids_max
        self.core.user_fees_max = limits.user_fees_max
        for market_state, row in state_tables.MATRIX.items():
            for ask, reason in row.items():
                self.core.state_matrix[market_state * ASK_COLUMNS + ask] = reason
            settable = market_state in state_tables.SETTABLE
            self.core.state_matrix[market_state * ASK_COLUMNS + ASK_COLUMNS - 1] = settable
        for kind, form in form_tables.FORMS.items():
            words = forbidden_words(form)
            word: u32
            for word in range(16):
                self.core.forms[cython.cast(u32, kind)].forbidden[word] = words[word]

    def __dealloc__(self):
        close_core(cython.address(self.core))

    @property
    def name(self):
        return "compiled"

    @property
    def command_seq(self):
        return self.core.command_seq

    @property
    def event_seq(self):
        return self.core.event_seq

    @property
    def time_us(self):
        return self.core.time_us

    @property
    def last_order_id(self):
        return self.core.last_order_id

    @property
    def needs_checkpoint(self):
        return self.core.touched_count > 0

    @property
    def next_timer_us(self):
        if self.core.due_markets and next_due(cython.address(self.core)):
            return max(self.core.time_us, 1)  # what a command left over runs as soon as it can
        return next_timer(cython.address(self.core)).due if self.core.timer_count else 0

    @property
    def event_bound(self):
        tranches: u64 = self.core.order_table.count + self.core.tranches
        parked: u64 = self.core.parked_count
        several: u64 = self.core.watch_table.count + self.core.list_table.count
        several += self.core.paused_count
        return 2 * (tranches + several) + PARKED_EVENTS * parked

    @property
    def open_order_count(self):
        return self.core.order_table.count

    @property
    def user_count(self):
        return self.core.user_table.count

    @property
    def account_count(self):
        return self.core.account_top - 1

    def apply(self, commands, time_us):
        view: cython.Py_buffer
        if self.is_torn:
            raise MemoryError("memory ended within an earlier batch, which is half applied")
        PyObject_GetBuffer(commands, cython.address(view), PyBUF_SIMPLE)
        try:
            if view.len % RECORD_BYTES:
                raise ValueError(
                    f"commands were {view.len} bytes, expected a multiple of {RECORD_BYTES}"
                )
            if not self.core.time_us <= time_us <= INT64_MAX:
                raise AssertionError(
                    f"time_us was {time_us}, expected at least {self.core.time_us}"
                )
            return self.apply_view(cython.address(view), time_us)
        finally:
            PyBuffer_Release(cython.address(view))

    @cython.cfunc
    def apply_view(self, view: cython.pointer(cython.Py_buffer), time_us: i64) -> bytes:
        """Apply a batch; one that lies askew in memory is copied to where words can be read."""
        if not cython.cast(u64, view.buf) % 8:
            return self.apply_batch(cython.cast(CommandPtr, view.buf), view.len, time_us)
        aligned: cython.p_void = malloc(view.len)
        if not aligned:
            raise MemoryError(f"no memory to align {view.len} bytes of commands")
        try:
            memcpy(aligned, view.buf, view.len)
            return self.apply_batch(cython.cast(CommandPtr, aligned), view.len, time_us)
        finally:
            free(aligned)

    @cython.cfunc
    def apply_batch(self, commands: CommandPtr, size: u64, time_us: i64) -> bytes:
        """Apply a batch in slices. A MemoryError before its first slice leaves all as it was."""
        core: CorePtr = cython.address(self.core)
        count: u64 = size // RECORD_BYTES
        done: u64 = 0
        core.event_count = 0
        while done < count:
            piece: u64 = count - done
            if piece > SLICE_COMMANDS:
                piece = SLICE_COMMANDS
            if not reserve_for(core, commands + done, piece):
                raise MemoryError(f"no memory for {piece} more commands")
            self.is_torn = True
            core.time_us = time_us
            done += self.apply_piece(commands + done, piece)
        core.time_us = time_us
        events = PyBytes_FromStringAndSize(
            cython.cast(cython.p_char, core.events), core.event_count * RECORD_BYTES
        )
        self.is_torn = False
        return events

    @cython.cfunc
    @cython.exceptval(0)
    def apply_piece(self, commands: CommandPtr, count: u64) -> u64:
        """Apply a slice up to and with its first CHECKPOINT; return how many commands that was.

        A short slice is applied before another thread could even be woken, so only a long one
        lets the interpreter go: taking it back may cost a whole switch interval.
        """
        core: CorePtr = cython.address(self.core)
        applied: u64
        if count <= SHORT_SLICE_COMMANDS:
            applied = apply_slice(core, commands, count)
        else:
            with cython.nogil:
                applied = apply_slice(core, commands, count)
        if core.is_out_of_memory:
            raise MemoryError(f"memory ended in command {core.command_seq}")
        if applied < count:
            core.command_seq += 1
            core.draft_count = 0
            run_due(core, INT64_MAX)
            if core.is_out_of_memory:
                raise MemoryError(f"memory ended before command {core.command_seq}")
            self.digest, self.row_count = make_checkpoint(core, self.digest, self.row_count)
            applied += 1
        return applied

    def assets(self):
        return [
            interface.AssetView(
                row.asset_id, ascii_text(row.text), row.decimals, row.max_total_atoms
            )
            for row in asset_rows(cython.address(self.core))
        ]

    def markets(self):
        return [
            interface.MarketView(row[0], ascii_text(row.text), *row[1:17])
            for row in market_rows(cython.address(self.core))
        ]

    def users(self):
        for index in user_indices(cython.address(self.core)):
            if index != HOUSE:
                user: UserPtr = self.core.users + cython.cast(u32, index)
                yield interface.UserView(user.user_id, user.status)

    def balances(self, user_id):
        index: u32 = HOUSE
        if user_id != HOUSE_USER_ID:
            if not 0 < user_id <= ORDER_ID_MASK:
                return []
            index = find(cython.address(self.core.user_table), user_id)
        return balance_views(cython.address(self.core), index) if index else []

    def all_balances(self):
        for row in account_rows(cython.address(self.core)):
            if row.available_atoms or row.locked_atoms:
                yield interface.BalanceView(*row)

    def order(self, market_id, order_id):
        if not 0 < order_id <= ORDER_ID_MASK or not 0 < market_id <= records.MARKET_ID_MAX:
            return None
        index: u32 = find_order(cython.address(self.core), order_id)
        market: u32 = find_market(cython.address(self.core), market_id)
        if not index or self.core.orders[index].market != market:
            return None
        return order_view(cython.address(self.core), index)

    def open_orders(self, user_id=HOUSE_USER_ID, market_id=0):
        for market in market_indices(cython.address(self.core)):
            if market_id and self.core.markets[cython.cast(u32, market)].market_id != market_id:
                continue
            for index in self.orders_of_market(market):
                owner: u32 = self.core.orders[cython.cast(u32, index)].user
                if not user_id or self.core.users[owner].user_id == user_id:
                    yield order_view(cython.address(self.core), index)

    def book(self, market_id, depth):
        if not 0 < market_id <= records.MARKET_ID_MAX:
            return None
        index: u32 = find_market(cython.address(self.core), market_id)
        if not index:
            return None
        market: MarketPtr = self.core.markets + index
        return (
            level_views(cython.address(self.core), cython.address(market.sides[1]), depth),
            level_views(cython.address(self.core), cython.address(market.sides[0]), depth),
        )

    def orders_of_market(self, market_index):
        """Yield indices: bids best first, then asks best first, in queue order."""
        market: u32 = market_index
        side: cython.int
        for side in (1, 0):
            for level in level_indices(
                cython.address(self.core),
                cython.address(self.core.markets[market].sides[side]),
                None,
            ):
                index: u32 = self.core.levels[cython.cast(u32, level)].first
                while index:
                    yield index
                    index = self.core.orders[index].next
        yield from parked_indices(cython.address(self.core), market)

    def holds(self):
        return hold_views(cython.address(self.core))

    def totals(self):
        return totals_views(cython.address(self.core))

    def state_hash(self):
        return state.hash_state(self)

    def head_row(self):
        return state.HeadRow(
            self.core.command_seq,
            self.core.event_seq,
            self.core.time_us,
            self.core.last_order_id,
            self.row_count,
            self.digest.to_bytes(16, "little"),
        )

    def state_sections(self):
        core: CorePtr = cython.address(self.core)
        yield self.core.asset_top - 1, asset_rows(core)
        yield self.core.market_top - 1, market_rows(core)
        yield self.core.user_top - 1, user_bytes(core)
        yield window_row_count(core), window_bytes(core)
        yield self.core.account_top - 1, account_bytes(core)
        yield self.core.order_table.count - self.core.parked_count, order_bytes(core)
        yield self.core.business_count, business_bytes(core)
        for rows in (group_rows(core), stp_rows(core), quote_rows(core)):
            yield len(rows), rows
        yield self.core.draft_count, draft_bytes(core)
        yield self.core.parked_count, parked_bytes(core)
        yield self.core.extra_table.count, terms_bytes(core)
        yield self.core.watch_table.count, watch_bytes(core)
        yield self.core.hold_top - 1, hold_bytes(core)
        killed = kill_rows(core)
        yield len(killed), killed
        limited = market_limits_rows(core)
        yield len(limited), limited
        yield self.core.user_fees_top - 1, user_fees_bytes(core)
        yield self.core.list_table.count, list_bytes(core)
        bands = band_rows(core)
        yield len(bands), bands

    def load_state(self, state_):
        """Take over a packed state; only a kernel that has applied nothing may."""
        core: CorePtr = cython.address(self.core)
        if self.core.command_seq:
            raise ValueError(
                f"kernel was at command {self.core.command_seq}, expected an empty one"
            )
        self.is_torn = True
        touched = {row.asset_id for row in state_.rows(b"ASST") if restore_asset(core, row)}
        restore_users(core, bytes(state_.packed(b"USER")), bytes(state_.packed(b"WNDW")))
        restore_accounts(core, bytes(state_.packed(b"ACCT")))
        for row in state_.rows(b"MRKT"):
            restore_market(core, row)
        restore_orders(core, bytes(state_.packed(b"ORDR")), 0)
        restore_orders(core, bytes(state_.packed(b"PRKD")), 1)
        restore_groups(core, state_)
        restore_modes(core, state_)
        restore_quotes(core, state_)
        restore_bands(core, state_)
        restore_business(core, bytes(state_.packed(b"BSNS")))
        restore_holds(core, bytes(state_.packed(b"HOLD")))
        restore_kills(core, state_)
        restore_market_limits(core, state_)
        restore_user_fees(core, bytes(state_.packed(b"UFEE")))
        restore_draft(core, bytes(state_.packed(b"DRFT")))
        restore_terms(
            core,
            bytes(state_.packed(b"XTRA")),
            len(state_.packed(b"PRKD")) // ORDER_ROW_BYTES,
        )
        restore_watches(core, bytes(state_.packed(b"WTCH")))
        restore_lists(core, bytes(state_.packed(b"LIST")))
        head = state_.head
        self.core.command_seq = head.command_seq
        self.core.event_seq = head.event_seq
        self.core.time_us = head.time_us
        self.core.last_order_id = head.last_order_id
        self.digest = int.from_bytes(head.digest, "little")
        self.row_count = head.row_count
        refit_checkpoint(core, self.digest, self.row_count, touched)
        self.is_torn = False


def ascii_text(text):
    return text.rstrip(b"\0").decode("ascii")
