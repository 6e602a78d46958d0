"""The arithmetic and the thresholds of a soak."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from quantatrade.soak.verdict import (
    MEMORY_POINTS_MAX,
    Finding,
    Samples,
    growth_per_s,
    judge,
    percentile,
    slope_per_s,
    thinned,
    warm_up_s,
)
from quantatrade.soak.watch import proof_moments

MIB = 1024 * 1024
TEN_MINUTES_S = 600.0


def good() -> Samples:
    """Ten minutes without a fault."""
    return Samples(
        duration_s=TEN_MINUTES_S,
        memory={"web": flat(100)},
        mirror_lag_s=[0.01, 0.2],
        relay_lag_s=[0.0],
        restarts={"web": 0},
        trades={"BTCUSDT": 3},
        proofs=[""],
    )


def flat(mib: float, growth_mib: float = 0.0) -> list[tuple[float, float]]:
    """Samples every five seconds of memory that grows by so much in ten minutes."""
    return [
        (float(at), (mib + growth_mib * at / TEN_MINUTES_S) * MIB)
        for at in range(0, int(TEN_MINUTES_S), 5)
    ]


def failed(samples: Samples) -> list[str]:
    return [each.name for each in judge(samples) if not each.holds]


def finding(samples: Samples, name: str) -> Finding:
    (found,) = [each for each in judge(samples) if each.name == name]
    return found


def test_the_slope_is_the_median_of_all_pairs() -> None:
    assert slope_per_s([(0, 0), (10, 10), (20, 20)]) == 1.0
    assert slope_per_s([(0, 0), (1, 1), (2, 2), (3, 3), (4, 1_000)]) == 1.0
    assert slope_per_s([(0, 5)]) == slope_per_s([]) == 0.0


def test_bursts_do_not_move_the_slope_and_a_leak_does() -> None:
    dice = random.Random(1)
    level = [(float(at), 100.0 + dice.random()) for at in range(0, 600, 5)]
    bursts = [
        (at, value + (80 if index % 9 == 0 else 0)) for index, (at, value) in enumerate(level)
    ]
    leak = [(at, value + at / 60) for at, value in level]
    assert abs(slope_per_s(bursts)) < 0.001
    assert slope_per_s(leak) == pytest.approx(1 / 60, rel=0.05)


def test_one_step_is_no_growth_and_steps_that_go_on_are() -> None:
    for moment in (100, 250, 330, 500):
        once = [(float(at), 10.0 if at < moment else 20.0) for at in range(0, 600, 5)]
        assert growth_per_s(once) == 0.0
    again = [(float(at), 10.0 * (1 + at // 100)) for at in range(0, 600, 5)]
    assert growth_per_s(again) == pytest.approx(0.1, rel=0.2)
    leak = [(float(at), float(at)) for at in range(0, 600, 5)]
    assert growth_per_s(leak) == pytest.approx(1.0)
    assert growth_per_s(leak[:2]) == 0.0


def test_a_long_series_is_thinned_evenly() -> None:
    series = [(float(at), 2.0 * at) for at in range(10_001)]
    few = thinned(series)
    assert len(few) <= MEMORY_POINTS_MAX
    assert slope_per_s(series) == 2.0
    assert thinned([]) == []


def test_percentiles_are_values_that_were_seen() -> None:
    hundred = [float(each) for each in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert (percentile([7.0], 0.99), percentile([], 0.99)) == (7.0, 0.0)


def test_the_warm_up_is_a_share_with_bounds() -> None:
    assert [warm_up_s(each) for each in (60, 600, 3_600)] == [60.0, 120.0, 300.0]


def test_a_soak_without_a_fault_holds() -> None:
    assert failed(good()) == []


def test_growth_of_five_percent_in_ten_minutes_fails_and_less_holds() -> None:
    assert failed(replace(good(), memory={"web": flat(200, 9)})) == []
    assert failed(replace(good(), memory={"web": flat(200, 12)})) == ["memory of web"]


def test_a_small_process_may_breathe_by_four_mebibytes() -> None:
    assert failed(replace(good(), memory={"beat": flat(20, 3.5)})) == []
    assert failed(replace(good(), memory={"beat": flat(20, 4.5)})) == ["memory of beat"]


def test_growth_while_warming_up_is_not_judged() -> None:
    series = [(at, value if at >= 120 else value * at / 120) for at, value in flat(100)]
    assert failed(replace(good(), memory={"web": series})) == []


def test_a_short_soak_says_that_it_does_not_judge_memory() -> None:
    short = replace(good(), duration_s=120.0, memory={"web": flat(20, 500)[:24]})
    found = finding(short, "memory of web")
    assert (found.holds, found.found) == (True, "92.9 MiB")
    assert found.expected == "not judged: seen for 55 s of 240"


def test_each_other_fault_fails_by_its_own_name() -> None:
    cases = {
        "mirror lag": replace(good(), mirror_lag_s=[0.1] * 200 + [1.0]),
        "relay lag": replace(good(), relay_lag_s=[]),
        "restarts": replace(good(), restarts={"web": 0, "edge": 1}),
        "sick at a sample": replace(good(), unhealthy=["relay: behind"]),
        "lines of error level": replace(good(), errors=["web: boom"]),
        "trades": replace(good(), trades={"BTCUSDT": 3, "ETHUSDT": 0}),
        "verify all": replace(good(), proofs=["", "exit status 1: a row differs"]),
    }
    for name, samples in cases.items():
        assert failed(samples) == [name]
    assert failed(replace(good(), trades={})) == ["trades"]
    assert failed(replace(good(), proofs=[])) == ["verify all"]
    assert "a row differs" in finding(cases["verify all"], "verify all").found


def test_proofs_come_at_seeded_moments_and_at_least_once() -> None:
    moments = proof_moments(600.0, seed=7)
    assert moments == proof_moments(600.0, seed=7) != proof_moments(600.0, seed=8)
    assert len(moments) == 5
    assert moments == sorted(moments)
    assert all(0 <= each <= 600 for each in moments)
    assert len(proof_moments(10.0, seed=7)) == 1
