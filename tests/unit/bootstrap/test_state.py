"""The state directory and the secrets in it: made once, checked always, wiped only if ours."""

from pathlib import Path

import pytest

from quantatrade.bootstrap import state_directory
from quantatrade.bootstrap.credentials import NAMES, load_credentials
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.state_directory import MARKER, StateDirectory


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    made = StateDirectory(tmp_path / "var")
    made.prepare()
    return made


def test_preparing_twice_keeps_what_is_there(state: StateDirectory) -> None:
    state.log("engine").write_text("kept")
    state.prepare()
    assert state.log("engine").read_text() == "kept"
    assert state.part("secrets").stat().st_mode & 0o777 == 0o700


def test_a_directory_of_somebody_else_is_neither_used_nor_wiped(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    foreign = StateDirectory(tmp_path)
    for act in (foreign.prepare, foreign.wipe):
        with pytest.raises(BootstrapError, match=r"did not make \(thesis\.tex\)"):
            act()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["thesis.tex"]


def test_wiping_removes_our_state_and_leaves_what_was_put_beside_it(state: StateDirectory) -> None:
    (state.path / "notes.txt").write_text("mine")
    state.wipe()
    assert [each.name for each in state.path.iterdir()] == ["notes.txt"]


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(BootstrapError, match="is a file, expected a directory"):
        StateDirectory(tmp_path / "var").prepare()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 2}'])
def test_a_state_of_another_format_is_refused(state: StateDirectory, content: str) -> None:
    (state.path / MARKER).write_text(content)
    with pytest.raises(BootstrapError, match="expected 1: use the version"):
        state.prepare()


def test_a_full_disk_is_told_before_anything_starts(
    state: StateDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_directory, "FREE_BYTES_MIN", 1024**5)
    with pytest.raises(BootstrapError, match=r"MiB are free on the disk of .*: make room"):
        state.prepare()


def test_secrets_are_random_private_and_stay_the_same(state: StateDirectory) -> None:
    first = load_credentials(state.part("secrets"))
    assert sorted(first) == sorted(NAMES)
    assert len(set(first.values())) == len(NAMES)
    assert min(map(len, first.values())) == 64
    assert {each.stat().st_mode & 0o777 for each in state.part("secrets").iterdir()} == {0o600}
    assert load_credentials(state.part("secrets")) == first


@pytest.mark.parametrize("damage", ["", "short", "with space " * 9])
def test_a_damaged_secret_is_refused_and_kept(state: StateDirectory, damage: str) -> None:
    load_credentials(state.part("secrets"))
    (state.part("secrets") / "nats").write_text(damage)
    with pytest.raises(BootstrapError, match="secrets/nats is damaged"):
        load_credentials(state.part("secrets"))
    assert (state.part("secrets") / "nats").read_text() == damage


def test_an_unreadable_secret_is_named(state: StateDirectory) -> None:
    load_credentials(state.part("secrets"))
    (state.part("secrets") / "redis").unlink()
    (state.part("secrets") / "redis").mkdir()
    with pytest.raises(BootstrapError, match=r"secrets/redis cannot be read \(IsADirectoryError\)"):
        load_credentials(state.part("secrets"))


def test_a_secret_that_others_can_read_is_refused(state: StateDirectory) -> None:
    load_credentials(state.part("secrets"))
    (state.part("secrets") / "postgres").chmod(0o644)
    with pytest.raises(BootstrapError, match="is readable by others: run `chmod 600"):
        load_credentials(state.part("secrets"))


def test_a_lost_database_password_is_not_replaced_by_a_new_one(state: StateDirectory) -> None:
    (state.part("postgres") / "data").mkdir(parents=True)
    with pytest.raises(BootstrapError, match="is missing although its database exists"):
        load_credentials(state.part("secrets"))
    assert list(state.part("secrets").iterdir()) == []
