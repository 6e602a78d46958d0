"""Who trades what in the benchmark: currencies, symbols, users, and how many streams become one.

Invariant: as in `engine.bench.workload`, the order of the draws is part of the workload, and so is
the order in which the original's hash sets list the currencies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from engine.bench.random import JavaRandom

SYMBOL_ID_FIRST: Final = 40_000
MISSES_MAX: Final = 3  # draws from exhausted streams in a row before the weights are made anew

EXCHANGE_CURRENCIES: Final = (3928, 3762)
MARGIN_CURRENCIES: Final = (840, 978)
_ISO_CURRENCIES: Final = (
    *(36, 986, 124, 756, 156, 203, 208, 978, 826, 344, 392, 410, 484, 458, 578),
    *(554, 985, 643, 752, 702, 764, 949, 980, 840, 704, 961, 959, 710),
)
_COINS: Final = (3762, 3928, 4141, 4142, 4143, 4144, 4145, 4146, 4147, 4148, 4149, 4150)


def hash_set_order(values: Sequence[int], buckets: int) -> tuple[int, ...]:
    """The order in which a JVM hash set of so many buckets lists small integers."""
    return tuple(sorted(values, key=lambda value: (value ^ value >> 16) % buckets))


ALL_CURRENCIES: Final = hash_set_order(_ISO_CURRENCIES + _COINS, 64)


class Symbol(NamedTuple):
    """A market of the workload; fees in quote atoms per lot. Spot trades both its currencies."""

    symbol_id: int
    base: int
    quote: int
    spot: bool
    maker_fee: int
    taker_fee: int


class Config(NamedTuple):
    """A benchmark of the original by name. `spot`: True or False for all symbols, None mixes."""

    name: str
    symbol_count: int
    target: int
    accounts: int
    currencies: tuple[int, ...]
    spot: bool | None
    seed: int = 1


EXCHANGE: Final = Config("exch", 1, 1_000, 2_000, EXCHANGE_CURRENCIES, spot=True)
MARGIN: Final = Config("margin", 1, 1_000, 2_000, MARGIN_CURRENCIES, spot=False)
PEAK: Final = Config("peak", 100, 10_000, 10_000, ALL_CURRENCIES, spot=None)


def generate_symbols(config: Config) -> list[Symbol]:
    random = JavaRandom(1)
    currencies = config.currencies
    symbols: list[Symbol] = []
    while len(symbols) < config.symbol_count:
        base = currencies[random.next_int(len(currencies))]
        quote = currencies[random.next_int(len(currencies))]
        if base == quote:
            continue
        spot = config.spot if config.spot is not None else not random.next_boolean()
        maker_fee = random.next_int(1000)
        taker_fee = maker_fee + random.next_int(500)
        symbol_id = SYMBOL_ID_FIRST + len(symbols)
        symbols.append(Symbol(symbol_id, base, quote, spot, maker_fee, taker_fee))
    return symbols


def generate_users(config: Config) -> list[frozenset[int]]:
    """The currencies that each user holds; the first entry is of user 1."""
    random = JavaRandom(1)
    law = JavaRandom(0)
    quota = config.accounts
    users: list[frozenset[int]] = []
    while quota > 0:
        count = min(1 + int(law.pareto(1, 1.5)), len(config.currencies), quota)
        held: set[int] = set()
        while len(held) < count:
            held.add(config.currencies[random.next_int(len(config.currencies))])
        quota -= count
        users.append(frozenset(held))
    return users


def symbol_uids(users: list[frozenset[int]], symbol: Symbol, commands: int) -> tuple[int, ...]:
    """Ids of the users who trade a symbol: those who hold what it needs, from a random one on.

    The walk is one step longer than the round, as the original's is: who stands at its start can
    be listed twice.
    """
    wanted = min(len(users) + 1, max(2, commands // 5))
    uid = 1 + JavaRandom(symbol.symbol_id).next_int(len(users))
    uids: list[int] = []
    for _ in range(len(users) + 1):
        held = users[uid - 1]
        if symbol.quote in held and (not symbol.spot or symbol.base in held):
            uids.append(uid)
        uid = uid + 1 if uid < len(users) else 1
        if len(uids) >= wanted:
            break
    return tuple(uids)


def weights(size: int, seed: int) -> list[float]:
    """How the commands spread over the symbols: few get most of them."""
    law = JavaRandom(seed)
    raw = [law.pareto(0.001, 1.5) for _ in range(size)]
    total = sum(raw)
    return [weight / total for weight in raw]


def split(config: Config, total: int) -> list[tuple[int, int]]:
    """(commands, fill target) of each symbol. The first gets what rounding leaves of commands."""
    shares = weights(config.symbol_count, config.seed)
    sizes = [(int(total * share + 0.5), int(config.target * share + 0.5)) for share in shares]
    left = total - sum(commands for commands, _ in sizes[1:])
    sizes[0] = (max(left, 1), sizes[0][1])
    return sizes


def interleave(lengths: Sequence[int], seed: int) -> list[int]:
    """Which stream each next command is taken from, until all are exhausted.

    Streams are drawn by weight, and the weights are the lengths that were left when the weights
    were last made: that is done each time that exhausted streams were drawn three times in a row.
    """
    random = JavaRandom(seed)
    left = list(lengths)
    order: list[int] = []
    streams = [stream for stream, length in enumerate(left) if length]
    while streams:
        total = float(sum(left[stream] for stream in streams))
        bounds = list(accumulate(left[stream] / total for stream in streams))
        misses = 0
        while misses < MISSES_MAX:
            drawn = bisect_right(bounds, random.next_double())
            stream = streams[min(drawn, len(streams) - 1)]
            if left[stream]:
                left[stream] -= 1
                order.append(stream)
                misses = 0
            else:
                misses += 1
        streams = [stream for stream in streams if left[stream]]
    return order
