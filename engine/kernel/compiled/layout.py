# mypy: ignore-errors
"""C structs of the compiled kernel: everything it remembers, in plain memory without pointers.

Things refer to each other by 32-bit index into a pool, 0 meaning none, so that a pool can move when
it grows. Invariant: pools grow only between two commands (see `memory`), so a pointer taken while a
command is applied stays good until that command is done.
"""

import cython

i64 = cython.typedef(cython.longlong)
u64 = cython.typedef(cython.ulonglong)
u32 = cython.typedef(cython.uint)
u16 = cython.typedef(cython.ushort)
u8 = cython.typedef(cython.uchar)
WordPtr = cython.typedef(cython.pointer(i64))

# A command as it lies in the batch: `engine.proto.records.COMMAND`.
Command = cython.struct(
    kind=u8,
    side=u8,
    order_type=u8,
    time_in_force=u8,
    flags=u16,
    stp=u16,
    market_id=u32,
    asset_id=u32,
    user_id=i64,
    order_id=i64,
    price=i64,
    quantity=i64,
    amount=i64,
    ceiling=i64,
    spare=i64,
    request_low=u64,
    request_high=u64,
    text=u64[5],
)
CommandPtr = cython.typedef(cython.pointer(Command))

# An event as it leaves: `engine.proto.records.EVENT_HEADER` and twelve words of body.
Event = cython.struct(
    event_seq=u64,
    command_seq=u64,
    time_us=i64,
    kind=u8,
    flags=u8,
    reason=u16,
    market_id=u32,
    body=i64[12],
)
EventPtr = cython.typedef(cython.pointer(Event))

# What a form check compares: the bits that must be zero in each of a command's sixteen words.
Form = cython.struct(forbidden=u64[16])
FormPtr = cython.typedef(cython.pointer(Form))

# `touched`: noted in Core.touched since the last checkpoint. 64 bytes, one cache line.
Account = cython.struct(
    user_id=i64,
    available=i64,
    locked=i64,
    checkpoint_total=i64,
    checkpoint_hash_low=u64,
    checkpoint_hash_high=u64,
    asset_id=u32,
    next_of_user=u32,
    is_touched=u32,
    spare=u32,
)
AccountPtr = cython.typedef(cython.pointer(Account))

# What moving and matching read of an order: 64 bytes, one cache line. `is_listed`: its ids are in
# use, that is it rests or rested. `traits`: what few orders have, the TRAIT_* bits of `symbols`.
Order = cython.struct(
    order_id=i64,
    price=i64,
    leaves=i64,
    reserved=i64,
    ceiling=i64,
    next=u32,
    prev=u32,
    level=u32,
    user=u32,
    market=u32,
    is_bid=u8,
    order_type=u8,
    is_listed=u8,
    traits=u8,
)
OrderPtr = cython.typedef(cython.pointer(Order))

# The rest of an order, at the same index. Pairs are (maker, taker).
Terms = cython.struct(
    quantity=i64,
    rates=i64[2],
    cumulative=i64[2],
    charged=i64[2],
    text=u64[5],
    base_account=u32,
    quote_account=u32,
)
TermsPtr = cython.typedef(cython.pointer(Terms))

# What few orders have (see `state.TermsRow`); `order` 0 marks one that was given back.
Extra = cython.struct(
    stop=i64,
    extreme=i64,
    sequence=i64,
    expire=i64,
    session_id=i64,
    list_id=i64,
    display=i64,
    shown=i64,
    tranches=u32,
    order=u32,
    next_free=u32,
    delta=u32,
    time_in_force=u8,
    wait=u8,
    is_armed=u8,
    spare=u8,
    spare_2=u32,
)
ExtraPtr = cython.typedef(cython.pointer(Extra))

# Orders that belong together (see `state.ListRow`). `is_filled`: its working leg, `has_traded`: a
# leg of its OCO, both acted upon in the same command; `is_noted`: in the list of Core.noted_lists.
OrderList = cython.struct(
    list_id=i64,
    legs=i64[3],
    text=u64[5],
    user=u32,
    market=u32,
    next_noted=u32,
    next_free=u32,
    list_type=u8,
    leg_count=u8,
    is_active=u8,
    is_loose=u8,
    is_filled=u8,
    has_traded=u8,
    is_noted=u8,
    spare=u8,
)
OrderListPtr = cython.typedef(cython.pointer(OrderList))

# A timer at its place in the heap. `key`: its kind in the three highest bits, then its id.
Timer = cython.struct(due=i64, key=u64, place=u32, next_free=u32)
TimerPtr = cython.typedef(cython.pointer(Timer))

