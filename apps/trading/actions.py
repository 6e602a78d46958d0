"""What operators can do to an order: cancel it against its owner's will."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from apps.audit.actions import ActionRefusedError, OperatorAction, engine_result
from apps.audit.types import ActionResult, Actor
from apps.core.engine_gateway import engine_command
from apps.markets.grid import price_text, quantity_text
from apps.markets.listed import UnknownMarketError, market_listed
from apps.markets.types import MarketTerms
from apps.trading.placing import canceled_of
from apps.trading.services import open_order_find
from engine.client import OpenOrder
from engine.proto.records import Side

OBJECT_TYPE: Final = "order"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderForceCancel(OperatorAction):
    """Take an open order out of the book; what it held goes back to its owner."""

    symbol: str
    order_id: int
    name: ClassVar[str] = "order.force_cancel"
    label: ClassVar[str] = "Force-cancel"
    permission: ClassVar[str] = "trading.operate_cancel_order"
    object_type: ClassVar[str] = OBJECT_TYPE

    @property
    def object_id(self) -> str:
        """The order's number."""
        return str(self.order_id)

    def parameters(self) -> dict[str, str]:
        """Where the order is."""
        return {"market": self.symbol}

    def check(self, actor: Actor) -> None:
        """The order must be open."""
        del actor
        self._find()

    def execute(self, actor: Actor) -> ActionResult:
        """Send the command."""
        del actor
        market, order = self._find()
        outcome = engine_command(
            lambda engine: engine.force_cancel(market_id=market.market_id, order_id=self.order_id)
        )
        _, body = canceled_of(outcome, self.order_id)
        removed = quantity_text(body.removed_lots, market)
        return engine_result(
            outcome,
            f"Order {self.order_id} of user {order.user_id} is canceled; "
            f"{removed} {market.base.code} were taken off.",
            before={
                "user_id": order.user_id,
                "side": Side(order.side).name,
                "price": price_text(order.price_ticks, market),
                "leaves_quantity": quantity_text(order.leaves_lots, market),
            },
            after={"status": "CANCELED", "removed_quantity": removed},
        )

    def _find(self) -> tuple[MarketTerms, OpenOrder]:
        try:
            market = market_listed(self.symbol)
        except UnknownMarketError as error:
            raise ActionRefusedError(
                "unknown_market", f"There is no market {self.symbol}."
            ) from error
        order = open_order_find(market_id=market.market_id, order_id=self.order_id)
        if order is None:
            raise ActionRefusedError(
                "unknown_order", f"Order {self.order_id} is not open in {self.symbol}."
            )
        return market, order
