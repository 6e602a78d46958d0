"""`manage.py credit`: a confirmed simulated deposit, from the custodian to the books."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.audit.types import system_actor
from apps.core.amounts import EXACT
from apps.custody.simulation import TIMEOUT_DEFAULT_S, CreditTimeoutError, credit_simulate
from apps.custody.types import CustodyError


class Command(BaseCommand):
    """Let coins arrive for a trader and wait until they are in the ledger."""

    help = (
        "Have the simulated custodian receive coins for a trader, and return once the ledger has"
        " them. Not in a production installation."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--user", required=True, help="e-mail address, login or user id")
        parser.add_argument("--asset", required=True, help="code of the asset, such as USDT")
        parser.add_argument("--amount", required=True, help="such as 1000 or 0.5")
        parser.add_argument("--timeout", type=float, default=TIMEOUT_DEFAULT_S, metavar="SECONDS")
        parser.add_argument("--json", action="store_true", help="print one JSON document")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        """Run the command."""
        user_id = _user_id(options["user"])
        try:
            credit = credit_simulate(
                actor=system_actor("credit"),
                user_id=user_id,
                asset_code=options["asset"].upper(),
                amount=_amount(options["amount"]),
                timeout_s=options["timeout"],
            )
        except (CustodyError, CreditTimeoutError, ValueError) as error:
            raise CommandError(str(error)) from error
        deposit = credit.deposit
        facts = {
            "deposit_id": deposit.deposit_id,
            "user_id": user_id,
            "asset": deposit.asset_code,
            "network": deposit.network,
            "amount": format(deposit.amount.normalize(EXACT), "f"),
            "address": deposit.address,
            "txid": deposit.txid,
            "transfer_id": credit.transfer_id,
            "state": deposit.state,
            "event_seq": deposit.event_seq,
            "ledger_transaction_id": credit.ledger_transaction_id,
        }
        if options["json"]:
            self.stdout.write(json.dumps(facts))
        else:
            self.stdout.write(
                f"{facts['amount']} {facts['asset']} credited to user {user_id} by event"
                f" {facts['event_seq']}, in the ledger as {facts['ledger_transaction_id']}."
            )


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--amount was {text!r}, expected a number such as 0.5") from None
    if not amount.is_finite() or amount <= 0:
        raise CommandError(f"--amount was {text!r}, expected more than zero")
    return amount


def _user_id(stated: str) -> int:
    users = get_user_model()._default_manager
    if stated.isascii() and stated.isdecimal():
        found = users.filter(pk=int(stated))
    elif "@" in stated:
        found = users.filter(email__iexact=stated)
    else:
        found = users.filter(username=stated)
    key = found.values_list("pk", flat=True).first()
    if key is None:
        raise CommandError(f"--user was {stated!r}, expected a login that exists")
    return int(key)
