"""What the addresses of market data read and answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.api.fields import DecimalStringField
from apps.api.pagination import LIMIT_DEFAULT, LIMIT_MAX
from apps.trading.candles import CANDLES_DEFAULT, CANDLES_MAX, INTERVALS
from apps.trading.engine_reads import DEPTH_DEFAULT, DEPTH_MAX
from engine.proto.records import MarketState, Side

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
FEE_BASES: Final = ("RECEIVED_ASSET", "QUOTE_ASSET", "QUOTE_PER_LOT")


@extend_schema_field({"type": "string", "example": "2026-01-31T12:00:00Z"})
class InstantField(serializers.Field[datetime, str, str, Any]):
    """An instant: ISO 8601 with an offset, or milliseconds since 1970."""

    default_error_messages: Final = {  # type: ignore[misc]
        "invalid": (
            "was {was!r}, expected an instant such as '2026-01-31T12:00:00Z' or milliseconds "
            "since 1970"
        ),
    }

    def to_internal_value(self, data: Any) -> datetime:
        """Read it; a local time without an offset is refused."""
        text = str(data)[:40]
        try:
            if text.isascii() and text.isdecimal():
                instant = _EPOCH + timedelta(milliseconds=int(text))
            else:
                instant = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail("invalid", was=text)
        if instant.tzinfo is None or not _EPOCH <= instant <= _LATEST:
            self.fail("invalid", was=text)
        return instant.astimezone(UTC)

    def to_representation(self, value: datetime) -> str:
        """Write it in UTC."""
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class MarketBody(serializers.Serializer[Any]):
    """A market: its grid, bounds (null: none) and fees.

    Fees are fractions of what a side receives (RECEIVED_ASSET) or of the quote amount
    (QUOTE_ASSET), or quote per lot (QUOTE_PER_LOT).
    """

    symbol = serializers.CharField()
    base_asset = serializers.CharField()
    quote_asset = serializers.CharField()
    base_decimals = serializers.IntegerField()
    quote_decimals = serializers.IntegerField()
    state = serializers.ChoiceField(choices=[state.name for state in MarketState])
    tick = DecimalStringField(help_text="Smallest step of a price.")
    lot = DecimalStringField(help_text="Smallest step of a quantity.")
    min_price = DecimalStringField(allow_null=True)
    max_price = DecimalStringField(allow_null=True)
    min_quantity = DecimalStringField(allow_null=True)
    max_quantity = DecimalStringField(allow_null=True)
    min_notional = DecimalStringField(allow_null=True, help_text="Least price x quantity.")
    maker_fee = DecimalStringField()
    taker_fee = DecimalStringField()
    fee_basis = serializers.ChoiceField(choices=FEE_BASES)


class MarketsBody(serializers.Serializer[Any]):
    """All markets."""

    items = MarketBody(many=True)


class TickerBody(serializers.Serializer[Any]):
    """The last 24 hours, to the minute; prices are null where nothing was ever traded."""

    market = serializers.CharField()
    last_price = DecimalStringField(allow_null=True)
    open_price = DecimalStringField(allow_null=True)
    high_price = DecimalStringField(allow_null=True)
    low_price = DecimalStringField(allow_null=True)
    price_change = serializers.CharField(
        allow_null=True, help_text="last_price - open_price, signed."
    )
    volume = DecimalStringField(help_text="In base.")
    quote_volume = DecimalStringField(help_text="In quote.")
    trades = serializers.IntegerField()
    window_start = serializers.DateTimeField()


class TickersBody(serializers.Serializer[Any]):
    """The tickers of all markets."""

    items = TickerBody(many=True)


class BookLevelBody(serializers.Serializer[Any]):
    """All that rests at one price."""

    price = DecimalStringField()
    quantity = DecimalStringField()
    orders = serializers.IntegerField()


class BookBody(serializers.Serializer[Any]):
    """The best levels of both sides, best first, at one event sequence of the engine."""

    market = serializers.CharField()
    event_seq = serializers.IntegerField()
    bids = BookLevelBody(many=True)
    asks = BookLevelBody(many=True)


class PublicTradeBody(serializers.Serializer[Any]):
    """A trade as everybody may see it."""

    trade_id = serializers.IntegerField()
    price = DecimalStringField()
    quantity = DecimalStringField()
    quote_quantity = DecimalStringField()
    taker_side = serializers.ChoiceField(choices=[side.name for side in Side])
    executed_at = serializers.DateTimeField()


class PublicTradesBody(serializers.Serializer[Any]):
    """Trades, newest first."""

    items = PublicTradeBody(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class CandleBody(serializers.Serializer[Any]):
    """One interval; without a trade it repeats the last close."""

    opened_at = serializers.DateTimeField()
    open = DecimalStringField()
    high = DecimalStringField()
    low = DecimalStringField()
    close = DecimalStringField()
    volume = DecimalStringField(help_text="In base.")
    quote_volume = DecimalStringField(
        allow_null=True, help_text="In quote; null where imported history is part of it."
    )
    trades = serializers.IntegerField(help_text="On this exchange.")
    imported = serializers.BooleanField(
        help_text="Imported history is part of it: those prices and volumes are of another venue."
    )


class CandlesBody(serializers.Serializer[Any]):
    """Contiguous candles, oldest first; the last one may still be growing."""

    market = serializers.CharField()
    interval = serializers.ChoiceField(choices=list(INTERVALS))
    items = CandleBody(many=True)


class BookQuery(serializers.Serializer[Any]):
    """How much of the book."""

    depth = serializers.IntegerField(
        min_value=1, max_value=DEPTH_MAX, default=DEPTH_DEFAULT, help_text="Levels of each side."
    )


class CandlesQuery(serializers.Serializer[Any]):
    """Which candles. Without `start` the newest ones before `end`."""

    interval = serializers.ChoiceField(choices=list(INTERVALS))
    start = InstantField(required=False)
    end = InstantField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=CANDLES_MAX, default=CANDLES_DEFAULT)


class PageQuery(serializers.Serializer[Any]):
    """Which page of a list, newest first."""

    limit = serializers.IntegerField(min_value=1, max_value=LIMIT_MAX, default=LIMIT_DEFAULT)
    cursor = serializers.CharField(required=False, help_text="`next_cursor` of the page before.")
