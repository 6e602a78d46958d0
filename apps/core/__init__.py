"""What every other app stands on: health, request ids, metrics, the engine gateway."""
