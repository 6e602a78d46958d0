"""Operators' actions on people: who may, what happens, and that it is on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import transaction

from apps.accounts.actions import UserActivate, UserSetRole, UserSuspend
from apps.accounts.models import User
from apps.accounts.registration import registrations_run, user_register
from apps.accounts.roles import Role
from apps.accounts.tokens import TokenError, access_verify, tokens_issue
from apps.audit.actions import (
    RUN_SECONDS_MAX,
    ActionRefusedError,
    OperatorAction,
    action_run,
    lost_runs_record,
)
from apps.audit.models import ActionRun, AuditEntry
from apps.audit.services import outbox_chain
from apps.audit.types import ActionResult
from apps.core.engine_gateway import engine_client
from engine.client import EngineRefused, EngineUnavailable
from engine.proto.records import OrderType, Reason, Side, TimeInForce, UserStatus
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineUnderTest
from tests.people import PASSWORD, person

pytestmark = pytest.mark.usefixtures("platform")
REASON = "asked for by the compliance desk"


def run(action: OperatorAction, actor: User, reason: str = REASON) -> ActionResult:
    return action_run(
        action, actor=actor, reason=reason, request_id="request-0001", address="192.0.2.9"
    )


def entries(*actions: str) -> list[dict[str, Any]]:
    outbox_chain()
    rows = AuditEntry.objects.order_by("seq")
    return [row.facts for row in rows if not actions or row.action in actions]


@pytest.fixture
def trader(platform_engine: EngineUnderTest) -> int:
    """A trader whom the engine knows."""
    user = user_register(email="tom@example.org", password=PASSWORD)
    assert registrations_run() == 1
    return user.user_id


def engine_says(user_id: int) -> Reason:
    """Return why the engine refuses an order of the user, who has no funds."""
    engine = engine_client()
    engine.add_asset(asset_id=1, code="BTC", decimals=8, max_total_atoms=10**15)
    engine.add_asset(asset_id=2, code="USDT", decimals=8, max_total_atoms=10**15)
    engine.add_market(
        market_id=1,
        symbol="BTCUSDT",
        base_asset_id=1,
        quote_asset_id=2,
        tick_atoms=10**6,
        lot_atoms=10**3,
    )
    with pytest.raises(EngineRefused) as raised:
        engine.place(
            user_id=user_id,
            market_id=1,
            side=Side.ASK,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            price_ticks=100,
            quantity_lots=1,
        )
    return raised.value.reason


def test_suspending_stops_a_trader_in_the_engine_and_is_on_record(
    trader: int, operator_user: User
) -> None:
    """Trap 14: an operator's command has exactly one record, with its reason."""
    assert engine_says(trader) is Reason.INSUFFICIENT_BALANCE
    result = run(UserSuspend(user_id=trader), operator_user)
    assert engine_says(trader) is Reason.USER_SUSPENDED
    assert (result.before, result.after) == ({"status": "ACTIVE"}, {"status": "SUSPENDED"})
    assert result.engine_command_seq is not None
    (entry,) = entries("user.suspend")
    assert entry["engine_command_seq"] == result.engine_command_seq
    assert (entry["outcome"], entry["reason"]) == ("done", REASON)
    assert (entry["actor_id"], entry["actor_name"]) == (operator_user.pk, "operator@example.org")
    assert (entry["object_type"], entry["object_id"]) == ("user", str(trader))
    assert (entry["before"], entry["after"]) == (result.before, result.after)
    assert (entry["request_id"], entry["address"]) == ("request-0001", "192.0.2.9")
    run(UserActivate(user_id=trader), operator_user)
    assert engine_says(trader) is Reason.INSUFFICIENT_BALANCE
    assert len(entries("user.activate")) == 1


def test_what_the_engine_refuses_is_on_record_with_its_sequence(
    trader: int, operator_user: User
) -> None:
    with pytest.raises(ActionRefusedError, match="nothing changes") as raised:
        run(UserActivate(user_id=trader), operator_user)
    assert raised.value.code == "nothing_changes"
    (entry,) = entries("user.activate")
    assert (entry["outcome"], entry["details"]["code"]) == ("refused", "nothing_changes")
    assert entry["engine_command_seq"] == 2


@pytest.mark.parametrize("action", [UserSuspend, UserActivate])
@pytest.mark.parametrize("role", ["trader", "support"])
def test_only_operators_change_the_status_of_a_trader(
    trader: int, role: str, action: type[UserSuspend]
) -> None:
    """Trap 25: permission to look is no permission to act."""
    actor = person(role)
    with pytest.raises(ActionRefusedError) as raised:
        run(action(user_id=trader), actor)
    assert raised.value.code == "permission_denied"
    (entry,) = entries(action.name)
    assert (entry["outcome"], entry["actor_role"]) == ("refused", role)
    assert entry["engine_command_seq"] is None
    with pytest.raises(EngineRefused) as refused:
        engine_client().set_user_status(user_id=trader, status=UserStatus.ACTIVE)
    assert refused.value.reason is Reason.NOTHING_CHANGES  # it was active all the time


def test_a_disabled_operator_may_nothing(trader: int, operator_user: User) -> None:
    operator_user.is_active = False
    with pytest.raises(ActionRefusedError) as raised:
        run(UserSuspend(user_id=trader), operator_user)
    assert raised.value.code == "permission_denied"


