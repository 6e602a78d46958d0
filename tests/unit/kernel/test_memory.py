"""Memory that ends: a batch is either not begun, or the kernel refuses to go on."""

import subprocess
import sys

from engine.kernel import load_kernel
from engine.proto.records import RECORD_BYTES, pack_command
from tests.unit.kernel.desk import ALICE, ASK, BID, BOB, BTC, USD, Desk, cancel

SCRIPT = """
import resource
import sys
from engine.kernel import load_kernel
from engine.proto.records import COMMAND
from tests.unit.kernel.desk import ALICE, BTC, Desk

desk = Desk(load_kernel("compiled"))
desk.open_market()
desk.fund(ALICE, BTC, 10**18)
kernel = desk.kernel
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
_, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + 96 * 2**20, hard))
order_id = 0
while True:
    batch = bytearray()
    for _ in range(512):
        order_id += 1
        batch += COMMAND.pack(
            20, 0, 1, 1, 0, 0, 1, 0, ALICE, order_id, order_id, 1, 0, 0, 0, bytes(16), b""
        )
    before = kernel.command_seq
    try:
        kernel.apply(batch, 10**6)
    except MemoryError as error:
        message = str(error)
        break
resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
if kernel.command_seq == before:
    assert "more commands" in message, message
    assert kernel.open_order_count == order_id - 512
    events = kernel.apply(bytes(batch), 10**6)
    assert len(events) == 512 * 128
    assert kernel.open_order_count == order_id
else:
    try:
        kernel.apply(b"", 10**6)
    except MemoryError as error:
        assert "half applied" in str(error), error
    else:
        raise AssertionError("a torn kernel went on")
sys.stdout.write(f"ended at {order_id} orders, {message}")
"""


def test_where_memory_ends_no_batch_is_half_applied_and_forgotten(compiled: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ended at ")


def test_sweeps_leave_room_for_the_events_of_the_commands_behind_them(compiled: str) -> None:
    """Two sweeps fill what one slice needs as a rule; a thousand cancels follow in that slice."""
    desk = Desk(load_kernel(compiled))
    desk.open_market()
    desk.fund(ALICE, BTC, 10**17)
    desk.fund(BOB, USD, 10**17)
    order_ids = []
    for first in range(0, 6_000, 200):
        asks = [desk.place(ASK, ALICE, 100 + first + place, 1) for place in range(200)]
        order_ids += [ask.order_id for ask in asks]
        desk.apply(*asks)
    sweeps = [desk.place(BID, BOB, 9_000, 2_040) for _ in range(2)]
    cancels = [cancel(ALICE, order_id) for order_id in order_ids[4_080:5_102]]
    packed = b"".join(map(pack_command, sweeps + cancels))
    events = desk.kernel.apply(packed, desk.kernel.time_us + 1)
    assert len(events) == (2 * 2_041 + 1_022) * RECORD_BYTES
    assert desk.kernel.open_order_count == 6_000 - 5_102
