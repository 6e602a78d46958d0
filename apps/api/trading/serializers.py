"""What the addresses of orders, trades and balances read and answer."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from apps.api.fields import DecimalStringField
from apps.api.markets.serializers import PageQuery
from apps.trading.placing import ORDER_TYPES, TIMES_IN_FORCE
from apps.trading.statements import OrderStatus, Role
from engine.proto.records import (
    CLIENT_ORDER_ID_CHARS_MAX,
    INT64_MAX,
    OrderType,
    Side,
    StpMode,
    TimeInForce,
)

SYMBOL_CHARS_MAX: Final = 30
CLOSED: Final = "CLOSED"
SIDES: Final = [side.name for side in Side]
FILL_ROLES: Final = [role.name for role in Role]
_STATUSES: Final = [status.name for status in OrderStatus]


class PlaceOrderRequest(serializers.Serializer[Any]):
    """An order. LIMIT and LIMIT_MAKER need `price`; `time_in_force` is for LIMIT (default GTC)."""

    market = serializers.CharField(max_length=SYMBOL_CHARS_MAX)
    side = serializers.ChoiceField(choices=SIDES, help_text="BID buys the base, ASK sells it.")
    type = serializers.ChoiceField(choices=[kind.name for kind in ORDER_TYPES])
    quantity = DecimalStringField(help_text="Of base, a multiple of the market's lot.")
    price = DecimalStringField(
        required=False, help_text="Quote per unit of base, a multiple of the market's tick."
    )
    time_in_force = serializers.ChoiceField(
        required=False, choices=[time.name for time in TIMES_IN_FORCE]
    )
    client_order_id = serializers.RegexField(
        rf"^[a-zA-Z0-9\-_.:/]{{1,{CLIENT_ORDER_ID_CHARS_MAX}}}\Z",
        required=False,
        max_length=CLIENT_ORDER_ID_CHARS_MAX,
        help_text="Your own name for it, unique among your open orders.",
    )


class OrderFillBody(serializers.Serializer[Any]):
    """One fill of the order, with the exact fee and the asset it was taken from."""

    trade_id = serializers.IntegerField()
    role = serializers.ChoiceField(choices=FILL_ROLES)
    price = DecimalStringField()
    quantity = DecimalStringField()
    quote_quantity = DecimalStringField()
    fee = DecimalStringField()
    fee_asset = serializers.CharField()
    executed_at = serializers.DateTimeField()


class OrderBody(serializers.Serializer[Any]):
    """An order. quantity = executed + removed + leaves; `fee` sums all its fills.

    `fills` is null in lists; of one order at most the newest 500 are told.
    """

    order_id = serializers.IntegerField()
    client_order_id = serializers.CharField(allow_blank=True)
    market = serializers.CharField()
    side = serializers.ChoiceField(choices=SIDES)
    type = serializers.ChoiceField(choices=[kind.name for kind in OrderType])
    time_in_force = serializers.ChoiceField(choices=[time.name for time in TimeInForce])
    status = serializers.ChoiceField(choices=_STATUSES)
    reason = serializers.CharField(help_text="Why it expired, else NONE.")
    price = DecimalStringField(allow_null=True)
    quantity = DecimalStringField()
    executed_quantity = DecimalStringField()
    removed_quantity = DecimalStringField(help_text="Taken off without trading.")
    leaves_quantity = DecimalStringField(help_text="Still open.")
    executed_quote = DecimalStringField(help_text="Sum of price x quantity over its fills.")
    fee = DecimalStringField()
    fee_asset = serializers.CharField()
    by_operator = serializers.BooleanField(help_text="Canceled by the exchange.")
    accepted_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    fills = OrderFillBody(many=True, allow_null=True)
    is_waiting = serializers.BooleanField(
        help_text="Not in the book until its trigger or its list comes."
    )
    self_trade_prevention = serializers.ChoiceField(choices=[mode.name for mode in StpMode])
    stop_price = DecimalStringField(allow_null=True, help_text="The last price that triggers it.")
    trailing_delta_bips = serializers.IntegerField(
        allow_null=True, help_text="How far the stop price trails, in hundredths of a percent."
    )
    display_quantity = DecimalStringField(allow_null=True, help_text="Of an iceberg.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When a GTD order ends.")
    list_id = serializers.IntegerField(
        allow_null=True, help_text="The first order of the list that it belongs to."
    )
    quote_amount = DecimalStringField(
        allow_null=True, help_text="Of a market order by quote amount."
    )


class PlacedOrderBody(serializers.Serializer[Any]):
    """The order as placing left it, durable. `is_replayed`: the key had been used for it before."""

    order = OrderBody()
    is_replayed = serializers.BooleanField()
    event_seq = serializers.IntegerField(help_text="The engine's event that accepted it.")


class CanceledOrderBody(serializers.Serializer[Any]):
    """The cancel, durable; `order` is the whole order if the books have it already."""

    order_id = serializers.IntegerField()
    market = serializers.CharField()
    status = serializers.ChoiceField(choices=_STATUSES)
    removed_quantity = DecimalStringField()
    canceled_at = serializers.DateTimeField()
    event_seq = serializers.IntegerField()
    order = OrderBody(allow_null=True)


class OrdersBody(serializers.Serializer[Any]):
    """Orders, newest first."""

    items = OrderBody(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class OwnTradeBody(OrderFillBody):
    """One fill of one of my orders."""

    market = serializers.CharField()
    order_id = serializers.IntegerField()
    side = serializers.ChoiceField(choices=SIDES)


class OwnTradesBody(serializers.Serializer[Any]):
    """My fills, newest first."""

    items = OwnTradeBody(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class BalanceBody(serializers.Serializer[Any]):
    """What I have of an asset; total = available + locked."""

    asset = serializers.CharField()
    available = DecimalStringField()
    locked = DecimalStringField(help_text="Reserved by open orders, and on hold for withdrawals.")
    total = DecimalStringField()


class BalancesBody(serializers.Serializer[Any]):
    """All that I have, as the engine has it at one event sequence."""

    event_seq = serializers.IntegerField()
    balances = BalanceBody(many=True)


class MarketQuery(serializers.Serializer[Any]):
    """In which market the order is; without it every market is looked in."""

    market = serializers.CharField(required=False, max_length=SYMBOL_CHARS_MAX)


class OrdersQuery(PageQuery):
    """Which of my orders."""

    market = serializers.CharField(required=False, max_length=SYMBOL_CHARS_MAX)
    status = serializers.ChoiceField(
        required=False, choices=[*_STATUSES, CLOSED], help_text="CLOSED: all that have ended."
    )


class OwnTradesQuery(PageQuery):
    """Which of my fills."""

    market = serializers.CharField(required=False, max_length=SYMBOL_CHARS_MAX)
    order_id = serializers.IntegerField(required=False, min_value=1, max_value=INT64_MAX)
