"""The import contracts of pyproject.toml hold, and the bootstrap needs nothing installed."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import ROOT

CONTRACTS = 5
TIMEOUT_S = 120


def test_every_import_contract_is_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [program, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert f"Contracts: {CONTRACTS} kept, 0 broken." in result.stdout


def test_the_bootstrap_imports_nothing_beyond_the_standard_library() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import quantatrade.bootstrap.commands;"
        "print(sorted({each.split('.')[0] for each in sys.modules}"
        " - sys.stdlib_module_names - {'__main__'}))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.stdout == "['quantatrade']\n", result.stderr


def test_an_old_python_is_told_so_in_one_sentence() -> None:
    source = (ROOT / "manage.py").read_text()
    ast.parse(source, feature_version=(3, 7))
    program = f"import sys; sys.version_info = (3, 8, 20); exec({source!r})"
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == (
        "This is Python 3.8; QuantaTrade needs Python 3.11 or newer:"
        " install it and run `python3.11 manage.py` instead.\n"
    )
