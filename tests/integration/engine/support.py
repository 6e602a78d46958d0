"""A small exchange on a real engine: two assets, one market, two rich users."""

from __future__ import annotations

from engine.client import EngineClient

BASE, QUOTE, MARKET = 1, 2, 1
SELLER, BUYER = 1, 2
TICK_ATOMS, LOT_ATOMS = 10**6, 10**3  # 1 tick x 1 lot = 10 quote atoms
BASE_ATOMS, QUOTE_ATOMS = 10**15, 10**16


def request_id(number: int, kind: int = 1) -> bytes:
    return bytes([kind]) + number.to_bytes(15, "big")


async def set_up(client: EngineClient) -> None:
    """List the market and fund both users. Safe to repeat."""
    await client.add_asset(asset_id=BASE, code="BTC", decimals=8, max_total_atoms=10**17)
    await client.add_asset(asset_id=QUOTE, code="USDT", decimals=8, max_total_atoms=10**18)
    await client.add_market(
        market_id=MARKET,
        symbol="BTCUSDT",
        base_asset_id=BASE,
        quote_asset_id=QUOTE,
        tick_atoms=TICK_ATOMS,
        lot_atoms=LOT_ATOMS,
        maker_fee=100,
        taker_fee=200,
    )
    for user_id in (SELLER, BUYER):
        await client.add_user(user_id=user_id)
        await client.deposit(
            user_id=user_id,
            asset_id=BASE,
            amount_atoms=BASE_ATOMS,
            business_id=request_id(user_id, 8),
        )
        await client.deposit(
            user_id=user_id,
            asset_id=QUOTE,
            amount_atoms=QUOTE_ATOMS,
            business_id=request_id(user_id, 9),
        )
