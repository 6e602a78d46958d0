"""`manage.py create_user`: make a login and, for a trader, the account in the engine."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.registration import (
    EmailRefusedError,
    EmailTakenError,
    PasswordRefusedError,
    registration_run,
    user_register,
)
from apps.accounts.roles import Role
from apps.audit.types import system_actor

ACCOUNT_WAIT_S: Final = 10.0
ACCOUNT_STEP_S: Final = 0.2
PASSWORD_BYTES: Final = 18


class Command(BaseCommand):
    """Makes one login; its password is printed once and stored nowhere in clear."""

    help = (
        "Make a login. A trader's account is opened in the engine before the command returns. "
        "The password is printed once and stored nowhere in clear."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the login."""
        parser.add_argument("email")
        parser.add_argument("--password", help="default: a random one")
        parser.add_argument("--role", choices=Role.values, default=Role.TRADER.value)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run the service, see the account opened, and print the login."""
        password = options["password"] or secrets.token_urlsafe(PASSWORD_BYTES)
        role = Role(options["role"])
        try:
            user = user_register(
                email=options["email"],
                password=password,
                role=role,
                actor=system_actor("manage.py create_user"),
            )
        except (EmailRefusedError, EmailTakenError, PasswordRefusedError) as error:
            raise CommandError(str(error)) from error
        if role is Role.TRADER and not _open_account(user.user_id):
            raise CommandError(
                f"user {user.user_id} was made, but the engine did not open the account within "
                f"{ACCOUNT_WAIT_S:.0f} s; it is tried again by itself"
            )
        stated = {
            "user_id": user.user_id,
            "email": user.email,
            "role": role.value,
            "password": password,
        }
        if options["json"]:
            self.stdout.write(json.dumps(stated))
            return
        self.stdout.write(f"Made {role.value} {user.user_id}, {user.email}")
        if not options["password"]:
            self.stdout.write(f"Password, shown only now: {password}")


def _open_account(user_id: int) -> bool:
    deadline_s = time.monotonic() + ACCOUNT_WAIT_S
    while not registration_run(user_id=user_id):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(ACCOUNT_STEP_S)
    return True
