"""Booking events: exactly once, in any batching, and never on contradiction."""

from __future__ import annotations

import threading
from decimal import Decimal

import psycopg
import pytest

from apps.mirror.books import Books, EventRun
from apps.mirror.errors import (
    BooksRefusedError,
    ChainBrokenError,
    CheckpointMismatchError,
    HaltError,
    LowerEpochError,
    MirrorFencedError,
    PoisonEventError,
)
from engine.proto.records import (
    RECORD_BYTES,
    CommandType,
    EventType,
    Reason,
    Side,
    unpack_event,
)
from engine.proto.stream import CHAIN_GENESIS, chain_extend
from tests.engine_events import BTC, USDT, EngineScript, batches, event_types
from tests.fixtures_database import DatabaseHandle
from tests.integration.mirror.books_support import (
    book_all,
    booked,
    contents,
    one,
    opened,
    run_of,
    verified,
)


def test_mixed_events_of_all_kinds_are_booked_and_verified(database: DatabaseHandle) -> None:
    script = EngineScript().prepare().run(1_500)
    assert set(event_types(script.events)) >= {
        EventType.FUNDS_DEPOSITED,
        EventType.FUNDS_WITHDRAWN,
        EventType.FUNDS_ADJUSTED,
        EventType.ORDER_ACCEPTED,
        EventType.ORDER_CANCELED,
        EventType.ORDER_REDUCED,
        EventType.ORDER_MOVED,
        EventType.ORDER_EXPIRED,
        EventType.TRADE,
        EventType.REFUSED,
        EventType.CHECKPOINT_ASSET,
        EventType.CHECKPOINT,
    }
    booked(database, script)
    report = verified(database)
    assert [each.outcome for each in report.results] == ["proved"] * len(report.results)
    count = len(script.events) // RECORD_BYTES
    newest = script.checkpoint()
    assert newest
    row = one(
        database,
        "SELECT last_event_seq, chain, last_checkpoint_ok, halted_reason FROM mirror_cursor",
    )
    assert row == (
        count,
        chain_extend(CHAIN_GENESIS, script.events[: count * RECORD_BYTES]),
        True,
        "",
    )


def test_the_books_are_the_same_in_any_batching(
    database: DatabaseHandle, database_template: DatabaseHandle
) -> None:
    script = EngineScript().prepare().run(300)
    with opened(database) as books:
        book_all(books, script.events, size=480, join=9)
    at_once = contents(database)
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        for table in at_once:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL")
    with opened(database) as books:
        book_all(books, script.events, size=3, join=1)
    assert contents(database) == at_once


def test_trap_1_events_that_come_again_change_nothing(database: DatabaseHandle) -> None:
    """The mirror drops what is booked; and were it to book it, the database would refuse."""
    script = EngineScript().prepare().run(200)
    booked(database, script)
    before = contents(database)
    messages = batches(script.events)
    with opened(database) as books, pytest.raises(ValueError, match="expected"):
        books.apply(run_of(messages[-2:]))
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("UPDATE mirror_cursor SET last_event_seq = last_event_seq - 150")
    with opened(database) as books:
        first = books.position.last_event_seq + 1
        again = EventRun(1, first, script.events[(first - 1) * RECORD_BYTES :])
        with pytest.raises(HaltError):
            books.apply(again)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("UPDATE mirror_cursor SET last_event_seq = last_event_seq + 150")
    assert contents(database) == before


def test_trap_3_a_trade_under_another_event_is_refused(database: DatabaseHandle) -> None:
    """The same trade id in a later event: the unique business id is the second guard."""
    script = EngineScript().prepare(users=2)
    script.place(1, Side.ASK, 100, 20)
    start = len(script.events)
    script.place(2, Side.BID, 100, 5)
    second = len(script.events)
    script.place(2, Side.BID, 100, 5)
    first_trade = script.events[start + RECORD_BYTES : start + 2 * RECORD_BYTES]
    forged = bytearray(script.events)
    at = second + RECORD_BYTES + 32
    forged[at : at + 8] = first_trade[32:40]  # the trade id
    with opened(database) as books, pytest.raises(BooksRefusedError, match="UniqueViolation"):
        books.apply(EventRun(1, 1, bytes(forged)))
    assert one(database, "SELECT count(*) FROM trading_trade") == (0,)


