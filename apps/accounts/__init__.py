"""Who may log in to the platform, and which trading accounts the engine knows."""
