"""Engine events in words: one line for a list, and every field with its meaning for a page.

Pure. Invariant: what cannot be interpreted (a market that the catalogue does not know) is shown as
the number it is; nothing is guessed and nothing is left out.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from apps.core.amounts import atoms_decimal
from apps.core.copy_rows import utc
from apps.core.readonly.display import amount_text, words
from apps.markets.catalogue import Catalogue
from apps.markets.types import AssetTerms, MarketTerms
from engine.proto.records import (
    AssetAdded,
    CancelAllDone,
    Checkpoint,
    CheckpointAsset,
    CommandFlag,
    CommandType,
    DeadmanSet,
    EventBody,
    EventFlag,
    EventHeader,
    FundsMoved,
    FundsTransferred,
    KillSwitchSet,
    LegTaken,
    ListSet,
    ListType,
    MarketAdded,
    MarketBandsSet,
    MarketFeesSet,
    MarketFiltersSet,
    MarketLimitsSet,
    MarketState,
    MarketStateSet,
    MarketUncrossed,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    OrderType,
    RateLimitSet,
    Reason,
    Refused,
    RequestReplayed,
    SessionSet,
    SessionState,
    StpMode,
    TimeInForce,
    Trade,
    TradeGroupSet,
    UserFeesSet,
    UserSet,
    UserStatus,
)

SEPARATOR: Final = " · "


class FieldWords(NamedTuple):
    """A field of a record: its name, its value as recorded, and what that means."""

    name: str
    value: str
    meaning: str


def event_summary(header: EventHeader, body: EventBody, catalogue: Catalogue) -> str:
    """Return one line that says what happened."""
    market = catalogue.markets.get(header.market_id)
    parts = [part for part in _summary_parts(header, body, market, catalogue) if part]
    return SEPARATOR.join(parts)


def _summary_parts(
    header: EventHeader, body: EventBody, market: MarketTerms | None, catalogue: Catalogue
) -> list[str]:
    match body:
        case OrderAccepted() | OrderChanged() | OrderPrevented() | OrderTerms() | Trade():
            return _order_parts(header, body, market)
        case FundsMoved():
            moved = _atoms(body.amount_atoms, catalogue.assets.get(body.asset_id))
            return [moved, f"account {body.user_id}", _ascii(body.text)]
        case FundsTransferred():
            moved = _atoms(body.amount_atoms, catalogue.assets.get(body.asset_id))
            return [moved, f"account {body.user_id}", f"leg {body.leg} of {body.leg_count}"]
        case Refused() | RequestReplayed():
            kind = _enum(CommandType, body.command_type)
            order = f"order {body.order_id}" if body.order_id else ""
            return [kind, _reason(header), order, f"account {body.user_id}"]
        case UserSet():
            return [f"account {body.user_id}", _enum(UserStatus, body.status)]
        case CheckpointAsset():
            asset = catalogue.assets.get(body.asset_id)
            return [f"{_atoms(body.held_atoms, asset)} held"]
        case Checkpoint():
            return [f"{body.row_count:,} accounts", f"digest {body.digest.hex()[:12]}…"]
        case _:
            return _rule_parts(header, body, market)


def _rule_parts(header: EventHeader, body: EventBody, market: MarketTerms | None) -> list[str]:
    """Return the words of what sets or ends a rule for orders: of a user, a session, a list."""
    match body:
        case LegTaken():
            return [_enum(CommandType, body.command_type), f"leg {body.leg}"]
        case ListSet():
            legs = [str(leg) for leg in (body.leg_1, body.leg_2, body.leg_3) if leg]
            return [_enum(ListType, body.list_type), f"orders {', '.join(legs)}", _reason(header)]
        case CancelAllDone():
            return [f"{body.canceled_orders:,} orders canceled", _whose(header, body.user_id)]
        case DeadmanSet():
            timeout = f"{body.timeout_ms:,} ms" if body.timeout_ms else "off"
            return [timeout, _whose(header, body.user_id), _reason(header)]
        case SessionSet():
            state = _enum(SessionState, body.state)
            return [f"session {body.session_id}", state, _whose(header, body.user_id)]
        case KillSwitchSet():
            return ["on" if body.is_on else "off", _whose(header, body.user_id)]
        case RateLimitSet():
            limit = f"{body.max_orders:,} unfilled orders in {body.window_us / 1e6:g} s"
            return [limit if body.max_orders else "none", _whose(header, body.user_id)]
        case TradeGroupSet():
            group = f"group {body.group_id}" if body.group_id else "no group"
            return [group, _whose(header, body.user_id)]
        case UserFeesSet():
            rates = [f"maker {body.maker_fee:,}", f"taker {body.taker_fee:,}"]
            return [*(rates if body.is_set else ["as the market"]), _whose(header, body.user_id)]
        case MarketUncrossed():
            traded = f"{_lots(body.lots, market)}{_at(body.price_ticks, market)}"
            return [traded if body.lots else "nothing crossed"]
        case _:
            return _listing_parts(body)


def _whose(header: EventHeader, user_id: int) -> str:
    if user_id:
        return f"account {user_id}"
    return "" if header.market_id else "all accounts"


def _order_parts(
    header: EventHeader,
    body: OrderAccepted | OrderChanged | OrderPrevented | OrderTerms | Trade,
    market: MarketTerms | None,
) -> list[str]:
    if isinstance(body, OrderTerms):
        return [f"order {body.order_id}", f"account {body.user_id}"]
    if isinstance(body, OrderChanged | OrderPrevented):
        is_done = header.flags & EventFlag.DONE
        left = "ended" if is_done else f"{_lots(body.leaves_lots, market)} left"
        return [_side(header), f"order {body.order_id}", left, _reason(header)]
    quantity = f"{_lots(body.quantity_lots, market)}{_at(body.price_ticks, market)}"
    if isinstance(body, Trade):
        taker = "taker buys" if header.flags & EventFlag.BID else "taker sells"
        return [quantity, taker, f"trade {body.trade_id}"]
    ids = [f"order {body.order_id}", f"account {body.user_id}"]
    return [_side(header), quantity, _terms(body.terms), *ids]


def _listing_parts(body: EventBody) -> list[str]:
    match body:
        case AssetAdded() | MarketAdded():
            return [_ascii(body.text)]
        case MarketStateSet():
            return [_enum(MarketState, body.state)]
        case MarketBandsSet() | MarketLimitsSet():
            return ["new limits"]
        case MarketFeesSet():
            return [f"maker {body.maker_fee:,}", f"taker {body.taker_fee:,}"]
        case _:
            return ["new bounds"]


def header_fields(header: EventHeader) -> list[FieldWords]:
    """Return the header's fields that the page does not show otherwise."""
    flags = EventFlag(header.flags)
    names = ", ".join(words(flag.name or "") for flag in EventFlag if flag in flags)
    return [
        FieldWords("flags", str(header.flags), names),
        FieldWords("reason", str(header.reason), _enum(Reason, header.reason)),
    ]


