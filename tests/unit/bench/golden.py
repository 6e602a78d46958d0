"""The published single-symbol cases, generated once per test run."""

from __future__ import annotations

from functools import cache
from typing import Any

from engine.bench.kernel import GOLDEN_SYMBOL
from engine.bench.streams import Stream, golden_session, load_golden, stream_of
from engine.bench.workload import Flow, generate

SINGLE: list[dict[str, Any]] = load_golden()["single"]
NAMES = ["single_100000", "single_20000", "sliding_20000", "avalanche_100000"]
CASES = range(len(SINGLE))


@cache
def flow(case: int) -> Flow:
    return generate(golden_session(SINGLE[case]))


@cache
def stream(case: int) -> Stream:
    return stream_of(NAMES[case], GOLDEN_SYMBOL, flow(case))
