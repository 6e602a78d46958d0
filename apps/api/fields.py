"""Amounts, prices and quantities on the wire: decimal strings, never JSON numbers.

A JSON number is read as a binary float by most clients, and has then lost digits. Invariant: what
comes in is plain decimal notation of at most 38 digits, 18 of them decimals; what goes out is the
exact value in the same notation.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

DIGITS_MAX: Final = 38
DECIMALS_MAX: Final = 18
_PLAIN: Final = re.compile(r"(0|[1-9][0-9]{0,37})(\.[0-9]{1,18})?")


def decimal_text(value: Decimal, places: int | None = None) -> str:
    """Return `value` in plain notation: with exactly `places` decimals, or without idle zeros.

    ValueError if `places` would lose a digit.
    """
    text = format(value, "f")
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if places is not None:
        if len(fraction) > places:
            raise ValueError(f"decimal was {text}, expected at most {places} decimals")
        fraction = fraction.ljust(places, "0")
    text = f"{whole}.{fraction}" if fraction else whole
    return "0" if text == "-0" else text


def decimal_parse(text: str) -> Decimal:
    """Return the value of plain decimal notation without a sign; ValueError if it is not that."""
    if len(text) > DIGITS_MAX + 1 or not _PLAIN.fullmatch(text):
        raise ValueError(
            f"was {text[:64]!r}, expected a decimal string such as '0.125' of at most "
            f"{DIGITS_MAX} digits, {DECIMALS_MAX} of them decimals"
        )
    return Decimal(text)


@extend_schema_field({"type": "string", "format": "decimal", "example": "0.125"})
class DecimalStringField(serializers.Field[Decimal, str, str, Any]):
    """An unsigned decimal as a JSON string."""

    default_error_messages: Final = {  # type: ignore[misc]
        "not_string": "was a {kind}, expected a decimal as a string, such as '0.125'",
        "invalid": "{problem}",
    }

    def to_internal_value(self, data: Any) -> Decimal:
        """Read it; a JSON number is refused."""
        if not isinstance(data, str):
            self.fail("not_string", kind=type(data).__name__)
        try:
            return decimal_parse(data)
        except ValueError as error:
            self.fail("invalid", problem=str(error))

    def to_representation(self, value: Decimal) -> str:
        """Write it exactly."""
        return decimal_text(value)
