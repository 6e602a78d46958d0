"""Turns the code's enums into column choices and CHECK constraints.

It exists so that an enum has one source: a member added to the code without a migration fails
`makemigrations --check`, and a value that the code does not know is refused by the database.
Invariant: a column stores a member's name, which is stable and readable in plain SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from django.db import models


def enum_names(kind: type[Enum]) -> list[str]:
    """Return the names of the members in the order of their definition."""
    return [member.name for member in kind]


def enum_choices(kind: type[Enum]) -> list[tuple[str, str]]:
    """Return (stored name, words for people) of each member."""
    return [(name, name.replace("_", " ").capitalize()) for name in enum_names(kind)]


def enum_check(field: str, values: Iterable[str | int], *, name: str) -> models.CheckConstraint:
    """Return the constraint `name` which says that `field` is one of `values`."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": list(values)}), name=name)
