"""The random numbers are the JVM's. Expected values were printed by OpenJDK's java.util.Random."""

from __future__ import annotations

import pytest

from engine.bench.random import JavaRandom, to_signed
from engine.bench.workload import session_seed

BOUNDS = (10, 4, 512, 40, (1 << 30) + 1, (1 << 30) + 1, (1 << 30) + 1, 7, (1 << 31) - 1)


@pytest.mark.parametrize(
    ("seed", "ints", "doubles", "longs", "booleans"),
    [
        (
            0,
            [0, 3, 123, 7, 663681053, 251269761, 715581077, 2, 827187473],
            [0.6130357680446138, 0.9828195255872982],
            [425784808157066482, 3246199166113899023],
            [False, False, False],
        ),
        (
            42,
            [0, 0, 349, 4, 662969970, 595021505, 196118093, 3, 969067502],
            [0.36878291341130565, 0.2757480694417024],
            [8552898714322622292, -4004755535478349341],
            [True, False, False],
        ),
        (
            -7,
            [2, 3, 344, 27, 314447087, 677675436, 184135245, 6, 988357177],
            [0.5098473861777507, 0.9765411641049873],
            [-8345463556342312887, 2340506760689790671],
            [False, False, False],
        ),
        (
            101572685,
            [0, 3, 140, 22, 1021990992, 799478414, 236625015, 5, 1967609413],
            [0.41143234113131266, 0.03576236979353309],
            [-999005392063887620, 2343559104386844402],
            [True, True, True],
        ),
    ],
)
def test_draws_are_those_of_the_jvm(
    seed: int, ints: list[int], doubles: list[float], longs: list[int], booleans: list[bool]
) -> None:
    random = JavaRandom(seed)
    assert [random.next_int(bound) for bound in BOUNDS] == ints
    assert [random.next_double() for _ in doubles] == doubles
    assert [random.next_long() for _ in longs] == longs
    assert [random.next_boolean() for _ in booleans] == booleans


def test_pareto_samples_are_scale_over_a_root_of_the_next_double() -> None:
    random = JavaRandom(0)
    assert [random.pareto(1, 1.5) for _ in range(4)] == pytest.approx(
        [1.2323512432020114, 2.5855093338510766, 1.350156294520291, 1.488886473969492], rel=1e-12
    )


@pytest.mark.parametrize(
    ("symbol", "seed", "expected"),
    [(0, 101572685, 1577989421), (40000, 1, -779938639), (40099, 1825793762, 1837492669)],
)
def test_a_session_is_seeded_with_the_hash_of_symbol_and_seed(
    symbol: int, seed: int, expected: int
) -> None:
    assert session_seed(symbol, seed) == expected


def test_numbers_wrap_as_in_two_s_complement() -> None:
    assert to_signed(2**31 - 1, 32) == 2**31 - 1
    assert to_signed(2**31, 32) == -(2**31)
    assert to_signed(-(2**63) - 1, 64) == 2**63 - 1
