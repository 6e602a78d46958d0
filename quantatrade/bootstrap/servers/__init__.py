"""The embedded servers: real PostgreSQL, Redis and NATS binaries shipped as wheels.

Only the binaries of the wheels are used, as foreground children with configuration of our own:
their managers take locks in shared folders, add system users and open up parent directories.
Invariant: all state of a server lies in its one directory, it listens on loopback only, and
nobody enters without a password.
"""
