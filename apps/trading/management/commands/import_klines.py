"""`manage.py import_klines`: give a market's charts a past."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import system_actor
from apps.markets.listed import UnknownMarketError
from apps.trading.bars import BarsError, bars_ending, bars_read
from apps.trading.imports import ImportRefusedError, candles_import

NOW: Final = "now"


class Command(BaseCommand):
    """Takes one-minute bars from a file; they are never counted as trading here."""

    help = (
        "Take one-minute bars from a CSV file (timestamp,open,high,low,close,volume; .gz is fine) "
        "as the past of a market, before its first trade here. Charts show them, marked as "
        "imported; tickers, trades and books do not know them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define what is taken and when it was."""
        parser.add_argument("symbol")
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--ending",
            metavar="INSTANT",
            help="move all bars so that the last one ends then: ISO 8601, or `now` "
            "(default: they stay where they are)",
        )
        parser.add_argument("--bars", type=int, metavar="N", help="take the first N bars only")
        parser.add_argument("--source", help="where they come from (default: the file's name)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Read, move, take, tell."""
        path: Path = options["file"]
        ending = None if options["ending"] is None else _instant(options["ending"])
        try:
            bars = bars_read(path)[: options["bars"]]
            if ending is not None and bars:
                bars = bars_ending(bars, ending)
            history = candles_import(
                actor=system_actor("manage.py import_klines"),
                symbol=options["symbol"].upper(),
                bars=bars,
                source=options["source"] or path.name,
            )
        except UnknownMarketError as error:
            raise CommandError(f"There is no market {error}.") from error
        except (BarsError, ImportRefusedError, OSError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(history), default=datetime.isoformat))
        else:
            self.stdout.write(
                f"{history.symbol}: {history.candles} candles from"
                f" {history.began_at.isoformat()} to {history.ended_at.isoformat()}."
            )


def _instant(text: str) -> datetime:
    if text == NOW:
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise CommandError(
            f"--ending was {text!r}, expected now or an instant such as 2026-05-01T12:00Z"
        )
    return instant