@pytest.mark.parametrize(
    ("reason", "code"),
    [("", "reason_required"), ("  a ", "reason_required"), ("x" * 501, "reason_too_long")],
)
def test_an_action_needs_a_reason(operator_user: User, reason: str, code: str) -> None:
    with pytest.raises(ActionRefusedError) as raised:
        run(UserSuspend(user_id=1), operator_user, reason)
    assert raised.value.code == code
    (entry,) = entries()
    assert (entry["outcome"], entry["details"]["code"]) == ("refused", code)


def test_nobody_is_suspended_who_has_no_account(operator_user: User) -> None:
    with pytest.raises(ActionRefusedError) as raised:
        run(UserSuspend(user_id=4_711), operator_user)
    assert raised.value.code == "unknown_user"
    assert [entry["outcome"] for entry in entries()] == ["refused"]


def test_an_action_that_the_engine_never_got_is_on_record_as_failed(
    trader: int, operator_user: User, monkeypatch: pytest.MonkeyPatch, free_address: str
) -> None:
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", free_address)
    with pytest.raises(EngineUnavailable):
        run(UserSuspend(user_id=trader), operator_user)
    (entry,) = entries("user.suspend")
    assert (entry["outcome"], entry["engine_command_seq"]) == ("failed", None)
    assert ActionRun.objects.filter(state=ActionRun.State.STARTED).count() == 0


def test_nothing_is_executed_that_cannot_be_recorded(
    trader: int, operator_user: User, platform: DatabaseHandle
) -> None:
    """Trap 28: without an audit log there are no operator commands."""
    with psycopg.connect(platform.owner_url) as owner:
        owner.execute("REVOKE INSERT ON audit_actionrun FROM qt_app")
    with pytest.raises(Exception, match="permission denied for table audit_actionrun"):
        run(UserSuspend(user_id=trader), operator_user)
    assert engine_says(trader) is Reason.INSUFFICIENT_BALANCE


def test_an_action_whose_process_died_is_recorded_once_as_of_unknown_outcome(
    trader: int, operator_user: User, platform: DatabaseHandle
) -> None:
    with psycopg.connect(platform.owner_url) as owner:
        owner.execute("REVOKE INSERT ON audit_outbox FROM qt_app")
    with pytest.raises(Exception, match="permission denied for table audit_outbox"):
        run(UserSuspend(user_id=trader), operator_user)
    with psycopg.connect(platform.owner_url) as owner:
        owner.execute("GRANT INSERT ON audit_outbox TO qt_app")
    assert engine_says(trader) is Reason.USER_SUSPENDED  # it had happened
    assert lost_runs_record() == 0  # it might still be under way
    later = datetime.now(UTC) + timedelta(seconds=RUN_SECONDS_MAX + 1)
    assert lost_runs_record(clock=lambda: later) == 1
    assert lost_runs_record(clock=lambda: later) == 0
    (entry,) = entries("user.suspend")
    assert (entry["outcome"], entry["reason"]) == ("unknown", REASON)
    assert entry["actor_id"] == operator_user.pk


def test_an_action_is_never_part_of_a_transaction_that_could_roll_back(
    operator_user: User,
) -> None:
    with transaction.atomic(), pytest.raises(AssertionError, match="keeps its own transactions"):
        run(UserSuspend(user_id=1), operator_user)


def test_a_change_of_role_holds_at_once_and_ends_sessions(operator_user: User) -> None:
    sue = person("support", "sue")
    pair = tokens_issue(user_id=sue.pk, role=sue.role)
    access_verify(pair.access_token)
    result = run(UserSetRole(user_id=sue.pk, role=Role.OPERATOR), operator_user)
    sue.refresh_from_db()
    assert (sue.role, sue.is_staff, sue.is_superuser) == ("operator", True, False)
    assert result.after == {"role": "operator", "sessions_ended": 1}
    with pytest.raises(TokenError):
        access_verify(pair.access_token)
    (entry,) = entries("user.set_role")
    assert (entry["before"], entry["after"]["role"]) == ({"role": "support"}, "operator")


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("actor_role", ["trader", "support"])
def test_only_operators_change_roles(actor_role: str, role: Role) -> None:
    actor, target = person(actor_role), person("support", "target")
    with pytest.raises(ActionRefusedError) as raised:
        run(UserSetRole(user_id=target.pk, role=role), actor)
    assert raised.value.code == "permission_denied"
    target.refresh_from_db()
    assert (target.role, target.is_staff) == ("support", True)


def test_changes_of_role_that_make_no_sense_are_refused(operator_user: User) -> None:
    trader, sue = person("trader"), person("support", "sue")
    refusals = {
        "own_role": UserSetRole(user_id=operator_user.pk, role=Role.SUPPORT),
        "unknown_user": UserSetRole(user_id=999, role=Role.SUPPORT),
        "nothing_changes": UserSetRole(user_id=sue.pk, role=Role.SUPPORT),
        "trader_stays_trader": UserSetRole(user_id=trader.pk, role=Role.OPERATOR),
    }
    for code, action in refusals.items():
        with pytest.raises(ActionRefusedError) as raised:
            run(action, operator_user)
        assert raised.value.code == code
    assert [entry["details"]["code"] for entry in entries()] == list(refusals)
    assert [entry["outcome"] for entry in entries()] == ["refused"] * 4


def test_without_redis_a_role_stays_because_sessions_could_not_be_ended(
    operator_user: User, no_redis: None
) -> None:
    sue = person("support", "sue")
    with pytest.raises(ActionRefusedError) as raised:
        run(UserSetRole(user_id=sue.pk, role=Role.OPERATOR), operator_user)
    assert raised.value.code == "sessions_unavailable"
    sue.refresh_from_db()
    assert sue.role == "support"
