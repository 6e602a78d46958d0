"""What can be wrong with a request about orders, in words that a trader can act on."""

from __future__ import annotations


class OrderTermsError(ValueError):
    """The order's terms do not go together; `field` names the one to change."""

    def __init__(self, field: str, was: object, expected: str) -> None:
        super().__init__(f"{field} was {was!r}, expected {expected}")
        self.field = field
        self.was = str(was)
        self.expected = expected


class UnknownOrderError(LookupError):
    """No such order of this user: unknown and somebody else's are told apart to nobody."""

    def __init__(self, order_id: int) -> None:
        super().__init__(f"order {order_id} is unknown")
        self.order_id = order_id
