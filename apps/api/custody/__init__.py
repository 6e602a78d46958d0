"""Deposits over REST: where to send coins, and what arrived."""
