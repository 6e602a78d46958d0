"""The simulated custodian signs as the vendor does, and misbehaves only on request."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from quantatrade.simulators.custodian.webhooks import (
    FORGERIES,
    deliveries_of,
    plan_checked,
    sign,
)

SECRET = "a secret of the tests"
BODY = b'{"type":"transfer","transfer":"t1"}'


def is_right(body: bytes, signature: str | None) -> bool:
    return signature == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()


def test_a_signature_is_64_lowercase_hexadecimal_digits_over_the_raw_bytes() -> None:
    assert sign(b"Hi There", "\x0b" * 20) == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"  # RFC 4231, case 1
    )


def test_every_forgery_but_that_of_the_content_has_a_wrong_signature() -> None:
    right = {kind for kind, forge in FORGERIES.items() if is_right(*forge(BODY, SECRET))}
    assert right == set()


def test_without_misbehaviour_one_true_webhook_is_sent() -> None:
    (only,) = deliveries_of(BODY, secret=SECRET, now=10.0, plan={}, is_first=True)
    assert (only.body, only.due_at, only.attempts_max) == (BODY, 10.0, 8)
    assert is_right(only.body, only.signature)


def test_a_plan_duplicates_forges_delays_and_silences() -> None:
    plan = {"duplicates": 2, "forge": ["missing"], "delay_ms": 500}
    sent = deliveries_of(BODY, secret=SECRET, now=10.0, plan=plan, is_first=False)
    assert [each.signature is None for each in sent] == [True, False, False, False]
    assert [each.due_at for each in sent] == [10.0, 10.5, 10.5, 10.5]
    assert deliveries_of(BODY, secret=SECRET, now=0, plan={"silent": True}, is_first=False) == []


@pytest.mark.parametrize(
    "plan", [{"duplicates": -1}, {"duplicates": 1001}, {"forge": ["x"]}, {"other": 1}, [], None]
)
def test_a_plan_that_cannot_be_is_refused(plan: object) -> None:
    with pytest.raises(ValueError, match=r"was|had"):
        plan_checked(plan)
