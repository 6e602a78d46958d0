"""A small command line for one engine, over the documented client.

Amounts are the engine's own: ticks, lots and atoms. Invariant: what goes to stdout is data, one row
a line; everything else is one sentence on stderr and an exit code.
"""
