# mypy: ignore-errors

"""The compiled kernel's memory as the views and rows that Python callers see.

Invariant: nothing here changes anything.
"""

import cython
from cython.cimports.cpython.bytes import PyBytes_FromStringAndSize

from engine.kernel import interface, state
from engine.kernel.codes import TEXT_BYTES
from engine.kernel.compiled.extras import extra_of
from engine.kernel.compiled.icebergs import hidden_in, shown_lots
from engine.kernel.compiled.layout import (
    AccountPtr,
    AssetPtr,
    BookSidePtr,
    ChunkPtr,
    CorePtr,
    ExtraPtr,
    HoldPtr,
    LevelPtr,
    MarketPtr,
    OrderPtr,
    TermsPtr,
    u32,
    u64,
)
from engine.kernel.compiled.parking import wait_of
from engine.kernel.compiled.symbols import (
    BOUNDS,
    GATE_KILLED,
    GATE_LIMITS,
    HOLD_OPEN,
    MAKER,
    TAKER,
    TRAIT_EXTRA,
    TRAIT_STP,
)


@cython.cfunc
def text_of(words: cython.pointer(u64)) -> bytes:
    return PyBytes_FromStringAndSize(cython.cast(cython.p_char, words), TEXT_BYTES)


@cython.cfunc
def ascii_of(words: cython.pointer(u64)) -> str:
    return text_of(words).rstrip(b"\0").decode("ascii")


@cython.cfunc
def asset_row(core: CorePtr, index: u32, touched: set) -> object:
    asset: AssetPtr = core.assets + index
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


@cython.cfunc
def market_row(core: CorePtr, index: u32) -> object:
    market: MarketPtr = core.markets + index
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


@cython.cfunc
def account_row(core: CorePtr, index: u32) -> object:
    account: AccountPtr = core.accounts + index
    return state.AccountRow(account.user_id, account.asset_id, account.available, account.locked)


@cython.cfunc
def order_view(core: CorePtr, index: u32) -> object:
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    return interface.OrderView(
        order.order_id,
        core.users[order.user].user_id,
        core.markets[order.market].market_id,
        order.is_bid,
        order.order_type,
        order.price,
        terms.quantity,
        order.leaves,
        order.reserved,
        order.ceiling,
        ascii_of(terms.text),
        0 if wait_of(core, index) else shown_lots(core, index),
        *extra_view(core, index),
    )


@cython.cfunc
def extra_view(core: CorePtr, index: u32) -> tuple:
    """Return the last fields of an order's view."""
    if not core.orders[index].traits & TRAIT_EXTRA:
        return ()
    extra: ExtraPtr = extra_of(core, index)
    return extra.wait, extra.stop, extra.delta, extra.expire, extra.list_id


@cython.cfunc
def parked_indices(core: CorePtr, market: u32) -> list:
    """Return a market's orders that are not in the book, by order id."""
    found = []
    place: u32
    if core.markets[market].parked_count:
        for place in range(1, core.extra_top):
            extra: ExtraPtr = core.extras + place
            if extra.order and extra.wait and core.orders[extra.order].market == market:
                found.append((core.orders[extra.order].order_id, extra.order))
    return [pair[1] for pair in sorted(found)]


@cython.cfunc
def level_indices(core: CorePtr, side: BookSidePtr, depth: object) -> list:
    """Return up to `depth` (None: all) of a side's levels, best first."""
    indices = []
    section: u32 = side.section_count
    while section:
        section -= 1
        chunk: ChunkPtr = core.chunks + side.sections[section].chunk
        place: u32 = chunk.count
        while place:
            if depth is not None and len(indices) >= depth:
                return indices
            place -= 1
            indices.append(chunk.levels[place])
    return indices


@cython.cfunc
def level_views(core: CorePtr, side: BookSidePtr, depth: object) -> list:
    views = []
    for index in level_indices(core, side, depth):
        level: LevelPtr = core.levels + cython.cast(u32, index)
        lots = level.lots
        if core.markets[core.orders[level.first].market].cares:
            lots -= hidden_in(core, level)
        views.append(interface.LevelView(level.price, lots, level.count))
    return views


@cython.cfunc
def user_indices(core: CorePtr) -> list:
    """Return the indices of all users by user id, the house first."""
    by_id = [(core.users[index].user_id, index) for index in range(1, core.user_top)]
    return [pair[1] for pair in sorted(by_id)]


