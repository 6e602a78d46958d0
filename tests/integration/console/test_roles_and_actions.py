"""Every role against every action and every page that could change something (traps 14, 25, 37)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from apps.accounts.roles import Role
from apps.audit.dialogs import dialog_names, dialog_of
from apps.core.models import ProcessHealth
from tests.integration.console.exchange_day import ALICE, ExchangeDay
from tests.integration.console.people import logged_in
from tests.integration.console.test_page_rights import RECORDS, rows_of_all_tables, urls_of
from tests.people import person

REASON = "because the matrix asks"
ACTIONS = {
    "asset.list": ("new", {"code": "XYZ", "decimals": "8"}),
    "market.cancel_only": ("BTCUSDT", {}),
    "market.halt": ("BTCUSDT", {}),
    "market.list": ("new", {
        "base": "1", "quote": "3", "tick": "1", "lot": "1", "maker_fee": "0", "taker_fee": "0",
        "min_notional": "0",
    }),
    "market.resume": ("ETHUSDT", {}),
    "market.set_fees": ("BTCUSDT", {"maker_fee": "0", "taker_fee": "0"}),
    "order.force_cancel": (None, {}),
    "user.activate": ("1003", {}),
    "user.set_role": (None, {"role": "operator"}),
    "user.suspend": (str(ALICE), {}),
}  # fmt: skip
LOGGED_IN = ("trader", "support", "operator", "superuser")


def client_of(role: str) -> Client:
    if role == "anonymous":
        return Client()
    user = person("operator" if role == "superuser" else role, f"matrix-{role}")
    if role == "superuser":
        user.is_superuser = True
        user.save(update_fields=["is_superuser"])
    return logged_in(user)


def requests_of_actions() -> list[tuple[str, dict[str, Any]]]:
    """(address, form) of every action on an object that is there."""
    order = apps.get_model("trading.openorder")._default_manager.order_by("-pk").first()
    assert order is not None
    target = person("support", "matrix-target")
    objects = {"order.force_cancel": str(order.pk), "user.set_role": str(target.pk)}
    return [
        (
            reverse("console-action", args=[name, object_id or objects[name]]),
            {**asked, "reason": REASON, "run_id": str(uuid4())},
        )
        for name, (object_id, asked) in ACTIONS.items()
    ]


def refused() -> list[tuple[str, str, str]]:
    """(action, role, outcome) of what is on record with our reason."""
    from apps.audit.models import AuditEntry
    from apps.audit.services import outbox_chain

    outbox_chain()
    rows = AuditEntry.objects.filter(reason=REASON).order_by("seq")
    return [(row.action, row.actor_role, row.outcome) for row in rows]


def test_the_matrix_has_every_action_and_each_needs_a_permission_to_operate() -> None:
    assert dialog_names() == sorted(ACTIONS)
    for name in dialog_names():
        dialog = dialog_of(name)
        assert dialog is not None
        assert dialog.action.permission.partition(".")[2].startswith("operate_"), name


@pytest.mark.parametrize("role", ["anonymous", "trader"])
def test_trap_25_strangers_and_traders_reach_no_action(day: ExchangeDay, role: str) -> None:
    asked, client = requests_of_actions(), client_of(role)
    before = rows_of_all_tables()
    for url, form in asked:
        for answer in (client.get(url), client.post(url, form)):
            assert answer.status_code == 302, url
            assert answer.headers["Location"].startswith("/admin/login/?next="), url
    assert rows_of_all_tables() == before
    assert refused() == []


def test_trap_25_support_reaches_no_action_and_its_attempts_are_on_record(
    day: ExchangeDay,
) -> None:
    asked, client = requests_of_actions(), client_of(Role.SUPPORT)
    before = rows_of_all_tables()
    for url, form in asked:
        assert client.get(url).status_code == 403, url
        assert client.post(url, form).status_code == 403, url
    assert refused() == [(name, "support", "refused") for name in ACTIONS]
    after = rows_of_all_tables()
    changed = {label for label in after if after[label] != before[label]}
    assert changed == {"audit.auditentry"}
    assert after["audit.auditentry"] == before["audit.auditentry"] + len(ACTIONS)


@pytest.mark.parametrize("role", ["operator", "superuser"])
def test_operators_reach_every_action(day: ExchangeDay, role: str) -> None:
    asked, client = requests_of_actions(), client_of(role)
    for url, form in asked:
        assert client.get(url).status_code == 200, url
        answer = client.post(url, {**form, "reason": ""})
        assert answer.status_code == 400, url  # it asks for a reason, and does nothing yet


@pytest.mark.parametrize("role", ["anonymous", *LOGGED_IN])
def test_trap_37_no_role_adds_changes_or_deletes_a_record(
    day: ExchangeDay, sample: ProcessHealth, role: str
) -> None:
    client = client_of(role)
    before = rows_of_all_tables()
    form = {"post": "yes", "action": "delete_selected", "_selected_action": "1"}
    expected = {"list": 405, "record": 405, "add": 403, "delete": 403}
    for label in RECORDS:
        for page, url in urls_of(label).items():
            answers = [client.post(url, form)]
            if page in ("add", "delete"):
                answers.append(client.get(url))
            for answer in answers:
                if role in ("anonymous", "trader"):
                    assert answer.status_code == 302, url
                    assert answer.headers["Location"].startswith("/admin/login/"), url
                else:
                    assert answer.status_code == expected[page], url
    assert rows_of_all_tables() == before
