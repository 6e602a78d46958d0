"""Jobs that tell the engine of new traders."""

from __future__ import annotations

from celery import shared_task

from apps.accounts.registration import REGISTER_TASK, registration_run, registrations_run


@shared_task(name=REGISTER_TASK)  # type: ignore[untyped-decorator]
def register_with_engine(user_id: int) -> None:
    """Tell the engine of one trader; if it fails, the schedule tries again."""
    registration_run(user_id=user_id)


@shared_task(name="accounts.register_waiting")  # type: ignore[untyped-decorator]
def register_waiting() -> None:
    """Tell the engine of all traders that it does not know yet."""
    registrations_run()
