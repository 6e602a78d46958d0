"""A few rounds of the fuzz campaign, and that it would see a kernel that is wrong."""

from collections import Counter

import pytest

from engine.kernel import Limits, load_kernel
from engine.kernel.state import canonical_bytes
from engine.proto.records import RECORD_BYTES
from tests import fuzz_campaign
from tests.fuzz_campaign import (
    KERNELS,
    BrokenPromiseError,
    Campaign,
    Round,
    check_hash_seed,
    digest_of,
    stream,
)
from tests.property.kernel.flow import LIMITS

SEED = 20262
ROUNDS = 3


def test_a_short_campaign_finds_nothing() -> None:
    campaign = Campaign(SEED)
    for number in range(1, ROUNDS + 1):
        campaign.run_round(number)
    facts = campaign.facts()
    assert facts["rounds"] == ROUNDS
    assert campaign.seen["TRADE"] > 0
    assert campaign.seen["batches taken"] > 0
    assert campaign.seen["batches refused"] > 0


def test_a_round_depends_on_its_seed_alone() -> None:
    assert stream(7) == stream(7)
    assert stream(7) != stream(8)
    assert digest_of(7, "compiled") == digest_of(7, "reference")


def test_another_hash_seed_is_compared() -> None:
    check_hash_seed(Campaign(SEED).round_seed(0))


def test_every_kind_of_stream_is_made() -> None:
    """Among some seeds there are plain flows and such with noise in them."""
    malformed = []
    for seed in range(12):
        kernel = load_kernel("compiled", LIMITS)
        refused = sum(kernel.apply(*batch).count(b"\x1c\x00\x01\x00") for batch in stream(seed))
        malformed.append(refused / kernel.command_seq)
    assert min(malformed) < 0.1
    assert max(malformed) > 0.2


def test_kernels_that_differ_are_found_out_and_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def other_limits(name: str, limits: Limits) -> object:
        users_max = 3 if name == "reference" else limits.users_max
        return load_kernel(name, limits._replace(users_max=users_max))

    monkeypatch.setattr(fuzz_campaign, "load_kernel", other_limits)
    with pytest.raises(BrokenPromiseError, match=r"batch 0: Command\(type=6"):
        Round(3, Counter()).run()


def test_a_state_that_restores_to_another_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_campaign, "RESTORE_SHARE", 1)
    real = canonical_bytes
    states = iter(range(10**6))
    monkeypatch.setattr(
        fuzz_campaign, "canonical_bytes", lambda kernel: real(kernel) + bytes(next(states) % 2)
    )
    with pytest.raises(BrokenPromiseError, match="a restored state is the same"):
        Round(3, Counter()).run()


def test_streams_are_whole_records_in_the_order_of_time() -> None:
    for seed in range(4):
        batches = stream(seed)
        times = [batch.time_us for batch in batches]
        assert times == sorted(times)
        assert all(len(batch.commands) % RECORD_BYTES == 0 for batch in batches)
    assert len(KERNELS) == 2
