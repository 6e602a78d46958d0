"""The audit log is searched by who, what, which object, why, and when; each search has an index."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection, transaction
from django.test import Client

from apps.audit.admin.log import reason_search
from apps.audit.models import AuditEntry
from apps.audit.services import audit_record, outbox_chain
from apps.audit.types import Actor, AuditOutcome
from tests.fixtures_database import DatabaseHandle
from tests.integration.console.people import logged_in, staff_user

LIST = "/admin/audit/auditentry/"


@pytest.fixture
def support(django_database: DatabaseHandle) -> Client:
    """Support, with three things on record."""
    operator = Actor(user_id=7, name="olga@example.org", role="operator")
    trader = Actor(user_id=8, name="tom@example.org", role="trader")
    with transaction.atomic():
        audit_record(
            actor=operator, action="market.halt", object_type="market", object_id="BTCUSDT",
            reason="Odd prints on the feed; ask olga@example.org", request_id="req-halt-0001",
            before={"state": "TRADING"}, after={"state": "HALT"},
        )  # fmt: skip
        audit_record(
            actor=operator, action="user.suspend", object_type="user", object_id=8,
            reason="Prints his own money", outcome=AuditOutcome.REFUSED,
            details={"code": "unknown_user"},
        )  # fmt: skip
        audit_record(
            actor=trader, action="session.begin", object_type="user", object_id=8, reason=""
        )
    outbox_chain()
    return logged_in(staff_user())


def found(client: Client, query: str) -> list[str]:
    """Return the actions of the entries that a search shows, newest first."""
    response = client.get(LIST + query)
    assert response.status_code == 200, query
    table = response.content.decode().partition('id="result_list"')[2].partition("</table>")[0]
    return re.findall(r">\s*(market\.halt|user\.suspend|session\.begin)\s*<", table)


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("", ["session.begin", "user.suspend", "market.halt"]),
        ("?q=market.halt", ["market.halt"]),
        ("?q=BTCUSDT", ["market.halt"]),
        ("?q=req-halt-0001", ["market.halt"]),
        ("?q=olga@example.org", ["user.suspend", "market.halt"]),
        ("?q=7", ["user.suspend", "market.halt"]),
        ("?q=prints", ["user.suspend", "market.halt"]),
        ("?q=FEED+odd", ["market.halt"]),
        ("?q=rints", []),
        ("?who=tom@example.org", ["session.begin"]),
        ("?who=7", ["user.suspend", "market.halt"]),
        ("?what=user.suspend", ["user.suspend"]),
        ("?kind=user", ["session.begin", "user.suspend"]),
        ("?kind=user&who=7", ["user.suspend"]),
        ("?object=8", ["session.begin", "user.suspend"]),
        ("?words=money", ["user.suspend"]),
        ("?request=req-halt-0001", ["market.halt"]),
        ("?outcome__exact=refused", ["user.suspend"]),
        ("?actor_role=trader", ["session.begin"]),
        ("?period=1h", ["session.begin", "user.suspend", "market.halt"]),
        ("?recorded_at_to=2001-01-01", []),
        ("?recorded_at_from=2101-01-01", []),
        ("?who=%00&words=%00", ["session.begin", "user.suspend", "market.halt"]),
        ("?words=%27%29%20--", []),
        ("?who=" + "9" * 40, []),
    ],
)
def test_a_search_finds_what_it_names_and_nothing_else(
    support: Client, query: str, actions: list[str]
) -> None:
    assert found(support, query) == actions


def test_an_entry_shows_what_changed_and_masks_who(support: Client) -> None:
    page = support.get(f"{LIST}1/change/").content.decode()
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    assert "State TRADING HALT" in text
    assert '<mark class="qt-changed">' in page
    assert "ask o***@example.org" in text
    assert "olga@example.org" not in text
    refused = support.get(f"{LIST}2/change/").content.decode()
    assert "unknown_user" in refused


def test_words_of_reasons_are_found_through_their_index(support: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
    plan = reason_search(AuditEntry.objects.order_by(), "odd prints").explain()
    assert "audit_log_reason" in plan
