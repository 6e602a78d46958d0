"""Looks at the platform's processes, and remembers the newest look at each."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import grpc
import httpx
from django.db import transaction
from grpc_health.v1 import health_pb2, health_pb2_grpc

from apps.core.models import ProcessHealth, ProcessState
from apps.core.types import ProcessReport
from engine.client import Access, AccessDenied

LOOK_TIMEOUT_S: Final = 4.0  # a process may itself wait three seconds for what it depends on
LOOKS_AT_ONCE: Final = 16
DETAIL_CHARS_MAX: Final = 500


def process_look(process: str, address: str, now: datetime) -> ProcessReport:
    """Ask one process how it is. `address` is an http, tcp or grpc URL."""
    started = time.perf_counter()
    state, detail = _ask(address)
    latency_ms = round((time.perf_counter() - started) * 1000)
    return ProcessReport(process, state, detail[:DETAIL_CHARS_MAX], latency_ms, now)


def _ask(address: str) -> tuple[str, str]:
    scheme = urlsplit(address).scheme
    try:
        if scheme == "tcp":
            return _ask_tcp(address)
        return _ask_grpc(address) if scheme == "grpc" else _ask_http(address)
    except (OSError, httpx.HTTPError, grpc.RpcError) as error:
        return ProcessState.UNREACHABLE, f"no answer at {address}: {type(error).__name__}"


def _ask_http(address: str) -> tuple[str, str]:
    with httpx.Client(timeout=LOOK_TIMEOUT_S, trust_env=False) as client:
        response = client.get(address)
    if response.status_code == httpx.codes.OK:
        return ProcessState.READY, ""
    return ProcessState.NOT_READY, _reasons(response)


def _reasons(response: httpx.Response) -> str:
    """Return what the process says is missing: our own pages answer JSON or one plain line."""
    try:
        reasons = response.json()["reasons"]
        return "; ".join(str(reason) for reason in reasons)
    except (ValueError, KeyError, TypeError):
        return response.text.strip() or f"answered {response.status_code}"


def _ask_tcp(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    place = (parts.hostname or "", parts.port or 0)
    with socket.create_connection(place, timeout=LOOK_TIMEOUT_S):
        return ProcessState.READY, ""


def _ask_grpc(address: str) -> tuple[str, str]:
    try:
        access = Access.from_environment()
        metadata = access.metadata()
    except AccessDenied as error:
        return ProcessState.NOT_READY, str(error)
    with access.blocking_channel(urlsplit(address).netloc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        answer = stub.Check(request, timeout=LOOK_TIMEOUT_S, metadata=metadata)
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return ProcessState.READY, ""
    return ProcessState.NOT_READY, health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def processes_look(addresses: Mapping[str, str], now: datetime) -> list[ProcessReport]:
    """Look at all processes side by side."""
    with ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="look") as pool:
        return list(pool.map(lambda item: process_look(item[0], item[1], now), addresses.items()))


def process_health_record(*, reports: Sequence[ProcessReport]) -> None:
    """Make the table say what these reports say, and nothing about other processes.

    Two samplers at once do no harm: the last one to commit is the newest look.
    """
    rows = [
        ProcessHealth(
            process=report.process,
            state=report.state,
            detail=report.detail,
            latency_ms=report.latency_ms,
            checked_at=report.checked_at,
        )
        for report in sorted(reports, key=lambda report: report.process)
    ]
    with transaction.atomic():
        ProcessHealth.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["process"],
            update_fields=["state", "detail", "latency_ms", "checked_at"],
        )
        ProcessHealth.objects.exclude(process__in=[row.process for row in rows]).delete()
