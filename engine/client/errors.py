"""What can come back from the engine other than an outcome.

Invariant: `EngineUnavailable` means that nothing was executed and trying again is safe; whenever
that is not certain, the error is `OutcomeUnknown`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.proto.records import Reason

if TYPE_CHECKING:
    from engine.client.types import Outcome


class EngineError(Exception):
    """Anything below. `code` is the engine's reason by name (`Error.Reason`), empty if it gave
    none."""

    code: str = ""


class EngineUnavailable(EngineError):  # noqa: N818 - a state of the engine rather than a mistake
    """The engine is down, starting, stopping or cannot write. Nothing was executed."""


class EngineOverloaded(EngineUnavailable):
    """A stated limit of the engine's queue is reached. Nothing was executed."""


class OutcomeUnknown(EngineError):  # noqa: N818
    """The connection was lost after a command without request id was sent: it may have run."""


class EngineRefused(EngineError):  # noqa: N818
    """The engine's journaled refusal; `reason` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"the engine refused the command: {outcome.reason.name}")
        self.outcome = outcome

    @property
    def reason(self) -> Reason:
        return self.outcome.reason


class InvalidRequest(EngineError, ValueError):  # noqa: N818
    """The call does not make a command: a defect of the caller. Nothing was executed."""


class AccessDenied(EngineError):  # noqa: N818
    """The engine does not know this client, or it has not the role. Nothing was executed."""


class PeerRefused(EngineError):  # noqa: N818
    """The engine does not agree with the sequence or chain hash of a greeting."""
