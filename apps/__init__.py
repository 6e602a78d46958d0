"""The platform's Django apps.

Imports point downwards only: console, mirror -> trading -> ledger -> markets -> accounts -> core.
"""
