"""Support finds who did what and why, without seeing whole e-mail addresses."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.models import ProcessHealth
from apps.core.readonly.personal import masked
from tests.integration.console.people import logged_in, staff_user


@pytest.fixture
def support(sample: ProcessHealth) -> Client:
    del sample
    return logged_in(staff_user())


def pages() -> list[str]:
    trader = User.objects.get(email="trader@example.org")
    return [
        reverse("admin:audit_auditentry_changelist"),
        reverse("admin:audit_auditentry_change", args=[1]),
        reverse("admin:accounts_user_changelist"),
        reverse("admin:accounts_user_change", args=[trader.pk]),
    ]


def test_support_finds_who_did_what_and_why_with_addresses_masked(support: Client) -> None:
    for url in pages():
        text = support.get(url).content.decode()
        assert "t***@example.org" in text, url
        assert "trader@example.org" not in text, url
    entry = support.get(pages()[1]).content.decode()
    for part in ("user.register", "a new trader", "Done"):
        assert part in entry


def test_an_operator_sees_addresses_whole_on_the_record(
    console: Client, sample: ProcessHealth
) -> None:
    for url in pages()[1::2]:
        assert "trader@example.org" in console.get(url).content.decode(), url


@pytest.mark.parametrize(
    ("term", "found"), [("user.register", True), ("1", True), ("user.suspend", False)]
)
def test_the_log_is_searched(support: Client, term: str, found: bool) -> None:
    url = reverse("admin:audit_auditentry_changelist")
    page = support.get(url, {"q": term}).content.decode()
    assert ("a new trader" in page) is found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ann@example.org", "a***@example.org"),
        ("a@b.co and c.d+e@f-g.org", "a***@b.co and c***@f-g.org"),
        ("operator@localhost", "o***@localhost"),
        ("operator", "operator"),
        ("", ""),
    ],
)
def test_of_an_address_the_first_letter_and_the_host_are_left(text: str, shown: str) -> None:
    assert masked(text) == shown
