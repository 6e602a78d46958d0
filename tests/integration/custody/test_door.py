"""Nothing but a right signature over the raw bytes opens the door (traps 45 and 46)."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
from django.conf import settings
from django.test import Client

from apps.custody.inbox import BODY_BYTES_MAX
from apps.custody.models import Deposit, Webhook
from quantatrade.simulators.custodian.webhooks import FORGERIES, sign
from tests.integration.custody.desk import DOOR, SECRET, Desk


@pytest.mark.parametrize("kind", sorted(FORGERIES))
def test_trap_45_no_forgery_is_accepted_or_stored(desk: Desk, kind: str) -> None:
    desk.arrive(misbehave={"forge": [kind], "silent": True})
    ((body, signature),) = desk.waiting()
    assert desk.knock(body, signature) == 401
    desk.process()
    assert (Webhook.objects.count(), Deposit.objects.count(), desk.balance()) == (0, 0, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda _right: "",
        lambda right: right + "0",
        lambda right: right[:63] + "\u0660",
        lambda right: right + "\n",
        lambda right: "0x" + right[:62],
        lambda right: "sha256=" + right,
        lambda _right: hmac.new(b"", b"", hashlib.sha256).hexdigest(),
    ],
)
def test_trap_45_a_signature_of_another_form_is_refused(desk: Desk, change: object) -> None:
    desk.arrive()
    ((body, signature),) = desk.waiting()
    stated = change(signature)  # type: ignore[operator]
    from apps.custody.inbox import webhook_receive

    receipt = webhook_receive(body=body, signature=stated, address="", request_id="")
    assert (receipt.accepted, receipt.reason) == (False, "signature")
    assert Webhook.objects.count() == 0


def test_trap_45_without_a_secret_nothing_is_right(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CUSTODY_WEBHOOK_SECRET", "")
    body = b'{"type":"transfer"}'
    assert desk.knock(body, sign(body, "")) == 401


def test_trap_45_ten_megabytes_are_refused_before_they_are_read(desk: Desk) -> None:
    body = b'{"type":"transfer","pad":"' + b"x" * 10_000_000 + b'"}'
    assert desk.knock(*desk.signed(body)) == 413
    just_too_long = b"x" * (BODY_BYTES_MAX + 1)
    assert desk.knock(*desk.signed(just_too_long)) == 413
    assert Webhook.objects.count() == 0


def test_trap_45_a_body_that_is_cut_off_or_no_object_is_refused(desk: Desk) -> None:
    desk.arrive()
    ((body, signature),) = desk.waiting()
    assert desk.knock(body[:-10], signature) == 401
    for malformed in (b"[]", b"null", b"{", b"\xff\xfe", b"[" * 60_000):
        assert desk.knock(*desk.signed(malformed)) == 400
    assert Webhook.objects.count() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"wallet": "f" * 32},
        {"coin": "no such coin"},
        {"coin": 7},
        {"type": "pendingapproval"},
        {"type": None},
        {"transfer": None, "hash": None},
        {"transfer": "../../other", "hash": None},
    ],
)
def test_trap_45_what_is_not_about_our_wallets_is_kept_but_not_followed(
    desk: Desk, change: dict[str, object]
) -> None:
    desk.arrive()
    ((body, _),) = desk.waiting()
    changed = json.dumps(json.loads(body) | change).encode()
    assert desk.knock(*desk.signed(changed)) == 200
    desk.process()
    (row,) = Webhook.objects.all()
    assert row.state == "ignored"
    assert (row.attempts, Deposit.objects.count(), desk.balance()) == (0, 0, 0)


def test_trap_45_a_signed_webhook_for_an_unknown_transfer_credits_nobody(desk: Desk) -> None:
    desk.arrive()
    ((body, _),) = desk.waiting()
    changed = json.dumps(json.loads(body) | {"transfer": "0" * 32}).encode()
    assert desk.knock(*desk.signed(changed)) == 200
    desk.process()
    (row,) = Webhook.objects.all()
    assert (row.state, row.outcome) == ("done", "the custodian knows no such transfer")
    assert desk.balance() == 0


def test_trap_46_an_amount_in_the_body_is_not_believed_even_if_it_is_signed(desk: Desk) -> None:
    transfer = desk.arrive(7)
    ((body, _),) = desk.waiting()
    lying = json.loads(body) | {
        "valueString": "900000000", "value": 900000000, "state": "confirmed",
        "entries": [{"address": desk.address(), "valueString": "900000000"}],
    }  # fmt: skip
    assert desk.knock(*desk.signed(json.dumps(lying).encode())) == 200
    desk.process()
    assert desk.balance() == 7
    assert Deposit.objects.get().transfer.transfer_id == transfer["id"]


def test_the_door_takes_posts_with_a_length_only(desk: Desk) -> None:
    assert desk.client.get(DOOR).status_code == 405
    answer = desk.client.generic("POST", DOOR, b"", CONTENT_LENGTH="")
    assert answer.status_code == 411
    assert answer.json()["error"]["code"] == "length_required"


def test_the_door_needs_no_form_token_and_gives_no_cookie(desk: Desk) -> None:
    strict = Client(enforce_csrf_checks=True)
    body, signature = desk.signed(b'{"type":"lowFee"}')
    answer = strict.post(
        DOOR,
        data=body,
        content_type="application/json",
        headers={"X-Signature-SHA256": signature},
    )
    assert answer.status_code == 200
    assert answer.json() == {"received": True}
    assert not answer.cookies


def test_trap_35_an_inbox_that_cannot_be_written_is_no_200(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connections

    desk.arrive()
    ((body, signature),) = desk.waiting()
    connections["default"].close()
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
    assert desk.knock(body, signature) == 503
    monkeypatch.undo()


def test_a_webhook_is_acknowledged_within_50_ms_at_the_median(desk: Desk) -> None:
    took_ms = []
    for number in range(200):
        body, signature = desk.signed(b'{"type":"lowFee","number":%d}' % number)
        started = time.perf_counter()
        assert desk.knock(body, signature) == 200
        took_ms.append((time.perf_counter() - started) * 1000)
    took_ms.sort()
    assert took_ms[100] < 50, f"p50 {took_ms[100]:.1f} ms, p99 {took_ms[198]:.1f} ms"
    assert Webhook.objects.count() == 200
    assert SECRET not in str(list(Webhook.objects.values_list("outcome", flat=True)))
