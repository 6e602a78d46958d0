"""Proofs that engine, journal, event stream and books are one and the same history.

Nothing here repairs anything. Invariant: every check either proves its sentence or names the first
thing that contradicts it; a check that could not be made says so and is never counted as passed.
"""
