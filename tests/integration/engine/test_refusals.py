"""Why an engine does not start or does not go on: one sentence and an exit code for each."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from engine.client import EngineClient, OutcomeUnknown
from engine.journal.format import segment_path
from engine.service.errors import ExitCode
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.engine.support import set_up
from tests.unit.journal.support import content, written

COMPILE_TIMEOUT_S = 60
SHIM = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>
int fdatasync(int fd) {
    const char *flag = getenv("FAIL_FDATASYNC_WHEN");
    if (flag && access(flag, F_OK) == 0) { errno = EIO; return -1; }
    return syscall(SYS_fdatasync, fd);
}
"""


def refused(engine: EngineUnderTest) -> str:
    """The sentence with which the engine ended."""
    engine.wait()
    return str(engine.wait_for_log("engine_failed")["detail"])


async def filled(engine: EngineUnderTest) -> None:
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)


def test_a_second_engine_on_the_directory_is_refused(engine_process: EngineFactory) -> None:
    first = engine_process()
    second = engine_process(wait_ready=False)
    assert second.wait() == ExitCode.IN_USE
    assert refused(second) == (
        f"data directory {first.data_dir} is in use by another engine "
        f"(process {first.process.pid}); stop that one first or choose another --data"
    )
    assert httpx.get(f"http://127.0.0.1:{first.telemetry_port}/readyz").status_code == 200


def test_a_port_in_use_is_refused(engine_process: EngineFactory, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        engine = engine_process("--listen", f"127.0.0.1:{port}", wait_ready=False)
        assert engine.wait() == ExitCode.PORT_TAKEN
        assert f"address 127.0.0.1:{port} cannot be used" in refused(engine)
        engine = engine_process("--telemetry-port", str(port), wait_ready=False)
        assert engine.wait() == ExitCode.PORT_TAKEN
        assert f"telemetry port {port} cannot be used: Address already in use" in refused(engine)


def test_a_directory_that_cannot_be_used_is_refused(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    engine = engine_process(data_dir=tmp_path / "file", wait_ready=False)
    assert engine.wait() == ExitCode.DIRECTORY
    assert "choose a directory that this user may write to" in refused(engine)


async def test_a_flipped_byte_refuses_and_is_named(engine_process: EngineFactory) -> None:
    engine = engine_process()
    await filled(engine)
    assert engine.stop() == ExitCode.OK
    path = segment_path(engine.data_dir, 1)
    data = bytearray(path.read_bytes())
    data[600] ^= 0x10
    path.write_bytes(data)
    engine = engine_process(wait_ready=False)
    assert engine.wait() == ExitCode.JOURNAL_DAMAGED
    assert refused(engine).startswith(f"journal damaged: {path} at byte 512: in the record there")


async def test_a_journal_shorter_than_what_was_acknowledged_is_refused(
    engine_process: EngineFactory,
) -> None:
    engine = engine_process()
    await filled(engine)
    engine.kill()
    path = segment_path(engine.data_dir, 1)
    path.write_bytes(path.read_bytes()[:1500])
    engine = engine_process(wait_ready=False)
    assert engine.wait() == ExitCode.JOURNAL_BEHIND
    assert "restore the missing part, or start with --accept-loss" in refused(engine)
    engine = engine_process("--accept-loss")
    assert engine.wait_for_log("journal_loss_accepted")["level"] == "warning"


def test_a_journal_that_replays_differently_is_refused(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    written(tmp_path / "engine", [content(1)])
    engine = engine_process(wait_ready=False)
    assert engine.wait() == ExitCode.REPLAY_DIFFERS
    assert "replay differs from the journal at event 1" in refused(engine)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--listen", "0.0.0.0:1"], "host was '0.0.0.0', expected one of"),
        (["--listen", "127.0.0.1:x"], "port was 'x', expected 0..65535"),
        (["--peer-wait", "1e9"], "was 1e9 seconds, expected 0..600.0"),
    ],
)
def test_a_wrong_argument_is_refused(
    engine_process: EngineFactory, arguments: list[str], sentence: str
) -> None:
    engine = engine_process(*arguments, wait_ready=False)
    assert engine.wait() == ExitCode.USAGE
    assert any(sentence in entry.get("detail", "") for entry in engine.logs)


@pytest.fixture
def failing_fdatasync(tmp_path: Path) -> Path:
    """A library to preload, whose fdatasync fails once a file exists."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler for the preload shim")
    source, shim = tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(SHIM)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", shim, source], check=True, timeout=COMPILE_TIMEOUT_S
    )
    return shim


async def test_a_failing_fdatasync_ends_the_process_and_acknowledges_nothing(
    engine_process: EngineFactory,
    tmp_path: Path,
    failing_fdatasync: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flag = tmp_path / "fail"
    monkeypatch.setenv("LD_PRELOAD", str(failing_fdatasync))
    monkeypatch.setenv("FAIL_FDATASYNC_WHEN", str(flag))
    engine = engine_process()
    monkeypatch.delenv("LD_PRELOAD")
    async with EngineClient(engine.address, timeout_s=5) as client:
        await client.wait_ready(10)
        await set_up(client)
        flag.write_text("")
        with pytest.raises(OutcomeUnknown, match="connection to the engine was lost"):
            await client.set_market_fees(market_id=1, maker_fee=5, taker_fee=6)
    assert engine.wait() == ExitCode.JOURNAL_WRITE
    assert "could not be written at byte" in engine.wait_for_log("engine_died")["detail"]