def body_fields(header: EventHeader, body: EventBody, catalogue: Catalogue) -> list[FieldWords]:
    """Return every field of the body, in the order of the record."""
    fields = []
    values: tuple[int | bytes, ...] = tuple(body)
    for name, value in zip(body._fields, values, strict=True):
        if isinstance(value, bytes):
            shown = _ascii(value) if name == "text" else value.hex()
        else:
            shown = f"{value:,}" if name.endswith(("_atoms", "_lots", "_ticks")) else str(value)
        meaning = _meaning(header, body, name, value, catalogue)
        fields.append(FieldWords(name, shown or "(none)", meaning))
    return fields


def _meaning(
    header: EventHeader, body: EventBody, name: str, value: int | bytes, catalogue: Catalogue
) -> str:
    if isinstance(value, bytes):
        return ""
    market = catalogue.markets.get(header.market_id)
    if name in _ENUMS:
        return _enum(_ENUMS[name], value)
    if name == "state":
        return _enum(SessionState if isinstance(body, SessionSet) else MarketState, value)
    if name.endswith("time_us") and value:
        return f"{utc(value):%Y-%m-%d %H:%M:%S.%f} UTC"
    if name == "terms":
        return _terms(value)
    if name.endswith("asset_id"):
        asset = catalogue.assets.get(value)
        return asset.code if asset else ""
    if name == "fee_flags":
        return ", ".join(words(flag.name or "") for flag in CommandFlag if flag & value)
    if name.endswith("_ticks"):
        return _ticks(value, market) if value and market else ""
    if name.endswith("_lots"):
        return _lots(value, market) if market else ""
    if name == "bound" and value:
        return _bound(body, value, market)
    asset = _asset_of(header, body, name, market, catalogue)
    return _atoms(value, asset) if asset else ""


