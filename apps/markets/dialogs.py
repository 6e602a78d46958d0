"""How the console asks for actions on markets and assets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.safestring import SafeString

from apps.audit.actions import OperatorAction
from apps.audit.dialogs import ActionForm, Change, Dialog, Subject, UnknownSubjectError
from apps.audit.dialogs import dialogs_register as register
from apps.core.amounts import EXACT, atoms_decimal, decimal_atoms
from apps.core.readonly import display
from apps.markets.actions import (
    AssetList,
    MarketCancelOnly,
    MarketHalt,
    MarketList,
    MarketResume,
    MarketSetFees,
)
from apps.markets.models import Asset, Market
from apps.markets.services import ASSET_DECIMALS_DEFAULT, MarketGrid
from engine.proto.records import DECIMALS_MAX, PPM, MarketState

STATE_TONES: Final = {
    MarketState.TRADING.name: display.GOOD,
    MarketState.CANCEL_ONLY.name: display.WARN,
    MarketState.HALT.name: display.BAD,
    MarketState.POST_ONLY.name: display.WARN,
    MarketState.LIMIT_ONLY.name: display.WARN,
    MarketState.AUCTION.name: display.WARN,
    MarketState.CLOSED.name: display.BAD,
    MarketState.DELISTED.name: display.QUIET,
}
CODE_CHARS_MAX: Final = 16
FEE_DECIMALS: Final = 8
PERCENT_DECIMALS: Final = 4  # one part per million is 0.0001 %
STEP: Final[dict[str, Any]] = {"max_digits": 30, "decimal_places": 18, "min_value": Decimal(0)}


def _market(symbol: str) -> Market:
    market = Market.objects.select_related("base_asset", "quote_asset").filter(symbol=symbol)
    found = market.first()
    if found is None:
        raise UnknownSubjectError(f"There is no market {symbol}.")
    return found


def state_pill(state: str) -> SafeString:
    """Return a market's state in its colour."""
    return display.pill(display.words(state), STATE_TONES[state])


def _state_subject(after: MarketState) -> Callable[[str], Subject]:
    def subject(symbol: str) -> Subject:
        market = _market(symbol)
        change = Change("State", state_pill(market.state), state_pill(after.name))
        return Subject(symbol, [change], display.record_url("markets_market", market.pk))

    return subject


class FeesForm(ActionForm):
    """Both rates, in the market's own unit."""

    maker_fee = forms.DecimalField(max_digits=18, decimal_places=FEE_DECIMALS, min_value=Decimal(0))
    taker_fee = forms.DecimalField(max_digits=18, decimal_places=FEE_DECIMALS, min_value=Decimal(0))


def rate_decimal(rate: int, market: Market) -> Decimal:
    """Return a rate as people state it: percent, or quote per lot."""
    if market.fee_per_lot:
        return atoms_decimal(rate, market.quote_asset.decimals)
    return atoms_decimal(rate, PERCENT_DECIMALS)


def rate_unit(market: Market) -> str:
    """Return the unit of `rate_decimal`."""
    return f"{market.quote_asset.code}/lot" if market.fee_per_lot else "%"


def _rate(name: str, stated: Decimal, market: Market) -> int:
    decimals = market.quote_asset.decimals if market.fee_per_lot else PERCENT_DECIMALS
    rate = _whole(name, stated, decimals)
    if not market.fee_per_lot and rate > PPM:
        raise ValidationError({name: "A rate is 100 % at most."})
    return rate


def _whole(name: str, stated: Decimal, decimals: int) -> int:
    try:
        return decimal_atoms(stated, decimals)
    except ValueError as error:
        raise ValidationError({name: f"Expected at most {decimals} decimals."}) from error


def _fees_subject(symbol: str) -> Subject:
    market = _market(symbol)
    rates = {"maker_fee": market.maker_fee, "taker_fee": market.taker_fee}
    stated = {name: rate_decimal(rate, market) for name, rate in rates.items()}
    unit = rate_unit(market)
    changes = [
        Change(f"{name[:5].capitalize()} fee, {unit}", display.amount(value, unit), field=name)
        for name, value in stated.items()
    ]
    shown = {name: display.amount_text(value) for name, value in stated.items()}
    return Subject(symbol, changes, display.record_url("markets_market", market.pk), shown)


def _fees_make(symbol: str, asked: Mapping[str, Any]) -> OperatorAction:
    market = _market(symbol)
    rates = {name: _rate(name, asked[name], market) for name in ("maker_fee", "taker_fee")}
    return MarketSetFees(symbol=symbol, **rates)


