"""Who may see which console page, and that nobody can change anything there."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.roles import ROLE_PREFIXES, Role
from apps.core.models import ProcessHealth
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from tests.integration.console.exchange_day import ALICE, BTC, BTC_USDT, ExchangeDay
from tests.integration.console.people import logged_in, permission, staff_user

OWN_APPS = (
    "core", "audit", "accounts", "markets", "ledger", "trading", "custody", "mirror", "api",
    "console",
)  # fmt: skip
RECORDS: dict[str, object] = {
    "core.processhealth": "relay",
    "accounts.tradingaccount": ALICE,
    "accounts.user": None,  # the one who looks
    "accounts.engineregistration": None,  # the newest
    "accounts.apikey": None,
    "markets.asset": BTC,
    "markets.market": BTC_USDT,
    "ledger.account": "customer_funds",
    "ledger.transaction": 10,
    "ledger.leg": 10 * 64 + 1,
    "ledger.balance": ALICE * 65_536 + BTC,
    "ledger.assettotal": BTC,
    "trading.openorder": None,  # the newest
    "trading.orderhistory": 3,
    "trading.trade": None,  # the newest
    "trading.importedcandle": None,
    "custody.assetnetwork": None,
    "custody.depositaddress": None,
    "custody.transfer": None,
    "custody.deposit": None,
    "custody.depositstep": None,
    "custody.webhook": None,
    "custody.case": None,
    "custody.pollcursor": None,
    "audit.auditentry": 1,
    "audit.outboxrow": None,
    "audit.actionrun": None,
    "audit.refusalcount": None,
    "api.idempotentrequest": None,
    "console.marketminute": None,
    "console.sample": None,
    "mirror.cursor": "mirror.books",
    "mirror.engineevent": 20,
    "mirror.enginesetting": None,
}


def urls_of(label: str) -> dict[str, str]:
    """Return the addresses of a model's four pages."""
    name = "admin:" + label.replace(".", "_")
    key = RECORDS[label]
    if key is None:
        newest = apps.get_model(label)._default_manager.order_by("-pk").first()
        assert newest is not None
        key = newest.pk
    return {
        "list": reverse(f"{name}_changelist"),
        "record": reverse(f"{name}_change", args=[key]),
        "add": reverse(f"{name}_add"),
        "delete": reverse(f"{name}_delete", args=[key]),
    }


def rows_of_all_tables() -> dict[str, int]:
    return {
        model._meta.label_lower: model._default_manager.using("owner").count()
        for model in apps.get_models()
        if model._meta.app_label in OWN_APPS
    }


def test_every_model_of_ours_has_a_read_only_page_and_a_row_in_this_matrix() -> None:
    registry = admin.site._registry
    own = {m._meta.label_lower: m for m in apps.get_models() if m._meta.app_label in OWN_APPS}
    assert set(own) == set(RECORDS)
    assert all(isinstance(registry[model], ReadOnlyModelAdmin) for model in own.values())


def test_no_page_of_another_app_is_in_the_console() -> None:
    labels = {model._meta.app_label for model in admin.site._registry}
    assert labels <= {*OWN_APPS, "auth"}


def test_the_operator_sees_every_list_and_record(
    console: Client, day: ExchangeDay, sample: ProcessHealth
) -> None:
    for label in RECORDS:
        urls = urls_of(label)
        for page in ("list", "record"):
            response = console.get(urls[page])
            assert response.status_code == 200, (label, page)
            assert b"<html" in response.content


@pytest.fixture
def role_of_no_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the support role had no permission of its own."""
    monkeypatch.setitem(ROLE_PREFIXES, Role.SUPPORT, ())


@pytest.mark.usefixtures("role_of_no_rights")
def test_staff_see_what_they_have_a_permission_for_and_nothing_else(
    day: ExchangeDay, sample: ProcessHealth
) -> None:
    user = staff_user()
    client = logged_in(user)
    labels = list(RECORDS)

    def statuses(label: str) -> set[int]:
        urls = urls_of(label)
        return {client.get(urls[page]).status_code for page in ("list", "record")}

    for label in labels:
        assert statuses(label) == {403}, label
    for label, other in zip(labels, labels[1:] + labels[:1], strict=True):
        user.user_permissions.set([permission(label)])
        assert statuses(label) == {200}, label
        assert statuses(other) == {403}, (label, other)


def test_strangers_and_customers_are_sent_to_the_login(
    day: ExchangeDay, sample: ProcessHealth, operator: User
) -> None:
    customer = User.objects.create_user("customer", "customer@example.org")
    for client in (Client(), logged_in(customer)):
        for label in RECORDS:
            for url in urls_of(label).values():
                response = client.get(url)
                assert response.status_code == 302, url
                assert response.headers["Location"].startswith("/admin/login/?next=")


def test_nobody_adds_changes_or_deletes_and_nothing_happens(
    console: Client, day: ExchangeDay, sample: ProcessHealth
) -> None:
    before = rows_of_all_tables()
    form: dict[str, Any] = {"post": "yes", "action": "delete_selected", "_selected_action": "1"}
    refusals = {"list": 405, "record": 405, "add": 403, "delete": 403}
    for label in RECORDS:
        urls = urls_of(label)
        for page, status in refusals.items():
            assert console.post(urls[page], form).status_code == status, (label, page)
        assert console.put(urls["record"]).status_code == 405, label
        assert console.delete(urls["record"]).status_code == 405, label
        for page in ("add", "delete"):
            assert console.get(urls[page]).status_code == 403, (label, page)
    assert rows_of_all_tables() == before


def test_no_own_model_has_an_edit_permission_that_could_be_granted_by_mistake() -> None:
    mirrored = [m for m in apps.get_models() if m._meta.app_label in ("markets", "ledger")]
    mirrored += [m for m in apps.get_models() if m._meta.app_label in ("trading", "mirror")]
    assert len(mirrored) == 14
    assert all(tuple(model._meta.default_permissions) == ("view",) for model in mirrored)


@pytest.mark.parametrize("key", ["999999", "abc", "-1", "1e5", "99999999999999999999999"])
def test_a_record_that_does_not_exist_is_a_plain_404(console: Client, key: str) -> None:
    response = console.get(f"/admin/ledger/transaction/{key}/change/", HTTP_ACCEPT="text/html")
    assert response.status_code == 404
    assert b"There is no page at this address." in response.content


@pytest.mark.usefixtures("role_of_no_rights")
def test_the_sidebar_lists_only_what_may_be_seen(day: ExchangeDay) -> None:
    user = staff_user()
    user.user_permissions.set([permission("trading.trade")])
    client = logged_in(user)
    page = client.get(reverse("admin:trading_trade_changelist")).content.decode()
    assert 'href="/admin/trading/trade/"' in page
    assert 'href="/admin/ledger/balance/"' not in page


def test_app_pages_and_the_password_form_render(console: Client, day: ExchangeDay) -> None:
    for url in ("/admin/ledger/", "/admin/trading/", "/admin/password_change/"):
        assert console.get(url).status_code == 200, url
