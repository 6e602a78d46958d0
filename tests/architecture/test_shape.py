"""Sources keep to the shape that makes them readable: limits, docstrings, nothing unfinished."""

import ast
import re

import pytest

from tests.architecture.sources import Source, read_sources

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 600
COLUMNS_MAX = 100
PRAGMA = re.compile(r"\s+# (noqa|type: ignore)\b.*$")  # for the tools, not for the reader
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return read_sources()


def test_no_function_is_longer_than_70_lines(sources: list[Source]) -> None:
    too_long = [
        f"{source.path}:{function.lineno} {function.name}"
        for source in sources
        for function in source.functions()
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert too_long == []


def test_no_module_is_longer_than_600_lines(sources: list[Source]) -> None:
    too_long = [each.path for each in sources if len(each.lines) > MODULE_LINES_MAX]
    assert too_long == []


def test_no_line_is_wider_than_100_columns(sources: list[Source]) -> None:
    too_wide = [
        f"{source.path}:{number}"
        for source in sources
        for number, line in enumerate(source.lines, start=1)
        if len(PRAGMA.sub("", line)) > COLUMNS_MAX and not source.is_migration
    ]
    assert too_wide == []


def test_every_module_says_what_it_is(sources: list[Source]) -> None:
    silent = [
        source.path
        for source in sources
        if source.tree.body and not source.is_migration and not ast.get_docstring(source.tree)
    ]
    assert silent == []


def test_nothing_is_left_unfinished(sources: list[Source]) -> None:
    unfinished = [
        f"{source.path}:{number}"
        for source in sources
        for number, line in enumerate(source.lines, start=1)
        if UNFINISHED.search(line)
    ]
    assert unfinished == []


def test_nothing_prints(sources: list[Source]) -> None:
    printing = [
        f"{source.path}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert printing == []


def test_no_error_is_swallowed_by_a_bare_except(sources: list[Source]) -> None:
    bare = [
        f"{source.path}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []
