"""Kill processes while orders flow, then look for anything lost, doubled, missing or drifted.

The campaign runs an installation of its own, beside whatever else runs on the machine, under the
same supervisor and with the same processes as `up`. It knows what the engine acknowledged, event by
event, and compares it with what the books hold in the end.
"""
