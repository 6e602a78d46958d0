"""What a demo exchange has before anybody trades: markets, staff, networks, a past.

A program of its own, so that the demo itself holds no database connection and no Django. Run as
``python -m quantatrade.demo.prepare``; the last line of its output is JSON. Invariants: everything
is asked for only if it is not there, through the services that operators' actions use; a market
that exists is left as it is, whatever its state and fees.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any, Final

import django
from django.conf import settings

from quantatrade.bootstrap.demo_logins import STAFF, demo_logins_file, read_demo_logins
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.demo.recorded import (
    BAR_FILES,
    HISTORY_BARS,
    HISTORY_SOURCE,
    recorded_bars,
)

ACTOR_NAME: Final = "demo"
BOOKS_WAIT_S: Final = 20.0
BOOKS_STEP_S: Final = 0.1
REASON: Final = "Listed for the demo"
EXIT_NOT_A_DEMO: Final = 2


class DemoActor:
    """The demo as the audit log names it: it lists markets, like a command on this machine."""

    pk = None
    is_active = True
    role = "system"

    def get_username(self) -> str:
        """Who it is."""
        return ACTOR_NAME

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """What it does it may do: `main` has made sure that this is a demo."""
        del perm, obj
        return True


def main() -> int:
    """Prepare everything and tell what the demo has to know of it."""
    django.setup()
    if not settings.QT_DEMO:
        sys.stderr.write("This is no demo exchange: QT_DEMO was 0, expected 1\n")
        return EXIT_NOT_A_DEMO
    assets = _list_markets()
    _make_staff()
    facts = {"networks": _networks(assets), "began_ms": _import_past()}
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0


def _list_markets() -> list[str]:
    """List what is missing; returns the codes of all assets."""
    from apps.audit.actions import action_run
    from apps.markets.actions import AssetList, MarketList
    from apps.markets.listed import listing_fresh
    from apps.markets.listings import recorded_market_listings
    from apps.markets.services import MarketGrid

    listings = recorded_market_listings()
    assets = sorted({each for one in listings.values() for each in (one.base_code, one.quote_code)})
    present = listing_fresh()
    codes = {asset.code for asset in present.assets.values()}

    def run(action: Any) -> Any:
        return action_run(action, actor=DemoActor(), reason=REASON, request_id="", address="").after

    for code in assets:
        if code not in codes:
            run(AssetList(code=code, decimals=8))
    ids = {asset.code: asset.asset_id for asset in listing_fresh().assets.values()}
    for symbol, listing in listings.items():
        if symbol in present.markets:
            continue
        grid = MarketGrid(
            tick_atoms=listing.tick_atoms,
            lot_atoms=listing.lot_atoms,
            maker_fee_ppm=listing.maker_fee_ppm,
            taker_fee_ppm=listing.taker_fee_ppm,
        )
        base, quote = ids[listing.base_code], ids[listing.quote_code]
        run(MarketList(symbol=symbol, base_asset_id=base, quote_asset_id=quote, grid=grid))
    for listing in listings.values():
        _bound(listing)
    _wait_for_books(list(listings))
    return assets


def _bound(listing: Any) -> None:
    """Give a market the recorded bounds, if it has none yet."""
    from apps.core.engine_gateway import engine_command
    from apps.markets.listed import listing_fresh

    market = listing_fresh().markets[listing.symbol]
    bounds = (
        "min_price_ticks", "max_price_ticks", "min_quantity_lots", "max_quantity_lots",
        "min_notional_atoms",
    )  # fmt: skip
    if any(getattr(market, each) for each in bounds):
        return
    recorded = {each: getattr(listing, each) for each in bounds}
    engine_command(lambda engine: engine.set_market_filters(market_id=market.market_id, **recorded))


def _wait_for_books(symbols: list[str]) -> None:
    from apps.markets.selectors import markets_list

    deadline_s = time.monotonic() + BOOKS_WAIT_S
    while missing := set(symbols) - {market.symbol for market in markets_list()}:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the mirror has not written {', '.join(sorted(missing))} yet")
        time.sleep(BOOKS_STEP_S)


def _make_staff() -> None:
    from apps.accounts.models import User
    from apps.accounts.registration import user_register
    from apps.accounts.roles import Role
    from apps.audit.types import system_actor

    state = StateDirectory(settings.VAR_DIR)
    for login in read_demo_logins(demo_logins_file(state)):
        if login.part == STAFF and not User.objects.filter(email=login.email).exists():
            user_register(
                email=login.email,
                password=login.password,
                role=Role(login.role),
                actor=system_actor(ACTOR_NAME),
            )


def _networks(assets: list[str]) -> dict[str, dict[str, Any]]:
    from apps.custody.simulation import network_simulated_ensure

    found = {}
    for code in assets:
        row = network_simulated_ensure(code)
        found[code] = {"name": row.network, "coin": row.coin, "decimals": row.decimals}
    return found


def _import_past() -> dict[str, int]:
    """Import the past of charts that have none; returns when each recorded path begins, in ms."""
    from apps.audit.types import system_actor
    from apps.trading.bars import bars_ending
    from apps.trading.imports import ImportRefusedError, candles_import, history_of

    began_ms = {}
    for symbol in BAR_FILES:
        history = history_of(symbol)
        if history is None:
            bars = bars_ending(recorded_bars(symbol)[:HISTORY_BARS], datetime.now(UTC))
            try:
                history = candles_import(
                    actor=system_actor(ACTOR_NAME), symbol=symbol, bars=bars, source=HISTORY_SOURCE
                )
            except ImportRefusedError:
                continue  # it was traded here before: its past is its own
        began_ms[symbol] = int(history.ended_at.timestamp() * 1000)
    return began_ms


if __name__ == "__main__":
    sys.exit(main())
