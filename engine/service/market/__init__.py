"""Public market data from the engine's own books and trades, without a database.

Books are asked of the kernel between two batches, only for markets that somebody watches and only
if they changed; trades are picked out of the durable events. Invariant: what a subscriber is sent
is bounded by his own interval; whoever is slow gets the newest state, never a queue.
"""
