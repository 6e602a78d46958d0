"""What operators can do to a market: halt, cancel-only, resume, fees; and list a new one.

The engine owns all of this: an action is one command to it, and the mirror writes the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from apps.audit.actions import ActionRefusedError, OperatorAction, engine_result
from apps.audit.types import ActionResult, Actor
from apps.core.amounts import atoms_text
from apps.markets.grid import fee_text
from apps.markets.listed import UnknownMarketError, market_fresh
from apps.markets.services import (
    Listed,
    ListingConflictError,
    MarketGrid,
    asset_ensure,
    market_ensure,
    market_fees_set,
    market_state_set,
)
from apps.markets.types import MarketTerms
from engine.proto.records import PPM, MarketState

OBJECT_TYPE: Final = "market"


def _market(symbol: str) -> MarketTerms:
    try:
        return market_fresh(symbol)
    except UnknownMarketError as error:
        raise ActionRefusedError("unknown_market", f"There is no market {symbol}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfMarket(OperatorAction):
    symbol: str
    object_type: ClassVar[str] = OBJECT_TYPE

    @property
    def object_id(self) -> str:
        """The market's symbol."""
        return self.symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class _SetState(_OfMarket):
    state: ClassVar[MarketState]

    def check(self, actor: Actor) -> None:
        """The market must exist and be in another state."""
        del actor
        if _market(self.symbol).state == self.state.name:
            raise ActionRefusedError(
                "nothing_changes", f"{self.symbol} is {self.state.name} already."
            )

    def execute(self, actor: Actor) -> ActionResult:
        """Send the command."""
        del actor
        before = _market(self.symbol).state
        outcome = market_state_set(symbol=self.symbol, state=self.state)
        return engine_result(
            outcome,
            f"{self.symbol} is {self.state.name}.",
            before={"state": before},
            after={"state": self.state.name},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketHalt(_SetState):
    """Take no orders until it is resumed; cancels and reductions still work."""

    name: ClassVar[str] = "market.halt"
    label: ClassVar[str] = "Halt"
    permission: ClassVar[str] = "markets.operate_halt_market"
    state: ClassVar[MarketState] = MarketState.HALT


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketCancelOnly(_SetState):
    """Take cancels and reductions only."""

    name: ClassVar[str] = "market.cancel_only"
    label: ClassVar[str] = "Cancel only"
    permission: ClassVar[str] = "markets.operate_cancel_only_market"
    state: ClassVar[MarketState] = MarketState.CANCEL_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketResume(_SetState):
    """Take orders again."""

    name: ClassVar[str] = "market.resume"
    label: ClassVar[str] = "Resume"
    permission: ClassVar[str] = "markets.operate_resume_market"
    state: ClassVar[MarketState] = MarketState.TRADING


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSetFees(_OfMarket):
    """Set the rates of orders accepted from now on: parts per million, or quote atoms per lot."""

    maker_fee: int
    taker_fee: int
    name: ClassVar[str] = "market.set_fees"
    label: ClassVar[str] = "Set fees"
    permission: ClassVar[str] = "markets.operate_set_fees"

    def parameters(self) -> Mapping[str, Any]:
        """Both rates, as the engine counts them."""
        return {"maker_fee": self.maker_fee, "taker_fee": self.taker_fee}

    def check(self, actor: Actor) -> None:
        """The market must exist and the rates be possible."""
        del actor
        market = _market(self.symbol)
        for fee in (self.maker_fee, self.taker_fee):
            if fee < 0 or (not market.fee_per_lot and fee > PPM):
                raise ActionRefusedError("invalid_fee", f"A rate was {fee}, expected 0 to {PPM}.")

    def execute(self, actor: Actor) -> ActionResult:
        """Send the command."""
        del actor
        market = _market(self.symbol)
        outcome = market_fees_set(
            symbol=self.symbol, maker_fee=self.maker_fee, taker_fee=self.taker_fee
        )
        return engine_result(
            outcome,
            f"{self.symbol} charges {fee_text(self.maker_fee, market)} as maker and "
            f"{fee_text(self.taker_fee, market)} as taker.",
            before={"maker_fee": market.maker_fee, "taker_fee": market.taker_fee},
            after=self.parameters(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetList(OperatorAction):
    """List an asset, or find that it is listed with these decimals."""

    code: str
    decimals: int
    name: ClassVar[str] = "asset.list"
    label: ClassVar[str] = "List asset"
    permission: ClassVar[str] = "markets.operate_list_asset"
    object_type: ClassVar[str] = "asset"

    @property
    def object_id(self) -> str:
        """The asset's code."""
        return self.code

    def parameters(self) -> Mapping[str, Any]:
        """Its decimals."""
        return {"decimals": self.decimals}

    def execute(self, actor: Actor) -> ActionResult:
        """Send the command."""
        del actor
        try:
            listed = asset_ensure(code=self.code, decimals=self.decimals)
        except ListingConflictError as error:
            raise ActionRefusedError("already_exists", str(error)) from error
        asset = listed.terms
        total = atoms_text(asset.max_total_atoms, asset.decimals)
        return ActionResult(
            message=f"{self.code} {_word(listed)} as asset {asset.asset_id}.",
            after={"asset_id": asset.asset_id, "decimals": asset.decimals, "max_total": total},
            engine_command_seq=listed.command_seq,
            engine_event_seq=listed.event_seq,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketList(_OfMarket):
    """List a market between two listed assets, or find that it is listed with these terms."""

    base_asset_id: int
    quote_asset_id: int
    grid: MarketGrid
    name: ClassVar[str] = "market.list"
    label: ClassVar[str] = "List market"
    permission: ClassVar[str] = "markets.operate_list_market"

    def parameters(self) -> Mapping[str, Any]:
        """Its assets and its grid in atoms."""
        return {
            "base_asset_id": self.base_asset_id,
            "quote_asset_id": self.quote_asset_id,
            "tick_atoms": self.grid.tick_atoms,
            "lot_atoms": self.grid.lot_atoms,
            "maker_fee_ppm": self.grid.maker_fee_ppm,
            "taker_fee_ppm": self.grid.taker_fee_ppm,
            "min_notional_atoms": self.grid.min_notional_atoms,
        }

    def execute(self, actor: Actor) -> ActionResult:
        """Send the commands."""
        del actor
        try:
            listed = market_ensure(
                symbol=self.symbol,
                base_asset_id=self.base_asset_id,
                quote_asset_id=self.quote_asset_id,
                grid=self.grid,
            )
        except ListingConflictError as error:
            raise ActionRefusedError("already_exists", str(error)) from error
        return ActionResult(
            message=f"{self.symbol} {_word(listed)} as market {listed.terms.market_id}.",
            after={"market_id": listed.terms.market_id, **self.parameters()},
            engine_command_seq=listed.command_seq,
            engine_event_seq=listed.event_seq,
        )


def _word(listed: Listed[Any]) -> str:
    return "is listed" if listed.is_new else "was listed already"
