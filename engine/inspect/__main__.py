"""`python -m engine.inspect`: list, dump, verify, replay and diff the journal of an engine.

Answers go to stdout as JSON (`dump` and `diff`: one line each), errors to stderr in one sentence.
Exit codes: 0 done and nothing wrong, 1 the two states differ (`diff`), 2 a wrong command line,
3 the directory cannot be read or lacks what was asked for, 6 damage, 7 a replay gives other events,
11 the compiled kernel was asked for and is not built.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from engine.inspect.listing import Wanted, dump, list_directory
from engine.inspect.travel import Moment, describe, diff, kernel_at, parse_moment
from engine.inspect.verify import explain, verify
from engine.journal import JournalCorruptError, JournalError
from engine.journal.replay import ReplayMismatchError
from engine.kernel import KernelUnavailableError, load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import CommandType, EventType
from engine.telemetry import configure_logging

EXIT_DIFFERENT: Final = 1
EXIT_UNREADABLE: Final = 3
EXIT_DAMAGED: Final = 6
EXIT_REPLAY_DIFFERS: Final = 7
EXIT_KERNEL_MISSING: Final = 11
DEPTH_DEFAULT: Final = 20
ROWS_DEFAULT: Final = 1_000
DIFFERENCES_DEFAULT: Final = 100


def _put(line: dict[str, Any], *, indent: int | None = None) -> None:
    sys.stdout.write(json.dumps(line, indent=indent) + "\n")


def _put_lines(lines: Iterable[dict[str, Any]]) -> int:
    count = 0
    for line in lines:
        _put(line)
        count += 1
    return count


def _maker(options: argparse.Namespace) -> Callable[[], Kernel]:
    return lambda: load_kernel(options.kernel)


def _list(options: argparse.Namespace) -> int:
    _put(list_directory(options.data), indent=2)
    return 0


def _dump(options: argparse.Namespace) -> int:
    wanted = Wanted(
        first=options.first,
        last=options.last,
        kinds=(options.only,) if options.only else ("command", "event"),
        types=frozenset(options.type),
        user_id=options.user,
        market_id=options.market,
        order_id=options.order,
    )
    _put_lines(islice(dump(options.data, wanted), options.limit))
    return 0


def _verify(options: argparse.Namespace) -> int:
    _put(verify(options.data, _maker(options) if options.replay else None), indent=2)
    return 0


def _replay(options: argparse.Namespace) -> int:
    moment = Moment(options.data, options.to)
    kernel = kernel_at(moment, _maker(options), genesis=options.genesis)
    state = describe(
        kernel,
        user_id=options.user or 0,
        market_id=options.market or 0,
        depth=options.depth,
        limit=options.limit,
    )
    _put(state, indent=2)
    return 0


def _diff(options: argparse.Namespace) -> int:
    kernels = [
        kernel_at(moment, _maker(options), genesis=options.genesis)
        for moment in (options.a, options.b)
    ]
    count = _put_lines(islice(diff(*kernels), options.limit))
    return EXIT_DIFFERENT if count else 0


def _type_name(value: str) -> str:
    name = value.upper()
    if name not in CommandType.__members__ and name not in EventType.__members__:
        raise argparse.ArgumentTypeError(f"{value!r} is no type of command or event")
    return name


def _sequence(value: str) -> int:
    if not value.isdigit() or not int(value):
        raise argparse.ArgumentTypeError(f"was {value!r}, expected a number from 1 on")
    return int(value)


def _count(value: str) -> int:
    if not value.isdigit():
        raise argparse.ArgumentTypeError(f"was {value!r}, expected a number")
    return int(value)


def _add_kernel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kernel", choices=("auto", "compiled", "reference"), default="auto")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", type=_count, help="only this user")
    parser.add_argument("--market", type=_count, help="only this market")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m engine.inspect",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, act: Callable[[argparse.Namespace], int], text: str) -> Any:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(act=act)
        if name != "diff":
            sub.add_argument("data", type=Path, help="the engine's directory")
        return sub

    add("list", _list, "segments and snapshots, and what is in them")
    sub = add("dump", _dump, "commands and their events as JSON lines")
    sub.add_argument("--from", dest="first", type=_sequence, default=1, help="first command")
    sub.add_argument("--to", dest="last", type=_sequence, help="last command")
    sub.add_argument("--only", choices=("command", "event"))
    sub.add_argument("--type", type=_type_name, action="append", default=[], help="PLACE, TRADE, …")
    sub.add_argument("--order", type=_count, help="only this order")
    sub.add_argument("--limit", type=_count, help="at most so many lines")
    _add_filters(sub)
    sub = add("verify", _verify, "checksums, sequences, chain and snapshots; names damage")
    sub.add_argument("--replay", action="store_true", help="also apply all commands again")
    _add_kernel(sub)
    sub = add("replay", _replay, "the state after one command: hash, balances, orders, books")
    sub.add_argument("--to", type=_sequence, help="command sequence (default: the durable end)")
    sub.add_argument("--depth", type=_count, default=DEPTH_DEFAULT, help="levels of each book")
    sub.add_argument("--limit", type=_count, default=ROWS_DEFAULT, help="balances and orders")
    sub.add_argument("--genesis", action="store_true", help="replay from the first command")
    _add_filters(sub)
    _add_kernel(sub)
    sub = add("diff", _diff, "where two states differ; each is DIR or DIR@SEQ")
    sub.add_argument("a", type=parse_moment)
    sub.add_argument("b", type=parse_moment)
    sub.add_argument("--limit", type=_count, default=DIFFERENCES_DEFAULT, help="differences")
    sub.add_argument("--genesis", action="store_true", help="replay from the first command")
    _add_kernel(sub)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    options = _parser().parse_args(arguments)
    configure_logging("engine.inspect")
    act: Callable[[argparse.Namespace], int] = options.act
    try:
        return act(options)
    except JournalCorruptError as error:
        sys.stderr.write(f"{explain(error)}\n")
        return EXIT_DAMAGED
    except ReplayMismatchError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_REPLAY_DIFFERS
    except (JournalError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_UNREADABLE
    except KernelUnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_KERNEL_MISSING


if __name__ == "__main__":
    sys.exit(main())
