"""Log rotation and the tables of the terminal."""

from pathlib import Path

from quantatrade.bootstrap.log_files import last_lines, rotate
from quantatrade.bootstrap.status import ProcessStatus, Status
from quantatrade.bootstrap.table import duration, status_table, summary_table


def test_a_log_is_rotated_when_it_is_too_large_and_the_oldest_is_dropped(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    for text in ("first", "second", "third", "fourth"):
        log.write_text(text)
        assert rotate(log, bytes_max=4, kept=2)
    assert log.read_text() == ""
    assert (tmp_path / "web.log.1").read_text() == "fourth"
    assert (tmp_path / "web.log.2").read_text() == "third"
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "web.log",
        "web.log.1",
        "web.log.2",
    ]


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    assert not rotate(log)
    log.write_text("1234")
    assert not rotate(log, bytes_max=4)


def test_the_last_lines_are_the_last_whatever_the_size(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("".join(f"line {number}\n" for number in range(50_000)))
    assert last_lines(log, 2) == b"line 49998\nline 49999\n"
    assert last_lines(log, 0) == b""
    assert last_lines(log, 60_000).count(b"\n") == 50_000


def process(health: str, state: str = "running") -> ProcessStatus:
    return ProcessStatus(
        name="web",
        state=state,
        pid=7,
        address="127.0.0.1:8001",
        health=health,
        restarts=2,
        uptime_s=61,
        log="/var/log/web.log",
    )


def test_the_tables_line_up() -> None:
    status = Status(phase="running", pid=1, processes=(process("healthy"),))
    assert summary_table(status).splitlines() == [
        "PROCESS  ADDRESS         STATE    LOG",
        "web      127.0.0.1:8001  healthy  /var/log/web.log",
    ]
    assert status_table(status).splitlines() == [
        "PROCESS  STATE    PID  ADDRESS         HEALTH   RESTARTS  UPTIME  LOG",
        "web      running  7    127.0.0.1:8001  healthy  2         1m01s   /var/log/web.log",
    ]


def test_an_installation_is_healthy_only_if_all_of_it_is() -> None:
    well, ill = process("healthy"), process("no answer within 2 s")
    assert Status(phase="running", pid=1, processes=(well, well)).is_healthy
    assert not Status(phase="running", pid=1, processes=(well, ill)).is_healthy
    assert not Status(phase="starting", pid=1, processes=(well,)).is_healthy


def test_durations_are_told_in_their_two_largest_units() -> None:
    assert [duration(each) for each in (None, 0, 59, 60, 3599, 3600, 86400, 90061)] == [
        "-", "0s", "59s", "1m00s", "59m59s", "1h00m", "1d00h", "1d01h",
    ]  # fmt: skip
