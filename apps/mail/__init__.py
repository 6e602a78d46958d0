"""Mail to people: queued with the change that it tells of, sent by a worker afterwards."""
