"""A login is made at once; the engine is told of it until it has the user."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connections

from apps.accounts.models import EngineRegistration, User
from apps.accounts.registration import (
    EmailRefusedError,
    EmailTakenError,
    PasswordRefusedError,
    registration_run,
    registrations_run,
    user_register,
)
from apps.accounts.roles import Role
from apps.accounts.selectors import UnknownUserError, user_facts, user_is_registered
from apps.audit.models import AuditEntry
from apps.audit.services import outbox_chain
from apps.core.engine_gateway import engine_client
from engine.client import EngineRefused
from engine.proto.records import Reason
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.people import PASSWORD, person

pytestmark = pytest.mark.usefixtures("platform")


def entries() -> list[dict[str, Any]]:
    outbox_chain()
    return [
        {"action": entry.action, "outcome": entry.outcome, **entry.facts}
        for entry in AuditEntry.objects.order_by("seq")
    ]


def test_a_registration_is_a_login_a_row_and_a_record() -> None:
    user = user_register(
        email=" Ann@Example.org ", password=PASSWORD, request_id="request-0001", address="192.0.2.1"
    )
    assert (user.email, user.role, user.is_active) == ("ann@example.org", "trader", True)
    assert (user.is_registered, user.status) == (False, "")
    row = User.objects.get()
    assert (row.pk, row.username, row.is_staff) == (user.user_id, "ann@example.org", False)
    assert row.check_password(PASSWORD)
    (entry,) = entries()
    assert (entry["action"], entry["object_id"]) == ("user.register", str(user.user_id))
    assert entry["after"] == {"email": "ann@example.org", "role": "trader"}
    assert (entry["request_id"], entry["address"]) == ("request-0001", "192.0.2.1")
    assert (entry["actor_id"], entry["actor_role"]) == (user.user_id, "trader")
    assert PASSWORD not in str(entry)


def test_the_engine_is_told_once_and_it_is_on_record(platform_engine: EngineUnderTest) -> None:
    user = user_register(email="ann@example.org", password=PASSWORD)
    assert not user_is_registered(user.user_id)
    assert registrations_run() == 1
    assert user_is_registered(user.user_id)
    assert user_facts(user.user_id).is_registered is True
    row = EngineRegistration.objects.get()
    assert (row.attempts, row.last_error) == (1, "")
    with pytest.raises(EngineRefused) as raised:
        engine_client().set_user_status(user_id=user.user_id, status=1)  # type: ignore[arg-type]
    assert raised.value.reason is Reason.NOTHING_CHANGES  # it is known, and active
    assert registrations_run() == 0
    assert registration_run(user_id=user.user_id)
    opened = [entry for entry in entries() if entry["action"] == "user.open_account"]
    assert [(entry["object_id"], entry["actor_role"]) for entry in opened] == [
        (str(user.user_id), "system")
    ]
    assert opened[0]["engine_command_seq"] == 1


def test_while_the_engine_is_down_the_row_waits_and_says_why(
    engine_process: EngineFactory, monkeypatch: pytest.MonkeyPatch, free_address: str
) -> None:
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", free_address)
    user = user_register(email="ann@example.org", password=PASSWORD)
    assert registrations_run() == 0
    row = EngineRegistration.objects.get()
    assert (row.attempts, row.engine_event_seq) == (1, None)
    assert row.last_error != ""
    engine_process("--listen", free_address)
    assert registrations_run() == 1
    assert user_is_registered(user.user_id)


def test_several_workers_at_once_leave_one_record(platform_engine: EngineUnderTest) -> None:
    user = user_register(email="ann@example.org", password=PASSWORD)

    def run() -> None:
        registration_run(user_id=user.user_id)
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry["action"] for entry in entries()].count("user.open_account") == 1


def test_staff_get_no_trading_account() -> None:
    user = user_register(email="sue@example.org", password=PASSWORD, role=Role.SUPPORT)
    assert user.is_registered is None
    assert User.objects.get().is_staff
    assert not EngineRegistration.objects.exists()


def test_an_e_mail_address_has_one_login_also_when_two_register_at_once() -> None:
    results: list[str] = []

    def register() -> None:
        try:
            user_register(email="ann@example.org", password=PASSWORD)
            results.append("made")
        except EmailTakenError:
            results.append("taken")
        connections.close_all()

    threads = [threading.Thread(target=register) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["made", "taken", "taken", "taken"]
    assert (User.objects.count(), EngineRegistration.objects.count()) == (1, 1)
    with pytest.raises(EmailTakenError):
        user_register(email="ANN@example.org", password=PASSWORD)


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "a b@example.org", "a" * 150 + "@example.org"]
)
def test_what_is_no_e_mail_address_is_refused(email: str) -> None:
    with pytest.raises(EmailRefusedError):
        user_register(email=email, password=PASSWORD)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "password", ["", "short", "12345678901234", "password1234", "ann@example.org", "x" * 257]
)
def test_a_weak_password_is_refused_with_reasons(password: str) -> None:
    with pytest.raises(PasswordRefusedError) as raised:
        user_register(email="ann@example.org", password=password)
    assert all(raised.value.reasons)
    assert not User.objects.exists()
    assert entries() == []


def test_facts_of_nobody_are_an_error() -> None:
    with pytest.raises(UnknownUserError):
        user_facts(99)


@pytest.mark.parametrize(
    "change",
    [
        {"role": "trader", "is_staff": True},
        {"role": "support", "is_superuser": True},
        {"role": "emperor"},
    ],
)
def test_the_database_refuses_rights_without_a_role(change: dict[str, Any]) -> None:
    """Trap 16: the roles in the database are those in the code."""
    user = person("trader")
    with pytest.raises(IntegrityError):
        User.objects.filter(pk=user.pk).update(**change)
