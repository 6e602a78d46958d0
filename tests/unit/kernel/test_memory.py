"""Memory that ends: a batch is either not begun, or the kernel refuses to go on."""

import subprocess
import sys

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