_ENUMS: Final[dict[str, type[IntEnum]]] = {
    "command_type": CommandType,
    "list_type": ListType,
    "status": UserStatus,
    "stp": StpMode,
}


def _asset_of(
    header: EventHeader,
    body: EventBody,
    name: str,
    market: MarketTerms | None,
    catalogue: Catalogue,
) -> AssetTerms | None:
    """Return the asset that the field counts atoms of, if it counts atoms of any."""
    is_bid = bool(header.flags & EventFlag.BID)
    if isinstance(body, MarketAdded):
        ids = {"tick_atoms": body.quote_asset_id, "lot_atoms": body.base_asset_id}
        return catalogue.assets.get(ids.get(name, 0))
    if not name.endswith("_atoms"):
        return None
    if isinstance(body, AssetAdded | FundsMoved | FundsTransferred | CheckpointAsset):
        return catalogue.assets.get(body.asset_id)
    if market is None:
        return None
    if isinstance(body, MarketFiltersSet):
        return market.quote
    if isinstance(body, MarketLimitsSet):
        return market.base if name.startswith("max_position") else market.quote
    if isinstance(body, OrderTerms):
        return market.quote
    if isinstance(body, Trade):
        of_bid = is_bid if name.startswith("taker") else not is_bid
        is_fee = name.endswith("fee_atoms")
        return market.fee_asset(is_bid=of_bid) if is_fee else market.held_asset(is_bid=of_bid)
    return market.held_asset(is_bid=is_bid)


def _bound(body: EventBody, value: int, market: MarketTerms | None) -> str:
    if market is None or not isinstance(body, OrderAccepted):
        return ""
    if body.terms & 0xFF == OrderType.FOK_BUDGET:
        return f"budget {_atoms(value, market.quote)}"
    return f"hold ceiling {_ticks(value, market)}"


def _atoms(atoms: int, asset: AssetTerms | None) -> str:
    if asset is None:
        return f"{atoms:,} atoms"
    return f"{amount_text(atoms_decimal(atoms, asset.decimals))} {asset.code}"


def _ticks(ticks: int, market: MarketTerms | None) -> str:
    if market is None:
        return f"{ticks:,} ticks"
    return _atoms(ticks * market.tick_atoms, market.quote)


def _at(ticks: int, market: MarketTerms | None) -> str:
    return f" at {_ticks(ticks, market)}" if ticks else ""


def _lots(lots: int, market: MarketTerms | None) -> str:
    if market is None:
        return f"{lots:,} lots"
    return _atoms(lots * market.lot_atoms, market.base)


def _side(header: EventHeader) -> str:
    return "Buy" if header.flags & EventFlag.BID else "Sell"


def _reason(header: EventHeader) -> str:
    return _enum(Reason, header.reason) if header.reason else ""


def _terms(terms: int) -> str:
    kind, force = _enum(OrderType, terms & 0xFF), terms >> 8
    return kind if force == TimeInForce.NONE else f"{kind} {_force(force)}"


def _force(force: int) -> str:
    try:
        return TimeInForce(force).name
    except ValueError:
        return f"unknown ({force})"


def _enum(kind: type[IntEnum], value: int) -> str:
    try:
        return words(kind(value).name)
    except ValueError:
        return f"unknown ({value})"


def _ascii(text: bytes) -> str:
    return text.rstrip(b"\0").decode("ascii", "backslashreplace")
