"""Column types of money, and the exact step between integer atoms and decimal columns.

The engine counts in whole atoms; SQL states decimals of 18 places. Invariant: the step is exact in
both directions. It moves a decimal point and never rounds, and a decimal that is no whole number
of atoms is an error.
"""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

from django.db import models

AMOUNT_DIGITS: Final = 38
WIDE_DIGITS: Final = 56
SCALE: Final = 18
# Wider than any column, and an operation that would lose a digit raises instead.
EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation])


def amount_field(**options: Any) -> models.DecimalField[Any, Any]:
    """Return a column for an amount of an asset: NUMERIC(38,18) holds any int64 of atoms."""
    return models.DecimalField(max_digits=AMOUNT_DIGITS, decimal_places=SCALE, **options)


def wide_field(**options: Any) -> models.DecimalField[Any, Any]:
    """Return a column for a price, or a sum over the life of an order: these may pass int64."""
    return models.DecimalField(max_digits=WIDE_DIGITS, decimal_places=SCALE, **options)


def atoms_decimal(atoms: int, decimals: int) -> Decimal:
    """Return atoms as a Decimal of exactly that value."""
    return Decimal(atoms).scaleb(-decimals, EXACT)


def decimal_atoms(value: Decimal, decimals: int) -> int:
    """Return the whole number of atoms that `value` is. ValueError if it is not whole."""
    scaled = value.scaleb(decimals, EXACT)
    atoms = int(scaled)
    if atoms != scaled:
        raise ValueError(f"amount was {value:f}, expected at most {decimals} decimals")
    return atoms


def plain(value: Decimal) -> str:
    """Return a decimal as JSON states it: all its digits, no exponent, no trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def atoms_text(atoms: int, decimals: int) -> str:
    """Return atoms of an asset as `plain` states them."""
    return plain(atoms_decimal(atoms, decimals))
