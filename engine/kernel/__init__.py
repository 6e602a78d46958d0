"""Matching kernels: pure state machines from packed commands to packed events.

`load_kernel` chooses between the compiled kernel and the reference; both answer alike byte for
byte, so which one runs changes the speed and nothing else.
"""

from __future__ import annotations

import importlib

from engine.kernel.interface import Kernel
from engine.kernel.limits import DEFAULT_LIMITS, Limits
from engine.kernel.reference import ReferenceKernel

__all__ = ["KernelUnavailableError", "Limits", "load_kernel"]


class KernelUnavailableError(RuntimeError):
    """The compiled kernel was asked for and is not built for this Python."""


def load_kernel(prefer: str = "auto", limits: Limits = DEFAULT_LIMITS) -> Kernel:
    """Return a new, empty kernel: `compiled`, `reference`, or `auto` (compiled if it is built).

    KernelUnavailableError if `compiled` is not built; ValueError for any other name.
    """
    if prefer not in ("auto", "compiled", "reference"):
        raise ValueError(f"kernel was {prefer!r}, expected 'auto', 'compiled' or 'reference'")
    if prefer == "reference":
        return ReferenceKernel(limits)
    try:
        compiled = importlib.import_module("engine.kernel._compiled")
    except ImportError as error:
        if prefer == "auto":
            return ReferenceKernel(limits)
        raise KernelUnavailableError(
            "the compiled kernel is not built; run `python -m engine.kernel.build`"
        ) from error
    kernel: Kernel = compiled.CompiledKernel(limits)
    return kernel
