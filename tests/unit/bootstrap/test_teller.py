"""The supervisor's words reach the log, and the terminal while there is one."""

import os
from pathlib import Path

import pytest

from quantatrade.bootstrap.teller import Teller


def test_a_line_goes_to_the_terminal_and_with_its_time_to_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "log").open("ab", buffering=0) as log:
        teller = Teller(log)
        teller.say("engine is healthy")
        teller.show("Password: secret")
    assert capsys.readouterr().out == "engine is healthy\nPassword: secret\n"
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.partition("+00:00 ")[2] for line in lines] == ["engine is healthy"]


def test_a_full_disk_is_told_and_does_not_end_the_supervisor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Path("/dev/full").open("ab", buffering=0) as log:
        Teller(log).say("engine is healthy")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("the supervisor's log cannot be written: [Errno 28]")
    assert said[1:] == ["engine is healthy"]


def test_a_terminal_that_has_gone_is_no_longer_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with (
        os.fdopen(writing, "w", buffering=1) as terminal,
        (tmp_path / "log").open("ab", buffering=0) as log,
    ):
        monkeypatch.setattr("sys.stdout", terminal)
        teller = Teller(log)
        for text in ("one", "two"):
            teller.say(text)
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), terminal.fileno())
    assert len((tmp_path / "log").read_text().splitlines()) == 2
