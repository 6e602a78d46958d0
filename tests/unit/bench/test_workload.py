"""The generated order flow is the published one, to the bit."""

from __future__ import annotations

import pytest

from engine.bench.population import (
    ALL_CURRENCIES,
    EXCHANGE,
    MARGIN,
    PEAK,
    Config,
    generate_symbols,
    generate_users,
    hash_set_order,
    interleave,
    split,
    symbol_uids,
)
from engine.bench.streams import build, load_golden
from engine.bench.workload import (
    MARK_COMMANDS,
    Command,
    Generator,
    Session,
    generate,
)
from tests.unit.bench import golden


def silent(_: str) -> None:
    """Nobody watches a test's progress."""


def exchange_session(commands: int) -> Session:
    (symbol,) = generate_symbols(EXCHANGE)
    uids = symbol_uids(generate_users(EXCHANGE), symbol, commands)
    return Session(symbol.symbol_id, commands, EXCHANGE.target, EXCHANGE.seed, uids)


def test_the_single_pair_begins_as_published() -> None:
    generator = Generator(exchange_session(3_000_000))
    assert (generator.price, generator.low, generator.high) == (34390, 25795, 42985)
    assert generator.deviation == 1719
    assert generator.place_gtc() == Command(1, 1, 393, 1, 0, 34386, 1, 42985)
    assert generator.place_gtc() == Command(1, 2, 677, 1, 0, 34135, 1, 42985)


def test_the_users_of_the_single_pair_are_all_users_and_the_first_one_twice() -> None:
    uids = exchange_session(3_000_000).uids
    assert len(uids) == 1001
    assert uids[0] == uids[-1]
    assert set(uids) == set(range(1, 1001))


@pytest.mark.parametrize("case", golden.CASES, ids=golden.NAMES)
def test_commands_events_and_book_have_the_published_digests(case: int) -> None:
    expected = golden.SINGLE[case]
    mark = golden.flow(case).marks[-1]
    assert golden.stream(case).command_digest == expected["cmd"]
    assert mark.event_count == expected["events"]
    assert mark.event_digest == expected["ev"]
    assert mark.l2_digest == expected["l2"]


@pytest.mark.parametrize("config", [EXCHANGE, MARGIN, PEAK], ids=lambda config: config.name)
def test_interleaved_commands_have_the_published_digests(config: Config) -> None:
    (expected,) = [
        case
        for case in load_golden()["multi"]
        if config.name in case["config"].split(" or ") and case["total"] == 20_000
    ]
    stream = build(config, 20_000, silent)
    assert stream.fill_count == expected["fill_n"]
    assert stream.fill_digest == expected["fill"]
    assert stream.command_digest == expected["bench"]


def test_a_mark_on_the_way_is_the_end_of_the_shorter_flow() -> None:
    session = golden.flow(0).session
    longer = generate(session._replace(commands=MARK_COMMANDS + 1_000))
    assert session.commands == MARK_COMMANDS
    assert longer.marks[0] == golden.flow(0).marks[0]
    assert [mark.commands for mark in longer.marks] == [101_000, 102_000]


def test_currencies_stand_in_the_order_of_the_jvm_s_hash_sets() -> None:
    assert hash_set_order((3762, 3928), 4) == (3928, 3762)
    assert hash_set_order((978, 840), 4) == (840, 978)
    assert ALL_CURRENCIES[:6] == (704, 961, 578, 643, 710, 392)
    assert ALL_CURRENCIES[-3:] == (764, 702, 959)
    assert len(set(ALL_CURRENCIES)) == 40


def test_shares_of_the_symbols_add_up_to_the_commands_asked_for() -> None:
    sizes = split(PEAK, 20_000)
    assert sum(commands for commands, _ in sizes) == 20_000
    assert sum(target for _, target in sizes) == 9_996


def test_interleaving_takes_every_command_of_every_stream() -> None:
    order = interleave([5, 0, 20, 1], seed=7)
    assert [order.count(stream) for stream in range(4)] == [5, 0, 20, 1]
    assert order == interleave([5, 0, 20, 1], seed=7)
    assert interleave([0, 0], seed=7) == []