@cython.cfunc
def market_indices(core: CorePtr) -> list:
    """Return the indices of all markets by market id."""
    by_id = [(core.markets[index].market_id, index) for index in range(1, core.market_top)]
    return [pair[1] for pair in sorted(by_id)]


@cython.cfunc
def asset_rows(core: CorePtr) -> list:
    """Return all assets by asset id."""
    touched = set()
    index: u32
    for index in range(core.touched_count):
        touched.add(core.accounts[core.touched[index]].asset_id)
    return sorted([asset_row(core, index, touched) for index in range(1, core.asset_top)])


@cython.cfunc
def market_rows(core: CorePtr) -> list:
    return [market_row(core, index) for index in market_indices(core)]


@cython.cfunc
def group_rows(core: CorePtr) -> list:
    """Return all users that are in a trade group by user id."""
    users = [(core.users[index].user_id, index) for index in range(1, core.user_top)]
    rows = [(user_id, core.users[cython.cast(u32, index)].trade_group) for user_id, index in users]
    return sorted([row for row in rows if row[1]])


@cython.cfunc
def stp_rows(core: CorePtr) -> list:
    """Return all open orders with a mode of self-trade prevention by order id."""
    rows = []
    place: u64
    for place in range(core.order_table.mask + 1):
        index: u32 = core.order_table.slots[place].value
        if index and core.orders[index].traits & TRAIT_STP:
            rows.append((core.orders[index].order_id, core.orders[index].traits & TRAIT_STP))
    return sorted(rows)


@cython.cfunc
def account_rows(core: CorePtr) -> list:
    """Return all accounts by user and asset id."""
    return sorted([account_row(core, index) for index in range(1, core.account_top)])


@cython.cfunc
def balance_views(core: CorePtr, user: u32) -> list:
    """Return a user's accounts by asset id."""
    views = []
    index: u32 = core.users[user].first_account
    while index:
        views.append(interface.BalanceView(*account_row(core, index)))
        index = core.accounts[index].next_of_user
    return sorted(views)


@cython.cfunc
def totals_views(core: CorePtr) -> list:
    """Return all assets' totals by asset id, `held_atoms` counted over all accounts."""
    held = {}
    index: u32
    for index in range(1, core.account_top):
        account: AccountPtr = core.accounts + index
        asset_id = account.asset_id
        held[asset_id] = held.get(asset_id, 0) + account.available + account.locked
    views = []
    for row in asset_rows(core):
        total = held.get(row.asset_id, 0)
        booked = (row.deposited_atoms, row.withdrawn_atoms, row.adjusted_atoms)
        views.append(interface.TotalsView(row.asset_id, total, *booked))
    return views


@cython.cfunc
def kill_rows(core: CorePtr) -> list:
    """Return the kill switches that are on: all, markets, users."""
    rows = [state.KillRow(0, 0)] if core.gate & GATE_KILLED else []
    index: u32
    for each in market_indices(core):
        index = each
        if core.markets[index].gate & GATE_KILLED:
            rows.append(state.KillRow(0, core.markets[index].market_id))
    killed = [
        state.KillRow(core.users[index].user_id, 0)
        for index in range(1, core.user_top)
        if core.users[index].gate & GATE_KILLED
    ]
    return rows + sorted(killed)


@cython.cfunc
def hold_views(core: CorePtr) -> list:
    """Return the open holds by request id."""
    views = []
    index: u32
    for index in range(1, core.hold_top):
        hold: HoldPtr = core.holds + index
        if hold.state == HOLD_OPEN:
            request_id = PyBytes_FromStringAndSize(
                cython.cast(cython.p_char, cython.address(hold.request_low)), 16
            )
            views.append(
                interface.HoldView(
                    request_id, hold.user_id, hold.asset_id, hold.amount, ascii_of(hold.text)
                )
            )
    return sorted(views)


@cython.cfunc
def market_limits_rows(core: CorePtr) -> list:
    """Return the markets that have bounds, by market id."""
    rows = []
    index: u32
    for each in market_indices(core):
        index = each
        market: MarketPtr = core.markets + index
        if market.gate & GATE_LIMITS:
            bounds = [market.bounds[field] for field in range(BOUNDS)]
            rows.append(state.MarketLimitsRow(market.market_id, *bounds))
    return rows
