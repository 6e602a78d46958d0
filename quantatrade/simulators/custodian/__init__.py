"""A custodian that speaks BitGo's wire format: addresses, transfers, signed webhooks with retries.

Run as ``python -m quantatrade.simulators.custodian --port N --database FILE``. The vendor's side is
below `/api/v2/`; `/simulate/` makes coins arrive, confirm, disappear, and makes the custodian
misbehave. Invariant: what was answered is on disk, so a killed custodian comes back with the same
addresses, the same transfers and every webhook that nobody has taken yet.
"""
