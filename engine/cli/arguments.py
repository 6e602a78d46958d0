"""The command line: options of the connection, and the sub-commands with theirs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from engine.cli import reading, writing
from engine.cli.output import Output
from engine.client import EngineClient
from engine.client.access import (
    CA_FILE_VARIABLE,
    CERT_FILE_VARIABLE,
    KEY_FILE_VARIABLE,
    TOKEN_FILE_VARIABLE,
)
from engine.client.market_data import INTERVALS
from engine.proto.records import INT64_MAX, MarketState, OrderType, Side, StpMode, TimeInForce

ADDRESS_VARIABLE: Final = "ENGINE_ADDRESS"
ADDRESS_DEFAULT: Final = "127.0.0.1:5100"
TIMEOUT_S_MAX: Final = 3_600.0
Run = Callable[[EngineClient, argparse.Namespace, Output], Awaitable[None]]


def parser() -> argparse.ArgumentParser:
    """All of it. `run` of what it parses is the sub-command; `token` has none."""
    whole = argparse.ArgumentParser(
        prog="python -m engine.cli",
        description="Look at an engine and command it. Amounts are ticks, lots and atoms.",
        epilog="exit codes: 0 done, 1 the engine refused the command, 2 wrong command line, "
        "3 engine unavailable (nothing executed), 4 outcome unknown, 5 access denied, "
        "6 not found",
    )
    environment = os.environ
    whole.add_argument(
        "--engine",
        default=environment.get(ADDRESS_VARIABLE) or ADDRESS_DEFAULT,
        help=f"HOST:PORT (default: {ADDRESS_VARIABLE} or {ADDRESS_DEFAULT})",
    )
    for option, variable, text in (
        ("--token-file", TOKEN_FILE_VARIABLE, "file with this client's token"),
        ("--ca-file", CA_FILE_VARIABLE, "speak TLS; who signs the engine's certificate (PEM)"),
        ("--cert-file", CERT_FILE_VARIABLE, "this client's own certificate (PEM)"),
        ("--key-file", KEY_FILE_VARIABLE, "and its key (PEM)"),
    ):
        given = environment.get(variable)
        whole.add_argument(
            option, type=Path, default=Path(given) if given else None, help=f"{text}; {variable}"
        )
    whole.add_argument("--timeout", type=_timeout, default=10.0, help="seconds to wait")
    whole.add_argument("--json", action="store_true", help="one JSON object a line")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_reading(commands)
    _add_orders(commands)
    _add_operators(commands)
    token = commands.add_parser("token", help="make a token for a new client of an engine")
    token.add_argument("name", help="the client's name in the engine's token file")
    token.add_argument("--roles", nargs="+", required=True, help="market read peer trader operator")
    token.add_argument("--out", type=Path, required=True, help="new file for the token")
    return whole


def _command(commands: Any, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(name, help=text)
    made.set_defaults(run=run)
    return made


def _add_reading(commands: Any) -> None:
    _command(commands, "status", reading.status, "sequences, kernel, sizes")
    _command(commands, "assets", reading.assets, "all assets")
    _command(commands, "markets", reading.markets, "all markets")
    book = _command(commands, "book", reading.book, "a market's best levels")
    book.add_argument("market", help="id or symbol")
    book.add_argument("--depth", type=_count, default=20)
    book.add_argument("--follow", action="store_true", help="then what changes, for ever")
    book.add_argument("--interval-ms", type=_count, default=0, help="of --follow")
    balances = _command(commands, "balances", reading.balances, "a user's accounts")
    balances.add_argument("user", type=_count, help="user id, 0 = the house")
    orders = _command(commands, "orders", reading.orders, "open orders")
    orders.add_argument("--user", type=_count, default=0)
    orders.add_argument("--market")
    orders.add_argument("--limit", type=_count, default=0)
    events = _command(commands, "events", reading.events, "durable events")
    events.add_argument("--from", dest="from_event_seq", type=_count, default=1)
    events.add_argument("--to", dest="to_event_seq", type=_count, default=0)
    events.add_argument("--follow", action="store_true", help="for ever, over restarts")
    trades = _command(commands, "trades", reading.trades, "public trades, for ever")
    trades.add_argument("markets", nargs="*")
    trades.add_argument("--from", dest="from_event_seq", type=_count, default=0)
    tickers = _command(commands, "tickers", reading.tickers, "the last 24 hours")
    tickers.add_argument("markets", nargs="*")
    klines = _command(commands, "klines", reading.klines, "trades summed up by time")
    klines.add_argument("market")
    klines.add_argument("interval", choices=INTERVALS)
    klines.add_argument("--limit", type=_count, default=0)


def _add_orders(commands: Any) -> None:
    place = _command(commands, "place", writing.place, "place an order")
    place.add_argument("market")
    place.add_argument("side", choices=[side.name for side in Side])
    place.add_argument("quantity", type=_count, help="lots")
    place.add_argument("--user", type=_count, required=True)
    place.add_argument("--type", choices=[each.name for each in OrderType], default="LIMIT")
    place.add_argument("--tif", choices=[each.name for each in TimeInForce])
    place.add_argument("--stp", choices=[each.name for each in StpMode], default="NONE")
    for name in ("price", "stop-price", "display", "budget-atoms", "quote-atoms"):
        place.add_argument(f"--{name}", type=_count, default=0)
    for name in ("trailing-delta-bips", "expire-time-us"):
        place.add_argument(f"--{name}", type=_count, default=0)
    place.add_argument("--client-order-id", default="")
    place.add_argument("--request-id", type=_id, help="32 hexadecimal digits: not executed twice")
    cancel = _command(commands, "cancel", writing.cancel, "cancel an order")
    cancel.add_argument("market")
    cancel.add_argument("order", type=_count)
    cancel.add_argument("--user", type=_count, required=True)
    every = _command(commands, "cancel-all", writing.cancel_all, "cancel all orders of a user")
    every.add_argument("--user", type=_count, required=True)
    every.add_argument("--market")
    every.add_argument("--side", choices=[side.name for side in Side])


def _add_operators(commands: Any) -> None:
    for name, text in (
        ("deposit", "credit a user"),
        ("withdraw", "debit a user"),
        ("adjust", "credit or debit (signed)"),
    ):
        funds = _command(commands, name, writing.funds, text)
        funds.add_argument("user", type=_count)
        funds.add_argument("asset", help="id or code")
        funds.add_argument("amount", type=_count if name != "adjust" else int, help="atoms")
        funds.add_argument("--business-id", type=_id, help="32 hexadecimal digits: once for ever")
        funds.add_argument("--reference", default="")
    asset = _command(commands, "add-asset", writing.add_asset, "list an asset")
    asset.add_argument("id", type=_count)
    asset.add_argument("code")
    asset.add_argument("--decimals", type=_count, required=True)
    asset.add_argument("--max-total-atoms", type=_count, default=INT64_MAX)
    market = _command(commands, "add-market", writing.add_market, "list a market")
    market.add_argument("id", type=_count)
    market.add_argument("symbol")
    market.add_argument("--base", required=True, help="asset id or code")
    market.add_argument("--quote", required=True, help="asset id or code")
    market.add_argument("--tick-atoms", type=_count, required=True)
    market.add_argument("--lot-atoms", type=_count, required=True)
    market.add_argument("--maker-fee", type=int, default=0, help="ppm")
    market.add_argument("--taker-fee", type=int, default=0, help="ppm")
    market.add_argument("--fee-in-quote", action="store_true")
    user = _command(commands, "add-user", writing.add_user, "add a user")
    user.add_argument("user", type=_count)
    state = _command(commands, "set-state", writing.set_state, "set a market's state")
    state.add_argument("market")
    state.add_argument("state", choices=[each.name for each in MarketState])
    switch = _command(commands, "kill-switch", writing.kill_switch, "stop a user, market or all")
    switch.add_argument("switch", choices=("on", "off"))
    switch.add_argument("--user", type=_count, default=0)
    switch.add_argument("--market")


def _count(value: str) -> int:
    if not value.isdigit() or int(value) > INT64_MAX:
        raise argparse.ArgumentTypeError(f"was {value!r}, expected 0..{INT64_MAX}")
    return int(value)


def _timeout(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds <= TIMEOUT_S_MAX:
        raise argparse.ArgumentTypeError(f"was {value}, expected above 0, at most {TIMEOUT_S_MAX}")
    return seconds


def _id(value: str) -> bytes:
    made = bytes.fromhex(value)
    if len(made) != 16:
        raise argparse.ArgumentTypeError(f"was {value!r}, expected 32 hexadecimal digits")
    return made
