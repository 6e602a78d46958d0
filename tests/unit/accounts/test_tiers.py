"""What each tier may do."""

from __future__ import annotations

from apps.accounts.tiers import TIER_RIGHTS, Tier, TierRights, tier_rights


def test_a_new_trader_may_deposit_and_trade_and_not_withdraw() -> None:
    assert tier_rights(0) == TierRights(deposit=True, trade=True, withdraw=False)


def test_every_tier_is_listed_and_no_higher_one_may_less() -> None:
    assert set(TIER_RIGHTS) == set(Tier.values) == {0, 1, 2, 3}
    for tier in (1, 2, 3):
        assert tier_rights(tier) == TierRights(deposit=True, trade=True, withdraw=True)


def test_what_is_no_tier_may_nothing() -> None:
    for number in (-1, 4):
        assert tier_rights(number) == TierRights(deposit=False, trade=False, withdraw=False)
