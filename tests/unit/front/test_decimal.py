"""Decimal text and atoms in the page: every digit stays."""

from __future__ import annotations

import random
from decimal import Context, Decimal
from typing import Any

import pytest

from tests.unit.front.conftest import Modules

CASES = 400
DECIMALS = 18
WIDE = Context(prec=80)


def amounts() -> list[str]:
    chance = random.Random(7)
    found = []
    for _ in range(CASES):
        atoms = chance.randrange(10 ** chance.randrange(1, 36))
        found.append(format(Decimal(atoms).scaleb(-chance.randrange(DECIMALS + 1)), "f"))
    return found


def plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def test_text_becomes_atoms_and_text_again_without_losing_a_digit(modules: Modules) -> None:
    texts = amounts()
    got = modules.run(
        "decimal",
        "(m, texts) => texts.map((t) => [m.toAtoms(t, 18), m.fromAtoms(m.toAtoms(t, 18), 18)])",
        texts,
    )
    assert got == [
        [str(int(Decimal(text).scaleb(18, WIDE))), plain(Decimal(text))] for text in texts
    ]


def test_sums_are_exact(modules: Modules) -> None:
    texts = amounts()
    pairs = list(zip(texts, reversed(texts), strict=True))
    got = modules.run("decimal", "(m, pairs) => pairs.map(([a, b]) => m.add(a, b))", pairs)
    assert got == [plain(WIDE.add(Decimal(left), Decimal(right))) for left, right in pairs]
    assert modules.run("decimal", "(m) => m.add('0.1', '0.2')") == "0.3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", "1.5"), (".5", "0.5"), ("5.", "5"), ("007", "7"), (" 12 ", "12"), ("0", "0"),
        ("", None), (".", None), ("1,5", None), ("1e3", None), ("-1", None), ("+1", None),
        ("0x10", None), ("1.2.3", None), ("\u0661", None), ("NaN", None), ("9" * 39, None),
        ("0." + "1" * 19, None),
    ],
)  # fmt: skip
def test_what_is_typed_is_read_strictly(modules: Modules, text: str, expected: str | None) -> None:
    assert modules.run("decimal", "(m, text) => m.typed(text)", text) == expected


@pytest.mark.parametrize("wrong", ["", "1e3", "-1", "0.123", "1,0", " 1", None, 1])
def test_atoms_of_anything_else_are_an_error(modules: Modules, wrong: Any) -> None:
    body = "(m, t) => { try { return m.toAtoms(t, 2); } catch (e) { return e.constructor.name; } }"
    assert modules.run("decimal", body, wrong) == "DecimalError"


def test_amounts_are_shown_with_their_digits_and_their_thousands(modules: Modules) -> None:
    body = """(m) => [m.grouped("1234567.1234567"), m.grouped("999"), m.padded("1.5", 4),
        m.padded("2", 0), m.padded("0.123", 2), m.cut("1.987", 2), m.cut("5", 2),
        m.asPercent("0.001"), m.asPercent("0.00025"), m.decimalsOf("0.0100"), m.isZero("0.00")]"""
    assert modules.run("decimal", body) == [
        "1,234,567.1234567", "999", "1.5000", "2", "0.123", "1.98", "5.00", "0.1", "0.025", 2, True,
    ]  # fmt: skip


def test_changes_in_percent_are_cut_and_keep_their_sign(modules: Modules) -> None:
    pairs = [("1", "3"), ("-1", "3"), ("0", "3"), ("-0.00001", "64000"), ("5", "0"), ("20", "10")]
    got = modules.run("decimal", "(m, pairs) => pairs.map(([a, b]) => m.percent(a, b))", pairs)
    assert got == ["+33.33", "-33.33", "0.00", "0.00", "0.00", "+200.00"]
