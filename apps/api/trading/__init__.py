"""One's own orders, trades and balances. What belongs to others does not exist here."""
