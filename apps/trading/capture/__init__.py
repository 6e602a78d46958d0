"""Replay of recorded real depth into the engine, checked level by level."""
