"""`manage.py create_api_key`: make an API key of a trader."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models.functions import Lower

from apps.accounts.api_keys import (
    PERMISSIONS,
    READ,
    KeyTermsError,
    TooManyKeysError,
    api_key_create,
)
from apps.accounts.models import User
from apps.audit.types import system_actor


class Command(BaseCommand):
    """Makes one key; its secret is printed once and stored nowhere in clear."""

    help = (
        "Make an API key (HMAC-SHA256) of a trader. The secret is printed once and stored nowhere "
        "in clear. How requests are signed is in docs/API.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the key."""
        parser.add_argument("email", help="of the trader")
        parser.add_argument("--label", default="from the command line")
        parser.add_argument(
            "--permissions",
            nargs="+",
            choices=PERMISSIONS,
            default=list(PERMISSIONS),
            help="default: read trade",
        )
        parser.add_argument(
            "--ip",
            nargs="+",
            default=[],
            metavar="ADDRESS",
            help="addresses or networks from which it is accepted (default: any)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the service and print the key."""
        email = options["email"].strip().lower()
        user = User.objects.alias(lowered=Lower("email")).filter(lowered=email).first()
        if user is None:
            raise CommandError(f"no login has the e-mail address {email}")
        try:
            made = api_key_create(
                user_id=user.pk,
                label=options["label"],
                permissions=[READ, *options["permissions"]],
                addresses=options["ip"],
                actor=system_actor("manage.py create_api_key"),
            )
        except KeyTermsError as error:
            raise CommandError(f"{error.field}: {error}") from error
        except TooManyKeysError as error:
            raise CommandError(str(error)) from error
        stated = {
            "user_id": user.pk,
            "key": made.key.key_id,
            "secret": made.secret,
            "label": made.key.label,
            "permissions": list(made.key.permissions),
            "addresses": list(made.key.addresses),
        }
        if options["json"]:
            self.stdout.write(json.dumps(stated))
            return
        self.stdout.write(f"Key: {made.key.key_id} ({', '.join(made.key.permissions)})")
        self.stdout.write(f"Secret, shown only now: {made.secret}")
