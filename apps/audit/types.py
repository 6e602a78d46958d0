"""What `audit` takes and tells, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import models

SYSTEM_ROLE: Final = "system"


class AuditOutcome(models.TextChoices):
    """How an attempt ended."""

    DONE = "done", "Done"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Outcome unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: a person by user id, or a job of the system (`user_id` None)."""

    user_id: int | None
    name: str
    role: str


def system_actor(name: str) -> Actor:
    """Return the actor that a job or command of ours is, e.g. `system_actor("chainer")`."""
    return Actor(user_id=None, name=name, role=SYSTEM_ROLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionResult:
    """What an operator's action did.

    `engine_command_seq` and `engine_event_seq` are the command's place in the engine's history,
    None where the engine has no part in it.
    """

    message: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    engine_command_seq: int | None = None
    engine_event_seq: int | None = None
