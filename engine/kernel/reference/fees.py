"""Fees and holds: what an order owes at a fill and what a bid must keep aside.

Invariant: over the life of an order and a role, the fees charged are the rate applied *once* to the
cumulative amount and rounded up, so that many small fills cost what one large fill costs.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.reference.model import Order
from engine.proto.records import INT64_MAX, PPM

MAKER: Final = 0
TAKER: Final = 1


def ceil_ppm(amount: int, rate_ppm: int) -> int:
    """Return amount x rate / 10**6 rounded up (written so that 64 bits suffice)."""
    return amount // PPM * rate_ppm + (amount % PPM * rate_ppm + PPM - 1) // PPM


def due_fee(order: Order, role: int, amount: int, lots: int, fee_max: int) -> int:
    """Charge one fill of `lots`, worth `amount` in the fee's asset, and return the fee.

    `fee_max` is what the order can give; what is cut off is due again at its next fill. Fees per
    lot need no rounding and so no memory. A cumulative amount that would leave int64 starts afresh.
    """
    rate = order.rates[role]
    if rate < 0:
        return -_rebate(order, role, amount, lots)
    if order.market.is_fee_per_lot:
        return min(lots * rate, fee_max)
    if order.cumulative[role] + amount > INT64_MAX:
        order.cumulative[role] = order.charged[role] = 0
    order.cumulative[role] += amount
    fee = min(ceil_ppm(order.cumulative[role], rate) - order.charged[role], fee_max)
    order.charged[role] += fee
    return fee


def _rebate(order: Order, role: int, amount: int, lots: int) -> int:
    """Return what a maker is paid for one fill: rounded down, and at most what the house has.

    What the house could not pay is due again at the order's next fill.
    """
    house = order.market.house_quote.available
    if order.market.is_fee_per_lot:
        return min(lots * -order.rates[role], house)
    if order.cumulative[role] + amount > INT64_MAX:
        order.cumulative[role] = order.charged[role] = 0
    order.cumulative[role] += amount
    due = order.cumulative[role] * -order.rates[role] // PPM + order.charged[role]
    paid = min(due, house)
    order.charged[role] -= paid
    return paid


def bid_hold(order: Order, price_ticks: int, lots: int) -> int:
    """Return the quote atoms that buying `lots` at up to `price_ticks` may still cost, with fee."""
    market = order.market
    notional = lots * price_ticks * market.tick_lot_atoms
    if not market.is_fee_in_quote:
        return notional
    if market.is_fee_per_lot:
        return notional + lots * max(order.rates)
    return notional + max(_fee_ahead(order, TAKER, notional), _fee_ahead(order, MAKER, notional))


def _fee_ahead(order: Order, role: int, notional: int) -> int:
    cumulative, charged = order.cumulative[role], order.charged[role]
    if cumulative + notional > INT64_MAX:
        cumulative = charged = 0
    return ceil_ppm(cumulative + notional, order.rates[role]) - charged


def sweep_fee(order: Order, notional: int, lots: int) -> int:
    """Return the quote atoms of fee for taking `lots` for `notional` at once, 0 if not in quote."""
    market = order.market
    if not market.is_fee_in_quote:
        return 0
    if market.is_fee_per_lot:
        return lots * order.rates[TAKER]
    return ceil_ppm(notional, order.rates[TAKER])
