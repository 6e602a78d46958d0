"""Changes to logins."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction

from apps.accounts.models import User

OPERATOR_USERNAME: Final = "operator"
OPERATOR_EMAIL: Final = "operator@localhost"
PASSWORD_BYTES: Final = 18  # 24 characters of base64


class OperatorNameTakenError(Exception):
    """There is no superuser, but a login of another kind has the operator's name or address."""


@dataclass(frozen=True, slots=True)
class EnsuredOperator:
    """Whether a superuser was made, who it is, and its password if it was made just now."""

    created: bool
    username: str
    password: str | None


def operator_ensure() -> EnsuredOperator:
    """Return the superuser there is, or make one with a random password, told only here.

    Two callers at once make one: the other finds it.
    """
    found = _first_superuser()
    if found is not None:
        return EnsuredOperator(created=False, username=found, password=None)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    try:
        with transaction.atomic():
            User.objects.create_superuser(OPERATOR_USERNAME, OPERATOR_EMAIL, password)
    except IntegrityError as error:
        found = _first_superuser()
        if found is None:
            raise OperatorNameTakenError(
                f"no superuser exists, but a login named {OPERATOR_USERNAME!r} or with the "
                f"address {OPERATOR_EMAIL} does; expected neither or a superuser"
            ) from error
        return EnsuredOperator(created=False, username=found, password=None)
    return EnsuredOperator(created=True, username=OPERATOR_USERNAME, password=password)


def _first_superuser() -> str | None:
    superusers = User.objects.filter(is_superuser=True, is_active=True)
    return superusers.order_by("pk").values_list("username", flat=True).first()
