"""Jobs that keep the audit log going: they exist, they are woken, and `verify audit` proves it."""

from __future__ import annotations

import json
from io import StringIO

import psycopg
import pytest
import redis
from django.core.management import call_command

from apps.audit.models import AuditEntry
from apps.core.wake import TASK_QUEUE, task_wake
from tests.fixtures_database import DatabaseHandle
from tests.integration.audit.test_log import record


def test_a_worker_is_woken_when_a_record_is_committed(
    platform: DatabaseHandle, redis_url: str
) -> None:
    """Trap 21: not before the commit, and not without one."""
    record()
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        (message,) = client.lrange(TASK_QUEUE, 0, -1)
    assert json.loads(message)["headers"]["task"] == "audit.chain"


def test_waking_nobody_harms_nobody(platform: DatabaseHandle, no_redis: None) -> None:
    assert task_wake("audit.chain") is False
    record()  # is committed all the same


def test_every_scheduled_job_exists() -> None:
    from quantatrade.celery import app

    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {"audit.chain", "audit.store_refusals", "accounts.register_waiting"} <= scheduled
    assert scheduled <= set(app.tasks)


def test_the_jobs_do_what_their_names_say(platform: DatabaseHandle) -> None:
    from apps.audit.tasks import chain, record_lost_runs, store_refusals

    record()
    chain()
    store_refusals()
    record_lost_runs()
    assert AuditEntry.objects.count() == 1


def verify_audit() -> tuple[int, dict[str, object]]:
    output, code = StringIO(), 0
    try:
        call_command("verify", "audit", json=True, stdout=output, stderr=StringIO())
    except SystemExit as ended:
        code = int(str(ended.code))
    told: dict[str, object] = json.loads(output.getvalue())
    return code, told


def test_verify_audit_proves_the_log_or_names_the_first_broken_entry(
    platform: DatabaseHandle,
) -> None:
    from apps.audit.services import outbox_chain

    for number in range(3):
        record(number)
    outbox_chain()
    code, told = verify_audit()
    assert (code, told["ok"]) == (0, True)
    with psycopg.connect(platform.superuser_url) as superuser:
        superuser.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        superuser.execute("UPDATE audit_log SET actor_name = 'somebody else' WHERE seq = 2")
    code, told = verify_audit()
    assert (code, told["ok"]) == (1, False)
    assert "entry 2: actor_name was 'somebody else'" in str(told["violation"])


@pytest.mark.usefixtures("platform")
def test_an_empty_log_is_whole() -> None:
    code, told = verify_audit()
    assert (code, told["ok"]) == (0, True)
