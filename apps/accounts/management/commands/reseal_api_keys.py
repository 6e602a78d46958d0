"""`manage.py reseal_api_keys`: encrypt the keys' secrets anew after a change of SECRET_KEY."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.api_keys import api_keys_reseal
from apps.accounts.sealing import SealBrokenError


class Command(BaseCommand):
    """Seals every API key's secret under the newest SECRET_KEY."""

    help = (
        "Encrypt the secrets of API keys anew after a change of DJANGO_SECRET_KEY, while the one "
        "before is in DJANGO_SECRET_KEY_FALLBACKS; after it that may be removed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the form of the answer."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the service."""
        try:
            keys = api_keys_reseal()
        except SealBrokenError as error:
            raise CommandError(f"nothing was changed: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps({"resealed": keys}))
        else:
            self.stdout.write(f"{keys} keys were sealed anew.")
