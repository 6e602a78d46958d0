"""What the engine's events mean in double entry. Pure: no database.

Legs are written where ownership or state of funds changes: deposits, withdrawals, adjustments,
trades with their fees. The reservation of an open order is no leg: most orders only move or cancel.

    deposit      Dr custody                      Cr customer funds
    withdrawal   Dr customer funds               Cr custody
    adjustment   Dr adjustments                  Cr customer funds   (reversed if negative)
    hold         Dr customer funds               Cr withdrawals on hold
      settled    Dr withdrawals on hold          Cr custody
      released   Dr withdrawals on hold          Cr customer funds
    transfer     Dr customer funds of the givers Cr customer funds of the receivers
    trade        Dr customer funds of the giver  Cr customer funds of the receiver, Cr fee revenue
                 once for the base and once for the quote asset; a rebate is Dr rebates
                 Cr customer funds of the maker

Where the account is the house's own, customer funds stand as house funds. Invariant: the legs of a
posting sum to zero per asset and none is zero. `FUNDS_RULES` is the one table of what an event
about one account's funds means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from apps.ledger.types import AccountCode, Leg, Posting, TransactionKind
from apps.markets.types import MarketTerms
from engine.proto.records import (
    HOUSE_USER_ID,
    EventFlag,
    EventHeader,
    EventType,
    FundsMoved,
    FundsTransferred,
    Trade,
)

_CUSTOMER_FUNDS: Final = AccountCode.CUSTOMER_FUNDS.value
_HOUSE_FUNDS: Final = AccountCode.HOUSE_FUNDS.value
_FEE_REVENUE: Final = AccountCode.FEE_REVENUE.value
_REBATES: Final = AccountCode.REBATES.value
_BID: Final = int(EventFlag.BID)


class FundsRule(NamedTuple):
    """Which accounts a positive amount debits and credits. `id_prefix` keeps the business ids of
    what comes after a hold apart: it has the hold's."""

    kind: TransactionKind
    debit: AccountCode
    credit: AccountCode
    id_prefix: str = "funds"


FUNDS_RULES: Final[dict[int, FundsRule]] = {
    int(EventType.FUNDS_DEPOSITED): FundsRule(
        TransactionKind.DEPOSIT, AccountCode.CUSTODY, AccountCode.CUSTOMER_FUNDS
    ),
    int(EventType.FUNDS_WITHDRAWN): FundsRule(
        TransactionKind.WITHDRAWAL, AccountCode.CUSTOMER_FUNDS, AccountCode.CUSTODY
    ),
    int(EventType.FUNDS_ADJUSTED): FundsRule(
        TransactionKind.ADJUSTMENT, AccountCode.ADJUSTMENTS, AccountCode.CUSTOMER_FUNDS
    ),
    int(EventType.FUNDS_HELD): FundsRule(
        TransactionKind.WITHDRAWAL_HOLD, AccountCode.CUSTOMER_FUNDS, AccountCode.WITHDRAWAL_HOLD
    ),
    int(EventType.HOLD_SETTLED): FundsRule(
        TransactionKind.WITHDRAWAL, AccountCode.WITHDRAWAL_HOLD, AccountCode.CUSTODY, "settled"
    ),
    int(EventType.HOLD_RELEASED): FundsRule(
        TransactionKind.HOLD_RELEASE,
        AccountCode.WITHDRAWAL_HOLD,
        AccountCode.CUSTOMER_FUNDS,
        "released",
    ),
}


def funds_posting(header: EventHeader, body: FundsMoved) -> Posting:
    """Return the posting of an event about one account's funds; `FUNDS_RULES` knows its type."""
    rule = FUNDS_RULES[header.type]
    debit = _leg(rule.debit, body, body.amount_atoms)
    credit = _leg(rule.credit, body, -body.amount_atoms)
    return Posting(
        transaction_id=f"{rule.id_prefix}:{body.request_id.hex()}",
        kind=rule.kind,
        event_seq=header.event_seq,
        time_us=header.time_us,
        legs=(debit, credit) if body.amount_atoms > 0 else (credit, debit),
    )


def _leg(account: AccountCode, body: FundsMoved, atoms: int) -> Leg:
    if account is AccountCode.CUSTOMER_FUNDS:
        return Leg(_own_funds(body.user_id), body.user_id, body.asset_id, atoms)
    user_id = body.user_id if account is AccountCode.WITHDRAWAL_HOLD else None
    return Leg(account.value, user_id, body.asset_id, atoms)


def _own_funds(user_id: int) -> str:
    return _HOUSE_FUNDS if user_id == HOUSE_USER_ID else _CUSTOMER_FUNDS


def transfer_posting(legs: Sequence[tuple[EventHeader, FundsTransferred]]) -> Posting:
    """Return the one posting of all legs of a transfer; it is that of the last leg's event."""
    header, body = legs[-1]
    return Posting(
        transaction_id=f"funds:{body.request_id.hex()}",
        kind=TransactionKind.TRANSFER,
        event_seq=header.event_seq,
        time_us=header.time_us,
        legs=tuple(
            Leg(_own_funds(leg.user_id), leg.user_id, leg.asset_id, -leg.amount_atoms)
            for _, leg in legs
        ),
    )


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
        _fee_leg(base, fee_in_base),
        Leg(_CUSTOMER_FUNDS, buyer, quote, quote_atoms + fee_in_quote),
        Leg(_CUSTOMER_FUNDS, seller, quote, seller_fee - quote_atoms),
        _fee_leg(quote, fee_in_quote),
        _fee_leg(quote, seller_fee),
    )
    return Posting(
        transaction_id=f"trade:{header.market_id}:{body.trade_id}",
        kind=TransactionKind.TRADE,
        event_seq=header.event_seq,
        time_us=header.time_us,
        legs=tuple(leg for leg in legs if leg.atoms),
    )


def _fee_leg(asset_id: int, fee_atoms: int) -> Leg:
    """Return the house's side of a fee, or of a rebate if it is negative."""
    account = _FEE_REVENUE if fee_atoms >= 0 else _REBATES
    return Leg(account, HOUSE_USER_ID, asset_id, -fee_atoms)
