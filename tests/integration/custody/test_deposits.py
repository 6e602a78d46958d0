"""One credit for each output of a real transfer, whatever arrives how often and in which order."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection, connections

from apps.custody.inbox import webhook_process, webhooks_sweep
from apps.custody.models import AssetNetwork, Case, Deposit, DepositStep, PollCursor, Webhook
from apps.custody.polling import open_transfers_look, wallets_poll
from apps.custody.transfers import transfer_look
from apps.custody.types import Source
from engine.proto.records import Reason
from quantatrade.simulators.custodian.store import Document
from tests.integration.custody.desk import WALLET, Desk


def steps() -> list[tuple[str, str]]:
    rows = DepositStep.objects.order_by("deposit_id", "number")
    return [(row.to_state, row.source) for row in rows]


def look(transfer: Document) -> str:
    return transfer_look(
        coin=transfer["coin"], wallet=WALLET, transfer_id=transfer["id"], source=Source.POLL
    )


def test_a_confirmed_transfer_is_credited_with_all_its_facts(desk: Desk) -> None:
    transfer = desk.arrive(150_000_000)
    assert desk.deliver() == [200]
    assert desk.balance() == 150_000_000
    deposit = Deposit.objects.get()
    assert (deposit.state, deposit.user_id, deposit.asset_id) == ("credited", desk.user_id, 1)
    assert (int(deposit.base_units), deposit.amount_atoms) == (150_000_000, 150_000_000)
    assert (deposit.amount, deposit.dust_base_units) == (Decimal("1.5"), Decimal(0))
    assert deposit.normalized_tx_hash == transfer["normalizedTxHash"]
    assert deposit.event_seq is not None
    assert steps() == [("seen", "webhook"), ("confirmed", "webhook"), ("credited", "webhook")]
    assert desk.cases() == []
    assert Webhook.objects.get().state == "done"


def test_trap_45_a_hundred_duplicates_and_replays_credit_once(desk: Desk) -> None:
    desk.arrive(7, misbehave={"duplicates": 99})
    sent = desk.waiting()
    assert len(sent) == 100
    for body, signature in sent[:50]:
        assert desk.knock(body, signature) == 200
    desk.process()
    for body, signature in sent[50:]:
        assert desk.knock(body, signature) == 200
    desk.process()
    assert Webhook.objects.get().received_count == 100
    assert (desk.balance(), desk.states(), len(steps())) == (7, ["credited"], 3)


def test_trap_45_a_hundred_bodies_for_one_transfer_credit_once(desk: Desk) -> None:
    desk.arrive(7)
    ((body, _),) = desk.waiting()
    for number in range(100):
        changed = json.dumps(json.loads(body) | {"retries": number}).encode()
        assert desk.knock(*desk.signed(changed)) == 200
    desk.process()
    assert set(Webhook.objects.values_list("state", flat=True)) == {"done"}
    assert (desk.balance(), desk.states(), len(steps())) == (7, ["credited"], 3)


def test_trap_45_webhooks_out_of_order_do_not_matter(desk: Desk) -> None:
    address = desk.address()
    transfer = desk.arrive(9, address=address, confirm_after_ms=1)
    desk.custodian.confirm_due(now=2e9 * 10)
    first, second = desk.waiting()
    for each in (second, first):
        assert desk.knock(*each) == 200
        desk.process()
    assert (desk.balance(), desk.states()) == (9, ["credited"])
    assert look(transfer) == "receive confirmed, 1 deposits"
    assert desk.balance() == 9


def test_a_transfer_waits_for_its_confirmations(desk: Desk) -> None:
    transfer = desk.arrive(5, confirmations=2)
    desk.deliver()
    assert (desk.balance(), desk.states()) == (0, ["seen"])
    desk.change(transfer, confirmations=3, misbehave={"silent": True})
    assert open_transfers_look(now=datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert (desk.balance(), desk.states()) == (5, ["credited"])


def test_trap_39_every_output_is_credited_to_its_own_trader(desk: Desk) -> None:
    other = desk.trader()
    mine, theirs = desk.address(), desk.address(user_id=other)
    outputs = [
        {"address": mine, "amount": "30"},
        {"address": theirs, "amount": "11"},
        {"address": mine, "amount": "4"},
        {"address": mine, "amount": "30"},
        {"address": "bc1qnobody", "amount": "1000"},
    ]
    transfer = desk.arrive(outputs=outputs)
    desk.deliver()
    look(transfer)
    assert (desk.balance(), desk.balance(user_id=other)) == (64, 11)
    assert desk.states() == ["credited"] * 4
    assert desk.cases() == [("unknown_address", False)]
    entries = desk.custodian.transfer("btc", WALLET, transfer["id"])["entries"]
    desk.change(transfer, entries=entries[::-1], misbehave={"silent": True})
    look(transfer)
    assert (desk.balance(), desk.states()) == (64, ["credited"] * 4)


def test_coins_for_an_address_that_nobody_owns_credit_nobody_and_open_one_case(desk: Desk) -> None:
    desk.address()
    transfer = desk.arrive(8, address="bc1qnobody")
    desk.deliver()
    look(transfer)
    assert (desk.balance(), desk.states()) == (0, [])
    assert desk.cases() == [("unknown_address", False)]


def test_atoms_are_exact_and_what_is_below_one_atom_is_recorded(desk: Desk) -> None:
    desk.arrive(1_123_456_789_123_456_789, coin="eth", address=desk.address("ETH"))
    desk.arrive(9_999_999_999, coin="eth", address=desk.address("ETH"))
    desk.arrive(1_500_001, coin="usdt", address=desk.address("USDT"))
    desk.deliver()
    assert (desk.balance("ETH"), desk.balance("USDT")) == (112_345_678, 150_000_100)
    rows = Deposit.objects.order_by("pk")
    assert [(row.amount_atoms, int(row.dust_base_units), row.state) for row in rows] == [
        (112_345_678, 9_123_456_789, "credited"),
        (0, 9_999_999_999, "dust"),
        (150_000_100, 0, "credited"),
    ]


def test_a_hexadecimal_address_is_ours_however_its_letters_are_cased(desk: Desk) -> None:
    address = desk.address("ETH")
    desk.arrive(10**18, coin="eth", address="0x" + address[2:].upper())
    desk.deliver()
    assert desk.balance("ETH") == 100_000_000


def test_a_token_at_an_address_for_another_coin_is_not_credited(desk: Desk) -> None:
    outputs = [{"address": desk.address("ETH"), "amount": "5000000", "token": "usdt"}]
    desk.arrive(coin="eth", outputs=outputs)
    desk.deliver()
    assert (desk.balance("ETH"), desk.balance("USDT"), desk.states()) == (0, 0, [])
    assert desk.cases() == [("unknown_address", False)]


def test_what_we_send_ourselves_is_no_deposit(desk: Desk) -> None:
    desk.arrive(8, type="send")
    desk.deliver()
    assert (desk.balance(), desk.states(), desk.cases()) == (0, [], [])


def test_risk_indicators_hold_a_deposit_that_only_the_poll_finds(desk: Desk) -> None:
    transfer = desk.arrive(8, riskIndicators=["sanctioned"])
    assert desk.deliver() == []
    wallets_poll(now=datetime.now(UTC))
    assert (desk.balance(), desk.states(), desk.cases()) == (0, ["held"], [("risk", False)])
    desk.change(transfer, riskIndicators=[])
    desk.deliver()
    assert (desk.balance(), desk.states()) == (8, ["credited"])


@pytest.mark.parametrize("state", ["removed", "replaced", "failed", "rejected"])
def test_a_transfer_that_fails_before_the_credit_is_rejected_and_may_come_back(
    desk: Desk, state: str
) -> None:
    transfer = desk.arrive(8, state="unconfirmed")
    desk.deliver()
    desk.change(transfer, state=state)
    desk.deliver()
    assert (desk.balance(), desk.states(), desk.cases()) == (0, ["rejected"], [])
    desk.change(transfer, state="confirmed")
    desk.deliver()
    assert (desk.balance(), desk.states()) == (8, ["credited"])


@pytest.mark.parametrize("state", ["removed", "replaced", "failed", "unconfirmed"])
def test_trap_45_going_back_after_the_credit_freezes_and_takes_nothing_back(
    desk: Desk, state: str
) -> None:
    transfer = desk.arrive(8)
    desk.deliver()
    desk.change(transfer, state=state)
    desk.deliver()
    assert (desk.balance(), desk.states()) == (8, ["frozen"])
    assert desk.cases() == [("went_back", True)]
    case = Case.objects.get()
    assert case.user_id == desk.user_id
    assert "8 atoms of asset 1 credited by event" in case.detail
    desk.change(transfer, state="confirmed")
    desk.deliver()
    assert (desk.balance(), desk.states()) == (8, ["frozen"])
    assert desk.cases() == [("went_back", True)]


def test_a_trader_of_a_frozen_deposit_is_suspended_in_the_engine(desk: Desk) -> None:
    from engine.client import EngineRefused
    from engine.proto.records import UserStatus

    transfer = desk.arrive(8)
    desk.deliver()
    desk.change(transfer, state="removed")
    desk.deliver()
    with pytest.raises(EngineRefused) as refusal:
        desk.engine.set_user_status(user_id=desk.user_id, status=UserStatus.SUSPENDED)
    assert refusal.value.reason is Reason.NOTHING_CHANGES


def test_an_amount_that_changes_after_the_credit_freezes(desk: Desk) -> None:
    transfer = desk.arrive(8)
    desk.deliver()
    entries = desk.custodian.transfer("btc", WALLET, transfer["id"])["entries"]
    entries[1]["valueString"] = "7"
    desk.change(transfer, entries=entries)
    desk.deliver()
    assert (desk.balance(), desk.states()) == (8, ["frozen"])
    assert desk.cases() == [("amount_changed", True)]


def test_outputs_that_are_more_than_the_transfer_brought_are_held(desk: Desk) -> None:
    transfer = desk.arrive(8, state="unconfirmed")
    entries = desk.custodian.transfer("btc", WALLET, transfer["id"])["entries"]
    entries[1]["valueString"] = "800"
    desk.change(transfer, entries=entries, state="confirmed")
    desk.deliver()
    assert (desk.balance(), desk.states()) == (0, ["held"])
    assert desk.cases() == [("amounts_disagree", False)]


def test_risk_that_is_found_after_the_credit_opens_a_case(desk: Desk) -> None:
    transfer = desk.arrive(8)
    desk.deliver()
    desk.change(transfer, riskIndicators=["mixer"])
    wallets_poll(now=datetime.now(UTC))
    assert (desk.balance(), desk.states()) == (8, ["credited"])
    assert desk.cases() == [("risk_after_credit", False)]


def test_the_poll_finds_what_no_webhook_told_of_and_credits_once(desk: Desk) -> None:
    desk.arrive(8, misbehave={"silent": True})
    now = datetime.now(UTC)
    assert wallets_poll(now=now) == 1
    assert wallets_poll(now=now) == 0
    assert (desk.balance(), desk.states()) == (8, ["credited"])
    assert steps()[0] == ("seen", "poll")
    assert PollCursor.objects.get().last_error == ""


def test_the_poll_reads_every_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.custody.bitgo.PAGE_SIZE", 2)
    address = desk.address()
    for amount in range(1, 6):
        desk.arrive(amount, address=address, misbehave={"silent": True})
    assert wallets_poll(now=datetime.now(UTC)) == 5
    assert desk.balance() == 15


def test_a_custodian_that_does_not_answer_is_asked_again_later(desk: Desk) -> None:
    desk.address()
    desk.arrive(8)
    desk.custodian.simulate_misbehaviour({"api_failures": 1})
    assert desk.deliver() == [200]
    row = Webhook.objects.get()
    assert (row.state, row.attempts, desk.balance()) == ("received", 1, 0)
    assert row.outcome == "CustodianUnavailableError: the custodian answered 503"
    assert webhooks_sweep(now=datetime.now(UTC)) == 0
    assert webhooks_sweep(now=datetime.now(UTC) + timedelta(seconds=3)) == 1
    assert (desk.balance(), Webhook.objects.get().state) == (8, "done")


def test_an_engine_that_does_not_answer_leaves_the_deposit_due(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = desk.arrive(8)
    with monkeypatch.context() as patch:
        patch.setattr(settings, "ENGINE_ADDRESS", "127.0.0.1:1")
        desk.deliver()
    assert desk.states() == ["confirmed"]
    assert Deposit.objects.get().attempts == 1
    open_transfers_look(now=datetime.now(UTC) + timedelta(minutes=1))
    assert (desk.balance(), desk.states()) == (8, ["credited"])
    assert look(transfer) == "receive confirmed, 1 deposits"


def test_a_refusal_of_the_engine_opens_a_case_and_is_tried_again(desk: Desk) -> None:
    from django.contrib.auth import get_user_model

    stranger = desk.user_id + 500_000
    get_user_model()._default_manager.create(pk=stranger, username="s", email="s@example.com")
    desk.arrive(8, address=desk.address(user_id=stranger))
    desk.deliver()
    assert (desk.states(), desk.cases()) == (["confirmed"], [("engine_refused", False)])
    desk.engine.add_user(user_id=stranger)
    open_transfers_look(now=datetime.now(UTC) + timedelta(minutes=10))
    assert (desk.balance(user_id=stranger), desk.states()) == (8, ["credited"])


def test_a_worker_that_died_between_credit_and_row_credits_nothing_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiedError(BaseException):
        """The process is gone."""

    def die(*_arguments: object, **_named: object) -> None:
        raise DiedError

    transfer = desk.arrive(8)
    ((body, signature),) = desk.waiting()
    desk.knock(body, signature)
    with monkeypatch.context() as patch:
        patch.setattr("apps.custody.crediting.deposit_step", die)
        with pytest.raises(DiedError):
            webhook_process(Webhook.objects.get().pk)
    assert (desk.balance(), desk.states()) == (8, ["confirmed"])
    desk.process()
    look(transfer)
    assert (desk.balance(), desk.states()) == (8, ["credited"])
    assert DepositStep.objects.order_by("-number")[0].reason == "the engine had it already"


def test_an_uncertain_credit_whose_transfer_went_back_is_frozen_and_not_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer = desk.arrive(8)
    with monkeypatch.context() as patch:
        patch.setattr(settings, "ENGINE_ADDRESS", "127.0.0.1:1")
        desk.deliver()
    desk.change(transfer, state="removed")
    desk.deliver()
    assert (desk.balance(), desk.states()) == (0, ["frozen"])
    assert desk.cases() == [("went_back", True)]


def test_eight_workers_at_once_credit_once(desk: Desk) -> None:
    transfer = desk.arrive(8)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            look(transfer)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert (desk.balance(), desk.states(), len(steps())) == (8, ["credited"], 3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_a_removal_is_told_by_hash_alone(desk: Desk) -> None:
    transfer = desk.arrive(8)
    desk.deliver()
    desk.change(transfer, state="removed")
    ((body, _),) = desk.waiting()
    content = json.loads(body)
    assert content.pop("transfer") == transfer["id"]
    assert content["type"] == "transactionRemoved"
    assert desk.knock(*desk.signed(json.dumps(content).encode())) == 200
    desk.process()
    assert desk.states() == ["frozen"]


def test_the_same_transfer_under_another_id_is_credited_once(desk: Desk) -> None:
    address = desk.address()
    desk.arrive(8, address=address, txid="ab" * 32)
    desk.deliver()
    desk.arrive(8, address=address, txid="AB" * 32)
    desk.deliver()
    assert (desk.balance(), desk.states()) == (8, ["credited"])


def test_minimum_confirmations_are_positive_data(desk: Desk) -> None:
    assert {row.asset_code: row.min_confirmations for row in AssetNetwork.objects.all()} == {
        "BTC": 3, "ETH": 32, "USDT": 32, "USDC": 32,
    }  # fmt: skip


def test_more_than_the_engine_can_count_opens_a_case_and_keeps_nothing_back(desk: Desk) -> None:
    address = desk.address("USDT")
    desk.arrive(5_000_000, coin="usdt", address=address, misbehave={"silent": True})
    desk.arrive(10**20, coin="usdt", address=address, misbehave={"silent": True})
    wallets_poll(now=datetime.now(UTC))
    assert (desk.balance("USDT"), desk.states()) == (500_000_000, ["credited"])
    assert desk.cases() == [("amounts_disagree", False)]


def test_a_transfer_that_cannot_be_read_does_not_keep_the_others_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = desk.address()
    for amount in (1, 2, 4):
        desk.arrive(amount, address=address, misbehave={"silent": True})
    with monkeypatch.context() as patch:
        patch.setattr(
            "apps.custody.transfers.amounts_disagree",
            lambda transfer, _outputs: 1 // 0 if transfer.base_units == 2 else None,
        )
        wallets_poll(now=datetime.now(UTC))
    assert desk.balance() == 5
    assert "a transfer was not looked at" in PollCursor.objects.get().last_error
    wallets_poll(now=datetime.now(UTC))
    assert (desk.balance(), PollCursor.objects.get().last_error) == (7, "")