def test_self_trades_and_their_fees_are_booked(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=1)
    script.place(1, Side.ASK, 1_000, 10)
    script.place(1, Side.BID, 1_000, 10)
    script.checkpoint()
    booked(database, script)
    verified(database)
    fees = one(
        database,
        "SELECT sum(-amount) FILTER (WHERE asset_id = 1), sum(-amount) FILTER (WHERE asset_id = 2) "
        "FROM ledger_leg WHERE account = 'fee_revenue'",
    )
    # 10 lots are 0.001 BTC, of which the buying taker pays 0.25 %; at 10 USDT per BTC the selling
    # maker receives 0.01 USDT and pays 0.1 % of it.
    assert fees == (Decimal("0.0000025"), Decimal("0.00001"))


def test_refusals_are_archived_and_make_no_history(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=1)
    script.place(1, Side.ASK, 1_000, 10**9)
    header, _ = unpack_event(script.events, len(script.events) - RECORD_BYTES)
    assert (header.type, header.reason) == (EventType.REFUSED, Reason.INSUFFICIENT_BALANCE)
    booked(database, script)
    assert one(database, "SELECT count(*) FROM trading_orderhistory") == (0,)
    newest = "SELECT event_seq, type FROM mirror_engineevent ORDER BY 1 DESC LIMIT 1"
    assert one(database, newest) == (header.event_seq, EventType.REFUSED)


def test_what_the_house_holds_is_booked_apart_from_what_it_earns(
    database: DatabaseHandle,
) -> None:
    script = EngineScript().prepare(users=2)
    script.funds(CommandType.DEPOSIT, 0, BTC, 500)
    script.place(1, Side.ASK, 1_000, 10)
    script.place(2, Side.BID, 1_000, 10)
    script.funds(CommandType.WITHDRAW, 0, USDT, 10)
    script.checkpoint()
    booked(database, script)
    verified(database)
    assert one(
        database,
        "SELECT sum(-amount) FILTER (WHERE account = 'house_funds' AND asset_id = 1), "
        "       sum(-amount) FILTER (WHERE account = 'house_funds' AND asset_id = 2) "
        "FROM ledger_leg",
    ) == (Decimal("0.000005"), Decimal("-0.00001"))


def test_a_checkpoint_that_differs_stops_the_books(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    script.checkpoint()
    booked(database, script)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "UPDATE ledger_balance SET total = total + 1, available = available + 1 "
            "WHERE user_id = 1 AND asset_id = 1"
        )
    script.funds(CommandType.DEPOSIT, 1, BTC, 5)
    script.checkpoint()
    before = contents(database)
    with opened(database) as books, pytest.raises(CheckpointMismatchError) as caught:
        book_all(books, script.events)
    assert "the balances have digest" in str(caught.value)
    assert contents(database) == before