class AssetForm(ActionForm):
    """A new asset."""

    code = forms.RegexField(
        r"^[A-Z0-9]+$",
        max_length=CODE_CHARS_MAX,
        error_messages={"invalid": "Expected capital letters and digits."},
    )
    decimals = forms.IntegerField(min_value=0, max_value=DECIMALS_MAX)


def _new(title: str, form: type[ActionForm], **initial: Any) -> Callable[[str], Subject]:
    asked = [name for name in form.base_fields if name not in ActionForm.base_fields]

    def subject(_object_id: str) -> Subject:
        changes = [
            Change(
                str(form.base_fields[name].label or name.replace("_", " ").capitalize()),
                display.NOTHING,
                field=name,
            )
            for name in asked
        ]
        return Subject(title, changes, None, initial)

    return subject


def _asset_make(_object_id: str, asked: Mapping[str, Any]) -> OperatorAction:
    return AssetList(code=asked["code"], decimals=asked["decimals"])


class MarketForm(ActionForm):
    """A new market between two listed assets."""

    base = forms.ModelChoiceField(Asset.objects.order_by("code"))
    quote = forms.ModelChoiceField(Asset.objects.order_by("code"))
    tick = forms.DecimalField(label="Tick, in quote", **STEP)
    lot = forms.DecimalField(label="Lot, in base", **STEP)
    maker_fee = forms.DecimalField(label="Maker fee, %", **STEP)
    taker_fee = forms.DecimalField(label="Taker fee, %", **STEP)
    min_notional = forms.DecimalField(label="Least notional, in quote", **STEP)


def _market_make(_object_id: str, asked: Mapping[str, Any]) -> OperatorAction:
    base, quote = asked["base"], asked["quote"]
    if base == quote:
        raise ValidationError({"quote": "Expected another asset than the base."})
    grid = MarketGrid(
        tick_atoms=_whole("tick", asked["tick"], quote.decimals),
        lot_atoms=_whole("lot", asked["lot"], base.decimals),
        maker_fee_ppm=_whole("maker_fee", asked["maker_fee"], PERCENT_DECIMALS),
        taker_fee_ppm=_whole("taker_fee", asked["taker_fee"], PERCENT_DECIMALS),
        min_notional_atoms=_whole("min_notional", asked["min_notional"], quote.decimals),
    )
    for name in ("tick", "lot"):
        if not asked[name]:
            raise ValidationError({name: "Expected more than 0."})
    if grid.tick_atoms * grid.lot_atoms % 10**base.decimals:
        least = atoms_decimal(1, quote.decimals)
        step = EXACT.multiply(asked["tick"], asked["lot"])
        raise ValidationError(
            {"lot": f"Tick x lot was {step:f}, expected a multiple of {least:f} {quote.code}."}
        )
    for name in ("maker_fee", "taker_fee"):
        if asked[name] > 100:
            raise ValidationError({name: "A rate is 100 % at most."})
    return MarketList(
        symbol=base.code + quote.code,
        base_asset_id=base.pk,
        quote_asset_id=quote.pk,
        grid=grid,
    )


register(
    Dialog(
        action=MarketHalt,
        effect="No orders are taken until the market is resumed. Cancels and reductions still"
        " work, and orders in the book stay there.",
        subject=_state_subject(MarketState.HALT),
        make=lambda symbol, _asked: MarketHalt(symbol=symbol),
        tone=display.BAD,
    ),
    Dialog(
        action=MarketCancelOnly,
        effect="Only cancels and reductions are taken; nothing trades.",
        subject=_state_subject(MarketState.CANCEL_ONLY),
        make=lambda symbol, _asked: MarketCancelOnly(symbol=symbol),
        tone=display.WARN,
    ),
    Dialog(
        action=MarketResume,
        effect="Orders are taken again at once, and orders in the book can trade.",
        subject=_state_subject(MarketState.TRADING),
        make=lambda symbol, _asked: MarketResume(symbol=symbol),
        tone=display.GOOD,
    ),
    Dialog(
        action=MarketSetFees,
        effect="The rates hold for orders accepted from now on. Orders that are in the book keep"
        " the rates with which they were accepted.",
        subject=_fees_subject,
        make=_fees_make,
        form=FeesForm,
    ),
    Dialog(
        action=AssetList,
        effect="The asset can be held and traded as soon as the engine has it. Its code and its"
        " decimals can never be changed.",
        subject=_new("asset", AssetForm, decimals=ASSET_DECIMALS_DEFAULT),
        make=_asset_make,
        form=AssetForm,
    ),
    Dialog(
        action=MarketList,
        effect="The market opens at once. Its assets, tick and lot can never be changed.",
        subject=_new("market", MarketForm, maker_fee="0.1", taker_fee="0.1", min_notional="0"),
        make=_market_make,
        form=MarketForm,
    ),
)
