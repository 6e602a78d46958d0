"""The benchmark's command streams, ready to run: one or many symbols, made once and kept on disk.

Making three million commands takes half a minute, running them less than a second; so a stream is
cached, keyed by its parameters and by the source of what generates it.

Invariant: a stream read from the cache is the stream that was written: its SHA-256 is checked, and
whatever does not fit is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.bench.plain import PlainGenerator
from engine.bench.population import (
    EXCHANGE,
    Config,
    Symbol,
    generate_symbols,
    generate_users,
    interleave,
    split,
    symbol_uids,
)
from engine.bench.workload import RECORD, CommandDigest, Flow, Mark, Session, generate

GOLDEN_PATH: Final = Path(__file__).with_name("workload_golden.json")
_SOURCES: Final = ("random", "book", "workload", "plain", "population", "streams")
Progress = Callable[[str], None]


class Market(NamedTuple):
    """One symbol of a stream, who trades it, and what the generator's book says of it."""

    symbol: Symbol
    uids: tuple[int, ...]
    marks: tuple[Mark, ...]


class Stream(NamedTuple):
    """Commands of all markets in their order of arrival: `fill_count` first, not to be timed.

    `fill_digest` is over the commands of the fill, `command_digest` over all of them.
    """

    name: str
    markets: tuple[Market, ...]
    records: bytes
    fill_count: int
    fill_digest: str
    command_digest: str

    @property
    def command_count(self) -> int:
        return len(self.records) // RECORD.size


def load_golden() -> dict[str, Any]:
    """The published digests; see the note inside."""
    golden: dict[str, Any] = json.loads(GOLDEN_PATH.read_text(encoding="utf-8"))
    return golden


def golden_session(case: dict[str, Any]) -> Session:
    """The session that a published single-symbol digest is of."""
    return Session(
        case["symbol"],
        case["n"],
        case["target"],
        case["seed"],
        tuple(range(1, case["users"] + 1)),
        sliding=bool(case["sliding"]),
        avalanche=bool(case["avalanche"]),
    )


def stream_of(name: str, symbol: Symbol, flow: Flow) -> Stream:
    """A stream of one symbol."""
    fill, rest = _cut(flow)
    digest = CommandDigest(with_symbol=False)
    fill_digest = digest.update(RECORD.iter_unpack(fill)).hexdigest()
    command_digest = digest.update(RECORD.iter_unpack(rest)).hexdigest()
    market = Market(symbol, flow.session.uids, flow.marks)
    target = flow.session.target
    return Stream(name, (market,), flow.records, target, fill_digest, command_digest)


def build(config: Config, commands: int, progress: Progress) -> Stream:
    """Generate the stream of one of the original's benchmarks."""
    users = generate_users(config)
    symbols = generate_symbols(config)
    progress(f"{config.name}: generating {commands} commands of {config.symbol_count} symbols")
    flows: list[Flow] = []
    markets: list[Market] = []
    for symbol, (count, target) in zip(symbols, split(config, commands), strict=True):
        uids = symbol_uids(users, symbol, count)
        flow = generate(Session(symbol.symbol_id, count, target, config.seed, uids))
        flows.append(flow)
        markets.append(Market(symbol, uids, flow.marks))
    digest = CommandDigest(with_symbol=True)
    fill_part, main_part = zip(*(_cut(flow) for flow in flows), strict=True)
    fill = _merge(fill_part, config.seed)
    fill_digest = digest.update(RECORD.iter_unpack(fill)).hexdigest()
    main = _merge(main_part, config.seed)
    command_digest = digest.update(RECORD.iter_unpack(main)).hexdigest()
    fill_count = len(fill) // RECORD.size
    return Stream(config.name, tuple(markets), fill + main, fill_count, fill_digest, command_digest)


def build_plain(commands: int, progress: Progress) -> Stream:
    """Generate the plain stream: the single pair's market and users, another mix."""
    progress(f"plain: generating {commands} commands")
    (symbol,) = generate_symbols(EXCHANGE)
    uids = tuple(range(1, len(generate_users(EXCHANGE)) + 1))
    session = Session(symbol.symbol_id, commands, EXCHANGE.target, EXCHANGE.seed, uids)
    return stream_of("plain", symbol, generate(session, PlainGenerator))


def _cut(flow: Flow) -> tuple[bytes, bytes]:
    end = flow.session.target * RECORD.size
    return flow.records[:end], flow.records[end:]


def _merge(parts: Sequence[bytes], seed: int) -> bytes:
    size = RECORD.size
    offsets = [0] * len(parts)
    merged = bytearray()
    for part in interleave([len(records) // size for records in parts], seed):
        offset = offsets[part]
        merged += parts[part][offset : offset + size]
        offsets[part] = offset + size
    return bytes(merged)


class StreamCache:
    """Streams by parameters in one directory; of each name and size only the newest is kept."""

    def __init__(self, directory: Path, progress: Progress) -> None:
        self._directory = directory
        self._progress = progress

    def plain(self, commands: int) -> Stream:
        return self._get("plain", (commands,), lambda: build_plain(commands, self._progress))

    def multi(self, config: Config, commands: int) -> Stream:
        return self._get(
            config.name, (config, commands), lambda: build(config, commands, self._progress)
        )

    def _get(self, name: str, parameters: tuple[Any, ...], make: Callable[[], Stream]) -> Stream:
        stem = f"{name}-{parameters[-1]}"
        path = self._directory / f"{stem}-{_key(parameters)}"
        stream = _read(path)
        if stream is not None:
            self._progress(f"{name}: {stream.command_count} commands from {path}")
            return stream
        stream = make()
        self._directory.mkdir(parents=True, exist_ok=True)
        for old in self._directory.glob(f"{stem}-*"):
            old.unlink(missing_ok=True)
        _write(path, stream)
        return stream


def _key(parameters: tuple[Any, ...]) -> str:
    digest = hashlib.sha256(repr(parameters).encode())
    for source in _SOURCES:
        digest.update(Path(__file__).with_name(f"{source}.py").read_bytes())
    return digest.hexdigest()[:16]


def _write(path: Path, stream: Stream) -> None:
    """Write records, then what describes them: the second file makes the first one count."""
    meta = stream._replace(records=b"")._asdict()
    meta["records"] = hashlib.sha256(stream.records).hexdigest()
    for suffix, content in ((".records", stream.records), (".json", json.dumps(meta).encode())):
        temporary = path.with_suffix(f"{suffix}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(path.with_suffix(suffix))


def _read(path: Path) -> Stream | None:
    try:
        meta = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        records = path.with_suffix(".records").read_bytes()
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if hashlib.sha256(records).hexdigest() != meta["records"]:
        return None
    markets = tuple(
        Market(Symbol(*symbol), tuple(uids), tuple(Mark(*mark) for mark in marks))
        for symbol, uids, marks in meta.pop("markets")
    )
    return Stream(**{**meta, "markets": markets, "records": records})
