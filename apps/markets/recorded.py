"""Recorded real market data that ships with the product: where it is and how it reads.

It exists so that listings and replays start from what a real venue once said, not from invented
numbers. Invariant: prices and quantities are Decimals as written, never floats, and a line that
does not read is an error that names the file and the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

RECORDING_DIRECTORY: Final = Path(__file__).parent / "data" / "binance_2021_10_11"
EXCHANGE_INFO_FILE: Final = "exchange_info.log"
SNAPSHOTS_FILE: Final = "depth_snapshots.log"
STREAM_FILE: Final = "websocket.log"

UNUSED_STREAMS: Final = ("bookTicker", "kline_1m")

Levels = dict[Decimal, Decimal]  # price -> quantity


class RecordingError(ValueError):
    """A recorded line does not read. The message names file and line."""


@dataclass(frozen=True, slots=True)
class DepthSnapshot:
    """A whole order book as the venue answered it."""

    symbol: str
    received_us: int
    last_update_id: int
    bids: Levels
    asks: Levels


@dataclass(frozen=True, slots=True)
class DepthUpdate:
    """New totals of levels; quantity 0 removes the level. Covers first..last update id."""

    symbol: str
    received_us: int
    first_update_id: int
    last_update_id: int
    bids: Levels
    asks: Levels


@dataclass(frozen=True, slots=True)
class AggregateTrade:
    """Fills of one taker at one price. `is_buyer_maker`: the taker sold into the bids."""

    symbol: str
    received_us: int
    trade_id: int
    price: Decimal
    quantity: Decimal
    is_buyer_maker: bool


StreamMessage = DepthUpdate | AggregateTrade


def exchange_symbols(directory: Path = RECORDING_DIRECTORY) -> dict[str, Mapping[str, Any]]:
    """Return the recorded `exchangeInfo` objects by symbol, in recorded order."""
    path = directory / EXCHANGE_INFO_FILE
    symbols: dict[str, Mapping[str, Any]] = {}
    for number, line in _lines(path):
        with _naming(path, number):
            _, _, answer = _split_answer(line)
            symbols.update({item["symbol"]: item for item in answer["symbols"]})
    return symbols


def depth_snapshots(directory: Path = RECORDING_DIRECTORY) -> list[DepthSnapshot]:
    """Return the recorded order books in recorded order."""
    path = directory / SNAPSHOTS_FILE
    snapshots = []
    for number, line in _lines(path):
        with _naming(path, number):
            url, received_us, answer = _split_answer(line)
            snapshots.append(
                DepthSnapshot(
                    symbol=parse_qs(urlsplit(url).query)["symbol"][0],
                    received_us=received_us,
                    last_update_id=answer["lastUpdateId"],
                    bids=_levels(answer["bids"]),
                    asks=_levels(answer["asks"]),
                )
            )
    return snapshots


def stream_messages(directory: Path = RECORDING_DIRECTORY) -> list[StreamMessage]:
    """Return depth updates and aggregate trades in recorded order; tickers and klines are not
    needed and left out. A stream of an unknown kind is a RecordingError."""
    path = directory / STREAM_FILE
    messages: list[StreamMessage] = []
    for number, line in _lines(path):
        with _naming(path, number):
            if number == 1:
                continue  # the stream's address
            stamp, text = line.split(": ", 1)
            frame = _json(text)
            message = _message(frame["stream"], _microseconds(stamp), frame["data"])
            if message is not None:
                messages.append(message)
    return messages


def _message(stream: str, received_us: int, data: Mapping[str, Any]) -> StreamMessage | None:
    kind = stream.split("@", 1)[1]
    if kind == "depth@100ms":
        return DepthUpdate(
            symbol=data["s"],
            received_us=received_us,
            first_update_id=data["U"],
            last_update_id=data["u"],
            bids=_levels(data["b"]),
            asks=_levels(data["a"]),
        )
    if kind == "aggTrade":
        return AggregateTrade(
            symbol=data["s"],
            received_us=received_us,
            trade_id=data["a"],
            price=Decimal(data["p"]),
            quantity=Decimal(data["q"]),
            is_buyer_maker=data["m"],
        )
    if kind not in UNUSED_STREAMS:
        raise ValueError(f"stream was {stream}, expected depth, trades, tickers or klines")
    return None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line) of a recording without its empty lines."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line:
            yield number, line


def _split_answer(line: str) -> tuple[str, int, Any]:
    """Split `<address> -> <unix time>: <json>`."""
    url, rest = line.split(" -> ", 1)
    stamp, text = rest.split(": ", 1)
    return url, _microseconds(stamp), _json(text)


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _microseconds(stamp: str) -> int:
    return int(Decimal(stamp) * 1_000_000)


def _levels(rows: list[list[str]]) -> Levels:
    levels = {Decimal(price): Decimal(quantity) for price, quantity in rows}
    if len(levels) != len(rows):
        raise ValueError(f"{len(rows)} levels had {len(levels)} prices, expected each once")
    if any(price <= 0 or quantity < 0 for price, quantity in levels.items()):
        raise ValueError("a level's price was not above 0 or its quantity below 0")
    return levels


@contextmanager
def _naming(path: Path, number: int) -> Iterator[None]:
    """Turn whatever a malformed line causes into a RecordingError that names the place."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError, InvalidOperation) as error:
        raise RecordingError(f"{path.name} line {number} does not read: {error!r}") from error