def test_asset_totals_that_differ_stop_the_books(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    script.checkpoint()
    booked(database, script)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(
            "UPDATE ledger_assettotal SET deposited = deposited + 1, held = held + 1"
        )
    script.funds(CommandType.WITHDRAW, 1, USDT, 5)
    script.checkpoint()
    with opened(database) as books, pytest.raises(CheckpointMismatchError, match="AssetTotals"):
        book_all(books, script.events)


def test_a_forged_event_breaks_the_chain(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    (message,) = batches(script.events)
    forged = bytearray(message.events)
    forged[-60] ^= 1
    with opened(database) as books, pytest.raises(ChainBrokenError):
        books.apply(run_of([message._replace(events=bytes(forged))]))
    assert one(database, "SELECT count(*) FROM mirror_engineevent") == (0,)


def test_an_engine_of_a_lower_epoch_is_refused(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    first, second = batches(script.events, size=8)[:2]
    with opened(database) as books:
        books.apply(run_of([first._replace(epoch=5)]))
        with pytest.raises(LowerEpochError, match="are of epoch 4, the books have epoch 5"):
            books.apply(run_of([second._replace(epoch=4)]))


def test_what_comes_before_a_poisonous_event_is_booked(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    for unreadable in (True, False):
        done = len(script.events) // RECORD_BYTES
        script.place(1, Side.ASK, 1_000, 10)
        script.cancel(1, script.kernel.last_order_id)
        forged = bytearray(script.events)
        if unreadable:
            forged[-RECORD_BYTES + 24] = 77  # the type
        else:
            forged[-RECORD_BYTES + 32] ^= 0xFF  # the order id
        with opened(database) as books, pytest.raises(PoisonEventError) as caught:
            book_all(books, bytes(forged))
        assert caught.value.event_seq == done + 2
        assert one(database, "SELECT last_event_seq FROM mirror_cursor") == (done + 1,)
        with opened(database) as books:
            book_all(books, script.events)  # the genuine event takes its place
    verified(database)


def test_a_second_mirror_is_fenced(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    first, second, *_ = batches(script.events, size=4)
    with opened(database) as one_mirror, opened(database) as other:
        one_mirror.apply(run_of([first]))
        with pytest.raises(MirrorFencedError, match="is no longer at event 0"):
            other.apply(run_of([first]))
        one_mirror.apply(run_of([second]))
    assert one(database, "SELECT count(*) FROM mirror_engineevent") == (8,)


def test_trap_2_concurrent_writers_book_every_event_once(database: DatabaseHandle) -> None:
    """Four mirrors at once, each taking the cursor up again whenever another was quicker."""
    script = EngineScript().prepare().run(600)
    count = len(script.events) // RECORD_BYTES
    failures: list[BaseException] = []
    fenced = []

    def follow() -> None:
        books = Books(database.mirror_url)
        try:
            while True:
                books.open()
                if books.position.last_event_seq == count:
                    return
                done = books.position.last_event_seq
                part = script.events[done * RECORD_BYTES : (done + 50) * RECORD_BYTES]
                try:
                    books.apply(EventRun(1, done + 1, part))
                except MirrorFencedError:
                    fenced.append(done)
        except BaseException as error:
            failures.append(error)
        finally:
            books.close()

    threads = [threading.Thread(target=follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert fenced
    assert one(database, "SELECT count(*), max(event_seq) FROM mirror_engineevent") == (
        count,
        count,
    )
    verified(database)


def test_a_connection_that_dies_leaves_the_books_whole(database: DatabaseHandle) -> None:
    script = EngineScript().prepare().run(300)
    messages = batches(script.events, size=50)
    with opened(database) as books:
        for index, message in enumerate(messages):
            books.apply(run_of([message]))
            if index % 3 == 0:
                with psycopg.connect(database.superuser_url, autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = 'mirror.books' AND datname = current_database()"
                    )
                if index + 1 < len(messages):
                    with pytest.raises(psycopg.OperationalError):
                        books.apply(run_of([messages[index + 1]]))
                books.open()
                assert books.position.last_event_seq == message.last_event_seq
    verified(database)


def test_a_database_that_refuses_a_row_stops_the_books_by_name(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("ALTER TABLE ledger_balance ADD CHECK (user_id <> 2)")
    with opened(database) as books, pytest.raises(BooksRefusedError) as caught:
        book_all(books, script.events)
    assert "the database refused what follows from events" in str(caught.value)
    assert "CheckViolation" in str(caught.value)


def test_why_a_mirror_halted_is_on_record_until_it_goes_on(database: DatabaseHandle) -> None:
    script = EngineScript().prepare(users=2)
    first, second = batches(script.events, size=8)[:2]
    statement = "SELECT halted_reason, last_checkpoint_ok FROM mirror_cursor"
    with opened(database) as books:
        books.apply(run_of([first]))
        books.halt(CheckpointMismatchError("they differ"))
        assert one(database, statement) == ("they differ", False)
        books.apply(run_of([second]))
        assert one(database, statement) == ("", False)
