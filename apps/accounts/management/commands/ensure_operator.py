"""Make sure that somebody can log in to the console."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.services import OperatorNameTakenError, operator_ensure


class Command(BaseCommand):
    """Print the superuser; its password only in the run that made it."""

    help = (
        "Create the superuser 'operator' with a random password if there is no active superuser. "
        "The password is printed once and stored nowhere."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define --json."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the service and print its result."""
        try:
            operator = operator_ensure()
        except OperatorNameTakenError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(operator)))
        elif operator.created:
            self.stdout.write(f"Created superuser {operator.username}")
            self.stdout.write(f"Password, shown only now: {operator.password}")
        else:
            self.stdout.write(f"Superuser {operator.username} exists; nothing was changed")
