"""What a client is told before anything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client


@pytest.mark.parametrize(("is_demo", "mailbox"), [(True, "/mailbox/"), (False, None)])
def test_the_exchange_says_whether_it_is_a_demo(
    monkeypatch: pytest.MonkeyPatch, is_demo: bool, mailbox: str | None
) -> None:
    monkeypatch.setattr(settings, "QT_DEMO", is_demo)
    answer = Client().get("/api/v1/exchange")
    assert answer.status_code == 200
    stated = answer.json()
    age = datetime.now(UTC) - datetime.fromisoformat(stated.pop("server_time"))
    assert timedelta(0) <= age < timedelta(seconds=10)
    assert stated == {"name": "QuantaTrade", "demo": is_demo, "mailbox": mailbox}