# A user's dead-man switch (0 ms = off) and session (id 0 = none).
Watch = cython.struct(
    user_id=i64,
    timeout_ms=i64,
    due=i64,
    session_id=i64,
    grace_ms=i64,
    session_due=i64,
    session_state=u32,
    next_free=u32,
)
WatchPtr = cython.typedef(cython.pointer(Watch))

# The orders of a user's last QUOTE in a market (see `state.QuoteRow`); `user` 0: given back.
Quote = cython.struct(bid_id=i64, ask_id=i64, user=u32, market=u32, next_free=u32, spare=u32)
QuotePtr = cython.typedef(cython.pointer(Quote))

# A price level: orders first to last in time, and their sum.
Level = cython.struct(price=i64, lots=i64, first=u32, last=u32, count=u32, next_free=u32)
LevelPtr = cython.typedef(cython.pointer(Level))

# A run of neighbouring levels, keys ascending; 128 = CHUNK_LEVELS.
Chunk = cython.struct(keys=i64[128], levels=u32[128], count=u32, next_free=u32)
ChunkPtr = cython.typedef(cython.pointer(Chunk))

# A chunk in its side's directory, under its lowest key.
Section = cython.struct(first_key=i64, chunk=u32, spare=u32)
SectionPtr = cython.typedef(cython.pointer(Section))

# One side of a book. The key of a level is its price, negative for asks: so the best level is
# always the one with the highest key, at the cheap end of the array. NO_KEY: nothing rests.
BookSide = cython.struct(sections=SectionPtr, best_key=i64, section_count=u32, section_capacity=u32)
BookSidePtr = cython.typedef(cython.pointer(BookSide))

# `sides` by Side (ASK, BID), `rates` (maker, taker); `filters` as they were set, in the order of
# MARKET_FILTERS_SET, and beside them the bounds to compare with, the widest where none is set.
# `triggers`: orders that wait for the price to fall, and to rise, to their stop price;
# `first_trailing`: those that follow it; `due_first`: those that are due, sorted, `due_hint` the
# last one put there. Markets with due orders are a list from `Core.due_markets` on.
Market = cython.struct(
    sides=BookSide[2],
    triggers=BookSide[2],
    tick_lot_atoms=i64,
    lot_atoms=i64,
    tick_atoms=i64,
    rates=i64[2],
    price_min=i64,
    price_max=i64,
    quantity_min=i64,
    quantity_max=i64,
    notional_min=i64,
    filters=i64[5],
    bounds=i64[7],
    last_price=i64,
    last_trade_id=i64,
    first_event_seq=i64,
    fingerprint=u64,
    text=u64[5],
    parked_count=u32,
    first_trailing=u32,
    due_first=u32,
    due_hint=u32,
    next_due=u32,
    market_id=u32,
    gate=u32,
    base_asset_id=u32,
    quote_asset_id=u32,
    house_base=u32,
    house_quote=u32,
    cares=u32,
    bands=i64[8],
    pause_until=i64,
    state_before_pause=u32,
    has_bands=u32,
    state=u8,
    fee_flags=u8,
    is_fee_in_quote=u8,
    is_fee_per_lot=u8,
)
MarketPtr = cython.typedef(cython.pointer(Market))

Asset = cython.struct(
    max_total=i64,
    held=i64,
    deposited=i64,
    withdrawn=i64,
    adjusted=i64,
    first_event_seq=i64,
    fingerprint=u64,
    text=u64[5],
    asset_id=u32,
    decimals=u32,
)
AssetPtr = cython.typedef(cython.pointer(Asset))

# The outcome of a command with a request id, as a retry will be told.
Remembered = cython.struct(
    request_low=u64,
    request_high=u64,
    fingerprint=u64,
    order_id=i64,
    first_event_seq=i64,
    reason=i64,
)
RememberedPtr = cython.typedef(cython.pointer(Remembered))

# `gate`: the GATE_* bits of `symbols`. `window`: a ring of `window_count` entries, the oldest at
# `window_start` once it is full.
User = cython.struct(
    user_id=i64,
    first_event_seq=i64,
    trade_group=i64,
    window=RememberedPtr,
    first_account=u32,
    gate=u32,
    status=u8,
    window_start=u8,
    window_count=u8,
    window_capacity=u8,
)
UserPtr = cython.typedef(cython.pointer(User))

# A money command remembered for ever; `first_event_seq` 0 marks a free slot.
BusinessId = cython.struct(request_low=u64, request_high=u64, fingerprint=u64, first_event_seq=i64)
BusinessIdPtr = cython.typedef(cython.pointer(BusinessId))

# A user's own fees (maker, taker) in a market, 0: in every one.
UserFees = cython.struct(user_id=i64, rates=i64[2], market_id=u32, spare=u32)
UserFeesPtr = cython.typedef(cython.pointer(UserFees))

