"""What a kernel shows is what the messages and the client's values can say, field by field."""

from __future__ import annotations

from dataclasses import fields

import pytest

from engine.client import Asset, AssetTotals, Balance, Hold, Level, Market, OpenOrder
from engine.kernel.interface import (
    AssetView,
    BalanceView,
    HoldView,
    LevelView,
    MarketView,
    OrderView,
    TotalsView,
)
from engine.proto import engine_pb2 as pb


@pytest.mark.parametrize(
    ("view", "message", "value"),
    [
        (AssetView, pb.Asset, Asset),
        (MarketView, pb.Market, Market),
        (BalanceView, pb.Balance, Balance),
        (OrderView, pb.Order, OpenOrder),
        (LevelView, pb.Level, Level),
        (HoldView, pb.Hold, Hold),
        (TotalsView, pb.AssetTotals, AssetTotals),
    ],
)
def test_a_view_its_message_and_its_value_have_the_same_fields(
    view: type[tuple[object, ...]], message: type[pb.Asset], value: type
) -> None:
    names = set(view.__annotations__)
    if view is MarketView:  # the flags of its fees are told one by one
        names = names - {"fee_flags"} | {"fee_in_quote", "fee_per_lot"}
    assert {field.name for field in message.DESCRIPTOR.fields} == names
    assert {field.name for field in fields(value)} == names
