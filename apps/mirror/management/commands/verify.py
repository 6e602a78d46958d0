"""`manage.py verify engine|ledger|audit|all`: prove the invariants, or name what is broken."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.mirror.verification.agreement import verify_agreement
from apps.mirror.verification.audit import verify_audit
from apps.mirror.verification.engine import verify_engine
from apps.mirror.verification.ledger import verify_ledger
from apps.mirror.verification.report import CheckResult, Report, ViolationError
from apps.mirror.verification.snapshot import Snapshot
from engine.client import EngineError, SyncEngineClient

CONNECT_TIMEOUT_S = 5.0
ENGINE_TIMEOUT_S = 60.0  # a dump of all balances or a state hash takes its time
EXIT_VIOLATED = 1
EXIT_NOT_VERIFIED = 2


class Command(BaseCommand):
    help = "Proves that engine, journal and books agree; exits non-zero with the first violation."
    requires_system_checks: list[str] = []  # noqa: RUF012 - the base class's type

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=("engine", "ledger", "audit", "all"))
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *_: Any, what: str, json: bool, **__: Any) -> None:
        report = Report(show=_silent if json else self._show)
        try:
            _verify(what, report)
        except ViolationError:
            pass  # it is in the report
        except (EngineError, psycopg.Error) as error:
            raise CommandError(
                f"verification could not be finished: {type(error).__name__}: {error}",
                returncode=EXIT_NOT_VERIFIED,
            ) from error
        self._conclude(report, as_json=json)

    def _show(self, result: CheckResult) -> None:
        style = {
            "proved": self.style.SUCCESS,
            "violated": self.style.ERROR,
            "not checked": self.style.WARNING,
        }[result.outcome]
        self.stdout.write(
            f"{style(f'{result.outcome:<11}')} {result.name} ({result.seconds:.2f} s)"
        )
        if result.detail:
            self.stdout.write(f"            {result.detail}")

    def _conclude(self, report: Report, *, as_json: bool) -> None:
        violation = report.violation
        if as_json:
            self.stdout.write(_json(report))
        elif violation is None:
            proved = sum(each.outcome == "proved" for each in report.results)
            self.stdout.write(f"{proved} of {len(report.results)} checks proved, none violated")
        if violation is not None:
            self.stderr.write(f"violated: {violation.name}: {violation.detail}")
            sys.exit(EXIT_VIOLATED)


def _verify(what: str, report: Report) -> None:
    with ExitStack() as stack:
        engine = None
        if what in ("engine", "all"):
            address = _required(settings.ENGINE_ADDRESS, "ENGINE_ADDRESS")
            engine = stack.enter_context(SyncEngineClient(address, timeout_s=ENGINE_TIMEOUT_S))
            engine.wait_ready(CONNECT_TIMEOUT_S)
            verify_engine(report, engine, Path(settings.VAR_DIR))
        if what in ("ledger", "all"):
            url = _required(os.environ.get("DATABASE_URL"), "DATABASE_URL")
            with Snapshot(url) as snapshot:
                state = verify_ledger(report, snapshot)
            if engine is not None:
                verify_agreement(report, engine, state)
        if what in ("audit", "all"):
            url = _required(os.environ.get("DATABASE_URL"), "DATABASE_URL")
            with Snapshot(url) as snapshot:
                verify_audit(report, snapshot)


def _required(value: str | None, variable: str) -> str:
    if not value:
        raise CommandError(f"{variable} is not set", returncode=EXIT_NOT_VERIFIED)
    return value


def _silent(_result: CheckResult) -> None:
    """The results come at the end, as JSON."""


def _json(report: Report) -> str:
    violation = report.violation
    return json.dumps(
        {
            "ok": violation is None,
            "violation": None if violation is None else f"{violation.name}: {violation.detail}",
            "checks": [asdict(each) for each in report.results],
        }
    )
