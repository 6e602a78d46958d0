"""Plain text tables for the terminal.

Invariant: columns line up whatever their content, and the last one is never padded.
"""

from collections.abc import Sequence

from quantatrade.bootstrap.status import Status

_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def render(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The rows below their header, columns two spaces apart."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def summary_table(status: Status) -> str:
    """What, address, state, log file: the table that ends `up`."""
    return render(
        ("PROCESS", "ADDRESS", "STATE", "LOG"),
        [
            (
                each.name,
                each.address,
                each.health if each.state == "running" else each.state,
                each.log or "",
            )
            for each in status.processes
        ],
    )


def status_table(status: Status) -> str:
    """Everything that `status` knows."""
    return render(
        ("PROCESS", "STATE", "PID", "ADDRESS", "HEALTH", "RESTARTS", "UPTIME", "LOG"),
        [
            (
                each.name,
                each.state,
                str(each.pid or "-"),
                each.address,
                each.health or "-",
                str(each.restarts),
                duration(each.uptime_s),
                each.log or "-",
            )
            for each in status.processes
        ],
    )


def duration(seconds: int | None) -> str:
    """A length of time in its two largest units; "-" for none."""
    if seconds is None:
        return "-"
    if seconds < _MINUTE_S:
        return f"{seconds}s"
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S}m{seconds % _MINUTE_S:02d}s"
    if seconds < _DAY_S:
        return f"{seconds // _HOUR_S}h{seconds % _HOUR_S // _MINUTE_S:02d}m"
    return f"{seconds // _DAY_S}d{seconds % _DAY_S // _HOUR_S:02d}h"
