# mypy: ignore-errors
"""Fees and holds in 64 bits: what an order owes at a fill and what a bid must keep aside.

Products are formed with the compiler's overflow-checking arithmetic; a sum that leaves int64 is
returned as TOO_MUCH (-1), which no valid sum can be. Invariant: over the life of an order and a
role, the fees charged are the rate applied once to the cumulative amount and rounded up.
"""

import cython

from engine.kernel.codes import INT64_MAX, PPM
from engine.kernel.compiled.layout import CorePtr, MarketPtr, OrderPtr, TermsPtr, i64, u32
from engine.kernel.compiled.symbols import MAKER, TAKER, TOO_MUCH, add_overflows, multiply_overflows


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def product(first: i64, second: i64) -> i64:
    """Return the product of two numbers that are not negative, or TOO_MUCH."""
    result: i64 = 0
    if multiply_overflows(first, second, cython.address(result)):
        return TOO_MUCH
    return result


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def sum_of(first: i64, second: i64) -> i64:
    """Return the sum of two numbers that are not negative or TOO_MUCH, or TOO_MUCH."""
    result: i64 = 0
    if first < 0 or second < 0 or add_overflows(first, second, cython.address(result)):
        return TOO_MUCH
    return result


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def notional_of(market: MarketPtr, price: i64, lots: i64) -> i64:
    """Return price x lots in quote atoms, or TOO_MUCH."""
    ticks_by_lots: i64 = product(price, lots)
    return product(ticks_by_lots, market.tick_lot_atoms) if ticks_by_lots >= 0 else TOO_MUCH


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def ceil_ppm(amount: i64, rate_ppm: i64) -> i64:
    """Return amount x rate / 10**6 rounded up; no step leaves 64 bits."""
    return amount // PPM * rate_ppm + (amount % PPM * rate_ppm + PPM - 1) // PPM


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def rebate_of(
    core: CorePtr, market: MarketPtr, terms: TermsPtr, role: u32, amount: i64, lots: i64
) -> i64:
    """Return what a maker is paid for one fill: rounded down, and at most what the house has.

    What the house could not pay is due again at the order's next fill.
    """
    rate: i64 = -terms.rates[role]
    house: i64 = core.accounts[market.house_quote].available
    due: i64
    if market.is_fee_per_lot:
        due = product(lots, rate)
        return due if 0 <= due < house else house
    if terms.cumulative[role] > INT64_MAX - amount:
        terms.cumulative[role] = terms.charged[role] = 0
    terms.cumulative[role] += amount
    due = terms.cumulative[role] // PPM * rate + terms.cumulative[role] % PPM * rate // PPM
    due += terms.charged[role]
    if due > house:
        due = house
    terms.charged[role] -= due
    return due


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def due_fee(
    core: CorePtr,
    market: MarketPtr,
    terms: TermsPtr,
    role: u32,
    amount: i64,
    lots: i64,
    fee_max: i64,
) -> i64:
    """Charge one fill of `lots`, worth `amount` in the fee's asset, and return the fee.

    `fee_max` is what the order can give; what is cut off is due again at its next fill. Fees per
    lot need no rounding and so no memory. A cumulative amount that would leave int64 starts afresh.
    """
    fee: i64
    if terms.rates[role] < 0:
        return -rebate_of(core, market, terms, role, amount, lots)
    if market.is_fee_per_lot:
        fee = product(lots, terms.rates[role])
        return fee if 0 <= fee < fee_max else fee_max
    if terms.cumulative[role] > INT64_MAX - amount:
        terms.cumulative[role] = terms.charged[role] = 0
    terms.cumulative[role] += amount
    fee = ceil_ppm(terms.cumulative[role], terms.rates[role]) - terms.charged[role]
    if fee > fee_max:
        fee = fee_max
    terms.charged[role] += fee
    return fee


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def fee_ahead(terms: TermsPtr, role: u32, notional: i64) -> i64:
    """Return the fee that trading all of `notional` in this role would still cost, 0 where it
    would be paid."""
    if terms.rates[role] < 0:
        return 0
    if terms.cumulative[role] > INT64_MAX - notional:
        return ceil_ppm(notional, terms.rates[role])
    return ceil_ppm(terms.cumulative[role] + notional, terms.rates[role]) - terms.charged[role]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def higher(first: i64, second: i64) -> i64:
    return first if first > second else second


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def bid_hold(market: MarketPtr, terms: TermsPtr, price: i64, lots: i64) -> i64:
    """Return the quote atoms that buying `lots` at up to `price` may still cost, or TOO_MUCH."""
    notional: i64 = notional_of(market, price, lots)
    if not market.is_fee_in_quote or notional < 0:
        return notional
    if market.is_fee_per_lot:
        return sum_of(notional, product(lots, higher(terms.rates[MAKER], terms.rates[TAKER])))
    return sum_of(
        notional, higher(fee_ahead(terms, TAKER, notional), fee_ahead(terms, MAKER, notional))
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def with_sweep_fee(market: MarketPtr, terms: TermsPtr, notional: i64, lots: i64) -> i64:
    """Return `notional` with the fee for taking `lots` for it at once, or TOO_MUCH."""
    if not market.is_fee_in_quote or notional < 0:
        return notional
    if market.is_fee_per_lot:
        return sum_of(notional, product(lots, terms.rates[TAKER]))
    return sum_of(notional, ceil_ppm(notional, terms.rates[TAKER]))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def hold_price(order: OrderPtr) -> i64:
    """Return the price up to which a bid's reserve must reach; 0: its reserve is a fixed sum."""
    return order.ceiling if order.ceiling else order.price


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def capped_hold(market: MarketPtr, order: OrderPtr, terms: TermsPtr, left: i64) -> i64:
    """Return what a resting bid still needs of the `left` atoms of its reserve."""
    hold: i64 = bid_hold(market, terms, hold_price(order), order.leaves)
    return hold if 0 <= hold < left else left
