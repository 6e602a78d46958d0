"""Who changed what, when, why and from where: an append-only log, chained by hash."""
