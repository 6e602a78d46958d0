"""The embedded servers and the supervisor, run for real."""
