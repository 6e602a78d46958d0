"""The schema and the code have one source: enums, the chart of accounts, the migrations."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from apps.accounts.roles import Role
from apps.accounts.tiers import Tier
from apps.audit.models import ActionRun
from apps.audit.types import AuditOutcome
from apps.console.models import Series
from apps.core.mirror_rights import ROLES_EXIST
from apps.core.models import ProcessState
from apps.custody.types import CaseKind, DepositState, InboxState, Source
from apps.ledger.models import Account
from apps.ledger.types import CHART, AccountClass, AccountCode, TransactionKind
from apps.trading.types import ClosedStatus
from engine.proto.records import (
    EventType,
    MarketState,
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
    UserStatus,
)
from tests.fixtures_database import DatabaseHandle

REPOSITORY = Path(__file__).resolve().parents[3]
OWN_APPS = (
    "accounts",
    "audit",
    "console",
    "core",
    "custody",
    "ledger",
    "mail",
    "markets",
    "mirror",
    "trading",
)


def names(kind: type[Enum]) -> set[str]:
    """The stored values of an enum."""
    return {member.name for member in kind}


def values(kind: type[Enum]) -> set[str]:
    """The stored values of an enum that is stored by value."""
    return {str(member.value) for member in kind}


KNOWN_VALUES = {
    "accounts_tradingaccount_status_known": names(UserStatus),
    "accounts_user_role_known": values(Role),
    "accounts_user_tier_known": values(Tier),
    "audit_actionrun_state_known": values(ActionRun.State),
    "audit_log_outcome_known": values(AuditOutcome),
    "console_sample_series_known": values(Series),
    "core_processhealth_state_known": values(ProcessState),
    "custody_case_kind_known": values(CaseKind),
    "custody_deposit_state_known": values(DepositState),
    "custody_step_source_known": values(Source),
    "custody_step_state_known": values(DepositState),
    "custody_webhook_state_known": values(InboxState),
    "ledger_account_class_known": names(AccountClass),
    "ledger_account_code_known": values(AccountCode),
    "ledger_leg_account_known": values(AccountCode),
    "ledger_transaction_kind_known": names(TransactionKind),
    "markets_market_state_known": names(MarketState),
    "mirror_engineevent_type_known": values(EventType),
    "trading_history_reason_known": names(Reason),
    "trading_history_status_known": names(ClosedStatus),
    "trading_openorder_side_known": names(Side),
    "trading_openorder_stp_known": names(StpMode),
    "trading_openorder_tif_known": names(TimeInForce),
    "trading_openorder_type_known": names(OrderType),
    "trading_orderhistory_side_known": names(Side),
    "trading_orderhistory_stp_known": names(StpMode),
    "trading_orderhistory_tif_known": names(TimeInForce),
    "trading_orderhistory_type_known": names(OrderType),
    "trading_trade_side_known": names(Side),
}


def test_trap_16_the_database_knows_the_same_values_as_the_code(database: DatabaseHandle) -> None:
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute(
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'c' AND conname LIKE ANY(%s)",
            [[f"{app}%known" for app in OWN_APPS]],
        ).fetchall()
    found = {
        name: set(re.findall(r"'([A-Za-z_]+)'", words)) or set(re.findall(r"\d+", words))
        for name, words in rows
    }
    assert found == KNOWN_VALUES


def test_migrations_say_all_that_the_models_say(database: DatabaseHandle) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "django", "makemigrations", "--check", "--dry-run", *OWN_APPS],
        cwd=REPOSITORY,
        env={
            **os.environ,
            **database.environment,
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_chart_of_accounts_is_the_codes(django_database: DatabaseHandle) -> None:
    found = {
        row.code: (row.name, row.account_class, row.normal_side) for row in Account.objects.all()
    }
    assert found == {
        code.value: (name, kind.name, kind.normal_side.name) for code, (name, kind) in CHART.items()
    }


def test_without_the_roles_a_migration_says_what_is_missing(database: DatabaseHandle) -> None:
    statement = ROLES_EXIST.replace("'qt_mirror'", "'qt_absent'")
    with (
        psycopg.connect(database.owner_url) as connection,
        pytest.raises(psycopg.errors.UndefinedObject, match="roles are missing: qt_absent"),
    ):
        connection.execute(statement)
