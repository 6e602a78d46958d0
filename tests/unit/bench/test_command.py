"""`manage.py bench kernel` runs as a process and ends with one flat line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import engine.bench
from engine.bench.__main__ import main, table
from engine.bench.kernel import Figure, Result

BENCH_SECONDS_MAX: Final = 120
KEYS: Final = {
    "l1_single_ops_s",
    "l1_peak_ops_s",
    "l1_plain_ops_s",
    "reference_single_ops_s",
    "digests_ok",
}


def manage(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `manage.py` does, with its state in `directory`."""
    return subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        cwd=Path(engine.bench.__file__).parents[2],
        env={**os.environ, "QT_VAR": str(directory)},
        capture_output=True,
        text=True,
        timeout=BENCH_SECONDS_MAX,
        check=False,
    )


def test_the_last_line_is_flat_json_with_the_promised_keys(tmp_path: Path) -> None:
    done = manage(tmp_path, "bench", "kernel", "--commands=2000", "--repeats=1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    summary = json.loads(lines[-1])
    assert summary.keys() >= KEYS
    assert summary["digests_ok"] is True
    assert all(summary[key] > 0 for key in KEYS)
    assert all(isinstance(value, bool | int | float | str) for value in summary.values())
    assert lines[0].startswith("Matching with balances, fees and events")
    assert list((tmp_path / "bench").glob("plain-2000-*.records"))


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    done = manage(tmp_path, "bench", "moon")
    assert done.returncode == 2
    assert "invalid choice: 'moon'" in done.stderr


@pytest.mark.parametrize("arguments", [["--commands", "0"], ["--repeats", "101"]])
def test_a_number_beyond_its_limits_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["kernel", *arguments])
    assert ended.value.code == 2
    assert "expected 1 to" in capsys.readouterr().err


def test_a_wrong_digest_is_said_in_the_table_and_in_the_json() -> None:
    figure = Figure("exch", "reference", 2_000, 1, 300_000, 290_000, 320_000, 280_000)
    result = Result({"reference": figure}, {"single": False}, "book was a, expected b")
    assert result.summary()["digests_ok"] is False
    assert result.summary()["l1_single_ops_s"] == 0
    assert result.summary()["reference_single_ops_s"] == 300_000
    assert "Wrong: book was a, expected b\n" in table(result, None)
    assert "not pinned to a core" in table(result, None)
