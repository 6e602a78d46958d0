"""`manage.py chaos`: the command line of a campaign. Exit status 0 only if nothing was found."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from quantatrade.chaos.campaign import PLATFORM_TARGETS, TARGETS, Campaign, kill_plan
from quantatrade.chaos.report import ChaosError

KILLS_DEFAULT: Final = 12
KILLS_MAX: Final = 10_000


def main() -> int:
    """Run a campaign and print its report, as one JSON line last."""
    parser = argparse.ArgumentParser(
        prog="manage.py chaos",
        description="Kill processes under load, in an installation of its own; prove the books.",
    )
    parser.add_argument("--kills", type=int, default=KILLS_DEFAULT)
    parser.add_argument("--seed", type=int, default=1, help="the same seed kills in the same order")
    parser.add_argument(
        "--targets", nargs="+", choices=(*TARGETS, *PLATFORM_TARGETS), default=list(TARGETS)
    )
    parser.add_argument(
        "--port-base", type=int, help="the first of its ports (default: some that are free)"
    )
    parser.add_argument("--keep", type=Path, help="use and keep this directory (must not exist)")
    options = parser.parse_args()
    if not 1 <= options.kills <= KILLS_MAX:
        parser.error(f"--kills was {options.kills}, expected 1 to {KILLS_MAX}")
    if options.keep is not None and options.keep.exists():
        parser.error(f"{options.keep} exists already")
    with tempfile.TemporaryDirectory(prefix="qt-chaos-") as temporary:
        directory = options.keep or Path(temporary) / "var"
        plan = kill_plan(tuple(options.targets), options.kills, options.seed)
        campaign = Campaign(
            directory, plan=plan, seed=options.seed, say=_say, port_base=options.port_base
        )
        try:
            asyncio.run(_run(campaign))
        except ChaosError as error:
            campaign.report.violations += 1
            _say(f"the campaign stopped: {error}")
    sys.stdout.write(json.dumps(campaign.report.as_dict()) + "\n")
    return 0 if campaign.report.is_clean else 1


async def _run(campaign: Campaign) -> None:
    """Run the campaign; SIGTERM ends it as Ctrl-C does, with the installation stopped."""
    task = asyncio.ensure_future(campaign.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        raise ChaosError("it was told to stop") from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
