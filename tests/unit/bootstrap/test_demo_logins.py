"""Logins of the demo: random, private, made once, and never silently replaced."""

from pathlib import Path

import pytest

from quantatrade.bootstrap.demo_logins import (
    MAKER,
    PERSON,
    STAFF,
    TAKER,
    demo_logins_file,
    ensure_demo_logins,
    read_demo_logins,
)
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.state_directory import StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    made = StateDirectory(tmp_path / "var")
    made.prepare()
    return made


def test_logins_are_made_once_random_and_for_us_alone(
    state: StateDirectory, tmp_path: Path
) -> None:
    logins, are_new = ensure_demo_logins(state)
    assert are_new
    assert demo_logins_file(state).stat().st_mode & 0o777 == 0o600
    assert ensure_demo_logins(state) == (logins, False)
    other = StateDirectory(tmp_path / "other")
    other.prepare()
    passwords = {each.password for each in (*logins, *ensure_demo_logins(other)[0])}
    assert len(passwords) == 2 * len(logins)
    assert min(map(len, passwords)) >= 24


def test_there_are_two_operators_one_support_one_person_a_maker_and_takers(
    state: StateDirectory,
) -> None:
    logins, _ = ensure_demo_logins(state)
    people = [(each.part, each.role) for each in logins if each.is_for_people]
    assert people == [
        (STAFF, "operator"), (STAFF, "operator"), (STAFF, "support"), (PERSON, "trader"),
    ]  # fmt: skip
    programs = [each.part for each in logins if not each.is_for_people]
    assert programs == [MAKER, *[TAKER] * 6]
    assert all(each.email.endswith("@demo.example") for each in logins)


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1]", '[{"email": "a@b"}]'])
def test_a_damaged_file_is_refused_and_kept(state: StateDirectory, content: str) -> None:
    path = demo_logins_file(state)
    path.write_text(content)
    with pytest.raises(BootstrapError, match=r"logins\.json (cannot be read|lacks logins)"):
        ensure_demo_logins(state)
    with pytest.raises(BootstrapError, match=r"logins\.json"):
        read_demo_logins(path)
    assert path.read_text() == content
