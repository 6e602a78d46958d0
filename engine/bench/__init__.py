"""The engine's benchmark: a workload that is known bit for bit, and what runs and checks it.

Invariant: nothing here is imported by the engine itself, and nothing here knows Django; the
figures are worth something only because every run proves its events and its final book.
"""
