"""The demo does not start where it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantatrade.bootstrap.demo_logins import ensure_demo_logins
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.demo.__main__ import EXIT_REFUSED, main, terms_from_environment

GOOD = {
    "QT_DEMO": "1",
    "QT_PRODUCTION": "0",
    "QT_DEMO_EDGE_URL": "http://127.0.0.1:1",
    "ENGINE_ADDRESS": "127.0.0.1:2",
    "QT_CUSTODY_SIMULATOR_URL": "http://127.0.0.1:3",
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """All that a demo needs."""
    state = StateDirectory(tmp_path / "var")
    state.prepare()
    ensure_demo_logins(state)
    for name, value in {**GOOD, "QT_VAR": str(state.path)}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_with_all_that_it_needs_it_has_its_terms(environment: pytest.MonkeyPatch) -> None:
    terms = terms_from_environment("7")
    assert (terms.edge_url, terms.engine_address, terms.seed) == (
        "http://127.0.0.1:1",
        "127.0.0.1:2",
        "7",
    )
    assert len(terms.logins) == 11


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("QT_PRODUCTION", "1", "this is a production installation, which has no demo"),
        ("QT_PRODUCTION", "yes", "this is a production installation, which has no demo"),
        ("QT_DEMO", "0", "QT_DEMO was not 1: this exchange is no demo"),
        ("QT_DEMO_EDGE_URL", "", "QT_DEMO_EDGE_URL is not set"),
        ("QT_CUSTODY_SIMULATOR_URL", "", "QT_CUSTODY_SIMULATOR_URL is not set"),
        ("QT_VAR", "/nonexistent", "logins.json cannot be read"),
    ],
)
def test_where_it_must_not_run_it_ends_at_once_and_says_why(
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    said: str,
) -> None:
    environment.setenv(name, value)
    assert main(["--telemetry-port", "0"]) == EXIT_REFUSED
    assert said in capsys.readouterr().err
