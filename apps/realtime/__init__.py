"""Live feeds over WebSocket: what the engine did, told to whoever listens, in order.

`hub` turns the engine's events into channels, `runner` brings it the events and snapshots it needs,
`session` speaks with one client and `application` is the ASGI end of it. Invariant: every channel
is numbered, so a client that missed anything can tell; and public messages are built from an
explicit list of fields, none of which names a user.
"""
