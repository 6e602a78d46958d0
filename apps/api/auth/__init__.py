"""Registration, login, refresh, logout, and who I am."""
