"""Copies the engine's events into the books, exactly once, and proves that both agree."""
