"""Stand-ins for vendors that a private installation cannot reach.

Each is a process of its own which speaks the vendor's wire format, signs as the vendor does, and
misbehaves on request. Invariant: nothing of the platform imports them, and none is started under
`up --production`.
"""
