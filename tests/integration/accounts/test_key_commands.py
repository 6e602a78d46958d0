"""`manage.py create_api_key` and `reseal_api_keys`; what is sealed is opened in its place alone."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from apps.accounts import key_store
from apps.accounts.models import ApiKey
from apps.accounts.sealing import SealBrokenError, is_sealed_anew, seal, unseal
from apps.audit.models import AuditEntry
from apps.audit.services import outbox_chain
from tests.people import person

ADDRESS = "127.0.0.1"


def run(*arguments: str) -> dict[str, Any]:
    told = io.StringIO()
    call_command(*arguments, "--json", stdout=told)
    stated: dict[str, Any] = json.loads(told.getvalue())
    return stated


@pytest.mark.usefixtures("platform")
def test_a_key_is_made_from_the_command_line() -> None:
    user = person("trader", "ann")
    stated = run("create_api_key", "Ann@example.org", "--label", "bot", "--ip", "192.0.2.7")
    assert stated == {
        "user_id": user.pk,
        "key": stated["key"],
        "secret": stated["secret"],
        "label": "bot",
        "permissions": ["read", "trade"],
        "addresses": ["192.0.2.7/32"],
    }
    found = key_store.key_find(stated["key"], address=ADDRESS)
    assert found is not None
    assert (found.user_id, found.secret.decode()) == (user.pk, stated["secret"])
    outbox_chain()
    entry = AuditEntry.objects.get(action="api_key.create")
    assert (entry.actor_name, entry.object_id) == ("manage.py create_api_key", stated["key"])
    assert run("create_api_key", user.email, "--permissions", "read")["permissions"] == ["read"]


@pytest.mark.usefixtures("platform")
def test_a_key_that_cannot_be_made_is_told_in_one_sentence() -> None:
    person("operator")
    person("trader", "ann")
    cases = {
        ("nobody@example.org",): "no login has the e-mail address nobody@example.org",
        ("operator@example.org",): "user: was operator, expected an active trader",
        ("ann@example.org", "--ip", "nowhere"): "addresses: expected addresses or networks",
    }
    for arguments, sentence in cases.items():
        with pytest.raises(CommandError, match=sentence):
            call_command("create_api_key", *arguments)
    assert ApiKey.objects.count() == 0


@pytest.mark.usefixtures("platform")
def test_keys_outlive_a_change_of_the_secret_key(monkeypatch: pytest.MonkeyPatch) -> None:
    person("trader", "ann")
    stated = run("create_api_key", "ann@example.org")
    former = settings.SECRET_KEY
    monkeypatch.setattr(settings, "SECRET_KEY", "n" * 50)
    with pytest.raises(CommandError, match="nothing was changed: no key of ours sealed it"):
        call_command("reseal_api_keys")
    monkeypatch.setattr(settings, "SECRET_KEY_FALLBACKS", [former])
    assert run("reseal_api_keys") == {"resealed": 1}
    assert run("reseal_api_keys") == {"resealed": 0}
    monkeypatch.setattr(settings, "SECRET_KEY_FALLBACKS", [])
    row = ApiKey.objects.get()
    assert is_sealed_anew(bytes(row.sealed))
    assert unseal(bytes(row.sealed), place=row.key_id).decode() == stated["secret"]


def test_what_is_sealed_is_opened_unaltered_and_in_its_place_alone() -> None:
    sealed = seal(b"secret", place="a")
    assert unseal(sealed, place="a") == b"secret"
    assert seal(b"secret", place="a") != sealed
    altered = [sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in (0, 1, 5, 20)]
    for broken in (*altered, sealed[:-1], sealed + b"x", b""):
        with pytest.raises(SealBrokenError):
            unseal(broken, place="a")
    with pytest.raises(SealBrokenError):
        unseal(sealed, place="b")
