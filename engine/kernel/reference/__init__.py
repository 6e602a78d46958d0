"""A small, obviously correct matching kernel in plain Python.

It is the oracle for the compiled kernel, which must answer byte for byte alike, and the engine's
fallback where no C compiler is found. It prefers the clearest data structure to the fastest one.
"""

from engine.kernel.reference.kernel import ReferenceKernel

__all__ = ["ReferenceKernel"]
