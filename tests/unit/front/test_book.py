"""The page's copy of a book: merged by sequence, empty after a gap."""

from __future__ import annotations

import random
from typing import Any

from tests.unit.front.conftest import Modules
from tests.unit.front.markets import listed

MERGE = """(m, { market, messages }) => {
    const book = new m.OrderBook(m.termsOf(market));
    return messages.map((message) => [book.apply(message), book.isReady, book.bids, book.asks]);
}"""
ROUNDS = 60


def merged(modules: Modules, messages: list[dict[str, Any]]) -> list[Any]:
    found = modules.run("terms book", MERGE, {"market": listed(), "messages": messages})
    assert isinstance(found, list)
    return found


def message(kind: str, seq: int, bids: Any, asks: Any, prev_seq: int | None = None) -> Any:
    found = {"type": kind, "seq": seq, "event_seq": seq, "bids": bids, "asks": asks}
    return found if prev_seq is None else {**found, "prev_seq": prev_seq}


def test_deltas_add_change_and_remove_levels_best_first(modules: Modules) -> None:
    chance = random.Random(5)
    model: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}
    messages, expected = [], []
    for seq in range(ROUNDS):
        changes: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}
        for side, low in (("bids", 90), ("asks", 110)):
            for _ in range(chance.randrange(4)):
                changes[side][low + chance.randrange(12)] = chance.choice([0, 1, 250, 10_000])
            model[side] = {k: v for k, v in (model[side] | changes[side]).items() if v}
        texts = {
            side: [[str(ticks), f"{lots / 10_000:.4f}"] for ticks, lots in each.items()]
            for side, each in changes.items()
        }
        previous = seq - 1 if seq else None
        kind = "delta" if seq else "snapshot"
        messages.append(message(kind, seq, texts["bids"], texts["asks"], previous))
        bids = [[str(k), str(v)] for k, v in sorted(model["bids"].items(), reverse=True)]
        asks = [[str(k), str(v)] for k, v in sorted(model["asks"].items())]
        expected.append([True, True, bids, asks])
    assert merged(modules, messages) == expected


def test_after_a_gap_nothing_is_shown_until_the_next_snapshot(modules: Modules) -> None:
    messages = [
        message("delta", 3, [["99", "1"]], [], 2),  # before any snapshot
        message("snapshot", 7, [["99", "1"]], [["101", "2"]]),
        message("delta", 9, [["98", "1"]], [], 8),  # 8 is missing
        message("delta", 10, [["97", "1"]], [], 9),
        message("snapshot", 11, [["96", "1"]], []),
        message("delta", 12, [["96", "0"]], [], 11),
    ]
    assert merged(modules, messages) == [
        [False, False, [], []],
        [True, True, [["99", "10000"]], [["101", "20000"]]],
        [False, False, [], []],
        [False, False, [], []],
        [True, True, [["96", "10000"]], []],
        [True, True, [], []],
    ]
