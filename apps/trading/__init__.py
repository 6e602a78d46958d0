"""Orders and trades as the engine reported them."""
