"""Column types of the books that Django does not have."""

from __future__ import annotations

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class Xid8Field(models.Field):  # type: ignore[type-arg]
    """A PostgreSQL transaction id that never wraps. The database sets it; read as an int."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:  # noqa: ARG002 - one backend
        return "xid8"

    def from_db_value(self, value: object, *_: object) -> int | None:
        return None if value is None else int(str(value))
