"""The bootstrap, piece by piece."""