# A hold that was ever made, known by its business id.
Hold = cython.struct(
    request_low=u64,
    request_high=u64,
    user_id=i64,
    amount=i64,
    last_event_seq=i64,
    text=u64[5],
    asset_id=u32,
    state=u32,
)
HoldPtr = cython.typedef(cython.pointer(Hold))

# Which open orders a mass cancel means (0: any; `side` = 1 + Side; `is_owner`: only where the
# market lets him), and those that it found: pairs of order id and index.
Picked = cython.struct(pairs=WordPtr, count=u64, user=u32, market=u32, side=u32, is_owner=u32)
PickedPtr = cython.typedef(cython.pointer(Picked))

# Open addressing with linear probing: `value` 0 marks a free slot, size is a power of two.
Slot = cython.struct(key=u64, value=u32, spare=u32)
SlotPtr = cython.typedef(cython.pointer(Slot))
Table = cython.struct(slots=SlotPtr, count=u64, mask=u64, shift=u32, spare=u32)
TablePtr = cython.typedef(cython.pointer(Table))

# What a new order would meet: `lots` within its price (at most its own), what they cost at their
# prices (or TOO_MUCH), and the most events that meeting the orders they belong to can cause. Only
# where it is surveyed with care: the lots that the order must have for it, those it still wants
# behind what was looked at, and what is left of the amount of a MARKET order by amount.
Sweep = cython.struct(lots=i64, notional=i64, events=u64, quantity=i64, wanted=i64, amount=i64)
SweepPtr = cython.typedef(cython.pointer(Sweep))

# What an auction at a price would trade, and would leave (positive: of bids).
Outcome = cython.struct(price=i64, lots=i64, imbalance=i64, reference=i64)
OutcomePtr = cython.typedef(cython.pointer(Outcome))

# The whole kernel. Pools use index 1 upwards; a `*_top` is the lowest index never used, a
# `*_free` the head of a list of indices given back.
Core = cython.struct(
    command_seq=u64,
    event_seq=u64,
    time_us=i64,
    last_order_id=i64,
    events=EventPtr,
    event_count=u64,
    event_capacity=u64,
    orders=OrderPtr,
    terms=TermsPtr,
    levels=LevelPtr,
    chunks=ChunkPtr,
    accounts=AccountPtr,
    touched=cython.pointer(u32),
    users=UserPtr,
    markets=MarketPtr,
    assets=AssetPtr,
    business=BusinessIdPtr,
    market_of_id=cython.pointer(u32),
    asset_of_id=cython.pointer(u32),
    forms=FormPtr,
    order_table=Table,
    text_table=Table,
    account_table=Table,
    user_table=Table,
    tranches=u64,
    paused_count=u64,
    quotes=QuotePtr,
    quote_table=Table,
    quote_top=u32,
    quote_free=u32,
    quote_capacity=u32,
    order_top=u32,
    order_free=u32,
    order_capacity=u32,
    level_top=u32,
    level_free=u32,
    level_capacity=u32,
    chunk_top=u32,
    chunk_free=u32,
    chunk_capacity=u32,
    account_top=u32,
    account_capacity=u32,
    touched_count=u32,
    user_top=u32,
    user_capacity=u32,
    market_top=u32,
    market_capacity=u32,
    asset_top=u32,
    asset_capacity=u32,
    draft=Command[8],
    draft_count=u32,
    gate=u32,
    state_matrix=u8[256],
    user_fees=UserFeesPtr,
    user_fees_table=Table,
    user_fees_top=u32,
    user_fees_capacity=u32,
    user_fees_max=u64,
    holds=HoldPtr,
    hold_table=Table,
    hold_top=u32,
    hold_capacity=u32,
    business_count=u64,
    business_mask=u64,
    open_orders_max=u64,
    accounts_max=u64,
    users_max=u64,
    business_ids_max=u64,
    extras=ExtraPtr,
    extra_table=Table,
    extra_top=u32,
    extra_free=u32,
    extra_capacity=u32,
    watch_top=u32,
    watch_free=u32,
    watch_capacity=u32,
    parked_count=u32,
    due_markets=u32,
    lists=OrderListPtr,
    list_table=Table,
    list_top=u32,
    list_free=u32,
    list_capacity=u32,
    noted_lists=u32,
    placing_list=i64,
    placing_pending=u32,
    has_run_due=u32,
    watches=WatchPtr,
    watch_table=Table,
    timers=TimerPtr,
    timer_heap=cython.pointer(u32),
    timer_table=Table,
    timer_count=u32,
    timer_top=u32,
    timer_free=u32,
    timer_capacity=u32,
    is_out_of_memory=u32,
    spare=u32,
)
CorePtr = cython.typedef(cython.pointer(Core))
