"""The relay: carries the engine's durable events into the JetStream stream, in order, once.

A process of its own (`python -m engine.relay`), so that the stream being slow or gone never touches
the engine: the journal is the queue between them, and it is on disk. Invariant: what is in the
stream is a prefix of one engine's journal, event for event; a relay that cannot prove that of the
stream's end stops with a named error instead of publishing.
"""
