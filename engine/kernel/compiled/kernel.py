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
from engine.kernel.codes import HOUSE_USER_ID, INT64_MAX, RECORD_BYTES, REQUEST_WINDOW
from engine.kernel.compiled.checkpoint import make_checkpoint
from engine.kernel.compiled.dispatch import apply_slice, close_core, open_core, reserve_for
from engine.kernel.compiled.layout import (
    AccountPtr,
    AssetPtr,
    BookSidePtr,
    BusinessIdPtr,
    ChunkPtr,
    CommandPtr,
    Core,
    CorePtr,
    LevelPtr,
    MarketPtr,
    OrderPtr,
    RememberedPtr,
    TermsPtr,
    UserPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_market, find_order
from engine.kernel.compiled.symbols import MAKER, SLICE_COMMANDS, TAKER
from engine.kernel.compiled.tables import find
from engine.kernel.limits import DEFAULT_LIMITS
from engine.proto import records

ORDER_ID_MASK = 2**63 - 1


@cython.cfunc
def bytes_of(words: cython.pointer(u64), size: u32) -> bytes:
    return PyBytes_FromStringAndSize(cython.cast(cython.p_char, words), size)


@cython.cfunc
def text_of(words: cython.pointer(u64)) -> bytes:
    return bytes_of(words, 40)


@cython.cfunc
def ascii_of(words: cython.pointer(u64)) -> str:
    return text_of(words).rstrip(b"\0").decode("ascii")


@cython.cfunc
def request_of(low: u64, high: u64) -> bytes:
    return struct.pack("<QQ", low, high)


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
        if self.core.is_out_of_memory:
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
        core: CorePtr = cython.address(self.core)
        count: u64 = size // RECORD_BYTES
        done: u64 = 0
        core.event_count = 0
        while done < count:
            piece: u64 = count - done
            if piece > SLICE_COMMANDS:
                piece = SLICE_COMMANDS
            applied: u64
            with cython.nogil:
                if not reserve_for(core, commands + done, piece):
                    core.is_out_of_memory = done > 0
                    with cython.gil:
                        raise MemoryError(f"no memory for {piece} more commands")
                core.time_us = time_us
                applied = apply_slice(core, commands + done, piece)
            if core.is_out_of_memory:
                raise MemoryError(f"memory ended in command {core.command_seq}")
            done += applied
            if applied < piece:
                self.checkpoint()
                done += 1
        core.time_us = time_us
        return PyBytes_FromStringAndSize(
            cython.cast(cython.p_char, core.events), core.event_count * RECORD_BYTES
        )

    @cython.cfunc
    def checkpoint(self):
        self.core.command_seq += 1
        self.digest, self.row_count = make_checkpoint(
            cython.address(self.core), self.digest, self.row_count
        )

    def assets(self):
        return [
            interface.AssetView(
                row.asset_id, ascii_text(row.text), row.decimals, row.max_total_atoms
            )
            for row in self.asset_rows()
        ]

    def markets(self):
        return [
            interface.MarketView(row[0], ascii_text(row.text), *row[1:17])
            for row in self.market_rows()
        ]

    def users(self):
        for index in self.user_indices():
            if index != 1:
                user: UserPtr = self.core.users + cython.cast(u32, index)
                yield interface.UserView(user.user_id, user.status)

    def balances(self, user_id):
        index: u32 = 1
        if user_id != HOUSE_USER_ID:
            if not 0 < user_id <= ORDER_ID_MASK:
                return []
            index = find(cython.address(self.core.user_table), user_id)
        views = []
        account_index: u32 = self.core.users[index].first_account if index else 0
        while account_index:
            account: AccountPtr = self.core.accounts + account_index
            views.append(
                interface.BalanceView(
                    account.user_id, account.asset_id, account.available, account.locked
                )
            )
            account_index = account.next_of_user
        return sorted(views)

    def all_balances(self):
        for row in self.account_rows():
            if row.available_atoms or row.locked_atoms:
                yield interface.BalanceView(*row)

    def order(self, market_id, order_id):
        if not 0 < order_id <= ORDER_ID_MASK or not 0 < market_id <= records.MARKET_ID_MAX:
            return None
        index: u32 = find_order(cython.address(self.core), order_id)
        market: u32 = find_market(cython.address(self.core), market_id)
        if not index or self.core.orders[index].market != market:
            return None
        return self.order_view(index)

    @cython.cfunc
    def order_view(self, index: u32):
        order: OrderPtr = self.core.orders + index
        terms: TermsPtr = self.core.terms + index
        return interface.OrderView(
            order.order_id,
            self.core.users[order.user].user_id,
            self.core.markets[order.market].market_id,
            order.is_bid,
            order.order_type,
            order.price,
            terms.quantity,
            order.leaves,
            order.reserved,
            order.ceiling,
            ascii_of(terms.text),
        )

    def open_orders(self, user_id=HOUSE_USER_ID, market_id=0):
        for market in self.market_indices():
            if market_id and self.core.markets[cython.cast(u32, market)].market_id != market_id:
                continue
            for index in self.orders_of_market(market):
                owner: u32 = self.core.orders[cython.cast(u32, index)].user
                if not user_id or self.core.users[owner].user_id == user_id:
                    yield self.order_view(index)

    def book(self, market_id, depth):
        if not 0 < market_id <= records.MARKET_ID_MAX:
            return None
        index: u32 = find_market(cython.address(self.core), market_id)
        if not index:
            return None
        market: MarketPtr = self.core.markets + index
        return (
            self.level_views(cython.address(market.sides[1]), depth),
            self.level_views(cython.address(market.sides[0]), depth),
        )

    @cython.cfunc
    def level_views(self, side: BookSidePtr, depth: object) -> list:
        views = []
        for index in self.level_indices(side, depth):
            level: LevelPtr = self.core.levels + cython.cast(u32, index)
            views.append(interface.LevelView(level.price, level.lots, level.count))
        return views

    @cython.cfunc
    def level_indices(self, side: BookSidePtr, depth: object) -> list:
        """Return up to `depth` (None: all) of a side's levels, best first."""
        indices = []
        section: u32 = side.section_count
        while section:
            section -= 1
            chunk: ChunkPtr = self.core.chunks + side.sections[section].chunk
            place: u32 = chunk.count
            while place:
                if depth is not None and len(indices) >= depth:
                    return indices
                place -= 1
                indices.append(chunk.levels[place])
        return indices

    def orders_of_market(self, market_index):
        """Yield indices: bids best first, then asks best first, in queue order."""
        market: u32 = market_index
        side: cython.int
        for side in (1, 0):
            for level in self.level_indices(
                cython.address(self.core.markets[market].sides[side]), None
            ):
                index: u32 = self.core.levels[cython.cast(u32, level)].first
                while index:
                    yield index
                    index = self.core.orders[index].next

    def totals(self):
        held = {}
        index: u32
        for index in range(1, self.core.account_top):
            account: AccountPtr = self.core.accounts + index
            asset_id = account.asset_id
            held[asset_id] = held.get(asset_id, 0) + account.available + account.locked
        return [
            interface.TotalsView(
                row.asset_id,
                held.get(row.asset_id, 0),
                row.deposited_atoms,
                row.withdrawn_atoms,
                row.adjusted_atoms,
            )
            for row in self.asset_rows()
        ]

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
        windows = [row for index in self.user_indices() for row in self.window_rows(index)]
        yield self.core.asset_top - 1, self.asset_rows()
        yield self.core.market_top - 1, self.market_rows()
        yield self.core.user_top - 1, self.user_rows()
        yield len(windows), windows
        yield self.core.account_top - 1, self.account_rows()
        yield self.core.order_table.count, self.order_rows()
        yield self.core.business_count, self.business_rows()

    def user_indices(self):
        """Return the indices of all users by user id, the house first."""
        return sorted(range(1, self.core.user_top), key=self.user_id_at)

    def user_id_at(self, index):
        return self.core.users[cython.cast(u32, index)].user_id

    def market_indices(self):
        """Return the indices of all markets by market id."""
        return sorted(range(1, self.core.market_top), key=self.market_id_at)

    def market_id_at(self, index):
        return self.core.markets[cython.cast(u32, index)].market_id

    def asset_rows(self):
        touched = set()
        place: u32
        for place in range(self.core.touched_count):
            touched.add(self.core.accounts[self.core.touched[place]].asset_id)
        return sorted(self.asset_row(index, touched) for index in range(1, self.core.asset_top))

    def asset_row(self, index, touched):
        asset: AssetPtr = self.core.assets + cython.cast(u32, index)
        return state.AssetRow(
            asset.asset_id,
            asset.decimals,
            asset.max_total,
            asset.first_event_seq,
            asset.fingerprint,
            asset.held,
            asset.deposited,
            asset.withdrawn,
            asset.adjusted,
            int(asset.asset_id in touched),
            text_of(asset.text),
        )

    def market_rows(self):
        return [self.market_row(index) for index in self.market_indices()]

    def market_row(self, index):
        market: MarketPtr = self.core.markets + cython.cast(u32, index)
        return state.MarketRow(
            market.market_id,
            market.base_asset_id,
            market.quote_asset_id,
            market.tick_atoms,
            market.lot_atoms,
            market.tick_lot_atoms,
            market.rates[MAKER],
            market.rates[TAKER],
            market.fee_flags,
            market.state,
            *[market.filters[field] for field in range(5)],
            market.last_price,
            market.last_trade_id,
            market.first_event_seq,
            market.fingerprint,
            text_of(market.text),
        )

    def user_rows(self):
        for index in self.user_indices():
            user: UserPtr = self.core.users + cython.cast(u32, index)
            yield state.UserRow(user.user_id, user.status, user.first_event_seq, user.window_count)

    def window_rows(self, index):
        """Return a user's remembered requests, oldest first."""
        user: UserPtr = self.core.users + cython.cast(u32, index)
        rows = []
        age: u32
        for age in range(user.window_count):
            entry: RememberedPtr = user.window + (user.window_start + age) % REQUEST_WINDOW
            rows.append(
                state.WindowRow(
                    request_of(entry.request_low, entry.request_high),
                    entry.fingerprint,
                    entry.order_id,
                    entry.first_event_seq,
                    entry.reason,
                )
            )
        return rows

    def account_rows(self):
        """Return all accounts by user and asset id."""
        return sorted(self.account_row(index) for index in range(1, self.core.account_top))

    def account_row(self, index):
        account: AccountPtr = self.core.accounts + cython.cast(u32, index)
        return state.AccountRow(
            account.user_id, account.asset_id, account.available, account.locked
        )

    def order_rows(self):
        for market in self.market_indices():
            for index in self.orders_of_market(market):
                yield self.order_row(index)

    def order_row(self, index):
        order: OrderPtr = self.core.orders + cython.cast(u32, index)
        terms: TermsPtr = self.core.terms + cython.cast(u32, index)
        return state.OrderRow(
            order.order_id,
            self.core.users[order.user].user_id,
            self.core.markets[order.market].market_id,
            order.is_bid,
            order.order_type,
            order.price,
            terms.quantity,
            order.leaves,
            order.reserved,
            order.ceiling,
            terms.rates[MAKER],
            terms.rates[TAKER],
            terms.cumulative[MAKER],
            terms.cumulative[TAKER],
            terms.charged[MAKER],
            terms.charged[TAKER],
            text_of(terms.text),
        )

    def business_rows(self):
        """Return all remembered money commands by request id."""
        rows = []
        place: u64
        for place in range(self.core.business_mask + 1):
            slot: BusinessIdPtr = self.core.business + place
            if slot.first_event_seq:
                request_id = request_of(slot.request_low, slot.request_high)
                rows.append(state.BusinessRow(request_id, slot.fingerprint, slot.first_event_seq))
        return sorted(rows)


def ascii_text(text):
    return text.rstrip(b"\0").decode("ascii")
