"""`manage.py create_market`: list a market and its assets in the running exchange."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.actions import ActionRefusedError, OperatorAction, action_run
from apps.audit.types import SYSTEM_ROLE
from apps.core.amounts import EXACT, decimal_atoms
from apps.markets.actions import AssetList, MarketList
from apps.markets.listed import UnknownMarketError
from apps.markets.selectors import market_get
from apps.markets.services import ASSET_DECIMALS_DEFAULT, MarketGrid
from engine.client import EngineError
from engine.proto.records import DECIMALS_MAX

MIRROR_WAIT_S: Final = 10.0
MIRROR_STEP_S: Final = 0.05


@dataclass(slots=True)
class CommandLine:
    """Whoever may run commands on this machine, as the audit log names it."""

    pk: int | None = None
    is_active: bool = True
    role: str = SYSTEM_ROLE

    def get_username(self) -> str:
        """The command."""
        return "manage.py create_market"

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Who can run commands can do everything."""
        del perm, obj
        return True


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a decimal") from error
    if not value.is_finite() or value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} was expected to be 0 or more")
    return value


class Command(BaseCommand):
    """Lists what is missing; a market that exists with other terms is an error."""

    help = (
        "List a market, and its two assets if they are not listed yet, in the running exchange. "
        "Repeating it with the same terms changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the terms."""
        parser.add_argument("base", help="code of the asset that is priced, e.g. BTC")
        parser.add_argument("quote", help="code of the asset it is priced in, e.g. USDT")
        parser.add_argument("--symbol", help="name of the market (default: base and quote)")
        parser.add_argument("--tick", type=_decimal, default=Decimal("0.01"), help="price step")
        parser.add_argument("--lot", type=_decimal, default=Decimal("0.0001"), help="quantity step")
        for asset in ("base", "quote"):
            parser.add_argument(
                f"--{asset}-decimals",
                type=int,
                choices=range(DECIMALS_MAX + 1),
                metavar="N",
                default=ASSET_DECIMALS_DEFAULT,
                help=f"decimals of the {asset} asset (default: {ASSET_DECIMALS_DEFAULT})",
            )
        for role in ("maker", "taker"):
            parser.add_argument(
                f"--{role}-fee",
                type=_decimal,
                default=Decimal("0.001"),
                help="as a fraction of what is received (default: 0.001)",
            )
        parser.add_argument(
            "--min-notional", type=_decimal, default=Decimal(0), help="least price x quantity"
        )
        parser.add_argument("--reason", default="Listed from the command line")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the actions and print the market."""
        base, quote = options["base"].upper(), options["quote"].upper()
        symbol = (options["symbol"] or base + quote).upper()
        grid = self._grid(options)
        reason = options["reason"]
        ids = [
            self._run(AssetList(code=code, decimals=options[f"{name}_decimals"]), reason).after
            for name, code in (("base", base), ("quote", quote))
        ]
        listing = MarketList(
            symbol=symbol,
            base_asset_id=ids[0]["asset_id"],
            quote_asset_id=ids[1]["asset_id"],
            grid=grid,
        )
        result = self._run(listing, reason)
        stated = {
            "symbol": symbol,
            "market_id": result.after["market_id"],
            "base": base,
            "quote": quote,
            "is_new": result.engine_event_seq is not None,
            "is_in_books": _wait_for_books(symbol),
        }
        self.stdout.write(json.dumps(stated) if options["json"] else result.message)

    def _run(self, action: OperatorAction, reason: str) -> Any:
        try:
            return action_run(action, actor=CommandLine(), reason=reason, request_id="", address="")
        except (ActionRefusedError, EngineError) as error:
            raise CommandError(f"{action.object_id}: {error}") from error

    def _grid(self, options: dict[str, Any]) -> MarketGrid:
        decimals = {name: options[f"{name}_decimals"] for name in ("base", "quote")}
        try:
            grid = MarketGrid(
                tick_atoms=decimal_atoms(options["tick"], decimals["quote"]),
                lot_atoms=decimal_atoms(options["lot"], decimals["base"]),
                maker_fee_ppm=_ppm(options["maker_fee"]),
                taker_fee_ppm=_ppm(options["taker_fee"]),
                min_notional_atoms=decimal_atoms(options["min_notional"], decimals["quote"]),
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        if grid.tick_atoms * grid.lot_atoms % 10 ** decimals["base"] or not grid.tick_atoms:
            raise CommandError(
                f"tick {options['tick']} x lot {options['lot']} was no whole number of the quote "
                f"asset's atoms, expected one with {decimals['quote']} decimals"
            )
        return grid


def _ppm(rate: Decimal) -> int:
    return decimal_atoms(EXACT.create_decimal(rate), 6)


def _wait_for_books(symbol: str) -> bool:
    """Whether the mirror has written the market within MIRROR_WAIT_S."""
    deadline_s = time.monotonic() + MIRROR_WAIT_S
    while time.monotonic() < deadline_s:
        try:
            market_get(symbol)
        except UnknownMarketError:
            time.sleep(MIRROR_STEP_S)
        else:
            return True
    return False
