"""The engine as a process: one writer thread around a kernel and a journal, reached over gRPC.

Invariant: nothing is answered before the command behind it is durable, and whoever asks sees only
state that is.
"""
