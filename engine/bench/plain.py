"""A plain order flow: new orders, cancels and sweeps, and nothing else.

The flow of `engine.bench.workload` is four fifths moves and reductions of resting orders. Most
published figures of matching engines are of insertions, cancels and matches instead; this flow is
for comparing with those. It is our own, so no published digests exist for it: the generator's book
is the oracle.

Invariant: in the steady state about half of the commands are insertions, three eighths cancels
and one eighth orders that sweep and do not rest.
"""

from __future__ import annotations

from typing import Final

from engine.bench.workload import Command, Generator, Session

_CHOICES: Final = 8
_CANCEL_FROM: Final = 3  # choices 3 … 6 cancel
_CANCEL_FROM_GROWING: Final = 4  # choices 4 … 6
_SWEEP: Final = 7
_CANCEL_CHOICE: Final = 2  # what the base class calls a cancel


class PlainGenerator(Generator):
    """Adds while fewer orders than the target rest, cancels while more do, and sweeps between."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._target = session.target

    def next_command(self) -> Command:
        choice = self._random.next_int(_CHOICES)
        live_count = len(self._live_ids)
        cancel_from = _CANCEL_FROM_GROWING if live_count < self._target else _CANCEL_FROM
        if choice < cancel_from or not live_count:
            return self.place_gtc()
        if choice == _SWEEP:
            return self._place_instant()
        return self._change(_CANCEL_CHOICE)
