"""What the engine's events mean in double entry. Pure: no database.

Legs are written where ownership or state of funds changes: deposits, withdrawals, adjustments,
trades with their fees. The reservation of an open order is no leg: most orders only move or cancel.

    deposit      Dr custody                      Cr customer funds
    withdrawal   Dr customer funds               Cr custody
    adjustment   Dr adjustments                  Cr customer funds   (reversed if negative)
    trade        Dr customer funds of the giver  Cr customer funds of the receiver, Cr fee revenue
                 once for the base and once for the quote asset

Where the account is the house's own, customer funds stand as house funds. Invariant: the legs of a
posting sum to zero per asset and none is zero.
"""

from __future__ import annotations

from typing import Final

from apps.ledger.types import AccountCode, Leg, Posting, TransactionKind
from apps.markets.types import MarketTerms
from engine.proto.records import (
    HOUSE_USER_ID,
    EventFlag,
    EventHeader,
    EventType,
    FundsMoved,
    Trade,
)

_CUSTOMER_FUNDS: Final = AccountCode.CUSTOMER_FUNDS.value
_HOUSE_FUNDS: Final = AccountCode.HOUSE_FUNDS.value
_FEE_REVENUE: Final = AccountCode.FEE_REVENUE.value
_CUSTODY: Final = AccountCode.CUSTODY.value
_ADJUSTMENTS: Final = AccountCode.ADJUSTMENTS.value
_BID: Final = int(EventFlag.BID)


def funds_posting(header: EventHeader, body: FundsMoved) -> Posting:
    """Return the posting of FUNDS_DEPOSITED, FUNDS_WITHDRAWN or FUNDS_ADJUSTED."""
    account = _HOUSE_FUNDS if body.user_id == HOUSE_USER_ID else _CUSTOMER_FUNDS
    kind, against, atoms = _funds_kind(header, body)
    owner = Leg(account, body.user_id, body.asset_id, -atoms)
    other = Leg(against, None, body.asset_id, atoms)
    return Posting(
        transaction_id=f"funds:{body.request_id.hex()}",
        kind=kind,
        event_seq=header.event_seq,
        time_us=header.time_us,
        legs=(other, owner) if atoms > 0 else (owner, other),
    )


def _funds_kind(header: EventHeader, body: FundsMoved) -> tuple[TransactionKind, str, int]:
    if header.type == EventType.FUNDS_DEPOSITED:
        return TransactionKind.DEPOSIT, _CUSTODY, body.amount_atoms
    if header.type == EventType.FUNDS_WITHDRAWN:
        return TransactionKind.WITHDRAWAL, _CUSTODY, -body.amount_atoms
    return TransactionKind.ADJUSTMENT, _ADJUSTMENTS, body.amount_atoms


def trade_posting(header: EventHeader, body: Trade, market: MarketTerms) -> Posting:
    """Return the posting of TRADE: both assets change hands, both fees go to the house."""
    taker_buys = bool(header.flags & _BID)
    maker = (body.maker_user_id, body.maker_fee_atoms)
    taker = (body.taker_user_id, body.taker_fee_atoms)
    (buyer, buyer_fee), (seller, seller_fee) = (taker, maker) if taker_buys else (maker, taker)
    base, quote = market.base.asset_id, market.quote.asset_id
    base_atoms = body.quantity_lots * market.lot_atoms
    quote_atoms = body.price_ticks * body.quantity_lots * market.tick_lot_atoms
    fee_in_base = buyer_fee if market.fee_asset(is_bid=True) is market.base else 0
    fee_in_quote = buyer_fee - fee_in_base
    legs = (
        Leg(_CUSTOMER_FUNDS, seller, base, base_atoms),
        Leg(_CUSTOMER_FUNDS, buyer, base, fee_in_base - base_atoms),
        Leg(_FEE_REVENUE, HOUSE_USER_ID, base, -fee_in_base),
        Leg(_CUSTOMER_FUNDS, buyer, quote, quote_atoms + fee_in_quote),
        Leg(_CUSTOMER_FUNDS, seller, quote, seller_fee - quote_atoms),
        Leg(_FEE_REVENUE, HOUSE_USER_ID, quote, -fee_in_quote),
        Leg(_FEE_REVENUE, HOUSE_USER_ID, quote, -seller_fee),
    )
    return Posting(
        transaction_id=f"trade:{header.market_id}:{body.trade_id}",
        kind=TransactionKind.TRADE,
        event_seq=header.event_seq,
        time_us=header.time_us,
        legs=tuple(leg for leg in legs if leg.atoms),
    )
