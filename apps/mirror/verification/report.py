"""The list of checks, and the one violation that ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal


class ViolationError(Exception):
    """A check found its sentence to be false; the text names the first contradiction."""


class NotCheckedError(Exception):
    """A check could not be made here; the text says what was missing."""


Outcome = Literal["proved", "violated", "not checked"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the list."""

    name: str
    outcome: Outcome
    detail: str
    seconds: float


class Sentence:
    """What a running check has to say for itself so far."""

    def __init__(self) -> None:
        self.detail = ""

    def __call__(self, detail: str) -> None:
        self.detail = detail


@dataclass
class Report:
    """Collects results and shows each as it comes. The first violation ends the list."""

    show: Callable[[CheckResult], None]
    results: list[CheckResult] = field(default_factory=list)

    @property
    def violation(self) -> CheckResult | None:
        """The result that ended the list, if one did."""
        return next((each for each in self.results if each.outcome == "violated"), None)

    @contextmanager
    def check(self, name: str) -> Iterator[Sentence]:
        """Run one check in the block. A ViolationError is noted and raised again."""
        started, said = time.perf_counter(), Sentence()

        def note(outcome: Outcome, detail: str) -> None:
            result = CheckResult(name, outcome, detail, round(time.perf_counter() - started, 3))
            self.results.append(result)
            self.show(result)

        try:
            yield said
        except ViolationError as error:
            note("violated", str(error))
            raise
        except NotCheckedError as error:
            note("not checked", str(error))
        else:
            note("proved", said.detail)
