"""Console pages of assets and markets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.audit.actions import OperatorAction
from apps.audit.dialogs import NEW, operations_for
from apps.core.amounts import atoms_decimal
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Operation, Section
from apps.markets.actions import (
    AssetList,
    MarketCancelOnly,
    MarketHalt,
    MarketList,
    MarketResume,
    MarketSetFees,
)
from apps.markets.dialogs import rate_decimal, rate_unit, state_pill
from apps.markets.models import Asset, Market
from engine.proto.records import MarketState

_STATE_ACTIONS: Final[dict[str, tuple[type[OperatorAction], ...]]] = {
    MarketState.TRADING.name: (MarketHalt, MarketCancelOnly),
    MarketState.CANCEL_ONLY.name: (MarketHalt, MarketResume),
    MarketState.HALT.name: (MarketResume, MarketCancelOnly),
    MarketState.POST_ONLY.name: (MarketHalt, MarketCancelOnly, MarketResume),
    MarketState.LIMIT_ONLY.name: (MarketHalt, MarketCancelOnly, MarketResume),
    MarketState.AUCTION.name: (MarketHalt, MarketCancelOnly, MarketResume),
    MarketState.CLOSED.name: (MarketHalt, MarketResume),
    MarketState.DELISTED.name: (),  # for ever
}


@admin.register(Asset)
class AssetAdmin(ReadOnlyModelAdmin):
    """Assets as the engine states them."""

    list_display: ClassVar[Sequence[str]] = (
        "code_",
        "number_id",
        "number_decimals",
        "amount_max_total",
        "number_added",
    )
    search_help_text = "Code"
    search_texts = ("code",)

    def list_operations(self, request: HttpRequest) -> Sequence[Operation]:
        """Lead to the form of a new asset."""
        return operations_for(request, NEW, AssetList)

    def missing_record_url(self, _request: HttpRequest, key: str) -> str | None:
        """Find an asset by its code as well."""
        asset_id = Asset.objects.filter(code=key).values_list("pk", flat=True).first()
        return None if asset_id is None else display.record_url("markets_asset", asset_id)

    @admin.display(description="Asset")
    def code_(self, asset: Asset) -> str:
        """Its code."""
        return asset.code

    @admin.display(description="Id")
    def number_id(self, asset: Asset) -> SafeString:
        """Its number in the engine."""
        return display.identity(asset.asset_id)

    @admin.display(description="Decimals")
    def number_decimals(self, asset: Asset) -> SafeString:
        """One atom is ten to the minus this."""
        return display.number(asset.decimals)

    @admin.display(description="Limit of holdings")
    def amount_max_total(self, asset: Asset) -> SafeString:
        """The most this exchange may hold."""
        return display.amount(asset.max_total, asset.code)

    @admin.display(description="Added by event")
    def number_added(self, asset: Asset) -> SafeString:
        """The event that listed it."""
        return display.record_link("mirror_engineevent", asset.added_event_seq)

    def record_title(self, record: Asset) -> str:
        """Name the asset."""
        return f"Asset {record.code}"

    def sections(self, _request: HttpRequest, record: Asset) -> Sequence[Section]:
        """Show the terms of the asset."""
        facts = [
            Fact("Code", record.code),
            Fact("Id in the engine", display.identity(record.asset_id)),
            Fact("Decimals", str(record.decimals), "one atom is 10 to the minus this"),
            Fact("Limit of holdings", self.amount_max_total(record), "credits beyond are refused"),
            Fact("Listed by event", self.number_added(record)),
        ]
        found = [
            Fact("Balances", display.link(_of_asset("ledger_balance", record), "of all accounts")),
            Fact("Legs", display.link(_of_asset("ledger_leg", record), "in the books")),
            Fact("Conservation", display.record_link("ledger_assettotal", record.asset_id, "sums")),
        ]
        return [FactSection("Terms", facts), FactSection("In the books", found)]


def _of_asset(model: str, asset: Asset) -> str | None:
    return display.list_url(model, asset_id=asset.asset_id)


@admin.register(Market)
class MarketAdmin(ReadOnlyModelAdmin):
    """Markets as the engine states them."""

    list_display: ClassVar[Sequence[str]] = (
        "symbol_",
        "state_",
        "amount_tick",
        "amount_lot",
        "amount_min_notional",
        "amount_maker_fee",
        "amount_taker_fee",
        "fee_basis",
    )
    list_filter: ClassVar[Sequence[str]] = ("state",)
    search_help_text = "Symbol"
    search_texts = ("symbol",)
    operate_permissions = (MarketHalt.permission, MarketResume.permission)

    def list_operations(self, request: HttpRequest) -> Sequence[Operation]:
        """Lead to the form of a new market."""
        return operations_for(request, NEW, MarketList)

    def operations(self, request: HttpRequest, record: Market) -> Sequence[Operation]:
        """What can be done to the market in its state."""
        kinds: tuple[type[OperatorAction], ...] = (*_STATE_ACTIONS[record.state], MarketSetFees)
        return operations_for(request, record.symbol, *kinds)

    def missing_record_url(self, _request: HttpRequest, key: str) -> str | None:
        """Find a market by its symbol as well."""
        market_id = Market.objects.filter(symbol=key).values_list("pk", flat=True).first()
        return None if market_id is None else display.record_url("markets_market", market_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Market]:
        """Read both assets with each market."""
        queryset: QuerySet[Market] = super().get_queryset(request)
        return queryset.select_related("base_asset", "quote_asset")

    @admin.display(description="Market")
    def symbol_(self, market: Market) -> str:
        """Its symbol."""
        return market.symbol

    @admin.display(description="State")
    def state_(self, market: Market) -> SafeString:
        """What it lets in."""
        return state_pill(market.state)

    @admin.display(description="Tick")
    def amount_tick(self, market: Market) -> SafeString:
        """The step of prices."""
        return _quote(market, market.tick_atoms)

    @admin.display(description="Lot")
    def amount_lot(self, market: Market) -> SafeString:
        """The step of quantities."""
        return _base(market, market.lot_atoms)

    @admin.display(description="Least notional")
    def amount_min_notional(self, market: Market) -> SafeString:
        """The smallest order."""
        if not market.min_notional_atoms:
            return display.NOTHING
        return _quote(market, market.min_notional_atoms)

    @admin.display(description="Maker fee")
    def amount_maker_fee(self, market: Market) -> SafeString:
        """The rate of resting orders."""
        return _fee(market, market.maker_fee)

    @admin.display(description="Taker fee")
    def amount_taker_fee(self, market: Market) -> SafeString:
        """The rate of incoming orders."""
        return _fee(market, market.taker_fee)

    @admin.display(description="Fees taken")
    def fee_basis(self, market: Market) -> str:
        """The asset that fees are taken from."""
        if market.fee_per_lot:
            return f"in {market.quote_asset.code}, per lot"
        if market.fee_in_quote:
            return f"in {market.quote_asset.code}"
        return "in what is received"

    def record_title(self, record: Market) -> str:
        """Name the market."""
        return f"Market {record.symbol}"

    def sections(self, _request: HttpRequest, record: Market) -> Sequence[Section]:
        """Show terms, bounds and where to look on."""
        event = display.record_link("mirror_engineevent", record.added_event_seq)
        terms = [
            Fact("State", self.state_(record)),
            Fact(
                "Base",
                display.record_link("markets_asset", record.base_asset_id, record.base_asset),
            ),
            Fact(
                "Quote",
                display.record_link("markets_asset", record.quote_asset_id, record.quote_asset),
            ),
            Fact("Tick", self.amount_tick(record), "step of prices"),
            Fact("Lot", self.amount_lot(record), "step of quantities"),
            Fact("Maker fee", self.amount_maker_fee(record)),
            Fact("Taker fee", self.amount_taker_fee(record)),
            Fact("Fees taken", self.fee_basis(record)),
            Fact("Listed by event", event),
        ]
        bounds = [
            Fact("Lowest price", _price(record, record.min_price_ticks)),
            Fact("Highest price", _price(record, record.max_price_ticks)),
            Fact("Smallest quantity", _quantity(record, record.min_quantity_lots)),
            Fact("Largest quantity", _quantity(record, record.max_quantity_lots)),
            Fact("Least notional", self.amount_min_notional(record)),
        ]
        found = [
            Fact(
                "Open orders", display.link(_of_market("trading_openorder", record), "in the book")
            ),
            Fact("Trades", display.link(_of_market("trading_trade", record), "newest first")),
        ]
        return [
            FactSection("Terms", terms),
            FactSection("Bounds", bounds),
            FactSection("Activity", found),
        ]


def _of_market(model: str, market: Market) -> str | None:
    return display.list_url(model, market_id=market.market_id)


def _quote(market: Market, atoms: int) -> SafeString:
    asset = market.quote_asset
    return display.amount(atoms_decimal(atoms, asset.decimals), asset.code)


def _base(market: Market, atoms: int) -> SafeString:
    asset = market.base_asset
    return display.amount(atoms_decimal(atoms, asset.decimals), asset.code)


def _price(market: Market, ticks: int) -> SafeString:
    return _quote(market, ticks * market.tick_atoms) if ticks else display.NOTHING


def _quantity(market: Market, lots: int) -> SafeString:
    return _base(market, lots * market.lot_atoms) if lots else display.NOTHING


def _fee(market: Market, rate: int) -> SafeString:
    return display.amount(rate_decimal(rate, market), rate_unit(market))
