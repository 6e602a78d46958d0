"""The operators' first look: the dashboard, and the health of everything that runs."""
