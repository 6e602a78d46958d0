"""The audit log: written with the change, chained, and changed by nobody afterwards."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connections, transaction

from apps.accounts.models import User
from apps.audit.models import AuditEntry, OutboxRow
from apps.audit.services import SecretInAuditError, audit_record, outbox_chain
from apps.audit.types import Actor
from apps.audit.verification import (
    GENESIS,
    AuditViolationError,
    audit_chain_verify,
    audit_outbox_verify,
    chain_hash,
)
from tests.fixtures_database import DatabaseHandle
from tests.people import person

pytestmark = pytest.mark.usefixtures("platform")
ANN = Actor(user_id=12, name="ann@example.org", role="operator")


def record(number: int = 1, **facts: Any) -> None:
    with transaction.atomic():
        audit_record(
            actor=ANN,
            action="market.halt",
            object_type="market",
            object_id=number,
            before={"state": "TRADING"},
            after={"state": "HALT", "price": Decimal("0.10")},
            reason="a reason",
            request_id="request-0001",
            address="192.0.2.7",
            **facts,
        )


def verify(database: DatabaseHandle) -> int:
    with psycopg.connect(database.app_url) as connection:
        return audit_chain_verify(connection).entries


def test_a_record_goes_through_the_outbox_into_the_log(platform: DatabaseHandle) -> None:
    record(5, engine_command_seq=77)
    assert (OutboxRow.objects.count(), AuditEntry.objects.count()) == (1, 0)
    assert outbox_chain() == 1
    assert OutboxRow.objects.count() == 0
    entry = AuditEntry.objects.get()
    assert (entry.seq, entry.actor_id, entry.actor_name, entry.actor_role) == (
        1,
        12,
        "ann@example.org",
        "operator",
    )
    assert (entry.action, entry.object_type, entry.object_id) == ("market.halt", "market", "5")
    assert (entry.outcome, entry.reason, entry.engine_command_seq) == ("done", "a reason", 77)
    assert (entry.request_id, entry.address) == ("request-0001", "192.0.2.7")
    assert entry.facts["before"] == {"state": "TRADING"}
    assert entry.facts["after"] == {"state": "HALT", "price": "0.10"}
    assert bytes(entry.chain) == chain_hash(GENESIS, 1, entry.recorded_at, entry.content)
    assert verify(platform) == 1
    assert outbox_chain() == 0


def test_a_change_that_is_rolled_back_leaves_no_record() -> None:
    def change() -> None:
        with transaction.atomic():
            record()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change()
    assert OutboxRow.objects.count() == 0


def test_what_cannot_be_recorded_does_not_happen(platform: DatabaseHandle) -> None:
    """Trap 28: a failed audit is never swallowed."""
    with psycopg.connect(platform.owner_url) as owner:
        owner.execute("REVOKE INSERT ON audit_outbox FROM qt_app")
    user = person("trader")

    def change() -> None:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(first_name="changed")
            record()

    with pytest.raises(DatabaseError):
        change()
    user.refresh_from_db()
    assert user.first_name == ""


def test_a_record_needs_the_transaction_of_its_change() -> None:
    with pytest.raises(AssertionError, match="belongs into the transaction"):
        audit_record(actor=ANN, action="a.b", object_type="user", object_id=1)


@pytest.mark.parametrize(
    "facts",
    [
        {"after": {"password": "x"}},
        {"before": {"nested": {"refresh_token": "x"}}},
        {"details": {"list": [{"API_Secret": "x"}]}},
    ],
)
def test_a_secret_is_refused(facts: dict[str, Any]) -> None:
    """Trap 18: no secret in the audit log."""
    with pytest.raises(SecretInAuditError), transaction.atomic():
        audit_record(actor=ANN, action="a.b", object_type="user", object_id=1, **facts)
    assert OutboxRow.objects.count() == 0


def test_late_commits_are_not_passed_over(platform: DatabaseHandle) -> None:
    record(1)
    content = OutboxRow.objects.get().content
    outbox_chain()
    with psycopg.connect(platform.app_url) as slow:
        slow.execute("INSERT INTO audit_outbox (content) VALUES (%s)", [content])
        record(3)  # has a higher id, and is chained first
        assert outbox_chain() == 1
        slow.commit()
    assert outbox_chain() == 1
    ids = list(AuditEntry.objects.order_by("seq").values_list("outbox_id", flat=True))
    assert ids == [1, 3, 2]
    assert verify(platform) == 3


def test_chainers_at_once_make_one_chain(platform: DatabaseHandle) -> None:
    for number in range(40):
        record(number)
    moved: list[int] = []

    def chain() -> None:
        moved.append(outbox_chain(rows_max=25))
        connections.close_all()

    threads = [threading.Thread(target=chain) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(moved) == 40
    assert verify(platform) == 40


def test_text_of_any_kind_keeps_the_chain_whole(platform: DatabaseHandle) -> None:
    for reason in ("", "é ≤ 漢 🙂", "nul \x00 here", "'; DROP TABLE audit_log; --", "a\\u0000b"):
        with transaction.atomic():
            audit_record(actor=ANN, action="a.b", object_type="user", object_id=1, reason=reason)
    assert outbox_chain() == 5
    assert verify(platform) == 5


def test_a_record_that_is_too_large_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at most 65536"), transaction.atomic():
        audit_record(
            actor=ANN, action="a.b", object_type="user", object_id=1, after={"x": "y" * 70_000}
        )


CHANGES = [
    "UPDATE audit_log SET reason = 'other'",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
    "UPDATE audit_outbox SET content = '{}'",
    "DELETE FROM audit_outbox",
    "TRUNCATE audit_outbox",
]


@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.parametrize("role", ["owner_url", "app_url", "mirror_url", "superuser_url"])
def test_the_database_refuses_every_role_to_change_it(
    platform: DatabaseHandle, role: str, statement: str
) -> None:
    record(1)
    outbox_chain()
    record(2)
    with (
        psycopg.connect(getattr(platform, role)) as connection,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.DatabaseError)) as raised,
    ):
        connection.execute(statement)
    assert raised.value.sqlstate in ("42501", "23Q01")
    assert (OutboxRow.objects.count(), AuditEntry.objects.count()) == (1, 1)
    assert verify(platform) == 1


@pytest.mark.parametrize("role", ["app_url", "mirror_url"])
def test_no_runtime_role_writes_to_the_log_past_the_chain(
    platform: DatabaseHandle, role: str
) -> None:
    with (
        psycopg.connect(getattr(platform, role)) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(
            "INSERT INTO audit_log SELECT 1, 1, now(), 1, 'a', 'b', 'c', 'd', 'e', 'done', '', '',"
            " '', NULL, '{}', decode(repeat('00', 32), 'hex')"
        )


def test_the_mirror_cannot_chain(platform: DatabaseHandle) -> None:
    with (
        psycopg.connect(platform.mirror_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT audit_chain(1)")


@pytest.mark.parametrize("content", ["{}", '{"outcome": "done"}', "null", "[]", "no json"])
def test_the_outbox_takes_only_what_can_be_chained(platform: DatabaseHandle, content: str) -> None:
    with psycopg.connect(platform.app_url) as connection, pytest.raises(psycopg.DatabaseError):
        connection.execute("INSERT INTO audit_outbox (content) VALUES (%s)", [content])


TAMPERING = {
    "entry 2: its chain hash was": "UPDATE audit_log SET content = replace(content, 'HALT', 'X')"
    " WHERE seq = 2",
    "entry 2: reason was": "UPDATE audit_log SET reason = 'other' WHERE seq = 2",
    "entry 2 is missing: the next is 3": "DELETE FROM audit_log WHERE seq = 2",
    "entry 3: its chain hash": "UPDATE audit_log SET recorded_at = now() WHERE seq = 3",
}


@pytest.mark.parametrize("violation", list(TAMPERING))
def test_verification_names_the_first_entry_that_was_tampered_with(
    platform: DatabaseHandle, violation: str
) -> None:
    for number in range(3):
        record(number)
    outbox_chain()
    with psycopg.connect(platform.superuser_url) as superuser:
        superuser.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        superuser.execute(TAMPERING[violation])
    with pytest.raises(AuditViolationError, match=violation):
        verify(platform)


def test_a_record_in_both_places_is_a_violation(platform: DatabaseHandle) -> None:
    record(1)
    outbox_chain()
    with psycopg.connect(platform.superuser_url) as superuser:
        superuser.execute(
            "INSERT INTO audit_outbox (id, content) SELECT outbox_id, content FROM audit_log"
        )
    with (
        psycopg.connect(platform.app_url) as connection,
        pytest.raises(AuditViolationError, match="record 1 is in the outbox and in the log"),
    ):
        audit_outbox_verify(connection)
