"""Build the compiled kernel in place: `python -m engine.kernel.build`.

The modules of `engine.kernel.compiled` are joined into one unit, translated by Cython and compiled
with the machine's own C compiler; the result belongs to this machine and this Python and is not
kept in version control. A stamp beside it says from what it was made, so that a second call does
nothing. Invariant: the extension appears by one rename, whole, and only if it can be imported.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final, NamedTuple

from engine.kernel import codes
from engine.kernel.compiled import PARTS, symbols

MODULE: Final = "engine.kernel._compiled"
COMPILE_FLAGS: Final = ("-O3", "-fwrapv", "-fno-strict-aliasing", "-Wno-unused-function")
COMPILE_TIMEOUT_S: Final = 600
_KERNEL_DIR: Final = Path(__file__).parent
_PARTS_DIR: Final = _KERNEL_DIR / "compiled"
_STAMP: Final = _KERNEL_DIR / "_compiled.stamp"
_INT32_MAX: Final = 2**31 - 1
_DIRECTIVES: Final = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "infer_types": True,
}


class BuildError(RuntimeError):
    """The kernel could not be built; the message says why and what to do."""


class BuildOutcome(NamedTuple):
    path: Path
    was_built: bool


def extension_path() -> Path:
    """Where the extension for this Python lies once it is built."""
    return _KERNEL_DIR / f"_compiled{sysconfig.get_config_var('EXT_SUFFIX')}"


def build(*, force: bool = False) -> BuildOutcome:
    """Build the compiled kernel unless it is up to date. BuildError says what is missing."""
    compiler = _find_compiler()
    stamp = _stamp_of(compiler)
    path = extension_path()
    with _build_lock():
        if not force and path.exists() and _STAMP.exists() and _STAMP.read_text() == stamp:
            return BuildOutcome(path, was_built=False)
        with tempfile.TemporaryDirectory(prefix="kernel-build-") as work:
            made = _compile(Path(work), compiler)
            _check_import(made)
            staged = path.with_suffix(f".{os.getpid()}")
            shutil.copy2(made, staged)
        _STAMP.unlink(missing_ok=True)
        staged.replace(path)
        _STAMP.write_text(stamp)
    return BuildOutcome(path, was_built=True)


@contextmanager
def _build_lock() -> Iterator[None]:
    """Keep two builds in one tree apart; the second then finds the first one's work."""
    with (_KERNEL_DIR / "_compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _find_compiler() -> str:
    if sys.byteorder != "little":
        raise BuildError("the records are little-endian and this machine is not")
    configured = str(sysconfig.get_config_var("CC") or "cc").split()[0]
    for name in (os.environ.get("CC", configured).split()[0], "cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return found
    raise BuildError(
        "no C compiler was found; install gcc or clang (Debian: apt install build-essential), "
        "or run on the reference kernel, which needs none and is slower"
    )


def _stamp_of(compiler: str) -> str:
    """Return the hash of all that the extension is made from."""
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, check=False, timeout=COMPILE_TIMEOUT_S
    ).stdout
    digest = hashlib.sha256(f"{sys.version}\n{COMPILE_FLAGS}\n".encode() + version)
    for source in (*(_part_path(part) for part in PARTS), _PARTS_DIR / "externs.pxd"):
        digest.update(source.read_bytes())
    digest.update(Path(__file__).read_bytes() + _constants().encode())
    return digest.hexdigest()


def _part_path(part: str) -> Path:
    return _PARTS_DIR / f"{part}.py"


def _constants() -> str:
    """Return the Cython declarations of all numbers that the parts import by name."""
    small: list[str] = []
    large: list[str] = []
    for module in (codes, symbols):
        for name, value in _numbers(module):
            if abs(value) <= _INT32_MAX:
                small.append(f"    {name} = {value}")
            else:
                literal = f"({value + 1}LL - 1)" if value < 0 else f"{value}LL"
                large.append(
                    f'cdef extern from *:\n    """\n    static const long long kernel_{name} = '
                    f'{literal};\n    """\n    const long long {name} "kernel_{name}"'
                )
    return "cdef enum:\n" + "\n".join(sorted(set(small))) + "\n" + "\n".join(sorted(set(large)))


def _numbers(module: ModuleType) -> Iterator[tuple[str, int]]:
    for name, value in vars(module).items():
        if name.isupper() and type(value) is int:
            yield name, value


def joined_source() -> str:
    """Return the parts as one module, without their docstrings and imports from each other."""
    return "\n".join(_part_text(part) for part in PARTS)


def _part_text(part: str) -> str:
    source = _part_path(part).read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.parse(source).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_between_parts = isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            ("engine.kernel.codes", "engine.kernel.compiled")
        )
        if is_docstring or is_between_parts:
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return "\n".join([f"# ---- {part}.py", *lines])


def _compile(work: Path, compiler: str) -> Path:
    """Translate and compile in `work`; return the extension's path there."""
    package = work / "engine" / "kernel"
    package.mkdir(parents=True)
    for directory in (package.parent, package):
        (directory / "__init__.py").touch()
    (package / "_compiled.py").write_text(joined_source(), encoding="utf-8")
    externs = (_PARTS_DIR / "externs.pxd").read_text(encoding="utf-8")
    (package / "_compiled.pxd").write_text(f"{externs}\n{_constants()}\n", encoding="utf-8")
    (work / "setup.py").write_text(_setup_script(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=work,
        env={**os.environ, "CC": compiler},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMPILE_TIMEOUT_S,
    )
    made = package / extension_path().name
    if done.returncode or not made.exists():
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        hint = ""
        if "Python.h" in tail:
            hint = "Python's headers are missing (Debian: apt install python3-dev).\n"
        raise BuildError(f"{hint}{compiler} did not build the kernel; it said:\n{tail}")
    return made


def _setup_script() -> str:
    return (
        "from Cython.Build import cythonize\n"
        "from setuptools import Extension, setup\n"
        f"extension = Extension({MODULE!r}, ['engine/kernel/_compiled.py'],\n"
        f"    extra_compile_args={list(COMPILE_FLAGS)!r})\n"
        "setup(name='kernel', packages=[], ext_modules=cythonize([extension],\n"
        f"    compiler_directives={_DIRECTIVES!r}, quiet=True))\n"
    )


def _check_import(made: Path) -> None:
    """Load the extension in a fresh interpreter: one that crashes must not take its place."""
    script = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location({MODULE!r}, {str(made)!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "assert module.CompiledKernel().apply(b'', 1) == b''\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=_KERNEL_DIR.parent.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMPILE_TIMEOUT_S,
    )
    if done.returncode:
        raise BuildError(f"the kernel was built but cannot be loaded:\n{done.stderr.strip()}")


def main() -> int:
    """Build, say what was done, and return the exit code."""
    try:
        outcome = build(force="--force" in sys.argv[1:])
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    done = "built" if outcome.was_built else "is up to date"
    sys.stdout.write(f"compiled kernel {done}: {outcome.path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
