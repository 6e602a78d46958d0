"""Everything that crosses the engine's border: fixed-size records, and the gRPC messages.

Commands go in and events come out as fixed-size little-endian records (`records`). The same bytes
are journaled, published, archived and hashed, so there is one layout and one place that states it.
"""
