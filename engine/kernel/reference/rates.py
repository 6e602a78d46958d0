"""Whose fees an order pays: the market's, or its user's own; and where a maker may be paid.

A rebate is a negative maker fee. Invariant: it exists only where fees are in quote, and is at most
the lowest taker fee that anybody pays in that market, so that no trade pays out more than it takes.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.codes import (
    CAPACITY,
    INVALID_FEE,
    MALFORMED,
    NOTHING_CHANGES,
    OK,
    REBATE,
    UNKNOWN_MARKET,
    UNKNOWN_USER,
    USER_FEES_SET,
)
from engine.kernel.limits import FEE_PER_LOT_MAX
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.model import Market
from engine.proto.records import PPM

EVERY_MARKET: Final = 0
Rates = tuple[int, int]


def fee_refusal(rates: Rates, *, is_fee_per_lot: bool) -> int:
    """Whether (maker, taker) are out of range."""
    maker, taker = rates
    rate_max = FEE_PER_LOT_MAX if is_fee_per_lot else PPM
    return OK if abs(maker) <= rate_max and 0 <= taker <= rate_max else INVALID_FEE


def rebate_refusal(
    x: Exchange, rates: list[Rates], market_id: int, flags: tuple[bool, bool]
) -> int:
    """Whether a market with these rates and its users' own would pay a maker too much.

    `flags`: are its fees in quote, and are they per lot.
    """
    is_fee_in_quote, is_fee_per_lot = flags
    rates = rates + [own for (_, key), own in x.user_fees.items() if key == market_id]
    takers = [taker for _, taker in rates]
    if not is_fee_per_lot:
        takers += [own[1] for (_, key), own in x.user_fees.items() if key == EVERY_MARKET]
    lowest_maker = min(maker for maker, _ in rates)
    if lowest_maker >= 0:
        return OK
    return OK if is_fee_in_quote and -lowest_maker <= min(takers) else REBATE


def set_user_fees(x: Exchange, fields: Fields) -> int:
    """Give a user fees of his own in a market or in all, or take them away."""
    market_id, user_id, is_set, rates = fields[6], fields[8], fields[11], (fields[12], fields[13])
    if not 0 <= is_set <= 1 or (not is_set and any(rates)):
        return MALFORMED
    if user_id not in x.users:
        return UNKNOWN_USER
    if market_id != EVERY_MARKET and market_id not in x.markets:
        return UNKNOWN_MARKET
    key = user_id, market_id
    reason = _set_refusal(x, key, rates) if is_set else OK
    if reason:
        return reason
    if x.user_fees.get(key) == (rates if is_set else None):
        return NOTHING_CHANGES
    if is_set and key not in x.user_fees and len(x.user_fees) >= x.limits.user_fees_max:
        return CAPACITY
    if is_set:
        x.user_fees[key] = x.users[user_id].fees[market_id] = rates
    else:
        del x.user_fees[key], x.users[user_id].fees[market_id]
    x.emit(USER_FEES_SET, market_id, 0, OK, user_id, *rates, is_set)
    return OK


def _set_refusal(x: Exchange, key: tuple[int, int], rates: Rates) -> int:
    market = x.markets.get(key[1])
    reason = fee_refusal(rates, is_fee_per_lot=market is not None and market.is_fee_per_lot)
    if reason:
        return reason
    if market is None and rates[0] < 0:
        return REBATE
    concerned = x.markets.values() if market is None else [market]
    before = x.user_fees.pop(key, None)
    try:
        for each in concerned:
            if market is None and each.is_fee_per_lot:
                continue
            reason = _refusal_with(x, each, rates, is_own=market is not None)
            if reason:
                return reason
    finally:
        if before is not None:
            x.user_fees[key] = before
    return OK


def _refusal_with(x: Exchange, market: Market, rates: Rates, *, is_own: bool) -> int:
    """Check one market with new rates; those for every market count by their taker fee alone."""
    added = rates if is_own else (0, rates[1])
    flags = market.is_fee_in_quote, market.is_fee_per_lot
    return rebate_refusal(x, [market.rates, added], market.market_id, flags)
