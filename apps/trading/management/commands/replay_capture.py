"""`manage.py replay_capture`: real recorded depth through the engine, checked level by level."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.markets.listings import ListingError
from apps.markets.recorded import RecordingError
from apps.trading.capture.book import SequenceGapError
from apps.trading.capture.errors import ReplayError
from apps.trading.capture.replay import CaptureReplay, ReplaySummary
from apps.trading.capture.setting import LIQUIDITY_USER_ID
from engine.client import EngineClient, EngineError

READY_TIMEOUT_S: Final = 30.0


class Command(BaseCommand):
    """Feeds the recording into the engine at ENGINE_ADDRESS and compares every book."""

    help = (
        "Replay the recorded depth of four real markets into the engine as orders of a liquidity "
        "account, and compare the engine's book with the recording's after every update."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--speed",
            choices=("max", "real"),
            default="max",
            help="as fast as it goes, or in the recording's own time (31 s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON line last")
        parser.add_argument(
            "--user-id", type=int, default=LIQUIDITY_USER_ID, help="the liquidity account"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        address = settings.ENGINE_ADDRESS
        if not address:
            raise CommandError("ENGINE_ADDRESS is not set, expected the engine's host:port")
        try:
            summary = asyncio.run(self._replay(address, options))
        except (ReplayError, EngineError) as error:
            raise CommandError(str(error)) from error
        except (RecordingError, SequenceGapError, ListingError) as error:
            raise CommandError(f"the recording cannot be used: {error}") from error
        self.stdout.write(
            f"{summary.snapshots} snapshots, {summary.updates_dropped} updates dropped, "
            f"{summary.updates_applied} applied, {summary.trades_checked} trades checked, "
            f"{summary.levels_compared} levels compared, all equal; "
            f"{summary.commands_sent} commands at {summary.commands_s}/s."
        )
        if options["json"]:
            self.stdout.write(json.dumps(asdict(summary)))

    async def _replay(self, address: str, options: dict[str, Any]) -> ReplaySummary:
        async with EngineClient(address) as engine:
            await engine.wait_ready(READY_TIMEOUT_S)
            replay = CaptureReplay(engine, say=self.stdout.write, user_id=options["user_id"])
            return await replay.run(is_real_time=options["speed"] == "real")
