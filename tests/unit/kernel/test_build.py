"""Building the compiled kernel: once, in place, and with a clear word where it cannot be."""

from pathlib import Path

import pytest

from engine.kernel import codes
from engine.kernel.build import BuildError, build, extension_path, joined_source, main
from engine.kernel.compiled import PARTS, symbols


def test_a_second_build_does_nothing(compiled: str) -> None:
    before = extension_path().stat().st_mtime_ns
    assert build() == (extension_path(), False)
    assert extension_path().stat().st_mtime_ns == before


def test_the_command_says_what_it_did(
    compiled: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["build"])
    assert main() == 0
    expected = f"compiled kernel is up to date: {extension_path()}\n"
    assert capsys.readouterr().out == expected


def test_without_a_compiler_the_command_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(BuildError, match="no C compiler was found; install gcc or clang"):
        build()
    assert main() == 1
    assert "run on the reference kernel" in capsys.readouterr().err


def test_the_unit_holds_each_part_once_and_no_import_between_parts() -> None:
    source = joined_source()
    for part in PARTS:
        assert source.count(f"# ---- {part}.py\n") == 1
    assert "import kernel" not in source
    assert "from engine.kernel.compiled" not in source
    assert "from engine.kernel.codes" not in source


def test_no_name_means_two_numbers() -> None:
    """Both modules of constants end up as C constants in one scope."""
    shared = {name for name in vars(codes) if name.isupper()} & {
        name for name in vars(symbols) if name.isupper()
    }
    assert {name for name in shared if vars(codes)[name] != vars(symbols)[name]} == set()
