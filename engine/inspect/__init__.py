"""Looking into an engine's directory: what is in its journal, is it whole, what was the state when.

Everything here reads, up to the durable position, and takes no lock: so it works beside a running
engine as well as on a copy. Invariant: nothing in the directory is changed.
"""
