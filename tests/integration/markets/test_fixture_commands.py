"""create_market and create_user make a fresh exchange usable, and say what they made."""

from __future__ import annotations

import json
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.integration.trading.exchange import Exchange


def command(name: str, *arguments: str) -> dict[str, Any]:
    """Run a command with --json and return what it printed."""
    output = StringIO()
    call_command(name, *arguments, "--json", stdout=output)
    stated: dict[str, Any] = json.loads(output.getvalue())
    return stated


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing mirrors by itself here: do not wait for it."""
    from apps.markets.management.commands import create_market

    monkeypatch.setattr(create_market, "MIRROR_WAIT_S", 0.1)


TERMS = ("sol", "USDT", "--tick", "0.001", "--lot", "0.01", "--taker-fee", "0.002",
         "--maker-fee", "0", "--min-notional", "10", "--base-decimals", "9")  # fmt: skip


@pytest.mark.usefixtures("brisk")
def test_a_market_is_listed_with_its_terms_and_again_changes_nothing(exchange: Exchange) -> None:
    stated = command("create_market", *TERMS)
    assert stated == {
        "symbol": "SOLUSDT", "market_id": 2, "base": "SOL", "quote": "USDT", "is_new": True,
        "is_in_books": False,
    }  # fmt: skip
    after = exchange.history()
    market = exchange.engine.list_markets()[1]
    assert (market.symbol, market.tick_atoms, market.lot_atoms) == ("SOLUSDT", 10**5, 10**7)
    assert (market.maker_fee, market.taker_fee, market.min_notional_atoms) == (0, 2_000, 10**9)
    assert exchange.engine.list_assets()[2].decimals == 9
    exchange.catch_up()
    again = command("create_market", *TERMS)
    assert again == {**stated, "is_new": False, "is_in_books": True}
    assert exchange.history() == after


IMPOSSIBLE = (
    (("SOL", "USDT", "--tick", "0.01", "--base-decimals", "9"), "market SOLUSDT has"),
    (("SOL", "USDT", "--base-decimals", "6"), "asset SOL has 9 decimals, expected 6"),
    (("DOGE", "USDT", "--tick", "0.000000001"), "expected at most 8 decimals"),
    (("DOGE", "USDT", "--tick", "0"), "was no whole number"),
    (("DOGE", "USDT", "--tick", "0.00000001", "--lot", "0.1"), "was no whole number"),
    (("DOGE", "DOGE"), "invalid_symbol|malformed|unknown_asset|refused"),
)


@pytest.mark.usefixtures("brisk")
def test_terms_that_cannot_be_are_refused(exchange: Exchange) -> None:
    command("create_market", *TERMS)
    markets = exchange.engine.list_markets()
    for arguments, problem in IMPOSSIBLE:
        with pytest.raises(CommandError, match=problem):
            command("create_market", *arguments)
    assert exchange.engine.list_markets() == markets


@pytest.mark.usefixtures("brisk")
def test_two_listings_at_once_get_two_markets(exchange: Exchange) -> None:
    from apps.markets.services import MarketGrid, market_ensure

    grid = MarketGrid(tick_atoms=10**6, lot_atoms=10**4)
    threads = [
        Thread(
            target=market_ensure,
            kwargs={"symbol": f"TWIN{n}", "base_asset_id": 1, "quote_asset_id": 2, "grid": grid},
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    listed = {market.symbol: market.market_id for market in exchange.engine.list_markets()}
    assert sorted(listed) == ["BTCUSDT", "TWIN0", "TWIN1", "TWIN2", "TWIN3"]
    assert sorted(listed.values()) == [1, 2, 3, 4, 5]


def test_a_user_is_made_and_can_trade_at_once(exchange: Exchange) -> None:
    from apps.accounts.models import User

    stated = command("create_user", "Ann@Example.com")
    assert set(stated) == {"user_id", "email", "role", "password"}
    assert (stated["email"], stated["role"]) == ("ann@example.com", "trader")
    assert User.objects.get(pk=stated["user_id"]).check_password(stated["password"])
    assert exchange.engine.get_status().users >= 1
    exchange.catch_up()
    from apps.accounts.models import TradingAccount

    assert TradingAccount.objects.filter(pk=stated["user_id"], status="ACTIVE").exists()
    with pytest.raises(CommandError, match="has a login already"):
        command("create_user", "ann@example.com")
    with pytest.raises(CommandError, match="password"):
        command("create_user", "bob@example.com", "--password", "password")


def test_staff_have_no_trading_account(exchange: Exchange) -> None:
    before = exchange.engine.get_status().users
    assert command("create_user", "eve@example.com", "--role", "support")["role"] == "support"
    assert exchange.engine.get_status().users == before
