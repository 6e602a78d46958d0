"""Public market data: nothing here names a user or an order, and no token is needed."""
