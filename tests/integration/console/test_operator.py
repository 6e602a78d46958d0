"""There is always an operator, made once, whose password is told once."""

from __future__ import annotations

import json
import threading
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, connections

from apps.accounts.models import User
from apps.accounts.services import EnsuredOperator, operator_ensure

pytestmark = pytest.mark.usefixtures("django_database")


def run(*options: str) -> str:
    output = StringIO()
    call_command("ensure_operator", *options, stdout=output)
    return output.getvalue()


def test_the_first_run_makes_the_operator_and_tells_a_password_that_works() -> None:
    told = json.loads(run("--json"))
    assert (told["created"], told["username"]) == (True, "operator")
    assert len(told["password"]) == 24
    user = authenticate(username="operator", password=told["password"])
    assert isinstance(user, User)
    assert (user.is_superuser, user.is_staff, user.email) == (True, True, "operator@localhost")
    assert user.password.startswith("argon2$argon2id$")


def test_later_runs_change_nothing_and_tell_no_password() -> None:
    run("--json")
    before = User.objects.get().password
    assert json.loads(run("--json")) == {
        "created": False,
        "username": "operator",
        "password": None,
    }
    assert run() == "Superuser operator exists; nothing was changed\n"
    assert User.objects.get().password == before


def test_another_superuser_is_enough() -> None:
    User.objects.create_superuser("root", "root@example.org", "a long enough password")
    assert operator_ensure() == EnsuredOperator(created=False, username="root", password=None)


def test_a_disabled_superuser_is_not_enough() -> None:
    User.objects.create_superuser("root", "root@example.org", "pw", is_active=False)
    assert operator_ensure().created


def test_a_name_that_is_taken_is_an_error_with_a_reason() -> None:
    User.objects.create_user("operator", "someone@example.org")
    with pytest.raises(CommandError, match="no superuser exists, but a login named 'operator'"):
        run()
    assert not User.objects.get().is_superuser


def test_two_runs_at_once_make_one_operator() -> None:
    results: list[EnsuredOperator] = []

    def ensure() -> None:
        results.append(operator_ensure())
        connections.close_all()

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.created for result in results) == [False, False, False, True]
    assert User.objects.count() == 1


def test_an_e_mail_address_belongs_to_one_login_however_it_is_cased() -> None:
    User.objects.create_user("one", "Someone@example.org")
    with pytest.raises(IntegrityError, match="accounts_user_email_unique"):
        User.objects.create_user("two", "someone@EXAMPLE.org")
