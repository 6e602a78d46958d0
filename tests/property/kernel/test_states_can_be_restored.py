"""A state cut out at any place and loaded again is the same state, and goes on in the same way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.kernel.state import (
    SECTIONS,
    PackedState,
    StateError,
    canonical_bytes,
    canonical_chunks,
)
from engine.proto.records import Command, CommandType, Reason, pack_command, unpack_event
from tests.property.kernel.flow import LIMITS, NARROW, WIDE, Flow, listing

PARTS = ("compiled", "reference")
ORDER_SECTIONS = (b"STPM", b"XTRA")  # whose rows begin with the id of an open order
SEEDS = st.integers(0, 2**32)
CHECKPOINT = pack_command(Command(CommandType.CHECKPOINT))


def restored(name: str, state: bytes) -> Kernel:
    kernel = load_kernel(name, LIMITS)
    kernel.load_state(PackedState(state))
    return kernel


def assert_goes_on_alike(kernel: Kernel, original: Kernel, records: bytes) -> None:
    time_us = original.time_us + 1
    assert kernel.apply(records, time_us) == original.apply(records, time_us)
    assert canonical_bytes(kernel) == canonical_bytes(original)


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    cut=st.integers(0, 900),
    prices=st.sampled_from([NARROW, WIDE]),
    origin=st.sampled_from(PARTS),
    checkpoint=st.booleans(),
)
def test_both_kernels_restored_from_any_state_are_the_one_it_was_taken_from(
    seed: int, cut: int, prices: tuple[int, int], origin: str, checkpoint: bool
) -> None:
    flow = Flow(seed, prices)
    original = load_kernel(origin, LIMITS)
    original.apply(listing() + flow.records(cut), 5)
    if checkpoint:
        original.apply(CHECKPOINT, 5)
    state = canonical_bytes(original)
    later = flow.records(150) + CHECKPOINT + flow.records(150) + CHECKPOINT
    kernels = [restored(name, state) for name in PARTS]
    for kernel in kernels:
        assert canonical_bytes(kernel) == state
        assert kernel.needs_checkpoint == original.needs_checkpoint
        assert kernel.totals() == original.totals()
        assert list(kernel.open_orders()) == list(original.open_orders())
        assert list(kernel.users()) == list(original.users())
        assert list(kernel.all_balances()) == list(original.all_balances())
        assert kernel.markets() == original.markets()
    events = original.apply(later, 9_000)
    for kernel in kernels:
        assert kernel.apply(later, 9_000) == events
        assert canonical_bytes(kernel) == canonical_bytes(original)


@pytest.mark.parametrize("name", PARTS)
def test_a_state_restored_again_and_again_stays_the_same(name: str) -> None:
    flow = Flow(5)
    original = load_kernel(name, LIMITS)
    original.apply(listing(), 1)
    kernel = original
    for _ in range(40):
        kernel = restored(name, canonical_bytes(kernel))
        assert_goes_on_alike(kernel, original, flow.records(100))


def test_the_empty_state_can_be_restored() -> None:
    state = canonical_bytes(load_kernel("reference", LIMITS))
    for name in PARTS:
        assert_goes_on_alike(restored(name, state), load_kernel("compiled", LIMITS), listing())


def test_more_levels_than_a_chunk_holds_come_back_in_their_order() -> None:
    original = load_kernel("compiled")
    original.apply(listing() + Flow(9, (1, 40_000), is_calm=True).records(160_000), 1)
    assert original.open_order_count > 1_000
    state = canonical_bytes(original)
    kernel = load_kernel("compiled")
    kernel.load_state(PackedState(state))
    assert canonical_bytes(kernel) == state
    assert kernel.book(1, 5_000) == original.book(1, 5_000)
    assert_goes_on_alike(kernel, original, Flow(10, (1, 40_000)).records(5_000))


@pytest.mark.parametrize("name", PARTS)
def test_a_kernel_that_has_applied_something_loads_nothing(name: str) -> None:
    kernel = load_kernel(name, LIMITS)
    kernel.apply(listing(), 1)
    state = canonical_bytes(kernel)
    with pytest.raises(ValueError, match="expected an empty one"):
        kernel.load_state(PackedState(state))
    assert canonical_bytes(kernel) == state


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("section", [each.tag for each in SECTIONS[:6]])
def test_a_state_that_contradicts_itself_is_refused(name: str, section: bytes) -> None:
    """A row less in any section leaves other rows, or the balance digest, without it."""
    kernel = load_kernel("reference", LIMITS)
    flow = Flow(3)
    kernel.apply(listing() + flow.records(600) + CHECKPOINT, 1)
    state = canonical_bytes(kernel)
    at = state.index(section)
    size = next(each.layout.size for each in SECTIONS if each.tag == section)
    count = int.from_bytes(state[at + 4 : at + 12], "little")
    assert count > 1
    spoilt = (
        state[: at + 4]
        + (count - 1).to_bytes(8, "little")
        + state[at + 12 : at + 12 + size]
        + state[at + 12 + 2 * size :]
    )
    other = load_kernel(name, LIMITS)
    if section == b"ORDR":  # an order less is a state too, unless a later section names it
        named = {row[0] for tag in ORDER_SECTIONS for row in PackedState(state).rows(tag)}
        if list(PackedState(state).rows(b"ORDR"))[1].order_id not in named:
            other.load_state(PackedState(spoilt))
            assert canonical_bytes(other) == spoilt
            assert other.state_hash() != kernel.state_hash()
            return
    with pytest.raises(StateError):
        other.load_state(PackedState(spoilt))
    if name == "compiled":
        with pytest.raises(MemoryError, match="half applied"):
            other.apply(listing(), 1)


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("section", [b"XTRA", b"WTCH"])
def test_a_row_less_of_what_nothing_else_names_is_another_state(name: str, section: bytes) -> None:
    kernel = load_kernel("reference", LIMITS)
    kernel.apply(listing() + Flow(3).records(600), 1)
    state = canonical_bytes(kernel)
    at = state.index(section)
    size = next(each.layout.size for each in SECTIONS if each.tag == section)
    rows = list(PackedState(state).rows(section))
    place = next(n for n, row in enumerate(rows) if not getattr(row, "wait", 0))
    row_at = at + 12 + place * size
    spoilt = state[: at + 4] + (len(rows) - 1).to_bytes(8, "little")
    spoilt += state[at + 12 : row_at] + state[row_at + size :]
    other = load_kernel(name, LIMITS)
    other.load_state(PackedState(spoilt))
    assert canonical_bytes(other) == spoilt
    assert other.state_hash() != kernel.state_hash()


@pytest.mark.parametrize("name", PARTS)
def test_an_order_that_waits_needs_terms_that_say_why(name: str) -> None:
    kernel = load_kernel("reference", LIMITS)
    kernel.apply(listing() + Flow(3).records(600), 1)
    state = canonical_bytes(kernel)
    at = state.index(b"XTRA")
    rows = list(PackedState(state).rows(b"XTRA"))
    size = next(each.layout.size for each in SECTIONS if each.tag == b"XTRA")
    place = next(n for n, row in enumerate(rows) if row.wait)
    row_at = at + 12 + place * size
    less = state[: at + 4] + (len(rows) - 1).to_bytes(8, "little")
    less += state[at + 12 : row_at] + state[row_at + size :]
    awake = state[: row_at + 16] + bytes(8) + state[row_at + 24 :]
    for spoilt in (less, awake):
        with pytest.raises(StateError):
            load_kernel(name, LIMITS).load_state(PackedState(spoilt))


def test_bytes_that_are_no_state_are_refused() -> None:
    kernel = load_kernel("reference", LIMITS)
    kernel.apply(listing() + Flow(3).records(100), 1)
    state = canonical_bytes(kernel)
    for cut in [*range(0, len(state), 97), len(state) - 1]:
        with pytest.raises(StateError):
            PackedState(state[:cut])
    with pytest.raises(StateError, match="expected"):
        PackedState(state + b"\0")


def test_a_section_whose_rows_are_not_as_many_as_said_is_a_defect() -> None:
    kernel = load_kernel("reference", LIMITS)
    kernel.apply(listing(), 1)

    class Lying:
        head_row = kernel.head_row

        @staticmethod
        def state_sections():  # type: ignore[no-untyped-def]
            for count, rows in kernel.state_sections():
                yield count + 1, rows

    with pytest.raises(AssertionError, match="expected 4 rows of"):
        list(canonical_chunks(Lying()))


def test_an_id_that_a_restored_window_remembers_is_answered_as_before() -> None:
    user = Command(CommandType.ADD_USER, user_id=77)
    cancel = pack_command(
        Command(CommandType.CANCEL, market_id=1, user_id=77, order_id=5, request_id=b"r" * 16)
    )
    kernel = load_kernel("compiled", LIMITS)
    kernel.apply(listing() + pack_command(user) + cancel, 1)
    for name in PARTS:
        other = restored(name, canonical_bytes(kernel))
        header, body = unpack_event(other.apply(cancel, 2))
        assert header.reason == Reason.UNKNOWN_ORDER
        assert type(body).__name__ == "RequestReplayed"
