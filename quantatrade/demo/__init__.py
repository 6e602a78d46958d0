"""The demo: a market maker and traders who make a fresh exchange move like a market.

It is a client of the platform and nothing else: the market maker quotes over the engine's gRPC
stream, the traders place orders by REST and act on what the socket tells them, and all money
arrives by deposits from the simulated custodian. Invariant: it touches no balance, no order of
others and no row, and it does not run in a production installation.
"""
