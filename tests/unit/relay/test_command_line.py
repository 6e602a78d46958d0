"""What the relay's command line refuses, and that each reason to stop can be told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.relay import errors
from engine.relay.__main__ import main


def test_every_reason_to_stop_has_an_exit_code_of_its_own() -> None:
    reasons = errors.RelayError.__subclasses__()
    codes = {reason.exit_code for reason in reasons}
    assert len(reasons) == 6
    assert len(codes) == 6
    assert codes.isdisjoint({0, 1, 2})


@pytest.mark.parametrize("url", ["", "localhost:4222", "http://localhost:4222", "nats://"])
def test_a_url_that_is_not_of_a_nats_server_is_a_usage_error(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NATS_URL", raising=False)
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(tmp_path), "--nats-url", url])
    assert stopped.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_the_password_of_the_url_is_not_repeated_in_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--data", str(tmp_path), "--nats-url", "http://user:hidden@localhost"])
    assert "hidden" not in capsys.readouterr().err
