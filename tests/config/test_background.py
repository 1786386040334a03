"""Expired records that the background tasks delete."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keyturn.config.background import EMPTY_BUCKET_SECONDS, purge_expired
from keyturn.config.components import Components, build_components
from keyturn.config.settings import Settings, read_settings
from keyturn.core.audit import AuditEvent, AuditEventType
from keyturn.core.throttle import Bucket
from keyturn.core.types import Instant, Subject
from keyturn.errors import ConfigurationError
from keyturn.flows import drive
from keyturn.testing.contract.records import new_session

NOW = Instant(1_700_000_000)
DAY = 86400
ADA = Subject("ada")


@pytest.fixture(params=["memory:", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/keyturn.db" if request.param == "sqlite" else str(request.param)


@pytest.fixture
def opened() -> Iterator[list[Components]]:
    opened: list[Components] = []
    yield opened
    for parts in opened:
        parts.sync_store.close()
        parts.hasher.close()


def build(opened: list[Components], url: str, **changes: Any) -> Components:
    settings = Settings(issuer="https://auth.example.com", audience="api", store=url, secret="s" * 43, **changes)
    opened.append(build_components(settings, is_async=False, clock=lambda: NOW + 0.9))
    return opened[-1]


def remaining_ages(parts: Components, *ages: int) -> list[int]:
    """Of events of these ages, in seconds, the ones that a sweep leaves."""
    for age in ages:
        parts.store.audit.append(AuditEvent(AuditEventType.LOGIN, Instant(NOW - age), ADA))
    drive(purge_expired(parts), parts.sync_ports)
    return sorted(NOW - each.at for each in parts.store.audit.recent(ADA, len(ages)))


def test_events_are_kept_for_400_days(opened: list[Components], url: str) -> None:
    parts = build(opened, url)
    assert remaining_ages(parts, 0, DAY, 400 * DAY, 400 * DAY + 1, 4000 * DAY) == [0, DAY, 400 * DAY]


def test_events_are_kept_for_the_configured_days(opened: list[Components], url: str) -> None:
    assert remaining_ages(build(opened, url, audit_retention_days=1), 0, DAY, DAY + 1) == [0, DAY]


def test_events_are_kept_forever_with_zero_days(opened: list[Components], url: str) -> None:
    assert remaining_ages(build(opened, url, audit_retention_days=0), 0, 40_000 * DAY - 1) == [0, 40_000 * DAY - 1]


def test_the_longest_retention_reaches_before_1970(opened: list[Components], url: str) -> None:
    assert remaining_ages(build(opened, url, audit_retention_days=36_500), 0, NOW) == [0, NOW]


def test_dead_sessions_and_buckets_go_in_the_same_round(opened: list[Components], url: str) -> None:
    parts = build(opened, url)
    dead, living = new_session(expires_at=NOW), new_session(expires_at=NOW + 1)
    emptied, lingering = (Bucket(name, 0, Instant(NOW - EMPTY_BUCKET_SECONDS + n), 1) for n, name in enumerate("ab"))
    for session in (dead, living):
        parts.store.sessions.insert(session)
    for bucket in (emptied, lingering):
        parts.store.throttles.replace(bucket)
    assert drive(purge_expired(parts), parts.sync_ports) == 1
    assert parts.store.sessions.load(dead.sid) is None
    assert parts.store.sessions.load(living.sid) is not None
    assert parts.store.throttles.load("a") is None
    assert parts.store.throttles.load("b") == lingering


@pytest.mark.parametrize("days", ["-1", "36501", "a year", "1.5"])
def test_days_that_are_no_number_of_days_end_the_start(days: str) -> None:
    with pytest.raises(ConfigurationError, match="audit_retention_days"):
        read_settings({"KEYTURN_AUDIT_RETENTION_DAYS": days})


@pytest.mark.parametrize("days", [0, 1, 36500])
def test_days_are_read_from_the_environment(days: int) -> None:
    assert read_settings({"KEYTURN_AUDIT_RETENTION_DAYS": str(days)}).audit_retention_days == days
